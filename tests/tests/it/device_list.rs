//! The installer's commands on a running gateway: the device list, and a test press that is no call.

use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use sensor_sim::device::{Device, Model};
use sensor_sim::payload;
use tests::harness::setup::BRIDGE;
use tests::harness::{program, wire};

use crate::home::{BUTTON, Home, OrFail as _, PATIENCE, run, setup, text};

#[tokio::test]
async fn the_device_list_of_a_running_gateway_shows_what_was_heard_and_what_was_not() -> anyhow::Result<()> {
    let home = Home::start(setup()?).await?;
    let mut checker = home.checker().await?;
    let motion = payload::motion("hall motion", true);
    checker.publish(&motion.topic, &motion.payload).await.or_fail()?;
    let config = home.setup.write_gateway()?;
    let output = run("gateway", &["devices", "--json", "--config", &config.to_string_lossy()], "")?;
    ensure!(output.status.success(), "{}", text(&output.stderr));
    let devices: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout)?;
    let line = |name: &str| devices.iter().find(|line| line["device"] == name).context("a device is missing");
    ensure!(line("hall motion")?["heard_secs_ago"].is_u64(), "{}", line("hall motion")?);
    ensure!(line(BUTTON)?["heard_secs_ago"].is_null() && line(BUTTON)?["role"] == "sos", "{}", line(BUTTON)?);
    let table = run("gateway", &["devices", "--config", &config.to_string_lossy()], "")?;
    ensure!(text(&table.stdout).starts_with("设备 device"), "{}", text(&table.stdout));
    Ok(())
}

#[tokio::test]
async fn a_test_press_is_heard_opens_no_order_and_leaves_its_evidence() -> anyhow::Result<()> {
    let home = Home::start(setup()?).await?;
    let mut checker = home.checker().await?;
    let config = home.setup.write_gateway()?;
    let mut test = Command::new(program::path_of("gateway")?)
        .args(["test-press", BUTTON, "--config", &config.to_string_lossy()])
        .stdout(Stdio::piped())
        .spawn()?;
    let asked = |item: &tests::harness::feed::Item| item.event.kind == "test.step" && item.event.test;
    home.feed.wait("a test is asked for", 0, PATIENCE, asked).await.or_fail()?;
    let press = payload::sos_press(BUTTON);
    checker.publish(&press.topic, &press.payload).await.or_fail()?;
    let pressed = |item: &tests::harness::feed::Item| item.event.kind == "test" && item.event.test;
    home.feed.wait("the test press", 0, PATIENCE, pressed).await.or_fail()?;
    let ended = tokio::task::spawn_blocking(move || test.wait()).await??;
    ensure!(ended.success(), "the test ended with {ended}");
    let orders = home.desk.work_orders().await.or_fail()?;
    ensure!(orders.is_empty(), "a test opened {} orders", orders.len());
    Ok(())
}

#[tokio::test]
async fn a_device_that_joined_and_never_spoke_is_in_the_list_with_its_class() -> anyhow::Result<()> {
    let home = Home::start(setup()?).await?;
    let mut bridge = home.mqtt(BRIDGE).await?;
    let packet = bridge.packet();
    let message = wire::Publish {
        topic: "zigbee2mqtt/bridge/devices".into(),
        payload: payload::bridge_devices(&[Device::new("spare cord", Model::LatchingSos, None, 1)]),
        packet: Some(packet),
        duplicate: false,
        retain: true,
    };
    bridge.send(&wire::publish(&message)).await.or_fail()?;
    bridge.acknowledged(packet, 0).await.or_fail()?;
    let config = home.setup.write_gateway()?;
    let output = run("gateway", &["devices", "--json", "--config", &config.to_string_lossy()], "")?;
    ensure!(output.status.success(), "{}", text(&output.stderr));
    let devices: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout)?;
    let line = devices.iter().find(|line| line["device"] == "spare cord").context("it is missing")?;
    let classes = line["class"].as_array().cloned().unwrap_or_default();
    ensure!(classes.contains(&"sos".into()) && line["heard_secs_ago"].is_null(), "{line}");
    let table = run("gateway", &["devices", "--config", &config.to_string_lossy()], "")?;
    ensure!(text(&table.stdout).contains("joined, never heard"), "{}", text(&table.stdout));
    Ok(())
}
