//! A store in memory for the seeded world: committed and uncommitted state, cheap to take back.
//!
//! It keeps every record's identity and hash but not its content.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;

use protocol::feed::OrderState;
use protocol::ids::{GatewayId, Hash32, LocalKey, WorkOrderId};

use super::{
    FEED_KEPT_MS, FeedBounds, FeedItem, Kept, NewFeedItem, NewRecord, OrderFilter, Reads, SAVED_KEPT_MS, SavedAnswer,
    Store, StoreError, TimelineRow, rows,
};
use crate::centre::chain::Chain;
use crate::dispatch::effect::VisitRow;
use crate::dispatch::{Dispatch, WorkOrder};

/// What takes one write back.
#[derive(Debug)]
enum Undo {
    Record(usize, LocalKey),
    Chain(GatewayId, Option<Chain>),
    Home(GatewayId, Option<Box<Dispatch>>),
    Order(WorkOrderId, Option<Box<WorkOrder>>),
    Timeline(WorkOrderId),
    Feed,
    Visit(GatewayId),
    Saved((String, String), Option<Box<SavedAnswer>>),
}

/// The store.
#[derive(Debug, Default)]
pub struct MemoryStore {
    identity: Hash32,
    /// Where each gateway's records stand in `records`.
    places: BTreeMap<GatewayId, usize>,
    records: Vec<BTreeMap<LocalKey, Hash32>>,
    chains: BTreeMap<GatewayId, Chain>,
    homes: BTreeMap<GatewayId, Dispatch>,
    due: BTreeMap<(i64, GatewayId), ()>,
    orders: BTreeMap<WorkOrderId, WorkOrder>,
    timelines: BTreeMap<WorkOrderId, Vec<TimelineRow>>,
    feed: BTreeMap<u64, FeedItem>,
    feed_last: u64,
    visits: BTreeMap<GatewayId, Vec<VisitRow>>,
    saved: BTreeMap<(String, String), SavedAnswer>,
    undo: Vec<Undo>,
    mark: usize,
    fail_after: Option<u64>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the next `writes` writes succeed and every later one fail, until asked again; a commit counts.
    pub fn fail_after(&mut self, writes: Option<u64>) {
        self.fail_after = writes;
    }

    /// What a power cut does: everything uncommitted is gone.
    pub fn crash(&mut self) {
        self.fail_after = None;
        self.rollback();
    }

