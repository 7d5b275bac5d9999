//! Contacts: whom the home tells by itself when a call does not reach the centre.
//!
//! One round of messages a class of danger: each contact is tried until one message was taken or the
//! attempts are used up, and only while the call has no receipt. Numbers and words are the adapter's.

use std::collections::BTreeMap;

use protocol::ids::LocalKey;
use protocol::record::{Body, ContactResult, ContactTold, ContactsCalled, Record, Stamp};
use protocol::trigger::{OrderClass, Reason};
use serde::{Deserialize, Serialize};

use super::{Deadline, Effect, lifecycle};

/// Most contacts of a home.
pub const CONTACTS_MAX: u8 = 2;

/// Times and numbers of the contact rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContactRules {
    /// How many contacts are configured; with none nobody is told.
    pub contacts: u8,
    /// From a call without receipt to the first message, milliseconds.
    pub wait_ms: u64,
    /// Most messages to one contact in a round.
    pub attempts_max: u8,
    /// From an attempt that failed to the next, milliseconds; doubled each time.
    pub retry_ms: u64,
    /// Further calls within this belong to the round, milliseconds.
    pub again_ms: u64,
    /// An attempt that was not answered in this time counts as lost, milliseconds.
    pub answer_ms: u64,
}

impl Default for ContactRules {
    fn default() -> Self {
        Self { contacts: 0, wait_ms: 60_000, attempts_max: 5, retry_ms: 20_000, again_ms: 600_000, answer_ms: 120_000 }
    }
}

/// A call that the centre has not confirmed.
#[derive(Debug, Clone, Copy)]
pub struct Unheard {
    /// The trigger.
    pub call: LocalKey,
    /// Its class.
    pub class: OrderClass,
    /// When it was raised.
    pub at: Stamp,
}

/// One message that is to go to one contact now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contacting {
    /// What it is about.
    pub class: OrderClass,
    /// Which contact, from 1.
    pub contact: u8,
    /// Which attempt, from 1.
    pub attempt: u8,
}

/// A round of messages.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Round {
    key: LocalKey,
    at: Stamp,
    told: Vec<Tried>,
}

/// What was tried with one contact.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Tried {
    attempts: u8,
    taken: bool,
    last: Option<Stamp>,
}

/// The rounds of a home, and what is under way.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Contacts {
    rounds: BTreeMap<OrderClass, Round>,
    /// Attempts that have no answer yet: the uptime of the last, and how many were lost before it.
    #[serde(skip)]
    asked: BTreeMap<(OrderClass, u8), (u64, u8)>,
    /// Boot and uptime at which the rounds were looked at last.
    #[serde(skip)]
    evaluated: (u64, u64),
}

impl Contacts {
    /// Whether the contacts are being told of this class.
    pub fn called(&self, class: OrderClass) -> bool {
        self.rounds.contains_key(&class)
    }

    /// Begins a round for calls that waited too long and belong to none.
    pub fn decide(
        &self,
        now: &Stamp,
        unheard: impl Iterator<Item = Unheard>,
        rules: &ContactRules,
        effects: &mut Vec<Effect>,
    ) {
        let mut begun = Vec::new();
        for Unheard { call, class, .. } in unheard
            .filter(|_| rules.contacts > 0)
            .filter(|unheard| since_ms(now, &unheard.at) >= rules.wait_ms && !self.covers(unheard, rules))
        {
            if !begun.contains(&class) {
                begun.push(class);
                let (contacts, reason) = (rules.contacts, Reason::CentreNotReached);
                effects.push(Effect::Record(Body::ContactsCalled(ContactsCalled { call, class, contacts, reason })));
            }
        }
    }

    /// The messages that are to go out now; asked after every input, once its records are folded.
    #[must_use]
    pub fn contacting(
        &mut self,
        now: &Stamp,
        unheard: impl Iterator<Item = Unheard>,
        rules: &ContactRules,
    ) -> Vec<Contacting> {
        self.evaluated = (now.boot, now.uptime_ms);
        let waiting: Vec<_> = unheard.map(|unheard| unheard.class).collect();
        let mut due = Vec::new();
        for (class, round) in self.rounds.iter().filter(|(class, _)| waiting.contains(class)) {
            for (contact, tried) in (1_u8..).zip(&round.told) {
                let due_ms = self.due_ms((*class, contact), round, tried, rules);
                if due_ms.is_some_and(|due_ms| now.uptime_ms >= due_ms) {
                    let attempt = tried.attempts + self.lost((*class, contact)) + 1;
                    due.push(Contacting { class: *class, contact, attempt });
                }
            }
        }
        for Contacting { class, contact, .. } in &due {
            let lost = self.lost((*class, *contact));
            self.asked.insert((*class, *contact), (now.uptime_ms, lost));
        }
        due
    }

