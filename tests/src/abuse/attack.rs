//! The attacks, by name. The witness who presses an SOS meanwhile is the test's; none of these may
//! make a press at the centre, and each fails when what it tried was granted.

use crate::harness::mqtt::{MqttClient, SignIn};
use crate::harness::wire::{self, Publish};

use super::{Raw, field, length, packet};

/// The button that the witness presses, which no attacker may press.
pub const BUTTON_TOPIC: &str = "zigbee2mqtt/sos bedside";

/// Sign-ins that somebody has taken over.
#[derive(Debug, Clone)]
pub struct Stolen {
    /// May publish `homecare/visit` only.
    pub reader: SignIn,
    /// May subscribe to the lamp's topics only.
    pub lamp: SignIn,
    /// May publish everything of the radio bridge.
    pub bridge: SignIn,
    /// The client id of the witness, under a name that is not stolen.
    pub witness: String,
}

/// One attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attack {
    /// Packets longer than the broker takes, before and after the sign-in.
    Oversize,
    /// Half a sign-in on many connections.
    PartialSignIns,
    /// Connections that never say anything.
    SlowLoris,
    /// Sign-ins with wrong passwords, as fast as they go.
    ConnectFlood,
    /// Names and topics that are not UTF-8.
    BadUtf8,
    /// Publishes to filters.
    WildcardPublish,
    /// The broker's own topics.
    SysTopics,
    /// Topics and filters of other clients.
    OthersTopics,
    /// The client id of another client.
    Takeover,
    /// A last will on a topic of others.
    ForgedWill,
    /// Tens of thousands of retained topics.
    RetainedFlood,
    /// Exchanges at QoS 2 that never end.
    HalfQos2,
    /// One packet id for many messages at once.
    PacketIdReuse,
    /// Protocols that there are not.
    ProtocolLevels,
    /// Empty topics, packet id 0, QoS 3, reserved packet types, a second sign-in.
    Malformed,
    /// Sessions without end under one name.
    Sessions,
    /// Device lists and payloads made to be slow.
    HeavyPayloads,
}

impl Attack {
    /// Every one of them.
    pub const ALL: [Self; 17] = [
        Self::Oversize,
        Self::PartialSignIns,
        Self::SlowLoris,
        Self::ConnectFlood,
        Self::BadUtf8,
        Self::WildcardPublish,
        Self::SysTopics,
        Self::OthersTopics,
        Self::Takeover,
        Self::ForgedWill,
        Self::RetainedFlood,
        Self::HalfQos2,
        Self::PacketIdReuse,
        Self::ProtocolLevels,
        Self::Malformed,
        Self::Sessions,
        Self::HeavyPayloads,
    ];

    /// Attacks the broker on `port`.
    ///
    /// # Errors
    /// Says what was granted that must not be, or what was not answered.
    pub async fn commit(self, port: u16, stolen: &Stolen) -> Result<(), String> {
        match self {
            Self::Oversize => oversize(port, stolen).await,
            Self::PartialSignIns => crowd(port, &wire::connect("x", Some(("reader", "y")))[..7]).await,
            Self::SlowLoris => crowd(port, &[]).await,
            Self::ConnectFlood => connect_flood(port).await,
            Self::BadUtf8 => bad_utf8(port, stolen).await,
            Self::WildcardPublish => wildcard_publish(port, stolen).await,
            Self::SysTopics => sys_topics(port, stolen).await,
            Self::OthersTopics => others_topics(port, stolen).await,
            Self::Takeover => takeover(port, stolen).await,
            Self::ForgedWill => forged_will(port, stolen).await,
            Self::RetainedFlood => retained_flood(port, stolen).await,
            Self::HalfQos2 => half_qos2(port, stolen).await,
            Self::PacketIdReuse => packet_id_reuse(port, stolen).await,
            Self::ProtocolLevels => protocol_levels(port).await,
            Self::Malformed => malformed(port, stolen).await,
            Self::Sessions => sessions(port, stolen).await,
            Self::HeavyPayloads => heavy_payloads(port, stolen).await,
        }
    }
}

