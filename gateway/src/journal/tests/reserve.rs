//! The reserve: what stands in it is durable without new space, is found once, and is never lost to
//! another entry.

use protocol::record::{MissingCause, MissingRecords, Trigger};
use protocol::trigger::{Reason, TriggerKind};

use super::super::format::{ENVELOPE_BYTES, Envelope, RESERVE_MAGIC};
use super::super::reserve::{DOUBTFUL_SEQS, RESERVE_NAME};
use super::*;

const WITH_RESERVE: JournalLimits = JournalLimits { reserve_bytes: 4096, ..SMALL };

fn start(disk: &SimStorage) -> (Journal<SimStorage>, Recovery) {
    Journal::open(disk.clone(), WITH_RESERVE).unwrap()
}

fn press(pen: &mut Pen, device: &str) -> Record {
    let seq = pen.0.next_seq;
    let trigger = Trigger {
        kind: TriggerKind::Sos,
        device: device.into(),
        key: "action".into(),
        room: None,
        reason: Reason::ButtonPressed,
        follows: None,
        test: false,
    };
    pen.0.seal(stamp(seq), None, Body::Trigger(trigger)).unwrap()
}

/// A disk with two records in the journal, and a press that it had no space for.
fn full_disk() -> (SimStorage, Vec<Record>, Record) {
    let mut disk = SimStorage::new();
    let (mut journal, recovery) = start(&disk);
    let mut pen = Pen::at(&recovery);
    let written = pen.records(2);
    journal.write(&written).unwrap();
    disk.set_capacity(Some(disk.used()));
    let lost = pen.records(1);
    let press = press(&mut pen, "sos");
    assert!(journal.write(&[lost, vec![press.clone()]].concat()).is_err());
    let reserved = journal.reserve(&[&press]);
    assert_eq!((reserved.held, reserved.refused.is_none()), (vec![press.seq], true));
    (disk, written, press)
}

#[test]
fn a_press_on_a_full_disk_survives_a_power_cut_and_is_taken_into_the_journal_once() {
    let (mut disk, written, press) = full_disk();
    disk.crash(CrashModel::None, 0);
    let (mut journal, recovery) = start(&disk);
    assert_eq!((&recovery.records, &recovery.unwritten[..]), (&written, std::slice::from_ref(&press)));
    assert_eq!((recovery.next_seq, recovery.chain()), (3, (press.seq + 1, press.hash)));
    let gap = MissingRecords { first_seq: 3, last_seq: 3, cause: MissingCause::NeverWritten };
    assert_eq!(recovery.gaps, std::slice::from_ref(&gap));
    let report = verify(&disk).unwrap();
    assert_eq!((report.records, report.reserved, report.is_whole()), (2, 1, true), "{report}");
    let dumped: Vec<_> = dump(&disk).unwrap().map(|entry| entry.unwrap().1).collect();
    assert_eq!(dumped, [&written[..], std::slice::from_ref(&press)].concat());

    // Space returns.
    disk.set_capacity(None);
    let mut pen = Pen::at(&recovery);
    let attested = pen.0.seal(stamp(9), None, Body::Missing(gap)).unwrap();
    journal.write(&[press.clone(), attested.clone()]).unwrap();
    drop(journal);
    let (_, recovery) = start(&disk);
    assert_eq!(recovery.records, [&written[..], &[press.clone(), attested]].concat());
    assert_eq!((&recovery.unwritten[..], &recovery.gaps[..]), (&[][..], &[][..]));
    assert_eq!(recovery.reserved, [press]);
    let report = verify(&disk).unwrap();
    assert_eq!((report.records, report.reserved, report.is_whole()), (4, 0, true), "{report}");
    assert_eq!(dump(&disk).unwrap().count(), 4);
}

#[test]
fn a_power_cut_at_every_step_loses_nothing_that_the_reserve_said_it_holds() {
    let models = [(CrashModel::None, 0), (CrashModel::All, 0)];
    let models = models.into_iter().chain((0..16).map(|seed| (CrashModel::Some, seed)));
    let mut whole = SimStorage::new();
    let mut pen = Pen::at(&start(&whole).1);
    let presses: Vec<_> = (0..6).map(|nth| press(&mut pen, &"b".repeat(if nth % 2 == 0 { 20 } else { 900 }))).collect();
    // The set moves on: first three, then what is left of them with three more.
    let sets = [&presses[..2], &presses[..4], &presses[2..4], &presses[3..6], &presses[..1]];
    let run = |disk: &mut SimStorage| {
        let mut told = Vec::new();
        let Ok((mut journal, _)) = Journal::open(disk.clone(), WITH_RESERVE) else { return told };
        for set in sets {
            let reserved = journal.reserve(set);
            // Forgotten from the call on; held once it returns.
            told.retain(|seq| set.iter().any(|press| press.seq == *seq));
            told = reserved.held;
        }
        told
    };
    run(&mut whole);
    let steps = whole.changes();
    assert!(steps > 12, "{steps}");
    for halt in 0..=steps {
        let mut halted = SimStorage::new();
        halted.halt_after(Some(halt));
        let told = run(&mut halted);
        for (model, seed) in models.clone() {
            let mut disk = halted.image();
            disk.crash(model, seed);
            let (_, recovery) = start(&disk);
            let found: Vec<_> = recovery.unwritten.iter().map(|record| record.seq).collect();
            for seq in &told {
                assert!(found.contains(seq), "cut at {halt}, {model:?} {seed}: {seq} of {told:?} is not in {found:?}");
            }
            assert!(recovery.unwritten.iter().all(|record| presses.contains(record)));
        }
    }
}

