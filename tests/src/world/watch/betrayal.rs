//! What may be gone when a disk was lost, damaged or taken back: what nobody else held.

use cloud_bridge::centre::chain::Finding;

use super::{Invariant, PressId, Watch};

impl Watch {
    /// A home's disk no longer holds what it confirmed.
    pub(in crate::world) fn betrayed(&mut self, home: usize) {
        for press in 0..self.presses.len() {
            if self.presses[press].home == home && !self.is_committed(press) {
                self.presses[press].excused = true;
            }
        }
        let at = &mut self.homes[home];
        (at.torn, at.betrayed) = (true, true);
        at.written_through = 0;
        at.calls.retain(|_, call| call.committed_ms.is_some());
        at.pre_alarms.retain(|_, (_, committed)| *committed);
        at.cancels.retain(|_, cancel| cancel.committed);
        at.cancels.values_mut().for_each(|cancel| cancel.durable = false);
        for call in at.calls.values_mut() {
            (call.durable, call.resolved_durably) = (false, false);
        }
        for (durable, _) in at.pre_alarms.values_mut() {
            *durable = false;
        }
    }

    /// The centre says that a chain does not follow what it knows.
    pub(in crate::world) fn chain_found(&mut self, home: usize, now_ms: u64, finding: &Finding) {
        if !self.homes[home].betrayed && !self.homes[home].sent_unwritten {
            self.violated(Invariant::ChainFollows, now_ms, home, format!("{finding:?}"));
        }
    }

    fn is_committed(&self, press: PressId) -> bool {
        let note = &self.presses[press];
        let at = &self.homes[note.home];
        note.keys.iter().any(|key| {
            at.calls.get(key).is_some_and(|call| call.committed_ms.is_some())
                || at.pre_alarms.get(key).is_some_and(|(_, committed)| *committed)
        })
    }
}
