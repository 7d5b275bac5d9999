//! The scenario language: what happens in a home and around it, one step a line, as a shift leader notes it.
//!
//! Types here, reading in `parse`, acts in `act`, writing in `print`. It runs nothing: the live player and the
//! simulated world each perform the same steps.

use std::time::Duration;

use protocol::settings::Problem;
use protocol::trigger::OrderClass;
use protocol::visit::{Datum, Method};

use crate::device::{Device, Happening, Model};
use crate::dialect::Dialect;

mod act;
mod parse;
mod print;
mod words;

pub use act::parse_act;
pub(crate) use act::{degrees_e7, sides};
pub(crate) use parse::{span, time_of_day, why_no_name};
pub(crate) use print::clock;

/// Says that `act` is beyond the simulator.
pub(crate) fn only_the_world(act: &str) -> String {
    format!("`{act}` is done to the gateway, the centre or their desks, not by devices; the simulator cannot do it")
}

/// A scenario as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// The devices of the home, in the order written.
    pub home: Vec<HomeDevice>,
    /// Settings of the gateway that differ from its defaults, as written; whoever runs the gateway reads them.
    pub rules: Option<String>,
    /// Time of day at which it starts; that of the first step where it has one, else 08:00.
    pub starts_at: Duration,
    /// The steps, none earlier than the one before.
    pub steps: Vec<Step>,
    /// The transcript that is expected, as written; whoever runs the scenario compares it.
    pub expect: Option<String>,
}

impl Scenario {
    /// Reads a scenario; on failure every problem with its line and what to do.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        parse::parse(text)
    }

    /// The home's devices, ready for a pretend radio bridge; `seed` fixes batteries and link quality.
    pub fn devices(&self, seed: u64) -> Vec<Device> {
        self.home.iter().map(|entry| entry.device(seed)).collect()
    }
}

/// One device of the home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeDevice {
    /// What it is there for; decides the model and the role a gateway gives it.
    pub kind: DeviceKind,
    /// Friendly name.
    pub name: String,
    /// Room, where it matters.
    pub room: Option<String>,
}

impl HomeDevice {
    /// The pretend device.
    pub fn device(&self, seed: u64) -> Device {
        Device::new(self.name.clone(), self.kind.model(), self.room.clone(), seed).speaking(self.kind.dialect())
    }
}

/// What a device is in the home for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeviceKind {
    /// SOS button that sends an event for each press.
    Sos,
    /// SOS button with two gestures, both SOS.
    TwoGestureSos,
    /// SOS button that stays pressed until it is released.
    LatchingSos,
    /// "I'm fine" button.
    ImFine,
    /// Button that asks for help with daily life.
    Assistance,
    /// Infrared motion sensor.
    Motion,
    /// Inner door, drawer or lid.
    Door,
    /// The door out of the home.
    ExitDoor,
    /// Bed pad.
    Bed,
    /// Fall radar.
    Fall,
    /// Fall radar that tells posture.
    PostureFall,
    /// Presence radar that tells falls.
    PresenceFall,
    /// Smoke alarm.
    Smoke,
    /// Gas alarm.
    Gas,
    /// Carbon monoxide alarm.
    Co,
    /// Water sensor.
    Leak,
    /// Siren set by `alarm`.
    Siren,
    /// Siren set by `warning`.
    WarningSiren,
    /// 433 MHz pendant through rtl_433.
    Rtl433Pendant,
    /// 433 MHz motion sensor through rtl_433.
    Rtl433Motion,
    /// 433 MHz pendant through Tasmota's RF bridge.
    TasmotaPendant,
    /// 433 MHz pendant through OpenMQTTGateway.
    OpenMqttGatewayPendant,
    /// Motion sensor of an ESPHome node.
    EsphomeMotion,
    /// Door switch of a Tasmota device.
    TasmotaDoor,
    /// SOS button of Shelly's first generation.
    ShellyButton,
    /// SOS button on an input of Shelly's second generation.
    ShellyPlusButton,
    /// SOS button of Shelly BLU through Theengs.
    BleButton,
    /// A neighbour's 433 MHz pendant, heard and nobody's business.
    NeighbourPendant,
}

