//! One home and its centre, as a run of its own: directory, ports, credentials, configurations.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use protocol::visit::{Datum, Fix};
use sensor_sim::scenario::{DeviceKind, HomeDevice};

use super::clock::wall_ms;
use super::mqtt::SignIn;
use super::secret;

/// The gateway's name.
pub const GATEWAY: &str = "demo-home";

/// Where the home stands, degrees (WGS-84).
const LATITUDE: f64 = 41.8;
/// Where the home stands, degrees (WGS-84).
const LONGITUDE: f64 = 123.4;

/// Where a caregiver's device at the home's entrance says that it is, now.
pub fn fix_at_home() -> Fix {
    Fix {
        lat_e7: (LATITUDE * 1e7) as i32,
        lon_e7: (LONGITUDE * 1e7) as i32,
        accuracy_m: 12,
        datum: Some(Datum::Wgs84),
        fixed_at_ms: wall_ms(),
        mock: false,
    }
}

/// The radio bridge's sign-in.
pub const BRIDGE: &str = "zigbee2mqtt";
/// The home panel's sign-in.
pub const PANEL: &str = "zigbee2mqtt-panel";
/// The sign-in that speaks as a second radio bridge, byte by byte.
pub const CHECKER: &str = "checker";
/// The caregivers' reader.
pub const READER: &str = "reader";
/// The lamp.
pub const LAMP: &str = "lamp";

/// Loopback ports of one run.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// The gateway's broker.
    pub mqtt: u16,
    /// The centre's API.
    pub centre: u16,
    /// The gateway's status page.
    pub status: u16,
}

/// Waiting times of one run.
#[derive(Debug, Clone, Copy)]
pub struct Waits {
    /// A fall's pre-alarm, seconds.
    pub fall_prealarm_secs: u64,
    /// From a press without receipt to "not connected", seconds.
    pub centre_wait_secs: u64,
    /// From the centre's last answer to "no connection", minutes.
    pub link_down_minutes: u64,
}

impl Waits {
    /// The shortest that the rules allow; a silent centre is told of as late as it is without a setting.
    pub const SHORT: Self = Self { fall_prealarm_secs: 15, centre_wait_secs: 5, link_down_minutes: 3 };
}

/// A person's or program's credential at the centre.
#[derive(Debug, Clone)]
pub struct User {
    /// Its name.
    pub name: &'static str,
    /// Its role.
    pub role: &'static str,
    /// Its token.
    pub token: String,
}

/// Where the gateway's messages come from.
#[derive(Debug, Clone)]
pub enum Broker {
    /// Its own broker.
    Embedded,
    /// Somebody else's on this port.
    External {
        /// The port.
        port: u16,
        /// How the gateway signs in.
        sign_in: SignIn,
    },
}

/// Everything that a run needs; the directory goes with it.
pub struct Setup {
    dir: tempfile::TempDir,
    /// Ports.
    pub ports: Ports,
    /// Waiting times.
    pub waits: Waits,
    /// The gateway's broker.
    pub broker: Broker,
    /// Addresses of the centre as the gateway is told them, in order; none is the plain one on loopback.
    pub centre_urls: Vec<String>,
    /// The address that the centre listens on.
    pub centre_listen: &'static str,
    /// The centre's certificate authority, as the gateway is told it.
    pub ca_file: Option<PathBuf>,
    /// Certificate and key of the centre.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// The home's devices.
    pub devices: Vec<HomeDevice>,
    /// The gateway's name.
    pub gateway: String,
    /// Added to the end of the gateway's configuration.
    pub extra_toml: String,
    /// Further gateways of the centre with their credentials.
    pub more_gateways: Vec<(String, String)>,
    /// The gateway's credential at the centre.
    pub gateway_token: String,
    /// Another gateway with its credential.
    pub other_gateway: (&'static str, String),
    /// Users of the centre: a dispatcher, a viewer, a supervisor.
    pub users: [User; 3],
    clients: Vec<Rights>,
    code_secret: String,
    status_token: String,
}

struct Rights {
    sign_in: SignIn,
    publish: &'static [&'static str],
    subscribe: &'static [&'static str],
}

