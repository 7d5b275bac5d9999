//! Items 6 and 7: a dead centre, a killed gateway, and messages that are not as they should be.

use std::time::Duration;

use protocol::trigger::TriggerKind;
use sensor_sim::payload;
use serde_json::json;
use tests::harness::clock::{ms_between, now};
use tests::harness::setup::CHECKER;
use tests::harness::wire::{self, Publish};
use tests::harness::{centre, gateway};

use super::alarms::BUTTON;
use super::{HOP_WAIT, Script, Step};

/// Size of the message that is too large, bytes.
const OVERSIZE_BYTES: usize = 300 * 1024;

/// How much later than the rule's time the elder may be told, milliseconds.
const TOLD_SLACK_MS: f64 = 2_000.0;

impl Script<'_> {
    /// Item 6.
    pub(super) async fn press_survives_a_kill_with_the_centre_down(&mut self) -> Step<()> {
        let from = now();
        let stopped = match self.centre.as_mut() {
            Some(centre) => centre.stop(HOP_WAIT).await,
            None => Err("it does not run".to_owned()),
        };
        let stopped = self.must("the centre stops", stopped)?;
        self.ensure("the centre stops", stopped.success(), || format!("it ended with {stopped}"))?;
        self.hop("centre stopped (SIGTERM)", from, Ok(now()))?;

        let press = payload::sos_press(BUTTON);
        let cast = self.cast()?;
        let (lamp, feed) = (cast.lamp.heard_count(), cast.feed.count());
        let sent = cast.checker.publish(&press.topic, &press.payload).await;
        let (from, at) = self.must("press → PUBACK", sent)?;
        self.hop("press → PUBACK, centre down", from, Ok(at))?;
        let after = self.lamp_says("press → lamp: recorded", "recorded", lamp, from).await?;
        let hop = "press → lamp: not connected, call 120";
        self.lamp_says(hop, "not_connected", after, from).await?;
        let waited_ms = ms_between(from, now());
        let rule_ms = self.setup.waits.centre_wait_secs as f64 * 1_000.0;
        let in_time = (rule_ms - 100.0..rule_ms + TOLD_SLACK_MS).contains(&waited_ms);
        self.ensure(hop, in_time, || format!("after {waited_ms:.0} ms; the rule says {rule_ms:.0}"))?;

        // Killed in the same breath as the PUBACK: what it promised must be on the disk by then.
        let sent = self.cast()?.checker.publish(&press.topic, &press.payload).await;
        if let Some(gateway) = self.gateway.as_mut() {
            gateway.kill();
        }
        let (from, at) = self.must("second press → PUBACK", sent)?;
        self.hop("second press → PUBACK, then kill -9", from, Ok(at))?;
        self.gateway = None;
        self.centre = None;

        let from = now();
        let (centre, gateway) = tokio::join!(centre::start(self.setup, None), gateway::start(self.setup, None));
        self.centre = Some(self.must("the centre starts again", centre.map_err(|error| format!("{error:#}")))?);
        self.gateway = Some(self.must("the gateway starts again", gateway.map_err(|error| format!("{error:#}")))?);
        self.hop("both started again", from, Ok(now()))?;
        let lamp = self.lamp().await;
        let lamp = self.must("the lamp signs in again", lamp)?;
        self.cast()?.lamp = lamp;
        let checker = self.mqtt(CHECKER).await;
        let checker = self.must("the checker signs in again", checker)?;
        self.cast()?.checker = checker;

        let hop = "restart → one work order on the feed";
        let order = self.order_says(hop, "workorder.opened", feed, from, |_| true).await?;
        let id = order.id.to_string();
        let hop = "restart → both presses counted on it";
        self.order_says(hop, "workorder.updated", feed, from, |notice| notice.presses == 2).await?;
        self.lamp_says("restart → lamp: arrived, no person yet", "received", 0, from).await?;
        let backlog = "gateway_backlog_emergency_records";
        let sent = self.cast()?.status.until_metric(backlog, HOP_WAIT, |records| records == 0).await;
        self.must("every press has its receipt", sent)?;
        self.opened_once(feed).await?;
        let items = self.feed_since(feed).await?;
        let most = items.iter().filter_map(|item| Some(item.order()?.presses)).max();
        self.ensure(hop, most == Some(2), || format!("{most:?} presses on the feed"))?;
        self.order_is(hop, &id, &[("presses", json!(2)), ("kind", json!(TriggerKind::Sos))]).await?;
        self.settle(&id, "false.accidental_press", "advice").await
    }

    /// Item 7.
    pub(super) async fn bad_messages_stop_nothing(&mut self) -> Step<()> {
        let reasons = ["not_json", "too_large", "unknown_device"];
        let name = |reason: &str| format!("gateway_rejected_total{{reason=\"{reason}\"}}");
        let mut before = Vec::new();
        for reason in reasons {
            let counted = self.cast()?.status.metric(&name(reason)).await;
            before.push(self.must("rejections are counted", counted)?);
        }
        let press = payload::sos_press(BUTTON);
        let stranger = payload::motion("neighbour's sensor", true);
        let bad = [
            (press.topic.clone(), b"{\"action\": emerg".to_vec()),
            (press.topic.clone(), vec![b' '; OVERSIZE_BYTES]),
            (stranger.topic, stranger.payload),
            (press.topic, press.payload),
        ];
        let cast = self.cast()?;
        let feed = cast.feed.count();
        let (mut bytes, mut packets) = (Vec::new(), Vec::new());
        for (topic, payload) in bad {
            let packet = cast.checker.packet();
            packets.push(packet);
            let message = Publish { topic, payload, packet: Some(packet), duplicate: false, retain: false };
            bytes.extend(wire::publish(&message));
        }
        // All in one write on one connection: nothing is waited for in between.
        let from = now();
        let sent = cast.checker.send(&bytes).await;
        self.must("four messages go out together", sent)?;
        let hops = ["malformed → PUBACK", "300 KB → PUBACK", "unknown device → PUBACK", "SOS behind them → PUBACK"];
        for (hop, packet) in hops.into_iter().zip(packets) {
            let answered = self.cast()?.checker.acknowledged(packet, 0).await;
            self.hop(hop, from, answered)?;
        }
        let hop = "SOS behind them → work order on the feed";
        let order = self.order_says(hop, "workorder.opened", feed, from, |_| true).await?;
        self.ensure(hop, order.presses == 1, || format!("{order:?}"))?;
        for (reason, before) in reasons.into_iter().zip(before) {
            let hop = format!("rejected as {reason}, in /metrics");
            let (name, patience) = (name(reason), Duration::from_secs(2));
            let counted = self.cast()?.status.until_metric(&name, patience, |count| count == before + 1).await;
            self.must(&hop, counted)?;
            self.hop(&hop, from, Ok(now()))?;
        }
        self.opened_once(feed).await?;
        let orders = self.cast()?.dispatcher.work_orders().await;
        let orders = self.must("the whole script", orders)?;
        self.ensure("the whole script opened four orders", orders.len() == 4, || format!("{} orders", orders.len()))
    }
}
