//! Walks records through several segments in order, holding each against the chain.
//!
//! One walk serves start-up, reading a backlog, verifying and dumping. It changes nothing.

use std::borrow::Cow;
use std::collections::VecDeque;

use protocol::ids::Hash32;
use protocol::record::Record;

use super::catalog::Segment;
use super::format::FRAME_BYTES_MIN;
use super::scan::{Ending, Piece, Scan};
use super::storage::Storage;
use super::{Damage, JournalError};

/// What comes next on a walk.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every step is a record; a box for each would only cost")]
pub(super) enum Step {
    Record { segment: u64, offset: u64, end: u64, record: Record },
    Damage(Damage),
}

pub(super) struct Walk<'a, S> {
    storage: &'a S,
    segments: Cow<'a, [Segment]>,
    index: usize,
    scan: Option<Scan<'a, S>>,
    /// Where the segment at `index` is entered, when not at its first frame.
    enter_at: Option<u64>,
    /// Sequence and previous hash that the next record must have; `None` takes any.
    expected: Option<(u64, Hash32)>,
    /// Unreadable bytes since the sequence was last known.
    doubtful_bytes: u64,
    waiting: VecDeque<Step>,
}

impl<'a, S: Storage> Walk<'a, S> {
    /// Begins at segment `index`, where the next record must follow `expected`.
    pub fn new(
        storage: &'a S,
        segments: impl Into<Cow<'a, [Segment]>>,
        index: usize,
        expected: Option<(u64, Hash32)>,
    ) -> Self {
        let (segments, waiting) = (segments.into(), VecDeque::new());
        Self { storage, segments, index, scan: None, enter_at: None, expected, doubtful_bytes: 0, waiting }
    }

    /// Enters the first segment at `offset`, where a frame begins.
    pub fn entering_at(mut self, offset: u64) -> Self {
        self.enter_at = Some(offset);
        self
    }

    /// Sequence and previous hash of the record that would come next.
    pub fn expected(&self) -> Option<(u64, Hash32)> {
        self.expected
    }

    /// How many records may stand in the bytes that could not be read since the last that could.
    pub fn records_in_doubt(&self) -> u64 {
        self.doubtful_bytes.div_ceil(FRAME_BYTES_MIN as u64)
    }

    /// The next step; `None` at the end.
    ///
    /// # Errors
    /// [`JournalError::Newer`].
    pub fn next_step(&mut self) -> Result<Option<Step>, JournalError> {
        loop {
            if let Some(step) = self.waiting.pop_front() {
                return Ok(Some(step));
            }
            let Some(scan) = &mut self.scan else {
                let Some(segment) = self.segments.get(self.index).cloned() else { return Ok(None) };
                self.enter(&segment);
                continue;
            };
            match scan.next_piece()? {
                Some(piece) => self.take(piece),
                None => {
                    self.scan = None;
                    self.index += 1;
                }
            }
        }
    }

    fn damage(&mut self, damage: Damage) {
        self.waiting.push_back(Step::Damage(damage));
    }

    fn enter(&mut self, segment: &Segment) {
        let entered = self.enter_at.take();
        let at = entered.unwrap_or(segment.frames_at);
        self.scan = Some(Scan::new(self.storage, segment.name(), at, segment.bytes));
        match &segment.header {
            None if segment.unbegun => self.damage(Damage::Unbegun { segment: segment.number }),
            None => self.damage(Damage::Header { segment: segment.number }),
            Some(header) if entered.is_none() => {
                self.missing_up_to(header.first_seq);
                if self.expected.is_some_and(|(seq, hash)| seq == header.first_seq && hash != header.prev_hash) {
                    self.damage(Damage::ChainBroken { segment: segment.number, offset: 0, seq: header.first_seq });
                }
                self.expected = Some((header.first_seq, header.prev_hash));
                self.doubtful_bytes = 0;
            }
            Some(_) => {}
        }
    }

    fn missing_up_to(&mut self, seq: u64) {
        if let Some((first_seq, _)) = self.expected.filter(|(expected, _)| *expected < seq) {
            self.damage(Damage::MissingRecords { first_seq, last_seq: seq - 1 });
        }
    }

    fn take(&mut self, piece: Piece) {
        let segment = self.segments.get(self.index).map_or(0, |segment| segment.number);
        match piece {
            Piece::Unreadable { offset, bytes, ending } => {
                let newest = self.index + 1 == self.segments.len();
                match ending {
                    Ending::Torn if newest => return self.damage(Damage::TornTail { segment, offset, bytes }),
                    Ending::Odd if newest => self.damage(Damage::UnreadableTail { segment, offset, bytes }),
                    Ending::Torn | Ending::Odd | Ending::Refused | Ending::Followed => {
                        self.damage(Damage::Skipped { segment, offset, bytes });
                    }
                }
                self.doubtful_bytes += bytes;
            }
            Piece::Undecodable { offset, hash } => {
                self.expected = self.expected.map(|(seq, _)| (seq + 1, hash));
                self.damage(Damage::Undecodable { segment, offset });
            }
            Piece::Record { offset, end, record } => self.take_record(segment, offset, end, record),
        }
    }

    fn take_record(&mut self, segment: u64, offset: u64, end: u64, record: Record) {
        if self.expected.is_some_and(|(seq, _)| record.seq < seq) {
            self.damage(Damage::OutOfOrder { segment, offset, seq: record.seq });
            return;
        }
        self.missing_up_to(record.seq);
        if self.expected.is_some_and(|(seq, hash)| seq == record.seq && hash != record.prev) {
            self.damage(Damage::ChainBroken { segment, offset, seq: record.seq });
        }
        self.expected = Some((record.seq.saturating_add(1), record.hash));
        self.doubtful_bytes = 0;
        self.waiting.push_back(Step::Record { segment, offset, end, record });
    }
}
