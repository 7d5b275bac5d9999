//! The invariants, each with a name, held against everything that happens. The first one broken is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cloud_bridge::store::FeedItem;
use gateway::engine::Recovered;
use gateway::journal::sim_storage::SimStorage;
use protocol::downlink::OrderProgress;
use protocol::ids::{GatewayId, LocalKey, RecordKey, WorkOrderId};
use protocol::record::{Body, Record};
use protocol::stage::Stage;
use protocol::trigger::{OrderClass, TriggerKind};

mod betrayal;
mod disk;
mod ends;
mod invariant;
mod lamp;
mod words;

use self::disk::survives;
pub(super) use self::ends::Counted;
pub use self::invariant::{Invariant, Violation};
pub(super) use self::words::name;

/// Names a press.
pub(super) type PressId = usize;

/// What an elder's lamp shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lit {
    /// What it was told last.
    pub stage: Stage,
    /// When.
    pub since_ms: u64,
    /// The disk may be refusing or holding up what is written.
    pub disk_fails: bool,
}

/// What a press is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PressKind {
    /// A button, or smoke: every one counts.
    Sure,
    /// A latched key that the decoder may take for its bridge's cache, or a state that says nothing new.
    Unsure,
}

#[derive(Debug, Clone)]
struct Press {
    home: usize,
    at_ms: u64,
    kind: PressKind,
    acknowledged: bool,
    shown: bool,
    /// Its only record stood on a disk that is lost.
    excused: bool,
    keys: Vec<LocalKey>,
}

#[derive(Debug, Clone)]
struct Call {
    press: Option<PressId>,
    kind: TriggerKind,
    follows: Option<LocalKey>,
    durable: bool,
    committed_ms: Option<u64>,
    resolved: bool,
    resolved_durably: bool,
    since_ms: u64,
}

/// A cancel of a pre-alarm, by its own key.
#[derive(Debug, Clone, Copy, Default)]
struct Cancel {
    durable: bool,
    committed: bool,
    /// When the gateway was told that the centre has it; none again where it may have forgotten.
    receipted_ms: Option<u64>,
}

#[derive(Debug, Clone, Default)]
struct HomeWatch {
    calls: BTreeMap<LocalKey, Call>,
    /// What was sealed of calls and pre-alarms.
    records: BTreeMap<LocalKey, Arc<Record>>,
    /// Pre-alarms with whether the disk or the centre has them.
    pre_alarms: BTreeMap<LocalKey, (bool, bool)>,
    /// Pre-alarms that nothing has ended.
    asked: BTreeSet<LocalKey>,
    /// When one ended last.
    answered_ms: u64,
    cancelled_ms: BTreeMap<LocalKey, u64>,
    cancels: BTreeMap<LocalKey, Cancel>,
    /// Names of the open orders.
    open_orders: Vec<String>,
    /// A write that was never confirmed was torn by a power cut: its bytes break the chain, and lose nothing.
    torn: bool,
    /// Its disk was lost, damaged or taken back once: it may know less than it confirmed, or more than is left here.
    betrayed: bool,
    written_through: u64,
    /// Read at the start and not believed: the next write that succeeds has made them durable first.
    in_doubt: Vec<Record>,
    /// A press went up that no disk took: the next run may take its place again.
    sent_unwritten: bool,
    started_ms: u64,
    /// When a poll of the centre was answered last.
    heard_ms: u64,
    open: Vec<(OrderClass, Stage)>,
    last_true_ms: BTreeMap<Stage, u64>,
    last_none_ms: BTreeMap<OrderClass, u64>,
}

/// Everything that is held against what happens.
#[derive(Debug, Default)]
pub(super) struct Watch {
    homes: Vec<HomeWatch>,
    ids: Vec<GatewayId>,
    presses: Vec<Press>,
    feed_last: u64,
    opened: BTreeSet<String>,
    cancelled_orders: BTreeMap<String, (usize, LocalKey)>,
    recounted: u64,
    violation: Option<Violation>,
}

/// Whether the watch wants to see a routine record.
pub(super) fn matters(body: &Body) -> bool {
    matches!(body, Body::Resolved(_))
}

impl Watch {
    pub(super) fn new(ids: Vec<GatewayId>) -> Self {
        Self { homes: vec![HomeWatch::default(); ids.len()], ids, ..Self::default() }
    }

