//! What a message of a device must mean, by its exposes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use protocol::observation::Kind;
use serde_json::Value;

use super::dictionary::{self, Look};

/// What an observation says, without its degree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Says {
    /// It is happening, open, low, reachable.
    Yes,
    /// It is not.
    No,
    /// A number.
    Amount,
}

/// A kind and what is said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label(pub Kind, pub Says);

impl Label {
    /// Reads an observation of `gateway decode`.
    pub fn decoded(observation: &Value) -> Option<Self> {
        let kind: Kind = serde_json::from_value(observation["kind"].clone()).ok()?;
        let says = match &observation["value"] {
            Value::Bool(true) => Says::Yes,
            Value::Bool(false) => Says::No,
            Value::String(word) if matches!(word.as_str(), "open" | "low" | "online") => Says::Yes,
            Value::String(_) => Says::No,
            Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => Says::Amount,
        };
        Some(Self(kind, says))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let says = match self.1 {
            Says::Yes => "yes",
            Says::No => "no",
            Says::Amount => "amount",
        };
        write!(f, "{} {says}", name_of(self.0))
    }
}

/// The kind's word in every output.
pub fn name_of(kind: Kind) -> String {
    serde_json::to_value(kind).ok().and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default()
}

/// One published property.
struct Property {
    kind: Option<Kind>,
    on: Value,
    off: Value,
    /// Whether it may only be set.
    setting: bool,
    posture: bool,
}

/// A device as its bridge lists it.
pub struct Listed {
    /// Model, for the report.
    pub model: String,
    /// The bridge's words for it.
    pub description: String,
    properties: BTreeMap<String, Property>,
    implied: BTreeSet<Kind>,
    sos_by_gesture: bool,
    falls_by_gesture: bool,
}

impl Listed {
    /// Reads a `definition`.
    pub fn of(definition: &Value) -> Self {
        let text = |key: &str| definition[key].as_str().unwrap_or_default().to_owned();
        let description = text("description");
        let lower = description.to_ascii_lowercase();
        let mut listed = Self {
            model: text("model"),
            properties: BTreeMap::new(),
            implied: BTreeSet::new(),
            sos_by_gesture: ["sos button", "panic button", "emergency button"].iter().any(|name| lower.contains(name))
                || lower.contains("emergency") && lower.contains("pendant"),
            falls_by_gesture: lower.contains("fall detect"),
            description,
        };
        let bed = lower.contains("bed ") || lower.contains("sleep") || lower.contains("mattress");
        for expose in definition["exposes"].as_array().into_iter().flatten() {
            listed.take(expose, bed);
        }
        listed.take_bare_alarms();
        listed.implied = listed
            .properties
            .values()
            .filter(|property| !property.setting)
            .filter_map(|property| property.kind)
            .collect();
        if listed.properties.values().any(|property| property.posture) {
            listed.implied.extend([Kind::Fall, Kind::FallWarning, Kind::Presence, Kind::Bed]);
        }
        listed
    }

    fn take(&mut self, expose: &Value, bed: bool) {
        let look_of = expose["type"].as_str().unwrap_or_default();
        if let Some(features) = expose["features"].as_array() {
            if look_of != "composite" {
                features.iter().for_each(|feature| self.take(feature, bed));
            }
            return;
        }
        let Some(property) = expose["property"].as_str() else { return };
        let access = expose["access"].as_u64().unwrap_or(1);
        let values: Vec<String> = expose["values"].as_array().into_iter().flatten().map(word).collect();
        let look = match look_of {
            "binary" => Look::Binary,
            "enum" => Look::Words(&values),
            "numeric" => Look::Number(expose["unit"].as_str().unwrap_or_default()),
            "text" => Look::Text,
            _ => return,
        };
        let name = plain(property, expose["endpoint"].as_str());
        let setting = access & 2 != 0 && !dictionary::NOT_A_SETTING.contains(&property);
        let posture = !setting
            && values.iter().any(|value| value == "falling")
            && values.iter().any(|value| value.contains("posture") || value.contains("bed"));
        let fall = !setting && (name == "fall_status" || name == "fall_down_status" || name == "fall");
        let kind = if fall { Some(Kind::Fall) } else { dictionary::kind(name, look, bed) };
        let on = expose["value_on"].clone();
        let off = expose["value_off"].clone();
        let setting = setting || access & 1 == 0;
        self.properties.insert(property.to_owned(), Property { kind, on, off, setting, posture });
    }

    /// A zone alarm without a name of its own is what its device is for.
    fn take_bare_alarms(&mut self) {
        let Some(kind) = dictionary::described(&self.description) else { return };
        let named = self.properties.values().any(|property| !property.setting && property.kind == Some(kind));
        let gestures = kind == Kind::Sos && self.properties.contains_key("action");
        if named || gestures {
            return;
        }
        for name in ["alarm", "alarm_1", "alarm_status", "alarm_state"] {
            if let Some(property) = self.properties.get_mut(name)
                && !property.setting
                && (matches!(name, "alarm_status" | "alarm_state") || property.on.is_boolean())
            {
                property.kind = Some(kind);
            }
        }
    }

    /// Whether a label of a posture key is what that key only clears in passing.
    pub fn may_clear(&self, key: &str, label: Label) -> bool {
        let fall_or_posture =
            self.properties.get(key).is_some_and(|property| property.posture || property.kind == Some(Kind::Fall));
        fall_or_posture && label.1 == Says::No
    }

    /// Whether the exposes list the key, and whether they list it as a setting.
    pub fn is_listed(&self, key: &str) -> Option<bool> {
        self.properties.get(key).map(|property| property.setting)
    }

