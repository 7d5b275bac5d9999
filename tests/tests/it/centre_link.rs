//! The gateway's way to a centre over HTTPS, with a certificate authority of the centre's own.

use anyhow::ensure;
use sensor_sim::payload;
use tests::harness::centre;
use tests::harness::certificate::{Authority, Holds};
use tests::harness::feed::Feed;
use tests::harness::setup::Setup;

use crate::home::{BUTTON, Home, OrFail as _, PATIENCE, setup};

/// What the centre's certificate is made for.
const HOSTS: [&str; 2] = ["127.0.0.1", "localhost"];

/// A setup whose centre has a certificate of its own authority.
fn with_tls(hosts: &[&str], holds: Holds) -> anyhow::Result<(Setup, Authority)> {
    let mut setup = setup()?;
    let authority = Authority::new(&setup, "own-authority")?;
    setup.tls = Some(authority.server(&setup, hosts, holds)?);
    setup.centre_urls = vec![centre::url(&setup)];
    setup.ca_file = Some(authority.file().to_owned());
    Ok((setup, authority))
}

/// Lets the desk and the feed of a home trust the centre's own authority.
fn trusting(home: &mut Home, authority: &Authority) -> anyhow::Result<()> {
    let client = authority.client()?;
    home.desk = home.desk.clone().through(client.clone());
    let viewer = centre::desk(&home.setup, home.setup.viewer()).or_fail()?.through(client);
    home.feed = Feed::read(viewer, None);
    Ok(())
}

#[tokio::test]
async fn a_press_goes_over_https_to_a_centre_of_the_configured_authority() -> anyhow::Result<()> {
    let (setup, authority) = with_tls(&HOSTS, Holds::Now)?;
    let mut home = Home::start(setup).await?;
    trusting(&mut home, &authority)?;
    let mut checker = home.checker().await?;
    let press = payload::sos_press(BUTTON);
    checker.publish(&press.topic, &press.payload).await.or_fail()?;
    home.presses(1).await?;
    home.one_order_with(1).await
}

#[tokio::test]
async fn nothing_goes_to_a_centre_of_another_authority_and_the_elder_is_told() -> anyhow::Result<()> {
    let (mut setup, authority) = with_tls(&HOSTS, Holds::Now)?;
    setup.ca_file = Some(Authority::new(&setup, "other-authority")?.file().to_owned());
    nothing_goes(setup, &authority).await
}

#[tokio::test]
async fn nothing_goes_to_a_centre_whose_authority_the_gateway_was_not_told() -> anyhow::Result<()> {
    let (mut setup, authority) = with_tls(&HOSTS, Holds::Now)?;
    setup.ca_file = None;
    nothing_goes(setup, &authority).await
}

#[tokio::test]
async fn nothing_goes_to_a_centre_whose_certificate_has_expired() -> anyhow::Result<()> {
    let (setup, authority) = with_tls(&HOSTS, Holds::Expired)?;
    nothing_goes(setup, &authority).await
}

#[tokio::test]
async fn nothing_goes_to_a_centre_with_a_certificate_for_another_name() -> anyhow::Result<()> {
    let (setup, authority) = with_tls(&["centre.example"], Holds::Now)?;
    nothing_goes(setup, &authority).await
}

/// Presses; the elder must be told the truth and the centre must have nothing.
async fn nothing_goes(setup: Setup, authority: &Authority) -> anyhow::Result<()> {
    let mut home = Home::start(setup).await?;
    trusting(&mut home, authority)?;
    let lamp = home.lamp().await?;
    let mut checker = home.checker().await?;
    let press = payload::sos_press(BUTTON);
    checker.publish(&press.topic, &press.payload).await.or_fail()?;
    let told = |heard: &tests::harness::mqtt::Heard| heard.field("stage").as_deref() == Some("not_connected");
    lamp.hear("the lamp says not_connected", 0, PATIENCE, told).await.or_fail()?;
    home.status.until_metric("gateway_sends_failed_total", PATIENCE, |failed| failed > 0).await.or_fail()?;
    // A desk that trusts everything asks the store: the gateway's own way must have brought nothing.
    let any = reqwest::Client::builder().no_proxy().tls_danger_accept_invalid_certs(true).build()?;
    let orders = home.desk.clone().through(any).work_orders().await.or_fail()?;
    ensure!(orders.is_empty(), "{} orders at a centre that is not trusted", orders.len());
    Ok(())
}
