//! The models that the simulator can pretend to be, with their exposes as Zigbee2MQTT lists them.
//!
//! Data only; what a model does is in its parent.

use serde_json::{Map, Value, json};

/// Where a model's power comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// A battery.
    Battery,
    /// The mains.
    Mains,
}

/// One entry of a definition's exposes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expose {
    /// A key that is true or false: key, value_on, value_off.
    Flag(&'static str, bool, bool),
    /// A flag that may also be set.
    Switch(&'static str),
    /// A key with one of several words.
    Word(&'static str, &'static [&'static str]),
    /// A number: key, unit, lowest, highest.
    Number(&'static str, &'static str, i64, i64),
    /// The write-only composite that makes a siren sound.
    Warning,
}

/// What Zigbee2MQTT says about a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definition {
    /// Model, as in `bridge/devices`.
    pub model: &'static str,
    /// Model id that the device gives over Zigbee.
    pub model_id: &'static str,
    /// Vendor.
    pub vendor: &'static str,
    /// What it is.
    pub description: &'static str,
    /// Its power.
    pub power: Power,
    /// Its exposes.
    pub exposes: &'static [Expose],
}

/// A model that the simulator can pretend to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Model {
    /// Tuya TS0215A_sos: `action: emergency`.
    SosButton,
    /// Loginovo ZG-101Z: `action: sos` or `emergency`, by gesture.
    TwoGestureSos,
    /// Feibit SEB01ZB: `sos: true`, cached until it is released.
    LatchingSos,
    /// SONOFF SNZB-01: `action: single`, `double`, `long`.
    ClickButton,
    /// SONOFF SNZB-03: `occupancy`.
    Motion,
    /// SONOFF SNZB-04P: `contact`, false when open.
    Contact,
    /// OWON SPM915: a pad exposed as `contact`; false while a person is on it.
    BedPad,
    /// Heiman HS2FD-EF1-3.0: `fall_status`.
    FallRadar,
    /// OWON FDS315: `status`, with breathing and place.
    PostureRadar,
    /// Tuya MIR-HE200-TY: `fall_down_status`.
    PresenceRadar,
    /// Tuya TS0205: `smoke`.
    Smoke,
    /// Heiman HS1CG-E: `gas`, on the mains.
    Gas,
    /// Heiman HS1CA-E: `carbon_monoxide`.
    Co,
    /// SONOFF SNZB-05P: `water_leak`.
    Leak,
    /// Tuya TS0216: sounds on `{"alarm":true}`.
    Siren,
    /// iHORN LH-09521: sounds on `{"warning":{"mode":…}}`.
    WarningSiren,
}

const BATTERY: Expose = Expose::Number("battery", "%", 0, 100);
const VOLTAGE: Expose = Expose::Number("voltage", "mV", 0, 4000);
const BATTERY_LOW: Expose = Expose::Flag("battery_low", true, false);
const TAMPER: Expose = Expose::Flag("tamper", true, false);
const OCCUPANCY: Expose = Expose::Flag("occupancy", true, false);
const CONTACT: Expose = Expose::Flag("contact", false, true);
const SOUNDS: &[&str] = &["stop", "burglar", "fire", "emergency", "police_panic", "fire_panic", "emergency_panic"];
const LEVELS: &[&str] = &["low", "medium", "high", "very_high"];

macro_rules! definition {
    ($model:literal, $id:literal, $vendor:literal, $says:literal, $power:ident, [$($expose:expr),*]) => {
        &Definition { model: $model, model_id: $id, vendor: $vendor, description: $says,
            power: Power::$power, exposes: &[$($expose),*] }
    };
}

impl Model {
    /// Every model.
    pub const ALL: [Self; 16] = [
        Self::SosButton,
        Self::TwoGestureSos,
        Self::LatchingSos,
        Self::ClickButton,
        Self::Motion,
        Self::Contact,
        Self::BedPad,
        Self::FallRadar,
        Self::PostureRadar,
        Self::PresenceRadar,
        Self::Smoke,
        Self::Gas,
        Self::Co,
        Self::Leak,
        Self::Siren,
        Self::WarningSiren,
    ];

    /// What Zigbee2MQTT says about it.
    pub fn definition(self) -> &'static Definition {
        use Expose::{Flag, Number, Switch, Word};
        match self {
            Self::SosButton => definition!(
                "TS0215A_sos",
                "TS0215A",
                "Tuya",
                "Emergency button",
                Battery,
                [BATTERY, VOLTAGE, Word("action", &["emergency"])]
            ),
            Self::TwoGestureSos => definition!(
                "ZG-101Z",
                "ZG-101Z",
                "Loginovo",
                "Emergency button",
                Battery,
                [BATTERY_LOW, Word("action", &["sos", "emergency"])]
            ),
            Self::LatchingSos => definition!(
                "SEB01ZB",
                "FB56-SEB01HM1.4",
                "Feibit",
                "Latching emergency button",
                Battery,
                [Flag("sos", true, false), BATTERY_LOW, TAMPER, BATTERY]
            ),
            Self::ClickButton => definition!(
                "SNZB-01",
                "WB01",
                "SONOFF",
                "Wireless button",
                Battery,
                [BATTERY, Word("action", &["single", "double", "long"]), VOLTAGE]
            ),
            Self::Motion => definition!(
                "SNZB-03",
                "MS01",
                "SONOFF",
                "Motion sensor",
                Battery,
                [BATTERY, VOLTAGE, OCCUPANCY, BATTERY_LOW]
            ),
            Self::Contact => definition!(
                "SNZB-04P",
                "SNZB-04P",
                "SONOFF",
                "Contact sensor",
                Battery,
                [CONTACT, BATTERY_LOW, TAMPER, BATTERY]
            ),
            Self::BedPad => definition!(
                "SPM915",
                "SPM915",
                "OWON",
                "Pad that feels a person's weight",
                Battery,
                [BATTERY, CONTACT, BATTERY_LOW, TAMPER]
            ),
            Self::FallRadar => definition!(
                "HS2FD-EF1-3.0",
                "HS2FD-EF1-3.0",
                "Heiman",
                "Fall radar",
                Mains,
                [
                    OCCUPANCY,
                    Word("sensor_status", &["none", "activity", "unknown"]),
                    Word("fall_status", &["normal", "fall_warning", "fall_alarm", "unknown"])
                ]
            ),
            Self::PostureRadar => definition!(
                "FDS315",
                "FDS315",
                "OWON",
                "Fall radar with posture",
                Mains,
                [
                    Word("status", &["unoccupied", "occupied", "sitting", "on_the_bed", "low_posture", "falling"]),
                    Number("breathing_rate", "breaths/min", 0, 60),
                    Number("location_x", "cm", -1000, 1000),
                    Number("location_y", "cm", -1000, 1000)
                ]
            ),
            Self::PresenceRadar => definition!(
                "MIR-HE200-TY",
                "TS0601",
                "Tuya",
                "Presence radar with fall",
                Mains,
                [Flag("presence", true, false), OCCUPANCY, Word("fall_down_status", &["none", "maybe_fall", "fall"])]
            ),
            Self::Smoke => definition!(
                "TS0205",
                "TS0205",
                "Tuya",
                "Smoke alarm",
                Battery,
                [BATTERY, Flag("smoke", true, false), TAMPER]
            ),
            Self::Gas => {
                definition!("HS1CG-E", "GASSensor-EN", "Heiman", "Gas alarm", Mains, [Flag("gas", true, false), TAMPER])
            }
            Self::Co => definition!(
                "HS1CA-E",
                "COSensor-EF-3.0",
                "Heiman",
                "Carbon monoxide alarm",
                Battery,
                [Flag("carbon_monoxide", true, false), BATTERY_LOW, BATTERY]
            ),
            Self::Leak => definition!(
                "SNZB-05P",
                "SNZB-05P",
                "SONOFF",
                "Water sensor",
                Battery,
                [BATTERY, Flag("water_leak", true, false), BATTERY_LOW]
            ),
            Self::Siren => definition!(
                "TS0216",
                "TS0216",
                "Tuya",
                "Siren with flash",
                Battery,
                [BATTERY, Switch("alarm"), Number("volume", "%", 0, 100)]
            ),
            Self::WarningSiren => definition!(
                "LH-09521",
                "LH09521",
                "iHORN",
                "Indoor siren",
                Battery,
                [Expose::Warning, BATTERY_LOW, TAMPER]
            ),
        }
    }

    /// The state after the interview, without battery and link quality.
    pub(super) fn initial_state(self) -> Map<String, Value> {
        let mut state = Map::new();
        for expose in self.definition().exposes {
            match *expose {
                // A closed door, an empty bed, everything else off.
                Expose::Flag("contact", ..) => state.insert("contact".into(), json!(true)),
                Expose::Flag(key, _, off) => state.insert(key.into(), json!(off)),
                Expose::Switch(key) => state.insert(key.into(), json!(false)),
                Expose::Word("action", _) | Expose::Warning => None,
                Expose::Word(key, words) => state.insert(key.into(), json!(words.first())),
                Expose::Number("battery" | "voltage", ..) => None,
                Expose::Number("volume", ..) => state.insert("volume".into(), json!(80)),
                Expose::Number("breathing_rate", ..) => state.insert("breathing_rate".into(), json!(16)),
                Expose::Number(key, ..) => state.insert(key.into(), json!(100)),
            };
        }
        state
    }
}

