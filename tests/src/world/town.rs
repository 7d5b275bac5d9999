//! What all homes have in common, made once: their devices, rules, payloads and template days.

use std::time::Duration;

use bytes::Bytes;
use gateway::decode::{Condition, DecoderConfig, GenericRule, Role, Select, TopicPattern, UnknownDevices};
use gateway::engine::{EngineConfig, EngineLimits};
use gateway::home::visit::place::Point;
use gateway::home::{HomeRules, Place};
use gateway::outbox::OutboxTimes;
use protocol::topics::ZIGBEE2MQTT_BASE;
use sensor_sim::bridge::RadioBridge;
use sensor_sim::device::{Device, Happening, Model};
use sensor_sim::dialect::Dialect;
use sensor_sim::life::Life;
use sensor_sim::payload::MAINS_TOPIC;
use sensor_sim::resident::Habits;
use sensor_sim::scenario::{DeviceKind, HomeDevice};

use super::DAY_MS;

/// Template days; homes live them in turn.
const DAYS: u64 = 6;

/// The button of the world's homes.
pub(super) const SOS: &str = "sos bedside";
/// Their latching button.
pub(super) const LATCHING: &str = "sos cord";
/// Their "I'm fine" button.
pub(super) const FINE: &str = "im fine";
/// Their fall radar.
pub(super) const RADAR: &str = "radar";
/// Their smoke alarm.
pub(super) const SMOKE: &str = "smoke kitchen";

/// A message of an ordinary day, ready to go out.
#[derive(Debug, Clone)]
pub(super) struct Sign {
    /// Since midnight.
    pub(super) at_ms: u64,
    pub(super) device: usize,
    pub(super) what: Happening,
    pub(super) payload: Bytes,
}

/// What all homes have in common.
#[derive(Debug)]
pub struct Town {
    pub(super) bridge: RadioBridge,
    pub(super) names: Vec<String>,
    pub(super) topics: Vec<String>,
    pub(super) days: Vec<Vec<Sign>>,
    pub(super) engine: EngineConfig,
}

impl Default for Town {
    fn default() -> Self {
        Self::new()
    }
}

impl Town {
    /// Builds the common home and its days.
    pub fn new() -> Self {
        let entry = |kind, name: &str, room: &str| HomeDevice { kind, name: name.into(), room: Some(room.into()) };
        let home = [
            entry(DeviceKind::Sos, SOS, "bedroom"),
            entry(DeviceKind::LatchingSos, LATCHING, "bathroom"),
            entry(DeviceKind::ImFine, FINE, "living room"),
            entry(DeviceKind::Fall, RADAR, "bathroom"),
            entry(DeviceKind::Smoke, SMOKE, "kitchen"),
            entry(DeviceKind::Motion, "motion hall", "hall"),
            entry(DeviceKind::Motion, "motion bedroom", "bedroom"),
            entry(DeviceKind::Motion, "motion kitchen", "kitchen"),
            entry(DeviceKind::Motion, "motion living", "living room"),
            entry(DeviceKind::ExitDoor, "front door", "hall"),
            entry(DeviceKind::Bed, "bed", "bedroom"),
        ];
        Self::of(&home, true)
    }

    /// A town of such homes; without days nothing happens that nobody does.
    pub(super) fn of(home: &[HomeDevice], with_days: bool) -> Self {
        let devices: Vec<Device> = home.iter().map(|entry| entry.device(1)).collect();
        let names: Vec<String> = home.iter().map(|entry| entry.name.clone()).collect();
        let topics = names.iter().map(|name| format!("{ZIGBEE2MQTT_BASE}/{name}")).collect();
        let exits: Vec<String> =
            home.iter().filter(|entry| entry.kind == DeviceKind::ExitDoor).map(|entry| entry.name.clone()).collect();
        let days = if with_days {
            (0..DAYS).map(|day| template_day(&devices, &names, &exits, day)).collect()
        } else {
            Vec::new()
        };
        Self { bridge: RadioBridge::new(devices), names, topics, days, engine: engine(home, with_days) }
    }
}

fn template_day(devices: &[Device], names: &[String], exits: &[String], day: u64) -> Vec<Sign> {
    let mut living: Vec<Device> = devices.to_vec();
    let life = Life::new(Habits::default(), devices, exits, 100 + day);
    let mut signs = Vec::new();
    for occurrence in life.take_while(|occurrence| occurrence.at < Duration::from_millis(DAY_MS)) {
        let Some(device) = names.iter().position(|name| *name == occurrence.device) else { continue };
        // A radar's day would stand between its falls, which come from the seed.
        if living[device].model() == Model::FallRadar {
            continue;
        }
        let Some(publication) = living[device].happen(ZIGBEE2MQTT_BASE, occurrence.what) else { continue };
        let at_ms = u64::try_from(occurrence.at.as_millis()).unwrap_or(0);
        signs.push(Sign { at_ms, device, what: occurrence.what, payload: Bytes::from(publication.payload) });
    }
    signs
}

