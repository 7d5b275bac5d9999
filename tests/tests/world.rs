//! The seeded world in `./test`: scenarios with their transcripts, a few hundred seeds' short form,
//! and that the same seed is the same world.

use std::sync::Arc;

use tests::mutants::MUTANTS;
use tests::world::faults::Faults;
use tests::world::transcript::Detail;
use tests::world::{Town, WorldConfig, live, script};

fn world(seed: u64, faults: Faults, detail: Detail) -> WorldConfig {
    WorldConfig { seed, homes: 2, days: 1, faults, detail }
}

fn holds(seed: u64, faults: Faults) {
    hold(world(seed, faults, Detail::Off));
}

fn hold(config: WorldConfig) {
    let WorldConfig { seed, faults, .. } = config;
    let (outcome, _) = live(config, &Arc::new(Town::new()));
    if let Err(violation) = outcome {
        panic!("seed {seed} with {faults:?} faults: {violation}");
    }
}

#[test]
fn every_scenario_gives_its_transcript() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "scn"))
        .collect();
    paths.sort();
    assert!(paths.len() >= 15, "only {} scenarios in {}", paths.len(), folder.display());
    let wrong: Vec<_> = paths.iter().filter_map(|path| script::check(path).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn the_same_seed_twice_gives_an_identical_transcript() {
    let town = Arc::new(Town::new());
    let config = world(11, Faults::Many, Detail::Steps);
    let (first, second) = (live(config, &town).1, live(config, &town).1);
    assert!(first.lines().len() > 1_000);
    assert_eq!(first.lines(), second.lines());
    let other = live(WorldConfig { seed: 12, ..config }, &town).1;
    assert_ne!(first.lines(), other.lines());
}

#[test]
fn worlds_without_faults_hold() {
    (0..2).for_each(|seed| holds(seed, Faults::None));
}

#[test]
fn worlds_with_some_faults_hold() {
    (0..8).for_each(|seed| holds(seed, Faults::Some));
}

#[test]
fn worlds_with_many_faults_hold() {
    (0..4).for_each(|seed| holds(seed, Faults::Many));
}

#[test]
fn seeds_that_once_found_something_hold() {
    for (seed, faults) in [(329, Faults::Some), (333, Faults::Some), (38, Faults::Many), (44, Faults::Many)] {
        hold(WorldConfig { homes: 3, ..world(seed, faults, Detail::Off) });
    }
}

#[test]
fn every_mutant_of_the_product_still_fits_its_file() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut names: Vec<_> = MUTANTS.iter().map(|mutant| mutant.name).collect();
    names.sort_unstable();
    names.dedup();
    assert!(names.len() == MUTANTS.len() && names.len() >= 15, "fifteen mutants at least, each with its own name");
    for mutant in MUTANTS {
        let text = std::fs::read_to_string(root.join(mutant.file)).unwrap();
        let broken = mutant.put_into(&text).unwrap_or_else(|why| panic!("{why}"));
        assert_ne!(broken, text, "{} changes nothing", mutant.name);
        assert!(!mutant.caught_by.is_empty(), "{} names no invariant", mutant.name);
    }
}
