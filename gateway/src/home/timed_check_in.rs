//! Timed check-ins: one to five times a day somebody must have been seen or heard in the hours before.
//!
//! Any activity counts. While the clock is not trusted the time of day is not known: then the longest
//! pause between two check-ins, counted by uptime, is what may pass without activity.

use protocol::record::{Body, Observed, Record, Stamp, Trigger};
use protocol::trigger::{Reason, TriggerKind};
use serde::{Deserialize, Serialize};

use super::daily_life::Holiday;
use super::local_time::{DAY_MINUTES, LocalTime};
use super::sign::tells_of_life;
use super::{Deadline, Effect, age_ms};

/// Most check-ins a day.
pub const CHECK_INS_MAX: usize = 5;

/// After a start the elder has so long to show activity before a check-in that fell into the
/// gateway's own absence counts as missed, milliseconds.
const AFTER_START_MS: u64 = 30 * 60_000;

/// A clock set back by less than this does not make a missed check-in a second one, milliseconds.
const CLOCK_SET_MS: u64 = 60_000;

/// Device and key of a missed check-in: no device of the home said it.
const DEVICE: &str = "check-in";

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = DAY_MINUTES as u64 * MINUTE_MS;

/// When somebody must have been seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckInRules {
    /// Minutes of the home's day, rising; none switches the rule off.
    pub times: Vec<u16>,
    /// Activity within so long before the time counts, milliseconds (30 min–6 h).
    pub window_ms: u64,
}

impl Default for CheckInRules {
    fn default() -> Self {
        Self { times: Vec::new(), window_ms: 2 * 3_600_000 }
    }
}

impl CheckInRules {
    /// The longest time between two check-ins that follow each other, milliseconds.
    fn longest_pause_ms(&self) -> u64 {
        let next = self.times.iter().cycle().skip(1);
        let pauses = self.times.iter().zip(next).map(|(from, to)| {
            let minutes = (u64::from(*to) + u64::from(DAY_MINUTES) - u64::from(*from)) % u64::from(DAY_MINUTES);
            if minutes == 0 { DAY_MS } else { minutes * MINUTE_MS }
        });
        pauses.max().unwrap_or(DAY_MS)
    }
}

/// The check-ins of a home.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct CheckIns {
    activity: Option<Stamp>,
    missed: Option<Stamp>,
    /// The start of this run.
    #[serde(skip)]
    started: Option<Stamp>,
    /// When the rule was looked at last, and when it is to be looked at next by uptime.
    #[serde(skip)]
    due_ms: Option<u64>,
}

impl CheckIns {
    /// The program starts.
    pub fn starts(&mut self, now: &Stamp) {
        self.started = Some(*now);
        self.due_ms = Some(now.uptime_ms);
    }

    /// Raises a check-in that has been missed, once, and plans the next look.
    ///
    /// Nobody is expected to show up on a day of `holidays`.
    pub fn woken(
        &mut self,
        now: &Stamp,
        utc_offset_minutes: i32,
        holidays: &[Holiday],
        rules: &CheckInRules,
        effects: &mut Vec<Effect>,
    ) {
        if rules.times.is_empty() || self.due_ms.is_none_or(|due_ms| now.uptime_ms < due_ms) {
            return;
        }
        let (missed, next_ms) = match LocalTime::of(now, utc_offset_minutes) {
            Some(local) => {
                let (missed, next_ms) = self.by_the_clock(now, local, rules);
                let ago_ms = rules.times.iter().map(|time| since_ms(local, *time)).min().unwrap_or(DAY_MS);
                let of_day = local.day - i64::from(ago_ms > u64::from(local.minute) * MINUTE_MS + u64::from(local.ms));
                let on_holiday = holidays.iter().any(|holiday| holiday.covers(of_day));
                (missed.filter(|_| !on_holiday), next_ms)
            }
            None => self.by_uptime(now, rules),
        };
        // A clock that is set or trusted meanwhile moves the next time: looked at each hour at the least.
        self.due_ms = Some(now.uptime_ms.saturating_add(next_ms.clamp(1, 3_600_000)));
        if let Some(reason) = missed {
            effects.push(Effect::Record(Body::Trigger(Trigger {
                kind: TriggerKind::MissedCheckIn,
                device: DEVICE.to_owned(),
                key: DEVICE.to_owned(),
                room: None,
                reason,
                follows: None,
                test: false,
            })));
        }
    }

