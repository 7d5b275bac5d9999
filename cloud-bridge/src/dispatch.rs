//! One home as the centre sees it: its open work orders, running pre-alarms and visits.
//!
//! Pure: given the time and one input it returns effects. It does no IO, reads no clock, draws
//! nothing at random, logs nothing and never fails; odd input becomes an effect with a reason.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::ids::{GatewayId, Incarnation, LocalKey, RecordKey, WorkOrderId};
use protocol::record::{Body, ContactTold, Played, Record, Trigger};
use protocol::trigger::{Reason, TriggerKind};

pub mod again;
pub mod alarm;
pub mod close;
pub mod command;
pub mod effect;
pub mod fuse;
pub mod link;
pub mod mains;
pub mod progress;
pub mod remark;
pub mod timeline;
pub mod visit;
pub mod work_order;

pub use again::Said;
pub use close::{CloseCode, Closing, Outcome};
pub use command::{Act, Command, Operator};
pub use effect::{Effect, FeedKind, Notice, NoticeBody, Refused};
pub use fuse::{Alarm, LifeState, Lifecycle};
pub use link::Silence;
pub use mains::{MainsLoss, MainsRules};
pub use timeline::{Actor, Entry, What};
pub use work_order::WorkOrder;

use effect::Effects;

/// Received − occurred above which an arrival is late, milliseconds.
pub const LATE_MS: i64 = 120_000;

/// Stands where a gateway's run would in the identity of an order that the centre opens by itself.
pub const CENTRE: Incarnation = Incarnation(0);

/// A record of the home that the store had not seen before.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The record.
    pub record: Arc<Record>,
    /// How long ago it was made, by the gateway's own clocks; none when they cannot tell, which counts as fresh.
    pub age_ms: Option<u64>,
    /// Whether the order that this record's lifecycle opens exists already and is not open any more.
    pub settled: bool,
    /// The rules for a mains loss that it may tell.
    pub mains: MainsRules,
}

impl Arrival {
    fn age(&self) -> i64 {
        self.age_ms.map_or(0, |age| i64::try_from(age).unwrap_or(i64::MAX))
    }

    fn is_late(&self) -> bool {
        self.age() > LATE_MS
    }

    fn occurred_at(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(self.age())
    }
}

/// What can happen to a home at the centre.
#[derive(Debug, Clone)]
pub enum Input {
    /// A record arrived.
    Record(Arrival),
    /// An operator asks for something.
    Command(Command),
    /// The gateway has not been heard since a moment of the centre's clock; an order is due after a while.
    Silent {
        /// Unix milliseconds at which it was heard last.
        since_ms: i64,
        /// From there to the order, milliseconds.
        order_after_ms: i64,
    },
    /// A gateway that was silent is heard again.
    Heard,
    /// A deadline may be due.
    Deadline,
}

/// Why the home wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deadline {
    /// When a pre-alarm that nobody cancelled becomes an order.
    FuseEnds(LocalKey),
    /// When a mains loss is held no longer, or has lasted for hours.
    MainsLost,
    /// When a silent gateway becomes an order.
    GatewaySilent,
}

/// One home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    /// The gateway that stands in it.
    pub gateway: GatewayId,
    /// Rises with every change of what the home may be told.
    pub ver: u64,
    /// Orders that are not closed.
    pub orders: BTreeMap<WorkOrderId, WorkOrder>,
    /// Pre-alarms, and triggers that others went on from, the latest [`fuse::LIFECYCLES_MAX`].
    pub lifecycles: BTreeMap<LocalKey, Lifecycle>,
    /// The mains supply, while it is lost.
    pub mains: Option<MainsLoss>,
    /// The gateway's silence, while it lasts.
    pub silence: Option<Silence>,
    /// How many orders the centre has opened for this home by itself.
    pub own_orders: u64,
    /// Deliveries that raised what still stands, the latest [`again::SAID_MAX`].
    pub said: Vec<Said>,
}

impl Dispatch {
    /// A home of which nothing is known yet.
    pub fn new(gateway: GatewayId) -> Self {
        Self {
            gateway,
            ver: 0,
            orders: BTreeMap::new(),
            lifecycles: BTreeMap::new(),
            mains: None,
            silence: None,
            own_orders: 0,
            said: Vec::new(),
        }
    }

    /// Whether a record of this kind can change anything here; the rest is only stored.
    pub fn concerns(body: &Body) -> bool {
        match body {
            Body::Trigger(_)
            | Body::PreAlarm(_)
            | Body::Cancelled(_)
            | Body::Visit(_)
            | Body::Reassured(_)
            | Body::Played(_)
            | Body::ContactsCalled(_)
            | Body::ContactTold(_)
            | Body::SaidFine(_)
            | Body::Mains(_)
            | Body::Restored(_)
            | Body::Tested(_)
            // A gateway that has started once is one to be missed.
            | Body::Started(_) => true,
            Body::Stopped
            | Body::Observed(_)
            | Body::Resolved(_)
            | Body::Link { .. }
            | Body::Concluded(_)
            | Body::Delivered(_)
            | Body::DeviceListed(_)
            | Body::SegmentRetired(_)
            | Body::Missing(_) => false,
        }
    }

    /// Takes one input at `now_ms` (Unix milliseconds of the centre) and says what follows from it.
    #[must_use]
    pub fn handle(&mut self, now_ms: i64, input: Input) -> Vec<Effect> {
        let mut fx = Effects::at(now_ms);
        match input {
            Input::Record(arrival) => self.record(arrival, &mut fx),
            Input::Command(command) => self.command(command, &mut fx),
            Input::Silent { since_ms, order_after_ms } => self.went_silent(since_ms, order_after_ms),
            Input::Heard => self.heard_again(&mut fx),
            Input::Deadline => {
                self.end_fuses(&mut fx);
                self.end_mains_hold(&mut fx);
                self.end_silence(&mut fx);
            }
        }
        self.ver += u64::from(fx.changed_orders());
        fx.into_vec()
    }

