//! MQTT frames as far as the door must know them: where one ends, what kind it is, who signs in, and
//! what topic a publish is for. Everything else is the broker's.

/// Control packet types, MQTT 3.1.1 and 5.
pub const CONNECT: u8 = 1;
/// The answer to a CONNECT.
pub const CONNACK: u8 = 2;
/// Return codes of a CONNACK for "not just now": server unavailable, in MQTT 3.1.1 and in 5.
pub const UNAVAILABLE: [u8; 2] = [3, 0x88];
/// A message.
pub const PUBLISH: u8 = 3;
/// Taken, at QoS 1.
pub const PUBACK: u8 = 4;
/// Taken, at QoS 2.
pub const PUBREC: u8 = 5;
/// The answer to a ping.
pub const PINGRESP: u8 = 13;
/// The client's last packet.
pub const DISCONNECT: u8 = 14;
/// The bytes of a PINGREQ.
pub const PINGREQ_BYTES: [u8; 2] = [0xc0, 0];

/// A fixed header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// First byte: type and flags.
    pub first: u8,
    /// Bytes of the fixed header.
    pub header_bytes: usize,
    /// Bytes of the whole packet.
    pub total_bytes: usize,
}

impl Header {
    /// The packet type.
    pub fn packet(&self) -> u8 {
        self.first >> 4
    }

    /// The quality of service of a publish, 0 to 2.
    pub fn qos(&self) -> u8 {
        self.first >> 1 & 3
    }
}

/// What stands at the front of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front {
    /// More bytes are needed to say.
    Unknown,
    /// A packet begins.
    Packet(Header),
    /// No packet can begin like this.
    Malformed,
}

/// Reads a fixed header.
pub fn front(bytes: &[u8]) -> Front {
    let Some(first) = bytes.first() else { return Front::Unknown };
    let mut length = 0_usize;
    for at in 0..4 {
        let Some(byte) = bytes.get(1 + at) else { return Front::Unknown };
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            let header_bytes = 2 + at;
            return Front::Packet(Header { first: *first, header_bytes, total_bytes: header_bytes + length });
        }
    }
    Front::Malformed
}

/// Reads a whole packet front to back.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn field(&mut self) -> Option<&'b [u8]> {
        let [high, low] = self.take(2)? else { return None };
        self.take(usize::from(u16::from_be_bytes([*high, *low])))
    }

    /// MQTT 5 properties, skipped.
    fn properties(&mut self) -> Option<()> {
        let mut length = 0_usize;
        for at in 0..4 {
            let byte = self.byte()?;
            length |= usize::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                return self.take(length).map(drop);
            }
        }
        None
    }
}

/// The user name that a whole CONNECT signs in with, empty where it has none; nothing where it is malformed.
pub fn user_name(packet: &[u8], header: Header) -> Option<String> {
    let mut reader = Reader(packet.get(header.header_bytes..)?);
    reader.field()?;
    let level = reader.byte()?;
    let flags = reader.byte()?;
    // Keep-alive.
    reader.take(2)?;
    let is_5 = level == 5;
    if is_5 {
        reader.properties()?;
    }
    // Client id.
    reader.field()?;
    if flags & 0b100 != 0 {
        if is_5 {
            reader.properties()?;
        }
        // Topic and payload of the last will.
        reader.field()?;
        reader.field()?;
    }
    if flags & 0b1000_0000 == 0 {
        return Some(String::new());
    }
    String::from_utf8(reader.field()?.to_vec()).ok()
}

/// The topic of a whole PUBLISH; nothing where it is malformed.
pub fn topic(packet: &[u8], header: Header) -> Option<&str> {
    let topic = Reader(packet.get(header.header_bytes..)?).field()?;
    std::str::from_utf8(topic).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A CONNECT with a last will, as a 3.1.1 and as a 5 client writes it.
    fn connect(level: u8) -> Vec<u8> {
        let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', level, 0b1100_0110, 0, 60];
        let properties: &[u8] = if level == 5 { &[3, 0x21, 0, 10] } else { &[] };
        body.extend(properties);
        body.extend([0, 2, b'i', b'd']);
        body.extend(if level == 5 { &[0][..] } else { &[] });
        body.extend([0, 1, b't', 0, 1, b'p', 0, 4, b'w', b'a', b'n', b'g', 0, 2, b'p', b'w']);
        let mut packet = vec![0x10, body.len() as u8];
        packet.extend(body);
        packet
    }

    #[test]
    fn a_header_is_known_once_its_length_is_whole() {
        assert_eq!(front(&[]), Front::Unknown);
        assert_eq!(front(&[0x30, 0x80]), Front::Unknown);
        assert_eq!(front(&[0x30, 0x80, 0x80, 0x80, 0x80]), Front::Malformed);
        let header = Header { first: 0x32, header_bytes: 3, total_bytes: 131 };
        assert_eq!(front(&[0x32, 0x80, 0x01]), Front::Packet(header));
        assert_eq!((header.packet(), header.qos()), (PUBLISH, 1));
    }

    #[test]
    fn a_user_name_is_read_behind_a_last_will_in_both_versions() {
        for level in [4, 5] {
            let packet = connect(level);
            let Front::Packet(header) = front(&packet) else { panic!("no packet") };
            assert_eq!(user_name(&packet, header).as_deref(), Some("wang"), "level {level}");
            for end in header.header_bytes..packet.len() - 4 {
                assert_eq!(user_name(&packet[..end], header), None, "cut at {end}, level {level}");
            }
        }
    }

    #[test]
    fn a_topic_is_read_only_where_it_is_text_and_whole() {
        let packet = [0x30, 6, 0, 3, b'a', b'/', b'b', b'!'];
        let Front::Packet(header) = front(&packet) else { panic!("no packet") };
        assert_eq!(topic(&packet, header), Some("a/b"));
        assert_eq!(topic(&packet[..5], header), None);
        assert_eq!(topic(&[0x30, 3, 0, 1, 0xff], header), None);
    }
}
