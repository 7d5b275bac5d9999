mod crash;
mod damage;
mod format;
mod reserve;

use proptest::prelude::*;
use protocol::ids::Incarnation;
use protocol::observation::{Kind, Reading};
use protocol::record::{Body, ChainHead, Observed, SegmentFate, Stamp};

use super::catalog::aside_name;
use super::sim_storage::{CrashModel, DiskOp, SimStorage};
use super::*;

const SMALL: JournalLimits =
    JournalLimits { segment_bytes: 1, retained_bytes: 0, retained_ms: u64::MAX, reserve_bytes: 0 };

fn stamp(seq: u64) -> Stamp {
    Stamp { boot: 7, uptime_ms: 1000 * seq, wall_ms: 1_700_000_000_000 + 1000 * seq as i64, wall_trusted: true }
}

fn motion(device: &str) -> Body {
    Body::Observed(Observed {
        kind: Kind::Motion,
        device: device.into(),
        key: "occupancy".into(),
        room: None,
        value: Reading::Active,
    })
}

/// Seals records the way the loop does.
struct Pen(ChainHead);

impl Pen {
    fn at(recovery: &Recovery) -> Self {
        let (next_seq, hash) = recovery.chain();
        Self(ChainHead { incarnation: Incarnation(5), next_seq, hash })
    }

    fn record(&mut self) -> Record {
        let seq = self.0.next_seq;
        self.0.seal(stamp(seq), None, motion(&"m".repeat(1 + seq as usize % 7))).unwrap()
    }

    fn records(&mut self, count: usize) -> Vec<Record> {
        (0..count).map(|_| self.record()).collect()
    }
}

fn open(disk: &SimStorage) -> (Journal<SimStorage>, Recovery) {
    Journal::open(disk.clone(), SMALL).unwrap()
}

fn seqs(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.seq).collect()
}

/// Three segments, each with a checkpoint named after its first sequence, four records in each.
fn three_segments(disk: &SimStorage) -> Vec<Record> {
    let (mut journal, recovery) = open(disk);
    let mut pen = Pen::at(&recovery);
    let mut all = Vec::new();
    for segment in 0..3 {
        if segment > 0 {
            journal.roll(format!("state before {}", journal.head().0).as_bytes()).unwrap();
        }
        for _ in 0..2 {
            let batch = pen.records(2);
            journal.write(&batch).unwrap();
            all.extend(batch);
        }
    }
    all
}

#[test]
fn what_was_written_is_read_back_after_a_restart_with_the_chain_going_on() {
    let disk = SimStorage::new();
    let (mut journal, recovery) = open(&disk);
    assert_eq!((recovery.next_seq, recovery.head_hash, recovery.checkpoint), (1, Hash32::ZERO, None));
    let mut pen = Pen(ChainHead { incarnation: Incarnation(5), next_seq: 1, hash: Hash32::ZERO });
    let first = pen.records(3);
    let written = journal.write(&first).unwrap();
    assert_eq!(written.segment_bytes, disk.used());
    assert_eq!(journal.head(), (4, first[2].hash));
    drop(journal);
    let (mut journal, recovery) = open(&disk);
    assert_eq!((&recovery.records, recovery.next_seq, recovery.head_hash), (&first, 4, first[2].hash));
    assert_eq!(recovery.damage, []);
    let more = Pen::at(&recovery).records(2);
    journal.write(&more).unwrap();
    assert_eq!(journal.read(1, 100).unwrap(), [first, more].concat());
    assert!(verify(&disk).unwrap().is_whole());
}

#[test]
fn start_up_takes_the_newest_checkpoint_and_only_what_follows_it() {
    let disk = SimStorage::new();
    let all = three_segments(&disk);
    let (_, recovery) = open(&disk);
    assert_eq!(recovery.checkpoint.as_deref(), Some(&b"state before 9"[..]));
    assert_eq!(recovery.records, all[8..]);
    assert_eq!(recovery.damage, []);
}

