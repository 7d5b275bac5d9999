//! Reassurance: how far help has come, and that the elder is never told more than is true.
//!
//! A call is recorded when its record is synced, received when its receipt came; what a dispatcher
//! or responder does is known from the centre only, on a lease that runs out.

use protocol::downlink::OrderProgress;
use protocol::ids::LocalKey;
use protocol::record::{Body, Delivered, Record, Resolved, Stamp, Trigger};
use protocol::stage::Stage;
use protocol::trigger::OrderClass;
use serde::{Deserialize, Serialize};

use super::{Deadline, Effect, lifecycle};

/// Times of the reassurance rules, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReassuranceRules {
    /// From a press without receipt to "not connected: call 120".
    pub centre_wait_ms: u64,
}

impl Default for ReassuranceRules {
    fn default() -> Self {
        Self { centre_wait_ms: 30_000 }
    }
}

/// A trigger that the elder waits on.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Call {
    key: LocalKey,
    class: OrderClass,
    at: Stamp,
    recorded: bool,
    /// Version of the centre's state that knows it, once received.
    received_ver: Option<u64>,
}

/// What the centre said last.
#[derive(Debug, Clone)]
struct Lease {
    orders: Vec<OrderProgress>,
    until: Stamp,
}

/// The calls of a home and what was told of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reassurance {
    calls: Vec<Call>,
    told: Stage,
    #[serde(skip)]
    lease: Option<Lease>,
    #[serde(skip)]
    repeat: bool,
    #[serde(skip)]
    disk_failed: bool,
    #[serde(skip)]
    evaluated_ms: u64,
}

impl Default for Reassurance {
    fn default() -> Self {
        Self { calls: Vec::new(), told: Stage::Quiet, lease: None, repeat: false, disk_failed: false, evaluated_ms: 0 }
    }
}

impl Reassurance {
    /// Folds a trigger: the elder waits on it unless it is a test or a technician's.
    pub fn called(&mut self, record: &Record, trigger: &Trigger) {
        let class = trigger.kind.class();
        if trigger.test || class == OrderClass::Technical {
            return;
        }
        let call = Call { key: lifecycle(record), class, at: record.at, recorded: false, received_ver: None };
        self.calls.push(call);
    }

    /// Every record up to `seq` is on disk. Each call newly so is answered, even where the stage stands.
    pub fn synced(&mut self, seq: u64) {
        for call in self.calls.iter_mut().filter(|call| !call.recorded && call.key.seq <= seq) {
            call.recorded = true;
            self.repeat = true;
        }
    }

    /// The journal takes records, or does not.
    pub fn disk(&mut self, writable: bool) {
        self.disk_failed = !writable;
    }

    /// Receipts came; the centre's state was then at `ver`.
    pub fn received(&mut self, seqs: &[u64], ver: u64) {
        for call in self.calls.iter_mut().filter(|call| seqs.contains(&call.key.seq)) {
            call.received_ver.get_or_insert(ver);
        }
    }

