//! The gateway's loop without IO: `step(now, completion) -> commands`, run by tokio in the field
//! and by the seeded world in tests.
//!
//! It decodes, lets the home decide, seals records into the chain, has them written, acknowledges
//! and tells only what is on disk, and sends. It reads no clock and draws no randomness.

use std::collections::{BTreeMap, VecDeque};

use bincode::Options;
use bytes::Bytes;
use protocol::downlink::DownlinkAnswer;
use protocol::ids::{Hash32, Incarnation};
use protocol::record::{Body, ChainHead, Delivered, Delivery, Reassured, Record, Route, Stamp, Started};
use protocol::stage::Stage;
use protocol::uplink::UplinkAnswer;
use serde::{Deserialize, Serialize};

use crate::decode::{Decoder, DecoderConfig, DecoderSnapshot, Heard as DecodeInput};
use crate::home::{Effect, Home, HomeRules, HomeSnapshot, Input, Telling};
use crate::jitter::Jitter;
use crate::outbox::{Outbox, OutboxTimes, Post};

mod counters;
mod deliveries;
mod downlink;

pub use self::counters::Counters;
use self::deliveries::Deliveries;
use self::downlink::Downlink;

/// Version of [`Checkpoint`]'s encoding.
const CHECKPOINT_VERSION: u8 = 1;

/// Most records sealed and not yet written; beyond it routine ones are shed and counted.
pub const PENDING_RECORDS_MAX: usize = 10_000;

/// Most records in one write.
const WRITE_RECORDS_MAX: usize = 1_000;

/// What the loop is told at start.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// The home's rules.
    pub rules: HomeRules,
    /// The decoder's settings.
    pub decoder: DecoderConfig,
    /// Uplink times.
    pub outbox: OutboxTimes,
    /// How many paths lead to the centre.
    pub paths: usize,
    /// Loop times and sizes.
    pub limits: EngineLimits,
    /// This program's version.
    pub version: String,
}

/// Times and sizes of the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineLimits {
    /// Routine records are synced at the latest after this, milliseconds.
    pub linger_ms: u64,
    /// A write slower than this counts as a failing disk for the press that waits on it, milliseconds.
    pub write_slow_ms: u64,
    /// A failed write is tried again after this, milliseconds.
    pub write_retry_ms: u64,
    /// A press that neither disk nor centre has taken is let go unacknowledged after this, milliseconds.
    pub acknowledge_wait_ms: u64,
    /// A new segment begins beyond this, bytes.
    pub segment_bytes: u64,
    /// Receipts are journaled at the latest after this, milliseconds.
    pub delivered_ms: u64,
    /// Without an answer from the centre for this long the link is down, milliseconds.
    pub link_down_ms: u64,
    /// How long a poll of the centre waits, seconds.
    pub poll_wait_secs: u64,
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self {
            linger_ms: 5_000,
            write_slow_ms: 1_000,
            write_retry_ms: 2_000,
            acknowledge_wait_ms: 10_000,
            segment_bytes: 1024 * 1024,
            delivered_ms: 30_000,
            link_down_ms: 180_000,
            poll_wait_secs: 25,
        }
    }
}

/// The machine's clocks at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Which boot `uptime_ms` counts from.
    pub boot: u64,
    /// Milliseconds since boot, time asleep included.
    pub uptime_ms: u64,
    /// Unix milliseconds.
    pub wall_ms: i64,
}

/// What the journal gave back at start.
#[derive(Debug, Clone, Default)]
pub struct Recovered {
    /// The newest usable checkpoint.
    pub checkpoint: Option<Vec<u8>>,
    /// The records after it, in order.
    pub records: Vec<Record>,
    /// Sequence of the last record; 0 when there is none.
    pub last_seq: u64,
    /// Its hash.
    pub hash: Hash32,
}

