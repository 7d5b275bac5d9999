//! Senders that wait for their acknowledgement: until the journal has what their message made, or the
//! reserve or the centre has its emergency. What nobody takes is withheld, and heard again.

use std::collections::BTreeMap;

use super::{Command, Engine, Now, Verdict};

/// A message that nothing has taken is withheld so often; said once more it is let pass. Its bridge says
/// it first of all, so that as long as it is held nothing that the bridge says behind it is heard.
const WITHHELD_MAX: u32 = 2;

/// Most withheld messages remembered.
const REMEMBERED_MAX: usize = 256;

/// A message whose sender waits.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    /// The last record that it made.
    pub seq: u64,
    /// The last emergency that it made, where the journal did not have it yet.
    pub emergency: Option<u64>,
    /// Names it.
    pub token: u64,
    /// When it came, milliseconds of uptime.
    pub since_ms: u64,
}

/// How often an emergency's message was withheld.
#[derive(Debug, Clone, Default)]
pub(super) struct Withheld(BTreeMap<u64, u32>);

impl Engine {
    /// Acknowledges now where `seq` is already safe, else once it is, or the emergency is elsewhere.
    pub(super) fn answer_when_safe(&mut self, now: &Now, waiting: Waiting, commands: &mut Vec<Command>) {
        let Waiting { seq, emergency, token, .. } = waiting;
        let elsewhere = self.disk_failed && emergency.is_none_or(|seq| self.is_safe_elsewhere(seq));
        let is_safe = seq < self.first_unsafe_seq() || elsewhere;
        if is_safe || self.lets_pass(emergency) {
            if !is_safe {
                self.counters.count("acknowledged_unsafe");
            }
            commands.push(Command::Answer { token, verdict: Verdict::Acknowledge });
        } else {
            self.waiting.push_back(Waiting { since_ms: now.uptime_ms, ..waiting });
        }
    }

    /// Acknowledges every message whose records are all in the journal up to `through`.
    pub(super) fn let_go_written(&mut self, through: u64, commands: &mut Vec<Command>) {
        while self.waiting.front().is_some_and(|waiting| waiting.seq <= through) {
            if let Some(waiting) = self.waiting.pop_front() {
                commands.push(Command::Answer { token: waiting.token, verdict: Verdict::Acknowledge });
            }
        }
    }

    /// While the journal fails: acknowledges what is safe elsewhere, and what no emergency came of.
    pub(super) fn let_go_safe(&mut self, commands: &mut Vec<Command>) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.retain(|waiting| {
            let is_safe = waiting.emergency.is_none_or(|seq| self.is_safe_elsewhere(seq));
            if is_safe {
                commands.push(Command::Answer { token: waiting.token, verdict: Verdict::Acknowledge });
            }
            !is_safe
        });
        self.waiting = waiting;
    }

    /// Lets go, unacknowledged, what neither disk nor centre has taken in time.
    pub(super) fn withhold_late(&mut self, now: &Now, commands: &mut Vec<Command>) {
        while let Some(waiting) = self.waiting.front()
            && now.uptime_ms >= waiting.since_ms + self.limits.acknowledge_wait_ms
        {
            let (token, emergency) = (waiting.token, waiting.emergency);
            self.waiting.pop_front();
            self.counters.count("acknowledge_withheld");
            if let Some(seq) = emergency {
                *self.withheld.0.entry(seq).or_default() += 1;
                while self.withheld.0.len() > REMEMBERED_MAX {
                    self.withheld.0.pop_first();
                }
            }
            commands.push(Command::Answer { token, verdict: Verdict::Withhold });
        }
    }

    /// Whether an emergency that nothing takes was withheld often enough. It is in memory, goes out as soon
    /// as the centre is there, and the elder has been told to call 120.
    fn lets_pass(&self, emergency: Option<u64>) -> bool {
        !self.records_presses
            && emergency.is_some_and(|seq| self.withheld.0.get(&seq).is_some_and(|times| *times >= WITHHELD_MAX))
    }

    /// Whether an emergency that the journal does not take is in the reserve or at the centre.
    pub(super) fn is_safe_elsewhere(&self, seq: u64) -> bool {
        self.reserve.held.contains(&seq) || self.outbox.is_received(seq)
    }
}
