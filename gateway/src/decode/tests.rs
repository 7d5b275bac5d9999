use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use protocol::record::{Body, Observed};
use serde_json::{Value, json};

use super::*;
use crate::decode_lines::record_of;

mod elsewhere;
mod explained;
mod exposes;

/// A decoder with a clock; folds edges as the engine does and writes down what was said.
struct Ear {
    decoder: Decoder,
    at: Stamp,
    heard: String,
}

impl Ear {
    fn open() -> Self {
        Self::with(DecoderConfig::without_home())
    }

    /// A home with these devices; anything else must have joined.
    fn home(devices: &[(&str, Role)]) -> Self {
        Self::with(DecoderConfig {
            devices: devices.iter().map(|(name, role)| ((*name).to_owned(), *role)).collect(),
            unknown_devices: UnknownDevices::JoinedOnly,
            ..DecoderConfig::without_home()
        })
    }

    fn with(config: DecoderConfig) -> Self {
        let at = Stamp { boot: 1, uptime_ms: 1_000_000, wall_ms: 0, wall_trusted: false };
        Self { decoder: Decoder::new(config), at, heard: String::new() }
    }

    /// A home whose bridge listed these devices: friendly name, description, exposes.
    fn listed(mut self, devices: &[(&str, &str, Value)]) -> Self {
        self.list(devices);
        self
    }

    fn list(&mut self, devices: &[(&str, &str, Value)]) -> usize {
        let mut list = vec![json!({"type": "Coordinator", "friendly_name": "Coordinator", "definition": null})];
        list.extend(devices.iter().map(|(name, description, exposes)| {
            json!({"type": "EndDevice", "friendly_name": name,
                   "definition": {"model": "M", "vendor": "V", "description": description, "exposes": exposes}})
        }));
        let decoded = self.decode("zigbee2mqtt/bridge/devices", &json!(list).to_string(), true);
        let learned = decoded.learned.len();
        for listing in decoded.learned {
            self.decoder.apply(&self.at, &Body::DeviceListed(listing));
        }
        learned
    }

    fn decode(&self, topic: &str, payload: &str, retain: bool) -> Decoded {
        self.decoder.decode(&Heard { topic, payload: payload.as_bytes(), retain, at: self.at })
    }

    fn take(&mut self, topic: &str, payload: &str, retain: bool) -> &mut Self {
        let decoded = self.decode(topic, payload, retain);
        let mut said: Vec<String> = Vec::new();
        for seen in &decoded.seen {
            let Observation { kind, device, key, value } = &seen.observation;
            let news = if seen.edge { " NEW" } else { "" };
            let reason = seen.reason.filter(|_| seen.edge).map(|reason| format!(" {reason:?}")).unwrap_or_default();
            said.push(format!("{kind:?} {value:?} by {device}.{key}{news}{reason}"));
        }
        said.extend(decoded.cancel.iter().map(|device| format!("cancel by {device}")));
        said.extend(decoded.visit.iter().map(|visit| format!("visit {visit:?}")));
        said.extend(decoded.learned.iter().map(|listing| format!("learned {}", listing.device)));
        said.extend(decoded.rejected.iter().map(|rejection| format!("rejected {rejection}")));
        let said = if said.is_empty() { "nothing".to_owned() } else { said.join("; ") };
        let _ = writeln!(self.heard, "{said}");
        for listing in decoded.learned {
            self.decoder.apply(&self.at, &Body::DeviceListed(listing));
        }
        for seen in decoded.seen.into_iter().filter(|seen| seen.edge) {
            self.decoder.apply(&self.at, &record_of(seen));
        }
        self
    }

    fn hear(&mut self, topic: &str, payload: Value) -> &mut Self {
        self.take(topic, &payload.to_string(), false)
    }

    fn text(&mut self, topic: &str, payload: &str) -> &mut Self {
        self.take(topic, payload, false)
    }

    fn replayed(&mut self, topic: &str, payload: Value) -> &mut Self {
        self.take(topic, &payload.to_string(), true)
    }

    fn wait(&mut self, ms: u64) -> &mut Self {
        self.at.uptime_ms += ms;
        self
    }

    /// The gateway restarts from its checkpoint; the machine did not.
    fn restart(&mut self) -> &mut Self {
        let snapshot = self.decoder.snapshot();
        let bytes = bincode::serialize(&snapshot).unwrap();
        let mut fresh = Decoder::new(self.decoder.config.clone());
        fresh.restore(bincode::deserialize(&bytes).unwrap());
        self.decoder = fresh;
        self
    }

    fn said(&mut self, expected: Expect) {
        expected.assert_eq(&self.heard);
        self.heard.clear();
    }
}

fn binary(property: &str, on: Value, off: Value) -> Value {
    json!({"name": property, "property": property, "type": "binary", "access": 1, "value_on": on, "value_off": off})
}

fn flag(property: &str) -> Value {
    binary(property, json!(true), json!(false))
}

fn contact() -> Value {
    binary("contact", json!(false), json!(true))
}

fn words(property: &str, values: &[&str]) -> Value {
    json!({"name": property, "property": property, "type": "enum", "access": 1, "values": values})
}

fn numeric(property: &str, unit: &str) -> Value {
    json!({"name": property, "property": property, "type": "numeric", "access": 1, "unit": unit})
}

// ---- Zigbee2MQTT, by trap

