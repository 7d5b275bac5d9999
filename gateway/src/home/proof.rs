//! Tests and proofs: a press that an installer asked for is a test, every other press is real; each
//! button is to be proven by a press every month.
//!
//! A test covers the one device that was asked for, for some seconds and a few presses. It opens no
//! order and leaves its records: asked, pressed or not pressed, ended.

use std::collections::{BTreeMap, BTreeSet};

use protocol::observation::Kind;
use protocol::record::{Body, Record, Restored, Stamp, TestStep, Tested, Trigger};
use protocol::trigger::{Reason, TriggerKind};
use serde::{Deserialize, Serialize};

use super::{Deadline, Effect, Place, age_ms, elapsed_ms};
use crate::decode::Role;

const DAY_MS: u64 = 24 * 3_600_000;

/// How often due proofs are looked for, milliseconds.
const LOOK_MS: u64 = 6 * 3_600_000;

/// Most buttons remembered.
const BUTTONS_MAX: usize = 512;

/// Values of the test and proof rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProofRules {
    /// How long a test waits for its press, milliseconds (5–60 s).
    pub press_ms: u64,
    /// Presses that one test covers (1–3).
    pub presses_max: u32,
    /// Test mode ends so long after its last step, milliseconds (1–10 min).
    pub mode_ms: u64,
    /// A button is due for a test press after this, milliseconds (7–31 days).
    pub due_ms: u64,
    /// And overdue so much later, milliseconds (1–7 days).
    pub overdue_ms: u64,
}

impl Default for ProofRules {
    fn default() -> Self {
        Self { press_ms: 15_000, presses_max: 3, mode_ms: 600_000, due_ms: 31 * DAY_MS, overdue_ms: 2 * DAY_MS }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Running {
    device: String,
    asked: Stamp,
    last: Stamp,
    presses: u32,
    failed: bool,
}

/// How a test of a device stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestState {
    /// Its press is waited for.
    Waiting,
    /// It was pressed.
    Passed,
    /// No press came.
    Failed,
}

/// When a button was proven, and what is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Days since the last press, test or real; none where there was none, or the clock cannot tell.
    pub days: Option<u64>,
    /// Whether it is due for its monthly press.
    pub due: bool,
    /// Whether it is overdue.
    pub overdue: bool,
}

/// The tests and proofs of a home.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Proofs {
    running: Option<Running>,
    proven: BTreeMap<String, Stamp>,
    due: BTreeSet<String>,
    overdue: BTreeSet<String>,
    since: Option<Stamp>,
    #[serde(skip)]
    look_ms: Option<u64>,
}

impl Proofs {
    /// The program starts.
    pub fn starts(&mut self, now: &Stamp) {
        self.look_ms = Some(now.uptime_ms.saturating_add(LOOK_MS));
    }

    /// The installer asks for a press of this device.
    pub fn ask(&self, device: &str, effects: &mut Vec<Effect>) {
        effects.push(step(device, TestStep::Asked));
    }

    /// The test trigger that an observation of `device` is, where a test covers it.
    pub fn covers(&self, now: &Stamp, device: &str, rules: &ProofRules) -> bool {
        self.running.as_ref().is_some_and(|test| {
            test.device == device
                && !test.failed
                && test.presses < rules.presses_max
                && elapsed_ms(now, &test.asked).is_some_and(|ms| ms < rules.press_ms)
        })
    }

    /// A button is pressed: an overdue one is so no longer.
    pub fn pressed(&self, device: &str, room: Option<String>, effects: &mut Vec<Effect>) {
        if self.overdue.contains(device) {
            let (kind, reason, device) = (TriggerKind::Technical, Reason::ProofOverdue, device.to_owned());
            effects.push(Effect::Record(Body::Restored(Restored { kind, device, room, reason })));
        }
    }

    /// Ends what is over and asks for what is due.
    pub fn woken(
        &mut self,
        now: &Stamp,
        places: &BTreeMap<String, Place>,
        rules: &ProofRules,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(test) = &self.running {
            let over = elapsed_ms(now, &test.asked).is_none_or(|ms| ms >= rules.press_ms);
            if over && test.presses == 0 && !test.failed {
                effects.push(step(&test.device, TestStep::NotPressed));
            } else if elapsed_ms(now, &test.last).is_none_or(|ms| ms >= rules.mode_ms) {
                effects.push(step(&test.device, TestStep::Ended));
            }
        }
        if self.look_ms.is_none_or(|look_ms| now.uptime_ms < look_ms) {
            return;
        }
        self.look_ms = Some(now.uptime_ms.saturating_add(LOOK_MS));
        for (device, place) in places.iter().filter(|(_, place)| place.role == Some(Role::Sos)) {
            let Some(ms) = self.unproven_ms(now, device) else { continue };
            if ms >= rules.due_ms && !self.due.contains(device) {
                effects.push(step(device, TestStep::ProofDue));
            }
            if ms >= rules.due_ms.saturating_add(rules.overdue_ms) && !self.overdue.contains(device) {
                effects.push(Effect::Record(Body::Trigger(Trigger {
                    kind: TriggerKind::Technical,
                    device: device.clone(),
                    key: String::new(),
                    room: place.room.clone(),
                    reason: Reason::ProofOverdue,
                    follows: None,
                    test: false,
                })));
            }
        }
    }

