//! Where the centre keeps what it was told and what it decided: one trait, two back ends, one
//! conformance suite. Writes happen inside a transaction with a savepoint a request.

use std::path::PathBuf;

use protocol::feed::{FeedEvent, OrderState};
use protocol::ids::{GatewayId, Hash32, WorkOrderId};
use protocol::record::Record;

use crate::centre::chain::Chain;
use crate::dispatch::effect::VisitRow;
use crate::dispatch::{Dispatch, WorkOrder};

pub mod memory;
pub mod rows;
pub mod snapshot;
pub mod sqlite;

/// How long the feed is kept, milliseconds (30 days).
pub const FEED_KEPT_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// How long a command's answer is kept for its idempotency key, milliseconds (24 hours).
pub const SAVED_KEPT_MS: i64 = 24 * 60 * 60 * 1000;

/// What went wrong in a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database file cannot be opened.
    #[error("the database {path} cannot be opened")]
    Open {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: rusqlite::Error,
    },
    /// A statement failed.
    #[error("the database could not {what}")]
    Sqlite {
        /// What it was asked to do.
        what: &'static str,
        /// The cause.
        #[source]
        source: rusqlite::Error,
    },
    /// A stored value does not read back.
    #[error("the stored {what} does not read back")]
    Unreadable {
        /// What was read.
        what: &'static str,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// A stored value is not what the schema promises.
    #[error("the stored {what} is not valid")]
    Invalid {
        /// What was read.
        what: &'static str,
    },
    /// The file was written by a newer program.
    #[error("the database has schema {found}; this program knows up to {known}")]
    Newer {
        /// The schema found.
        found: i64,
        /// The newest known one.
        known: i64,
    },
    /// A fault that a test asked for.
    #[error("a fault was injected")]
    Injected,
}

/// What became of a record that was to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is new.
    New,
    /// It was stored before, with the same hash.
    Duplicate,
    /// Its key is stored with another hash.
    Conflict {
        /// The hash stored first.
        stored: Hash32,
    },
}

/// A record as it goes to the store.
#[derive(Debug, Clone, Copy)]
pub struct NewRecord<'a> {
    /// The gateway that wrote it.
    pub gateway: &'a GatewayId,
    /// The record.
    pub record: &'a Record,
    /// Unix milliseconds of its arrival.
    pub received_at_ms: i64,
    /// Whether its hash is that of its content.
    pub verified: bool,
    /// As it was sent, where it was not fully understood.
    pub raw: Option<&'a str>,
}

/// One line of a timeline as it is read back.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelineRow {
    /// The order.
    pub order: WorkOrderId,
    /// Unix milliseconds at the centre.
    pub at_ms: i64,
    /// Unix milliseconds in the home, by true age.
    pub occurred_at_ms: Option<i64>,
    /// `home`, `centre` or `operator`.
    pub source: String,
    /// The operator's sign-in.
    pub by: Option<String>,
    /// What happened, by its stable name.
    pub what: String,
    /// The rest of it.
    pub detail: serde_json::Value,
}

/// An item for the feed before the commit gives it its place.
#[derive(Debug, Clone, PartialEq)]
pub struct NewFeedItem {
    /// Its type on the wire.
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// Unix milliseconds.
    pub time_ms: i64,
    /// Whether a test caused it.
    pub test: bool,
    /// Its body.
    pub data: serde_json::Value,
}

/// An item of the feed.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedItem {
    /// Its place, dense and rising from 1.
    pub feedseq: u64,
    /// Its identity, the same on every channel.
    pub id: String,
    /// What it says.
    pub item: NewFeedItem,
}

impl FeedItem {
    /// The item as it crosses the wire; `source` is `/tenants/{tenant}/cloud-bridge`.
    pub fn event(&self, source: &str) -> FeedEvent {
        let time = rows::rfc3339(self.item.time_ms);
        FeedEvent {
            specversion: "1.0".to_owned(),
            id: self.id.clone(),
            source: source.to_owned(),
            kind: self.item.kind.clone(),
            subject: self.item.subject.clone(),
            timestamp: time.clone(),
            time,
            datacontenttype: "application/json".to_owned(),
            feedseq: self.feedseq.to_string(),
            test: self.item.test,
            data: self.item.data.clone(),
        }
    }
}

/// Places of the oldest and the newest feed item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedBounds {
    /// The oldest kept; one more than `last` when none is kept.
    pub first: u64,
    /// The newest ever given; 0 before the first.
    pub last: u64,
}

/// Which orders to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderFilter {
    /// Only these states; empty for all.
    pub states: Vec<OrderState>,
    /// Only this home.
    pub gateway: Option<GatewayId>,
    /// At most so many.
    pub limit: usize,
}

