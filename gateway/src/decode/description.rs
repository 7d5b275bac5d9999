//! What a radio bridge lists about a device, reduced to what its messages mean, and its compact form on disk.

use protocol::observation::Kind;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::memory::ACTION;
use super::sense::{Literal, Nature, Sense, Shape, sense};

/// Version of the compact form; stands in its first byte.
const VERSION: u8 = 1;

/// Most keys of one device that are kept; a device has about thirty.
const KEYS_MAX: usize = 256;

/// Longest friendly name that is kept, bytes.
const NAME_BYTES_MAX: usize = 512;

/// What a device's messages mean, by its bridge's word.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Description {
    /// Whether it stood in the bridge's whole list, or only joined so far.
    pub(super) listed: bool,
    /// Whether the bridge described it at all; else its keys are read by name.
    pub(super) described: bool,
    /// The keys that mean something, sorted by name.
    keys: Vec<(String, Sense)>,
}

impl Description {
    /// What a key means.
    pub(super) fn sense(&self, key: &str) -> Option<&Sense> {
        let place = self.keys.binary_search_by(|(name, _)| name.as_str().cmp(key)).ok()?;
        self.keys.get(place).map(|(_, sense)| sense)
    }

    /// Whether any key of the device is of a kind.
    pub(super) fn has(&self, kind: Kind) -> bool {
        self.keys.iter().any(|(_, sense)| sense.tells(kind))
    }

    /// Whether the device has gestures.
    pub(super) fn has_gestures(&self) -> bool {
        self.sense(ACTION).is_some()
    }

    /// The bytes that go into the journal.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        // Writing to memory fails for nothing here; an empty form is read back as "not described".
        if bincode::serialize_into(&mut bytes, self).is_err() {
            bytes.truncate(1);
        }
        bytes
    }

    /// Reads the journal's bytes; a form this program does not know counts as a device without description.
    pub(super) fn decode(bytes: &[u8]) -> Self {
        match bytes.split_first() {
            Some((&VERSION, rest)) => bincode::deserialize(rest).unwrap_or_default(),
            Some(_) | None => Self::default(),
        }
    }

    /// Reads the `definition` of a device; null for one the bridge does not support.
    pub(super) fn of_definition(definition: Option<&Value>, listed: bool) -> Self {
        let mut keys = Vec::new();
        let mut described = false;
        if let Some(definition) = definition {
            let nature = Nature::of(definition.get("description").and_then(Value::as_str).unwrap_or_default());
            if let Some(exposes) = definition.get("exposes").and_then(Value::as_array) {
                described = !exposes.is_empty();
                exposes.iter().for_each(|expose| gather(expose, nature, &mut keys));
            }
        }
        keys.sort_by(|(a, _), (b, _)| a.cmp(b));
        keys.dedup_by(|(a, _), (b, _)| a == b);
        keys.truncate(KEYS_MAX);
        Self { listed, described, keys }
    }
}

/// Takes a key that the device publishes; what can be set is a setting, unless its very name says otherwise.
fn gather(expose: &Value, nature: Nature, keys: &mut Vec<(String, Sense)>) {
    const PUBLISHED: u64 = 1;
    const SETTABLE: u64 = 2;
    let text = |key: &str| expose.get(key).and_then(Value::as_str);
    let kind = text("type").unwrap_or_default();
    if let Some(features) = expose.get("features").and_then(Value::as_array) {
        // Keys within a composite do not stand in the flat message; those of a lock, switch or cover do.
        if kind != "composite" {
            features.iter().for_each(|feature| gather(feature, nature, keys));
        }
        return;
    }
    let Some(property) = text("property").or_else(|| text("name")) else { return };
    let access = expose.get("access").and_then(Value::as_u64).unwrap_or(PUBLISHED);
    let settable =
        access & SETTABLE != 0 && !matches!(property, "occupancy" | "presence" | "contact" | "sos" | "smoke");
    if access & PUBLISHED == 0 || settable || property.len() > NAME_BYTES_MAX {
        return;
    }
    let shape = match kind {
        "binary" => match (literal(expose.get("value_on")), literal(expose.get("value_off"))) {
            (Some(on), Some(off)) => Shape::Binary { on, off },
            (Some(_) | None, _) => return,
        },
        "numeric" => {
            Shape::Numeric { volume: text("unit").is_some_and(|unit| matches!(unit, "m³" | "L" | "l" | "ft³")) }
        }
        "enum" => Shape::Words(
            expose
                .get("values")
                .and_then(Value::as_array)
                .map(|values| values.iter().filter_map(Value::as_str).map(str::to_owned).collect())
                .unwrap_or_default(),
        ),
        "text" => Shape::Text,
        _ => return,
    };
    // An endpoint's own key (`occupancy_2`) means what the plain one does.
    let name = match text("endpoint") {
        Some(endpoint) => property.strip_suffix(endpoint).unwrap_or(property),
        None => property,
    };
    if let Some(sense) = sense(name, shape, nature) {
        keys.push((property.to_owned(), sense));
    }
}

fn literal(value: Option<&Value>) -> Option<Literal> {
    match value? {
        Value::Bool(value) => Some(Literal::Bool(*value)),
        Value::Number(number) => number.as_i64().map(Literal::Number),
        Value::String(text) => Some(Literal::Text(text.clone())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// One entry of a bridge's list: the friendly name and its description; nothing for the coordinator.
pub(super) fn listed_device(entry: &Value) -> Option<(String, Description)> {
    if entry.get("type").and_then(Value::as_str) == Some("Coordinator") {
        return None;
    }
    let name = entry.get("friendly_name").and_then(Value::as_str)?;
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return None;
    }
    Some((name.to_owned(), Description::of_definition(entry.get("definition"), true)))
}
