//! A hostile client against the broker in the gateway, while a real button presses.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use sensor_sim::payload;
use tests::abuse::attack::{Attack, Stolen};
use tests::abuse::{Raw, listening};
use tests::flood::resident;
use tests::harness::mqtt::MqttClient;
use tests::harness::setup::{BRIDGE, CHECKER, LAMP, READER};
use tests::harness::wire::{self, Publish};

use crate::home::{BUTTON, Home, OrFail as _, setup};

/// Clients that are shown out and come back, each under a session of its own.
const CLIENTS_COMING_BACK: u32 = 8;

/// How often each does.
const TIMES_COMING_BACK: u32 = 200;

/// Messages of the memory flood.
const FLOOD_MESSAGES: u32 = 100_000;

fn stolen(home: &Home) -> anyhow::Result<Stolen> {
    let sign_in = |name| home.setup.sign_in(name).cloned().or_fail();
    Ok(Stolen { reader: sign_in(READER)?, lamp: sign_in(LAMP)?, bridge: sign_in(CHECKER)?, witness: BRIDGE.to_owned() })
}

/// Fails where the gateway holds more than it may.
fn memory_is_bounded(home: &Home) -> anyhow::Result<()> {
    let peak = resident::peak_bytes(&home.gateway)?;
    let bound = resident::GATEWAY_BYTES_MAX;
    ensure!(peak <= bound, "the gateway held {peak} bytes; {bound} is the bound");
    Ok(())
}

#[tokio::test]
async fn a_press_is_acknowledged_and_reaches_the_centre_during_and_after_every_attack() -> anyhow::Result<()> {
    let home = Home::start(setup()?).await?;
    let stolen = stolen(&home)?;
    let port = home.setup.ports.mqtt;
    // Signed in before any attack, and never again: an attack that ends its session is found out.
    let mut witness = home.mqtt(BRIDGE).await?;
    let press = payload::sos_press(BUTTON);
    let mut presses = 0;
    for attack in Attack::ALL {
        let committed = {
            let stolen = stolen.clone();
            tokio::spawn(async move { attack.commit(port, &stolen).await })
        };
        loop {
            witness.publish(&press.topic, &press.payload).await.or_fail().with_context(|| format!("{attack:?}"))?;
            presses += 1;
            home.presses(presses).await.with_context(|| format!("{attack:?}"))?;
            if committed.is_finished() {
                break;
            }
        }
        committed.await?.or_fail().with_context(|| format!("{attack:?}"))?;
        // Whoever comes now finds room.
        home.mqtt(LAMP).await.with_context(|| format!("a new client after {attack:?}"))?.disconnect().await;
        memory_is_bounded(&home).with_context(|| format!("{attack:?}"))?;
    }
    home.one_order_with(presses).await?;
    let health = home.status.text("/healthz").await.or_fail()?;
    ensure!(health.contains("\"ok\":true"), "{health}");
    for name in ["arriving_crowded", "sign_in_too_slow", "packet_too_large", "sessions_crowded"] {
        let counted = home.status.metric(&format!("gateway_door_total{{what=\"{name}\"}}")).await.or_fail()?;
        ensure!(counted > 0, "`{name}` was not counted");
    }
    Ok(())
}

/// A client whose connection ends tries again at once, while the broker still puts its old session away;
/// a button that wakes for one message does not try a third time.
#[tokio::test]
async fn a_client_that_comes_back_at_once_is_let_in() -> anyhow::Result<()> {
    let home = Home::start(setup()?).await?;
    let sign_in = home.setup.sign_in(CHECKER).cloned().or_fail()?;
    let port = home.setup.ports.mqtt;
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS_COMING_BACK {
        let sign_in = sign_in.clone();
        clients.spawn(async move {
            for _ in 0..TIMES_COMING_BACK {
                let mut raw = Raw::signed_in(port, &format!("{CHECKER}-{client}"), &sign_in).await?;
                // The broker ends a connection with a reserved packet type.
                raw.send(&[0x00, 0]).await?;
                raw.closed("a packet of type 0").await?;
            }
            Ok::<_, String>(())
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended?.or_fail()?;
    }
    Ok(())
}

#[tokio::test]
async fn memory_is_bounded_under_a_flood_and_a_slow_reader() -> anyhow::Result<()> {
    let home = Home::start(setup()?).await?;
    let mut witness = home.mqtt(BRIDGE).await?;
    // Subscribed to everything and never reading: what is meant for it must not pile up.
    let mut slow = Raw::signed_in(home.setup.ports.mqtt, "zigbee2mqtt-slow", home.setup.sign_in(BRIDGE).or_fail()?)
        .await
        .or_fail()?;
    slow.send(&wire::subscribe(1, &["zigbee2mqtt/#"])).await.or_fail()?;
    let mut hostile = home.checker().await?;
    let padding = "x".repeat(2_000);
    let mut sent = 0;
    while sent < FLOOD_MESSAGES {
        let (mut bytes, mut last) = (Vec::new(), 0);
        for _ in 0..5_000 {
            sent += 1;
            last = hostile.packet();
            let topic = format!("zigbee2mqtt/made up {}", sent % 20_000);
            let payload =
                format!("{{\"occupancy\":{},\"p{sent}\":true,\"x\":\"{padding}\"}}", sent % 2 == 0).into_bytes();
            bytes.extend(wire::publish(&Publish {
                topic,
                payload,
                packet: Some(last),
                duplicate: false,
                retain: false,
            }));
        }
        let before = hostile.acknowledgements(last);
        hostile.send(&bytes).await.or_fail()?;
        hostile.acknowledged(last, before).await.or_fail()?;
    }
    memory_is_bounded(&home)?;
    let press = payload::sos_press(BUTTON);
    witness.publish(&press.topic, &press.payload).await.or_fail()?;
    home.presses(1).await?;
    home.one_order_with(1).await
}

#[tokio::test]
async fn programs_listen_where_they_say_and_the_brokers_own_port_takes_nobody() -> anyhow::Result<()> {
    let home = Home::start(setup()?).await?;
    let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let ports = home.setup.ports;
    ensure!(listening::addresses(&home.centre)? == BTreeSet::from([at(ports.centre)]), "the centre listens elsewhere");
    let mut open = listening::addresses(&home.gateway)?;
    for port in [ports.mqtt, ports.status] {
        ensure!(open.remove(&at(port)), "the gateway does not listen on {port}");
    }
    // What is left is between the door and the broker, and on loopback.
    let inside: Vec<_> = open.into_iter().collect();
    let [inside] = inside.as_slice() else { anyhow::bail!("the gateway listens on {inside:?} too") };
    ensure!(inside.ip().is_loopback(), "{inside} is not loopback");
    let sign_in = home.setup.sign_in(CHECKER).or_fail()?;
    let answer = MqttClient::connect(inside.port(), CHECKER, Some(sign_in)).await;
    ensure!(answer.is_err(), "a right password was taken at the broker's own port");
    home.checker().await.map(drop)
}
