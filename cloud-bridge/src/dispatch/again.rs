//! A delivery said again to a gateway that has forgotten it: it went up while the disk failed, was lost with the
//! power, and its device repeats it. The centre knows it by client, packet and content, as the gateway would have;
//! while the order stands it rings again and counts once.

use protocol::ids::{Incarnation, LocalKey, WorkOrderId};
use protocol::record::{Delivery, Record};

use super::{Dispatch, LifeState};

/// Most deliveries remembered; the oldest goes first, and its press may then count twice.
pub const SAID_MAX: usize = 64;

/// A delivery that raised something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Which delivery.
    pub delivery: Delivery,
    /// The run of the gateway that heard it; within one run the gateway itself tells what is a repetition.
    pub run: Incarnation,
    /// The lifecycle that it began.
    pub life: LocalKey,
    /// The order that it opened or joined; none while its pre-alarm burns.
    pub order: Option<WorkOrderId>,
}

impl Dispatch {
    /// What the same delivery raised before, heard by another run of the gateway, where that still stands.
    pub(super) fn said_before(&self, record: &Record) -> Option<&Said> {
        let delivery = record.delivery.as_ref()?;
        let same = |said: &&Said| said.delivery == *delivery && said.run != record.incarnation;
        self.said.iter().rev().filter(same).find(|said| self.stands(said))
    }

    /// Remembers what a record's delivery raised.
    pub(super) fn note_said(&mut self, record: &Record, order: Option<WorkOrderId>) {
        let Some(delivery) = record.delivery.clone() else { return };
        let mut said = std::mem::take(&mut self.said);
        said.retain(|said| self.stands(said));
        if said.len() >= SAID_MAX {
            said.remove(0);
        }
        said.push(Said { delivery, run: record.incarnation, life: record.key(), order });
        self.said = said;
    }

    /// A pre-alarm has become an order.
    pub(super) fn said_raised(&mut self, life: LocalKey, order: &WorkOrderId) {
        for said in self.said.iter_mut().filter(|said| said.life == life) {
            said.order = Some(order.clone());
        }
    }

    fn stands(&self, said: &Said) -> bool {
        match &said.order {
            Some(order) => self.orders.contains_key(order),
            None => {
                let state = self.lifecycles.get(&said.life).map(|known| &known.state);
                matches!(state, Some(LifeState::Burning { .. }))
            }
        }
    }
}
