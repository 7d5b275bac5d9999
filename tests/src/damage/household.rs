//! The gateway's own journal and loop on real files, without sockets or threads, so that tens of
//! thousands of damaged disks can be started on; and a centre that keeps records by their identity.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use gateway::config::GatewayConfig;
use gateway::engine::{
    Command, Completion, Engine, EngineConfig, Heard, Now, Recovered, SendFailure, Verdict, understands_checkpoint,
};
use gateway::journal::{Damage, FsStorage, Journal, JournalLimits};
use protocol::ids::{Hash32, Incarnation, LocalKey};
use protocol::record::{Body, Record};
use protocol::uplink::{Receipt, Refusal, UplinkAnswer};
use sensor_sim::payload;

use crate::harness::setup::CHECKER;
use crate::powercut::stage::BUTTON;

/// Most steps of the loop for one command from outside; more means that it never comes to rest.
const STEPS_MAX: usize = 20_000;

/// How long a home is given to have everything received, milliseconds of its own clock.
const SETTLE_MS: u64 = 120_000;

/// What a centre holds: every record once, by identity.
#[derive(Debug, Clone, Default)]
pub struct Book {
    records: BTreeMap<LocalKey, (Hash32, Option<u16>)>,
    /// Identities that came again with other content.
    pub conflicts: usize,
}

impl Book {
    fn take(&mut self, records: &[Arc<Record>]) -> UplinkAnswer {
        let mut answer = UplinkAnswer { v: 1, ver: 1, receipts: Vec::new(), refused: Vec::new() };
        for record in records {
            let (key, hash) = (record.key(), record.hash);
            let held = self.records.entry(key).or_insert_with(|| (hash, press_of(record)));
            if held.0 == hash {
                answer.receipts.push(Receipt { key, hash });
            } else {
                self.conflicts += 1;
                answer.refused.push(Refusal { key, reason: "hash_conflict".into() });
            }
        }
        answer
    }

    /// How many records each press has here.
    pub fn presses(&self) -> BTreeMap<u16, usize> {
        let mut presses = BTreeMap::new();
        for press in self.records.values().filter_map(|(_, press)| *press) {
            *presses.entry(press).or_default() += 1;
        }
        presses
    }
}

/// The press that a trigger was made from.
pub fn press_of(record: &Record) -> Option<u16> {
    matches!(record.body, Body::Trigger(_)).then_some(record.delivery.as_ref()).flatten().map(|made| made.packet)
}

/// A gateway on real files.
pub struct Household {
    engine: Engine,
    journal: Journal<FsStorage>,
    now: Now,
    inbox: VecDeque<Completion>,
    next_token: u64,
    /// The centre; it is there or away.
    pub centre: Book,
    /// Whether the centre answers.
    pub connected: bool,
    /// Tokens of acknowledged messages.
    pub acknowledged: BTreeSet<u64>,
    /// What start-up said is damaged.
    pub damage: Vec<Damage>,
}

impl Household {
    /// Starts on the journal in `dir` as boot number `run` of the machine.
    ///
    /// # Errors
    /// When the journal does not open: start-up has failed.
    pub fn start(
        dir: &Path,
        config: &GatewayConfig,
        segment_bytes: u64,
        centre: Book,
        connected: bool,
        run: u64,
    ) -> Result<Self, String> {
        let storage = FsStorage::open(dir).map_err(|error| format!("{error:?}"))?;
        let limits = JournalLimits { segment_bytes, ..config.journal };
        let (journal, recovery) =
            Journal::open_with(storage, limits, None, understands_checkpoint).map_err(|error| format!("{error:?}"))?;
        let damage = recovery.damage.clone();
        let recovered = Recovered::from(recovery);
        let mut engine_config = EngineConfig {
            rules: config.rules.clone(),
            decoder: config.decoder.clone(),
            outbox: config.outbox,
            paths: 1,
            limits: config.limits,
            version: "damage".into(),
        };
        engine_config.limits.segment_bytes = segment_bytes;
        let now = Now { boot: run, uptime_ms: 10_000, wall_ms: 1_800_000_000_000 + 3_600_000 * run as i64 };
        let (engine, commands) = Engine::start(engine_config, recovered, Incarnation(1_000 + run), &now, run);
        let mut household = Self {
            engine,
            journal,
            now,
            inbox: VecDeque::new(),
            next_token: 1,
            centre,
            connected,
            acknowledged: BTreeSet::new(),
            damage,
        };
        household.execute(commands);
        household.drain();
        Ok(household)
    }

