//! A call whose key the centre holds with another content: raised anew, under the next key.
//!
//! No gateway makes one key twice. A machine that was copied while it ran does: whoever comes second is refused, and
//! its call must not be lost with the refusal.

use std::sync::Arc;

use protocol::record::{Body, Record, Resolved};
use protocol::uplink::{HASH_CONFLICT, UplinkAnswer};

use super::{Engine, Now};

/// How often in a run: a centre that refuses whatever it is sent must not fill the journal.
pub(super) const RAISED_ANEW_MAX: u32 = 64;

impl Engine {
    /// The calls that an answer refuses for their key alone.
    pub(super) fn conflicting(&self, answer: &UplinkAnswer) -> Vec<Arc<Record>> {
        let conflicts = answer.refused.iter().filter(|refusal| refusal.reason == HASH_CONFLICT);
        let is_ours = |record: &&Arc<Record>| conflicts.clone().any(|refusal| refusal.key == record.key());
        self.outbox.urgent().filter(is_ours).cloned().collect()
    }

    /// Says them again with a key of their own.
    pub(super) fn raise_anew(&mut self, now: &Now, conflicting: Vec<Arc<Record>>) {
        for record in conflicting {
            if self.raised_anew >= RAISED_ANEW_MAX {
                return self.counters.count("raised_anew_too_often");
            }
            self.raised_anew += 1;
            self.counters.count("raised_anew");
            if let Body::Trigger(_) = record.body {
                // The elder's call goes on under the new key alone: nobody will ever answer the old one.
                self.record(now, None, Body::Resolved(Resolved { calls: vec![record.key()] }));
            }
            self.record(now, record.delivery.clone(), record.body.clone());
            self.pending_urgent = true;
        }
    }
}
