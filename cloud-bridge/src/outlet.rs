//! What has been committed, handed on at once: the newest feed items in memory, and what each home
//! may be told. Nobody polls the database to learn of news.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use protocol::ids::GatewayId;
use tokio::sync::watch;

use crate::centre::Progress;
use crate::store::FeedItem;

/// Feed items kept in memory; older ones are read from the store.
pub const FEED_IN_MEMORY_MAX: usize = 8_192;

/// A feed item ready for the wire.
#[derive(Debug)]
pub struct Published {
    /// Its place.
    pub feedseq: u64,
    /// Its type.
    pub kind: String,
    /// The whole event as one line of JSON.
    pub json: String,
}

impl Published {
    /// Renders an item; `source` is the event's source.
    pub fn of(item: &FeedItem, source: &str) -> Self {
        // Our own struct of texts and a value: it always serialises.
        let json = serde_json::to_string(&item.event(source)).unwrap_or_default();
        Self { feedseq: item.feedseq, kind: item.item.kind.clone(), json }
    }
}

#[derive(Debug)]
struct Ring {
    /// Place of the first item in `items`, or of the next one when empty.
    first: u64,
    items: VecDeque<Arc<Published>>,
}

/// The outlet; one per process.
#[derive(Debug)]
pub struct Outlet {
    source: String,
    ring: RwLock<Ring>,
    head: watch::Sender<u64>,
    homes: Mutex<BTreeMap<GatewayId, watch::Sender<Option<Arc<Progress>>>>>,
}

impl Outlet {
    /// Starts after the last committed feed item.
    pub fn new(tenant: &str, feed_last: u64) -> Self {
        Self {
            source: format!("/tenants/{tenant}/cloud-bridge"),
            ring: RwLock::new(Ring { first: feed_last + 1, items: VecDeque::new() }),
            head: watch::Sender::new(feed_last),
            homes: Mutex::new(BTreeMap::new()),
        }
    }

    /// The events' source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The place of the newest item, and news of it.
    pub fn head(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    /// Items after a place from memory; none when memory does not reach back so far.
    pub fn after(&self, after: u64, limit: usize) -> Option<Vec<Arc<Published>>> {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        let skip = (after + 1).checked_sub(ring.first)?;
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        Some(ring.items.iter().skip(skip).take(limit).cloned().collect())
    }

    /// Hands on what a commit published and changed.
    pub fn committed(&self, published: &[FeedItem], homes: BTreeMap<GatewayId, Progress>) {
        if let Some(last) = published.last() {
            let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
            for item in published {
                ring.items.push_back(Arc::new(Published::of(item, &self.source)));
            }
            while ring.items.len() > FEED_IN_MEMORY_MAX {
                ring.items.pop_front();
                ring.first += 1;
            }
            drop(ring);
            self.head.send_replace(last.feedseq);
        }
        let mut known = self.homes.lock().unwrap_or_else(PoisonError::into_inner);
        for (gateway, progress) in homes {
            known.entry(gateway).or_default().send_replace(Some(Arc::new(progress)));
        }
    }

    /// What a home may be told; none until a commit changed it or [`Outlet::found`] filled it in.
    pub fn home(&self, gateway: &GatewayId) -> watch::Receiver<Option<Arc<Progress>>> {
        let mut known = self.homes.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(gateway) {
            Some(sender) => sender.subscribe(),
            None => known.entry(gateway.clone()).or_default().subscribe(),
        }
    }

    /// Fills in what was read from the store, unless a commit was faster.
    pub fn found(&self, gateway: &GatewayId, progress: Progress) {
        let mut known = self.homes.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(gateway.clone()).or_default().send_if_modified(|present| {
            let empty = present.is_none();
            if empty {
                *present = Some(Arc::new(progress));
            }
            empty
        });
    }
}
