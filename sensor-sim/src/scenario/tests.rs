#![expect(clippy::wildcard_enum_match_arm, reason = "a test names what it waits for, not the rest")]

use expect_test::expect;
use proptest::prelude::*;

use super::*;
use crate::device::Click;

const NOTES: &str = "\
# An SOS while the centre is down
home
  sos bedside in bedroom
  fall \"bath radar\" in bathroom
  im_fine \"fine button\"
  motion hall in hall
  exit_door front in hall
steps
  08:00:00     press bedside
  +2s          deliver again bedside        # QoS 1 duplicate of the last message
  +1m          centre down
  +0           fall \"bath radar\"
  +10s         press \"fine button\"
  +1s          check in cg-17 by code at home for 助洁
  +5s          wang claims
  +5s          wang dispatches \"station 3\"
  +5m          check out cg-17 outcome \"seen, safe\"
  +5s          wang closes real.medical outcome advice
  08:30        wang closes false.device the fire order
  +0           kill gateway
  +0           restart gateway
  +0           power cut
  +1h30m       clock jumps -20y
  +0           link down
  +250ms       disk full
  +0           malformed \"zigbee2mqtt/hall\" \"{\\\"occ\"
  +0           raw \"zigbee2mqtt/nobody\" {\"a\": \"# no comment\"}  # a comment
  day 2 07:00  open front
expect
# kept as written
  08:00:00 lamp recorded
";