    /// The earliest moment at which [`Input::Deadline`] would do something, and why.
    pub fn next_deadline(&self) -> Option<(i64, Deadline)> {
        let fuses = self.burning().map(|(key, due_ms)| (due_ms, Deadline::FuseEnds(key)));
        let mains = self.mains.as_ref().and_then(MainsLoss::due_ms).map(|due_ms| (due_ms, Deadline::MainsLost));
        let silence = self.silence.as_ref().and_then(Silence::due_ms).map(|due_ms| (due_ms, Deadline::GatewaySilent));
        fuses.chain(mains).chain(silence).min()
    }

    /// Whether the home remembers the lifecycle that `key` belongs to.
    pub fn knows(&self, key: LocalKey) -> bool {
        self.lifecycles.contains_key(&key)
    }

    /// The order that a record opens if it opens one: of the pre-alarm it goes on from, else its own.
    pub fn opens(gateway: &GatewayId, record: &Record) -> Option<(LocalKey, WorkOrderId)> {
        let key = match &record.body {
            Body::Trigger(trigger) => trigger.follows.unwrap_or(record.key()),
            Body::PreAlarm(_) => record.key(),
            Body::Cancelled(_)
            | Body::Visit(_)
            | Body::Reassured(_)
            | Body::Played(_)
            | Body::ContactsCalled(_)
            | Body::ContactTold(_)
            | Body::Started(_)
            | Body::Stopped
            | Body::Observed(_)
            | Body::Resolved(_)
            | Body::Link { .. }
            | Body::Concluded(_)
            | Body::Delivered(_)
            | Body::DeviceListed(_)
            | Body::SaidFine(_)
            | Body::Mains(_)
            | Body::Restored(_)
            | Body::Tested(_)
            | Body::SegmentRetired(_)
            | Body::Missing(_) => return None,
        };
        Some((key, order_id(gateway, key)))
    }

    fn record(&mut self, arrival: Arrival, fx: &mut Effects) {
        match &arrival.record.body {
            Body::Trigger(trigger) => {
                let trigger = trigger.clone();
                self.trigger(&arrival, trigger, fx);
            }
            Body::PreAlarm(pre_alarm) => {
                let pre_alarm = pre_alarm.clone();
                self.pre_alarm(&arrival, pre_alarm, fx);
            }
            Body::Cancelled(cancelled) => {
                let cancelled = cancelled.clone();
                self.cancelled(&arrival, cancelled, fx);
            }
            Body::Visit(visit) => {
                let visit = visit.clone();
                self.visit(&arrival, visit, fx);
            }
            Body::Reassured(reassured) => {
                let what = What::Told { stage: reassured.stage, shown: reassured.shown };
                self.told(&arrival, what, fx);
            }
            Body::Played(played) => {
                let Played { output, stage, outcome } = played.clone();
                self.told(&arrival, What::Played { output, stage, outcome }, fx);
            }
            Body::ContactsCalled(called) => {
                let what = What::ContactsCalled { contacts: called.contacts, reason: called.reason };
                self.told(&arrival, what, fx);
            }
            Body::ContactTold(told) => {
                let ContactTold { contact, attempt, result, .. } = *told;
                self.told(&arrival, What::ContactTold { contact, attempt, result }, fx);
            }
            Body::SaidFine(said) => {
                let said = said.clone();
                self.said_fine(&arrival, said, fx);
            }
            Body::Mains(supply) => {
                let supply = supply.clone();
                self.mains(&arrival, supply, fx);
            }
            Body::Restored(restored) => {
                let restored = restored.clone();
                self.restored(&arrival, restored, fx);
            }
            Body::Tested(tested) => {
                let step = tested.step;
                self.tested(&arrival, step, fx);
            }
            Body::Started(_)
            | Body::Stopped
            | Body::Observed(_)
            | Body::Resolved(_)
            | Body::Link { .. }
            | Body::Concluded(_)
            | Body::Delivered(_)
            | Body::DeviceListed(_)
            | Body::SegmentRetired(_)
            | Body::Missing(_) => {}
        }
    }

    /// The identity of an order that no record of the home opens.
    fn own_key(&mut self) -> LocalKey {
        self.own_orders += 1;
        LocalKey { incarnation: CENTRE, seq: self.own_orders }
    }

    /// Opens or joins a technical order that the centre concludes by itself.
    fn raise_technical(&mut self, what: Own, fx: &mut Effects) -> WorkOrderId {
        let key = self.own_key();
        let trigger = Trigger {
            kind: TriggerKind::Technical,
            device: what.device,
            key: String::new(),
            room: None,
            reason: what.reason,
            follows: None,
            test: false,
        };
        let raise = alarm::Raise {
            opened_by: key,
            record: what.record.unwrap_or(key),
            trigger: &trigger,
            late_ms: None,
            occurred_at_ms: what.occurred_at_ms,
            by: Actor::Centre,
        };
        self.raise(raise, fx)
    }
}

/// What the centre concludes by itself.
struct Own {
    device: String,
    reason: Reason,
    /// The record that it was concluded from.
    record: Option<LocalKey>,
    occurred_at_ms: i64,
}

/// The order opened by the record `key` of `gateway`.
pub fn order_id(gateway: &GatewayId, key: LocalKey) -> WorkOrderId {
    WorkOrderId::opened_by(&RecordKey { gateway: gateway.clone(), local: key })
}

#[cfg(test)]
mod tests;
