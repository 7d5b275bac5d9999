use expect_test::{Expect, expect};

use super::*;
use crate::decode::DecoderConfig;

fn check(lines: &[u8], expected: Expect) {
    let mut out = Vec::new();
    run(lines, &mut out, &mut Decoder::new(DecoderConfig::without_home())).unwrap();
    expected.assert_eq(&String::from_utf8(out).unwrap());
}

#[test]
fn every_line_has_exactly_one_answer() {
    let lines = concat!(
        r#"{"topic":"zigbee2mqtt/bridge/devices","payload":[{"type":"EndDevice","friendly_name":"door","definition":{"description":"Contact","exposes":[{"name":"contact","property":"contact","type":"binary","access":1,"value_on":true,"value_off":false}]}}],"retain":true}"#,
        "\n",
        r#"{"topic":"zigbee2mqtt/door","payload":{"contact":true,"linkquality":90},"model":"ignored"}"#,
        "\n",
        r#"{"topic":"zigbee2mqtt/door","payload":{"contact":true}}"#,
        "\nnot json\n\n[1]\n",
        r#"{"topic":"zigbee2mqtt/sos/action","payload":"emergency"}"#,
        "\n",
        r#"{"topic":"zigbee2mqtt/sos","payload":{"action":"emergency"}}"#,
        "\n",
        r#"{"topic":"zigbee2mqtt/sos","payload":{"action":"emergency"},"retain":true}"#,
        "\n",
        r#"{"topic":"zigbee2mqtt/sos"}"#,
    );
    check(
        lines.as_bytes(),
        expect![[r#"
            {"observations":[],"rejected":null,"topic":"zigbee2mqtt/bridge/devices"}
            {"observations":[{"device":"door","edge":true,"key":"contact","kind":"contact","value":"open"},{"device":"door","edge":true,"key":"linkquality","kind":"link","value":90}],"rejected":null,"topic":"zigbee2mqtt/door"}
            {"observations":[{"device":"door","edge":false,"key":"contact","kind":"contact","value":"open"}],"rejected":null,"topic":"zigbee2mqtt/door"}
            {"observations":[],"rejected":"not_json","topic":null}
            {"observations":[],"rejected":"not_json","topic":null}
            {"observations":[],"rejected":"unexpected_shape","topic":null}
            {"observations":[{"device":"sos","edge":true,"key":"action_topic","kind":"sos","value":true}],"rejected":null,"topic":"zigbee2mqtt/sos/action"}
            {"observations":[{"device":"sos","edge":false,"key":"action","kind":"sos","value":true}],"rejected":null,"topic":"zigbee2mqtt/sos"}
            {"observations":[],"rejected":"retained_press","topic":"zigbee2mqtt/sos"}
            {"observations":[],"rejected":"empty","topic":"zigbee2mqtt/sos"}
        "#]],
    );
}

#[test]
fn a_line_that_is_not_text_is_answered_too() {
    check(
        b"\xff\xfe\n{\"topic\":\"homecare/cancel\",\"payload\":{}}\n",
        expect![[r#"
            {"observations":[],"rejected":"not_json","topic":null}
            {"observations":[],"rejected":null,"topic":"homecare/cancel"}
        "#]],
    );
}

#[test]
fn a_line_beyond_the_limit_is_answered_and_the_next_one_heard() {
    let long = format!("{{\"topic\":\"zigbee2mqtt/x\",\"payload\":\"{}\"}}\n", "x".repeat(100));
    let press = "{\"topic\":\"zigbee2mqtt/x/action\",\"payload\":\"sos\"}\n";
    let mut out = Vec::new();
    let mut decoder = Decoder::new(DecoderConfig::without_home());
    run_within(60, format!("{long}{press}{long}").as_bytes(), &mut out, &mut decoder).unwrap();
    expect![[r#"
        {"observations":[],"rejected":"too_large","topic":null}
        {"observations":[{"device":"x","edge":true,"key":"action_topic","kind":"sos","value":true}],"rejected":null,"topic":"zigbee2mqtt/x/action"}
        {"observations":[],"rejected":"too_large","topic":null}
    "#]]
    .assert_eq(&String::from_utf8(out).unwrap());
}
