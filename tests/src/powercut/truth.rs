//! What the world outside the disk knew at a cut: which presses were sent, which were promised, and
//! what the centre had been sent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use protocol::ids::LocalKey;
use protocol::record::{Body, Record};
use protocol::uplink::UplinkRequest;

use super::block_log::{Entry, Note, Recording};
use crate::harness::setup::CHECKER;

/// Records of one journal or centre by the press they were made from.
pub type Made = BTreeMap<u16, BTreeSet<LocalKey>>;

/// A recording with its uplink bodies read once.
#[derive(Debug)]
pub struct Recorded {
    /// The disk and its log.
    pub recording: Recording,
    /// Records that arrived at the centre, each with the place of its first arrival in the log.
    arrivals: Vec<(usize, Arc<Record>)>,
}

/// What was known at one place of the log.
#[derive(Debug, Default)]
pub struct Truth {
    /// Presses that a button began to send, in order.
    pub pressed: Vec<u16>,
    /// Presses of which somebody was told that they are recorded.
    pub promised: BTreeSet<u16>,
    /// What the centre may have.
    pub arrived: Vec<Arc<Record>>,
    /// The highest sequence that the centre may have.
    pub arrived_through: u64,
    /// What the workload was doing.
    pub doing: String,
}

impl Recorded {
    /// Reads what arrived out of the log.
    pub fn new(recording: Recording) -> Self {
        let arrivals = arrivals(&recording.entries);
        Self { recording, arrivals }
    }

    /// What was known when `at` entries had happened.
    pub fn truth(&self, at: usize) -> Truth {
        let mut truth = Truth::default();
        for entry in self.recording.entries.iter().take(at) {
            match entry {
                Entry::Noted(Note::Pressed(press)) => truth.pressed.push(*press),
                Entry::Noted(Note::Acknowledged(press) | Note::ShownRecorded(press)) => {
                    truth.promised.insert(*press);
                }
                Entry::Noted(Note::Began(doing)) => truth.doing.clone_from(doing),
                Entry::Noted(Note::Arrived(_) | Note::Received(_) | Note::Stopping)
                | Entry::Write { .. }
                | Entry::Flush
                | Entry::Changed(_)
                | Entry::Synced(_) => {}
            }
        }
        let arrived = self.arrivals.iter().take_while(|(index, _)| *index < at);
        truth.arrived = arrived.map(|(_, record)| Arc::clone(record)).collect();
        let seqs = truth.arrived.iter().map(|record| record.seq);
        truth.arrived_through = seqs.chain([self.recording.arrived_before]).max().unwrap_or(0);
        truth
    }
}

impl Truth {
    /// Presses whose button has no PUBACK: it says them again.
    pub fn unanswered(&self) -> impl Iterator<Item = u16> {
        self.pressed.iter().copied().filter(|press| !self.promised.contains(press))
    }
}

/// The highest sequence of which a log says that it arrived at the centre.
pub fn arrived_through(entries: &[Entry]) -> u64 {
    arrivals(entries).iter().map(|(_, record)| record.seq).max().unwrap_or(0)
}

/// Records that arrived at the centre, each with the place of its first arrival in the log.
fn arrivals(entries: &[Entry]) -> Vec<(usize, Arc<Record>)> {
    let mut seen = BTreeSet::new();
    let mut arrivals = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        if let Entry::Noted(Note::Arrived(body)) = entry
            && let Ok(request) = serde_json::from_slice::<UplinkRequest>(body)
        {
            let new = request.records.into_iter().filter(|record| seen.insert(record.key()));
            arrivals.extend(new.map(|record| (index, record)));
        }
    }
    arrivals
}

/// Triggers by the press of the recorded button that they were made from.
pub fn made<'r>(records: impl IntoIterator<Item = &'r Record>) -> Made {
    let mut made = Made::new();
    for record in records {
        if let (Body::Trigger(_), Some(delivery)) = (&record.body, &record.delivery)
            && delivery.client == CHECKER
        {
            made.entry(delivery.packet).or_default().insert(record.key());
        }
    }
    made
}
