//! The condition of a device: a low battery, said again each week, an opened case or cut wire, a weak link.
//!
//! How long a link has been weak is not journaled, as a silence is not: after a restart its hour begins anew.

use std::collections::{BTreeMap, BTreeSet};

use protocol::observation::{Kind, Observation, Reading};
use protocol::record::{Body, Record, Restored, Stamp, Trigger};
use protocol::trigger::{Reason, TriggerKind};
use serde::{Deserialize, Serialize};

use crate::decode::WIRE;
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
    /// A link quality below this is weak, on Zigbee's scale of 0–255 (5–100). The default is where the decoder and
    /// the device list call a link weak too.
    pub weak_link: i32,
}

impl Default for ConditionRules {
    fn default() -> Self {
        Self { low_percent: 15, again_ms: 7 * 24 * 3_600_000, weak_link: 30 }
    }
}

/// The quality swings with each message and with every person in the way: only what stays so long is the device's
/// condition, milliseconds. Its return has to last as long.
const LINK_HELD_MS: u64 = 3_600_000;

/// On which side of the limit a link has been, and since when, in this run.
#[derive(Debug, Clone, Copy)]
struct Link {
    weak: bool,
    since_ms: u64,
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
    /// Devices whose case is open or whose wire is cut.
    open: BTreeSet<String>,
    /// Devices whose link is weak.
    weak: BTreeSet<String>,
    #[serde(skip)]
    links: BTreeMap<String, Link>,
}

/// What a tamper key is about: the wire of an input of this machine, or a case.
fn tampered(observation: &Observation) -> Reason {
    if observation.key == WIRE { Reason::WireCut } else { Reason::CaseOpened }
}

impl Conditions {
    /// A device speaks of its battery or its case.
    pub fn said(
        &mut self,
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
                effects.push(raise(observation, room, tampered(observation)));
            }
            (Kind::Tamper, Reading::Clear) if self.open.contains(device) => {
                effects.push(over(device, room, tampered(observation)));
            }
            // Decibels are below nought and have no limit here.
            (Kind::Link, Reading::Level(level)) if *level >= 0 => {
                self.link(now, observation, *level < rules.weak_link, room, effects);
            }
            _ => {}
        }
    }

    /// A device says how well it is heard.
    fn link(
        &mut self,
        now: &Stamp,
        observation: &Observation,
        weak: bool,
        room: Option<&String>,
        effects: &mut Vec<Effect>,
    ) {
        let device = &observation.device;
        if self.links.len() >= DEVICES_MAX && !self.links.contains_key(device) {
            return;
        }
        let begun = Link { weak, since_ms: now.uptime_ms };
        let link = self.links.entry(device.clone()).or_insert(begun);
        if link.weak != weak {
            *link = begun;
        }
        let held = now.uptime_ms.saturating_sub(link.since_ms) >= LINK_HELD_MS;
        match (held, weak, self.weak.contains(device)) {
            (true, true, false) => effects.push(raise(observation, room, Reason::LinkWeak)),
            (true, false, true) => effects.push(over(device, room, Reason::LinkWeak)),
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
        } else if let Some(standing) = self.standing(trigger.reason).filter(|standing| standing.len() < DEVICES_MAX) {
            standing.insert(trigger.device.clone());
        }
    }

    /// Folds what is over.
    pub fn restored(&mut self, restored: &Restored) {
        if restored.reason == Reason::BatteryLow {
            self.low.remove(&restored.device);
        } else if let Some(standing) = self.standing(restored.reason) {
            standing.remove(&restored.device);
        }
    }

    /// The devices of which a reason is known to hold; none for a reason that is another's.
    fn standing(&mut self, reason: Reason) -> Option<&mut BTreeSet<String>> {
        if reason == Reason::LinkWeak {
            Some(&mut self.weak)
        } else {
            matches!(reason, Reason::CaseOpened | Reason::WireCut).then_some(&mut self.open)
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