    /// What a key's value must mean.
    pub fn expected(&self, key: &str, value: &Value) -> Vec<Label> {
        if key == "linkquality" {
            return if value.is_number() { vec![Label(Kind::Link, Says::Amount)] } else { Vec::new() };
        }
        if key == "action" {
            return self.gesture(value);
        }
        let unlisted;
        let property = match self.properties.get(key) {
            Some(property) => property,
            None => {
                let Some(kind) = self.unlisted(key, value) else { return Vec::new() };
                let on = if kind == Kind::Contact { Value::Bool(false) } else { Value::Bool(true) };
                let off = if kind == Kind::Contact { Value::Bool(true) } else { Value::Bool(false) };
                unlisted = Property { kind: Some(kind), on, off, setting: false, posture: false };
                &unlisted
            }
        };
        if property.setting {
            return Vec::new();
        }
        if property.posture {
            return posture(&word(value));
        }
        property.kind.and_then(|kind| says(kind, property, value).map(|says| says.label(kind))).into_iter().collect()
    }

    /// A key that the exposes do not list means what its name means, where the exposes imply such a kind at all.
    fn unlisted(&self, key: &str, value: &Value) -> Option<Kind> {
        let look = match value {
            Value::Bool(_) => Look::Binary,
            Value::Number(_) => Look::Number(""),
            Value::String(_) => Look::Text,
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        let kind = dictionary::kind(plain(key, None), look, false)?;
        (self.implied.contains(&kind) || kind == Kind::Sos).then_some(kind)
    }

    fn gesture(&self, value: &Value) -> Vec<Label> {
        let gesture = word(value).to_ascii_lowercase();
        let parts: Vec<&str> = gesture.split('_').collect();
        let sos = parts.iter().any(|part| matches!(*part, "sos" | "emergency" | "panic"));
        if sos || self.sos_by_gesture && !gesture.is_empty() && gesture != "none" {
            vec![Label(Kind::Sos, Says::Yes)]
        } else if self.falls_by_gesture && parts.iter().any(|part| matches!(*part, "fall" | "falling")) {
            vec![Label(Kind::Fall, Says::Yes)]
        } else {
            Vec::new()
        }
    }
}

/// What one value says, before it is a label.
enum Said {
    Plain(Says),
    Warning,
}

impl Said {
    fn label(self, kind: Kind) -> Label {
        match self {
            Self::Plain(says) => Label(kind, says),
            Self::Warning => Label(Kind::FallWarning, Says::Yes),
        }
    }
}

fn says(kind: Kind, property: &Property, value: &Value) -> Option<Said> {
    if value.is_null() || value.is_object() || value.is_array() {
        return None;
    }
    let closed_is_on = property.on.as_str().is_some_and(|on| on.to_ascii_lowercase().contains("closed"));
    if !property.on.is_null() && (value == &property.on || value == &property.off) {
        return Some(Said::Plain(if (value == &property.on) != closed_is_on { Says::Yes } else { Says::No }));
    }
    let spoken = word(value).to_ascii_lowercase();
    if dictionary::ABOUT_ITSELF.contains(&spoken.as_str()) {
        return None;
    }
    match (kind, value) {
        (Kind::Battery, Value::Number(number)) => {
            let percent = number.as_f64()?;
            (0.0..=200.0).contains(&percent).then_some(Said::Plain(Says::Amount))
        }
        (Kind::Battery, _) => Some(Said::Plain(match spoken.as_str() {
            "low" | "battery_low" | "true" => Says::Yes,
            _ => Says::No,
        })),
        (Kind::Contact, _) if spoken.contains("closed") => Some(Said::Plain(Says::No)),
        (Kind::Contact, _) if spoken.contains("open") || spoken.contains("tilted") => Some(Said::Plain(Says::Yes)),
        (Kind::Contact, _) => None,
        (Kind::Fall, _) if spoken.contains("maybe") || spoken.contains("warning") => Some(Said::Warning),
        (Kind::Motion, _) if dictionary::STILL.contains(&spoken.as_str()) => Some(Said::Plain(Says::No)),
        (_, Value::Number(number)) => Some(Said::Plain(if number.as_f64()? > 0.0 { Says::Yes } else { Says::No })),
        _ if dictionary::NOT_HAPPENING.contains(&spoken.as_str()) => Some(Said::Plain(Says::No)),
        _ => Some(Said::Plain(Says::Yes)),
    }
}

fn posture(word: &str) -> Vec<Label> {
    let yes = |kind| Label(kind, Says::Yes);
    match word {
        "falling" => vec![yes(Kind::Fall), yes(Kind::Presence)],
        "low_posture" => vec![yes(Kind::FallWarning), yes(Kind::Presence)],
        "on_the_bed" => vec![yes(Kind::Bed), yes(Kind::Presence)],
        "unoccupied" => vec![Label(Kind::Presence, Says::No)],
        "occupied" | "sitting" | "standing" => vec![yes(Kind::Presence)],
        _ => Vec::new(),
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// A property's name without the endpoint or zone it is of.
fn plain<'a>(property: &'a str, endpoint: Option<&str>) -> &'a str {
    let name = endpoint
        .and_then(|endpoint| property.strip_suffix(endpoint))
        .and_then(|name| name.strip_suffix('_'))
        .unwrap_or(property);
    let name = name.strip_suffix("_alarm_1").or_else(|| name.strip_suffix("_alarm_2")).unwrap_or(name);
    let digits = name.trim_end_matches(|c: char| c.is_ascii_digit());
    match digits.strip_suffix('_') {
        Some(rest) if !matches!(name, "alarm_1" | "alarm_2") => rest,
        _ => name,
    }
}