/// An MQTT message, however it came in.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Names the message when it is acknowledged.
    pub token: u64,
    /// MQTT client id of the publisher, where the intake knows it.
    pub client: String,
    /// Topic.
    pub topic: String,
    /// Payload.
    pub payload: Bytes,
    /// Retain flag.
    pub retain: bool,
    /// Duplicate flag.
    pub duplicate: bool,
    /// Packet identifier; none at QoS 0.
    pub packet: Option<u16>,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Acknowledge: what it said is safe, or it said nothing that needs to be.
    Acknowledge,
    /// Do not acknowledge: neither disk nor centre took it, the sender must say it again.
    Withhold,
}

/// Why a request to the centre failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendFailure {
    /// No connection, a broken one, or no answer in time.
    Unreachable(String),
    /// The body was too large for the centre.
    TooLarge,
    /// The centre answered with an error status.
    Status(u16),
    /// The answer was not understood.
    BadAnswer(String),
}

/// Something that happened to the loop.
#[derive(Debug, Clone)]
pub enum Completion {
    /// A message came in.
    Heard(Heard),
    /// The journal holds every record up to `through`.
    Written {
        /// Last sequence synced.
        through: u64,
        /// Size of the newest segment.
        segment_bytes: u64,
    },
    /// The journal could not be written; nothing of that write is acknowledged.
    WriteFailed,
    /// Records were read back.
    Loaded {
        /// The records.
        records: Vec<Record>,
        /// The last sequence looked at.
        through_seq: u64,
    },
    /// The centre answered an uplink request, or did not.
    Sent {
        /// The request.
        request: u64,
        /// What came back.
        outcome: Result<UplinkAnswer, SendFailure>,
    },
    /// The centre answered a poll, or did not.
    Polled(Result<DownlinkAnswer, SendFailure>),
    /// The outputs took a stage, or did not.
    Told {
        /// The stage.
        stage: Stage,
        /// Whether it was shown.
        shown: bool,
    },
    /// A deadline may have passed.
    Woken,
    /// The program is asked to stop.
    Stopping,
}

/// Something the loop asks its driver to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Append and sync, then roll to a new segment where a checkpoint is given. One at a time.
    Write {
        /// The records, in order.
        records: Vec<Record>,
        /// The checkpoint of a new segment.
        roll: Option<Vec<u8>>,
        /// Segments wholly delivered below this may go.
        low_water: u64,
    },
    /// Read records back.
    Load {
        /// First sequence.
        from_seq: u64,
        /// At most so many.
        limit: usize,
    },
    /// Answer the sender of a message.
    Answer {
        /// The message.
        token: u64,
        /// What became of it.
        verdict: Verdict,
    },
    /// Post records to the centre.
    Send {
        /// Names the request.
        request: u64,
        /// Index of the path.
        path: usize,
        /// The clocks at sending.
        sent: Stamp,
        /// The records.
        records: Vec<Record>,
    },
    /// Ask the centre how far the home's orders are.
    Poll {
        /// Index of the path.
        path: usize,
        /// The version known.
        after: u64,
        /// How long the centre may wait, seconds.
        wait_secs: u64,
    },
    /// Tell the elder.
    Tell {
        /// The stage.
        stage: Stage,
        /// Whether it repeats the last one.
        again: bool,
    },
    /// Everything is written: the program may end.
    Stop,
}

/// A message whose sender waits until `seq` is safe.
#[derive(Debug, Clone)]
struct Waiting {
    seq: u64,
    token: u64,
    since_ms: u64,
}

/// The write that is under way.
#[derive(Debug, Clone)]
struct Writing {
    records: Vec<Record>,
    since_ms: u64,
    slow: bool,
}

/// What a new segment begins with.
#[derive(Debug, Serialize, Deserialize)]
struct Checkpoint {
    home: HomeSnapshot,
    decoder: DecoderSnapshot,
    deliveries: Deliveries,
    delivered: Delivered,
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
    counters: Counters,
    jitter: Jitter,
    pending: VecDeque<Record>,
    pending_since_ms: Option<u64>,
    pending_urgent: bool,
    writing: Option<Writing>,
    write_retry_ms: u64,
    disk_failed: bool,
    roll_due: bool,
    waiting: VecDeque<Waiting>,
    delivered_due_ms: Option<u64>,
    stopping: bool,
}

