//! The pretend radio bridge: a home's devices behind one Zigbee2MQTT, with its own topics.
//!
//! Pure: it answers with publications and never knows a connection.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::device::{Device, Happening, Power};
use crate::dice::Dice;
use crate::publication::Publication;

/// A pretend Zigbee2MQTT with its devices.
#[derive(Debug, Clone)]
pub struct RadioBridge {
    base: String,
    devices: BTreeMap<String, Device>,
    action_twin: bool,
}

impl RadioBridge {
    /// A bridge on Zigbee2MQTT's usual base topic; of two devices with one name the later stays.
    pub fn new(devices: impl IntoIterator<Item = Device>) -> Self {
        Self {
            base: protocol::topics::ZIGBEE2MQTT_BASE.to_owned(),
            devices: devices.into_iter().map(|device| (device.name().to_owned(), device)).collect(),
            action_twin: false,
        }
    }

    /// The same on another base topic.
    #[must_use]
    pub fn on_base(mut self, base: impl Into<String>) -> Self {
        self.base = base.into();
        self
    }

    /// The same with the Home Assistant integration on: each action also goes to `<name>/action` as bare text.
    #[must_use]
    pub fn with_action_twin(mut self, on: bool) -> Self {
        self.action_twin = on;
        self
    }

    /// Base topic.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The devices by name.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.devices.values()
    }

    /// A device by name.
    pub fn device(&self, name: &str) -> Option<&Device> {
        self.devices.get(name)
    }

    /// What the bridge publishes when it starts: its state, the list, availability, then the cached
    /// state of every device, which is not flagged retained.
    pub fn start(&self) -> Vec<Publication> {
        let mut out = self.retained();
        out.extend(self.zigbee().map(|device| device.replayed(&self.base)));
        out
    }

    /// The devices that are its own; the others speak for themselves.
    fn zigbee(&self) -> impl Iterator<Item = &Device> {
        self.devices.values().filter(|device| device.dialect().is_none())
    }

    /// What it publishes again when only its connection to the broker was lost.
    pub fn retained(&self) -> Vec<Publication> {
        let mut out = vec![
            bridge_state(&self.base, true),
            Publication::json(format!("{}/bridge/info", self.base), &info(false)).retained(),
            Publication::bytes(format!("{}/bridge/devices", self.base), list(self.zigbee())).retained(),
        ];
        out.extend(self.zigbee().map(|device| availability(&self.base, device.name(), true)));
        out
    }

    /// What it publishes when it is stopped in good order.
    pub fn stop(&self) -> Vec<Publication> {
        vec![bridge_state(&self.base, false)]
    }

    /// What goes out when `what` happens to the device `name`; empty where there is no such device, or
    /// its model cannot tell.
    pub fn happen(&mut self, name: &str, what: Happening) -> Vec<Publication> {
        let Some(device) = self.devices.get_mut(name) else { return Vec::new() };
        let mut out = device.reports(&self.base, what);
        let twinned = self.action_twin && device.dialect().is_none();
        let twin = out.first().filter(|_| twinned).and_then(action_twin);
        out.extend(twin);
        out
    }

    /// The filters to subscribe to: what devices and the bridge itself may be told.
    pub fn filters(&self) -> Vec<String> {
        self.devices
            .values()
            .filter(|device| device.definition_settable())
            .map(|device| format!("{}/{}/set", self.base, device.name()))
            .chain([format!("{}/bridge/request/permit_join", self.base)])
            .collect()
    }

    /// Answers what it was told over MQTT; empty for what is not for it.
    pub fn told(&mut self, topic: &str, payload: &[u8]) -> Vec<Publication> {
        let Some(rest) = topic.strip_prefix(&self.base).and_then(|rest| rest.strip_prefix('/')) else {
            return Vec::new();
        };
        if rest == "bridge/request/permit_join" {
            return self.permit_join(payload);
        }
        let device = rest.strip_suffix("/set").and_then(|name| self.devices.get_mut(name));
        device.and_then(|device| device.set(&self.base, payload)).into_iter().collect()
    }

    fn permit_join(&self, payload: &[u8]) -> Vec<Publication> {
        let wish: Value = serde_json::from_slice(payload).unwrap_or(Value::Null);
        let secs = wish.as_u64().or_else(|| wish.get("time").and_then(Value::as_u64)).filter(|secs| *secs <= 254);
        let mut answer = match secs {
            Some(secs) => json!({ "data": { "time": secs }, "status": "ok" }),
            None => json!({ "data": {}, "status": "error", "error": "Invalid payload" }),
        };
        if let Some(transaction) = wish.get("transaction") {
            answer["transaction"] = transaction.clone();
        }
        let mut out = vec![Publication::json(format!("{}/bridge/response/permit_join", self.base), &answer)];
        if let Some(secs) = secs {
            out.push(Publication::json(format!("{}/bridge/info", self.base), &info(secs > 0)).retained());
        }
        out
    }
}

impl Device {
    fn definition_settable(&self) -> bool {
        self.model().definition().exposes.iter().any(|expose| expose.key() == "alarm" || expose.key() == "warning")
    }
}

/// The retained `bridge/state`.
pub fn bridge_state(base: &str, online: bool) -> Publication {
    Publication::json(format!("{base}/bridge/state"), &state(online)).retained()
}

/// The retained `<name>/availability`.
pub fn availability(base: &str, name: &str, online: bool) -> Publication {
    Publication::json(format!("{base}/{name}/availability"), &state(online)).retained()
}

/// The bare-text twin of a report that carries an action; none for any other.
pub fn action_twin(report: &Publication) -> Option<Publication> {
    let body: Value = serde_json::from_slice(&report.payload).ok()?;
    let action = body.get("action")?.as_str()?;
    let mut twin = Publication::bytes(format!("{}/action", report.topic), action);
    twin.qos = report.qos;
    twin.urgent = report.urgent;
    Some(twin)
}

/// The body of `bridge/devices` for `devices`, the coordinator first.
pub fn list<'d>(devices: impl Iterator<Item = &'d Device>) -> Vec<u8> {
    let coordinator = json!({
        "ieee_address": "0x00124b0000000000", "type": "Coordinator", "network_address": 0, "supported": true,
        "friendly_name": "Coordinator", "disabled": false, "definition": null, "interview_completed": true,
        "interviewing": false, "interview_state": "SUCCESSFUL", "endpoints": {},
    });
    let all: Vec<Value> = std::iter::once(coordinator).chain(devices.map(entry)).collect();
    Value::Array(all).to_string().into_bytes()
}

fn entry(device: &Device) -> Value {
    let definition = device.model().definition();
    let (kind, source) = match definition.power {
        Power::Battery => ("EndDevice", "Battery"),
        Power::Mains => ("Router", "Mains (single phase)"),
    };
    json!({
        "ieee_address": device.ieee(), "type": kind, "supported": true, "friendly_name": device.name(),
        "network_address": Dice::named(1, device.name()).between(1, 0xfff7), "disabled": false,
        "power_source": source, "model_id": definition.model_id, "interview_completed": true,
        "interviewing": false, "interview_state": "SUCCESSFUL",
        "definition": {
            "source": "native", "model": definition.model, "vendor": definition.vendor,
            "description": definition.description, "exposes": definition.exposes_json(),
            "supports_ota": false, "options": [],
        },
    })
}

fn state(online: bool) -> Value {
    json!({ "state": if online { "online" } else { "offline" } })
}

fn info(permit_join: bool) -> Value {
    json!({ "version": "2.14.1", "permit_join": permit_join, "log_level": "info" })
}

#[cfg(test)]
mod tests;
