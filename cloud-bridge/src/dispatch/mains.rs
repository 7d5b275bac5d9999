//! A home's mains supply: a loss is held against storms of a whole district, then becomes a technical
//! order, and is raised once more when no battery can be expected to last.

use protocol::ids::{LocalKey, WorkOrderId};
use protocol::record::MainsSupply;
use protocol::trigger::Reason;

use super::effect::Effects;
use super::{Arrival, Dispatch, Own};

/// When a loss counts, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MainsRules {
    /// From the loss to an order (Contact ID 301): a district's short outage raises none.
    pub held_ms: i64,
    /// From the loss to its being raised once more (Contact ID 926).
    pub long_ms: i64,
}

impl Default for MainsRules {
    fn default() -> Self {
        Self { held_ms: 30 * 60_000, long_ms: 4 * 60 * 60_000 }
    }
}

/// A mains loss that is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MainsLoss {
    /// The record that told it.
    pub record: LocalKey,
    /// The input.
    pub device: String,
    /// Unix milliseconds, by the record's true age.
    pub since_ms: i64,
    /// The rules that were in force when it was told.
    pub rules: MainsRules,
    /// The order that it became.
    pub order: Option<WorkOrderId>,
    /// Whether it was raised once more.
    pub long: bool,
}

impl MainsLoss {
    /// When the loss is raised next, Unix milliseconds.
    pub fn due_ms(&self) -> Option<i64> {
        match (&self.order, self.long) {
            (None, _) => Some(self.since_ms.saturating_add(self.rules.held_ms)),
            (Some(_), false) => Some(self.since_ms.saturating_add(self.rules.long_ms)),
            (Some(_), true) => None,
        }
    }
}

impl Dispatch {
    pub(super) fn mains(&mut self, arrival: &Arrival, supply: MainsSupply, fx: &mut Effects) {
        let occurred_at_ms = arrival.occurred_at(fx.now());
        if supply.present {
            if let Some(order) = self.mains.take().and_then(|loss| loss.order) {
                self.note_over(&order, Some(occurred_at_ms), supply.device, Reason::MainsLost, fx);
            }
        } else if self.mains.is_none() {
            let MainsSupply { device, key: _, present: _ } = supply;
            let (record, rules) = (arrival.record.key(), arrival.mains);
            self.mains = Some(MainsLoss { record, device, since_ms: occurred_at_ms, rules, order: None, long: false });
        }
    }

    pub(super) fn end_mains_hold(&mut self, fx: &mut Effects) {
        let Some(loss) = self.mains.clone().filter(|loss| loss.due_ms().is_some_and(|due_ms| due_ms <= fx.now()))
        else {
            return;
        };
        let reason = if loss.order.is_none() { Reason::MainsLost } else { Reason::MainsLostLong };
        let device = loss.device.clone();
        let own = Own { device, reason, record: Some(loss.record), occurred_at_ms: loss.since_ms };
        let order = self.raise_technical(own, fx);
        self.mains = Some(MainsLoss { long: loss.order.is_some(), order: Some(order), ..loss });
    }
}
