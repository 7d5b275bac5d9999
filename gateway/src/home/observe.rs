//! What an observation sets off: routed to its rule, or recorded as it is.

use protocol::observation::{Kind, Observation, Reading};
use protocol::record::{Body, MainsSupply, Observed, Stamp, Trigger};
use protocol::trigger::{Reason, TriggerKind};

use super::hazard::{self, Word};
use super::proof;
use super::{Effect, Home};

impl Home {
    /// A device said something. What changes nothing is routine, except where its very repetition says something.
    pub(super) fn observe(
        &mut self,
        now: &Stamp,
        observation: &Observation,
        edge: bool,
        reason: Option<Reason>,
        effects: &mut Vec<Effect>,
    ) {
        let place = self.rules.devices.get(&observation.device);
        let room = place.and_then(|place| place.room.clone());
        let active = observation.value == Reading::Active;
        if edge && active && self.is_tested(now, observation, room.as_ref(), effects) {
            return;
        }
        let told = (observation, self.supervision.has_told(&observation.device));
        self.supervision.observe(now, observation, edge, room.as_ref(), &self.rules.supervision, effects);
        if let Some(kind) = hazard::hazard_of(observation.kind) {
            let word = Word { kind, observation, edge, room, reason };
            self.hazards.said(now, word, &self.rules.hazard, effects);
            if edge {
                self.daily_life.observe(now, told, &self.pre_alarms, &self.rules, effects);
            }
            return;
        }
        if !edge {
            return;
        }
        let trigger = |kind, fallback| {
            Effect::Record(Body::Trigger(Trigger {
                kind,
                device: observation.device.clone(),
                key: observation.key.clone(),
                room: room.clone(),
                reason: reason.unwrap_or(fallback),
                follows: None,
                test: false,
            }))
        };
        match observation.kind {
            Kind::Sos if active => {
                effects.push(trigger(TriggerKind::Sos, Reason::ButtonPressed));
                self.proofs.pressed(&observation.device, room, effects);
            }
            Kind::Assistance if active && reason == Some(Reason::ElderCancelled) => {
                let before = effects.len();
                self.pre_alarms.cancel(&observation.device, effects);
                if effects.len() == before {
                    effects.push(observed(observation, room));
                }
            }
            Kind::Assistance if active => effects.push(trigger(TriggerKind::Assistance, Reason::AssistancePressed)),
            Kind::Fall if active => {
                self.falls.fell(now, observation, room, reason, &self.pre_alarms, &self.rules.fall, effects);
            }
            // Link quality moves with every message and says nothing of the elder: it is supervised, and no record.
            Kind::Link => {}
            Kind::Sos
            | Kind::Assistance
            | Kind::Fall
            | Kind::FallWarning
            | Kind::Motion
            | Kind::Presence
            | Kind::Contact
            | Kind::Bed
            | Kind::Water
            | Kind::Smoke
            | Kind::Gas
            | Kind::Co
            | Kind::Vibration
            | Kind::Tamper
            | Kind::Battery
            | Kind::Availability => effects.push(observed(observation, room)),
            Kind::Mains => effects.push(Effect::Record(Body::Mains(MainsSupply {
                device: observation.device.clone(),
                key: observation.key.clone(),
                present: active,
            }))),
            // A visit comes as Input::Visit, graded; the bare observation adds nothing.
            Kind::Visit => {}
        }
        self.daily_life.observe(now, told, &self.pre_alarms, &self.rules, effects);
    }

    /// Whether a press or alarm is the one that an installer asked for; it is then recorded as a test.
    fn is_tested(
        &self,
        now: &Stamp,
        observation: &Observation,
        room: Option<&String>,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let Some((kind, reason)) = proof::testable(observation.kind) else { return false };
        if !self.proofs.covers(now, &observation.device, &self.rules.proof) {
            return false;
        }
        effects.push(Effect::Record(Body::Trigger(Trigger {
            kind,
            device: observation.device.clone(),
            key: observation.key.clone(),
            room: room.cloned(),
            reason,
            follows: None,
            test: true,
        })));
        self.proofs.pressed(&observation.device, room.cloned(), effects);
        true
    }
}

pub(super) fn observed(observation: &Observation, room: Option<String>) -> Effect {
    Effect::Record(Body::Observed(Observed {
        kind: observation.kind,
        device: observation.device.clone(),
        key: observation.key.clone(),
        room,
        value: observation.value.clone(),
    }))
}
