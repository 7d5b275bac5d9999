//! Explanations say what decides.

use super::*;

fn explained(ear: &Ear, topic: &str, payload: Value) -> String {
    let payload = payload.to_string();
    let steps = ear.decoder.explain(&Heard { topic, payload: payload.as_bytes(), retain: false, at: ear.at });
    assert!(steps.iter().all(|step| !step.zh.is_empty()), "{steps:?}");
    steps.into_iter().map(|step| format!("{}\n", step.en)).collect()
}

#[test]
fn a_pad_that_says_contact_is_explained_by_its_role() {
    let ear = Ear::home(&[("pad", Role::Bed)]).listed(&[("pad", "Pad", json!([contact(), flag("tamper")]))]);
    expect![[r#"
        The topic is Zigbee2MQTT's (`zigbee2mqtt`): a device's state.
        Device `pad` is configured, role `bed`.
        Its class comes from the bridge's exposes; keys that mean something: contact, tamper.
        `contact` by itself says a door or window; the role `bed` makes it a bed.
        `humidity` is about neither the elder nor the device's health.
        `contact` → a bed: yes. Heard for the first time: news.
    "#]]
    .assert_eq(&explained(&ear, "zigbee2mqtt/pad", json!({"contact": false, "humidity": 40})));
}

#[test]
fn a_click_without_a_role_and_a_setting_are_explained() {
    let mut cube = binary("fall_detection", json!("ON"), json!("OFF"));
    cube["access"] = json!(3);
    let ear = Ear::home(&[]).listed(&[("cube", "Cube", json!([words("action", &["shake", "fall"]), cube]))]);
    expect![[r#"
        The topic is Zigbee2MQTT's (`zigbee2mqtt`): a device's state.
        Device `cube` is not configured; if it has joined, its call still raises, marked "unregistered".
        Its class comes from the bridge's exposes; keys that mean something: action.
        `action` is a gesture of a device without a role and no word for help: with the role `sos` every gesture raises.
        `fall_detection` is a setting, not a state.
        Understood, and it says nothing about the elder or a device.
    "#]]
    .assert_eq(&explained(&ear, "zigbee2mqtt/cube", json!({"action": "shake", "fall_detection": "ON"})));
}

#[test]
fn a_neighbours_code_is_explained() {
    let ear = Ear::home(&[]);
    expect![[r#"
        The topic is of rtl_433; no [[rule]] matches it.
        A device outside the home's Zigbee network must be configured; a neighbour's code never raises.
        Not taken (unknown_device): the device is neither configured nor joined: add a [[device]], or `gateway learn` for a 433 MHz code.
    "#]]
    .assert_eq(&explained(&ear, "rtl_433/pi/events", json!({"model": "Generic-Remote", "id": 1, "cmd": 2})));
}

#[test]
fn an_explanation_keeps_codes_back() {
    let ear = Ear::home(&[("keypad", Role::Sos)]);
    let told = explained(&ear, "zigbee2mqtt/keypad", json!({"action": "panic", "action_code": "4711", "code": "4711"}));
    assert!(told.contains("an emergency call") && !told.contains("4711"), "{told}");
}

#[test]
fn a_posture_radar_with_the_role_fall_is_not_said_to_make_a_fall_of_presence() {
    let status = words("status", &["unoccupied", "occupied", "sitting", "on_the_bed", "low_posture", "falling"]);
    let ear = Ear::home(&[("radar", Role::Fall)]).listed(&[("radar", "Fall detection sensor", json!([status]))]);
    expect![[r#"
        The topic is Zigbee2MQTT's (`zigbee2mqtt`): a device's state.
        Device `radar` is configured, role `fall`.
        Its class comes from the bridge's exposes; keys that mean something: status.
        `status` → presence: yes. Heard for the first time: news.
    "#]]
    .assert_eq(&explained(&ear, "zigbee2mqtt/radar", json!({"status": "occupied"})));
    let falls = explained(&ear, "zigbee2mqtt/radar", json!({"status": "falling"}));
    assert!(falls.contains("a fall: yes") && !falls.contains("makes it"), "{falls}");
}
