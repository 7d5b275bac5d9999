//! A batch with records that this centre does not understand, from a newer gateway: each record is
//! read by itself, and one that looks like an alarm is raised from what can be read of it. When it
//! is unclear whether something is a press, it is one.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::ids::{GatewayId, Hash32, LocalKey};
use protocol::record::{Body, PreAlarm, Record, Stamp, Trigger};
use protocol::trigger::{Reason, TriggerKind};
use protocol::uplink::{Refusal, UplinkRequest};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::centre::Uplink;
use crate::centre::ingest::NOT_UNDERSTOOD;

/// Fuse of a pre-alarm whose own is not understood, milliseconds.
const FUSE_MS: u64 = 30_000;

/// Longest text taken from a record that is not understood, characters.
const TEXT_MAX: usize = 200;

#[derive(Deserialize)]
struct Envelope {
    v: u8,
    gateway: GatewayId,
    sent: Stamp,
    records: Vec<Value>,
}

/// Reads what can be read; none when not even the envelope can.
pub(super) fn read(bytes: &[u8]) -> Option<Uplink> {
    let Envelope { v, gateway, sent, records } = serde_json::from_slice(bytes).ok()?;
    let mut batch = UplinkRequest { v, gateway, sent, records: Vec::with_capacity(records.len()) };
    let mut salvaged = BTreeMap::new();
    let mut refused = Vec::new();
    for value in records {
        if let Ok(record) = Record::deserialize(&value) {
            batch.records.push(Arc::new(record));
            continue;
        }
        // Without its identity a record can be neither stored nor refused by name.
        let Ok(key) = LocalKey::deserialize(&value) else { continue };
        match alarm(&value["body"]) {
            Some(body) => {
                let raw = value.to_string();
                // An unknown boot and an untrusted clock: its age is unknown, so it counts as fresh.
                let unknown = Stamp { boot: !sent.boot, uptime_ms: 0, wall_ms: 0, wall_trusted: false };
                batch.records.push(Arc::new(Record {
                    incarnation: key.incarnation,
                    seq: key.seq,
                    at: field(&value, "at").unwrap_or(unknown),
                    delivery: None,
                    body,
                    prev: field(&value, "prev").unwrap_or(Hash32::ZERO),
                    hash: field(&value, "hash").unwrap_or_else(|| Hash32(blake3::hash(raw.as_bytes()).into())),
                }));
                salvaged.insert(key, raw);
            }
            None => refused.push(Refusal { key, reason: NOT_UNDERSTOOD.to_owned() }),
        }
    }
    Some(Uplink { batch, salvaged, refused })
}

fn alarm(body: &Value) -> Option<Body> {
    if let Some(trigger) = body.get("trigger") {
        return Some(Body::Trigger(Trigger {
            kind: field(trigger, "kind").unwrap_or(TriggerKind::Sos),
            device: text(trigger, "device").unwrap_or_default(),
            key: text(trigger, "key").unwrap_or_default(),
            room: text(trigger, "room"),
            reason: field(trigger, "reason").unwrap_or(Reason::SosKeyRepeated),
            follows: field(trigger, "follows"),
            test: field(trigger, "test").unwrap_or(false),
        }));
    }
    let pre_alarm = body.get("pre_alarm")?;
    Some(Body::PreAlarm(PreAlarm {
        kind: field(pre_alarm, "kind").unwrap_or(TriggerKind::Fall),
        device: text(pre_alarm, "device").unwrap_or_default(),
        key: text(pre_alarm, "key").unwrap_or_default(),
        room: text(pre_alarm, "room"),
        reason: field(pre_alarm, "reason").unwrap_or(Reason::SensorSaysFall),
        fuse_ms: field(pre_alarm, "fuse_ms").unwrap_or(FUSE_MS),
    }))
}

fn field<T: DeserializeOwned>(value: &Value, name: &str) -> Option<T> {
    T::deserialize(value.get(name)?).ok()
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(|text| text.chars().take(TEXT_MAX).collect())
}
