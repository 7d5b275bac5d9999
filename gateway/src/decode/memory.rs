//! What was known when the last record was written: folded from records alone, so that a restart of either side
//! raises nothing anew and loses nothing.

use std::collections::{BTreeMap, BTreeSet};

use protocol::observation::{Kind, Reading};
use protocol::record::{Body, DeviceListed, Stamp};
use protocol::trigger::{Reason, TriggerKind};
use serde::{Deserialize, Serialize};

use super::description::Description;

/// Most devices kept; a further one is not remembered, and so raises more often, never less.
const DEVICES_MAX: usize = 4096;

/// Most states kept of one device; a further one is not remembered, as above.
const STATES_MAX: usize = 128;

/// A counted event repeated within this is the same one, milliseconds.
const COUNTED_MS: u64 = 30_000;

/// Text and JSON form of one press lie no further apart than this.
const TWIN_MS: u64 = 2_000;

/// The key of a gesture heard as JSON.
pub(super) const ACTION: &str = "action";
/// The key of a gesture heard as plain text on the device's `/action` topic.
pub(super) const ACTION_TOPIC: &str = "action_topic";
/// The key of a bridge's own state.
pub(super) const BRIDGE_STATE: &str = "state";

/// The name under which a bridge's own state is kept.
pub(super) fn bridge_device(base: &str) -> String {
    format!("{base}/bridge")
}

/// A bridge that repeats what it has cached for some time after its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cache<'a> {
    /// Its base.
    pub(super) base: &'a str,
    /// For how long, milliseconds.
    pub(super) speaks_ms: u64,
}

/// How a key's values become edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner<'a> {
    /// A state: an edge where it differs from what is known.
    /// `cache` is the bridge that may repeat it.
    State { retain: bool, cache: Option<Cache<'a>> },
    /// A gesture per message, with its twin in the other form.
    Gesture { twin: &'a str },
    /// A radio event that repeats itself on the air: one within so many milliseconds is the same.
    Burst { quiet_ms: u64 },
    /// A counted event: the same count is the same event.
    Counted { occurrence: &'a str },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    key: String,
    kind: Kind,
    value: Reading,
    at: Stamp,
    /// Count of a counted event; empty for anything else.
    occurrence: String,
}

/// What the journal still knows of a device that has not spoken since the program started. Link quality moves with
/// every message and is no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// What it has spoken of.
    pub kinds: Vec<Kind>,
    /// Battery level, per cent.
    pub percent: Option<u8>,
    /// Whether its battery said that it is low.
    pub low: bool,
    /// When it last said something new.
    pub at: Stamp,
}

/// A device's description and last known states.
#[derive(Debug, Clone, Default)]
pub(super) struct Device {
    pub(super) description: Option<Description>,
    listing: Option<DeviceListed>,
    states: Vec<Known>,
}

impl Device {
    fn known(&self, key: &str, kind: Kind) -> Option<&Known> {
        self.states.iter().find(|known| known.kind == kind && known.key == key)
    }

    /// The last value of a key.
    pub(super) fn value(&self, key: &str, kind: Kind) -> Option<&Reading> {
        self.known(key, kind).map(|known| &known.value)
    }

    /// What its last news say of it; none of a device that never said anything.
    fn remembered(&self) -> Option<Remembered> {
        // That it is offline is its bridge's word, not its own.
        let own = self.states.iter().filter(|known| !matches!(known.kind, Kind::Visit | Kind::Availability));
        let latest = own.clone().max_by_key(|known| (known.at.wall_ms, known.at.uptime_ms))?;
        let mut remembered = Remembered { kinds: Vec::new(), percent: None, low: false, at: latest.at };
        for known in own {
            remembered.kinds.push(known.kind);
            match (known.kind, &known.value) {
                (Kind::Battery, Reading::Percent(percent)) => remembered.percent = Some(*percent),
                (Kind::Battery, Reading::Low) => remembered.low = true,
                _ => {}
            }
        }
        remembered.kinds.sort_unstable();
        remembered.kinds.dedup();
        Some(remembered)
    }

    /// The listing folded last.
    pub(super) fn listing(&self) -> Option<&DeviceListed> {
        self.listing.as_ref()
    }
}

/// Everything folded.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    devices: BTreeMap<String, Device>,
    listed_bases: BTreeSet<String>,
}

/// The folded state, for a journal's checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DecoderSnapshot {
    /// The first form.
    V1(SnapshotV1),
}

/// [`DecoderSnapshot::V1`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SnapshotV1 {
    listings: Vec<DeviceListed>,
    states: Vec<(String, Vec<Known>)>,
}

