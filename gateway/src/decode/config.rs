//! What the decoder is told about a home: its devices' roles and its own rules.

use std::collections::{BTreeMap, BTreeSet};

use protocol::observation::Kind;

use super::memory::Cache;
use super::rule::GenericRule;

/// What a device is for, by the installer's word; it overrides the class its bridge lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Every gesture on it is an emergency press.
    Sos,
    /// Every gesture on it asks for help with daily life.
    Assistance,
    /// Every gesture on it says "I'm fine" and cancels a pre-alarm.
    ImFine,
    /// It sees a person fall.
    Fall,
    /// It sees movement.
    Motion,
    /// It knows whether somebody is in the room.
    Presence,
    /// A door inside the home, a window or a drawer.
    Door,
    /// A door that leads out of the home.
    ExitDoor,
    /// A bed or chair pad.
    Bed,
    /// A leak sensor.
    Water,
    /// A smoke detector.
    Smoke,
    /// A detector of combustible gas.
    Gas,
    /// A detector of carbon monoxide.
    Co,
    /// A vibration sensor.
    Vibration,
    /// It says nothing about the elder; nothing of it is read.
    Ignore,
    /// An input that tells whether the home has mains supply.
    Mains,
    /// A contact that is active while a case is open or a wire is faulty.
    Tamper,
    /// A contact that is active while a battery is low.
    Battery,
}

impl Role {
    /// Each role's word in a configuration.
    pub const WORDS: &[(&str, Self)] = &[
        ("sos", Self::Sos),
        ("assistance", Self::Assistance),
        ("im_fine", Self::ImFine),
        ("fall", Self::Fall),
        ("motion", Self::Motion),
        ("presence", Self::Presence),
        ("door", Self::Door),
        ("exit_door", Self::ExitDoor),
        ("bed", Self::Bed),
        ("water", Self::Water),
        ("smoke", Self::Smoke),
        ("gas", Self::Gas),
        ("co", Self::Co),
        ("vibration", Self::Vibration),
        ("mains", Self::Mains),
        ("tamper", Self::Tamper),
        ("battery", Self::Battery),
        ("ignore", Self::Ignore),
    ];

    /// Its word in a configuration.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, role)| *role == self).map_or("", |(word, _)| word)
    }

    /// Whether its device is one that a person presses.
    pub fn is_button(self) -> bool {
        matches!(self, Self::Sos | Self::Assistance | Self::ImFine)
    }

    /// What its device's own signal is an observation of; nothing for [`Role::Ignore`].
    pub fn kind(self) -> Option<Kind> {
        match self {
            Self::Sos => Some(Kind::Sos),
            Self::Assistance | Self::ImFine => Some(Kind::Assistance),
            Self::Fall => Some(Kind::Fall),
            Self::Motion => Some(Kind::Motion),
            Self::Presence => Some(Kind::Presence),
            Self::Door | Self::ExitDoor => Some(Kind::Contact),
            Self::Bed => Some(Kind::Bed),
            Self::Water => Some(Kind::Water),
            Self::Smoke => Some(Kind::Smoke),
            Self::Gas => Some(Kind::Gas),
            Self::Co => Some(Kind::Co),
            Self::Vibration => Some(Kind::Vibration),
            Self::Mains => Some(Kind::Mains),
            Self::Tamper => Some(Kind::Tamper),
            Self::Battery => Some(Kind::Battery),
            Self::Ignore => None,
        }
    }
}

/// What is done with a device that is not configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownDevices {
    /// Every device counts as known.
    Accept,
    /// One that joined the home's own network is read and raises as unregistered; any other is rejected.
    JoinedOnly,
}

/// What the decoder is told about a home.
#[derive(Debug, Clone)]
pub struct DecoderConfig {
    /// Base topic of Zigbee2MQTT, without a slash at its end.
    pub zigbee2mqtt_base: String,
    /// Roles by device: Zigbee2MQTT friendly name, `model/id` of rtl_433, address of a BLE device.
    pub devices: BTreeMap<String, Role>,
    /// Devices whose own signal reads the other way round, as a walk test finds for some bed pads.
    pub inverted: BTreeSet<String>,
    /// Rules for whatever else speaks MQTT.
    pub rules: Vec<GenericRule>,
    /// A latched SOS key repeated so soon after its bridge's start may be the bridge's cache, milliseconds.
    pub latched_key_ms: u64,
    /// What is done with devices that are not configured.
    pub unknown_devices: UnknownDevices,
}

impl DecoderConfig {
    /// No home's configuration: every device counts as known, by its class.
    pub fn without_home() -> Self {
        Self {
            zigbee2mqtt_base: protocol::topics::ZIGBEE2MQTT_BASE.to_owned(),
            devices: BTreeMap::new(),
            inverted: BTreeSet::new(),
            rules: Vec::new(),
            latched_key_ms: 120_000,
            unknown_devices: UnknownDevices::Accept,
        }
    }

    /// The radio bridge as one that may be repeating its cache.
    pub(super) fn cache(&self) -> Cache<'_> {
        Cache { base: &self.zigbee2mqtt_base, speaks_ms: self.latched_key_ms }
    }
}
