//! What is not Zigbee: rules, radio gateways, advertisements and the availability words of other firmware.

use super::*;

#[test]
fn other_firmware_says_in_its_own_words_that_it_is_there() {
    let mut ear = Ear::open();
    ear.text("tele/rf/LWT", "Online")
        .text("tele/rf/LWT", "Offline")
        .text("bedroom/status", "offline")
        .text("shellyplus1-aabbcc/online", "true")
        .text("homie/5/lamp/$state", "lost")
        .text("homie/5/lamp/$state", "ready")
        .text("homie/5/lamp/$state", "init");
    ear.said(expect![[r#"
        Availability Online by rf.availability NEW
        Availability Offline by rf.availability NEW
        Availability Offline by bedroom.availability NEW
        Availability Online by shellyplus1-aabbcc.availability NEW
        Availability Offline by lamp.availability NEW
        Availability Online by lamp.availability NEW
        nothing
    "#]]);
}

#[test]
fn a_receiver_of_433_mhz_says_of_itself_that_it_is_there_and_its_codes_are_missed_with_it() {
    let mut ear = Ear::home(&[]);
    ear.decoder.config.rules = vec![GenericRule::tasmota_radio("pendant", "rf", "D691DE", Role::Sos)];
    ear.text("rtl_433/pi/availability", "online")
        .text("rtl_433/pi/availability", "offline")
        .text("home/OMG_lilygo/LWT", "online")
        .text("home/OMG_lilygo/LWT", "offline")
        .text("tele/rf/LWT", "Online")
        .text("tele/rf/LWT", "Offline")
        .text("tele/lamp/LWT", "Offline")
        .text("rtl_433/pi/availability", "?")
        .text("rtl_433/pi/states", "offline");
    ear.said(expect![[r#"
        Availability Online by rtl_433/pi/bridge.state NEW
        Availability Offline by rtl_433/pi/bridge.state NEW
        Availability Online by home/OMG_lilygo/bridge.state NEW
        Availability Offline by home/OMG_lilygo/bridge.state NEW
        Availability Online by tele/rf/bridge.state NEW
        Availability Offline by tele/rf/bridge.state NEW
        rejected unknown_topic
        nothing
        nothing
    "#]]);
}

#[test]
fn a_bare_alarm_on_the_air_means_what_its_device_is_for_and_without_a_role_nothing() {
    let payload = json!({"model": "Visonic-Powercode", "id": "0c1d2e", "tamper": 0, "alarm": 1, "battery_ok": 1});
    let mut ear = Ear::home(&[("Visonic-Powercode/0c1d2e", Role::Door)]);
    ear.hear("rtl_433/pi/events", payload.clone());
    let mut open = Ear::open();
    open.hear("rtl_433/pi/events", payload);
    ear.said(expect![[r#"
        Contact Open by Visonic-Powercode/0c1d2e.contact NEW; Tamper Clear by Visonic-Powercode/0c1d2e.tamper NEW; Battery Normal by Visonic-Powercode/0c1d2e.battery_ok NEW
    "#]]);
    open.said(expect![[r#"
        Tamper Clear by Visonic-Powercode/0c1d2e.tamper NEW; Battery Normal by Visonic-Powercode/0c1d2e.battery_ok NEW
    "#]]);
}

#[test]
fn openmqttgateway_learns_a_code_and_hears_its_repeats_once() {
    let mut ear = Ear::with(DecoderConfig {
        rules: vec![GenericRule::openmqttgateway_433("pendant", "5592332", Role::Sos)],
        unknown_devices: UnknownDevices::JoinedOnly,
        ..DecoderConfig::without_home()
    });
    let code = |value: u64| json!({"value": value, "protocol": 1, "length": 24, "delay": 180});
    ear.hear("home/OMG/433toMQTT", code(5_592_332)).hear("home/OMG/433toMQTT", code(5_592_332));
    ear.wait(6_000).hear("home/attic/433toMQTT", code(5_592_332)).hear("home/OMG/433toMQTT", code(5_592_333));
    ear.said(expect![[r#"
        Sos Active by pendant.value NEW ButtonPressed
        Sos Active by pendant.value
        Sos Active by pendant.value NEW ButtonPressed
        rejected unknown_device
    "#]]);
}

const BLE: &str = "home/gw/BTtoMQTT/A4C138000001";

/// What an advertisement says on a device of a role.
fn advertised(role: Role, payloads: &[Value], expected: Expect) {
    let mut ear = Ear::home(&[("A4C138000001", role)]);
    for payload in payloads {
        ear.hear(BLE, payload.clone());
    }
    ear.said(expected);
}

#[test]
fn a_door_sensor_of_bluetooth_under_a_mattress_is_a_bed_pad_by_its_role() {
    let door = |open: bool, packet: u32| json!({"id": "A4:C1:38:00:00:01", "model_id": "SBDW-002C", "type": "CTMO", "packet": packet, "batt": 90, "open": open});
    advertised(
        Role::Bed,
        &[door(true, 1), door(true, 1), door(false, 2)],
        expect![[r#"
        Bed Active by A4C138000001.open NEW; Battery Percent(90) by A4C138000001.batt NEW
        Bed Active by A4C138000001.open; Battery Percent(90) by A4C138000001.batt
        Bed Clear by A4C138000001.open NEW; Battery Percent(90) by A4C138000001.batt
    "#]],
    );
    advertised(
        Role::Door,
        &[door(true, 1)],
        expect![[r#"
        Contact Open by A4C138000001.open NEW; Battery Percent(90) by A4C138000001.batt NEW
    "#]],
    );
    let mut turned = Ear::with(DecoderConfig {
        devices: BTreeMap::from([("A4C138000001".to_owned(), Role::Bed)]),
        inverted: BTreeSet::from(["A4C138000001".to_owned()]),
        unknown_devices: UnknownDevices::JoinedOnly,
        ..DecoderConfig::without_home()
    });
    turned.hear(BLE, door(true, 1));
    turned.said(expect![[r#"
        Bed Clear by A4C138000001.open NEW; Battery Percent(90) by A4C138000001.batt NEW
    "#]]);
}

#[test]
fn a_contact_of_bluetooth_is_read_by_its_words_and_a_bare_flag_of_that_name_is_not() {
    advertised(
        Role::ExitDoor,
        &[json!({"model_id": "BSDOO", "contact": "open"}), json!({"contact": "closed"}), json!({"contact": true})],
        expect![[r#"
            Contact Open by A4C138000001.contact NEW
            Contact Closed by A4C138000001.contact NEW
            nothing
        "#]],
    );
}

#[test]
fn presence_smoke_gas_and_leaks_of_bluetooth_are_understood_and_measurements_are_not() {
    let all = [
        json!({"model_id": "CGPR1", "pres": true, "lux": 3}),
        json!({"pres": 1013.2}),
        json!({"presence": true}),
        json!({"smoke": true}),
        json!({"smoke": false}),
        json!({"gas": true, "battery": 41}),
        json!({"gas": 12.5}),
        json!({"water_leak": true}),
        json!({"leak": false}),
        json!({"lowbatt": true}),
    ];
    let mut ear = Ear::home(&[("A4C138000001", Role::Presence)]);
    for payload in &all {
        ear.hear(BLE, payload.clone());
    }
    ear.said(expect![[r#"
        Presence Active by A4C138000001.pres NEW
        nothing
        Presence Active by A4C138000001.presence NEW
        Smoke Active by A4C138000001.smoke NEW SensorAlarm
        Smoke Clear by A4C138000001.smoke NEW
        Gas Active by A4C138000001.gas NEW SensorAlarm; Battery Percent(41) by A4C138000001.battery NEW
        nothing
        Water Active by A4C138000001.water_leak NEW SensorAlarm
        Water Clear by A4C138000001.leak NEW
        Battery Low by A4C138000001.lowbatt NEW BatteryLow
    "#]]);
}

#[test]
fn a_trackers_presence_is_no_person_in_the_room() {
    let mut ear = Ear::open();
    ear.hear(BLE, json!({"model_id": "TILE", "type": "TRACK", "track": true, "presence": true}));
    ear.said(expect![[r#"
        nothing
    "#]]);
}

#[test]
fn a_role_never_makes_a_door_of_motion_nor_a_fall_of_anything() {
    advertised(
        Role::Door,
        &[json!({"motion": true})],
        expect![[r#"
        Motion Active by A4C138000001.motion NEW
    "#]],
    );
    advertised(
        Role::Fall,
        &[json!({"motion": true, "open": true, "presence": true})],
        expect![[r#"
        Motion Active by A4C138000001.motion NEW; Presence Active by A4C138000001.presence NEW; Contact Open by A4C138000001.open NEW
    "#]],
    );
    advertised(
        Role::Bed,
        &[json!({"motion": true}), json!({"presence": false})],
        expect![[r#"
        Bed Active by A4C138000001.motion NEW
        Bed Clear by A4C138000001.presence NEW
    "#]],
    );
    advertised(
        Role::Sos,
        &[json!({"open": true}), json!({"motion": true})],
        expect![[r#"
        Sos Active by A4C138000001.open NEW SosKeySet
        Motion Active by A4C138000001.motion NEW
    "#]],
    );
}

#[test]
fn a_contact_on_the_air_is_what_its_device_is_for() {
    let contact = |open: u32| json!({"model": "Honeywell-Security", "id": "a1", "contact_open": open, "battery_ok": 1});
    let on_the_air = |role: Role, expected: Expect| {
        let mut ear = Ear::home(&[("Honeywell-Security/a1", role)]);
        ear.hear("rtl_433/pi/events", contact(1)).hear("rtl_433/pi/events", contact(0));
        ear.said(expected);
    };
    on_the_air(
        Role::Bed,
        expect![[r#"
            Bed Active by Honeywell-Security/a1.contact NEW; Battery Normal by Honeywell-Security/a1.battery_ok NEW
            Bed Clear by Honeywell-Security/a1.contact NEW; Battery Normal by Honeywell-Security/a1.battery_ok
        "#]],
    );
    on_the_air(
        Role::Water,
        expect![[r#"
            Water Active by Honeywell-Security/a1.contact NEW SensorAlarm; Battery Normal by Honeywell-Security/a1.battery_ok NEW
            Water Clear by Honeywell-Security/a1.contact NEW; Battery Normal by Honeywell-Security/a1.battery_ok
        "#]],
    );
    on_the_air(
        Role::Door,
        expect![[r#"
            Contact Open by Honeywell-Security/a1.contact NEW; Battery Normal by Honeywell-Security/a1.battery_ok NEW
            Contact Closed by Honeywell-Security/a1.contact NEW; Battery Normal by Honeywell-Security/a1.battery_ok
        "#]],
    );
}

#[test]
fn a_leak_on_the_air_is_over_when_it_says_so() {
    let leak = |wet: u32| json!({"model": "Ecowitt-WH55", "id": "b2", "leak": wet, "battery_ok": 1});
    let mut ear = Ear::home(&[("Ecowitt-WH55/b2", Role::Water)]);
    for wet in [1, 0, 1] {
        ear.hear("rtl_433/pi/events", leak(wet));
    }
    ear.said(expect![[r#"
        Water Active by Ecowitt-WH55/b2.water_leak NEW SensorAlarm; Battery Normal by Ecowitt-WH55/b2.battery_ok NEW
        Water Clear by Ecowitt-WH55/b2.water_leak NEW; Battery Normal by Ecowitt-WH55/b2.battery_ok
        Water Active by Ecowitt-WH55/b2.water_leak NEW SensorAlarm; Battery Normal by Ecowitt-WH55/b2.battery_ok
    "#]]);
}
