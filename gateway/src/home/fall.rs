//! Falls: pre-alarm, cancel, follow-up and the watch on suspected falls.
//!
//! Values after SIA CP-01 (cancel window) and the alarm rules; an object's fall never comes here.

use std::collections::BTreeMap;

use protocol::ids::LocalKey;
use protocol::observation::{Kind, Observation, Reading};
use protocol::record::{Body, Cancelled, Observed, PreAlarm, Record, Stamp, Trigger};
use protocol::trigger::{Reason, TriggerKind};
use serde::{Deserialize, Serialize};

use super::{Deadline, Effect, lifecycle};

/// Times of the fall rules, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FallRules {
    /// From fall to alarm, while the elder may cancel (15–45 s).
    pub pre_alarm_ms: u64,
    /// How long a suspected fall may stand uncleared.
    pub warning_ms: u64,
    /// After a cancelled fall: stillness this long raises.
    pub follow_up_ms: u64,
    /// After a cancelled fall: a second one within this raises without pre-alarm.
    pub second_fall_ms: u64,
}

impl Default for FallRules {
    fn default() -> Self {
        Self { pre_alarm_ms: 30_000, warning_ms: 180_000, follow_up_ms: 900_000, second_fall_ms: 1_800_000 }
    }
}

/// A pre-alarm that is running.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Running {
    at: Stamp,
    pre_alarm: PreAlarm,
}

/// A suspected fall that nothing has cleared.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Watch {
    at: Stamp,
    key: String,
    room: Option<String>,
}

/// A cancelled fall, watched for stillness and for a second one.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct FollowUp {
    at: Stamp,
    lifecycle: LocalKey,
    pre_alarm: PreAlarm,
    moved: bool,
}

/// All falls of a home.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Falls {
    running: BTreeMap<LocalKey, Running>,
    watches: BTreeMap<String, Watch>,
    follow_up: Option<FollowUp>,
}

impl Falls {
    /// Whether the elder can still cancel something.
    pub fn pre_alarm_running(&self) -> bool {
        !self.running.is_empty()
    }

    /// A sensor says a person fell.
    pub fn fell(
        &self,
        now: &Stamp,
        observation: &Observation,
        room: Option<String>,
        reason: Option<Reason>,
        rules: &FallRules,
        effects: &mut Vec<Effect>,
    ) {
        let second = self
            .follow_up
            .as_ref()
            .is_some_and(|last| elapsed(now, &last.at).is_none_or(|ms| ms <= rules.second_fall_ms));
        let (device, key) = (observation.device.clone(), observation.key.clone());
        let body = if second {
            let reason = Reason::SecondFall;
            Body::Trigger(Trigger { kind: TriggerKind::Fall, device, key, room, reason, follows: None, test: false })
        } else if self.running.values().any(|running| running.pre_alarm.kind == TriggerKind::Fall) {
            // One fall seen by two sensors is one pre-alarm; its end does not move.
            Body::Observed(Observed { kind: Kind::Fall, device, key, room, value: Reading::Active })
        } else {
            let reason = reason.unwrap_or(Reason::SensorSaysFall);
            Body::PreAlarm(PreAlarm { kind: TriggerKind::Fall, device, key, room, reason, fuse_ms: rules.pre_alarm_ms })
        };
        effects.push(Effect::Record(body));
    }

    /// The elder says all is well: every running pre-alarm is cancelled.
    pub fn cancel(&self, device: &str, effects: &mut Vec<Effect>) {
        effects.extend(self.running.keys().map(|key| {
            let reason = Reason::ElderCancelled;
            Effect::Record(Body::Cancelled(Cancelled { lifecycle: *key, device: device.to_owned(), reason }))
        }));
    }

    /// Raises what is due. A pre-alarm of another boot is due at once: how long the power was off is unknowable.
    pub fn woken(&self, now: &Stamp, rules: &FallRules, effects: &mut Vec<Effect>) {
        for (key, running) in &self.running {
            let reason = match elapsed(now, &running.at) {
                Some(ms) if ms < running.pre_alarm.fuse_ms => continue,
                Some(_) => Reason::PreAlarmNotCancelled,
                None => Reason::PowerLostDuringPreAlarm,
            };
            let PreAlarm { kind, device, key: message_key, room, .. } = running.pre_alarm.clone();
            effects.push(raise(kind, device, message_key, room, reason, Some(*key)));
        }
        for (device, watch) in &self.watches {
            if elapsed(now, &watch.at).is_none_or(|ms| ms >= rules.warning_ms) {
                let reason = Reason::FallWarningNotCleared;
                effects.push(raise(
                    TriggerKind::Fall,
                    device.clone(),
                    watch.key.clone(),
                    watch.room.clone(),
                    reason,
                    None,
                ));
            }
        }
        if let Some(last) = &self.follow_up
            && !last.moved
            && elapsed(now, &last.at).is_none_or(|ms| ms >= rules.follow_up_ms)
        {
            let PreAlarm { kind, device, key, room, .. } = last.pre_alarm.clone();
            effects.push(raise(kind, device, key, room, Reason::NoMotionAfterFall, None));
        }
    }

