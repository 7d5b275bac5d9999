//! The journal's thread of a home: one task after the other, as the shipping thread does them, dying
//! in the middle of a write when the seed says so.

use std::sync::Arc;

use gateway::engine::Completion;
use gateway::journal::sim_storage::DiskOp;
use protocol::record::{Body, Record, Route};

use super::super::faults::Death;
use super::super::misfortune::Row;
use super::super::{Detail, Due, World, watch};
use super::prefix;

/// What the journal's thread is asked to do.
#[derive(Debug)]
pub(super) enum DiskTask {
    Write { records: Vec<Arc<Record>>, roll: Option<Vec<u8>>, low_water: u64 },
    Reserve { records: Vec<Arc<Record>> },
    Retire { through_segment: u64 },
    Load { from_seq: u64, limit: usize },
}

impl super::Home {
    /// Whether the disk may be refusing or holding up what is written.
    pub(super) fn disk_fails(&self, now_ms: u64) -> bool {
        self.disk_refused || now_ms <= self.disk_slow_until_ms
    }
}

impl World {
    pub(super) fn ask_disk(&mut self, home: usize, task: DiskTask) {
        let slow = self.homes[home].disk_slow;
        let Some(process) = &mut self.homes[home].process else { return };
        process.disk.push_back(task);
        if process.disk.len() == 1 {
            self.plan_disk(home, slow);
        }
    }

    fn plan_disk(&mut self, home: usize, slow: bool) {
        if self.instant() && !slow {
            self.disk(home);
            return;
        }
        let takes = if slow { self.dice.between(300, 15_000) } else { self.dice.between(1, 12) };
        let at = &mut self.homes[home];
        if slow {
            at.disk_slow_until_ms = self.now_ms + takes;
        }
        self.agenda.put(self.now_ms + takes, Due::Disk { home, run: at.run });
    }

    /// The journal's thread does the task at the head of its queue.
    pub(in crate::world) fn disk(&mut self, home: usize) {
        if self.dies_here(home) {
            self.die_writing(home);
            return;
        }
        let at = &mut self.homes[home];
        let Some(process) = &mut at.process else { return };
        let Some(task) = process.disk.pop_front() else { return };
        match task {
            DiskTask::Write { records, roll, low_water } => {
                let through = records.last().map_or(0, |record| record.seq);
                if let Row::Waiting { syncs } = at.row
                    && records.iter().any(|record| record.body.route() == Route::Emergency)
                {
                    at.storage.fail(DiskOp::Sync, syncs);
                    at.row = Row::SyncFailed;
                    at.dies_in = Some(self.dice.between(0, 3) as u32);
                }
                let written = process.journal.write(&records);
                let is_written = written.is_ok();
                match written {
                    Ok(written) => {
                        self.watch.written(home, &records);
                        at.unconfirmed = false;
                        at.disk_refused = false;
                        at.stopping.is_written = records.last().is_some_and(|last| last.body == Body::Stopped);
                        if self.transcript.keeps(Detail::Story) {
                            for record in records.iter().filter(|record| is_told(&record.body)) {
                                let what = watch::name(&record.body);
                                self.transcript.story(
                                    self.now_ms,
                                    format_args!("{}gateway recorded: {what}", prefix(self.config.homes, home)),
                                );
                            }
                        }
                        at.inbox.push_back(Completion::Written { through, segment_bytes: written.segment_bytes });
                    }
                    Err(error) => {
                        self.transcript.step(self.now_ms, format_args!("home {home}: disk: {error:?}"));
                        at.unconfirmed = true;
                        at.disk_refused = true;
                        at.inbox.push_back(Completion::WriteFailed);
                    }
                }
                // As the journal's thread does it: after the answer was given, and only behind what was written.
                if let Some(checkpoint) = roll.filter(|_| is_written) {
                    if process.journal.roll(&checkpoint).is_ok() {
                        let retirable = process.journal.retirable(low_water);
                        at.inbox.push_back(Completion::Rolled { retirable });
                    } else {
                        // Half a header may stand there that the disk did not let go of.
                        at.unconfirmed = true;
                    }
                }
            }
            DiskTask::Reserve { records } => {
                let held = process.journal.reserve(&records).held;
                at.disk_refused |= held.len() < records.len();
                let records: Vec<_> = records.into_iter().filter(|record| held.contains(&record.seq)).collect();
                self.watch.reserved(home, &records);
                at.inbox.push_back(Completion::Reserved { held });
            }
            DiskTask::Retire { through_segment } => {
                let _ = process.journal.retire(through_segment);
            }
            DiskTask::Load { from_seq, limit } => {
                let completion = match process.journal.read(from_seq, limit) {
                    Ok(records) => {
                        let last = records.last().map(|record| record.seq);
                        let through_seq = last.unwrap_or_else(|| process.journal.head().0.saturating_sub(1));
                        Completion::Loaded { records, through_seq }
                    }
                    Err(_) => Completion::LoadFailed,
                };
                at.inbox.push_back(completion);
            }
        }
        let more = process.disk.front().is_some();
        let slow = at.disk_slow;
        if more {
            self.plan_disk(home, slow);
        }
        self.drain(home);
    }

    /// The power goes in the middle of a write: some of its changes happened, the last perhaps half.
    fn die_writing(&mut self, home: usize) {
        let changes = self.dice.between(0, 4);
        let at = &mut self.homes[home];
        at.unconfirmed = true;
        at.storage.halt_after(Some(changes));
        if let Some(process) = &mut at.process {
            match process.disk.pop_front() {
                Some(DiskTask::Write { records, roll, .. }) => {
                    if process.journal.write(&records).is_ok()
                        && let Some(checkpoint) = roll
                    {
                        let _ = process.journal.roll(&checkpoint);
                    }
                }
                Some(DiskTask::Reserve { records }) => {
                    process.journal.reserve(&records);
                }
                Some(DiskTask::Retire { through_segment }) => {
                    let _ = process.journal.retire(through_segment);
                }
                Some(DiskTask::Load { .. }) | None => {}
            }
        }
        let death = loop {
            let death = self.draw_death(home);
            if death != Death::Killed {
                break death;
            }
        };
        self.kill_gateway(home, death);
    }
}

/// What a shift leader reads of a home: what goes to the centre at once, and what the rules concluded.
fn is_told(body: &Body) -> bool {
    body.route() == Route::Emergency || matches!(body, Body::Concluded(_) | Body::Restored(_))
}
