//! What does not speak Zigbee2MQTT: pendants and sensors of 433 MHz, ESPHome, Tasmota, Shelly and BLE, as their own
//! firmware or radio gateway publishes them, with the repeats that the air brings.
//!
//! Pure; topics, keys and words are the ecosystems' own.

use serde_json::{Value, json};

use crate::device::{Click, Device, Happening};
use crate::dice::Dice;
use crate::publication::Publication;

/// How a device speaks instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dialect {
    /// A fixed-code pendant through rtl_433: `rtl_433/pi/events`, four times for one press.
    Rtl433Pendant,
    /// A Kerui motion sensor through rtl_433: motion, never its end.
    Rtl433Motion,
    /// A pendant through Tasmota's RF bridge: `tele/rf-bridge/RESULT`.
    TasmotaPendant,
    /// A pendant through OpenMQTTGateway: `home/omg/433toMQTT`.
    OpenMqttGatewayPendant,
    /// An ESPHome node's motion sensor: `<node>/binary_sensor/motion/state`, retained as its firmware does.
    EsphomeMotion,
    /// A Tasmota device with a door switch: `stat/<node>/DOOR`.
    TasmotaDoor,
    /// A Shelly button of the first generation: `shellies/<node>/input_event/0`.
    ShellyButton,
    /// A Shelly input of the second: `<node>/events/rpc`.
    ShellyPlusButton,
    /// A Shelly BLU button through Theengs: `home/omg/BTtoMQTT/<address>`.
    BleButton,
}

impl Dialect {
    /// The node, id, code or address by which the ecosystem knows the device of this name; made from the name alone.
    pub fn identity(self, name: &str) -> String {
        let id = Dice::named(433, name).throw();
        match self {
            Self::Rtl433Pendant => (id & 0xffff).to_string(),
            Self::Rtl433Motion => format!("0x{:05x}", id & 0xf_ffff),
            Self::TasmotaPendant => format!("{:06X}", id & 0xff_ffff),
            Self::OpenMqttGatewayPendant => (id & 0xff_ffff).to_string(),
            Self::BleButton => format!("{:012X}", id & 0xffff_ffff_ffff),
            Self::EsphomeMotion | Self::TasmotaDoor => {
                name.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-")
            }
            Self::ShellyButton => format!("shellybutton1-{:012X}", id & 0xffff_ffff_ffff),
            Self::ShellyPlusButton => format!("shellyplusi4-{:012x}", id & 0xffff_ffff_ffff),
        }
    }

    /// What is published when `what` happens; `count` is how many times something happened to the device before.
    /// Nothing where the device cannot tell.
    pub fn report(self, device: &Device, what: Happening, count: u32) -> Vec<Publication> {
        let id = self.identity(device.name());
        let said = match self {
            Self::Rtl433Pendant | Self::TasmotaPendant | Self::OpenMqttGatewayPendant => pendant(self, &id, what),
            Self::Rtl433Motion => kerui(&id, what),
            Self::EsphomeMotion => two_sides(what, Happening::Moved, Happening::Still).map(|word| {
                let topic = format!("{id}/binary_sensor/motion/state");
                Said { times: 1, publication: Publication::bytes(topic, word).retained() }
            }),
            Self::TasmotaDoor => two_sides(what, Happening::Opened, Happening::Closed)
                .map(|word| Said { times: 1, publication: Publication::bytes(format!("stat/{id}/DOOR"), word) }),
            Self::ShellyButton => shelly(&id, what, count),
            Self::ShellyPlusButton => shelly_plus(&id, what, count),
            Self::BleButton => ble(&id, what, count, device),
        };
        let Some(Said { times, mut publication }) = said else { return Vec::new() };
        publication.urgent = what.is_urgent();
        vec![publication; times]
    }
}

/// A message and how often the air repeats it.
struct Said {
    times: usize,
    publication: Publication,
}

fn said(times: usize, topic: String, body: &Value) -> Option<Said> {
    Some(Said { times, publication: Publication::json(topic, body) })
}

