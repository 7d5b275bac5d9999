use std::fmt::Write as _;

use super::settings::Family;
use super::*;

/// Three weeks: up at seven, out from half past eight to five by a door of the given name, to bed at eleven.
fn three_weeks(door: &str) -> String {
    let mut csv = "home,local_time,sensor,name,kind,state\n".to_owned();
    for day in 1..=21 {
        let mut say = |time: &str, sensor: &str, name: &str, kind: &str, state: &str| {
            let _ = writeln!(csv, "h,2024-01-{day:02}T{time},{sensor},\"{name}\",{kind},{state}");
        };
        for (hour, minute) in [(7, 0), (7, 40), (8, 20), (17, 10), (18, 0), (19, 30), (21, 0), (22, 50)] {
            say(&format!("{hour:02}:{minute:02}:00"), "k", "Kitchen,Stove", "motion", "ON");
            say(&format!("{hour:02}:{minute:02}:30"), "k", "Kitchen,Stove", "motion", "OFF");
            say(&format!("{hour:02}:{minute:02}:40"), "b", "Bath tap", "item", "ON");
            say(&format!("{hour:02}:{minute:02}:50"), "b", "Bath tap", "item", "OFF");
        }
        for time in ["08:30", "17:00"] {
            say(&format!("{time}:00"), "d", door, "door", "ON");
            say(&format!("{time}:05"), "d", door, "door", "OFF");
        }
    }
    csv
}

fn results(csv: &str) -> Vec<HomeResult> {
    let rules = HomeRules::default();
    let logs = read_events(csv.as_bytes(), rules.utc_offset_minutes).unwrap();
    run(&logs, &Plan { rules: &rules, learning_days: 7, labels: None, only: None }, |_| {})
}

fn row(result: &HomeResult, family: Family) -> &Measured {
    &result.rows.iter().find(|(setting, _)| setting.family == family).unwrap().1
}

#[test]
fn a_regular_home_is_never_called_and_a_stop_is_noticed_within_hours() {
    let results = results(&three_weeks("Front door"));
    let [result] = results.as_slice() else { panic!("one home") };
    assert_eq!(result.counted_days, 14);
    let configured = row(result, Family::Configured);
    assert_eq!(configured.calls, []);
    assert_eq!((configured.missed, configured.raised_before), (0, 0));
    assert!(configured.delay_hours(0.5).unwrap() < 6.0, "{:?}", configured.delay_hours(0.5));
    // Every night is eight hours and more, and every day out is: a plain limit calls for each of them.
    let plain = row(result, Family::Plain);
    assert!(plain.calls.len() >= 13, "{}", plain.calls.len());
}

#[test]
fn a_door_whose_name_says_nothing_is_found_by_the_absences_it_begins_and_ends() {
    let results = results(&three_weeks("D4"));
    let found = results[0].roles.iter().find(|line| line.starts_with("D4")).unwrap();
    assert_eq!(found, "D4 is taken for exit_door: 7 long quiets by day both begin and end with it");
    assert_eq!(row(&results[0], Family::Configured).calls, []);
}

#[test]
fn a_stereo_is_no_way_out_and_a_bare_number_may_be_one() {
    let exit = |name: &str, kind: &str| {
        let csv = three_weeks("D4").replace("D4\",door", &format!("{name}\",{kind}"));
        results(&csv)[0].roles.iter().any(|line| line.contains("exit_door: 7 long quiets"))
    };
    assert!(exit("D4", "door"));
    assert!(exit("Kitchen door", "door"));
    assert!(exit("4", "item"));
    assert!(!exit("Den,Stereo", "item"));
    assert!(!exit("Toilet door", "door"));
}

