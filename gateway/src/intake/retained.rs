//! Retained messages of the embedded broker, in memory and bounded.
//!
//! What the gateway itself needs of them it journals; a device that subscribes after a restart
//! gets them again once their publisher speaks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rmqtt::retain::{DefaultRetainStorage, RetainStorage};
use rmqtt::types::{Retain, TopicFilter, TopicName};

/// Most retained messages; a further new topic is not retained, and counted.
const RETAINED_MAX: isize = 10_000;

/// All their payloads together, bytes; beyond it likewise.
const RETAINED_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// The broker's retained messages.
#[derive(Default)]
pub struct RetainedMessages {
    held: DefaultRetainStorage,
    bytes: AtomicU64,
    refused: AtomicU64,
}

#[async_trait]
impl RetainStorage for RetainedMessages {
    fn enable(&self) -> bool {
        true
    }

    fn need_sync(&self) -> bool {
        false
    }

    async fn set(&self, topic: &TopicName, retain: Retain, _expiry: Option<Duration>) -> rmqtt::Result<()> {
        let before = self.held.get_message(topic).await?;
        let freed = before.first().map_or(0, |(_, held)| held.publish.payload.len() as u64);
        let added = retain.publish.payload.len() as u64;
        let bytes = self.bytes.load(Ordering::Relaxed).saturating_sub(freed) + added;
        let full = before.is_empty() && self.held.count().await >= RETAINED_MAX || bytes > RETAINED_BYTES_MAX;
        if added > 0 && full {
            let refused = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::warn!(refused, "retained messages are at their limit; this one is delivered but not kept");
            return Ok(());
        }
        self.bytes.store(bytes, Ordering::Relaxed);
        // Retained messages of the home have no end: a state holds until the next one.
        self.held.set_with_timeout(topic, retain, None).await
    }

    async fn get(&self, filter: &TopicFilter) -> rmqtt::Result<Vec<(TopicName, Retain)>> {
        self.held.get_message(filter).await
    }

    async fn count(&self) -> isize {
        self.held.count().await
    }

    async fn max(&self) -> isize {
        RETAINED_MAX
    }
}
