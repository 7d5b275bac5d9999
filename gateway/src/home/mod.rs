//! The rules of one home, pure: what a device said becomes records to write and a stage to tell.
//!
//! [`Home::handle`] decides and returns effects; what it decides becomes true only when the record
//! comes back through [`Home::apply`], live and at recovery alike, so that the rules are never run
//! again over the past. No IO, clock, randomness, logging or failure; each lifecycle has its file.

use std::collections::BTreeMap;

use protocol::downlink::OrderProgress;
use protocol::ids::LocalKey;
use protocol::observation::{Kind, Reading};
use protocol::record::{Body, Observed, Record, SaidFine, Stamp};
use protocol::stage::Stage;
use protocol::trigger::OrderClass;
use serde::{Deserialize, Serialize};

use self::contacts::{ContactRules, Contacting, Contacts};
use self::daily_life::{DailyLife, DailyLifeRules};
use self::fall::{FallRules, Falls};
use self::hazard::{HazardRules, Hazards};
use self::pre_alarm::PreAlarms;
use self::proof::{ProofRules, Proofs};
use self::reassurance::{Around, Reassurance, ReassuranceRules};
use self::supervision::silence::Power;
use self::supervision::{Supervision, SupervisionRules};
use self::timed_check_in::{CheckInRules, CheckIns};
use self::visit::{HomeEvidence, VisitRules, Visits};
use crate::decode::Role;

pub mod away;
pub mod caregiver;
pub mod chatter;
pub mod contacts;
mod contract;
pub mod daily_life;
pub mod dwell;
pub mod fall;
pub mod hazard;
pub mod inactivity;
pub mod local_time;
mod observe;
pub mod pre_alarm;
pub mod proof;
pub mod reassurance;
pub mod rhythm;
pub mod sign;
pub mod stopwatch;
pub mod supervision;
pub mod timed_check_in;
pub mod visit;

pub use self::contract::{Deadline, Effect, Input, Telling};

/// What one home's rules are told at commissioning.
#[derive(Debug, Clone)]
pub struct HomeRules {
    /// The home's time of day against UTC, minutes, east positive.
    pub utc_offset_minutes: i32,
    /// Role and room of each configured device.
    pub devices: BTreeMap<String, Place>,
    /// Falls and their pre-alarms.
    pub fall: FallRules,
    /// Quiet, absences, visits and long stays.
    pub daily_life: DailyLifeRules,
    /// Smoke, gas, carbon monoxide and water.
    pub hazard: HazardRules,
    /// Timed check-ins.
    pub check_in: CheckInRules,
    /// Silent devices, batteries, cases, stuck sensors.
    pub supervision: SupervisionRules,
    /// Tests and monthly proofs.
    pub proof: ProofRules,
    /// What the elder is told and when.
    pub reassurance: ReassuranceRules,
    /// Who is told when the centre is not reached.
    pub contacts: ContactRules,
    /// Check-ins and check-outs.
    pub visit: VisitRules,
}

impl Default for HomeRules {
    /// China's one time zone, no devices, every rule's own default.
    fn default() -> Self {
        Self {
            utc_offset_minutes: 480,
            devices: BTreeMap::new(),
            fall: FallRules::default(),
            daily_life: DailyLifeRules::default(),
            hazard: HazardRules::default(),
            check_in: CheckInRules::default(),
            supervision: SupervisionRules::default(),
            proof: ProofRules::default(),
            reassurance: ReassuranceRules::default(),
            contacts: ContactRules::default(),
            visit: VisitRules::default(),
        }
    }
}

/// Where a configured device is and what it is for.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// Its role, where it overrides what the device says of itself.
    pub role: Option<Role>,
    /// The room.
    pub room: Option<String>,
    /// Where its power comes from, where it overrides what its bridge lists.
    pub power: Option<Power>,
}

/// One home's rules and what they know.
#[derive(Debug, Clone)]
pub struct Home {
    rules: HomeRules,
    pre_alarms: PreAlarms,
    falls: Falls,
    daily_life: DailyLife,
    hazards: Hazards,
    check_ins: CheckIns,
    supervision: Supervision,
    proofs: Proofs,
    reassurance: Reassurance,
    contacts: Contacts,
    visits: Visits,
    evidence: Evidence,
}

/// When the home itself last saw somebody.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Evidence {
    door: Option<Stamp>,
    motion: Option<Stamp>,
}

