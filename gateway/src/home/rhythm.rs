//! The learned rhythm of a home: how long it may be quiet at each hour before somebody should ask.
//!
//! After Cuddihy et al. (2007), whose alert line is a quantile of inactive time by time of day plus a
//! margin. Three things differ. Time at home and time out have a line each, so that a working day out
//! does not teach the home patience with a person on the floor. Working days at home have a line of their
//! own, so that Sunday's rising does not excuse Monday's. And the margin is a return level: the
//! line is the longest quiet seen at that hour, raised (or lowered) by what the tail of an exponential
//! of its size needs so that only [`RhythmRules::false_alarms_a_year`] natural quiets are expected to pass it, half of
//! them at home and half out; with more days seen the margin shrinks by itself. All arithmetic is whole numbers, so
//! that folding the same records gives the same line everywhere.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::local_time::DAY_MINUTES;

/// Width of a step of the line, minutes.
const STEP_MINUTES: i64 = 15;
const DAY: i64 = DAY_MINUTES as i64;
/// Steps of a day.
const STEPS: usize = DAY_MINUTES as usize / STEP_MINUTES as usize;
/// Only so long is remembered: habits change with the seasons.
const HISTORY_MINUTES: i64 = 28 * DAY;
/// Before so many days the defaults hold.
const LEARNING_MINUTES: i64 = 3 * DAY;
/// Before so many working days in the history they are judged as any day.
const WORKING_DAYS_MIN: i64 = 4;
/// Shorter quiets say nothing.
const QUIET_MINUTES_MIN: u32 = 60;
/// A longer one is taken for this long.
const QUIET_MINUTES_MAX: u32 = 14 * DAY_MINUTES as u32;
/// Quiets remembered; beyond it the oldest is forgotten.
const QUIETS_MAX: usize = 800;
/// The least part of the line that any budget leaves, thousandths.
const FACTOR_PERMILLE_MIN: i64 = 300;

/// What the rhythm is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RhythmRules {
    /// How many natural quiets a year may pass the limits, both sides together; the main setting.
    pub false_alarms_a_year: u32,
    /// By how much the hours of rising and resting vary, minutes.
    pub hours_vary_minutes: u32,
    /// Scale of the tail beyond the longest quiet at home, thousandths of it.
    pub tail_permille: u32,
}

/// Which line a quiet belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Side {
    /// The elder was at home.
    AtHome,
    /// The elder was presumed out.
    Out,
}

impl Side {
    /// How far a quiet speaks for the hours beside it, minutes: getting up varies less than coming home.
    fn reach_minutes(self, rules: &RhythmRules) -> i64 {
        match self {
            Self::AtHome => i64::from(rules.hours_vary_minutes),
            Self::Out => 240.max(i64::from(rules.hours_vary_minutes)),
        }
    }

    /// Scale of the tail beyond the longest quiet, thousandths of the line: absences vary more.
    fn tail_permille(self, rules: &RhythmRules) -> i64 {
        match self {
            Self::AtHome => i64::from(rules.tail_permille),
            Self::Out => 300.max(i64::from(rules.tail_permille)),
        }
    }

