//! What a home's disk is known to hold: by what the journal and the reserve said, and by looking.

use std::sync::Arc;

use gateway::journal::sim_storage::SimStorage;
use protocol::record::{Body, Record};

use super::HomeWatch;

impl HomeWatch {
    /// The disk was said to hold a record.
    pub(super) fn durable(&mut self, record: &Record) {
        match &record.body {
            Body::Trigger(_) => {
                if let Some(call) = self.calls.get_mut(&record.key()) {
                    call.durable = true;
                }
            }
            Body::PreAlarm(_) => self.pre_alarms.entry(record.key()).or_default().0 = true,
            Body::Cancelled(_) => self.cancels.entry(record.key()).or_default().durable = true,
            Body::Resolved(resolved) => {
                for key in &resolved.calls {
                    if let Some(call) = self.calls.get_mut(key) {
                        call.resolved_durably = true;
                    }
                }
            }
            Body::Started(_)
            | Body::Stopped
            | Body::Observed(_)
            | Body::Visit(_)
            | Body::Reassured(_)
            | Body::Played(_)
            | Body::ContactsCalled(_)
            | Body::ContactTold(_)
            | Body::Link { .. }
            | Body::Concluded(_)
            | Body::Delivered(_)
            | Body::DeviceListed(_)
            | Body::SaidFine(_)
            | Body::Mains(_)
            | Body::Restored(_)
            | Body::Tested(_)
            | Body::SegmentRetired(_)
            | Body::Missing(_) => {}
        }
    }
}

/// Whether a record would be read back if the power went now and the disk kept only what was synced.
pub(super) fn survives(storage: &SimStorage, record: Option<&Arc<Record>>) -> bool {
    let Some(record) = record else { return false };
    // What its hash covers: as it stands in its frame, and nowhere else.
    record.encode().is_ok_and(|bytes| storage.holds_durably(&[&record.prev.0[..], &bytes].concat()))
}