#[test]
fn a_home_that_is_left_by_two_doors_has_two_ways_out() {
    let mut csv = String::new();
    for line in three_weeks("D1").lines() {
        // Every second day by the garage.
        let other = line.contains("\"D1\"") && line.get(11..12).is_some_and(|day| "13579".contains(day));
        let line = if other { line.replace(",d,\"D1\"", ",g,\"D4\"") } else { line.to_owned() };
        csv.push_str(&line);
        csv.push('\n');
    }
    let results = results(&csv);
    let exits: Vec<_> = results[0].roles.iter().filter(|line| line.contains("exit_door")).collect();
    assert_eq!(exits.len(), 2, "{exits:?}");
    assert_eq!(row(&results[0], Family::Configured).calls, []);
}

#[test]
fn a_night_that_begins_by_the_door_is_asked_about_no_sooner_than_another() {
    let mut csv = three_weeks("Front door");
    csv.push_str("h,2024-01-17T22:51:00,d,Front door,door,ON\nh,2024-01-17T22:51:05,d,Front door,door,OFF\n");
    let results = results(&csv);
    assert_eq!(row(&results[0], Family::Configured).calls, []);
}

#[test]
fn what_is_configured_by_name_goes_before_what_a_name_says() {
    let mut rules = HomeRules::default();
    rules.devices.insert(
        "Front door".into(),
        crate::home::Place { role: Some(crate::decode::Role::Door), room: None, power: None },
    );
    let logs = read_events(three_weeks("Front door").as_bytes(), 480).unwrap();
    let results = run(&logs, &Plan { rules: &rules, learning_days: 7, labels: None, only: None }, |_| {});
    assert!(results[0].roles.iter().any(|line| line == "Front door is taken for door: as configured"));
    assert!(results[0].roles.iter().any(|line| line.starts_with("no exit door")));
}

#[test]
fn labelled_absences_take_no_stop_and_mark_their_calls() {
    let rules = HomeRules::default();
    let logs = read_events(three_weeks("Front door").as_bytes(), rules.utc_offset_minutes).unwrap();
    let labels = "home,start,end,activity\nh,2024-01-08T08:30:00,2024-01-08T17:00:00,leave-house\n\
                  h,2024-01-09T08:30:00,2024-01-09T17:00:00,use-toilet\n";
    let bare = labels.split_once('\n').unwrap().1;
    let (labels, bare) = (read_labels(labels, 0).unwrap(), read_labels(bare, 0).unwrap());
    assert_eq!(labels, bare, "a file without its head loses no label");
    let plan = Plan { rules: &rules, learning_days: 7, labels: Some(&labels), only: None };
    let labelled = run(&logs, &plan, |_| {});
    let plain = row(&labelled[0], Family::Plain);
    assert_eq!(plain.calls.iter().filter(|call| call.labelled_out).count(), 1);
    // The last event is at 22:50 of the fourteenth counted day, twelve stops a day; 10, 12, 14 and 16 h are labelled.
    let stops = plain.delays_ms.len() + plain.missed + plain.raised_before;
    assert_eq!(stops, 14 * 12 - 4);
}

#[test]
fn the_same_days_give_the_same_report() {
    let csv = three_weeks("Front door");
    let rules = HomeRules::default();
    let plan = Plan { rules: &rules, learning_days: 7, labels: None, only: None };
    let report = || {
        let mut text = Vec::new();
        write_report(&mut text, &results(&csv), &plan).unwrap();
        String::from_utf8(text).unwrap()
    };
    assert_eq!(report(), report());
    assert!(report().contains("| as configured | 0.0 (0.0) |"), "{}", report());
    assert!(report().contains("The frontier of h, calls a month at the median delay:\n  "), "{}", report());
    let plain = report().lines().filter(|line| line.contains("; by then the frontier has 0.0 at")).count();
    assert_eq!(plain, 2, "{}", report());
    let picture = svg(&results(&csv));
    assert!(picture.starts_with("<svg") && picture.ends_with("</svg>\n") && picture.matches("<g ").count() == 1);
}

