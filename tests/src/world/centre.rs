//! The centre as a process: the shipping `Centre` over its store in memory, held polls, crashes with
//! everything uncommitted lost.

use std::collections::BTreeMap;

use cloud_bridge::centre::{Answer, Centre, LinkChange, Progress, Request, Uplink};
use cloud_bridge::heartbeat::{HeartbeatRules, Heartbeats};
use cloud_bridge::store::memory::MemoryStore;
use cloud_bridge::store::{FeedItem, Reads};
use gateway::engine::{Completion, SendFailure};
use protocol::WIRE_VERSION;
use protocol::downlink::{DownlinkAnswer, LEASE_SECS};
use protocol::ids::GatewayId;
use protocol::uplink::{UplinkAnswer, UplinkRequest};

use super::idle::IdlePoll;
use super::network::{Asked, Mail};
use super::watch::Invariant;
use super::{Due, EPOCH_MS, NEWS_WITHIN_MS, World};

/// A poll that waits for news.
#[derive(Debug)]
struct Held {
    ticket: u64,
    mail: Mail,
}

/// The centre's program and what it stands on.
#[derive(Debug, Default)]
pub(super) struct CentreSite {
    running: Option<Centre<MemoryStore>>,
    store: Option<MemoryStore>,
    held: Vec<Held>,
    next_ticket: u64,
    by_id: BTreeMap<GatewayId, usize>,
    pub(super) progress: Vec<Progress>,
    deadline_ms: Option<u64>,
    fails_in: Option<u64>,
    /// When its program last died or started.
    pub(super) troubled_ms: u64,
    /// It committed the last request and died before it could say so.
    died_committed: bool,
    /// Whose polls are watched for silence; scenarios only.
    beats: Option<Heartbeats>,
    /// The home is one of high risk by the centre's configuration.
    high_risk: bool,
    /// It stays down until it is told to start.
    pub(super) kept_down: bool,
}

impl CentreSite {
    pub(super) fn new(homes: impl Iterator<Item = GatewayId>) -> Self {
        let by_id: BTreeMap<_, _> = homes.enumerate().map(|(index, id)| (id, index)).collect();
        let progress = vec![Progress::default(); by_id.len()];
        Self { store: Some(MemoryStore::new()), by_id, progress, ..Self::default() }
    }

    /// From its next start it misses gateways that do not poll, those of homes of high risk sooner.
    pub(super) fn watch_beats(&mut self, high_risk: bool) {
        self.high_risk = high_risk;
        self.beats = Some(Heartbeats::start(HeartbeatRules::default(), [], 0));
    }

    pub(super) fn is_up(&self) -> bool {
        self.running.is_some()
    }

    /// The centre dies in the midst of a transaction, after so many writes.
    pub(super) fn fail_commit_in(&mut self, writes: u64) {
        self.fails_in = Some(writes);
    }

    pub(super) fn fail_never(&mut self) {
        self.fails_in = None;
    }

    /// The store, for reading what is committed.
    pub(super) fn store(&mut self) -> Option<&mut MemoryStore> {
        match &mut self.running {
            Some(centre) => Some(centre.store()),
            None => self.store.as_mut(),
        }
    }
}

fn unavailable() -> SendFailure {
    SendFailure::Status(503)
}

impl World {
    pub(super) fn start_centre(&mut self) {
        if self.centre.running.is_some() || self.centre.kept_down {
            return;
        }
        let Some(mut store) = self.centre.store.take() else { return };
        store.crash();
        match Centre::open(store) {
            Ok(mut centre) => {
                for (id, index) in &self.centre.by_id {
                    self.centre.progress[*index] = centre.progress(id).unwrap_or_default();
                }
                self.centre.running = Some(centre);
                self.centre.troubled_ms = self.now_ms;
                self.transcript.story(self.now_ms, format_args!("centre starts"));
                self.centre.deadline_ms = None;
                self.plan_centre_deadline();
                self.start_beats();
            }
            Err(error) => self.watch.violated(Invariant::StartupSucceeds, self.now_ms, usize::MAX, error.to_string()),
        }
    }

