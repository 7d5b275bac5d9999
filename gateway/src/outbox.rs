//! The uplink's scheduler, pure: which records go to the centre next, on which path, and when again.
//!
//! Emergency records overtake everything: each emergency request carries every unreceived one in
//! order, so that a cancel never comes before its trigger, and is hedged on the next path when no
//! receipt comes. Routine records go in bounded batches, one at a time. Retry never ends.
//! At its limit a lane keeps the oldest in memory and reads the rest back from the journal.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use protocol::record::{Delivered, Record, Route};
use protocol::uplink::{UPLINK_RECORDS_MAX, UplinkAnswer};

use crate::jitter::Jitter;

/// Most records of one lane held in memory; more wait in the journal.
pub const LANE_RECORDS_MAX: usize = 2_000;

/// Most records read back from the journal at once.
pub const LOAD_RECORDS_MAX: usize = 1_000;

/// A failed read of the journal is tried again after this, milliseconds.
const LOAD_RETRY_MS: u64 = 5_000;

/// Most emergency records in one request.
const URGENT_BATCH_MAX: usize = 256;

/// With no more than these waiting, each new press goes out at once with all of them.
const FRESH_BATCH_MAX: usize = 64;

/// Most emergency requests under way at once for what was sent before.
const URGENT_REQUESTS_MAX: usize = 4;

/// Most emergency requests under way at once, new presses included.
const FRESH_REQUESTS_MAX: usize = 16;

/// Most refusals remembered; a further one counts as received, for it is asked for no more either.
const REFUSED_MAX: usize = 1_024;

/// Times of the uplink, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxTimes {
    /// An emergency without receipt goes out on the next path after this.
    pub hedge_ms: u64,
    /// Longest back-off of an emergency.
    pub urgent_backoff_max_ms: u64,
    /// Longest back-off of routine records.
    pub routine_backoff_max_ms: u64,
}

impl Default for OutboxTimes {
    fn default() -> Self {
        Self { hedge_ms: 2_000, urgent_backoff_max_ms: 5_000, routine_backoff_max_ms: 60_000 }
    }
}

/// What the outbox asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Post {
    /// Send these records on this path.
    Send {
        /// Names the request in its answer.
        request: u64,
        /// Index of the path.
        path: usize,
        /// The records, in order.
        records: Vec<Arc<Record>>,
    },
    /// Read records back from the journal.
    Load {
        /// First sequence wanted.
        from_seq: u64,
        /// How many at most.
        limit: usize,
    },
}

#[derive(Debug, Clone)]
struct Request {
    urgent: bool,
    sent_ms: u64,
    first_seq: u64,
    last_seq: u64,
    hedged: bool,
    path: usize,
}

/// What a read of the journal under way is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loading {
    No,
    Scan,
    Refill,
}

/// Records on their way to the centre.
#[derive(Debug, Clone)]
pub struct Outbox {
    times: OutboxTimes,
    paths: usize,
    urgent: VecDeque<Arc<Record>>,
    routine: VecDeque<Arc<Record>>,
    /// Every sequence held in a lane.
    held: BTreeSet<u64>,
    /// From here on the journal has records that no lane holds.
    unread_from: Option<u64>,
    /// At start the whole backlog is looked through for emergencies, whatever telemetry lies before
    /// them: what is looked at next, and the last sequence to look at.
    scan: Option<(u64, u64)>,
    loading: Loading,
    load_retry_ms: u64,
    received: BTreeSet<u64>,
    /// Records that the centre refused: not asked again, and not there.
    refused: BTreeSet<u64>,
    last_seq: u64,
    in_flight: BTreeMap<u64, Request>,
    next_request: u64,
    path: usize,
    urgent_failures: u32,
    urgent_retry_ms: u64,
    urgent_sent_through: u64,
    urgent_batch: usize,
    routine_failures: u32,
    routine_retry_ms: u64,
    routine_batch: usize,
}

