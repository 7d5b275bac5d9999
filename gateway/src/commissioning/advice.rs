//! What an installer should change although the configuration is valid: in the home's file and in the bridge's.

use std::collections::BTreeSet;

use crate::config::{GatewayConfig, IntakeConfig};
use crate::decode::{Role, Step};
use crate::home::supervision::silence::Power;
use crate::intake::topic_filter;

use super::bridge::{Bridge, Settings};

fn say(zh: impl Into<String>, en: impl Into<String>) -> Step {
    Step { zh: zh.into(), en: en.into() }
}

/// Advice on the configuration alone.
pub fn on_home(config: &GatewayConfig) -> Vec<Step> {
    let mut advice = Vec::new();
    for (name, place) in &config.rules.devices {
        if place.room.is_none() && place.role != Some(Role::Ignore) {
            advice.push(say(
                format!("设备 `{name}` 没有房间(room):派单时说不出在哪里。"),
                format!("device `{name}` has no room: an order cannot say where."),
            ));
        }
        if place.role.is_none() {
            advice.push(say(
                format!("设备 `{name}` 没有用途(role):按它自己的说法归类,床垫常自称门磁。"),
                format!(
                    "device `{name}` has no role: it counts as what it says of itself, and bed pads often say contact."
                ),
            ));
        }
    }
    on_patience(config, &mut advice);
    on_lone_sensor(config, &mut advice);
    for (name, place) in &config.rules.devices {
        if place.power == Some(Power::OneWay) {
            advice.push(say(
                format!("`{name}` 没有心跳,失联无法发现:请每月手动测试(gateway test-press)。"),
                format!("`{name}` has no heartbeat and cannot be supervised: test it by hand each month (gateway test-press)."),
            ));
        } else if place.power.is_none() && place.role.is_some_and(Role::is_button) && is_address(name) {
            advice.push(say(
                format!("按钮 `{name}` 若只在按下时才发信号,请写 power = \"one_way\",否则会被报失联。"),
                format!(
                    "button `{name}`: if it speaks only when it is pressed, write power = \"one_way\", or it is called silent."
                ),
            ));
        }
    }
    let IntakeConfig::Embedded { clients, .. } = &config.intake else { return advice };
    let base = &config.decoder.zigbee2mqtt_base;
    let clients: Vec<_> = clients.iter().filter(|client| client.name != super::visitor::NAME).collect();
    for client in &clients {
        if client.publish.is_empty() && client.subscribe.is_empty() {
            let name = &client.name;
            advice.push(say(
                format!("客户端 `{name}` 没有任何权限(publish、subscribe 都空)。"),
                format!("client `{name}` has no rights at all: publish and subscribe are both empty."),
            ));
        }
    }
    let speaks = |topic: &str| {
        clients.iter().any(|client| client.publish.iter().any(|filter| topic_filter::matches(filter, topic)))
    };
    let hears = |topic: &str| {
        clients.iter().any(|client| client.subscribe.iter().any(|filter| topic_filter::matches(filter, topic)))
    };
    if !config.decoder.devices.is_empty() && !speaks(&format!("{base}/bridge/devices")) {
        advice.push(say(
            format!("没有客户端可发布 `{base}/#`:Zigbee 设备说的话传不进来。"),
            format!("no client may publish `{base}/#`: nothing of the Zigbee devices comes in."),
        ));
    }
    for rule in &config.decoder.rules {
        let topic = rule.topic.to_string();
        let heard = clients.iter().any(|client| {
            client
                .publish
                .iter()
                .any(|filter| topic_filter::covers(filter, &topic) || topic_filter::covers(&topic, filter))
        });
        if !heard {
            let device = &rule.device;
            advice.push(say(
                format!("没有客户端可发布 `{topic}`(设备 `{device}` 的规则):它说的话传不进来。"),
                format!(
                    "no client may publish `{topic}`, which the rule of `{device}` listens to: nothing of it comes in."
                ),
            ));
        }
    }
    if !hears(protocol::topics::REASSURANCE) {
        let topic = protocol::topics::REASSURANCE;
        advice.push(say(
            format!("没有灯或喇叭订阅 `{topic}`:老人得不到回应。"),
            format!("no lamp or speaker may subscribe to `{topic}`: the elder is told nothing by one."),
        ));
    }
    advice
}

/// What the table of alarms calls safe without anybody's word: 12 h at home and out, and a call a week.
const SAFE_MS: u64 = 12 * 3_600_000;
const SAFE_CALLS_A_YEAR: u32 = 48;

/// Chatter is told from life by a second sensor alone.
fn on_lone_sensor(config: &GatewayConfig, advice: &mut Vec<Step>) {
    let pets = config.rules.daily_life.inactivity.pets;
    let signs = [Role::Motion, Role::Presence, Role::Vibration, Role::Door, Role::ExitDoor, Role::Bed];
    let places = &config.rules.devices;
    // What has no role counts as what it says of itself, and may be the second sensor.
    if places.values().any(|place| place.role.is_none()) {
        return;
    }
    let tells = places.iter().filter(|(_, place)| place.role.is_some_and(|role| signs.contains(&role)));
    let sensors: BTreeSet<_> = tells
        .map(|(name, place)| if pets && place.role == Some(Role::Motion) { "motion" } else { name.as_str() })
        .collect();
    if let (1, Some(sensor)) = (sensors.len(), sensors.first()) {
        advice.push(say(
            format!("只有 `{sensor}` 看得出老人的动静,没有第二个传感器对照:它误报不停也当作平安(one_sensor_hours 不起作用);请再装一个。"),
            format!("`{sensor}` alone gives signs of life: with no second sensor its chatter is life for ever (one_sensor_hours does not hold); add one."),
        ));
    }
}

