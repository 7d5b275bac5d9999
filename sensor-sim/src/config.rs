//! The simulator's settings: which broker, which home, whose habits. Reads text; opens no file.

use protocol::settings::{Problem, Reading, Table};

use crate::device::Device;
use crate::performer::HomePosition;
use crate::resident::Habits;
use crate::scenario::{DeviceKind, HomeDevice, degrees_e7, span, time_of_day, why_no_name};
use crate::wires::BrokerConfig;

/// Devices that one home may have at most.
const DEVICES_MAX: usize = 500;

/// A pretend home and where it speaks to.
#[derive(Debug, Clone, PartialEq)]
pub struct SimConfig {
    /// The broker and the sign-ins.
    pub broker: BrokerConfig,
    /// Zigbee2MQTT's base topic.
    pub base: String,
    /// Whether each action also goes to `<name>/action`, as with the Home Assistant integration.
    pub action_twin: bool,
    /// Seed; none draws one.
    pub seed: Option<u64>,
    /// Where the home stands.
    pub position: HomePosition,
    /// The elder's habits.
    pub habits: Habits,
    /// The devices.
    pub home: Vec<HomeDevice>,
}

impl Default for SimConfig {
    /// The demo's home on a broker at 127.0.0.1:1883 without sign-in.
    fn default() -> Self {
        Self {
            broker: BrokerConfig {
                host: "127.0.0.1".into(),
                port: 1883,
                client_id: "sensor-sim".into(),
                bridge: None,
                panel: None,
            },
            base: protocol::topics::ZIGBEE2MQTT_BASE.into(),
            action_twin: false,
            seed: None,
            position: HomePosition::default(),
            habits: Habits::default(),
            home: demo_home(),
        }
    }
}

/// The devices of the demo's home.
pub fn demo_home() -> Vec<HomeDevice> {
    let devices = [
        (DeviceKind::Sos, "sos bedside", "bedroom"),
        (DeviceKind::LatchingSos, "sos bathroom", "bathroom"),
        (DeviceKind::ImFine, "fine button", "living room"),
        (DeviceKind::Fall, "bath radar", "bathroom"),
        (DeviceKind::Motion, "hall motion", "hall"),
        (DeviceKind::Motion, "bedroom motion", "bedroom"),
        (DeviceKind::Motion, "kitchen motion", "kitchen"),
        (DeviceKind::Motion, "living motion", "living room"),
        (DeviceKind::ExitDoor, "front door", "hall"),
        (DeviceKind::Bed, "bed pad", "bedroom"),
        (DeviceKind::Smoke, "kitchen smoke", "kitchen"),
        (DeviceKind::Leak, "bath leak", "bathroom"),
    ];
    let device =
        |(kind, name, room): (DeviceKind, &str, &str)| HomeDevice { kind, name: name.into(), room: Some(room.into()) };
    devices.into_iter().map(device).collect()
}

impl SimConfig {
    /// The devices with their state, for `seed`.
    pub fn devices(&self, seed: u64) -> Vec<Device> {
        self.home.iter().map(|entry| entry.device(seed)).collect()
    }

    /// The names of the doors out of the home.
    pub fn exit_doors(&self) -> Vec<String> {
        let exits = self.home.iter().filter(|entry| entry.kind == DeviceKind::ExitDoor);
        exits.map(|entry| entry.name.clone()).collect()
    }

    /// Reads settings; what is not written keeps the default. Every problem at once.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let mut config = Self::default();
        let (mut reading, mut root) = Reading::start(text);
        let mut broker = root.table(&mut reading, "broker");
        config.broker = read_broker(&mut broker, &mut reading, &config.broker);
        broker.finish(&mut reading);
        if let Some(base) = root.parsed(&mut reading, "base", base_topic) {
            config.base = base;
        }
        config.action_twin = root.flag(&mut reading, "action_twin", false);
        config.seed = Some(root.number(&mut reading, "seed", 1..=i64::MAX.unsigned_abs(), 0)).filter(|seed| *seed > 0);
        let mut home = root.table(&mut reading, "home");
        let degrees = |text: &str| degrees_e7(text).ok_or("write degrees as a text, such as \"41.8000\"");
        if let Some(lat_e7) = home.parsed(&mut reading, "latitude", degrees) {
            config.position.lat_e7 = lat_e7;
        }
        if let Some(lon_e7) = home.parsed(&mut reading, "longitude", degrees) {
            config.position.lon_e7 = lon_e7;
        }
        home.finish(&mut reading);
        let mut habits = root.table(&mut reading, "resident");
        config.habits = read_habits(&mut habits, &mut reading);
        habits.finish(&mut reading);
        let devices = root.tables(&mut reading, "device");
        if !devices.is_empty() {
            config.home = read_devices(devices, &mut reading);
        }
        root.finish(&mut reading);
        let problems = reading.into_problems();
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }
}

