//! Supervision: whether the devices of a home can be relied on. Only routes to its lifecycles.

use std::collections::BTreeMap;

use protocol::observation::Observation;
use protocol::record::{Observed, Record, Restored, Stamp, Trigger};
use serde::{Deserialize, Serialize};

use self::condition::{ConditionRules, Conditions};
use self::radio::{Radio, RadioRules};
use self::silence::{Power, Silence, SilenceRules};
use self::stuck::{Stuck, StuckRules};
use super::{Deadline, Effect, Place};

pub mod condition;
pub mod radio;
pub mod silence;
pub mod stuck;

/// Values of supervision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SupervisionRules {
    /// Silent devices.
    pub silence: SilenceRules,
    /// The radio bridge.
    pub radio: RadioRules,
    /// Batteries and cases.
    pub condition: ConditionRules,
    /// Stuck sensors.
    pub stuck: StuckRules,
}

/// What is known of a home's devices.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Supervision {
    silence: Silence,
    radio: Radio,
    conditions: Conditions,
    stuck: Stuck,
}

impl Supervision {
    /// The program starts: the clocks begin anew.
    pub fn starts(&mut self, now: &Stamp) {
        self.silence.starts(now);
        self.radio.starts(now);
        self.stuck.starts(now);
    }

    /// A device spoke.
    pub fn heard(
        &mut self,
        now: &Stamp,
        device: &str,
        power: Option<Power>,
        place: Option<&Place>,
        effects: &mut Vec<Effect>,
    ) {
        self.silence.heard(now, device, power, place, effects);
    }

    /// A device said something; `edge` says whether it changes what was known.
    pub fn observe(
        &mut self,
        now: &Stamp,
        observation: &Observation,
        edge: bool,
        room: Option<&String>,
        rules: &SupervisionRules,
        effects: &mut Vec<Effect>,
    ) {
        if self.radio.said(now, observation, effects) {
            self.silence.radio_changed(now);
        }
        // Asked of every report: one that changes nothing may come a week after the last.
        self.conditions.said(now, observation, room, &rules.condition, effects);
        if edge && stuck::is_sight(observation.kind, &observation.value) {
            self.stuck.sees(&observation.device, room, effects);
        }
    }

    /// Reports what is due.
    pub fn woken(
        &mut self,
        now: &Stamp,
        places: &BTreeMap<String, Place>,
        rules: &SupervisionRules,
        effects: &mut Vec<Effect>,
    ) {
        self.radio.woken(now, &rules.radio, effects);
        self.silence.woken(now, places, self.radio.away_ms(now), &rules.silence, effects);
        self.stuck.woken(now, places, &self.silence, &rules.stuck, effects);
    }

    /// Whether the elder is to know that buttons are not heard.
    pub fn is_radio_lost(&self) -> bool {
        self.radio.is_lost()
    }

    /// Whether a device was reported lost and has not been heard since.
    pub fn is_lost(&self, device: &str) -> bool {
        self.silence.is_lost(device)
    }

    /// Whether a sensor has ever told of anything.
    pub fn has_told(&self, device: &str) -> bool {
        self.stuck.has_told(device)
    }

    /// Folds a start of the program.
    pub fn started(&mut self, record: &Record) {
        self.stuck.started(record);
    }

    /// Folds an observation.
    pub fn observed(&mut self, record: &Record, observed: &Observed) {
        self.radio.observed(observed);
        self.stuck.observed(record, observed);
    }

    /// Folds a trigger.
    pub fn triggered(&mut self, record: &Record, trigger: &Trigger) {
        self.silence.triggered(trigger);
        self.radio.triggered(trigger);
        self.conditions.triggered(record, trigger);
        self.stuck.triggered(trigger);
    }

    /// Folds what is over.
    pub fn restored(&mut self, restored: &Restored) {
        self.silence.restored(restored);
        self.radio.restored(restored);
        self.conditions.restored(restored);
        self.stuck.restored(restored);
    }

    /// The deadlines of this boot, milliseconds of uptime.
    pub fn deadlines(&self, rules: &SupervisionRules) -> impl Iterator<Item = (u64, Deadline)> {
        self.silence.deadlines().chain(self.radio.deadlines(&rules.radio)).chain(self.stuck.deadlines())
    }
}
