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
