//! Smoke, gas, carbon monoxide and water: raised at once, again while the sensor goes on saying so,
//! and recorded when it is over.
//!
//! Nothing here delays the first word of a hazard. What a sensor repeats between two raises changes
//! nothing, so that one alarm does not bury the others on a desk.

use std::collections::BTreeMap;

use protocol::observation::{Kind, Observation, Reading};
use protocol::record::{Body, Observed, Record, Restored, Stamp, Trigger};
use protocol::trigger::{Reason, TriggerKind};
use serde::{Deserialize, Serialize};

use super::observe::observed;
use super::{Effect, elapsed_ms};

/// A hazard that comes back within this of its last raise flickers; it is the same one, milliseconds.
const FLICKER_MS: u64 = 10_000;

/// After so long without a word a repeated hazard is told as a new one, milliseconds.
const NEW_AGAIN_MS: u64 = 3_600_000;

/// Most hazards remembered; a further one is not, and so raises more often, never less.
const REMEMBERED_MAX: usize = 256;

/// Times of the hazard rules, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HazardRules {
    /// While a sensor goes on saying it, the hazard is raised again after this (30 s–10 min).
    pub repeat_ms: u64,
}

impl Default for HazardRules {
    fn default() -> Self {
        Self { repeat_ms: 120_000 }
    }
}

/// What a sensor says of a hazard.
#[derive(Debug)]
pub struct Word<'a> {
    /// The hazard.
    pub kind: TriggerKind,
    /// What it says.
    pub observation: &'a Observation,
    /// Whether it changes what was known.
    pub edge: bool,
    /// The room, where configured.
    pub room: Option<String>,
    /// The decoder's reason.
    pub reason: Option<Reason>,
}

/// What one sensor said last of one hazard.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Said {
    raised: Stamp,
    active: bool,
}

/// The hazards of a home, by device and kind.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Hazards(BTreeMap<(String, TriggerKind), Said>);

/// The trigger that a hazard's observation stands for.
pub fn hazard_of(kind: Kind) -> Option<TriggerKind> {
    match kind {
        Kind::Smoke => Some(TriggerKind::Smoke),
        Kind::Gas => Some(TriggerKind::Gas),
        Kind::Co => Some(TriggerKind::Co),
        Kind::Water => Some(TriggerKind::Water),
        Kind::Sos
        | Kind::Assistance
        | Kind::Fall
        | Kind::FallWarning
        | Kind::Motion
        | Kind::Presence
        | Kind::Contact
        | Kind::Bed
        | Kind::Vibration
        | Kind::Tamper
        | Kind::Battery
        | Kind::Link
        | Kind::Availability
        | Kind::Visit
        | Kind::Mains => None,
    }
}

impl Hazards {
    /// A sensor speaks of a hazard.
    pub fn said(&self, now: &Stamp, word: Word<'_>, rules: &HazardRules, effects: &mut Vec<Effect>) {
        let Word { kind, observation, edge, room, reason } = word;
        let known = self.0.get(&(observation.device.clone(), kind));
        if observation.value != Reading::Active {
            if edge {
                effects.push(observed(observation, room.clone()));
            }
            if edge && known.is_some_and(|said| said.active) {
                let (device, reason) = (observation.device.clone(), Reason::SensorAlarm);
                effects.push(Effect::Record(Body::Restored(Restored { kind, device, room, reason })));
            }
            return;
        }
        let since_ms = known.and_then(|said| elapsed_ms(now, &said.raised));
        let raised = match (known, since_ms) {
            (None, _) => edge.then(|| reason.unwrap_or(Reason::SensorAlarm)),
            // How long the power was off is unknowable: what the sensor says now is raised anew.
            (Some(_), None) => Some(Reason::SensorAlarm),
            (Some(_), Some(ms)) if ms >= NEW_AGAIN_MS => Some(Reason::SensorAlarm),
            (Some(said), Some(ms)) if said.active => (ms >= rules.repeat_ms).then_some(Reason::HazardContinues),
            (Some(_), Some(ms)) => (ms >= FLICKER_MS).then(|| reason.unwrap_or(Reason::SensorAlarm)),
        };
        match raised {
            Some(reason) => effects.push(Effect::Record(Body::Trigger(Trigger {
                kind,
                device: observation.device.clone(),
                key: observation.key.clone(),
                room,
                reason,
                follows: None,
                test: false,
            }))),
            None if edge => effects.push(observed(observation, room)),
            None => {}
        }
    }

    /// Folds a trigger: its hazard was raised now.
    pub fn triggered(&mut self, record: &Record, trigger: &Trigger) {
        let is_hazard = match trigger.kind {
            TriggerKind::Smoke | TriggerKind::Co | TriggerKind::Gas | TriggerKind::Water => true,
            TriggerKind::Sos
            | TriggerKind::Fall
            | TriggerKind::Inactivity
            | TriggerKind::MissedCheckIn
            | TriggerKind::Assistance
            | TriggerKind::Technical
            | TriggerKind::Welfare => false,
        };
        let key = (trigger.device.clone(), trigger.kind);
        if is_hazard && !trigger.test && (self.0.len() < REMEMBERED_MAX || self.0.contains_key(&key)) {
            self.0.insert(key, Said { raised: record.at, active: true });
        }
    }

    /// Folds an observation: a hazard that flickers, or is over.
    pub fn observed(&mut self, observed: &Observed) {
        let Some(kind) = hazard_of(observed.kind) else { return };
        if let Some(said) = self.0.get_mut(&(observed.device.clone(), kind)) {
            said.active = observed.value == Reading::Active;
        }
    }
}