impl Definition {
    /// Whether it exposes `key`.
    pub fn has(&self, key: &str) -> bool {
        self.exposes.iter().any(|expose| expose.key() == key)
    }

    /// The exposes as JSON, in the shape of `bridge/devices`.
    pub fn exposes_json(&self) -> Value {
        Value::Array(self.exposes.iter().map(|expose| expose.json()).collect())
    }
}

impl Expose {
    /// The property it describes.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Flag(key, ..) | Self::Switch(key) | Self::Word(key, _) | Self::Number(key, ..) => key,
            Self::Warning => "warning",
        }
    }

    fn json(&self) -> Value {
        let key = self.key();
        let mut body = json!({ "name": key, "property": key, "label": label(key), "access": self.access() });
        let more = match self {
            Self::Flag(_, on, off) => json!({ "type": "binary", "value_on": on, "value_off": off }),
            Self::Switch(_) => json!({ "type": "binary", "value_on": true, "value_off": false }),
            Self::Word(_, words) => json!({ "type": "enum", "values": words }),
            Self::Number(_, unit, low, high) => {
                json!({ "type": "numeric", "unit": unit, "value_min": low, "value_max": high })
            }
            Self::Warning => json!({ "type": "composite", "features": [
                part("mode", json!({ "type": "enum", "values": SOUNDS })),
                part("level", json!({ "type": "enum", "values": LEVELS })),
                part("strobe", json!({ "type": "binary", "value_on": true, "value_off": false })),
                part("duration", json!({ "type": "numeric", "unit": "s" })),
            ] }),
        };
        if matches!(key, "battery" | "voltage" | "battery_low" | "tamper" | "action") {
            body["category"] = json!("diagnostic");
        }
        merge(&mut body, more);
        body
    }

    /// Zigbee2MQTT's access bits: 1 published, 2 can be set, 4 can be asked for.
    fn access(&self) -> u8 {
        match self {
            Self::Flag(..) | Self::Word(..) | Self::Number(..) => 1,
            Self::Switch(_) => 3,
            Self::Warning => 2,
        }
    }
}

fn part(key: &str, more: Value) -> Value {
    let mut body = json!({ "name": key, "property": key, "label": label(key), "access": 2 });
    merge(&mut body, more);
    body
}

fn merge(body: &mut Value, more: Value) {
    if let (Value::Object(body), Value::Object(more)) = (body, more) {
        body.extend(more);
    }
}

fn label(key: &str) -> String {
    let spaced = key.replace('_', " ");
    let mut letters = spaced.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