fn engine(home: &[HomeDevice], with_days: bool) -> EngineConfig {
    let mut rules = HomeRules::default();
    rules.contacts.contacts = 2;
    if with_days {
        // The template days leave the radar out: its silence would be a fault of the day, not of the home.
        rules.supervision.silence.mains_ms = 30 * DAY_MS;
    }
    let mut decoder = DecoderConfig { unknown_devices: UnknownDevices::JoinedOnly, ..DecoderConfig::without_home() };
    for entry in home {
        if let Some(dialect) = entry.kind.dialect() {
            // A neighbour's pendant is in nobody's configuration.
            if entry.kind != DeviceKind::NeighbourPendant {
                let (rule, role) = rule(dialect, &entry.name);
                decoder.rules.push(rule);
                rules
                    .devices
                    .insert(entry.name.clone(), Place { role: Some(role), room: entry.room.clone(), power: None });
            }
            continue;
        }
        let role = role(entry.kind);
        if let Some(role) = role {
            decoder.devices.insert(entry.name.clone(), role);
        }
        rules.devices.insert(entry.name.clone(), Place { role, room: entry.room.clone(), power: None });
    }
    if let Ok(topic) = TopicPattern::parse(MAINS_TOPIC) {
        decoder.rules.push(GenericRule {
            device: "mains".to_owned(),
            topic,
            select: Select::Text,
            conditions: Vec::new(),
            role: Role::Mains,
            on: vec!["ON".to_owned()],
            off: vec!["OFF".to_owned()],
            momentary: false,
            debounce_ms: 0,
            count: None,
        });
    }
    rules.visit.home = Some(Point { lat: 41.8, lon: 123.4 });
    rules.visit.code_secret = Some(vec![7; 20]);
    EngineConfig {
        rules,
        decoder,
        outbox: OutboxTimes::default(),
        paths: 2,
        limits: EngineLimits { segment_bytes: 48 * 1024, ..EngineLimits::default() },
        version: "world".to_owned(),
    }
}

/// The rule by which an installer makes a device of another ecosystem known.
fn rule(dialect: Dialect, name: &str) -> (GenericRule, Role) {
    let id = dialect.identity(name);
    let by_hand = |topic: &str, key: &str, role| {
        let rule = GenericRule::rtl_433_code(name, "", "", "", role);
        let topic = TopicPattern::parse(topic).unwrap_or_else(|_| rule.topic.clone());
        GenericRule { topic, select: Select::json(key), conditions: Vec::new(), on: Vec::new(), ..rule }
    };
    match dialect {
        Dialect::Rtl433Pendant => (GenericRule::rtl_433_code(name, "Generic-Remote", &id, "196", Role::Sos), Role::Sos),
        Dialect::TasmotaPendant => (GenericRule::tasmota_radio(name, "rf-bridge", &id, Role::Sos), Role::Sos),
        Dialect::OpenMqttGatewayPendant => (GenericRule::openmqttgateway_433(name, &id, Role::Sos), Role::Sos),
        Dialect::EsphomeMotion => (GenericRule::esphome(name, &id, "motion", Role::Motion), Role::Motion),
        Dialect::TasmotaDoor => (GenericRule::tasmota_switch(name, &id, "DOOR", Role::Door), Role::Door),
        Dialect::ShellyButton => (GenericRule::shelly_gen1_input(name, &id, 0, Role::Sos), Role::Sos),
        Dialect::ShellyPlusButton => (GenericRule::shelly_gen2_input(name, &id, 0, Role::Sos), Role::Sos),
        Dialect::BleButton => {
            let rule = by_hand(&format!("home/+/BTtoMQTT/{id}"), "button", Role::Sos);
            (GenericRule { count: Some(Select::json("packet")), debounce_ms: 0, ..rule }, Role::Sos)
        }
        Dialect::Rtl433Motion => {
            let of_it = Condition { at: Select::json("id"), equals: id };
            let rule = by_hand("rtl_433/+/events", "motion", Role::Motion);
            (GenericRule { conditions: vec![of_it], ..rule }, Role::Motion)
        }
    }
}

fn role(kind: DeviceKind) -> Option<Role> {
    match kind {
        DeviceKind::Sos | DeviceKind::TwoGestureSos | DeviceKind::LatchingSos => Some(Role::Sos),
        DeviceKind::ImFine => Some(Role::ImFine),
        DeviceKind::Assistance => Some(Role::Assistance),
        DeviceKind::Motion => Some(Role::Motion),
        DeviceKind::Door => Some(Role::Door),
        DeviceKind::ExitDoor => Some(Role::ExitDoor),
        DeviceKind::Bed => Some(Role::Bed),
        DeviceKind::Fall | DeviceKind::PostureFall | DeviceKind::PresenceFall => Some(Role::Fall),
        DeviceKind::Smoke => Some(Role::Smoke),
        DeviceKind::Gas => Some(Role::Gas),
        DeviceKind::Co => Some(Role::Co),
        DeviceKind::Leak => Some(Role::Water),
        DeviceKind::Siren
        | DeviceKind::WarningSiren
        | DeviceKind::Rtl433Pendant
        | DeviceKind::Rtl433Motion
        | DeviceKind::TasmotaPendant
        | DeviceKind::OpenMqttGatewayPendant
        | DeviceKind::EsphomeMotion
        | DeviceKind::TasmotaDoor
        | DeviceKind::ShellyButton
        | DeviceKind::ShellyPlusButton
        | DeviceKind::BleButton
        | DeviceKind::NeighbourPendant => None,
    }
}
