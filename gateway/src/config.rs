//! The gateway's configuration: read whole, every problem told at once, with no illegal state left.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use protocol::ids::GatewayId;
use protocol::settings::{Problem, Reading, Table};
use protocol::visit::Datum;

use crate::contacts::ContactSettings;
use crate::decode::{DecoderConfig, Role, UnknownDevices};
use crate::engine::EngineLimits;
use crate::home::fall::FallRules;
use crate::home::reassurance::ReassuranceRules;
use crate::home::supervision::silence::Power;
use crate::home::visit::VisitRules;
use crate::home::visit::place::Point;
use crate::home::{HomeRules, Place};
use crate::intake::door::Topics;
use crate::intake::embedded::ClientRights;
use crate::intake::external::ExternalBroker;
use crate::journal::JournalLimits;
use crate::outbox::OutboxTimes;

mod contacts;
mod daily_life;
mod intake;
mod outputs;
mod rules;
mod supervision;

pub use self::outputs::{OutputsConfig, SilentHours};

/// Shortest secret, characters.
const SECRET_CHARS_MIN: usize = 32;

/// Shortest secret of the presence code, bytes.
const CODE_SECRET_BYTES_MIN: usize = 16;

/// Everything one gateway is told.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Its name.
    pub gateway: GatewayId,
    /// Where the journal and what can be rebuilt are kept.
    pub data_dir: PathBuf,
    /// The way to the centre.
    pub centre: CentreLink,
    /// Where messages come from.
    pub intake: IntakeConfig,
    /// The home's rules.
    pub rules: HomeRules,
    /// The decoder's settings.
    pub decoder: DecoderConfig,
    /// Uplink times.
    pub outbox: OutboxTimes,
    /// Loop times and sizes.
    pub limits: EngineLimits,
    /// Journal sizes.
    pub journal: JournalLimits,
    /// Where `/healthz`, `/metrics`, `/v1/history` and `/v1/devices` are served.
    pub status_listen: SocketAddr,
    /// The secret that the status page asks for where it shows or does more than counts.
    pub status_token: Option<String>,
    /// Home Assistant's discovery prefix, where the gateway shows itself to it.
    pub homeassistant: Option<String>,
    /// What tells the elder, and what is wired to this machine.
    pub outputs: OutputsConfig,
    /// Who is told when the centre is not reached.
    pub contacts: ContactSettings,
}

/// The way to the centre.
#[derive(Debug, Clone)]
pub struct CentreLink {
    /// Base addresses, in the order they are tried.
    pub paths: Vec<reqwest::Url>,
    /// This gateway's own credential.
    pub token: String,
    /// A certificate authority of the centre's own, PEM.
    pub ca_file: Option<PathBuf>,
    /// Longest wait for an answer beyond what was asked for.
    pub timeout: Duration,
}

/// Where messages come from.
#[derive(Debug, Clone)]
pub enum IntakeConfig {
    /// A broker inside the gateway.
    Embedded {
        /// Where it listens.
        listen: SocketAddr,
        /// Who may sign in.
        clients: Vec<ClientRights>,
        /// What overtakes telemetry, and what nothing overtakes.
        topics: Topics,
    },
    /// Somebody else's broker.
    External(ExternalBroker),
}

