//! Reads a journal as an outsider, live or dead: verifies it or gives its records one by one.
//!
//! It changes nothing and takes no lock; open the directory with `FsStorage::read_only`.

use std::fmt;

use protocol::ids::Hash32;
use protocol::record::Record;

use super::catalog::Catalog;
use super::storage::Storage;
use super::walk::{Step, Walk};
use super::{Damage, JournalError};

/// A record's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Number of its segment.
    pub segment: u64,
    /// Byte at which its frame begins.
    pub offset: u64,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// Segments read.
    pub segments: usize,
    /// Bytes in them.
    pub bytes: u64,
    /// Readable records.
    pub records: u64,
    /// Sequence of the first.
    pub first_seq: Option<u64>,
    /// Sequence of the last.
    pub last_seq: Option<u64>,
    /// Hash of the last, to hold against the centre's.
    pub head_hash: Hash32,
    /// Damaged segments kept aside from the journal.
    pub kept_aside: usize,
    /// Everything that breaks it, in order; at the end of a live journal a torn tail is an append under way.
    pub damage: Vec<Damage>,
}

impl VerifyReport {
    /// Whether every record is there and the chain holds.
    pub fn is_whole(&self) -> bool {
        !self.damage.iter().any(Damage::may_lose_records)
    }
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for damage in &self.damage {
            writeln!(f, "{damage}")?;
        }
        let Self { segments, bytes, records, kept_aside, head_hash, .. } = self;
        write!(f, "{records} records in {segments} segments, {bytes} bytes, {kept_aside} segments kept aside; ")?;
        if let (Some(first), Some(last)) = (self.first_seq, self.last_seq) {
            write!(f, "sequence {first} to {last}, head {head_hash}; ")?;
        }
        f.write_str(if self.is_whole() { "whole" } else { "NOT whole" })
    }
}

/// Checks every CRC and the hash chain of all segments.
///
/// # Errors
/// [`JournalError::Newer`], or [`JournalError::Io`] when the directory cannot be listed.
pub fn verify<S: Storage>(storage: &S) -> Result<VerifyReport, JournalError> {
    let Catalog { segments, aside, damage } = Catalog::read(storage)?;
    let mut report = VerifyReport {
        segments: segments.len(),
        bytes: segments.iter().map(|segment| segment.bytes).sum(),
        records: 0,
        first_seq: None,
        last_seq: None,
        head_hash: Hash32::ZERO,
        kept_aside: aside.len(),
        damage,
    };
    let mut walk = Walk::new(storage, segments, 0, None);
    while let Some(step) = walk.next_step()? {
        match step {
            Step::Damage(damage) => report.damage.push(damage),
            Step::Record { record, .. } => {
                report.records += 1;
                report.first_seq.get_or_insert(record.seq);
                report.last_seq = Some(record.seq);
            }
        }
    }
    if let Some((_, head_hash)) = walk.expected() {
        report.head_hash = head_hash;
    }
    Ok(report)
}

/// All readable records in order, each with its place.
///
/// # Errors
/// As [`verify`], here and from the iterator.
pub fn dump<S: Storage>(storage: &S) -> Result<Dump<'_, S>, JournalError> {
    let segments = Catalog::read(storage)?.segments;
    Ok(Dump { walk: Walk::new(storage, segments, 0, None) })
}

/// The iterator of [`dump`]; damaged places are passed over.
pub struct Dump<'a, S> {
    walk: Walk<'a, S>,
}

impl<S: Storage> Iterator for Dump<'_, S> {
    type Item = Result<(Position, Record), JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.walk.next_step() {
                Ok(None) => return None,
                Ok(Some(Step::Damage(_))) => {}
                Ok(Some(Step::Record { segment, offset, record, .. })) => {
                    return Some(Ok((Position { segment, offset }, record)));
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