#[test]
fn a_shift_leaders_notes_are_read_and_written_back() {
    let scenario = Scenario::parse(NOTES).unwrap();
    expect![[r##"
        home
          sos bedside in bedroom
          fall "bath radar" in bathroom
          im_fine "fine button"
          motion hall in hall
          exit_door front in hall
        steps
          08:00:00     press bedside
          +2s          deliver again bedside
          +1m          centre down
          +0           fall "bath radar"
          +10s         press "fine button"
          +1s          check in cg-17 by code at home for 助洁
          +5s          wang claims
          +5s          wang dispatches "station 3"
          +5m          check out cg-17 by code outcome "seen, safe"
          +5s          wang closes real.medical outcome advice
          +23m32s      wang closes false.device the fire order
          +0           kill gateway
          +0           restart gateway
          +0           power cut
          +1h30m       clock jumps -20y
          +0           link down
          +250ms       disk full
          +0           malformed "zigbee2mqtt/hall" "{\"occ"
          +0           raw "zigbee2mqtt/nobody" {"a": "# no comment"}
          +20h59m59s750ms open front
        expect
        # kept as written
          08:00:00 lamp recorded
    "##]]
    .assert_eq(&scenario.to_string());
    assert_eq!(scenario.steps[0].line, 9);
    assert_eq!(scenario.expect.as_deref(), Some("# kept as written\n  08:00:00 lamp recorded\n"));
    assert_eq!(same_but_lines(Scenario::parse(&scenario.to_string()).unwrap()), same_but_lines(scenario));
}

fn same_but_lines(mut scenario: Scenario) -> Scenario {
    for step in &mut scenario.steps {
        step.line = 0;
    }
    scenario
}

fn problems(text: &str) -> String {
    match Scenario::parse(text) {
        Ok(scenario) => format!("good:\n{scenario}"),
        Err(problems) => problems.iter().map(|problem| format!("{problem}\n")).collect(),
    }
}

#[test]
fn every_mistake_is_told_at_once_with_its_line_and_what_to_do() {
    let text = "\
  press x
home
  sos bedside in bedroom
  soss b
  motion bedside
  motion \"open
  motion hall+
  motion two words
  door bridge/x
steps
  press bedside
  08:00 prss bedside
  +5 press bedside
  07:00 press bedside
  +1s press hall
  +1s fall bedside
  +1s press bedside twice
  +1s battery bedside 101
  +1s check in cg by card on foot
  +1s check in cg at nowhere
  +1s raw \"a\" {\"x\":}
  +1s raw \"a/#\" {}
  +1s wang closes
  +1s clock jumps -200y
  +1s gateway restarts
  +1s maybe bedside
  +1s
  +1s malformed \"a\" \"\\q\"
home
";
    expect![[r#"
        line 1: begin with a line `home`, then the devices, then a line `steps`
        line 4: `soss` is no kind of device; use one of sos, two_gesture_sos, latching_sos, im_fine, assistance, motion, door, exit_door, bed, fall, posture_fall, presence_fall, smoke, gas, co, leak, siren, warning_siren, rtl_433_pendant, rtl_433_motion, tasmota_pendant, openmqttgateway_pendant, esphome_motion, tasmota_door, shelly_button, shelly_plus_button, ble_button, neighbour_pendant
        line 5: there is already a device named `bedside`; give this one another name
        line 6: a quote is opened and not closed; put `"` behind the name in: motion "open
        line 7: `hall+` cannot be a device's name: `+`, `#` and control characters cannot stand in an MQTT topic
        line 8: write `<kind> <name>` or `<kind> <name> in <room>`; names of several words stand in quotes
        line 9: `bridge/x` cannot be a device's name: `bridge` is Zigbee2MQTT's own, and 200 bytes are the limit
        line 11: `press` is no time: a step begins with a time, `08:00:00`, or `+5s` after the step before it, or `day 2 08:00:00`
        line 12: `prss` is nothing that can happen; use one of press, release, fall, maybe, recover, motion, still, open, close, lie, get, alarm, clear, tamper, untamper, battery, beat, die, chatter, deliver, offline, online, bridge, cancel, mains, test, check, malformed, raw, oversize, wait, centre, kill, restart, gateway, power, link, disk, clock, or `<name> claims|releases|dispatches|withdraws|confirms|notes|closes`
        line 13: `5` is no span of time; write 0, 250ms, 5s, 2m, 8h, 3d or 1h30m
        line 14: this is earlier than the step before it; write `day 2 …` for the day after
        line 15: there is no device `hall` in this home; it has `bedside`
        line 16: `bedside` is a sos and cannot tell "a fall"; name a device that can
        line 17: `twice` is left over; names of several words stand in quotes
        line 18: `101` is not a percentage, 0 to 100
        line 19: `on` is not part of a check-in; use by, at, for, outcome
        line 20: behind `at` stands home, 300m (north of it) or latitude,longitude such as 41.80,123.40
        line 21: this is not JSON (expected value at line 1 column 6); use `malformed` to send a bad text
        line 22: `a/#` cannot be published to; give a topic without `+` and `#`
        line 23: the line ends too early: a close code, such as real.medical is missing
        line 24: `-200y` is no jump; write it as -20y, +3d, -2h, +10m or +90s, up to 100 years
        line 25: behind `gateway` stands down or up, not `restarts`
        line 26: `fall` is missing before `bedside`
        line 27: an act is missing; write what happens
        line 28: `\q` is not known; write `\\` for a backslash
        line 29: there is a second section `home`; put all of it under the first
    "#]].assert_eq(&problems(text));
    expect![[r#"
        line 2: there is no section `steps`; write a line `steps` and the steps below it
    "#]]
    .assert_eq(&problems("home\n  sos a\n"));
    expect![[r#"
        line 1: there is no section `steps`; write a line `steps` and the steps below it
    "#]]
    .assert_eq(&problems(""));
}

#[test]
fn a_dispatcher_whose_name_is_a_verb_stands_in_quotes() {
    let act = parse_act("\"press\" claims", &[]).unwrap();
    assert_eq!(act.to_string(), "\"press\" claims");
    let home = [HomeDevice { kind: DeviceKind::Sos, name: "claims".into(), room: None }];
    let act = parse_act("press claims", &home).unwrap();
    assert_eq!(act, Act::Device { device: "claims".into(), what: Happening::Pressed(Click::Single) });
}

#[test]
fn a_time_of_day_sets_the_start_and_a_later_day_counts_from_it() {
    let scenario = Scenario::parse("home\nsteps\n 23:59:30 wait\n day 2 00:00:10.500 wait\n").unwrap();
    assert_eq!(scenario.starts_at, Duration::from_secs(86_370));
    assert_eq!(scenario.steps[1].at, Duration::from_millis(40_500));
}

#[test]
fn every_scenario_of_the_repository_is_read() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/scenarios");
    let mut read = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "scn") {
            let problems = Scenario::parse(&std::fs::read_to_string(&path).unwrap()).err().unwrap_or_default();
            assert!(problems.is_empty(), "{}: {problems:?}", path.display());
            read += 1;
        }
    }
    assert!(read > 0, "no scenario in {}", folder.display());
}

fn any_name() -> impl Strategy<Value = String> {
    "[a-z鈴\"\\\\{\\[][ a-z0-9/\"\\\\#{}鈴]{0,8}[a-z鈴]"
        .prop_filter("a friendly name", |name| parse::why_no_name(name).is_none())
}

fn any_text() -> impl Strategy<Value = String> {
    "[ -~\n\t\r助洁]{0,12}"
}

fn any_happening() -> impl Strategy<Value = Happening> {
    use Happening as H;
    prop_oneof![
        prop_oneof![Just(Click::Single), Just(Click::Double), Just(Click::Long)].prop_map(H::Pressed),
        (0..=100_u8).prop_map(H::BatteryAt),
        prop::sample::select(vec![
            H::Released,
            H::Moved,
            H::Still,
            H::Opened,
            H::Closed,
            H::LainDown,
            H::GotUp,
            H::Fell,
            H::MayHaveFallen,
            H::Recovered,
            H::Alarmed,
            H::Cleared,
            H::Tampered,
            H::Untampered,
            H::Beat,
        ]),
    ]
}

fn any_note() -> impl Strategy<Value = VisitNote> {
    let place = prop_oneof![
        Just(Place::Home),
        (0..=1_000_000_u32).prop_map(|metres| Place::North { metres }),
        (
            -900_000_000..=900_000_000_i32,
            -1_800_000_000..=1_800_000_000_i32,
            prop::option::of(prop::sample::select(vec![Datum::Wgs84, Datum::Gcj02, Datum::Bd09]))
        )
            .prop_map(|(lat_e7, lon_e7, datum)| Place::Point { lat_e7, lon_e7, datum }),
    ];
    let method = prop_oneof![
        prop::option::of("[0-9]{1,8}").prop_map(|code| (Method::Code, code)),
        Just((Method::Card, None)),
        Just((Method::Phone, None)),
    ];
    (any_text(), method, prop::option::of(place), prop::option::of(any_text()), prop::option::of(any_text())).prop_map(
        |(caregiver, (method, code), place, service, outcome)| VisitNote {
            caregiver,
            method,
            code,
            place,
            service,
            outcome,
        },
    )
}

fn any_world() -> impl Strategy<Value = WorldAct> {
    let order = prop::option::of(prop::sample::select(act::ORDERS.map(|(_, order)| order).to_vec()));
    let deed = prop_oneof![
        Just(Deed::Claims),
        Just(Deed::Releases),
        Just(Deed::Withdraws),
        Just(Deed::Confirms),
        any_text().prop_map(Deed::Dispatches),
        any_text().prop_map(Deed::Notes),
        (any_text(), prop::option::of(any_text())).prop_map(|(code, outcome)| Deed::Closes { code, outcome }),
    ];
    let power = || prop::sample::select(vec![Power::Down, Power::Up, Power::Restart, Power::Kill]);
    prop_oneof![
        power().prop_map(WorldAct::Centre),
        power().prop_map(WorldAct::Gateway),
        any::<bool>().prop_map(WorldAct::MainsPower),
        any::<bool>().prop_map(WorldAct::Link),
        any::<bool>().prop_map(WorldAct::DiskFull),
        any::<bool>().prop_map(WorldAct::ClockTrusted),
        (-3_155_760_000..=3_155_760_000_i64).prop_map(|secs| WorldAct::ClockJumps { secs }),
        (any_name(), order, deed).prop_map(|(who, order, deed)| WorldAct::Operator { who, order, deed }),
    ]
}

fn any_act(names: Vec<String>) -> impl Strategy<Value = Act> {
    let name = prop::sample::select(names);
    let topic = || "[a-z/ \"\\\\]{1,8}";
    prop_oneof![
        4 => (name.clone(), any_happening()).prop_map(|(device, what)| Act::Device { device, what }),
        1 => name.clone().prop_map(|device| Act::DeliverAgain { device }),
        1 => (name, any::<bool>()).prop_map(|(device, online)| Act::Reachable { device, online }),
        1 => prop::sample::select(vec![Power::Down, Power::Up, Power::Restart]).prop_map(Act::RadioBridge),
        1 => prop::sample::select(vec![Act::Cancel, Act::Wait, Act::Mains(true), Act::Mains(false)]),
        1 => any_note().prop_map(Act::CheckIn),
        1 => any_note().prop_map(Act::CheckOut),
        1 => (topic(), any_text()).prop_map(|(topic, text)| Act::Malformed { topic, text }),
        1 => (topic(), any_text(), any::<bool>(), 0..3).prop_map(|(topic, text, retained, shape)| {
            let text = serde_json::Value::String(text);
            let json = match shape {
                0 => text.to_string(),
                1 => format!("[{text},\n1.50]"),
                _ => format!("{{\"a # b\": {text}}}"),
            };
            Act::Raw { topic, json, retained }
        }),
        1 => (topic(), 1..=(16_u32 << 20)).prop_map(|(topic, bytes)| Act::Oversize { topic, bytes }),
        3 => any_world().prop_map(Act::World),
    ]
}

fn any_scenario() -> impl Strategy<Value = Scenario> {
    let kinds = DeviceKind::WORDS.map(|(_, kind)| kind).to_vec();
    let device = (prop::sample::select(kinds), any_name(), prop::option::of(any_text()));
    let home = prop::collection::btree_map(any_name(), device, 1..5).prop_map(|devices| {
        let device = |(name, (kind, _, room))| HomeDevice { kind, name, room };
        devices.into_iter().map(device).collect::<Vec<_>>()
    });
    home.prop_flat_map(|home| {
        let names = home.iter().map(|device| device.name.clone()).collect();
        let steps = prop::collection::vec((0..200_000_000_u64, any_act(names)), 1..8);
        (Just(home), 0..86_400_000_u64, steps, prop::option::of(any_text()))
    })
    .prop_map(|(home, starts_at, steps, expect)| {
        let able = |act: &Act| match act {
            Act::Device { device, what } => {
                home.iter().any(|entry| entry.name == *device && entry.device(0).can(*what))
            }
            _ => true,
        };
        let mut at = 0;
        let mut first = true;
        let mut written = Vec::new();
        for (later, act) in steps.into_iter().filter(|(_, act)| able(act)) {
            at += if first { 0 } else { later };
            first = false;
            written.push(Step { at: Duration::from_millis(at), line: 0, act });
        }
        let starts_at = if first { 8 * 3_600_000 } else { starts_at };
        Scenario { home, rules: None, starts_at: Duration::from_millis(starts_at), steps: written, expect }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_as_the_same(scenario in any_scenario()) {
        let text = scenario.to_string();
        match Scenario::parse(&text) {
            Ok(read) => prop_assert_eq!(same_but_lines(read), scenario, "{}", text),
            Err(problems) => prop_assert!(false, "{problems:?} in\n{text}"),
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "(home|steps|expect|sos a|\\+1s|press|[ -~\n\"{]){0,30}") {
        let _ = Scenario::parse(&text);
    }
}
