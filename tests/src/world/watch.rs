//! The invariants, each with a name, held against everything that happens. The first one broken is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cloud_bridge::store::FeedItem;
use gateway::engine::{Gauges, PENDING_RECORDS_MAX, Recovered};
use gateway::journal::dump;
use gateway::journal::sim_storage::{CrashModel, SimStorage};
use protocol::downlink::{LEASE_SECS, OrderProgress};
use protocol::ids::{GatewayId, LocalKey, RecordKey, WorkOrderId};
use protocol::record::{Body, Record};
use protocol::stage::Stage;
use protocol::trigger::{OrderClass, TriggerKind};

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// A press is acknowledged only when the disk or the centre has it.
    AcknowledgedIsSafe,
    /// What was synced is there after every crash.
    SyncedSurvives,
    /// A press that was acknowledged, or shown as recorded, reaches the centre once faults stop.
    PressReachesCentre,
    /// Every press counts exactly once, in exactly one order.
    PressCountsOnce,
    /// An order's count is that of the needs that opened and joined it.
    JoinedPressIsCounted,
    /// A fall that was not cancelled ends in an order.
    FallReachesCentre,
    /// A cancelled pre-alarm opens no order after its cancel.
    CancelHolds,
    /// A cancel never reaches the centre before its pre-alarm.
    OrderWithinLifecycle,
    /// The elder is never told more than is true.
    LampNeverAhead,
    /// While a call is open the elder is told something.
    LampTellsOpenCall,
    /// A call ends only when its order is closed.
    ResolvedOnlyWhenClosed,
    /// The feed has no gap.
    FeedIsDense,
    /// An order is opened on the feed once.
    OpenedOnce,
    /// No identity comes with two contents.
    OneHashPerIdentity,
    /// After every start the journal is whole.
    JournalVerifies,
    /// A program starts whatever happened to it.
    StartupSucceeds,
    /// A queue stays within its limit.
    QueueBounds,
    /// The loop does not spin.
    LoopComesToRest,
    /// A body reads back as it was written.
    BodiesReadBack,
    /// Once faults stop and calls are closed, everything comes to rest.
    ComesToRest,
    /// Nothing panics.
    NeverPanics,
}

/// An invariant that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// Virtual milliseconds.
    pub at_ms: u64,
    /// The home, where it is one home's.
    pub home: usize,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {} ms, home {}: {}", self.invariant, self.at_ms, self.home, self.what)
    }
}

/// Names a press.
pub(super) type PressId = usize;

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

