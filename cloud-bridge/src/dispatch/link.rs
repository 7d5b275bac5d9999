//! A gateway's silence: no alarm by itself, a technical order when it lasts.
//!
//! Who is silent is found outside, from the arrival of polls; here it is one state of the home.

use protocol::ids::WorkOrderId;
use protocol::trigger::Reason;

use super::effect::Effects;
use super::{Dispatch, Own};

/// A silence that is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// Unix milliseconds at which the gateway was heard last.
    pub since_ms: i64,
    /// From there to the order, milliseconds.
    pub order_after_ms: i64,
    /// The order that it became.
    pub order: Option<WorkOrderId>,
}

impl Silence {
    /// When it becomes an order, Unix milliseconds.
    pub fn due_ms(&self) -> Option<i64> {
        self.order.is_none().then(|| self.since_ms.saturating_add(self.order_after_ms))
    }
}

impl Dispatch {
    pub(super) fn went_silent(&mut self, since_ms: i64, order_after_ms: i64) {
        self.silence.get_or_insert(Silence { since_ms, order_after_ms, order: None });
    }

    pub(super) fn heard_again(&mut self, fx: &mut Effects) {
        if let Some(order) = self.silence.take().and_then(|silence| silence.order) {
            let gateway = self.gateway.to_string();
            self.note_over(&order, None, gateway, Reason::GatewaySilent, fx);
        }
    }

    pub(super) fn end_silence(&mut self, fx: &mut Effects) {
        let due = |silence: &Silence| silence.due_ms().is_some_and(|due_ms| due_ms <= fx.now());
        let Some(silence) = self.silence.clone().filter(due) else { return };
        let device = self.gateway.to_string();
        let occurred_at_ms = silence.since_ms;
        let own = Own { device, reason: Reason::GatewaySilent, record: None, occurred_at_ms };
        let order = self.raise_technical(own, fx);
        self.silence = Some(Silence { order: Some(order), ..silence });
    }
}
