//! The bytes of a segment: a header, then frames, each in an envelope of its own.
//!
//! Envelope, 16 bytes, little endian, the same in every version so that an older program can tell
//! a newer file from a damaged one: magic 4, version 1, body version 1, check 2 (CRC-32 of the other
//! header fields, cut to 16 bits: whether the length can be trusted), payload length 4, CRC-32 4
//! (of the 12 bytes before it and the payload). A frame's payload is the hash before the record (32)
//! and `Record::encode`: with the whole hash in each frame, every record still reads back with its
//! own hash when its neighbours are lost. No byte of a magic occurs in UTF-8 text.

use protocol::ids::Hash32;
use protocol::record::{BODY_BYTES_MAX, BODY_VERSION, BodyError, Record};

/// Version of header and frames that this program writes; it refuses any higher one.
pub const FORMAT_VERSION: u8 = 1;
/// Longest checkpoint, bytes.
pub const CHECKPOINT_BYTES_MAX: usize = 16 * 1024 * 1024;

pub(super) const FRAME_MAGIC: [u8; 4] = [0xFF, 0xC1, 0xF5, 0xFA];
pub(super) const SEGMENT_MAGIC: [u8; 4] = [0xFE, 0xC0, 0xF6, 0xFB];
/// Of an entry of the reserve; its payload is a frame's.
pub(super) const RESERVE_MAGIC: [u8; 4] = [0xFD, 0xC1, 0xF7, 0xF9];
pub(super) const ENVELOPE_BYTES: usize = 16;
pub(super) const FRAME_BYTES_MAX: usize = ENVELOPE_BYTES + HASH_BYTES + BODY_BYTES_MAX;
/// No frame is shorter: identity, stamp, delivery and body take at least a byte for each field.
pub(super) const FRAME_BYTES_MIN: usize = ENVELOPE_BYTES + HASH_BYTES + 8;
pub(super) const HEADER_PAYLOAD_MAX: usize = HEADER_FIXED_BYTES + CHECKPOINT_BYTES_MAX;
const HASH_BYTES: usize = 32;
const HEADER_FIXED_BYTES: usize = 8 * 5 + HASH_BYTES + 1;

/// The first 16 bytes of a header or frame whose own check is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Envelope {
    pub version: u8,
    pub body_version: u8,
    pub payload_bytes: usize,
    head: [u8; 12],
    crc: u32,
}

impl Envelope {
    /// Reads an envelope; `None` when these are not the bytes of one.
    pub fn read(magic: [u8; 4], bytes: &[u8]) -> Option<Self> {
        let head: [u8; 12] = bytes.get(..12)?.try_into().ok()?;
        let crc = u32::from_le_bytes(bytes.get(12..16)?.try_into().ok()?);
        let [m0, m1, m2, m3, version, body_version, c0, c1, l0, l1, l2, l3] = head;
        let sound = [m0, m1, m2, m3] == magic && check(&head) == u16::from_le_bytes([c0, c1]) && version > 0;
        let payload_bytes = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).ok()?;
        sound.then_some(Self { version, body_version, payload_bytes, head, crc })
    }

    /// Whether `payload` is what was written behind this envelope.
    pub fn holds(&self, payload: &[u8]) -> bool {
        payload.len() == self.payload_bytes && crc(&self.head, payload) == self.crc
    }

    /// Whether a newer program wrote it; says nothing unless [`Envelope::holds`].
    pub fn is_newer(&self) -> bool {
        self.version > FORMAT_VERSION || self.body_version > BODY_VERSION
    }
}

fn check(head: &[u8; 12]) -> u16 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&head[..6]);
    hasher.update(&head[8..]);
    let [low, high, ..] = hasher.finalize().to_le_bytes();
    u16::from_le_bytes([low, high])
}

fn crc(head: &[u8; 12], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(payload);
    hasher.finalize()
}