    /// Waited beyond the line in any case, minutes.
    fn grace_minutes(self) -> u32 {
        match self {
            Self::AtHome => 30,
            Self::Out => 60,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Quiet {
    side: Side,
    /// Local minutes since 1970.
    began: i64,
    minutes: u32,
}

impl Quiet {
    /// Local minute since 1970 at which life ended it.
    fn end(&self) -> i64 {
        self.began + i64::from(self.minutes)
    }
}

/// What a home has learned of its own quiet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rhythm {
    /// Local minute of the first sign of life.
    since: Option<i64>,
    /// Oldest first.
    quiets: VecDeque<Quiet>,
    /// Longest quiet seen around each step of the day, minutes; empty until one was seen.
    at_home: Vec<u32>,
    /// The same of those at home that ended on a working day.
    working_days: Vec<u32>,
    out: Vec<u32>,
}

impl Rhythm {
    /// Folds that life was seen at this local minute.
    pub fn lived(&mut self, minute: i64) {
        self.since.get_or_insert(minute);
    }

    /// Folds a quiet that life ended.
    pub fn learn(&mut self, side: Side, began: i64, minutes: u32, rules: &RhythmRules) {
        if minutes < QUIET_MINUTES_MIN {
            return;
        }
        let minutes = minutes.min(QUIET_MINUTES_MAX);
        let now = began + i64::from(minutes);
        self.quiets.push_back(Quiet { side, began, minutes });
        let recent = |quiet: &Quiet| (0..HISTORY_MINUTES).contains(&(now - quiet.end()));
        // A clock that was set back leaves quiets of the future; they go as the old ones do.
        self.quiets.retain(recent);
        while self.quiets.len() > QUIETS_MAX {
            self.quiets.pop_front();
        }
        self.redraw(rules);
    }

    /// Draws the lines from the quiets that are remembered, as after each quiet and when a state is restored, whose
    /// program may have had other rules.
    pub fn redraw(&mut self, rules: &RhythmRules) {
        self.at_home = self.line(Side::AtHome, rules, |_| true);
        self.working_days = self.line(Side::AtHome, rules, |quiet| is_working_day(quiet.end()));
        self.out = self.line(Side::Out, rules, |_| true);
    }

    fn line(&self, side: Side, rules: &RhythmRules, counts: impl Fn(&Quiet) -> bool) -> Vec<u32> {
        let mut line = Vec::new();
        let reach = side.reach_minutes(rules);
        for quiet in self.quiets.iter().filter(|quiet| quiet.side == side && counts(quiet)) {
            line.resize(STEPS, 0);
            let end = quiet.end();
            let first = (quiet.began - reach).div_euclid(STEP_MINUTES);
            let last = (end + reach).div_euclid(STEP_MINUTES);
            // Further back than a day the same hours say less than later ones do.
            for step in first.max(last - STEPS as i64 + 1)..=last {
                let until = end.min(step * STEP_MINUTES + STEP_MINUTES / 2 + reach);
                let value = u32::try_from(until - quiet.began).unwrap_or(0);
                if let Some(longest) = line.get_mut(step_of_day(step)) {
                    *longest = value.max(*longest);
                }
            }
        }
        line
    }

    /// How long a quiet that began at this local minute may last, minutes; none while nothing is learned.
    ///
    /// It lies within `least` and `most`.
    pub fn limit_minutes(&self, side: Side, began: i64, (least, most): (u32, u32), rules: &RhythmRules) -> Option<u32> {
        let line = match side {
            Side::AtHome => &self.at_home,
            Side::Out => &self.out,
        };
        let since = self.since?;
        let seen = began - since;
        if seen < LEARNING_MINUTES || line.is_empty() {
            return None;
        }
        let factor = factor_permille(seen.min(HISTORY_MINUTES).unsigned_abs(), rules, side);
        let working = self.working_days(side, since, began, rules);
        let mut minutes = least;
        while minutes < most {
            let at = began + i64::from(minutes);
            let longest = |line: &[u32]| line.get(step_of_day(at.div_euclid(STEP_MINUTES))).copied().unwrap_or(0);
            let any_day = scaled(longest(line), factor);
            let usual = working
                .filter(|_| is_working_day(at))
                .map_or(any_day, |(line, factor)| any_day.min(scaled(longest(line), factor)));
            if minutes >= usual.saturating_add(side.grace_minutes()) {
                return Some(minutes);
            }
            minutes += STEP_MINUTES.unsigned_abs() as u32;
        }
        Some(most)
    }

    /// The line of the working days at home and its factor, once enough of them were seen.
    fn working_days(&self, side: Side, since: i64, began: i64, rules: &RhythmRules) -> Option<(&[u32], i64)> {
        let first = since.max(began - HISTORY_MINUTES).div_euclid(DAY);
        let days = (first..began.div_euclid(DAY)).filter(|day| is_working_day(day * DAY)).count();
        let days = i64::try_from(days).unwrap_or(i64::MAX);
        let known = side == Side::AtHome && days >= WORKING_DAYS_MIN && !self.working_days.is_empty();
        known.then(|| (self.working_days.as_slice(), factor_permille((days * DAY).unsigned_abs(), rules, side)))
    }
}

/// Whether a local minute since 1970, whose first day was a Thursday, lies in Monday to Friday.
fn is_working_day(minute: i64) -> bool {
    (minute.div_euclid(DAY) + 3).rem_euclid(7) < 5
}

fn step_of_day(step: i64) -> usize {
    step.rem_euclid(STEPS as i64).unsigned_abs() as usize
}

fn scaled(minutes: u32, permille: i64) -> u32 {
    u32::try_from(i64::from(minutes) * permille / 1_000).unwrap_or(u32::MAX)
}

/// By how much the longest quiet of `seen` minutes is exceeded so often that this side takes its half of
/// `false_alarms_a_year`, thousandths: `1 + tail · ln(year / (seen · budget / 2))`.
fn factor_permille(seen: u64, rules: &RhythmRules, side: Side) -> i64 {
    let year = 365 * u64::from(DAY_MINUTES);
    let ln = ln_permille(2 * year, seen.max(1) * u64::from(rules.false_alarms_a_year.max(1)));
    (1_000 + side.tail_permille(rules) * ln / 1_000).max(FACTOR_PERMILLE_MIN)
}

/// Natural logarithm of `number / by`, thousandths, by whole numbers alone.
fn ln_permille(number: u64, by: u64) -> i64 {
    /// ln 2 in millionths.
    const LN_2: i64 = 693_147;
    let ratio = (u128::from(number.max(1)) << 64) / u128::from(by.max(1));
    let ratio = ratio.max(1);
    let whole = ratio.ilog2();
    // The mantissa in 32 bits, from 1 to below 2; squaring it gives one binary digit of the logarithm after another.
    let mut mantissa = if whole >= 32 { ratio >> (whole - 32) } else { ratio << (32 - whole) };
    let mut log = (i64::from(whole) - 64) << 12;
    for digit in (0..12).rev() {
        mantissa = (mantissa * mantissa) >> 32;
        if mantissa >= 2 << 32 {
            mantissa >>= 1;
            log += 1 << digit;
        }
    }
    log * LN_2 / 4_096 / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: RhythmRules = RhythmRules { false_alarms_a_year: 12, hours_vary_minutes: 30, tail_permille: 150 };

    #[test]
    fn the_logarithm_is_the_one_of_the_books() {
        for (number, by) in [(1, 1), (10, 1), (1, 10), (525_600, 120_960), (3, 7), (1, 1_000_000)] {
            let real = (number as f64 / by as f64).ln() * 1_000.0;
            let ours = ln_permille(number, by) as f64;
            assert!((ours - real).abs() <= 2.0, "ln({number}/{by}): {ours} is not {real}");
        }
    }

    /// A home that sleeps from 23:00 to 07:00, naps from 13:00 to 14:30 and is out from 15:00 to 17:00.
    fn home(days: i64) -> Rhythm {
        lived(days, &RULES)
    }

    fn lived(days: i64, rules: &RhythmRules) -> Rhythm {
        let mut rhythm = Rhythm::default();
        rhythm.lived(0);
        for day in 0..days {
            rhythm.learn(Side::AtHome, day * DAY + 13 * 60, 90, rules);
            rhythm.learn(Side::Out, day * DAY + 15 * 60, 120, rules);
            rhythm.learn(Side::AtHome, day * DAY + 23 * 60, 480, rules);
        }
        rhythm
    }

    #[test]
    fn nothing_is_learned_in_the_first_days() {
        assert_eq!(home(2).limit_minutes(Side::AtHome, 2 * DAY + 9 * 60, (240, 720), &RULES), None);
        assert!(home(3).limit_minutes(Side::AtHome, 3 * DAY + 9 * 60, (240, 720), &RULES).is_some());
    }

    #[test]
    fn by_day_it_asks_soon_and_by_night_after_the_usual_hour_of_rising() {
        let rhythm = home(14);
        let limit = |hour: i64| rhythm.limit_minutes(Side::AtHome, 14 * DAY + hour * 60, (120, 720), &RULES).unwrap();
        assert_eq!(limit(9), 120);
        // From 23:00 the longest night seen is 8 h; it is asked after a margin, and not after 12 h.
        assert!((510..=660).contains(&limit(23)), "{}", limit(23));
        // Falling still at 05:00 is not excused by a night that others slept through.
        assert!(limit(29) < 300, "{}", limit(29));
    }

    #[test]
    fn a_smaller_budget_waits_longer_and_more_days_wait_shorter() {
        // Hours that vary by four, or the hour of rising would decide before the margin does.
        let night = |days: i64, false_alarms_a_year| {
            let rules = RhythmRules { false_alarms_a_year, hours_vary_minutes: 240, ..RULES };
            lived(days, &rules).limit_minutes(Side::AtHome, days * DAY + 23 * 60, (120, 1_440), &rules).unwrap()
        };
        assert!(night(7, 1) > night(7, 12));
        assert!(night(7, 12) > night(28, 12));
    }

    #[test]
    fn a_long_sunday_does_not_excuse_a_monday() {
        // Two weeks from a Monday: up at 07:00 on working days, at 10:00 on Saturday and Sunday.
        const MONDAY: i64 = 4 * DAY;
        let mut rhythm = Rhythm::default();
        rhythm.lived(MONDAY);
        for day in 0..14 {
            let minutes = if day % 7 < 5 { 480 } else { 660 };
            rhythm.learn(Side::AtHome, MONDAY + (day - 1) * DAY + 23 * 60, minutes, &RULES);
        }
        let up_by = |day: i64| {
            let began = MONDAY + (day - 1) * DAY + 23 * 60;
            rhythm.limit_minutes(Side::AtHome, began, (120, 1_440), &RULES).unwrap() - 60
        };
        assert!((7 * 60..9 * 60).contains(&up_by(14)), "{}", up_by(14));
        assert!((10 * 60..12 * 60).contains(&up_by(19)), "{}", up_by(19));
        // With few working days seen, all days are one.
        let mut young = Rhythm::default();
        young.lived(MONDAY + 4 * DAY);
        for (day, minutes) in [(4, 480), (5, 660), (6, 660)] {
            young.learn(Side::AtHome, MONDAY + (day - 1) * DAY + 23 * 60, minutes, &RULES);
        }
        let began = MONDAY + 6 * DAY + 23 * 60 + DAY;
        assert!(young.limit_minutes(Side::AtHome, began, (120, 1_440), &RULES) >= Some(660));
    }

    #[test]
    fn what_was_learned_out_says_nothing_of_home() {
        let mut rhythm = home(7);
        rhythm.learn(Side::Out, 7 * DAY + 9 * 60, 1_200, &RULES);
        let at_home = rhythm.limit_minutes(Side::AtHome, 8 * DAY + 9 * 60, (120, 720), &RULES);
        let out = rhythm.limit_minutes(Side::Out, 8 * DAY + 9 * 60, (240, 4_320), &RULES);
        assert_eq!(at_home, Some(120));
        assert!(out > Some(1_200), "{out:?}");
    }

    #[test]
    fn old_habits_and_a_clock_set_back_are_forgotten() {
        let mut rhythm = Rhythm::default();
        rhythm.lived(0);
        rhythm.learn(Side::AtHome, 0, 700, &RULES);
        rhythm.learn(Side::AtHome, 40 * DAY, 61, &RULES);
        assert_eq!(rhythm.quiets.len(), 1);
        rhythm.learn(Side::AtHome, 20 * DAY, 62, &RULES);
        assert_eq!(rhythm.quiets.len(), 1);
        for day in 0..2_000 {
            rhythm.learn(Side::AtHome, 50 * DAY + day * 20, 60, &RULES);
        }
        assert_eq!(rhythm.quiets.len(), QUIETS_MAX);
    }
}
