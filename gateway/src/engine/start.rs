//! How the loop starts: from a checkpoint and the records after it, never by running rules again.

use std::collections::VecDeque;

use protocol::ids::Incarnation;
use protocol::record::{Body, ChainHead, Delivered, Started};

use super::checkpoint::Checkpoint;
use super::deliveries::Deliveries;
use super::downlink::Downlink;
use super::registry::Registry;
use super::throttle::Throttle;
use super::{Command, Counters, Engine, EngineConfig, Now, Recovered};
use crate::decode::Decoder;
use crate::home::{Home, Input};
use crate::jitter::Jitter;
use crate::outbox::Outbox;

impl Engine {
    /// Starts from what the journal gave back; `seed` feeds back-off jitter only.
    pub fn start(
        config: EngineConfig,
        recovered: Recovered,
        incarnation: Incarnation,
        now: &Now,
        seed: u64,
    ) -> (Self, Vec<Command>) {
        let checkpoint = recovered.checkpoint.as_deref().and_then(Checkpoint::decode);
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
            downlink: Downlink::starting(now.uptime_ms),
            deliveries: engine_deliveries,
            registry: Registry::default(),
            counters,
            throttle: Throttle::default(),
            jitter: Jitter::new(seed),
            started_ms: now.uptime_ms,
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
}
