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
            # Zigbee2MQTT: configuration.yaml(并入 · merge into it)
            mqtt:
              server: 'mqtt://127.0.0.1:1884'
              base_topic: 'zigbee2mqtt'
              user: 'bridge'
              password: 'it''s a password'
              client_id: 'bridge'           # 网关要求以用户名开头 · must begin with the user name
            device_options:               # 对全部设备 · for every device
              qos: 1                      # 断线时按键不丢 · a press is not lost while the connection is
              retain: false               # 旧按键不重放 · no old press is replayed
              filtered_cache:             # 求助键不缓存:每个 true 都是一次按键 · not cached: every true is a press
                - '^sos$'
                - '^sos_alarm$'
                - '^panic$'
            availability:
              enabled: true
              active:
                timeout: 10               # 分钟,有电源的设备 · minutes, on the mains
              passive:
                timeout: 1440             # 分钟,电池设备 · minutes, on a battery
            advanced:
              cache_state: true
              cache_state_persistent: true
              cache_state_send_on_startup: true
              output: json
              last_seen: ISO_8601_local
        "#]],
    );
}

#[test]
fn mosquitto_is_told_what_the_gateway_hears() {
    shown(
        Program::Mosquitto,
        EXTERNAL,
        expect![[r#"
            # ── mosquitto 2: /etc/mosquitto/conf.d/homecare.conf
            listener 1885
            allow_anonymous false
            password_file /etc/mosquitto/homecare.passwd
            acl_file /etc/mosquitto/homecare.acl
            persistence true              # 重启后会话仍在 · sessions survive a restart
            autosave_interval 30
            queue_qos0_messages true      # 网关断线时也留住 QoS 0 · keep QoS 0 too while the gateway is away
            max_queued_messages 10000
            set_tcp_nodelay true

            # 密码 · passwords: mosquitto_passwd -c /etc/mosquitto/homecare.passwd care

            # ── /etc/mosquitto/homecare.acl(另一个文件 · another file)
            user care
            topic read zigbee2mqtt/#
            topic read homecare/visit
            topic read homecare/cancel
            topic read rtl_433/+/events
            topic read tele/+/RESULT
            topic read home/+/433toMQTT
            topic read home/+/SRFBtoMQTT
            topic write homecare/#
            topic write homeassistant/#
            topic write zigbee2mqtt/bridge/request/permit_join
            user zigbee2mqtt
            topic readwrite zigbee2mqtt/#
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
