//! Reads the frames of one segment in order, going on past damage.
//!
//! A frame whose envelope is sound but whose payload is not is skipped by its length; otherwise the
//! next magic with a sound envelope is searched for. Time is linear in the file, memory one window.
//! What the disk refuses to read counts as damaged, so that a bad sector never stops a start.

use std::io;

use protocol::ids::Hash32;
use protocol::record::{BodyError, Record, chain};

use super::format::{ENVELOPE_BYTES, Envelope, FRAME_BYTES_MAX, FRAME_MAGIC, split_frame};
use super::storage::Storage;
use super::{FORMAT_VERSION, JournalError};

/// Bytes read from the disk at a time.
const WINDOW_BYTES: usize = 256 * 1024;
/// A place that cannot be read is passed over in steps of this size.
const SECTOR_BYTES: usize = 4096;

/// What stands next in a segment.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every piece is a record; a box for each would only cost")]
pub(super) enum Piece {
    Record {
        offset: u64,
        end: u64,
        record: Record,
    },
    /// A whole frame whose record cannot be understood.
    Undecodable {
        offset: u64,
        hash: Hash32,
    },
    Unreadable {
        offset: u64,
        bytes: u64,
        ending: Ending,
    },
}

/// What stands behind unreadable bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// A readable frame.
    Followed,
    /// The end, and they are a frame cut short or nothing but zeros: what an interrupted append leaves.
    Torn,
    /// The end, and they are something else.
    Odd,
}

#[derive(Debug, Clone, Copy)]
enum Look {
    Good {
        end: u64,
    },
    /// The envelope can be trusted, the payload not.
    Spoilt {
        end: u64,
    },
    /// The beginning of a frame that goes on past the end of the file.
    Short,
    Nothing,
}

pub(super) struct Scan<'s, S> {
    storage: &'s S,
    name: String,
    at: u64,
    end: u64,
    window: Vec<u8>,
    window_at: u64,
    /// A read failed; then nothing is known about the end of the file.
    read_failed: bool,
}

