//! Away: the exit door, the last motion near it, then quiet, and nobody in a bed or seen by a radar.
//!
//! Away never disarms: it only puts the limit of an absence in the place of the limit at home. Any
//! motion is home again; but one sensor alone, without the exit door, is not yet a return, and when
//! it falls quiet again the absence goes on as if it had said nothing.

use std::collections::BTreeSet;

use protocol::record::{Body, Concluded, Stamp, Standing};
use protocol::trigger::Reason;
use serde::{Deserialize, Serialize};

use super::local_time::LocalTime;
use super::sign::Sign;
use super::stopwatch::Stopwatch;
use super::{Deadline, Effect};

/// So many words of the exit door are of one coming in: it opens, it closes.
const ARRIVING_WORDS_MAX: u8 = 2;
/// Pads and radars that can say that somebody is there; beyond it the last is not counted.
const OCCUPIED_MAX: usize = 64;

/// Times of the away rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AwayRules {
    /// Quiet after the exit door until the elder is presumed out, milliseconds.
    pub quiet_ms: u64,
    /// How long after the exit door the last motion may come, milliseconds.
    pub entrance_ms: u64,
    /// From a sensor's word in an empty home, a second one's within this proves the return, milliseconds.
    pub return_ms: u64,
    /// Longest absence before somebody calls, milliseconds, until the home's own is learned.
    pub limit_ms: u64,
    /// Minute of the local day by which the elder is to be back, until the home's own is learned.
    pub latest_minute: u16,
    /// Whether the home's own absences are learned.
    pub learned: bool,
    /// Shortest limit that learning may reach, milliseconds.
    pub learned_ms_min: u64,
    /// Longest limit that learning may reach, milliseconds.
    pub learned_ms_max: u64,
}

impl Default for AwayRules {
    /// 20 min of quiet; 4 h or 21:00; learned within 4 and 72 h.
    fn default() -> Self {
        Self {
            quiet_ms: 20 * 60_000,
            entrance_ms: 3 * 60_000,
            return_ms: 10 * 60_000,
            limit_ms: 4 * 3_600_000,
            latest_minute: 21 * 60,
            learned: true,
            learned_ms_min: 4 * 3_600_000,
            learned_ms_max: 72 * 3_600_000,
        }
    }
}

impl AwayRules {
    /// How long an absence that began then may last while nothing is learned, milliseconds.
    pub fn first_limit_ms(&self, began: Option<LocalTime>) -> u64 {
        let until_latest = began.map(|began| began.ms_until(self.latest_minute)).filter(|ms| *ms > 0);
        until_latest.map_or(self.limit_ms, |ms| ms.min(self.limit_ms))
    }
}

/// An absence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absence {
    /// Runs from the last sign of life before it.
    pub since: Stopwatch,
    /// Local minutes since 1970 at which it began, where the clock was trusted.
    pub began: Option<i64>,
    /// How long it may last, milliseconds.
    pub limit_ms: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    #[default]
    AtHome,
    Out(Absence),
    /// A sensor spoke in the empty home.
    Unproven {
        absence: Absence,
        by: String,
        at: Stopwatch,
    },
}

/// Whether the elder is presumed out.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Away {
    state: State,
    /// Runs from the last word of an exit door that may have been a leaving.
    exit: Option<Stopwatch>,
    /// Runs from the last return: whoever has just come in by the door and is quiet then has not left.
    returned: Option<Stopwatch>,
    /// Words of exit doors since the return; opening and closing behind oneself are two.
    words_since: u8,
    exit_device: String,
    exit_room: Option<String>,
    /// Whether the last sign of life came from the exit door or beside it.
    leaving: bool,
    /// Runs from the last sign of life.
    last: Option<Stopwatch>,
    /// Beds that are lain in and radars that see somebody.
    occupied: BTreeSet<String>,
}

impl Away {
    /// The absence that goes on, proven or not.
    pub fn absence(&self) -> Option<&Absence> {
        match &self.state {
            State::AtHome => None,
            State::Out(absence) | State::Unproven { absence, .. } => Some(absence),
        }
    }

    /// What a sign of life means for an absence.
    pub fn saw(&self, now: &Stamp, sign: &Sign<'_>, rules: &AwayRules, effects: &mut Vec<Effect>) {
        let (standing, reason) = match &self.state {
            State::AtHome => return,
            _ if sign.exit_door => (Standing::AtHome, Reason::CameHome),
            State::Unproven { by, at, .. } if by == sign.device || at.elapsed_ms(now) > rules.return_ms => {
                // Only a second sensor soon after the first proves anything; the first's own word goes on.
                if by == sign.device {
                    return;
                }
                (Standing::ReturnUnproven, Reason::LoneSensorInEmptyHome)
            }
            State::Unproven { .. } => (Standing::AtHome, Reason::CameHome),
            State::Out(_) => (Standing::ReturnUnproven, Reason::LoneSensorInEmptyHome),
        };
        effects.push(conclude(standing, sign.device, reason));
    }