    fn start_beats(&mut self) {
        let now_wall = EPOCH_MS.saturating_add_unsigned(self.now_ms);
        let known = self.centre.store().and_then(|store| store.gateways().ok()).unwrap_or_default();
        let Some(beats) = &mut self.centre.beats else { return };
        *beats = Heartbeats::start(HeartbeatRules::default(), known, now_wall);
        self.plan_beats();
    }

    fn plan_beats(&mut self) {
        let Some(beats) = &self.centre.beats else { return };
        let at_ms = u64::try_from(beats.next_check_ms().saturating_sub(EPOCH_MS)).unwrap_or(0);
        self.agenda.put(at_ms.max(self.now_ms + 1), Due::Beats);
    }

    /// Looks who has fallen silent.
    pub(super) fn check_beats(&mut self) {
        let now_wall = EPOCH_MS.saturating_add_unsigned(self.now_ms);
        let Some(beats) = self.centre.beats.as_mut().filter(|_| self.centre.running.is_some()) else {
            return;
        };
        let HeartbeatRules { order_after_ms, high_risk_order_after_ms, .. } = HeartbeatRules::default();
        let order_after_ms = if self.centre.high_risk { high_risk_order_after_ms } else { order_after_ms };
        for (gateway, since_ms) in beats.fallen_silent(now_wall) {
            self.transcript.story(self.now_ms, format_args!("centre: the gateway is offline"));
            let change = LinkChange::Silent { since_ms, order_after_ms };
            self.ask_centre(Request::Link { gateway, change });
        }
        self.plan_beats();
    }

    fn beat(&mut self, home: usize) {
        let now_wall = EPOCH_MS.saturating_add_unsigned(self.now_ms);
        let gateway = self.homes[home].id.clone();
        let Some(beats) = &mut self.centre.beats else { return };
        if beats.beat(&gateway, now_wall) {
            self.transcript.story(self.now_ms, format_args!("centre: the gateway is online again"));
            self.ask_centre(Request::Link { gateway, change: LinkChange::Heard });
        }
    }

    /// The centre dies; what was not committed is gone, and nobody who waits is answered.
    pub(super) fn crash_centre(&mut self) {
        let down = match self.dice.between(0, 5) {
            0..=3 => self.dice.between(1_000, 120_000),
            4 => self.dice.between(120_000, 30 * 60_000),
            _ => self.dice.between(30 * 60_000, 4 * super::HOUR_MS),
        };
        if self.stop_centre() {
            self.agenda.put(self.now_ms + down, Due::CentreStart);
        }
    }

    pub(super) fn stop_centre(&mut self) -> bool {
        let Some(centre) = self.centre.running.take() else { return false };
        self.transcript.story(self.now_ms, format_args!("centre stops"));
        let mut store = centre.into_store();
        store.crash();
        self.centre.store = Some(store);
        self.centre.fails_in = None;
        self.tally.centre_crashes += 1;
        for held in std::mem::take(&mut self.centre.held) {
            let at = self.now_ms + self.dice.between(1, 100);
            self.fail_mail(&held.mail, at);
        }
        true
    }