impl Setup {
    /// Draws everything anew in a new temporary directory that only this user can read.
    ///
    /// # Errors
    /// When the machine gives no directory or randomness.
    pub fn new(ports: Ports, waits: Waits) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("homecare-").tempdir().context("no temporary directory")?;
        let user = |name, role| anyhow::Ok(User { name, role, token: secret::token()? });
        let mut clients = Vec::new();
        for (name, publish, subscribe) in [
            (BRIDGE, &["zigbee2mqtt/#"][..], &["zigbee2mqtt/#"][..]),
            (PANEL, &["homecare/visit", "homecare/cancel"], &["homecare/reassurance", "homecare/presence-code"]),
            (CHECKER, &["zigbee2mqtt/#"], &[]),
            (READER, &["homecare/visit"], &[]),
            (LAMP, &[], &["homecare/reassurance", "homecare/presence-code"]),
        ] {
            let sign_in = SignIn { name: name.to_owned(), password: secret::token()? };
            clients.push(Rights { sign_in, publish, subscribe });
        }
        Ok(Self {
            dir,
            ports,
            waits,
            broker: Broker::Embedded,
            centre_urls: Vec::new(),
            centre_listen: "127.0.0.1",
            ca_file: None,
            tls: None,
            devices: sensor_sim::config::demo_home(),
            gateway: GATEWAY.to_owned(),
            extra_toml: String::new(),
            more_gateways: Vec::new(),
            gateway_token: secret::token()?,
            other_gateway: ("other-home", secret::token()?),
            users: [user("wang", "dispatcher")?, user("board", "viewer")?, user("chen", "supervisor")?],
            clients,
            code_secret: secret::totp()?,
            status_token: secret::token()?,
        })
    }

    /// The run's directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The gateway's data directory.
    pub fn gateway_data(&self) -> PathBuf {
        self.dir().join("gateway")
    }

    /// The sign-in of an MQTT client of the home.
    ///
    /// # Errors
    /// When there is no such client.
    pub fn sign_in(&self, name: &str) -> Result<&SignIn, String> {
        let found = self.clients.iter().find(|client| client.sign_in.name == name);
        found.map(|client| &client.sign_in).ok_or_else(|| format!("no MQTT client {name}"))
    }

    /// Grants a further MQTT client of the home its rights.
    ///
    /// # Errors
    /// When the machine gives no randomness.
    pub fn grant(
        &mut self,
        name: &str,
        publish: &'static [&'static str],
        subscribe: &'static [&'static str],
    ) -> anyhow::Result<()> {
        let sign_in = SignIn { name: name.to_owned(), password: secret::token()? };
        self.clients.push(Rights { sign_in, publish, subscribe });
        Ok(())
    }

    /// The dispatcher.
    pub fn dispatcher(&self) -> &User {
        &self.users[0]
    }

    /// The viewer.
    pub fn viewer(&self) -> &User {
        &self.users[1]
    }

    /// The supervisor.
    pub fn supervisor(&self) -> &User {
        &self.users[2]
    }

    /// Writes the gateway's configuration.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_gateway(&self) -> anyhow::Result<PathBuf> {
        self.write("gateway.toml", &self.gateway_toml())
    }

    /// Writes the centre's configuration.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_centre(&self) -> anyhow::Result<PathBuf> {
        self.write("centre.toml", &self.centre_toml())
    }

    /// Writes the simulator's settings.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write_sim(&self) -> anyhow::Result<PathBuf> {
        self.write("sim.toml", &self.sim_toml()?)
    }

    /// Writes a file that only this user can read.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.dir().join(name);
        let failed = || format!("cannot write {}", path.display());
        // Its rights come before its content.
        fs::write(&path, "").with_context(failed)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600)).with_context(failed)?;
        fs::write(&path, text).with_context(failed)?;
        Ok(path)
    }

    /// The gateway's configuration.
    pub fn gateway_toml(&self) -> String {
        let Ports { mqtt, centre, status } = self.ports;
        let plain = [format!("http://127.0.0.1:{centre}")];
        let urls = if self.centre_urls.is_empty() { &plain[..] } else { &self.centre_urls };
        let mut text = format!(
            "gateway = \"{}\"\ndata_dir = \"{}\"\n\n[centre]\npaths = {urls:?}\ntoken = \"{}\"\n",
            self.gateway,
            self.gateway_data().display(),
            self.gateway_token
        );
        if let Some(ca_file) = &self.ca_file {
            put(&mut text, format_args!("ca_file = \"{}\"\n", ca_file.display()));
        }
        let Waits { fall_prealarm_secs, centre_wait_secs, link_down_minutes } = self.waits;
        put(
            &mut text,
            format_args!(
                "\n[home]\nlatitude = {LATITUDE:.1}\nlongitude = {LONGITUDE:.1}\ngeofence_m = 150\n\n\
                 [visits]\ncode_secret = \"{}\"\ncaregivers = [\"cg-17\"]\n\n\
                 [rules]\nfall_prealarm_secs = {fall_prealarm_secs}\ncentre_wait_secs = {centre_wait_secs}\nlink_down_minutes = {link_down_minutes}\n\n\
                 [status]\nlisten = \"127.0.0.1:{status}\"\ntoken = \"{}\"\n\n[mqtt]\n",
                self.code_secret, self.status_token
            ),
        );
        match &self.broker {
            Broker::Embedded => {
                put(&mut text, format_args!("mode = \"embedded\"\nlisten = \"127.0.0.1:{mqtt}\"\n"));
                for Rights { sign_in: SignIn { name, password }, publish, subscribe } in &self.clients {
                    put(
                        &mut text,
                        format_args!(
                            "\n[[mqtt.client]]\nname = \"{name}\"\npassword = \"{password}\"\n\
                             publish = {publish:?}\nsubscribe = {subscribe:?}\n"
                        ),
                    );
                }
            }
            Broker::External { port, sign_in: SignIn { name, password } } => put(
                &mut text,
                format_args!(
                    "mode = \"external\"\nbroker = \"127.0.0.1:{port}\"\n\
                     username = \"{name}\"\npassword = \"{password}\"\n"
                ),
            ),
        }
        for HomeDevice { kind, name, room } in &self.devices {
            let Some(role) = role(*kind) else { continue };
            put(&mut text, format_args!("\n[[device]]\nname = \"{name}\"\nrole = \"{role}\"\n"));
            if let Some(room) = room {
                put(&mut text, format_args!("room = \"{room}\"\n"));
            }
        }
        text.push_str(&self.extra_toml);
        text
    }

    /// The centre's configuration.
    pub fn centre_toml(&self) -> String {
        let mut text = format!(
            "listen = \"{}:{}\"\ndata_dir = \"{}\"\ntenant = \"demo\"\n",
            self.centre_listen,
            self.ports.centre,
            self.dir().join("centre").display()
        );
        if let Some((cert, key)) = &self.tls {
            put(&mut text, format_args!("\n[tls]\ncert = \"{}\"\nkey = \"{}\"\n", cert.display(), key.display()));
        }
        let two = [(GATEWAY, &self.gateway_token), (self.other_gateway.0, &self.other_gateway.1)];
        let more = self.more_gateways.iter().map(|(id, token)| (id.as_str(), token));
        for (id, token) in two.into_iter().chain(more) {
            put(&mut text, format_args!("\n[[gateway]]\nid = \"{id}\"\ntoken = \"{token}\"\n"));
        }
        for User { name, role, token } in &self.users {
            put(&mut text, format_args!("\n[[user]]\nname = \"{name}\"\ntoken = \"{token}\"\nrole = \"{role}\"\n"));
        }
        text
    }

    fn sim_toml(&self) -> anyhow::Result<String> {
        let (bridge, panel) = match (self.sign_in(BRIDGE), self.sign_in(PANEL)) {
            (Ok(bridge), Ok(panel)) => (bridge, panel),
            (Err(error), _) | (_, Err(error)) => anyhow::bail!(error),
        };
        let mut text = format!(
            "[broker]\naddress = \"127.0.0.1:{}\"\nclient_id = \"{BRIDGE}\"\nusername = \"{}\"\npassword = \"{}\"\n\
             panel_username = \"{}\"\npanel_password = \"{}\"\n\n[home]\nlatitude = \"{LATITUDE:.1}\"\n\
             longitude = \"{LONGITUDE:.1}\"\n",
            self.ports.mqtt, bridge.name, bridge.password, panel.name, panel.password
        );
        for HomeDevice { kind, name, room } in &self.devices {
            put(&mut text, format_args!("\n[[device]]\nname = \"{name}\"\nkind = \"{}\"\n", kind.word()));
            if let Some(room) = room {
                put(&mut text, format_args!("room = \"{room}\"\n"));
            }
        }
        Ok(text)
    }
}

