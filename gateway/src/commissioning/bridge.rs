//! What a Zigbee2MQTT bridge says of itself: its devices (`bridge/devices`) and its settings (`bridge/info`), from a
//! file or from the running bridge.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::visitor::{Visitor, in_a};
use crate::config::GatewayConfig;
use crate::decode::ListedDevice;

/// How long the broker's retained messages are waited for.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// How long its list alone is waited for: a broker sends what it holds with its answer, or holds nothing.
const LIST_WAIT: Duration = Duration::from_secs(1);

/// A bridge's own words.
#[derive(Debug, Clone, Default)]
pub struct Bridge {
    /// Its devices.
    pub devices: Vec<ListedDevice>,
    /// Its settings, where it told them.
    pub settings: Option<Settings>,
}

/// What of a bridge's settings matters here.
#[derive(Debug, Clone)]
pub struct Settings(Value);

impl Settings {
    /// Whether it checks that devices are there.
    pub fn availability(&self) -> bool {
        self.0.pointer("/availability/enabled").and_then(Value::as_bool).unwrap_or(false)
    }

    /// A setting of a device: its own, else the one for all.
    fn of(&self, ieee: &str, key: &str) -> Option<&Value> {
        let own = self.0.get("devices").and_then(|devices| devices.get(ieee)).and_then(|device| device.get(key));
        own.or_else(|| self.0.get("device_options").and_then(|options| options.get(key)))
    }

    /// The QoS of a device's messages; 0 unless set.
    pub fn qos(&self, ieee: &str) -> u64 {
        self.of(ieee, "qos").and_then(Value::as_u64).unwrap_or(0)
    }

    /// Whether a device's messages are retained.
    pub fn retains(&self, ieee: &str) -> bool {
        self.of(ieee, "retain").and_then(Value::as_bool).unwrap_or(false)
    }

    /// Whether a key is kept out of a device's cached state. The bridge takes each entry as a regular expression;
    /// here only `key`, `^key` , `key$` and `^key$` are recognised.
    pub fn is_uncached(&self, ieee: &str, key: &str) -> bool {
        let entries = self.of(ieee, "filtered_cache").and_then(Value::as_array);
        let is_key = |entry: &str| entry.trim_start_matches('^').trim_end_matches('$') == key;
        entries.into_iter().flatten().filter_map(Value::as_str).any(is_key)
    }
}

impl Bridge {
    /// Takes one message.
    pub fn hear(&mut self, base: &str, topic: &str, payload: &Value) {
        match topic.strip_prefix(base).and_then(|rest| rest.strip_prefix("/bridge/")) {
            Some("devices") => {
                self.devices = payload.as_array().into_iter().flatten().filter_map(ListedDevice::listed).collect();
            }
            Some("info") => self.settings = payload.get("config").cloned().map(Settings),
            _ => {}
        }
    }

    /// Reads what `lines` gives.
    pub fn read(base: &str, lines: &str) -> Self {
        let mut bridge = Self::default();
        for line in lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            if let Some(topic) = line.get("topic").and_then(Value::as_str) {
                bridge.hear(base, topic, line.get("payload").unwrap_or(&Value::Null));
            }
        }
        bridge
    }
}

/// Reads a file of bridge messages as JSON lines {"topic","payload"}; a bare `bridge/devices` array or `bridge/info`
/// object is given its topic.
///
/// # Errors
/// When the file cannot be read, or is none of these.
pub fn lines(path: &Path, base: &str) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let wrap = |name: &str, payload: Value| {
        json!({ "topic": format!("{base}/bridge/{name}"), "payload": payload, "retain": true }).to_string()
    };
    match serde_json::from_str::<Value>(&text) {
        Ok(list @ Value::Array(_)) => return Ok(wrap("devices", list)),
        Ok(info) if info.get("config").is_some() => return Ok(wrap("info", info)),
        Ok(_) | Err(_) => {}
    }
    let is_line = |line: &str| serde_json::from_str::<Value>(line).is_ok_and(|line| line.get("topic").is_some());
    let first_bad = text.lines().position(|line| !line.trim().is_empty() && !is_line(line));
    match first_bad {
        None => Ok(text),
        Some(line) => anyhow::bail!(
            "{}, line {}: neither a JSON line {{\"topic\",\"payload\"}} nor a bridge/devices or bridge/info message",
            path.display(),
            line + 1
        ),
    }
}

/// The devices that the running bridge lists, as the home's broker holds them; none where it holds no list.
///
/// # Errors
/// When the broker is not reached or refuses.
pub async fn listed(config: &GatewayConfig) -> anyhow::Result<Vec<ListedDevice>> {
    let base = &config.decoder.zigbee2mqtt_base;
    let mut visitor = Visitor::sign_in(config).await?;
    visitor.subscribe(&[&format!("{base}/bridge/devices")]).await?;
    let mut bridge = Bridge::default();
    if let Some((topic, payload)) = visitor.next(in_a(LIST_WAIT)).await? {
        bridge.hear(base, &topic, &serde_json::from_slice(&payload).unwrap_or(Value::Null));
    }
    Ok(bridge.devices)
}

/// Asks the running bridge through the home's broker, which holds both messages.
///
/// # Errors
/// When the broker is not reached or refuses, or holds nothing of the bridge.
pub async fn ask(config: &GatewayConfig) -> anyhow::Result<Bridge> {
    let base = &config.decoder.zigbee2mqtt_base;
    let mut visitor = Visitor::sign_in(config).await?;
    visitor.subscribe(&[&format!("{base}/bridge/devices"), &format!("{base}/bridge/info")]).await?;
    let mut bridge = Bridge::default();
    let until = in_a(ANSWER_WAIT);
    while let Some((topic, payload)) = visitor.next(until).await? {
        let payload = serde_json::from_slice(&payload).unwrap_or(Value::Null);
        bridge.hear(base, &topic, &payload);
        if bridge.settings.is_some() && !bridge.devices.is_empty() {
            break;
        }
    }
    anyhow::ensure!(
        bridge.settings.is_some() || !bridge.devices.is_empty(),
        "the broker holds nothing of a bridge on `{base}`; is Zigbee2MQTT running and signed in?"
    );
    Ok(bridge)
}
