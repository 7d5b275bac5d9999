//! The gateway against somebody else's broker: a real mosquitto.

use anyhow::Context as _;
use sensor_sim::payload;
use tests::harness::mqtt::{MqttClient, SignIn};
use tests::harness::secret;
use tests::harness::setup::Broker;
use tests::harness::{gateway, ports, program};

use crate::home::{BUTTON, Home, Mosquitto, OrFail as _, PATIENCE, run, setup, text};

async fn started() -> anyhow::Result<(Home, Mosquitto, SignIn)> {
    started_with("").await
}

async fn started_with(more_toml: &str) -> anyhow::Result<(Home, Mosquitto, SignIn)> {
    let mut setup = setup()?;
    setup.extra_toml = more_toml.to_owned();
    let [home, bridge] = ["homecare", "zigbee2mqtt"].map(str::to_owned);
    let home = SignIn { name: home, password: secret::token()? };
    let bridge = SignIn { name: bridge, password: secret::token()? };
    let sign_ins = [(home.name.as_str(), home.password.as_str()), (&bridge.name, &bridge.password)];
    let mut mosquitto = Mosquitto::start(&setup, &sign_ins).await?;
    setup.broker = Broker::External { port: mosquitto.port(), sign_in: home };
    let home = Home::start(setup).await?;
    mosquitto
        .says("the gateway hears its buttons", |line| line.contains("Sending SUBACK to homecare-demo-home-life-safety"))
        .await?;
    Ok((home, mosquitto, bridge))
}

#[tokio::test]
async fn press_through_mosquitto_raises_one_order() -> anyhow::Result<()> {
    let (home, mosquitto, bridge) = started().await?;
    let mut bridge = MqttClient::connect(mosquitto.port(), "bridge", Some(&bridge)).await.or_fail()?;
    let press = payload::sos_press(BUTTON);
    bridge.publish(&press.topic, &press.payload).await.or_fail()?;
    home.presses(1).await?;
    home.one_order_with(1).await
}

#[tokio::test]
async fn presses_held_by_a_broker_that_restarts_all_arrive_once_the_gateway_is_back() -> anyhow::Result<()> {
    const PRESSES: u32 = 5;
    let (mut home, mut mosquitto, sign_in) = started().await?;
    home.gateway.stop(PATIENCE).await.or_fail()?;
    let mut bridge = MqttClient::connect(mosquitto.port(), "bridge", Some(&sign_in)).await.or_fail()?;
    let press = payload::sos_press(BUTTON);
    for _ in 0..PRESSES {
        bridge.publish(&press.topic, &press.payload).await.or_fail()?;
    }
    mosquitto.restart().await?;
    home.gateway = gateway::start(&home.setup, None).await?;
    let arrived = home.presses(PRESSES).await.map_err(|error| format!("{error:#}"));
    program::or_log(&home.gateway, arrived)?;
    home.one_order_with(PRESSES).await
}

#[tokio::test]
async fn gateway_finds_a_broker_that_restarts_under_it() -> anyhow::Result<()> {
    let (home, mut mosquitto, sign_in) = started().await?;
    mosquitto.restart().await?;
    let resumed = |line: &str| line.contains("as homecare-demo-home-life-safety") && line.contains("connected");
    mosquitto.says("the gateway is back", resumed).await?;
    let mut bridge = MqttClient::connect(mosquitto.port(), "bridge", Some(&sign_in)).await.or_fail()?;
    let press = payload::sos_press(BUTTON);
    bridge.publish(&press.topic, &press.payload).await.or_fail()?;
    home.presses(1).await?;
    home.one_order_with(1).await
}

#[tokio::test]
async fn home_assistant_is_told_by_the_brokers_will_that_the_gateway_died() -> anyhow::Result<()> {
    let (mut home, mosquitto, sign_in) = started_with("\n[homeassistant]\nenabled = true\n").await?;
    let mut dashboard = MqttClient::connect(mosquitto.port(), "dashboard", Some(&sign_in)).await.or_fail()?;
    dashboard.subscribe(&["homecare/status", "homeassistant/#"]).await.or_fail()?;
    let says = |word: &'static str| {
        move |heard: &tests::harness::mqtt::Heard| heard.topic == "homecare/status" && heard.payload == word.as_bytes()
    };
    let (_, config) = dashboard
        .hear("the discovery", 0, PATIENCE, |heard| {
            heard.topic == "homeassistant/sensor/homecare_demo_home/stage/config"
        })
        .await
        .or_fail()?;
    anyhow::ensure!(config.field("availability_topic").as_deref() == Some("homecare/status"), "{config:?}");
    let (at, _) = dashboard.hear("it is there", 0, PATIENCE, says("online")).await.or_fail()?;
    home.gateway.kill();
    dashboard.hear("it is gone", at, PATIENCE, says("offline")).await.or_fail()?;
    home.gateway = gateway::start(&home.setup, None).await?;
    let back = dashboard.heard_count();
    dashboard.hear("it is back", back.saturating_sub(1), PATIENCE, says("online")).await.or_fail().map(drop)
}

#[tokio::test]
async fn the_settings_printed_for_mosquitto_start_it_carry_a_press_and_keep_others_out() -> anyhow::Result<()> {
    let mut setup = setup()?;
    let [port] = ports::free()?;
    let sign_in = |name: &str| anyhow::Ok(SignIn { name: name.to_owned(), password: secret::token()? });
    let (home, bridge) = (sign_in("homecare")?, sign_in("zigbee2mqtt")?);
    let passwords = Mosquitto::passwords(&setup, &[(&home.name, &home.password), (&bridge.name, &bridge.password)])?;
    setup.broker = Broker::External { port, sign_in: home };
    let config = setup.write_gateway()?;
    let printed = run("gateway", &["snippets", "mosquitto", "--config", &config.to_string_lossy()], "")?;
    let printed = text(&printed.stdout);
    let (settings, rights) = printed.split_once("# ── /etc/mosquitto/homecare.acl").context("two files are printed")?;
    let rights = setup.write("homecare.acl", &format!("# {rights}"))?;
    // Only where its files stand is of this machine; all else is as it is printed.
    let settings = settings
        .replace("/etc/mosquitto/homecare.passwd", &passwords.to_string_lossy())
        .replace("/etc/mosquitto/homecare.acl", &rights.to_string_lossy());
    let place = format!("user root\npersistence_location {}/\n", setup.dir().display());
    let mut mosquitto =
        Mosquitto::with_config(setup.write("snippet.conf", &format!("{settings}{place}"))?, port).await?;
    let home = Home::start(setup).await?;
    mosquitto
        .says("the gateway hears its buttons", |line| line.contains("Sending SUBACK to homecare-demo-home-life-safety"))
        .await?;
    anyhow::ensure!(MqttClient::connect(port, "stranger", None).await.is_err(), "a stranger was let in");
    let mut bridge = MqttClient::connect(port, "bridge", Some(&bridge)).await.or_fail()?;
    // The bridge may speak for its devices alone: mosquitto acknowledges the rest and drops it.
    bridge.publish("homecare/cancel", b"{}").await.or_fail()?;
    let press = payload::sos_press(BUTTON);
    bridge.publish(&press.topic, &press.payload).await.or_fail()?;
    home.presses(1).await?;
    mosquitto.says("the foreign word is refused", |line| line.contains("Denied PUBLISH from bridge")).await?;
    home.one_order_with(1).await
}
