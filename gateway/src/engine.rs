//! The gateway's loop without IO: `step(now, completion) -> commands`, run by tokio in the field
//! and by the seeded world in tests.
//!
//! It decodes, lets the home decide, seals records into the chain, has them written, acknowledges
//! and tells only what is on disk, and sends. It reads no clock and draws no randomness.

use std::collections::VecDeque;
use std::sync::Arc;

use protocol::downlink::DownlinkAnswer;
use protocol::record::{Body, ChainHead, Delivery, Played, Reassured, Record, Route, Stamp};
use protocol::stage::Stage;
use protocol::uplink::UplinkAnswer;

use crate::decode::Decoder;
use crate::home::local_time::LocalTime;
use crate::home::{Effect, Home, Input, Telling};
use crate::jitter::Jitter;
use crate::outbox::{Outbox, Post};

mod anew;
mod checkpoint;
mod contract;
mod counters;
mod deliveries;
mod downlink;
mod hearing;
pub mod registry;
mod reserve;
mod start;
mod throttle;
mod upkeep;
mod waiting;
mod writing;

pub use self::contract::{
    Carried, Command, Completion, EngineConfig, EngineLimits, Heard, Now, Recovered, SendFailure, Verdict,
};
pub use self::counters::{Counters, Gauges, Named};
use self::deliveries::Deliveries;
use self::downlink::Downlink;
use self::registry::Registry;
use self::reserve::Reserve;
pub use self::start::understands_checkpoint;
use self::throttle::Throttle;
use self::upkeep::Upkeep;
use self::waiting::Waiting;

/// Most records sealed and not yet written; beyond it routine ones are shed and counted.
pub const PENDING_RECORDS_MAX: usize = 10_000;

/// Longest topic, bytes; a device's name stands in every record it makes.
const TOPIC_BYTES_MAX: usize = 1_024;

/// Most records in one write.
const WRITE_RECORDS_MAX: usize = 1_000;

/// The write that is under way.
#[derive(Debug, Clone)]
struct Writing {
    records: Vec<Arc<Record>>,
    since_ms: u64,
    slow: bool,
}

/// The gateway's loop.
#[derive(Debug)]
pub struct Engine {
    limits: EngineLimits,
    decoder: Decoder,
    home: Home,
    chain: ChainHead,
    outbox: Outbox,
    downlink: Downlink,
    deliveries: Deliveries,
    registry: Registry,
    throttle: Throttle,
    counters: Counters,
    jitter: Jitter,
    started_ms: u64,
    pending: VecDeque<Arc<Record>>,
    pending_since_ms: Option<u64>,
    pending_urgent: bool,
    writing: Option<Writing>,
    write_retry_ms: u64,
    /// The journal does not take records.
    disk_failed: bool,
    /// Emergencies that were read from a disk which then refused to sync them, or that only the reserve has.
    in_doubt: Vec<Arc<Record>>,
    /// What the home was told: whether a press can be recorded, in the journal or in the reserve.
    records_presses: bool,
    reserve: Reserve,
    upkeep: Upkeep,
    boot: u64,
    /// The last that was heard of the centre is that its certificate is not valid at this time.
    certificate_refused: bool,
    roll_due: bool,
    waiting: VecDeque<Waiting>,
    delivered_due_ms: Option<u64>,
    /// It started without a disk, and knows nothing of what stands there.
    without_journal: bool,
    /// The highest version of the centre's state that a receipt came with.
    received_ver: u64,
    raised_anew: u32,
    stopping: bool,
}

impl Engine {
    /// Takes one completion and says what to do now.
    #[must_use]
    pub fn step(&mut self, now: &Now, completion: Completion) -> Vec<Command> {
        let mut commands = Vec::new();
        self.step_into(now, completion, &mut commands);
        commands
    }

    /// The same for a driver that keeps its buffer; what is to be done is added to `commands`.
    pub fn step_into(&mut self, now: &Now, completion: Completion, commands: &mut Vec<Command>) {
        match completion {
            Completion::Heard(heard) => self.hear(now, heard, commands),
            Completion::Written { through, segment_bytes } => self.written(now, through, segment_bytes, commands),
            Completion::WriteFailed => self.write_failed(now, commands),
            Completion::Reserved { held } => self.reserved(now, held, commands),
            Completion::Rolled { retirable } => self.rolled(now, retirable),
            Completion::Loaded { records, through_seq } => self.outbox.loaded(records, through_seq),
            Completion::LoadFailed => self.outbox.load_failed(now.uptime_ms),
            Completion::Sent { request, outcome } => self.sent(now, request, outcome, commands),
            Completion::Polled(outcome) => self.polled(now, outcome, commands),
            Completion::Told { stage, shown } => self.record(now, None, Body::Reassured(Reassured { stage, shown })),
            Completion::TestAsked { device } => self.handle(now, None, &Input::TestAsked(&device), commands),
            Completion::Played { output, stage, outcome } => {
                self.record(now, None, Body::Played(Played { output, stage, outcome }));
            }
            Completion::Contacted { told, result } => {
                self.handle(now, None, &Input::Contacted { told, result }, commands);
            }
            Completion::Woken => self.handle(now, None, &Input::Woken, commands),
            Completion::Stopping => {
                self.stopping = true;
                let delivered = self.outbox.delivered();
                self.record(now, None, Body::Delivered(delivered));
            }
        }
        self.pump(now, commands);
    }

