//! One elder's days: where they are and what they do, and what a home's sensors would notice of it.
//!
//! Pure and repeatable: the same seed and habits live the same days. It knows rooms, never devices.

use std::collections::VecDeque;
use std::time::Duration;

use crate::dice::Dice;

mod day;
mod senses;

pub use day::{Doing, Stay};

/// A room of the home, as far as the resident's day needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// Where the front door is, and what lies between all rooms.
    Hall,
    /// Bedroom.
    Bedroom,
    /// Bathroom with the toilet.
    Bathroom,
    /// Kitchen.
    Kitchen,
    /// Living room.
    Living,
}

impl Room {
    /// Every room.
    pub const ALL: [Self; 5] = [Self::Hall, Self::Bedroom, Self::Bathroom, Self::Kitchen, Self::Living];

    /// Its name in scenarios and settings.
    pub fn word(self) -> &'static str {
        match self {
            Self::Hall => "hall",
            Self::Bedroom => "bedroom",
            Self::Bathroom => "bathroom",
            Self::Kitchen => "kitchen",
            Self::Living => "living room",
        }
    }
}

/// What a sensor could notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sign {
    /// Movement begins in a room.
    Moves(Room),
    /// The room's sensor has seen no movement for its hold time.
    Still(Room),
    /// The front door opens.
    DoorOpens,
    /// The front door closes.
    DoorCloses,
    /// Somebody lies down in bed.
    LiesDown,
    /// They get up.
    GetsUp,
}

/// A sign at its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LifeSign {
    /// Time since midnight of the first day.
    pub at: Duration,
    /// What could be noticed.
    pub sign: Sign,
}

/// How one elder lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Habits {
    /// Usual time of waking, since midnight.
    pub wakes_at: Duration,
    /// Usual time of going to bed, since midnight.
    pub sleeps_at: Duration,
    /// How often a day has a morning out, percent; an afternoon out is half as likely.
    pub goes_out_percent: u64,
    /// How often a day has a nap, percent.
    pub naps_percent: u64,
    /// How often a day has a visitor, percent.
    pub visitor_percent: u64,
    /// Trips to the toilet in a night, at most.
    pub night_trips_max: u64,
    /// Whether a pet walks about, day and night.
    pub pet: bool,
    /// When the elder collapses and does nothing more, since midnight of the first day.
    pub collapses_at: Option<Duration>,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            wakes_at: Duration::from_secs(6 * 3600 + 1800),
            sleeps_at: Duration::from_secs(21 * 3600 + 1800),
            goes_out_percent: 60,
            naps_percent: 70,
            visitor_percent: 25,
            night_trips_max: 3,
            pet: false,
            collapses_at: None,
        }
    }
}

/// An elder who lives day after day: an endless iterator of signs in order of time.
#[derive(Debug, Clone)]
pub struct Resident {
    habits: Habits,
    seed: u64,
    day: u64,
    ready: VecDeque<LifeSign>,
    later: Vec<LifeSign>,
    senses: senses::Senses,
}

impl Resident {
    /// An elder asleep at midnight of the first day.
    pub fn new(habits: Habits, seed: u64) -> Self {
        Self { habits, seed, day: 0, ready: VecDeque::new(), later: Vec::new(), senses: senses::Senses::default() }
    }

    /// The plan of one day, from midnight to midnight; day 0 is the first.
    pub fn plan(&self, day: u64) -> Vec<Stay> {
        day::plan(&self.habits, &mut Dice::named(self.seed, &format!("plan of day {day}")))
    }

    fn live_a_day(&mut self) {
        let start = Duration::from_secs(self.day.saturating_mul(86_400));
        let mut dice = Dice::named(self.seed, &format!("steps of day {}", self.day));
        let plan = self.plan(self.day);
        let mut signs = std::mem::take(&mut self.later);
        signs.extend(self.senses.notice(&plan, &self.habits, start, &mut dice));
        signs.sort();
        self.day += 1;
        let midnight = start + Duration::from_secs(86_400);
        let tonight = signs.partition_point(|sign| sign.at < midnight);
        self.later = signs.split_off(tonight);
        self.ready = signs.into();
    }

    /// Whether nothing will ever happen again: a collapsed elder without a pet.
    fn is_over(&self) -> bool {
        let start = Duration::from_secs(self.day.saturating_mul(86_400));
        self.later.is_empty() && !self.habits.pet && self.habits.collapses_at.is_some_and(|at| at < start)
    }
}

impl Iterator for Resident {
    type Item = LifeSign;

    fn next(&mut self) -> Option<LifeSign> {
        while self.ready.is_empty() {
            if self.is_over() {
                return None;
            }
            self.live_a_day();
        }
        self.ready.pop_front()
    }
}

#[cfg(test)]
mod tests;
