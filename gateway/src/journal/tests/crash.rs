//! Crashes and faults at every step of a life of the journal.

use super::*;

/// What a run of the loop was told, and may therefore rely on.
#[derive(Debug, Default)]
struct Told {
    confirmed: Vec<Record>,
    delivered: u64,
}

/// One life: opens, writes batches, rolls, retires; goes on after errors as the loop does, leaving out
/// what could not be written.
fn live(disk: &mut SimStorage, told: &mut Told, steps: u32, mut before_step: impl FnMut(&mut SimStorage, u32)) {
    let Ok((mut journal, recovery)) = Journal::open(disk.clone(), SMALL) else { return };
    let mut pen = Pen::at(&recovery);
    for step in 0..steps {
        before_step(disk, step);
        match step % 3 {
            0 | 1 => {
                let batch = pen.records(1 + step as usize % 3);
                if journal.write(&batch).is_ok() {
                    told.confirmed.extend(batch);
                }
            }
            _ => {
                let (next_seq, _) = journal.head();
                let _ = journal.roll(&next_seq.to_le_bytes());
                // A retired record counts as delivered from the call on, whatever it returns.
                told.delivered = told.confirmed.iter().rev().nth(3).map_or(0, |record| record.seq);
                let through = journal.retirable(told.delivered).last().map_or(0, |segment| segment.segment);
                let _ = journal.retire(through);
            }
        }
    }
}

/// Everything told is there after a restart, and goes on being there after one more record and crash.
fn check(disk: &mut SimStorage, told: &Told, context: &str) -> Vec<Damage> {
    let (mut journal, recovery) = open(disk);
    assert!(recovery.unmended.is_none(), "{context}");
    let covered = match &recovery.checkpoint {
        Some(bytes) => u64::from_le_bytes(bytes.as_slice().try_into().unwrap()),
        None => 1,
    };
    let last_confirmed = told.confirmed.last().map_or(0, |record| record.seq);
    assert!(recovery.next_seq > last_confirmed, "{context}");
    let all = journal.read(1, usize::MAX).unwrap();
    for record in &told.confirmed {
        assert!(record.seq < covered || recovery.records.contains(record), "{context}: {} lost", record.seq);
        assert!(record.seq <= told.delivered || all.contains(record), "{context}: {} gone undelivered", record.seq);
    }
    let more = Pen::at(&recovery).records(1);
    journal.write(&more).unwrap();
    disk.crash(CrashModel::None, 0);
    let (_, again) = open(disk);
    assert_eq!(again.records, [recovery.records, more].concat(), "{context}");
    recovery.damage
}

fn models() -> impl Iterator<Item = (CrashModel, u64)> {
    [(CrashModel::None, 0), (CrashModel::All, 0)].into_iter().chain((0..12).map(|seed| (CrashModel::Some, seed)))
}

#[test]
fn a_power_cut_at_every_step_loses_nothing_confirmed_under_every_crash_model() {
    let mut whole = SimStorage::new();
    live(&mut whole, &mut Told::default(), 15, |_, _| {});
    let steps = whole.changes();
    assert!(steps > 40, "{steps}");
    for halt in 0..=steps {
        let mut halted = SimStorage::new();
        halted.halt_after(Some(halt));
        let mut told = Told::default();
        live(&mut halted, &mut told, 15, |_, _| {});
        for (model, seed) in models() {
            let mut disk = halted.image();
            disk.crash(model, seed);
            let context = format!("cut at change {halt} of {steps}, {model:?} {seed}");
            let damage = check(&mut disk, &told, &context);
            if model != CrashModel::Some {
                assert!(!damage.iter().any(Damage::may_lose_records), "{context}: {damage:?}");
            }
        }
    }
}

