//! The centre's configuration: what is written in `centre.toml` becomes a type without illegal
//! states, or a list of every problem with its key and line.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;

use protocol::ids::GatewayId;
use protocol::settings::{Problem, Reading, Table};

use crate::dispatch::MainsRules;
use crate::heartbeat::HeartbeatRules;

/// Shortest credential, characters.
pub const TOKEN_CHARS_MIN: usize = 32;

/// How every credential of the example file begins.
const EXAMPLE_CREDENTIAL: &str = "replace-this";

/// Where the API listens unless configured otherwise.
pub const LISTEN_DEFAULT: &str = "127.0.0.1:8480";

/// Where data is kept unless configured otherwise.
pub const DATA_DIR_DEFAULT: &str = "/var/lib/cloud-bridge";

/// What a signed-in person or program may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads orders and the feed.
    Viewer,
    /// Handles orders.
    Dispatcher,
    /// Handles orders that others own, too.
    Supervisor,
    /// A program that reads the feed.
    Integrator,
    /// Sets up homes.
    Installer,
    /// Administers the tenant.
    TenantAdmin,
    /// Reads everything, changes nothing.
    Auditor,
}

impl Role {
    /// Every role by its word.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("viewer", Self::Viewer),
        ("dispatcher", Self::Dispatcher),
        ("supervisor", Self::Supervisor),
        ("integrator", Self::Integrator),
        ("installer", Self::Installer),
        ("tenant-admin", Self::TenantAdmin),
        ("auditor", Self::Auditor),
    ];
}

/// A secret; never shown in logs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(String);

impl Token {
    /// The secret.
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// A sign-in of a person or program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserConfig {
    /// Its name, unique.
    pub name: String,
    /// Its credential, unique.
    pub token: Token,
    /// What it may do.
    pub role: Role,
}

/// Certificate chain and key for TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// PEM file of the certificate chain.
    pub cert: PathBuf,
    /// PEM file of the private key.
    pub key: PathBuf,
}

/// The configuration as meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CentreConfig {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Where data is kept.
    pub data_dir: PathBuf,
    /// The tenant, part of each event's source.
    pub tenant: String,
    /// TLS; none only on loopback.
    pub tls: Option<TlsConfig>,
    /// Credentials of gateways.
    pub gateways: BTreeMap<GatewayId, Token>,
    /// Homes of high risk: their gateway's silence becomes an order sooner.
    pub high_risk: BTreeSet<GatewayId>,
    /// When a gateway's silence counts.
    pub heartbeat: HeartbeatRules,
    /// When a home's mains loss counts.
    pub mains: MainsRules,
    /// Sign-ins.
    pub users: Vec<UserConfig>,
}

impl CentreConfig {
    /// How many credentials are still those of the example file; the service does not run with any.
    pub fn example_credentials(&self) -> usize {
        let tokens = self.gateways.values().chain(self.users.iter().map(|user| &user.token));
        tokens.filter(|token| token.0.starts_with(EXAMPLE_CREDENTIAL)).count()
    }

