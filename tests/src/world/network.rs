//! The lines between homes and centre: each request's fate is drawn when it is sent.

use std::sync::Arc;

use gateway::engine::{Completion, SendFailure};
use protocol::WIRE_VERSION;
use protocol::record::{Record, Stamp};
use protocol::uplink::UplinkRequest;
use sensor_sim::dice::Dice;

use super::{Due, World};

/// How long the gateway's client waits beyond what it asked for, milliseconds.
const TIMEOUT_MS: u64 = 10_000;

/// What a path does with what is sent on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathState {
    /// It carries.
    Up,
    /// It says at once that nothing is there.
    Refused,
    /// It swallows everything.
    BlackHole,
    /// Requests arrive, answers do not.
    HalfOpen,
}

impl PathState {
    pub(super) fn drawn(dice: &mut Dice) -> Self {
        match dice.between(0, 2) {
            0 => Self::Refused,
            1 => Self::BlackHole,
            _ => Self::HalfOpen,
        }
    }
}

/// What is asked of the centre.
#[derive(Debug, Clone)]
pub(super) enum Asked {
    /// Records.
    Uplink { request: u64, batch: UplinkRequest },
    /// The same as the JSON body.
    UplinkBody { request: u64, body: Vec<u8> },
    /// How far help is.
    Poll { after: u64, wait_ms: u64 },
}

/// A request under way.
#[derive(Debug, Clone)]
pub(super) struct Mail {
    pub(super) home: usize,
    pub(super) run: u32,
    pub(super) path: usize,
    pub(super) asked: Asked,
    pub(super) give_up_ms: u64,
    /// A second copy of one that was sent once; nobody waits for its answer.
    pub(super) copy: bool,
}

impl Asked {
    pub(super) fn completion(&self, failure: SendFailure) -> Completion {
        match self {
            Self::Uplink { request, .. } | Self::UplinkBody { request, .. } => {
                Completion::Sent { request: *request, outcome: Err(failure) }
            }
            Self::Poll { .. } => Completion::Polled(Err(failure)),
        }
    }
}

fn gone() -> SendFailure {
    SendFailure::Unreachable(String::new())
}

impl World {
    /// Whether lines and disks of this world take no time and never fail.
    pub(super) fn instant(&self) -> bool {
        self.config.faults == super::faults::Faults::None
    }

    pub(super) fn send(&mut self, home: usize, request: u64, path: usize, sent: Stamp, records: Vec<Arc<Record>>) {
        let batch = UplinkRequest { v: WIRE_VERSION, gateway: self.homes[home].id.clone(), sent, records };
        self.post(home, path, Asked::Uplink { request, batch }, TIMEOUT_MS);
    }

    pub(super) fn poll(&mut self, home: usize, path: usize, after: u64, wait_secs: u64) {
        let wait_ms = wait_secs * 1_000;
        self.post(home, path, Asked::Poll { after, wait_ms }, TIMEOUT_MS + wait_ms);
    }

    fn post(&mut self, home: usize, path: usize, asked: Asked, timeout_ms: u64) {
        let (run, state, flaky) = (self.homes[home].run, self.homes[home].paths[path], self.homes[home].flaky);
        let mut mail = Mail { home, run, path, asked, give_up_ms: self.now_ms + timeout_ms, copy: false };
        if self.instant() && state == PathState::Up {
            self.arrive(mail);
            return;
        }
        let lost = match state {
            PathState::Refused => {
                let at = self.now_ms + self.dice.between(1, 60);
                self.fail_mail(&mail, at);
                return;
            }
            PathState::BlackHole => true,
            PathState::Up | PathState::HalfOpen => flaky && self.dice.chance(25),
        };
        if lost {
            self.fail_mail(&mail, mail.give_up_ms);
            return;
        }
        if self.json
            && let Asked::Uplink { request, batch } = &mail.asked
        {
            // Our own wire type: it always serialises.
            mail.asked = Asked::UplinkBody { request: *request, body: serde_json::to_vec(batch).unwrap_or_default() };
        }
        let delay = self.line_delay_ms(flaky);
        if flaky && self.dice.chance(20) && !matches!(mail.asked, Asked::Poll { .. }) {
            let later = self.now_ms + delay + self.dice.between(0, 30_000);
            mail.copy = true;
            self.agenda.put(later, Due::Arrive(Box::new(mail.clone())));
            mail.copy = false;
        }
        self.agenda.put(self.now_ms + delay, Due::Arrive(Box::new(mail)));
    }

    fn line_delay_ms(&mut self, flaky: bool) -> u64 {
        if flaky && self.dice.chance(30) { self.dice.between(100, 15_000) } else { self.dice.between(1, 40) }
    }

    /// The gateway learns at `at_ms` that a request came to nothing.
    pub(super) fn fail_mail(&mut self, mail: &Mail, at_ms: u64) {
        if !mail.copy {
            let completion = Box::new(mail.asked.completion(gone()));
            let at_ms = at_ms.max(self.now_ms);
            self.agenda.put(at_ms, Due::Return { home: mail.home, run: mail.run, completion });
        }
    }

    /// Sends an answer home.
    pub(super) fn answer(&mut self, mail: &Mail, completion: Completion) {
        let at = &self.homes[mail.home];
        if mail.copy || at.run != mail.run {
            return;
        }
        let (state, flaky) = (at.paths[mail.path], at.flaky);
        if self.instant() && state == PathState::Up {
            self.homes[mail.home].inbox.push_back(completion);
            self.drain(mail.home);
            return;
        }
        let lost = state != PathState::Up || (flaky && self.dice.chance(25));
        let arrives = self.now_ms + self.line_delay_ms(flaky);
        if lost || arrives > mail.give_up_ms {
            self.fail_mail(mail, mail.give_up_ms);
        } else {
            let completion = Box::new(completion);
            self.agenda.put(arrives, Due::Return { home: mail.home, run: mail.run, completion });
        }
    }
}