#[test]
fn a_friendly_name_may_hold_slashes_and_even_look_like_a_suffix() {
    let mut ear =
        Ear::open().listed(&[("bedroom/pull cord/action", "SOS button", json!([words("action", &["emergency"])]))]);
    ear.hear("zigbee2mqtt/flat/bedroom/sos", json!({"action": "emergency"}))
        .hear("zigbee2mqtt/bedroom/pull cord/action", json!({"action": "emergency"}))
        .text("zigbee2mqtt/bedroom/pull cord/action/action", "emergency")
        .text("zigbee2mqtt/flat/bedroom/sos/availability", "offline")
        .hear("zigbee2mqtt/flat/bedroom/sos/set", json!({"action": "emergency"}))
        .text("zigbee2mqtt/flat/bedroom/sos/get", "");
    ear.said(expect![[r#"
        Sos Active by flat/bedroom/sos.action NEW ButtonPressed
        Sos Active by bedroom/pull cord/action.action NEW ButtonPressed
        Sos Active by bedroom/pull cord/action.action_topic
        Availability Offline by flat/bedroom/sos.availability NEW
        nothing
        nothing
    "#]]);
}

#[test]
fn an_action_is_an_event_per_message_and_everything_else_is_an_edge() {
    let mut ear = Ear::open();
    ear.hear("zigbee2mqtt/button", json!({"action": "emergency", "battery_low": false}))
        .hear("zigbee2mqtt/button", json!({"action": "emergency", "battery_low": false}))
        .hear("zigbee2mqtt/radar", json!({"fall_down_status": "fall", "presence": true}))
        .hear("zigbee2mqtt/radar", json!({"fall_down_status": "fall", "presence": true, "battery": 70}))
        .hear("zigbee2mqtt/radar", json!({"fall_down_status": "none", "presence": true, "battery": 70}))
        .hear("zigbee2mqtt/radar", json!({"fall_down_status": "fall", "presence": true, "battery": 70}));
    ear.said(expect![[r#"
        Sos Active by button.action NEW ButtonPressed; Battery Normal by button.battery_low NEW
        Sos Active by button.action NEW ButtonPressed; Battery Normal by button.battery_low
        Fall Active by radar.fall_down_status NEW SensorSaysFall; Presence Active by radar.presence NEW
        Fall Active by radar.fall_down_status; Battery Percent(70) by radar.battery NEW; Presence Active by radar.presence
        Fall Clear by radar.fall_down_status NEW; Battery Percent(70) by radar.battery; Presence Active by radar.presence
        Fall Active by radar.fall_down_status NEW SensorSaysFall; Battery Percent(70) by radar.battery; Presence Active by radar.presence
    "#]]);
}

#[test]
fn a_replay_of_cached_states_after_a_restart_of_either_side_raises_nothing() {
    let mut ear = Ear::open();
    let cached =
        json!({"fall_status": "fall_alarm", "smoke": true, "occupancy": true, "contact": false, "tamper": true});
    ear.hear("zigbee2mqtt/one", cached.clone()).restart();
    ear.wait(60_000).hear("zigbee2mqtt/bridge/state", json!({"state": "online"})).hear("zigbee2mqtt/one", cached);
    ear.said(expect![[r#"
        Fall Active by one.fall_status NEW SensorSaysFall; Smoke Active by one.smoke NEW SensorAlarm; Contact Open by one.contact NEW; Motion Active by one.occupancy NEW; Tamper Active by one.tamper NEW CaseOpened
        Availability Online by zigbee2mqtt/bridge.state NEW
        Fall Active by one.fall_status; Smoke Active by one.smoke; Contact Open by one.contact; Motion Active by one.occupancy; Tamper Active by one.tamper
    "#]]);
}

#[test]
fn the_end_of_an_action_is_no_press() {
    let mut ear = Ear::home(&[("button", Role::Sos)]);
    for clear in [json!(""), json!(null), json!("none"), json!(" ")] {
        ear.hear("zigbee2mqtt/button", json!({"action": clear, "battery": 100}));
    }
    ear.text("zigbee2mqtt/button/action", "");
    ear.said(expect![[r#"
        Battery Percent(100) by button.battery NEW
        Battery Percent(100) by button.battery
        Battery Percent(100) by button.battery
        Battery Percent(100) by button.battery
        rejected empty
    "#]]);
}

#[test]
fn a_retained_action_is_named_and_no_press_while_retained_states_are_read() {
    let mut ear = Ear::open();
    ear.replayed("zigbee2mqtt/button", json!({"action": "emergency", "battery": 90}))
        .take("zigbee2mqtt/button/action", "emergency", true)
        .replayed("zigbee2mqtt/door", json!({"contact": false}))
        .replayed("zigbee2mqtt/door/availability", json!({"state": "online"}))
        .hear("zigbee2mqtt/button", json!({"action": "emergency", "battery": 90}));
    ear.said(expect![[r#"
        Battery Percent(90) by button.battery NEW; rejected retained_press
        rejected retained_press
        Contact Open by door.contact NEW
        Availability Online by door.availability NEW
        Sos Active by button.action NEW ButtonPressed; Battery Percent(90) by button.battery
    "#]]);
}

#[test]
fn polarity_comes_from_the_exposes() {
    let mut ear = Ear::open().listed(&[
        ("usual", "Contact sensor", json!([contact()])),
        ("text", "Contact sensor", json!([binary("contact", json!("ON"), json!("OFF"))])),
        ("inverted", "Contact sensor", json!([binary("contact", json!(true), json!(false))])),
        ("leak", "Leak sensor", json!([binary("input_3_leak_detect_9", json!("Leak"), json!("Dry"))])),
    ]);
    ear.hear("zigbee2mqtt/usual", json!({"contact": false}))
        .hear("zigbee2mqtt/usual", json!({"contact": true}))
        .hear("zigbee2mqtt/text", json!({"contact": "ON"}))
        .hear("zigbee2mqtt/text", json!({"contact": "OFF"}))
        .hear("zigbee2mqtt/inverted", json!({"contact": true}))
        .hear("zigbee2mqtt/inverted", json!({"contact": false}))
        .hear("zigbee2mqtt/leak", json!({"input_3_leak_detect_9": "Leak"}))
        .hear("zigbee2mqtt/leak", json!({"input_3_leak_detect_9": "Dry"}))
        .hear("zigbee2mqtt/not listed", json!({"contact": false}));
    ear.said(expect![[r#"
        Contact Open by usual.contact NEW
        Contact Closed by usual.contact NEW
        Contact Open by text.contact NEW
        Contact Closed by text.contact NEW
        Contact Open by inverted.contact NEW
        Contact Closed by inverted.contact NEW
        Water Active by leak.input_3_leak_detect_9 NEW SensorAlarm
        Water Clear by leak.input_3_leak_detect_9 NEW
        Contact Open by not listed.contact NEW
    "#]]);
}

#[test]
fn gas_may_be_a_meter_and_vibration_a_number_or_a_word() {
    let mut ear = Ear::open().listed(&[
        ("meter", "Gas counter", json!([numeric("gas", "m³")])),
        ("sniffer", "Gas sensor", json!([flag("gas"), numeric("gas_value", "LEL")])),
        ("shock", "Window sensor", json!([numeric("vibration", "")])),
        ("shake", "Vibration sensor", json!([words("vibration", &["normal", "vibration"])])),
    ]);
    ear.hear("zigbee2mqtt/meter", json!({"gas": 1234.5}))
        .hear("zigbee2mqtt/sniffer", json!({"gas": true, "gas_value": 30}))
        .hear("zigbee2mqtt/shock", json!({"vibration": 12}))
        .hear("zigbee2mqtt/shock", json!({"vibration": 0}))
        .hear("zigbee2mqtt/shake", json!({"vibration": "vibration"}))
        .hear("zigbee2mqtt/shake", json!({"vibration": "normal"}));
    ear.said(expect![[r#"
        nothing
        Gas Active by sniffer.gas NEW SensorAlarm
        Vibration Active by shock.vibration NEW
        Vibration Clear by shock.vibration NEW
        Vibration Active by shake.vibration NEW
        Vibration Clear by shake.vibration NEW
    "#]]);
}

#[test]
fn the_fall_of_an_object_is_never_a_persons() {
    let gestures = ["shake", "throw", "wakeup", "fall", "tap", "slide", "flip180", "rotate_left"];
    let effect = json!({"name": "led_effect", "property": "led_effect", "type": "enum", "access": 3,
                        "values": ["off", "solid", "falling", "rising"]});
    let mut ear = Ear::open().listed(&[
        ("cube", "Cube", json!([words("action", &gestures)])),
        ("dimmer", "Dimmer", json!([effect])),
        ("barometer", "Weather station", json!([words("pressure_tend", &["normal", "rise", "fall"])])),
        ("pendant", "Fall detection pendant", json!([words("action", &["fall", "press"])])),
    ]);
    ear.hear("zigbee2mqtt/cube", json!({"action": "fall"}))
        .hear("zigbee2mqtt/unlisted cube", json!({"action": "fall"}))
        .hear("zigbee2mqtt/dimmer", json!({"led_effect": "falling"}))
        .hear("zigbee2mqtt/barometer", json!({"pressure_tend": "fall"}))
        .hear("zigbee2mqtt/pendant", json!({"action": "fall"}));
    ear.said(expect![[r#"
        nothing
        nothing
        nothing
        nothing
        Fall Active by pendant.action NEW SensorSaysFall
    "#]]);
}

#[test]
fn actions_are_matched_as_whole_words_with_any_endpoint() {
    let mut ear = Ear::open();
    for action in [
        "1_emergency",
        "sos_2",
        "emergency_panic",
        "SOS",
        "button-1-sos",
        "sosig",
        "panicle",
        "unpanic",
        "arm_all_zones",
    ] {
        ear.hear("zigbee2mqtt/fob", json!({"action": action}));
    }
    ear.said(expect![[r#"
        Sos Active by fob.action NEW ButtonPressed
        Sos Active by fob.action NEW ButtonPressed
        Sos Active by fob.action NEW ButtonPressed
        Sos Active by fob.action NEW ButtonPressed
        Sos Active by fob.action NEW ButtonPressed
        nothing
        nothing
        nothing
        nothing
    "#]]);
}

#[test]
fn a_button_whose_press_never_shows_says_nothing_but_its_link() {
    let mut ear = Ear::home(&[("sos", Role::Sos)]);
    ear.hear("zigbee2mqtt/sos", json!({"linkquality": 120})).hear(
        "zigbee2mqtt/sos",
        json!({"action": null, "battery": 100, "last_seen": "2026-04-16T22:33:42+08:00", "linkquality": 98}),
    );
    ear.said(expect![[r#"
        Link Level(120) by sos.linkquality NEW
        Battery Percent(100) by sos.battery NEW; Link Level(98) by sos.linkquality
    "#]]);
}

#[test]
fn the_text_twin_of_a_press_is_the_same_press_and_no_real_press_is_lost() {
    let mut ear = Ear::open();
    let press = |ear: &mut Ear, json_form: bool, text_form: bool| {
        if json_form {
            ear.hear("zigbee2mqtt/sos", json!({"action": "emergency"}));
        }
        if text_form {
            ear.text("zigbee2mqtt/sos/action", "emergency");
        }
    };
    // Two presses within a second, both forms of both.
    press(&mut ear, true, true);
    ear.wait(500);
    press(&mut ear, true, true);
    ear.said(expect![[r#"
        Sos Active by sos.action NEW ButtonPressed
        Sos Active by sos.action_topic
        Sos Active by sos.action NEW ButtonPressed
        Sos Active by sos.action_topic
    "#]]);
    // The JSON form of the first is lost; then text alone, then both again.
    ear.wait(10_000);
    press(&mut ear, false, true);
    ear.wait(500);
    press(&mut ear, true, true);
    ear.wait(10_000);
    press(&mut ear, false, true);
    press(&mut ear, false, true);
    ear.said(expect![[r#"
        Sos Active by sos.action_topic NEW ButtonPressed
        Sos Active by sos.action
        Sos Active by sos.action_topic NEW ButtonPressed
        Sos Active by sos.action_topic NEW ButtonPressed
        Sos Active by sos.action_topic NEW ButtonPressed
    "#]]);
}

#[test]
fn a_typed_code_appears_nowhere() {
    let payload =
        json!({"action": "arm_day_zones", "action_code": "4711", "action_transaction": 4711, "action_zone": 0});
    let panic = json!({"action": "panic", "action_code": "4711", "code": "4711", "pin_code": "4711"});
    let ear = Ear::home(&[("keypad", Role::Sos)]);
    for payload in [payload.to_string(), panic.to_string()] {
        let heard = Heard { topic: "zigbee2mqtt/keypad", payload: payload.as_bytes(), retain: false, at: ear.at };
        let told = format!("{heard:?} {:?} {:?}", ear.decoder.decode(&heard), ear.decoder);
        assert!(!told.contains("4711"), "{told}");
        assert!(told.contains("Sos"), "{told}");
    }
    let visit = json!({"v": 1, "act": "check_in", "caregiver": "cg-1", "method": "code", "code": "4711"}).to_string();
    let told = format!("{:?}", ear.decode("homecare/visit", &visit, false));
    assert!(told.contains("CheckIn") && !told.contains("4711"), "{told}");
}

// ---- Latched and cached SOS keys

#[test]
fn an_ambiguous_sos_key_raises() {
    let mut ear = Ear::open();
    ear.hear("zigbee2mqtt/cord", json!({"sos": true}))
        .hear("zigbee2mqtt/cord", json!({"sos": true, "battery": 80}))
        .hear("zigbee2mqtt/cord", json!({"sos": false}))
        .hear("zigbee2mqtt/cord", json!({"sos": true}));
    ear.said(expect![[r#"
        Sos Active by cord.sos NEW SosKeySet
        Sos Active by cord.sos NEW SosKeyRepeated; Battery Percent(80) by cord.battery NEW
        Sos Clear by cord.sos NEW
        Sos Active by cord.sos NEW SosKeySet
    "#]]);
}

#[test]
fn a_repeated_sos_key_is_the_bridges_cache_only_within_120_s_of_its_start() {
    let mut ear = Ear::open();
    ear.hear("zigbee2mqtt/cord", json!({"sos": true})).hear("zigbee2mqtt/other", json!({"sos": false}));
    ear.hear("zigbee2mqtt/bridge/state", json!({"state": "offline"})).wait(5_000);
    ear.hear("zigbee2mqtt/bridge/state", json!({"state": "online"})).wait(120_000);
    ear.hear("zigbee2mqtt/cord", json!({"sos": true})).hear("zigbee2mqtt/other", json!({"sos": true}));
    ear.hear("zigbee2mqtt/new", json!({"sos": true})).wait(1);
    ear.hear("zigbee2mqtt/cord", json!({"sos": true}));
    ear.said(expect![[r#"
        Sos Active by cord.sos NEW SosKeySet
        Sos Clear by other.sos NEW
        Availability Offline by zigbee2mqtt/bridge.state NEW
        Availability Online by zigbee2mqtt/bridge.state NEW
        Sos Active by cord.sos
        Sos Active by other.sos NEW SosKeySet
        Sos Active by new.sos NEW SosKeySet
        Sos Active by cord.sos NEW SosKeyRepeated
    "#]]);
}

#[test]
fn how_long_a_bridges_cache_may_speak_is_the_homes_to_say() {
    let mut ear = Ear::with(DecoderConfig { latched_key_ms: 60_000, ..DecoderConfig::without_home() });
    ear.hear("zigbee2mqtt/cord", json!({"sos": true}));
    ear.hear("zigbee2mqtt/bridge/state", json!({"state": "online"})).wait(60_000);
    ear.hear("zigbee2mqtt/cord", json!({"sos": true})).wait(1).hear("zigbee2mqtt/cord", json!({"sos": true}));
    ear.said(expect![[r#"
        Sos Active by cord.sos NEW SosKeySet
        Availability Online by zigbee2mqtt/bridge.state NEW
        Sos Active by cord.sos
        Sos Active by cord.sos NEW SosKeyRepeated
    "#]]);
}

#[test]
fn the_bridges_start_survives_our_restart_but_not_a_reboot_of_unknown_length() {
    let mut ear = Ear::open();
    ear.hear("zigbee2mqtt/cord", json!({"sos": true})).hear("zigbee2mqtt/bridge/state", json!({"state": "online"}));
    ear.restart().wait(1_000).hear("zigbee2mqtt/cord", json!({"sos": true}));
    ear.at = Stamp { boot: 2, ..ear.at };
    ear.hear("zigbee2mqtt/cord", json!({"sos": true}));
    ear.said(expect![[r#"
        Sos Active by cord.sos NEW SosKeySet
        Availability Online by zigbee2mqtt/bridge.state NEW
        Sos Active by cord.sos
        Sos Active by cord.sos NEW SosKeyRepeated
    "#]]);
}

#[test]
fn a_broker_that_replays_a_stored_sos_key_repeats_no_press() {
    let mut ear = Ear::open();
    ear.replayed("zigbee2mqtt/cord", json!({"sos": true})).replayed("zigbee2mqtt/cord", json!({"sos": true}));
    ear.said(expect![[r#"
        Sos Active by cord.sos NEW SosKeySet
        Sos Active by cord.sos
    "#]]);
}

#[test]
fn a_live_online_marks_a_start_even_if_the_bridge_was_not_seen_to_stop() {
    let mut ear = Ear::open();
    ear.hear("zigbee2mqtt/bridge/state", json!({"state": "online"}));
    ear.text("zigbee2mqtt/bridge/state", "online").replayed("zigbee2mqtt/bridge/state", json!({"state": "online"}));
    ear.said(expect![[r#"
        Availability Online by zigbee2mqtt/bridge.state NEW
        Availability Online by zigbee2mqtt/bridge.state NEW
        Availability Online by zigbee2mqtt/bridge.state
    "#]]);
}

// ---- Classes and roles

#[test]
fn a_fall_radar_tells_posture_bed_warning_and_fall_from_one_key() {
    let status = words("status", &["unoccupied", "occupied", "sitting", "on_the_bed", "low_posture", "falling"]);
    let mut ear = Ear::open().listed(&[("radar", "Fall detector", json!([status]))]);
    for status in ["unoccupied", "occupied", "low_posture", "falling", "falling", "sitting", "on_the_bed", "occupied"] {
        ear.hear("zigbee2mqtt/radar", json!({"status": status, "breathing_rate": 16}));
    }
    ear.said(expect![[r#"
        Presence Clear by radar.status NEW
        Presence Active by radar.status NEW
        FallWarning Active by radar.status NEW; Presence Active by radar.status
        Fall Active by radar.status NEW SensorSaysFall; Presence Active by radar.status
        Fall Active by radar.status; Presence Active by radar.status
        Fall Clear by radar.status NEW; FallWarning Clear by radar.status NEW; Presence Active by radar.status
        Bed Active by radar.status NEW; Presence Active by radar.status
        Presence Active by radar.status; Bed Clear by radar.status NEW
    "#]]);
}

#[test]
fn only_a_person_seen_upright_undoes_a_low_posture_whatever_was_said_between() {
    let status =
        words("status", &["unoccupied", "occupied", "sitting", "standing", "on_the_bed", "low_posture", "falling"]);
    let mut ear = Ear::open().listed(&[("radar", "Fall detector", json!([status]))]);
    for status in
        ["standing", "low_posture", "sitting", "unoccupied", "standing", "standing", "low_posture", "standing"]
    {
        ear.hear("zigbee2mqtt/radar", json!({"status": status}));
    }
    ear.said(expect![[r#"
        Presence Active by radar.status NEW
        FallWarning Active by radar.status NEW; Presence Active by radar.status
        FallWarning Clear by radar.status NEW; Presence Active by radar.status
        Presence Clear by radar.status NEW
        FallWarning Upright by radar.status NEW; Presence Active by radar.status NEW
        Presence Active by radar.status
        FallWarning Active by radar.status NEW; Presence Active by radar.status
        FallWarning Upright by radar.status NEW; Presence Active by radar.status
    "#]]);
}

#[test]
fn a_fall_warning_is_no_fall_and_an_unknown_word_is_neither() {
    let mut ear = Ear::open();
    for status in ["none", "maybe_fall", "fall", "fall_warning", "unknown", "normal"] {
        ear.hear("zigbee2mqtt/radar", json!({"fall_down_status": status}));
    }
    ear.said(expect![[r#"
        Fall Clear by radar.fall_down_status NEW
        FallWarning Active by radar.fall_down_status NEW
        Fall Active by radar.fall_down_status NEW SensorSaysFall
        FallWarning Active by radar.fall_down_status; Fall Clear by radar.fall_down_status NEW
        nothing
        Fall Clear by radar.fall_down_status; FallWarning Clear by radar.fall_down_status NEW
    "#]]);
}

#[test]
fn a_configured_role_overrides_the_class() {
    let pad = || json!([contact(), flag("tamper")]);
    let mut ear = Ear::with(DecoderConfig {
        devices: BTreeMap::from([
            ("pad".to_owned(), Role::Bed),
            ("other pad".to_owned(), Role::Bed),
            ("cord".to_owned(), Role::Sos),
            ("life help".to_owned(), Role::Assistance),
            ("fine".to_owned(), Role::ImFine),
            ("toy".to_owned(), Role::Ignore),
        ]),
        inverted: BTreeSet::from(["other pad".to_owned()]),
        unknown_devices: UnknownDevices::JoinedOnly,
        ..DecoderConfig::without_home()
    })
    .listed(&[
        ("pad", "Sleeping pad monitor", pad()),
        ("other pad", "Sleeping pad monitor", pad()),
        ("cord", "Contact sensor", pad()),
        ("life help", "SOS button", json!([words("action", &["emergency"])])),
        ("fine", "SOS button", json!([words("action", &["emergency"])])),
    ]);
    ear.hear("zigbee2mqtt/pad", json!({"contact": false, "tamper": false}))
        .hear("zigbee2mqtt/other pad", json!({"contact": true}))
        .hear("zigbee2mqtt/cord", json!({"contact": false}))
        .hear("zigbee2mqtt/life help", json!({"action": "emergency"}))
        .hear("zigbee2mqtt/fine", json!({"action": "emergency"}))
        .hear("zigbee2mqtt/toy", json!({"action": "emergency", "sos": true}));
    ear.said(expect![[r#"
        Bed Active by pad.contact NEW; Tamper Clear by pad.tamper NEW
        Bed Active by other pad.contact NEW
        Sos Active by cord.contact NEW SosKeySet
        Assistance Active by life help.action NEW AssistancePressed
        Assistance Active by fine.action NEW ElderCancelled; cancel by fine
        nothing
    "#]]);
}

#[test]
fn every_gesture_on_an_sos_device_is_sos() {
    let mut ear = Ear::home(&[("button", Role::Sos)]);
    for gesture in ["single", "double", "hold", "1_long", "toggle"] {
        ear.hear("zigbee2mqtt/button", json!({"action": gesture}));
    }
    ear.said(expect![[r#"
        Sos Active by button.action NEW ButtonPressed
        Sos Active by button.action NEW ButtonPressed
        Sos Active by button.action NEW ButtonPressed
        Sos Active by button.action NEW ButtonPressed
        Sos Active by button.action NEW ButtonPressed
    "#]]);
}

#[test]
fn a_button_key_beside_action_is_a_press_on_a_button_by_role() {
    let mut ear = Ear::home(&[("handle", Role::Sos), ("window", Role::Door)]);
    for device in ["handle", "window"] {
        let topic = format!("zigbee2mqtt/{device}");
        ear.hear(&topic, json!({"button_left": "pressed"})).hear(&topic, json!({"button_left": "released"}));
    }
    ear.replayed("zigbee2mqtt/handle", json!({"button_left": "pressed"}));
    ear.said(expect![[r#"
        Sos Active by handle.button_left NEW ButtonPressed
        nothing
        nothing
        nothing
        rejected retained_press
    "#]]);
}

#[test]
fn a_bare_status_is_a_posture_only_in_a_persons_words() {
    let mut ear = Ear::open();
    for status in ["low", "none", "on", "falling", "sitting"] {
        ear.hear("zigbee2mqtt/unlisted", json!({"status": status}));
    }
    ear.said(expect![[r#"
        nothing
        nothing
        nothing
        Fall Active by unlisted.status NEW SensorSaysFall; Presence Active by unlisted.status NEW
        Fall Clear by unlisted.status NEW; Presence Active by unlisted.status
    "#]]);
}

#[test]
fn a_role_takes_over_only_what_the_device_has_no_own_key_for() {
    let both = json!([contact(), flag("vibration"), words("action", &["single_press", "none"])]);
    let mut ear = Ear::home(&[("door", Role::Door), ("button", Role::Sos)])
        .listed(&[("door", "Door contact with button", both.clone()), ("button", "Door contact with button", both)]);
    ear.hear("zigbee2mqtt/door", json!({"contact": false, "vibration": true, "action": "single_press"}))
        .hear("zigbee2mqtt/button", json!({"contact": false, "vibration": true, "action": "single_press"}));
    ear.said(expect![[r#"
        Contact Open by door.contact NEW; Vibration Active by door.vibration NEW
        Sos Active by button.action NEW ButtonPressed; Contact Open by button.contact NEW; Vibration Active by button.vibration NEW
    "#]]);
}

#[test]
fn a_joined_device_without_configuration_raises_as_unregistered_and_a_stranger_is_rejected() {
    let mut ear = Ear::home(&[("known", Role::Sos)]);
    ear.hear("zigbee2mqtt/before the list", json!({"action": "emergency"}));
    ear.list(&[
        ("known", "SOS button", json!([])),
        ("replacement", "SOS button", json!([words("action", &["emergency"])])),
    ]);
    ear.hear("zigbee2mqtt/replacement", json!({"action": "emergency"}))
        .hear("zigbee2mqtt/stranger", json!({"action": "emergency"}))
        .hear(
            "zigbee2mqtt/bridge/event",
            json!({"type": "device_joined", "data": {"friendly_name": "0xa1", "ieee_address": "0xa1"}}),
        )
        .hear("zigbee2mqtt/0xa1", json!({"action": "emergency"}))
        .restart()
        .hear("zigbee2mqtt/stranger", json!({"sos": true}))
        .hear("zigbee2mqtt/known", json!({"action": "emergency"}));
    ear.said(expect![[r#"
        Sos Active by before the list.action NEW UnregisteredDevice
        Sos Active by replacement.action NEW UnregisteredDevice
        rejected unknown_device
        learned 0xa1
        Sos Active by 0xa1.action NEW UnregisteredDevice
        rejected unknown_device
        Sos Active by known.action NEW ButtonPressed
    "#]]);
}

#[test]
fn a_device_list_is_learned_once_and_again_only_where_it_changed() {
    let mut ear = Ear::open();
    let one = ("one", "Contact sensor", json!([contact()]));
    assert_eq!(ear.list(&[one.clone(), ("two", "Motion sensor", json!([flag("occupancy")]))]), 2);
    assert_eq!(ear.list(&[one.clone(), ("two", "Motion sensor", json!([flag("occupancy")]))]), 0);
    assert_eq!(ear.list(&[one.clone(), ("two", "Motion sensor", json!([flag("occupancy"), flag("tamper")]))]), 1);
    ear.restart();
    assert_eq!(ear.list(&[one]), 0);
}

#[test]
fn what_the_definition_does_not_list_is_read_only_for_kinds_it_lists_and_for_a_press_or_fall() {
    let mut ear = Ear::open().listed(&[("siren", "Indoor siren", json!([numeric("battery", "%")]))]);
    ear.hear("zigbee2mqtt/siren", json!({"smoke": true, "tamper": true, "battery_low": true, "sos": true}));
    ear.said(expect![[r#"
        Sos Active by siren.sos NEW SosKeySet; Battery Low by siren.battery_low NEW BatteryLow
    "#]]);
}

#[test]
fn a_smoke_detector_with_nothing_but_a_zone_alarm_still_tells_of_smoke() {
    let alarms = || json!([flag("alarm_1"), flag("alarm_2"), flag("tamper")]);
    let mut ear = Ear::open().listed(&[
        ("smoke", "Smoke sensor", alarms()),
        ("siren", "Smoke siren", alarms()),
        ("plants", "Watering kit", alarms()),
    ]);
    for device in ["smoke", "siren", "plants"] {
        ear.hear(&format!("zigbee2mqtt/{device}"), json!({"alarm_1": true, "alarm_2": false}));
    }
    ear.said(expect![[r#"
        Smoke Active by smoke.alarm_1 NEW SensorAlarm
        Smoke Active by siren.alarm_1 NEW SensorAlarm
        nothing
    "#]]);
}

#[test]
fn an_sos_button_by_its_description_raises_on_every_gesture_but_those_of_a_panel() {
    let values = ["single", "double", "arm_all_zones", "none"];
    let mut ear = Ear::open().listed(&[
        ("pendant", "SOS panic button", json!([words("action", &values)])),
        ("remote", "Remote control", json!([words("action", &values)])),
    ]);
    for action in values {
        ear.hear("zigbee2mqtt/pendant", json!({"action": action}))
            .hear("zigbee2mqtt/remote", json!({"action": action}));
    }
    ear.said(expect![[r#"
        Sos Active by pendant.action NEW ButtonPressed
        nothing
        Sos Active by pendant.action NEW ButtonPressed
        nothing
        nothing
        nothing
        nothing
        nothing
    "#]]);
}

#[test]
fn settings_are_not_states() {
    let setting = |property: &str| {
        json!({"name": property, "property": property, "type": "binary", "access": 7,
                                          "value_on": true, "value_off": false})
    };
    let modes = json!({"name": "warning", "property": "warning", "type": "composite", "access": 2,
                       "features": [words("mode", &["stop", "emergency", "fire_panic"])]});
    let mut ear = Ear::open().listed(&[(
        "radar",
        "Presence sensor",
        json!([setting("fall_alarm"), setting("smoke_alarm"), modes, flag("presence")]),
    )]);
    ear.hear(
        "zigbee2mqtt/radar",
        json!({"smoke_alarm": true, "mode": "emergency", "warning": {"mode": "emergency"}, "presence": true}),
    );
    ear.said(expect![[r#"
        Presence Active by radar.presence NEW
    "#]]);
}

#[test]
fn wavering_numbers_are_not_news() {
    let mut ear = Ear::open();
    for (battery, link) in [(86, 121), (85, 76), (81, 82), (22, 82), (20, 25), (180, 29)] {
        ear.hear("zigbee2mqtt/one", json!({"battery": battery, "linkquality": link}));
    }
    ear.said(expect![[r#"
        Battery Percent(86) by one.battery NEW; Link Level(121) by one.linkquality NEW
        Battery Percent(85) by one.battery; Link Level(76) by one.linkquality NEW
        Battery Percent(81) by one.battery NEW; Link Level(82) by one.linkquality
        Battery Percent(22) by one.battery NEW; Link Level(82) by one.linkquality
        Battery Percent(20) by one.battery NEW; Link Level(25) by one.linkquality NEW
        Battery Percent(100) by one.battery NEW; Link Level(29) by one.linkquality
    "#]]);
}

#[test]
fn attribute_topics_are_read_where_the_device_is_known() {
    let mut ear = Ear::open().listed(&[("cord", "Pull cord", json!([flag("sos")]))]);
    ear.text("zigbee2mqtt/cord/sos", "true").text("zigbee2mqtt/cord/linkquality", "90");
    ear.said(expect![[r#"
        Sos Active by cord.sos NEW SosKeySet
        Link Level(90) by cord.linkquality NEW
    "#]]);
}

#[test]
fn the_bridges_own_chatter_says_nothing() {
    let mut ear = Ear::open();
    for topic in ["logging", "info", "health", "groups", "definitions", "response/permit_join", "request/permit_join"] {
        ear.hear(&format!("zigbee2mqtt/bridge/{topic}"), json!({"message": "sos emergency fall"}));
    }
    ear.hear("zigbee2mqtt/bridge/event", json!({"type": "device_leave", "data": {"friendly_name": "gone"}}));
    ear.said(expect![[r#"
        nothing
        nothing
        nothing
        nothing
        nothing
        nothing
        nothing
        nothing
    "#]]);
}

// ---- The decoder's records

#[test]
fn a_trigger_made_by_a_deadline_says_nothing_of_a_key() {
    use protocol::record::Trigger;
    use protocol::trigger::TriggerKind;
    let mut ear = Ear::open();
    ear.hear("zigbee2mqtt/radar", json!({"fall_status": "normal"}));
    for reason in [Reason::PreAlarmNotCancelled, Reason::FallWarningNotCleared, Reason::NoMotionAfterFall] {
        let trigger = Trigger {
            kind: TriggerKind::Fall,
            device: "radar".to_owned(),
            key: "fall_status".to_owned(),
            room: None,
            reason,
            follows: None,
            test: false,
        };
        ear.decoder.apply(&ear.at.clone(), &Body::Trigger(trigger));
    }
    ear.hear("zigbee2mqtt/radar", json!({"fall_status": "fall_alarm"}));
    ear.said(expect![[r#"
        Fall Clear by radar.fall_status NEW
        Fall Active by radar.fall_status NEW SensorSaysFall
    "#]]);
}

#[test]
fn beyond_its_limits_the_decoder_raises_more_and_not_less() {
    let mut ear = Ear::open();
    for i in 0..5_000 {
        let body = Body::Observed(Observed {
            kind: Kind::Motion,
            device: format!("flood {i}"),
            key: "occupancy".to_owned(),
            room: None,
            value: Reading::Active,
        });
        ear.decoder.apply(&ear.at.clone(), &body);
    }
    ear.hear("zigbee2mqtt/late", json!({"smoke": true})).hear("zigbee2mqtt/late", json!({"smoke": true}));
    ear.said(expect![[r#"
        Smoke Active by late.smoke NEW SensorAlarm
        Smoke Active by late.smoke NEW SensorAlarm
    "#]]);
}

#[test]
fn a_bad_message_is_rejected_by_name() {
    let mut ear = Ear::open();
    let long = format!("{{\"action\":\"emergency\",\"pad\":\"{}\"}}", "x".repeat(PAYLOAD_BYTES_MAX));
    ear.text("zigbee2mqtt/one", "")
        .text("zigbee2mqtt/one", "{\"action\":")
        .text("zigbee2mqtt/one", "[1]")
        .text("zigbee2mqtt/one", &long)
        .text("zigbee2mqtt/", "{}")
        .text("zigbee2mqtt/bridge/devices", "{}")
        .text("zigbee2mqtt/one/availability", "perhaps")
        .text("elsewhere/deep/down", "{}");
    let bytes = Heard { topic: "zigbee2mqtt/one", payload: b"{\"action\":\"\xff\"}", retain: false, at: ear.at };
    assert_eq!(ear.decoder.decode(&bytes).rejected, Some(Rejection::NotUtf8));
    ear.said(expect![[r#"
        rejected empty
        rejected not_json
        rejected unexpected_shape
        rejected too_large
        rejected unknown_device
        rejected unexpected_shape
        rejected unexpected_shape
        rejected unknown_topic
    "#]]);
}

#[test]
fn rejections_have_names_of_their_own() {
    let names: BTreeSet<&str> = Rejection::ALL.iter().map(|rejection| rejection.name()).collect();
    assert_eq!(names.len(), Rejection::ALL.len());
    assert!(names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit())));
}

// ---- The product's own topics

#[test]
fn a_cancel_is_the_elders_only_when_it_is_live_and_says_something() {
    let mut ear = Ear::open();
    ear.hear("homecare/cancel", json!({})).text("homecare/cancel", "").replayed("homecare/cancel", json!({}));
    ear.hear("homecare/reassurance", json!({"stage": "quiet"}));
    ear.said(expect![[r#"
        cancel by homecare/cancel
        rejected empty
        rejected retained_press
        nothing
    "#]]);
}

#[test]
fn a_visit_is_read_whole_and_a_broken_fix_does_not_lose_it() {
    let ear = Ear::open();
    let visit = json!({"v": 1, "act": "check_in", "caregiver": "cg-17", "service": "助洁", "method": "code", "code": "012345",
        "fix": {"lat": 41.8000001, "lon": -123.4, "accuracy_m": 11.2, "datum": "gcj02", "fixed_at": "2026-11-22T08:00:00Z", "mock": false},
        "outcome": "ok\nall well"});
    let decoded = ear.decode("homecare/visit", &visit.to_string(), false);
    assert_eq!(decoded.rejected, None);
    let parsed = decoded.visit.unwrap();
    assert_eq!(
        (parsed.caregiver.as_str(), parsed.service.as_str(), parsed.code.as_deref()),
        ("cg-17", "助洁", Some("012345"))
    );
    let fix = parsed.fix.unwrap();
    assert_eq!((fix.lat_e7, fix.lon_e7, fix.accuracy_m, fix.mock), (418_000_001, -1_234_000_000, 12, false));
    assert_eq!(fix.fixed_at_ms, 1_795_334_400_000);
    assert_eq!(decoded.seen[0].observation.kind, Kind::Visit);
    assert!(decoded.seen[0].edge);

    let mut broken = visit.clone();
    broken["fix"]["lat"] = json!(91);
    let decoded = ear.decode("homecare/visit", &broken.to_string(), false);
    assert_eq!(decoded.rejected, Some(Rejection::VisitFix));
    assert_eq!(decoded.visit.unwrap().fix, None);
}

#[test]
fn a_malformed_visit_is_rejected_by_its_field() {
    let mut ear = Ear::open();
    let good = json!({"v": 1, "act": "check_in", "caregiver": "cg-17", "method": "card"});
    for (field, value) in [
        ("v", json!(2)),
        ("act", json!("arrive")),
        ("caregiver", json!("")),
        ("caregiver", json!("x".repeat(65))),
        ("method", json!("smell")),
        ("service", json!(5)),
        ("code", json!({})),
        ("outcome", json!("x".repeat(1_001))),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        ear.hear("homecare/visit", bad);
    }
    ear.replayed("homecare/visit", good.clone()).hear("homecare/visit", good);
    ear.said(expect![[r#"
        rejected visit_version
        rejected visit_act
        rejected visit_caregiver
        rejected visit_caregiver
        rejected visit_method
        rejected visit_service
        rejected visit_code
        rejected visit_outcome
        rejected retained_visit
        Visit Active by cg-17.check_in NEW; visit VisitMessage { act: CheckIn, method: Card, code: None, fix: None, .. }
    "#]]);
}

// ---- Other ecosystems

fn with_rules(rules: Vec<GenericRule>) -> Ear {
    Ear::with(DecoderConfig { rules, unknown_devices: UnknownDevices::JoinedOnly, ..DecoderConfig::without_home() })
}

#[test]
fn presets_speak_esphome_tasmota_and_shelly() {
    let mut ear = with_rules(vec![
        GenericRule::esphome("bath radar", "bath", "presence", Role::Presence),
        GenericRule::tasmota_radio("bed button", "RF_Bridge", "D691DE", Role::Sos),
        GenericRule::tasmota_switch("hall pir", "pir", "POWER", Role::Motion),
        GenericRule::shelly_gen1_input("cord", "shellybutton1-A4", 0, Role::Sos),
        GenericRule::shelly_gen2_input("wall button", "shellyplusi4-01", 1, Role::Assistance),
    ]);
    let push = |ts: f64, event: &str, component: &str| {
        json!({"src": "shellyplusi4-01", "method": "NotifyEvent",
               "params": {"ts": ts, "events": [{"component": component, "event": event, "ts": ts}]}})
    };
    ear.text("bath/binary_sensor/presence/state", "ON")
        .text("bath/binary_sensor/presence/state", "ON")
        .text("bath/binary_sensor/presence/state", "OFF")
        .text("bath/status", "offline")
        .hear("tele/RF_Bridge/RESULT", json!({"RfReceived": {"Sync": 12470, "Data": "D691DE", "RfKey": "None"}}))
        .hear("tele/RF_Bridge/RESULT", json!({"RfReceived": {"Sync": 12470, "Data": "D691DE", "RfKey": "None"}}))
        .hear("tele/RF_Bridge/RESULT", json!({"RfReceived": {"Sync": 12470, "Data": "00AA11", "RfKey": "None"}}))
        .text("stat/pir/POWER", "ON")
        .hear("shellies/shellybutton1-A4/input_event/0", json!({"event": "", "event_cnt": 2}))
        .hear("shellies/shellybutton1-A4/input_event/0", json!({"event": "L", "event_cnt": 3}))
        .hear("shellies/shellybutton1-A4/input_event/0", json!({"event": "L", "event_cnt": 3}))
        .hear("shellies/shellybutton1-A4/input_event/0", json!({"event": "S", "event_cnt": 4}))
        .hear("shellyplusi4-01/events/rpc", push(1.5, "btn_down", "input:1"))
        .hear("shellyplusi4-01/events/rpc", push(1.75, "single_push", "input:1"))
        .hear("shellyplusi4-01/events/rpc", push(1.75, "single_push", "input:0"))
        .text("shellyplusi4-01/events/rpc", "offline");
    ear.said(expect![[r#"
        Presence Active by bath radar.text NEW
        Presence Active by bath radar.text
        Presence Clear by bath radar.text NEW
        Availability Offline by bath.availability NEW
        Sos Active by bed button.Data NEW ButtonPressed
        Sos Active by bed button.Data
        nothing
        Motion Active by hall pir.text NEW
        nothing
        Sos Active by cord.event@3 NEW ButtonPressed
        Sos Active by cord.event@3
        Sos Active by cord.event@4 NEW ButtonPressed
        nothing
        Assistance Active by wall button.event@1.75 NEW AssistancePressed
        nothing
        nothing
    "#]]);
}

#[test]
fn a_rule_may_listen_with_wildcards_and_read_a_retained_state_but_no_retained_press() {
    let rule = |device: &str, pattern: &str, role| GenericRule {
        topic: TopicPattern::parse(pattern).unwrap(),
        select: Select::json("a.0.b"),
        ..GenericRule::esphome(device, "n", "i", role)
    };
    let mut ear = with_rules(vec![
        rule("door", "x/+/door/#", Role::Door),
        GenericRule { momentary: true, ..rule("cord", "x/+/cord", Role::Sos) },
    ]);
    ear.replayed("x/1/door/state/now", json!({"a": [{"b": "ON"}]}))
        .replayed("x/1/cord", json!({"a": [{"b": "ON"}]}))
        .hear("x/1/cord", json!({"a": [{"b": "ON"}]}))
        .hear("x/1/cord/y", json!({"a": [{"b": "ON"}]}))
        .text("x/1/cord", "ON");
    ear.said(expect![[r#"
        Contact Open by door.b NEW
        rejected retained_press
        Sos Active by cord.b NEW ButtonPressed
        rejected unknown_topic
        rejected not_json
    "#]]);
}

#[test]
fn topic_patterns_are_those_of_mqtt() {
    let fits = |pattern: &str, topic: &str| TopicPattern::parse(pattern).unwrap().matches(topic);
    assert!(fits("a/+/c", "a/b/c") && fits("a/#", "a") && fits("a/#", "a/b/c") && fits("+", "a") && fits("#", "a/b"));
    assert!(!fits("a/+", "a/b/c") && !fits("a/+", "a") && !fits("a", "a/b") && !fits("a/b", "a"));
    for bad in ["", "a/#/b", "a+", "a/b#"] {
        assert!(TopicPattern::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_radio_message_repeated_on_the_air_is_one_event() {
    let mut ear = Ear::open();
    let trip = json!({"model": "Interlogix-Security", "subtype": "motion", "id": "4a8d19", "battery_ok": 1});
    for _ in 0..3 {
        ear.hear("rtl_433/pi/events", trip.clone()).wait(50);
    }
    ear.wait(5_000).hear("rtl_433/pi/events", trip);
    ear.hear(
        "rtl_433/pi/events",
        json!({"model": "Interlogix-Security", "subtype": "panic", "id": "77", "battery_ok": 0}),
    );
    ear.said(expect![[r#"
        Motion Active by Interlogix-Security/4a8d19.motion NEW; Battery Normal by Interlogix-Security/4a8d19.battery_ok NEW
        Motion Active by Interlogix-Security/4a8d19.motion; Battery Normal by Interlogix-Security/4a8d19.battery_ok
        Motion Active by Interlogix-Security/4a8d19.motion; Battery Normal by Interlogix-Security/4a8d19.battery_ok
        Motion Active by Interlogix-Security/4a8d19.motion NEW; Battery Normal by Interlogix-Security/4a8d19.battery_ok
        Sos Active by Interlogix-Security/77.panic NEW ButtonPressed; Battery Low by Interlogix-Security/77.battery_ok NEW BatteryLow
    "#]]);
}

#[test]
fn a_neighbours_code_does_not_raise_and_a_learned_one_does() {
    let mut ear = Ear::with(DecoderConfig {
        devices: BTreeMap::from([("Generic-Remote/777".to_owned(), Role::Sos)]),
        rules: vec![GenericRule::rtl_433_code("pendant", "Generic-Remote", "24130", "196", Role::Sos)],
        unknown_devices: UnknownDevices::JoinedOnly,
        ..DecoderConfig::without_home()
    });
    let code = |id: u32, cmd: u32| json!({"model": "Generic-Remote", "id": id, "cmd": cmd, "tristate": "ZZXX10ZZ1ZX0"});
    ear.hear("rtl_433/pi/events", code(24130, 196))
        .hear("rtl_433/pi/events", code(24130, 196))
        .hear("rtl_433/pi/events", code(24130, 3))
        .hear("rtl_433/pi/events", code(999, 196))
        .hear("rtl_433/pi/events", json!({"model": "Interlogix-Security", "subtype": "panic", "id": "77"}))
        .hear("rtl_433/pi/events", code(777, 1));
    ear.said(expect![[r#"
        Sos Active by pendant.cmd NEW ButtonPressed
        Sos Active by pendant.cmd
        rejected unknown_device
        rejected unknown_device
        rejected unknown_device
        Sos Active by Generic-Remote/777.press NEW ButtonPressed
    "#]]);
}

#[test]
fn a_ble_advertisement_is_told_apart_by_its_packet() {
    let mut ear = Ear::home(&[("A4:C1:38:00:00:01", Role::Sos), ("A4:C1:38:00:00:02", Role::Motion)]);
    let button = |packet: u32, button: u32| json!({"id": "A4:C1:38:00:00:01", "type": "BTN", "packet": packet, "batt": 100, "button": button});
    let topic = "home/gw/BTtoMQTT/A4:C1:38:00:00:01";
    ear.hear(topic, button(29, 1)).hear(topic, button(29, 1)).hear(topic, button(30, 4)).hear(topic, button(31, 0));
    ear.hear("home/gw/BTtoMQTT/A4:C1:38:00:00:02", json!({"packet": 4, "motion": true, "rssi": -60}))
        .hear("home/gw/BTtoMQTT/A4:C1:38:00:00:03", button(1, 1));
    ear.said(expect![[r#"
        Sos Active by A4:C1:38:00:00:01.button@29 NEW ButtonPressed; Battery Percent(100) by A4:C1:38:00:00:01.batt NEW
        Sos Active by A4:C1:38:00:00:01.button@29; Battery Percent(100) by A4:C1:38:00:00:01.batt
        Sos Active by A4:C1:38:00:00:01.button@30 NEW ButtonPressed; Battery Percent(100) by A4:C1:38:00:00:01.batt
        Battery Percent(100) by A4:C1:38:00:00:01.batt
        Motion Active by A4:C1:38:00:00:02.motion NEW; Link Level(-60) by A4:C1:38:00:00:02.rssi NEW
        rejected unknown_device
    "#]]);
}

proptest! {
    #[test]
    fn any_payload_on_any_topic_is_answered(topic in "[a-z0-9/_@+#]{0,40}", payload: Vec<u8>, base: bool, retain: bool) {
        let ear = Ear::open();
        let topic = if base { format!("zigbee2mqtt/{topic}") } else { topic };
        let decoded = ear.decoder.decode(&Heard { topic: &topic, payload: &payload, retain, at: ear.at });
        prop_assert!(decoded.seen.iter().all(|seen| !seen.observation.device.is_empty()));
    }

    #[test]
    fn a_described_device_survives_its_journal_and_any_bytes_are_survived(
        property in "[a-z_0-9]{1,20}", values in proptest::collection::vec("[a-z_]{1,12}", 0..6), noise: Vec<u8>,
    ) {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let definition = json!({"description": "Sensor", "exposes": [words(&property, &values), contact(), flag("sos")]});
        let description = description::Description::of_definition(Some(&definition), true);
        prop_assert_eq!(description::Description::decode(&description.encode()), description);
        let _ = description::Description::decode(&noise);
    }

    #[test]
    fn a_press_is_heard_whatever_else_the_message_says(key in "[a-z_]{1,16}", number: f64, text: String) {
        prop_assume!(key != "action");
        let ear = Ear::open();
        let payload = json!({key: number, "text": text, "action": "emergency"}).to_string();
        let decoded = ear.decode("zigbee2mqtt/button", &payload, false);
        prop_assert!(decoded.seen.iter().any(|seen| seen.observation.kind == Kind::Sos && seen.edge));
    }
}
