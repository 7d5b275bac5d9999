//! Falls: what a sensor's word asks for, the follow-up of a cancelled one, the watch on suspected ones.
//!
//! Values after SIA CP-01 (cancel window) and the alarm rules; an object's fall never comes here.
//! The pre-alarm itself runs in [`super::pre_alarm`].

use std::collections::BTreeMap;

use protocol::observation::{Kind, Observation, Reading};
use protocol::record::{Body, Observed, PreAlarm, Record, Stamp, Trigger};
use protocol::trigger::{Reason, TriggerKind};
use serde::{Deserialize, Serialize};

use super::pre_alarm::PreAlarms;
use super::{Deadline, Effect, elapsed_ms};

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
    pre_alarm: PreAlarm,
    moved: bool,
}

/// All falls of a home.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Falls {
    watches: BTreeMap<String, Watch>,
    follow_up: Option<FollowUp>,
}

impl Falls {
    /// A sensor says a person fell.
    #[expect(clippy::too_many_arguments, reason = "each is a fact of its own, and the parent routes them as they are")]
    pub fn fell(
        &self,
        now: &Stamp,
        observation: &Observation,
        room: Option<String>,
        reason: Option<Reason>,
        pre_alarms: &PreAlarms,
        rules: &FallRules,
        effects: &mut Vec<Effect>,
    ) {
        let second = self
            .follow_up
            .as_ref()
            .is_some_and(|last| elapsed_ms(now, &last.at).is_none_or(|ms| ms <= rules.second_fall_ms));
        let (device, key) = (observation.device.clone(), observation.key.clone());
        let body = if second {
            let reason = Reason::SecondFall;
            Body::Trigger(Trigger { kind: TriggerKind::Fall, device, key, room, reason, follows: None, test: false })
        } else if pre_alarms.is_running(TriggerKind::Fall) {
            // One fall seen by two sensors is one pre-alarm; its end does not move.
            Body::Observed(Observed { kind: Kind::Fall, device, key, room, value: Reading::Active })
        } else {
            let reason = reason.unwrap_or(Reason::SensorSaysFall);
            Body::PreAlarm(PreAlarm { kind: TriggerKind::Fall, device, key, room, reason, fuse_ms: rules.pre_alarm_ms })
        };
        effects.push(Effect::Record(body));
    }

    /// Raises what is due; what began in another boot is due at once.
    pub fn woken(&self, now: &Stamp, rules: &FallRules, effects: &mut Vec<Effect>) {
        for (device, watch) in &self.watches {
            if elapsed_ms(now, &watch.at).is_none_or(|ms| ms >= rules.warning_ms) {
                let reason = Reason::FallWarningNotCleared;
                effects.push(raise(device.clone(), watch.key.clone(), watch.room.clone(), reason));
            }
        }
        if let Some(last) = &self.follow_up
            && !last.moved
            && elapsed_ms(now, &last.at).is_none_or(|ms| ms >= rules.follow_up_ms)
        {
            let PreAlarm { device, key, room, .. } = last.pre_alarm.clone();
            effects.push(raise(device, key, room, Reason::NoMotionAfterFall));
        }
    }

    /// Folds a pre-alarm: a suspected fall that became one is watched no longer.
    pub fn pre_alarmed(&mut self, pre_alarm: &PreAlarm) {
        if pre_alarm.kind == TriggerKind::Fall {
            self.watches.remove(&pre_alarm.device);
        }
    }

    /// Folds the cancel of `pre_alarm`: a fall is followed up.
    pub fn cancelled(&mut self, record: &Record, pre_alarm: PreAlarm) {
        if pre_alarm.kind == TriggerKind::Fall {
            self.follow_up = Some(FollowUp { at: record.at, pre_alarm, moved: false });
        }
    }

    /// Folds a trigger: a fall that was raised is neither watched nor followed up.
    pub fn triggered(&mut self, trigger: &Trigger) {
        if trigger.kind == TriggerKind::Fall && !trigger.test {
            self.watches.remove(&trigger.device);
            self.follow_up = None;
        }
    }

    /// Folds an observation: suspected falls begin and are cleared, stillness is broken. Motion `of_others`, a
    /// caregiver or a pet, tells nothing of the elder.
    pub fn observed(&mut self, record: &Record, observed: &Observed, of_others: bool, rules: &FallRules) {
        let active = observed.value == Reading::Active;
        match observed.kind {
            Kind::FallWarning if active => {
                self.watches.entry(observed.device.clone()).or_insert_with(|| Watch {
                    at: record.at,
                    key: observed.key.clone(),
                    room: observed.room.clone(),
                });
            }
            // The sensor sees the person upright; that it says the suspicion no longer, or sees nobody, is not that.
            Kind::FallWarning if observed.value == Reading::Upright => {
                self.watches.remove(&observed.device);
            }
            Kind::Bed if active => self.watches.clear(),
            // Writhing is motion too: only motion surely in another room clears.
            Kind::Motion if active && !of_others => {
                let elsewhere =
                    |watch: &Watch| watch.room.is_some() && observed.room.is_some() && watch.room != observed.room;
                self.watches.retain(|_, watch| !elsewhere(watch));
            }
            Kind::Fall
            | Kind::FallWarning
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
            // Where only presence is sensed, turning up in another room is the motion there is.
            let fell_in = last.pre_alarm.room.as_ref();
            let elsewhere = fell_in.is_some() && observed.room.is_some() && fell_in != observed.room.as_ref();
            let moves = matches!(observed.kind, Kind::Motion | Kind::Bed);
            last.moved |= active && !of_others && (moves || (observed.kind == Kind::Presence && elsewhere));
            if last.moved && elapsed_ms(&record.at, &last.at).is_none_or(|ms| ms > rules.second_fall_ms) {
                self.follow_up = None;
            }
        }
    }

    /// The deadlines of this boot, milliseconds of uptime.
    pub fn deadlines(&self, rules: &FallRules) -> impl Iterator<Item = (u64, Deadline)> {
        let warning_ms = rules.warning_ms;
        let watches =
            self.watches.values().map(move |watch| (watch.at.uptime_ms + warning_ms, Deadline::FallWarningEnds));
        let follow_up_ms = rules.follow_up_ms;
        let follow_up = self
            .follow_up
            .iter()
            .filter(|last| !last.moved)
            .map(move |last| (last.at.uptime_ms + follow_up_ms, Deadline::FallFollowUpEnds));
        watches.chain(follow_up)
    }
}

fn raise(device: String, key: String, room: Option<String>, reason: Reason) -> Effect {
    let kind = TriggerKind::Fall;
    Effect::Record(Body::Trigger(Trigger { kind, device, key, room, reason, follows: None, test: false }))
}