/// A CONNECT of any level, with a last will where given.
fn connect(protocol: &[u8], level: u8, client_id: &[u8], will: Option<(&str, &str)>, sign_in: &SignIn) -> Vec<u8> {
    let mut flags = 0b1100_0010;
    let mut body = field(protocol);
    if will.is_some() {
        flags |= 0b0000_1100;
    }
    body.extend([level, flags, 0, 0]);
    body.extend(field(client_id));
    if let Some((topic, payload)) = will {
        body.extend(field(topic.as_bytes()));
        body.extend(field(payload.as_bytes()));
    }
    body.extend(field(sign_in.name.as_bytes()));
    body.extend(field(sign_in.password.as_bytes()));
    packet(0x10, &body)
}

fn publish(topic: &str, payload: &[u8], packet: u16, retain: bool) -> Vec<u8> {
    let (topic, payload) = (topic.to_owned(), payload.to_vec());
    wire::publish(&Publish { topic, payload, packet: Some(packet), duplicate: false, retain })
}

fn press() -> Vec<u8> {
    sensor_sim::payload::sos_press("sos bedside").payload
}

async fn oversize(port: u16, stolen: &Stolen) -> Result<(), String> {
    let mut raw = Raw::connect(port).await?;
    raw.send(&[&[0x10][..], &length(200 * 1024 * 1024)].concat()).await?;
    raw.closed("a sign-in of 200 MB").await?;
    let mut raw = Raw::signed_in(port, &stolen.reader.name, &stolen.reader).await?;
    raw.send(&[&[0x32][..], &length(200 * 1024 * 1024), &[0; 64 * 1024]].concat()).await?;
    raw.closed("a message of 200 MB").await
}

/// Holds hundreds of connections that never sign in; each must be closed for others to come in.
async fn crowd(port: u16, bytes: &[u8]) -> Result<(), String> {
    let mut held = Vec::new();
    for _ in 0..300 {
        let mut raw = Raw::connect(port).await?;
        raw.send(bytes).await?;
        held.push(raw);
    }
    for mut raw in held {
        raw.closed("a connection without a sign-in").await?;
    }
    Ok(())
}

async fn connect_flood(port: u16) -> Result<(), String> {
    for number in 0..500 {
        let mut raw = Raw::connect(port).await?;
        raw.send(&wire::connect(&format!("reader-{number}"), Some(("reader", "wrong")))).await?;
        if raw.connack().await? == Some(0) {
            return Err("a wrong password was taken".to_owned());
        }
    }
    Ok(())
}

async fn bad_utf8(port: u16, stolen: &Stolen) -> Result<(), String> {
    let mut raw = Raw::connect(port).await?;
    raw.send(&connect(b"MQTT", 4, &[0xff, 0xfe], None, &stolen.reader)).await?;
    if raw.connack().await? == Some(0) {
        return Err("a client id that is not UTF-8 was taken".to_owned());
    }
    let mut raw = Raw::signed_in(port, &stolen.bridge.name, &stolen.bridge).await?;
    raw.send(&packet(0x30, &[&field(&[b'z', 0xc3, 0x28])[..], b"x"].concat())).await?;
    raw.closed("a topic that is not UTF-8").await
}

async fn wildcard_publish(port: u16, stolen: &Stolen) -> Result<(), String> {
    for topic in ["zigbee2mqtt/#", "zigbee2mqtt/+", "#", "zigbee2mqtt/sos bedside/#"] {
        let mut raw = Raw::signed_in(port, &stolen.bridge.name, &stolen.bridge).await?;
        raw.send(&publish(topic, &press(), 1, false)).await?;
        raw.send(&wire::disconnect()).await?;
        raw.closed(topic).await?;
    }
    Ok(())
}

