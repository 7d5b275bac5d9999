//! Triggers at the centre: the first of its class opens a work order, further ones join it, counted,
//! and ring again. A pre-alarm and the trigger that it became are one press.

use protocol::ids::{LocalKey, WorkOrderId};
use protocol::record::Trigger;
use protocol::trigger::OrderClass;

use super::effect::{Effects, FeedKind, Notice, NoticeBody, PreAlarmNotice, TestNotice};
use super::fuse::LifeState;
use super::timeline::{Actor, Origin, What};
use super::work_order::{Opening, WorkOrder};
use super::{Arrival, Dispatch, Effect};

/// Age above which a trigger is a call-back rather than an emergency under way, milliseconds.
pub const CALL_BACK_AGE_MS: i64 = 24 * 60 * 60 * 1000;

/// Priority of a call-back.
const CALL_BACK_PRIORITY: u8 = 2;

/// A need to be raised.
pub(super) struct Raise<'a> {
    pub(super) opened_by: LocalKey,
    pub(super) record: LocalKey,
    pub(super) trigger: &'a Trigger,
    pub(super) late_ms: Option<i64>,
    pub(super) occurred_at_ms: i64,
    pub(super) by: Actor,
}

impl Dispatch {
    pub(super) fn trigger(&mut self, arrival: &Arrival, trigger: Trigger, fx: &mut Effects) {
        let record = arrival.record.key();
        if trigger.test {
            let body =
                TestNotice { gateway: self.gateway.clone(), record, kind: trigger.kind, late: arrival.is_late() };
            fx.push(Effect::Publish(Notice { kind: FeedKind::Test, body: NoticeBody::Test(body) }));
            return;
        }
        let occurred_at_ms = arrival.occurred_at(fx.now());
        let life = trigger.follows.unwrap_or(record);
        if let Some(order) = self.said_before(&arrival.record).and_then(|said| said.order.clone()) {
            let what = What::ConfirmedByGateway { record, reason: trigger.reason };
            fx.note(&order, Some(occurred_at_ms), Actor::Home, what);
            if let Some(order) = self.orders.get_mut(&order) {
                order.touch(fx.now());
                fx.changed(order, FeedKind::Updated, order.rings(), order.late);
            }
            return;
        }
        // The end of the pre-alarm itself, and no new need that goes on from it.
        let own_end = trigger.reason.ends_a_pre_alarm(trigger.kind);
        let mut opened_by = life;
        let mut cancelled_with = None;
        match self.lifecycles.get(&life).map(|known| known.state.clone()) {
            Some(LifeState::Raised { order, confirmed: false }) => {
                let what = What::ConfirmedByGateway { record, reason: trigger.reason };
                fx.note(&order, Some(occurred_at_ms), Actor::Home, what);
                self.remember(life, LifeState::Raised { order, confirmed: true }, fx);
                return;
            }
            Some(LifeState::Raised { order, confirmed: true }) if own_end => {
                // A home with an older copy of its disk raises once more what was raised long ago.
                let confirmed = What::ConfirmedByGateway { record, reason: trigger.reason };
                let stands = self.orders.contains_key(&order);
                let what = if stands { confirmed } else { What::ArrivedAfterClose { record } };
                fx.note(&order, Some(occurred_at_ms), Actor::Home, what);
                return;
            }
            Some(LifeState::Raised { order, confirmed: true }) => {
                if life == record && !self.orders.contains_key(&order) {
                    // What followed it overtook it and a person has closed that order already.
                    fx.note(&order, Some(occurred_at_ms), Actor::Home, What::ArrivedAfterClose { record });
                    return;
                }
                // The order of that lifecycle has its identity; a new need brings its own.
                opened_by = record;
            }
            Some(LifeState::Cancelled { .. }) if own_end => {
                // The home lost its elder's cancel with its power; the centre did not.
                let (gateway, kind) = (self.gateway.clone(), Some(trigger.kind));
                let notice = PreAlarmNotice { gateway, lifecycle: life, kind, reason: trigger.reason };
                fx.push(Effect::Publish(Notice {
                    kind: FeedKind::PreAlarmCancelled,
                    body: NoticeBody::PreAlarm(notice),
                }));
                return;
            }
            Some(LifeState::Cancelled { device }) => cancelled_with = Some(device),
            Some(LifeState::Burning { .. }) => {}
            None if arrival.settled && (life == record || own_end) => {
                let order = super::order_id(&self.gateway, life);
                fx.note(&order, Some(occurred_at_ms), Actor::Home, What::ArrivedAfterClose { record });
                return;
            }
            None if arrival.settled => opened_by = record,
            None => {}
        }
        let late_ms = arrival.is_late().then_some(arrival.age());
        let raise = Raise { opened_by, record, trigger: &trigger, late_ms, occurred_at_ms, by: Actor::Home };
        let order = self.raise(raise, fx);
        if let Some(device) = cancelled_with {
            let what = What::CancelledByElder { device };
            fx.note(&order, Some(occurred_at_ms), Actor::Home, what);
        }
        // A press that goes on from nothing needs no memory: it joins by its class, and its order by its identity.
        if trigger.follows.is_some() {
            self.remember(life, LifeState::Raised { order: order.clone(), confirmed: true }, fx);
        }
        self.note_said(&arrival.record, Some(order));
    }