impl Outbox {
    /// An outbox that continues after what the journal says is delivered; `last_seq` is the journal's last.
    pub fn new(times: OutboxTimes, paths: usize, delivered: &Delivered, last_seq: u64) -> Self {
        let unread = delivered.low_water < last_seq;
        Self {
            times,
            paths: paths.max(1),
            urgent: VecDeque::new(),
            routine: VecDeque::new(),
            held: BTreeSet::new(),
            unread_from: None,
            scan: unread.then_some((delivered.low_water + 1, last_seq)),
            loading: Loading::No,
            load_retry_ms: 0,
            received: delivered.above.iter().copied().collect(),
            refused: BTreeSet::new(),
            last_seq,
            in_flight: BTreeMap::new(),
            next_request: 1,
            path: 0,
            urgent_failures: 0,
            urgent_retry_ms: 0,
            urgent_sent_through: 0,
            urgent_batch: URGENT_BATCH_MAX,
            routine_failures: 0,
            routine_retry_ms: 0,
            routine_batch: UPLINK_RECORDS_MAX,
        }
    }

    /// A record is safe on disk. The same one offered again is nothing new.
    pub fn offer(&mut self, record: Arc<Record>) {
        self.last_seq = self.last_seq.max(record.seq);
        self.admit(record);
    }

    /// A record must go although the disk does not take it; the low-water mark stays below it until it is offered.
    pub fn offer_unwritten(&mut self, record: Arc<Record>) {
        self.admit(record);
    }

    fn admit(&mut self, record: Arc<Record>) {
        let seq = record.seq;
        if self.held.contains(&seq) || self.received.contains(&seq) {
            return;
        }
        let lane = match record.body.route() {
            Route::Local => {
                self.received.insert(seq);
                return;
            }
            Route::Emergency => &mut self.urgent,
            Route::Routine if self.unread_from.is_some_and(|from| seq >= from) && self.loading == Loading::No => return,
            Route::Routine => &mut self.routine,
        };
        if lane.len() >= LANE_RECORDS_MAX {
            self.unread_from = Some(self.unread_from.map_or(seq, |from| from.min(seq)));
            return;
        }
        self.held.insert(seq);
        let place = lane.iter().rposition(|held| held.seq < seq).map_or(0, |before| before + 1);
        lane.insert(place, record);
    }

    /// Records read back from the journal; `through_seq` is the last that was looked at.
    pub fn loaded<R: Into<Arc<Record>>>(&mut self, records: Vec<R>, through_seq: u64) {
        match (self.loading, self.scan) {
            (Loading::Scan, Some((_, end))) => self.scan = (through_seq < end).then_some((through_seq + 1, end)),
            _ => self.unread_from = (through_seq < self.last_seq).then_some(through_seq + 1),
        }
        for record in records {
            self.admit(record.into());
        }
        self.loading = Loading::No;
        self.load_retry_ms = 0;
    }

    /// The journal could not be read; it is tried again later.
    pub fn load_failed(&mut self, now_ms: u64) {
        self.loading = Loading::No;
        self.load_retry_ms = now_ms.saturating_add(LOAD_RETRY_MS);
    }

    /// What can go out at `now_ms`.
    #[must_use]
    pub fn posts(&mut self, now_ms: u64) -> Vec<Post> {
        let mut posts = Vec::new();
        self.post_urgent(now_ms, &mut posts);
        self.post_routine(now_ms, &mut posts);
        posts.extend(self.load(now_ms));
        posts
    }

    fn load(&mut self, now_ms: u64) -> Option<Post> {
        if self.loading != Loading::No || now_ms < self.load_retry_ms {
            return None;
        }
        let room = LANE_RECORDS_MAX - LOAD_RECORDS_MAX;
        let has_room = self.routine.len() <= room && self.urgent.len() <= room;
        let from_seq = match (self.scan, self.unread_from) {
            (Some((from, _)), _) => {
                self.loading = Loading::Scan;
                from
            }
            (None, Some(from)) if has_room => {
                self.loading = Loading::Refill;
                from
            }
            (None, _) => return None,
        };
        Some(Post::Load { from_seq, limit: LOAD_RECORDS_MAX })
    }

    fn post_urgent(&mut self, now_ms: u64, posts: &mut Vec<Post>) {
        let Some(last) = self.urgent.back().map(|record| record.seq) else { return };
        let under_way = self.in_flight.values().filter(|request| request.urgent).count();
        let fresh = last > self.urgent_sent_through && self.urgent.len() <= self.urgent_batch.min(FRESH_BATCH_MAX);
        if under_way >= if fresh { FRESH_REQUESTS_MAX } else { URGENT_REQUESTS_MAX } {
            return;
        }
        let slow = self.in_flight.values_mut().find(|request| {
            request.urgent && !request.hedged && now_ms >= request.sent_ms.saturating_add(self.times.hedge_ms)
        });
        let path = if let Some(slow) = slow {
            slow.hedged = true;
            (slow.path + 1) % self.paths
        } else if fresh || (under_way == 0 && now_ms >= self.urgent_retry_ms) {
            // A press that nobody has sent yet never waits for a back-off that an older failure set.
            self.path
        } else {
            return;
        };
        let records: Vec<_> = self.urgent.iter().take(self.urgent_batch).cloned().collect();
        self.urgent_sent_through = self.urgent_sent_through.max(records.last().map_or(0, |record| record.seq));
        posts.push(self.send(true, path, now_ms, records));
    }