    fn by_the_clock(&self, now: &Stamp, local: LocalTime, rules: &CheckInRules) -> (Option<Reason>, u64) {
        let until_next_ms = rules.times.iter().map(|time| until_ms(local, *time)).min().unwrap_or(DAY_MS);
        let ago_ms = rules.times.iter().map(|time| since_ms(local, *time)).min().unwrap_or(DAY_MS);
        let within =
            |at: &Option<Stamp>, ms: u64| at.as_ref().and_then(|at| age_ms(now, at)).is_some_and(|age| age <= ms);
        if within(&self.missed, ago_ms.saturating_add(CLOCK_SET_MS))
            || within(&self.activity, ago_ms.saturating_add(rules.window_ms))
        {
            return (None, until_next_ms);
        }
        // What fell into the gateway's own absence is judged a little after its start.
        let up_ms = self.started.as_ref().map_or(0, |started| now.uptime_ms.saturating_sub(started.uptime_ms));
        let watched = up_ms >= ago_ms.saturating_add(rules.window_ms);
        if !watched && up_ms < AFTER_START_MS {
            return (None, until_next_ms.min(AFTER_START_MS - up_ms));
        }
        // A home that has never shown anything is not lived in yet, or its first check-in is still to come.
        if self.activity.is_none() && up_ms < ago_ms {
            return (None, until_next_ms);
        }
        (Some(Reason::CheckInMissed), until_next_ms)
    }

    fn by_uptime(&self, now: &Stamp, rules: &CheckInRules) -> (Option<Reason>, u64) {
        let this_boot = |at: &Option<Stamp>| at.filter(|at| at.boot == now.boot).map(|at| at.uptime_ms);
        let started_ms = self.started.map_or(0, |started| started.uptime_ms);
        let since_ms = [this_boot(&self.activity), this_boot(&self.missed), Some(started_ms)];
        let since_ms = since_ms.into_iter().flatten().max().unwrap_or(0);
        let quiet_ms = now.uptime_ms.saturating_sub(since_ms);
        let pause_ms = rules.longest_pause_ms();
        if quiet_ms >= pause_ms {
            (Some(Reason::CheckInMissedClockUnknown), pause_ms)
        } else {
            (None, pause_ms - quiet_ms)
        }
    }

    /// Folds an observation: any sign of a person is activity.
    pub fn observed(&mut self, record: &Record, observed: &Observed, known_before: bool) {
        if tells_of_life(observed.kind, &observed.value, known_before) {
            self.activity = Some(record.at);
        }
    }

    /// Folds a cancel: the elder pressed.
    pub fn cancelled(&mut self, record: &Record) {
        self.activity = Some(record.at);
    }

    /// Folds a trigger: a press is activity, a missed check-in is raised once.
    pub fn triggered(&mut self, record: &Record, trigger: &Trigger) {
        match trigger.kind {
            TriggerKind::Sos | TriggerKind::Assistance if !trigger.test => self.activity = Some(record.at),
            TriggerKind::MissedCheckIn => self.missed = Some(record.at),
            TriggerKind::Sos
            | TriggerKind::Assistance
            | TriggerKind::Fall
            | TriggerKind::Inactivity
            | TriggerKind::Smoke
            | TriggerKind::Co
            | TriggerKind::Gas
            | TriggerKind::Water
            | TriggerKind::Technical
            | TriggerKind::Welfare => {}
        }
    }

    /// The next look, milliseconds of this boot's uptime.
    pub fn deadlines(&self, rules: &CheckInRules) -> impl Iterator<Item = (u64, Deadline)> {
        self.due_ms.filter(|_| !rules.times.is_empty()).map(|due_ms| (due_ms, Deadline::CheckInDue)).into_iter()
    }
}

/// Until the clock shows a minute next; a whole day where it shows it just now.
fn until_ms(local: LocalTime, minute: u16) -> u64 {
    match local.ms_until(minute) {
        0 => DAY_MS,
        ms => ms,
    }
}

/// Since the clock showed a minute last; 0 where it shows it just now.
fn since_ms(local: LocalTime, minute: u16) -> u64 {
    DAY_MS - until_ms(local, minute)
}
