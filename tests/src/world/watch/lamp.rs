//! What the elder is told, held against what is true: on the disk, at the centre, within the lease.

use gateway::engine::{Completion, PENDING_RECORDS_MAX};
use gateway::home::contacts::{ContactRules, Contacting};
use gateway::journal::sim_storage::SimStorage;
use protocol::downlink::LEASE_SECS;
use protocol::record::{Body, Cancelled, Record, Trigger};
use protocol::stage::Stage;
use protocol::trigger::OrderClass;

use super::{Call, Cancel, HomeWatch, Invariant, Lit, Watch, survives};

/// The lease and the longest way of an answer home, milliseconds.
const LEASE_MS: u64 = LEASE_SECS * 1_000 + 41_000;

/// How long the centre is silent before the link counts as down, milliseconds.
const LINK_DOWN_MS: u64 = 180_000;

/// How long a call waits for the centre before it is said that it is not reached, milliseconds.
const CENTRE_WAIT_MS: u64 = 30_000 - SEEN_LATE_MS;

/// How long a call waits for the centre before the siren sounds, milliseconds.
const OUTCRY_MS: u64 = 60_000 - SEEN_LATE_MS;

/// A call is seen here when it is written or sent; behind a slow write that is this much after it was made, milliseconds.
const SEEN_LATE_MS: u64 = 2_000;

/// How long a started gateway may leave the lamp dark while a call is open, milliseconds.
const DARK_MS_MAX: u64 = 60_000;

impl Watch {
    /// The elder is told a stage.
    pub(in crate::world) fn told(&mut self, home: usize, now_ms: u64, lit: Lit, storage: &SimStorage) {
        let Lit { stage, disk_fails, .. } = lit;
        let at = &self.homes[home];
        let waiting = |call: &&Call| !call.resolved && call.kind.class() != OrderClass::Technical;
        let untrue = match stage {
            Stage::Recorded => {
                let recorded: Vec<_> = at.calls.iter().filter(|(_, call)| waiting(call) && call.durable).collect();
                for (_, call) in &recorded {
                    if let Some(press) = call.press {
                        self.presses[press].shown = true;
                    }
                }
                match recorded.iter().rev().find(|(_, call)| call.committed_ms.is_none()) {
                    None if recorded.is_empty() && !at.betrayed => Some("no call is on the disk".to_owned()),
                    Some((key, _)) if !survives(storage, at.records.get(key)) => {
                        Some(format!("{key} would not survive a power cut"))
                    }
                    None | Some(_) => None,
                }
            }
            Stage::Received => {
                let mut calls = at.calls.values().filter(waiting).peekable();
                let all = calls.peek().is_some() && calls.all(|call| call.committed_ms.is_some());
                let any_order = !at.open.is_empty() || at.held_within(now_ms, Stage::Received);
                (!all && !any_order && !at.betrayed).then(|| "the centre has not committed the call".to_owned())
            }
            Stage::Taken | Stage::Coming | Stage::Here | Stage::Retracted => {
                (!at.held_within(now_ms, stage)).then(|| format!("no order was {stage:?} within the lease"))
            }
            Stage::Quiet => {
                let open = at.calls.iter().find(|(_, call)| call.durable && waiting(call) && !at.is_over(call, now_ms));
                open.map(|(key, _)| format!("call {key} is open")).or_else(|| self.cancel_not_over(home))
            }
            Stage::Cancelling => {
                // What no disk takes is sent all the same, and told.
                let known = at.cancels.values().any(|cancel| cancel.durable && !cancel.is_over(now_ms));
                (!known && !at.betrayed && !disk_fails).then(|| "no cancel is on the disk".to_owned())
            }
            Stage::StillNotConnected | Stage::ContactsCalled => {
                let unheard = |call: &Call| waiting(&call) && now_ms >= call.since_ms + OUTCRY_MS;
                (!at.betrayed && !at.calls.values().any(unheard)).then(|| "no call has waited so long".to_owned())
            }
            Stage::LeaveNow => {
                let fire = at.calls.values().any(|call| call.kind.class() == OrderClass::FireGas)
                    || at.open.iter().any(|(class, _)| *class == OrderClass::FireGas);
                (!fire && !at.betrayed).then(|| "nothing burns".to_owned())
            }
            Stage::NotConnected => {
                let unheard = |call: &Call| waiting(&call) && now_ms >= call.since_ms + CENTRE_WAIT_MS;
                // What the centre told once holds for its lease, and is taken back when that runs out.
                let needed = at.betrayed || at.calls.values().any(unheard) || !at.last_true_ms.is_empty();
                (!needed).then(|| "no call has waited for half a minute".to_owned())
            }
            Stage::LinkDown => {
                let silent_ms = now_ms.saturating_sub(at.heard_ms.max(at.started_ms));
                (silent_ms < LINK_DOWN_MS).then(|| format!("the centre was heard {silent_ms} ms ago"))
            }
            Stage::NotRecorded => (!disk_fails && !at.betrayed).then(|| "the disk takes everything".to_owned()),
            // A pre-alarm is asked about at once, before its record is handed to the disk: see what follows a step.
            Stage::PreAlarm | Stage::RadioLost => None,
        };
        if let Some(what) = untrue {
            self.violated(Invariant::LampNeverAhead, now_ms, home, format!("told {stage:?}: {what}"));
        }
    }

    /// Why no cancel of this home may be told as done, where one may not.
    fn cancel_not_over(&self, home: usize) -> Option<String> {
        let at = &self.homes[home];
        // A disk that was lost or taken back may have forgotten its cancels.
        if at.betrayed {
            return None;
        }
        let unheard = at.cancels.iter().find(|(_, cancel)| cancel.durable && !cancel.committed);
        // A run that has not heard of the centre yet cannot know what a late cancel came to.
        let heard = at.heard_ms > at.started_ms;
        let late = at.open_orders.iter().find(|order| heard && self.cancelled_orders.contains_key(*order));
        unheard
            .map(|(key, _)| format!("the centre has not heard of the cancel {key}"))
            .or_else(|| late.map(|order| format!("{order} was opened before its cancel came, and is open")))
    }

