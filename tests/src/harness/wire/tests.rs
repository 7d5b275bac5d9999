use super::*;

fn message(payload_bytes: usize, packet: Option<u16>) -> Publish {
    Publish {
        topic: "a/b".into(),
        payload: vec![b'x'; payload_bytes],
        packet,
        duplicate: packet.is_some(),
        retain: true,
    }
}

#[test]
fn a_publish_is_read_as_it_was_written_whatever_its_size() {
    for payload_bytes in [0, 1, 120, 121, 16_376, 300_000] {
        for packet in [None, Some(1), Some(u16::MAX)] {
            let message = message(payload_bytes, packet);
            let mut bytes = publish(&message);
            bytes.extend([0xd0, 0]);
            assert_eq!(take(&mut bytes), Some(Packet::Publish(message)));
            assert_eq!(take(&mut bytes), Some(Packet::Other(13)));
            assert_eq!(take(&mut bytes), None);
        }
    }
}

#[test]
fn a_packet_that_is_not_whole_is_left_where_it_is() {
    let whole = publish(&message(200, Some(7)));
    for end in 0..whole.len() {
        let mut part = whole[..end].to_vec();
        assert_eq!(take(&mut part), None);
        assert_eq!(part.len(), end);
    }
}

#[test]
fn a_connect_says_who_signs_in_and_asks_for_a_clean_session() {
    assert_eq!(connect("c", Some(("u", "p"))), *b"\x10\x13\0\x04MQTT\x04\xc2\0\0\0\x01c\0\x01u\0\x01p");
    assert_eq!(connect("c", None), *b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x01c");
}
