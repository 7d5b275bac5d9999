//! Senders that wait for their acknowledgement: until the journal has what their message made, or the
//! reserve or the centre has its emergency. What nobody takes is withheld, and heard again.

use super::{Command, Engine, Now, Verdict};

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

impl Engine {
    /// Acknowledges now where `seq` is already safe, else once it is, or the emergency is elsewhere.
    pub(super) fn answer_when_safe(&mut self, now: &Now, waiting: Waiting, commands: &mut Vec<Command>) {
        let Waiting { seq, emergency, token, .. } = waiting;
        let elsewhere = self.disk_failed && emergency.is_none_or(|seq| self.is_safe_elsewhere(seq));
        let in_doubt = emergency.is_some_and(|seq| self.is_in_doubt(seq));
        let is_safe = seq < self.first_unsafe_seq() && !in_doubt || elsewhere;
        if is_safe {
            commands.push(Command::Answer { token, verdict: Verdict::Acknowledge });
        } else {
            self.waiting.push_back(Waiting { since_ms: now.uptime_ms, ..waiting });
        }
    }

    /// Acknowledges every message whose records are all in the journal up to `through`.
    pub(super) fn let_go_written(&mut self, through: u64, commands: &mut Vec<Command>) {
        self.let_go(commands, |engine, waiting| {
            waiting.seq <= through && !waiting.emergency.is_some_and(|seq| engine.is_in_doubt(seq))
        });
    }

    /// While the journal fails: acknowledges what is safe elsewhere, and what no emergency came of.
    pub(super) fn let_go_safe(&mut self, commands: &mut Vec<Command>) {
        self.let_go(commands, |engine, waiting| waiting.emergency.is_none_or(|seq| engine.is_safe_elsewhere(seq)));
    }

    /// Acknowledges what is safe, in the order in which it came.
    pub(super) fn let_go(&mut self, commands: &mut Vec<Command>, is_safe: impl Fn(&Self, &Waiting) -> bool) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.retain(|waiting| {
            let is_safe = is_safe(self, waiting);
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
            let token = waiting.token;
            self.waiting.pop_front();
            self.counters.count("acknowledge_withheld");
            commands.push(Command::Answer { token, verdict: Verdict::Withhold });
        }
    }

    /// Whether an emergency that the journal does not take is in the reserve or at the centre.
    pub(super) fn is_safe_elsewhere(&self, seq: u64) -> bool {
        self.reserve.held.contains(&seq) || self.outbox.is_received(seq)
    }
}
