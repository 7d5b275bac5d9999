use super::*;
use crate::home::daily_life::Holiday;

const MINUTE_MS: u64 = 60_000;

/// A home at 06:00 of its own day with check-ins at 09:00 and 20:00; nobody else is watched.
fn morning() -> Bench {
    let mut bench = Bench::new();
    bench.home.rules.check_in.times = vec![9 * 60, 20 * 60];
    bench.home.rules.devices.clear();
    bench.now.wall_ms = 22 * 3_600_000;
    bench.start();
    bench
}

/// Time passes on both clocks.
fn pass(bench: &mut Bench, minutes: u64) {
    for _ in 0..minutes {
        bench.wait(MINUTE_MS);
        bench.now.wall_ms += MINUTE_MS as i64;
    }
}

fn motion(bench: &mut Bench) {
    bench.seen(Kind::Motion, "hall", Reading::Active, None);
}

#[test]
fn a_check_in_is_missed_once_when_nobody_was_seen_in_the_hours_before() {
    let mut bench = morning();
    motion(&mut bench);
    pass(&mut bench, 12 * 60);
    bench.check(expect![[r#"
        0s told again No call is open
        0s record observed Motion Active by hall
        10860s record trigger MissedCheckIn by check-in (CheckInMissed)
        10860s told Contacting the centre
        10890s told Not connected: call 120
        10920s told Still not connected: call 120 and shout for help
        28800s record pre-alarm Inactivity by hall, 300 s
        29100s record trigger Inactivity by hall (NoSignOfLife)
        29100s told again Still not connected: call 120 and shout for help
        30000s record trigger Inactivity by hall (NoContact)
        30000s told again Still not connected: call 120 and shout for help
    "#]]);
}

#[test]
fn any_activity_in_the_window_is_a_check_in() {
    let mut bench = morning();
    pass(&mut bench, 65);
    motion(&mut bench);
    pass(&mut bench, 11 * 60 + 25);
    bench.seen(Kind::Assistance, "fine", Reading::Active, Some(Reason::ElderCancelled));
    pass(&mut bench, 3 * 60);
    bench.check(expect![[r#"
        0s told again No call is open
        3900s record observed Motion Active by hall
        32700s record pre-alarm Inactivity by hall, 300 s
        32700s told Are you all right? Press cancel if so
        33000s record trigger Inactivity by hall (NoSignOfLife)
        33000s told Contacting the centre
        33030s told Not connected: call 120
        33060s told Still not connected: call 120 and shout for help
        33900s record trigger Inactivity by hall (NoContact)
        33900s told again Still not connected: call 120 and shout for help
        45000s record observed Assistance Active by fine
    "#]]);
}

#[test]
fn while_the_clock_is_not_trusted_the_longest_pause_counts_by_uptime() {
    let mut bench = morning();
    bench.now.wall_trusted = false;
    motion(&mut bench);
    pass(&mut bench, 14 * 60);
    bench.check(expect![[r#"
        0s told again No call is open
        0s record observed Motion Active by hall
        28800s record pre-alarm Inactivity by hall, 300 s
        28800s told Are you all right? Press cancel if so
        29100s record trigger Inactivity by hall (NoSignOfLife)
        29100s told Contacting the centre
        29130s told Not connected: call 120
        29160s told Still not connected: call 120 and shout for help
        30000s record trigger Inactivity by hall (NoContact)
        30000s told again Still not connected: call 120 and shout for help
        46800s record trigger MissedCheckIn by check-in (CheckInMissedClockUnknown)
        46800s told again Still not connected: call 120 and shout for help
    "#]]);
}

#[test]
fn a_check_in_that_fell_into_a_power_cut_is_judged_half_an_hour_after_the_start() {
    let mut bench = morning();
    motion(&mut bench);
    let wall_ms = bench.now.wall_ms + 5 * 3_600_000;
    bench.now = Stamp { boot: 2, uptime_ms: 1_000, wall_ms, wall_trusted: true };
    bench.start();
    pass(&mut bench, 40);
    bench.check(expect![[r#"
        0s told again No call is open
        0s record observed Motion Active by hall
        1s told again No call is open
        1801s record trigger MissedCheckIn by check-in (CheckInMissed)
        1801s told Contacting the centre
        1831s told Not connected: call 120
        1861s told Still not connected: call 120 and shout for help
    "#]]);
}

#[test]
fn a_home_that_starts_between_two_check_ins_is_judged_by_the_next_one() {
    let mut bench = morning();
    bench.now.wall_ms += 4 * 3_600_000;
    pass(&mut bench, 10 * 60 + 5);
    bench.check(expect![[r#"
        0s told again No call is open
        36060s record trigger MissedCheckIn by check-in (CheckInMissed)
        36060s told Contacting the centre
        36090s told Not connected: call 120
        36120s told Still not connected: call 120 and shout for help
    "#]]);
}

#[test]
fn nobody_is_expected_to_show_up_on_a_holiday_nor_blamed_for_it_after_midnight() {
    let mut bench = morning();
    // The bench's day: its clock stands at 06:00 of the second of January 1970.
    bench.home.rules.daily_life.holidays = vec![Holiday { first_day: 1, last_day: 1 }];
    motion(&mut bench);
    pass(&mut bench, 24 * 60);
    assert!(!bench.transcript.contains("MissedCheckIn"), "{}", bench.transcript);
    // The next day's first check-in counts again.
    pass(&mut bench, 4 * 60);
    assert!(bench.transcript.contains("97260s record trigger MissedCheckIn"), "{}", bench.transcript);
}