impl Engine {
    /// Starts from what the journal gave back; `seed` feeds back-off jitter only.
    pub fn start(
        config: EngineConfig,
        recovered: Recovered,
        incarnation: Incarnation,
        now: &Now,
        seed: u64,
    ) -> (Self, Vec<Command>) {
        let checkpoint = recovered.checkpoint.as_deref().and_then(decode_checkpoint);
        let mut counters = Counters::default();
        if recovered.checkpoint.is_some() && checkpoint.is_none() {
            counters.count("checkpoint_unreadable");
        }
        let (mut decoder, mut home, deliveries, mut delivered) = match checkpoint {
            Some(Checkpoint { home, decoder, deliveries, delivered }) => {
                let mut restored = Decoder::new(config.decoder);
                restored.restore(decoder);
                (restored, Home::restore(config.rules, home), deliveries, delivered)
            }
            None => {
                let first = recovered.records.first().map_or(recovered.last_seq, |record| record.seq.saturating_sub(1));
                let delivered =
                    Delivered { low_water: if recovered.checkpoint.is_some() { 0 } else { first }, above: Vec::new() };
                (Decoder::new(config.decoder), Home::new(config.rules), Deliveries::default(), delivered)
            }
        };
        let mut engine_deliveries = deliveries;
        let mut after_clean_stop = recovered.last_seq == 0;
        for record in &recovered.records {
            decoder.apply(&record.at, &record.body);
            home.apply(record);
            engine_deliveries.note(record);
            after_clean_stop = record.body == Body::Stopped;
            if let Body::Delivered(newer) = &record.body {
                delivered = newer.clone();
            }
        }
        let outbox = Outbox::new(config.outbox, config.paths, &delivered, recovered.last_seq);
        let mut engine = Self {
            limits: config.limits,
            decoder,
            home,
            chain: ChainHead { incarnation, next_seq: recovered.last_seq + 1, hash: recovered.hash },
            outbox,
            downlink: Downlink::default(),
            deliveries: engine_deliveries,
            counters,
            jitter: Jitter::new(seed),
            pending: VecDeque::new(),
            pending_since_ms: None,
            pending_urgent: false,
            writing: None,
            write_retry_ms: 0,
            disk_failed: false,
            roll_due: false,
            waiting: VecDeque::new(),
            delivered_due_ms: None,
            stopping: false,
        };
        let mut commands = Vec::new();
        let started = Started { version: config.version, after_clean_stop };
        engine.record(now, None, Body::Started(started));
        engine.pending_urgent = true;
        engine.handle(now, None, &Input::Started, &mut commands);
        engine.pump(now, &mut commands);
        (engine, commands)
    }

    /// Takes one completion and says what to do now.
    #[must_use]
    pub fn step(&mut self, now: &Now, completion: Completion) -> Vec<Command> {
        let mut commands = Vec::new();
        match completion {
            Completion::Heard(heard) => self.hear(now, heard, &mut commands),
            Completion::Written { through, segment_bytes } => self.written(now, through, segment_bytes, &mut commands),
            Completion::WriteFailed => self.write_failed(now, &mut commands),
            Completion::Loaded { records, through_seq } => self.outbox.loaded(records, through_seq),
            Completion::Sent { request, outcome } => self.sent(now, request, outcome, &mut commands),
            Completion::Polled(outcome) => self.polled(now, outcome, &mut commands),
            Completion::Told { stage, shown } => self.record(now, None, Body::Reassured(Reassured { stage, shown })),
            Completion::Woken => self.handle(now, None, &Input::Woken, &mut commands),
            Completion::Stopping => {
                self.stopping = true;
                let delivered = self.outbox.delivered();
                self.record(now, None, Body::Delivered(delivered));
                self.record(now, None, Body::Stopped);
                self.pending_urgent = true;
            }
        }
        self.pump(now, &mut commands);
        commands
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
        [home, outbox, linger, slow, withhold, downlink, self.delivered_due_ms].into_iter().flatten().min()
    }

