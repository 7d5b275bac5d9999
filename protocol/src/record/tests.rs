use super::*;

fn stamp() -> Stamp {
    Stamp { boot: 7, uptime_ms: 12_345, wall_ms: 1_700_000_000_000, wall_trusted: true }
}

fn press() -> Body {
    Body::Trigger(Trigger {
        kind: TriggerKind::Sos,
        device: "sos bedside".into(),
        key: "action".into(),
        room: Some("bedroom".into()),
        reason: Reason::ButtonPressed,
        follows: None,
        test: false,
    })
}

#[test]
fn a_sealed_record_reads_back_with_the_same_hash() {
    let mut head = ChainHead { incarnation: Incarnation(9), next_seq: 1, hash: Hash32::ZERO };
    let delivery = Delivery { client: "z2m".into(), packet: 7, digest: 42 };
    let first = head.seal(stamp(), Some(delivery), press()).unwrap();
    let second = head.seal(stamp(), None, Body::Stopped).unwrap();
    assert_eq!(second.prev, first.hash);
    assert_eq!((second.seq, head.next_seq), (2, 3));
    let mut appended = vec![7];
    first.encode_into(&mut appended).unwrap();
    assert_eq!(appended[1..], first.encode().unwrap());
    let read = Record::decode(BODY_VERSION, &first.encode().unwrap(), Hash32::ZERO).unwrap();
    assert_eq!(read, first);
}

#[test]
fn the_centre_recomputes_the_hash_from_the_json_it_was_sent() {
    let mut head = ChainHead { incarnation: Incarnation(u64::MAX), next_seq: 5, hash: Hash32([3; 32]) };
    let record = head.seal(stamp(), None, press()).unwrap();
    let sent = serde_json::to_string(&record).unwrap();
    let received: Record = serde_json::from_str(&sent).unwrap();
    assert_eq!(chain(received.prev, &received.encode().unwrap()), record.hash);
}

#[test]
fn a_newer_body_and_a_torn_one_are_refused_by_name() {
    assert_eq!(Body::decode(2, &[]), Err(BodyError::Version { found: 2 }));
    let mut bytes = press().encode().unwrap();
    bytes.pop();
    assert!(matches!(Body::decode(BODY_VERSION, &bytes), Err(BodyError::Decode(_))));
}