impl Memory {
    pub(super) fn device(&self, device: &str) -> Option<&Device> {
        self.devices.get(device)
    }

    /// Every device that has said something, by name.
    pub(super) fn remembered(&self) -> impl Iterator<Item = (&str, Remembered)> {
        self.devices.iter().filter_map(|(name, device)| Some((name.as_str(), device.remembered()?)))
    }

    /// Whether a bridge's whole list was ever folded.
    pub(super) fn is_listed(&self, base: &str) -> bool {
        self.listed_bases.contains(base)
    }

    /// Whether a value changes what is known.
    pub(super) fn is_edge(
        &self,
        device: Option<&Device>,
        (key, kind): (&str, Kind),
        value: &Reading,
        now: &Stamp,
        manner: Manner,
    ) -> bool {
        let known = device.and_then(|device| device.known(key, kind));
        match manner {
            Manner::Gesture { twin } => {
                !device.and_then(|device| device.known(twin, kind)).is_some_and(|other| within(&other.at, now, TWIN_MS))
            }
            Manner::Burst { quiet_ms } => {
                !known.is_some_and(|known| known.value == *value && within(&known.at, now, quiet_ms))
            }
            Manner::Counted { occurrence } => {
                // Counts start again at a power cut and come round: only the same one at once is the same event.
                let same = |known: &&Known| known.value == *value && known.occurrence == occurrence;
                !known.filter(same).is_some_and(|known| within(&known.at, now, COUNTED_MS))
            }
            Manner::State { retain, cache } => match known {
                None => true,
                Some(known) if kind == Kind::Sos && *value == Reading::Active && known.value == Reading::Active => {
                    !retain && !cache.is_some_and(|cache| self.is_cache_speaking(cache, now))
                }
                Some(known) => differs(&known.value, value),
            },
        }
    }

    /// Whether a bridge started so lately that it is still publishing its cache.
    pub(super) fn is_cache_speaking(&self, cache: Cache<'_>, now: &Stamp) -> bool {
        self.devices
            .get(&bridge_device(cache.base))
            .and_then(|bridge| bridge.known(BRIDGE_STATE, Kind::Availability))
            .is_some_and(|known| known.value == Reading::Online && within(&known.at, now, cache.speaks_ms))
    }

    /// Folds a record.
    pub(super) fn apply(&mut self, at: &Stamp, body: &Body) {
        match body {
            Body::Observed(seen) => self.keep(&seen.device, &seen.key, seen.kind, seen.value.clone(), at),
            Body::Trigger(trigger) => {
                if let Some((kind, value)) = observed_by(trigger.kind, trigger.reason) {
                    self.keep(&trigger.device, &trigger.key, kind, value, at);
                }
            }
            Body::PreAlarm(alarm) => {
                if let Some((kind, value)) = observed_by(alarm.kind, alarm.reason) {
                    self.keep(&alarm.device, &alarm.key, kind, value, at);
                }
            }
            Body::Mains(mains) => {
                let value = if mains.present { Reading::Active } else { Reading::Clear };
                self.keep(&mains.device, &mains.key, Kind::Mains, value, at);
            }
            Body::DeviceListed(listing) => self.list(listing),
            Body::Started(_)
            | Body::Stopped
            | Body::Cancelled(_)
            | Body::Visit(_)
            | Body::Reassured(_)
            | Body::Played(_)
            | Body::ContactsCalled(_)
            | Body::ContactTold(_)
            | Body::Resolved(_)
            | Body::Link { .. }
            | Body::Delivered(_)
            | Body::SaidFine(_)
            | Body::Restored(_)
            | Body::Tested(_)
            | Body::Concluded(_)
            | Body::SegmentRetired(_)
            | Body::Missing(_) => {}
        }
    }

    fn list(&mut self, listing: &DeviceListed) {
        let description = Description::decode(&listing.description);
        if description.listed {
            self.listed_bases.insert(listing.base.clone());
        }
        if let Some(device) = self.room_for(&listing.device) {
            device.description = Some(description);
            device.listing = Some(listing.clone());
        }
    }

    fn keep(&mut self, device: &str, key: &str, kind: Kind, value: Reading, at: &Stamp) {
        let (key, occurrence) = key.split_once('@').unwrap_or((key, ""));
        let Some(device) = self.room_for(device) else { return };
        let known = Known { key: key.to_owned(), kind, value, at: *at, occurrence: occurrence.to_owned() };
        if let Some(place) = device.states.iter_mut().find(|known| known.kind == kind && known.key == key) {
            *place = known;
        } else if device.states.len() < STATES_MAX {
            device.states.push(known);
        }
    }