    /// A press of the button; gives whether it was acknowledged.
    pub fn press(&mut self, packet: u16) -> bool {
        let press = payload::sos_press(BUTTON);
        let token = self.hear(&press.topic, press.payload, Some(packet));
        self.acknowledged.contains(&token)
    }

    /// A motion sensor's change.
    pub fn motion(&mut self, device: &str, moving: bool) {
        let motion = payload::motion(device, moving);
        self.hear(&motion.topic, motion.payload, None);
    }

    fn hear(&mut self, topic: &str, payload: Vec<u8>, packet: Option<u16>) -> u64 {
        let token = self.next_token;
        self.next_token += 1;
        self.now.uptime_ms += 50;
        self.now.wall_ms += 50;
        self.inbox.push_back(Completion::Heard(Heard {
            token,
            client: CHECKER.into(),
            topic: topic.into(),
            payload: Bytes::from(payload),
            retain: false,
            duplicate: false,
            packet,
        }));
        self.drain();
        token
    }

    /// Lets the home's clock go on until nothing urgent waits for the centre and everything is written.
    pub fn settle(&mut self) {
        let end = self.now.uptime_ms + SETTLE_MS;
        loop {
            let gauges = self.engine.gauges(&self.now);
            let waits = gauges.pending > 0 || self.connected && gauges.backlog > 0;
            let due = self.engine.next_deadline_ms().filter(|due| waits && *due <= end);
            let Some(due) = due else { return };
            let passed = due.saturating_sub(self.now.uptime_ms).max(1);
            self.now.uptime_ms += passed;
            self.now.wall_ms += passed as i64;
            self.inbox.push_back(Completion::Woken);
            self.drain();
        }
    }

    fn drain(&mut self) {
        let mut steps = 0;
        while let Some(completion) = self.inbox.pop_front() {
            steps += 1;
            assert!(steps < STEPS_MAX, "the loop never comes to rest");
            let commands = self.engine.step(&self.now, completion);
            self.execute(commands);
        }
    }

    fn execute(&mut self, commands: Vec<Command>) {
        for command in commands {
            match command {
                Command::Write { records, roll, low_water } => {
                    let through = records.last().map_or(0, |record| record.seq);
                    let written = self.journal.write(&records);
                    let is_written = written.is_ok();
                    self.inbox.push_back(match written {
                        Ok(written) => Completion::Written { through, segment_bytes: written.segment_bytes },
                        Err(_) => Completion::WriteFailed,
                    });
                    if let Some(checkpoint) = roll.filter(|_| is_written) {
                        // As the journal's thread does it: what cannot be rolled or retired goes on.
                        if self.journal.roll(&checkpoint).is_ok() {
                            self.inbox.push_back(Completion::Rolled { retirable: self.journal.retirable(low_water) });
                        }
                    }
                }
                Command::Reserve { records } => {
                    let held = self.journal.reserve(&records).held;
                    self.inbox.push_back(Completion::Reserved { held });
                }
                Command::Retire { through_segment } => {
                    let _ = self.journal.retire(through_segment);
                }
                Command::Load { from_seq, limit } => {
                    self.inbox.push_back(match self.journal.read(from_seq, limit) {
                        Ok(records) => {
                            let end = self.journal.head().0.saturating_sub(1);
                            let through_seq = records.last().map_or(end, |record| record.seq);
                            Completion::Loaded { records, through_seq }
                        }
                        Err(_) => Completion::LoadFailed,
                    });
                }
                Command::Answer { token, verdict } => {
                    if verdict == Verdict::Acknowledge {
                        self.acknowledged.insert(token);
                    }
                }
                Command::Send { request, records, .. } => {
                    let outcome = if self.connected {
                        Ok(self.centre.take(&records))
                    } else {
                        Err(SendFailure::Unreachable("away".into()))
                    };
                    self.inbox.push_back(Completion::Sent { request, outcome });
                }
                Command::Tell { stage, .. } => self.inbox.push_back(Completion::Told { stage, shown: true }),
                // The centre answers no poll and there are no contacts: progress is not what is looked at here.
                Command::Poll { .. } | Command::Contact(_) | Command::Stop => {}
            }
        }
    }
}
