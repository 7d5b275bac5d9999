//! The rules of one home, pure: what a device said becomes records to write and a stage to tell.
//!
//! [`Home::handle`] decides and returns effects; what it decides becomes true only when the record
//! comes back through [`Home::apply`], live and at recovery alike, so that the rules are never run
//! again over the past. No IO, clock, randomness, logging or failure; each lifecycle has its file.

use std::collections::BTreeMap;

use protocol::downlink::OrderProgress;
use protocol::ids::LocalKey;
use protocol::observation::{Kind, Observation, Reading};
use protocol::record::{Body, ContactResult, MainsSupply, Observed, Record, SaidFine, Stamp, Trigger};
use protocol::stage::Stage;
use protocol::trigger::{OrderClass, Reason, TriggerKind};
use serde::{Deserialize, Serialize};

use self::contacts::{ContactRules, Contacting, Contacts};
use self::daily_life::{DailyLife, DailyLifeRules};
use self::fall::{FallRules, Falls};
use self::pre_alarm::PreAlarms;
use self::reassurance::{Around, Reassurance, ReassuranceRules};
use self::visit::{HomeEvidence, VisitRules, Visits};
use crate::decode::{Role, VisitMessage};

pub mod away;
pub mod caregiver;
pub mod chatter;
pub mod contacts;
pub mod daily_life;
pub mod dwell;
pub mod fall;
pub mod inactivity;
pub mod local_time;
pub mod pre_alarm;
pub mod reassurance;
pub mod rhythm;
pub mod stopwatch;
pub mod visit;

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
}

/// Everything that can happen to a home.
#[derive(Debug, Clone)]
pub enum Input<'a> {
    /// A decoded device message says something.
    Observed {
        /// What it says.
        observation: &'a Observation,
        /// Whether it changes what was known.
        edge: bool,
        /// The decoder's reason, for kinds that raise.
        reason: Option<Reason>,
    },
    /// A caregiver checks in or out.
    Visit(&'a VisitMessage),
    /// The elder cancels from a page or button of the product's own, named here.
    Cancel(&'a str),
    /// The journal holds every record up to this sequence.
    Synced(u64),
    /// The journal could not be written, or can again.
    Disk {
        /// Whether it takes records.
        writable: bool,
    },
    /// The centre holds these records; its state of the home was then at `ver`.
    Received {
        /// Sequences received.
        seqs: &'a [u64],
        /// Version of the home's state at the centre.
        ver: u64,
    },
    /// The centre told the whole state of the home's open orders.
    Progress {
        /// Version of that state.
        ver: u64,
        /// The open orders.
        orders: &'a [OrderProgress],
        /// How long it holds, milliseconds.
        lease_ms: u64,
    },
    /// What came of a message to a contact.
    Contacted {
        /// The message.
        told: Contacting,
        /// What came of it.
        result: ContactResult,
    },
    /// The program started; everything known was applied before.
    Started,
    /// A deadline may have passed.
    Woken,
}

/// What a home asks of the loop around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Write this record, and fold it with [`Home::apply`] at once.
    Record(Body),
}

/// What the elder is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Telling {
    /// The stage.
    pub stage: Stage,
    /// Whether it repeats what was told last, because a press asks anew.
    pub again: bool,
}

/// When a home next wants to be woken, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deadline {
    /// A pre-alarm ends.
    PreAlarmEnds,
    /// A suspected fall was not cleared.
    FallWarningEnds,
    /// A cancelled fall was followed by stillness.
    FallFollowUpEnds,
    /// Quiet after the exit door: presumed out.
    PresumedOut,
    /// A quiet or an absence is too long.
    QuietTooLong,
    /// There was no contact after an inactivity alarm.
    NoContact,
    /// A stay in bathroom or bed is too long.
    StaysTooLong,
    /// A visit no longer stills the elder's clock.
    VisitEnds,
    /// The centre has not received a press in time.
    CentreNotReached,
    /// What the centre said no longer holds.
    LeaseEnds,
    /// A call has been without receipt for so long that the contacts are told.
    ContactsWait,
    /// A contact is to be tried, or tried again.
    ContactDue,
}

