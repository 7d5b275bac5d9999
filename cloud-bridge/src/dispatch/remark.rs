//! What a home says of orders that are open without changing them: "I'm fine", a hazard that is over,
//! a device that is heard again, a test. A person decides what it means.

use protocol::ids::WorkOrderId;
use protocol::record::{Restored, SaidFine, TestStep};
use protocol::trigger::{OrderClass, Reason};

use super::effect::{Effects, FeedKind, Notice, NoticeBody, TestStepNotice};
use super::timeline::{Actor, What};
use super::{Arrival, Dispatch, Effect};

impl Dispatch {
    /// The elder says that all is well: never a cancel of a press, always before the dispatcher's eyes.
    pub(super) fn said_fine(&mut self, arrival: &Arrival, said: SaidFine, fx: &mut Effects) {
        let occurred_at = Some(arrival.occurred_at(fx.now()));
        let waits = |class| matches!(class, OrderClass::Emergency | OrderClass::FireGas | OrderClass::Assistance);
        for order in self.orders.values_mut().filter(|order| waits(order.class)) {
            order.touch(fx.now());
            fx.note(&order.id, occurred_at, Actor::Home, What::SaidFine { device: said.device.clone() });
            fx.changed(order, FeedKind::Updated, false, order.late);
        }
    }

    /// What was raised is over; its order stays with the person who has it.
    pub(super) fn restored(&mut self, arrival: &Arrival, restored: Restored, fx: &mut Effects) {
        let Restored { kind, device, room: _, reason } = restored;
        let Some(order) = self.orders.values().find(|order| order.class == kind.class()).map(|order| order.id.clone())
        else {
            return;
        };
        self.note_over(&order, Some(arrival.occurred_at(fx.now())), device, reason, fx);
    }

    /// Notes on an order, if it is open still, that what was raised is over.
    pub(super) fn note_over(
        &mut self,
        order: &WorkOrderId,
        occurred_at_ms: Option<i64>,
        device: String,
        reason: Reason,
        fx: &mut Effects,
    ) {
        let Some(order) = self.orders.get_mut(order) else { return };
        order.touch(fx.now());
        let by = if occurred_at_ms.is_some() { Actor::Home } else { Actor::Centre };
        fx.note(&order.id, occurred_at_ms, by, What::Over { device, reason });
        fx.changed(order, FeedKind::Updated, false, order.late);
    }

    pub(super) fn tested(&mut self, arrival: &Arrival, step: TestStep, fx: &mut Effects) {
        let notice = TestStepNotice { gateway: self.gateway.clone(), record: arrival.record.key(), step };
        fx.push(Effect::Publish(Notice { kind: FeedKind::TestStep, body: NoticeBody::TestStep(notice) }));
    }
}