#[derive(Debug, Clone, Default)]
struct HomeWatch {
    calls: BTreeMap<LocalKey, Call>,
    /// Pre-alarms with whether the disk or the centre has them.
    pre_alarms: BTreeMap<LocalKey, (bool, bool)>,
    cancelled_ms: BTreeMap<LocalKey, u64>,
    /// Lifecycles whose cancel is on the disk.
    cancelled_durably: BTreeSet<LocalKey>,
    /// A write that was never confirmed was torn by a power cut: its bytes break the chain, and lose nothing.
    torn: bool,
    written_through: u64,
    started_ms: u64,
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

/// The lease and the longest way of an answer home, milliseconds.
const LEASE_MS: u64 = LEASE_SECS * 1_000 + 41_000;

/// How long a started gateway may leave the lamp dark while a call is open, milliseconds.
const DARK_MS_MAX: u64 = 60_000;

/// Whether the watch wants to see a routine record.
pub(super) fn matters(body: &Body) -> bool {
    matches!(body, Body::Resolved(_))
}

/// A record's kind in a word.
pub(super) fn name(body: &Body) -> String {
    match body {
        Body::Started(_) => "started".into(),
        Body::Stopped => "stopped".into(),
        Body::Observed(o) => format!("{:?} {:?} of {}", o.kind, o.value, o.device),
        Body::Trigger(t) => {
            let room = t.room.as_deref().map(|room| format!(", {room}")).unwrap_or_default();
            format!("call, {} by {}{room}: {}", word(&t.kind), t.device, word(&t.reason))
        }
        Body::PreAlarm(p) => format!("pre-alarm, {} by {}, {} s to cancel", word(&p.kind), p.device, p.fuse_ms / 1_000),
        Body::Cancelled(c) => format!("cancelled with {}", c.device),
        Body::Visit(v) => format!("visit, {} {}, {}", v.caregiver, word(&v.act), word(&v.grade)),
        Body::Reassured(r) => format!("told {:?}", r.stage),
        Body::Resolved(r) => format!("{} calls resolved", r.calls.len()),
        Body::Link { up } => format!("link {}", if *up { "up" } else { "down" }),
        Body::Delivered(d) => format!("delivered to {}", d.low_water),
        Body::DeviceListed(d) => format!("listed {}", d.device),
    }
}

/// `ButtonPressed` as `button pressed`.
fn word(named: &impl fmt::Debug) -> String {
    let mut text = String::new();
    for letter in format!("{named:?}").chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.extend(letter.to_lowercase());
    }
    text
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
        self.presses.push(Press { home, at_ms, kind, acknowledged: false, shown: false, keys: Vec::new() });
        self.presses.len() - 1
    }

    /// A gateway wants to write or send a record.
    pub(super) fn sealed(&mut self, home: usize, now_ms: u64, record: &Record, press: Option<PressId>) {
        let key = record.key();
        match &record.body {
            Body::Trigger(trigger) => {
                let at = &mut self.homes[home];
                if at.calls.contains_key(&key) {
                    return;
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
                if let Some(press) = press {
                    self.presses[press].keys.push(key);
                }
            }
            Body::PreAlarm(_) => {
                self.homes[home].pre_alarms.entry(key).or_default();
                if let Some(press) = press
                    && !self.presses[press].keys.contains(&key)
                {
                    self.presses[press].keys.push(key);
                }
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
            | Body::Cancelled(_)
            | Body::Visit(_)
            | Body::Reassured(_)
            | Body::Link { .. }
            | Body::Delivered(_)
            | Body::DeviceListed(_) => {}
        }
    }

    /// The journal said that these are durable.
    pub(super) fn written(&mut self, home: usize, records: &[Record]) {
        let at = &mut self.homes[home];
        for record in records {
            at.written_through = at.written_through.max(record.seq);
            at.durable(record);
        }
    }

    /// A gateway starts with what its journal gave back.
    pub(super) fn recovered(&mut self, home: usize, recovered: &Recovered, now_ms: u64) {
        let at = &mut self.homes[home];
        at.started_ms = now_ms;
        let mut lost = (recovered.last_seq < at.written_through)
            .then(|| format!("written through {}, found through {}", at.written_through, recovered.last_seq));
        let first = recovered.records.first().map_or(recovered.last_seq + 1, |record| record.seq);
        let held: BTreeSet<LocalKey> = recovered.records.iter().map(Record::key).collect();
        for record in &recovered.records {
            at.durable(record);
        }
        let in_checkpoint = |key: &LocalKey| recovered.checkpoint.is_some() && key.seq < first;
        for (key, call) in &mut at.calls {
            call.resolved = call.resolved_durably;
            if call.durable && !held.contains(key) && !in_checkpoint(key) {
                lost.get_or_insert_with(|| format!("call {key} was synced and is gone"));
            }
        }
        at.calls.retain(|_, call| call.durable || call.committed_ms.is_some());
        if let Some(what) = lost {
            self.violated(Invariant::SyncedSurvives, now_ms, home, what);
        }
    }

    /// The centre has committed these.
    pub(super) fn committed(&mut self, home: usize, now_ms: u64, records: &[Record]) {
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
                | Body::Resolved(_)
                | Body::Link { .. }
                | Body::Delivered(_)
                | Body::DeviceListed(_) => {}
            }
        }
    }

    /// The open orders of a home at the centre are now these.
    pub(super) fn progressed(&mut self, home: usize, now_ms: u64, orders: &[OrderProgress]) {
        let at = &mut self.homes[home];
        let was = std::mem::take(&mut at.open);
        at.open = orders.iter().map(|order| (order.class, order.stage)).collect();
        for (class, stage) in was {
            at.last_true_ms.insert(stage, now_ms);
            if !at.open.iter().any(|(open, _)| *open == class) {
                at.last_none_ms.insert(class, now_ms);
            }
        }
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
        if keys.is_empty() && kind == PressKind::Unsure || keys.iter().any(committed) {
            return;
        }
        match keys.iter().find(|key| durable(key)) {
            None => {
                let what = format!("press {press} was acknowledged; its records are {keys:?}");
                self.violated(Invariant::AcknowledgedIsSafe, now_ms, home, what);
            }
            Some(key) if !survives(storage, *key) => {
                let what = format!("press {press}: {key} would not survive a power cut now");
                self.violated(Invariant::AcknowledgedIsSafe, now_ms, home, what);
            }
            Some(_) => {}
        }
    }

    /// The elder is told a stage.
    pub(super) fn told(&mut self, home: usize, now_ms: u64, stage: Stage, storage: &SimStorage) {
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
                    None if recorded.is_empty() => Some("no call is on the disk".to_owned()),
                    Some((key, _)) if !survives(storage, **key) => Some(format!("{key} would not survive a power cut")),
                    None | Some(_) => None,
                }
            }
            Stage::Received => {
                let mut calls = at.calls.values().filter(waiting).peekable();
                let all = calls.peek().is_some() && calls.all(|call| call.committed_ms.is_some());
                let any_order = !at.open.is_empty() || at.held_within(now_ms, Stage::Received);
                (!all && !any_order).then(|| "the centre has not committed the call".to_owned())
            }
            Stage::Taken | Stage::Coming | Stage::Here | Stage::Retracted => {
                (!at.held_within(now_ms, stage)).then(|| format!("no order was {stage:?} within the lease"))
            }
            Stage::Quiet => {
                let open = at.calls.iter().find(|(_, call)| call.durable && waiting(call) && !at.is_over(call, now_ms));
                open.map(|(key, _)| format!("call {key} is open"))
            }
            Stage::NotConnected | Stage::LeaveNow | Stage::PreAlarm | Stage::NotRecorded => None,
        };
        if let Some(what) = untrue {
            self.violated(Invariant::LampNeverAhead, now_ms, home, format!("told {stage:?}: {what}"));
        }
    }

    /// A gateway's loop made a step.
    pub(super) fn stepped(&mut self, home: usize, now_ms: u64, lamp: Option<Stage>, gauges: &Gauges) {
        let at = &self.homes[home];
        if gauges.pending > PENDING_RECORDS_MAX as u64 + 1_000 {
            let what = format!("{} records wait for the disk", gauges.pending);
            self.violated(Invariant::QueueBounds, now_ms, home, what);
            return;
        }
        match lamp {
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
        // A cancel that went out while the disk failed is forgotten in the home with the power: it raises, on
        // purpose, what it still holds for a running pre-alarm.
        let forgotten = |(home, key): &(usize, LocalKey)| !self.homes[*home].cancelled_durably.contains(key);
        if let Some((home, key)) = self.cancelled_orders.get(&item.item.subject).copied().filter(|of| !forgotten(of)) {
            let what = format!("{} was opened by {key} after its cancel", item.item.subject);
            self.violated(Invariant::CancelHolds, now_ms, home, what);
        }
        if !self.opened.insert(item.item.subject.clone()) {
            self.violated(Invariant::OpenedOnce, now_ms, usize::MAX, item.item.subject.clone());
        }
    }

    /// Every press that was promised must have reached the centre by now.
    pub(super) fn check_delivery(&mut self, now_ms: u64) {
        let mut missing = None;
        for (press, note) in self.presses.iter().enumerate() {
            let at = &self.homes[note.home];
            let reached = note.keys.iter().any(|key| {
                at.calls.get(key).is_some_and(|call| call.committed_ms.is_some())
                    || at.pre_alarms.get(key).is_some_and(|(_, committed)| *committed)
            });
            let promised = note.shown || (note.acknowledged && (note.kind == PressKind::Sure || !note.keys.is_empty()));
            if promised && !reached {
                missing = Some((note.home, format!("press {press} of {} ms, records {:?}", note.at_ms, note.keys)));
                break;
            }
        }
        if let Some((home, what)) = missing {
            self.violated(Invariant::PressReachesCentre, now_ms, home, what);
        }
    }

    /// `counted` is every record that opened or joined an order, with the order, of all homes.
    pub(super) fn check_counts(&mut self, now_ms: u64, counted: &BTreeMap<(usize, String), Vec<String>>) {
        for press in 0..self.presses.len() {
            let note = &self.presses[press];
            let at = &self.homes[note.home];
            let all: Vec<_> =
                note.keys.iter().filter(|key| counted.contains_key(&(note.home, key.to_string()))).collect();
            // Sent while the disk failed, then lost with the power and said again by its button: the gateway
            // cannot know, and a press too many is better than one too few.
            let kept = |key: &&&LocalKey| at.calls.get(**key).is_none_or(|call| call.durable);
            let safe: Vec<_> = all.iter().filter(kept).copied().copied().collect();
            let times: Vec<_> = if safe.is_empty() { all.iter().take(1).map(|key| **key).collect() } else { safe };
            if all.len() > times.len() {
                self.recounted += 1;
            }
            // A pre-alarm is a press only in what becomes of it, which is checked below.
            let pre_alarm = note.keys.iter().any(|key| self.homes[note.home].pre_alarms.contains_key(key));
            let promised = note.acknowledged && note.kind == PressKind::Sure && !pre_alarm;
            if times.len() > 1 || (promised && times.is_empty()) {
                let what = format!("press {press} of {} ms counts in {times:?}, records {:?}", note.at_ms, note.keys);
                let home = note.home;
                self.violated(Invariant::PressCountsOnce, now_ms, home, what);
                return;
            }
        }
        let mut lost = None;
        for (home, at) in self.homes.iter().enumerate() {
            for (key, (_, committed)) in &at.pre_alarms {
                let followed = at.calls.iter().find(|(_, call)| call.follows == Some(*key)).map(|(key, _)| key);
                let raised =
                    std::iter::once(key).chain(followed).any(|key| counted.contains_key(&(home, key.to_string())));
                if *committed && !raised && !at.cancelled_ms.contains_key(key) {
                    lost = Some((home, format!("pre-alarm {key} was neither cancelled nor raised")));
                }
            }
            for (key, call) in &at.calls {
                let follows = call.follows.is_some_and(|key| counted.contains_key(&(home, key.to_string())));
                if call.committed_ms.is_some() && !follows && !counted.contains_key(&(home, key.to_string())) {
                    lost = Some((home, format!("trigger {key} ({:?}) counts in no order", call.kind)));
                }
            }
        }
        if let Some((home, what)) = lost {
            self.violated(Invariant::FallReachesCentre, now_ms, home, what);
        }
    }
}