#[test]
fn a_power_cut_during_the_start_after_a_power_cut_loses_nothing_either() {
    for first in 0..60 {
        let mut halted = SimStorage::new();
        halted.halt_after(Some(first));
        let mut told = Told::default();
        live(&mut halted, &mut told, 15, |_, _| {});
        for second in 0..8 {
            let mut disk = halted.image();
            disk.crash(CrashModel::Some, first);
            disk.halt_after(Some(second));
            let _ = Journal::open(disk.clone(), SMALL).unwrap();
            disk.crash(CrashModel::Some, second);
            check(&mut disk, &told, &format!("cut at change {first}, then at {second} of the start"));
        }
    }
}

#[test]
fn failing_operations_at_every_step_lose_nothing_confirmed() {
    let ops = [DiskOp::Create, DiskOp::Append, DiskOp::Sync, DiskOp::SyncDir, DiskOp::Remove, DiskOp::Truncate];
    let pairs = ops.into_iter().flat_map(|one| ops.into_iter().map(move |other| [one, other]));
    for (pair, step) in pairs.flat_map(|pair| (0..6).map(move |step| (pair, step))) {
        for (times, steps) in [(1, 15), (2, step + 2), (3, step + 3), (u32::MAX, step + 4), (u32::MAX, 15)] {
            let mut disk = SimStorage::new();
            let mut told = Told::default();
            live(&mut disk, &mut told, steps, |disk, now| {
                if now == step {
                    pair.into_iter().for_each(|op| disk.fail(op, times));
                }
                if now == step + 2 {
                    pair.into_iter().for_each(|op| disk.fail(op, 0));
                }
            });
            assert!(steps < 15 || told.confirmed.len() >= 10, "{pair:?} at {step}: the disk was good again");
            for (model, seed) in models().take(4) {
                let mut disk = disk.image();
                disk.crash(model, seed);
                let context = format!("{pair:?} fail {times} times at step {step} of {steps}, {model:?} {seed}");
                check(&mut disk, &told, &context);
            }
        }
    }
}

#[test]
fn a_kill_at_every_step_and_a_power_cut_in_the_next_run_lose_nothing_confirmed() {
    for kill in 0..60 {
        let mut disk = SimStorage::new();
        disk.halt_after(Some(kill));
        let mut told = Told::default();
        live(&mut disk, &mut told, 15, |_, _| {});
        // The program dies, the machine and what it has in memory live on.
        disk.halt_after(None);
        live(&mut disk, &mut told, 2, |_, _| {});
        disk.crash(CrashModel::None, 0);
        check(&mut disk, &told, &format!("killed at change {kill}"));
    }
}

#[test]
fn what_a_failed_write_left_in_a_file_that_cannot_be_cut_is_no_part_of_the_journal() {
    let mut disk = SimStorage::new();
    let (mut journal, recovery) = open(&disk);
    let mut pen = Pen::at(&recovery);
    let mut confirmed = pen.records(1);
    journal.write(&confirmed).unwrap();
    disk.fail(DiskOp::Sync, 1);
    disk.fail(DiskOp::Truncate, 1);
    assert!(journal.write(&pen.records(2)).is_err());
    confirmed.extend(pen.records(1));
    journal.write(&confirmed[1..]).unwrap();
    let (journal, recovery) = open(&disk);
    assert_eq!(journal.segment_count(), 2);
    assert_eq!(recovery.records, confirmed);
    assert_eq!(recovery.damage, [Damage::MissingRecords { first_seq: 2, last_seq: 3 }]);
}

#[test]
fn a_checkpoint_is_durable_when_the_roll_returns() {
    let mut disk = SimStorage::new();
    let (mut journal, _) = open(&disk);
    journal.roll(b"state").unwrap();
    disk.crash(CrashModel::None, 0);
    assert_eq!(open(&disk).1.checkpoint.as_deref(), Some(&b"state"[..]));
}