#[test]
fn a_recording_that_cannot_be_read_says_where_and_what_to_do() {
    let told = |bytes: &[u8]| read_events(bytes, 480).unwrap_err().to_string();
    assert!(told(b"\xfd7zXZ\0....").contains("xzcat FILE | gateway backtest"));
    let head = "home,local_time,sensor,name,kind,state\n";
    assert!(told(head.as_bytes()).contains("no event"));
    let line = |line: &str| told(format!("{head}{line}\n").as_bytes());
    assert!(line("h,yesterday,s,n,door,ON").starts_with("line 2: `yesterday` is no local time"));
    assert!(line("h,2024-01-01T00:00:00,s,n,lamp,ON").contains("`lamp` is none of motion"));
    assert!(line("h,2024-01-01T00:00:00,s,n,door,AJAR").contains("neither ON nor OFF"));
    assert!(line("h,2024-01-01T00:00:00,s,door,ON").contains("5 fields instead of 6"));
    assert!(line("h,2024-01-01T00:00:00,s,\"n,door,ON").contains("a quote is opened"));
}

#[test]
fn a_journals_dump_is_a_recording() {
    use protocol::ids::{Hash32, Incarnation};
    use protocol::observation::{Kind, Reading};
    use protocol::record::{Body, ChainHead, Observed, Stamp};
    let mut chain = ChainHead { incarnation: Incarnation(1), next_seq: 1, hash: Hash32::ZERO };
    let mut lines = String::new();
    for (uptime_ms, wall_trusted) in [(1, false), (2, true), (3, true)] {
        let at = Stamp { boot: 1, uptime_ms, wall_ms: 1_700_000_000_000, wall_trusted };
        let observed = Observed {
            kind: Kind::Contact,
            device: "front door".into(),
            key: "contact".into(),
            room: None,
            value: Reading::Open,
        };
        let record = chain.seal(at, None, Body::Observed(observed)).unwrap();
        let _ = writeln!(lines, "{}", serde_json::to_string(&record).unwrap());
    }
    let logs = read_events(lines.as_bytes(), 480).unwrap();
    assert_eq!((logs.len(), logs[0].events.len(), logs[0].devices[0].name.as_str()), (1, 2, "front door"));
}

/// A home whose elder sits still from nine to six each day and answers with the button at noon and at three.
fn answered_days(answers: bool) -> String {
    use protocol::ids::{Hash32, Incarnation};
    use protocol::observation::{Kind, Reading};
    use protocol::record::{Body, ChainHead, Observed, SaidFine, Stamp};
    let mut chain = ChainHead { incarnation: Incarnation(1), next_seq: 1, hash: Hash32::ZERO };
    let mut lines = String::new();
    for day in 0..10_i64 {
        let moves = [7, 8, 9, 18, 20, 22].map(|hour| (hour, false));
        let presses = [12, 15].map(|hour| (hour, true));
        let mut hours: Vec<_> = moves.into_iter().chain(presses.into_iter().filter(|_| answers)).collect();
        hours.sort_unstable();
        for (hour, pressed) in hours {
            let wall_ms = (day * 24 + hour) * 3_600_000;
            let at = Stamp { boot: 1, uptime_ms: wall_ms.unsigned_abs(), wall_ms, wall_trusted: true };
            let seen = |device: &str, value| {
                let (device, key, room) = (device.to_owned(), "state".to_owned(), None);
                Body::Observed(Observed { kind: Kind::Contact, device, key, room, value })
            };
            let bodies = if pressed {
                vec![Body::SaidFine(SaidFine { device: "fine".into() })]
            } else {
                vec![
                    seen("drawer", Reading::Open),
                    seen("drawer", Reading::Closed),
                    seen("fridge", Reading::Open),
                    seen("fridge", Reading::Closed),
                ]
            };
            for body in bodies {
                let _ = writeln!(lines, "{}", serde_json::to_string(&chain.seal(at, None, body).unwrap()).unwrap());
            }
        }
    }
    lines
}

