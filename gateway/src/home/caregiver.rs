//! Caregivers in the home: their motion is not the elder's, so the elder's clock stands still.
//!
//! It never goes back to nought for a visit, not even for the door that lets the caregiver in before the check-in,
//! and it runs on at the plan's end and a little, some time after a caregiver checked out or left by the exit door,
//! or after some hours, whether or not they checked out.

use protocol::record::{Body, Concluded, Stamp, Standing};
use protocol::trigger::Reason;
use protocol::visit::{Grade, VisitAct, VisitRecord};
use serde::{Deserialize, Serialize};

use super::stopwatch::Stopwatch;
use super::{Deadline, Effect};

/// Times of a visit, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaregiverRules {
    /// A visit stills the clock for so long at most.
    pub visit_ms_max: u64,
    /// How long a visit is planned to be, where the home is told.
    pub plan_ms: Option<u64>,
    /// How long beyond the plan the clock still stands.
    pub after_plan_ms: u64,
    /// How long after a check-out or the exit door's last word the clock still stands.
    pub after_exit_ms: u64,
    /// The door's words so soon after a check-in are of the arrival.
    pub arriving_ms: u64,
    /// The door's words so soon before a check-in are of the arrival too, and all that spoke after them.
    pub door_before_ms: u64,
}

impl Default for CaregiverRules {
    /// 4 h; no plan, and 15 min beyond it; 10 min after the exit door; arriving takes 5 min before the check-in, 2 after.
    fn default() -> Self {
        Self {
            visit_ms_max: 4 * 3_600_000,
            plan_ms: None,
            after_plan_ms: 15 * 60_000,
            after_exit_ms: 10 * 60_000,
            arriving_ms: 2 * 60_000,
            door_before_ms: 5 * 60_000,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Present {
    caregiver: String,
    since: Stopwatch,
    /// Runs from the check-out, or from the exit door's last word during the visit.
    exit: Option<Stopwatch>,
}

/// Visits at one time; beyond it the last is not counted, and the clock stands still for the others all the same.
const PRESENT_MAX: usize = 16;

/// The visits that the elder's clock stands still for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Caregiver {
    present: Vec<Present>,
}

impl Caregiver {
    /// Whether motion in the home may be a caregiver's.
    pub fn is_present(&self) -> bool {
        !self.present.is_empty()
    }

    /// Ends each visit once one of its limits is reached.
    pub fn woken(&self, now: &Stamp, rules: &CaregiverRules, effects: &mut Vec<Effect>) {
        for present in &self.present {
            let due = ends(present, rules).into_iter().find(|(watch, ms, _)| watch.elapsed_ms(now) >= *ms);
            if let Some((_, _, reason)) = due {
                let (standing, device) = (Standing::VisitOver, present.caregiver.clone());
                effects.push(Effect::Record(Body::Concluded(Concluded { standing, device, reason })));
            }
        }
    }

    /// Folds a check-in or check-out; says whether the clock is to stand still from here on.
    pub fn visited(&mut self, at: &Stamp, visit: &VisitRecord) -> bool {
        let known = self.present.iter_mut().find(|present| present.caregiver == visit.caregiver);
        match (visit.act, known) {
            (VisitAct::CheckIn, Some(present)) if visit.grade > Grade::Contradicted => {
                // Checked out and in again: the visit goes on.
                if present.exit.take().is_some() {
                    present.since = Stopwatch::start(at);
                }
            }
            // A check-in that the evidence speaks against must not quieten a home.
            (VisitAct::CheckIn, None) if visit.grade > Grade::Contradicted => {
                if self.present.len() < PRESENT_MAX {
                    let (caregiver, since) = (visit.caregiver.clone(), Stopwatch::start(at));
                    self.present.push(Present { caregiver, since, exit: None });
                }
            }
            (VisitAct::CheckIn, _) | (VisitAct::CheckOut, None) => {}
            // Whoever checks out has still to go out by the door.
            (VisitAct::CheckOut, Some(present)) => present.exit = Some(Stopwatch::start(at)),
        }
        self.is_present()
    }

    /// Folds that this caregiver's visit is over.
    pub fn left(&mut self, caregiver: &str) {
        self.present.retain(|present| present.caregiver != caregiver);
    }

    /// Folds a word of the exit door: the only visitor may have gone by it, of several whoever has checked out.
    pub fn exit_moved(&mut self, at: &Stamp, rules: &CaregiverRules) {
        let alone = self.present.len() == 1;
        for present in self.present.iter_mut().filter(|present| alone || present.exit.is_some()) {
            if present.since.elapsed_ms(at) > rules.arriving_ms {
                present.exit = Some(Stopwatch::start(at));
            }
        }
    }

    /// Folds that the machine was up.
    pub fn seen(&mut self, at: &Stamp) {
        for Present { since, exit, .. } in &mut self.present {
            since.seen(at);
            exit.iter_mut().for_each(|exit| exit.seen(at));
        }
    }

    /// When the next visit ends by itself.
    pub fn deadline(&self, rules: &CaregiverRules) -> Option<(u64, Deadline)> {
        let ends = self.present.iter().flat_map(|present| ends(present, rules));
        let due = ends.filter_map(|(watch, ms, _)| watch.due_ms(ms)).min();
        due.map(|due_ms| (due_ms, Deadline::VisitEnds))
    }
}

/// What may end a visit, with how long that takes and why.
fn ends(present: &Present, rules: &CaregiverRules) -> Vec<(Stopwatch, u64, Reason)> {
    let plan = rules.plan_ms.map(|ms| (present.since, ms.saturating_add(rules.after_plan_ms), Reason::PlanOver));
    let exit = present.exit.map(|exit| (exit, rules.after_exit_ms, Reason::CaregiverLeft));
    let longest = (present.since, rules.visit_ms_max, Reason::VisitTooLong);
    plan.into_iter().chain(exit).chain([longest]).collect()
}
