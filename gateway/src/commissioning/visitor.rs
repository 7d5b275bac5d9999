//! The installer's tools as an MQTT client of the home.
//!
//! At the embedded broker they sign in with a name of their own and a password made of the gateway's own credential,
//! so that whoever may read the configuration needs no further one; their rights end at the bridge and at codes.

use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use rumqttc::{
    AsyncClient, Event as Notice, EventLoop, MqttOptions, Packet, QoS, SubscribeFilter, SubscribeReasonCode,
};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use crate::config::{GatewayConfig, IntakeConfig};
use crate::intake::embedded::ClientRights;

/// The tools' name at the embedded broker.
pub const NAME: &str = "homecare-installer";

/// How long the broker is waited for.
const BROKER_WAIT: Duration = Duration::from_secs(10);

/// Where codes without meaning are heard: rtl_433, Tasmota's RF bridge, OpenMQTTGateway.
pub const CODE_TOPICS: [&str; 4] = ["rtl_433/+/events", "tele/+/RESULT", "home/+/433toMQTT", "home/+/SRFBtoMQTT"];

/// The tools' sign-in and rights at the embedded broker.
pub fn rights(token: &str, base: &str) -> ClientRights {
    let password = blake3::derive_key("homecare gateway installer sign-in v1", token.as_bytes());
    let mut subscribe = vec![format!("{base}/bridge/#")];
    subscribe.extend(CODE_TOPICS.map(str::to_owned));
    ClientRights {
        name: NAME.to_owned(),
        password: blake3::Hash::from(password).to_hex().to_string(),
        publish: vec![format!("{base}/bridge/request/permit_join")],
        subscribe,
    }
}

/// The moment that comes after a span.
#[expect(clippy::disallowed_methods, reason = "a tool waits for people and programs, not for the loop's clock")]
pub fn in_a(span: Duration) -> Instant {
    Instant::now() + span
}

/// The installer's wish that a tool ends: Ctrl-C, or SIGTERM, or the terminal that is gone.
///
/// It is watched for as long as the tool works: a signal that comes between two waits is found by the next one.
pub struct Stop([Signal; 3]);

impl Stop {
    /// Watches from now on.
    ///
    /// # Errors
    /// When the system does not let signals be handled.
    pub fn watch() -> anyhow::Result<Self> {
        let watch = |kind| signal(kind).context("signals cannot be handled");
        Ok(Self([watch(SignalKind::interrupt())?, watch(SignalKind::terminate())?, watch(SignalKind::hangup())?]))
    }

    /// Waits for it.
    pub async fn wanted(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// A signed-in tool.
pub struct Visitor {
    client: AsyncClient,
    events: EventLoop,
}

impl Visitor {
    /// Signs in at the home's broker.
    ///
    /// # Errors
    /// When it is not reached within ten seconds, or refuses.
    pub async fn sign_in(config: &GatewayConfig) -> anyhow::Result<Self> {
        let (host, port, sign_in) = match &config.intake {
            IntakeConfig::Embedded { listen, .. } => {
                let rights = rights(&config.centre.token, &config.decoder.zigbee2mqtt_base);
                let host = if listen.ip().is_unspecified() { "127.0.0.1".to_owned() } else { listen.ip().to_string() };
                (host, listen.port(), Some((rights.name, rights.password)))
            }
            IntakeConfig::External(broker) => (broker.host.clone(), broker.port, broker.sign_in.clone()),
        };
        let mut options = MqttOptions::new(format!("{NAME}-{}", std::process::id()), &host, port);
        options.set_clean_session(true).set_max_packet_size(32 * 1024 * 1024, 256 * 1024);
        if let Some((name, password)) = sign_in {
            options.set_credentials(name, password);
        }
        let (client, events) = AsyncClient::new(options, 16);
        let mut visitor = Self { client, events };
        let until = in_a(BROKER_WAIT);
        let connected = visitor.wait_for(until, |packet| matches!(packet, Packet::ConnAck(_)).then_some(()));
        connected.await.with_context(|| {
            format!(
                "cannot sign in at the home's broker {host}:{port}; is the gateway running with this configuration?"
            )
        })?;
        Ok(visitor)
    }

    async fn wait_for<T>(&mut self, until: Instant, mut wanted: impl FnMut(&Packet) -> Option<T>) -> anyhow::Result<T> {
        loop {
            let event = tokio::time::timeout_at(until, self.events.poll()).await.context("no answer in time")?;
            if let Notice::Incoming(packet) = event?
                && let Some(found) = wanted(&packet)
            {
                return Ok(found);
            }
        }
    }

    /// Subscribes.
    ///
    /// # Errors
    /// When the broker does not answer, or refuses.
    pub async fn subscribe(&mut self, filters: &[&str]) -> anyhow::Result<()> {
        let asked = filters.iter().map(|filter| SubscribeFilter::new((*filter).to_owned(), QoS::AtLeastOnce));
        self.client.subscribe_many(asked).await?;
        let until = in_a(BROKER_WAIT);
        let granted =
            self.wait_for(
                until,
                |packet| {
                    if let Packet::SubAck(ack) = packet { Some(ack.return_codes.clone()) } else { None }
                },
            );
        let granted = granted.await.context("the broker did not answer a subscription")?;
        for (filter, code) in filters.iter().zip(granted) {
            if !matches!(code, SubscribeReasonCode::Success(_)) {
                bail!("the broker refuses to let the tools hear `{filter}`");
            }
        }
        Ok(())
    }

    /// Publishes; it goes out with the next wait.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn publish(&self, topic: &str, payload: String) -> anyhow::Result<()> {
        self.client.publish(topic, QoS::AtLeastOnce, false, payload).await.context("the broker is gone")
    }

    /// The next message until a moment; none when it has come.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn next(&mut self, until: Instant) -> anyhow::Result<Option<(String, Bytes)>> {
        while let Ok(event) = tokio::time::timeout_at(until, self.events.poll()).await {
            if let Notice::Incoming(Packet::Publish(publish)) = event.context("the broker is gone")? {
                return Ok(Some((publish.topic, publish.payload)));
            }
        }
        Ok(None)
    }
}
