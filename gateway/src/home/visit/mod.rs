//! Visits in one home: each check-in and check-out verified, graded, and remembered as far as the next
//! one needs it.
//!
//! Nothing is refused for being odd; it is recorded with its exceptions. Plans, overlaps with other homes
//! and amendments are the centre's. [`Visits::verify`] decides, [`Visits::apply`] folds what was recorded.

pub mod code;
pub mod place;

use std::collections::{BTreeSet, VecDeque};

use protocol::record::Stamp;
use protocol::visit::{Fix, Grade, Method, VisitAct, VisitException, VisitRecord};
use serde::{Deserialize, Serialize};

use crate::decode::VisitMessage;
use place::{ACCURACY_M_MAX, Measured, Point, Whereabouts, measure, place_of};

/// A fix may be so old, milliseconds.
const FIX_AGE_MS_MAX: i64 = 120_000;
/// A visit open for longer was abandoned, milliseconds.
pub const VISIT_MS_MAX: u64 = 25 * 3_600_000;
/// Door or motion count from so long before a check-in, milliseconds.
const EVIDENCE_BEFORE_MS: u64 = 600_000;
/// 150 km/h, metres per millisecond.
const SPEED_M_PER_MS_MAX: f64 = 150.0 / 3600.0;
/// So many wrong codes in one minute, and until the next none is taken: guessing never pays.
const WRONG_CODES_MAX: u32 = 5;
/// Open visits, and caregivers whose last fix is known; beyond it the oldest is forgotten.
const CAREGIVERS_MAX: usize = 64;
/// Used codes that are remembered; beyond it the oldest is forgotten.
const USED_STEPS_MAX: usize = 256;

/// What the home's configuration says about visits.
#[derive(Debug, Clone, PartialEq)]
pub struct VisitRules {
    /// Where the home is; without it no check-in is better than claimed.
    pub home: Option<Point>,
    /// Radius of the geofence, metres.
    pub geofence_m: u32,
    /// Secret of the rotating code; without it every code is wrong.
    pub code_secret: Option<Vec<u8>>,
    /// Staff ids that are known; empty means any.
    pub caregivers: BTreeSet<String>,
}

impl Default for VisitRules {
    /// No place, no code, any caregiver, 150 m.
    fn default() -> Self {
        Self { home: None, geofence_m: 150, code_secret: None, caregivers: BTreeSet::new() }
    }
}

/// What the home itself last saw of somebody moving, by the uptime of the present boot; `None` where
/// nothing was seen since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HomeEvidence {
    /// A door opened or closed, milliseconds.
    pub last_door_uptime_ms: Option<u64>,
    /// Motion, milliseconds.
    pub last_motion_uptime_ms: Option<u64>,
}

/// A caregiver who is checked in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenVisit {
    /// The staff id.
    pub caregiver: String,
    /// The service.
    pub service: String,
    /// When the check-in was recorded.
    pub since: Stamp,
    /// The best grade that its check-in reached.
    pub grade: Grade,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LastFix {
    caregiver: String,
    fix: Fix,
}

/// Everything that the next check-in or check-out is held against.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Visits {
    /// Oldest first.
    open: Vec<OpenVisit>,
    /// Least recent first.
    last_fixes: Vec<LastFix>,
    /// Steps of codes that were used, in the order of use.
    used_steps: VecDeque<u64>,
    /// A step and how many wrong codes were given in it.
    wrong_codes: (u64, u32),
}

/// What came of looking at the code.
enum Code {
    NotGiven,
    Right(u64),
    Reused,
    Wrong,
}

/// What is known from the fix.
#[derive(Default)]
struct Located {
    measured: Option<Measured>,
    inside: bool,
    contradicts: bool,
}

impl Visits {
    /// Judges a check-in or check-out without remembering it.
    pub fn verify(
        &self,
        now: &Stamp,
        message: &VisitMessage,
        evidence: HomeEvidence,
        rules: &VisitRules,
    ) -> VisitRecord {
        let mut odd = BTreeSet::new();
        let open = self.open.iter().find(|visit| visit.caregiver == message.caregiver);
        odd.extend(self.continuity(now, message.act, open));
        let known = rules.caregivers.is_empty() || rules.caregivers.contains(&message.caregiver);
        if !known {
            odd.insert(VisitException::UnknownCaregiver);
        }
        let code = self.check_code(now, message, rules);
        match code {
            Code::Reused => _ = odd.insert(VisitException::CodeReused),
            Code::Wrong => _ = odd.insert(VisitException::CodeWrong),
            Code::NotGiven | Code::Right(_) => {}
        }
        let located = self.locate(now, message, rules, &mut odd);
        let home_evidence = seen_at_home(now, message.act, open, evidence);
        if !home_evidence {
            odd.insert(VisitException::NoHomeEvidence);
        }
        let code_step = if let Code::Right(step) = code { Some(step) } else { None };
        let shown = code_step.is_some() || message.method == Method::Card;
        let grade = match (located.contradicts, located.inside) {
            (true, _) => Grade::Contradicted,
            (false, false) => Grade::Claimed,
            // Somebody the home does not know is never proven: a person must look at it.
            (false, true) if shown && home_evidence && known => Grade::Proven,
            (false, true) => Grade::Located,
        };
        VisitRecord {
            act: message.act,
            caregiver: message.caregiver.clone(),
            service: message.service.clone(),
            method: message.method,
            fix: message.fix.clone(),
            distance_m: located.measured.map(|measured| measured.distance_m),
            grade,
            exceptions: odd.into_iter().collect(),
            outcome: message.outcome.clone(),
            home_evidence,
            datum: located.measured.map(|measured| measured.datum),
            suspected: located.measured.and_then(|measured| measured.suspected),
            code_step,
        }
    }

