use super::*;

const SMOKE: &str = "kitchen smoke";

fn smoke(bench: &mut Bench, value: Reading) {
    bench.seen(Kind::Smoke, SMOKE, value, Some(Reason::SensorAlarm));
}

#[test]
fn smoke_is_raised_at_once_again_while_it_lasts_and_its_end_is_recorded() {
    let mut bench = Bench::new();
    smoke(&mut bench, Reading::Active);
    for _ in 0..30 {
        bench.wait(10_000);
        bench.repeated(Kind::Smoke, SMOKE, Reading::Active);
    }
    smoke(&mut bench, Reading::Clear);
    bench.wait(600_000);
    bench.check(expect![[r#"
        0s record trigger Smoke by kitchen smoke (SensorAlarm)
        0s told Leave now
        120s record trigger Smoke by kitchen smoke (HazardContinues)
        120s told again Leave now
        240s record trigger Smoke by kitchen smoke (HazardContinues)
        240s told again Leave now
        300s record observed Smoke Clear by kitchen smoke
        300s record over Smoke by kitchen smoke (SensorAlarm)
    "#]]);
}

#[test]
fn a_burst_of_the_same_alarm_on_the_air_is_one_alarm() {
    let mut bench = Bench::new();
    for _ in 0..4 {
        bench.seen(Kind::Gas, "gas", Reading::Active, Some(Reason::SensorAlarm));
        bench.wait(6_000);
    }
    bench.check(expect![[r#"
        0s record trigger Gas by gas (SensorAlarm)
        0s told Leave now
        6s record observed Gas Active by gas
        12s record observed Gas Active by gas
        18s record observed Gas Active by gas
    "#]]);
}

#[test]
fn a_hazard_that_comes_back_is_raised_at_once() {
    let mut bench = Bench::new();
    smoke(&mut bench, Reading::Active);
    bench.wait(30_000);
    smoke(&mut bench, Reading::Clear);
    bench.wait(15_000);
    smoke(&mut bench, Reading::Active);
    bench.check(expect![[r#"
        0s record trigger Smoke by kitchen smoke (SensorAlarm)
        0s told Leave now
        30s record observed Smoke Clear by kitchen smoke
        30s record over Smoke by kitchen smoke (SensorAlarm)
        45s record trigger Smoke by kitchen smoke (SensorAlarm)
        45s told again Leave now
    "#]]);
}

#[test]
fn smoke_in_two_rooms_is_raised_twice_and_water_tells_nobody_to_leave() {
    let mut bench = Bench::new();
    bench.seen(Kind::Water, "leak", Reading::Active, Some(Reason::SensorAlarm));
    smoke(&mut bench, Reading::Active);
    bench.seen(Kind::Smoke, "bedroom smoke", Reading::Active, Some(Reason::SensorAlarm));
    bench.check(expect![[r#"
        0s record trigger Water by leak (SensorAlarm)
        0s record trigger Smoke by kitchen smoke (SensorAlarm)
        0s told Leave now
        0s record trigger Smoke by bedroom smoke (SensorAlarm)
        0s told again Leave now
    "#]]);
}

#[test]
fn after_a_power_cut_a_hazard_that_is_still_said_is_raised_anew() {
    let mut bench = Bench::new();
    smoke(&mut bench, Reading::Active);
    bench.now = Stamp { boot: 2, uptime_ms: 1_000, ..bench.now };
    bench.start();
    bench.repeated(Kind::Smoke, SMOKE, Reading::Active);
    bench.check(expect![[r#"
        0s record trigger Smoke by kitchen smoke (SensorAlarm)
        0s told Leave now
        1s told again Leave now
        1s record trigger Smoke by kitchen smoke (SensorAlarm)
        1s told again Leave now
    "#]]);
}

/// Smoke is heard and its record not yet on the disk.
fn unsynced_smoke(bench: &mut Bench) {
    let observation =
        Observation { kind: Kind::Smoke, device: SMOKE.into(), key: "smoke".into(), value: Reading::Active };
    bench.input(&Input::Observed { observation: &observation, edge: true, reason: Some(Reason::SensorAlarm) });
}

#[test]
fn a_fire_of_which_nothing_is_known_yet_hides_no_press_that_is_recorded() {
    let mut bench = Bench::new();
    bench.press();
    unsynced_smoke(&mut bench);
    bench.now = Stamp { boot: 2, uptime_ms: 0, ..bench.now };
    bench.start_unsafe_from(Some(bench.unsynced));
    bench.check(expect![[r#"
        0s record trigger Sos by bedside (ButtonPressed)
        0s told Contacting the centre
        0s record trigger Smoke by kitchen smoke (SensorAlarm)
        0s told again Contacting the centre
    "#]]);
}

#[test]
fn a_fire_that_the_centre_has_is_told_although_the_disk_has_not_answered() {
    let mut bench = Bench::new();
    unsynced_smoke(&mut bench);
    bench.input(&Input::Received { seqs: &[bench.unsynced], ver: 1 });
    bench.check(expect![[r#"
        0s record trigger Smoke by kitchen smoke (SensorAlarm)
        0s told Leave now
    "#]]);
}
