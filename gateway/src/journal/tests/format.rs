//! The bytes on disk, which must never change under a version number.

use super::super::format::{ENVELOPE_BYTES, Envelope, FRAME_MAGIC, SEGMENT_MAGIC};
use super::*;

/// A segment with checkpoint `ok` and two records, as version 1 writes it.
const GOLDEN: &str = "
    fec0f6fb0101d3814b000000d49c9f7d020000000000000001000000000000005900000000000000
    01000000000000000000000000000000000000000000000000000000000000000000000000000000
    0000000000000000016f6bffc1f5fa0101afe24400000073bbc80c00000000000000000000000000
    00000000000000000000000000000000000000fd08070605040302010103fb60ea01000002040468
    616c6c096f63637570616e63790000ffc1f5fa0101ef1d32000000fd291dd52a8ae0035ef60dcae9
    e1cfedfa877578e5f32cf5102ad3b613b5dc983fa62755fd08070605040302010203fb60ea010000
    01";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

fn golden_records() -> Vec<Record> {
    let mut head = ChainHead { incarnation: Incarnation(0x0102_0304_0506_0708), next_seq: 1, hash: Hash32::ZERO };
    let at = Stamp { boot: 3, uptime_ms: 60_000, wall_ms: -1, wall_trusted: false };
    vec![head.seal(at, None, motion("hall")).unwrap(), head.seal(at, None, Body::Stopped).unwrap()]
}

#[test]
fn version_1_writes_exactly_these_bytes() {
    let disk = SimStorage::new();
    let (mut journal, _) = open(&disk);
    journal.roll(b"ok").unwrap();
    journal.write(&golden_records()).unwrap();
    assert_eq!(hex(&disk.read(&segment_name(2)).unwrap()), hex(&unhex(GOLDEN)));
}

#[test]
fn version_1_is_read_from_exactly_these_bytes() {
    let mut disk = SimStorage::new();
    disk.put(&segment_name(2), unhex(GOLDEN));
    let (_, recovery) = open(&disk);
    assert_eq!(recovery.checkpoint.as_deref(), Some(&b"ok"[..]));
    assert_eq!(recovery.records, golden_records());
    assert_eq!(recovery.damage, []);
}

#[test]
fn no_byte_of_a_magic_occurs_in_text() {
    for byte in [FRAME_MAGIC, SEGMENT_MAGIC].concat() {
        assert!(matches!(byte, 0xC0 | 0xC1 | 0xF5..=0xFF), "{byte:02x} may stand in UTF-8");
    }
}

/// Rewrites the envelope at `at` to another version, as a newer program would.
pub(super) fn make_newer(content: &mut [u8], at: usize, magic: [u8; 4], version_at: usize) {
    let envelope = Envelope::read(magic, &content[at..]).unwrap();
    let end = at + ENVELOPE_BYTES + envelope.payload_bytes;
    content[at + version_at] += 1;
    let whole = &mut content[at..end];
    let mut check = crc32fast::Hasher::new();
    check.update(&whole[..6]);
    check.update(&whole[8..12]);
    let check = check.finalize().to_le_bytes();
    whole[6..8].copy_from_slice(&check[..2]);
    let mut crc = crc32fast::Hasher::new();
    crc.update(&whole[..12]);
    crc.update(&whole[16..]);
    let crc = crc.finalize().to_le_bytes();
    whole[12..16].copy_from_slice(&crc);
}

#[test]
fn a_newer_format_is_refused_clearly_and_nothing_is_touched() {
    let whole = SimStorage::new();
    three_segments(&whole);
    let first_frame = dump(&whole).unwrap().last().unwrap().unwrap().0.offset as usize;
    for (at, magic) in [(0, SEGMENT_MAGIC), (first_frame, FRAME_MAGIC)] {
        for version_at in [4, 5] {
            let mut disk = whole.image();
            let mut content = disk.read(&segment_name(3)).unwrap();
            make_newer(&mut content, at, magic, version_at);
            disk.put(&segment_name(3), content.clone());
            let before = disk.changes();
            let error = Journal::open(disk.clone(), SMALL).unwrap_err();
            assert!(matches!(error, JournalError::Newer { found: 2, known: 1, .. }), "{error}");
            assert!(matches!(verify(&disk), Err(JournalError::Newer { .. })));
            assert_eq!((disk.changes(), disk.read(&segment_name(3)).unwrap()), (before, content));
        }
    }
}