    fn room_for(&mut self, device: &str) -> Option<&mut Device> {
        if !self.devices.contains_key(device) {
            if self.devices.len() >= DEVICES_MAX {
                return None;
            }
            self.devices.insert(device.to_owned(), Device::default());
        }
        self.devices.get_mut(device)
    }

    pub(super) fn snapshot(&self) -> DecoderSnapshot {
        DecoderSnapshot::V1(SnapshotV1 {
            listings: self.devices.values().filter_map(|device| device.listing.clone()).collect(),
            states: self
                .devices
                .iter()
                .filter(|(_, device)| !device.states.is_empty())
                .map(|(name, device)| (name.clone(), device.states.clone()))
                .collect(),
        })
    }

    pub(super) fn restore(snapshot: DecoderSnapshot) -> Self {
        let DecoderSnapshot::V1(snapshot) = snapshot;
        let mut memory = Self::default();
        for listing in &snapshot.listings {
            memory.list(listing);
        }
        for (name, states) in snapshot.states {
            if let Some(device) = memory.room_for(&name) {
                device.states = states;
            }
        }
        memory
    }
}

/// Whether `now` is surely no more than so long after `then`; over a reboot nothing is sure.
fn within(then: &Stamp, now: &Stamp, limit_ms: u64) -> bool {
    then.boot == now.boot && now.uptime_ms.checked_sub(then.uptime_ms).is_some_and(|passed| passed <= limit_ms)
}

/// Whether a value is news. Numbers that waver are not: a battery is news by five points or at 20 and 10 per cent,
/// a link by leaving its band (weak under 30, fair under 80, good) by ten.
fn differs(known: &Reading, value: &Reading) -> bool {
    match (known, value) {
        (Reading::Percent(known), Reading::Percent(value)) => {
            let band = |percent: u8| (u8::from(percent > 10), u8::from(percent > 20));
            known.abs_diff(*value) >= 5 || band(*known) != band(*value)
        }
        (Reading::Level(known), Reading::Level(value)) => {
            let band = |level: i32| {
                if level < 30 {
                    0
                } else if level < 80 {
                    1
                } else {
                    2
                }
            };
            known.abs_diff(*value) >= 10 && band(*known) != band(*value)
        }
        (known, value) => known != value,
    }
}

/// What a trigger's device said, where the trigger stands for a message and not for a deadline.
fn observed_by(kind: TriggerKind, reason: Reason) -> Option<(Kind, Reading)> {
    match reason {
        Reason::BatteryLow => return Some((Kind::Battery, Reading::Low)),
        Reason::CaseOpened | Reason::WireCut => return Some((Kind::Tamper, Reading::Active)),
        Reason::ButtonPressed
        | Reason::SosKeySet
        | Reason::SosKeyRepeated
        | Reason::UnregisteredDevice
        | Reason::SensorSaysFall
        | Reason::SecondFall
        | Reason::SensorAlarm
        | Reason::HazardContinues
        | Reason::AssistancePressed => {}
        Reason::FallWarningNotCleared
        | Reason::PreAlarmNotCancelled
        | Reason::NoMotionAfterFall
        | Reason::PowerLostDuringPreAlarm
        | Reason::ElderCancelled
        | Reason::DeviceSilent
        | Reason::CentreNotReached
        | Reason::CheckInMissed
        | Reason::CheckInMissedClockUnknown
        | Reason::RadioBridgeSilent
        | Reason::OnlySensorsSilent
        | Reason::SensorStuck
        | Reason::LinkWeak
        | Reason::MainsLost
        | Reason::MainsLostLong
        | Reason::GatewaySilent
        | Reason::ProofOverdue
        | Reason::NoSignOfLife
        | Reason::NothingByMorning
        | Reason::OutTooLong
        | Reason::OneSensorAlone
        | Reason::BathroomTooLong
        | Reason::BedTooLong
        | Reason::NoContact
        | Reason::SignOfLife
        | Reason::LeftByExitDoor
        | Reason::CameHome
        | Reason::LoneSensorInEmptyHome
        | Reason::PlanOver
        | Reason::CaregiverLeft
        | Reason::VisitTooLong => return None,
    }
    let kind = match kind {
        TriggerKind::Sos => Kind::Sos,
        TriggerKind::Fall => Kind::Fall,
        TriggerKind::Smoke => Kind::Smoke,
        TriggerKind::Co => Kind::Co,
        TriggerKind::Gas => Kind::Gas,
        TriggerKind::Water => Kind::Water,
        TriggerKind::Assistance => Kind::Assistance,
        TriggerKind::Inactivity | TriggerKind::MissedCheckIn | TriggerKind::Technical | TriggerKind::Welfare => {
            return None;
        }
    };
    Some((kind, Reading::Active))
}
