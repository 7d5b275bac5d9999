//! What one message key means: from its bridge's exposes where there are any, else from its name. Never from a list
//! of models.

use protocol::observation::{Kind, Reading};
use serde::{Deserialize, Serialize};

use super::scalar::Scalar;
use super::words::{contact_said, has_word, words};

/// A value that a bridge names for one side of a binary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Literal {
    Bool(bool),
    Number(i64),
    Text(String),
}

impl Literal {
    fn word(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Bool(_) | Self::Number(_) => None,
        }
    }

    pub(super) fn is(&self, scalar: &Scalar) -> bool {
        match (self, scalar) {
            (Self::Bool(mine), Scalar::Bool(value)) => mine == value,
            #[expect(clippy::cast_precision_loss, reason = "sides of a binary are small numbers")]
            (Self::Number(mine), Scalar::Number(value)) => (*mine as f64 - value).abs() < f64::EPSILON,
            (Self::Text(mine), Scalar::Text(value)) => mine.eq_ignore_ascii_case(value),
            (Self::Bool(_) | Self::Number(_) | Self::Text(_), _) => false,
        }
    }
}

/// What a message key means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Sense {
    /// Two sides; `on` is the kind happening.
    Flag { kind: Kind, on: Literal, off: Literal },
    /// Two sides of a contact.
    Contact { open: Literal, closed: Literal },
    /// A word of an enum.
    Words { kind: Kind },
    /// A word of an enum about an opening.
    ContactWords,
    /// A number; more than nothing is the kind happening.
    Above { kind: Kind },
    /// Per cent.
    BatteryPercent,
    /// Two sides of a low-battery flag.
    BatteryLow { low: Literal, normal: Literal },
    /// low, medium, high.
    BatteryWords,
    /// none, maybe, fall.
    Fall,
    /// Where and how a person is: standing, sitting, in bed, falling.
    Posture,
    /// A gesture per message. `emergency_device`: its bridge calls it an SOS or panic button.
    /// `person_fall`: its bridge calls it a fall detector, and no gesture of it belongs to an object.
    Action { emergency_device: bool, person_fall: bool },
    /// A setting whose name alone would say something.
    Setting,
}

/// How a key's values look.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    Binary { on: Literal, off: Literal },
    Numeric { volume: bool, percent: bool },
    Words(Vec<String>),
    Text,
}

/// What its device is, by the bridge's own description of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Nature {
    /// A bed, mattress or chair pad.
    pub(super) bed: bool,
    /// An SOS, panic or emergency button.
    pub(super) emergency: bool,
    /// A fall detector.
    pub(super) fall: bool,
    /// What its bare `alarm` is about, where it has no key that says so itself.
    pub(super) alarm: Option<Kind>,
}

impl Nature {
    /// Reads a description such as `Bed occupancy sensor`.
    pub(super) fn of(description: &str) -> Self {
        let has = |any_of| has_word(description, any_of);
        Self {
            bed: (has(&["bed", "mattress", "pillow", "chair", "seat", "sleeping"])
                || has(&["pressure"]) && has(&["pad"]))
                && !has(&["lamp", "light", "switch"]),
            emergency: has(&["sos", "panic", "emergency"])
                && has(&["button", "pendant", "cord", "call", "alarm", "remote", "switch"])
                && !has(&["keypad", "light", "siren"]),
            fall: has(&["fall"]),
            alarm: Self::alarm(description),
        }
    }
}

impl Nature {
    /// A smoke detector may publish nothing but the zone alarm it was certified with.
    fn alarm(description: &str) -> Option<Kind> {
        let has = |any_of| has_word(description, any_of);
        // One that listens for a smoke alarm's siren is a smoke detector, whatever words it takes to say so.
        if has(&["smoke"]) || has(&["heat", "fire"]) && has(&["alarm", "detector"]) {
            Some(Kind::Smoke)
        } else if has(&["siren", "light", "keypad"]) {
            None
        } else if has(&["sos", "panic"]) {
            Some(Kind::Sos)
        } else if has(&["co", "monoxide"]) {
            Some(Kind::Co)
        } else if has(&["gas"]) {
            Some(Kind::Gas)
        } else if has(&["leak", "leakage", "flood"]) {
            Some(Kind::Water)
        } else if has(&["vibration"]) {
            Some(Kind::Vibration)
        } else if has(&["door", "window", "opening"]) && has(&["sensor", "contact"]) {
            Some(Kind::Contact)
        } else {
            None
        }
    }
}

/// Words that may stand around a sense's own without changing it.
const AROUND: &[&str] = &["alarm", "state", "status", "detected", "detect", "detection", "sensor", "active", "warning"];

/// Where in the device's view it is: `occupancy_in`, `motion_up`, `mmwave_area1_occupancy`.
const PLACE: &[&str] = &["in", "out", "and", "or", "up", "down", "left", "right", "mmwave", "radar", "area", "zone"];