    pub(super) fn violated(&mut self, invariant: Invariant, at_ms: u64, home: usize, what: String) {
        self.violation.get_or_insert(Violation { invariant, at_ms, home, what });
    }

    pub(super) fn violation(&mut self) -> Option<Violation> {
        self.violation.take()
    }

    /// The power goes while bytes stand behind the last confirmed write.
    pub(super) fn torn(&mut self, home: usize) {
        self.homes[home].torn = true;
    }

    pub(super) fn is_torn(&self, home: usize) -> bool {
        self.homes[home].torn
    }

    /// Presses that count twice because the disk lost their first record after the centre had it.
    pub(super) fn recounted(&self) -> u64 {
        self.recounted
    }

    pub(super) fn is_violated(&self) -> bool {
        self.violation.is_some()
    }

    /// An elder presses.
    pub(super) fn pressed(&mut self, home: usize, at_ms: u64, kind: PressKind) -> PressId {
        self.presses.push(Press {
            home,
            at_ms,
            kind,
            acknowledged: false,
            shown: false,
            excused: false,
            keys: Vec::new(),
        });
        self.presses.len() - 1
    }

    /// A gateway wants to write or send a record.
    pub(super) fn sealed(&mut self, home: usize, now_ms: u64, record: &Arc<Record>, press: Option<PressId>) {
        let key = record.key();
        match &record.body {
            Body::Trigger(trigger) => {
                let at = &mut self.homes[home];
                if at.calls.contains_key(&key) {
                    return;
                }
                if let Some(pre_alarm) = &trigger.follows {
                    at.asked.remove(pre_alarm);
                    at.answered_ms = now_ms;
                }
                let call = Call {
                    press,
                    kind: trigger.kind,
                    follows: trigger.follows,
                    durable: false,
                    committed_ms: None,
                    resolved: false,
                    resolved_durably: false,
                    since_ms: now_ms,
                };
                at.calls.insert(key, call);
                at.records.insert(key, Arc::clone(record));
                if let Some(press) = press.filter(|press| !self.presses[*press].keys.contains(&key)) {
                    self.presses[press].keys.push(key);
                }
            }
            Body::PreAlarm(_) => {
                if !self.homes[home].pre_alarms.contains_key(&key) {
                    self.homes[home].asked.insert(key);
                }
                self.homes[home].pre_alarms.entry(key).or_default();
                self.homes[home].records.entry(key).or_insert_with(|| Arc::clone(record));
                if let Some(press) = press
                    && !self.presses[press].keys.contains(&key)
                {
                    self.presses[press].keys.push(key);
                }
            }
            Body::Cancelled(cancelled) => {
                let at = &mut self.homes[home];
                at.asked.remove(&cancelled.lifecycle);
                at.answered_ms = now_ms;
                at.cancels.entry(key).or_default();
            }
            Body::Resolved(resolved) => {
                let at = &mut self.homes[home];
                let mut early = None;
                for key in &resolved.calls {
                    let Some(call) = at.calls.get_mut(key) else { continue };
                    if call.resolved {
                        continue;
                    }
                    call.resolved = true;
                    let call = call.clone();
                    if !at.is_over(&call, now_ms) {
                        early = Some(*key);
                    }
                }
                if let Some(key) = early {
                    self.violated(Invariant::ResolvedOnlyWhenClosed, now_ms, home, key.to_string());
                }
            }
            Body::Started(_)
            | Body::Stopped
            | Body::Observed(_)
            | Body::Visit(_)
            | Body::Reassured(_)
            | Body::Played(_)
            | Body::ContactsCalled(_)
            | Body::ContactTold(_)
            | Body::Link { .. }
            | Body::Concluded(_)
            | Body::Delivered(_)
            | Body::DeviceListed(_)
            | Body::SaidFine(_)
            | Body::Mains(_)
            | Body::Restored(_)
            | Body::Tested(_)
            | Body::SegmentRetired(_)
            | Body::Missing(_) => {}
        }
    }

    /// The journal said that these are durable.
    pub(super) fn written(&mut self, home: usize, records: &[Arc<Record>]) {
        let at = &mut self.homes[home];
        for record in std::mem::take(&mut at.in_doubt) {
            at.durable(&record);
        }
        for record in records {
            at.written_through = at.written_through.max(record.seq);
            at.durable(record);
        }
    }