#[test]
fn what_a_failed_sync_dropped_is_not_said_to_be_held() {
    let mut disk = SimStorage::new();
    let (mut journal, recovery) = start(&disk);
    let mut pen = Pen::at(&recovery);
    let (first, second) = (press(&mut pen, "a"), press(&mut pen, "b"));
    assert_eq!(journal.reserve(&[&first]).held, [first.seq]);
    disk.fail(DiskOp::Sync, 1);
    let reserved = journal.reserve(&[&first, &second]);
    assert_eq!(reserved.held, [first.seq]);
    assert!(matches!(reserved.refused, Some(JournalError::Io { action: "sync", .. })));
    assert_eq!(journal.reserve(&[&first, &second]).held, [first.seq, second.seq]);
    disk.crash(CrashModel::None, 0);
    assert_eq!(start(&disk).1.unwritten, [first, second]);
}

#[test]
fn a_full_reserve_keeps_the_first_ones_and_takes_more_when_they_are_delivered() {
    let disk = SimStorage::new();
    let (mut journal, recovery) = start(&disk);
    let mut pen = Pen::at(&recovery);
    let presses: Vec<_> = (0..10).map(|_| press(&mut pen, "sos")).collect();
    let reserved = journal.reserve(&presses);
    assert_eq!(reserved.held, (1..=8).collect::<Vec<_>>());
    assert!(reserved.refused.is_none());
    assert_eq!(journal.reserve(&presses[3..]).held, (4..=10).collect::<Vec<_>>());
    drop(journal);
    // What is no longer needed stands there still until it is written over.
    assert!(seqs(&start(&disk).1.unwritten).ends_with(&[4, 5, 6, 7, 8, 9, 10]));
}

#[test]
fn a_press_that_damage_took_from_the_journal_is_found_in_the_reserve() {
    let mut disk = SimStorage::new();
    let (mut journal, recovery) = start(&disk);
    let mut pen = Pen::at(&recovery);
    let before = pen.records(1);
    let press = press(&mut pen, "sos");
    let after = pen.records(1);
    let all = [before, vec![press.clone()], after].concat();
    journal.write(&all).unwrap();
    journal.reserve(&[&press]);
    let place = dump(&disk).unwrap().nth(1).unwrap().unwrap().0.offset as usize;
    let mut content = disk.read(&segment_name(1)).unwrap();
    content[place + 40] ^= 1;
    disk.put(&segment_name(1), content);
    let (_, recovery) = start(&disk);
    assert_eq!(recovery.records, all);
    assert_eq!((recovery.reserved, recovery.gaps), (vec![press], vec![]));
}

#[test]
fn what_a_killed_run_left_unsynced_in_the_reserve_is_held_only_once_it_is_durable() {
    let mut disk = SimStorage::new();
    let (mut journal, recovery) = start(&disk);
    let press = press(&mut Pen::at(&recovery), "sos");
    disk.fail(DiskOp::Sync, u32::MAX);
    assert!(journal.reserve(&[&press]).held.is_empty());
    drop(journal);
    let (mut journal, recovery) = start(&disk);
    assert_eq!((&recovery.unwritten[..], recovery.reserve_held), (std::slice::from_ref(&press), false));
    assert!(journal.reserve(&[&press]).held.is_empty());
    disk.fail(DiskOp::Sync, 0);
    assert_eq!(journal.reserve(&[&press]).held, [press.seq]);
    disk.crash(CrashModel::None, 0);
    let (_, recovery) = start(&disk);
    assert_eq!((&recovery.unwritten[..], recovery.reserve_held), (&[press][..], true));
}