    /// Concludes that the elder has left, once it has been quiet for long enough.
    pub fn woken(&self, now: &Stamp, rules: &AwayRules, effects: &mut Vec<Effect>) {
        let quiet = self.last.is_some_and(|last| last.elapsed_ms(now) >= rules.quiet_ms);
        match &self.state {
            _ if !quiet || !self.occupied.is_empty() => {}
            State::AtHome if self.leaving => {
                effects.push(conclude(Standing::Away, &self.exit_device, Reason::LeftByExitDoor));
            }
            State::Unproven { by, .. } => {
                effects.push(conclude(Standing::Away, by, Reason::LoneSensorInEmptyHome));
            }
            State::AtHome | State::Out(_) => {}
        }
    }

    /// Folds a sign of life.
    pub fn lived(&mut self, at: &Stamp, sign: &Sign<'_>, rules: &AwayRules) {
        self.words_since = self.words_since.saturating_add(u8::from(sign.exit_door));
        let arriving = self.words_since <= ARRIVING_WORDS_MAX
            && self.returned.is_some_and(|returned| returned.elapsed_ms(at) <= rules.entrance_ms);
        if sign.exit_door {
            sign.device.clone_into(&mut self.exit_device);
            self.exit_room = sign.room.map(str::to_owned);
        }
        if sign.exit_door && !arriving {
            self.exit = Some(Stopwatch::start(at));
        }
        let just_now = self.exit.is_some_and(|exit| exit.elapsed_ms(at) <= rules.entrance_ms);
        let elsewhere = matches!((sign.room, &self.exit_room), (Some(room), Some(exit)) if room != exit.as_str());
        self.leaving = just_now && !elsewhere;
        self.last = Some(Stopwatch::start(at));
        if let State::Unproven { by, at: first, .. } = &mut self.state
            && by == sign.device
        {
            *first = Stopwatch::start(at);
        }
    }

    /// Folds what a bed or radar says. Whoever was seen inside well after the door's last word has not left by it,
    /// even if they are lost from sight later: a radar loses people who lie on the floor.
    pub fn occupied(&mut self, at: &Stamp, device: &str, somebody: bool, rules: &AwayRules) {
        let long_after = self.exit.is_none_or(|exit| exit.elapsed_ms(at) > rules.entrance_ms);
        if !somebody {
            if self.occupied.remove(device) && long_after {
                self.leaving = false;
            }
        } else if self.occupied.len() < OCCUPIED_MAX {
            self.occupied.insert(device.to_owned());
        }
    }

    /// Folds that a bed is not believed any more.
    pub fn disbelieved(&mut self, bed: &str) {
        self.occupied.remove(bed);
    }

    /// Folds a conclusion and gives back the absence that it ended. `limit_ms` is asked for a new one.
    pub fn concluded(
        &mut self,
        at: &Stamp,
        concluded: &Concluded,
        began: impl FnOnce(u64) -> Option<LocalTime>,
        limit_ms: impl FnOnce(Option<LocalTime>) -> u64,
    ) -> Option<Absence> {
        let before = std::mem::take(&mut self.state);
        let absence = match &before {
            State::AtHome => None,
            State::Out(absence) | State::Unproven { absence, .. } => Some(*absence),
        };
        match (concluded.standing, absence) {
            (Standing::Away, Some(absence)) => self.state = State::Out(absence),
            (Standing::Away, None) => {
                let since = self.last.unwrap_or_else(|| Stopwatch::start(at));
                let began = began(since.elapsed_ms(at)).filter(|_| since.is_whole());
                let limit_ms = limit_ms(began);
                self.state = State::Out(Absence { since, began: began.map(LocalTime::minutes), limit_ms });
            }
            (Standing::ReturnUnproven, Some(absence)) => {
                let (by, at) = (concluded.device.clone(), Stopwatch::start(at));
                self.state = State::Unproven { absence, by, at };
            }
            (Standing::AtHome, ended) => {
                self.returned = Some(Stopwatch::start(at));
                (self.exit, self.leaving) = (None, false);
                self.words_since = u8::from(concluded.device == self.exit_device);
                return ended;
            }
            (Standing::ReturnUnproven, None) => {}
            (Standing::VisitOver, _) => self.state = before,
        }
        None
    }

    /// Folds that somebody is surely at home: the elder pressed a button there, or a caregiver came.
    pub fn surely_home(&mut self) {
        self.state = State::AtHome;
        self.leaving = false;
    }

    /// Folds that the machine was up.
    pub fn seen(&mut self, at: &Stamp) {
        for watch in self.exit.iter_mut().chain(&mut self.returned).chain(&mut self.last) {
            watch.seen(at);
        }
        match &mut self.state {
            State::AtHome => {}
            State::Out(absence) => absence.since.seen(at),
            State::Unproven { absence, at: first, .. } => {
                absence.since.seen(at);
                first.seen(at);
            }
        }
    }

    /// When the next conclusion may be drawn.
    pub fn deadline(&self, rules: &AwayRules) -> Option<(u64, Deadline)> {
        let waits = match &self.state {
            State::AtHome => self.leaving,
            State::Unproven { .. } => true,
            State::Out(_) => false,
        };
        let last = self.last.filter(|_| waits && self.occupied.is_empty())?;
        last.due_ms(rules.quiet_ms).map(|due_ms| (due_ms, Deadline::PresumedOut))
    }
}

fn conclude(standing: Standing, device: &str, reason: Reason) -> Effect {
    Effect::Record(Body::Concluded(Concluded { standing, device: device.to_owned(), reason }))
}
