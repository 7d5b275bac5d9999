//! A press on the connection that has thousands of motion messages in flight before it.

use std::time::Duration;

use sensor_sim::payload;

use crate::harness::clock::ms_between;
use crate::harness::gateway::StatusPage;
use crate::harness::mqtt::MqttClient;
use crate::harness::setup::{CHECKER, Setup};
use crate::harness::wire::{self, Publish};

/// The button that is pressed.
pub const BUTTON: &str = "sos bedside";

/// Longest wait until the gateway has heard every motion of a round.
const DRAIN_WAIT: Duration = Duration::from_secs(60);

/// How the motions before a press are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telemetry {
    /// QoS 0, as most bridges do.
    Unacknowledged,
    /// QoS 1, each acknowledged.
    Acknowledged,
}

/// One round.
#[derive(Debug, Clone, Copy)]
pub struct Round {
    /// From handing the press to the kernel until its PUBACK, milliseconds.
    pub press_ms: f64,
    /// Motions that the gateway had not yet answered when the press was handed over; all, where none is answered.
    pub in_flight: u32,
    /// From handing the press over until the gateway had heard every motion, milliseconds.
    pub drained_ms: f64,
}

/// Sends so many motions and a press behind them on one connection of its own.
///
/// # Errors
/// When the press is not acknowledged, or a motion not heard.
pub async fn press_behind(
    setup: &Setup,
    status: &StatusPage,
    count: u32,
    telemetry: Telemetry,
) -> Result<Round, String> {
    let heard_before = status.metric("gateway_messages_total").await?;
    let mut client = MqttClient::connect(setup.ports.mqtt, CHECKER, Some(setup.sign_in(CHECKER)?)).await?;
    let (mut bytes, mut packets) = (Vec::new(), Vec::new());
    for number in 0..count {
        let motion = payload::motion("hall motion", number % 2 == 0);
        let packet = (telemetry == Telemetry::Acknowledged).then(|| client.packet());
        packets.extend(packet);
        let (topic, payload) = (motion.topic, motion.payload);
        bytes.extend(wire::publish(&Publish { topic, payload, packet, duplicate: false, retain: false }));
    }
    client.send(&bytes).await?;
    let answered = packets.iter().filter(|packet| client.acknowledgements(**packet) > 0).count();
    let press = payload::sos_press(BUTTON);
    let (sent, taken) = client.publish(&press.topic, &press.payload).await?;
    let all = heard_before + u64::from(count) + 1;
    status.until_metric("gateway_messages_total", DRAIN_WAIT, |heard| heard >= all).await?;
    let drained_ms = ms_between(sent, crate::harness::clock::now());
    client.disconnect().await;
    let in_flight = count - u32::try_from(answered).unwrap_or(count);
    Ok(Round { press_ms: ms_between(sent, taken), in_flight, drained_ms })
}