    /// What is odd about it coming now, after what came before.
    fn continuity(&self, now: &Stamp, act: VisitAct, open: Option<&OpenVisit>) -> Option<VisitException> {
        let abandoned = open.is_some_and(|visit| elapsed_ms_at_least(&visit.since, now) > VISIT_MS_MAX);
        match (act, open) {
            (VisitAct::CheckIn | VisitAct::CheckOut, Some(_)) if abandoned => Some(VisitException::MissedCheckOut),
            (VisitAct::CheckIn, Some(_)) => Some(VisitException::DuplicateCheckIn),
            (VisitAct::CheckOut, None) => Some(VisitException::NoCheckIn),
            (VisitAct::CheckIn, None) | (VisitAct::CheckOut, Some(_)) => None,
        }
    }

    fn check_code(&self, now: &Stamp, message: &VisitMessage, rules: &VisitRules) -> Code {
        let Some(typed) = &message.code else {
            return if message.method == Method::Code { Code::Wrong } else { Code::NotGiven };
        };
        let (step, wrong) = self.wrong_codes;
        if wrong >= WRONG_CODES_MAX && code::step_at(now.wall_ms) == Some(step) {
            return Code::Wrong;
        }
        let Some(secret) = &rules.code_secret else { return Code::Wrong };
        let steps = code::steps_matching(secret, now.wall_ms, typed);
        match steps.iter().find(|step| !self.used_steps.contains(step)) {
            Some(step) => Code::Right(*step),
            None if steps.is_empty() => Code::Wrong,
            None => Code::Reused,
        }
    }

    fn locate(
        &self,
        now: &Stamp,
        message: &VisitMessage,
        rules: &VisitRules,
        odd: &mut BTreeSet<VisitException>,
    ) -> Located {
        let useful = message.fix.as_ref().filter(|fix| fix.accuracy_m <= ACCURACY_M_MAX && place_of(fix).is_some());
        if useful.is_none() {
            odd.insert(VisitException::NoFix);
        }
        let Some(fix) = &message.fix else { return Located::default() };
        let age_ms = now.wall_ms.saturating_sub(fix.fixed_at_ms);
        let timely = age_ms.saturating_abs() <= FIX_AGE_MS_MAX;
        if !timely {
            // An untrusted clock of ours says nothing about the phone's fix; only that the two disagree.
            let stale = now.wall_trusted && age_ms > 0;
            odd.insert(if stale { VisitException::StaleFix } else { VisitException::TimeAnomaly });
        }
        if fix.mock {
            odd.insert(VisitException::MockLocation);
        }
        let jumped = useful.is_some_and(|fix| self.jumps(&message.caregiver, fix));
        if jumped {
            odd.insert(VisitException::LocationJump);
        }
        let measured = rules.home.and_then(|home| measure(fix, home, rules.geofence_m));
        let judged = measured.filter(|_| useful.is_some());
        let suspected = judged.is_some_and(|judged| judged.suspected.is_some());
        let outside = judged.is_some_and(|judged| judged.whereabouts == Whereabouts::Outside);
        if suspected {
            odd.insert(VisitException::DatumSuspected);
        }
        // Where no datum was said, being inside in another explains it; where one was, both stand.
        if outside && !(suspected && fix.datum.is_none()) {
            odd.insert(VisitException::OutsideGeofence);
        }
        let current = timely || !now.wall_trusted;
        let honest = !fix.mock && !jumped;
        Located {
            measured,
            inside: current && honest && judged.is_some_and(|judged| judged.whereabouts == Whereabouts::Inside),
            contradicts: !honest || (current && outside && !suspected),
        }
    }

    /// Whether the way from the caregiver's last fix is too long for the time between them, by the
    /// phone's clock, with the accuracies given away.
    fn jumps(&self, caregiver: &str, fix: &Fix) -> bool {
        let Some(last) = self.last_fixes.iter().find(|last| last.caregiver == caregiver) else { return false };
        let (Some(from), Some(to)) = (place_of(&last.fix), place_of(fix)) else { return false };
        let way_m = from.distance_m(to) - f64::from(last.fix.accuracy_m) - f64::from(fix.accuracy_m);
        let took_ms = fix.fixed_at_ms.abs_diff(last.fix.fixed_at_ms).max(1000);
        #[expect(clippy::cast_precision_loss, reason = "exact below 285,000 years")]
        let took_ms = took_ms as f64;
        way_m > took_ms * SPEED_M_PER_MS_MAX
    }

