//! The gateway's way to a centre over HTTPS, with a certificate authority of the centre's own.

use anyhow::ensure;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use sensor_sim::payload;
use tests::harness::centre;
use tests::harness::feed::Feed;
use tests::harness::setup::Setup;

use crate::home::{BUTTON, Home, OrFail as _, PATIENCE, setup};

/// Makes an authority and writes its certificate.
fn authority(setup: &Setup, name: &str) -> anyhow::Result<(CertifiedIssuer<'static, KeyPair>, std::path::PathBuf)> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let path = setup.write(&format!("{name}.pem"), &authority.pem())?;
    Ok((authority, path))
}

/// A setup whose centre has a certificate of its own authority, and another authority's file.
fn with_tls() -> anyhow::Result<(Setup, std::path::PathBuf)> {
    let mut setup = setup()?;
    let (authority, ca_file) = authority(&setup, "own-authority")?;
    let (_, other) = self::authority(&setup, "other-authority")?;
    let key = KeyPair::generate()?;
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()])?;
    let certificate = params.signed_by(&key, &authority)?;
    let cert = setup.write("centre-cert.pem", &certificate.pem())?;
    let key = setup.write("centre-key.pem", &key.serialize_pem())?;
    setup.tls = Some((cert, key));
    setup.centre_url = Some(centre::url(&setup));
    setup.ca_file = Some(ca_file);
    Ok((setup, other))
}

/// Lets the desk and the feed of a home trust the centre's own authority.
fn trusting(home: &mut Home) -> anyhow::Result<()> {
    let pem = std::fs::read(home.setup.dir().join("own-authority.pem"))?;
    let client =
        reqwest::Client::builder().no_proxy().tls_certs_merge([reqwest::Certificate::from_pem(&pem)?]).build()?;
    home.desk = home.desk.clone().through(client.clone());
    let viewer = centre::desk(&home.setup, home.setup.viewer()).or_fail()?.through(client);
    home.feed = Feed::read(viewer, None);
    Ok(())
}

#[tokio::test]
async fn a_press_goes_over_https_to_a_centre_of_the_configured_authority() -> anyhow::Result<()> {
    let (setup, _) = with_tls()?;
    let mut home = Home::start(setup).await?;
    trusting(&mut home)?;
    let mut checker = home.checker().await?;
    let press = payload::sos_press(BUTTON);
    checker.publish(&press.topic, &press.payload).await.or_fail()?;
    home.presses(1).await?;
    home.one_order_with(1).await
}

#[tokio::test]
async fn nothing_goes_to_a_centre_of_another_authority_and_the_elder_is_told() -> anyhow::Result<()> {
    let (mut setup, other) = with_tls()?;
    setup.ca_file = Some(other);
    let mut home = Home::start(setup).await?;
    trusting(&mut home)?;
    let lamp = home.lamp().await?;
    let mut checker = home.checker().await?;
    let press = payload::sos_press(BUTTON);
    checker.publish(&press.topic, &press.payload).await.or_fail()?;
    let told = |heard: &tests::harness::mqtt::Heard| heard.field("stage").as_deref() == Some("not_connected");
    lamp.hear("the lamp says not_connected", 0, PATIENCE, told).await.or_fail()?;
    home.status.until_metric("gateway_sends_failed_total", PATIENCE, |failed| failed > 0).await.or_fail()?;
    let orders = home.desk.work_orders().await.or_fail()?;
    ensure!(orders.is_empty(), "{} orders at a centre that is not trusted", orders.len());
    Ok(())
}
