use super::*;

const DAY_MS: u64 = 24 * 3_600_000;

fn other_press(bench: &mut Bench) {
    bench.seen(Kind::Sos, "bathroom cord", Reading::Active, Some(Reason::ButtonPressed));
}

#[test]
fn a_test_covers_the_press_that_was_asked_for_and_nothing_else() {
    let mut bench = Bench::new();
    bench.input(&Input::TestAsked("bedside"));
    bench.wait(4_000);
    other_press(&mut bench);
    bench.press();
    bench.wait(11_000);
    bench.press();
    bench.check(expect![[r#"
        0s record test of bedside: Asked
        4s record trigger Sos by bathroom cord (ButtonPressed)
        4s told Contacting the centre
        4s record TEST trigger Sos by bedside (ButtonPressed)
        15s record trigger Sos by bedside (ButtonPressed)
        15s told again Contacting the centre
    "#]]);
}

#[test]
fn the_fourth_press_within_a_test_is_real() {
    let mut bench = Bench::new();
    bench.input(&Input::TestAsked("bedside"));
    for _ in 0..4 {
        bench.wait(1_000);
        bench.press();
    }
    bench.check(expect![[r#"
        0s record test of bedside: Asked
        1s record TEST trigger Sos by bedside (ButtonPressed)
        2s record TEST trigger Sos by bedside (ButtonPressed)
        3s record TEST trigger Sos by bedside (ButtonPressed)
        4s record trigger Sos by bedside (ButtonPressed)
        4s told Contacting the centre
    "#]]);
}

#[test]
fn a_test_without_its_press_has_failed_and_test_mode_ends_ten_minutes_later() {
    let mut bench = Bench::new();
    bench.input(&Input::TestAsked("bedside"));
    bench.wait(20_000);
    bench.press();
    bench.wait(700_000);
    bench.check(expect![[r#"
        0s record test of bedside: Asked
        15s record test of bedside: NotPressed
        20s record trigger Sos by bedside (ButtonPressed)
        20s told Contacting the centre
        50s told Not connected: call 120
        80s told Still not connected: call 120 and shout for help
        615s record test of bedside: Ended
    "#]]);
}

#[test]
fn a_tested_fall_sensor_runs_no_pre_alarm() {
    let mut bench = Bench::new();
    bench.input(&Input::TestAsked("radar"));
    bench.fall();
    bench.wait(700_000);
    bench.check(expect![[r#"
        0s record test of radar: Asked
        0s record TEST trigger Fall by radar (SensorSaysFall)
        600s record test of radar: Ended
    "#]]);
}

#[test]
fn a_power_cut_ends_a_test_and_the_press_after_it_is_real() {
    let mut bench = Bench::new();
    bench.input(&Input::TestAsked("bedside"));
    bench.now = Stamp { boot: 2, uptime_ms: 1_000, ..bench.now };
    bench.start();
    bench.press();
    bench.check(expect![[r#"
        0s record test of bedside: Asked
        1s record test of bedside: NotPressed
        1s told again No call is open
        1s record trigger Sos by bedside (ButtonPressed)
        1s told Contacting the centre
    "#]]);
}

#[test]
fn each_button_is_asked_for_a_press_every_month_and_shown_overdue() {
    let mut bench = Bench::new();
    bench.start();
    for _ in 0..35 {
        bench.heard("bedside");
        bench.heard("hall");
        bench.heard("radar");
        bench.heard("fine");
        bench.wait(DAY_MS / 60);
    }
    // Devices are heard all the time; only the presses are what is looked at here.
    let silence = &mut bench.home.rules.supervision.silence;
    (silence.mains_ms, silence.sos_ms, silence.battery_ms) = (400 * DAY_MS, 400 * DAY_MS, 400 * DAY_MS);
    bench.start();
    bench.transcript.clear();
    bench.wait(34 * DAY_MS);
    bench.press();
    assert!(!bench.home.proofs().proof(&bench.now, "bedside").overdue);
    bench.wait(30 * DAY_MS);
    bench.check(expect![[r#"
        2685600s record test of bedside: ProofDue
        2858400s record trigger Technical by bedside (ProofOverdue)
        2988000s record trigger Sos by bedside (ButtonPressed)
        2988000s record over Technical by bedside (ProofOverdue)
        2988000s told Contacting the centre
        2988030s told Not connected: call 120
        2988060s told Still not connected: call 120 and shout for help
        3016800s record pre-alarm Inactivity by bedside, 300 s
        3017100s record trigger Inactivity by bedside (NoSignOfLife)
        3017100s told again Still not connected: call 120 and shout for help
        3018000s record trigger Inactivity by bedside (NoContact)
        3018000s told again Still not connected: call 120 and shout for help
    "#]]);
}