impl DeviceKind {
    /// Every kind with its word in a scenario.
    pub const WORDS: [(&'static str, Self); 28] = [
        ("sos", Self::Sos),
        ("two_gesture_sos", Self::TwoGestureSos),
        ("latching_sos", Self::LatchingSos),
        ("im_fine", Self::ImFine),
        ("assistance", Self::Assistance),
        ("motion", Self::Motion),
        ("door", Self::Door),
        ("exit_door", Self::ExitDoor),
        ("bed", Self::Bed),
        ("fall", Self::Fall),
        ("posture_fall", Self::PostureFall),
        ("presence_fall", Self::PresenceFall),
        ("smoke", Self::Smoke),
        ("gas", Self::Gas),
        ("co", Self::Co),
        ("leak", Self::Leak),
        ("siren", Self::Siren),
        ("warning_siren", Self::WarningSiren),
        ("rtl_433_pendant", Self::Rtl433Pendant),
        ("rtl_433_motion", Self::Rtl433Motion),
        ("tasmota_pendant", Self::TasmotaPendant),
        ("openmqttgateway_pendant", Self::OpenMqttGatewayPendant),
        ("esphome_motion", Self::EsphomeMotion),
        ("tasmota_door", Self::TasmotaDoor),
        ("shelly_button", Self::ShellyButton),
        ("shelly_plus_button", Self::ShellyPlusButton),
        ("ble_button", Self::BleButton),
        ("neighbour_pendant", Self::NeighbourPendant),
    ];

    /// Its word in a scenario and in the simulator's settings.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }

    /// The model that stands for it.
    pub fn model(self) -> Model {
        match self {
            Self::Sos => Model::SosButton,
            Self::TwoGestureSos => Model::TwoGestureSos,
            Self::LatchingSos => Model::LatchingSos,
            Self::ImFine | Self::Assistance => Model::ClickButton,
            Self::Motion => Model::Motion,
            Self::Door | Self::ExitDoor => Model::Contact,
            Self::Bed => Model::BedPad,
            Self::Fall => Model::FallRadar,
            Self::PostureFall => Model::PostureRadar,
            Self::PresenceFall => Model::PresenceRadar,
            Self::Smoke => Model::Smoke,
            Self::Gas => Model::Gas,
            Self::Co => Model::Co,
            Self::Leak => Model::Leak,
            Self::Siren => Model::Siren,
            Self::WarningSiren => Model::WarningSiren,
            Self::Rtl433Pendant
            | Self::TasmotaPendant
            | Self::OpenMqttGatewayPendant
            | Self::NeighbourPendant
            | Self::ShellyButton
            | Self::ShellyPlusButton
            | Self::BleButton => Model::SosButton,
            Self::Rtl433Motion | Self::EsphomeMotion => Model::Motion,
            Self::TasmotaDoor => Model::Contact,
        }
    }

    /// How it speaks, where it is not Zigbee2MQTT's.
    pub fn dialect(self) -> Option<Dialect> {
        match self {
            Self::Rtl433Pendant | Self::NeighbourPendant => Some(Dialect::Rtl433Pendant),
            Self::Rtl433Motion => Some(Dialect::Rtl433Motion),
            Self::TasmotaPendant => Some(Dialect::TasmotaPendant),
            Self::OpenMqttGatewayPendant => Some(Dialect::OpenMqttGatewayPendant),
            Self::EsphomeMotion => Some(Dialect::EsphomeMotion),
            Self::TasmotaDoor => Some(Dialect::TasmotaDoor),
            Self::ShellyButton => Some(Dialect::ShellyButton),
            Self::ShellyPlusButton => Some(Dialect::ShellyPlusButton),
            Self::BleButton => Some(Dialect::BleButton),
            Self::Sos
            | Self::TwoGestureSos
            | Self::LatchingSos
            | Self::ImFine
            | Self::Assistance
            | Self::Motion
            | Self::Door
            | Self::ExitDoor
            | Self::Bed
            | Self::Fall
            | Self::PostureFall
            | Self::PresenceFall
            | Self::Smoke
            | Self::Gas
            | Self::Co
            | Self::Leak
            | Self::Siren
            | Self::WarningSiren => None,
        }
    }
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Time since the scenario's start, whole milliseconds.
    pub at: Duration,
    /// Its line in the text, from 1; 0 where it was not read from a text.
    pub line: usize,
    /// What happens.
    pub act: Act,
}

/// What happens in a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Something happens to a device.
    Device {
        /// Friendly name.
        device: String,
        /// What happens to it.
        what: Happening,
    },
    /// A sensor chatters: it goes to and fro so often at once.
    Chatter {
        /// Friendly name.
        device: String,
        /// How often each way.
        times: u32,
    },
    /// The last message of a device is delivered once more, as a QoS 1 duplicate.
    DeliverAgain {
        /// Friendly name.
        device: String,
    },
    /// The radio bridge says that a device can be reached, or not.
    Reachable {
        /// Friendly name.
        device: String,
        /// Whether it can be reached.
        online: bool,
    },
    /// The radio bridge stops, starts or both; at each start it replays its cached states.
    RadioBridge(Power),
    /// The elder cancels a running pre-alarm with the product's own button or page.
    Cancel,
    /// The home's battery supply says that the mains is there, or lost.
    Mains(bool),
    /// A caregiver checks in.
    CheckIn(VisitNote),
    /// A caregiver checks out.
    CheckOut(VisitNote),
    /// A text that is no good message.
    Malformed {
        /// Topic.
        topic: String,
        /// Text.
        text: String,
    },
    /// A JSON message as written.
    Raw {
        /// Topic.
        topic: String,
        /// JSON text.
        json: String,
        /// Whether it is flagged retained.
        retained: bool,
    },
    /// A message of so many bytes.
    Oversize {
        /// Topic.
        topic: String,
        /// Bytes.
        bytes: u32,
    },
    /// Time passes.
    Wait,
    /// Something that only a simulated world or a script over whole programs can do.
    World(WorldAct),
}

