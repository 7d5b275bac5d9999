//! One week with everything in it: two elders with habits of their own, a cat, visitors, naps, and one collapse by
//! the door while nobody else is at home. Its alarms stand in docs/week.md.

use std::collections::BTreeMap;
use std::time::Duration;

use expect_test::expect;
use gateway::decode::Role;
use gateway::home::HomeRules;
use sensor_sim::device::{Device, Happening, Model};
use sensor_sim::life::{Life, Occurrence};
use sensor_sim::resident::{Doing, Habits, Resident, Stay};

use super::{DAY_MS, DAYS, EXIT, Lived, calls, devices};

/// The day of his collapse, from 0: the Saturday.
const COLLAPSES_ON: u64 = 5;

/// On the Friday at six in the evening she leaves for her daughter's, until after the week.
const SHE_LEAVES: Duration = Duration::from_secs(4 * 86_400 + 18 * 3_600);

/// Between the seeds of his days and hers.
const HER_SEED: u64 = 1_000;

const BEDS: [&str; 2] = ["bed pad", "her bed pad"];

/// The home of the other weeks, with a bed pad for each elder.
fn home() -> Vec<(Device, Role)> {
    let second = Device::new(BEDS[1].to_owned(), Model::BedPad, Some("bedroom".to_owned()), 1);
    devices().into_iter().chain([(second, Role::Bed)]).collect()
}

fn on(day: u64, hour: u64, minute: u64) -> Duration {
    Duration::from_secs(day * 86_400 + hour * 3_600 + minute * 60)
}

/// He rises early, goes out every morning and naps; the cat is counted to his days. He collapses a moment after he
/// came home on the Saturday.
fn his(seed: u64) -> Habits {
    let habits = Habits {
        wakes_at: on(0, 5, 30),
        sleeps_at: on(0, 20, 30),
        goes_out_percent: 100,
        naps_percent: 90,
        pet: true,
        ..Habits::default()
    };
    let plan = Resident::new(habits.clone(), seed).plan(COLLAPSES_ON);
    let home_again = plan.iter().find(|stay| stay.doing == Doing::Out).map(|errand| errand.to);
    let collapses_at = home_again.map(|at| on(COLLAPSES_ON, 0, 0) + at + Duration::from_secs(15));
    Habits { collapses_at, ..habits }
}

/// She rises and rests later, and has most of the visitors.
fn hers() -> Habits {
    Habits {
        wakes_at: on(0, 6, 30),
        sleeps_at: on(0, 22, 0),
        goes_out_percent: 40,
        visitor_percent: 60,
        ..Habits::default()
    }
}

/// What is noticed of her leaving by the door.
fn leaves() -> Vec<Occurrence> {
    let step = |secs, device: &str, what| Occurrence {
        at: SHE_LEAVES + Duration::from_secs(secs),
        device: device.to_owned(),
        what,
    };
    let going = [("hall motion", Happening::Moved), (EXIT, Happening::Opened), (EXIT, Happening::Closed)];
    let going = (1_u64..).zip(going).map(|(nth, (device, what))| step(nth * 10, device, what));
    // Wherever she moved last, she moves no more.
    let sensors = devices().into_iter().filter(|(_, role)| *role == Role::Motion);
    going.chain(sensors.map(|(sensor, _)| step(90, sensor.name(), Happening::Still))).collect()
}

/// What happens in the week among the devices that both share.
fn life_of_two(his: Habits, seed: u64) -> Vec<Occurrence> {
    let alone = |habits, other: &str, seed| {
        let devices: Vec<Device> =
            home().into_iter().map(|(device, _)| device).filter(|device| device.name() != other).collect();
        let life = Life::new(habits, &devices, &[EXIT.to_owned()], seed);
        life.take_while(|occurrence| occurrence.at < Duration::from_millis(DAYS * DAY_MS))
    };
    // A device reports in once, whoever lives there.
    let of_hers = |occurrence: &Occurrence| {
        occurrence.at < SHE_LEAVES && (occurrence.what != Happening::Beat || occurrence.device == BEDS[1])
    };
    let his = alone(his, BEDS[1], seed).map(|occurrence| (0, occurrence));
    let hers =
        alone(hers(), BEDS[0], seed + HER_SEED).filter(of_hers).chain(leaves()).map(|occurrence| (1, occurrence));
    let mut both: Vec<(usize, Occurrence)> = his.chain(hers).collect();
    both.sort_by_key(|(_, occurrence)| occurrence.at);
    let mut moving: BTreeMap<String, [bool; 2]> = BTreeMap::new();
    both.retain(|(elder, occurrence)| {
        let seen = moving.entry(occurrence.device.clone()).or_default();
        if occurrence.what == Happening::Moved {
            seen[*elder] = true;
        } else if occurrence.what == Happening::Still {
            seen[*elder] = false;
            // A sensor is still when neither moves before it.
            return *seen == [false; 2];
        }
        true
    });
    both.into_iter().map(|(_, occurrence)| occurrence).collect()
}