    /// A gateway is told how something of its own ended.
    pub(in crate::world) fn told_gateway(&mut self, home: usize, now_ms: u64, completion: &Completion) {
        let at = &mut self.homes[home];
        if let Completion::Polled(Ok(_)) = completion {
            at.heard_ms = now_ms;
        }
        if let Completion::Sent { outcome: Ok(answer), .. } = completion {
            for receipt in &answer.receipts {
                if let Some(cancel) = at.cancels.get_mut(&receipt.key) {
                    cancel.receipted_ms.get_or_insert(now_ms);
                }
            }
        }
    }

    /// A message goes to a contact.
    pub(in crate::world) fn contacted(&mut self, home: usize, now_ms: u64, told: &Contacting) {
        let waits =
            |call: &Call| !call.resolved && call.kind.class() == told.class && now_ms >= call.since_ms + OUTCRY_MS;
        // A disk that was lost or taken back may know calls that are forgotten here.
        if !self.homes[home].betrayed && !self.homes[home].calls.values().any(waits) {
            let what = format!("{told:?}, and no call of its class has waited so long");
            self.violated(Invariant::ContactsWithReason, now_ms, home, what);
        }
        if told.attempt > ContactRules::default().attempts_max {
            self.violated(Invariant::ContactsWithReason, now_ms, home, format!("{told:?}: one too many"));
        }
    }

    /// A gateway's loop made a step.
    pub(in crate::world) fn stepped(&mut self, home: usize, now_ms: u64, lamp: Option<Lit>, pending: usize) {
        let at = &self.homes[home];
        if pending > PENDING_RECORDS_MAX + 1_000 {
            let what = format!("{pending} records wait for the disk");
            self.violated(Invariant::QueueBounds, now_ms, home, what);
            return;
        }
        let shown = lamp.map(|lit| lit.stage);
        if let Some(lit) = lamp
            && lit.stage == Stage::PreAlarm
            && now_ms > lit.since_ms.max(at.answered_ms) + SEEN_LATE_MS
            && !lit.disk_fails
            && !at.betrayed
            && at.asked.is_empty()
        {
            let what = "still asks, and no pre-alarm runs".to_owned();
            self.violated(Invariant::LampNeverAhead, now_ms, home, what);
            return;
        }
        match shown {
            Some(stage @ (Stage::Taken | Stage::Coming | Stage::Here)) if !at.held_within(now_ms, stage) => {
                let what = format!("still shows {stage:?}, untrue for longer than its lease");
                self.violated(Invariant::LampNeverAhead, now_ms, home, what);
            }
            None if now_ms > at.started_ms + DARK_MS_MAX => {
                let open = |call: &Call| {
                    call.durable
                        && !call.resolved
                        && call.kind.class() != OrderClass::Technical
                        && now_ms > call.since_ms + DARK_MS_MAX
                };
                if let Some((key, _)) = at.calls.iter().find(|(_, call)| open(call)) {
                    let what = format!("call {key} is open and the lamp is dark since the start");
                    self.violated(Invariant::LampTellsOpenCall, now_ms, home, what);
                }
            }
            _ => {}
        }
    }
}

impl Cancel {
    /// Whether the gateway has known for so long that the centre has it that its orders must be known too.
    fn is_over(&self, now_ms: u64) -> bool {
        self.receipted_ms.is_some_and(|at_ms| now_ms > at_ms + LEASE_MS)
    }
}

impl HomeWatch {
    /// Whether the centre has closed what this call came to.
    pub(super) fn is_over(&self, call: &Call, now_ms: u64) -> bool {
        let class = call.kind.class();
        let open = self.open.iter().any(|(open, _)| *open == class);
        let none_ms = if open { self.last_none_ms.get(&class).copied() } else { Some(now_ms) };
        call.committed_ms.is_some_and(|committed| none_ms.is_some_and(|none| none >= committed))
    }

    /// What a run that starts knows of pre-alarms and their ends: what a crash took is not known to it.
    pub(super) fn asks_again<'r>(
        &mut self,
        found: impl Iterator<Item = &'r Record>,
        first: u64,
        checkpoint: bool,
        now_ms: u64,
    ) {
        self.asked.retain(|key| self.pre_alarms.contains_key(key));
        let (mut low_water, mut above) = (if checkpoint { first.saturating_sub(1) } else { 0 }, Vec::new());
        let mut in_order: Vec<_> = found.collect();
        in_order.sort_by_key(|record| record.seq);
        for record in in_order {
            if let Body::PreAlarm(_) = record.body {
                self.asked.insert(record.key());
            } else if let Body::Cancelled(Cancelled { lifecycle: ended, .. })
            | Body::Trigger(Trigger { follows: Some(ended), .. }) = &record.body
            {
                self.asked.remove(ended);
            } else if let Body::Delivered(delivered) = &record.body {
                (low_water, above) = (delivered.low_water, delivered.above.clone());
            }
        }
        for (key, cancel) in &mut self.cancels {
            let known = key.seq <= low_water || above.contains(&key.seq);
            cancel.receipted_ms = cancel.receipted_ms.filter(|_| known).map(|_| now_ms);
        }
    }

    pub(super) fn held_within(&self, now_ms: u64, stage: Stage) -> bool {
        self.open.iter().any(|(_, open)| *open == stage)
            || self.last_true_ms.get(&stage).is_some_and(|last| now_ms <= last + LEASE_MS)
    }
}
