//! Whatever came before, in any state: a manual press is a trigger, and the rules come to rest.

use proptest::prelude::*;
use protocol::trigger::TriggerKind;

use super::*;

#[derive(Debug, Clone)]
enum Before {
    Seen {
        kind: Kind,
        device: &'static str,
        value: Reading,
        edge: bool,
    },
    Wait {
        minutes: u64,
    },
    Boot {
        trusted: bool,
    },
    Visit {
        check_in: bool,
    },
    Cancel,
    /// An installer tests a device, perhaps the very button.
    Test {
        device: &'static str,
    },
    Disk {
        writable: bool,
    },
    Centre {
        stage: Option<Stage>,
    },
}

fn before() -> impl Strategy<Value = Before> {
    let kinds = prop::sample::select(vec![
        Kind::Sos,
        Kind::Assistance,
        Kind::Fall,
        Kind::FallWarning,
        Kind::Motion,
        Kind::Presence,
        Kind::Contact,
        Kind::Bed,
        Kind::Smoke,
        Kind::Gas,
        Kind::Co,
        Kind::Water,
        Kind::Vibration,
        Kind::Availability,
        Kind::Tamper,
        Kind::Mains,
    ]);
    let devices = prop::sample::select(vec!["bedside", "fine", "radar", "hall", "front door", "bed pad"]);
    let values =
        prop::sample::select(vec![Reading::Active, Reading::Clear, Reading::Open, Reading::Closed, Reading::Upright]);
    let stages =
        prop::sample::select(vec![Stage::Received, Stage::Taken, Stage::Coming, Stage::Here, Stage::Retracted]);
    prop_oneof![
        8 => (kinds, devices, values, any::<bool>())
            .prop_map(|(kind, device, value, edge)| Before::Seen { kind, device, value, edge }),
        4 => (0_u64..3_000).prop_map(|minutes| Before::Wait { minutes }),
        1 => any::<bool>().prop_map(|trusted| Before::Boot { trusted }),
        1 => any::<bool>().prop_map(|check_in| Before::Visit { check_in }),
        1 => Just(Before::Cancel),
        1 => prop::sample::select(vec!["fine", "radar", "bedside"]).prop_map(|device| Before::Test { device }),
        1 => any::<bool>().prop_map(|writable| Before::Disk { writable }),
        1 => prop::option::of(stages).prop_map(|stage| Before::Centre { stage }),
    ]
}

/// A home with an exit door and a bed beside what every bench has.
fn bench() -> Bench {
    let mut bench = Bench::new();
    let mut rules = bench.home.rules().clone();
    let mut place = |name: &str, role, room: &str| {
        rules.devices.insert(name.into(), Place { role: Some(role), room: Some(room.into()), power: None });
    };
    place("front door", Role::ExitDoor, "hall");
    place("bed pad", Role::Bed, "bedroom");
    bench.home = Home::new(rules);
    bench
}

fn happens(bench: &mut Bench, before: &Before, ver: &mut u64) {
    match before {
        Before::Seen { kind, device, value, edge } => {
            let observation =
                Observation { kind: *kind, device: (*device).into(), key: "k".into(), value: value.clone() };
            bench.input(&Input::Observed { observation: &observation, edge: *edge, reason: None });
            bench.input(&Input::Synced(bench.unsynced));
        }
        Before::Wait { minutes } => {
            bench.wait(minutes * 60_000);
            bench.now.wall_ms += i64::try_from(minutes * 60_000).unwrap();
        }
        Before::Boot { trusted } => {
            bench.now = Stamp { boot: bench.now.boot + 1, uptime_ms: 1_000, wall_trusted: *trusted, ..bench.now };
            bench.input(&Input::Started { unsafe_from: None });
        }
        Before::Visit { check_in } => {
            bench.visit(if *check_in { VisitAct::CheckIn } else { VisitAct::CheckOut });
        }
        Before::Test { device } => bench.input(&Input::TestAsked(device)),
        Before::Cancel => bench.input(&Input::Cancel("page")),
        Before::Disk { writable } => bench.input(&Input::Disk { writable: *writable }),
        Before::Centre { stage } => {
            *ver += 1;
            bench.centre(*ver, *stage);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_manual_press_always_yields_a_trigger(story in prop::collection::vec(before(), 0..60)) {
        let mut bench = bench();
        let mut ver = 0;
        for before in &story {
            happens(&mut bench, before, &mut ver);
        }
        let observation =
            Observation { kind: Kind::Sos, device: "bedside".into(), key: "action".into(), value: Reading::Active };
        let input = Input::Observed { observation: &observation, edge: true, reason: Some(Reason::ButtonPressed) };
        let asked = story.iter().any(|before| matches!(before, Before::Test { device: "bedside" }));
        let mut presses = |times: usize| -> Vec<bool> {
            let mut tests = Vec::new();
            for _ in 0..times {
                for Effect::Record(body) in bench.home.handle(&bench.now, &input) {
                    if let Body::Trigger(trigger) = &body
                        && trigger.kind == TriggerKind::Sos
                    {
                        tests.push(trigger.test);
                    }
                    let record = bench.chain.seal(bench.now, None, body).unwrap();
                    bench.home.apply(&record);
                }
            }
            tests
        };
        let tests = presses(4);
        prop_assert_eq!(tests.len(), 4);
        // Only whoever is asked to press tests anything, and of four presses the last is real whatever was asked.
        prop_assert!(asked || tests.iter().all(|test| !test));
        prop_assert_eq!(tests.last(), Some(&false));
    }

    #[test]
    fn a_checkpoint_and_the_records_behind_it_are_the_home_again(story in prop::collection::vec(before(), 0..40)) {
        let mut bench = bench();
        let mut ver = 0;
        for before in &story {
            happens(&mut bench, before, &mut ver);
        }
        let bytes = bincode::serialize(&bench.home.snapshot()).unwrap();
        let restored = Home::restore(bench.home.rules().clone(), bincode::deserialize(&bytes).unwrap());
        prop_assert_eq!(format!("{:?}", restored.daily_life()), format!("{:?}", bench.home.daily_life()));
    }
}
