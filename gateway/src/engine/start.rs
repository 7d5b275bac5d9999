//! How the loop starts: from a checkpoint and the records after it, never by running rules again.

use std::collections::VecDeque;
use std::sync::Arc;

use protocol::ids::Incarnation;
use protocol::record::{Body, ChainHead, Delivered, Record, Started};

use super::checkpoint::Checkpoint;
use super::deliveries::Deliveries;
use super::downlink::Downlink;
use super::registry::Registry;
use super::reserve::Reserve;
use super::throttle::Throttle;
use super::upkeep::Upkeep;
use super::{Carried, Command, Counters, Engine, EngineConfig, Now, Recovered, is_emergency};
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
        let mut after_clean_stop = recovered.last_seq == 0 && recovered.unwritten.is_empty();
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
        let undelivered = |record: &Record| record.seq > delivered.low_water && !delivered.above.contains(&record.seq);
        let in_doubt = |record: &&Record| {
            let doubtful = recovered.doubtful_from.is_some_and(|from| record.seq >= from) && undelivered(record);
            is_emergency(record) && (doubtful || recovered.only_reserved.contains(&record.seq))
        };
        let in_doubt: Vec<_> = recovered.records.iter().filter(in_doubt).cloned().map(Arc::new).collect();
        let held = recovered.reserved.iter().chain(&recovered.unwritten).filter(|_| recovered.reserve_held);
        let held = held.map(|record| record.seq).collect();
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
            disk_failed: recovered.doubtful_from.is_some(),
            in_doubt,
            records_presses: true,
            reserve: Reserve::holding(held, recovered.only_reserved.iter().copied().collect()),
            upkeep: Upkeep::default(),
            boot: now.boot,
            certificate_refused: false,
            roll_due: !recovered.only_reserved.is_empty(),
            waiting: VecDeque::new(),
            raised_anew: 0,
            delivered_due_ms: None,
            without_journal: recovered.without_journal,
            received_ver: recovered.received_ver,
            stopping: false,
        };
        let mut commands = Vec::new();
        // Emergencies overtake the backlog that is read back, all that are known, so that none overtakes an older one
        // of its lifecycle; what stands in the backlog too is the same record.
        let found = recovered.records.into_iter().chain(recovered.reserved);
        for record in found.filter(|record| is_emergency(record) && undelivered(record)) {
            engine.outbox.offer_unwritten(Arc::new(record));
        }
        engine.outbox.known_received(&recovered.received);
        engine.take_in(now, recovered.unwritten);
        let at = engine.stamp(now);
        engine.home.known_received(&at, &recovered.received, recovered.received_ver);
        let started = Started { version: config.version, after_clean_stop };
        engine.record(now, None, Body::Started(started));
        engine.pending_urgent = true;
        engine.name_gaps(now, recovered.gaps);
        engine.handle(now, None, &Input::Started { unsafe_from: engine.unsafe_emergency() }, &mut commands);
        engine.pump(now, &mut commands);
        (engine, commands)
    }

    /// Whether a loop that goes on from a journal standing at `next_seq` can take over from this one, which
    /// has none: nothing is under way on the disk, and what the centre has not received keeps its number.
    pub fn can_continue(&self, next_seq: u64) -> bool {
        let is_idle = self.writing.is_none() && !self.reserve.is_asked() && !self.outbox.is_loading();
        let mut unreceived = self.unwritten_emergencies().filter(|record| !self.outbox.is_received(record.seq));
        is_idle && unreceived.all(|record| record.seq >= next_seq)
    }

    /// What was sealed and not written, for the loop that takes over.
    pub fn into_carried(self) -> Carried {
        let records: Vec<_> = self.pending.iter().map(|record| record.as_ref().clone()).collect();
        let received = records.iter().map(|record| record.seq).filter(|seq| self.outbox.is_received(*seq)).collect();
        Carried { records, received, received_ver: self.received_ver }
    }

    /// Folds records that are sealed and not in the journal, and has them written.
    fn take_in(&mut self, now: &Now, records: Vec<Record>) {
        for record in records {
            self.decoder.apply(&record.at, &record.body);
            self.home.apply(&record);
            self.deliveries.note(&record);
            (self.chain.next_seq, self.chain.hash) = (record.seq + 1, record.hash);
            let record = Arc::new(record);
            if is_emergency(&record) {
                self.outbox.offer_unwritten(Arc::clone(&record));
            }
            self.pending_since_ms.get_or_insert(now.uptime_ms);
            self.pending.push_back(record);
        }
    }
}

/// Whether this program understands a checkpoint.
pub fn understands_checkpoint(bytes: &[u8]) -> bool {
    Checkpoint::decode(bytes).is_some()
}
