//! The condition of a device: a low battery, said again each week, and an opened case.

use std::collections::{BTreeMap, BTreeSet};

use protocol::observation::{Kind, Observation, Reading};
use protocol::record::{Body, Record, Restored, Stamp, Trigger};
use protocol::trigger::{Reason, TriggerKind};
use serde::{Deserialize, Serialize};

use crate::home::Effect;
use crate::home::age_ms;

/// So many per cent above the limit a battery counts as changed.
const CHANGED_PERCENT: u8 = 10;

/// Most devices remembered; a further one is reported more often, never less.
const DEVICES_MAX: usize = 512;

/// Values of the condition rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConditionRules {
    /// A battery at or below this is low, per cent (5–30).
    pub low_percent: u8,
    /// A low battery is reported again after this, milliseconds (1–30 days).
    pub again_ms: u64,
}

impl Default for ConditionRules {
    fn default() -> Self {
        Self { low_percent: 15, again_ms: 7 * 24 * 3_600_000 }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Low {
    key: String,
    raised: Stamp,
}

/// The condition of a home's devices.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Conditions {
    low: BTreeMap<String, Low>,
    open: BTreeSet<String>,
}

impl Conditions {
    /// A device speaks of its battery or its case.
    pub fn said(
        &self,
        now: &Stamp,
        observation: &Observation,
        room: Option<&String>,
        rules: &ConditionRules,
        effects: &mut Vec<Effect>,
    ) {
        let Observation { kind, device, key, value } = observation;
        match (kind, value) {
            (Kind::Battery, Reading::Low) => self.low(now, observation, room, rules, effects),
            (Kind::Battery, Reading::Percent(percent)) if *percent <= rules.low_percent => {
                self.low(now, observation, room, rules, effects);
            }
            (Kind::Battery, Reading::Normal | Reading::Percent(_)) => {
                let still_weak = Reading::Percent(rules.low_percent.saturating_add(CHANGED_PERCENT));
                let changed = *value == Reading::Normal || *value >= still_weak;
                if changed && self.low.get(device).is_some_and(|low| low.key == *key) {
                    effects.push(over(device, room, Reason::BatteryLow));
                }
            }
            (Kind::Tamper, Reading::Active) if !self.open.contains(device) => {
                effects.push(raise(observation, room, Reason::CaseOpened));
            }
            (Kind::Tamper, Reading::Clear) if self.open.contains(device) => {
                effects.push(over(device, room, Reason::CaseOpened));
            }
            _ => {}
        }
    }

    fn low(
        &self,
        now: &Stamp,
        observation: &Observation,
        room: Option<&String>,
        rules: &ConditionRules,
        effects: &mut Vec<Effect>,
    ) {
        let again = match self.low.get(&observation.device) {
            None => true,
            // One device, one report: a second key of the same battery says nothing new.
            Some(low) => low.key == observation.key && age_ms(now, &low.raised).is_some_and(|ms| ms >= rules.again_ms),
        };
        if again {
            effects.push(raise(observation, room, Reason::BatteryLow));
        }
    }

    /// Folds a trigger.
    pub fn triggered(&mut self, record: &Record, trigger: &Trigger) {
        let has_room = self.low.len() < DEVICES_MAX || self.low.contains_key(&trigger.device);
        if trigger.reason == Reason::BatteryLow && has_room {
            let low = Low { key: trigger.key.clone(), raised: record.at };
            self.low.insert(trigger.device.clone(), low);
        } else if trigger.reason == Reason::CaseOpened && self.open.len() < DEVICES_MAX {
            self.open.insert(trigger.device.clone());
        }
    }

    /// Folds what is over.
    pub fn restored(&mut self, restored: &Restored) {
        if restored.reason == Reason::BatteryLow {
            self.low.remove(&restored.device);
        } else if restored.reason == Reason::CaseOpened {
            self.open.remove(&restored.device);
        }
    }
}

fn raise(observation: &Observation, room: Option<&String>, reason: Reason) -> Effect {
    Effect::Record(Body::Trigger(Trigger {
        kind: TriggerKind::Technical,
        device: observation.device.clone(),
        key: observation.key.clone(),
        room: room.cloned(),
        reason,
        follows: None,
        test: false,
    }))
}

fn over(device: &str, room: Option<&String>, reason: Reason) -> Effect {
    let (kind, device, room) = (TriggerKind::Technical, device.to_owned(), room.cloned());
    Effect::Record(Body::Restored(Restored { kind, device, room, reason }))
}