    fn post_routine(&mut self, now_ms: u64, posts: &mut Vec<Post>) {
        let under_way = self.in_flight.values().any(|request| !request.urgent);
        if under_way || now_ms < self.routine_retry_ms || self.routine.is_empty() {
            return;
        }
        let records: Vec<_> = self.routine.iter().take(self.routine_batch).cloned().collect();
        posts.push(self.send(false, self.path, now_ms, records));
    }

    fn send(&mut self, urgent: bool, path: usize, now_ms: u64, records: Vec<Arc<Record>>) -> Post {
        let request = self.next_request;
        self.next_request += 1;
        let (first_seq, last_seq) =
            (records.first().map_or(0, |record| record.seq), records.last().map_or(0, |record| record.seq));
        self.in_flight.insert(request, Request { urgent, sent_ms: now_ms, first_seq, last_seq, hedged: false, path });
        Post::Send { request, path, records }
    }

    /// The centre answered. Returns the sequences newly received.
    ///
    /// An answer that settles nothing of what was sent counts as a failure, so that it is not asked for at once again.
    pub fn answered(&mut self, now_ms: u64, request: u64, answer: &UplinkAnswer, jitter: &mut Jitter) -> Vec<u64> {
        let mut newly = Vec::new();
        let held_before = self.held.len();
        let stored = answer.receipts.iter().map(|receipt| (receipt.key, Some(receipt.hash)));
        let refused = answer.refused.iter().map(|refusal| (refusal.key, None));
        for (key, hash) in stored.chain(refused) {
            let is_settled = self.settle(key.seq, key.incarnation.0, hash);
            if is_settled && hash.is_some() {
                newly.push(key.seq);
            } else if is_settled && self.refused.len() < REFUSED_MAX {
                self.refused.insert(key.seq);
            }
        }
        let span = self.in_flight.get(&request).map(|request| request.first_seq..=request.last_seq);
        let waits = span.is_some_and(|span| self.held.range(span).next().is_some());
        if self.held.len() == held_before && waits {
            self.failed(now_ms, request, false, jitter);
        } else if let Some(done) = self.in_flight.remove(&request) {
            self.path = done.path;
            if done.urgent {
                self.urgent_failures = 0;
                self.urgent_retry_ms = 0;
                self.urgent_batch = URGENT_BATCH_MAX;
            } else {
                self.routine_failures = 0;
                self.routine_retry_ms = 0;
                self.routine_batch = UPLINK_RECORDS_MAX;
            }
        }
        newly
    }

    /// Takes a record out of its lane when the receipt is truly for it.
    fn settle(&mut self, seq: u64, incarnation: u64, hash: Option<protocol::ids::Hash32>) -> bool {
        for lane in [&mut self.urgent, &mut self.routine] {
            if let Ok(place) = lane.binary_search_by_key(&seq, |record| record.seq)
                && lane[place].incarnation.0 == incarnation
                && hash.is_none_or(|hash| hash == lane[place].hash)
            {
                lane.remove(place);
                self.held.remove(&seq);
                self.received.insert(seq);
                return true;
            }
        }
        false
    }

    /// A path did not answer a poll: what is sent next takes the one after it.
    pub fn path_failed(&mut self, path: usize) {
        if path == self.path {
            self.path = (self.path + 1) % self.paths;
        }
    }

