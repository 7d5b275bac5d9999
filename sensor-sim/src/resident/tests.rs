use std::collections::BTreeMap;

use super::*;

fn days(habits: Habits, seed: u64, days: u64) -> Vec<LifeSign> {
    let end = Duration::from_secs(days * 86_400);
    Resident::new(habits, seed).take_while(|sign| sign.at < end).collect()
}

#[test]
fn the_same_seed_lives_the_same_days_and_another_seed_others() {
    assert_eq!(days(Habits::default(), 7, 5), days(Habits::default(), 7, 5));
    assert_ne!(days(Habits::default(), 7, 5), days(Habits::default(), 8, 5));
}

#[test]
fn a_plan_fills_the_day_without_a_gap() {
    for seed in 0..50 {
        let plan = Resident::new(Habits::default(), seed).plan(seed);
        let mut now = Duration::ZERO;
        for stay in &plan {
            assert_eq!(stay.from, now, "seed {seed}: {stay:?}");
            assert!(stay.to > stay.from, "seed {seed}: {stay:?}");
            now = stay.to;
        }
        assert_eq!(now, Duration::from_secs(86_400), "seed {seed}");
    }
}

#[test]
fn signs_come_in_order_and_in_pairs() {
    for seed in 0..20 {
        let signs = days(Habits { pet: seed % 2 == 0, ..Habits::default() }, seed, 10);
        assert!(signs.is_sorted_by_key(|sign| sign.at), "seed {seed}");
        let mut active: BTreeMap<Room, bool> = BTreeMap::new();
        let (mut in_bed, mut open) = (false, false);
        for LifeSign { at, sign } in signs {
            let fits = match sign {
                Sign::Moves(room) => !active.insert(room, true).unwrap_or(false),
                Sign::Still(room) => active.insert(room, false).unwrap_or(false),
                Sign::LiesDown => !std::mem::replace(&mut in_bed, true),
                Sign::GetsUp => std::mem::replace(&mut in_bed, false),
                Sign::DoorOpens => !std::mem::replace(&mut open, true),
                Sign::DoorCloses => std::mem::replace(&mut open, false),
            };
            assert!(fits, "seed {seed}: {sign:?} at {at:?}");
        }
    }
}

#[test]
fn a_month_is_plausible() {
    for seed in 0..10 {
        let signs = days(Habits::default(), seed, 30);
        let count = |wanted: fn(&Sign) -> bool| signs.iter().filter(|sign| wanted(&sign.sign)).count() / 30;
        let moves = count(|sign| matches!(sign, Sign::Moves(_)));
        assert!((80..400).contains(&moves), "seed {seed}: {moves} movements a day");
        let bathroom = count(|sign| matches!(sign, Sign::Moves(Room::Bathroom)));
        assert!((5..60).contains(&bathroom), "seed {seed}: {bathroom} movements a day in the bathroom");
        let beds = signs.iter().filter(|sign| sign.sign == Sign::LiesDown).count();
        assert!((30..180).contains(&beds), "seed {seed}: {beds} times to bed in a month");
        let doors = signs.iter().filter(|sign| sign.sign == Sign::DoorOpens).count();
        assert!((20..150).contains(&doors), "seed {seed}: {doors} times through the door in a month");
        let night = |sign: &&LifeSign| (1..4).contains(&(sign.at.as_secs() / 3600 % 24));
        let moving = signs.iter().filter(night).filter(|sign| matches!(sign.sign, Sign::Moves(_))).count() / 30;
        assert!(moving < 25, "seed {seed}: {moving} movements a night");
    }
}

#[test]
fn a_collapsed_elder_makes_no_sign_and_the_rest_falls_still() {
    let collapses_at = Duration::from_secs(2 * 86_400 + 36_000);
    let habits = Habits { collapses_at: Some(collapses_at), ..Habits::default() };
    let signs: Vec<_> = Resident::new(habits, 7).collect();
    assert!(signs.iter().any(|sign| sign.at > collapses_at.saturating_sub(Duration::from_secs(7200))));
    let after: Vec<_> = signs.iter().filter(|sign| sign.at > collapses_at).collect();
    assert!(after.iter().all(|sign| matches!(sign.sign, Sign::Still(_))), "{after:?}");
}
