//! `[[rule]]`: devices that speak MQTT in words of their own, by preset or by hand.

use protocol::settings::{Reading, Table};

use crate::decode::{Condition, GenericRule, Role, Select, TopicPattern};
use crate::home::HomeRules;
use crate::home::supervision::silence::Power;

/// Which ecosystem a rule's names belong to.
#[derive(Clone, Copy)]
enum Preset {
    ByHand,
    Esphome,
    TasmotaRadio,
    TasmotaSwitch,
    ShellyGen1,
    ShellyGen2,
    Rtl433Code,
    OpenMqttGateway433,
    OpenMqttGatewaySrfb,
}

const PRESETS: &[(&str, Preset)] = &[
    ("by_hand", Preset::ByHand),
    ("esphome", Preset::Esphome),
    ("tasmota_radio", Preset::TasmotaRadio),
    ("tasmota_switch", Preset::TasmotaSwitch),
    ("shelly_gen1", Preset::ShellyGen1),
    ("shelly_gen2", Preset::ShellyGen2),
    ("rtl_433_code", Preset::Rtl433Code),
    ("openmqttgateway_433", Preset::OpenMqttGateway433),
    ("openmqttgateway_srfb", Preset::OpenMqttGatewaySrfb),
];

/// Reads every `[[rule]]`; its device gets the rule's role and room in the home.
pub(super) fn read<'t>(reading: &mut Reading, root: &mut Table<'t>, home: &mut HomeRules) -> Vec<GenericRule> {
    let mut rules = Vec::new();
    for mut table in root.tables(reading, "rule") {
        let room = table.text(reading, "room").filter(|room| !room.trim().is_empty());
        let power = table.choice(reading, "power", Power::WORDS);
        if let Some(rule) = rule(reading, &mut table) {
            if let Some(problem) = second_meaning(&rule, home, &rules) {
                reading.note(table.line_of("role"), &table.key("role"), problem);
            }
            let of_rules = !home.devices.contains_key(&rule.device);
            let place = home.devices.entry(rule.device.clone()).or_default();
            place.role.get_or_insert(rule.role);
            if let Some(power) = power {
                place.power = Some(power);
            } else if of_rules && rule.momentary && rule.role.is_button() {
                place.power = Some(Power::OneWay);
            } else if !rule.momentary && place.power == Some(Power::OneWay) {
                // It has a state to tell beside its presses, and so does speak by itself.
                place.power = None;
            }
            place.room = place.room.take().or(room);
            rules.push(rule);
        }
        table.finish(reading);
    }
    rules
}

/// Gestures that frightened hands make instead of one press.
const SECOND_GESTURES: &[&str] = &["double", "triple", "many", "long", "hold", "multi"];

/// Why a rule would give a gesture of an SOS device another meaning: frightened hands press twice.
fn second_meaning(rule: &GenericRule, home: &HomeRules, before: &[GenericRule]) -> Option<String> {
    let is_sos = |role| role == Role::Sos;
    let other = |role: Role| is_sos(role) != is_sos(rule.role);
    let known = home.devices.get(&rule.device).and_then(|place| place.role);
    let same_button = before.iter().find(|earlier| {
        earlier.momentary
            && rule.momentary
            && earlier.topic == rule.topic
            && earlier.select == rule.select
            && earlier.conditions == rule.conditions
            && !earlier.on.iter().any(|value| is_code(value))
            && other(earlier.role)
    });
    let advice =
        "every gesture on an SOS device is an emergency; give life help and \"I'm fine\" a device of their own";
    if known.is_some_and(other) {
        Some(format!("`{}` has another role already: {advice}", rule.device))
    } else if let Some(earlier) = same_button {
        Some(format!("`{}` and `{}` are gestures of one button: {advice}", earlier.device, rule.device))
    } else if is_sos(rule.role)
        && let Some(value) = rule.off.iter().find(|value| has_second_gesture(value))
    {
        Some(format!("`off` takes `{value}` for no press: {advice}"))
    } else {
        None
    }
}

fn has_second_gesture(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    SECOND_GESTURES.iter().any(|gesture| value.contains(gesture))
}

/// A learned radio code names a button of its own, as the keys of one remote do.
fn is_code(value: &str) -> bool {
    value.bytes().any(|byte| byte.is_ascii_digit())
}

fn rule<'t>(reading: &mut Reading, table: &mut Table<'t>) -> Option<GenericRule> {
    let device = table.required_text(reading, "device");
    let role = table.choice(reading, "role", Role::WORDS);
    if role.is_none() {
        reading.note(table.line_of("role"), &table.key("role"), "is required: what the device is for");
    }
    let preset = table.choice(reading, "preset", PRESETS).unwrap_or(Preset::ByHand);
    let mut name = |key| table.required_text(reading, key);
    let device = device.as_str();
    match preset {
        Preset::ByHand => by_hand(reading, table, device, role),
        Preset::Esphome => Some(GenericRule::esphome(device, &name("node"), &name("id"), role?)),
        Preset::TasmotaRadio => Some(GenericRule::tasmota_radio(device, &name("node"), &name("code"), role?)),
        Preset::TasmotaSwitch => Some(GenericRule::tasmota_switch(device, &name("node"), &name("key"), role?)),
        Preset::ShellyGen1 | Preset::ShellyGen2 => {
            let id = name("id");
            let input = table.number(reading, "input", 0..=7, 0) as u8;
            let gen1 = matches!(preset, Preset::ShellyGen1);
            let rule = if gen1 { GenericRule::shelly_gen1_input } else { GenericRule::shelly_gen2_input };
            Some(rule(device, &id, input, role?))
        }
        Preset::Rtl433Code => {
            Some(GenericRule::rtl_433_code(device, &name("model"), &name("id"), &name("code"), role?))
        }
        Preset::OpenMqttGateway433 => Some(GenericRule::openmqttgateway_433(device, &name("code"), role?)),
        Preset::OpenMqttGatewaySrfb => Some(GenericRule::openmqttgateway_srfb(device, &name("code"), role?)),
    }
}

fn by_hand<'t>(reading: &mut Reading, table: &mut Table<'t>, device: &str, role: Option<Role>) -> Option<GenericRule> {
    let line = table.line_of("topic");
    let text = table.required_text(reading, "topic");
    let topic = match TopicPattern::parse(&text) {
        Ok(topic) => Some(topic),
        Err(error) => {
            if !text.is_empty() {
                reading.note(line, &table.key("topic"), error.to_string());
            }
            None
        }
    };
    let select = table.text(reading, "key").map_or(Select::Text, |path| Select::json(&path));
    let on = table.texts(reading, "on").unwrap_or_default();
    let off = table.texts(reading, "off").unwrap_or_default();
    let momentary = table.flag(reading, "momentary", false);
    // Longer than a radio repeats itself, and two presses would be one.
    let debounce_ms = table.number(reading, "debounce_ms", 0..=5_000, 0);
    let count = table.text(reading, "count_key").map(|path| Select::json(&path));
    let mut conditions = Vec::new();
    for mut condition in table.tables(reading, "when") {
        let at = Select::json(&condition.required_text(reading, "key"));
        let equals = condition.required_text(reading, "equals");
        conditions.push(Condition { at, equals });
        condition.finish(reading);
    }
    Some(GenericRule {
        device: device.to_owned(),
        topic: topic?,
        select,
        conditions,
        role: role?,
        on,
        off,
        momentary,
        debounce_ms,
        count,
    })
}
