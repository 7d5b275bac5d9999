//! What is known of every device heard, for `gateway devices`: a page for the installer, no record.
//!
//! Bounded. At a restart counts and suspicions begin anew; what a device said last is known from the journal.
//! Suspicions are hints to look at a device, never a reason to take a press for less than a press.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use protocol::observation::{Kind, Reading};
use protocol::record::Stamp;
use protocol::trigger::Reason;
use serde::{Deserialize, Serialize};

use super::contract::Heard;
use crate::decode::{Decoded, Decoder, Remembered, Role};
use crate::home::Home;
use crate::home::proof::{Proof, TestState};
use crate::home::supervision::silence::Power;

/// Most devices kept; further ones are heard by the rules and not listed.
pub const DEVICES_MAX: usize = 512;

/// Link readings kept of a device: the quality swings with each message, so the worst of several counts.
const LINKS_KEPT: usize = 8;

/// Presses kept of a button.
const PRESSES_KEPT: usize = 32;

/// A press so long after the one before it is a need of its own, milliseconds.
const PRESS_APART_MS: u64 = 600_000;

/// So many needs within a day are rarely a person.
const GHOST_PRESSES: usize = 5;

/// A latched key that nobody releases within this, milliseconds.
const LATCHED_MS: u64 = 600_000;

/// A Zigbee link below this is weak.
const WEAK_LINK: i32 = 30;

const DAY_MS: u64 = 24 * 3_600_000;

/// A hint to look at a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suspicion {
    /// An SOS key that stays set or is said again and again.
    Latching,
    /// Presses all over the day: a button that presses by itself, or an elder who needs a visit.
    GhostPresses,
    /// Life-safety messages at QoS 0: one lost on the way is never sent again.
    QosZero,
    /// The worst of the latest link readings is weak.
    WeakLink,
    /// Its momentary messages are retained: a broker could replay an old press.
    Retained,
}

/// One line of the device list; by default of a device that nothing is known of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceLine {
    /// Its name.
    pub device: String,
    /// What it has spoken of, most important first.
    pub class: Vec<Kind>,
    /// Its configured role, as the word in a configuration.
    pub role: Option<String>,
    /// Its configured room.
    pub room: Option<String>,
    /// Where its power comes from.
    pub power: Option<String>,
    /// Seconds since it was heard; where it was not heard since the program started, since it last said something
    /// new, or none where no clock tells.
    pub heard_secs_ago: Option<u64>,
    /// Messages since the program started.
    pub messages: u64,
    /// The last link reading.
    pub link: Option<i32>,
    /// The worst of the latest readings.
    pub link_worst: Option<i32>,
    /// Battery level, per cent.
    pub battery_percent: Option<u8>,
    /// Whether its battery says that it is low.
    pub battery_low: bool,
    /// Heard, but not configured.
    pub unassigned: bool,
    /// Reported as silent.
    pub lost: bool,
    /// When it was last proven by a press; buttons only.
    pub proof: Option<Proof>,
    /// How its test stands.
    pub test: Option<TestState>,
    /// What looks odd.
    pub suspicions: Vec<Suspicion>,
}

#[derive(Debug, Clone, Default)]
struct Seen {
    heard_ms: u64,
    messages: u64,
    kinds: BTreeSet<Kind>,
    links: VecDeque<i32>,
    percent: Option<u8>,
    low: bool,
    qos_zero: bool,
    retained: bool,
    sos_repeated: u64,
    sos_set_ms: Option<u64>,
    presses_ms: VecDeque<u64>,
}

/// Everything heard since the program started.
#[derive(Debug, Default)]
pub struct Registry {
    devices: BTreeMap<String, Seen>,
}

impl Registry {
    /// A message was decoded.
    pub fn heard(&mut self, now_ms: u64, heard: &Heard, decoded: &Decoded) {
        let mut counted: Option<&str> = None;
        for seen in &decoded.seen {
            let observation = &seen.observation;
            if matches!(observation.kind, Kind::Visit | Kind::Availability) {
                continue;
            }
            let Some(device) = self.room_for(&observation.device) else { continue };
            if counted != Some(observation.device.as_str()) {
                counted = Some(observation.device.as_str());
                device.messages += 1;
                if !heard.retain {
                    device.heard_ms = now_ms;
                }
            }
            let is_press = matches!(observation.kind, Kind::Sos | Kind::Assistance);
            device.kinds.insert(observation.kind);
            // A broker's replay says nothing of how the device itself sends.
            device.qos_zero |= observation.kind.is_life_safety() && heard.packet.is_none() && !heard.retain;
            device.retained |= is_press && heard.retain;
            match (&observation.kind, &observation.value) {
                (Kind::Link, Reading::Level(level)) => {
                    if device.links.len() >= LINKS_KEPT {
                        device.links.pop_front();
                    }
                    device.links.push_back(*level);
                }
                (Kind::Battery, Reading::Percent(percent)) => device.percent = Some(*percent),
                (Kind::Battery, Reading::Low) => device.low = true,
                (Kind::Battery, Reading::Normal) => device.low = false,
                (Kind::Sos, Reading::Active) => device.pressed(now_ms, seen.edge, seen.reason),
                (Kind::Sos, Reading::Clear) => device.sos_set_ms = None,
                _ => {}
            }
        }
    }

