//! Devices that fall silent, each by its kind's own time, and are heard again.
//!
//! When a device was heard last is not journaled (a flash card wears): after a restart every clock
//! begins anew. What was reported lost stays lost until it is heard. Where a person lives alone and no
//! sensor is left that could see them, it is a welfare call and no technician's note.

use std::collections::{BTreeMap, BTreeSet};

use protocol::record::{Body, Restored, Stamp, Trigger};
use protocol::trigger::{Reason, TriggerKind};
use serde::{Deserialize, Serialize};

use crate::decode::Role;
use crate::home::{Deadline, Effect, Place};

/// Most devices watched; a home has some twenty.
const DEVICES_MAX: usize = 512;

/// Where a device's power comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Power {
    /// The mains: it reports often.
    Mains,
    /// A battery: it reports when something happens, and a few times a day.
    Battery,
    /// This machine, by wire: its wire is supervised, it never beats.
    Wired,
    /// A battery in what speaks only when it is used, such as a 433 MHz button: it never beats, its silence says
    /// nothing, and only a test by hand proves it.
    OneWay,
}

impl Power {
    /// Each one's word in a configuration.
    pub const WORDS: &[(&str, Self)] =
        &[("mains", Self::Mains), ("battery", Self::Battery), ("wired", Self::Wired), ("one_way", Self::OneWay)];
}

/// How long devices may be silent, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SilenceRules {
    /// A sensor on the mains (10 min–4 h).
    pub mains_ms: u64,
    /// An SOS button (6–72 h).
    pub sos_ms: u64,
    /// Any other device on a battery (24–168 h).
    pub battery_ms: u64,
    /// Whether the elder lives alone; by default, as a home has one elder by default.
    pub lives_alone: bool,
}

impl Default for SilenceRules {
    fn default() -> Self {
        let hour_ms = 3_600_000;
        Self { mains_ms: hour_ms / 2, sos_ms: 24 * hour_ms, battery_ms: 72 * hour_ms, lives_alone: true }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Heard {
    at_ms: u64,
    power: Option<Power>,
}

/// The silence of a home's devices.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Silence {
    lost: BTreeSet<String>,
    /// Those whose loss was the welfare call.
    called_for: BTreeSet<String>,
    welfare: bool,
    #[serde(skip)]
    heard: BTreeMap<String, Heard>,
    #[serde(skip)]
    started_ms: u64,
    #[serde(skip)]
    check_ms: Option<u64>,
}

impl Silence {
    /// The program starts: every device is given its whole time.
    pub fn starts(&mut self, now: &Stamp) {
        self.started_ms = now.uptime_ms;
        self.check_ms = Some(now.uptime_ms);
    }

    /// A device spoke; `power` is what its bridge lists.
    pub fn heard(
        &mut self,
        now: &Stamp,
        device: &str,
        power: Option<Power>,
        place: Option<&Place>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(place) = place else { return };
        let heard = Heard { at_ms: now.uptime_ms, power };
        if let Some(known) = self.heard.get_mut(device) {
            *known = heard;
        } else if self.heard.len() < DEVICES_MAX {
            self.heard.insert(device.to_owned(), heard);
            // Its own time may be shorter than what was planned for before its power was known.
            self.check_ms = Some(now.uptime_ms);
        }
        if self.lost.contains(device) {
            let over = |kind, reason| {
                let (device, room) = (device.to_owned(), place.room.clone());
                Effect::Record(Body::Restored(Restored { kind, device, room, reason }))
            };
            let called_for = self.called_for.contains(device);
            if !called_for {
                effects.push(over(TriggerKind::Technical, Reason::DeviceSilent));
            }
            if called_for || (self.welfare && senses_people(place)) {
                effects.push(over(TriggerKind::Welfare, Reason::OnlySensorsSilent));
            }
        }
    }