/// Stopping and starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Power {
    /// It stops, and stays away.
    Down,
    /// It starts.
    Up,
    /// It stops and starts at once.
    Restart,
    /// It is killed without warning, and stays away.
    Kill,
}

/// What only the world can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorldAct {
    /// The centre's program.
    Centre(Power),
    /// The gateway's program.
    Gateway(Power),
    /// The home's mains power: off (the gateway dies with it), or on.
    MainsPower(bool),
    /// The line between home and centre.
    Link(bool),
    /// The gateway's disk takes nothing more, or takes it again.
    DiskFull(bool),
    /// The gateway's wall clock jumps.
    ClockJumps {
        /// By how many seconds, forward or back.
        secs: i64,
    },
    /// The gateway's wall clock becomes trusted or not.
    ClockTrusted(bool),
    /// An installer starts a test of a device and is asked to press it.
    Test(String),
    /// Somebody at a desk does something with a work order.
    Operator {
        /// Sign-in name.
        who: String,
        /// Which open order; none is the one opened last.
        order: Option<OrderClass>,
        /// What they do.
        deed: Deed,
    },
}

/// What a person at a desk does with a work order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Takes it.
    Claims,
    /// Gives it back.
    Releases,
    /// Says that the responder cannot come.
    Withdraws,
    /// Knows that help is in the home.
    Confirms,
    /// Sends a responder.
    Dispatches(String),
    /// Writes a note.
    Notes(String),
    /// Closes it.
    Closes {
        /// Close code, such as `real.medical`.
        code: String,
        /// Outcome, such as `advice`.
        outcome: Option<String>,
    },
}

/// A check-in or check-out as it is noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisitNote {
    /// Staff id.
    pub caregiver: String,
    /// How presence is proven.
    pub method: Method,
    /// The code that is typed; none is the right one of the moment.
    pub code: Option<String>,
    /// Where the phone says it is; none for no fix.
    pub place: Option<Place>,
    /// The service.
    pub service: Option<String>,
    /// What came of it.
    pub outcome: Option<String>,
}

/// Where a caregiver's phone says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// At the home's own position.
    Home,
    /// So many metres north of it.
    North {
        /// Metres.
        metres: u32,
    },
    /// At a point.
    Point {
        /// Latitude, degrees × 10⁷.
        lat_e7: i32,
        /// Longitude, degrees × 10⁷.
        lon_e7: i32,
        /// Datum, where named.
        datum: Option<Datum>,
    },
}

#[cfg(test)]
mod tests;