#[test]
fn what_the_elder_pressed_is_replayed_from_the_homes_own_journal() {
    let mut rules = HomeRules { utc_offset_minutes: 0, ..HomeRules::default() };
    let inactivity = &mut rules.daily_life.inactivity;
    (inactivity.learned, inactivity.limit_ms) = (false, 8 * 3_600_000 + 1_800_000);
    let calls = |answers: bool| {
        let logs = read_events(answered_days(answers).as_bytes(), 0).unwrap();
        let results = run(&logs, &Plan { rules: &rules, learning_days: 3, labels: None, only: None }, |_| {});
        row(&results[0], Family::Configured).calls.len()
    };
    assert_eq!(
        (calls(true), calls(false)),
        (7, 14),
        "nights of nine hours are called either way, days only unanswered"
    );
}

#[test]
fn days_of_which_nothing_is_known_do_not_count_and_an_ignored_device_says_nothing() {
    let csv = three_weeks("Front door");
    let stray = csv.replacen('\n', "\nh,1970-01-01T00:00:00,b,Bath tap,item,ON\n", 1);
    let results = results(&stray);
    assert_eq!(results[0].counted_days, 14);
    assert!(results[0].roles.iter().any(|line| line.starts_with("left out: 1 events")), "{:?}", results[0].roles);
    let place = crate::home::Place { role: Some(crate::decode::Role::Ignore), room: None, power: None };
    let mut rules = HomeRules::default();
    rules.devices.insert("Bath tap".into(), place.clone());
    rules.devices.insert("Kitchen,Stove".into(), place);
    let logs = read_events(csv.as_bytes(), 480).unwrap();
    let ignored = run(&logs, &Plan { rules: &rules, learning_days: 7, labels: None, only: None }, |_| {});
    assert_ne!(row(&ignored[0], Family::Configured).calls, row(&results[0], Family::Configured).calls);
}

#[test]
fn a_home_that_misses_its_expectation_says_by_how_much() {
    let results = results(&three_weeks("Front door"));
    let missed = |calls_a_month, median_hours| Expectation { calls_a_month, median_hours }.missed_by(&results[0]);
    assert!(missed(None, None).is_empty());
    assert!(missed(Some(0.0), Some(6.0)).is_empty(), "{:?}", missed(Some(0.0), Some(6.0)));
    let median = row(&results[0], Family::Configured).delay_hours(0.5).unwrap();
    let told = format!("h: a median delay of {median:.1} h is over the expected 1 h");
    assert_eq!(missed(Some(0.0), Some(1.0)), [told]);
}

#[test]
fn a_wrong_alarm_is_a_missed_expectation() {
    // From the fifth counted day on nobody comes home before the seventh.
    let gone =
        |line: &&str| !line.contains("2024-01-12T1") && !line.contains("2024-01-12T2") && !line.contains("2024-01-13T");
    let csv: String = three_weeks("Front door").lines().filter(gone).map(|line| format!("{line}\n")).collect();
    let expectation = Expectation { calls_a_month: Some(1.0), median_hours: None };
    assert_eq!(
        expectation.missed_by(&results(&csv)[0]),
        ["h: 2.1 calls a month (1 in 14 days) are over the expected 1"]
    );
}

#[test]
fn a_wrong_alarm_that_is_written_down_is_the_homes_test_case() {
    let gone =
        |line: &&str| !line.contains("2024-01-12T1") && !line.contains("2024-01-12T2") && !line.contains("2024-01-13T");
    let csv: String = three_weeks("Front door").lines().filter(gone).map(|line| format!("{line}\n")).collect();
    let results = results(&csv);
    let missed = |line: &str| {
        let expected = read_expected(&format!("home,from,until,expected\n{line}\n"), 480).unwrap();
        expected[0].missed_by(&results, 480)
    };
    let span = "2024-01-12T12:00:00,2024-01-13T23:00:00";
    let told = |what: &str| Some(format!("h: line 2, {}: {what}", span.replace(',', " to ")));
    assert_eq!(missed(&format!("h,{span},call")), None);
    assert_eq!(missed(&format!("h,{span},no-call")), told("no call was expected and 1 came"));
    assert_eq!(missed("h,2024-01-15T00:00:00,2024-01-20T00:00:00,no-call"), None);
    let none = missed("h,2024-01-15T00:00:00,2024-01-20T00:00:00,call").unwrap();
    assert!(none.ends_with("a call was expected and none came"), "{none}");
    let learning = missed("h,2024-01-03T00:00:00,2024-01-03T01:00:00,no-call").unwrap();
    assert!(learning.ends_with("it is not within 2024-01-08 00:00 to 2024-01-21 22:50, which count"), "{learning}");
    assert_eq!(missed("another,2024-01-15T00:00:00,2024-01-20T00:00:00,call"), None);
}