#[test]
fn a_backlog_is_read_piece_by_piece_from_any_place() {
    let disk = SimStorage::new();
    let all = three_segments(&disk);
    let (journal, _) = open(&disk);
    for from in 0..=13 {
        for limit in [1, 3, 5, 100] {
            let mut read = Vec::new();
            let mut next = from;
            loop {
                let piece = journal.read(next, limit).unwrap();
                assert!(piece.len() <= limit);
                let Some(last) = piece.last() else { break };
                next = last.seq + 1;
                read.extend(piece);
            }
            let expected: Vec<_> = all.iter().filter(|record| record.seq >= from).cloned().collect();
            assert_eq!(read, expected, "from {from} by {limit}");
        }
    }
}

#[test]
fn a_read_gives_at_most_its_byte_limit() {
    let disk = SimStorage::new();
    let (mut journal, recovery) = Journal::open(disk, JournalLimits::default()).unwrap();
    let mut pen = Pen::at(&recovery);
    let long = "m".repeat(60_000);
    for _ in 0..30 {
        let seq = pen.0.next_seq;
        let record = pen.0.seal(stamp(seq), None, motion(&long)).unwrap();
        journal.write(&[record]).unwrap();
    }
    let read = journal.read(1, 100).unwrap();
    assert_eq!(read.len() as u64, READ_BYTES_MAX / 60_000 + 1);
    assert_eq!(seqs(&journal.read(18, 100).unwrap()), (18..=30).collect::<Vec<_>>());
}

#[test]
fn a_segment_is_retired_only_when_delivered_and_never_the_two_newest_checkpoints() {
    let disk = SimStorage::new();
    let all = three_segments(&disk);
    let (mut journal, _) = open(&disk);
    assert_eq!(journal.retirable(3), []);
    let retired = journal.retirable(u64::MAX);
    assert_eq!(retired.len(), 1);
    assert_eq!(journal.read(1, 100).unwrap(), all, "nothing goes before it is attested");
    assert_eq!(journal.retire(retired[0].segment).unwrap(), 1);
    assert_eq!((retired[0].segment, retired[0].first_seq, retired[0].last_seq), (1, Some(1), 4));
    assert_eq!((retired[0].head, retired[0].fate), (all[3].hash, SegmentFate::Deleted));
    assert_eq!(journal.read(1, 100).unwrap(), all[4..]);
    let (_, recovery) = open(&disk);
    assert_eq!((recovery.records.as_slice(), recovery.damage.as_slice()), (&all[8..], &[][..]));
    let report = verify(&disk).unwrap();
    assert!(report.is_whole(), "{report}");
    assert_eq!((report.first_seq, report.last_seq, report.head_hash), (Some(5), Some(12), all[11].hash));
}

#[test]
fn retention_keeps_delivered_segments_by_size_and_lets_them_go_by_age() {
    let disk = SimStorage::new();
    three_segments(&disk);
    let roomy = JournalLimits { retained_bytes: 1 << 20, ..SMALL };
    let (journal, recovery) = Journal::open(disk.clone(), roomy).unwrap();
    assert_eq!(journal.retirable(u64::MAX), []);
    let month = JournalLimits { retained_ms: 30 * 24 * 3_600_000, ..roomy };
    drop(journal);
    let (mut journal, _) = Journal::open(disk, month).unwrap();
    assert_eq!(journal.retirable(u64::MAX), []);
    let mut pen = Pen::at(&recovery);
    let mut late = stamp(13);
    late.wall_ms += 31 * 24 * 3_600_000;
    let record = pen.0.seal(late, None, Body::Stopped).unwrap();
    journal.write(&[record]).unwrap();
    assert_eq!(journal.retirable(u64::MAX).len(), 1);
}