#[test]
fn a_power_cut_while_segments_are_retired_leaves_no_hole() {
    let whole = SimStorage::new();
    three_segments(&whole);
    let (mut journal, _) = open(&whole);
    (0..3).for_each(|_| journal.roll(b"state").unwrap());
    for (halt, seed) in (0..12).flat_map(|halt| (0..4).map(move |seed| (halt, seed))) {
        let mut disk = whole.image();
        let (mut journal, _) = open(&disk);
        disk.halt_after(Some(halt));
        let through = journal.retirable(u64::MAX).last().unwrap().segment;
        let _ = journal.retire(through);
        disk.crash(CrashModel::Some, seed);
        assert_eq!(open(&disk).1.damage, [], "cut at {halt}, seed {seed}");
    }
}

#[test]
fn records_that_a_killed_run_left_unsynced_are_durable_once_the_next_run_has_read_them() {
    let mut disk = SimStorage::new();
    let (mut journal, recovery) = open(&disk);
    let mut pen = Pen::at(&recovery);
    let confirmed = pen.records(1);
    journal.write(&confirmed).unwrap();
    let unsynced = pen.records(1);
    disk.halt_after(Some(1));
    assert!(journal.write(&unsynced).is_err());
    drop(journal);
    // The program dies, the machine and what it has in memory live on.
    disk.halt_after(None);
    let (_, recovery) = open(&disk);
    assert_eq!(recovery.records, [confirmed, unsynced].concat());
    disk.crash(CrashModel::None, 0);
    assert_eq!(open(&disk).1.records, recovery.records);
}

#[test]
fn what_a_failed_sync_dropped_is_written_over_in_the_same_boot_and_left_alone_after_a_power_cut() {
    for (boot, kept) in [(Some(7), 2), (None, 2), (Some(8), 1)] {
        let mut disk = SimStorage::new();
        let (mut journal, recovery) = open(&disk);
        let all = Pen::at(&recovery).records(2);
        journal.write(&all[..1]).unwrap();
        disk.fail(DiskOp::Sync, 1);
        assert!(journal.write(&all[1..]).is_err());
        drop(journal);
        // The kernel gives what no disk has, and its next sync succeeds.
        let (_, recovery) = Journal::open_with(disk.clone(), SMALL, boot, |_| true).unwrap();
        assert_eq!((recovery.records, recovery.doubtful_from), (all.clone(), None));
        disk.crash(CrashModel::None, 0);
        assert_eq!(open(&disk).1.records, all[..kept], "{boot:?}");
    }
}

#[test]
fn what_the_disk_refuses_to_sync_at_start_is_in_doubt_and_never_built_upon() {
    let mut disk = SimStorage::new();
    let (mut journal, recovery) = open(&disk);
    let mut pen = Pen::at(&recovery);
    let mut all = pen.records(2);
    journal.write(&all[..1]).unwrap();
    // Each attempt asks twice: for the file as it is, and for another one in its place.
    disk.fail(DiskOp::Sync, 5);
    assert!(journal.write(&all[1..]).is_err());
    drop(journal);
    let (mut journal, recovery) = Journal::open_with(disk.clone(), SMALL, Some(7), |_| true).unwrap();
    assert_eq!((&recovery.records, recovery.doubtful_from), (&all, Some(1)));
    assert!(recovery.unmended.is_some());
    all.extend(pen.records(1));
    assert!(journal.write(&all[2..]).is_err(), "the disk refuses once more");
    journal.write(&all[2..]).unwrap();
    disk.crash(CrashModel::None, 0);
    let (_, recovery) = open(&disk);
    assert_eq!((recovery.records, recovery.damage), (all, vec![]));
}

/// A disk whose newest segment has a second record in memory only and a sector at its beginning that takes no
/// writes, and its records with one more.
fn spoilt() -> (SimStorage, Vec<Record>) {
    let mut disk = SimStorage::new();
    let (mut journal, recovery) = open(&disk);
    let all = Pen::at(&recovery).records(3);
    journal.write(&all[..1]).unwrap();
    disk.fail(DiskOp::Sync, 1);
    assert!(journal.write(&all[1..2]).is_err());
    disk.spoil(&segment_name(1), 0);
    (disk, all)
}