/// One home's rules and what they know.
#[derive(Debug, Clone)]
pub struct Home {
    rules: HomeRules,
    pre_alarms: PreAlarms,
    falls: Falls,
    daily_life: DailyLife,
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
            reassurance: Reassurance::default(),
            contacts: Contacts::default(),
            visits: Visits::default(),
            evidence: Evidence::default(),
        }
    }

    /// A home as a checkpoint left it.
    pub fn restore(rules: HomeRules, snapshot: HomeSnapshot) -> Self {
        let HomeSnapshot { pre_alarms, falls, daily_life, reassurance, contacts, visits, evidence } = snapshot;
        Self { rules, pre_alarms, falls, daily_life, reassurance, contacts, visits, evidence }
    }

    /// What a checkpoint keeps.
    pub fn snapshot(&self) -> HomeSnapshot {
        HomeSnapshot {
            pre_alarms: self.pre_alarms.clone(),
            falls: self.falls.clone(),
            daily_life: self.daily_life.clone(),
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
        self.reassurance.stage(now, self.around(), &self.rules.reassurance)
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
            Input::Started => {
                self.reassurance.starts(now, self.around(), &self.rules.reassurance);
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

    /// Folds a record that was written, now or before a restart.
    pub fn apply(&mut self, record: &Record) {
        self.daily_life.seen(&record.at);
        match &record.body {
            Body::Trigger(trigger) => {
                self.pre_alarms.triggered(trigger);
                self.falls.triggered(trigger);
                self.daily_life.triggered(record, trigger, &self.rules);
                self.reassurance.called(record, trigger);
            }
            Body::PreAlarm(pre_alarm) => {
                self.pre_alarms.began(record, pre_alarm);
                self.falls.pre_alarmed(pre_alarm);
                self.daily_life.pre_alarmed(pre_alarm);
            }
            Body::Cancelled(cancelled) => {
                if let Some(pre_alarm) = self.pre_alarms.cancelled(cancelled) {
                    self.falls.cancelled(record, pre_alarm);
                }
                self.daily_life.cancelled(&record.at, &cancelled.device, cancelled.reason, &self.rules);
            }
            Body::Observed(observed) => {
                self.falls.observed(record, observed, &self.rules.fall);
                self.daily_life.observed(&record.at, observed, &self.rules);
                self.note_evidence(&record.at, observed);
            }
            Body::Visit(visit) => {
                self.visits.apply(&record.at, visit);
                self.daily_life.visited(&record.at, visit);
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
            Body::Started(_) => self.reassurance.restarted(record.seq),
            Body::Link { up } => self.reassurance.linked(*up),
            Body::ContactsCalled(called) => self.contacts.begun(record, called),
            Body::ContactTold(told) => self.contacts.told(record, told),
            Body::Stopped
            | Body::DeviceListed(_)
            | Body::Played(_)
            | Body::Mains(_)
            | Body::Restored(_)
            | Body::Tested(_)
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

    /// Whether a call of the elder is open, so that every path to the centre is to be hurried.
    pub fn call_open(&self) -> bool {
        self.reassurance.call_open()
    }

    /// Raises and ends whatever is due.
    fn woken(&self, now: &Stamp, effects: &mut Vec<Effect>) {
        self.pre_alarms.woken(now, effects);
        self.falls.woken(now, &self.rules.fall, effects);
        self.daily_life.woken(now, &self.pre_alarms, &self.rules.daily_life, effects);
    }

    fn observe(
        &self,
        now: &Stamp,
        observation: &Observation,
        edge: bool,
        reason: Option<Reason>,
        effects: &mut Vec<Effect>,
    ) {
        if !edge {
            return;
        }
        let place = self.rules.devices.get(&observation.device);
        let room = place.and_then(|place| place.room.clone());
        let trigger = |kind, fallback| {
            Effect::Record(Body::Trigger(Trigger {
                kind,
                device: observation.device.clone(),
                key: observation.key.clone(),
                room: room.clone(),
                reason: reason.unwrap_or(fallback),
                follows: None,
                test: false,
            }))
        };
        let active = observation.value == Reading::Active;
        match observation.kind {
            Kind::Sos if active => effects.push(trigger(TriggerKind::Sos, Reason::ButtonPressed)),
            Kind::Assistance if active && reason == Some(Reason::ElderCancelled) => {
                self.pre_alarms.cancel(&observation.device, effects);
                if effects.is_empty() {
                    effects.push(observed(observation, room));
                }
            }
            Kind::Assistance if active => effects.push(trigger(TriggerKind::Assistance, Reason::AssistancePressed)),
            Kind::Fall if active => {
                self.falls.fell(now, observation, room, reason, &self.pre_alarms, &self.rules.fall, effects);
            }
            Kind::Smoke if active => effects.push(trigger(TriggerKind::Smoke, Reason::SensorAlarm)),
            Kind::Gas if active => effects.push(trigger(TriggerKind::Gas, Reason::SensorAlarm)),
            Kind::Co if active => effects.push(trigger(TriggerKind::Co, Reason::SensorAlarm)),
            Kind::Water if active => effects.push(trigger(TriggerKind::Water, Reason::SensorAlarm)),
            // Link quality moves with every message and says nothing of the elder; it stays in the device list.
            Kind::Link => {}
            Kind::Sos
            | Kind::Assistance
            | Kind::Fall
            | Kind::FallWarning
            | Kind::Motion
            | Kind::Presence
            | Kind::Contact
            | Kind::Bed
            | Kind::Water
            | Kind::Smoke
            | Kind::Gas
            | Kind::Co
            | Kind::Vibration
            | Kind::Tamper
            | Kind::Battery
            | Kind::Availability => effects.push(observed(observation, room)),
            Kind::Mains => effects.push(Effect::Record(Body::Mains(MainsSupply {
                device: observation.device.clone(),
                key: observation.key.clone(),
                present: active,
            }))),
            // A visit comes as Input::Visit, graded; the bare observation adds nothing.
            Kind::Visit => {}
        }
        self.daily_life.observe(now, observation, &self.pre_alarms, &self.rules, effects);
    }

    fn note_evidence(&mut self, at: &Stamp, observed: &Observed) {
        match (observed.kind, &observed.value) {
            (Kind::Contact, _) => self.evidence.door = Some(*at),
            (Kind::Motion | Kind::Presence, Reading::Active) => self.evidence.motion = Some(*at),
            _ => {}
        }
    }
}

fn observed(observation: &Observation, room: Option<String>) -> Effect {
    Effect::Record(Body::Observed(Observed {
        kind: observation.kind,
        device: observation.device.clone(),
        key: observation.key.clone(),
        room,
        value: observation.value.clone(),
    }))
}

/// When something of this boot was, milliseconds of uptime; across boots it is unknowable.
fn uptime_of(now: &Stamp, then: Option<Stamp>) -> Option<u64> {
    then.filter(|then| then.boot == now.boot).map(|then| then.uptime_ms)
}

/// Milliseconds from `then` to `now`; none across boots.
fn elapsed_ms(now: &Stamp, then: &Stamp) -> Option<u64> {
    (now.boot == then.boot).then(|| now.uptime_ms.saturating_sub(then.uptime_ms))
}

/// The identity of the lifecycle a record opens.
fn lifecycle(record: &Record) -> LocalKey {
    record.key()
}

#[cfg(test)]
mod tests;