#[test]
fn neither_age_nor_size_ever_drops_a_segment_with_an_undelivered_record() {
    let disk = SimStorage::new();
    let all = three_segments(&disk);
    let greedy = JournalLimits { retained_bytes: 0, retained_ms: 0, ..SMALL };
    let (mut journal, recovery) = Journal::open(disk.clone(), greedy).unwrap();
    let mut pen = Pen::at(&recovery);
    for _ in 0..3 {
        journal.roll(b"state").unwrap();
        journal.write(&pen.records(2)).unwrap();
    }
    for low_water in 0..all.len() as u64 {
        let retirable = journal.retirable(low_water);
        assert!(retirable.iter().all(|segment| segment.last_seq <= low_water), "{low_water}: {retirable:?}");
        assert_eq!(retirable.len() as u64, low_water / 4, "a segment goes with its last record's receipt");
    }
}

#[test]
fn a_checkpoint_that_is_not_understood_is_replaced_by_the_records_before_it() {
    let disk = SimStorage::new();
    let all = three_segments(&disk);
    for (understood, checkpoint, from) in
        [(&b"state before 5"[..], Some(&b"state before 5"[..]), 4), (b"nothing", None, 0)]
    {
        let (_, recovery) = Journal::open_with(disk.clone(), SMALL, None, |bytes| bytes == understood).unwrap();
        assert_eq!(recovery.checkpoint.as_deref(), checkpoint);
        assert_eq!(recovery.records, all[from..]);
    }
}

#[test]
fn a_damaged_segment_is_kept_aside_when_its_time_comes() {
    let mut disk = SimStorage::new();
    three_segments(&disk);
    let name = segment_name(1);
    let mut content = disk.read(&name).unwrap();
    *content.last_mut().unwrap() ^= 1;
    disk.put(&name, content.clone());
    let (mut journal, recovery) = open(&disk);
    assert_eq!(recovery.damage, [], "older than the checkpoint: found when it is read");
    assert_eq!(seqs(&journal.read(1, 100).unwrap()), [1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12]);
    let retired = journal.retirable(u64::MAX);
    assert_eq!(retired[0].fate, SegmentFate::KeptAside);
    journal.retire(retired[0].segment).unwrap();
    assert_eq!(disk.read(&aside_name(1)).unwrap(), content);
    let (mut journal, recovery) = open(&disk);
    assert_eq!((recovery.kept_aside, recovery.damage.as_slice()), (1, &[][..]));
    journal.roll(b"").unwrap();
    assert!(!disk.list().unwrap().contains(&segment_name(1)));
}

#[test]
fn a_batch_out_of_order_is_refused_whole_and_a_jump_is_kept_and_named() {
    let disk = SimStorage::new();
    let (mut journal, recovery) = open(&disk);
    let mut pen = Pen::at(&recovery);
    let records = pen.records(5);
    journal.write(&records[..2]).unwrap();
    let before = disk.used();
    assert!(matches!(journal.write(&records[1..3]), Err(JournalError::OutOfOrder { seq: 2, next_seq: 3 })));
    assert_eq!(disk.used(), before);
    journal.write(&records[4..]).unwrap();
    let (_, recovery) = open(&disk);
    assert_eq!(seqs(&recovery.records), [1, 2, 5]);
    assert_eq!(recovery.records[2], records[4], "the hash does not depend on its lost neighbours");
    assert_eq!(recovery.damage, [Damage::MissingRecords { first_seq: 3, last_seq: 4 }]);
}

#[test]
fn a_full_disk_loses_nothing_confirmed_and_is_used_again_when_space_returns() {
    let mut disk = SimStorage::new();
    let (mut journal, recovery) = open(&disk);
    let mut pen = Pen::at(&recovery);
    let mut confirmed = pen.records(2);
    journal.write(&confirmed).unwrap();
    disk.set_capacity(Some(disk.used() + 40));
    let refused = pen.records(1);
    for _ in 0..3 {
        let error = journal.write(&refused).unwrap_err();
        assert!(matches!(error, JournalError::Io { action: "append to", .. }), "{error}");
        assert!(journal.roll(b"state").is_err());
    }
    assert_eq!(journal.segment_count(), 1);
    disk.set_capacity(None);
    journal.write(&refused).unwrap();
    confirmed.extend(refused);
    disk.crash(CrashModel::None, 0);
    let (_, recovery) = open(&disk);
    assert_eq!((recovery.records, recovery.damage), (confirmed, vec![]));
}