fn open_in_boot(disk: &SimStorage, boot: u64) -> (Journal<SimStorage>, Recovery) {
    Journal::open_with(disk.clone(), SMALL, Some(boot), |_| true).unwrap()
}

fn is_something_moving(disk: &SimStorage) -> bool {
    disk.list().unwrap().iter().any(|name| name.ends_with(".moved"))
}

#[test]
fn a_segment_that_takes_no_writes_in_its_old_place_is_put_in_a_new_one() {
    let (mut disk, all) = spoilt();
    let (mut journal, recovery) = open_in_boot(&disk, 7);
    assert_eq!((&recovery.records[..], recovery.doubtful_from), (&all[..2], None));
    assert!(recovery.unmended.is_none());
    journal.write(&all[2..]).unwrap();
    disk.crash(CrashModel::None, 0);
    let (_, recovery) = open(&disk);
    assert_eq!((recovery.records, recovery.damage), (all, vec![]));
    assert!(!is_something_moving(&disk));
}

#[test]
fn an_end_while_a_segment_is_put_in_a_new_place_takes_nothing_that_was_durable() {
    let models = [(CrashModel::None, 0), (CrashModel::All, 0), (CrashModel::Some, 1), (CrashModel::Some, 2)];
    for halt in 0..14 {
        for model in models.map(Some).into_iter().chain([None]) {
            let (mut disk, all) = spoilt();
            disk.halt_after(Some(halt));
            let opened = Journal::open_with(disk.clone(), SMALL, Some(7), |_| true);
            let kept = if opened.is_ok_and(|(_, recovery)| recovery.unmended.is_none()) { 2 } else { 1 };
            let recovery = match model {
                Some((keep, seed)) => {
                    disk.crash(keep, seed);
                    open_in_boot(&disk, 8).1
                }
                // A kill: the machine and what it has in memory live on.
                None => {
                    disk.halt_after(None);
                    let (_, recovery) = open_in_boot(&disk, 7);
                    assert_eq!((recovery.records.len(), recovery.unmended.is_none()), (2, true), "halted at {halt}");
                    disk.crash(CrashModel::None, 0);
                    let durable = open_in_boot(&disk, 8).1;
                    assert_eq!(durable.records, recovery.records, "halted at {halt}");
                    durable
                }
            };
            assert!(recovery.records.len() >= kept, "halted at {halt}, {model:?}");
            assert_eq!(recovery.records, all[..recovery.records.len()]);
            assert!(!is_something_moving(&disk), "halted at {halt}, {model:?}");
        }
    }
}

#[test]
fn a_directory_that_is_not_durable_behind_the_move_is_synced_by_the_next_attempt() {
    let (mut disk, all) = spoilt();
    disk.fail(DiskOp::SyncDir, 1);
    let (mut journal, recovery) = open_in_boot(&disk, 7);
    assert!(recovery.unmended.is_some());
    journal.write(&all[2..]).unwrap();
    disk.crash(CrashModel::None, 0);
    assert_eq!(open(&disk).1.records, all);
}

#[test]
fn a_new_place_that_there_is_no_space_for_leaves_none_taken() {
    let (mut disk, all) = spoilt();
    disk.set_capacity(Some(disk.used() + 100));
    let (mut journal, recovery) = open_in_boot(&disk, 7);
    assert!(recovery.unmended.is_some_and(|error| error.is_full()));
    assert!(!is_something_moving(&disk));
    disk.set_capacity(None);
    journal.write(&all[2..]).unwrap();
    disk.crash(CrashModel::None, 0);
    assert_eq!(open(&disk).1.records, all);
}