impl<'s, S: Storage> Scan<'s, S> {
    /// Reads `name` from `at` up to `end`.
    pub fn new(storage: &'s S, name: String, at: u64, end: u64) -> Self {
        Self { storage, name, at, end, window: Vec::new(), window_at: 0, read_failed: false }
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// [`JournalError::Newer`] only.
    pub fn next_piece(&mut self) -> Result<Option<Piece>, JournalError> {
        if self.at >= self.end {
            return Ok(None);
        }
        let start = self.at;
        let first = self.look(start)?;
        if let Look::Good { end } = first {
            return Ok(self.take(start, end));
        }
        let mut look = first;
        loop {
            self.at = match look {
                Look::Good { .. } => {
                    return Ok(Some(Piece::Unreadable {
                        offset: start,
                        bytes: self.at - start,
                        ending: Ending::Followed,
                    }));
                }
                Look::Spoilt { end } => end,
                Look::Short | Look::Nothing => self.search(self.at + 1),
            };
            if self.at >= self.end {
                self.at = self.end;
                let ending = self.ending(start, first);
                return Ok(Some(Piece::Unreadable { offset: start, bytes: self.end - start, ending }));
            }
            look = self.look(self.at)?;
        }
    }

    fn ending(&mut self, start: u64, first: Look) -> Ending {
        let torn = match first {
            Look::Short => true,
            Look::Nothing => self.only_zeros(start),
            Look::Good { .. } | Look::Spoilt { .. } => false,
        };
        if torn && !self.read_failed { Ending::Torn } else { Ending::Odd }
    }

    fn only_zeros(&mut self, mut at: u64) -> bool {
        while at < self.end {
            let chunk = self.bytes(at, SECTOR_BYTES);
            if chunk.is_empty() || chunk.iter().any(|byte| *byte != 0) {
                return false;
            }
            at += chunk.len() as u64;
        }
        true
    }

    fn look(&mut self, at: u64) -> Result<Look, JournalError> {
        let head = self.bytes(at, ENVELOPE_BYTES);
        if head.len() < ENVELOPE_BYTES {
            let begins = head.iter().zip(FRAME_MAGIC).all(|(byte, magic)| *byte == magic);
            return Ok(if begins { Look::Short } else { Look::Nothing });
        }
        let Some(envelope) = Envelope::read(FRAME_MAGIC, head) else { return Ok(Look::Nothing) };
        let whole_bytes = ENVELOPE_BYTES.saturating_add(envelope.payload_bytes);
        if whole_bytes > FRAME_BYTES_MAX {
            return Ok(Look::Nothing);
        }
        let end = at + whole_bytes as u64;
        if end > self.end {
            return Ok(Look::Short);
        }
        let whole = self.bytes(at, whole_bytes);
        if !whole.get(ENVELOPE_BYTES..).is_some_and(|payload| envelope.holds(payload)) {
            return Ok(Look::Spoilt { end });
        }
        if envelope.is_newer() {
            let found = envelope.version.max(envelope.body_version);
            return Err(JournalError::Newer { name: self.name.clone(), found, known: FORMAT_VERSION });
        }
        Ok(Look::Good { end })
    }

    /// The record of the good frame at `offset`.
    fn take(&mut self, offset: u64, end: u64) -> Option<Piece> {
        self.at = end;
        let whole = self.bytes(offset, usize::try_from(end - offset).unwrap_or(FRAME_BYTES_MAX));
        let (head, payload) = whole.split_at_checked(ENVELOPE_BYTES)?;
        let body_version = Envelope::read(FRAME_MAGIC, head)?.body_version;
        let Some((prev, bytes)) = split_frame(payload) else {
            return Some(Piece::Undecodable { offset, hash: Hash32::ZERO });
        };
        Some(match Record::decode(body_version, bytes, prev) {
            Ok(record) => Piece::Record { offset, end, record },
            Err(BodyError::Encode(_) | BodyError::Decode(_) | BodyError::Version { .. }) => {
                Piece::Undecodable { offset, hash: chain(prev, bytes) }
            }
        })
    }

    /// Where the next magic stands at or after `at`; the end when there is none.
    fn search(&mut self, mut at: u64) -> u64 {
        loop {
            let chunk = self.bytes(at, WINDOW_BYTES / 2);
            if let Some(found) = chunk.windows(FRAME_MAGIC.len()).position(|four| four == FRAME_MAGIC) {
                return at + found as u64;
            }
            let Some(step) = chunk.len().checked_sub(FRAME_MAGIC.len() - 1).filter(|step| *step > 0) else {
                return self.end;
            };
            at += step as u64;
        }
    }

    /// Up to `len` bytes at `at`; fewer only at the end.
    fn bytes(&mut self, at: u64, len: usize) -> &[u8] {
        let len = usize::try_from(self.end.saturating_sub(at)).map_or(len, |left| left.min(len));
        let within = at >= self.window_at && at + len as u64 <= self.window_at + self.window.len() as u64;
        if !within {
            self.load(at, len);
        }
        let from = usize::try_from(at - self.window_at).unwrap_or(usize::MAX);
        self.window.get(from..).map_or(&[], |rest| &rest[..len.min(rest.len())])
    }

    fn load(&mut self, at: u64, len: usize) {
        // What was to be read may end before `at` by now: a live file was cut, or is gone.
        let left = usize::try_from(self.end.saturating_sub(at)).unwrap_or(usize::MAX);
        self.window.clear();
        self.window.resize(left.min(WINDOW_BYTES).max(len), 0);
        self.window_at = at;
        let (got, failed) = match self.storage.read_at(&self.name, at, &mut self.window) {
            Ok(got) => (got, false),
            Err(_) => read_around(self.storage, &self.name, at, &mut self.window),
        };
        self.read_failed |= failed;
        if got < self.window.len() {
            // The file is shorter than it was when asked: a live one was cut, or a disk lies.
            self.window.truncate(got);
            self.end = self.end.min(at + got as u64);
        }
    }
}

/// Reads what can be read around bad sectors and leaves zeros in their place.
fn read_around<S: Storage>(storage: &S, name: &str, at: u64, buf: &mut [u8]) -> (usize, bool) {
    let mut got = 0;
    for (step, sector) in buf.chunks_mut(SECTOR_BYTES).enumerate() {
        let want = sector.len();
        match storage.read_at(name, at + (step * SECTOR_BYTES) as u64, sector) {
            Ok(read) if read < want => return (got + read, true),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return (got, true),
            Err(_) => sector.fill(0),
        }
        got += want;
    }
    (got, true)
}

#[cfg(test)]
mod tests {
    use super::super::sim_storage::SimStorage;
    use super::*;

    /// What a reader of a live journal meets: the writer cuts or retires a file that was just listed.
    #[test]
    fn a_file_that_is_shorter_than_it_was_when_asked_is_read_to_its_end() {
        for content in [None, Some(1_usize), Some(3), Some(WINDOW_BYTES / 2 + 1), Some(WINDOW_BYTES + 3)] {
            let mut storage = SimStorage::new();
            if let Some(bytes) = content {
                storage.create("live").unwrap();
                storage.append("live", &vec![7; bytes]).unwrap();
            }
            let mut scan = Scan::new(&storage, "live".to_owned(), 0, 3 * WINDOW_BYTES as u64);
            let mut pieces = 0;
            while let Some(piece) = scan.next_piece().unwrap() {
                assert!(matches!(piece, Piece::Unreadable { .. }), "{piece:?}");
                pieces += 1;
            }
            assert!(pieces <= 1, "{pieces} pieces");
        }
    }
}
