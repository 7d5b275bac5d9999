//! Damaged, cut, missing and foreign bytes.

use super::*;

/// Where each record's frame stands: segment, first byte, byte behind it.
fn frames(disk: &SimStorage, all: &[Record]) -> Vec<(u64, u64, u64)> {
    let starts: Vec<_> = dump(disk).unwrap().map(|read| read.unwrap().0).collect();
    assert_eq!(starts.len(), all.len());
    let end = |i: usize| match starts.get(i + 1) {
        Some(next) if next.segment == starts[i].segment => next.offset,
        _ => disk.size(&segment_name(starts[i].segment)).unwrap(),
    };
    (0..starts.len()).map(|i| (starts[i].segment, starts[i].offset, end(i))).collect()
}

/// Opens a damaged disk: it starts, exactly `surviving` can be read, and it works and starts again.
fn check(disk: &SimStorage, surviving: &[Record], context: &str) -> Recovery {
    let (mut journal, recovery) = open(disk);
    assert!(recovery.unmended.is_none(), "{context}");
    assert_eq!(seqs(&journal.read(1, usize::MAX).unwrap()), seqs(surviving), "{context}");
    assert_eq!(journal.read(1, usize::MAX).unwrap(), surviving, "{context}");
    let replayed = recovery.records.len();
    assert_eq!(recovery.records, surviving[surviving.len() - replayed..], "{context}");
    let more = Pen::at(&recovery).records(1);
    journal.write(&more).unwrap();
    drop(journal);
    let (journal, again) = open(disk);
    assert_eq!(again.records, [&recovery.records[..], &more].concat(), "{context}");
    assert_eq!(journal.read(1, usize::MAX).unwrap(), [surviving, &more].concat(), "{context}");
    recovery
}

#[test]
fn each_segment_cut_at_every_length_loses_only_what_was_cut_and_says_so() {
    let whole = SimStorage::new();
    let all = three_segments(&whole);
    let frames = frames(&whole, &all);
    for segment in 1..=3 {
        let name = segment_name(segment);
        let content = whole.read(&name).unwrap();
        for length in 0..content.len() {
            let mut disk = whole.image();
            disk.put(&name, content[..length].to_vec());
            let survives = |(of, _, end): &(u64, u64, u64)| *of != segment || *end <= length as u64;
            let surviving: Vec<_> =
                all.iter().zip(&frames).filter(|(_, frame)| survives(frame)).map(|(r, _)| r.clone()).collect();
            let context = format!("segment {segment} cut at {length}");
            let lost_at_a_boundary = segment == 3 && frames.iter().any(|(of, at, _)| *of == 3 && *at == length as u64);
            let recovery = check(&disk, &surviving, &context);
            // A newest segment that ends with a whole frame is a good journal of an hour ago.
            assert_eq!(recovery.damage.is_empty(), lost_at_a_boundary, "{context}: {:?}", recovery.damage);
        }
    }
}

#[test]
fn a_torn_tail_is_cut_off_and_the_file_goes_on() {
    let whole = SimStorage::new();
    let all = three_segments(&whole);
    let (_, start, end) = *frames(&whole, &all).last().unwrap();
    let name = segment_name(3);
    let content = whole.read(&name).unwrap();
    for length in start + 1..end {
        let mut disk = whole.image();
        disk.put(&name, content[..length as usize].to_vec());
        let recovery = open(&disk).1;
        assert_eq!(recovery.damage, [Damage::TornTail { segment: 3, offset: start, bytes: length - start }]);
        assert_eq!(disk.size(&name).unwrap(), start);
        assert_eq!(disk.list().unwrap().len(), 3);
    }
}

#[test]
fn a_tail_of_zeros_is_an_interrupted_append_too() {
    let mut disk = SimStorage::new();
    let all = three_segments(&disk);
    let mut content = disk.read(&segment_name(3)).unwrap();
    content.resize(content.len() + 5000, 0);
    disk.put(&segment_name(3), content);
    let recovery = check(&disk, &all, "zeros");
    assert!(matches!(recovery.damage[..], [Damage::TornTail { bytes: 5000, .. }]), "{:?}", recovery.damage);
}

#[test]
fn a_bit_flipped_at_every_byte_loses_at_most_its_own_record_and_says_where() {
    let whole = SimStorage::new();
    let all = three_segments(&whole);
    let frames = frames(&whole, &all);
    for segment in 1..=3 {
        let name = segment_name(segment);
        let content = whole.read(&name).unwrap();
        for at in 0..content.len() {
            let mut disk = whole.image();
            let mut flipped = content.clone();
            flipped[at] ^= 1 << (at % 8);
            disk.put(&name, flipped.clone());
            let context = format!("segment {segment}, byte {at}");
            let hit = |(of, from, end): &(u64, u64, u64)| *of == segment && (*from..*end).contains(&(at as u64));
            let struck = frames.iter().position(hit);
            let surviving: Vec<_> =
                all.iter().enumerate().filter(|(i, _)| Some(*i) != struck).map(|(_, r)| r.clone()).collect();
            let report = verify(&disk).unwrap();
            let named = match struck {
                Some(struck) => report.damage.iter().any(|damage| {
                    matches!(damage, Damage::Skipped { segment: of, offset, .. }
                        | Damage::UnreadableTail { segment: of, offset, .. }
                        if *of == segment && *offset == frames[struck].1)
                }),
                None => {
                    report.damage.contains(&Damage::Header { segment })
                        || report.damage.contains(&Damage::Unbegun { segment })
                }
            };
            assert!(named && !report.is_whole(), "{context}: {report}");
            let recovery = check(&disk, &surviving, &context);
            if segment == 3 {
                assert!(!recovery.damage.is_empty(), "{context}");
                assert_eq!(disk.read(&name).unwrap(), flipped, "{context}: nothing is added to a damaged file");
                let checkpoint = if struck.is_some() { &b"state before 9"[..] } else { b"state before 5" };
                assert_eq!(recovery.checkpoint.as_deref(), Some(checkpoint), "{context}");
            }
        }
    }
}