    /// Records go up.
    pub(super) fn sends(&mut self, home: usize, records: &[Arc<Record>]) {
        let at = &mut self.homes[home];
        at.sent_unwritten |= records.iter().any(|record| record.seq > at.written_through);
    }

    /// The reserve said that these are durable.
    pub(super) fn reserved(&mut self, home: usize, records: &[Arc<Record>]) {
        let at = &mut self.homes[home];
        records.iter().for_each(|record| at.durable(record));
    }

    /// A gateway starts with what its journal gave back.
    pub(super) fn recovered(&mut self, home: usize, recovered: &Recovered, now_ms: u64) {
        if self.homes[home].betrayed {
            // An older disk may know calls that are forgotten here.
            let found = recovered.records.iter().chain(&recovered.unwritten).chain(&recovered.reserved);
            found.for_each(|record| self.sealed(home, now_ms, &Arc::new(record.clone()), None));
        }
        let at = &mut self.homes[home];
        at.started_ms = now_ms;
        at.in_doubt.clear();
        let mut lost = (recovered.last_seq < at.written_through)
            .then(|| format!("written through {}, found through {}", at.written_through, recovered.last_seq));
        let first = recovered.records.first().map_or(recovered.last_seq + 1, |record| record.seq);
        let found = || recovered.records.iter().chain(&recovered.unwritten).chain(&recovered.reserved);
        let held: BTreeSet<LocalKey> = found().map(Record::key).collect();
        let in_reserve: BTreeSet<LocalKey> =
            recovered.unwritten.iter().chain(&recovered.reserved).map(Record::key).collect();
        let only = &recovered.only_reserved;
        let in_journal: BTreeSet<LocalKey> =
            recovered.records.iter().filter(|record| !only.contains(&record.seq)).map(Record::key).collect();
        for record in found() {
            // What the disk refused to sync may stand in the killed run's memory only.
            let synced = recovered.doubtful_from.is_none_or(|from| record.seq < from);
            let held = in_reserve.contains(&record.key()) && recovered.reserve_held;
            let in_journal = in_journal.contains(&record.key());
            if held || synced && in_journal {
                at.durable(record);
            } else if in_journal {
                at.in_doubt.push(record.clone());
            }
        }
        let in_checkpoint = |key: &LocalKey| recovered.checkpoint.is_some() && key.seq < first;
        for (key, call) in &mut at.calls {
            call.resolved = call.resolved_durably;
            // A checkpoint comes after the sync of all before it.
            call.durable |= in_checkpoint(key) && call.committed_ms.is_none();
            if call.durable && !held.contains(key) && !in_checkpoint(key) {
                lost.get_or_insert_with(|| format!("call {key} was synced and is gone"));
            }
        }
        at.calls.retain(|key, call| call.durable || call.committed_ms.is_some() || held.contains(key));
        at.pre_alarms.retain(|key, (durable, committed)| *durable || *committed || held.contains(key));
        at.cancels.retain(|key, cancel| cancel.durable || cancel.committed || held.contains(key));
        at.asks_again(found(), first, recovered.checkpoint.is_some(), now_ms);
        if let Some(what) = lost {
            self.violated(Invariant::SyncedSurvives, now_ms, home, what);
        }
    }

    /// The centre has committed these.
    pub(super) fn committed(&mut self, home: usize, now_ms: u64, records: &[Arc<Record>]) {
        // What came of them is known: a class that has no order now has none for these either.
        self.note_classes_without_order(home, now_ms);
        for record in records {
            let key = record.key();
            let at = &mut self.homes[home];
            match &record.body {
                Body::Trigger(_) => {
                    if let Some(call) = at.calls.get_mut(&key) {
                        call.committed_ms.get_or_insert(now_ms);
                    }
                }
                Body::PreAlarm(_) => at.pre_alarms.entry(key).or_default().1 = true,
                Body::Cancelled(cancelled) => {
                    let lifecycle = cancelled.lifecycle;
                    at.cancelled_ms.entry(lifecycle).or_insert(now_ms);
                    at.cancels.entry(key).or_default().committed = true;
                    let early = !at.pre_alarms.get(&lifecycle).is_some_and(|(_, committed)| *committed);
                    let order =
                        WorkOrderId::opened_by(&RecordKey { gateway: self.ids[home].clone(), local: lifecycle });
                    self.cancelled_orders.insert(order.to_string(), (home, lifecycle));
                    if early {
                        let what = format!("the cancel of {lifecycle} came first");
                        self.violated(Invariant::OrderWithinLifecycle, now_ms, home, what);
                    }
                }
                Body::Visit(_)
                | Body::Started(_)
                | Body::Stopped
                | Body::Observed(_)
                | Body::Reassured(_)
                | Body::Played(_)
                | Body::ContactsCalled(_)
                | Body::ContactTold(_)
                | Body::Resolved(_)
                | Body::Link { .. }
                | Body::Concluded(_)
                | Body::Delivered(_)
                | Body::DeviceListed(_)
                | Body::SaidFine(_)
                | Body::Mains(_)
                | Body::Restored(_)
                | Body::Tested(_)
                | Body::SegmentRetired(_)
                | Body::Missing(_) => {}
            }
        }
    }