async fn sys_topics(port: u16, stolen: &Stolen) -> Result<(), String> {
    let mut client = MqttClient::connect(port, &stolen.lamp.name, Some(&stolen.lamp)).await?;
    let answers = client.subscribe(&["$SYS/#", "$SYS/brokers", "$share/x/zigbee2mqtt/#"]).await;
    if answers.is_ok_and(|codes| codes.iter().any(|code| *code != 128)) {
        return Err("a subscription to the broker's own topics was granted".to_owned());
    }
    let mut raw = Raw::signed_in(port, &stolen.reader.name, &stolen.reader).await?;
    raw.send(&publish("$SYS/broker", b"x", 1, true)).await?;
    raw.send(&wire::disconnect()).await?;
    raw.closed("$SYS").await
}

async fn others_topics(port: u16, stolen: &Stolen) -> Result<(), String> {
    for thief in [&stolen.reader, &stolen.lamp] {
        let mut client = MqttClient::connect(port, &thief.name, Some(thief)).await?;
        let codes = client.subscribe(&["#", "zigbee2mqtt/#", "+/+", BUTTON_TOPIC]).await?;
        if codes != [128; 4] {
            return Err(format!("{} may subscribe to other clients' topics: {codes:?}", thief.name));
        }
        client.send(&publish(BUTTON_TOPIC, &press(), 900, false)).await?;
        client.send(&publish("homecare/reassurance", b"{\"stage\":\"coming\"}", 901, true)).await?;
        client.disconnect().await;
    }
    Ok(())
}

async fn takeover(port: u16, stolen: &Stolen) -> Result<(), String> {
    for thief in [&stolen.reader, &stolen.lamp, &stolen.bridge] {
        let mut raw = Raw::connect(port).await?;
        raw.send(&connect(b"MQTT", 4, stolen.witness.as_bytes(), None, thief)).await?;
        if raw.connack().await? == Some(0) {
            return Err(format!("{} took over the session of {}", thief.name, stolen.witness));
        }
    }
    Ok(())
}

async fn forged_will(port: u16, stolen: &Stolen) -> Result<(), String> {
    let payload = String::from_utf8(press()).map_err(|error| error.to_string())?;
    for topic in [BUTTON_TOPIC, "homecare/reassurance", "#", ""] {
        let mut raw = Raw::connect(port).await?;
        raw.send(&connect(b"MQTT", 4, b"reader", Some((topic, &payload)), &stolen.reader)).await?;
        if raw.connack().await? == Some(0) {
            return Err(format!("a last will on `{topic}` was taken"));
        }
    }
    Ok(())
}

async fn retained_flood(port: u16, stolen: &Stolen) -> Result<(), String> {
    let mut client = MqttClient::connect(port, &stolen.bridge.name, Some(&stolen.bridge)).await?;
    let mut bytes = Vec::new();
    for number in 0..20_000_u16 {
        bytes.extend(publish(&format!("zigbee2mqtt/made up {number}"), &[b'x'; 600], number + 1, true));
    }
    client.send(&bytes).await?;
    client.acknowledged(20_000, 0).await.map(drop)
}

async fn half_qos2(port: u16, stolen: &Stolen) -> Result<(), String> {
    let mut raw = Raw::signed_in(port, &stolen.bridge.name, &stolen.bridge).await?;
    for number in 1..=2_000_u16 {
        let body = [&field(b"zigbee2mqtt/hall motion")[..], &number.to_be_bytes(), b"{\"occupancy\":true}"].concat();
        raw.send(&packet(0x34, &body)).await?;
    }
    raw.closed("two thousand half exchanges").await
}

async fn packet_id_reuse(port: u16, stolen: &Stolen) -> Result<(), String> {
    let mut raw = Raw::signed_in(port, &stolen.bridge.name, &stolen.bridge).await?;
    let one = publish("zigbee2mqtt/hall motion", b"{\"occupancy\":true}", 7, false);
    raw.send(&one.repeat(1_000)).await?;
    // A PUBACK of four bytes for each.
    let answers = raw.read(4 * 1_000).await?;
    let puback = [0x40, 2, 0, 7];
    if answers.chunks(4).any(|answer| answer != puback) {
        return Err("messages of one packet id were answered otherwise than one by one".to_owned());
    }
    Ok(())
}