#[test]
fn a_bit_flipped_at_every_byte_of_the_reserve_costs_at_most_its_own_press_and_never_a_start() {
    let mut whole = SimStorage::new();
    let (mut journal, recovery) = start(&whole);
    let mut pen = Pen::at(&recovery);
    let presses: Vec<_> = [20, 700, 30].into_iter().map(|length| press(&mut pen, &"b".repeat(length))).collect();
    assert_eq!(journal.reserve(&presses).held.len(), 3);
    drop(journal);
    whole.crash(CrashModel::None, 0);
    let content = whole.read(RESERVE_NAME).unwrap();
    for at in 0..content.len() {
        let mut disk = whole.image();
        let mut flipped = content.clone();
        flipped[at] ^= 1 << (at % 8);
        disk.put(RESERVE_NAME, flipped);
        let struck = match at / 512 {
            0 => Some(0),
            1 | 2 => Some(1),
            3 => Some(2),
            _ => None,
        };
        let (mut journal, recovery) = start(&disk);
        let lost: Vec<_> = (0..3).filter(|nth| !recovery.unwritten.contains(&presses[*nth])).collect();
        assert!(lost.is_empty() || lost == Vec::from_iter(struck), "byte {at}: {lost:?}");
        assert!(recovery.unwritten.iter().all(|record| presses.contains(record)), "byte {at}");
        journal.write(&Pen::at(&recovery).records(1)).unwrap();
    }
}

#[test]
fn a_reserve_that_the_disk_refuses_to_read_keeps_its_numbers_and_its_content() {
    let (mut disk, written, press) = full_disk();
    disk.crash(CrashModel::None, 0);
    disk.set_capacity(None);
    disk.set_unreadable(RESERVE_NAME, true);
    let (mut journal, recovery) = start(&disk);
    assert!(recovery.damage.contains(&Damage::Reserve));
    assert_eq!((&recovery.records, recovery.next_seq), (&written, 3 + DOUBTFUL_SEQS));
    let (next_seq, hash) = recovery.chain();
    let mut pen = Pen(ChainHead { incarnation: Incarnation(6), next_seq, hash });
    let later = self::press(&mut pen, "other");
    assert_eq!(journal.reserve(&[&later]).held, [] as [u64; 0]);
    journal.write(std::slice::from_ref(&later)).unwrap();
    disk.set_unreadable(RESERVE_NAME, false);
    let (_, recovery) = start(&disk);
    assert!(recovery.records.ends_with(&[press.clone(), later]), "{:?}", seqs(&recovery.records));
    assert_eq!(recovery.reserved, [press]);
}

#[test]
fn without_space_at_the_first_start_it_is_made_when_it_is_needed() {
    let mut disk = SimStorage::new();
    disk.set_capacity(Some(600));
    let (mut journal, recovery) = start(&disk);
    assert!(!journal.has_reserve());
    let press = press(&mut Pen::at(&recovery), "sos");
    assert!(matches!(journal.reserve(&[&press]).refused, Some(JournalError::Io { action: "make", .. })));
    disk.set_capacity(None);
    assert_eq!(journal.reserve(&[&press]).held, [press.seq]);
    assert!(journal.has_reserve());
}

/// An entry of the reserve with the press of `golden_press`, as version 1 writes it.
const GOLDEN: &str = "
    fdc1f7f9010141584a00000050dc61800000000000000000000000000000000000000000000000000000000000000000fd08
    070605040302010107fbe803fdd0d7ca9f170300000100030003736f7306616374696f6e00000000";

fn golden_press() -> Record {
    let head = ChainHead { incarnation: Incarnation(0x0102_0304_0506_0708), next_seq: 1, hash: Hash32::ZERO };
    let mut pen = Pen(head);
    press(&mut pen, "sos")
}

#[test]
fn version_1_writes_exactly_these_bytes_and_reads_them() {
    let disk = SimStorage::new();
    let (mut journal, _) = start(&disk);
    journal.reserve(&[golden_press()]);
    let content = disk.read(RESERVE_NAME).unwrap();
    let envelope = Envelope::read(RESERVE_MAGIC, &content).unwrap();
    let end = ENVELOPE_BYTES + envelope.payload_bytes;
    let hex: String = content[..end].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, GOLDEN.split_whitespace().collect::<String>());
    assert!(content[end..].iter().all(|byte| *byte == 0) && content.len() == 4096);
    assert_eq!(start(&disk).1.unwritten, [golden_press()]);
}

#[test]
fn a_reserve_of_a_newer_format_is_refused_and_nothing_is_touched() {
    let mut disk = SimStorage::new();
    let (mut journal, _) = start(&disk);
    journal.reserve(&[golden_press()]);
    drop(journal);
    let mut content = disk.read(RESERVE_NAME).unwrap();
    super::format::make_newer(&mut content, 0, RESERVE_MAGIC, 4);
    disk.put(RESERVE_NAME, content.clone());
    let before = disk.changes();
    let error = Journal::open(disk.clone(), WITH_RESERVE).unwrap_err();
    assert!(matches!(error, JournalError::Newer { found: 2, known: 1, .. }), "{error}");
    assert_eq!((disk.changes(), disk.read(RESERVE_NAME).unwrap()), (before, content));
}