/// Writes the envelope of the payload that stands in `out` from `start + ENVELOPE_BYTES` on.
fn seal(magic: [u8; 4], out: &mut [u8], start: usize) {
    let (_, whole) = out.split_at_mut(start);
    let (envelope, payload) = whole.split_at_mut(ENVELOPE_BYTES);
    // Both lengths are bounded far below 4 GiB before anything is sealed.
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut head = [0; 12];
    head[..4].copy_from_slice(&magic);
    head[4..6].copy_from_slice(&[FORMAT_VERSION, BODY_VERSION]);
    head[8..].copy_from_slice(&length.to_le_bytes());
    let checked = check(&head).to_le_bytes();
    head[6..8].copy_from_slice(&checked);
    envelope[..12].copy_from_slice(&head);
    envelope[12..].copy_from_slice(&crc(&head, payload).to_le_bytes());
}

/// Appends the frame of `record`; on an error `out` is as it was.
pub(super) fn put_frame(out: &mut Vec<u8>, record: &Record) -> Result<(), BodyError> {
    put_record(FRAME_MAGIC, out, record)
}

/// Appends the entry of `record` for the reserve; on an error `out` is as it was.
pub(super) fn put_reserved(out: &mut Vec<u8>, record: &Record) -> Result<(), BodyError> {
    put_record(RESERVE_MAGIC, out, record)
}

fn put_record(magic: [u8; 4], out: &mut Vec<u8>, record: &Record) -> Result<(), BodyError> {
    let start = out.len();
    out.resize(start + ENVELOPE_BYTES, 0);
    out.extend_from_slice(&record.prev.0);
    if let Err(error) = record.encode_into(out) {
        out.truncate(start);
        return Err(error);
    }
    seal(magic, out, start);
    Ok(())
}

/// The two parts of a frame's payload: the hash before the record, and its bytes.
pub(super) fn split_frame(payload: &[u8]) -> Option<(Hash32, &[u8])> {
    let (prev, bytes) = payload.split_first_chunk::<HASH_BYTES>()?;
    Some((Hash32(*prev), bytes))
}

/// How a segment begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// Its number, also in its name.
    pub segment: u64,
    /// Number of the segment that the last record before it stands in; 0 for none.
    pub previous: u64,
    /// Good length of that segment when this one was begun.
    pub previous_bytes: u64,
    /// Sequence of the first record written from here on.
    pub first_seq: u64,
    /// Hash of the record before it.
    pub prev_hash: Hash32,
    /// Unix milliseconds of the last record made under a trusted clock; 0 for none.
    pub wall_ms: i64,
    /// Whether a checkpoint follows.
    pub has_checkpoint: bool,
}

/// The bytes of a whole header.
pub(super) fn header_bytes(header: &Header, checkpoint: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(ENVELOPE_BYTES + HEADER_FIXED_BYTES + checkpoint.len());
    out.resize(ENVELOPE_BYTES, 0);
    for number in [header.segment, header.previous, header.previous_bytes, header.first_seq] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&header.prev_hash.0);
    out.extend_from_slice(&header.wall_ms.to_le_bytes());
    out.push(u8::from(header.has_checkpoint));
    out.extend_from_slice(checkpoint);
    seal(SEGMENT_MAGIC, &mut out, 0);
    out
}

/// Reads a header's payload of this version: the header and its checkpoint's bytes.
pub(super) fn split_header(payload: &[u8]) -> Option<(Header, &[u8])> {
    let (segment, rest) = payload.split_first_chunk::<8>()?;
    let (previous, rest) = rest.split_first_chunk::<8>()?;
    let (previous_bytes, rest) = rest.split_first_chunk::<8>()?;
    let (first_seq, rest) = rest.split_first_chunk::<8>()?;
    let (prev_hash, rest) = rest.split_first_chunk::<HASH_BYTES>()?;
    let (wall_ms, rest) = rest.split_first_chunk::<8>()?;
    let ([flag], checkpoint) = rest.split_first_chunk::<1>()?;
    let header = Header {
        segment: u64::from_le_bytes(*segment),
        previous: u64::from_le_bytes(*previous),
        previous_bytes: u64::from_le_bytes(*previous_bytes),
        first_seq: u64::from_le_bytes(*first_seq),
        prev_hash: Hash32(*prev_hash),
        wall_ms: i64::from_le_bytes(*wall_ms),
        has_checkpoint: *flag == 1,
    };
    Some((header, checkpoint))
}
