//! Redelivery: an MQTT message said twice because its acknowledgement was lost makes nothing new.
//!
//! Only a message that carries the duplicate flag and repeats client, packet id and content of a
//! recorded one counts as a redelivery, and only while the call it made is open; everything
//! unclear is a press.

use std::collections::VecDeque;

use protocol::record::{Delivery, Record};
use serde::{Deserialize, Serialize};

/// Most deliveries remembered.
const REMEMBERED_MAX: usize = 256;

/// The latest deliveries that made records.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Deliveries(VecDeque<(Delivery, u64)>);

impl Deliveries {
    /// Remembers the delivery a record was made from.
    pub fn note(&mut self, record: &Record) {
        let Some(delivery) = &record.delivery else { return };
        if self.0.len() >= REMEMBERED_MAX {
            self.0.pop_front();
        }
        self.0.push_back((delivery.clone(), record.seq));
    }

    /// The last record made from the same delivery.
    pub fn find(&self, delivery: &Delivery) -> Option<u64> {
        self.0.iter().rev().find(|(known, _)| known == delivery).map(|(_, seq)| *seq)
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
