//! Pre-alarms at the centre: the same fuse that burns in the home, so that power lost there during
//! a pre-alarm loses nothing. A cancel, before or after the pre-alarm itself, puts it out.

use protocol::ids::{LocalKey, WorkOrderId};
use protocol::record::{Cancelled, PreAlarm, Trigger};
use protocol::trigger::{Reason, TriggerKind};

use super::alarm::Raise;
use super::effect::{Effects, FeedKind, Notice, NoticeBody, PreAlarmNotice};
use super::timeline::{Actor, What};
use super::{Arrival, Dispatch, Effect, Said};

/// Most lifecycles that a home remembers; the oldest that is not burning goes first.
pub const LIFECYCLES_MAX: usize = 64;

/// Least time that a pre-alarm waits after its arrival for a cancel travelling behind it, milliseconds.
pub const FUSE_AFTER_ARRIVAL_MS_MIN: u64 = 2_000;

/// What a pre-alarm said, kept to open the order with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// What will be raised.
    pub kind: TriggerKind,
    /// Why, once the fuse has burnt down.
    pub reason: Reason,
    /// The device.
    pub device: String,
    /// The decoder's name for the message key.
    pub key: String,
    /// The room.
    pub room: Option<String>,
    /// Whether it arrived late.
    pub late_ms: Option<i64>,
    /// Unix milliseconds at which it happened, by true age.
    pub occurred_at_ms: i64,
}

/// How far a lifecycle has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LifeState {
    /// The fuse burns.
    Burning {
        /// Unix milliseconds of its end.
        due_ms: i64,
        /// What will be raised.
        alarm: Alarm,
    },
    /// The elder cancelled in time, or before the pre-alarm arrived.
    Cancelled {
        /// The button.
        device: String,
    },
    /// It opened or joined an order.
    Raised {
        /// The order.
        order: WorkOrderId,
        /// Whether the gateway's own trigger has been counted; a further one is a new need.
        confirmed: bool,
    },
}

/// A pre-alarm with what became of it, or an earlier trigger that another went on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifecycle {
    /// Unix milliseconds of the first that was heard of it.
    pub since_ms: i64,
    /// How far it has come.
    pub state: LifeState,
}

impl Dispatch {
    pub(super) fn pre_alarm(&mut self, arrival: &Arrival, pre_alarm: PreAlarm, fx: &mut Effects) {
        let key = arrival.record.key();
        if let Some(known) = self.lifecycles.get(&key) {
            // Its cancel or its trigger overtook it: everything it could ask for is done.
            if let LifeState::Raised { order, .. } = &known.state {
                let what = What::ConfirmedByGateway { record: key, reason: pre_alarm.reason };
                fx.note(order, Some(arrival.occurred_at(fx.now())), Actor::Home, what);
            }
            return;
        }
        if arrival.settled {
            let order = super::order_id(&self.gateway, key);
            fx.note(&order, Some(arrival.occurred_at(fx.now())), Actor::Home, What::ArrivedAfterClose { record: key });
            return;
        }
        match self.said_before(&arrival.record).cloned() {
            Some(Said { order: Some(order), .. }) => {
                let what = What::ConfirmedByGateway { record: key, reason: pre_alarm.reason };
                fx.note(&order, Some(arrival.occurred_at(fx.now())), Actor::Home, what);
                self.remember(key, LifeState::Raised { order, confirmed: false }, fx);
                return;
            }
            // The home has forgotten the pre-alarm that burns here: this one stands for it, so that its cancel holds.
            Some(Said { life, order: None, .. }) => {
                self.lifecycles.remove(&life);
            }
            None => {}
        }
        let left = pre_alarm.fuse_ms.saturating_sub(arrival.age_ms.unwrap_or(0));
        let left = left.max(FUSE_AFTER_ARRIVAL_MS_MIN.min(pre_alarm.fuse_ms));
        let due_ms = fx.now().saturating_add(i64::try_from(left).unwrap_or(i64::MAX));
        let PreAlarm { kind, device, key: message_key, room, reason, fuse_ms: _ } = pre_alarm;
        let alarm = Alarm {
            kind,
            reason: kind.reason_at_end(reason),
            device,
            key: message_key,
            room,
            late_ms: arrival.is_late().then_some(arrival.age()),
            occurred_at_ms: arrival.occurred_at(fx.now()),
        };
        self.remember(key, LifeState::Burning { due_ms, alarm }, fx);
        self.note_said(&arrival.record, None);
    }

