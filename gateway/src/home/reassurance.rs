//! Reassurance: how far help has come, and that the elder is never told more than is true.
//!
//! A call is recorded when its record is synced, received when its receipt came; what a dispatcher
//! or responder does is known from the centre only, on a lease that runs out. Fire comes before an
//! emergency, and that before life help: help for one is never told of another.

use protocol::downlink::{LEASE_SECS, OrderProgress};
use protocol::ids::LocalKey;
use protocol::record::{Body, Delivered, Record, Resolved, Stamp, Trigger};
use protocol::stage::Stage;
use protocol::trigger::OrderClass;
use serde::{Deserialize, Serialize};

use super::contacts::Unheard;
use super::{Deadline, Effect, lifecycle};

/// Classes the elder waits on, the most urgent first.
const CLASSES: [OrderClass; 3] = [OrderClass::FireGas, OrderClass::Emergency, OrderClass::Assistance];

/// How long a receipt alone is news, milliseconds.
const RECEIVED_MS: u64 = LEASE_SECS * 1_000;

/// Most cancels remembered that the centre has not heard of; the oldest of more are let go.
const CANCELS_MAX: usize = 100;

/// Most calls that one record resolves; it must stay within a record's length.
const RESOLVED_MAX: usize = 1_000;

/// Times of the reassurance rules, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReassuranceRules {
    /// From a press without receipt to "not connected: call 120".
    pub centre_wait_ms: u64,
    /// From an emergency without receipt to the siren, and to the contacts where there are any.
    pub outcry_ms: u64,
}

/// What else of the home bears on what is told.
#[derive(Debug, Clone, Copy)]
pub struct Around {
    /// A pre-alarm runs.
    pub pre_alarm_running: bool,
    /// The contacts are being told of an emergency.
    pub contacts_called: bool,
}

impl Default for ReassuranceRules {
    fn default() -> Self {
        Self { centre_wait_ms: 30_000, outcry_ms: 60_000 }
    }
}

/// A trigger that the elder waits on.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Call {
    key: LocalKey,
    class: OrderClass,
    at: Stamp,
    recorded: bool,
    received: Option<Received>,
    /// It came of a pre-alarm, whose fuse the centre holds too.
    of_pre_alarm: bool,
}

/// When the centre's receipt for a call came.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Received {
    at: Stamp,
    /// Version of the centre's state that knows the call.
    ver: u64,
}

/// A cancel of a pre-alarm that the centre is not known to have taken account of.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Cancel {
    key: LocalKey,
    at: Stamp,
    recorded: bool,
    /// Version of the centre's state that knows the cancel.
    received: Option<u64>,
}

impl Cancel {
    /// Whether what it was answered with is still news.
    fn is_new(&self, now: &Stamp) -> bool {
        since_ms(now, &self.at) < RECEIVED_MS
    }
}

/// What the centre said last.
#[derive(Debug, Clone)]
struct Lease {
    orders: Vec<OrderProgress>,
    /// Version of the centre's state that they are of.
    ver: u64,
    until: Stamp,
}

/// The calls of a home and what was told of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reassurance {
    calls: Vec<Call>,
    cancels: Vec<Cancel>,
    told: Stage,
    #[serde(skip)]
    lease: Option<Lease>,
    #[serde(skip)]
    repeat: bool,
    #[serde(skip)]
    disk_failed: bool,
    #[serde(skip)]
    link_down: bool,
    /// Tells whose record has not come back: until then `told` is newer than any record.
    #[serde(skip)]
    telling: u32,
    /// Boot and uptime at which the stage was looked at last.
    #[serde(skip)]
    evaluated: (u64, u64),
}

impl Default for Reassurance {
    fn default() -> Self {
        Self {
            calls: Vec::new(),
            cancels: Vec::new(),
            told: Stage::Quiet,
            lease: None,
            repeat: false,
            disk_failed: false,
            link_down: false,
            telling: 0,
            evaluated: (0, 0),
        }
    }
}

impl Reassurance {
    /// Folds a trigger: the elder waits on it unless it is a test or a technician's.
    pub fn called(&mut self, record: &Record, trigger: &Trigger) {
        let class = trigger.kind.class();
        if trigger.test || class == OrderClass::Technical {
            return;
        }
        let of_pre_alarm = trigger.follows.is_some();
        let call = Call { key: lifecycle(record), class, at: record.at, recorded: false, received: None, of_pre_alarm };
        self.calls.push(call);
    }