/// What a key means, by its name and the look of its values; nothing where it says nothing about a person or device.
pub(super) fn sense(name: &str, shape: Shape, nature: Nature) -> Option<Sense> {
    let name = name.to_ascii_lowercase();
    if name == "action" {
        return Some(action(&shape, nature));
    }
    if let Some(sense) = battery(&name, &shape) {
        return Some(sense);
    }
    if is_posture(&name, &shape) {
        return Some(Sense::Posture);
    }
    if is_opening(&name) {
        return match shape {
            // The side that a bridge calls on is the one its alarm is about: open; unless its word says closed.
            Shape::Binary { on, off } if on.word().and_then(contact_said) == Some(Reading::Closed) => {
                Some(Sense::Contact { open: off, closed: on })
            }
            Shape::Binary { on, off } => Some(Sense::Contact { open: on, closed: off }),
            Shape::Words(_) | Shape::Text => Some(Sense::ContactWords),
            Shape::Numeric { .. } => None,
        };
    }
    let named = kind_of(&name, &shape)?;
    let kind = if nature.bed && matches!(named, Kind::Motion | Kind::Presence) { Kind::Bed } else { named };
    match shape {
        Shape::Binary { on, off } => Some(Sense::Flag { kind, on, off }),
        Shape::Words(_) | Shape::Text if kind == Kind::Fall => Some(Sense::Fall),
        Shape::Words(_) | Shape::Text => Some(Sense::Words { kind }),
        Shape::Numeric { volume, .. } => {
            // 0 and 1 of a press, fall or shock; a concentration's threshold is the sensor's own business.
            let counts = !volume && matches!(kind, Kind::Vibration | Kind::Sos | Kind::Fall);
            counts.then_some(Sense::Above { kind })
        }
    }
}

fn action(shape: &Shape, nature: Nature) -> Sense {
    const OF_AN_OBJECT: &[&str] =
        &["flip", "flip90", "flip180", "shake", "slide", "rotate", "throw", "drop", "tilt", "tap", "vibration"];
    let of_an_object = match shape {
        Shape::Words(values) => values
            .iter()
            .any(|value| words(value).any(|word| OF_AN_OBJECT.iter().any(|known| word.eq_ignore_ascii_case(known)))),
        Shape::Binary { .. } | Shape::Numeric { .. } | Shape::Text => false,
    };
    Sense::Action { emergency_device: nature.emergency, person_fall: nature.fall && !of_an_object }
}

fn battery(name: &str, shape: &Shape) -> Option<Sense> {
    // `battery2` and `battpercentage` are written so by some.
    let plain = |word: &str| word.trim_end_matches(|c: char| c.is_ascii_digit()) == "battery";
    let is_battery = words(name).any(plain) || name == "battpercentage";
    let powers = |values: &[String]| name == "power_type" && values.iter().any(|value| value.starts_with("battery_"));
    let rest: Vec<&str> = words(name).filter(|word| !plain(word) && !matches!(*word, "channel" | "input")).collect();
    match (rest.as_slice(), shape) {
        (_, Shape::Words(values)) if powers(values) => Some(Sense::BatteryWords),
        _ if !is_battery => None,
        (["low"] | ["status"], Shape::Binary { on, off }) => {
            Some(Sense::BatteryLow { low: on.clone(), normal: off.clone() })
        }
        ([] | ["percentage" | "level" | "remaining" | "value"], Shape::Numeric { .. })
        | (_, Shape::Numeric { percent: true, .. }) => Some(Sense::BatteryPercent),
        ([] | ["state" | "level" | "status"], Shape::Words(_) | Shape::Text) => Some(Sense::BatteryWords),
        _ => None,
    }
}

fn is_posture(name: &str, shape: &Shape) -> bool {
    const WHERE: &[&str] = &["sitting", "standing", "occupied", "unoccupied", "bed", "posture", "lying", "walking"];
    match shape {
        Shape::Words(values) => {
            values.iter().any(|value| has_word(value, &["fall", "falling", "fallen"]))
                && values.iter().any(|value| has_word(value, WHERE))
        }
        Shape::Text => matches!(name, "posture" | "posture_state"),
        Shape::Binary { .. } | Shape::Numeric { .. } => false,
    }
}

fn is_opening(name: &str) -> bool {
    const BESIDE: &[&str] = &["state", "status", "mode", "sensor", "alarm", "garage", "dry", "position"];
    let mut rest = words(name).filter(|word| !BESIDE.contains(word));
    match (rest.next(), rest.next(), rest.next()) {
        (Some("contact" | "opening" | "handle"), None, None) | (Some("door"), Some("contact"), None) => true,
        (Some("door"), None, None) => !name.contains("position"),
        _ => false,
    }
}

