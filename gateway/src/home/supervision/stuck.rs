//! Sensors that report in and see nothing for days, while others of the home do.

use std::collections::{BTreeMap, BTreeSet};

use protocol::observation::{Kind, Reading};
use protocol::record::{Body, Observed, Record, Restored, Stamp, Trigger};
use protocol::trigger::{Reason, TriggerKind};
use serde::{Deserialize, Serialize};

use super::silence::{Silence, senses_people};

use crate::home::{Deadline, Effect, Place, age_ms};

/// The home is lived in when any sensor saw something within this, milliseconds.
const LIVED_IN_MS: u64 = 24 * 3_600_000;

/// How often it is looked, milliseconds.
const LOOK_MS: u64 = 6 * 3_600_000;

/// Most sensors remembered.
const SENSORS_MAX: usize = 512;

/// Values of the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StuckRules {
    /// Without a trigger for so long a sensor is stuck, milliseconds (3–60 days).
    pub after_ms: u64,
}

impl Default for StuckRules {
    fn default() -> Self {
        Self { after_ms: 14 * 24 * 3_600_000 }
    }
}

/// When each sensor saw something last.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Stuck {
    saw: BTreeMap<String, Stamp>,
    stuck: BTreeSet<String>,
    /// The first start that the journal remembers: what has never seen anything counts from here.
    since: Option<Stamp>,
    #[serde(skip)]
    look_ms: Option<u64>,
}

impl Stuck {
    /// The program starts.
    pub fn starts(&mut self, now: &Stamp) {
        self.look_ms = Some(now.uptime_ms.saturating_add(LOOK_MS));
    }

    /// Reports sensors that are stuck, and plans the next look.
    pub fn woken(
        &mut self,
        now: &Stamp,
        places: &BTreeMap<String, Place>,
        silence: &Silence,
        rules: &StuckRules,
        effects: &mut Vec<Effect>,
    ) {
        if self.look_ms.is_none_or(|look_ms| now.uptime_ms < look_ms) {
            return;
        }
        self.look_ms = Some(now.uptime_ms.saturating_add(LOOK_MS));
        let ago = |at: Option<&Stamp>| at.and_then(|at| age_ms(now, at));
        if !self.saw.values().any(|at| ago(Some(at)).is_some_and(|ms| ms <= LIVED_IN_MS)) {
            return;
        }
        for (device, place) in places.iter().filter(|(_, place)| senses_people(place)) {
            let quiet_ms = ago(self.saw.get(device).or(self.since.as_ref()));
            let is_stuck = quiet_ms.is_some_and(|ms| ms >= rules.after_ms);
            if is_stuck && !self.stuck.contains(device) && !silence.is_lost(device) {
                effects.push(Effect::Record(Body::Trigger(Trigger {
                    kind: TriggerKind::Technical,
                    device: device.clone(),
                    key: String::new(),
                    room: place.room.clone(),
                    reason: Reason::SensorStuck,
                    follows: None,
                    test: false,
                })));
            }
        }
    }

    /// A sensor sees something: if it was stuck, it is no longer.
    pub fn sees(&self, device: &str, room: Option<&String>, effects: &mut Vec<Effect>) {
        if self.stuck.contains(device) {
            let (kind, reason) = (TriggerKind::Technical, Reason::SensorStuck);
            let (device, room) = (device.to_owned(), room.cloned());
            effects.push(Effect::Record(Body::Restored(Restored { kind, device, room, reason })));
        }
    }

    /// Whether a sensor has ever told of anything.
    pub fn has_told(&self, device: &str) -> bool {
        self.saw.contains_key(device)
    }

    /// Folds an observation.
    pub fn observed(&mut self, record: &Record, observed: &Observed) {
        if is_sight(observed.kind, &observed.value)
            && (self.saw.len() < SENSORS_MAX || self.saw.contains_key(&observed.device))
        {
            self.saw.insert(observed.device.clone(), record.at);
        }
    }

    /// Folds a trigger.
    pub fn triggered(&mut self, trigger: &Trigger) {
        if trigger.reason == Reason::SensorStuck && self.stuck.len() < SENSORS_MAX {
            self.stuck.insert(trigger.device.clone());
        }
    }

    /// Folds what is over.
    pub fn restored(&mut self, restored: &Restored) {
        if restored.reason == Reason::SensorStuck {
            self.stuck.remove(&restored.device);
        }
    }

    /// Folds a start of the program.
    pub fn started(&mut self, record: &Record) {
        self.since.get_or_insert(record.at);
    }

    /// The next look, milliseconds of this boot's uptime.
    pub fn deadlines(&self) -> impl Iterator<Item = (u64, Deadline)> {
        self.look_ms.map(|look_ms| (look_ms, Deadline::StuckChecked)).into_iter()
    }
}

/// Whether a reading says that a sensor saw something.
pub(super) fn is_sight(kind: Kind, value: &Reading) -> bool {
    match kind {
        Kind::Motion | Kind::Presence | Kind::Vibration => *value == Reading::Active,
        Kind::Contact | Kind::Bed => true,
        Kind::Sos
        | Kind::Assistance
        | Kind::Fall
        | Kind::FallWarning
        | Kind::Water
        | Kind::Smoke
        | Kind::Gas
        | Kind::Co
        | Kind::Tamper
        | Kind::Battery
        | Kind::Link
        | Kind::Availability
        | Kind::Visit
        | Kind::Mains => false,
    }
}