    /// Reports who has fallen silent, and plans the next look. `radio_lost_ms`: for how long the radio
    /// bridge has been away.
    pub fn woken(
        &mut self,
        now: &Stamp,
        places: &BTreeMap<String, Place>,
        radio_lost_ms: Option<u64>,
        rules: &SilenceRules,
        effects: &mut Vec<Effect>,
    ) {
        if self.check_ms.is_none_or(|check_ms| now.uptime_ms < check_ms) {
            return;
        }
        let mut next_ms = now.uptime_ms.saturating_add(rules.battery_ms);
        let mut fallen = Vec::new();
        for (device, place) in places.iter().filter(|(_, place)| is_watched(place)) {
            if self.lost.contains(device) {
                continue;
            }
            let heard = self.heard.get(device).copied().unwrap_or(Heard { at_ms: self.started_ms, power: None });
            let due_ms = heard.at_ms.saturating_add(allowed_ms(place, heard.power, rules));
            if due_ms <= now.uptime_ms {
                fallen.push((device, place));
            } else {
                next_ms = next_ms.min(due_ms);
            }
        }
        // A radio that is away hears nobody: its sensors are silent with it.
        let radio_gone = radio_lost_ms.is_some_and(|ms| ms >= rules.mains_ms);
        if let Some(ms) = radio_lost_ms.filter(|ms| *ms < rules.mains_ms) {
            next_ms = next_ms.min(now.uptime_ms.saturating_add(rules.mains_ms - ms));
        }
        self.check_ms = Some(next_ms);
        let mut sensing = places.iter().filter(|(_, place)| is_watched(place) && senses_people(place)).peekable();
        let is_gone = |device: &String| self.lost.contains(device) || fallen.iter().any(|(fell, _)| *fell == device);
        let blind = sensing.peek().is_some() && (radio_gone || sensing.all(|(device, _)| is_gone(device)));
        let mut welfare = rules.lives_alone && blind && !self.welfare;
        for (device, place) in fallen.iter().rev() {
            // The last sensor's silence is the welfare call itself.
            let call = std::mem::take(&mut welfare) && senses_people(place);
            effects.push(raise(device, place.room.clone(), call));
        }
        if welfare && let Some((device, place)) = places.iter().find(|(_, place)| senses_people(place)) {
            effects.push(raise(device, place.room.clone(), true));
        }
    }

    /// Whether a device was reported lost and has not been heard since.
    pub fn is_lost(&self, device: &str) -> bool {
        self.lost.contains(device)
    }

    /// The radio bridge went or came back: the sensors' silence is to be looked at anew.
    pub fn radio_changed(&mut self, now: &Stamp) {
        self.check_ms = Some(now.uptime_ms);
    }

    /// Folds a trigger.
    pub fn triggered(&mut self, trigger: &Trigger) {
        let called_for = trigger.reason == Reason::OnlySensorsSilent;
        if called_for {
            self.welfare = true;
            self.called_for.insert(trigger.device.clone());
        }
        if called_for || (trigger.reason == Reason::DeviceSilent && self.lost.len() < DEVICES_MAX) {
            self.lost.insert(trigger.device.clone());
        }
    }

    /// Folds what is over.
    pub fn restored(&mut self, restored: &Restored) {
        if restored.reason == Reason::OnlySensorsSilent {
            self.welfare = false;
            if self.called_for.remove(&restored.device) {
                self.lost.remove(&restored.device);
            }
        } else if restored.reason == Reason::DeviceSilent {
            self.lost.remove(&restored.device);
        }
    }

    /// The next look, milliseconds of this boot's uptime.
    pub fn deadlines(&self) -> impl Iterator<Item = (u64, Deadline)> {
        self.check_ms.map(|check_ms| (check_ms, Deadline::SilenceChecked)).into_iter()
    }
}

fn raise(device: &str, room: Option<String>, welfare: bool) -> Effect {
    let (kind, reason) = if welfare {
        (TriggerKind::Welfare, Reason::OnlySensorsSilent)
    } else {
        (TriggerKind::Technical, Reason::DeviceSilent)
    };
    let (device, key) = (device.to_owned(), String::new());
    Effect::Record(Body::Trigger(Trigger { kind, device, key, room, reason, follows: None, test: false }))
}

/// How long a device may be silent: by its configured power, else its bridge's word, else its role.
fn allowed_ms(place: &Place, listed: Option<Power>, rules: &SilenceRules) -> u64 {
    let by_role = match place.role {
        Some(Role::Fall | Role::Presence | Role::Gas) => Power::Mains,
        _ => Power::Battery,
    };
    match (place.role, place.power.or(listed).unwrap_or(by_role)) {
        (Some(Role::Sos), _) => rules.sos_ms,
        (_, Power::Mains) => rules.mains_ms,
        (_, Power::Battery | Power::Wired | Power::OneWay) => rules.battery_ms,
    }
}

/// What never beats cannot be missed; a mains input speaks when something changes; what is ignored is nobody's.
fn is_watched(place: &Place) -> bool {
    !matches!(place.power, Some(Power::Wired | Power::OneWay))
        && !matches!(place.role, Some(Role::Ignore | Role::Mains | Role::Tamper | Role::Battery))
}

/// Whether a device can tell that a person is there.
pub(super) fn senses_people(place: &Place) -> bool {
    match place.role {
        Some(
            Role::Fall | Role::Motion | Role::Presence | Role::Door | Role::ExitDoor | Role::Bed | Role::Vibration,
        ) => true,
        Some(
            Role::Sos
            | Role::Assistance
            | Role::ImFine
            | Role::Water
            | Role::Smoke
            | Role::Gas
            | Role::Co
            | Role::Ignore
            | Role::Mains
            | Role::Tamper
            | Role::Battery,
        )
        | None => false,
    }
}
