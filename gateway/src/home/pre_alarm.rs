//! Pre-alarms of any kind: running until the elder cancels, life shows itself, or the fuse ends.
//!
//! The centre holds the same fuse, so that power lost here loses nothing. One of an earlier boot is
//! due at once: how long the power was off is unknowable. What follows a cancel is its rule's own.

use std::collections::BTreeMap;

use protocol::ids::LocalKey;
use protocol::record::{Body, Cancelled, PreAlarm, Record, Stamp, Trigger};
use protocol::trigger::{Reason, TriggerKind};
use serde::{Deserialize, Serialize};

use super::{Deadline, Effect, elapsed_ms, lifecycle};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Running {
    at: Stamp,
    pre_alarm: PreAlarm,
}

/// The pre-alarms of a home that the elder can still cancel.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PreAlarms {
    running: BTreeMap<LocalKey, Running>,
}

impl PreAlarms {
    /// Whether the elder can still cancel something.
    pub fn is_any_running(&self) -> bool {
        !self.running.is_empty()
    }

    /// Whether one of this kind runs.
    pub fn is_running(&self, kind: TriggerKind) -> bool {
        self.running.values().any(|running| running.pre_alarm.kind == kind)
    }

    /// The elder says all is well: every running one is cancelled.
    pub fn cancel(&self, device: &str, effects: &mut Vec<Effect>) {
        for key in self.running.keys() {
            effects.push(cancel(*key, device, Reason::ElderCancelled));
        }
    }

    /// Those that `answers` picks are answered by something other than a cancel button.
    pub fn cancel_where(
        &self,
        answers: impl Fn(&PreAlarm) -> bool,
        device: &str,
        reason: Reason,
        effects: &mut Vec<Effect>,
    ) {
        for (key, _) in self.running.iter().filter(|(_, running)| answers(&running.pre_alarm)) {
            effects.push(cancel(*key, device, reason));
        }
    }

    /// Raises what has come to its end.
    pub fn woken(&self, now: &Stamp, effects: &mut Vec<Effect>) {
        for (key, running) in &self.running {
            let reason = match elapsed_ms(now, &running.at) {
                Some(ms) if ms < running.pre_alarm.fuse_ms => continue,
                Some(_) => running.pre_alarm.kind.reason_at_end(running.pre_alarm.reason),
                None => Reason::PowerLostDuringPreAlarm,
            };
            let PreAlarm { kind, device, key: message_key, room, .. } = running.pre_alarm.clone();
            effects.push(Effect::Record(Body::Trigger(Trigger {
                kind,
                device,
                key: message_key,
                room,
                reason,
                follows: Some(*key),
                test: false,
            })));
        }
    }

    /// Folds the beginning of one.
    pub fn began(&mut self, record: &Record, pre_alarm: &PreAlarm) {
        self.running.insert(lifecycle(record), Running { at: record.at, pre_alarm: pre_alarm.clone() });
    }

    /// Folds a cancel and gives back what it ended.
    pub fn cancelled(&mut self, cancelled: &Cancelled) -> Option<PreAlarm> {
        self.running.remove(&cancelled.lifecycle).map(|running| running.pre_alarm)
    }

    /// Folds a trigger: the pre-alarm it follows is over.
    pub fn triggered(&mut self, trigger: &Trigger) {
        if let Some(key) = &trigger.follows {
            self.running.remove(key);
        }
    }

    /// The ends of those that run, milliseconds of this boot's uptime.
    pub fn deadlines(&self) -> impl Iterator<Item = (u64, Deadline)> {
        self.running
            .values()
            .map(|running| (running.at.uptime_ms.saturating_add(running.pre_alarm.fuse_ms), Deadline::PreAlarmEnds))
    }
}

fn cancel(lifecycle: LocalKey, device: &str, reason: Reason) -> Effect {
    Effect::Record(Body::Cancelled(Cancelled { lifecycle, device: device.to_owned(), reason }))
}