    /// The open orders of a home at the centre are now these.
    pub(super) fn progressed(&mut self, home: usize, now_ms: u64, orders: &[OrderProgress]) {
        let at = &mut self.homes[home];
        let was = std::mem::take(&mut at.open);
        at.open = orders.iter().map(|order| (order.class, order.stage)).collect();
        at.open_orders = orders.iter().map(|order| order.id.to_string()).collect();
        for (class, stage) in was {
            at.last_true_ms.insert(stage, now_ms);
            if !at.open.iter().any(|(open, _)| *open == class) {
                at.last_none_ms.insert(class, now_ms);
            }
        }
        self.note_classes_without_order(home, now_ms);
    }

    fn note_classes_without_order(&mut self, home: usize, now_ms: u64) {
        let at = &mut self.homes[home];
        for class in [OrderClass::Emergency, OrderClass::FireGas, OrderClass::Assistance, OrderClass::Technical] {
            if !at.open.iter().any(|(open, _)| *open == class) {
                at.last_none_ms.insert(class, now_ms);
            }
        }
    }

    /// A press was acknowledged to its button.
    pub(super) fn acknowledged(&mut self, press: PressId, now_ms: u64, storage: &SimStorage) {
        let note = &mut self.presses[press];
        note.acknowledged = true;
        let (home, kind) = (note.home, note.kind);
        let keys = note.keys.clone();
        let at = &self.homes[home];
        let durable = |key: &LocalKey| {
            at.calls.get(key).is_some_and(|call| call.durable)
                || at.pre_alarms.get(key).is_some_and(|(durable, _)| *durable)
        };
        let committed = |key: &LocalKey| {
            at.calls.get(key).is_some_and(|call| call.committed_ms.is_some())
                || at.pre_alarms.get(key).is_some_and(|(_, committed)| *committed)
        };
        let known = |key: &LocalKey| at.calls.contains_key(key) || at.pre_alarms.contains_key(key);
        // A state that was said before is no news: what its first saying made may be lost or long over.
        if (kind == PressKind::Unsure && !keys.iter().any(known)) || keys.iter().any(committed) {
            return;
        }
        match keys.iter().find(|key| durable(key)) {
            None => {
                let what = format!("press {press} was acknowledged; its records are {keys:?}");
                self.violated(Invariant::AcknowledgedIsSafe, now_ms, home, what);
            }
            Some(key) if !survives(storage, at.records.get(key)) => {
                let what = format!("press {press}: {key} would not survive a power cut now");
                self.violated(Invariant::AcknowledgedIsSafe, now_ms, home, what);
            }
            Some(_) => {}
        }
    }

    /// An item of the feed was committed.
    pub(super) fn published(&mut self, now_ms: u64, item: &FeedItem) {
        if item.feedseq != self.feed_last + 1 {
            let what = format!("{} follows {}", item.feedseq, self.feed_last);
            self.violated(Invariant::FeedIsDense, now_ms, usize::MAX, what);
        }
        self.feed_last = item.feedseq;
        if item.item.kind != "workorder.opened" {
            return;
        }
        if let Some((home, key)) = self.cancelled_orders.get(&item.item.subject).copied() {
            let what = format!("{} was opened by {key} after its cancel", item.item.subject);
            self.violated(Invariant::CancelHolds, now_ms, home, what);
        }
        if !self.opened.insert(item.item.subject.clone()) {
            self.violated(Invariant::OpenedOnce, now_ms, usize::MAX, item.item.subject.clone());
        }
    }
}