    fn stamp(&self, now: &Now) -> Stamp {
        Stamp {
            boot: now.boot,
            uptime_ms: now.uptime_ms,
            wall_ms: now.wall_ms,
            wall_trusted: self.downlink.wall_trusted(now),
        }
    }

    fn hear(&mut self, now: &Now, heard: Heard, commands: &mut Vec<Command>) {
        self.counters.messages += 1;
        let token = heard.token;
        let delivery = heard.packet.map(|packet| Delivery {
            client: heard.client.clone(),
            packet,
            digest: deliveries::digest(&heard.topic, &heard.payload),
        });
        if heard.duplicate
            && let Some(seq) = delivery.as_ref().and_then(|delivery| self.deliveries.find(delivery))
            && self.home.call_open()
        {
            self.counters.duplicates += 1;
            self.answer_when_safe(now, token, seq, commands);
            return;
        }
        let at = self.stamp(now);
        let input = DecodeInput { topic: &heard.topic, payload: &heard.payload, retain: heard.retain, at };
        let decoded = self.decoder.decode(&input);
        if let Some(rejection) = &decoded.rejected {
            self.counters.rejected(rejection.name());
        }
        let before = self.chain.next_seq;
        let mut life_safety = decoded.cancel.is_some() || decoded.visit.is_some();
        for seen in &decoded.seen {
            life_safety |= seen.edge && seen.observation.kind.is_life_safety();
            let input = Input::Observed { observation: &seen.observation, edge: seen.edge, reason: seen.reason };
            self.handle(now, delivery.as_ref(), &input, commands);
        }
        if let Some(visit) = &decoded.visit {
            self.handle(now, delivery.as_ref(), &Input::Visit(visit), commands);
        }
        if let Some(device) = &decoded.cancel {
            self.handle(now, delivery.as_ref(), &Input::Cancel(device), commands);
        }
        for listed in decoded.learned {
            self.record(now, None, Body::DeviceListed(listed));
        }
        if life_safety && self.chain.next_seq > before {
            self.pending_urgent = true;
            let last = self.chain.next_seq - 1;
            self.answer_when_safe(now, token, last, commands);
        } else {
            commands.push(Command::Answer { token, verdict: Verdict::Acknowledge });
        }
    }

    /// Acknowledges now where `seq` is already safe, else once it is.
    fn answer_when_safe(&mut self, now: &Now, token: u64, seq: u64, commands: &mut Vec<Command>) {
        if seq < self.first_unsafe_seq() {
            commands.push(Command::Answer { token, verdict: Verdict::Acknowledge });
        } else {
            self.waiting.push_back(Waiting { seq, token, since_ms: now.uptime_ms });
        }
    }

    /// The first sequence that is not on disk.
    fn first_unsafe_seq(&self) -> u64 {
        let writing = self.writing.as_ref().and_then(|writing| writing.records.first());
        writing.or(self.pending.front()).map_or(self.chain.next_seq, |record| record.seq)
    }