fn on_patience(config: &GatewayConfig, advice: &mut Vec<Step>) {
    let (inactivity, away) = (&config.rules.daily_life.inactivity, &config.rules.daily_life.away);
    let hours = |ms: u64| ms / 3_600_000;
    if inactivity.learned && inactivity.learned_ms_max > SAFE_MS {
        let hours = hours(inactivity.learned_ms_max);
        advice.push(say(
            format!("在家可静默至 {hours} 小时(learned_hours_max):倒地的人要等这么久;请另设定时报平安(check_in)。"),
            format!("quiet at home may last up to {hours} h (learned_hours_max): who lies there waits so long; add check_in times."),
        ));
    }
    if away.learned && away.learned_ms_min > SAFE_MS {
        let hours = hours(away.learned_ms_min);
        advice.push(say(
            format!("外出 {hours} 小时内无人询问(away.learned_hours_min):倒在门后的人也要等这么久;请用 [[holiday]] 登记外出。"),
            format!("nobody asks for {hours} h of an absence (away.learned_hours_min), nor for who fell behind the door: announce absences as [[holiday]] instead."),
        ));
    }
    let calls = inactivity.false_alarms_a_year;
    if inactivity.learned && calls > SAFE_CALLS_A_YEAR {
        advice.push(say(
            format!("每年约 {calls} 次误报(false_alarms_a_year):误报太多,电话就没人接了。"),
            format!(
                "about {calls} false calls a year (false_alarms_a_year): who is called too often no longer answers."
            ),
        ));
    }
}

/// Advice on what the bridge lists and how it is set.
pub fn on_bridge(config: &GatewayConfig, bridge: &Bridge) -> Vec<Step> {
    let mut advice = Vec::new();
    for device in &bridge.devices {
        let name = &device.name;
        let role = config.decoder.devices.get(name).copied();
        if role.is_none() && device.is_sos() {
            advice.push(say(
                format!("求助按钮 `{name}` 已入网但未配置:照样上报,标为“未登记”,没有房间。"),
                format!("SOS device `{name}` has joined and is not configured: it raises, marked unregistered, without a room."),
            ));
        }
        if device.is_pad() && role != Some(Role::Bed) && role != Some(Role::Ignore) {
            let what = &device.description;
            advice.push(say(
                format!("`{name}`({what})像床垫或坐垫:请配置 role = \"bed\"。"),
                format!("`{name}` ({what}) looks like a bed or chair pad: give it role = \"bed\"."),
            ));
        }
        if let Some(settings) = &bridge.settings {
            on_settings(device, role, settings, &mut advice);
        }
    }
    for (name, role) in &config.decoder.devices {
        let ruled = config.decoder.rules.iter().any(|rule| rule.device == *name);
        let listed = bridge.devices.iter().any(|device| device.name == *name);
        if !listed && !ruled && *role != Role::Ignore && !bridge.devices.is_empty() && !is_elsewhere(name) {
            advice.push(say(
                format!("`{name}` 已配置,但网桥没有列出它:名称写错,或尚未入网。"),
                format!(
                    "`{name}` is configured and the bridge does not list it: a misspelt name, or it has not joined."
                ),
            ));
        }
    }
    if let Some(settings) = &bridge.settings
        && !settings.availability()
    {
        advice.push(say(
            "Zigbee2MQTT 未启用 availability:设备失联要等网关自己的时限才知道。",
            "Zigbee2MQTT's availability is off: a lost device shows only by the gateway's own time limit.",
        ));
    }
    advice
}

/// A name of rtl_433 (`model/id`) or a BLE address is no Zigbee device's.
fn is_elsewhere(name: &str) -> bool {
    name.contains('/') || is_address(name)
}

/// A BLE address, as gateways write it in a topic.
fn is_address(name: &str) -> bool {
    let digits: Vec<u8> = name.bytes().filter(|byte| *byte != b':').collect();
    digits.len() == 12 && digits.iter().all(u8::is_ascii_hexdigit)
}

fn on_settings(device: &crate::decode::ListedDevice, role: Option<Role>, settings: &Settings, advice: &mut Vec<Step>) {
    let (name, ieee) = (&device.name, &device.ieee);
    let urgent = [Role::Sos, Role::Fall, Role::Assistance, Role::ImFine, Role::Smoke, Role::Gas, Role::Co];
    let urgent = device.is_sos() || role.is_some_and(|role| urgent.contains(&role));
    if urgent && settings.qos(ieee) == 0 {
        advice.push(say(
            format!("`{name}` 以 QoS 0 发送:断线时按键会丢。请设 qos: 1。"),
            format!("`{name}` is sent at QoS 0: a press is lost while the connection is. Set qos: 1."),
        ));
    }
    if urgent && settings.retains(ieee) {
        advice.push(say(
            format!("`{name}` 的消息设为保留:旧按键会被重放。请设 retain: false。"),
            format!("`{name}`'s messages are retained: an old press is replayed. Set retain: false."),
        ));
    }
    for key in device.sos_flags().filter(|key| !settings.is_uncached(ieee, key)) {
        advice.push(say(
            format!("`{name}` 的 `{key}` 会被缓存重发,难辨真假:请设 filtered_cache: ['^{key}$']。"),
            format!(
                "`{name}`'s `{key}` is cached and repeated, so a press is ambiguous: set filtered_cache: ['^{key}$']."
            ),
        ));
    }
}

#[cfg(test)]
mod tests;