impl GatewayConfig {
    /// Reads a configuration text.
    ///
    /// # Errors
    /// Every problem of the text, by line.
    pub fn read(text: &str) -> Result<Self, Vec<Problem>> {
        let (mut reading, mut root) = Reading::start(text);
        let config = Self::from_table(&mut reading, &mut root);
        root.finish(&mut reading);
        let problems = reading.into_problems();
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(problems),
        }
    }

    fn from_table<'t>(reading: &mut Reading, root: &mut Table<'t>) -> Option<Self> {
        let gateway = required(reading, root, "gateway", str::parse::<GatewayId>);
        let data_dir = PathBuf::from(root.required_text(reading, "data_dir"));
        let centre = centre(reading, root);
        let mut decoder =
            DecoderConfig { unknown_devices: UnknownDevices::JoinedOnly, ..DecoderConfig::without_home() };
        let mut home_rules = HomeRules::default();
        devices(reading, root, &mut decoder, &mut home_rules);
        decoder.rules = rules::read(reading, root, &mut home_rules);
        let token = centre.as_ref().map(|centre| centre.token.as_str());
        let intake = intake::read(reading, root, &decoder, gateway.as_ref(), token);
        home(reading, root, &mut home_rules);
        visits(reading, root, &mut home_rules.visit);
        let outputs = OutputsConfig::read(reading, root, &mut decoder, &mut home_rules);
        daily_life::read(reading, root, &mut home_rules.daily_life);
        supervision::read(reading, root, &mut home_rules);
        let (outbox, mut limits, centre_wait) = times(reading, root, &mut decoder, &mut home_rules);
        // The siren comes with the messages, and after "not connected".
        let contacts = contacts::read(reading, root, &centre_wait, &mut home_rules.contacts);
        home_rules.reassurance.outcry_ms = home_rules.contacts.wait_ms;
        let journal = journal(reading, root);
        limits.segment_bytes = journal.segment_bytes;
        let mut status = root.table(reading, "status");
        let status_listen = address(reading, &mut status, "listen", SocketAddr::from(([127, 0, 0, 1], 9180)));
        let status_token = status_token(reading, &mut status);
        if let Some(IntakeConfig::Embedded { listen, .. }) = &intake
            && listen.port() == status_listen.port()
            && listen.port() != 0
        {
            let text = format!("port {} is the broker's too (`mqtt.listen`); each needs its own", listen.port());
            reading.note(status.line_of("listen"), &status.key("listen"), text);
        }
        status.finish(reading);
        let homeassistant = homeassistant(reading, root);
        Some(Self {
            gateway: gateway?,
            data_dir,
            centre: centre?,
            intake: intake?,
            rules: home_rules,
            decoder,
            outbox,
            limits,
            journal,
            status_listen,
            status_token,
            homeassistant,
            outputs,
            contacts,
        })
    }

    /// Reads a home's rules alone, as they stand in a configuration: its day, hazards, check-ins, supervision, tests.
    ///
    /// # Errors
    /// Every problem of the text, by line.
    pub fn read_rules_alone(text: &str, rules: &mut HomeRules) -> Result<(), Vec<Problem>> {
        let (mut reading, mut root) = Reading::start(text);
        daily_life::read(&mut reading, &mut root, &mut rules.daily_life);
        supervision::read(&mut reading, &mut root, rules);
        root.finish(&mut reading);
        let problems = reading.into_problems();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// What an installer should know although the configuration is valid.
    pub fn advice(&self) -> Vec<String> {
        let mut advice = Vec::new();
        let has = |role| self.rules.devices.values().any(|place| place.role == Some(role));
        if !has(Role::Sos) {
            advice.push("no device has the role `sos`: a press raises only if its device says that it is one".into());
        }
        if !has(Role::ImFine) && has(Role::Fall) {
            advice
                .push("a fall sensor without an `im_fine` button: a false fall cannot be cancelled in the home".into());
        }
        if ![Role::Motion, Role::Presence, Role::Bed, Role::Door].into_iter().any(has) {
            advice.push("no sensor sees the elder move: a quiet home is never noticed".into());
        } else if !has(Role::ExitDoor) {
            advice.push("no `exit_door`: every absence counts as a quiet home and brings a call".into());
        }
        if self.rules.daily_life.inactivity.pets
            && ![Role::Bed, Role::Door, Role::ExitDoor, Role::Presence].into_iter().any(has)
        {
            advice.push("`inactivity.pets` and only motion sensors: nothing tells the elder from the pet".into());
        }
        let (elders, alone) = (self.rules.daily_life.elders, self.rules.supervision.silence.lives_alone);
        if elders == 1 && !alone {
            advice.push(
                "`home.elders` is 1 and `supervision.lives_alone` is false: silent sensors stay a technician's note"
                    .into(),
            );
        } else if elders > 1 && alone {
            advice
                .push(format!("`home.elders` is {elders} and `supervision.lives_alone` is true: one of them is wrong"));
        }
        if self.rules.visit.home.is_none() {
            advice.push("no `home.latitude` and `home.longitude`: check-ins cannot be located".into());
        }
        if self.rules.visit.code_secret.is_none() {
            advice.push("no `visits.code_secret`: presence codes are off and no visit by code can be proven".into());
        }
        if self.outputs.voice.is_none() && self.outputs.devices.is_empty() && self.outputs.pins.is_empty() {
            advice.push("no [voice], [[output]] or [[gpio.output]]: the elder is told by MQTT displays alone".into());
        }
        if self.contacts.numbers.is_empty() {
            advice.push("no [contacts]: while the centre is not reached nobody outside the home is told".into());
        }
        if self.centre.paths.len() < 2 {
            advice.push("one path to the centre: when it fails nothing goes out until it is back".into());
        }
        if let IntakeConfig::External(_) = self.intake {
            advice.push("an external broker: its PUBACK does not mean that a press is on disk".into());
        }
        advice
    }
}