/// The answer to a command, kept for its idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedAnswer {
    /// The sign-in that asked.
    pub by: String,
    /// The idempotency key.
    pub key: String,
    /// Hash of what was asked.
    pub asked: Hash32,
    /// Unix milliseconds.
    pub at_ms: i64,
    /// The order as it was answered.
    pub order: WorkOrder,
}

/// What can be read; outside a transaction only what is committed.
pub trait Reads {
    /// A home's aggregate.
    ///
    /// # Errors
    /// When the store cannot read, as for every function here.
    fn home(&mut self, gateway: &GatewayId) -> Result<Option<Dispatch>, StoreError>;
    /// What is known of the chain of a home's journal.
    fn chain(&mut self, gateway: &GatewayId) -> Result<Option<Chain>, StoreError>;
    /// Every known gateway, and whether it is held for silent.
    fn gateways(&mut self) -> Result<Vec<(GatewayId, bool)>, StoreError>;
    /// Homes with a deadline at or before `now_ms`, earliest first.
    fn due_homes(&mut self, now_ms: i64, limit: usize) -> Result<Vec<GatewayId>, StoreError>;
    /// The earliest deadline of all homes, Unix milliseconds.
    fn next_due(&mut self) -> Result<Option<i64>, StoreError>;
    /// One order.
    fn order(&mut self, id: &WorkOrderId) -> Result<Option<WorkOrder>, StoreError>;
    /// Orders: not closed ones first by priority, unclaimed before claimed, oldest first; then closed ones, newest first.
    fn orders(&mut self, filter: &OrderFilter) -> Result<Vec<WorkOrder>, StoreError>;
    /// An order's timeline, oldest first.
    fn timeline(&mut self, id: &WorkOrderId) -> Result<Vec<TimelineRow>, StoreError>;
    /// Places of the oldest and newest feed items.
    fn feed_bounds(&mut self) -> Result<FeedBounds, StoreError>;
    /// Feed items after a place, in order.
    fn feed_after(&mut self, after: u64, limit: usize) -> Result<Vec<FeedItem>, StoreError>;
    /// The answer kept for an idempotency key.
    fn saved(&mut self, by: &str, key: &str) -> Result<Option<SavedAnswer>, StoreError>;
    /// How many records are stored.
    fn record_count(&mut self) -> Result<u64, StoreError>;
    /// Visits of a home, oldest arrival first.
    fn visits(&mut self, gateway: &GatewayId) -> Result<Vec<VisitRow>, StoreError>;
}

/// What one writer may do, between [`Store::begin`] and [`Store::commit`].
pub trait Store: Reads {
    /// Begins a transaction.
    fn begin(&mut self) -> Result<(), StoreError>;
    /// Makes everything since [`Store::begin`] durable; on an error nothing of it remains.
    fn commit(&mut self) -> Result<(), StoreError>;
    /// Takes back everything since [`Store::begin`].
    fn rollback(&mut self);
    /// Marks the place that [`Store::undo`] goes back to.
    fn savepoint(&mut self) -> Result<(), StoreError>;
    /// Keeps what was done since [`Store::savepoint`].
    fn release(&mut self) -> Result<(), StoreError>;
    /// Takes back what was done since [`Store::savepoint`].
    fn undo(&mut self) -> Result<(), StoreError>;
    /// Stores a record unless its key is known.
    fn put_record(&mut self, record: NewRecord<'_>) -> Result<Kept, StoreError>;
    /// Writes a home's aggregate with its next deadline.
    fn put_home(&mut self, home: &Dispatch) -> Result<(), StoreError>;
    /// Writes what is known of the chain of a home's journal.
    fn put_chain(&mut self, gateway: &GatewayId, chain: &Chain) -> Result<(), StoreError>;
    /// Writes an order's row.
    fn put_order(&mut self, order: &WorkOrder) -> Result<(), StoreError>;
    /// Appends to a timeline.
    fn append_timeline(&mut self, row: &TimelineRow) -> Result<(), StoreError>;
    /// Appends to the feed and gives the item its place.
    fn append_feed(&mut self, item: NewFeedItem) -> Result<FeedItem, StoreError>;
    /// Writes a visit's row.
    fn put_visit(&mut self, gateway: &GatewayId, visit: &VisitRow) -> Result<(), StoreError>;
    /// Keeps a command's answer.
    fn put_saved(&mut self, saved: &SavedAnswer) -> Result<(), StoreError>;
    /// Writes something small, to see whether a commit succeeds.
    fn probe(&mut self, now_ms: i64) -> Result<(), StoreError>;
    /// Drops feed items and saved answers that are no longer kept.
    fn prune(&mut self, now_ms: i64) -> Result<(), StoreError>;
    /// Does what may be done while nobody waits; outside a transaction.
    fn tidy(&mut self) -> Result<(), StoreError>;
}

#[cfg(test)]
mod tests;
