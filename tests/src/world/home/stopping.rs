//! An orderly stop, as a service manager asks for it: the loop writes what is left, says that it is the end, and goes.

use gateway::driver::STOP_WAIT;
use gateway::engine::Completion;

use super::super::faults::Death;
use super::super::watch::Invariant;
use super::super::{Due, World};
use super::prefix;

/// How far an orderly stop has come.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::world) struct Stopping {
    /// When it was asked for.
    pub(in crate::world) since_ms: Option<u64>,
    /// The last record on the disk is the one that says so.
    pub(super) is_written: bool,
}

impl World {
    /// The service manager asks a home's gateway to end; nobody is listened to any more.
    pub(in crate::world) fn terminate_gateway(&mut self, home: usize) {
        let at = &mut self.homes[home];
        if at.process.is_none() || at.stopping.since_ms.is_some() {
            return;
        }
        at.stopping = Stopping { since_ms: Some(self.now_ms), is_written: false };
        at.wires.cut();
        let run = at.run;
        self.transcript.story(self.now_ms, format_args!("{}gateway is asked to stop", prefix(self.config.homes, home)));
        self.agenda.put(self.now_ms + STOP_WAIT.as_millis() as u64, Due::StopEnds { home, run });
        self.homes[home].inbox.push_back(Completion::Stopping);
        self.drain(home);
    }

    /// The loop has said that it can go, or the time is over.
    pub(in crate::world) fn stop_ends(&mut self, home: usize, in_order: bool) {
        let clocks = self.homes[home].clocks(self.now_ms);
        let at = &mut self.homes[home];
        let Some(process) = &at.process else { return };
        let disk_takes_writes = process.engine.gauges(&clocks).disk_ok && !at.disk_slow;
        if disk_takes_writes && !(in_order && at.stopping.is_written) {
            let what = format!("the loop said so: {in_order}, the end is written: {}", at.stopping.is_written);
            self.watch.violated(Invariant::StopsInOrder, self.now_ms, home, what);
        }
        self.tally.stops += 1;
        self.kill_gateway(home, Death::Stopped);
    }
}