    /// Folds a pre-alarm.
    pub fn pre_alarmed(&mut self, record: &Record, pre_alarm: &PreAlarm) {
        self.running.insert(lifecycle(record), Running { at: record.at, pre_alarm: pre_alarm.clone() });
        self.watches.remove(&pre_alarm.device);
    }

    /// Folds a cancel.
    pub fn cancelled(&mut self, record: &Record, cancelled: &Cancelled, _rules: &FallRules) {
        if let Some(running) = self.running.remove(&cancelled.lifecycle)
            && running.pre_alarm.kind == TriggerKind::Fall
        {
            self.follow_up = Some(FollowUp {
                at: record.at,
                lifecycle: cancelled.lifecycle,
                pre_alarm: running.pre_alarm,
                moved: false,
            });
        }
    }

    /// Folds a trigger: what it follows is over.
    pub fn triggered(&mut self, _record: &Record, trigger: &Trigger) {
        if let Some(key) = &trigger.follows {
            self.running.remove(key);
        }
        if trigger.kind == TriggerKind::Fall {
            self.watches.remove(&trigger.device);
            self.follow_up = None;
        }
    }

    /// Folds an observation: suspected falls begin and are cleared, stillness is broken.
    pub fn observed(&mut self, record: &Record, observed: &Observed, rules: &FallRules) {
        let active = observed.value == Reading::Active;
        match observed.kind {
            Kind::FallWarning if active => {
                self.watches.entry(observed.device.clone()).or_insert_with(|| Watch {
                    at: record.at,
                    key: observed.key.clone(),
                    room: observed.room.clone(),
                });
            }
            // The sensor itself says the person stands again.
            Kind::FallWarning => {
                self.watches.remove(&observed.device);
            }
            Kind::Bed if active => self.watches.clear(),
            // Writhing is motion too: only motion surely in another room clears.
            Kind::Motion if active => {
                let elsewhere =
                    |watch: &Watch| watch.room.is_some() && observed.room.is_some() && watch.room != observed.room;
                self.watches.retain(|_, watch| !elsewhere(watch));
            }
            Kind::Fall
            | Kind::Bed
            | Kind::Motion
            | Kind::Sos
            | Kind::Assistance
            | Kind::Presence
            | Kind::Contact
            | Kind::Water
            | Kind::Smoke
            | Kind::Gas
            | Kind::Co
            | Kind::Vibration
            | Kind::Tamper
            | Kind::Battery
            | Kind::Link
            | Kind::Availability
            | Kind::Visit
            | Kind::Mains => {}
        }
        if let Some(last) = &mut self.follow_up {
            if active && matches!(observed.kind, Kind::Motion | Kind::Bed) {
                last.moved = true;
            }
            if last.moved && elapsed(&record.at, &last.at).is_none_or(|ms| ms > rules.second_fall_ms) {
                self.follow_up = None;
            }
        }
    }

    /// The deadlines of this boot, milliseconds of uptime.
    pub fn deadlines(&self, rules: &FallRules) -> impl Iterator<Item = (u64, Deadline)> {
        let running = self
            .running
            .values()
            .map(|running| (running.at.uptime_ms + running.pre_alarm.fuse_ms, Deadline::PreAlarmEnds));
        let warning_ms = rules.warning_ms;
        let watches =
            self.watches.values().map(move |watch| (watch.at.uptime_ms + warning_ms, Deadline::FallWarningEnds));
        let follow_up_ms = rules.follow_up_ms;
        let follow_up = self
            .follow_up
            .iter()
            .filter(|last| !last.moved)
            .map(move |last| (last.at.uptime_ms + follow_up_ms, Deadline::FallFollowUpEnds));
        running.chain(watches).chain(follow_up)
    }
}

fn raise(
    kind: TriggerKind,
    device: String,
    key: String,
    room: Option<String>,
    reason: Reason,
    follows: Option<LocalKey>,
) -> Effect {
    Effect::Record(Body::Trigger(Trigger { kind, device, key, room, reason, follows, test: false }))
}

/// Milliseconds from `then` to `now`; none across boots.
fn elapsed(now: &Stamp, then: &Stamp) -> Option<u64> {
    (now.boot == then.boot).then(|| now.uptime_ms.saturating_sub(then.uptime_ms))
}
