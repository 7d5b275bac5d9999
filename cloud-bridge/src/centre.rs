//! The centre without its sockets: a batch of requests in, one transaction, their answers out.
//!
//! Synchronous and deterministic: given the store, the time and the requests, nothing else decides.
//! Answers are given only after the commit; when it fails, every answer says so.

use std::collections::BTreeMap;

use protocol::downlink::OrderProgress;
use protocol::ids::{GatewayId, Hash32, LocalKey, WorkOrderId};
use protocol::uplink::{Receipt, Refusal, UplinkRequest};

use crate::dispatch::{Act, Dispatch, Effect, Input, MainsRules, Operator, Refused, WorkOrder};
use crate::store::{FeedItem, Store, StoreError, rows};

pub mod chain;
mod commands;
pub mod ingest;

/// Homes whose deadlines are run in one batch.
const DUE_HOMES_MAX: usize = 256;

/// Something asked of the centre.
#[derive(Debug, Clone)]
pub enum Request {
    /// Records of a home. The caller has checked that the credential is that gateway's.
    Uplink(Uplink),
    /// An operator's command.
    Command(CommandRequest),
    /// A gateway has fallen silent, or is heard again.
    Link {
        /// The gateway.
        gateway: GatewayId,
        /// Which of the two.
        change: LinkChange,
    },
    /// Deadlines may be due.
    Deadlines,
    /// Is a commit possible?
    Probe,
    /// Drop what is no longer kept.
    Prune,
}

/// What became of a gateway's link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkChange {
    /// It was heard last at `since_ms` (Unix milliseconds) and becomes an order `order_after_ms` later.
    Silent {
        /// The last beat.
        since_ms: i64,
        /// From there to the order, milliseconds.
        order_after_ms: i64,
    },
    /// It is heard again.
    Heard,
}

/// A batch of records.
#[derive(Debug, Clone)]
pub struct Uplink {
    /// The batch; its records are understood.
    pub batch: UplinkRequest,
    /// As they were sent: records among them that were understood only in part.
    pub salvaged: BTreeMap<LocalKey, String>,
    /// Records that were not understood at all.
    pub refused: Vec<Refusal>,
}

impl From<UplinkRequest> for Uplink {
    fn from(batch: UplinkRequest) -> Self {
        Self { batch, salvaged: BTreeMap::new(), refused: Vec::new() }
    }
}

/// A command with what makes it safe to repeat.
#[derive(Debug, Clone)]
pub struct CommandRequest {
    /// The order.
    pub order: WorkOrderId,
    /// Who.
    pub by: Operator,
    /// The version that the caller looked at.
    pub ver: Option<u64>,
    /// What.
    pub act: Act,
    /// The caller's idempotency key and a hash of what was asked with it.
    pub idempotency: Option<(String, Hash32)>,
}

/// The answer to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Receipts.
    Uplink(UplinkDone),
    /// The command was carried out.
    Done {
        /// The order as it now is.
        order: Box<WorkOrder>,
    },
    /// The command was not carried out.
    Refused {
        /// Why.
        refused: Refused,
    },
    /// There is no such order.
    NoSuchOrder,
    /// The idempotency key was used for another request.
    KeyReused,
    /// Deadlines were run.
    Deadlines {
        /// For so many homes.
        homes: usize,
        /// Opening so many orders.
        opened: u32,
        /// Homes whose state could not be read; theirs are due still.
        unread: usize,
    },
    /// A probe or prune was committed.
    Committed,
    /// Nothing was done: the store failed.
    Unavailable {
        /// What it said, for the log.
        why: String,
    },
}