fn status_token<'t>(reading: &mut Reading, table: &mut Table<'t>) -> Option<String> {
    let token = table.text(reading, "token")?;
    if token.chars().count() < SECRET_CHARS_MIN || !token.chars().all(|c| c.is_ascii_graphic()) {
        let problem = format!("needs at least {SECRET_CHARS_MIN} printable ASCII characters, made at random");
        reading.note(table.line_of("token"), &table.key("token"), problem);
    }
    Some(token)
}

fn required<'t, T, E: std::fmt::Display>(
    reading: &mut Reading,
    table: &mut Table<'t>,
    key: &'static str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Option<T> {
    let text = table.required_text(reading, key);
    if text.is_empty() {
        return None;
    }
    match parse(&text) {
        Ok(value) => Some(value),
        Err(error) => {
            reading.note(table.line_of(key), &table.key(key), error.to_string());
            None
        }
    }
}

fn secret<'t>(reading: &mut Reading, table: &mut Table<'t>, key: &'static str, chars_min: usize) -> String {
    let text = table.required_text(reading, key);
    let chars = text.chars().count();
    if chars > 0 && chars < chars_min {
        let problem = format!("has {chars} characters; a secret needs at least {chars_min}, made at random");
        reading.note(table.line_of(key), &table.key(key), problem);
    }
    text
}

fn address<'t>(reading: &mut Reading, table: &mut Table<'t>, key: &'static str, default: SocketAddr) -> SocketAddr {
    let parse = |text: &str| {
        text.parse::<SocketAddr>().map_err(|_| format!("`{text}` is not an address and port such as {default}"))
    };
    table.parsed(reading, key, parse).unwrap_or(default)
}

fn centre<'t>(reading: &mut Reading, root: &mut Table<'t>) -> Option<CentreLink> {
    let mut table = root.table(reading, "centre");
    let line = table.line_of("paths");
    let key = table.key("paths");
    let texts = table.texts(reading, "paths").unwrap_or_default();
    if texts.is_empty() {
        reading.note(line, &key, "is required: the centre's addresses in the order they are tried");
    }
    let mut paths = Vec::new();
    for text in &texts {
        match path_url(text) {
            Ok(url) => paths.push(url),
            Err(problem) => reading.note(line, &key, problem),
        }
    }
    let token = secret(reading, &mut table, "token", SECRET_CHARS_MIN);
    let ca_file = table.text(reading, "ca_file").map(PathBuf::from);
    let timeout = Duration::from_secs(table.number(reading, "timeout_secs", 2..=60, 10));
    table.finish(reading);
    (!paths.is_empty()).then_some(CentreLink { paths, token, ca_file, timeout })
}

fn path_url(text: &str) -> Result<reqwest::Url, String> {
    let url = reqwest::Url::parse(text).map_err(|error| format!("`{text}` is not an address: {error}"))?;
    let loopback = match url.host_str() {
        Some("localhost") => true,
        Some(host) => host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        None => return Err(format!("`{text}` names no host")),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an address carries no user name or password; the credential is `centre.token`".to_owned());
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if loopback => Ok(url),
        "http" => Err(format!("`{text}` is plain HTTP, which is accepted on loopback only; use https")),
        other => Err(format!("`{text}` begins with `{other}`; use https")),
    }
}

fn devices<'t>(reading: &mut Reading, root: &mut Table<'t>, decoder: &mut DecoderConfig, rules: &mut HomeRules) {
    for mut table in root.tables(reading, "device") {
        let name = table.required_text(reading, "name");
        let role = table.choice(reading, "role", Role::WORDS);
        let room = table.text(reading, "room").filter(|room| !room.trim().is_empty());
        let inverted = table.flag(reading, "inverted", false);
        if !name.is_empty() && rules.devices.contains_key(&name) {
            reading.note(table.line_of("name"), &table.key("name"), format!("`{name}` is configured twice"));
        }
        if let Some(role) = role {
            decoder.devices.insert(name.clone(), role);
        }
        if inverted {
            decoder.inverted.insert(name.clone());
        }
        let power = table.choice(reading, "power", Power::WORDS);
        rules.devices.insert(name, Place { role, room, power });
        table.finish(reading);
    }
}

fn home<'t>(reading: &mut Reading, root: &mut Table<'t>, rules: &mut HomeRules) {
    let mut table = root.table(reading, "home");
    rules.utc_offset_minutes = table.signed(reading, "utc_offset_minutes", -720..=840, 480) as i32;
    rules.daily_life.elders = table.number(reading, "elders", 1..=4, 1) as u8;
    let rules = &mut rules.visit;
    let latitude = table.decimal(reading, "latitude", -90.0..=90.0);
    let longitude = table.decimal(reading, "longitude", -180.0..=180.0);
    rules.geofence_m = table.number(reading, "geofence_m", 30..=1_000, 150) as u32;
    match (latitude, longitude) {
        (Some(latitude), Some(longitude)) => rules.home = Some(Point::from_datum(Datum::Wgs84, latitude, longitude)),
        (None, None) => {}
        _ => reading.note(table.line(), &table.key("latitude"), "latitude and longitude go together (WGS-84)"),
    }
    table.finish(reading);
}

