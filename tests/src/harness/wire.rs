//! MQTT 3.1.1 packets, byte by byte, so that a test decides every flag and packet id itself.

/// What a publish says on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// Topic.
    pub topic: String,
    /// Payload.
    pub payload: Vec<u8>,
    /// Packet id; none at QoS 0.
    pub packet: Option<u16>,
    /// Duplicate flag.
    pub duplicate: bool,
    /// Retain flag.
    pub retain: bool,
}

/// A packet that a broker sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// Sign-in answered with this code; 0 is success.
    ConnAck(u8),
    /// A publish was taken.
    PubAck(u16),
    /// A subscription was answered; 128 is a refusal.
    SubAck(u16, Vec<u8>),
    /// A message.
    Publish(Publish),
    /// Anything else, by its type.
    Other(u8),
}

/// The bytes of a CONNECT with a clean session and no keep-alive.
pub fn connect(client_id: &str, sign_in: Option<(&str, &str)>) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, "MQTT");
    let credentials = if sign_in.is_some() { 0b1100_0000 } else { 0 };
    body.extend([4, 0b10 | credentials, 0, 0]);
    text(&mut body, client_id);
    if let Some((user, password)) = sign_in {
        text(&mut body, user);
        text(&mut body, password);
    }
    framed(0x10, &body)
}

/// The bytes of a PUBLISH; QoS 1 where a packet id is given.
pub fn publish(message: &Publish) -> Vec<u8> {
    let qos = u8::from(message.packet.is_some());
    let flags = u8::from(message.duplicate) << 3 | qos << 1 | u8::from(message.retain);
    let mut body = Vec::with_capacity(message.payload.len() + message.topic.len() + 4);
    text(&mut body, &message.topic);
    if let Some(packet) = message.packet {
        body.extend(packet.to_be_bytes());
    }
    body.extend(&message.payload);
    framed(0x30 | flags, &body)
}

/// The bytes of a SUBSCRIBE at QoS 0, so that nothing heard needs an answer.
pub fn subscribe(packet: u16, filters: &[&str]) -> Vec<u8> {
    let mut body = packet.to_be_bytes().to_vec();
    for filter in filters {
        text(&mut body, filter);
        body.push(0);
    }
    framed(0x82, &body)
}

/// The bytes of a DISCONNECT.
pub fn disconnect() -> Vec<u8> {
    framed(0xe0, &[])
}

/// Takes one packet from the front of `bytes`; none while it is not whole.
pub fn take(bytes: &mut Vec<u8>) -> Option<Packet> {
    let first = *bytes.first()?;
    let (mut length, mut at) = (0_usize, 1);
    loop {
        let byte = *bytes.get(at)?;
        length |= usize::from(byte & 0x7f) << (7 * (at - 1));
        at += 1;
        if byte & 0x80 == 0 || at == 5 {
            break;
        }
    }
    if bytes.len() < at + length {
        return None;
    }
    let packet = parse(first, &bytes[at..at + length]);
    bytes.drain(..at + length);
    Some(packet)
}

fn parse(first: u8, body: &[u8]) -> Packet {
    let number = |at: usize| Some(u16::from_be_bytes([*body.get(at)?, *body.get(at + 1)?]));
    let parsed = match first >> 4 {
        2 => body.get(1).map(|code| Packet::ConnAck(*code)),
        4 => number(0).map(Packet::PubAck),
        9 => number(0).map(|packet| Packet::SubAck(packet, body.get(2..).unwrap_or_default().to_vec())),
        3 => message(first, body),
        _ => None,
    };
    parsed.unwrap_or(Packet::Other(first >> 4))
}

fn message(first: u8, body: &[u8]) -> Option<Packet> {
    let topic_bytes = usize::from(u16::from_be_bytes([*body.first()?, *body.get(1)?]));
    let topic = String::from_utf8_lossy(body.get(2..2 + topic_bytes)?).into_owned();
    let rest = body.get(2 + topic_bytes..)?;
    let (packet, payload) = if first >> 1 & 3 == 0 {
        (None, rest)
    } else {
        (Some(u16::from_be_bytes([*rest.first()?, *rest.get(1)?])), rest.get(2..)?)
    };
    let (duplicate, retain) = (first & 8 != 0, first & 1 != 0);
    Some(Packet::Publish(Publish { topic, payload: payload.to_vec(), packet, duplicate, retain }))
}

fn text(body: &mut Vec<u8>, text: &str) {
    body.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    body.extend(text.as_bytes());
}

fn framed(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut length = body.len();
    loop {
        let byte = (length & 0x7f) as u8;
        length >>= 7;
        packet.push(if length > 0 { byte | 0x80 } else { byte });
        if length == 0 {
            break;
        }
    }
    packet.extend(body);
    packet
}

#[cfg(test)]
mod tests;