#[test]
fn an_expectation_that_cannot_be_read_says_where() {
    let told =
        |line: &str| read_expected(&format!("home,from,until,expected\n\n{line}\n"), 480).unwrap_err().to_string();
    assert_eq!(
        told("h,2024-01-15T00:00:00,2024-01-20T00:00:00"),
        "line 3: 3 fields instead of 4: home,from,until,expected"
    );
    assert_eq!(told("h,2024-01-15T00:00:00,2024-01-20T00:00:00,quiet"), "line 3: `quiet` is neither call nor no-call");
    assert!(told("h,2024-01-20T00:00:00,2024-01-15T00:00:00,call").contains("is before"));
    assert!(told("h,yesterday,2024-01-15T00:00:00,call").starts_with("line 3: `yesterday` is no local time"));
    assert!(told("h,2024-01-14T00:00:00+00:00,2024-01-15T00:00:00,call").contains("is no local time"));
    let whole = |text: &str| read_expected(text, 480).unwrap_err().to_string();
    let line = "h,2024-01-15T00:00:00,2024-01-20T00:00:00,call";
    assert_eq!(whole(line), format!("line 1: `{line}` stands where `home,from,until,expected` must"));
    assert_eq!(whole("home,from,until,expected\n\n"), "line 2: nothing is expected");
}

#[test]
fn days_that_prove_nothing_miss_every_expectation() {
    let rules = HomeRules::default();
    let logs = read_events(three_weeks("Front door").as_bytes(), rules.utc_offset_minutes).unwrap();
    let results = run(&logs, &Plan { rules: &rules, learning_days: 30, labels: None, only: None }, |_| {});
    let expectation = Expectation { calls_a_month: Some(9.0), median_hours: Some(9.0) };
    assert_eq!(
        expectation.missed_by(&results[0]),
        [
            "h: expected calls were not counted: no day is left after the learning days",
            "h: the expected delay was not measured: no stop was made"
        ]
    );
}

#[test]
fn every_row_but_the_plain_ones_can_be_configured() {
    const CLIENT: &str =
        "[[mqtt.client]]\nname = \"radio\"\npassword = \"a-long-password\"\npublish = []\nsubscribe = []\n";
    let settings = frontier(&HomeRules::default());
    for setting in &settings {
        assert_eq!(setting.configurable, setting.family != Family::Plain, "{}", setting.name);
        if setting.family == Family::Plain {
            continue;
        }
        let (inactivity, away) = (&setting.rules.daily_life.inactivity, &setting.rules.daily_life.away);
        let hours = |ms: u64| ms / 3_600_000;
        let text = format!(
            "{}{CLIENT}[inactivity]\npatient_because = \"her daughter comes by every day\"\nlearned = {}\nfalse_alarms_a_year = {}\nhours_vary_minutes = {}\n\
             learned_hours_min = {}\nlearned_hours_max = {}\n[away]\nlearned = {}\nlearned_hours_min = {}\nlearned_hours_max = {}\n",
            crate::config::tests::BARE,
            inactivity.learned,
            inactivity.false_alarms_a_year,
            inactivity.hours_vary_minutes,
            hours(inactivity.learned_ms_min),
            hours(inactivity.learned_ms_max),
            away.learned,
            hours(away.learned_ms_min),
            hours(away.learned_ms_max),
        );
        let config = crate::config::GatewayConfig::read(&text).unwrap_or_else(|problems| panic!("{problems:?}"));
        assert_eq!(config.rules.daily_life, setting.rules.daily_life, "{}", setting.name);
    }
}
