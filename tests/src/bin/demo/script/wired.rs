//! Item 8: a cord wired to the gateway, and what each output really did.

use std::time::Duration;

use serde_json::{Value, json};
use tests::harness::clock::{now, until};

use super::{HOP_WAIT, Script, Step};
use crate::told;

/// The outputs that the demo configures, by their names in records.
const OUTPUTS: [&str; 4] = ["voice", "bedroom lamp", "hall siren", "door lamp"];

impl Script<'_> {
    /// Item 8.
    pub(super) async fn wired_cord_raises_and_outputs_report(&mut self) -> Step<()> {
        let (lamp, feed) = (self.cast()?.lamp.heard_count(), self.cast()?.feed.count());
        let from = now();
        let pulled = told::pull_cord(self.setup.ports.status, Duration::from_millis(100)).await;
        self.must("the cord is pulled", pulled)?;
        self.lamp_says("cord → lamp: recorded", "recorded", lamp, from).await?;
        // The last item left its order open.
        let hop = "cord → joins the order, rings again";
        let order = self.order_says(hop, "workorder.updated", feed, from, |notice| notice.ring).await?;
        let id = order.id.to_string();
        let joined = self.order_is(hop, &id, &[("presses", json!(2))]).await?;
        let entries = joined["timeline"].as_array().cloned().unwrap_or_default();
        let named = entries.iter().any(|entry| entry["what"] == "joined" && entry["detail"]["device"] == "bath cord");
        self.ensure("the cord is named on the timeline", named, || joined["timeline"].to_string())?;

        let hop = "what every output did → timeline";
        let dispatcher = self.cast()?.dispatcher.clone();
        let reported = until(hop, HOP_WAIT, async || {
            let order = dispatcher.work_order(&id).await?;
            let timeline = order["timeline"].as_array().cloned().unwrap_or_default();
            let played = |output: &str| {
                timeline.iter().any(|entry| entry["what"] == "played" && entry["detail"]["output"] == output)
            };
            let silent: Vec<_> = OUTPUTS.into_iter().filter(|output| !played(output)).collect();
            if silent.is_empty() { Ok(()) } else { Err(format!("nothing of {silent:?}: {}", Value::from(timeline))) }
        });
        let reported = reported.await;
        self.hop(hop, from, reported.map(|()| now()))?;
        self.settle(&id, "false.accidental_press", "advice").await
    }
}