    fn write(&mut self) -> Result<(), StoreError> {
        match &mut self.fail_after {
            None => Ok(()),
            Some(0) => Err(StoreError::Injected),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    fn take_back_to(&mut self, mark: usize) {
        while self.undo.len() > mark {
            match self.undo.pop() {
                None => break,
                Some(Undo::Record(place, key)) => {
                    if let Some(records) = self.records.get_mut(place) {
                        records.remove(&key);
                    }
                }
                Some(Undo::Chain(gateway, Some(before))) => {
                    self.chains.insert(gateway, before);
                }
                Some(Undo::Chain(gateway, None)) => {
                    self.chains.remove(&gateway);
                }
                Some(Undo::Home(gateway, before)) => self.set_home(&gateway, before.map(|before| *before)),
                Some(Undo::Order(id, Some(before))) => {
                    self.orders.insert(id, *before);
                }
                Some(Undo::Order(id, None)) => {
                    self.orders.remove(&id);
                }
                Some(Undo::Timeline(id)) => {
                    if let Some(timeline) = self.timelines.get_mut(&id) {
                        timeline.pop();
                    }
                }
                Some(Undo::Feed) => {
                    self.feed.remove(&self.feed_last);
                    self.feed_last -= 1;
                }
                Some(Undo::Visit(gateway)) => {
                    if let Some(visits) = self.visits.get_mut(&gateway) {
                        visits.pop();
                    }
                }
                Some(Undo::Saved(key, Some(before))) => {
                    self.saved.insert(key, *before);
                }
                Some(Undo::Saved(key, None)) => {
                    self.saved.remove(&key);
                }
            }
        }
    }

    fn set_home(&mut self, gateway: &GatewayId, home: Option<Dispatch>) {
        if let Some((due, _)) = self.homes.get(gateway).and_then(Dispatch::next_deadline) {
            self.due.remove(&(due, gateway.clone()));
        }
        match home {
            Some(home) => {
                if let Some((due, _)) = home.next_deadline() {
                    self.due.insert((due, gateway.clone()), ());
                }
                self.homes.insert(gateway.clone(), home);
            }
            None => {
                self.homes.remove(gateway);
            }
        }
    }
}

impl Reads for MemoryStore {
    fn home(&mut self, gateway: &GatewayId) -> Result<Option<Dispatch>, StoreError> {
        Ok(self.homes.get(gateway).cloned())
    }

    fn chain(&mut self, gateway: &GatewayId) -> Result<Option<Chain>, StoreError> {
        Ok(self.chains.get(gateway).cloned())
    }

    fn gateways(&mut self) -> Result<Vec<(GatewayId, bool)>, StoreError> {
        Ok(self.homes.iter().map(|(gateway, home)| (gateway.clone(), home.silence.is_some())).collect())
    }

    fn due_homes(&mut self, now_ms: i64, limit: usize) -> Result<Vec<GatewayId>, StoreError> {
        let due = self.due.keys().take_while(|(due, _)| *due <= now_ms);
        Ok(due.take(limit).map(|(_, gateway)| gateway.clone()).collect())
    }

    fn next_due(&mut self) -> Result<Option<i64>, StoreError> {
        Ok(self.due.keys().next().map(|(due, _)| *due))
    }

    fn order(&mut self, id: &WorkOrderId) -> Result<Option<WorkOrder>, StoreError> {
        Ok(self.orders.get(id).cloned())
    }

    fn orders(&mut self, filter: &OrderFilter) -> Result<Vec<WorkOrder>, StoreError> {
        let wanted = |order: &&WorkOrder| {
            (filter.states.is_empty() || filter.states.contains(&order.state))
                && filter.gateway.as_ref().is_none_or(|gateway| *gateway == order.gateway)
        };
        let mut orders: Vec<WorkOrder> = self.orders.values().filter(wanted).cloned().collect();
        orders.sort_by_key(|order| {
            if order.state == OrderState::Closed {
                (true, 0, false, -order.updated_at_ms, order.id.clone())
            } else {
                (false, order.priority, order.owner.is_some(), order.opened_at_ms, order.id.clone())
            }
        });
        orders.truncate(filter.limit);
        Ok(orders)
    }

    fn timeline(&mut self, id: &WorkOrderId) -> Result<Vec<TimelineRow>, StoreError> {
        Ok(self.timelines.get(id).cloned().unwrap_or_default())
    }

    fn feed_bounds(&mut self) -> Result<FeedBounds, StoreError> {
        let first = self.feed.keys().next().copied().unwrap_or(self.feed_last + 1);
        Ok(FeedBounds { first, last: self.feed_last })
    }

    fn feed_after(&mut self, after: u64, limit: usize) -> Result<Vec<FeedItem>, StoreError> {
        let items = self.feed.range((Bound::Excluded(after), Bound::Unbounded));
        Ok(items.take(limit).map(|(_, item)| item.clone()).collect())
    }

    fn saved(&mut self, by: &str, key: &str) -> Result<Option<SavedAnswer>, StoreError> {
        Ok(self.saved.get(&(by.to_owned(), key.to_owned())).cloned())
    }

    fn record_count(&mut self) -> Result<u64, StoreError> {
        Ok(self.records.iter().map(|records| records.len() as u64).sum())
    }

    fn visits(&mut self, gateway: &GatewayId) -> Result<Vec<VisitRow>, StoreError> {
        Ok(self.visits.get(gateway).cloned().unwrap_or_default())
    }
}

impl Store for MemoryStore {
    fn begin(&mut self) -> Result<(), StoreError> {
        self.rollback();
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        if let Err(error) = self.write() {
            self.rollback();
            return Err(error);
        }
        self.undo.clear();
        self.mark = 0;
        Ok(())
    }

    fn rollback(&mut self) {
        self.take_back_to(0);
        self.mark = 0;
    }

    fn savepoint(&mut self) -> Result<(), StoreError> {
        self.mark = self.undo.len();
        Ok(())
    }

    fn release(&mut self) -> Result<(), StoreError> {
        self.mark = self.undo.len();
        Ok(())
    }

    fn undo(&mut self) -> Result<(), StoreError> {
        self.take_back_to(self.mark);
        Ok(())
    }

    fn put_record(&mut self, new: NewRecord<'_>) -> Result<Kept, StoreError> {
        self.write()?;
        let key = new.record.key();
        let place = match self.places.get(new.gateway) {
            Some(place) => *place,
            None => {
                self.places.insert(new.gateway.clone(), self.records.len());
                self.records.push(BTreeMap::new());
                self.records.len() - 1
            }
        };
        match self.records[place].entry(key) {
            Entry::Occupied(stored) if *stored.get() == new.record.hash => Ok(Kept::Duplicate),
            Entry::Occupied(stored) => Ok(Kept::Conflict { stored: *stored.get() }),
            Entry::Vacant(free) => {
                free.insert(new.record.hash);
                self.undo.push(Undo::Record(place, key));
                Ok(Kept::New)
            }
        }
    }

    fn put_home(&mut self, home: &Dispatch) -> Result<(), StoreError> {
        self.write()?;
        let before = self.homes.get(&home.gateway).cloned().map(Box::new);
        self.undo.push(Undo::Home(home.gateway.clone(), before));
        self.set_home(&home.gateway, Some(home.clone()));
        Ok(())
    }

    fn put_chain(&mut self, gateway: &GatewayId, chain: &Chain) -> Result<(), StoreError> {
        self.write()?;
        let before = self.chains.insert(gateway.clone(), chain.clone());
        self.undo.push(Undo::Chain(gateway.clone(), before));
        Ok(())
    }

    fn put_order(&mut self, order: &WorkOrder) -> Result<(), StoreError> {
        self.write()?;
        let before = self.orders.insert(order.id.clone(), order.clone());
        self.undo.push(Undo::Order(order.id.clone(), before.map(Box::new)));
        Ok(())
    }

    fn append_timeline(&mut self, row: &TimelineRow) -> Result<(), StoreError> {
        self.write()?;
        self.timelines.entry(row.order.clone()).or_default().push(row.clone());
        self.undo.push(Undo::Timeline(row.order.clone()));
        Ok(())
    }

    fn append_feed(&mut self, item: NewFeedItem) -> Result<FeedItem, StoreError> {
        self.write()?;
        let feedseq = self.feed_last + 1;
        let item = FeedItem { feedseq, id: rows::event_id(&self.identity, feedseq), item };
        self.feed.insert(feedseq, item.clone());
        self.feed_last = feedseq;
        self.undo.push(Undo::Feed);
        Ok(item)
    }

    fn put_visit(&mut self, gateway: &GatewayId, visit: &VisitRow) -> Result<(), StoreError> {
        self.write()?;
        self.visits.entry(gateway.clone()).or_default().push(visit.clone());
        self.undo.push(Undo::Visit(gateway.clone()));
        Ok(())
    }

    fn put_saved(&mut self, saved: &SavedAnswer) -> Result<(), StoreError> {
        self.write()?;
        let key = (saved.by.clone(), saved.key.clone());
        let before = self.saved.insert(key.clone(), saved.clone());
        self.undo.push(Undo::Saved(key, before.map(Box::new)));
        Ok(())
    }

    fn probe(&mut self, _now_ms: i64) -> Result<(), StoreError> {
        self.write()
    }

    fn prune(&mut self, now_ms: i64) -> Result<(), StoreError> {
        self.write()?;
        // What is too old is older than any transaction: it need not come back on a rollback.
        self.feed.retain(|_, item| item.item.time_ms >= now_ms - FEED_KEPT_MS);
        self.saved.retain(|_, saved| saved.at_ms >= now_ms - SAVED_KEPT_MS);
        Ok(())
    }

    fn tidy(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}