    /// Remembers a recorded check-in or check-out.
    pub fn apply(&mut self, at: &Stamp, record: &VisitRecord) {
        self.remember_code(at, record);
        self.remember_fix(record);
        let place = self.open.iter().position(|visit| visit.caregiver == record.caregiver);
        match (record.act, place) {
            (VisitAct::CheckOut, Some(place)) => _ = self.open.remove(place),
            (VisitAct::CheckOut, None) => {}
            (VisitAct::CheckIn, Some(place)) if record.exceptions.contains(&VisitException::DuplicateCheckIn) => {
                if let Some(visit) = self.open.get_mut(place) {
                    visit.grade = visit.grade.max(record.grade);
                }
            }
            (VisitAct::CheckIn, place) => {
                if let Some(abandoned) = place {
                    self.open.remove(abandoned);
                }
                let visit = OpenVisit {
                    caregiver: record.caregiver.clone(),
                    service: record.service.clone(),
                    since: *at,
                    grade: record.grade,
                };
                push_limited(&mut self.open, visit);
            }
        }
    }

    fn remember_code(&mut self, at: &Stamp, record: &VisitRecord) {
        if let Some(step) = record.code_step {
            self.used_steps.push_back(step);
            if self.used_steps.len() > USED_STEPS_MAX {
                self.used_steps.pop_front();
            }
        }
        if record.exceptions.contains(&VisitException::CodeWrong)
            && let Some(now) = code::step_at(at.wall_ms)
        {
            let (step, wrong) = self.wrong_codes;
            self.wrong_codes = (now, if step == now { wrong.saturating_add(1) } else { 1 });
        }
    }

    fn remember_fix(&mut self, record: &VisitRecord) {
        let Some(fix) = record.fix.as_ref().filter(|fix| fix.accuracy_m <= ACCURACY_M_MAX && !fix.mock) else { return };
        self.last_fixes.retain(|last| last.caregiver != record.caregiver);
        push_limited(&mut self.last_fixes, LastFix { caregiver: record.caregiver.clone(), fix: fix.clone() });
    }

    /// Who is checked in, oldest first.
    pub fn open(&self) -> &[OpenVisit] {
        &self.open
    }

    /// Visits open for over 25 h, as far as that can be known.
    pub fn abandoned(&self, now: &Stamp) -> impl Iterator<Item = &OpenVisit> {
        self.open.iter().filter(|visit| elapsed_ms_at_least(&visit.since, now) > VISIT_MS_MAX)
    }

    /// The code to show at `wall_ms` and until when, Unix milliseconds; `None` without a secret or before 1970.
    pub fn code_now(rules: &VisitRules, wall_ms: i64) -> Option<(String, i64)> {
        let secret = rules.code_secret.as_ref()?;
        let step = code::step_at(wall_ms)?;
        let until_ms = step.saturating_add(1).saturating_mul(code::STEP_MS);
        Some((code::code_of(secret, step), i64::try_from(until_ms).ok()?))
    }
}

fn push_limited<T>(list: &mut Vec<T>, item: T) {
    if list.len() >= CAREGIVERS_MAX {
        list.remove(0);
    }
    list.push(item);
}

/// How long ago at least: exact within one boot or between trusted clocks, else the time since this boot.
fn elapsed_ms_at_least(since: &Stamp, now: &Stamp) -> u64 {
    if since.boot == now.boot {
        return now.uptime_ms.saturating_sub(since.uptime_ms);
    }
    let by_wall = u64::try_from(now.wall_ms.saturating_sub(since.wall_ms)).unwrap_or(0);
    if since.wall_trusted && now.wall_trusted { by_wall.max(now.uptime_ms) } else { now.uptime_ms }
}

fn seen_at_home(now: &Stamp, act: VisitAct, open: Option<&OpenVisit>, evidence: HomeEvidence) -> bool {
    let from_ms = match (act, open) {
        (VisitAct::CheckOut, Some(visit)) if visit.since.boot == now.boot => visit.since.uptime_ms,
        // This boot began during the visit.
        (VisitAct::CheckOut, Some(_)) => 0,
        (VisitAct::CheckOut, None) | (VisitAct::CheckIn, _) => now.uptime_ms,
    };
    let window = from_ms.saturating_sub(EVIDENCE_BEFORE_MS)..=now.uptime_ms;
    let seen = [evidence.last_door_uptime_ms, evidence.last_motion_uptime_ms];
    seen.into_iter().flatten().any(|uptime_ms| window.contains(&uptime_ms))
}

#[cfg(test)]
mod tests;
