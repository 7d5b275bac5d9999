//! Where MQTT messages come in: a broker of our own, or an external one.
//!
//! Both hand over a message with a way to answer its sender; nothing behind them knows which it was.

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::engine::Verdict;

pub mod door;
pub mod embedded;
pub mod external;
pub mod retained;
pub mod topic_filter;

/// Most messages handed over and not yet taken by the loop; beyond it senders wait.
pub const INTAKE_QUEUE_MAX: usize = 1_024;

/// A message on its way to the loop.
#[derive(Debug)]
pub struct Incoming {
    /// MQTT client id of the publisher, where it is known.
    pub client: String,
    /// Topic.
    pub topic: String,
    /// Payload.
    pub payload: Bytes,
    /// Retain flag.
    pub retain: bool,
    /// Duplicate flag.
    pub duplicate: bool,
    /// Packet identifier; none at QoS 0.
    pub packet: Option<u16>,
    /// Where the verdict goes; a dropped sender means "not acknowledged".
    pub answer: oneshot::Sender<Verdict>,
}

/// The loop's end of the intake.
pub type IntakeSender = mpsc::Sender<Incoming>;

/// A message that the gateway itself publishes in the home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Topic.
    pub topic: String,
    /// Payload.
    pub payload: String,
    /// Whether the broker keeps it for later subscribers.
    pub retain: bool,
}

/// Publishes in the home, through whichever broker there is.
#[derive(Clone)]
pub enum Publisher {
    /// The broker inside this gateway.
    Embedded(embedded::EmbeddedBroker),
    /// Somebody else's.
    External(external::ExternalPublisher),
}

impl Publisher {
    /// Publishes; returns whether the broker took it.
    pub async fn publish(&self, announcement: Announcement) -> bool {
        match self {
            Self::Embedded(broker) => broker.publish(announcement).await,
            Self::External(client) => client.publish(announcement),
        }
    }
}
