//! Items 3 and 4: a dispatcher and a caregiver help, and the elder is told so as it becomes true.

use protocol::feed::{OrderState, VisitNotice};
use protocol::topics;
use protocol::visit::{Grade, Method, VisitAct};
use sensor_sim::payload::{self, VisitCall};
use serde_json::json;
use tests::harness::clock::now;
use tests::harness::feed::Item;
use tests::harness::setup::fix_at_home;

use super::{Script, Step};

/// The caregiver whom the home knows.
const CAREGIVER: &str = "cg-17";

impl Script<'_> {
    /// Item 3.
    pub(super) async fn dispatcher_acts_and_elder_is_told(&mut self, order: &str) -> Step<()> {
        let cast = self.cast()?;
        let (lamp, feed, dispatcher) = (cast.lamp.heard_count(), cast.feed.count(), cast.dispatcher.clone());
        let from = now();
        let claimed = dispatcher.order(order, "claim", &json!({})).await;
        let claimed = self.must("claim", claimed)?;
        self.hop("claim → answered by the centre", from, Ok(now()))?;
        let owner = self.setup.dispatcher().name;
        self.ensure("claim", claimed["owner"] == owner, || claimed.to_string())?;
        let after = self.lamp_says("claim → lamp: a person has it", "taken", lamp, from).await?;
        let hop = "claim → on the feed";
        self.order_says(hop, "workorder.claimed", feed, from, |notice| notice.owner.as_deref() == Some(owner)).await?;

        let from = now();
        let sent = dispatcher.order(order, "dispatch", &json!({ "responder": CAREGIVER })).await;
        self.must("dispatch", sent)?;
        self.lamp_says("dispatch → lamp: help is coming", "coming", after, from).await?;
        self.order_says("dispatch → on the feed", "workorder.dispatched", feed, from, |_| true).await?;

        let lamp = &self.cast()?.lamp;
        let told: Vec<_> = lamp.heard(0).iter().filter_map(|heard| heard.field("stage")).collect();
        let mut steps = told.clone();
        steps.dedup();
        let right = steps.ends_with(&["recorded", "received", "taken", "coming"].map(str::to_owned));
        self.ensure("the lamp went recorded → received → taken → coming", right, || format!("it said {told:?}"))
    }

    /// Item 4.
    pub(super) async fn caregiver_comes_and_goes(&mut self, order: &str) -> Step<()> {
        let door = payload::door("front door", true);
        let cast = self.cast()?;
        let opened = cast.checker.publish(&door.topic, &door.payload).await;
        let code = cast
            .lamp
            .heard(0)
            .iter()
            .rev()
            .filter(|heard| heard.topic == topics::PRESENCE_CODE)
            .find_map(|heard| heard.field("code"));
        let (lamp, feed) = (cast.lamp.heard_count(), cast.feed.count());
        self.must("the front door opens", opened)?;
        let code = self.must("the home's code", code.ok_or_else(|| "the panel shows none".to_owned()))?;

        let from = now();
        self.visit(VisitAct::CheckIn, Method::Code, Some(code)).await?;
        let hop = "check-in with GPS and code → visit on the feed";
        let item = self.feed_says(hop, "care_visit.checked_in", feed, from, |_| true).await?;
        let visit = self.visit_of(hop, &item)?;
        let right = visit.grade == Grade::Proven && visit.work_order.as_ref().is_some_and(|id| id.as_str() == order);
        self.ensure(hop, right, || format!("it says {visit:?}"))?;
        self.order_says("check-in → work order on scene", "workorder.on_scene", feed, from, |_| true).await?;
        self.lamp_says("check-in → lamp: help is here", "here", lamp, from).await?;

        let from = now();
        self.visit(VisitAct::CheckOut, Method::Phone, None).await?;
        let hop = "check-out with outcome → on the feed";
        let item = self.feed_says(hop, "care_visit.checked_out", feed, from, |_| true).await?;
        let visit = self.visit_of(hop, &item)?;
        self.ensure(hop, visit.outcome_given, || format!("it says {visit:?}"))?;
        let hop = "check-out → work order awaits its close";
        self.order_says(hop, "workorder.updated", feed, from, |notice| notice.state == OrderState::AwaitingClose)
            .await?;

        let dispatcher = self.cast()?.dispatcher.clone();
        let (lamp, from) = (self.cast()?.lamp.heard_count(), now());
        let without = dispatcher.order(order, "close", &json!({ "outcome": "responder_visited" })).await;
        self.ensure("a close without a code is refused", without.is_err(), || "it was granted".to_owned())?;
        let body = json!({ "code": "real.medical", "outcome": "responder_visited" });
        let closed = dispatcher.order(order, "close", &body).await;
        self.must("close with a code", closed)?;
        let hop = "close with a code → on the feed";
        self.order_says(hop, "workorder.closed", feed, from, |notice| {
            notice.close_code.as_deref() == Some("real.medical")
        })
        .await?;
        self.lamp_says("close → lamp: no call is open", "quiet", lamp, from).await?;
        Ok(())
    }

    async fn visit(&mut self, act: VisitAct, method: Method, code: Option<String>) -> Step<()> {
        let outcome = (act == VisitAct::CheckOut).then(|| OUTCOME.to_owned());
        let call = VisitCall {
            act,
            caregiver: CAREGIVER.to_owned(),
            service: Some("助洁".to_owned()),
            method,
            code,
            fix: Some(fix_at_home()),
            outcome,
        };
        let visit = payload::visit(&call);
        let sent = self.cast()?.reader.publish(&visit.topic, &visit.payload).await;
        let (from, at) = self.must("visit → PUBACK", sent)?;
        let hop = match act {
            VisitAct::CheckIn => "check-in → PUBACK: journal synced",
            VisitAct::CheckOut => "check-out → PUBACK: journal synced",
        };
        self.hop(hop, from, Ok(at))?;
        Ok(())
    }

    fn visit_of(&self, hop: &str, item: &Item) -> Step<VisitNotice> {
        let read = serde_json::from_value(item.event.data.clone());
        self.must(hop, read.map_err(|error| format!("{error}: {}", item.event.data)))
    }
}

/// What came of the visit.
const OUTCOME: &str = "seen, safe";