    fn unproven_ms(&self, now: &Stamp, device: &str) -> Option<u64> {
        age_ms(now, self.proven.get(device).or(self.since.as_ref())?)
    }

    /// How a button's proof stands.
    pub fn proof(&self, now: &Stamp, device: &str) -> Proof {
        Proof {
            days: self.proven.get(device).and_then(|at| age_ms(now, at)).map(|ms| ms / DAY_MS),
            due: self.due.contains(device),
            overdue: self.overdue.contains(device),
        }
    }

    /// How the test of a device stands, while test mode lasts.
    pub fn test(&self, device: &str) -> Option<TestState> {
        let test = self.running.as_ref().filter(|test| test.device == device)?;
        Some(match (test.failed, test.presses) {
            (true, _) => TestState::Failed,
            (false, 0) => TestState::Waiting,
            (false, _) => TestState::Passed,
        })
    }

    /// Folds a step of a test.
    pub fn tested(&mut self, record: &Record, tested: &Tested) {
        match tested.step {
            TestStep::Asked => {
                let (device, at) = (tested.device.clone(), record.at);
                self.running = Some(Running { device, asked: at, last: at, presses: 0, failed: false });
            }
            TestStep::NotPressed => {
                if let Some(test) = &mut self.running {
                    test.failed = true;
                    test.last = record.at;
                }
            }
            TestStep::Ended => self.running = None,
            TestStep::ProofDue => {
                if self.due.len() < BUTTONS_MAX {
                    self.due.insert(tested.device.clone());
                }
            }
        }
    }

    /// Folds a trigger: any press proves its button.
    pub fn triggered(&mut self, record: &Record, trigger: &Trigger) {
        if let Some(test) = self.running.as_mut().filter(|test| trigger.test && test.device == trigger.device) {
            test.presses = test.presses.saturating_add(1);
            test.last = record.at;
        }
        if trigger.reason == Reason::ProofOverdue && self.overdue.len() < BUTTONS_MAX {
            self.overdue.insert(trigger.device.clone());
        }
        let is_button = matches!(trigger.kind, TriggerKind::Sos | TriggerKind::Assistance);
        if (is_button || trigger.test) && (self.proven.len() < BUTTONS_MAX || self.proven.contains_key(&trigger.device))
        {
            self.proven.insert(trigger.device.clone(), record.at);
            self.due.remove(&trigger.device);
            self.overdue.remove(&trigger.device);
        }
    }

    /// Folds a start of the program.
    pub fn started(&mut self, record: &Record) {
        self.since.get_or_insert(record.at);
    }

    /// The deadlines of this boot, milliseconds of uptime.
    pub fn deadlines(&self, rules: &ProofRules) -> impl Iterator<Item = (u64, Deadline)> {
        let test = self.running.as_ref().map(|test| {
            if test.presses == 0 && !test.failed {
                (test.asked.uptime_ms.saturating_add(rules.press_ms), Deadline::TestPressMissed)
            } else {
                (test.last.uptime_ms.saturating_add(rules.mode_ms), Deadline::TestModeEnds)
            }
        });
        let look = self.look_ms.map(|look_ms| (look_ms, Deadline::ProofChecked));
        test.into_iter().chain(look)
    }
}

fn step(device: &str, step: TestStep) -> Effect {
    Effect::Record(Body::Tested(Tested { device: device.to_owned(), step }))
}

/// What a press or alarm of this kind is when it is a test.
pub fn testable(kind: Kind) -> Option<(TriggerKind, Reason)> {
    match kind {
        Kind::Sos => Some((TriggerKind::Sos, Reason::ButtonPressed)),
        Kind::Assistance => Some((TriggerKind::Assistance, Reason::AssistancePressed)),
        Kind::Fall => Some((TriggerKind::Fall, Reason::SensorSaysFall)),
        Kind::Smoke => Some((TriggerKind::Smoke, Reason::SensorAlarm)),
        Kind::Gas => Some((TriggerKind::Gas, Reason::SensorAlarm)),
        Kind::Co => Some((TriggerKind::Co, Reason::SensorAlarm)),
        Kind::Water => Some((TriggerKind::Water, Reason::SensorAlarm)),
        Kind::FallWarning
        | Kind::Motion
        | Kind::Presence
        | Kind::Contact
        | Kind::Bed
        | Kind::Vibration
        | Kind::Tamper
        | Kind::Battery
        | Kind::Link
        | Kind::Availability
        | Kind::Visit
        | Kind::Mains => None,
    }
}
