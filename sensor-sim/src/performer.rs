//! Performs the acts of a scenario on a pretend home: act in, publications out.
//!
//! Pure, and the same for the live player and the simulated world; it never performs an act of the world.

use std::collections::BTreeMap;

use protocol::visit::{Datum, Fix, VisitAct};

use crate::bridge::{RadioBridge, availability};
use crate::payload::{self, VisitCall};
use crate::publication::{Publication, Qos};
use crate::scenario::{Act, Place, Power, VisitNote, WorldAct, sides};

/// Where the home stands, WGS-84, degrees × 10⁷.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HomePosition {
    /// Latitude.
    pub lat_e7: i32,
    /// Longitude.
    pub lon_e7: i32,
}

impl Default for HomePosition {
    /// The demo's home, in Shenyang.
    fn default() -> Self {
        Self { lat_e7: 418_000_000, lon_e7: 1_234_000_000 }
    }
}

/// What an act comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Performed {
    /// These messages go out, in this order.
    Publish(Vec<Publication>),
    /// Only the world can do it.
    World(WorldAct),
}

/// A pretend home that acts are performed on.
#[derive(Debug, Clone)]
pub struct Performer {
    bridge: RadioBridge,
    position: HomePosition,
    code: Option<String>,
    last: BTreeMap<String, Publication>,
}

impl Performer {
    /// A home with this bridge, at this position.
    pub fn new(bridge: RadioBridge, position: HomePosition) -> Self {
        Self { bridge, position, code: None, last: BTreeMap::new() }
    }

    /// The radio bridge.
    pub fn bridge(&self) -> &RadioBridge {
        &self.bridge
    }

    /// The radio bridge, to be told what came over MQTT.
    pub fn bridge_mut(&mut self) -> &mut RadioBridge {
        &mut self.bridge
    }

    /// Learns the presence code that the home shows at the moment.
    pub fn learn_code(&mut self, code: impl Into<String>) {
        self.code = Some(code.into());
    }

    /// The presence code last shown.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Performs one act; `wall_ms` is the phone's clock, Unix milliseconds, for a caregiver's fix.
    pub fn perform(&mut self, act: &Act, wall_ms: i64) -> Performed {
        let out = match act {
            Act::Device { device, what } => {
                let out = self.bridge.happen(device, *what);
                if let Some(report) = out.first() {
                    self.last.insert(device.clone(), report.clone());
                }
                out
            }
            Act::Chatter { device, times } => {
                let model = self.bridge.device(device).map(crate::device::Device::model);
                let sides = model.and_then(sides);
                let all = (0..*times).flat_map(|_| sides).flatten();
                all.flat_map(|what| self.bridge.happen(device, what)).collect()
            }
            Act::DeliverAgain { device } => self.last.get(device).cloned().into_iter().collect(),
            Act::Reachable { device, online } => vec![availability(self.bridge.base(), device, *online)],
            Act::RadioBridge(Power::Down | Power::Kill) => self.bridge.stop(),
            Act::RadioBridge(Power::Up) => self.bridge.start(),
            Act::RadioBridge(Power::Restart) => {
                let mut out = self.bridge.stop();
                out.extend(self.bridge.start());
                out
            }
            Act::Cancel => vec![payload::cancel()],
            Act::Mains(there) => vec![payload::mains(*there)],
            Act::CheckIn(note) => vec![self.visit(VisitAct::CheckIn, note, wall_ms)],
            Act::CheckOut(note) => vec![self.visit(VisitAct::CheckOut, note, wall_ms)],
            Act::Malformed { topic, text } => vec![Publication::bytes(topic.clone(), text.clone())],
            Act::Raw { topic, json, retained } => {
                let mut publication = Publication::bytes(topic.clone(), json.clone()).urgent();
                publication.retain = *retained;
                vec![publication]
            }
            Act::Oversize { topic, bytes } => {
                // QoS 0: a broker may close the connection on it, and a resend would close it again.
                let size = usize::try_from(*bytes).unwrap_or(usize::MAX);
                let mut publication = Publication::bytes(topic.clone(), vec![b'x'; size]);
                publication.qos = Qos::AtMostOnce;
                vec![publication]
            }
            Act::Wait => Vec::new(),
            Act::World(act) => return Performed::World(act.clone()),
        };
        Performed::Publish(out)
    }

    fn visit(&self, act: VisitAct, note: &VisitNote, wall_ms: i64) -> Publication {
        let by_code = note.method == protocol::visit::Method::Code;
        let code = note.code.clone().or_else(|| self.code.clone().filter(|_| by_code));
        payload::visit(&VisitCall {
            act,
            caregiver: note.caregiver.clone(),
            service: note.service.clone(),
            method: note.method,
            code,
            fix: note.place.as_ref().map(|place| self.fix(place, wall_ms)),
            outcome: note.outcome.clone(),
        })
    }

    fn fix(&self, place: &Place, wall_ms: i64) -> Fix {
        let HomePosition { lat_e7, lon_e7 } = self.position;
        let (lat_e7, lon_e7, datum) = match place {
            Place::Home => (lat_e7, lon_e7, Some(Datum::Wgs84)),
            Place::North { metres } => {
                // A degree of latitude is 111.1 km in the cities served; a metre is 90 in these units.
                let north = i32::try_from(*metres).unwrap_or(i32::MAX).saturating_mul(90);
                (lat_e7.saturating_add(north), lon_e7, Some(Datum::Wgs84))
            }
            Place::Point { lat_e7, lon_e7, datum } => (*lat_e7, *lon_e7, *datum),
        };
        Fix { lat_e7, lon_e7, accuracy_m: 12, datum, fixed_at_ms: wall_ms, mock: false }
    }
}

#[cfg(test)]
mod tests;