    fn room_for(&mut self, device: &str) -> Option<&mut Seen> {
        if !self.devices.contains_key(device) {
            if self.devices.len() >= DEVICES_MAX {
                return None;
            }
            self.devices.insert(device.to_owned(), Seen::default());
        }
        self.devices.get_mut(device)
    }

    /// Every device heard or configured, by name.
    pub fn lines(&self, now: &Stamp, home: &Home, decoder: &Decoder) -> Vec<DeviceLine> {
        let configured = &home.rules().devices;
        let remembered: BTreeMap<&str, Remembered> = decoder.remembered().take(DEVICES_MAX).collect();
        let names = self.devices.keys().chain(configured.keys()).map(String::as_str);
        let names: BTreeSet<&str> = names.chain(remembered.keys().copied()).collect();
        let word = |role| Role::WORDS.iter().find(|(_, known)| *known == role).map(|(word, _)| (*word).to_owned());
        names
            .into_iter()
            .take(2 * DEVICES_MAX)
            .map(|name| {
                let seen = self.devices.get(name);
                let place = configured.get(name);
                let role = place.and_then(|place| place.role);
                let listed = decoder.on_mains(name).map(|mains| if mains { Power::Mains } else { Power::Battery });
                let power = place.and_then(|place| place.power).or(listed);
                let before = remembered.get(name).filter(|_| seen.is_none());
                let heard = seen.filter(|seen| seen.heard_ms > 0);
                let heard_secs_ago = match heard {
                    Some(seen) => Some(now.uptime_ms.saturating_sub(seen.heard_ms) / 1_000),
                    None => remembered.get(name).and_then(|remembered| secs_since(now, &remembered.at)),
                };
                let kinds = seen.map(|seen| seen.kinds.iter().copied().collect());
                let is_button = role == Some(Role::Sos);
                DeviceLine {
                    device: name.to_owned(),
                    class: kinds.or_else(|| before.map(|before| before.kinds.clone())).unwrap_or_default(),
                    role: role.and_then(word),
                    room: place.and_then(|place| place.room.clone()),
                    power: power.and_then(|power| {
                        Power::WORDS.iter().find(|(_, known)| *known == power).map(|(word, _)| (*word).to_owned())
                    }),
                    heard_secs_ago,
                    messages: seen.map_or(0, |seen| seen.messages),
                    link: seen.and_then(|seen| seen.links.back().copied()),
                    link_worst: seen.and_then(|seen| seen.links.iter().min().copied()),
                    battery_percent: seen.and_then(|seen| seen.percent).or(before.and_then(|before| before.percent)),
                    battery_low: seen.is_some_and(|seen| seen.low) || before.is_some_and(|before| before.low),
                    unassigned: place.is_none(),
                    lost: home.supervision().is_lost(name),
                    proof: is_button.then(|| home.proofs().proof(now, name)),
                    test: home.proofs().test(name),
                    suspicions: seen.map_or_else(Vec::new, |seen| seen.suspicions(now.uptime_ms)),
                }
            })
            .collect()
    }
}

/// Seconds from `then` to `now`: within one boot, or by trusted wall clocks.
fn secs_since(now: &Stamp, then: &Stamp) -> Option<u64> {
    let ms = if now.boot == then.boot {
        now.uptime_ms.checked_sub(then.uptime_ms)
    } else if now.wall_trusted && then.wall_trusted {
        u64::try_from(now.wall_ms.saturating_sub(then.wall_ms)).ok()
    } else {
        None
    };
    ms.map(|ms| ms / 1_000)
}

impl Seen {
    fn pressed(&mut self, now_ms: u64, edge: bool, reason: Option<Reason>) {
        self.sos_repeated += u64::from(reason == Some(Reason::SosKeyRepeated));
        if matches!(reason, Some(Reason::SosKeySet | Reason::SosKeyRepeated)) {
            self.sos_set_ms.get_or_insert(now_ms);
        }
        // Presses close together are one need: frightened hands press again.
        if edge && self.presses_ms.back().is_none_or(|last| now_ms >= last.saturating_add(PRESS_APART_MS)) {
            if self.presses_ms.len() >= PRESSES_KEPT {
                self.presses_ms.pop_front();
            }
            self.presses_ms.push_back(now_ms);
        }
    }

    fn suspicions(&self, now_ms: u64) -> Vec<Suspicion> {
        let lately = self.presses_ms.iter().filter(|at| now_ms.saturating_sub(**at) <= DAY_MS).count();
        let latched = self.sos_set_ms.is_some_and(|set| now_ms.saturating_sub(set) >= LATCHED_MS);
        // Only Zigbee's scale is known here; decibels are below nought.
        let weak = self.links.iter().min().is_some_and(|worst| (0..WEAK_LINK).contains(worst));
        let all = [
            (Suspicion::Latching, latched || self.sos_repeated > 0),
            (Suspicion::GhostPresses, lately >= GHOST_PRESSES),
            (Suspicion::QosZero, self.qos_zero),
            (Suspicion::WeakLink, weak),
            (Suspicion::Retained, self.retained),
        ];
        all.into_iter().filter(|(_, holds)| *holds).map(|(suspicion, _)| suspicion).collect()
    }
}
