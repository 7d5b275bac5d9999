//! Redelivery: an MQTT message said twice because its acknowledgement was lost makes nothing new.
//!
//! Only a message that carries the duplicate flag and repeats client, packet id and content of a
//! recorded one counts as a redelivery; a press only while a call is open. Everything unclear is a press.

use std::collections::VecDeque;

use protocol::record::{Body, Delivery, Record};
use serde::{Deserialize, Serialize};

/// Most deliveries remembered.
const REMEMBERED_MAX: usize = 256;

/// The latest deliveries that made records.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Deliveries(VecDeque<Made>);

/// What a delivery made.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Made {
    delivery: Delivery,
    seq: u64,
    /// A trigger of its own: dropping it would cost most.
    press: bool,
}

impl Deliveries {
    /// Remembers the delivery a record was made from.
    pub fn note(&mut self, record: &Record) {
        let Some(delivery) = &record.delivery else { return };
        if self.0.len() >= REMEMBERED_MAX {
            self.0.pop_front();
        }
        let press = matches!(record.body, Body::Trigger(_));
        self.0.push_back(Made { delivery: delivery.clone(), seq: record.seq, press });
    }

    /// The last record made from the same delivery; of a press only while a call is open.
    pub fn find(&self, delivery: &Delivery, call_open: bool) -> Option<u64> {
        let made = self.0.iter().rev().find(|made| made.delivery == *delivery)?;
        (call_open || !made.press).then_some(made.seq)
    }
}

/// First 8 bytes of the BLAKE3 hash of topic and payload.
pub fn digest(topic: &str, payload: &[u8]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(topic.as_bytes());
    hasher.update(&[0]);
    hasher.update(payload);
    let hash = hasher.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_le_bytes(first)
}
