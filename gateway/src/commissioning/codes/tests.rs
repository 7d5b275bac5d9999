use super::*;
use crate::config::GatewayConfig;
use crate::config::tests::BARE;
use crate::decode::{Decoder, Heard};
use protocol::record::Stamp;
use serde_json::json;

const HOME: &str = r#"
[[mqtt.client]]
name = "radio"
password = "a-long-password"
publish = ["rtl_433/#", "tele/#", "home/#"]
"#;

const MESSAGES: [(&str, &str); 5] = [
    ("rtl_433/pi/events", r#"{"model":"Generic-Remote","id":23130,"cmd":196,"tristate":"ZZXX10ZZ1ZX0"}"#),
    ("rtl_433/pi/events", r#"{"model":"Smoke-GS558","id":4660,"code":"abc\"d"}"#),
    ("tele/RF_Bridge/RESULT", r#"{"RfReceived":{"Sync":12470,"Low":420,"High":1220,"Data":"D691DE","RfKey":"None"}}"#),
    ("home/OMG/433toMQTT", r#"{"value":5592332,"protocol":1,"length":24,"delay":180}"#),
    (
        "home/OpenMQTTGateway/SRFBtoMQTT",
        r#"{"raw":"2B660186042E00E7E5","value":"59365","delay":"1111","val_Thigh":"390","val_Tlow":"1070"}"#,
    ),
];

fn hear(decoder: &Decoder, topic: &str, payload: &str) -> Vec<String> {
    let at = Stamp { boot: 1, uptime_ms: 1_000, wall_ms: 0, wall_trusted: false };
    let decoded = decoder.decode(&Heard { topic, payload: payload.as_bytes(), retain: false, at });
    decoded.seen.iter().map(|seen| format!("{:?} by {}", seen.observation.kind, seen.observation.device)).collect()
}

#[test]
fn a_code_repeated_on_the_air_is_one_press_and_pressed_again_another() {
    let mut codes = Codes::default();
    let (topic, payload) = MESSAGES[0];
    let begun: Vec<bool> =
        [0, 50, 100, 5_000, 5_050].map(|at_ms| codes.hear(topic, payload.as_bytes(), at_ms).is_some()).to_vec();
    assert_eq!(begun, [true, false, false, true, false]);
    let [(_, count)] = codes.heard(5)[..] else { panic!("one code is heard five times") };
    assert_eq!((count.messages, count.presses), (5, 2));
    assert!(codes.heard(6).is_empty());
}

#[test]
fn a_weather_station_is_no_button() {
    let mut codes = Codes::default();
    let payload = json!({"model": "Nexus-TH", "id": 1, "data": "x", "temperature_C": 21.0}).to_string();
    assert!(codes.hear("rtl_433/pi/events", payload.as_bytes(), 0).is_none());
    assert!(codes.hear("rtl_433/pi/events", b"not json", 0).is_none());
}

#[test]
fn the_rule_printed_for_a_code_learns_it_and_before_that_nobody_is_called() {
    for (topic, payload) in MESSAGES {
        let before = Decoder::new(GatewayConfig::read(&[BARE, HOME].concat()).unwrap().decoder);
        assert!(hear(&before, topic, payload).is_empty(), "{payload} raises unlearned");
        let rule = Code::read(topic, payload.as_bytes()).unwrap().rule();
        let config = format!("{BARE}{HOME}\n{}", rule.replacen('…', "pendant", 1));
        let config = GatewayConfig::read(&config).unwrap_or_else(|problems| panic!("{problems:?} in\n{config}"));
        assert_eq!(hear(&Decoder::new(config.decoder), topic, payload), ["Sos by pendant"], "{rule}");
    }
}