/// A home as a checkpoint keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HomeSnapshot {
    pre_alarms: PreAlarms,
    falls: Falls,
    daily_life: DailyLife,
    hazards: Hazards,
    check_ins: CheckIns,
    supervision: Supervision,
    proofs: Proofs,
    reassurance: Reassurance,
    contacts: Contacts,
    visits: Visits,
    evidence: Evidence,
}

impl Home {
    /// A home of which nothing is known yet.
    pub fn new(rules: HomeRules) -> Self {
        Self {
            rules,
            pre_alarms: PreAlarms::default(),
            falls: Falls::default(),
            daily_life: DailyLife::default(),
            hazards: Hazards::default(),
            check_ins: CheckIns::default(),
            supervision: Supervision::default(),
            proofs: Proofs::default(),
            reassurance: Reassurance::default(),
            contacts: Contacts::default(),
            visits: Visits::default(),
            evidence: Evidence::default(),
        }
    }

    /// A home as a checkpoint left it.
    pub fn restore(rules: HomeRules, snapshot: HomeSnapshot) -> Self {
        let HomeSnapshot {
            pre_alarms,
            falls,
            daily_life,
            hazards,
            check_ins,
            supervision,
            proofs,
            reassurance,
            contacts,
            visits,
            evidence,
        } = snapshot;
        let daily_life = daily_life.restored(&rules.daily_life);
        Self {
            rules,
            pre_alarms,
            falls,
            daily_life,
            hazards,
            check_ins,
            supervision,
            proofs,
            reassurance,
            contacts,
            visits,
            evidence,
        }
    }

    /// What a checkpoint keeps.
    pub fn snapshot(&self) -> HomeSnapshot {
        HomeSnapshot {
            pre_alarms: self.pre_alarms.clone(),
            falls: self.falls.clone(),
            daily_life: self.daily_life.clone(),
            hazards: self.hazards.clone(),
            check_ins: self.check_ins.clone(),
            supervision: self.supervision.clone(),
            proofs: self.proofs.clone(),
            reassurance: self.reassurance.clone(),
            contacts: self.contacts.clone(),
            visits: self.visits.clone(),
            evidence: self.evidence,
        }
    }

    /// The rules this home runs by.
    pub fn rules(&self) -> &HomeRules {
        &self.rules
    }

    /// What the elder should be hearing now.
    pub fn stage(&self, now: &Stamp) -> Stage {
        let stage = self.reassurance.stage(now, self.around(), &self.rules.reassurance);
        if stage == Stage::Quiet && self.supervision.is_radio_lost() { Stage::RadioLost } else { stage }
    }

    /// What is known of the home's devices.
    pub fn supervision(&self) -> &Supervision {
        &self.supervision
    }

    /// The home's tests and proofs.
    pub fn proofs(&self) -> &Proofs {
        &self.proofs
    }

    /// What else of the home bears on the stage.
    fn around(&self) -> Around {
        Around {
            pre_alarm_running: self.pre_alarms.is_any_running(),
            contacts_called: self.contacts.called(OrderClass::Emergency),
        }
    }