    /// Folds the cancel of a pre-alarm: the centre holds the fuse until it has heard of it.
    pub fn cancelled(&mut self, record: &Record) {
        if self.cancels.len() >= CANCELS_MAX {
            self.cancels.remove(0);
        }
        self.cancels.push(Cancel { key: lifecycle(record), at: record.at, recorded: false, received: None });
    }

    /// Every record up to `seq` is on disk. Each call newly so is answered, even where the stage stands.
    pub fn synced(&mut self, seq: u64) {
        for call in self.calls.iter_mut().filter(|call| !call.recorded && call.key.seq <= seq) {
            call.recorded = true;
            self.repeat = true;
        }
        self.cancels.iter_mut().filter(|cancel| cancel.key.seq <= seq).for_each(|cancel| cancel.recorded = true);
    }

    /// Lets go the cancels that the centre's last word takes account of.
    fn cancels_heard(&mut self) {
        let Some(ver) = self.lease.as_ref().map(|lease| lease.ver) else { return };
        self.cancels.retain(|cancel| cancel.received.is_none_or(|received| received > ver));
    }

    /// The journal takes records, or does not.
    pub fn disk(&mut self, writable: bool) {
        self.disk_failed = !writable;
    }

    /// Receipts came; the centre's state was then at `ver`.
    pub fn received(&mut self, now: &Stamp, seqs: &[u64], ver: u64) {
        for call in self.calls.iter_mut().filter(|call| seqs.contains(&call.key.seq)) {
            call.received.get_or_insert(Received { at: *now, ver });
        }
        for cancel in self.cancels.iter_mut().filter(|cancel| seqs.contains(&cancel.key.seq)) {
            cancel.received.get_or_insert(ver);
        }
        self.cancels_heard();
    }

    /// Folds the receipts that a restart finds in the journal.
    pub fn delivered(&mut self, at: &Stamp, delivered: &Delivered) {
        let received = |seq| seq <= delivered.low_water || delivered.above.contains(&seq);
        for call in self.calls.iter_mut().filter(|call| received(call.key.seq)) {
            call.received.get_or_insert(Received { at: *at, ver: 0 });
        }
        for cancel in self.cancels.iter_mut().filter(|cancel| received(cancel.key.seq)) {
            cancel.received.get_or_insert(0);
        }
    }

    /// The program started: whatever the journal gave back is on disk, and the lamp is told anew.
    pub fn restarted(&mut self, seq: u64) {
        for call in self.calls.iter_mut().filter(|call| call.key.seq < seq) {
            call.recorded = true;
        }
        self.repeat = true;
    }

    /// The program starts: what was told before may be true no longer; what is known of the restored
    /// calls stands in its place.
    ///
    /// A call from `unsafe_from` on is recorded only when its sync is answered.
    pub fn starts(&mut self, now: &Stamp, unsafe_from: Option<u64>, around: Around, rules: &ReassuranceRules) {
        let in_doubt = |call: &Call| call.received.is_none() && unsafe_from.is_some_and(|from| call.key.seq >= from);
        self.calls.iter_mut().filter(|call| in_doubt(call)).for_each(|call| call.recorded = false);
        // An old one that the centre has said that it has is over; of a new one the centre's orders are still awaited.
        self.cancels.retain(|cancel| cancel.received.is_none() || now.boot == cancel.at.boot && cancel.is_new(now));
        for cancel in &mut self.cancels {
            cancel.recorded = cancel.received.is_some() || unsafe_from.is_none_or(|from| cancel.key.seq < from);
        }
        // Whether the centre is reached is found out anew.
        self.link_down = false;
        self.told = Stage::Quiet;
        self.told = self.stage(now, around, rules);
    }

    /// Folds that the centre is heard of again, or has not been for minutes.
    pub fn linked(&mut self, up: bool) {
        self.link_down = !up;
    }

    /// Emergencies and fires that the centre has no receipt for, oldest first.
    pub fn unheard(&self) -> impl Iterator<Item = Unheard> {
        let danger = |call: &&Call| matches!(call.class, OrderClass::Emergency | OrderClass::FireGas);
        let unheard = self.calls.iter().filter(|call| call.received.is_none()).filter(danger);
        unheard.map(|call| Unheard { call: call.key, class: call.class, at: call.at })
    }

    /// Whether the elder waits on a call of this class.
    pub fn has_call(&self, class: OrderClass) -> bool {
        self.calls.iter().any(|call| call.class == class)
    }