    /// When the loop wants to be woken at the latest, milliseconds of uptime.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let home = self.home.next_deadline().map(|(at_ms, _)| at_ms);
        let outbox = self.outbox.next_deadline_ms();
        let idle = self.writing.is_none() && !self.pending.is_empty();
        let linger = self.pending_since_ms.filter(|_| idle).map(|since| {
            let due = if self.pending_urgent { since } else { since + self.limits.linger_ms };
            due.max(self.write_retry_ms)
        });
        let slow = self.writing.as_ref().filter(|writing| !writing.slow);
        let slow = slow.map(|writing| writing.since_ms + self.limits.write_slow_ms);
        let withhold = self.waiting.front().map(|waiting| waiting.since_ms + self.limits.acknowledge_wait_ms);
        let downlink = self.downlink.next_deadline_ms(&self.limits);
        let reserve = self.reserve_deadline_ms();
        [home, outbox, linger, slow, withhold, downlink, reserve, self.delivered_due_ms()].into_iter().flatten().min()
    }

    fn stamp(&self, now: &Now) -> Stamp {
        Stamp {
            boot: now.boot,
            uptime_ms: now.uptime_ms,
            wall_ms: now.wall_ms,
            wall_trusted: self.downlink.wall_trusted(now),
        }
    }

    fn handle(&mut self, now: &Now, delivery: Option<&Delivery>, input: &Input<'_>, commands: &mut Vec<Command>) {
        let at = self.stamp(now);
        for Effect::Record(body) in self.home.handle(&at, input) {
            let emergency = body.route() == Route::Emergency;
            self.record(now, delivery.cloned(), body);
            self.pending_urgent |= emergency;
        }
        self.tell(&at, commands);
    }

    /// Tells the elder, and the contacts, what the state after the last record asks for.
    fn tell(&mut self, at: &Stamp, commands: &mut Vec<Command>) {
        if let Some(Telling { stage, again }) = self.home.telling(at) {
            commands.push(Command::Tell { stage, again });
        }
        commands.extend(self.home.contacting(at).into_iter().map(Command::Contact));
    }

    /// Seals a record, folds it and queues it for the journal.
    fn record(&mut self, now: &Now, delivery: Option<Delivery>, body: Body) {
        if self.pending.len() >= PENDING_RECORDS_MAX && body.route() != Route::Emergency {
            self.counters.count("shed_while_disk_stalls");
            return;
        }
        let at = self.stamp(now);
        match self.chain.seal(at, delivery, body) {
            Ok(record) => {
                self.decoder.apply(&record.at, &record.body);
                self.home.apply(&record);
                self.deliveries.note(&record);
                self.counters.records += 1;
                // Receipts of a quiet home are worth no write of their own: lost, they only bring duplicates.
                if !matches!(record.body, Body::Delivered(_)) || self.home.is_unsettled() {
                    self.pending_since_ms.get_or_insert(now.uptime_ms);
                }
                let record = Arc::new(record);
                if self.disk_failed && is_emergency(&record) {
                    self.outbox.offer_unwritten(Arc::clone(&record));
                }
                self.pending.push_back(record);
            }
            Err(_) => self.counters.count("record_too_large"),
        }
    }

    fn sent(
        &mut self,
        now: &Now,
        request: u64,
        outcome: Result<UplinkAnswer, SendFailure>,
        commands: &mut Vec<Command>,
    ) {
        match outcome {
            Ok(answer) => {
                self.counters.refused += answer.refused.len() as u64;
                let conflicting = self.conflicting(&answer);
                self.received_ver = self.received_ver.max(answer.ver);
                let newly = self.outbox.answered(now.uptime_ms, request, &answer, &mut self.jitter);
                self.raise_anew(now, conflicting);
                if newly.is_empty() {
                    return;
                }
                let open = self.home.is_unsettled();
                let wait_ms = if open { self.limits.delivered_ms } else { self.limits.delivered_quiet_ms };
                let due_ms = self.delivered_due_ms.unwrap_or(u64::MAX).min(now.uptime_ms + wait_ms);
                self.delivered_due_ms = Some(due_ms);
                self.handle(now, None, &Input::Received { seqs: &newly, ver: answer.ver }, commands);
                if self.disk_failed {
                    self.let_go_safe(commands);
                } else if !self.in_doubt.is_empty() {
                    self.settle(now, commands);
                }
            }
            Err(failure) => {
                self.counters.sends_failed += 1;
                self.note_certificate(Some(&failure));
                let too_large = failure == SendFailure::TooLarge;
                self.outbox.failed(now.uptime_ms, request, too_large, &mut self.jitter);
            }
        }
    }

    fn polled(&mut self, now: &Now, outcome: Result<DownlinkAnswer, SendFailure>, commands: &mut Vec<Command>) {
        match outcome {
            Ok(answer) => {
                self.note_certificate(None);
                if self.downlink.answered(now, &answer) {
                    self.record(now, None, Body::Link { up: true });
                }
                self.outbox.centre_heard();
                let lease_ms = answer.lease_secs.saturating_mul(1_000);
                let input = Input::Progress { ver: answer.next, orders: &answer.orders, lease_ms };
                self.handle(now, None, &input, commands);
            }
            Err(failure) => {
                self.note_certificate(Some(&failure));
                self.outbox.path_failed(self.downlink.path());
                self.downlink.failed(now, self.home.is_unsettled(), &mut self.jitter);
            }
        }
    }

    /// When receipts are due to be written down: not behind the end, and never by a loop without a journal, which knows
    /// nothing of what stands in one and would call it delivered.
    fn delivered_due_ms(&self) -> Option<u64> {
        self.delivered_due_ms.filter(|_| !self.stopping && !self.without_journal)
    }

    /// Starts whatever can start: write, send, poll; lets go what waited too long.
    fn pump(&mut self, now: &Now, commands: &mut Vec<Command>) {
        let now_ms = now.uptime_ms;
        // However many messages crowd in, what is due is done.
        if self.home.next_deadline().is_some_and(|(due_ms, _)| now_ms >= due_ms) {
            self.handle(now, None, &Input::Woken, commands);
        }
        if self.delivered_due_ms().is_some_and(|due| now_ms >= due) {
            self.delivered_due_ms = None;
            let delivered = self.outbox.delivered();
            self.record(now, None, Body::Delivered(delivered));
        }
        if self.downlink.went_down(now, &self.limits) {
            self.record(now, None, Body::Link { up: false });
            let at = self.stamp(now);
            self.tell(&at, commands);
        }
        let slow = self.limits.write_slow_ms;
        if let Some(writing) = &mut self.writing
            && !writing.slow
            && now_ms >= writing.since_ms + slow
        {
            writing.slow = true;
            self.counters.count("journal_write_slow");
            self.disk_fails(commands);
            // The reserve is on the same disk, behind the write that hangs.
            self.tell_recorded(now, false, commands);
        }
        self.reserve_hangs(now, commands);
        self.ask_reserve(now, commands);
        self.start_write(now, commands);
        self.withhold_late(now, commands);
        let sent = self.stamp(now);
        for post in self.outbox.posts(now_ms) {
            commands.push(match post {
                Post::Send { request, path, records } => Command::Send { request, path, sent, records },
                Post::Load { from_seq, limit } => Command::Load { from_seq, limit },
            });
        }
        if !self.stopping
            && let Some(after) = self.downlink.poll_due(now_ms)
        {
            let path = self.outbox.path();
            self.downlink.asked_on(path);
            let calls = self.home.is_unsettled();
            let longest = if calls { self.limits.poll_wait_call_secs } else { u64::MAX };
            commands.push(Command::Poll { path, after, wait_secs: self.limits.poll_wait_secs.min(longest) });
        }
    }

    /// The stage that is true now.
    pub fn stage(&self, now: &Now) -> Stage {
        self.home.stage(&self.stamp(now))
    }

    /// What has been counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Numbers of the moment, for `/metrics` and `/healthz`.
    pub fn gauges(&self, now: &Now) -> Gauges {
        let oldest = self.outbox.oldest().filter(|record| record.at.boot == now.boot);
        Gauges {
            backlog: self.outbox.backlog(),
            urgent_backlog: self.outbox.urgent_backlog() as u64,
            backlog_age_ms: oldest.map_or(0, |record| now.uptime_ms.saturating_sub(record.at.uptime_ms)),
            pending: self.pending.len() as u64,
            last_seq: self.chain.next_seq - 1,
            disk_ok: !self.disk_failed,
            centre_up: self.downlink.is_up(),
            wall_trusted: self.downlink.wall_trusted(now),
            certificate_refused: self.certificate_refused,
            pressing_recorded: self.records_presses,
        }
    }

    /// Whether the centre has confirmed this boot's wall clock.
    pub fn wall_trusted(&self, now: &Now) -> bool {
        self.downlink.wall_trusted(now)
    }

    /// Every device heard or configured, for the installer.
    pub fn devices(&self, now: &Now) -> Vec<registry::DeviceLine> {
        self.registry.lines(&self.stamp(now), &self.home, &self.decoder)
    }

    /// The home's own time of day; none while the wall clock is not confirmed.
    pub fn local_time(&self, now: &Now) -> Option<LocalTime> {
        LocalTime::of(&self.stamp(now), self.home.rules().utc_offset_minutes)
    }

    /// Records sealed and not yet on their way to the disk.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The home's rules, for pages and the presence code.
    pub fn home(&self) -> &Home {
        &self.home
    }
}

fn is_emergency(record: &Record) -> bool {
    record.body.route() == Route::Emergency
}

#[cfg(test)]
mod tests;
