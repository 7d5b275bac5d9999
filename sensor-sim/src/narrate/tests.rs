use super::*;

#[test]
fn the_lamp_is_told_in_both_languages() {
    let payload = r#"{"stage":"received","zh":"中心已收到,等人接手","en":"Arrived, no person yet"}"#;
    let line = lamp(topics::REASSURANCE, payload.as_bytes());
    assert_eq!(line.as_deref(), Some("灯 lamp: 中心已收到,等人接手 / Arrived, no person yet   [received]"));
    assert_eq!(lamp("other", payload.as_bytes()), None);
    assert_eq!(lamp(topics::REASSURANCE, b""), None);
}

#[test]
fn a_presence_code_is_understood_as_json_or_as_digits() {
    let code = |text: &str| presence_code(topics::PRESENCE_CODE, text.as_bytes());
    assert_eq!(code(r#"{"code":"012345","valid_secs":60}"#).as_deref(), Some("012345"));
    assert_eq!(code("\"012345\"").as_deref(), Some("012345"));
    assert_eq!(code("123456").as_deref(), Some("123456"));
    assert_eq!(code("012345").as_deref(), Some("012345"));
    assert_eq!(code("12345"), None);
    assert_eq!(code(""), None);
}

#[test]
fn the_same_trouble_is_told_once_until_there_was_a_connection() {
    let mut teller = LinkTeller::default();
    let trouble = crate::link::LinkTrouble::NotReached { address: "a:1".into(), why: "nobody listens there".into() };
    let away = LinkNews::Away { trouble, retry_in: Duration::from_secs(1) };
    assert!(teller.line(&away).is_some());
    assert_eq!(teller.line(&away), None);
    assert!(teller.line(&LinkNews::Connected { first: true }).is_some());
    assert!(teller.line(&away).is_some());
}

#[test]
fn lost_messages_are_named_once_and_then_counted() {
    let mut teller = LinkTeller::default();
    let dropped = LinkNews::Dropped { topic: "zigbee2mqtt/hall".into(), why: "the broker is away" };
    let first = teller.line(&dropped);
    assert_eq!(first.as_deref(), Some("not sent: zigbee2mqtt/hall (the broker is away); further ones are counted"));
    assert_eq!(teller.line(&dropped), None);
    let back = teller.line(&LinkNews::Connected { first: false });
    assert_eq!(back.as_deref(), Some("connected to the broker again; 2 messages were not sent meanwhile"));
}
