//! The journal: an append-only, segmented log of CRC-framed, versioned, hash-chained records.
//!
//! When [`Journal::write`] returns, its records are durable. After any error the next call mends the
//! end of the log before it appends, so that nothing confirmed ever stands behind doubtful bytes.
//! It never interprets a record, never deletes a damaged segment, never waits and never retries.

mod catalog;
mod damage;
mod error;
mod format;
mod recovery;
mod reserve;
mod retirement;
mod rewrite;
mod scan;
pub mod sim_storage;
pub mod storage;
mod verify;
mod walk;

use std::borrow::Borrow;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use protocol::ids::Hash32;
use protocol::record::Record;

use catalog::{Segment, segment_name};
use format::{Header, header_bytes, put_frame};
use reserve::Reserve;
use rewrite::Unsynced;
use walk::{Step, Walk};

pub use damage::Damage;
pub use error::JournalError;
pub use format::{CHECKPOINT_BYTES_MAX, FORMAT_VERSION};
pub use recovery::Recovery;
pub use reserve::Reserved;
pub use storage::{FsStorage, Storage};
pub use verify::{Dump, Position, VerifyReport, dump, verify};

/// Most bytes of records that one [`Journal::read`] gives, unless the first alone is longer.
pub const READ_BYTES_MAX: u64 = 1024 * 1024;

/// How large a journal gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalLimits {
    /// From this length on a segment asks to be rolled, bytes.
    pub segment_bytes: u64,
    /// Delivered segments are kept while all together are no longer than this, bytes.
    pub retained_bytes: u64,
    /// And no longer than this after their last record, milliseconds by trusted clocks.
    pub retained_ms: u64,
    /// Length of the reserve for undelivered emergencies, bytes; 0 for none.
    pub reserve_bytes: u64,
}

impl Default for JournalLimits {
    /// 1 MiB a segment, 64 MiB and 180 days kept, room for some 500 undelivered emergencies.
    fn default() -> Self {
        let retained_ms = 180 * 24 * 3_600_000;
        Self { segment_bytes: 1 << 20, retained_bytes: 64 << 20, retained_ms, reserve_bytes: 256 << 10 }
    }
}

/// What a write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Length of the active segment now.
    pub segment_bytes: u64,
    /// Whether it has reached its limit and [`Journal::roll`] is due.
    pub roll_due: bool,
}

/// Whether the end of the active segment can be appended to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tail {
    Ready,
    /// Bytes behind the good length, or an unconfirmed sync: cut and sync first.
    Doubtful,
    /// Only a new segment will do.
    Closed,
}

/// Where the last [`Journal::read`] ended.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    segment: u64,
    offset: u64,
    next_seq: u64,
}

/// A journal open for writing, the only one of its directory.
#[derive(Debug)]
pub struct Journal<S: Storage> {
    storage: S,
    limits: JournalLimits,
    /// Oldest first; the last is appended to unless the tail is closed.
    segments: Vec<Segment>,
    /// Name of the last segment.
    active: String,
    /// Highest segment number ever used.
    highest: u64,
    tail: Tail,
    /// The newest segment, where it may stand in the memory of a killed run only.
    unsynced: Option<Unsynced>,
    next_seq: u64,
    head_hash: Hash32,
    /// Wall clock of the last record made under a trusted one; 0 for none.
    wall_ms: i64,
    buffer: Vec<u8>,
    cursor: Cell<Option<Cursor>>,
    /// Segments that reading found damaged.
    found_damaged: RefCell<BTreeSet<u64>>,
    reserve: Reserve,
}

impl<S: Storage> Journal<S> {
    /// Opens the journal of a directory, mends what an interrupted run left, and gives what to start from.
    ///
    /// Damage, unreadable sectors and a disk that takes no writes never fail it: they are named in the
    /// [`Recovery`].
    ///
    /// # Errors
    /// Before anything is touched: [`JournalError::Newer`], and [`JournalError::Io`] when the directory
    /// cannot be listed or the disk gives nothing at all of any segment in it, so that a disk which only
    /// fails for a time is never taken for an empty one.
    pub fn open(storage: S, limits: JournalLimits) -> Result<(Self, Recovery), JournalError> {
        Self::open_with(storage, limits, None, |_| true)
    }