    /// Decides what `input` means at `now`.
    #[must_use]
    pub fn handle(&mut self, now: &Stamp, input: &Input<'_>) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::Observed { observation, edge, reason } => {
                self.observe(now, observation, *edge, *reason, &mut effects);
            }
            Input::Visit(message) => {
                let evidence = HomeEvidence {
                    last_door_uptime_ms: uptime_of(now, self.evidence.door),
                    last_motion_uptime_ms: uptime_of(now, self.evidence.motion),
                };
                let record = self.visits.verify(now, message, evidence, &self.rules.visit);
                effects.push(Effect::Record(Body::Visit(record)));
            }
            Input::Cancel(device) => {
                self.pre_alarms.cancel(device, &mut effects);
                // "I'm fine" is no cancel of a call: the dispatcher is told of it, and decides.
                if self.call_open() {
                    effects.push(Effect::Record(Body::SaidFine(SaidFine { device: (*device).to_owned() })));
                }
            }
            Input::Synced(seq) => self.reassurance.synced(*seq),
            Input::Disk { writable } => self.reassurance.disk(*writable),
            Input::Received { seqs, ver } => self.reassurance.received(now, seqs, *ver),
            Input::Progress { ver, orders, lease_ms } => {
                self.reassurance.progress(now, *ver, orders, *lease_ms, &mut effects);
            }
            Input::DeviceHeard { device, power } => {
                let place = self.rules.devices.get(*device);
                self.supervision.heard(now, device, *power, place, &mut effects);
            }
            Input::TestAsked(device) => self.proofs.ask(device, &mut effects),
            Input::Started { unsafe_from } => {
                self.check_ins.starts(now);
                self.supervision.starts(now);
                self.proofs.starts(now);
                self.reassurance.starts(now, *unsafe_from, self.around(), &self.rules.reassurance);
                self.woken(now, &mut effects);
            }
            Input::Contacted { told, result } => self.contacts.answered(told, *result, &mut effects),
            Input::Woken => self.woken(now, &mut effects),
        }
        self.contacts.decide(now, self.reassurance.unheard(), &self.rules.contacts, &mut effects);
        effects
    }

    /// What the elder is to be told now, if anything; asked after every input, once its records are folded.
    #[must_use]
    pub fn telling(&mut self, now: &Stamp) -> Option<Telling> {
        let stage = self.stage(now);
        self.reassurance.tell(now, stage).map(|again| Telling { stage, again })
    }

    /// The messages to contacts that are to go out now; asked like [`Home::telling`].
    #[must_use]
    pub fn contacting(&mut self, now: &Stamp) -> Vec<Contacting> {
        self.contacts.contacting(now, self.reassurance.unheard(), &self.rules.contacts)
    }

    /// What the loop before this one knew: the centre has these, and its state at `ver` knows them.
    pub fn known_received(&mut self, now: &Stamp, seqs: &[u64], ver: u64) {
        self.reassurance.received(now, seqs, ver);
    }

    /// Folds a record that was written, now or before a restart.
    pub fn apply(&mut self, record: &Record) {
        self.daily_life.seen(&record.at);
        match &record.body {
            Body::Trigger(trigger) => {
                self.pre_alarms.triggered(trigger);
                self.falls.triggered(trigger);
                self.hazards.triggered(record, trigger);
                self.check_ins.triggered(record, trigger);
                self.supervision.triggered(record, trigger);
                self.proofs.triggered(record, trigger);
                self.daily_life.triggered(record, trigger, &self.rules);
                self.reassurance.called(record, trigger);
            }
            Body::PreAlarm(pre_alarm) => {
                self.pre_alarms.began(record, pre_alarm);
                self.falls.pre_alarmed(pre_alarm);
                self.daily_life.pre_alarmed(pre_alarm);
            }
            Body::Cancelled(cancelled) => {
                self.check_ins.cancelled(record);
                self.reassurance.cancelled(record);
                if let Some(pre_alarm) = self.pre_alarms.cancelled(cancelled) {
                    self.falls.cancelled(record, pre_alarm);
                }
                self.daily_life.cancelled(&record.at, &cancelled.device, cancelled.reason, &self.rules);
            }
            Body::Observed(observed) => {
                let of_others = self.daily_life.caregiver_present() || self.rules.may_be_pet(observed.kind);
                let known_before = self.supervision.has_told(&observed.device);
                self.falls.observed(record, observed, of_others, &self.rules.fall);
                self.hazards.observed(observed);
                if !self.rules.may_be_pet(observed.kind) {
                    self.check_ins.observed(record, observed, known_before);
                }
                self.supervision.observed(record, observed);
                self.daily_life.observed(&record.at, observed, known_before, &self.rules);
                self.note_evidence(&record.at, observed);
            }
            Body::Visit(visit) => {
                self.visits.apply(&record.at, visit);
                self.daily_life.visited(&record.at, visit, &self.rules.daily_life.caregiver);
            }
            Body::Concluded(concluded) => self.daily_life.concluded(&record.at, concluded, &self.rules),
            Body::Reassured(reassured) => self.reassurance.was_told(reassured.stage),
            Body::Resolved(resolved) => {
                self.reassurance.resolved(resolved);
                self.daily_life.resolved(&resolved.calls);
                self.contacts.over(|class| self.reassurance.has_call(class));
            }
            Body::SaidFine(said) => self.daily_life.said_fine(&record.at, &said.device, &self.rules),
            Body::Delivered(delivered) => self.reassurance.delivered(&record.at, delivered),
            Body::Started(_) => {
                self.reassurance.restarted(record.seq);
                self.supervision.started(record);
                self.proofs.started(record);
            }
            Body::Restored(restored) => self.supervision.restored(restored),
            Body::Tested(tested) => self.proofs.tested(record, tested),
            Body::Link { up } => self.reassurance.linked(*up),
            Body::ContactsCalled(called) => self.contacts.begun(record, called),
            Body::ContactTold(told) => self.contacts.told(record, told),
            Body::Stopped
            | Body::DeviceListed(_)
            | Body::Played(_)
            | Body::Mains(_)
            | Body::SegmentRetired(_)
            | Body::Missing(_) => {}
        }
    }

    /// The earliest moment of this boot, milliseconds of uptime, that something is due.
    pub fn next_deadline(&self) -> Option<(u64, Deadline)> {
        self.pre_alarms
            .deadlines()
            .chain(self.falls.deadlines(&self.rules.fall))
            .chain(self.daily_life.deadlines(&self.pre_alarms, &self.rules.daily_life))
            .chain(self.check_ins.deadlines(&self.rules.check_in))
            .chain(self.supervision.deadlines(&self.rules.supervision))
            .chain(self.proofs.deadlines(&self.rules.proof))
            .chain(self.reassurance.deadlines(&self.rules.reassurance))
            .chain(self.contacts.deadlines(self.reassurance.unheard(), &self.rules.contacts))
            .min()
    }

    /// The open orders that the elder waits on, as the centre told them last.
    pub fn orders(&self) -> impl Iterator<Item = &OrderProgress> {
        self.reassurance.leased()
    }

    /// What is known of the elder's day.
    pub fn daily_life(&self) -> &DailyLife {
        &self.daily_life
    }

    /// Whether a call or a pre-alarm is open.
    pub fn alarm_open(&self) -> bool {
        self.call_open() || self.pre_alarms.is_any_running()
    }

    /// Whether the elder waits on the centre: an alarm is open, or its cancel has not been heard of there.
    pub fn is_unsettled(&self) -> bool {
        self.alarm_open() || self.reassurance.is_cancelling()
    }

    /// Whether a call of the elder is open, so that every path to the centre is to be hurried.
    pub fn call_open(&self) -> bool {
        self.reassurance.call_open()
    }

    /// Raises and ends whatever is due.
    fn woken(&mut self, now: &Stamp, effects: &mut Vec<Effect>) {
        self.pre_alarms.woken(now, effects);
        self.falls.woken(now, &self.rules.fall, effects);
        self.daily_life.woken(now, &self.pre_alarms, &self.rules.daily_life, effects);
        let HomeRules { utc_offset_minutes, devices, check_in, supervision, proof, .. } = &self.rules;
        self.check_ins.woken(now, *utc_offset_minutes, &self.rules.daily_life.holidays, check_in, effects);
        self.supervision.woken(now, devices, supervision, effects);
        self.proofs.woken(now, devices, proof, effects);
    }

    fn note_evidence(&mut self, at: &Stamp, observed: &Observed) {
        match (observed.kind, &observed.value) {
            (Kind::Contact, _) => self.evidence.door = Some(*at),
            (Kind::Motion | Kind::Presence, Reading::Active) => self.evidence.motion = Some(*at),
            _ => {}
        }
    }
}

/// When something of this boot was, milliseconds of uptime; across boots it is unknowable.
fn uptime_of(now: &Stamp, then: Option<Stamp>) -> Option<u64> {
    then.filter(|then| then.boot == now.boot).map(|then| then.uptime_ms)
}

/// Milliseconds from `then` to `now`; none across boots.
fn elapsed_ms(now: &Stamp, then: &Stamp) -> Option<u64> {
    (now.boot == then.boot).then(|| now.uptime_ms.saturating_sub(then.uptime_ms))
}

/// How long ago a moment was: exact within a boot, by trusted clocks across boots, else unknown.
fn age_ms(now: &Stamp, at: &Stamp) -> Option<u64> {
    if now.boot == at.boot {
        return Some(now.uptime_ms.saturating_sub(at.uptime_ms));
    }
    let trusted = now.wall_trusted && at.wall_trusted;
    trusted.then(|| u64::try_from(now.wall_ms.saturating_sub(at.wall_ms)).unwrap_or(0))
}

/// The identity of the lifecycle a record opens.
fn lifecycle(record: &Record) -> LocalKey {
    record.key()
}

#[cfg(test)]
mod tests;