    /// The centre told all open orders. Calls that it received and has no order for are over.
    pub fn progress(
        &mut self,
        now: &Stamp,
        ver: u64,
        orders: &[OrderProgress],
        lease_ms: u64,
        effects: &mut Vec<Effect>,
    ) {
        let until = Stamp { uptime_ms: now.uptime_ms.saturating_add(lease_ms), ..*now };
        let orders: Vec<_> = orders.iter().filter(|order| CLASSES.contains(&order.class)).cloned().collect();
        let over: Vec<_> = self
            .calls
            .iter()
            .filter(|call| call.received.as_ref().is_some_and(|received| received.ver <= ver))
            .filter(|call| orders.iter().all(|order| order.class != call.class))
            .map(|call| call.key)
            .collect();
        self.lease = Some(Lease { orders, ver, until });
        self.cancels_heard();
        for calls in over.chunks(RESOLVED_MAX) {
            effects.push(Effect::Record(Body::Resolved(Resolved { calls: calls.to_vec() })));
        }
    }

    /// Folds the end of calls.
    pub fn resolved(&mut self, resolved: &Resolved) {
        self.calls.retain(|call| !resolved.calls.contains(&call.key));
    }

    /// Folds what was told; live, something newer may have been asked for since.
    pub fn was_told(&mut self, stage: Stage) {
        match self.telling.checked_sub(1) {
            Some(left) => self.telling = left,
            None => self.told = stage,
        }
    }

    /// Whether a call is open.
    pub fn call_open(&self) -> bool {
        !self.calls.is_empty() || self.lease.as_ref().is_some_and(|lease| !lease.orders.is_empty())
    }

    /// Whether the centre may not have heard that an alarm is cancelled.
    pub fn is_cancelling(&self) -> bool {
        !self.cancels.is_empty()
    }

    /// The stage that is true at `now`.
    pub fn stage(&self, now: &Stamp, around: Around, rules: &ReassuranceRules) -> Stage {
        let is_open = |class: &&OrderClass| {
            self.calls.iter().any(|call| call.class == **class) || self.leased().any(|order| order.class == **class)
        };
        let open = || CLASSES.iter().filter(is_open);
        if open().next() == Some(&OrderClass::FireGas) && self.is_fire_known() {
            return Stage::LeaveNow;
        }
        // Nobody who waits for help is asked anything, but a fall is asked about whatever a lesser call waits for.
        if around.pre_alarm_running && open().next().is_none_or(|class| *class == OrderClass::Assistance) {
            return Stage::PreAlarm;
        }
        // A call that nothing can be said of yet hides nothing that is known of a less urgent one.
        match open().find_map(|class| self.stage_of(now, *class, around, rules)) {
            Some(stage) => stage,
            // What was told stays until the sync answers.
            None if open().next().is_some() => self.told,
            None if !self.disk_failed && self.cancels.iter().any(|cancel| !cancel.recorded) => self.told,
            None if self.cancels.iter().any(|cancel| cancel.is_new(now)) => Stage::Cancelling,
            None if self.link_down => Stage::LinkDown,
            None if self.is_cancelling() => Stage::Cancelling,
            None => Stage::Quiet,
        }
    }

    /// Fire is told once it is on disk, or the disk fails, or the centre has it or says so.
    fn is_fire_known(&self) -> bool {
        let safe = |call: &Call| call.recorded || call.received.is_some() || self.disk_failed;
        let known = |call: &Call| call.class == OrderClass::FireGas && safe(call);
        self.calls.iter().any(known) || self.leased().any(|order| order.class == OrderClass::FireGas)
    }

    /// The open orders that the elder waits on, as the centre told them last.
    pub fn leased(&self) -> impl Iterator<Item = &OrderProgress> {
        self.lease.iter().flat_map(|lease| &lease.orders)
    }

    fn is_lease_live(&self, now: &Stamp) -> bool {
        self.lease.as_ref().is_some_and(|lease| now.boot == lease.until.boot && now.uptime_ms < lease.until.uptime_ms)
    }