    /// A request failed; `too_large` halves the next batch of its lane.
    pub fn failed(&mut self, now_ms: u64, request: u64, too_large: bool, jitter: &mut Jitter) {
        let Some(failed) = self.in_flight.remove(&request) else { return };
        if too_large {
            let batch = if failed.urgent { &mut self.urgent_batch } else { &mut self.routine_batch };
            *batch = (*batch / 2).max(1);
        }
        self.path_failed(failed.path);
        if failed.urgent {
            self.urgent_failures = self.urgent_failures.saturating_add(1);
            let wait = jitter.backoff_ms(self.urgent_failures, 200, self.times.urgent_backoff_max_ms);
            self.urgent_retry_ms = now_ms.saturating_add(wait);
        } else {
            self.routine_failures = self.routine_failures.saturating_add(1);
            let wait = jitter.backoff_ms(self.routine_failures, 500, self.times.routine_backoff_max_ms);
            self.routine_retry_ms = now_ms.saturating_add(wait);
        }
    }

    /// The centre was heard of again: nothing waits for a back-off.
    pub fn centre_heard(&mut self) {
        self.urgent_retry_ms = 0;
        self.routine_retry_ms = 0;
    }

    /// What the centre holds, for the journal. Forgets what lies below the new low-water mark.
    pub fn delivered(&mut self) -> Delivered {
        let low_water = self.low_water();
        self.received = self.received.split_off(&(low_water + 1));
        Delivered { low_water, above: self.received.iter().copied().collect() }
    }

    /// Every record up to here is received or local.
    pub fn low_water(&self) -> u64 {
        let held = self.held.first().copied();
        let scanned = self.scan.map(|(from, _)| from);
        let waiting = held.into_iter().chain(self.unread_from).chain(scanned).min();
        waiting.map_or(self.last_seq, |first| (first - 1).min(self.last_seq))
    }

    /// Records that wait for a receipt, those only in the journal counted by their sequences.
    pub fn backlog(&self) -> u64 {
        let scanned = self.scan.map(|(from, _)| from);
        let unread = self.unread_from.into_iter().chain(scanned).min().map_or(0, |from| {
            let known = self.held.range(from..).count() + self.received.range(from..).count();
            (self.last_seq + 1).saturating_sub(from).saturating_sub(known as u64)
        });
        self.held.len() as u64 + unread
    }

    /// The centre is known to hold these, although the journal does not say so yet.
    pub fn known_received(&mut self, seqs: &[u64]) {
        self.received.extend(seqs);
    }

    /// Whether a read of the journal is under way.
    pub fn is_loading(&self) -> bool {
        self.loading != Loading::No
    }

    /// Emergency records that wait for a receipt and are in memory, oldest first.
    pub fn urgent(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.urgent.iter()
    }

    /// Emergency records that wait for a receipt.
    pub fn urgent_backlog(&self) -> usize {
        self.urgent.len()
    }

    /// The oldest record in memory that waits for a receipt.
    pub fn oldest(&self) -> Option<&Record> {
        let lanes = [self.urgent.front(), self.routine.front()];
        lanes.into_iter().flatten().min_by_key(|record| record.seq).map(Arc::as_ref)
    }

    /// When [`Outbox::posts`] next has something that it has not now, milliseconds of uptime.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let under_way = self.in_flight.values().filter(|request| request.urgent).count();
        let hedge = self
            .in_flight
            .values()
            .filter(|request| request.urgent && !request.hedged && under_way < URGENT_REQUESTS_MAX)
            .map(|request| request.sent_ms.saturating_add(self.times.hedge_ms));
        let urgent_idle = !self.urgent.is_empty() && !self.in_flight.values().any(|request| request.urgent);
        let routine_idle = !self.routine.is_empty() && !self.in_flight.values().any(|request| !request.urgent);
        let urgent = urgent_idle.then_some(self.urgent_retry_ms);
        let routine = routine_idle.then_some(self.routine_retry_ms);
        let unread = (self.scan.is_some() || self.unread_from.is_some()) && self.loading == Loading::No;
        let load = (unread && self.load_retry_ms > 0).then_some(self.load_retry_ms);
        hedge.chain(urgent).chain(routine).chain(load).min()
    }

    /// Whether the centre holds a record; known for all that came after the last [`Outbox::delivered`].
    pub fn is_received(&self, seq: u64) -> bool {
        !self.refused.contains(&seq) && (self.received.contains(&seq) || seq <= self.low_water())
    }

    /// Index of the path that answered last.
    pub fn path(&self) -> usize {
        self.path
    }

    /// Sequences of the requests under way, for logs.
    pub fn request_span(&self, request: u64) -> Option<(u64, u64)> {
        self.in_flight.get(&request).map(|request| (request.first_seq, request.last_seq))
    }
}

#[cfg(test)]
mod tests;
