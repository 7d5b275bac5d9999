//! A whole home's time: the resident's signs told by the devices that would notice them, and every
//! device's own routine reports. Pure: the caller asks what comes next and waits as it likes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::device::{Device, Happening, Model};
use crate::dice::Dice;
use crate::resident::{Habits, LifeSign, Resident, Room, Sign};

/// How often a device reports in with nothing new, seconds: between the two.
const BEAT_SECS: (u64, u64) = (3 * 3600, 5 * 3600);

/// Something that happens to a device of the home in the course of the day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// Time since midnight of the first day.
    pub at: Duration,
    /// Friendly name.
    pub device: String,
    /// What happens.
    pub what: Happening,
}

/// Which device notices what.
#[derive(Debug, Clone)]
struct Sensor {
    name: String,
    model: Model,
    room: Option<Room>,
    exit: bool,
}

/// A home living on: an endless iterator of occurrences in order of time.
#[derive(Debug, Clone)]
pub struct Life {
    resident: Option<std::iter::Peekable<Resident>>,
    sensors: Vec<Sensor>,
    beats: BTreeSet<(Duration, String)>,
    dice: Dice,
    ready: Vec<Occurrence>,
}

impl Life {
    /// A resident with these habits among these devices; a contact named `exit_doors` is the front door.
    ///
    /// A device in a room the resident does not know, or in none, only reports in.
    pub fn new<'d>(
        habits: Habits,
        devices: impl IntoIterator<Item = &'d Device>,
        exit_doors: &[String],
        seed: u64,
    ) -> Self {
        let mut dice = Dice::named(seed, "routine reports");
        let sensors: Vec<Sensor> = devices
            .into_iter()
            .map(|device| Sensor {
                name: device.name().to_owned(),
                model: device.model(),
                room: Room::ALL.into_iter().find(|room| device.room() == Some(room.word())),
                exit: exit_doors.iter().any(|name| name == device.name()),
            })
            .collect();
        let beats = sensors.iter().map(|s| (dice.secs(0, BEAT_SECS.1), s.name.clone())).collect();
        Self { resident: Some(Resident::new(habits, seed).peekable()), sensors, beats, dice, ready: Vec::new() }
    }

    /// The same home with nobody in it: devices only report in.
    #[must_use]
    pub fn without_resident(mut self) -> Self {
        self.resident = None;
        self
    }

    /// Lets pass unseen everything before `at`.
    ///
    /// Returns the happenings that say how things stand then: an open door, a person in bed.
    pub fn skip_to(&mut self, at: Duration) -> Vec<Occurrence> {
        let mut standing: BTreeMap<String, Occurrence> = BTreeMap::new();
        while self.next_at().is_some_and(|next| next < at) {
            let Some(occurrence) = self.next() else { break };
            if occurrence.what != Happening::Beat {
                standing.insert(occurrence.device.clone(), occurrence);
            }
        }
        standing.into_values().map(|occurrence| Occurrence { at, ..occurrence }).collect()
    }

    /// When the next occurrence comes.
    pub fn next_at(&mut self) -> Option<Duration> {
        if let Some(ready) = self.ready.last() {
            return Some(ready.at);
        }
        let sign = self.resident.as_mut().and_then(|resident| resident.peek()).map(|sign| sign.at);
        let beat = self.beats.first().map(|(at, _)| *at);
        sign.into_iter().chain(beat).min()
    }

    fn tell(&self, sign: LifeSign) -> Vec<Occurrence> {
        let told = self.sensors.iter().filter_map(|sensor| {
            let what = sensor.notices(sign.sign)?;
            Some(Occurrence { at: sign.at, device: sensor.name.clone(), what })
        });
        told.collect()
    }
}

impl Sensor {
    fn notices(&self, sign: Sign) -> Option<Happening> {
        let sees = |room: Room| {
            let model =
                matches!(self.model, Model::Motion | Model::FallRadar | Model::PostureRadar | Model::PresenceRadar);
            model && self.room == Some(room)
        };
        let door = self.exit && self.model == Model::Contact;
        let bed = self.model == Model::BedPad;
        match sign {
            Sign::Moves(room) => sees(room).then_some(Happening::Moved),
            Sign::Still(room) => sees(room).then_some(Happening::Still),
            Sign::DoorOpens => door.then_some(Happening::Opened),
            Sign::DoorCloses => door.then_some(Happening::Closed),
            Sign::LiesDown => bed.then_some(Happening::LainDown),
            Sign::GetsUp => bed.then_some(Happening::GotUp),
        }
    }
}

impl Iterator for Life {
    type Item = Occurrence;

    fn next(&mut self) -> Option<Occurrence> {
        loop {
            if let Some(ready) = self.ready.pop() {
                return Some(ready);
            }
            let sign = self.resident.as_mut().and_then(|resident| resident.peek()).map(|sign| sign.at);
            let beat = self.beats.first().map(|(at, _)| *at);
            match (sign, beat) {
                (None, None) => return None,
                (Some(sign), beat) if beat.is_none_or(|beat| sign <= beat) => {
                    let sign = self.resident.as_mut()?.next()?;
                    self.ready = self.tell(sign);
                    self.ready.reverse();
                }
                _ => {
                    let (at, device) = self.beats.pop_first()?;
                    let next = at + self.dice.secs(BEAT_SECS.0, BEAT_SECS.1);
                    self.beats.insert((next, device.clone()));
                    return Some(Occurrence { at, device, what: Happening::Beat });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