    /// The stage of one class that has a call or an order open; none while its first call without receipt is neither
    /// on disk nor known to fail.
    fn stage_of(&self, now: &Stamp, class: OrderClass, around: Around, rules: &ReassuranceRules) -> Option<Stage> {
        let known = self.leased().filter(|order| order.class == class).map(|order| order.stage);
        let known = known.max_by_key(|stage| help(*stage));
        let leased = known.filter(|_| self.is_lease_live(now));
        if let Some(stage) = leased.filter(|stage| help(*stage) >= help(Stage::Taken)) {
            return Some(stage);
        }
        let mut calls = self.calls.iter().filter(|call| call.class == class);
        // The centre's own fuse has opened the order that this call is about to join: it has arrived already.
        let alone = calls.clone().count() == 1;
        if let Some(stage) = leased.filter(|_| alone && calls.clone().all(|call| call.of_pre_alarm)) {
            return Some(stage);
        }
        // A call that nobody has a receipt for comes before what is known of an older one.
        if let Some(first) = calls.clone().find(|call| call.received.is_none()) {
            let waited_ms = since_ms(now, &first.at);
            return if waited_ms >= rules.outcry_ms && class == OrderClass::Emergency {
                Some(if around.contacts_called { Stage::ContactsCalled } else { Stage::StillNotConnected })
            } else if waited_ms >= rules.centre_wait_ms {
                Some(Stage::NotConnected)
            } else if first.recorded {
                Some(Stage::Recorded)
            } else {
                self.disk_failed.then_some(Stage::NotRecorded)
            };
        }
        let fresh = |call: &Call| call.received.as_ref().is_some_and(|got| since_ms(now, &got.at) < RECEIVED_MS);
        Some(match (leased, known) {
            (Some(stage), _) => stage,
            (None, None) if calls.any(fresh) => Stage::Received,
            (None, _) => Stage::NotConnected,
        })
    }

    /// Says whether the elder is to be told `stage` now: `Some(true)` when it repeats what was told.
    pub fn tell(&mut self, now: &Stamp, stage: Stage) -> Option<bool> {
        self.evaluated = (now.boot, now.uptime_ms);
        let changed = stage != self.told;
        // What stays only until the sync answers is not said once more: it is of an older call, and whether
        // that still stands a start cannot know.
        let first = self.calls.iter().find(|call| call.received.is_none());
        let mut recorded =
            first.iter().map(|call| call.recorded).chain(self.cancels.iter().map(|cancel| cancel.recorded));
        let awaits_sync = !self.disk_failed && recorded.any(|recorded| !recorded);
        let repeat = !awaits_sync && std::mem::take(&mut self.repeat);
        self.told = stage;
        let told = (changed || repeat).then_some(!changed);
        self.telling += u32::from(told.is_some());
        told
    }

    /// The deadlines of this boot that have not been looked at, milliseconds of uptime.
    pub fn deadlines(&self, rules: &ReassuranceRules) -> impl Iterator<Item = (u64, Deadline)> {
        let (boot, evaluated_ms) = self.evaluated;
        let wait_ms = rules.centre_wait_ms;
        // What was stamped in an earlier boot counts from the beginning of this one.
        let from = move |at: &Stamp| if at.boot == boot { at.uptime_ms } else { 0 };
        let outcry_ms = rules.outcry_ms;
        let unheard = self.calls.iter().filter(|call| call.received.is_none());
        let outcries = unheard.map(move |call| (from(&call.at).saturating_add(outcry_ms), Deadline::CentreNotReached));
        let waits = self.calls.iter().map(move |call| match &call.received {
            None => (from(&call.at).saturating_add(wait_ms), Deadline::CentreNotReached),
            Some(got) => (from(&got.at).saturating_add(RECEIVED_MS), Deadline::LeaseEnds),
        });
        let lease = self
            .lease
            .iter()
            .filter(|lease| !lease.orders.is_empty())
            .map(|lease| (lease.until.uptime_ms, Deadline::LeaseEnds));
        let cancels =
            self.cancels.iter().map(move |cancel| (from(&cancel.at).saturating_add(RECEIVED_MS), Deadline::LeaseEnds));
        waits.chain(outcries).chain(cancels).chain(lease).filter(move |(at_ms, _)| *at_ms > evaluated_ms)
    }
}

/// How long ago a moment was; since this boot where it lies before it.
fn since_ms(now: &Stamp, at: &Stamp) -> u64 {
    if now.boot == at.boot { now.uptime_ms.saturating_sub(at.uptime_ms) } else { now.uptime_ms }
}

/// Orders the centre's stages by how much help they promise.
fn help(stage: Stage) -> u8 {
    match stage {
        Stage::Quiet
        | Stage::PreAlarm
        | Stage::NotConnected
        | Stage::NotRecorded
        | Stage::StillNotConnected
        | Stage::ContactsCalled
        | Stage::LinkDown
        | Stage::Cancelling
        | Stage::RadioLost => 0,
        Stage::Recorded => 1,
        Stage::Received => 2,
        Stage::Retracted => 3,
        Stage::Taken => 4,
        Stage::Coming => 5,
        Stage::Here => 6,
        Stage::LeaveNow => 7,
    }
}