    /// Opens an order, or joins the open one of its class.
    pub(super) fn raise(&mut self, raise: Raise<'_>, fx: &mut Effects) -> WorkOrderId {
        let Raise { opened_by, record, trigger, late_ms, occurred_at_ms, by } = raise;
        let call_back = late_ms.filter(|age| *age > CALL_BACK_AGE_MS);
        let natural = trigger.kind.priority_for(trigger.reason);
        let priority = if call_back.is_some() { natural.max(CALL_BACK_PRIORITY) } else { natural };
        let origin = Origin::of(record, trigger, late_ms);
        let late = late_ms.is_some();
        let id = match self.orders.values_mut().find(|order| order.class == trigger.kind.class()) {
            Some(order) => {
                order.join(fx.now(), trigger.kind, priority);
                let presses = order.presses;
                fx.note(&order.id, Some(occurred_at_ms), by, What::Joined { origin, presses });
                fx.changed(order, FeedKind::Updated, order.rings(), late);
                order.id.clone()
            }
            None => {
                let opening =
                    Opening { opened_by, kind: trigger.kind, reason: trigger.reason, priority, late, occurred_at_ms };
                let mut order = WorkOrder::open(&self.gateway, fx.now(), &opening);
                let other = self.link(&mut order, fx);
                fx.note(&order.id, Some(occurred_at_ms), by, What::Opened(origin));
                if let Some(other) = other {
                    fx.note(&order.id, None, Actor::Centre, What::Linked { order: other });
                }
                fx.changed(&order, FeedKind::Opened, order.rings(), late);
                let id = order.id.clone();
                self.orders.insert(id.clone(), order);
                id
            }
        };
        if let Some(age_ms) = call_back {
            fx.note(&id, Some(occurred_at_ms), Actor::Centre, What::CallBack { age_ms });
        }
        id
    }

    /// Links a new order of danger with the home's open one of the other class of danger.
    fn link(&mut self, order: &mut WorkOrder, fx: &mut Effects) -> Option<WorkOrderId> {
        let other_class = match order.class {
            OrderClass::Emergency => OrderClass::FireGas,
            OrderClass::FireGas => OrderClass::Emergency,
            OrderClass::Assistance | OrderClass::Technical => return None,
        };
        let other = self.orders.values_mut().find(|other| other.class == other_class)?;
        order.linked = Some(other.id.clone());
        other.linked = Some(order.id.clone());
        other.touch(fx.now());
        fx.note(&other.id, None, Actor::Centre, What::Linked { order: order.id.clone() });
        fx.changed(other, FeedKind::Updated, false, other.late);
        Some(other.id.clone())
    }

    /// What the home told the elder or the contacts, on the order that it was most likely about.
    pub(super) fn told(&mut self, arrival: &Arrival, what: What, fx: &mut Effects) {
        let danger = |order: &&WorkOrder| matches!(order.class, OrderClass::Emergency | OrderClass::FireGas);
        let Some(order) = self.orders.values().filter(danger).min_by_key(|order| order.priority) else { return };
        fx.note(&order.id, Some(arrival.occurred_at(fx.now())), Actor::Home, what);
    }
}
