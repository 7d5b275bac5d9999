//! The history is a convenience: whatever becomes of it, presses are recorded, sent and shown all the same.

use std::os::unix::fs::DirBuilderExt as _;
use std::process::Command;

use anyhow::{Context as _, ensure};
use sensor_sim::payload;
use tests::harness::mqtt::MqttClient;
use tests::harness::{clock, gateway};

use crate::home::{BUTTON, Home, OrFail as _, PATIENCE, setup};

/// Waits until the status page shows so many presses.
async fn shown(home: &Home, presses: usize) -> anyhow::Result<()> {
    let look = async || {
        let page = home.status.text("/v1/history?limit=100").await?;
        let shown = page.matches("\"trigger\"").count();
        if shown == presses { Ok(()) } else { Err(format!("{shown} of {presses} presses: {page}")) }
    };
    clock::until("the history shows every press", PATIENCE, look).await.or_fail()
}

/// The client that presses, back again; the packet ids that it used before are left out, for the centre takes the
/// same client, packet and content for the same press as long as the order stands.
async fn another(home: &Home, used: usize) -> anyhow::Result<MqttClient> {
    let mut checker = home.checker().await?;
    (0..used).for_each(|_| {
        checker.packet();
    });
    Ok(checker)
}

#[tokio::test]
async fn a_history_that_hangs_is_damaged_or_is_gone_is_made_anew_and_holds_up_no_press() -> anyhow::Result<()> {
    let setup = setup()?;
    let data = setup.gateway_data();
    let history = data.join("history");
    std::fs::DirBuilder::new().mode(0o700).recursive(true).create(&history)?;
    // Whoever opens a pipe that nobody writes to waits for ever.
    ensure!(Command::new("mkfifo").arg(history.join("conf")).status()?.success(), "no pipe could be made");
    let mut home = Home::start(setup).await?;
    let mut checker = home.checker().await?;
    let press = payload::sos_press(BUTTON);
    checker.publish(&press.topic, &press.payload).await.or_fail()?;
    home.presses(1).await?;
    let health = home.status.text("/healthz").await.or_fail()?;
    ensure!(health.contains("\"ok\":true"), "{health}");
    shown(&home, 1).await?;
    ensure!(data.join("history.damaged").join("conf").exists(), "what hung is not kept aside");

    home.gateway.kill();
    for entry in std::fs::read_dir(&history)? {
        let path = entry?.path();
        if path.is_file() {
            std::fs::write(&path, [0x5a; 777]).with_context(|| path.display().to_string())?;
        }
    }
    home.gateway = gateway::start(&home.setup, None).await?;
    let mut checker = another(&home, 1).await?;
    checker.publish(&press.topic, &press.payload).await.or_fail()?;
    home.presses(2).await?;
    shown(&home, 2).await?;

    home.gateway.kill();
    std::fs::remove_dir_all(&history)?;
    home.gateway = gateway::start(&home.setup, None).await?;
    let mut checker = another(&home, 2).await?;
    checker.publish(&press.topic, &press.payload).await.or_fail()?;
    home.presses(3).await?;
    shown(&home, 3).await?;
    home.one_order_with(3).await
}
