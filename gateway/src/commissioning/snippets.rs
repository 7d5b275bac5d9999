//! Ready settings for the programs around the gateway, filled from the home's configuration.
//!
//! Key names are those of Zigbee2MQTT 2.14's settings schema, mosquitto 2 and Home Assistant 2025.

use std::fmt::Write as _;

use super::Program;
use crate::config::{GatewayConfig, IntakeConfig};
use crate::intake::topic_filter;

/// The settings of one program.
pub fn of(program: Program, config: &GatewayConfig) -> String {
    match program {
        Program::Zigbee2mqtt => zigbee2mqtt(config),
        Program::Mosquitto => mosquitto(config),
        Program::Homeassistant => home_assistant(config),
    }
}

/// Host and port at which a client on this machine reaches the home's broker, and its sign-in.
fn broker(config: &GatewayConfig, speaks: &str) -> (String, Option<(String, String)>) {
    match &config.intake {
        IntakeConfig::Embedded { listen, clients, topics: _ } => {
            let host = if listen.ip().is_unspecified() { "127.0.0.1".to_owned() } else { listen.ip().to_string() };
            let client = clients
                .iter()
                .filter(|client| client.name != super::visitor::NAME)
                .find(|client| client.publish.iter().any(|filter| topic_filter::matches(filter, speaks)));
            let sign_in = client.map(|client| (client.name.clone(), client.password.clone()));
            (format!("{host}:{}", listen.port()), sign_in)
        }
        IntakeConfig::External(broker) => (format!("{}:{}", broker.host, broker.port), None),
    }
}

/// A YAML single-quoted text.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn zigbee2mqtt(config: &GatewayConfig) -> String {
    let base = &config.decoder.zigbee2mqtt_base;
    let (address, sign_in) = broker(config, &format!("{base}/bridge/state"));
    let (user, password) = sign_in.unwrap_or_else(|| ("zigbee2mqtt".into(), "…".into()));
    let mut text = String::from("# Zigbee2MQTT: configuration.yaml(并入 · merge into it)\n");
    let (base, user, password) = (quoted(base), quoted(&user), quoted(&password));
    let _ = write!(
        text,
        "mqtt:\n  server: {server}\n  base_topic: {base}\n  user: {user}\n  password: {password}\n  \
         client_id: {user}           # 网关要求以用户名开头 · must begin with the user name\n\
         device_options:               # 对全部设备 · for every device\n  \
         qos: 1                      # 断线时按键不丢 · a press is not lost while the connection is\n  \
         retain: false               # 旧按键不重放 · no old press is replayed\n  \
         filtered_cache:             # 求助键不缓存:每个 true 都是一次按键 · not cached: every true is a press\n    \
         - '^sos$'\n    - '^sos_alarm$'\n    - '^panic$'\n\
         availability:\n  enabled: true\n  active:\n    timeout: 10               # 分钟,有电源的设备 · minutes, on the mains\n  \
         passive:\n    timeout: 1440             # 分钟,电池设备 · minutes, on a battery\n\
         advanced:\n  cache_state: true\n  cache_state_persistent: true\n  cache_state_send_on_startup: true\n  \
         output: json\n  last_seen: ISO_8601_local\n",
        server = quoted(&format!("mqtt://{address}")),
    );
    text
}

fn mosquitto(config: &GatewayConfig) -> String {
    let base = &config.decoder.zigbee2mqtt_base;
    let mut text = String::from("# ── mosquitto 2: /etc/mosquitto/conf.d/homecare.conf\n");
    let IntakeConfig::External(broker) = &config.intake else {
        text += "# 本住家用网关内置服务器,不需要 mosquitto。 · This home uses the gateway's own broker and needs no mosquitto.\n";
        return text;
    };
    let user = broker.sign_in.as_ref().map_or("homecare", |(name, _)| name.as_str());
    let port = broker.port;
    let _ = write!(
        text,
        "listener {port}\nallow_anonymous false\npassword_file /etc/mosquitto/homecare.passwd\nacl_file /etc/mosquitto/homecare.acl\n\
         persistence true              # 重启后会话仍在 · sessions survive a restart\n\
         autosave_interval 30\n\
         queue_qos0_messages true      # 网关断线时也留住 QoS 0 · keep QoS 0 too while the gateway is away\n\
         max_queued_messages 10000\n\
         set_tcp_nodelay true\n\n\
         # 密码 · passwords: mosquitto_passwd -c /etc/mosquitto/homecare.passwd {user}\n\n\
         # ── /etc/mosquitto/homecare.acl(另一个文件 · another file)\nuser {user}\n"
    );
    // `gateway learn` listens to codes that no rule names yet.
    for filter in broker.filters.iter().map(String::as_str).chain(super::visitor::CODE_TOPICS) {
        let _ = writeln!(text, "topic read {filter}");
    }
    let _ = write!(
        text,
        "topic write homecare/#\ntopic write homeassistant/#\ntopic write {base}/bridge/request/permit_join\n\
         user zigbee2mqtt\ntopic readwrite {base}/#\n"
    );
    text
}

fn home_assistant(config: &GatewayConfig) -> String {
    let (address, _) = broker(config, "homeassistant/status");
    let mut text = String::from("# Home Assistant\n");
    let _ = write!(
        text,
        "# 1. 网关配置 · in the gateway's configuration:\n\
         [homeassistant]\nenabled = true\n\n\
         [[mqtt.client]]\nname = \"homeassistant\"\npassword = \"replace-with-a-random-password\"\npublish = []\nsubscribe = [\"homeassistant/#\", \"homecare/#\"]\n\n\
         # 2. Home Assistant → 设置 → 设备与服务 → MQTT · Settings → Devices & services → MQTT:\n\
         #    broker {address}, username homeassistant, 客户端编号以 homeassistant 开头 · client ID beginning with homeassistant,\n\
         #    发现前缀 · discovery prefix homeassistant, 关闭出生与遗嘱消息 · birth and will messages off.\n\
         # 只读:它看得到,不能代老人发声。 · Read-only: it sees, and never speaks for the elder.\n"
    );
    text
}

#[cfg(test)]
mod tests;
