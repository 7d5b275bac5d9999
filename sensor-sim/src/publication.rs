//! One MQTT message to be published, before any connection is thought of.

use serde_json::Value;

/// Quality of service a publication asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Qos {
    /// QoS 0: Zigbee2MQTT's own default.
    AtMostOnce,
    /// QoS 1: what an installer sets for devices that matter.
    AtLeastOnce,
}

/// One MQTT message to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Full topic.
    pub topic: String,
    /// The bytes as they go out; not always JSON, and on purpose not always valid.
    pub payload: Vec<u8>,
    /// Quality of service.
    pub qos: Qos,
    /// Whether the broker keeps it for later subscribers.
    pub retain: bool,
    /// Whether it is kept for a broker that is away (a press, a fall, a visit) rather than dropped.
    pub urgent: bool,
}

impl Publication {
    /// A JSON message at QoS 1, neither retained nor urgent.
    pub fn json(topic: impl Into<String>, body: &Value) -> Self {
        Self::bytes(topic, body.to_string().into_bytes())
    }

    /// Any bytes at QoS 1, neither retained nor urgent.
    pub fn bytes(topic: impl Into<String>, payload: impl Into<Vec<u8>>) -> Self {
        Self { topic: topic.into(), payload: payload.into(), qos: Qos::AtLeastOnce, retain: false, urgent: false }
    }

    /// The same, retained.
    #[must_use]
    pub fn retained(mut self) -> Self {
        self.retain = true;
        self
    }

    /// The same, urgent.
    #[must_use]
    pub fn urgent(mut self) -> Self {
        self.urgent = true;
        self
    }

    /// The payload as text, with a mark where it is not UTF-8; for transcripts.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }
}