    /// Folds the receipts that a restart finds in the journal.
    pub fn delivered(&mut self, delivered: &Delivered) {
        let received = |seq| seq <= delivered.low_water || delivered.above.contains(&seq);
        for call in self.calls.iter_mut().filter(|call| received(call.key.seq)) {
            call.received_ver.get_or_insert(0);
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
    pub fn starts(&mut self, now: &Stamp, pre_alarm_running: bool, rules: &ReassuranceRules) {
        self.told = Stage::Quiet;
        self.told = self.stage(now, pre_alarm_running, rules);
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
        let orders: Vec<_> = orders.iter().filter(|order| order.class != OrderClass::Technical).cloned().collect();
        let over: Vec<_> = self
            .calls
            .iter()
            .filter(|call| call.received_ver.is_some_and(|received| received <= ver))
            .filter(|call| orders.iter().all(|order| order.class != call.class))
            .map(|call| call.key)
            .collect();
        self.lease = Some(Lease { orders, until });
        if !over.is_empty() {
            effects.push(Effect::Record(Body::Resolved(Resolved { calls: over })));
        }
    }

    /// Folds the end of calls.
    pub fn resolved(&mut self, resolved: &Resolved) {
        self.calls.retain(|call| !resolved.calls.contains(&call.key));
    }

    /// Folds what was told.
    pub fn told(&mut self, stage: Stage) {
        self.told = stage;
    }

    /// Whether a call is open.
    pub fn call_open(&self) -> bool {
        !self.calls.is_empty() || self.lease.as_ref().is_some_and(|lease| !lease.orders.is_empty())
    }

    /// The stage that is true at `now`.
    pub fn stage(&self, now: &Stamp, pre_alarm_running: bool, rules: &ReassuranceRules) -> Stage {
        let alight = |call: &Call| call.class == OrderClass::FireGas && (call.recorded || self.disk_failed);
        let known = |lease: &Lease| lease.orders.iter().any(|order| order.class == OrderClass::FireGas);
        if self.calls.iter().any(alight) || self.lease.as_ref().is_some_and(known) {
            return Stage::LeaveNow;
        }
        if let Some(stage) = self.leased(now) {
            return stage;
        }
        let Some(first) = self.calls.iter().find(|call| call.received_ver.is_none()) else {
            return match (self.calls.is_empty(), pre_alarm_running) {
                (false, _) => Stage::Received,
                (true, true) => Stage::PreAlarm,
                (true, false) => Stage::Quiet,
            };
        };
        if waited_ms(now, &first.at) >= rules.centre_wait_ms {
            Stage::NotConnected
        } else if first.recorded {
            Stage::Recorded
        } else if self.disk_failed {
            Stage::NotRecorded
        } else {
            // Neither on disk nor known to fail: what was told stays until the sync answers.
            self.told
        }
    }

    /// What the centre's last word amounts to; none where it knows no open order.
    fn leased(&self, now: &Stamp) -> Option<Stage> {
        let lease = self.lease.as_ref().filter(|lease| !lease.orders.is_empty())?;
        if now.boot != lease.until.boot || now.uptime_ms >= lease.until.uptime_ms {
            return Some(Stage::NotConnected);
        }
        lease.orders.iter().map(|order| order.stage).max_by_key(|stage| help(*stage))
    }

    /// Says whether the elder is to be told `stage` now: `Some(true)` when it repeats what was told.
    pub fn tell(&mut self, now: &Stamp, stage: Stage) -> Option<bool> {
        self.evaluated_ms = now.uptime_ms;
        let changed = stage != self.told;
        let repeat = std::mem::take(&mut self.repeat);
        self.told = stage;
        (changed || repeat).then_some(!changed)
    }

    /// The deadlines of this boot that have not been looked at, milliseconds of uptime.
    pub fn deadlines(&self, rules: &ReassuranceRules) -> impl Iterator<Item = (u64, Deadline)> {
        let wait_ms = rules.centre_wait_ms;
        let waits = self
            .calls
            .iter()
            .filter(|call| call.received_ver.is_none())
            .map(move |call| (call.at.uptime_ms + wait_ms, Deadline::CentreNotReached));
        let lease = self
            .lease
            .iter()
            .filter(|lease| !lease.orders.is_empty())
            .map(|lease| (lease.until.uptime_ms, Deadline::LeaseEnds));
        let evaluated_ms = self.evaluated_ms;
        waits.chain(lease).filter(move |(at_ms, _)| *at_ms > evaluated_ms)
    }
}

/// How long a call has waited; since this boot where it was made before it.
fn waited_ms(now: &Stamp, at: &Stamp) -> u64 {
    if now.boot == at.boot { now.uptime_ms.saturating_sub(at.uptime_ms) } else { now.uptime_ms }
}

/// Orders the centre's stages by how much help they promise.
fn help(stage: Stage) -> u8 {
    match stage {
        Stage::Quiet | Stage::PreAlarm | Stage::NotConnected | Stage::NotRecorded => 0,
        Stage::Recorded => 1,
        Stage::Received => 2,
        Stage::Retracted => 3,
        Stage::Taken => 4,
        Stage::Coming => 5,
        Stage::Here => 6,
        Stage::LeaveNow => 7,
    }
}
