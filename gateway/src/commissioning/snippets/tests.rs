use expect_test::{Expect, expect};

use super::*;

const HOME: &str = r#"
gateway = "home-1"
data_dir = "/tmp/home-1"
[centre]
paths = ["https://centre.example.org"]
token = "0123456789abcdef0123456789abcdef"
[mqtt]
listen = "0.0.0.0:1884"
[[mqtt.client]]
name = "bridge"
password = "it's a password"
publish = ["zigbee2mqtt/#"]
subscribe = ["zigbee2mqtt/#"]
"#;

const EXTERNAL: &str = r#"
gateway = "home-1"
data_dir = "/tmp/home-1"
[centre]
paths = ["https://centre.example.org"]
token = "0123456789abcdef0123456789abcdef"
[mqtt]
mode = "external"
broker = "127.0.0.1:1885"
username = "care"
password = "a-long-password"
"#;

fn shown(program: Program, home: &str, expected: Expect) {
    expected.assert_eq(&of(program, &GatewayConfig::read(home).unwrap()));
}

#[test]
fn zigbee2mqtt_gets_the_homes_own_broker_and_sign_in() {
    shown(
        Program::Zigbee2mqtt,
        HOME,
        expect![[r#"
        "#]],
    );
}

#[test]
fn mosquitto_is_told_what_the_gateway_hears() {
    shown(
        Program::Mosquitto,
        EXTERNAL,
        expect![[r#"
        "#]],
    );
}

#[test]
fn a_home_with_its_own_broker_needs_no_mosquitto() {
    assert!(of(Program::Mosquitto, &GatewayConfig::read(HOME).unwrap()).contains("needs no mosquitto"));
}

#[test]
fn what_home_assistant_is_told_to_add_is_a_good_configuration() {
    let text = of(Program::Homeassistant, &GatewayConfig::read(HOME).unwrap());
    let added: String = text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    let config = GatewayConfig::read(&format!("{HOME}\n{added}")).unwrap();
    assert!(config.homeassistant.is_some());
}
