//! The gateway as a device of Home Assistant: discovery, availability and state, published and never read.
//!
//! Home Assistant sees whether a call is open, how far help is, and whether the gateway itself is well. It gets no
//! command topic: nothing in it can speak for the elder or close a call.

use protocol::stage::Stage;
use protocol::topics;
use protocol::trigger::OrderClass;
use serde_json::{Value, json};

use tokio::sync::mpsc;

use crate::config::GatewayConfig;
use crate::engine::{Engine, Gauges, Now};
use crate::intake::{Announcement, Publisher};

/// Most news that wait for the broker; beyond it the state is told again whole.
const QUEUE_MAX: usize = 64;

/// What Home Assistant is shown, where the home has one.
pub struct Dashboard(Option<(Shown, mpsc::Sender<Announcement>)>);

impl Dashboard {
    /// One task publishes in order; it begins with the introduction.
    pub fn start(config: &GatewayConfig, publisher: Publisher) -> Self {
        Self(config.homeassistant.as_deref().map(|prefix| {
            let introduction = introduction(prefix, &config.gateway.to_string());
            let (show, mut queued) = mpsc::channel::<Announcement>(QUEUE_MAX);
            tokio::spawn(async move {
                for announcement in introduction {
                    publisher.publish(announcement).await;
                }
                while let Some(announcement) = queued.recv().await {
                    publisher.publish(announcement).await;
                }
            });
            (Shown::default(), show)
        }))
    }

    /// Shows the state of the moment, where it is news.
    pub fn show(&mut self, now: &Now, engine: &Engine) {
        if let Some((shown, show)) = &mut self.0
            && let Some(news) = shown.news(now, engine)
            && show.try_send(news).is_err()
        {
            shown.forget();
        }
    }

    /// The gateway leaves in order.
    pub async fn leave(self, publisher: &Publisher) {
        if self.0.is_some() {
            publisher.publish(status(false)).await;
        }
    }
}

/// What was last told, so that only news is published.
#[derive(Debug, Default)]
pub struct Shown {
    state: Option<String>,
}

/// One entity: component, object id, its words in Chinese and English, and what is its own.
type Entity = (&'static str, &'static str, &'static str, Value);

fn entities() -> [Entity; 7] {
    let on = |key: &str| format!("{{{{ 'ON' if value_json.{key} else 'OFF' }}}}");
    let off = |key: &str| format!("{{{{ 'OFF' if value_json.{key} else 'ON' }}}}");
    [
        ("binary_sensor", "call", "求助 Call", json!({ "device_class": "safety", "value_template": on("call") })),
        (
            "sensor",
            "stage",
            "求助进展 Reassurance",
            json!({ "value_template": "{{ value_json.zh }}", "json_attributes_topic": topics::STATE, "icon": "mdi:account-heart" }),
        ),
        (
            "sensor",
            "orders",
            "未结工单 Open orders",
            json!({ "value_template": "{{ value_json.orders }}", "icon": "mdi:clipboard-alert" }),
        ),
        (
            "binary_sensor",
            "centre",
            "中心连接 Centre",
            json!({ "device_class": "connectivity", "entity_category": "diagnostic", "value_template": on("centre") }),
        ),
        (
            "binary_sensor",
            "journal",
            "日志故障 Journal",
            json!({ "device_class": "problem", "entity_category": "diagnostic", "value_template": off("journal") }),
        ),
        (
            "binary_sensor",
            "clock",
            "时钟故障 Clock",
            json!({ "device_class": "problem", "entity_category": "diagnostic", "value_template": off("clock") }),
        ),
        (
            "sensor",
            "backlog",
            "未送达记录 Undelivered records",
            json!({ "entity_category": "diagnostic", "value_template": "{{ value_json.backlog }}", "state_class": "measurement" }),
        ),
    ]
}

/// The retained discovery messages, then that the gateway is there.
pub fn introduction(prefix: &str, gateway: &str) -> Vec<Announcement> {
    let node = format!("homecare_{}", gateway.replace(|c: char| !c.is_ascii_alphanumeric(), "_"));
    let device = json!({
        "identifiers": [node], "name": format!("居家照护网关 {gateway}"), "manufacturer": "homecare",
        "model": "gateway", "sw_version": env!("CARGO_PKG_VERSION"),
    });
    let mut out: Vec<Announcement> = entities()
        .into_iter()
        .map(|(component, object, name, own)| {
            let mut body = json!({
                "name": name, "unique_id": format!("{node}_{object}"), "object_id": format!("{node}_{object}"),
                "state_topic": topics::STATE, "availability_topic": topics::STATUS, "device": device,
            });
            if let (Value::Object(body), Value::Object(own)) = (&mut body, own) {
                body.extend(own);
            }
            let topic = format!("{prefix}/{component}/{node}/{object}/config");
            Announcement { topic, payload: body.to_string(), retain: true }
        })
        .collect();
    out.push(status(true));
    out
}

/// That the gateway is there, or leaves.
pub fn status(online: bool) -> Announcement {
    let payload = if online { "online" } else { "offline" };
    Announcement { topic: topics::STATUS.to_owned(), payload: payload.to_owned(), retain: true }
}

impl Shown {
    /// The state of the moment, where it is news.
    pub fn news(&mut self, now: &Now, engine: &Engine) -> Option<Announcement> {
        let home = engine.home();
        let orders = home.orders().map(|order| (order.class, order.stage)).collect::<Vec<_>>();
        self.changed(engine.stage(now), home.alarm_open(), &orders, &engine.gauges(now))
    }

    /// What was taken for told was not.
    pub fn forget(&mut self) {
        self.state = None;
    }

    fn changed(
        &mut self,
        stage: Stage,
        call: bool,
        orders: &[(OrderClass, Stage)],
        gauges: &Gauges,
    ) -> Option<Announcement> {
        let open: Vec<Value> = orders.iter().map(|(class, stage)| json!({ "class": class, "stage": stage })).collect();
        let payload = json!({
            "call": call, "stage": stage, "zh": stage.zh(), "en": stage.en(), "orders": open.len(), "open": open,
            "centre": gauges.centre_up, "journal": gauges.disk_ok, "clock": gauges.wall_trusted,
            // A dashboard need not hear of each record on its way.
            "backlog": gauges.backlog / 10 * 10,
        });
        let payload = payload.to_string();
        if self.state.as_ref() == Some(&payload) {
            return None;
        }
        self.state = Some(payload.clone());
        Some(Announcement { topic: topics::STATE.to_owned(), payload, retain: true })
    }
}

#[cfg(test)]
mod tests;
