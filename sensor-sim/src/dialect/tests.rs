use super::*;
use crate::bridge::RadioBridge;
use crate::scenario::{DeviceKind, HomeDevice};

const SPEAKERS: [DeviceKind; 9] = [
    DeviceKind::Rtl433Pendant,
    DeviceKind::Rtl433Motion,
    DeviceKind::TasmotaPendant,
    DeviceKind::OpenMqttGatewayPendant,
    DeviceKind::EsphomeMotion,
    DeviceKind::TasmotaDoor,
    DeviceKind::ShellyButton,
    DeviceKind::ShellyPlusButton,
    DeviceKind::BleButton,
];

fn device(kind: DeviceKind) -> Device {
    HomeDevice { kind, name: "old pendant".into(), room: None }.device(1)
}

#[test]
fn a_press_goes_out_as_often_as_the_air_repeats_it_and_the_next_is_told_apart_where_it_can_be() {
    for (kind, times, told_apart) in [
        (DeviceKind::Rtl433Pendant, 4, false),
        (DeviceKind::TasmotaPendant, 2, false),
        (DeviceKind::OpenMqttGatewayPendant, 3, false),
        (DeviceKind::ShellyButton, 2, true),
        (DeviceKind::ShellyPlusButton, 1, true),
        (DeviceKind::BleButton, 5, true),
    ] {
        let mut bridge = RadioBridge::new([device(kind)]);
        let [first, second] = [0, 1].map(|_| bridge.happen("old pendant", Happening::Pressed(Click::Single)));
        assert_eq!(first.len(), times, "{kind:?}");
        assert!(first.iter().all(|message| *message == first[0] && message.urgent), "{kind:?}");
        assert_eq!(first[0].payload != second[0].payload, told_apart, "{kind:?}");
    }
}

#[test]
fn the_zigbee_bridge_neither_lists_nor_replays_them() {
    let devices = SPEAKERS.map(|kind| HomeDevice { kind, name: kind.word().into(), room: None }.device(1));
    let bridge = RadioBridge::new(devices);
    for message in bridge.start() {
        let text = String::from_utf8_lossy(&message.payload).into_owned();
        let named = SPEAKERS.iter().find(|kind| text.contains(kind.word()) || message.topic.contains(kind.word()));
        assert!(named.is_none(), "{named:?} in {} {text}", message.topic);
    }
}

#[test]
fn a_sensor_of_two_sides_tells_both_and_a_pendant_only_its_press() {
    let words = |kind, what| {
        let said = RadioBridge::new([device(kind)]).happen("old pendant", what);
        said.first().map(|message| String::from_utf8_lossy(&message.payload).into_owned())
    };
    assert_eq!(words(DeviceKind::EsphomeMotion, Happening::Moved).as_deref(), Some("ON"));
    assert_eq!(words(DeviceKind::EsphomeMotion, Happening::Still).as_deref(), Some("OFF"));
    assert_eq!(words(DeviceKind::TasmotaDoor, Happening::Opened).as_deref(), Some("ON"));
    assert_eq!(words(DeviceKind::Rtl433Motion, Happening::Still), None);
    assert_eq!(words(DeviceKind::Rtl433Pendant, Happening::Beat), None);
}

#[test]
fn a_device_whose_battery_died_is_silent_until_it_has_a_new_one() {
    let mut bridge = RadioBridge::new([
        device(DeviceKind::Rtl433Pendant),
        HomeDevice { kind: DeviceKind::Motion, name: "hall".into(), room: None }.device(1),
    ]);
    for name in ["old pendant", "hall"] {
        assert_eq!(bridge.happen(name, Happening::BatteryDied), []);
    }
    assert_eq!(bridge.happen("old pendant", Happening::Pressed(Click::Single)), []);
    assert_eq!(bridge.happen("hall", Happening::Moved), []);
    assert_eq!(bridge.happen("hall", Happening::BatteryAt(100)).len(), 1);
    assert_eq!(bridge.happen("hall", Happening::Moved).len(), 1);
}
