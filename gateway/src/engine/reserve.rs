//! What the reserve is to hold: emergencies that the journal does not take, and those that the centre
//! has had no receipt for a while. The loop says the whole set each time; the disk does the rest.

use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::record::Record;

use super::{Command, Engine, Input, Now, is_emergency};

/// An emergency without receipt is written a second time, into the reserve, after this, milliseconds.
const MIRROR_MS: u64 = 5_000;

/// Most emergencies mirrored, the oldest; the rest of the reserve is for what the journal does not take.
const MIRRORED_MAX: usize = 128;

/// The reserve as the loop knows it.
#[derive(Debug, Default)]
pub(super) struct Reserve {
    /// Sequences that are durable in it.
    pub held: BTreeSet<u64>,
    /// Since when a request is under way, milliseconds of uptime.
    asked_ms: Option<u64>,
    /// The last sequence sealed when it was asked last: a newer emergency asks again at once.
    asked_through: u64,
    retry_ms: u64,
    /// What the journal should have and only the reserve has: it stays until a checkpoint is written, which
    /// keeps what follows from it.
    pub only: BTreeSet<u64>,
}

impl Reserve {
    /// A reserve that was found to hold these.
    pub fn holding(held: BTreeSet<u64>, only: BTreeSet<u64>) -> Self {
        Self { held, only, ..Self::default() }
    }

    /// Whether a request is under way.
    pub fn is_asked(&self) -> bool {
        self.asked_ms.is_some()
    }
}

impl Engine {
    /// Emergencies that are sealed and not known to be durable in the journal.
    pub(super) fn unwritten_emergencies(&self) -> impl Iterator<Item = &Arc<Record>> {
        let writing = self.writing.iter().flat_map(|writing| &writing.records);
        let sealed = writing.chain(&self.pending).filter(|record| is_emergency(record));
        self.in_doubt.iter().chain(sealed)
    }

    /// Whether the journal cannot be believed to hold an emergency that is nowhere else.
    pub(super) fn is_in_doubt(&self, seq: u64) -> bool {
        self.is_doubted(seq) && !self.is_safe_elsewhere(seq)
    }

    fn is_doubted(&self, seq: u64) -> bool {
        self.in_doubt.iter().any(|record| record.seq == seq)
    }

    /// While the journal takes records: what was in doubt is safe once the reserve or the centre has it, and what the
    /// centre has need not be watched. Tells the home how far everything is durable.
    pub(super) fn settle(&mut self, now: &Now, commands: &mut Vec<Command>) {
        self.let_go(commands, |engine, waiting| {
            waiting.emergency.is_some_and(|seq| engine.is_doubted(seq) && engine.is_safe_elsewhere(seq))
        });
        let doubted = self.in_doubt.iter().map(|record| record.seq).find(|seq| self.is_in_doubt(*seq));
        let through = doubted.unwrap_or_else(|| self.first_unsafe_seq()) - 1;
        let only = &self.reserve.only;
        self.in_doubt.retain(|record| !self.outbox.is_received(record.seq) || only.contains(&record.seq));
        self.handle(now, None, &Input::Synced(through), commands);
    }

    /// Those of them that are nowhere safe.
    pub(super) fn unsafe_emergency(&self) -> Option<u64> {
        self.unwritten_emergencies().map(|record| record.seq).find(|seq| !self.is_safe_elsewhere(*seq))
    }

    /// Everything that the reserve should hold now, what cannot wait first.
    fn wanted_in_reserve(&self, now: &Now) -> Vec<Arc<Record>> {
        let mut wanted = Vec::new();
        let mut known = BTreeSet::new();
        if !self.disk_failed {
            known.extend(self.in_doubt.iter().map(|record| record.seq));
            wanted.extend(self.in_doubt.iter().cloned());
        } else {
            // What the centre has comes last, but comes: it is what a repeated delivery is known by.
            for received in [false, true] {
                let of = |record: &&Arc<Record>| self.outbox.is_received(record.seq) == received;
                for record in self.unwritten_emergencies().filter(of) {
                    known.insert(record.seq);
                    wanted.push(Arc::clone(record));
                }
            }
        }
        let old = |record: &&Arc<Record>| {
            record.at.boot != now.boot || now.uptime_ms >= record.at.uptime_ms.saturating_add(MIRROR_MS)
        };
        let mirrored = self.outbox.urgent().take_while(old).filter(|record| !known.contains(&record.seq));
        wanted.extend(mirrored.take(MIRRORED_MAX).cloned());
        wanted
    }