    /// A request reaches the centre.
    pub(super) fn arrive(&mut self, mut mail: Mail) {
        if self.centre.running.is_none() {
            // Its machine still answers that nobody is there.
            let at = self.now_ms + self.dice.between(1, 60);
            self.fail_mail(&mail, at);
            return;
        }
        let nothing = Asked::Poll { after: 0, wait_ms: 0 };
        match std::mem::replace(&mut mail.asked, nothing) {
            Asked::Uplink { request, batch } => self.uplink(mail, request, batch, false),
            Asked::UplinkBody { request, body } => match serde_json::from_slice::<UplinkRequest>(&body) {
                Ok(batch) => self.uplink(mail, request, batch, true),
                Err(error) => self.watch.violated(Invariant::BodiesReadBack, self.now_ms, mail.home, error.to_string()),
            },
            Asked::Poll { after, wait_ms } => {
                self.beat(mail.home);
                mail.asked = Asked::Poll { after, wait_ms };
                if self.centre.progress[mail.home].ver != after {
                    self.answer_poll(&mail);
                    return;
                }
                if self.may_idle(mail.home) {
                    let ends_ms = self.now_ms + wait_ms;
                    self.homes[mail.home].idle_poll = Some(IdlePoll { ends_ms, wait_ms });
                    return;
                }
                let ticket = self.centre.next_ticket;
                self.centre.next_ticket += 1;
                self.agenda.put(self.now_ms + wait_ms, Due::PollEnds { ticket });
                self.centre.held.push(Held { ticket, mail });
            }
        }
    }

    pub(super) fn poll_ends(&mut self, ticket: u64) {
        if let Some(place) = self.centre.held.iter().position(|held| held.ticket == ticket) {
            let held = self.centre.held.swap_remove(place);
            self.answer_poll(&held.mail);
        }
    }

    fn answer_poll(&mut self, mail: &Mail) {
        let answer = self.downlink_answer(mail.home, self.now_ms);
        let answer = if self.json { through_json(&answer).unwrap_or(answer) } else { answer };
        self.answer(mail, Completion::Polled(Ok(answer)));
    }

    pub(super) fn downlink_answer(&self, home: usize, now_ms: u64) -> DownlinkAnswer {
        let progress = &self.centre.progress[home];
        DownlinkAnswer {
            v: WIRE_VERSION,
            next: progress.ver,
            orders: progress.orders.clone(),
            lease_secs: LEASE_SECS,
            server_time_ms: EPOCH_MS.saturating_add_unsigned(now_ms),
        }
    }

    fn uplink(&mut self, mut mail: Mail, request: u64, batch: UplinkRequest, json: bool) {
        let watched: Vec<_> = batch
            .records
            .iter()
            .filter(|record| {
                record.body.route() == protocol::record::Route::Emergency || super::watch::matters(&record.body)
            })
            .cloned()
            .collect();
        mail.asked = Asked::Uplink {
            request,
            batch: UplinkRequest {
                v: WIRE_VERSION,
                gateway: batch.gateway.clone(),
                sent: batch.sent,
                records: Vec::new(),
            },
        };
        let home = mail.home;
        self.centre.died_committed = false;
        let Some(answer) = self.ask_centre(Request::Uplink(Uplink::from(batch))) else {
            if self.centre.died_committed {
                self.watch.committed(home, self.now_ms, &watched);
            }
            let at = self.now_ms + self.dice.between(1, 60);
            self.fail_mail(&mail, at);
            return;
        };
        let outcome = match answer {
            Answer::Uplink(done) => {
                for key in done.conflicts.iter().chain(&done.mismatches) {
                    self.watch.violated(Invariant::OneHashPerIdentity, self.now_ms, mail.home, key.to_string());
                }
                for refusal in &done.refused {
                    self.watch.violated(Invariant::OneHashPerIdentity, self.now_ms, mail.home, refusal.reason.clone());
                }
                self.watch.committed(mail.home, self.now_ms, &watched);
                for finding in &done.findings {
                    self.watch.chain_found(mail.home, self.now_ms, finding);
                }
                let ver = self.centre.progress[mail.home].ver;
                let answer = UplinkAnswer { v: WIRE_VERSION, ver, receipts: done.receipts, refused: done.refused };
                Ok(if json { through_json(&answer).unwrap_or(answer) } else { answer })
            }
            Answer::Unavailable { .. } => Err(unavailable()),
            Answer::Done { .. }
            | Answer::Refused { .. }
            | Answer::NoSuchOrder
            | Answer::KeyReused
            | Answer::Deadlines { .. }
            | Answer::Committed => Err(SendFailure::BadAnswer(String::new())),
        };
        self.answer(&mail, Completion::Sent { request, outcome });
    }

