//! How programs start and end: in order, killed, or not at all because a port is taken.

use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt as _;

use anyhow::{Context as _, ensure};
use sensor_sim::payload;
use tests::harness::{gateway, wire};

use crate::home::{BUTTON, Home, OrFail as _, PATIENCE, run, setup, text};

#[tokio::test]
async fn sigterm_writes_what_is_left_and_exits_0() -> anyhow::Result<()> {
    let mut home = Home::start(setup()?).await?;
    let mut checker = home.checker().await?;
    // Motion is synced within seconds, not at once: it is still in memory when the stop comes.
    let motion = payload::motion("hall motion", true);
    checker.publish(&motion.topic, &motion.payload).await.or_fail()?;
    let ended = home.gateway.stop(PATIENCE).await.or_fail()?;
    ensure!(ended.success(), "the gateway ended with {ended}");
    let records = home.journal()?;
    let moved = records.iter().any(|record| record["body"]["observed"]["device"] == "hall motion");
    ensure!(moved, "the motion is not in the journal");
    let last = records.last().context("the journal is empty")?;
    ensure!(last["body"] == "stopped", "the last record is {}", last["body"]);
    let ended = home.centre.stop(PATIENCE).await.or_fail()?;
    ensure!(ended.success(), "the centre ended with {ended}");
    Ok(())
}

#[tokio::test]
async fn journal_is_whole_after_a_kill_and_holds_every_press_that_was_acknowledged() -> anyhow::Result<()> {
    const PRESSES: usize = 50;
    let mut home = Home::start(setup()?).await?;
    let mut checker = home.checker().await?;
    let press = payload::sos_press(BUTTON);
    let mut bytes = Vec::new();
    let packets: Vec<_> = (0..PRESSES).map(|_| checker.packet()).collect();
    for packet in &packets {
        let (topic, payload) = (press.topic.clone(), press.payload.clone());
        let message = wire::Publish { topic, payload, packet: Some(*packet), duplicate: false, retain: false };
        bytes.extend(wire::publish(&message));
    }
    checker.send(&bytes).await.or_fail()?;
    checker.acknowledged(packets[PRESSES / 2], 0).await.or_fail()?;
    home.gateway.kill();
    let acknowledged = packets.iter().filter(|packet| checker.acknowledgements(**packet) > 0).count();

    let data = home.setup.gateway_data();
    let verified = run("gateway", &["journal", "verify", "--data-dir", &data.to_string_lossy()], "")?;
    ensure!(verified.status.success(), "{}{}", text(&verified.stdout), text(&verified.stderr));
    let triggers = home.journal()?.iter().filter(|record| record["body"].get("trigger").is_some()).count();
    ensure!(triggers >= acknowledged, "{acknowledged} acknowledged, {triggers} in the journal");

    home.gateway = gateway::start(&home.setup, None).await?;
    home.presses(u32::try_from(triggers)?).await?;
    home.one_order_with(u32::try_from(triggers)?).await
}

#[tokio::test]
async fn a_gateway_whose_disk_is_gone_starts_sends_tells_the_truth_and_takes_the_disk_when_it_is_back()
-> anyhow::Result<()> {
    let setup = setup()?;
    let (data, disk) = (setup.gateway_data(), setup.dir().join("disk"));
    std::fs::DirBuilder::new().mode(0o700).recursive(true).create(&data)?;
    std::os::unix::fs::symlink(&disk, data.join("journal"))?;
    let mut home = Home::start(setup).await?;
    let mut checker = home.checker().await?;
    let press = payload::sos_press(BUTTON);
    // Acknowledged, for the centre has it; recorded here it is not.
    checker.publish(&press.topic, &press.payload).await.or_fail()?;
    home.presses(1).await?;
    let health = home.status.text("/healthz").await.or_fail()?;
    ensure!(health.contains("presses_are_not_recorded"), "{health}");
    ensure!(home.status.metric("gateway_journal_ok").await.or_fail()? == 0, "the journal is said to be well");

    std::fs::create_dir(&disk)?;
    home.status.until_metric("gateway_journal_ok", PATIENCE, |ok| ok == 1).await.or_fail()?;
    checker.publish(&press.topic, &press.payload).await.or_fail()?;
    home.presses(2).await?;
    let ended = home.gateway.stop(PATIENCE).await.or_fail()?;
    ensure!(ended.success(), "the gateway ended with {ended}");
    let told = run("gateway", &["journal", "verify", "--data-dir", &data.to_string_lossy()], "")?;
    ensure!(told.status.success(), "{}{}", text(&told.stdout), text(&told.stderr));
    let triggers = home.journal()?.iter().filter(|record| record["body"].get("trigger").is_some()).count();
    ensure!(triggers == 2, "{triggers} presses are in the journal");
    home.gateway = gateway::start(&home.setup, None).await?;
    home.one_order_with(2).await
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_in_one_line() -> anyhow::Result<()> {
    let setup = setup()?;
    let gateway = setup.write_gateway()?;
    let centre = setup.write_centre()?;
    for (name, config, port, key) in [
        ("gateway", &gateway, setup.ports.mqtt, "mqtt.listen"),
        ("gateway", &gateway, setup.ports.status, "status.listen"),
        ("cloud-bridge", &centre, setup.ports.centre, "listen"),
    ] {
        let _taken = TcpListener::bind(("127.0.0.1", port))?;
        let output = run(name, &["run", "--config", &config.to_string_lossy()], "")?;
        ensure!(!output.status.success(), "{name} runs although port {port} is taken");
        let told = text(&output.stderr);
        let lines: Vec<_> = told.lines().filter(|line| line.starts_with(&format!("{name}:"))).collect();
        ensure!(lines.len() == 1, "{told}");
        ensure!(lines[0].contains(&port.to_string()) && lines[0].contains(key), "{}", lines[0]);
    }
    let taken = TcpListener::bind(("127.0.0.1", 0))?;
    let port = taken.local_addr()?.port().to_string();
    for option in ["--mqtt-port", "--centre-port", "--status-port"] {
        let output = run("demo", &[option, &port], "")?;
        let told = text(&output.stderr);
        ensure!(output.status.code() == Some(1), "demo: {}", output.status);
        ensure!(told.lines().count() == 1 && told.contains(&port) && told.contains(option), "{told}");
    }
    Ok(())
}
