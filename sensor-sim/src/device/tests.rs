use expect_test::{Expect, expect};

use super::*;

fn check(model: Model, happenings: &[Happening], expected: Expect) {
    let mut device = Device::new("it", model, None, 7);
    let mut transcript = String::new();
    for what in happenings {
        match device.happen("zigbee2mqtt", *what) {
            Some(report) => {
                let urgent = if report.urgent { " urgent" } else { "" };
                transcript += &format!("{}: {} {}{urgent}\n", what.words(), report.topic, report.text());
            }
            None => transcript += &format!("{}: cannot tell\n", what.words()),
        }
    }
    expected.assert_eq(&transcript);
}

#[test]
fn an_sos_button_caches_no_action() {
    use Happening::{BatteryAt, Beat, Moved, Pressed};
    check(
        Model::SosButton,
        &[Pressed(Click::Single), Beat, Pressed(Click::Long), BatteryAt(8), Moved],
        expect![[r#"
        pressed: zigbee2mqtt/it {"action":"emergency","battery":63,"linkquality":103,"voltage":2630} urgent
        reports in: zigbee2mqtt/it {"battery":63,"linkquality":97,"voltage":2630}
        held: zigbee2mqtt/it {"action":"emergency","battery":63,"linkquality":132,"voltage":2630} urgent
        battery 8 %: zigbee2mqtt/it {"battery":8,"linkquality":102,"voltage":2080}
        motion: cannot tell
    "#]],
    );
}

#[test]
fn a_latching_sos_repeats_itself_until_it_is_released() {
    use Happening::{Beat, Pressed, Released, Tampered};
    check(
        Model::LatchingSos,
        &[Pressed(Click::Single), Beat, Tampered, Released],
        expect![[r#"
        pressed: zigbee2mqtt/it {"battery":63,"battery_low":false,"linkquality":103,"sos":true,"tamper":false} urgent
        reports in: zigbee2mqtt/it {"battery":63,"battery_low":false,"linkquality":97,"sos":true,"tamper":false}
        case opened: zigbee2mqtt/it {"battery":63,"battery_low":false,"linkquality":132,"sos":true,"tamper":true}
        released: zigbee2mqtt/it {"battery":63,"battery_low":false,"linkquality":102,"sos":false,"tamper":true}
    "#]],
    );
}

#[test]
fn each_click_of_a_button_has_its_word() {
    let clicks = [Click::Single, Click::Double, Click::Long].map(Happening::Pressed);
    check(
        Model::ClickButton,
        &clicks,
        expect![[r#"
        pressed: zigbee2mqtt/it {"action":"single","battery":63,"linkquality":103,"voltage":2630} urgent
        pressed twice: zigbee2mqtt/it {"action":"double","battery":63,"linkquality":97,"voltage":2630} urgent
        held: zigbee2mqtt/it {"action":"long","battery":63,"linkquality":132,"voltage":2630} urgent
    "#]],
    );
    check(
        Model::TwoGestureSos,
        &clicks,
        expect![[r#"
        pressed: zigbee2mqtt/it {"action":"sos","battery_low":false,"linkquality":134} urgent
        pressed twice: zigbee2mqtt/it {"action":"emergency","battery_low":false,"linkquality":103} urgent
        held: zigbee2mqtt/it {"action":"emergency","battery_low":false,"linkquality":97} urgent
    "#]],
    );
}

#[test]
fn an_open_door_and_a_full_bed_are_contact_false() {
    check(
        Model::Contact,
        &[Happening::Opened, Happening::Closed],
        expect![[r#"
        opened: zigbee2mqtt/it {"battery":63,"battery_low":false,"contact":false,"linkquality":103,"tamper":false}
        closed: zigbee2mqtt/it {"battery":63,"battery_low":false,"contact":true,"linkquality":97,"tamper":false}
    "#]],
    );
    check(
        Model::BedPad,
        &[Happening::LainDown, Happening::GotUp],
        expect![[r#"
            someone lies down: zigbee2mqtt/it {"battery":63,"battery_low":false,"contact":false,"linkquality":103,"tamper":false}
            someone gets up: zigbee2mqtt/it {"battery":63,"battery_low":false,"contact":true,"linkquality":97,"tamper":false}
        "#]],
    );
}

#[test]
fn a_fall_stays_in_the_cache_until_the_person_is_up() {
    use Happening::{Beat, Fell, MayHaveFallen, Moved, Recovered, Still};
    let fall = [Moved, MayHaveFallen, Fell, Beat, Recovered, Still];
    check(
        Model::FallRadar,
        &fall,
        expect![[r#"
        motion: zigbee2mqtt/it {"fall_status":"normal","linkquality":134,"occupancy":true,"sensor_status":"activity"}
        perhaps a fall: zigbee2mqtt/it {"fall_status":"fall_warning","linkquality":103,"occupancy":true,"sensor_status":"activity"} urgent
        a fall: zigbee2mqtt/it {"fall_status":"fall_alarm","linkquality":97,"occupancy":true,"sensor_status":"activity"} urgent
        reports in: zigbee2mqtt/it {"fall_status":"fall_alarm","linkquality":132,"occupancy":true,"sensor_status":"activity"}
        up again: zigbee2mqtt/it {"fall_status":"normal","linkquality":102,"occupancy":true,"sensor_status":"activity"}
        still: zigbee2mqtt/it {"fall_status":"normal","linkquality":115,"occupancy":false,"sensor_status":"none"}
    "#]],
    );
    check(
        Model::PostureRadar,
        &fall,
        expect![[r#"
        motion: zigbee2mqtt/it {"breathing_rate":16,"linkquality":134,"location_x":100,"location_y":100,"status":"occupied"}
        perhaps a fall: zigbee2mqtt/it {"breathing_rate":16,"linkquality":103,"location_x":100,"location_y":100,"status":"low_posture"} urgent
        a fall: zigbee2mqtt/it {"breathing_rate":16,"linkquality":97,"location_x":100,"location_y":100,"status":"falling"} urgent
        reports in: zigbee2mqtt/it {"breathing_rate":16,"linkquality":132,"location_x":100,"location_y":100,"status":"falling"}
        up again: zigbee2mqtt/it {"breathing_rate":16,"linkquality":102,"location_x":100,"location_y":100,"status":"occupied"}
        still: zigbee2mqtt/it {"breathing_rate":16,"linkquality":115,"location_x":100,"location_y":100,"status":"unoccupied"}
    "#]],
    );
    check(
        Model::PresenceRadar,
        &fall,
        expect![[r#"
        motion: zigbee2mqtt/it {"fall_down_status":"none","linkquality":134,"occupancy":true,"presence":true}
        perhaps a fall: zigbee2mqtt/it {"fall_down_status":"maybe_fall","linkquality":103,"occupancy":true,"presence":true} urgent
        a fall: zigbee2mqtt/it {"fall_down_status":"fall","linkquality":97,"occupancy":true,"presence":true} urgent
        reports in: zigbee2mqtt/it {"fall_down_status":"fall","linkquality":132,"occupancy":true,"presence":true}
        up again: zigbee2mqtt/it {"fall_down_status":"none","linkquality":102,"occupancy":true,"presence":true}
        still: zigbee2mqtt/it {"fall_down_status":"none","linkquality":115,"occupancy":false,"presence":false}
    "#]],
    );
}

#[test]
fn alarms_begin_and_end() {
    let alarm = [Happening::Alarmed, Happening::Cleared];
    for (model, key) in
        [(Model::Smoke, "smoke"), (Model::Gas, "gas"), (Model::Co, "carbon_monoxide"), (Model::Leak, "water_leak")]
    {
        let mut device = Device::new("it", model, None, 7);
        let told = alarm.map(|what| device.happen("z", what).map(|report| report.text()).unwrap_or_default());
        assert!(told[0].contains(&format!("\"{key}\":true")), "{told:?}");
        assert!(told[1].contains(&format!("\"{key}\":false")), "{told:?}");
    }
}

#[test]
fn sirens_obey_their_own_kind_of_command_only() {
    let mut siren = Device::new("siren", Model::Siren, None, 7);
    let sounding = siren.set("z", br#"{"alarm":true}"#).map(|report| report.text()).unwrap_or_default();
    assert!(sounding.contains("\"alarm\":true"), "{sounding}");
    assert_eq!(siren.set("z", br#"{"warning":{"mode":"stop"}}"#), None);
    assert_eq!(siren.set("z", b"not json"), None);
    let mut warning = Device::new("siren", Model::WarningSiren, None, 7);
    assert!(warning.set("z", br#"{"warning":{"mode":"emergency"}}"#).is_some());
    assert_eq!(Device::new("m", Model::Motion, None, 7).set("z", br#"{"alarm":true}"#), None);
}

#[test]
fn every_key_of_every_report_is_exposed() {
    let what = [Happening::Moved, Happening::Fell, Happening::Alarmed, Happening::Opened, Happening::LainDown];
    for model in Model::ALL {
        let mut device = Device::new("it", model, None, 7);
        for what in what.into_iter().chain([Happening::Pressed(Click::Single), Happening::BatteryAt(9)]) {
            let Some(report) = device.happen("z", what) else { continue };
            let body: Map<String, Value> = serde_json::from_slice(&report.payload).unwrap();
            for key in body.keys().filter(|key| *key != "linkquality") {
                assert!(model.definition().has(key), "{model:?} tells {key} and does not expose it");
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_device_and_another_name_another() {
    let report = |name: &str| Device::new(name, Model::Motion, None, 7).replayed("z").payload;
    assert_eq!(report("a"), report("a"));
    assert_ne!(report("a"), report("b"));
    let (a, b) = (Device::new("a", Model::Motion, None, 7), Device::new("b", Model::Motion, None, 7));
    assert_ne!(a.ieee(), b.ieee());
    assert_eq!(a.ieee().len(), 18);
}
