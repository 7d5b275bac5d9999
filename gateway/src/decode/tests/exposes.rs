//! What the names, looks and descriptions of all sorts of converters mean.

use super::*;

fn setting(mut expose: Value) -> Value {
    expose["access"] = json!(3);
    expose
}

#[test]
fn a_setting_named_like_a_fall_or_press_raises_nothing() {
    let exposes = json!([
        setting(binary("fall_detection", json!("ON"), json!("OFF"))),
        setting(flag("panic")),
        setting(words("motion_state", &["on", "off"])),
        words("action", &["fall", "movement"]),
    ]);
    let mut ear = Ear::open().listed(&[("cube", "Multi-state sensor", exposes)]);
    ear.hear("zigbee2mqtt/cube", json!({"fall_detection": "ON", "panic": true, "motion_state": "on"}))
        .hear("zigbee2mqtt/cube", json!({"action": "fall", "fall_detection": "ON"}))
        .hear("zigbee2mqtt/unlisted", json!({"fall_detection": "ON"}));
    ear.said(expect![[r#"
        nothing
        nothing
        nothing
    "#]]);
}

#[test]
fn a_place_in_a_name_changes_nothing_of_its_kind() {
    let names = ["occupancy_in", "occupancy_or", "motion_up", "mmwave_area3_occupancy", "occupancy_alarm_2"];
    let exposes = json!(names.map(flag));
    let mut ear = Ear::open().listed(&[("hall", "Motion sensor", exposes)]);
    for name in names {
        ear.hear("zigbee2mqtt/hall", json!({name: true}));
    }
    ear.said(expect![[r#"
        Motion Active by hall.occupancy_in NEW
        Motion Active by hall.occupancy_or NEW
        Motion Active by hall.motion_up NEW
        Motion Active by hall.mmwave_area3_occupancy NEW
        Motion Active by hall.occupancy_alarm_2 NEW
    "#]]);
}

#[test]
fn co_is_never_co2() {
    let exposes = json!([
        words("co2_state", &["normal", "alarm"]),
        words("co_state", &["normal", "alarm"]),
        numeric("co", "ppm")
    ]);
    let mut ear = Ear::open().listed(&[("air", "Smart air monitor", exposes)]);
    ear.hear("zigbee2mqtt/air", json!({"co2_state": "alarm", "co": 400}))
        .hear("zigbee2mqtt/air", json!({"co_state": "alarm"}));
    ear.said(expect![[r#"
        nothing
        Co Active by air.co_state NEW SensorAlarm
    "#]]);
}

#[test]
fn batteries_are_told_in_many_ways() {
    let exposes = json!([
        numeric("battery2", "%"),
        numeric("battpercentage", "%"),
        numeric("smoke_battery", "%"),
        numeric("battery_voltage", "V"),
        flag("battery_status"),
        words("power_type", &["battery_full", "battery_low", "usb"]),
        words("battery_state", &["low", "middle", "high", "USB"]),
    ]);
    let mut ear = Ear::open().listed(&[("one", "Sensor", exposes)]);
    ear.hear(
        "zigbee2mqtt/one",
        json!({"battery2": 40, "battpercentage": 41, "smoke_battery": 42, "battery_voltage": 3}),
    )
    .hear("zigbee2mqtt/one", json!({"battery_status": true, "power_type": "battery_low", "battery_state": "USB"}));
    ear.said(expect![[r#"
        Battery Percent(40) by one.battery2 NEW; Battery Percent(41) by one.battpercentage NEW; Battery Percent(42) by one.smoke_battery NEW
        Battery Normal by one.battery_state NEW; Battery Low by one.battery_status NEW BatteryLow; Battery Low by one.power_type NEW BatteryLow
    "#]]);
}

#[test]
fn a_zone_alarm_is_what_its_device_is_for_whatever_it_is_called() {
    let words = words("alarm_status", &["normal", "alarm"]);
    let mut ear = Ear::open().listed(&[
        ("door", "Door & window sensor", json!([flag("alarm")])),
        ("heat", "Smart heat alarm", json!([flag("alarm")])),
        ("water", "Smart water leakage alarm sensor", json!([words])),
        ("ear", "Listens for the siren tone of a smoke detector", json!([flag("alarm")])),
        ("siren", "Smart siren", json!([flag("alarm")])),
        ("stove", "Stove guard", json!([words.clone()])),
    ]);
    for device in ["door", "heat", "ear", "siren"] {
        ear.hear(&format!("zigbee2mqtt/{device}"), json!({"alarm": true}));
    }
    ear.hear("zigbee2mqtt/water", json!({"alarm_status": "alarm"}));
    ear.hear("zigbee2mqtt/stove", json!({"alarm_status": "alarm"}));
    ear.said(expect![[r#"
        Contact Open by door.alarm NEW
        Smoke Active by heat.alarm NEW SensorAlarm
        Smoke Active by ear.alarm NEW SensorAlarm
        nothing
        Water Active by water.alarm_status NEW SensorAlarm
        nothing
    "#]]);
}

#[test]
fn a_bed_or_chair_strap_tells_of_a_bed_and_a_barometer_does_not() {
    let mut ear = Ear::open().listed(&[
        (
            "strap",
            "Pressure Sensing Strap/Bed Occupancy Sensor",
            json!([words("pressure_state", &["none", "sit", "sedentary"])]),
        ),
        ("pad", "Sleeping pad monitor", json!([flag("occupancy")])),
        ("station", "Weather station", json!([numeric("pressure", "hPa")])),
    ]);
    ear.hear("zigbee2mqtt/strap", json!({"pressure_state": "sit"}))
        .hear("zigbee2mqtt/strap", json!({"pressure_state": "none"}))
        .hear("zigbee2mqtt/pad", json!({"occupancy": true}))
        .hear("zigbee2mqtt/station", json!({"pressure": 1013}));
    ear.said(expect![[r#"
        Bed Active by strap.pressure_state NEW
        Bed Clear by strap.pressure_state NEW
        Bed Active by pad.occupancy NEW
        nothing
    "#]]);
}

#[test]
fn a_contact_whose_on_side_says_closed_is_closed() {
    let mut ear = Ear::open().listed(&[(
        "dry",
        "Dry contact sensor",
        json!([
            binary("dry_contact", json!("contact_closed"), json!("contact_open")),
            words("handle_position", &["closed", "tilted", "open"])
        ]),
    )]);
    ear.hear("zigbee2mqtt/dry", json!({"dry_contact": "contact_closed", "handle_position": "tilted"}))
        .hear("zigbee2mqtt/dry", json!({"dry_contact": "contact_open", "handle_position": "closed"}));
    ear.said(expect![[r#"
        Contact Closed by dry.dry_contact NEW; Contact Open by dry.handle_position NEW
        Contact Open by dry.dry_contact NEW; Contact Closed by dry.handle_position NEW
    "#]]);
}