    /// Asks the disk to hold what it does not hold yet.
    pub(super) fn ask_reserve(&mut self, now: &Now, commands: &mut Vec<Command>) {
        if self.reserve.asked_ms.is_some() {
            return;
        }
        let is_new = |seq: u64| seq > self.reserve.asked_through && !self.is_safe_elsewhere(seq);
        let fresh = self.disk_failed && self.unwritten_emergencies().any(|record| is_new(record.seq));
        if now.uptime_ms < self.reserve.retry_ms && !fresh {
            return;
        }
        let records = self.wanted_in_reserve(now);
        if records.iter().all(|record| self.reserve.held.contains(&record.seq)) {
            return;
        }
        self.reserve.asked_ms = Some(now.uptime_ms);
        self.reserve.asked_through = self.chain.next_seq - 1;
        commands.push(Command::Reserve { records });
    }

    /// The reserve holds these and no others.
    pub(super) fn reserved(&mut self, now: &Now, held: Vec<u64>, commands: &mut Vec<Command>) {
        self.reserve.asked_ms = None;
        self.reserve.retry_ms = now.uptime_ms + self.limits.write_retry_ms;
        self.reserve.held = held.into_iter().collect();
        if !self.disk_failed && !self.in_doubt.is_empty() {
            self.settle(now, commands);
        }
        let lost = self.unsafe_emergency();
        if self.disk_failed {
            if lost.is_some() {
                self.counters.count("reserve_failed");
            }
            self.tell_recorded(now, lost.is_none(), commands);
        }
        let through = match lost {
            Some(seq) => Some(seq - 1),
            None => self.unwritten_emergencies().last().map(|record| record.seq),
        };
        if let Some(through) = through {
            self.handle(now, None, &Input::Synced(through), commands);
        }
        if !self.disk_failed {
            return;
        }
        self.let_go_safe(commands);
        if self.stopping && self.writing.is_none() {
            commands.push(Command::Stop);
        }
    }

    /// Tells the home whether a press can be recorded, in the journal or in the reserve.
    pub(super) fn tell_recorded(&mut self, now: &Now, recorded: bool, commands: &mut Vec<Command>) {
        if self.records_presses != recorded {
            self.records_presses = recorded;
            self.handle(now, None, &Input::Disk { writable: recorded }, commands);
        }
    }

    /// The disk answers neither write nor reserve: it hangs.
    pub(super) fn reserve_hangs(&mut self, now: &Now, commands: &mut Vec<Command>) {
        let slow = |asked: u64| now.uptime_ms >= asked + self.limits.write_slow_ms;
        if self.disk_failed && self.reserve.asked_ms.is_some_and(slow) && self.unsafe_emergency().is_some() {
            self.tell_recorded(now, false, commands);
        }
    }

    /// When the reserve is next to be asked or given up, milliseconds of uptime.
    pub(super) fn reserve_deadline_ms(&self) -> Option<u64> {
        let unsafe_now = self.disk_failed && self.unsafe_emergency().is_some();
        if let Some(asked) = self.reserve.asked_ms {
            return (unsafe_now && self.records_presses).then_some(asked + self.limits.write_slow_ms);
        }
        let unheld = |record: &&Arc<Record>| !self.reserve.held.contains(&record.seq);
        let mirror =
            self.outbox.urgent().take(MIRRORED_MAX).find(unheld).map(|record| {
                if record.at.boot == self.boot { record.at.uptime_ms.saturating_add(MIRROR_MS) } else { 0 }
            });
        let due = if unsafe_now { Some(self.reserve.retry_ms) } else { mirror };
        due.map(|due| due.max(self.reserve.retry_ms))
    }
}