    /// An attempt was answered; it becomes a record.
    pub fn answered(&mut self, told: &Contacting, result: ContactResult, effects: &mut Vec<Effect>) {
        let Contacting { class, contact, attempt } = *told;
        self.asked.remove(&(class, contact));
        effects.push(Effect::Record(Body::ContactTold(ContactTold { class, contact, attempt, result })));
    }

    /// Folds the beginning of a round.
    pub fn begun(&mut self, record: &Record, called: &ContactsCalled) {
        let told = (0..called.contacts.min(CONTACTS_MAX)).map(|_| Tried::default()).collect();
        self.rounds.insert(called.class, Round { key: lifecycle(record), at: record.at, told });
    }

    /// Folds what came of an attempt.
    pub fn told(&mut self, record: &Record, told: &ContactTold) {
        let round = self.rounds.get_mut(&told.class);
        let index = usize::from(told.contact.saturating_sub(1));
        if let Some(tried) = round.and_then(|round| round.told.get_mut(index)) {
            tried.attempts = tried.attempts.max(told.attempt);
            tried.taken |= told.result == ContactResult::Taken;
            tried.last = Some(record.at);
        }
    }

    /// Folds the end of calls: rounds of a class without calls are over.
    pub fn over(&mut self, is_open: impl Fn(OrderClass) -> bool) {
        self.rounds.retain(|class, _| is_open(*class));
    }

    /// The deadlines of this boot that have not been looked at, milliseconds of uptime.
    pub fn deadlines(&self, unheard: impl Iterator<Item = Unheard>, rules: &ContactRules) -> Vec<(u64, Deadline)> {
        let evaluated_ms = self.evaluated.1;
        let mut due = Vec::new();
        for unheard in unheard.filter(|_| rules.contacts > 0) {
            if self.covers(&unheard, rules) {
                let round = self.rounds.get(&unheard.class);
                for (contact, tried) in (1_u8..).zip(round.iter().flat_map(|round| &round.told)) {
                    let at_ms = round.and_then(|round| self.due_ms((unheard.class, contact), round, tried, rules));
                    due.extend(at_ms.map(|at_ms| (at_ms, Deadline::ContactDue)));
                }
            } else {
                due.push((self.from(&unheard.at).saturating_add(rules.wait_ms), Deadline::ContactsWait));
            }
        }
        due.retain(|(at_ms, _)| *at_ms > evaluated_ms);
        due
    }

    /// Whether a call belongs to a round: made before it, or soon after.
    fn covers(&self, unheard: &Unheard, rules: &ContactRules) -> bool {
        self.rounds.get(&unheard.class).is_some_and(|round| {
            let soon = unheard.at.boot == round.at.boot
                && unheard.at.uptime_ms < round.at.uptime_ms.saturating_add(rules.again_ms);
            unheard.call.seq < round.key.seq || soon
        })
    }

    /// When a contact is to be tried next, milliseconds of uptime; none when it was told or given up.
    fn due_ms(&self, which: (OrderClass, u8), round: &Round, tried: &Tried, rules: &ContactRules) -> Option<u64> {
        if tried.taken || tried.attempts + self.lost(which) >= rules.attempts_max {
            return None;
        }
        let due_ms = match &tried.last {
            None => self.from(&round.at),
            Some(last) => {
                let doubled = u32::from(tried.attempts.saturating_sub(1)).min(16);
                self.from(last).saturating_add(rules.retry_ms << doubled)
            }
        };
        let asked_ms = self.asked.get(&which).map(|(asked_ms, _)| asked_ms.saturating_add(rules.answer_ms));
        Some(due_ms.max(asked_ms.unwrap_or(0)))
    }

    /// Attempts of this run that were never answered, the one that waits included.
    fn lost(&self, which: (OrderClass, u8)) -> u8 {
        self.asked.get(&which).map_or(0, |(_, lost)| lost.saturating_add(1))
    }

    /// What was stamped in an earlier boot counts from the beginning of this one.
    fn from(&self, at: &Stamp) -> u64 {
        if at.boot == self.evaluated.0 { at.uptime_ms } else { 0 }
    }
}

/// How long ago a moment was; since this boot where it lies before it.
fn since_ms(now: &Stamp, at: &Stamp) -> u64 {
    if now.boot == at.boot { now.uptime_ms.saturating_sub(at.uptime_ms) } else { now.uptime_ms }
}