async fn protocol_levels(port: u16) -> Result<(), String> {
    let anybody = SignIn { name: "reader".to_owned(), password: "x".to_owned() };
    for (protocol, level) in [("MQTT", 0), ("MQTT", 6), ("MQTT", 255), ("MQIsdp", 9), ("HTTP", 4), ("", 4)] {
        let mut raw = Raw::connect(port).await?;
        raw.send(&connect(protocol.as_bytes(), level, b"reader", None, &anybody)).await?;
        if raw.connack().await? == Some(0) {
            return Err(format!("protocol `{protocol}` {level} was let in"));
        }
    }
    let mut raw = Raw::connect(port).await?;
    raw.send(b"GET / HTTP/1.1\r\nhost: gateway\r\n\r\n").await?;
    raw.closed("a request of another protocol").await
}

async fn malformed(port: u16, stolen: &Stolen) -> Result<(), String> {
    let bodies: [(&str, Vec<u8>); 6] = [
        ("an empty topic", packet(0x30, &[&field(b"")[..], b"x"].concat())),
        ("packet id 0", packet(0x32, &[&field(BUTTON_TOPIC.as_bytes())[..], &[0, 0], &press()].concat())),
        ("QoS 3", packet(0x36, &[&field(BUTTON_TOPIC.as_bytes())[..], &[0, 1], &press()].concat())),
        ("packet type 0", packet(0x00, &[])),
        ("a topic longer than its packet", packet(0x30, &[0xff, 0xff, b'x'])),
        ("a second sign-in", connect(b"MQTT", 4, b"checker", None, &stolen.bridge)),
    ];
    for (what, bytes) in bodies {
        let mut raw = Raw::signed_in(port, &stolen.bridge.name, &stolen.bridge).await?;
        raw.send(&bytes).await?;
        raw.closed(what).await?;
    }
    Ok(())
}

/// A session that the crowd of [`sessions`] leaves standing.
const HELD_SESSION: &str = "checker-0";

async fn sessions(port: u16, stolen: &Stolen) -> Result<(), String> {
    let mut granted = 0;
    for number in 0..200 {
        let mut raw = Raw::connect(port).await?;
        let mut bytes = connect(b"MQTT", 4, format!("checker-{number}").as_bytes(), None, &stolen.bridge);
        // Without the clean-session flag the session outlives its connection.
        bytes[9] &= !0b10;
        raw.send(&bytes).await?;
        granted += u32::from(raw.connack().await? == Some(0));
    }
    if granted >= 100 { Err(format!("{granted} sessions of one name were granted")) } else { Ok(()) }
}

async fn heavy_payloads(port: u16, stolen: &Stolen) -> Result<(), String> {
    // However crowded its name is, a session that stands is let in again.
    let mut client = MqttClient::connect(port, HELD_SESSION, Some(&stolen.bridge)).await?;
    let deep = [b"[".repeat(30_000), b"]".repeat(30_000)].concat();
    client.publish("zigbee2mqtt/hall motion", &deep).await?;
    let devices: Vec<_> = (0..4_000)
        .map(|number| {
            serde_json::json!({
                "friendly_name": format!("made up {number}"), "ieee_address": "0x1", "type": "EndDevice",
                "definition": { "exposes": [{ "type": "binary", "property": format!("p{number}"), "access": 1 }] },
            })
        })
        .collect();
    let list = serde_json::to_vec(&devices).map_err(|error| error.to_string())?;
    for _ in 0..3 {
        client.publish("zigbee2mqtt/bridge/devices", &list).await?;
    }
    for number in 0..2_000 {
        let payload = format!("{{\"p{number}\":true,\"occupancy\":{}}}", number % 2 == 0);
        client.publish(&format!("zigbee2mqtt/made up {number}"), payload.as_bytes()).await?;
    }
    Ok(())
}
