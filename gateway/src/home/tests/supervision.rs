use super::*;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

fn bridge(bench: &mut Bench, value: Reading) {
    bench.seen(Kind::Availability, "zigbee2mqtt/bridge", value, None);
}

/// Hears every device but one, each quarter of an hour.
fn all_but(bench: &mut Bench, silent: &str, hours: u64) {
    for _ in 0..hours * 4 {
        bench.wait(15 * MINUTE_MS);
        for device in ["bedside", "fine", "radar", "hall"] {
            if device != silent {
                bench.heard(device);
            }
        }
    }
}

#[test]
fn a_sensor_on_the_mains_is_missed_after_half_an_hour_and_its_return_is_recorded() {
    let mut bench = Bench::new();
    bench.start();
    all_but(&mut bench, "radar", 2);
    bench.heard("radar");
    bench.check(expect![[r#"
        0s told again No call is open
        1800s record trigger Technical by radar (DeviceSilent)
        7200s record over Technical by radar (DeviceSilent)
    "#]]);
}

#[test]
fn an_sos_button_is_missed_after_a_day_and_another_battery_sensor_after_three() {
    let mut bench = Bench::new();
    bench.start();
    all_but(&mut bench, "bedside", 25);
    all_but(&mut bench, "hall", 80);
    bench.check(expect![[r#"
        0s told again No call is open
        86400s record trigger Technical by bedside (DeviceSilent)
        90900s record over Technical by bedside (DeviceSilent)
        349200s record trigger Technical by hall (DeviceSilent)
    "#]]);
}

#[test]
fn after_a_restart_the_clocks_begin_anew_and_what_is_lost_stays_lost() {
    let mut bench = Bench::new();
    bench.start();
    all_but(&mut bench, "radar", 1);
    bench.now = Stamp { boot: 2, uptime_ms: 1_000, ..bench.now };
    bench.start();
    all_but(&mut bench, "radar", 2);
    bench.heard("radar");
    bench.check(expect![[r#"
        0s told again No call is open
        1800s record trigger Technical by radar (DeviceSilent)
        1s told again No call is open
        7201s record over Technical by radar (DeviceSilent)
    "#]]);
}

#[test]
fn a_lone_elder_whose_only_sensors_are_silent_is_a_welfare_call() {
    let mut bench = Bench::new();
    bench.home.rules.supervision.silence.lives_alone = true;
    bench.start();
    all_but(&mut bench, "hall", 73);
    for _ in 0..3 {
        bench.wait(20 * MINUTE_MS);
        bench.heard("bedside");
        bench.heard("fine");
    }
    bench.heard("radar");
    bench.check(expect![[r#"
        0s told again No call is open
        259200s record trigger Technical by hall (DeviceSilent)
        264600s record trigger Welfare by radar (OnlySensorsSilent)
        264600s told Contacting the centre
        264630s told Not connected: call 120
        264660s told Still not connected: call 120 and shout for help
        266400s record over Welfare by radar (OnlySensorsSilent)
    "#]]);
}

#[test]
fn without_the_radio_bridge_the_elder_is_told_and_a_lone_one_is_called() {
    let mut bench = Bench::new();
    bench.home.rules.supervision.silence.lives_alone = true;
    bench.start();
    bridge(&mut bench, Reading::Online);
    bench.heard("radar");
    bench.wait(MINUTE_MS);
    bridge(&mut bench, Reading::Offline);
    bench.wait(40 * MINUTE_MS);
    bridge(&mut bench, Reading::Online);
    bench.heard("radar");
    bench.check(expect![[r#"
        0s told again No call is open
        0s record observed Availability Online by zigbee2mqtt/bridge
        60s record observed Availability Offline by zigbee2mqtt/bridge
        360s record trigger Technical by zigbee2mqtt/bridge (RadioBridgeSilent)
        360s told Buttons not working: use the telephone
        1800s record trigger Technical by radar (DeviceSilent)
        1860s record trigger Welfare by hall (OnlySensorsSilent)
        1860s told Contacting the centre
        1890s told Not connected: call 120
        1920s told Still not connected: call 120 and shout for help
        2460s record over Technical by zigbee2mqtt/bridge (RadioBridgeSilent)
        2460s record observed Availability Online by zigbee2mqtt/bridge
        2460s record over Technical by radar (DeviceSilent)
        2460s record over Welfare by radar (OnlySensorsSilent)
    "#]]);
}

#[test]
fn a_bridge_that_does_not_come_back_after_a_power_cut_is_missed() {
    let mut bench = Bench::new();
    bench.start();
    bridge(&mut bench, Reading::Online);
    bench.now = Stamp { boot: 2, uptime_ms: 1_000, ..bench.now };
    bench.start();
    bench.wait(6 * MINUTE_MS);
    bench.check(expect![[r#"
        0s told again No call is open
        0s record observed Availability Online by zigbee2mqtt/bridge
        1s told again No call is open
        301s record trigger Technical by zigbee2mqtt/bridge (RadioBridgeSilent)
        301s told Buttons not working: use the telephone
    "#]]);
}

#[test]
fn a_low_battery_is_reported_again_each_week_until_it_is_changed() {
    let mut bench = Bench::new();
    for _ in 0..10 {
        bench.seen(Kind::Battery, "hall", Reading::Percent(12), None);
        bench.now.uptime_ms += 24 * HOUR_MS;
    }
    bench.seen(Kind::Battery, "hall", Reading::Percent(20), None);
    bench.seen(Kind::Battery, "hall", Reading::Percent(95), None);
    bench.check(expect![[r#"
        0s record trigger Technical by hall (BatteryLow)
        0s record observed Battery Percent(12) by hall
        86400s record observed Battery Percent(12) by hall
        172800s record observed Battery Percent(12) by hall
        259200s record observed Battery Percent(12) by hall
        345600s record observed Battery Percent(12) by hall
        432000s record observed Battery Percent(12) by hall
        518400s record observed Battery Percent(12) by hall
        604800s record trigger Technical by hall (BatteryLow)
        604800s record observed Battery Percent(12) by hall
        691200s record observed Battery Percent(12) by hall
        777600s record observed Battery Percent(12) by hall
        864000s record observed Battery Percent(20) by hall
        864000s record over Technical by hall (BatteryLow)
        864000s record observed Battery Percent(95) by hall
    "#]]);
}

#[test]
fn an_opened_case_and_its_closing_are_both_reported() {
    let mut bench = Bench::new();
    bench.seen(Kind::Tamper, "hall", Reading::Active, Some(Reason::CaseOpened));
    bench.repeated(Kind::Tamper, "hall", Reading::Active);
    bench.seen(Kind::Tamper, "hall", Reading::Clear, None);
    bench.check(expect![[r#"
        0s record trigger Technical by hall (CaseOpened)
        0s record observed Tamper Active by hall
        0s record over Technical by hall (CaseOpened)
        0s record observed Tamper Clear by hall
    "#]]);
}

#[test]
fn a_sensor_that_sees_nothing_for_weeks_while_others_do_is_stuck() {
    let mut bench = Bench::new();
    bench
        .home
        .rules
        .devices
        .insert("kitchen".into(), Place { role: Some(Role::Motion), room: Some("kitchen".into()), power: None });
    let silence = &mut bench.home.rules.supervision.silence;
    (silence.mains_ms, silence.sos_ms, silence.battery_ms) = (u64::MAX / 4, u64::MAX / 4, u64::MAX / 4);
    bench.start();
    for _ in 0..15 {
        bench.wait(24 * HOUR_MS);
        bench.seen(Kind::Motion, "hall", Reading::Active, None);
    }
    bench.seen(Kind::Motion, "kitchen", Reading::Active, None);
    let told: Vec<_> = bench.transcript.lines().filter(|line| !line.contains("observed")).collect();
    expect![[r#"
        0s told again No call is open
        115200s record pre-alarm Inactivity by hall, 300 s
        115200s told Are you all right? Press cancel if so
        115500s record trigger Inactivity by hall (NoSignOfLife)
        115500s told Contacting the centre
        115530s told Not connected: call 120
        115560s told Still not connected: call 120 and shout for help
        116400s record trigger Inactivity by hall (NoContact)
        116400s told again Still not connected: call 120 and shout for help
        201600s record pre-alarm Inactivity by hall, 300 s
        201900s record trigger Inactivity by hall (NoSignOfLife)
        201900s told again Still not connected: call 120 and shout for help
        202800s record trigger Inactivity by hall (NoContact)
        202800s told again Still not connected: call 120 and shout for help
        288000s record pre-alarm Inactivity by hall, 300 s
        288300s record trigger Inactivity by hall (NoSignOfLife)
        288300s told again Still not connected: call 120 and shout for help
        289200s record trigger Inactivity by hall (NoContact)
        289200s told again Still not connected: call 120 and shout for help
        374400s record pre-alarm Inactivity by hall, 300 s
        374700s record trigger Inactivity by hall (NoSignOfLife)
        374700s told again Still not connected: call 120 and shout for help
        375600s record trigger Inactivity by hall (NoContact)
        375600s told again Still not connected: call 120 and shout for help
        460800s record pre-alarm Inactivity by hall, 300 s
        461100s record trigger Inactivity by hall (NoSignOfLife)
        461100s told again Still not connected: call 120 and shout for help
        462000s record trigger Inactivity by hall (NoContact)
        462000s told again Still not connected: call 120 and shout for help
        547200s record pre-alarm Inactivity by hall, 300 s
        547500s record trigger Inactivity by hall (NoSignOfLife)
        547500s told again Still not connected: call 120 and shout for help
        548400s record trigger Inactivity by hall (NoContact)
        548400s told again Still not connected: call 120 and shout for help
        633600s record pre-alarm Inactivity by hall, 300 s
        633900s record trigger Inactivity by hall (NoSignOfLife)
        633900s told again Still not connected: call 120 and shout for help
        634800s record trigger Inactivity by hall (NoContact)
        634800s told again Still not connected: call 120 and shout for help
        720000s record pre-alarm Inactivity by hall, 300 s
        720300s record trigger Inactivity by hall (NoSignOfLife)
        720300s told again Still not connected: call 120 and shout for help
        721200s record trigger Inactivity by hall (NoContact)
        721200s told again Still not connected: call 120 and shout for help
        806400s record pre-alarm Inactivity by hall, 300 s
        806700s record trigger Inactivity by hall (NoSignOfLife)
        806700s told again Still not connected: call 120 and shout for help
        807600s record trigger Inactivity by hall (NoContact)
        807600s told again Still not connected: call 120 and shout for help
        892800s record pre-alarm Inactivity by hall, 300 s
        893100s record trigger Inactivity by hall (NoSignOfLife)
        893100s told again Still not connected: call 120 and shout for help
        894000s record trigger Inactivity by hall (NoContact)
        894000s told again Still not connected: call 120 and shout for help
        979200s record pre-alarm Inactivity by hall, 300 s
        979500s record trigger Inactivity by hall (NoSignOfLife)
        979500s told again Still not connected: call 120 and shout for help
        980400s record trigger Inactivity by hall (NoContact)
        980400s told again Still not connected: call 120 and shout for help
        1065600s record pre-alarm Inactivity by hall, 300 s
        1065900s record trigger Inactivity by hall (NoSignOfLife)
        1065900s told again Still not connected: call 120 and shout for help
        1066800s record trigger Inactivity by hall (NoContact)
        1066800s told again Still not connected: call 120 and shout for help
        1152000s record pre-alarm Inactivity by hall, 300 s
        1152300s record trigger Inactivity by hall (NoSignOfLife)
        1152300s told again Still not connected: call 120 and shout for help
        1153200s record trigger Inactivity by hall (NoContact)
        1153200s told again Still not connected: call 120 and shout for help
        1209600s record trigger Technical by kitchen (SensorStuck)
        1209600s record trigger Technical by radar (SensorStuck)
        1238400s record pre-alarm Inactivity by hall, 300 s
        1238700s record trigger Inactivity by hall (NoSignOfLife)
        1238700s told again Still not connected: call 120 and shout for help
        1239600s record trigger Inactivity by hall (NoContact)
        1239600s told again Still not connected: call 120 and shout for help
        1296000s record over Technical by kitchen (SensorStuck)
    "#]]
    .assert_eq(&format!("{}\n", told.join("\n")));
}

#[test]
fn the_mains_supply_is_recorded_as_it_goes_and_comes() {
    let mut bench = Bench::new();
    bench.seen(Kind::Mains, "mains", Reading::Clear, None);
    bench.wait(60_000);
    bench.seen(Kind::Mains, "mains", Reading::Active, None);
    bench.check(expect![[r#"
        0s record mains lost
        60s record mains back
    "#]]);
}

#[test]
fn im_fine_never_cancels_a_press_and_is_said_to_the_dispatcher() {
    let mut bench = Bench::new();
    bench.input(&Input::Cancel("homecare/cancel"));
    bench.press();
    bench.seen(Kind::Assistance, "fine", Reading::Active, Some(Reason::ElderCancelled));
    bench.input(&Input::Cancel("fine"));
    bench.check(expect![[r#"
        0s record trigger Sos by bedside (ButtonPressed)
        0s told Contacting the centre
        0s record observed Assistance Active by fine
        0s record said fine with fine
    "#]]);
}

#[test]
fn a_button_that_never_beats_is_never_called_silent_and_is_still_asked_for_its_monthly_test() {
    let mut bench = Bench::new();
    for device in ["bedside", "fine"] {
        bench.home.rules.devices.get_mut(device).unwrap().power = Some(Power::OneWay);
    }
    bench.start();
    for _ in 0..34 * 24 * 4 {
        bench.wait(15 * MINUTE_MS);
        bench.heard("radar");
        bench.heard("hall");
    }
    bench.check(expect![[r#"
        0s told again No call is open
        2678400s record test of bedside: ProofDue
        2851200s record trigger Technical by bedside (ProofOverdue)
    "#]]);
}

/// The link quality of `hall` so many times, ten minutes apart.
fn linked(bench: &mut Bench, level: i32, times: u32) {
    for _ in 0..times {
        bench.repeated(Kind::Link, "hall", Reading::Level(level));
        bench.wait(10 * MINUTE_MS);
    }
}

#[test]
fn a_link_that_stays_weak_for_an_hour_is_reported_once_and_its_return_too() {
    let mut bench = Bench::new();
    linked(&mut bench, 12, 20);
    linked(&mut bench, 90, 20);
    linked(&mut bench, 29, 8);
    bench.check(expect![[r#"
        3600s record trigger Technical by hall (LinkWeak)
        15600s record over Technical by hall (LinkWeak)
        27600s record trigger Technical by hall (LinkWeak)
    "#]]);
}

#[test]
fn a_link_that_wavers_or_counts_in_decibels_is_nobodys_business() {
    let mut bench = Bench::new();
    for _ in 0..20 {
        linked(&mut bench, 12, 5);
        linked(&mut bench, 30, 1);
    }
    linked(&mut bench, -97, 20);
    bench.check(expect![[""]]);
}

#[test]
fn a_weak_link_is_reported_once_over_a_checkpoint_and_a_restart() {
    let mut bench = Bench::new();
    linked(&mut bench, 12, 8);
    let bytes = bincode::serialize(&bench.home.snapshot()).unwrap();
    let rules = bench.home.rules.clone();
    bench.home = Home::restore(rules, bincode::deserialize(&bytes).unwrap());
    bench.now = Stamp { boot: 2, uptime_ms: 1_000, ..bench.now };
    linked(&mut bench, 12, 8);
    linked(&mut bench, 200, 8);
    bench.check(expect![[r#"
        3600s record trigger Technical by hall (LinkWeak)
        8401s record over Technical by hall (LinkWeak)
    "#]]);
}

#[test]
fn a_cut_wire_is_no_opened_case_and_its_mending_is_reported() {
    let mut bench = Bench::new();
    let mut wire = |value| {
        let (device, key) = ("bedside".to_owned(), crate::decode::WIRE.to_owned());
        let observation = Observation { kind: Kind::Tamper, device, key, value };
        bench.input(&Input::Observed { observation: &observation, edge: true, reason: None });
    };
    wire(Reading::Active);
    wire(Reading::Clear);
    bench.check(expect![[r#"
        0s record trigger Technical by bedside (WireCut)
        0s record observed Tamper Active by bedside
        0s record over Technical by bedside (WireCut)
        0s record observed Tamper Clear by bedside
    "#]]);
}