    /// Has the centre handle one request; none where it died of it.
    pub(super) fn ask_centre(&mut self, request: Request) -> Option<Answer> {
        let now_wall = EPOCH_MS.saturating_add_unsigned(self.now_ms);
        let fails_in = self.centre.fails_in.take();
        let centre = self.centre.running.as_mut()?;
        centre.store().fail_after(fails_in);
        let handled = centre.handle_batch(now_wall, vec![request]);
        centre.store().fail_after(None);
        let answer = handled.answers.into_iter().next()?;
        if fails_in.is_some() && matches!(answer, Answer::Unavailable { .. }) && self.dice.chance(50) {
            self.crash_centre();
            return None;
        }
        self.published(&handled.published);
        let mut news = Vec::new();
        for (id, progress) in handled.homes {
            let Some(home) = self.centre.by_id.get(&id).copied() else { continue };
            self.answer_idle_polls(home);
            self.watch.progressed(home, self.now_ms, &progress.orders);
            if progress.ver != self.centre.progress[home].ver {
                news.push(home);
            }
            self.centre.progress[home] = progress;
        }
        for home in &news {
            let check = Due::NewsCheck { home: *home, ver: self.centre.progress[*home].ver, since_ms: self.now_ms };
            self.agenda.put(self.now_ms + NEWS_WITHIN_MS, check);
        }
        let dies_unheard = fails_in.is_some() && self.dice.chance(50);
        if dies_unheard {
            // Committed, and nobody is told: the answers are lost with the program.
            self.crash_centre();
            self.centre.died_committed = !matches!(answer, Answer::Unavailable { .. });
            return None;
        }
        for home in news {
            let (told, kept) =
                std::mem::take(&mut self.centre.held).into_iter().partition(|held| held.mail.home == home);
            self.centre.held = kept;
            let told: Vec<Held> = told;
            for held in told {
                self.answer_poll(&held.mail);
            }
            if self.homes[home].idle_poll.take().is_some() {
                let answer = self.downlink_answer(home, self.now_ms);
                self.homes[home].inbox.push_back(Completion::Polled(Ok(answer)));
                self.drain(home);
            }
        }
        self.plan_centre_deadline();
        Some(answer)
    }

    fn plan_centre_deadline(&mut self) {
        let Some(due) = self.centre.running.as_ref().and_then(Centre::next_deadline) else { return };
        let at_ms = u64::try_from(due.saturating_sub(EPOCH_MS)).unwrap_or(0).max(self.now_ms);
        if self.centre.deadline_ms.is_none_or(|planned| planned > at_ms || planned < self.now_ms) {
            self.centre.deadline_ms = Some(at_ms);
            self.agenda.put(at_ms, Due::CentreDeadline);
        }
    }

    pub(super) fn centre_deadline(&mut self) {
        let now_wall = EPOCH_MS.saturating_add_unsigned(self.now_ms);
        self.centre.deadline_ms = None;
        if self.centre.running.as_ref().and_then(Centre::next_deadline).is_some_and(|due| due <= now_wall) {
            let failed = matches!(self.ask_centre(Request::Deadlines), Some(Answer::Unavailable { .. }));
            if failed {
                self.centre.deadline_ms = Some(self.now_ms + 500);
                self.agenda.put(self.now_ms + 500, Due::CentreDeadline);
                return;
            }
        }
        self.plan_centre_deadline();
    }

    fn published(&mut self, items: &[FeedItem]) {
        for item in items {
            self.watch.published(self.now_ms, item);
            self.tally.orders += u64::from(item.item.kind == "workorder.opened");
            self.desks_hear(item);
        }
    }
}

fn through_json<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> Option<T> {
    serde_json::from_slice(&serde_json::to_vec(value).ok()?).ok()
}
