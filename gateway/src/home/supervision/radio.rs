//! The radio bridge: while it is away no button of its network is heard, and the elder is told so.

use std::collections::{BTreeMap, BTreeSet};

use protocol::observation::{Kind, Observation, Reading};
use protocol::record::{Body, Observed, Restored, Stamp, Trigger};
use protocol::trigger::{Reason, TriggerKind};
use serde::{Deserialize, Serialize};

use crate::home::{Deadline, Effect};

/// How a bridge's own state is named; see the decoder.
const BRIDGE: &str = "/bridge";

/// Most bridges watched; a home has one.
const BRIDGES_MAX: usize = 8;

/// Times of the radio's supervision, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RadioRules {
    /// How long a bridge may be away (1–60 min).
    pub away_ms: u64,
}

impl Default for RadioRules {
    fn default() -> Self {
        Self { away_ms: 300_000 }
    }
}

/// The radio bridges of a home.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Radio {
    known: BTreeSet<String>,
    lost: BTreeSet<String>,
    /// Since when a known bridge is away, this run.
    #[serde(skip)]
    away: BTreeMap<String, u64>,
}

impl Radio {
    /// The program starts: a known bridge has its whole time to say that it is there.
    pub fn starts(&mut self, now: &Stamp) {
        self.away = self.known.iter().map(|bridge| (bridge.clone(), now.uptime_ms)).collect();
    }

    /// A bridge says that it is there, or its last will that it is not. Says whether it was news.
    pub fn said(&mut self, now: &Stamp, observation: &Observation, effects: &mut Vec<Effect>) -> bool {
        if !is_bridge(observation.kind, &observation.device) {
            return false;
        }
        let bridge = &observation.device;
        if observation.value == Reading::Online {
            if self.lost.contains(bridge) {
                let (device, reason) = (bridge.clone(), Reason::RadioBridgeSilent);
                let kind = TriggerKind::Technical;
                effects.push(Effect::Record(Body::Restored(Restored { kind, device, room: None, reason })));
            }
            self.away.remove(bridge).is_some()
        } else if self.away.len() < BRIDGES_MAX && !self.away.contains_key(bridge) {
            self.away.insert(bridge.clone(), now.uptime_ms);
            true
        } else {
            false
        }
    }

    /// Reports a bridge that has been away for too long.
    pub fn woken(&self, now: &Stamp, rules: &RadioRules, effects: &mut Vec<Effect>) {
        for (bridge, since_ms) in &self.away {
            if now.uptime_ms >= since_ms.saturating_add(rules.away_ms) && !self.lost.contains(bridge) {
                effects.push(Effect::Record(Body::Trigger(Trigger {
                    kind: TriggerKind::Technical,
                    device: bridge.clone(),
                    key: String::new(),
                    room: None,
                    reason: Reason::RadioBridgeSilent,
                    follows: None,
                    test: false,
                })));
            }
        }
    }

    /// For how long the radio has been away at `now`, milliseconds; none while every bridge is there.
    pub fn away_ms(&self, now: &Stamp) -> Option<u64> {
        self.away.values().map(|since_ms| now.uptime_ms.saturating_sub(*since_ms)).max()
    }

    /// Whether the elder is to know that buttons are not heard.
    pub fn is_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    /// Folds an observation: a bridge that was ever there is one to be missed.
    pub fn observed(&mut self, observed: &Observed) {
        if is_bridge(observed.kind, &observed.device) && self.known.len() < BRIDGES_MAX {
            self.known.insert(observed.device.clone());
        }
    }

    /// Folds a trigger.
    pub fn triggered(&mut self, trigger: &Trigger) {
        if trigger.reason == Reason::RadioBridgeSilent && self.lost.len() < BRIDGES_MAX {
            self.lost.insert(trigger.device.clone());
        }
    }

    /// Folds what is over.
    pub fn restored(&mut self, restored: &Restored) {
        if restored.reason == Reason::RadioBridgeSilent {
            self.lost.remove(&restored.device);
        }
    }

    /// The deadlines of this boot, milliseconds of uptime.
    pub fn deadlines(&self, rules: &RadioRules) -> impl Iterator<Item = (u64, Deadline)> {
        let away_ms = rules.away_ms;
        let waiting = self.away.iter().filter(|(bridge, _)| !self.lost.contains(*bridge));
        waiting.map(move |(_, since_ms)| (since_ms.saturating_add(away_ms), Deadline::RadioMissed))
    }
}

fn is_bridge(kind: Kind, device: &str) -> bool {
    kind == Kind::Availability && device.ends_with(BRIDGE)
}
