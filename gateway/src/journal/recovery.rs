//! Start-up: finds the newest usable checkpoint, replays what follows it, mends the end of the log.
//!
//! Everything is read before anything is touched. Segments older than the checkpoint are looked at by
//! their headers only.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io;

use protocol::ids::Hash32;
use protocol::record::Record;

use super::catalog::{Catalog, Segment, aside_name, read_checkpoint};
use super::storage::Storage;
use super::walk::{Step, Walk};
use super::{Damage, Journal, JournalError, JournalLimits, Tail};

/// What a journal gives at start-up.
#[derive(Debug)]
pub struct Recovery {
    /// The newest checkpoint that could be read; `None` when everything is replayed from the beginning.
    pub checkpoint: Option<Vec<u8>>,
    /// Every readable record after it, in order.
    pub records: Vec<Record>,
    /// The sequence that comes next.
    pub next_seq: u64,
    /// Hash of the last record.
    pub head_hash: Hash32,
    /// All that is missing or unreadable; segments older than the checkpoint are judged by headers only.
    pub damage: Vec<Damage>,
    /// How many damaged segments are kept aside from this and earlier starts.
    pub kept_aside: usize,
    /// Why the end of the log could not be mended, on a full, failing or read-only disk; the next write
    /// tries again, and until one succeeds nothing is being recorded.
    pub unmended: Option<JournalError>,
}

/// Where the active segment's readable part ends.
struct End {
    bytes: u64,
    tail: Tail,
    /// Segments with readable records.
    read: BTreeSet<u64>,
}

pub(super) fn open<S: Storage>(mut storage: S, limits: JournalLimits) -> Result<(Journal<S>, Recovery), JournalError> {
    let catalog = Catalog::read(&storage)?;
    let highest = catalog.highest();
    let Catalog { mut segments, aside, damage } = catalog;
    if !segments.is_empty() && segments.iter().all(|segment| segment.refused) {
        let source = io::Error::other("the disk gives nothing of any segment");
        return Err(JournalError::io("read", segments.last().map(Segment::name).unwrap_or_default(), source));
    }
    let (base, checkpoint) = newest_checkpoint(&storage, &segments)?;
    let mut recovery = Recovery {
        checkpoint,
        records: Vec::new(),
        next_seq: 1,
        head_hash: Hash32::ZERO,
        damage,
        kept_aside: aside.len(),
        unmended: None,
    };
    let end = replay(&storage, &mut segments, base, &mut recovery)?;
    if let Some(newest) = segments.last_mut() {
        newest.bytes = end.bytes;
    }
    let tail =
        if put_hopeless_aside(&mut storage, &mut segments, &end, &mut recovery) { Tail::Closed } else { end.tail };
    let mut journal = Journal {
        storage,
        limits,
        active: segments.last().map(Segment::name).unwrap_or_default(),
        highest,
        tail,
        next_seq: recovery.next_seq,
        head_hash: recovery.head_hash,
        wall_ms: latest_wall(&segments, &recovery.records),
        segments,
        buffer: Vec::new(),
        cursor: Cell::new(None),
        found_damaged: RefCell::new(BTreeSet::new()),
    };
    recovery.unmended = journal.mend().err();
    Ok((journal, recovery))
}

/// The newest segment with a readable checkpoint; else the oldest.
fn newest_checkpoint<S: Storage>(storage: &S, segments: &[Segment]) -> Result<(usize, Option<Vec<u8>>), JournalError> {
    for (index, segment) in segments.iter().enumerate().rev() {
        if segment.header.as_ref().is_some_and(|header| header.has_checkpoint)
            && let Some(checkpoint) = read_checkpoint(storage, segment)?
        {
            return Ok((index, Some(checkpoint)));
        }
    }
    Ok((0, None))
}

fn replay<S: Storage>(
    storage: &S,
    segments: &mut [Segment],
    base: usize,
    recovery: &mut Recovery,
) -> Result<End, JournalError> {
    let expected = recovery.checkpoint.is_none().then_some((1, Hash32::ZERO));
    let newest = segments.last().map(|newest| newest.number);
    let mut end = End {
        bytes: segments.last().map_or(0, |newest| newest.bytes),
        tail: if segments.is_empty() { Tail::Closed } else { Tail::Doubtful },
        read: BTreeSet::new(),
    };
    let mut damaged = BTreeSet::new();
    let mut walk = Walk::new(storage, &*segments, base, expected);
    while let Some(step) = walk.next_step()? {
        match step {
            Step::Record { segment, record, .. } => {
                end.read.insert(segment);
                recovery.records.push(record);
            }
            Step::Damage(found) => {
                if let Damage::TornTail { offset, .. } = found {
                    end.bytes = offset;
                } else if found.segment() == newest {
                    end.tail = Tail::Closed;
                }
                damaged.extend(found.segment().filter(|_| found.may_lose_records()));
                recovery.damage.push(found);
            }
        }
    }
    if let Some((next_seq, head_hash)) = walk.expected() {
        // Numbers that may stand in unreadable bytes are left out: should the disk give them again, they
        // are no other records' numbers.
        recovery.next_seq = next_seq.saturating_add(walk.records_in_doubt());
        recovery.head_hash = head_hash;
    }
    for segment in segments {
        segment.damaged |= damaged.contains(&segment.number);
    }
    Ok(end)
}

/// Takes the newest segments out of the way as long as they have neither header nor record: a roll that
/// was interrupted, or damage beyond reading. What the disk refuses here is tried again at the next start.
fn put_hopeless_aside<S: Storage>(
    storage: &mut S,
    segments: &mut Vec<Segment>,
    end: &End,
    recovery: &mut Recovery,
) -> bool {
    let mut any = false;
    while let Some(segment) =
        segments.pop_if(|newest| newest.header.is_none() && !newest.refused && !end.read.contains(&newest.number))
    {
        any = true;
        if segment.unbegun {
            let _ = storage.remove(&segment.name());
        } else if storage.rename(&segment.name(), &aside_name(segment.number)).is_ok() {
            recovery.kept_aside += 1;
            recovery.damage.push(Damage::KeptAside { segment: segment.number });
        }
    }
    any
}

fn latest_wall(segments: &[Segment], records: &[Record]) -> i64 {
    let recorded = records.iter().rev().find(|record| record.at.wall_trusted).map(|record| record.at.wall_ms);
    let headed = || segments.iter().rev().find_map(|segment| segment.header.as_ref()).map(|header| header.wall_ms);
    recorded.or_else(headed).unwrap_or(0)
}
