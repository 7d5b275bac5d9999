//! Items 1, 2 and 5: presses and falls become work orders, once each.

use protocol::feed::OrderState;
use protocol::stage::Stage;
use protocol::trigger::TriggerKind;
use sensor_sim::payload;
use serde_json::json;
use tests::harness::clock::now;

use super::{Press, Script, Step};

/// The SOS button that the checker presses, a TS0215A_sos.
pub(super) const BUTTON: &str = "sos bedside";

impl Script<'_> {
    /// Item 1. Gives the work order's id.
    pub(super) async fn press_raises_one_order(&mut self) -> Step<String> {
        let press = payload::sos_press(BUTTON);
        let cast = self.cast()?;
        let (lamp, feed, packet) = (cast.lamp.heard_count(), cast.feed.count(), cast.checker.packet());
        let sent = cast.checker.publish_as(&press.topic, &press.payload, packet, false).await;
        let (from, at) = self.must("press → PUBACK", sent)?;
        self.hop("press → PUBACK: journal synced", from, Ok(at))?;
        let after = self.lamp_says("press → lamp: recorded", "recorded", lamp, from).await?;
        self.lamp_says("press → receipt → lamp: arrived, no person yet", "received", after, from).await?;
        let hop = "press → work order on the alert feed";
        let order = self.order_says(hop, "workorder.opened", feed, from, |_| true).await?;
        let right = order.kind == TriggerKind::Sos && order.presses == 1 && order.ring;
        self.ensure(hop, right && order.state == OrderState::Open, || format!("{order:?}"))?;
        self.opened_once(feed).await?;
        self.last_press = Some(Press { topic: press.topic, payload: press.payload, packet });
        Ok(order.id.to_string())
    }

    /// Item 2.
    pub(super) async fn duplicate_is_nothing_new_and_second_press_joins(&mut self, order: &str) -> Step<()> {
        let hop = "duplicate → PUBACK, nothing new";
        let Press { topic, payload, packet } =
            self.last_press.take().ok_or_else(|| self.broken(hop, "there was no press".to_owned()))?;
        let cast = self.cast()?;
        let feed = cast.feed.count();
        let duplicates = cast.status.metric("gateway_duplicates_total").await;
        let sent = cast.checker.publish_as(&topic, &payload, packet, true).await;
        let duplicates = self.must(hop, duplicates)?;
        let (from, at) = self.must(hop, sent)?;
        self.hop(hop, from, Ok(at))?;
        let counted = self.cast()?.status.metric("gateway_duplicates_total").await;
        let counted = self.must(hop, counted)?;
        self.ensure(hop, counted == duplicates + 1, || format!("{} duplicates counted", counted - duplicates))?;

        // A further press by the same route: had the duplicate made anything, it would stand before this one's.
        let again = payload::sos_press(BUTTON);
        let lamp = self.cast()?.lamp.heard_count();
        let sent = self.cast()?.checker.publish(&again.topic, &again.payload).await;
        let (from, at) = self.must("second press → PUBACK", sent)?;
        self.hop("second press → PUBACK", from, Ok(at))?;
        let hop = "second press → joins the order, rings again";
        let joined = self.order_says(hop, "workorder.updated", feed, from, |notice| notice.ring).await?;
        let right = joined.id.as_str() == order && joined.presses == 2;
        self.ensure(hop, right, || format!("{} with {} presses", joined.id, joined.presses))?;
        let items = self.feed_since(feed).await?;
        let kinds: Vec<_> = items.iter().map(|item| item.event.kind.as_str()).collect();
        self.ensure(hop, kinds == ["workorder.updated"], || format!("the feed says {kinds:?}"))?;
        self.order_is(hop, order, &[("presses", json!(2)), ("state", json!(OrderState::Open))]).await?;
        self.lamp_says("second press → lamp answers again", "received", lamp, from).await?;
        Ok(())
    }

    /// Item 5, by typing to the pretend home.
    pub(super) async fn fall_is_cancelled_and_another_raises(&mut self) -> Step<()> {
        let (lamp, feed) = (self.cast()?.lamp.heard_count(), self.cast()?.feed.count());
        let from = now();
        self.type_to_home("fall")?;
        let after = self.lamp_says("fall → lamp: are you all right?", "pre_alarm", lamp, from).await?;
        let from = now();
        self.type_to_home("cancel")?;
        self.lamp_says("cancel → lamp: cancelled, telling the centre", "cancelling", after, from).await?;
        self.feed_says("cancel → on the feed as cancelled", "prealarm.cancelled", feed, from, |_| true).await?;
        self.lamp_says("cancel → lamp: no call is open", "quiet", after, from).await?;
        let opened = self.feed_since(feed).await?;
        let opened = opened.iter().filter(|item| item.event.kind.starts_with("workorder.")).count();
        self.ensure("a cancelled fall opens no order", opened == 0, || format!("{opened} items of work orders"))?;

        let feed = self.cast()?.feed.count();
        self.type_to_home("up")?;
        let from = now();
        self.type_to_home("fall")?;
        let hop = "another fall → work order on the feed";
        let order = self.order_says(hop, "workorder.opened", feed, from, |_| true).await?;
        self.ensure(hop, order.kind == TriggerKind::Fall, || format!("{order:?}"))?;
        self.opened_once(feed).await?;
        let stage = json!(Stage::Received);
        self.order_is(hop, order.id.as_str(), &[("presses", json!(1)), ("stage", stage)]).await?;
        self.settle(order.id.as_str(), "real.fall", "contact_visited").await
    }

    fn type_to_home(&mut self, line: &str) -> Step<()> {
        let typed = match self.home.as_mut() {
            Some(home) => home.type_line(line),
            None => Err("the home is not there".to_owned()),
        };
        self.must(&format!("typing `{line}` to sensor-sim"), typed)
    }
}
