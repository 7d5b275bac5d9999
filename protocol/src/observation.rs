//! Observations: what a device said, in the product's own words, whatever ecosystem it speaks.

use serde::{Deserialize, Serialize};

/// What an observation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An emergency press.
    Sos,
    /// A press that asks for life help or says "I'm fine", on a device of its own.
    Assistance,
    /// A person has fallen.
    Fall,
    /// A sensor suspects a fall ("maybe", "warning", "low posture").
    FallWarning,
    /// Movement seen by an infrared sensor.
    Motion,
    /// A person is in the room, moving or not.
    Presence,
    /// A door, window or drawer.
    Contact,
    /// A bed or chair pad.
    Bed,
    /// Water where none should be.
    Water,
    /// Smoke.
    Smoke,
    /// Combustible gas.
    Gas,
    /// Carbon monoxide.
    Co,
    /// Vibration or shock.
    Vibration,
    /// A device's case was opened.
    Tamper,
    /// Battery level or low-battery flag.
    Battery,
    /// Radio link quality.
    Link,
    /// A device or radio bridge is reachable or not.
    Availability,
    /// A caregiver's check-in or check-out.
    Visit,
    /// The home's mains supply: active while it is there, clear while it is not.
    Mains,
}

impl Kind {
    /// Whether a message of this kind must be on disk before it is acknowledged.
    pub fn is_life_safety(self) -> bool {
        match self {
            Self::Sos
            | Self::Assistance
            | Self::Fall
            | Self::FallWarning
            | Self::Smoke
            | Self::Gas
            | Self::Co
            | Self::Water
            | Self::Visit
            | Self::Mains => true,
            Self::Motion
            | Self::Presence
            | Self::Contact
            | Self::Bed
            | Self::Vibration
            | Self::Tamper
            | Self::Battery
            | Self::Link
            | Self::Availability => false,
        }
    }
}

/// What the observation says. Numbers are whole, so that a reading is the same in every encoding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// The thing observed is happening: pressed, moving, present, smoke, tampered, occupied.
    Active,
    /// It is not, or no longer, happening.
    Clear,
    /// A contact is open.
    Open,
    /// A contact is closed.
    Closed,
    /// A battery's level in percent, 0–100.
    Percent(u8),
    /// A battery is low.
    Low,
    /// A battery is not low.
    Normal,
    /// A device or bridge is reachable.
    Online,
    /// A device or bridge is not reachable.
    Offline,
    /// A raw level, such as link quality 0–255 or dBm.
    Level(i32),
    /// Of a suspected fall: the person is seen standing or walking.
    Upright,
}

/// One thing that one message says about one device.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Observation {
    /// What it is about.
    pub kind: Kind,
    /// The device as its ecosystem names it; for Zigbee2MQTT the friendly name.
    pub device: String,
    /// The message key it was read from, such as `occupancy`; with `device` it names a state.
    pub key: String,
    /// What it says.
    pub value: Reading,
}
