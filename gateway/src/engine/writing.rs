//! The way of records to the disk: one write at a time, and the truth when it fails or hangs.

use protocol::record::Body;

use super::checkpoint::Checkpoint;
use super::{Command, Engine, Now, WRITE_RECORDS_MAX, Writing, is_emergency};

impl Engine {
    pub(super) fn written(&mut self, now: &Now, through: u64, segment_bytes: u64, commands: &mut Vec<Command>) {
        let Some(writing) = self.writing.take() else { return };
        for record in writing.records {
            self.outbox.offer(record);
        }
        self.roll_due = segment_bytes >= self.limits.segment_bytes || !self.reserve.only.is_empty();
        self.write_retry_ms = 0;
        self.disk_failed = false;
        // Before it writes, the journal has made durable what it found.
        self.in_doubt.retain(|record| self.reserve.only.contains(&record.seq));
        self.tell_recorded(now, true, commands);
        self.let_go_written(through, commands);
        self.retire_attested(commands);
        self.settle(now, commands);
        if self.stopping && self.pending.is_empty() {
            commands.push(Command::Stop);
        }
    }

    pub(super) fn write_failed(&mut self, now: &Now, commands: &mut Vec<Command>) {
        let Some(writing) = self.writing.take() else { return };
        self.counters.count("journal_write_failed");
        for record in writing.records.into_iter().rev() {
            self.pending.push_front(record);
        }
        self.pending_since_ms.get_or_insert(now.uptime_ms);
        self.pending_urgent = true;
        self.write_retry_ms = now.uptime_ms + self.limits.write_retry_ms;
        self.disk_fails(commands);
        // What only the reserve can still keep is put there first.
        if self.stopping && self.unsafe_emergency().is_none() {
            commands.push(Command::Stop);
        }
    }

    /// The journal does not take records: emergencies go out all the same, and into the reserve. Nobody else waits.
    pub(super) fn disk_fails(&mut self, commands: &mut Vec<Command>) {
        self.disk_failed = true;
        let writing = self.writing.iter().flat_map(|writing| &writing.records);
        let emergencies: Vec<_> = writing.chain(&self.pending).filter(|record| is_emergency(record)).cloned().collect();
        for record in emergencies {
            self.outbox.offer_unwritten(record);
        }
        self.let_go_safe(commands);
    }

    pub(super) fn start_write(&mut self, now: &Now, commands: &mut Vec<Command>) {
        let now_ms = now.uptime_ms;
        if self.writing.is_some() || self.pending.is_empty() || now_ms < self.write_retry_ms {
            return;
        }
        let lingered = self.pending_since_ms.is_some_and(|since| now_ms >= since + self.limits.linger_ms);
        if self.stopping {
            // Whatever is still told of meanwhile waits for nobody, and stands before the end that the next start looks for.
            if self.pending.back().is_some_and(|last| last.body != Body::Stopped) {
                self.record(now, None, Body::Stopped);
            }
        } else if !self.pending_urgent && !lingered && self.pending.len() < WRITE_RECORDS_MAX / 2 {
            return;
        }
        let take = self.pending.len().min(WRITE_RECORDS_MAX);
        let records: Vec<_> = self.pending.drain(..take).collect();
        // A checkpoint is the state after every sealed record, so a segment ends only with nothing left behind.
        let roll = (self.roll_due && self.pending.is_empty()).then(|| self.checkpoint()).flatten();
        if self.pending.is_empty() {
            self.pending_since_ms = None;
            self.pending_urgent = false;
        }
        let low_water = self.outbox.low_water();
        self.writing = Some(Writing { records: records.clone(), since_ms: now_ms, slow: false });
        commands.push(Command::Write { records, roll, low_water });
    }

    /// The state after every sealed record.
    pub(super) fn checkpoint(&mut self) -> Option<Vec<u8>> {
        let checkpoint = Checkpoint {
            home: self.home.snapshot(),
            decoder: self.decoder.snapshot(),
            deliveries: self.deliveries.clone(),
            delivered: self.outbox.delivered(),
        };
        let bytes = checkpoint.encode();
        if bytes.is_none() {
            self.counters.count("checkpoint_failed");
        }
        bytes
    }
}
