//! A sign of life: a message that tells of somebody moving, and whether a pet may have been that somebody.
//!
//! In a home with pets every motion sensor may be seeing one. All of them together are then one sensor, and life
//! for as long as one sensor alone is; what only a person does, a door, a pad, a button, begins that time anew.

use protocol::observation::{Kind, Reading};

use super::HomeRules;
use crate::decode::Role;

/// The one sensor that all those count as which a pet sets off.
const MOTION: &str = "motion";

/// A message that tells of somebody moving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sign<'a> {
    /// The device.
    pub device: &'a str,
    /// Its room, where configured.
    pub room: Option<&'a str>,
    /// Whether it is a door that leads out.
    pub exit_door: bool,
    /// Whether a pet may have been seen.
    pub of_pet: bool,
}

impl<'a> Sign<'a> {
    /// What a device of the home tells.
    pub fn of(kind: Kind, device: &'a str, rules: &'a HomeRules) -> Self {
        Self { of_pet: rules.may_be_pet(kind), ..Self::by_hand(device, rules) }
    }

    /// What the elder did with a device.
    pub fn by_hand(device: &'a str, rules: &'a HomeRules) -> Self {
        let place = rules.devices.get(device);
        Self {
            device,
            room: place.and_then(|place| place.room.as_deref()),
            exit_door: place.is_some_and(|place| place.role == Some(Role::ExitDoor)),
            of_pet: false,
        }
    }

    /// The sensor that it counts as, for rules that ask whether a second one speaks.
    pub fn counts_as(&self) -> &'a str {
        if self.of_pet { MOTION } else { self.device }
    }
}

impl HomeRules {
    /// Whether a pet of the home can cause what a sensor of this kind says. It opens no door, lies on no pad that
    /// weighs, and presses nothing.
    pub fn may_be_pet(&self, kind: Kind) -> bool {
        self.daily_life.inactivity.pets && kind == Kind::Motion
    }
}

/// Whether a message tells of somebody moving. That motion ended tells nothing; that a bed was left or a door shut
/// does, where it was known before: the first word of a sensor that finds it at rest is news of the sensor alone.
pub fn tells_of_life(kind: Kind, value: &Reading, known_before: bool) -> bool {
    match kind {
        Kind::Motion | Kind::Presence | Kind::Vibration | Kind::Assistance => *value == Reading::Active,
        Kind::Contact | Kind::Bed => known_before || !matches!(value, Reading::Closed | Reading::Clear),
        Kind::Sos
        | Kind::Fall
        | Kind::FallWarning
        | Kind::Water
        | Kind::Smoke
        | Kind::Gas
        | Kind::Co
        | Kind::Tamper
        | Kind::Battery
        | Kind::Link
        | Kind::Mains
        | Kind::Availability
        | Kind::Visit => false,
    }
}
