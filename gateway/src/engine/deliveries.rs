//! Redelivery: an MQTT message said twice because its acknowledgement was lost makes nothing new.
//!
//! Only a message that carries the duplicate flag and repeats client, packet id and content of a
//! lately recorded one counts as a redelivery; one that raised only while a call is open.
//! Everything unclear is a press.

use std::collections::VecDeque;

use protocol::record::{Body, Delivery, Record, Stamp};
use serde::{Deserialize, Serialize};

/// Most deliveries remembered.
const REMEMBERED_MAX: usize = 256;

/// A sender that lost its acknowledgement says it again within this, after its message or after
/// the gateway's start, milliseconds.
const AGAIN_MS: u64 = 600_000;

/// The latest deliveries that made records.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Deliveries {
    made: VecDeque<Made>,
    /// Uptime at which this run began.
    #[serde(skip)]
    started_ms: u64,
}

/// What a delivery made.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Made {
    delivery: Delivery,
    /// The last of its records.
    seq: u64,
    at: Stamp,
    /// It raised a trigger or pre-alarm: dropping it would cost most.
    raised: bool,
}

impl Deliveries {
    /// A run begins: only now can what was said before it be said again.
    pub fn starts(&mut self, now: &Stamp) {
        self.started_ms = now.uptime_ms;
    }

    /// Remembers the delivery a record was made from.
    pub fn note(&mut self, record: &Record) {
        let Some(delivery) = &record.delivery else { return };
        let raised = matches!(record.body, Body::Trigger(_) | Body::PreAlarm(_));
        if let Some(made) = self.made.back_mut().filter(|made| made.delivery == *delivery && made.at == record.at) {
            made.seq = record.seq;
            made.raised |= raised;
            return;
        }
        if self.made.len() >= REMEMBERED_MAX {
            self.made.pop_front();
        }
        self.made.push_back(Made { delivery: delivery.clone(), seq: record.seq, at: record.at, raised });
    }

    /// The last record made from the same delivery; of one that raised only while a call is open.
    ///
    /// What is not safe yet, from `unsafe_from` on, was never acknowledged: its repetition is its own,
    /// however late it comes.
    pub fn find(&mut self, now: &Stamp, delivery: &Delivery, call_open: bool, unsafe_from: u64) -> Option<u64> {
        let made = self.made.iter_mut().rev().find(|made| made.delivery == *delivery)?;
        let run_ms = now.uptime_ms.saturating_sub(self.started_ms);
        let since_ms =
            if made.at.boot == now.boot { now.uptime_ms.saturating_sub(made.at.uptime_ms).min(run_ms) } else { run_ms };
        let again = made.seq >= unsafe_from || (since_ms <= AGAIN_MS && (call_open || !made.raised));
        if again {
            // Whoever repeats it now may lose the next acknowledgement too.
            made.at = *now;
        }
        again.then_some(made.seq)
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