fn visits<'t>(reading: &mut Reading, root: &mut Table<'t>, rules: &mut VisitRules) {
    let mut table = root.table(reading, "visits");
    let decode = |text: &str| {
        base32(text)
            .filter(|secret| secret.len() >= CODE_SECRET_BYTES_MIN)
            .ok_or("is not base32 of at least 16 bytes; make one at random, 26 or more of A-Z and 2-7")
    };
    rules.code_secret = table.parsed(reading, "code_secret", decode);
    rules.caregivers = table.texts(reading, "caregivers").unwrap_or_default().into_iter().collect();
    table.finish(reading);
}

/// RFC 4648 base32 without padding, as authenticator programs write secrets.
fn base32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut word) = (0_u32, 0_u32);
    for letter in text.trim_end_matches('=').bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a',
            b'2'..=b'7' => letter - b'2' + 26,
            _ => return None,
        };
        word = (word << 5 | u32::from(value)) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((word >> bits & 0xff) as u8);
        }
    }
    Some(bytes)
}

fn times<'t>(
    reading: &mut Reading,
    root: &mut Table<'t>,
    decoder: &mut DecoderConfig,
    rules: &mut HomeRules,
) -> (OutboxTimes, EngineLimits, contacts::CentreWait) {
    let mut table = root.table(reading, "rules");
    let mut secs = |key, range, default| table.number(reading, key, range, default) * 1_000;
    rules.fall = FallRules {
        pre_alarm_ms: secs("fall_prealarm_secs", 15..=45, 30),
        warning_ms: secs("fall_warning_secs", 60..=600, 180),
        follow_up_ms: secs("fall_follow_up_secs", 300..=3_600, 900),
        second_fall_ms: secs("second_fall_secs", 300..=7_200, 1_800),
    };
    let centre_wait_ms = secs("centre_wait_secs", 5..=60, 30);
    decoder.latched_key_ms = secs("latched_key_secs", 60..=300, 120);
    let link_down_ms = table.number(reading, "link_down_minutes", 1..=10, 3) * 60_000;
    rules.reassurance = ReassuranceRules { centre_wait_ms, ..ReassuranceRules::default() };
    let line = table.has("centre_wait_secs").then(|| table.line_of("centre_wait_secs"));
    table.finish(reading);
    let mut table = root.table(reading, "uplink");
    let outbox =
        OutboxTimes { hedge_ms: table.number(reading, "hedge_ms", 200..=10_000, 2_000), ..OutboxTimes::default() };
    let poll_wait_secs = table.number(reading, "poll_wait_secs", 1..=30, 25);
    let linger_ms = table.number(reading, "routine_linger_ms", 100..=5_000, 5_000);
    table.finish(reading);
    let limits = EngineLimits { link_down_ms, poll_wait_secs, linger_ms, ..EngineLimits::default() };
    (outbox, limits, contacts::CentreWait { ms: centre_wait_ms, line })
}

/// `[homeassistant]`: the discovery prefix, where it is on.
fn homeassistant<'t>(reading: &mut Reading, root: &mut Table<'t>) -> Option<String> {
    let mut table = root.table(reading, "homeassistant");
    let enabled = table.flag(reading, "enabled", false);
    let parse = |text: &str| {
        let good =
            !text.is_empty() && !text.contains(['+', '#', '\0']) && !text.starts_with('/') && !text.ends_with('/');
        if good {
            Ok(text.to_owned())
        } else {
            Err(format!("`{text}` is not a topic; the usual prefix is homeassistant"))
        }
    };
    let prefix = table.parsed(reading, "discovery_prefix", parse).unwrap_or_else(|| "homeassistant".to_owned());
    table.finish(reading);
    enabled.then_some(prefix)
}

fn journal<'t>(reading: &mut Reading, root: &mut Table<'t>) -> JournalLimits {
    let mut table = root.table(reading, "journal");
    let limits = JournalLimits {
        segment_bytes: table.number(reading, "segment_kb", 64..=4_096, 1_024) << 10,
        retained_bytes: table.number(reading, "retained_mb", 1..=4_096, 64) << 20,
        retained_ms: table.number(reading, "retained_days", 1..=3_650, 180) * 24 * 3_600_000,
        ..JournalLimits::default()
    };
    table.finish(reading);
    limits
}

#[cfg(test)]
pub(crate) mod tests;
