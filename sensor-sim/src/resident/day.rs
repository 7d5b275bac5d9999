//! The plan of one day: a row of stays without gaps, from midnight to midnight.

use std::time::Duration;

use super::{Habits, Room};
use crate::dice::Dice;

/// What the elder does in a stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doing {
    /// Sleeps in bed, at night or at noon.
    Sleeps,
    /// Is busy: washing, cooking, cleaning, dressing.
    Busy,
    /// Sits: television, reading, eating.
    Sits,
    /// Sits with a visitor; two people move.
    HasVisitor,
    /// Is out of the home.
    Out,
}

/// A time in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stay {
    /// From, since midnight.
    pub from: Duration,
    /// To, since midnight.
    pub to: Duration,
    /// Where; the hall while out.
    pub room: Room,
    /// What.
    pub doing: Doing,
}

const MIDNIGHT: Duration = Duration::from_secs(86_400);

struct Planner<'d> {
    dice: &'d mut Dice,
    now: Duration,
    stays: Vec<Stay>,
}

impl Planner<'_> {
    fn stay(&mut self, room: Room, doing: Doing, length: Duration) {
        let to = (self.now + length).min(MIDNIGHT);
        if to > self.now {
            self.stays.push(Stay { from: self.now, to, room, doing });
            self.now = to;
        }
    }

    fn minutes(&mut self, room: Room, doing: Doing, low: u64, high: u64) {
        let length = self.dice.secs(low * 60, high * 60);
        self.stay(room, doing, length);
    }

    /// Sits in the living room until `until`, with trips to the toilet and for tea.
    fn pass_time(&mut self, until: Duration) {
        while self.now < until {
            let left = until - self.now;
            let sits = self.dice.secs(25 * 60, 85 * 60).min(left);
            self.stay(Room::Living, Doing::Sits, sits);
            if self.now >= until {
                break;
            }
            if self.dice.chance(55) {
                self.minutes(Room::Bathroom, Doing::Busy, 3, 8);
            } else {
                self.minutes(Room::Kitchen, Doing::Busy, 3, 12);
            }
        }
    }

    /// Sleeps until `until`, with up to `trips` to the toilet.
    fn sleep(&mut self, until: Duration, trips: u64) {
        let until = until.min(MIDNIGHT);
        for left in (1..=trips).rev() {
            let slot = until.saturating_sub(self.now).as_secs() / (left + 1);
            if slot < 1800 {
                break;
            }
            let sleeps = self.dice.secs(slot / 2, slot + slot / 2);
            self.stay(Room::Bedroom, Doing::Sleeps, sleeps);
            if self.now + Duration::from_secs(1200) < until {
                self.minutes(Room::Bathroom, Doing::Busy, 3, 7);
            }
        }
        let rest = until.saturating_sub(self.now);
        self.stay(Room::Bedroom, Doing::Sleeps, rest);
    }

    fn around(&mut self, usual: Duration, minutes: u64) -> Duration {
        usual.saturating_sub(Duration::from_secs(minutes * 60)) + self.dice.secs(0, minutes * 120)
    }
}

fn hours(hours: u64, minutes: u64) -> Duration {
    Duration::from_secs(hours * 3600 + minutes * 60)
}

pub(super) fn plan(habits: &Habits, dice: &mut Dice) -> Vec<Stay> {
    let mut day = Planner { dice, now: Duration::ZERO, stays: Vec::new() };
    let wakes = day.around(habits.wakes_at, 30);
    let trips = day.dice.between(0, habits.night_trips_max);
    day.sleep(wakes, trips);
    day.minutes(Room::Bathroom, Doing::Busy, 8, 20);
    day.minutes(Room::Bedroom, Doing::Busy, 4, 12);
    day.minutes(Room::Kitchen, Doing::Busy, 12, 25);
    day.minutes(Room::Kitchen, Doing::Sits, 10, 25);
    let morning = day.now + day.dice.secs(1800, 5400);
    day.pass_time(morning);
    if day.dice.chance(habits.goes_out_percent) && day.now < hours(10, 45) {
        day.minutes(Room::Hall, Doing::Out, 35, 130);
        day.minutes(Room::Kitchen, Doing::Busy, 4, 10);
    }
    let noon = day.around(hours(11, 40), 20);
    day.pass_time(noon);
    day.minutes(Room::Kitchen, Doing::Busy, 20, 40);
    day.minutes(Room::Kitchen, Doing::Sits, 15, 30);
    if day.dice.chance(habits.naps_percent) {
        day.minutes(Room::Bathroom, Doing::Busy, 3, 6);
        day.minutes(Room::Bedroom, Doing::Sleeps, 30, 95);
    }
    let afternoon = day.around(hours(14, 45), 30);
    day.pass_time(afternoon);
    if day.dice.chance(habits.visitor_percent) {
        day.minutes(Room::Living, Doing::HasVisitor, 30, 100);
    } else if day.dice.chance(habits.goes_out_percent / 2) {
        day.minutes(Room::Hall, Doing::Out, 30, 100);
    }
    let evening = day.around(hours(17, 15), 25);
    day.pass_time(evening);
    day.minutes(Room::Kitchen, Doing::Busy, 20, 45);
    day.minutes(Room::Kitchen, Doing::Sits, 15, 30);
    let bed = day.around(habits.sleeps_at, 40).min(hours(23, 30));
    day.pass_time(bed);
    day.minutes(Room::Bathroom, Doing::Busy, 5, 15);
    day.minutes(Room::Bedroom, Doing::Busy, 3, 8);
    day.sleep(MIDNIGHT, 0);
    day.stays
}
