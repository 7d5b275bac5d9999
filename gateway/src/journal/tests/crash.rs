//! Crashes and faults at every step of a life of the journal.

use super::*;

/// What a run of the loop was told, and may therefore rely on.
#[derive(Debug, Default)]
struct Told {
    confirmed: Vec<Record>,
    delivered: u64,
}

/// One life: opens, writes batches, rolls, retires; goes on after errors as the loop does, leaving out
/// what could not be written (`reuse`: writing other records under the same numbers).
fn live(disk: &mut SimStorage, told: &mut Told, reuse: bool, mut before_step: impl FnMut(&mut SimStorage, u32)) {
    let Ok((mut journal, recovery)) = Journal::open(disk.clone(), SMALL) else { return };
    let mut pen = Pen::at(&recovery);
    for step in 0..15 {
        before_step(disk, step);
        match step % 3 {
            0 | 1 => {
                let batch = pen.records(1 + step as usize % 3);
                match journal.write(&batch) {
                    Ok(_) => told.confirmed.extend(batch),
                    Err(_) if reuse => (pen.0.next_seq, pen.0.hash) = journal.head(),
                    Err(_) => {}
                }
            }
            _ => {
                let (next_seq, _) = journal.head();
                let _ = journal.roll(&next_seq.to_le_bytes());
                // A retired record counts as delivered from the call on, whatever it returns.
                told.delivered = told.confirmed.iter().rev().nth(3).map_or(0, |record| record.seq);
                let _ = journal.retire(told.delivered);
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
    live(&mut whole, &mut Told::default(), false, |_, _| {});
    let steps = whole.changes();
    assert!(steps > 40, "{steps}");
    for halt in 0..=steps {
        let mut halted = SimStorage::new();
        halted.halt_after(Some(halt));
        let mut told = Told::default();
        live(&mut halted, &mut told, false, |_, _| {});
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
        live(&mut halted, &mut told, false, |_, _| {});
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
fn a_failing_operation_at_every_step_loses_nothing_confirmed() {
    let ops = [DiskOp::Create, DiskOp::Append, DiskOp::Sync, DiskOp::SyncDir, DiskOp::Remove, DiskOp::Truncate];
    for op in ops {
        for also in [None, Some(DiskOp::Sync), Some(DiskOp::Truncate), Some(DiskOp::Remove), Some(DiskOp::SyncDir)] {
            for step in 0..9 {
                for (times, reuse) in [(1, false), (1, true), (2, true), (3, false), (u32::MAX, true)] {
                    let mut disk = SimStorage::new();
                    let mut told = Told::default();
                    live(&mut disk, &mut told, reuse, |disk, now| {
                        if now == step {
                            [Some(op), also].into_iter().flatten().for_each(|op| disk.fail(op, times));
                        }
                        if now == step + 2 {
                            [Some(op), also].into_iter().flatten().for_each(|op| disk.fail(op, 0));
                        }
                    });
                    assert!(told.confirmed.len() >= 5, "{op:?} {also:?} at {step}: the disk was good again");
                    for (model, seed) in models().take(5) {
                        let mut disk = disk.image();
                        disk.crash(model, seed);
                        let context =
                            format!("{op:?} and {also:?} fail {times} times at step {step}, {model:?} {seed}");
                        check(&mut disk, &told, &context);
                    }
                }
            }
        }
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
