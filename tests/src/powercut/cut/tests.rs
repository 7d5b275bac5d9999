use super::*;

fn write(at: u64, byte: u8) -> Entry {
    Entry::Write { at, bytes: vec![byte; BLOCK] }
}

fn recording(entries: Vec<Entry>) -> Recording {
    Recording {
        workload: "test".into(),
        base: Base::Disk { blocks: vec![(1, vec![9; BLOCK])], bytes: 4 * BLOCK as u64 },
        extra_toml: String::new(),
        arrived_before: 0,
        entries,
    }
}

fn firsts(recording: &Recording, model: Model, at: usize, seed: u64) -> Vec<u8> {
    disk(recording, Cut { at, model, seed }).chunks(BLOCK).map(|block| block[0]).collect()
}

fn disk(recording: &Recording, cut: Cut) -> Vec<u8> {
    match left(recording, cut) {
        Left::Disk(disk) => disk,
        Left::Tree(tree) => panic!("not a disk: {tree:?}"),
    }
}

#[test]
fn what_was_flushed_is_always_kept_and_the_cache_as_the_model_says() {
    let recording = recording(vec![write(0, 1), Entry::Flush, write(0, 2), write(8_192, 3)]);
    assert_eq!(firsts(&recording, Model::None, 4, 0), [1, 9, 0, 0]);
    assert_eq!(firsts(&recording, Model::All, 4, 0), [2, 9, 3, 0]);
    assert_eq!(firsts(&recording, Model::None, 1, 0), [0, 9, 0, 0]);
    let seen: std::collections::BTreeSet<_> = (0..200).map(|seed| firsts(&recording, Model::Some, 4, seed)).collect();
    // Each of the two blocks kept or not: four disks and no other.
    assert_eq!(seen.len(), 4);
    assert!(seen.iter().all(|blocks| blocks[0] >= 1));
}

#[test]
fn a_torn_block_holds_old_and_new_sectors() {
    let recording = recording(vec![write(0, 1), Entry::Flush, write(0, 2)]);
    let torn = (0..50).any(|seed| {
        let disk = disk(&recording, Cut { at: 3, model: Model::Torn, seed });
        let sectors: std::collections::BTreeSet<_> = disk[..BLOCK].chunks(SECTOR).map(|sector| sector[0]).collect();
        sectors.len() == 2
    });
    assert!(torn);
}

#[test]
fn an_earlier_version_may_outlive_a_later_one() {
    let recording = recording(vec![write(0, 1), write(0, 2)]);
    let seen: std::collections::BTreeSet<_> =
        (0..200).map(|seed| firsts(&recording, Model::Some, 2, seed)[0]).collect();
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn a_disk_that_ignores_flushes_loses_what_was_flushed() {
    let recording = recording(vec![write(0, 1), Entry::Flush, Entry::Noted(Note::Acknowledged(1))]);
    assert!((0..50).any(|seed| firsts(&recording, Model::Lying, 3, seed)[0] == 0));
}

#[test]
fn where_nothing_waits_in_the_cache_all_models_are_one() {
    let entries = [write(0, 1), Entry::Flush, Entry::Noted(Note::Stopping)];
    let cuts = all_cuts(&entries, 7);
    let at = |at| cuts.iter().filter(|cut| cut.at == at).count();
    assert_eq!([at(0), at(1), at(2), at(3)], [1, 4, 1, 1]);
    assert_eq!(choose(cuts.clone(), 3, 5), choose(cuts, 3, 5));
}