/// The week's alarms, one a line; with when he collapsed, minutes since it began.
fn week(seed: u64) -> (String, u64) {
    let mut rules = HomeRules::default();
    rules.daily_life.inactivity.pets = true;
    rules.daily_life.elders = 2;
    let habits = his(seed);
    let collapses_at = habits.collapses_at.expect("he goes out every morning");
    let mut lived = Lived::among(home(), rules);
    lived.live(home().into_iter().map(|(device, _)| device).collect(), life_of_two(habits, seed).into_iter());
    (lived.told, collapses_at.as_secs() / 60)
}

/// How often both did it in the week, for as long as they could.
fn times(seed: u64, counts: impl Fn(&Stay) -> bool) -> usize {
    let his = his(seed);
    let until = his.collapses_at.expect("he goes out every morning");
    let both = [(Resident::new(his, seed), until), (Resident::new(hers(), seed + HER_SEED), SHE_LEAVES)];
    let of = |(elder, until): &(Resident, Duration)| {
        let began = |day: u64, stay: &Stay| on(day, 0, 0) + stay.from < *until;
        (0..DAYS)
            .map(|day| elder.plan(day).iter().filter(|stay| began(day, stay) && counts(stay)).count())
            .sum::<usize>()
    };
    both.iter().map(of).sum()
}

/// What docs/week.md shows of a week: what both did, his collapse, and every alarm with its reason.
fn listing(seed: u64) -> String {
    let (told, collapsed) = week(seed);
    let at_noon = on(0, 11, 0)..on(0, 16, 0);
    let naps = times(seed, |stay| stay.doing == Doing::Sleeps && at_noon.contains(&stay.from));
    let visitors = times(seed, |stay| stay.doing == Doing::HasVisitor);
    let errands = times(seed, |stay| stay.doing == Doing::Out);
    let (day, hour, minute) = (collapsed / 1_440 + 1, collapsed / 60 % 24, collapsed % 60);
    format!(
        "naps {naps}, visitors {visitors}, errands {errands}; he collapses on day {day} at {hour:02}:{minute:02}\n{told}"
    )
}

/// The page says it word by word.
fn is_on_the_page(listing: &str) {
    let page = std::fs::read_to_string(crate::home::root().join("docs/week.md")).expect("docs/week.md is there");
    assert!(page.contains(listing), "docs/week.md does not say:\n{listing}");
}

#[test]
fn a_week_of_two_elders_with_a_cat_visitors_and_naps_calls_the_collapse_and_nothing_else() {
    let listing = listing(11);
    expect![[r#"
        naps 7, visitors 3, errands 11; he collapses on day 6 at 09:09
        day 6 20:12 asked: Inactivity, NoSignOfLife
        day 6 20:17 CALL P2: NoSignOfLife
        day 6 20:32 CALL P1: NoContact
    "#]]
    .assert_eq(&listing);
    is_on_the_page(&listing);
}

#[test]
fn a_day_at_home_without_door_and_bed_is_called_where_there_is_a_cat() {
    let listing = listing(18);
    expect![[r#"
        naps 6, visitors 7, errands 8; he collapses on day 6 at 08:47
        day 4 20:13 asked: Inactivity, NoSignOfLife
        day 4 20:18 CALL P2: NoSignOfLife
        day 6 21:05 asked: Inactivity, NoSignOfLife
        day 6 21:10 CALL P2: NoSignOfLife
        day 6 21:25 CALL P1: NoContact
    "#]]
    .assert_eq(&listing);
    is_on_the_page(&listing);
}

#[test]
fn in_many_such_households_the_collapse_is_called() {
    let mut wrong = 0;
    let mut hours = Vec::new();
    for seed in 0..24 {
        let (told, collapsed) = week(seed);
        wrong += calls(&told).filter(|minute| *minute < collapsed).count();
        hours.extend(calls(&told).find(|minute| *minute >= collapsed).map(|minute| (minute - collapsed).div_ceil(60)));
    }
    hours.sort_unstable();
    let found = format!("24 such weeks: {wrong} false call(s); the collapse is called after so many hours: {hours:?}");
    expect!["24 such weeks: 1 false call(s); the collapse is called after so many hours: [5, 11, 11, 11, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 13, 13, 13, 14, 15, 15]"].assert_eq(&found);
    is_on_the_page(&found);
}
