//! The segments of a journal by their names and headers, without reading their records.

use super::format::{ENVELOPE_BYTES, Envelope, HEADER_PAYLOAD_MAX, Header, SEGMENT_MAGIC, split_header};
use super::storage::Storage;
use super::{Damage, FORMAT_VERSION, JournalError};

const PREFIX: &str = "segment-";
const SUFFIX: &str = ".journal";
/// Added to the name of a segment that is kept aside because it is damaged.
const ASIDE: &str = ".damaged";
/// Added to the name of a segment whose place it is to take.
const MOVED: &str = ".moved";

/// One file of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub number: u64,
    /// Length up to which it is read: the whole file, or what was good when its successor was begun.
    pub bytes: u64,
    /// `None` when it cannot be read.
    pub header: Option<Header>,
    /// Where frames begin.
    pub frames_at: u64,
    /// Whether it ends before its header does.
    pub unbegun: bool,
    /// Whether the disk refused to read its beginning.
    pub refused: bool,
    /// Whether anything about it is known to be damaged.
    pub damaged: bool,
}

impl Segment {
    pub fn name(&self) -> String {
        segment_name(self.number)
    }
}

pub(super) fn segment_name(number: u64) -> String {
    format!("{PREFIX}{number:010}{SUFFIX}")
}

pub(super) fn aside_name(number: u64) -> String {
    format!("{PREFIX}{number:010}{SUFFIX}{ASIDE}")
}

pub(super) fn moved_name(name: &str) -> String {
    format!("{name}{MOVED}")
}

pub(super) fn number_in(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    digits.parse().ok().filter(|number| segment_name(*number) == name)
}

/// All segments, oldest first, and what their headers say is missing.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    pub segments: Vec<Segment>,
    /// Numbers of the segments kept aside.
    pub aside: Vec<u64>,
    /// Files that a failed attempt to begin a segment left: no other segment follows them.
    pub debris: Vec<Segment>,
    /// Files that were to take a segment's place and never did.
    pub moved: Vec<String>,
    pub damage: Vec<Damage>,
}

impl Catalog {
    /// Reads names and headers.
    ///
    /// # Errors
    /// [`JournalError::Newer`] for a newer format, [`JournalError::Io`] when the directory cannot be read.
    pub fn read<S: Storage>(storage: &S) -> Result<Self, JournalError> {
        let names = storage.list().map_err(|source| JournalError::io("list", "the directory", source))?;
        let mut catalog = Self::default();
        for name in names {
            if let Some(number) = number_in(&name) {
                let Ok(bytes) = storage.size(&name) else { continue };
                catalog.segments.push(read_segment(storage, number, bytes)?);
            } else if let Some(number) = name.strip_suffix(ASIDE).and_then(number_in) {
                catalog.aside.push(number);
            } else if name.strip_suffix(MOVED).and_then(number_in).is_some() {
                catalog.moved.push(name);
            }
        }
        catalog.aside.sort_unstable();
        catalog.segments.sort_by_key(|segment| segment.number);
        catalog.leave_out_debris();
        catalog.compare_lengths();
        Ok(catalog)
    }

    /// A segment names the one it follows: what has a number between the two was never begun.
    fn leave_out_debris(&mut self) {
        let headers = self.segments.iter().filter_map(|segment| segment.header.as_ref());
        let skipped: Vec<_> =
            headers.filter(|header| header.previous > 0).map(|header| (header.previous + 1)..header.segment).collect();
        let is_debris = |segment: &mut Segment| {
            segment.header.is_none() && !segment.refused && skipped.iter().any(|range| range.contains(&segment.number))
        };
        self.debris = self.segments.extract_if(.., is_debris).collect();
    }

    /// Holds each segment against what its successor's header says of it.
    fn compare_lengths(&mut self) {
        let Some(oldest) = self.segments.first().map(|segment| segment.number) else { return };
        let mut said: Vec<(u64, u64)> = self
            .segments
            .iter()
            .filter_map(|segment| segment.header.as_ref())
            .filter(|header| header.previous > 0)
            .map(|header| (header.previous, header.previous_bytes))
            .collect();
        said.dedup_by_key(|(number, _)| *number);
        for (number, bytes) in said {
            match self.segments.iter_mut().find(|segment| segment.number == number) {
                Some(segment) if segment.bytes < bytes => {
                    segment.damaged = true;
                    self.damage.push(Damage::Shortened { segment: number, bytes: bytes - segment.bytes });
                }
                // What stands behind is no part of the journal; as evidence it is kept when its time comes.
                Some(segment) => {
                    segment.damaged |= segment.bytes > bytes.max(segment.frames_at);
                    segment.bytes = bytes.max(segment.frames_at);
                }
                None if number > oldest && !self.aside.contains(&number) => {
                    self.damage.push(Damage::MissingSegment { segment: number });
                }
                None => {}
            }
        }
    }