    /// Reads a configuration text.
    ///
    /// # Errors
    /// Every problem, by line.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let (mut reading, mut root) = Reading::start(text);
        let listen_line = root.line_of("listen");
        let listen = root.parsed(&mut reading, "listen", |text| {
            text.parse::<SocketAddr>().map_err(|_| format!("`{text}` is not address:port, such as {LISTEN_DEFAULT}"))
        });
        let listen = listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8480)));
        let data_dir = root.text(&mut reading, "data_dir").unwrap_or_else(|| DATA_DIR_DEFAULT.to_owned());
        let tenant_line = root.line_of("tenant");
        let tenant = root.required_text(&mut reading, "tenant");
        if tenant.parse::<GatewayId>().is_err() && !tenant.is_empty() {
            reading.note(tenant_line, "tenant", "use 1 to 64 of a-z, 0-9 and -");
        }
        let tls = root.optional_table(&mut reading, "tls").map(|mut table| {
            let cert = table.required_text(&mut reading, "cert").into();
            let key = table.required_text(&mut reading, "key").into();
            table.finish(&mut reading);
            TlsConfig { cert, key }
        });
        if tls.is_none() && !listen.ip().is_loopback() {
            let text =
                format!("{listen} can be reached from other machines; plain HTTP is for loopback only: add [tls]");
            reading.note(listen_line, "listen", text);
        }
        let mut tokens = BTreeMap::new();
        let mut gateways = BTreeMap::new();
        let mut high_risk = BTreeSet::new();
        for mut table in root.tables(&mut reading, "gateway") {
            let id = gateway_id(&mut reading, &mut table, &gateways);
            let token = token(&mut reading, &mut table, &mut tokens);
            let risk = table.flag(&mut reading, "high_risk", false);
            table.finish(&mut reading);
            if let (Some(id), Some(token)) = (id, token) {
                if risk {
                    high_risk.insert(id.clone());
                }
                gateways.insert(id, token);
            }
        }
        let mut users: Vec<UserConfig> = Vec::new();
        let mut names = BTreeSet::new();
        for mut table in root.tables(&mut reading, "user") {
            let line = table.line_of("name");
            let name = table.required_text(&mut reading, "name");
            if !names.insert(name.clone()) {
                reading.note(line, &table.key("name"), format!("`{name}` is named twice"));
            }
            let token = token(&mut reading, &mut table, &mut tokens);
            let role_line = table.line();
            let present = table.line_of("role");
            let role = table.choice(&mut reading, "role", Role::WORDS);
            if role.is_none() && present == role_line {
                let words: Vec<_> = Role::WORDS.iter().map(|(word, _)| *word).collect();
                reading.note(role_line, &table.key("role"), format!("is required: one of {}", words.join(", ")));
            }
            table.finish(&mut reading);
            if let (Some(token), Some(role)) = (token, role) {
                users.push(UserConfig { name, token, role });
            }
        }
        let heartbeat = heartbeat(&mut reading, &mut root);
        let mains = mains(&mut reading, &mut root);
        root.finish(&mut reading);
        let problems = reading.into_problems();
        if problems.is_empty() {
            Ok(Self { listen, data_dir: data_dir.into(), tenant, tls, gateways, high_risk, heartbeat, mains, users })
        } else {
            Err(problems)
        }
    }
}

fn heartbeat<'t>(reading: &mut Reading, root: &mut Table<'t>) -> HeartbeatRules {
    let mut table = root.table(reading, "supervision");
    let mut ms = |key, unit_ms: u64, range, default| (table.number(reading, key, range, default) * unit_ms) as i64;
    let rules = HeartbeatRules {
        offline_ms: ms("offline_secs", 1_000, 120..=600, 180),
        order_after_ms: ms("order_after_minutes", 60_000, 10..=240, 30),
        high_risk_order_after_ms: ms("high_risk_order_after_minutes", 60_000, 5..=30, 10),
    };
    table.finish(reading);
    rules
}

fn mains<'t>(reading: &mut Reading, root: &mut Table<'t>) -> MainsRules {
    let mut table = root.table(reading, "mains");
    let held_minutes = table.number(reading, "held_minutes", 5..=120, 30);
    let long_hours = table.number(reading, "long_hours", 3..=12, 4);
    table.finish(reading);
    MainsRules { held_ms: held_minutes as i64 * 60_000, long_ms: long_hours as i64 * 3_600_000 }
}

fn gateway_id<'t>(
    reading: &mut Reading,
    table: &mut Table<'t>,
    known: &BTreeMap<GatewayId, Token>,
) -> Option<GatewayId> {
    let line = table.line_of("id");
    let text = table.required_text(reading, "id");
    if text.is_empty() {
        return None;
    }
    match text.parse::<GatewayId>() {
        Ok(id) if known.contains_key(&id) => {
            reading.note(line, &table.key("id"), format!("`{id}` is named twice"));
            None
        }
        Ok(id) => Some(id),
        Err(error) => {
            reading.note(line, &table.key("id"), error.to_string());
            None
        }
    }
}

/// Reads a credential; the text of a problem never repeats it.
fn token<'t>(reading: &mut Reading, table: &mut Table<'t>, known: &mut BTreeMap<Token, String>) -> Option<Token> {
    let line = table.line_of("token");
    let key = table.key("token");
    let token = Token(table.required_text(reading, "token"));
    if token.0.is_empty() {
        return None;
    }
    if token.0.chars().count() < TOKEN_CHARS_MIN || !token.0.chars().all(|c| c.is_ascii_graphic()) {
        let text = format!("must have at least {TOKEN_CHARS_MIN} characters, all printable ASCII without spaces");
        reading.note(line, &key, text);
        return None;
    }
    if let Some(other) = known.get(&token) {
        reading.note(line, &key, format!("is the same as {other}; each credential must be its own"));
        return None;
    }
    known.insert(token.clone(), key);
    Some(token)
}

#[cfg(test)]
mod tests;