#[test]
fn what_follows_the_last_good_record_goes_along_to_the_new_place() {
    let (mut disk, _) = spoilt();
    let mut content = disk.read(&segment_name(1)).unwrap();
    let last = content.len() - 1;
    content[last] ^= 1;
    disk.put(&segment_name(1), content);
    disk.spoil(&segment_name(1), 0);
    let (_, recovery) = open_in_boot(&disk, 7);
    assert_eq!((recovery.records.len(), recovery.damage.len(), recovery.unmended.is_none()), (1, 1, true));
    // The power goes before anything else is durable.
    let mut names = disk.list().unwrap();
    names.retain(|name| *name != segment_name(1) && name.starts_with("segment-"));
    for name in names {
        disk.remove(&name).unwrap();
    }
    let (_, again) = open_in_boot(&disk, 8);
    assert_eq!((again.records, again.damage), (recovery.records, recovery.damage));
}

#[test]
fn what_the_kernel_forgets_after_a_failed_sync_is_not_read_again() {
    let (mut disk, all) = spoilt();
    disk.fail(DiskOp::Sync, 2);
    let (mut journal, recovery) = open_in_boot(&disk, 7);
    assert_eq!((recovery.records.len(), recovery.unmended.is_some()), (2, true));
    // Clean pages go when memory is short, and the disk has the second record nowhere.
    let mut content = disk.read(&segment_name(1)).unwrap();
    let half = content.len() - 40;
    content[half..].fill(0);
    disk.put(&segment_name(1), content);
    journal.write(&all[2..]).unwrap();
    disk.crash(CrashModel::None, 0);
    assert_eq!(open(&disk).1.records, all);
}

#[test]
fn what_a_failed_attempt_left_goes_before_the_segment_that_shows_it_for_what_it_is() {
    for left_by in [DiskOp::Append, DiskOp::Sync] {
        let mut disk = SimStorage::new();
        let (mut journal, recovery) = open(&disk);
        let mut pen = Pen::at(&recovery);
        let mut all = pen.records(1);
        journal.write(&all).unwrap();
        disk.fail(left_by, 1);
        disk.fail(DiskOp::Remove, 1);
        assert!(journal.roll(b"state").is_err());
        for _ in 0..4 {
            let more = pen.records(1);
            journal.write(&more).unwrap();
            all.extend(more);
            journal.roll(b"state").unwrap();
        }
        assert!(disk.list().unwrap().contains(&segment_name(2)), "a header without a segment stands there");
        // One at a time, and the power may go between any two.
        for segment in [1, 3, 4] {
            assert_eq!(journal.retire(segment).unwrap(), 1);
            let mut after = disk.image();
            after.crash(CrashModel::Some, segment);
            let (_, recovery) = open(&after);
            assert_eq!(recovery.damage, vec![], "{left_by:?}, segment {segment}");
            assert!(verify(&after).unwrap().is_whole());
        }
        assert!(!disk.list().unwrap().contains(&segment_name(2)));
        let (_, recovery) = open(&disk);
        assert_eq!(recovery.damage, vec![]);
    }
}

#[test]
fn the_file_of_a_failed_attempt_to_begin_a_segment_is_no_damage() {
    let mut disk = SimStorage::new();
    let (mut journal, recovery) = open(&disk);
    let mut pen = Pen::at(&recovery);
    let mut all = pen.records(1);
    journal.write(&all).unwrap();
    disk.fail(DiskOp::Append, 1);
    disk.fail(DiskOp::Remove, 1);
    assert!(journal.roll(b"state").is_err());
    all.extend(pen.records(1));
    journal.write(&all[1..]).unwrap();
    assert!(disk.list().unwrap().contains(&segment_name(2)), "half a header stands there");
    let (_, recovery) = open(&disk);
    assert_eq!((recovery.records, recovery.damage), (all, vec![]));
    assert!(!disk.list().unwrap().contains(&segment_name(2)));
    assert!(verify(&disk).unwrap().is_whole());
}