impl HomeWatch {
    fn durable(&mut self, record: &Record) {
        match &record.body {
            Body::Trigger(_) => {
                if let Some(call) = self.calls.get_mut(&record.key()) {
                    call.durable = true;
                }
            }
            Body::PreAlarm(_) => self.pre_alarms.entry(record.key()).or_default().0 = true,
            Body::Resolved(resolved) => {
                for key in &resolved.calls {
                    if let Some(call) = self.calls.get_mut(key) {
                        call.resolved_durably = true;
                    }
                }
            }
            Body::Cancelled(cancelled) => {
                self.cancelled_durably.insert(cancelled.lifecycle);
            }
            Body::Started(_)
            | Body::Stopped
            | Body::Observed(_)
            | Body::Visit(_)
            | Body::Reassured(_)
            | Body::Link { .. }
            | Body::Delivered(_)
            | Body::DeviceListed(_) => {}
        }
    }

    /// Whether the centre has closed what this call came to.
    fn is_over(&self, call: &Call, now_ms: u64) -> bool {
        let class = call.kind.class();
        let open = self.open.iter().any(|(open, _)| *open == class);
        let none_ms = if open { self.last_none_ms.get(&class).copied() } else { Some(now_ms) };
        call.committed_ms.is_some_and(|committed| none_ms.is_some_and(|none| none >= committed))
    }

    fn held_within(&self, now_ms: u64, stage: Stage) -> bool {
        self.open.iter().any(|(_, open)| *open == stage)
            || self.last_true_ms.get(&stage).is_some_and(|last| now_ms <= last + LEASE_MS)
    }
}

/// Whether a record would be read back if the power went now and the disk kept only what was synced.
fn survives(storage: &SimStorage, key: LocalKey) -> bool {
    let mut image = storage.image();
    image.crash(CrashModel::None, 0);
    let found = dump(&image).is_ok_and(|records| records.flatten().any(|(_, record)| record.key() == key));
    found
}
