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

/// The broker's retained messages.
#[derive(Default)]
pub struct RetainedMessages {
    held: DefaultRetainStorage,
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
        let clears = retain.publish.payload.is_empty();
        if !clears && self.held.count().await >= RETAINED_MAX && self.held.get_message(topic).await?.is_empty() {
            let refused = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::warn!(refused, "retained messages are at their limit; this one is delivered but not kept");
            return Ok(());
        }
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
