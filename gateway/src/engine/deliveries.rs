//! Redelivery: an MQTT message said twice because its acknowledgement was lost makes nothing new.
//!
//! Only a message that carries the duplicate flag and repeats client, packet id and content of a
//! recorded one counts as a redelivery: surely where it was never acknowledged, else lately, and of
//! one that raised only while a call or pre-alarm is open. Everything unclear is a press.

use std::collections::VecDeque;

use protocol::record::{Body, Delivery, Record, Stamp};
use serde::{Deserialize, Serialize};

use super::{Engine, Heard, Now};

/// Most deliveries remembered.
const REMEMBERED_MAX: usize = 256;

/// A sender that lost its acknowledgement says it again within this, after its message or after
/// the gateway is there again, milliseconds.
const AGAIN_MS: u64 = 600_000;

/// The latest deliveries that made records.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Deliveries(VecDeque<Made>);

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
    /// Remembers the delivery a record was made from.
    pub fn note(&mut self, record: &Record) {
        let Some(delivery) = &record.delivery else { return };
        let raised = matches!(record.body, Body::Trigger(_) | Body::PreAlarm(_));
        if let Some(made) = self.0.back_mut().filter(|made| made.delivery == *delivery && made.at == record.at) {
            made.seq = record.seq;
            made.raised |= raised;
            return;
        }
        if self.0.len() >= REMEMBERED_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Made { delivery: delivery.clone(), seq: record.seq, at: record.at, raised });
    }

    /// The last record lately made from the same delivery, and whether it raised; `started_ms` is
    /// the uptime at which this run began.
    pub fn find(&self, now: &Stamp, started_ms: u64, delivery: &Delivery) -> Option<Redelivered> {
        let made = self.0.iter().rev().find(|made| made.delivery == *delivery)?;
        // While the gateway was away its senders could not say it again.
        let of_this_run = made.at.boot == now.boot && made.at.uptime_ms >= started_ms;
        let since_ms = now.uptime_ms.saturating_sub(if of_this_run { made.at.uptime_ms } else { started_ms });
        Some(Redelivered { seq: made.seq, raised: made.raised, late: since_ms > AGAIN_MS })
    }

    /// A redelivery was taken for one: whoever says it again now may lose the next acknowledgement too.
    pub fn heard_again(&mut self, now: &Stamp, delivery: &Delivery) {
        if let Some(made) = self.0.iter_mut().rev().find(|made| made.delivery == *delivery) {
            made.at = *now;
        }
    }
}

/// What an earlier delivery of the same message had made.
#[derive(Debug, Clone, Copy)]
pub struct Redelivered {
    /// The last of its records.
    pub seq: u64,
    /// Whether it raised a trigger or pre-alarm.
    pub raised: bool,
    /// Whether so much time has passed that a sender may mean something new.
    pub late: bool,
}

impl Engine {
    /// The record that an earlier delivery of the same message made, where dropping this one drops no press.
    pub(super) fn redelivered(&self, now: &Now, delivery: &Delivery) -> Option<u64> {
        let found = self.deliveries.find(&self.stamp(now), self.started_ms, delivery)?;
        // What is not safe yet was never acknowledged: its sender can only be saying it again.
        let in_doubt = self.in_doubt.iter().any(|record| record.delivery.as_ref() == Some(delivery));
        let never_acknowledged = found.seq >= self.first_unsafe_seq() || in_doubt;
        let known = !found.late && (!found.raised || self.home.alarm_open());
        (never_acknowledged || known).then_some(found.seq)
    }

    /// Whether a message that is said again may have been said first before this run began, with no record left of it.
    pub(super) fn is_unheard_of(&self, now: &Now, delivery: &Delivery) -> bool {
        let lately = now.uptime_ms.saturating_sub(self.started_ms) <= AGAIN_MS;
        lately && self.deliveries.find(&self.stamp(now), self.started_ms, delivery).is_none()
    }
}

/// Which delivery a message is; none at QoS 0, where nothing is delivered twice.
pub(super) fn delivery_of(heard: &Heard) -> Option<Delivery> {
    let packet = heard.packet?;
    Some(Delivery { client: heard.client.clone(), packet, digest: digest(&heard.topic, &heard.payload) })
}

/// First 8 bytes of the BLAKE3 hash of topic and payload.
fn digest(topic: &str, payload: &[u8]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(topic.as_bytes());
    hasher.update(&[0]);
    hasher.update(payload);
    let hash = hasher.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_le_bytes(first)
}