    /// The same, starting from the newest checkpoint that `understands` takes; older records are replayed
    /// in the place of one that it does not.
    ///
    /// In the `boot` in which it was written (none for unknown) the newest segment may stand in memory only, its
    /// sync failed and its writer killed. It is then written over with itself; what the disk gave after a
    /// power cut is on the disk, and left alone.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_with(
        storage: S,
        limits: JournalLimits,
        boot: Option<u64>,
        understands: impl Fn(&[u8]) -> bool,
    ) -> Result<(Self, Recovery), JournalError> {
        recovery::open(storage, limits, boot, &understands)
    }

    /// Makes the reserve hold these emergencies, the first ones where not all fit, and no others; they are
    /// durable when it returns. It works on a full disk too.
    pub fn reserve<R: Borrow<Record>>(&mut self, records: &[R]) -> Reserved {
        self.reserve.hold(&mut self.storage, records)
    }

    /// Whether the reserve can take records: it is made, which needs space once.
    pub fn has_reserve(&self) -> bool {
        self.reserve.is_made()
    }

    /// Appends the records in one write and makes them durable with one sync.
    ///
    /// A jump in the sequence is kept and named later: records that could not be written before.
    ///
    /// # Errors
    /// [`JournalError::Encode`] and [`JournalError::OutOfOrder`] with nothing written. After
    /// [`JournalError::Io`] the records may or may not be found again at the next start. The same ones may
    /// be written again, or left out; their numbers are never given to others. The journal recovers by
    /// itself when the disk does.
    pub fn write<R: Borrow<Record>>(&mut self, records: &[R]) -> Result<Written, JournalError> {
        let Some(last) = records.last().map(Borrow::borrow) else { return Ok(self.written()) };
        self.encode(records)?;
        self.mend()?;
        let Some(segment) = self.segments.last_mut() else { return Ok(self.written()) };
        // Set back only when all is durable: whatever fails before, the next call cuts it off first.
        self.tail = Tail::Doubtful;
        let name = &*self.active;
        self.storage.append(name, &self.buffer).map_err(|source| JournalError::io("append to", name, source))?;
        self.storage.sync(name).map_err(|source| JournalError::io("sync", name, source))?;
        self.tail = Tail::Ready;
        segment.bytes += self.buffer.len() as u64;
        self.next_seq = last.seq.saturating_add(1);
        self.head_hash = last.hash;
        if let Some(trusted) = records.iter().map(Borrow::borrow).rev().find(|record| record.at.wall_trusted) {
            self.wall_ms = trusted.at.wall_ms;
        }
        Ok(self.written())
    }

    fn encode<R: Borrow<Record>>(&mut self, records: &[R]) -> Result<(), JournalError> {
        self.buffer.clear();
        let mut next_seq = self.next_seq;
        for record in records.iter().map(Borrow::borrow) {
            if record.seq < next_seq {
                return Err(JournalError::OutOfOrder { seq: record.seq, next_seq });
            }
            next_seq = record.seq.saturating_add(1);
            put_frame(&mut self.buffer, record).map_err(|source| JournalError::Encode { seq: record.seq, source })?;
        }
        Ok(())
    }

    fn written(&self) -> Written {
        let segment_bytes = self.segments.last().map_or(0, |segment| segment.bytes);
        Written { segment_bytes, roll_due: segment_bytes >= self.limits.segment_bytes }
    }

    /// Makes the end of the log fit to be appended to.
    fn mend(&mut self) -> Result<(), JournalError> {
        self.write_over()?;
        match self.tail {
            Tail::Ready => Ok(()),
            Tail::Closed => self.begin_segment(None),
            Tail::Doubtful => self.cut().or_else(|error| self.begin_segment(None).map_err(|_| error)),
        }
    }

    /// Cuts the active segment to its good length. The sync is needed also where nothing is cut: what
    /// a killed run left in memory only must not be built upon.
    fn cut(&mut self) -> Result<(), JournalError> {
        let Some(segment) = self.segments.last() else { return Ok(()) };
        let (name, bytes) = (&self.active, segment.bytes);
        let size = self.storage.size(name).map_err(|source| JournalError::io("measure", &**name, source))?;
        if size != bytes {
            self.storage.truncate(name, bytes).map_err(|source| JournalError::io("cut", &**name, source))?;
        }
        self.storage.sync(name).map_err(|source| JournalError::io("sync", &**name, source))?;
        self.storage.sync_dir().map_err(|source| JournalError::io("sync", "the directory", source))?;
        self.tail = Tail::Ready;
        Ok(())
    }

    /// Begins a new segment with a checkpoint that covers every record written so far.
    ///
    /// # Errors
    /// [`JournalError::CheckpointTooLong`], or [`JournalError::Io`]; the journal then goes on where it was.
    pub fn roll(&mut self, checkpoint: &[u8]) -> Result<(), JournalError> {
        if checkpoint.len() > CHECKPOINT_BYTES_MAX {
            return Err(JournalError::CheckpointTooLong { bytes: checkpoint.len() });
        }
        self.write_over()?;
        self.begin_segment(Some(checkpoint))
    }

    fn begin_segment(&mut self, checkpoint: Option<&[u8]>) -> Result<(), JournalError> {
        // A number is used once, so that what a failed attempt left is never taken for its successor.
        self.highest += 1;
        let header = Header {
            segment: self.highest,
            previous: self.segments.last().map_or(0, |segment| segment.number),
            previous_bytes: self.segments.last().map_or(0, |segment| segment.bytes),
            first_seq: self.next_seq,
            prev_hash: self.head_hash,
            wall_ms: self.wall_ms,
            has_checkpoint: checkpoint.is_some(),
        };
        let bytes = header_bytes(&header, checkpoint.unwrap_or_default());
        let name = segment_name(header.segment);
        self.storage.create(&name).map_err(|source| JournalError::io("create", &*name, source))?;
        if let Err(error) = self.put_header(&name, &bytes) {
            // A header that survives says that the segment before it has ended: either it goes for
            // good, or nothing more is written there.
            let gone = self.storage.remove(&name).and_then(|()| self.storage.sync_dir());
            if gone.is_err() {
                self.tail = Tail::Closed;
            }
            return Err(error);
        }
        let length = bytes.len() as u64;
        let number = header.segment;
        self.segments.push(Segment {
            number,
            bytes: length,
            header: Some(header),
            frames_at: length,
            unbegun: false,
            refused: false,
            damaged: false,
        });
        self.active = name;
        self.tail = Tail::Ready;
        Ok(())
    }

    fn put_header(&mut self, name: &str, bytes: &[u8]) -> Result<(), JournalError> {
        self.storage.append(name, bytes).map_err(|source| JournalError::io("append to", name, source))?;
        self.storage.sync(name).map_err(|source| JournalError::io("sync", name, source))?;
        self.storage.sync_dir().map_err(|source| JournalError::io("sync", "the directory", source))
    }

    /// Records from `from_seq` on in order, at most `limit` and about [`READ_BYTES_MAX`]; damaged places
    /// are passed over, so the sequence may jump. Empty only when nothing readable follows.
    ///
    /// # Errors
    /// [`JournalError::Newer`].
    pub fn read(&self, from_seq: u64, limit: usize) -> Result<Vec<Record>, JournalError> {
        let mut records = Vec::new();
        let (mut walk, resumed) = self.walk_from(from_seq);
        let mut last = resumed;
        let mut bytes = 0;
        while records.len() < limit && bytes < READ_BYTES_MAX {
            match walk.next_step()? {
                None => break,
                Some(Step::Record { record, .. }) if record.seq < from_seq => {}
                Some(Step::Record { segment, offset, end, record }) => {
                    bytes += end - offset;
                    last = Some(Cursor { segment, offset: end, next_seq: record.seq.saturating_add(1) });
                    records.push(record);
                }
                Some(Step::Damage(damage)) => {
                    if let Some(segment) = damage.segment() {
                        self.found_damaged.borrow_mut().insert(segment);
                    }
                }
            }
        }
        self.cursor.set(last);
        Ok(records)
    }

    fn walk_from(&self, from_seq: u64) -> (Walk<'_, S>, Option<Cursor>) {
        let resumed = self.cursor.get().filter(|cursor| cursor.next_seq == from_seq);
        if let Some(cursor) = resumed
            && let Some(index) = self.segments.iter().position(|segment| segment.number == cursor.segment)
        {
            return (Walk::new(&self.storage, &*self.segments, index, None).entering_at(cursor.offset), resumed);
        }
        let begins_before = |segment: &Segment| segment.header.as_ref().is_some_and(|h| h.first_seq <= from_seq);
        let index = self.segments.iter().rposition(begins_before).unwrap_or(0);
        (Walk::new(&self.storage, &*self.segments, index, None), None)
    }

    /// The sequence that comes next and the hash of the last record.
    pub fn head(&self) -> (u64, Hash32) {
        (self.next_seq, self.head_hash)
    }

    /// Length of all segments together, those kept aside not counted.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// How many segments there are, those kept aside not counted.
    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    /// Ends the journal and gives its storage back.
    pub fn into_storage(self) -> S {
        self.storage
    }
}

#[cfg(test)]
mod tests;
