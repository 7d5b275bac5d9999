//! `[mqtt]`: the embedded broker with its clients, or an external one.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use protocol::ids::GatewayId;
use protocol::settings::{Reading, Table};
use protocol::topics;

use super::{IntakeConfig, address, required, secret};
use crate::commissioning::visitor;
use crate::decode::{DecoderConfig, Role};
use crate::intake::door::Topics;
use crate::intake::embedded::ClientRights;
use crate::intake::external::ExternalBroker;
use crate::intake::topic_filter;

pub(super) fn read<'t>(
    reading: &mut Reading,
    root: &mut Table<'t>,
    decoder: &DecoderConfig,
    gateway: Option<&GatewayId>,
    token: Option<&str>,
) -> Option<IntakeConfig> {
    #[derive(Clone, Copy)]
    enum Mode {
        Embedded,
        External,
    }
    let mut table = root.table(reading, "mqtt");
    let modes = [("embedded", Mode::Embedded), ("external", Mode::External)];
    let intake = match table.choice(reading, "mode", &modes).unwrap_or(Mode::Embedded) {
        Mode::Embedded => {
            let listen = address(reading, &mut table, "listen", SocketAddr::from(([127, 0, 0, 1], 1883)));
            let mut clients = clients(reading, &mut table);
            clients.extend(token.map(|token| visitor::rights(token, &decoder.zigbee2mqtt_base)));
            Some(IntakeConfig::Embedded { listen, clients, topics: door_topics(decoder) })
        }
        Mode::External => external(reading, &mut table, decoder, gateway),
    };
    table.finish(reading);
    intake
}

fn clients<'t>(reading: &mut Reading, mqtt: &mut Table<'t>) -> Vec<ClientRights> {
    let mut clients: Vec<ClientRights> = Vec::new();
    for mut table in mqtt.tables(reading, "client") {
        let name = table.required_text(reading, "name");
        let password = secret(reading, &mut table, "password", 12);
        let [publish, subscribe] = ["publish", "subscribe"].map(|key| {
            let line = table.line_of(key);
            let name = table.key(key);
            let filters = table.texts(reading, key).unwrap_or_default();
            let wired = format!("{}x", topics::WIRED);
            let own = [topics::REASSURANCE, topics::PRESENCE_CODE, topics::STATE, topics::STATUS, &wired];
            for filter in filters.iter().filter(|filter| {
                key == "publish"
                    && (own.iter().any(|own| topic_filter::matches(filter, own)) || filter.starts_with(topics::WIRED))
            }) {
                reading.note(line, &name, format!("`{filter}` covers what the gateway alone may say"));
            }
            for filter in filters.iter().filter(|filter| !topic_filter::is_valid(filter)) {
                reading.note(line, &name, format!("`{filter}` is not an MQTT topic filter"));
            }
            filters
        });
        if name == visitor::NAME {
            reading.note(
                table.line_of("name"),
                &table.key("name"),
                format!("`{name}` is the installer's tools' own name"),
            );
        }
        if !name.is_empty() && clients.iter().any(|client| client.name == name) {
            reading.note(table.line_of("name"), &table.key("name"), format!("`{name}` signs in twice"));
        }
        clients.push(ClientRights { name, password, publish, subscribe });
        table.finish(reading);
    }
    if clients.is_empty() {
        reading.note(
            mqtt.line(),
            &mqtt.key("client"),
            "at least one [[mqtt.client]] is needed, or no device can sign in",
        );
    }
    clients
}

/// Exact topics of buttons, fall sensors and detectors.
fn life_safety_topics(decoder: &DecoderConfig) -> BTreeSet<String> {
    let urgent = [Role::Sos, Role::Assistance, Role::ImFine, Role::Fall, Role::Smoke, Role::Gas, Role::Co];
    let base = &decoder.zigbee2mqtt_base;
    let devices = decoder.devices.iter().map(|(name, role)| (format!("{base}/{name}"), *role));
    let rules = decoder.rules.iter().map(|rule| (rule.topic.to_string(), rule.role));
    devices
        .chain(rules)
        .filter(|(topic, role)| urgent.contains(role) && !topic.contains(['+', '#']))
        .map(|(topic, _)| topic)
        .collect()
}

/// What overtakes telemetry in the embedded broker, and what nothing overtakes.
fn door_topics(decoder: &DecoderConfig) -> Topics {
    let mut life_safety = life_safety_topics(decoder);
    // A gesture comes as plain text on a topic of its own too.
    let gestures: Vec<_> = life_safety.iter().map(|topic| format!("{topic}/action")).collect();
    life_safety.extend(gestures);
    life_safety.extend([topics::VISIT.to_owned(), topics::CANCEL.to_owned()]);
    Topics { life_safety, bridge_prefix: format!("{}/bridge/", decoder.zigbee2mqtt_base) }
}

fn external<'t>(
    reading: &mut Reading,
    table: &mut Table<'t>,
    decoder: &DecoderConfig,
    gateway: Option<&GatewayId>,
) -> Option<IntakeConfig> {
    let parse = |text: &str| {
        let (host, port) = text.rsplit_once(':').ok_or("write host:port")?;
        let port = port.parse::<u16>().map_err(|_| "the port is not a number up to 65535")?;
        Ok::<_, &str>((host.to_owned(), port))
    };
    let broker = required(reading, table, "broker", parse);
    let username = table.text(reading, "username");
    let password = table.text(reading, "password");
    if username.is_some() != password.is_some() {
        reading.note(table.line(), &table.key("password"), "username and password go together");
    }
    let base = &decoder.zigbee2mqtt_base;
    let mut wanted = vec![format!("{base}/#"), topics::VISIT.to_owned(), topics::CANCEL.to_owned()];
    wanted.extend(decoder.rules.iter().map(|rule| rule.topic.to_string()));
    let filters = table.texts(reading, "topics").unwrap_or_else(|| wanted.clone());
    for missing in wanted.iter().filter(|wanted| !filters.iter().any(|filter| topic_filter::covers(filter, wanted))) {
        let text = format!("`{missing}` is not covered, so what is configured on it would never be heard");
        reading.note(table.line_of("topics"), &table.key("topics"), text);
    }
    let life_safety_topics = life_safety_topics(decoder);
    let (host, port) = broker?;
    Some(IntakeConfig::External(ExternalBroker {
        host,
        port,
        sign_in: username.zip(password),
        client_id: format!("homecare-{}", gateway?),
        filters,
        life_safety_topics,
    }))
}