fn put(text: &mut String, more: std::fmt::Arguments<'_>) {
    let _infallible = text.write_fmt(more);
}

/// The role that an installer gives a device of this kind; none for what needs a rule of its own.
fn role(kind: DeviceKind) -> Option<&'static str> {
    Some(match kind {
        DeviceKind::Sos | DeviceKind::TwoGestureSos | DeviceKind::LatchingSos => "sos",
        DeviceKind::ImFine => "im_fine",
        DeviceKind::Assistance => "assistance",
        DeviceKind::Motion => "motion",
        DeviceKind::Door => "door",
        DeviceKind::ExitDoor => "exit_door",
        DeviceKind::Bed => "bed",
        DeviceKind::Fall | DeviceKind::PostureFall | DeviceKind::PresenceFall => "fall",
        DeviceKind::Smoke => "smoke",
        DeviceKind::Gas => "gas",
        DeviceKind::Co => "co",
        DeviceKind::Leak => "water",
        DeviceKind::Siren | DeviceKind::WarningSiren => "ignore",
        DeviceKind::Rtl433Pendant
        | DeviceKind::Rtl433Motion
        | DeviceKind::TasmotaPendant
        | DeviceKind::OpenMqttGatewayPendant
        | DeviceKind::EsphomeMotion
        | DeviceKind::TasmotaDoor
        | DeviceKind::ShellyButton
        | DeviceKind::ShellyPlusButton
        | DeviceKind::BleButton
        | DeviceKind::NeighbourPendant => return None,
    })
}
