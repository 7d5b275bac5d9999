use expect_test::expect;

use super::*;
use crate::device::{Click, Model};

fn home() -> RadioBridge {
    RadioBridge::new([
        Device::new("sos", Model::SosButton, None, 7),
        Device::new("bath/radar", Model::FallRadar, None, 7),
        Device::new("siren", Model::Siren, None, 7),
    ])
}

fn transcript(out: &[Publication]) -> String {
    let line = |p: &Publication| {
        let text = if p.topic.ends_with("bridge/devices") { "[…]".to_owned() } else { p.text() };
        format!("{} {text}{}\n", p.topic, if p.retain { " retained" } else { "" })
    };
    out.iter().map(line).collect()
}

#[test]
fn start_up_says_the_list_and_replays_cached_states_unretained() {
    let mut bridge = home();
    bridge.happen("bath/radar", Happening::Fell);
    bridge.happen("sos", Happening::Pressed(Click::Single));
    expect![[r#"
        zigbee2mqtt/bridge/state {"state":"online"} retained
        zigbee2mqtt/bridge/info {"log_level":"info","permit_join":false,"version":"2.14.1"} retained
        zigbee2mqtt/bridge/devices […] retained
        zigbee2mqtt/bath/radar/availability {"state":"online"} retained
        zigbee2mqtt/siren/availability {"state":"online"} retained
        zigbee2mqtt/sos/availability {"state":"online"} retained
        zigbee2mqtt/bath/radar {"fall_status":"fall_alarm","linkquality":121,"occupancy":true,"sensor_status":"activity"}
        zigbee2mqtt/siren {"alarm":false,"battery":65,"linkquality":158,"volume":80}
        zigbee2mqtt/sos {"battery":97,"linkquality":94,"voltage":2970}
    "#]].assert_eq(&transcript(&bridge.start()));
}

#[test]
fn the_list_names_each_device_with_its_exposes() {
    let list: Value = serde_json::from_slice(&list(home().devices())).unwrap();
    let names: Vec<_> = list.as_array().unwrap().iter().map(|entry| entry["friendly_name"].clone()).collect();
    assert_eq!(names, ["Coordinator", "bath/radar", "siren", "sos"]);
    expect![[r#"
        {
          "definition": {
            "description": "Emergency button",
            "exposes": [
              {
                "access": 1,
                "category": "diagnostic",
                "label": "Battery",
                "name": "battery",
                "property": "battery",
                "type": "numeric",
                "unit": "%",
                "value_max": 100,
                "value_min": 0
              },
              {
                "access": 1,
                "category": "diagnostic",
                "label": "Voltage",
                "name": "voltage",
                "property": "voltage",
                "type": "numeric",
                "unit": "mV",
                "value_max": 4000,
                "value_min": 0
              },
              {
                "access": 1,
                "category": "diagnostic",
                "label": "Action",
                "name": "action",
                "property": "action",
                "type": "enum",
                "values": [
                  "emergency"
                ]
              }
            ],
            "model": "TS0215A_sos",
            "options": [],
            "source": "native",
            "supports_ota": false,
            "vendor": "Tuya"
          },
          "disabled": false,
          "friendly_name": "sos",
          "ieee_address": "0x00124bd61b322058",
          "interview_completed": true,
          "interview_state": "SUCCESSFUL",
          "interviewing": false,
          "model_id": "TS0215A",
          "network_address": 52376,
          "power_source": "Battery",
          "supported": true,
          "type": "EndDevice"
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&list[3]).unwrap());
}

#[test]
fn an_action_has_a_bare_twin_only_where_the_integration_is_on() {
    let press = Happening::Pressed(Click::Single);
    assert_eq!(home().happen("sos", press).len(), 1);
    let mut bridge = home().with_action_twin(true);
    let out = bridge.happen("sos", press);
    assert_eq!(out.len(), 2);
    assert_eq!((out[1].topic.as_str(), out[1].text().as_str()), ("zigbee2mqtt/sos/action", "emergency"));
    assert_eq!(bridge.happen("sos", Happening::Beat).len(), 1);
}

#[test]
fn commands_reach_sirens_and_the_join_window_only() {
    let mut bridge = home();
    assert_eq!(bridge.filters(), ["zigbee2mqtt/siren/set", "zigbee2mqtt/bridge/request/permit_join"]);
    let told = [
        ("zigbee2mqtt/siren/set", r#"{"alarm":true}"#),
        ("zigbee2mqtt/sos/set", r#"{"alarm":true}"#),
        ("elsewhere/siren/set", r#"{"alarm":true}"#),
        ("zigbee2mqtt/bridge/request/permit_join", r#"{"time":254,"transaction":"x"}"#),
        ("zigbee2mqtt/bridge/request/permit_join", "0"),
        ("zigbee2mqtt/bridge/request/permit_join", r#"{"time":9999}"#),
    ];
    let mut text = String::new();
    for (topic, payload) in told {
        text += &format!("> {topic} {payload}\n{}", transcript(&bridge.told(topic, payload.as_bytes())));
    }
    expect![[r#"
        > zigbee2mqtt/siren/set {"alarm":true}
        zigbee2mqtt/siren {"alarm":true,"battery":65,"linkquality":172,"volume":80}
        > zigbee2mqtt/sos/set {"alarm":true}
        > elsewhere/siren/set {"alarm":true}
        > zigbee2mqtt/bridge/request/permit_join {"time":254,"transaction":"x"}
        zigbee2mqtt/bridge/response/permit_join {"data":{"time":254},"status":"ok","transaction":"x"}
        zigbee2mqtt/bridge/info {"log_level":"info","permit_join":true,"version":"2.14.1"} retained
        > zigbee2mqtt/bridge/request/permit_join 0
        zigbee2mqtt/bridge/response/permit_join {"data":{"time":0},"status":"ok"}
        zigbee2mqtt/bridge/info {"log_level":"info","permit_join":false,"version":"2.14.1"} retained
        > zigbee2mqtt/bridge/request/permit_join {"time":9999}
        zigbee2mqtt/bridge/response/permit_join {"data":{},"error":"Invalid payload","status":"error"}
    "#]]
    .assert_eq(&text);
}