fn kind_of(name: &str, shape: &Shape) -> Option<Kind> {
    let mut all: Vec<&str> = words(name).collect();
    if matches!(shape, Shape::Binary { .. }) && all.iter().any(|word| matches!(*word, "occupancy" | "motion")) {
        all.retain(|word| !PLACE.contains(&word.trim_end_matches(|c: char| c.is_ascii_digit())));
    }
    let all = all;
    let is = |own: &[&str]| {
        all.len() >= own.len() && all[..own.len()] == *own && all[own.len()..].iter().all(|word| AROUND.contains(word))
    };
    let binary = matches!(shape, Shape::Binary { .. });
    let enumerated = |word: &str| match shape {
        Shape::Words(values) => values.iter().any(|value| has_word(value, &[word])),
        Shape::Binary { .. } | Shape::Numeric { .. } | Shape::Text => false,
    };
    if is(&["sos"]) || is(&["panic"]) {
        Some(Kind::Sos)
    } else if is(&["fall"]) || is(&["fall", "down"]) || is(&["falling"]) || is(&["person", "fall"]) {
        Some(Kind::Fall)
    } else if is(&["occupancy"])
        || is(&["motion"])
        || is(&["pir"])
        || is(&["movement"])
        || is(&["human", "motion"])
        || (all == ["sensor", "status"] && enumerated("activity"))
    {
        Some(Kind::Motion)
    } else if is(&["presence"])
        || is(&["human", "presence"])
        || all == ["presence", "event"]
        || (matches!(all.as_slice(), ["state"] | ["work", "state"]) && enumerated("presence"))
    {
        Some(Kind::Presence)
    } else if is(&["bed"])
        || is(&["bed", "occupancy"])
        || is(&["bed", "presence"])
        || (all == ["pressure"] && binary)
        || (all == ["pressure", "state"] && enumerated("sit"))
    {
        Some(Kind::Bed)
    } else if is(&["smoke"]) {
        Some(Kind::Smoke)
    } else if is(&["gas"]) || is(&["gas", "leak"]) || is(&["combustible", "gas"]) || is(&["natural", "gas"]) {
        Some(Kind::Gas)
    } else if is(&["carbon", "monoxide"]) || is(&["co"]) {
        Some(Kind::Co)
    } else if is_water(&all) {
        Some(Kind::Water)
    } else if is(&["vibration"]) {
        Some(Kind::Vibration)
    } else if is(&["tamper"]) {
        Some(Kind::Tamper)
    } else {
        None
    }
}

fn is_water(all: &[&str]) -> bool {
    all.iter().any(|word| matches!(*word, "leak" | "flood" | "flooding"))
        && all.iter().all(|word| {
            matches!(*word, "water" | "leak" | "flood" | "flooding" | "input" | "channel" | "zone")
                || AROUND.contains(word)
        })
        || matches!(
            all,
            ["water"]
                | ["water", "detected" | "alarm" | "sensor"]
                | ["water", "condition", "alarm"]
                | ["water", "leakage", ..]
        )
}

impl Sense {
    /// The kinds that the key's values can tell of; a gesture is told by its device's role, not here.
    pub(super) fn kinds(&self) -> Vec<Kind> {
        match self {
            Self::Flag { kind, .. } | Self::Words { kind } | Self::Above { kind } => vec![*kind],
            Self::Contact { .. } | Self::ContactWords => vec![Kind::Contact],
            Self::BatteryPercent | Self::BatteryLow { .. } | Self::BatteryWords => vec![Kind::Battery],
            Self::Fall => vec![Kind::Fall, Kind::FallWarning],
            Self::Posture => vec![Kind::Fall, Kind::FallWarning, Kind::Presence, Kind::Bed],
            Self::Action { .. } | Self::Setting => Vec::new(),
        }
    }

    /// Whether the key's values can tell of a kind.
    pub(super) fn tells(&self, asked: Kind) -> bool {
        self.kinds().contains(&asked)
    }
}

/// The setting of a cube that sounds like a fall.
const OF_A_CUBE: &str = "fall_detection";

/// Whether a key of this name sounds as if it said something.
pub(super) fn speaks_by_name(name: &str) -> bool {
    let values = [Scalar::Bool(true), Scalar::Number(1.0), Scalar::Text("falling".into())];
    name == OF_A_CUBE || values.iter().any(|value| sense_by_name(name, value).is_some())
}

/// What a key means where no exposes are known: by its name and the first value seen.
pub(super) fn sense_by_name(name: &str, value: &Scalar) -> Option<Sense> {
    const POSTURES: &[&str] = &["falling", "fallen", "posture", "bed", "sitting", "occupied", "unoccupied"];
    // By itself it is what a cube's setting is called; a fall sensor's key is listed by its bridge.
    if name == OF_A_CUBE {
        return None;
    }
    let bools = || Shape::Binary { on: Literal::Bool(true), off: Literal::Bool(false) };
    let shape = match value {
        Scalar::Null if name == "action" => Shape::Text,
        Scalar::Null | Scalar::Nested => return None,
        // A contact is closed when true, by the convention of Zigbee2MQTT.
        Scalar::Bool(_) if is_opening(name) => Shape::Binary { on: Literal::Bool(false), off: Literal::Bool(true) },
        Scalar::Bool(_) => bools(),
        Scalar::Number(_) => Shape::Numeric { volume: false, percent: false },
        // A bare `status` is anything's; these words are a person's.
        Scalar::Text(word) if name == "status" => return has_word(word, POSTURES).then_some(Sense::Posture),
        Scalar::Text(_) => Shape::Text,
    };
    sense(name, shape, Nature::default())
}
