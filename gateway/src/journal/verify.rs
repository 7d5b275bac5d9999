//! Reads a journal as an outsider, live or dead: verifies it or gives its records one by one.
//!
//! It changes nothing and takes no lock; open the directory with `FsStorage::read_only`.

use std::fmt;

use protocol::ids::Hash32;
use protocol::record::Record;

use super::catalog::Catalog;
use super::recovery::attests;
use super::reserve;
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
    /// Emergencies that stand in the reserve only; those that follow the journal's last are written to it next.
    pub reserved: usize,
    /// Everything that breaks it, in order; at the end of a live journal a torn tail is an append under way.
    pub damage: Vec<Damage>,
    /// What of it loses nothing, or no more than a later record of the journal says.
    pub explained: usize,
}

impl VerifyReport {
    /// Whether every record is there or attested to be missing, and the chain holds.
    pub fn is_whole(&self) -> bool {
        self.damage.iter().filter(|damage| damage.may_lose_records()).count() == self.explained
    }
}

/// Unreadable bytes, and whether the numbers around them say that something is missing there.
#[derive(Debug, Default)]
struct Holes {
    /// Since the last record.
    open: usize,
    /// With the numbers that are missing behind them; none where the next record follows on.
    closed: Vec<(usize, Option<(u64, u64)>)>,
    missing: Option<(u64, u64)>,
}

impl Holes {
    fn damage(&mut self, damage: &Damage) {
        match *damage {
            Damage::Skipped { .. } | Damage::Undecodable { .. } => self.open += 1,
            Damage::MissingRecords { first_seq, last_seq } => self.missing = Some((first_seq, last_seq)),
            Damage::TornTail { .. }
            | Damage::UnreadableTail { .. }
            | Damage::Header { .. }
            | Damage::Unbegun { .. }
            | Damage::Shortened { .. }
            | Damage::MissingSegment { .. }
            | Damage::ChainBroken { .. }
            | Damage::OutOfOrder { .. }
            | Damage::KeptAside { .. }
            | Damage::Reserve => {}
        }
    }

    fn record(&mut self) {
        let missing = self.missing.take();
        let open = std::mem::take(&mut self.open);
        if open > 0 {
            self.closed.push((open, missing));
        }
    }

    /// How many of them lose nothing that `attested` does not name.
    fn explained(&self, attested: &[(u64, u64)]) -> usize {
        let named = |(first, last): (u64, u64)| attested.iter().any(|(from, to)| *from <= first && last <= *to);
        self.closed.iter().filter(|(_, missing)| missing.is_none_or(named)).map(|(count, _)| count).sum()
    }
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for damage in &self.damage {
            writeln!(f, "{damage}")?;
        }
        let Self { segments, bytes, records, kept_aside, reserved, head_hash, .. } = self;
        write!(f, "{records} records in {segments} segments, {bytes} bytes, {kept_aside} segments kept aside; ")?;
        if *reserved > 0 {
            write!(f, "{reserved} more in the reserve; ")?;
        }
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
    let Catalog { segments, aside, damage, debris: _, moved: _ } = Catalog::read(storage)?;
    let mut report = VerifyReport {
        segments: segments.len(),
        bytes: segments.iter().map(|segment| segment.bytes).sum(),
        records: 0,
        first_seq: None,
        last_seq: None,
        head_hash: Hash32::ZERO,
        kept_aside: aside.len(),
        reserved: 0,
        damage,
        explained: 0,
    };
    let mut holes = Holes::default();
    let mut attested = Vec::new();
    let mut only_reserved = OnlyReserved::read(storage)?;
    let mut walk = Walk::new(storage, segments, 0, None);
    while let Some(step) = walk.next_step()? {
        match step {
            Step::Damage(damage) => {
                holes.damage(&damage);
                report.damage.push(damage);
            }
            Step::Record { record, .. } => {
                holes.record();
                attested.extend(attests(&record));
                only_reserved.seen(&record);
                report.records += 1;
                report.first_seq.get_or_insert(record.seq);
                report.last_seq = Some(record.seq);
            }
        }
    }
    if let Some((_, head_hash)) = walk.expected() {
        report.head_hash = head_hash;
    }
    report.explained = holes.explained(&attested);
    report.reserved = only_reserved.rest().count();
    Ok(report)
}

/// What stands in the reserve and not in the journal; what is older than the journal was delivered.
#[derive(Debug)]
struct OnlyReserved {
    records: Vec<Record>,
    first_seq: Option<u64>,
}

impl OnlyReserved {
    fn read<S: Storage>(storage: &S) -> Result<Self, JournalError> {
        Ok(Self { records: reserve::read(storage)?, first_seq: None })
    }

    fn seen(&mut self, record: &Record) {
        self.first_seq.get_or_insert(record.seq);
        self.records.retain(|reserved| reserved.seq != record.seq || reserved.hash != record.hash);
    }

    fn rest(&mut self) -> impl Iterator<Item = Record> {
        let first_seq = self.first_seq.unwrap_or(0);
        std::mem::take(&mut self.records).into_iter().filter(move |record| record.seq >= first_seq)
    }
}

/// All readable records in order, each with its place; those that stand in the reserve only come last, as
/// of segment 0.
///
/// # Errors
/// As [`verify`], here and from the iterator.
pub fn dump<S: Storage>(storage: &S) -> Result<Dump<'_, S>, JournalError> {
    let segments = Catalog::read(storage)?.segments;
    let only_reserved = OnlyReserved::read(storage)?;
    Ok(Dump { walk: Walk::new(storage, segments, 0, None), only_reserved, rest: None })
}

/// The iterator of [`dump`]; damaged places are passed over.
pub struct Dump<'a, S> {
    walk: Walk<'a, S>,
    only_reserved: OnlyReserved,
    rest: Option<std::vec::IntoIter<Record>>,
}

impl<S: Storage> Iterator for Dump<'_, S> {
    type Item = Result<(Position, Record), JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(rest) = &mut self.rest {
                return rest.next().map(|record| Ok((Position { segment: 0, offset: 0 }, record)));
            }
            match self.walk.next_step() {
                Ok(None) => self.rest = Some(self.only_reserved.rest().collect::<Vec<_>>().into_iter()),
                Ok(Some(Step::Damage(_))) => {}
                Ok(Some(Step::Record { segment, offset, record, .. })) => {
                    self.only_reserved.seen(&record);
                    return Some(Ok((Position { segment, offset }, record)));
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
