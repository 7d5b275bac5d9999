use expect_test::{Expect, expect};

use super::*;
use crate::config::GatewayConfig;
use crate::config::tests::BARE;

const HOME: &str = r#"
[[mqtt.client]]
name = "zigbee2mqtt"
password = "a-long-password"
publish = ["zigbee2mqtt/#"]
[[device]]
name = "radar"
role = "fall"
room = "bathroom"
[[device]]
name = "button"
role = "sos"
room = "bedroom"
"#;

/// The last steps of an explanation: what the rules do.
fn rules_say(topic: &str, payload: &str, expected: Expect) {
    let config = GatewayConfig::read(&[BARE, HOME].concat()).unwrap();
    let text = of(&mut Decoder::new(config.decoder), config.rules, None, topic, payload, false).unwrap();
    let english: Vec<&str> = text.lines().filter(|line| line.starts_with("    ")).map(str::trim).collect();
    let from = english.iter().position(|line| line.contains("The rules:")).unwrap();
    expected.assert_eq(&english[from..].iter().map(|line| format!("{line}\n")).collect::<String>());
}

#[test]
fn a_suspected_fall_is_no_call_now_and_one_after_three_minutes() {
    rules_say(
        "zigbee2mqtt/radar",
        r#"{"fall_down_status":"maybe_fall"}"#,
        expect![[r#"
        The rules: nobody is called now (1 record(s) go to the journal).
        If nothing else is heard, after 3 min → The rules: Fall is raised (a suspected fall that nothing cleared), priority P1; the centre opens an order.
    "#]],
    );
}

#[test]
fn a_press_is_a_call_at_once_and_a_fall_a_pre_alarm() {
    rules_say(
        "zigbee2mqtt/button",
        r#"{"action":"single"}"#,
        expect![[r#"
        The rules: Sos is raised (a button was pressed), priority P1; the centre opens an order.
    "#]],
    );
    rules_say(
        "zigbee2mqtt/radar",
        r#"{"fall_down_status":"fall"}"#,
        expect![[r#"
        The rules: a pre-alarm of 30 s for Fall; the elder may cancel it, else it is raised.
    "#]],
    );
}

#[test]
fn a_battery_that_is_well_is_nobodys_business_then_or_later() {
    rules_say(
        "zigbee2mqtt/button",
        r#"{"battery":80}"#,
        expect![[r#"
        The rules: nobody is called now (1 record(s) go to the journal).
    "#]],
    );
}