    /// The highest number ever given to a file that is still there.
    pub fn highest(&self) -> u64 {
        let newest = self.segments.last().map_or(0, |segment| segment.number);
        newest.max(self.aside.last().copied().unwrap_or(0)).max(self.debris.last().map_or(0, |left| left.number))
    }
}

/// Sequence below which all records of segment `index` are: its successors begin there.
pub(super) fn end_seq(segments: &[Segment], index: usize) -> u64 {
    let later = segments.get(index + 1..).unwrap_or_default();
    later.iter().filter_map(|segment| segment.header.as_ref()).map(|header| header.first_seq).min().unwrap_or(u64::MAX)
}

/// Reads a segment's header.
///
/// # Errors
/// As [`Catalog::read`].
pub(super) fn read_segment<S: Storage>(storage: &S, number: u64, bytes: u64) -> Result<Segment, JournalError> {
    let read = read_header(storage, number, bytes)?;
    let mut segment =
        Segment { number, bytes, header: None, frames_at: 0, unbegun: false, refused: false, damaged: true };
    match read {
        HeaderRead::Whole { header, end, .. } => {
            (segment.header, segment.frames_at, segment.damaged) = (Some(header), end, false);
        }
        HeaderRead::Unbegun => (segment.frames_at, segment.unbegun) = (bytes, true),
        HeaderRead::Damaged { frames_at } => segment.frames_at = frames_at,
        HeaderRead::Refused => segment.refused = true,
    }
    Ok(segment)
}

enum HeaderRead {
    Whole {
        header: Header,
        checkpoint: Vec<u8>,
        end: u64,
    },
    /// The file ends before its header does.
    Unbegun,
    /// Frames are to be looked for from `frames_at` on.
    Damaged {
        frames_at: u64,
    },
    /// The disk does not give it.
    Refused,
}

fn read_header<S: Storage>(storage: &S, number: u64, bytes: u64) -> Result<HeaderRead, JournalError> {
    let name = segment_name(number);
    if bytes < ENVELOPE_BYTES as u64 {
        return Ok(HeaderRead::Unbegun);
    }
    let mut head = [0; ENVELOPE_BYTES];
    if !matches!(storage.read_at(&name, 0, &mut head), Ok(ENVELOPE_BYTES)) {
        return Ok(HeaderRead::Refused);
    }
    let envelope = Envelope::read(SEGMENT_MAGIC, &head).filter(|found| found.payload_bytes <= HEADER_PAYLOAD_MAX);
    let Some(envelope) = envelope else { return Ok(HeaderRead::Damaged { frames_at: 0 }) };
    let end = (ENVELOPE_BYTES + envelope.payload_bytes) as u64;
    if end > bytes {
        return Ok(HeaderRead::Unbegun);
    }
    let mut payload = vec![0; envelope.payload_bytes];
    if !storage.read_at(&name, ENVELOPE_BYTES as u64, &mut payload).is_ok_and(|got| got == payload.len()) {
        return Ok(HeaderRead::Refused);
    }
    if !envelope.holds(&payload) {
        return Ok(HeaderRead::Damaged { frames_at: end });
    }
    if envelope.is_newer() {
        let found = envelope.version.max(envelope.body_version);
        return Err(JournalError::Newer { name, found, known: FORMAT_VERSION });
    }
    Ok(match split_header(&payload) {
        Some((header, checkpoint)) if header.segment == number => {
            HeaderRead::Whole { header, checkpoint: checkpoint.to_vec(), end }
        }
        Some(_) | None => HeaderRead::Damaged { frames_at: end },
    })
}

/// The checkpoint that a segment begins with, where it has a readable one.
///
/// # Errors
/// As [`Catalog::read`].
pub(super) fn read_checkpoint<S: Storage>(storage: &S, segment: &Segment) -> Result<Option<Vec<u8>>, JournalError> {
    Ok(match read_header(storage, segment.number, segment.bytes)? {
        HeaderRead::Whole { header, checkpoint, .. } => header.has_checkpoint.then_some(checkpoint),
        HeaderRead::Unbegun | HeaderRead::Damaged { .. } | HeaderRead::Refused => None,
    })
}
