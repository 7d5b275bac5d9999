//! The stage as a retained MQTT message of the product's own, for lamps, pages and panels.

use protocol::stage::Stage;
use protocol::topics;
use tokio::sync::mpsc;

use crate::engine::Completion;
use crate::intake::{Announcement, Publisher};

/// Most stages that wait for the broker; beyond it the oldest was overtaken anyway.
const TELL_QUEUE_MAX: usize = 64;

/// One task publishes the stages, so that an older one never comes after a newer.
pub fn start(publisher: Publisher, completions: mpsc::UnboundedSender<Completion>) -> mpsc::Sender<(Stage, bool)> {
    let (tells, mut queued) = mpsc::channel(TELL_QUEUE_MAX);
    tokio::spawn(async move {
        while let Some((stage, again)) = queued.recv().await {
            let shown = publisher.publish(announcement(stage, again)).await;
            if completions.send(Completion::Told { stage, shown }).is_err() {
                return;
            }
        }
    });
    tells
}

/// What lamps, sirens and pages are told.
fn announcement(stage: Stage, again: bool) -> Announcement {
    let payload = serde_json::json!({ "stage": stage, "zh": stage.zh(), "en": stage.en(), "again": again });
    Announcement { topic: topics::REASSURANCE.to_owned(), payload: payload.to_string(), retain: true }
}
