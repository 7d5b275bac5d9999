use expect_test::expect;

use super::*;

#[test]
fn an_empty_text_is_the_demo() {
    let config = SimConfig::parse("").unwrap();
    assert_eq!(config, SimConfig::default());
    let names: Vec<_> = config.home.iter().map(|device| device.name.as_str()).collect();
    assert_eq!(names[..3], ["sos bedside", "sos bathroom", "fine button"]);
}

#[test]
fn every_setting_is_read() {
    let text = r#"
base = "z2m"
action_twin = true
seed = 5
[broker]
address = "[::1]:1884"
client_id = "home 2"
username = "zigbee2mqtt"
password = "p"
panel_username = "panel"
panel_password = "q"
[home]
latitude = "30.25"
longitude = "-120.1"
[resident]
wakes_at = "05:00"
sleeps_at = "20:00"
goes_out_percent = 0
naps_percent = 100
visitor_percent = 1
night_trips_max = 5
pet = true
collapses_after = "3d10h"
[[device]]
kind = "sos"
name = "necklace"
[[device]]
kind = "motion"
name = "hall"
room = "hall"
"#;
    let config = SimConfig::parse(text).unwrap();
    assert_eq!((config.broker.host.as_str(), config.broker.port), ("::1", 1884));
    assert_eq!(config.broker.panel, Some(("panel".into(), "q".into())));
    assert_eq!((config.base.as_str(), config.action_twin, config.seed), ("z2m", true, Some(5)));
    assert_eq!(config.position, HomePosition { lat_e7: 302_500_000, lon_e7: -1_201_000_000 });
    assert_eq!(config.habits.collapses_at, Some(std::time::Duration::from_secs(3 * 86_400 + 36_000)));
    assert!(config.habits.pet);
    assert_eq!(config.home.len(), 2);
}

#[test]
fn every_mistake_is_told_at_once() {
    let text = r#"
base = "a/+"
seed = -1
sed = 2
[broker]
address = "localhost"
password = "p"
[home]
latitude = "north"
[resident]
wakes_at = "25:00"
naps_percent = 101
[[device]]
kind = "soss"
name = "a"
[[device]]
name = "b"
[[device]]
kind = "sos"
name = "a/set"
[[device]]
kind = "sos"
name = "c"
[[device]]
kind = "sos"
name = "c"
"#;
    let problems = SimConfig::parse(text).unwrap_err();
    let text: String = problems.iter().map(|problem| format!("{problem}\n")).collect();
    expect![[r#"
        line 2: base: `a/+` cannot be a base topic: `+`, `#` and control characters cannot stand in an MQTT topic
        line 3: seed: -1 is outside 1–9223372036854775807; the default is 0
        line 4: sed: is not a known key; did you mean `seed`?
        line 6: broker.address: `localhost` is no address; write host:port, such as 127.0.0.1:1883
        line 7: broker.password: needs `username` beside it
        line 9: home.latitude: write degrees as a text, such as "41.8000"
        line 11: resident.wakes_at: write a time of day, such as "06:30"
        line 12: resident.naps_percent: 101 is outside 0–100; the default is 70
        line 14: device[1].kind: `soss` is not one of sos, two_gesture_sos, latching_sos, im_fine, assistance, motion, door, exit_door, bed, fall, posture_fall, presence_fall, smoke, gas, co, leak, siren, warning_siren, rtl_433_pendant, rtl_433_motion, tasmota_pendant, openmqttgateway_pendant, esphome_motion, tasmota_door, shelly_button, shelly_plus_button, ble_button, neighbour_pendant
        line 16: device[2].kind: is required
        line 18: device[3].name: its end is one of Zigbee2MQTT's own topics
        line 24: device[5].name: `c` is there already; each name once
    "#]].assert_eq(&text);
}