/// What became of a batch of records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UplinkDone {
    /// Version of the home's orders after these records; 0 where no emergency record was among them.
    pub ver: u64,
    /// One per record stored now or before.
    pub receipts: Vec<Receipt>,
    /// Records that are not stored.
    pub refused: Vec<Refusal>,
    /// Stored now.
    pub stored: u32,
    /// Stored before.
    pub duplicates: u32,
    /// Refused: the key is stored with another hash.
    pub conflicts: Vec<LocalKey>,
    /// The hash is not that of the content.
    pub mismatches: Vec<LocalKey>,
    /// Where the chain of the home's journal is not what it was known to be.
    pub findings: Vec<chain::Finding>,
    /// Raised although not fully understood.
    pub salvaged: u32,
    /// Orders opened.
    pub opened: u32,
}

/// What a home may be told, after a change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// Version of the home.
    pub ver: u64,
    /// Its open orders.
    pub orders: Vec<OrderProgress>,
}

/// What came of a batch, all of it committed.
#[derive(Debug, Default)]
#[must_use]
pub struct Handled {
    /// One answer per request, in order.
    pub answers: Vec<Answer>,
    /// New items of the feed, in order.
    pub published: Vec<FeedItem>,
    /// Homes that may be told something new.
    pub homes: BTreeMap<GatewayId, Progress>,
}

/// The centre over its store.
#[derive(Debug)]
pub struct Centre<S> {
    store: S,
    next_due: Option<i64>,
    mains: MainsRules,
}

/// What one request changed, kept back until its savepoint is released.
#[derive(Debug, Default)]
struct Changes {
    published: Vec<FeedItem>,
    homes: BTreeMap<GatewayId, Progress>,
    refused: Option<Refused>,
    opened: u32,
    /// Each order as it is in the end: a hundred presses that join it are one write of it.
    orders: BTreeMap<WorkOrderId, Box<WorkOrder>>,
}

