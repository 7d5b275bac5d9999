//! Names that Zigbee2MQTT's converters give to what matters here, each with its kind: a list written down from the
//! converters' exposes, on purpose without any of the decoder's reasoning.

use protocol::observation::Kind;

/// How a property publishes its values.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Look<'a> {
    /// `binary`, with its sides.
    Binary,
    /// `enum`, with its values.
    Words(&'a [String]),
    /// `numeric`, with its unit.
    Number(&'a str),
    /// `text`.
    Text,
}

const MOTION: &[&str] = &[
    "occupancy",
    "motion",
    "motion_state",
    "motion_status",
    "human_motion_state",
    "pir_detection",
    "movement",
    "occupancy_status",
    "occupancy_in",
    "occupancy_out",
    "occupancy_or",
    "occupancy_and",
    "motion_up",
    "motion_down",
];
const PRESENCE: &[&str] = &["presence", "presence_state", "presence_event", "human_presence", "presence_status"];
const CONTACT: &[&str] =
    &["contact", "garage_door_contact", "dry_contact", "door", "door_state", "opening_state", "handle_position"];
const WATER: &[&str] = &[
    "water_leak",
    "active_water_leak",
    "water",
    "water_sensor",
    "water_condition_alarm",
    "water_leakage_state",
    "water_leak_both_zones",
    "water_leak_zone",
    "water_leak_wire",
    "leak",
    "flood",
];
const SMOKE: &[&str] = &["smoke", "smoke_state", "smoke_status", "smoke_alarm", "smoke_alarm_state", "smoke_detected"];
const GAS: &[&str] = &["gas", "gas_state", "gas_status", "gas_alarm", "gas_sensor_state", "gas_alarm_state"];
const CO: &[&str] = &["carbon_monoxide", "carbon_monoxide_alarm", "co_state", "co_status", "co_alarm", "co"];
const TAMPER: &[&str] = &["tamper", "tamper_alarm", "tamper_state", "tamper_status"];
const BATTERY_NUMBER: &[&str] = &[
    "battery",
    "battery2",
    "battery_value",
    "battery_level",
    "battery_percentage",
    "battery_life",
    "battpercentage",
    "smoke_battery",
];
const BATTERY_WORD: &[&str] = &["battery_state", "battery_level", "battery_status"];
const BATTERY_FLAG: &[&str] = &["battery_low", "battery_status", "low_battery"];
const SOS: &[&str] = &["sos", "sos_alarm", "panic", "sos_state"];

/// The kind that a published property is about; nothing where it is about nothing here.
pub fn kind(name: &str, look: Look, bed: bool) -> Option<Kind> {
    let is = |names: &[&str]| names.contains(&name);
    let flag = matches!(look, Look::Binary | Look::Words(_) | Look::Text);
    let among = |wanted: &str| matches!(look, Look::Words(values) if values.iter().any(|value| value == wanted));
    let person = |kind| if bed { Kind::Bed } else { kind };
    match look {
        Look::Number(_) if is(BATTERY_NUMBER) || name.starts_with("battery_l") && name[9..].parse::<u8>().is_ok() => {
            return Some(Kind::Battery);
        }
        Look::Number(_) if name == "vibration" => return Some(Kind::Vibration),
        Look::Number(_) => return None,
        Look::Binary if is(BATTERY_FLAG) || name.starts_with("channel_") && name.ends_with("_battery_low") => {
            return Some(Kind::Battery);
        }
        Look::Binary if name == "pressure" => return Some(Kind::Bed),
        Look::Words(values) if name == "power_type" => {
            return values.iter().any(|value| value == "battery_low").then_some(Kind::Battery);
        }
        Look::Words(_) | Look::Text if is(BATTERY_WORD) => return Some(Kind::Battery),
        Look::Words(_) if name == "pressure_state" => return among("sit").then_some(Kind::Bed),
        Look::Words(_) if name == "sensor_status" => return among("activity").then_some(Kind::Motion),
        Look::Words(_) if name == "opening_mode" => return among("closed").then_some(Kind::Contact),
        Look::Words(_) if matches!(name, "state" | "work_state") => {
            return among("presence").then_some(person(Kind::Presence));
        }
        Look::Binary | Look::Words(_) | Look::Text => {}
    }
    if !flag {
        return None;
    }
    if is(SOS) {
        Some(Kind::Sos)
    } else if is(MOTION) || name.starts_with("mmwave_area") && name.ends_with("_occupancy") {
        Some(person(Kind::Motion))
    } else if is(PRESENCE) {
        Some(person(Kind::Presence))
    } else if is(CONTACT) {
        Some(Kind::Contact)
    } else if is(WATER) || name.ends_with("_leak_detect") {
        Some(Kind::Water)
    } else if is(SMOKE) {
        Some(Kind::Smoke)
    } else if is(GAS) {
        Some(Kind::Gas)
    } else if is(CO) {
        Some(Kind::Co)
    } else if name == "vibration" {
        Some(Kind::Vibration)
    } else if is(TAMPER) {
        Some(Kind::Tamper)
    } else {
        None
    }
}

/// Names that stay what they are although a bridge may set them.
pub const NOT_A_SETTING: &[&str] = &["occupancy", "presence", "contact", "sos", "smoke", "water_leak"];

/// Words that say nothing of their kind: they are about the device.
pub const ABOUT_ITSELF: &[&str] = &[
    "unknown",
    "unknown_0",
    "unknown_1",
    "detecting",
    "test",
    "testing",
    "fault",
    "error",
    "error_jammed",
    "error_unspecified",
    "undefined",
    "mute",
    "silence",
    "preheating",
    "away",
    "charging",
    "not_charging",
    "charged",
    "discharging",
    "missing",
    "no_charge",
    "self_test",
    "self_testing",
    "sensor_fault",
];

/// Words that say: it is not happening.
pub const NOT_HAPPENING: &[&str] = &[
    "none",
    "normal",
    "clear",
    "absent",
    "absence",
    "no_presence",
    "no_movement",
    "leave",
    "left_leave",
    "right_leave",
    "none_5min",
    "none_30min",
    "water_leakage_no",
    "off",
    "false",
    "idle",
    "dry",
    "ok",
    "no_alarm",
    "canceled",
    "no",
    "0",
];

/// Words of a motion key that say: somebody is there and still.
pub const STILL: &[&str] = &["static", "peaceful", "stationary", "still", "presence"];

/// The kind of a zone alarm that the device's description alone tells.
pub fn described(description: &str) -> Option<Kind> {
    let text = description.to_ascii_lowercase();
    let says =
        |any_of: &[&str]| any_of.iter().any(|word| text.split(|c: char| !c.is_alphanumeric()).any(|w| w == *word));
    if says(&["smoke", "heat"]) || text.contains("fire detector") {
        Some(Kind::Smoke)
    } else if says(&["siren", "light", "keypad"]) {
        None
    } else if says(&["sos", "panic"]) {
        Some(Kind::Sos)
    } else if says(&["co", "monoxide"]) {
        Some(Kind::Co)
    } else if says(&["gas"]) {
        Some(Kind::Gas)
    } else if says(&["leak", "leakage", "flood"]) {
        Some(Kind::Water)
    } else if says(&["vibration"]) {
        Some(Kind::Vibration)
    } else if says(&["door", "window", "opening"]) && says(&["sensor", "contact"]) {
        Some(Kind::Contact)
    } else {
        None
    }
}
