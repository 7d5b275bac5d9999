//! A reader of the alert feed that notes when each item came and goes on when the centre was away.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use protocol::feed::{FeedEvent, WorkOrderNotice};
use tokio::sync::watch;

use super::Failed;
use super::api::Desk;
use super::clock::now;

/// How long one poll waits, seconds.
const WAIT_SECS: u64 = 20;

/// Pause before a centre that is away is asked again.
const AGAIN: Duration = Duration::from_millis(50);

/// An item of the feed and when it came.
#[derive(Debug, Clone)]
pub struct Item {
    /// The item.
    pub event: FeedEvent,
    /// When it came.
    pub at: Instant,
}

impl Item {
    /// What it says of a work order, where it is about one.
    pub fn order(&self) -> Option<WorkOrderNotice> {
        serde_json::from_value(self.event.data.clone()).ok()
    }
}

/// What is done with each item as it comes.
pub type ItemTeller = Box<dyn Fn(&FeedEvent) + Send + Sync>;

struct Log {
    items: Mutex<Vec<Item>>,
    changed: watch::Sender<usize>,
    tell: Option<ItemTeller>,
}

impl Log {
    fn items(&self) -> MutexGuard<'_, Vec<Item>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A feed that is being read.
pub struct Feed {
    log: Arc<Log>,
    reading: tokio::task::JoinHandle<()>,
}

impl Feed {
    /// Begins to read from the oldest item.
    pub fn read(desk: Desk, tell: Option<ItemTeller>) -> Self {
        let log = Arc::new(Log { items: Mutex::default(), changed: watch::Sender::new(0), tell });
        let reading = tokio::spawn(read(desk, Arc::clone(&log)));
        Self { log, reading }
    }

    /// How many items came so far.
    pub fn count(&self) -> usize {
        self.log.items().len()
    }

    /// The items from the `skip`th on.
    pub fn items(&self, skip: usize) -> Vec<Item> {
        self.log.items().iter().skip(skip).cloned().collect()
    }

    /// Waits for an item after the first `skip` for which `wanted` holds.
    ///
    /// # Errors
    /// When none comes in time; names what came instead.
    pub async fn wait(
        &self,
        what: &str,
        skip: usize,
        patience: Duration,
        wanted: impl Fn(&Item) -> bool,
    ) -> Result<Item, Failed> {
        let mut changed = self.log.changed.subscribe();
        let found = async {
            loop {
                changed.borrow_and_update();
                let found = self.log.items().iter().skip(skip).find(|item| wanted(item)).cloned();
                if found.is_some() || changed.changed().await.is_err() {
                    return found;
                }
            }
        };
        match tokio::time::timeout(patience, found).await {
            Ok(Some(item)) => Ok(item),
            Ok(None) | Err(_) => {
                let came: Vec<_> = self.items(skip).into_iter().map(|item| item.event.kind).collect();
                Err(format!("{what}: not within {:.1} s; came instead: {came:?}", patience.as_secs_f64()))
            }
        }
    }

    /// Waits until every item up to the centre's newest is read, so that counting is exact.
    ///
    /// # Errors
    /// When the centre does not answer or reading does not catch up.
    pub async fn caught_up(&self, desk: &Desk) -> Result<(), Failed> {
        let read = self.count() as u64;
        let last = read + desk.feed(read, 0).await?.events.len() as u64;
        self.wait("the feed's newest item", 0, Duration::from_secs(5), |item| item.event.feedseq == last.to_string())
            .await
            .map(drop)
            .or_else(|error| if last == 0 { Ok(()) } else { Err(error) })
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

async fn read(desk: Desk, log: Arc<Log>) {
    let mut after = 0;
    loop {
        let Ok(page) = desk.feed(after, WAIT_SECS).await else {
            tokio::time::sleep(AGAIN).await;
            continue;
        };
        let at = now();
        after = page.next.parse().unwrap_or(after);
        for event in page.events {
            if let Some(tell) = &log.tell {
                tell(&event);
            }
            log.items().push(Item { event, at });
        }
        let count = log.items().len();
        log.changed.send_replace(count);
    }
}
