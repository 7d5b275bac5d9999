//! An elder's day through the rules: limits, learning, absences, visits and their corners. The stories a
//! shift leader reads are in `tests/scenarios`.

use protocol::record::Started;

use super::*;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// A home with two rooms, an exit door and a bed, at local midnight.
fn bench() -> Bench {
    let mut bench = Bench::new();
    let mut rules = bench.home.rules().clone();
    let mut place = |name: &str, role, room: &str| {
        rules.devices.insert(name.into(), Place { role: Some(role), room: Some(room.into()), power: None });
    };
    place("front door", Role::ExitDoor, "hall");
    place("kitchen", Role::Motion, "kitchen");
    place("bed pad", Role::Bed, "bedroom");
    rules.utc_offset_minutes = 0;
    bench.home = Home::new(rules);
    bench
}

/// Goes to a time of day counted from the first midnight, waking the home on the way.
fn go(bench: &mut Bench, at_ms: u64) {
    // Uptime and wall clock are the same here, so that the home's hours are the test's.
    while let Some((due, _)) = bench.home.next_deadline().filter(|(due, _)| *due <= at_ms) {
        set(bench, due.max(bench.now.uptime_ms));
        bench.input(&Input::Woken);
        bench.input(&Input::Synced(bench.unsynced));
    }
    set(bench, at_ms);
}

fn set(bench: &mut Bench, at_ms: u64) {
    bench.now.uptime_ms = at_ms;
    bench.now.wall_ms = i64::try_from(at_ms).unwrap();
}

fn motion(bench: &mut Bench, device: &str) {
    bench.seen(Kind::Motion, device, Reading::Active, None);
}

fn calls(bench: &Bench) -> Vec<&str> {
    bench.transcript.lines().filter(|line| line.contains("trigger Inactivity")).collect()
}

/// Up at six, in the kitchen and the hall every hour, to bed at ten.
fn ordinary_day(bench: &mut Bench, day: u64) {
    for hour in 6..=22 {
        go(bench, day * DAY_MS + hour * HOUR_MS);
        motion(bench, "hall");
        go(bench, day * DAY_MS + hour * HOUR_MS + 60_000);
        motion(bench, "kitchen");
    }
}

#[test]
fn a_home_that_has_learned_its_nights_asks_sooner_than_the_default_by_day() {
    let mut bench = bench();
    for day in 0..10 {
        ordinary_day(&mut bench, day);
    }
    assert!(calls(&bench).is_empty(), "{}", bench.transcript);
    // Nothing after 09:01 of the eleventh day: four hours, the shortest that learning may reach.
    for hour in 6..=9 {
        go(&mut bench, 10 * DAY_MS + hour * HOUR_MS);
        motion(&mut bench, "hall");
        motion(&mut bench, "kitchen");
    }
    go(&mut bench, 10 * DAY_MS + 13 * HOUR_MS + 4 * 60_000);
    assert!(calls(&bench).is_empty());
    go(&mut bench, 10 * DAY_MS + 13 * HOUR_MS + 6 * 60_000);
    assert_eq!(calls(&bench).len(), 1, "{}", bench.transcript);
    assert!(calls(&bench)[0].contains("NoSignOfLife"));
}

#[test]
fn without_a_trusted_clock_what_was_learned_does_not_hold() {
    let mut bench = bench();
    for day in 0..10 {
        ordinary_day(&mut bench, day);
    }
    bench.now.wall_trusted = false;
    go(&mut bench, 10 * DAY_MS + 9 * HOUR_MS);
    motion(&mut bench, "hall");
    go(&mut bench, 10 * DAY_MS + 17 * HOUR_MS + 4 * 60_000);
    let before = calls(&bench).len();
    go(&mut bench, 10 * DAY_MS + 17 * HOUR_MS + 6 * 60_000);
    assert_eq!(calls(&bench).len(), before + 1, "{}", bench.transcript);
}

#[test]
fn a_quiet_that_a_fall_came_in_is_not_learned() {
    let mut bench = bench();
    for day in 0..4 {
        ordinary_day(&mut bench, day);
    }
    let before = format!("{:?}", bench.home.daily_life());
    let quiets = |text: &str| text.matches("Quiet { side").count();
    go(&mut bench, 4 * DAY_MS + HOUR_MS);
    bench.fall();
    go(&mut bench, 4 * DAY_MS + 7 * HOUR_MS);
    motion(&mut bench, "kitchen");
    assert_eq!(quiets(&format!("{:?}", bench.home.daily_life())), quiets(&before));
}

#[test]
fn a_bed_that_hangs_does_not_keep_a_lone_elder_at_home() {
    let mut bench = bench();
    go(&mut bench, 8 * HOUR_MS);
    bench.seen(Kind::Bed, "bed pad", Reading::Active, None);
    go(&mut bench, 8 * HOUR_MS + 30 * 60_000);
    motion(&mut bench, "kitchen");
    bench.seen(Kind::Contact, "front door", Reading::Open, None);
    bench.seen(Kind::Contact, "front door", Reading::Closed, None);
    go(&mut bench, 10 * HOUR_MS);
    assert!(bench.home.daily_life().presumed_out());
}

#[test]
fn somebody_in_bed_speaks_against_an_absence() {
    let mut bench = bench();
    go(&mut bench, 8 * HOUR_MS);
    motion(&mut bench, "kitchen");
    bench.seen(Kind::Contact, "front door", Reading::Open, None);
    bench.seen(Kind::Contact, "front door", Reading::Closed, None);
    bench.seen(Kind::Bed, "bed pad", Reading::Active, None);
    go(&mut bench, 10 * HOUR_MS);
    assert!(!bench.home.daily_life().presumed_out());
}

#[test]
fn motion_in_another_room_after_the_door_is_no_leaving() {
    let mut bench = bench();
    go(&mut bench, 8 * HOUR_MS);
    bench.seen(Kind::Contact, "front door", Reading::Open, None);
    bench.seen(Kind::Contact, "front door", Reading::Closed, None);
    go(&mut bench, 8 * HOUR_MS + 60_000);
    motion(&mut bench, "kitchen");
    go(&mut bench, 10 * HOUR_MS);
    assert!(!bench.home.daily_life().presumed_out());
}

#[test]
fn the_same_boot_is_exact_and_a_new_one_runs_the_remainder() {
    let mut bench = bench();
    motion(&mut bench, "hall");
    motion(&mut bench, "kitchen");
    go(&mut bench, 5 * HOUR_MS);
    // A record shows how far the first boot came: a lamp that told something, a device that was listed.
    bench.seen(Kind::Contact, "a drawer nobody configured", Reading::Open, None);
    go(&mut bench, 7 * HOUR_MS);
    bench.seen(Kind::Battery, "hall", Reading::Percent(80), None);
    bench.now = Stamp { boot: 2, uptime_ms: 1_000, ..bench.now };
    let started = Body::Started(Started { version: "test".into(), after_clean_stop: false });
    let record = bench.chain.seal(bench.now, None, started).unwrap();
    bench.home.apply(&record);
    bench.input(&Input::Started { unsafe_from: None });
    // Two of eight hours had run since the drawer.
    go(&mut bench, 6 * HOUR_MS + 4 * 60_000);
    assert!(calls(&bench).is_empty(), "{}", bench.transcript);
    go(&mut bench, 6 * HOUR_MS + 6 * 60_000);
    assert_eq!(calls(&bench).len(), 1, "{}", bench.transcript);
}