#[test]
fn each_segment_deleted_costs_only_itself_and_is_named_where_something_follows() {
    let whole = SimStorage::new();
    let all = three_segments(&whole);
    for segment in 1..=3_u64 {
        let mut disk = whole.image();
        disk.remove(&segment_name(segment)).unwrap();
        let first = (segment as usize - 1) * 4;
        let surviving = [&all[..first], &all[first + 4..]].concat();
        let recovery = check(&disk, &surviving, &format!("segment {segment} deleted"));
        let missing = Damage::MissingSegment { segment: 2 };
        // The first may have been retired; the end of the newest only the centre knows.
        assert_eq!(recovery.damage, if segment == 2 { vec![missing] } else { vec![] });
    }
}

#[test]
fn a_journal_without_any_checkpoint_left_replays_what_there_is() {
    let mut disk = SimStorage::new();
    let all = three_segments(&disk);
    for segment in 1..=3 {
        let name = segment_name(segment);
        let mut content = disk.read(&name).unwrap();
        content[..16].fill(0xAA);
        disk.put(&name, content);
    }
    let recovery = check(&disk, &all, "headers gone");
    assert_eq!((recovery.checkpoint.as_deref(), recovery.records.len()), (None, 12));
    let headers: Vec<_> = (1..=3).map(|segment| Damage::Header { segment }).collect();
    assert!(headers.iter().all(|header| recovery.damage.contains(header)), "{:?}", recovery.damage);
}

#[test]
fn segments_that_the_disk_refuses_to_read_are_passed_over_and_found_again_later() {
    let mut disk = SimStorage::new();
    let all = three_segments(&disk);
    for refused in 1..7_u64 {
        let mut disk = disk.image();
        let names: Vec<_> = (1..=3).filter(|n| refused & (1 << (n - 1)) != 0).map(segment_name).collect();
        names.iter().for_each(|name| disk.set_unreadable(name, true));
        let (mut journal, recovery) = open(&disk);
        let more = Pen::at(&recovery).records(1);
        journal.write(&more).unwrap();
        names.iter().for_each(|name| disk.set_unreadable(name, false));
        let found = open(&disk).0.read(1, 100).unwrap();
        assert_eq!(found, [&all[..], &more].concat(), "{names:?} refused");
        assert!(seqs(&found).windows(2).all(|two| two[0] < two[1]), "{names:?} refused: a number was given twice");
    }
    (1..=3).for_each(|segment| disk.set_unreadable(&segment_name(segment), true));
    let before = disk.changes();
    let error = Journal::open(disk.clone(), SMALL).unwrap_err();
    assert!(matches!(error, JournalError::Io { action: "read", .. }), "{error}");
    assert_eq!(disk.changes(), before);
}

#[test]
fn a_record_that_stands_there_twice_counts_once() {
    let mut disk = SimStorage::new();
    let all = three_segments(&disk);
    let (_, start, _) = *frames(&disk, &all).last().unwrap();
    let mut content = disk.read(&segment_name(3)).unwrap();
    content.extend_from_within(start as usize..);
    disk.put(&segment_name(3), content);
    let recovery = check(&disk, &all, "twice");
    assert!(matches!(recovery.damage[..], [Damage::OutOfOrder { segment: 3, seq: 12, .. }]), "{:?}", recovery.damage);
}

#[test]
fn foreign_files_are_left_alone() {
    let mut disk = SimStorage::new();
    let all = three_segments(&disk);
    for name in ["lock", "segment-1.journal", "segment-x.journal", "reserve", "segment-0000000003.journal.copy"] {
        disk.put(name, b"not a segment".to_vec());
    }
    let recovery = check(&disk, &all, "foreign files");
    assert_eq!(recovery.damage, []);
    assert_eq!(disk.list().unwrap().len(), 8);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn arbitrary_damage_never_stops_a_start_and_never_makes_a_record_up(
        segment in 1_u64..=3,
        place in 0_usize..2000,
        bytes in prop::collection::vec(any::<u8>(), 1..80),
        insert in any::<bool>(),
    ) {
        let mut disk = SimStorage::new();
        let all = three_segments(&disk);
        let name = segment_name(segment);
        let mut content = disk.read(&name).unwrap();
        let place = place % content.len();
        let end = if insert { place } else { content.len().min(place + bytes.len()) };
        content.splice(place..end, bytes);
        disk.put(&name, content);
        let (mut journal, recovery) = open(&disk);
        prop_assert!(journal.read(1, 100).unwrap().iter().all(|record| all.contains(record)));
        journal.write(&Pen::at(&recovery).records(1)).unwrap();
        drop(journal);
        open(&disk);
    }
}