    fn handle(&mut self, now: &Now, delivery: Option<&Delivery>, input: &Input<'_>, commands: &mut Vec<Command>) {
        let at = self.stamp(now);
        for Effect::Record(body) in self.home.handle(&at, input) {
            let emergency = body.route() == Route::Emergency;
            self.record(now, delivery.cloned(), body);
            self.pending_urgent |= emergency;
        }
        if let Some(Telling { stage, again }) = self.home.telling(&at) {
            commands.push(Command::Tell { stage, again });
        }
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
                self.pending_since_ms.get_or_insert(now.uptime_ms);
                if self.disk_failed && record.body.route() == Route::Emergency {
                    self.outbox.offer(record.clone());
                }
                self.pending.push_back(record);
            }
            Err(_) => self.counters.count("record_too_large"),
        }
    }

    fn written(&mut self, now: &Now, through: u64, segment_bytes: u64, commands: &mut Vec<Command>) {
        let Some(writing) = self.writing.take() else { return };
        for record in writing.records {
            self.outbox.offer(record);
        }
        self.roll_due = segment_bytes >= self.limits.segment_bytes;
        self.write_retry_ms = 0;
        if self.disk_failed {
            self.disk_failed = false;
            self.handle(now, None, &Input::Disk { writable: true }, commands);
        }
        while self.waiting.front().is_some_and(|waiting| waiting.seq <= through) {
            if let Some(waiting) = self.waiting.pop_front() {
                commands.push(Command::Answer { token: waiting.token, verdict: Verdict::Acknowledge });
            }
        }
        self.handle(now, None, &Input::Synced(through), commands);
        if self.stopping && self.pending.is_empty() {
            commands.push(Command::Stop);
        }
    }

    fn write_failed(&mut self, now: &Now, commands: &mut Vec<Command>) {
        let Some(writing) = self.writing.take() else { return };
        self.counters.count("journal_write_failed");
        for record in writing.records.into_iter().rev() {
            self.pending.push_front(record);
        }
        self.pending_since_ms.get_or_insert(now.uptime_ms);
        self.pending_urgent = true;
        self.write_retry_ms = now.uptime_ms + self.limits.write_retry_ms;
        if self.stopping {
            commands.push(Command::Stop);
        }
        self.disk_fails(now, commands);
    }

    /// The disk does not take records: emergencies go out all the same and the elder is told the truth.
    fn disk_fails(&mut self, now: &Now, commands: &mut Vec<Command>) {
        self.disk_failed = true;
        let writing = self.writing.iter().flat_map(|writing| &writing.records);
        let emergencies: Vec<_> =
            writing.chain(&self.pending).filter(|record| record.body.route() == Route::Emergency).cloned().collect();
        for record in emergencies {
            self.outbox.offer(record);
        }
        self.handle(now, None, &Input::Disk { writable: false }, commands);
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
                let newly = self.outbox.answered(request, &answer);
                if newly.is_empty() {
                    return;
                }
                self.delivered_due_ms.get_or_insert(now.uptime_ms + self.limits.delivered_ms);
                self.handle(now, None, &Input::Received { seqs: &newly, ver: answer.ver }, commands);
                if self.disk_failed {
                    self.acknowledge_received(&newly, commands);
                }
            }
            Err(failure) => {
                self.counters.sends_failed += 1;
                let too_large = failure == SendFailure::TooLarge;
                self.outbox.failed(now.uptime_ms, request, too_large, &mut self.jitter);
            }
        }
    }

    /// While the disk fails, what the centre has stored is safe and may be acknowledged.
    fn acknowledge_received(&mut self, received: &[u64], commands: &mut Vec<Command>) {
        self.waiting.retain(|waiting| {
            let safe = received.contains(&waiting.seq);
            if safe {
                commands.push(Command::Answer { token: waiting.token, verdict: Verdict::Acknowledge });
            }
            !safe
        });
    }

    fn polled(&mut self, now: &Now, outcome: Result<DownlinkAnswer, SendFailure>, commands: &mut Vec<Command>) {
        match outcome {
            Ok(answer) => {
                if self.downlink.answered(now, &answer) {
                    self.record(now, None, Body::Link { up: true });
                }
                self.outbox.centre_heard();
                let lease_ms = answer.lease_secs.saturating_mul(1_000);
                let input = Input::Progress { ver: answer.next, orders: &answer.orders, lease_ms };
                self.handle(now, None, &input, commands);
            }
            Err(_) => self.downlink.failed(now, self.home.call_open(), &mut self.jitter),
        }
    }

    /// Starts whatever can start: write, send, poll; lets go what waited too long.
    fn pump(&mut self, now: &Now, commands: &mut Vec<Command>) {
        let now_ms = now.uptime_ms;
        if self.delivered_due_ms.is_some_and(|due| now_ms >= due) && !self.stopping {
            self.delivered_due_ms = None;
            let delivered = self.outbox.delivered();
            self.record(now, None, Body::Delivered(delivered));
        }
        if self.downlink.went_down(now, &self.limits) {
            self.record(now, None, Body::Link { up: false });
        }
        let slow = self.limits.write_slow_ms;
        if let Some(writing) = &mut self.writing
            && !writing.slow
            && now_ms >= writing.since_ms + slow
        {
            writing.slow = true;
            self.counters.count("journal_write_slow");
            self.disk_fails(now, commands);
        }
        self.start_write(now_ms, commands);
        while let Some(waiting) = self.waiting.front()
            && now_ms >= waiting.since_ms + self.limits.acknowledge_wait_ms
        {
            let token = waiting.token;
            self.waiting.pop_front();
            self.counters.count("acknowledge_withheld");
            commands.push(Command::Answer { token, verdict: Verdict::Withhold });
        }
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
            commands.push(Command::Poll { path, after, wait_secs: self.limits.poll_wait_secs });
        }
    }

    fn start_write(&mut self, now_ms: u64, commands: &mut Vec<Command>) {
        if self.writing.is_some() || self.pending.is_empty() || now_ms < self.write_retry_ms {
            return;
        }
        let lingered = self.pending_since_ms.is_none_or(|since| now_ms >= since + self.limits.linger_ms);
        if !self.pending_urgent && !lingered && self.pending.len() < WRITE_RECORDS_MAX / 2 {
            return;
        }
        let take = self.pending.len().min(WRITE_RECORDS_MAX);
        let records: Vec<_> = self.pending.drain(..take).collect();
        // A checkpoint is the state after every sealed record, so a segment ends only with nothing left behind.
        let roll = (self.roll_due && self.pending.is_empty()).then(|| self.checkpoint()).flatten();
        if self.pending.is_empty() {
            self.pending_since_ms = None;
            self.pending_urgent = false;
        }
        let low_water = self.outbox.low_water();
        self.writing = Some(Writing { records: records.clone(), since_ms: now_ms, slow: false });
        commands.push(Command::Write { records, roll, low_water });
    }

    fn checkpoint(&mut self) -> Option<Vec<u8>> {
        let checkpoint = Checkpoint {
            home: self.home.snapshot(),
            decoder: self.decoder.snapshot(),
            deliveries: self.deliveries.clone(),
            delivered: self.outbox.delivered(),
        };
        let mut bytes = vec![CHECKPOINT_VERSION];
        match codec().serialize_into(&mut bytes, &checkpoint) {
            Ok(()) => Some(bytes),
            Err(_) => {
                self.counters.count("checkpoint_failed");
                None
            }
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
        }
    }

    /// The home's rules, for pages and the presence code.
    pub fn home(&self) -> &Home {
        &self.home
    }
}

/// Numbers of the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gauges {
    /// Records without receipt.
    pub backlog: u64,
    /// Emergency records without receipt.
    pub urgent_backlog: u64,
    /// Age of the oldest of them in memory, milliseconds.
    pub backlog_age_ms: u64,
    /// Records sealed and not yet written.
    pub pending: u64,
    /// Last sequence sealed.
    pub last_seq: u64,
    /// Whether the journal takes records.
    pub disk_ok: bool,
    /// Whether the centre answers.
    pub centre_up: bool,
    /// Whether the wall clock is confirmed.
    pub wall_trusted: bool,
}

fn codec() -> impl Options {
    bincode::DefaultOptions::new().with_varint_encoding().with_limit(64 * 1024 * 1024)
}

fn decode_checkpoint(bytes: &[u8]) -> Option<Checkpoint> {
    let (version, rest) = bytes.split_first()?;
    (*version == CHECKPOINT_VERSION).then(|| codec().deserialize(rest).ok()).flatten()
}

/// Counts by name, in order.
pub type Named = BTreeMap<&'static str, u64>;

#[cfg(test)]
mod tests;
