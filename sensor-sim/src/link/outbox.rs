//! What waits to be confirmed by the broker: transport loses messages, this does not.
//!
//! Three places: waiting for a connection, handed to the client, in flight with a packet id.

use std::collections::{BTreeMap, VecDeque};

use tokio::sync::oneshot;

use crate::publication::{Publication, Qos};

/// Publications that may be unconfirmed at once; more are refused, or wait in the caller's hands.
pub(super) const HELD_MAX: usize = 1000;
/// Publications handed to the client or in flight at once.
const WINDOW: usize = 50;
/// A message larger than this that never gets through is given up, so that it cannot block those behind it.
const BULKY_BYTES: usize = 64 << 10;
/// How often a bulky message is tried.
const BULKY_TRIES: u8 = 3;

/// What happens to a message that is published while the broker is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Away {
    /// Routine messages are dropped, as Zigbee2MQTT drops them; urgent ones are kept.
    DropRoutine,
    /// Everything is kept; the publisher waits when too much is.
    Keep,
}

/// One publication on its way.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) publication: Publication,
    pub(super) done: Option<oneshot::Sender<()>>,
    pub(super) tries: u8,
}

/// All publications on their way.
#[derive(Debug)]
pub(super) struct Outbox {
    away: Away,
    waiting: VecDeque<Entry>,
    submitted: VecDeque<Entry>,
    in_flight: BTreeMap<u16, (u64, Entry)>,
    sent: u64,
}

impl Outbox {
    pub(super) fn new(away: Away) -> Self {
        Self { away, waiting: VecDeque::new(), submitted: VecDeque::new(), in_flight: BTreeMap::new(), sent: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.submitted.len() + self.in_flight.len()
    }

    /// Whether another may be taken from the caller's hands.
    pub(super) fn has_room(&self) -> bool {
        self.away == Away::DropRoutine || self.len() < HELD_MAX
    }

    /// Takes a publication; gives it back where it is dropped, with the reason.
    pub(super) fn offer(&mut self, entry: Entry, connected: bool) -> Result<(), (Entry, &'static str)> {
        if self.away == Away::DropRoutine && !connected && !entry.publication.urgent {
            return Err((entry, "the broker is away"));
        }
        if self.len() >= HELD_MAX {
            return Err((entry, "too many messages wait for the broker"));
        }
        self.waiting.push_back(entry);
        Ok(())
    }

    /// The next publication for the client, marked as handed to it.
    pub(super) fn submit(&mut self) -> Option<&Publication> {
        if self.submitted.len() + self.in_flight.len() >= WINDOW {
            return None;
        }
        let entry = self.waiting.pop_front()?;
        self.submitted.push_back(entry);
        self.submitted.back().map(|entry| &entry.publication)
    }

    /// The client wrote the oldest submitted one with this packet id; QoS 0 is done with that.
    pub(super) fn wrote(&mut self, packet_id: u16) -> Option<Entry> {
        let entry = self.submitted.pop_front()?;
        if entry.publication.qos == Qos::AtMostOnce {
            return Some(entry);
        }
        self.sent += 1;
        self.in_flight.insert(packet_id, (self.sent, entry));
        None
    }

    /// The broker confirmed a packet id.
    pub(super) fn confirmed(&mut self, packet_id: u16) -> Option<Entry> {
        self.in_flight.remove(&packet_id).map(|(_, entry)| entry)
    }

    /// The connection is gone: all that is unconfirmed goes out again, in order; gives back what is given up.
    pub(super) fn disconnected(&mut self) -> Vec<Entry> {
        let mut in_flight: Vec<_> = std::mem::take(&mut self.in_flight).into_values().collect();
        in_flight.sort_by_key(|(order, _)| *order);
        let mut given_up = Vec::new();
        let unconfirmed = in_flight.into_iter().map(|(_, entry)| entry).chain(self.submitted.drain(..));
        let mut again: VecDeque<Entry> = VecDeque::new();
        for mut entry in unconfirmed {
            entry.tries = entry.tries.saturating_add(1);
            let bulky = entry.publication.payload.len() > BULKY_BYTES;
            if bulky && (entry.tries >= BULKY_TRIES || entry.publication.qos == Qos::AtMostOnce) {
                given_up.push(entry);
            } else {
                again.push_back(entry);
            }
        }
        again.append(&mut self.waiting);
        self.waiting = again;
        given_up
    }
}

#[cfg(test)]
mod tests;