#[test]
fn a_disk_that_takes_no_writes_still_starts_and_says_so() {
    let mut disk = SimStorage::new();
    let all = three_segments(&disk);
    for op in [DiskOp::Create, DiskOp::Append, DiskOp::Sync, DiskOp::SyncDir, DiskOp::Truncate] {
        disk.fail(op, u32::MAX);
    }
    let (mut journal, recovery) = open(&disk);
    assert_eq!(recovery.records, all[8..]);
    assert!(recovery.unmended.is_some());
    let record = Pen::at(&recovery).records(1);
    assert!(journal.write(&record).is_err());
    for op in [DiskOp::Create, DiskOp::Append, DiskOp::Sync, DiskOp::SyncDir, DiskOp::Truncate] {
        disk.fail(op, 0);
    }
    journal.write(&record).unwrap();
    disk.crash(CrashModel::None, 0);
    assert_eq!(open(&disk).1.records, [&all[8..], &record].concat());
}

#[test]
fn a_real_directory_is_locked_verified_live_and_dumped_with_places() {
    let dir = tempfile::tempdir().unwrap();
    let storage = FsStorage::open(dir.path().join("journal")).unwrap();
    let (mut journal, recovery) = Journal::open(storage, SMALL).unwrap();
    let mut pen = Pen::at(&recovery);
    let mut all = pen.records(2);
    journal.write(&all).unwrap();
    journal.roll(b"state").unwrap();
    all.extend(pen.records(1));
    assert!(journal.write(&all[2..]).unwrap().roll_due);
    let reader = FsStorage::read_only(dir.path().join("journal")).unwrap();
    let report = verify(&reader).unwrap();
    assert_eq!((report.records, report.is_whole(), report.damage.len()), (3, true, 0));
    let dumped: Vec<_> = dump(&reader).unwrap().map(Result::unwrap).collect();
    assert_eq!(dumped.iter().map(|(place, _)| place.segment).collect::<Vec<_>>(), [1, 1, 2]);
    assert_eq!(dumped.into_iter().map(|(_, record)| record).collect::<Vec<_>>(), all);
    drop(journal);
    let (_, recovery) = Journal::open(FsStorage::open(dir.path().join("journal")).unwrap(), SMALL).unwrap();
    assert_eq!((recovery.checkpoint.as_deref(), recovery.records.as_slice()), (Some(&b"state"[..]), &all[2..]));
}

#[test]
fn a_checkpoint_over_the_limit_is_refused() {
    let (mut journal, _) = open(&SimStorage::new());
    let long = vec![0; CHECKPOINT_BYTES_MAX + 1];
    assert!(matches!(journal.roll(&long), Err(JournalError::CheckpointTooLong { .. })));
    journal.roll(&long[1..]).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_history_of_batches_rolls_and_restarts_reads_back_whole(
        steps in prop::collection::vec((prop::collection::vec("\\PC{0,40}", 0..5), 0_u8..4), 0..20),
    ) {
        let disk = SimStorage::new();
        let (mut journal, recovery) = open(&disk);
        let mut pen = Pen::at(&recovery);
        let mut all = Vec::new();
        let mut covered = 0;
        for (devices, what) in steps {
            let batch: Vec<_> =
                devices.iter().map(|device| pen.0.seal(stamp(3), None, motion(device)).unwrap()).collect();
            journal.write(&batch).unwrap();
            all.extend(batch);
            match what {
                0 => {
                    covered = all.len();
                    journal.roll(&covered.to_le_bytes()).unwrap();
                }
                1 => journal = open(&disk).0,
                _ => {}
            }
        }
        prop_assert_eq!(&journal.read(1, usize::MAX).unwrap(), &all);
        let (_, recovery) = open(&disk);
        prop_assert_eq!(&recovery.records[..], &all[covered..]);
        prop_assert!(recovery.damage.is_empty());
        prop_assert!(verify(&disk).unwrap().is_whole());
    }
}