fn two_sides(what: Happening, on: Happening, off: Happening) -> Option<&'static str> {
    if what == on {
        Some("ON")
    } else if what == off {
        Some("OFF")
    } else {
        None
    }
}

/// A pendant has one code for everything it can say.
fn pendant(dialect: Dialect, id: &str, what: Happening) -> Option<Said> {
    let Happening::Pressed(_) = what else { return None };
    if dialect == Dialect::TasmotaPendant {
        let body = json!({ "RfReceived": { "Sync": 12470, "Low": 420, "High": 1220, "Data": id, "RfKey": "None" } });
        said(2, "tele/rf-bridge/RESULT".into(), &body)
    } else if dialect == Dialect::OpenMqttGatewayPendant {
        let value: u64 = id.parse().unwrap_or_default();
        let body = json!({ "value": value, "protocol": 1, "length": 24, "delay": 350 });
        said(3, "home/omg/433toMQTT".into(), &body)
    } else {
        let id: u64 = id.parse().unwrap_or_default();
        let body = json!({ "model": "Generic-Remote", "id": id, "cmd": 196, "tristate": "ZZXX10ZZ1ZX0" });
        said(4, "rtl_433/pi/events".into(), &body)
    }
}

fn kerui(id: &str, what: Happening) -> Option<Said> {
    let body = if what == Happening::Moved {
        json!({ "model": "Kerui-Security", "id": id, "cmd": "0xa", "motion": 1, "state": "motion" })
    } else if what == Happening::Tampered {
        json!({ "model": "Kerui-Security", "id": id, "cmd": "0xb", "tamper": 1, "state": "tamper" })
    } else if matches!(what, Happening::BatteryAt(0..15)) {
        json!({ "model": "Kerui-Security", "id": id, "cmd": "0xf", "battery_ok": 0, "state": "battery" })
    } else {
        return None;
    };
    said(3, "rtl_433/pi/events".into(), &body)
}

fn shelly(id: &str, what: Happening, count: u32) -> Option<Said> {
    let Happening::Pressed(click) = what else { return None };
    let event = match click {
        Click::Single => "S",
        Click::Double => "SS",
        Click::Long => "L",
    };
    said(2, format!("shellies/{id}/input_event/0"), &json!({ "event": event, "event_cnt": count }))
}

fn shelly_plus(id: &str, what: Happening, count: u32) -> Option<Said> {
    let Happening::Pressed(click) = what else { return None };
    let event = match click {
        Click::Single => "single_push",
        Click::Double => "double_push",
        Click::Long => "long_push",
    };
    let ts = 1_760_000_000.5 + f64::from(count);
    let events = json!([{ "component": "input:0", "id": 0, "event": event, "ts": ts }]);
    let body = json!({ "src": id, "dst": format!("{id}/events"), "method": "NotifyEvent",
                       "params": { "ts": ts, "events": events } });
    said(1, format!("{id}/events/rpc"), &body)
}

fn ble(address: &str, what: Happening, count: u32, device: &Device) -> Option<Said> {
    let button = if let Happening::Pressed(click) = what {
        match click {
            Click::Single => 1,
            Click::Double => 2,
            Click::Long => 4,
        }
    } else if what == Happening::Beat || matches!(what, Happening::BatteryAt(_)) {
        0
    } else {
        return None;
    };
    let pairs: Vec<&str> = (0..6).filter_map(|at| address.get(2 * at..2 * at + 2)).collect();
    let battery = device.cached().get("battery").cloned().unwrap_or(json!(100));
    let mut body = json!({ "id": pairs.join(":"), "name": "SBBT-002C", "brand": "Shelly", "model_id": "SBBT-002C",
                           "type": "BTN", "packet": count % 256, "batt": battery, "rssi": -60 });
    if button > 0 {
        body["button"] = json!(button);
    }
    said(5, format!("home/omg/BTtoMQTT/{address}"), &body)
}

#[cfg(test)]
mod tests;