    pub(super) fn cancelled(&mut self, arrival: &Arrival, cancelled: Cancelled, fx: &mut Effects) {
        let Cancelled { lifecycle, device, reason } = cancelled;
        let kind = match self.lifecycles.get(&lifecycle).map(|known| &known.state) {
            Some(LifeState::Raised { order, .. }) => {
                let order = order.clone();
                let occurred = Some(arrival.occurred_at(fx.now()));
                fx.note(&order, occurred, Actor::Home, What::CancelledByElder { device });
                if let Some(order) = self.orders.get_mut(&order) {
                    order.touch(fx.now());
                    fx.changed(order, FeedKind::Updated, false, order.late);
                }
                return;
            }
            Some(LifeState::Cancelled { .. }) => return,
            Some(LifeState::Burning { alarm, .. }) => Some(alarm.kind),
            None => None,
        };
        self.remember(lifecycle, LifeState::Cancelled { device }, fx);
        let body = NoticeBody::PreAlarm(PreAlarmNotice { gateway: self.gateway.clone(), lifecycle, kind, reason });
        fx.push(Effect::Publish(Notice { kind: FeedKind::PreAlarmCancelled, body }));
    }

    /// Opens the order of every pre-alarm whose fuse has burnt down.
    pub(super) fn end_fuses(&mut self, fx: &mut Effects) {
        let mut due: Vec<(i64, LocalKey)> =
            self.burning().filter(|(_, due_ms)| *due_ms <= fx.now()).map(|(key, due_ms)| (due_ms, key)).collect();
        due.sort_unstable();
        for (_, key) in due {
            let Some(LifeState::Burning { alarm, .. }) = self.lifecycles.get(&key).map(|life| life.state.clone())
            else {
                continue;
            };
            let trigger = Trigger {
                kind: alarm.kind,
                device: alarm.device,
                key: alarm.key,
                room: alarm.room,
                reason: alarm.reason,
                follows: None,
                test: false,
            };
            let order = self.raise(
                Raise {
                    opened_by: key,
                    record: key,
                    trigger: &trigger,
                    late_ms: alarm.late_ms,
                    occurred_at_ms: alarm.occurred_at_ms,
                    by: Actor::Centre,
                },
                fx,
            );
            self.remember(key, LifeState::Raised { order, confirmed: false }, fx);
        }
    }

    /// The pre-alarms that burn, with the end of each.
    pub(super) fn burning(&self) -> impl Iterator<Item = (LocalKey, i64)> {
        self.lifecycles.iter().filter_map(|(key, life)| match &life.state {
            LifeState::Burning { due_ms, .. } => Some((*key, *due_ms)),
            LifeState::Cancelled { .. } | LifeState::Raised { .. } => None,
        })
    }

    pub(super) fn remember(&mut self, key: LocalKey, state: LifeState, fx: &Effects) {
        if let LifeState::Raised { order, .. } = &state {
            self.said_raised(key, order);
        }
        let since_ms = self.lifecycles.get(&key).map_or(fx.now(), |known| known.since_ms);
        self.lifecycles.insert(key, Lifecycle { since_ms, state });
        while self.lifecycles.len() > LIFECYCLES_MAX {
            let oldest = self
                .lifecycles
                .iter()
                .filter(|(other, life)| **other != key && !matches!(life.state, LifeState::Burning { .. }))
                .min_by_key(|(other, life)| (life.since_ms, **other))
                .map(|(other, _)| *other);
            // Pre-alarms that still burn are never forgotten, however many there are.
            let Some(oldest) = oldest else { break };
            self.lifecycles.remove(&oldest);
        }
    }
}