impl<S: Store> Centre<S> {
    /// Takes a store and finds its next deadline.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn open(store: S) -> Result<Self, StoreError> {
        Self::with_rules(store, MainsRules::default())
    }

    /// As [`Centre::open`], with these rules for mains losses that are told from now on.
    ///
    /// # Errors
    /// As [`Centre::open`].
    pub fn with_rules(mut store: S, mains: MainsRules) -> Result<Self, StoreError> {
        let next_due = store.next_due()?;
        Ok(Self { store, next_due, mains })
    }

    /// The store, for reading.
    pub fn store(&mut self) -> &mut S {
        &mut self.store
    }

    /// Gives the store back, as after a crash of this program.
    pub fn into_store(self) -> S {
        self.store
    }

    /// When [`Request::Deadlines`] would do something, Unix milliseconds.
    pub fn next_deadline(&self) -> Option<i64> {
        self.next_due
    }

    /// What a home may be told now.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn progress(&mut self, gateway: &GatewayId) -> Result<Progress, StoreError> {
        let home = self.store.home(gateway)?;
        Ok(home.map_or_else(Progress::default, |home| Progress::of(&home)))
    }

    /// Runs requests at `now_ms` in one transaction, a savepoint each, and answers after the commit.
    pub fn handle_batch(&mut self, now_ms: i64, requests: Vec<Request>) -> Handled {
        let count = requests.len();
        match self.run_batch(now_ms, requests) {
            Ok(handled) => handled,
            Err(error) => {
                self.store.rollback();
                let why = chain_of(&error);
                Handled { answers: vec![Answer::Unavailable { why }; count], ..Handled::default() }
            }
        }
    }

    fn run_batch(&mut self, now_ms: i64, requests: Vec<Request>) -> Result<Handled, StoreError> {
        let mut handled = Handled::default();
        self.store.begin()?;
        for request in requests {
            self.store.savepoint()?;
            let mut changes = Changes::default();
            let answer = self.run(now_ms, request, &mut changes);
            match answer.and_then(|answer| self.write_orders(&mut changes).map(|()| answer)) {
                Ok(answer) => {
                    self.store.release()?;
                    handled.answers.push(answer);
                    handled.published.append(&mut changes.published);
                    handled.homes.append(&mut changes.homes);
                }
                Err(error) => {
                    self.store.undo()?;
                    handled.answers.push(Answer::Unavailable { why: chain_of(&error) });
                }
            }
        }
        let next_due = self.store.next_due()?;
        self.store.commit()?;
        self.next_due = next_due;
        Ok(handled)
    }

    fn write_orders(&mut self, changes: &mut Changes) -> Result<(), StoreError> {
        std::mem::take(&mut changes.orders).values().try_for_each(|order| self.store.put_order(order))
    }

    fn run(&mut self, now_ms: i64, request: Request, changes: &mut Changes) -> Result<Answer, StoreError> {
        match request {
            Request::Uplink(uplink) => self.uplink(now_ms, uplink, changes).map(Answer::Uplink),
            Request::Command(command) => self.command(now_ms, command, changes),
            Request::Link { gateway, change } => {
                self.link(now_ms, &gateway, change, changes).map(|()| Answer::Committed)
            }
            Request::Deadlines => {
                let (homes, unread) = self.deadlines(now_ms, changes)?;
                Ok(Answer::Deadlines { homes, opened: changes.opened, unread })
            }
            Request::Probe => self.store.probe(now_ms).map(|()| Answer::Committed),
            Request::Prune => self.store.prune(now_ms).map(|()| Answer::Committed),
        }
    }

    fn link(
        &mut self,
        now_ms: i64,
        gateway: &GatewayId,
        change: LinkChange,
        changes: &mut Changes,
    ) -> Result<(), StoreError> {
        let mut home = self.store.home(gateway)?.unwrap_or_else(|| Dispatch::new(gateway.clone()));
        let input = match change {
            LinkChange::Silent { since_ms, order_after_ms } => Input::Silent { since_ms, order_after_ms },
            LinkChange::Heard => Input::Heard,
        };
        let effects = home.handle(now_ms, input);
        self.apply(now_ms, gateway, effects, changes)?;
        self.keep(&home, changes)
    }

    /// How many homes were run, and how many could not be read.
    fn deadlines(&mut self, now_ms: i64, changes: &mut Changes) -> Result<(usize, usize), StoreError> {
        let due = self.store.due_homes(now_ms, DUE_HOMES_MAX)?;
        let (mut homes, mut unread) = (0, 0);
        for gateway in &due {
            // One home that does not read back must not keep the others' alarms from being raised.
            let Ok(home) = self.store.home(gateway) else {
                unread += 1;
                continue;
            };
            let Some(mut home) = home else { continue };
            let effects = home.handle(now_ms, Input::Deadline);
            self.apply(now_ms, gateway, effects, changes)?;
            self.keep(&home, changes)?;
            homes += 1;
        }
        Ok((homes, unread))
    }

    /// Carries out what a home's machine asked for, inside the present savepoint.
    fn apply(
        &mut self,
        now_ms: i64,
        gateway: &GatewayId,
        effects: Vec<Effect>,
        changes: &mut Changes,
    ) -> Result<(), StoreError> {
        for effect in effects {
            match effect {
                Effect::Order(order) => {
                    changes.opened += u32::from(order.ver == 1);
                    changes.orders.insert(order.id.clone(), order);
                }
                Effect::Timeline(entry) => self.store.append_timeline(&rows::timeline_row(&entry))?,
                Effect::Publish(notice) => {
                    let item = self.store.append_feed(rows::feed_item(&notice, now_ms))?;
                    changes.published.push(item);
                }
                Effect::Visit(visit) => self.store.put_visit(gateway, &visit)?,
                Effect::Refused(refused) => changes.refused = Some(refused),
            }
        }
        Ok(())
    }

    fn keep(&mut self, home: &Dispatch, changes: &mut Changes) -> Result<(), StoreError> {
        self.store.put_home(home)?;
        changes.homes.insert(home.gateway.clone(), Progress::of(home));
        Ok(())
    }
}

impl Progress {
    /// Of a home.
    pub fn of(home: &Dispatch) -> Self {
        Self { ver: home.ver, orders: home.progress() }
    }
}

/// An error with its causes, in one line.
pub fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
