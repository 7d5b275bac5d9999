//! What a radio bridge lists about a device, reduced to what its messages mean, and its compact form on disk.

use protocol::observation::Kind;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::memory::ACTION;
use super::sense::{Literal, Nature, Sense, Shape, sense, speaks_by_name};

/// Version of the compact form; stands in its first byte.
const VERSION: u8 = 2;

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
    /// Whether it runs on the mains, where the bridge says so.
    pub(super) on_mains: Option<bool>,
    /// The keys that mean something, sorted by name.
    keys: Vec<(String, Sense)>,
}

impl Description {
    /// What a key means.
    pub(super) fn sense(&self, key: &str) -> Option<&Sense> {
        let place = self.keys.binary_search_by(|(name, _)| name.as_str().cmp(key)).ok()?;
        self.keys.get(place).map(|(_, sense)| sense)
    }

    /// The keys that mean something, settings left out.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().filter(|(_, sense)| *sense != Sense::Setting).map(|(name, _)| name.as_str())
    }

    /// The kinds that its keys can tell of.
    pub(super) fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.keys.iter().flat_map(|(_, sense)| sense.kinds())
    }

    /// The keys that can tell of a kind.
    pub(super) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.keys.iter().filter(move |(_, sense)| sense.tells(kind)).map(|(name, _)| name.as_str())
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
            Some((1, rest)) => bincode::deserialize::<DescriptionV1>(rest).map(Self::from).unwrap_or_default(),
            Some(_) | None => Self::default(),
        }
    }

    /// Reads a device's `power_source`.
    fn with_power(mut self, entry: &Value) -> Self {
        let source = entry.get("power_source").and_then(Value::as_str).unwrap_or_default();
        self.on_mains = if source.starts_with("Mains") || source == "DC Source" {
            Some(true)
        } else {
            (source == "Battery").then_some(false)
        };
        self
    }

    /// Reads the `definition` of a device; null for one the bridge does not support.
    pub(super) fn of_definition(definition: Option<&Value>, listed: bool) -> Self {
        let nature = Nature::of(
            definition.and_then(|definition| definition.get("description")).and_then(Value::as_str).unwrap_or_default(),
        );
        let mut gathered = Gathered { nature, keys: Vec::new(), alarms: Vec::new() };
        let exposes = definition.and_then(|definition| definition.get("exposes")).and_then(Value::as_array);
        exposes.into_iter().flatten().for_each(|expose| gathered.take(expose));
        let described = exposes.is_some_and(|exposes| !exposes.is_empty());
        Self { listed, described, on_mains: None, keys: gathered.finish() }
    }
}

/// The first compact form, without the device's power.
#[derive(Deserialize)]
struct DescriptionV1 {
    listed: bool,
    described: bool,
    keys: Vec<(String, Sense)>,
}

impl From<DescriptionV1> for Description {
    fn from(first: DescriptionV1) -> Self {
        let DescriptionV1 { listed, described, keys } = first;
        Self { listed, described, on_mains: None, keys }
    }
}

/// The keys of one device, while its exposes are read.
struct Gathered {
    nature: Nature,
    keys: Vec<(String, Sense)>,
    /// Bare zone alarms, by property.
    alarms: Vec<(String, Alarm)>,
}

/// How a bare zone alarm says that it is on.
enum Alarm {
    /// On, off.
    Sides(Literal, Literal),
    /// A word such as `alarm` or `normal`.
    Words,
}

impl Alarm {
    fn sense(self, kind: Kind) -> Sense {
        match (self, kind) {
            (Self::Sides(open, closed), Kind::Contact) => Sense::Contact { open, closed },
            (Self::Sides(on, off), kind) => Sense::Flag { kind, on, off },
            (Self::Words, kind) => Sense::Words { kind },
        }
    }
}

impl Gathered {
    /// Takes a key that the device publishes; what can be set is a setting, unless its very name says otherwise.
    fn take(&mut self, expose: &Value) {
        const PUBLISHED: u64 = 1;
        const SETTABLE: u64 = 2;
        const NEVER_A_SETTING: &[&str] = &["occupancy", "presence", "contact", "sos", "smoke", "water_leak"];
        let text = |key: &str| expose.get(key).and_then(Value::as_str);
        let kind = text("type").unwrap_or_default();
        if let Some(features) = expose.get("features").and_then(Value::as_array) {
            // Keys within a composite do not stand in the flat message; those of a lock, switch or cover do.
            if kind != "composite" {
                features.iter().for_each(|feature| self.take(feature));
            }
            return;
        }
        let Some(property) = text("property").or_else(|| text("name")) else { return };
        let access = expose.get("access").and_then(Value::as_u64).unwrap_or(PUBLISHED);
        let setting = access & SETTABLE != 0 && !NEVER_A_SETTING.contains(&property);
        if property.len() > NAME_BYTES_MAX {
            return;
        }
        if access & PUBLISHED == 0 || setting {
            // A cube's `fall_detection: ON` is listed, so that its name is never taken for what it says.
            if speaks_by_name(property) {
                self.keys.push((property.to_owned(), Sense::Setting));
            }
            return;
        }
        let Some(shape) = shape(expose, kind) else { return };
        match (&shape, property) {
            (Shape::Binary { on, off }, "alarm" | "alarm_1") => {
                self.alarms.push((property.to_owned(), Alarm::Sides(on.clone(), off.clone())));
            }
            (Shape::Words(words), "alarm_status" | "alarm_state") if words.iter().any(|word| word == "alarm") => {
                self.alarms.push((property.to_owned(), Alarm::Words));
            }
            _ => {}
        }
        // An endpoint's own key (`occupancy_2`) means what the plain one does.
        let name = text("endpoint").and_then(|endpoint| property.strip_suffix(endpoint)).unwrap_or(property);
        if let Some(sense) = sense(name, shape, self.nature) {
            self.keys.push((property.to_owned(), sense));
        }
    }

    fn finish(mut self) -> Vec<(String, Sense)> {
        if let Some(kind) = self.nature.alarm {
            let says_so =
                |sense: &Sense| sense.tells(kind) || (kind == Kind::Sos && matches!(sense, Sense::Action { .. }));
            if !self.keys.iter().any(|(_, sense)| says_so(sense)) {
                let alarms = self.alarms.into_iter();
                self.keys.extend(alarms.map(|(property, alarm)| (property, alarm.sense(kind))));
            }
        }
        self.keys.sort_by(|(a, _), (b, _)| a.cmp(b));
        self.keys.dedup_by(|(a, _), (b, _)| a == b);
        self.keys.truncate(KEYS_MAX);
        self.keys
    }
}

fn shape(expose: &Value, kind: &str) -> Option<Shape> {
    match kind {
        "binary" => {
            Some(Shape::Binary { on: literal(expose.get("value_on"))?, off: literal(expose.get("value_off"))? })
        }
        "numeric" => {
            let unit = expose.get("unit").and_then(Value::as_str).unwrap_or_default();
            Some(Shape::Numeric { volume: matches!(unit, "m³" | "L" | "l" | "ft³"), percent: unit == "%" })
        }
        "enum" => {
            let values = expose.get("values").and_then(Value::as_array).into_iter().flatten();
            Some(Shape::Words(values.filter_map(Value::as_str).map(str::to_owned).collect()))
        }
        "text" => Some(Shape::Text),
        _ => None,
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
    Some((name.to_owned(), Description::of_definition(entry.get("definition"), true).with_power(entry)))
}
