//! Single messages, ready to publish, for tests that want exactly what the simulator would send.
//!
//! Each builds a fresh device of that name, so the same call always gives the same bytes.

use serde_json::{Map, Value, json};

use protocol::topics;
use protocol::visit::{Fix, Method, VisitAct};

use crate::bridge;
use crate::device::{Click, Device, Happening, Model};
use crate::publication::Publication;

const BASE: &str = topics::ZIGBEE2MQTT_BASE;

/// What a fresh device of `model` named `device` publishes when `what` happens; none where it cannot tell.
pub fn report(device: &str, model: Model, what: Happening) -> Option<Publication> {
    Device::new(device, model, None, 0).happen(BASE, what)
}

fn sure(device: &str, model: Model, what: Happening) -> Publication {
    // Every pair given below is one the model can tell; the cached state stands in for any other.
    report(device, model, what).unwrap_or_else(|| Device::new(device, model, None, 0).replayed(BASE))
}

/// Where a battery supply says whether it is on the mains.
pub const MAINS_TOPIC: &str = "ups/mains";

/// A battery supply that says it is on the mains, or on its battery.
pub fn mains(there: bool) -> Publication {
    Publication::bytes(MAINS_TOPIC, if there { "ON" } else { "OFF" }).urgent()
}

/// A press of a TS0215A_sos.
pub fn sos_press(device: &str) -> Publication {
    sure(device, Model::SosButton, Happening::Pressed(Click::Single))
}

/// A latching SOS button, pressed or released.
pub fn latching_sos(device: &str, pressed: bool) -> Publication {
    let what = if pressed { Happening::Pressed(Click::Single) } else { Happening::Released };
    sure(device, Model::LatchingSos, what)
}

/// A click of an "I'm fine" or assistance button.
pub fn click(device: &str, click: Click) -> Publication {
    sure(device, Model::ClickButton, Happening::Pressed(click))
}

/// An infrared sensor that sees movement, or none any more.
pub fn motion(device: &str, moving: bool) -> Publication {
    sure(device, Model::Motion, if moving { Happening::Moved } else { Happening::Still })
}

/// A door contact.
pub fn door(device: &str, open: bool) -> Publication {
    sure(device, Model::Contact, if open { Happening::Opened } else { Happening::Closed })
}

/// A bed pad.
pub fn bed(device: &str, occupied: bool) -> Publication {
    sure(device, Model::BedPad, if occupied { Happening::LainDown } else { Happening::GotUp })
}

/// A fall radar (HS2FD-EF1-3.0) that says `fall_alarm`.
pub fn fall(device: &str) -> Publication {
    sure(device, Model::FallRadar, Happening::Fell)
}

/// A fall radar back at `normal`.
pub fn fall_over(device: &str) -> Publication {
    sure(device, Model::FallRadar, Happening::Recovered)
}

/// A smoke alarm.
pub fn smoke(device: &str, smoke: bool) -> Publication {
    sure(device, Model::Smoke, if smoke { Happening::Alarmed } else { Happening::Cleared })
}

/// A water sensor.
pub fn leak(device: &str, wet: bool) -> Publication {
    sure(device, Model::Leak, if wet { Happening::Alarmed } else { Happening::Cleared })
}

/// The body of `bridge/devices` for `devices`, the coordinator first.
pub fn bridge_devices(devices: &[Device]) -> Vec<u8> {
    bridge::list(devices.iter())
}

/// The retained `bridge/devices` message for `devices`.
pub fn device_list(devices: &[Device]) -> Publication {
    Publication::bytes(format!("{BASE}/bridge/devices"), bridge_devices(devices)).retained()
}

/// The retained `bridge/state` message.
pub fn bridge_state(online: bool) -> Publication {
    bridge::bridge_state(BASE, online)
}

/// The retained availability message of one device.
pub fn availability(device: &str, online: bool) -> Publication {
    bridge::availability(BASE, device, online)
}

/// The elder's cancel of a running pre-alarm.
pub fn cancel() -> Publication {
    Publication::json(topics::CANCEL, &json!({ "v": protocol::WIRE_VERSION })).urgent()
}

/// A caregiver's check-in or check-out as a reader or phone sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisitCall {
    /// Check-in or check-out.
    pub act: VisitAct,
    /// Staff id, such as `cg-17`.
    pub caregiver: String,
    /// The service, where given.
    pub service: Option<String>,
    /// How presence is proven.
    pub method: Method,
    /// The presence code, for [`Method::Code`].
    pub code: Option<String>,
    /// The position, where the phone has one.
    pub fix: Option<Fix>,
    /// What came of it (check-out).
    pub outcome: Option<String>,
}

impl VisitCall {
    /// A check-in by code without position.
    pub fn check_in(caregiver: impl Into<String>, code: impl Into<String>) -> Self {
        Self {
            act: VisitAct::CheckIn,
            caregiver: caregiver.into(),
            service: None,
            method: Method::Code,
            code: Some(code.into()),
            fix: None,
            outcome: None,
        }
    }
}

/// A visit message on `homecare/visit`.
pub fn visit(call: &VisitCall) -> Publication {
    let mut body = Map::new();
    let mut put = |key: &str, value: Value| {
        body.insert(key.to_owned(), value);
    };
    put("v", json!(protocol::WIRE_VERSION));
    put("act", json!(call.act));
    put("caregiver", json!(call.caregiver));
    put("method", json!(call.method));
    if let Some(service) = &call.service {
        put("service", json!(service));
    }
    if let Some(code) = &call.code {
        put("code", json!(code));
    }
    if let Some(outcome) = &call.outcome {
        put("outcome", json!(outcome));
    }
    if let Some(fix) = &call.fix {
        let mut point = json!({
            "lat": f64::from(fix.lat_e7) / 1e7, "lon": f64::from(fix.lon_e7) / 1e7, "accuracy_m": fix.accuracy_m,
            "fixed_at": fix.fixed_at_ms, "mock": fix.mock,
        });
        if let Some(datum) = fix.datum {
            point["datum"] = json!(datum);
        }
        put("fix", point);
    }
    Publication::json(topics::VISIT, &Value::Object(body)).urgent()
}