fn read_broker<'t>(table: &mut Table<'t>, reading: &mut Reading, default: &BrokerConfig) -> BrokerConfig {
    let address = table.parsed(reading, "address", host_port);
    let (host, port) = address.unwrap_or((default.host.clone(), default.port));
    let client_id = table.text(reading, "client_id").unwrap_or_else(|| default.client_id.clone());
    let mut sign_in = |user: &'static str, password: &'static str| {
        let (name, secret) = (table.text(reading, user), table.text(reading, password));
        if name.is_none() && secret.is_some() {
            reading.note(table.line_of(password), &table.key(password), format!("needs `{user}` beside it"));
        }
        name.map(|name| (name, secret.unwrap_or_default()))
    };
    let bridge = sign_in("username", "password");
    let panel = sign_in("panel_username", "panel_password");
    BrokerConfig { host, port, client_id, bridge, panel }
}

fn read_habits<'t>(table: &mut Table<'t>, reading: &mut Reading) -> Habits {
    let default = Habits::default();
    let clock = |text: &str| time_of_day(text).ok_or("write a time of day, such as \"06:30\"");
    Habits {
        wakes_at: table.parsed(reading, "wakes_at", clock).unwrap_or(default.wakes_at),
        sleeps_at: table.parsed(reading, "sleeps_at", clock).unwrap_or(default.sleeps_at),
        goes_out_percent: table.number(reading, "goes_out_percent", 0..=100, default.goes_out_percent),
        naps_percent: table.number(reading, "naps_percent", 0..=100, default.naps_percent),
        visitor_percent: table.number(reading, "visitor_percent", 0..=100, default.visitor_percent),
        night_trips_max: table.number(reading, "night_trips_max", 0..=10, default.night_trips_max),
        pet: table.flag(reading, "pet", default.pet),
        collapses_at: table.parsed(reading, "collapses_after", span),
    }
}

fn read_devices<'t>(tables: Vec<Table<'t>>, reading: &mut Reading) -> Vec<HomeDevice> {
    let mut home: Vec<HomeDevice> = Vec::new();
    for mut table in tables {
        let name = table.required_text(reading, "name");
        let kind = table.choice(reading, "kind", &DeviceKind::WORDS);
        let room = table.text(reading, "room");
        let line = table.line();
        if kind.is_none() && table.line_of("kind") == line {
            reading.note(line, &table.key("kind"), "is required");
        }
        if home.iter().any(|device| device.name == name) {
            reading.note(line, &table.key("name"), format!("`{name}` is there already; each name once"));
        } else if home.len() >= DEVICES_MAX {
            reading.note(line, &table.key("name"), format!("more than {DEVICES_MAX} devices"));
        } else if let Some(why) = why_no_name(&name).filter(|_| !name.is_empty()) {
            reading.note(line, &table.key("name"), why);
        } else if let Some(kind) = kind {
            home.push(HomeDevice { kind, name, room });
        }
        table.finish(reading);
    }
    home
}

/// Reads `host:port`; an IPv6 host stands in brackets.
pub fn host_port(text: &str) -> Result<(String, u16), String> {
    let wrong = || format!("`{text}` is no address; write host:port, such as 127.0.0.1:1883");
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?;
    if host.is_empty() || host.contains(char::is_whitespace) { Err(wrong()) } else { Ok((host.to_owned(), port)) }
}

fn base_topic(text: &str) -> Result<String, String> {
    match why_no_name(text) {
        Some(why) => Err(format!("`{text}` cannot be a base topic: {why}")),
        None => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests;
