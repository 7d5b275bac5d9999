//! Start-up: finds the newest usable checkpoint, replays what follows it, mends the end of the log.
//!
//! Everything is read before anything is touched. Segments older than the checkpoint are looked at by
//! their headers only.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

use protocol::ids::Hash32;
use protocol::record::{Body, MissingCause, MissingRecords, Record};

use super::catalog::{Catalog, Segment, aside_name, read_checkpoint};
use super::reserve::{DOUBTFUL_SEQS, Reserve};
use super::rewrite::Unsynced;
use super::storage::Storage;
use super::walk::{Step, Walk};
use super::{Damage, Journal, JournalError, JournalLimits, Tail};

/// What a journal gives at start-up.
#[derive(Debug)]
pub struct Recovery {
    /// The newest checkpoint that could be read; `None` when everything is replayed from the beginning.
    pub checkpoint: Option<Vec<u8>>,
    /// Every readable record after it, in order; also what only the reserve holds of them.
    pub records: Vec<Record>,
    /// Emergencies of the reserve that come after the journal's last record: they are to be written to it.
    pub unwritten: Vec<Record>,
    /// All other emergencies of the reserve, delivered ones among them.
    pub reserved: Vec<Record>,
    /// Whether what the reserve holds is durable there, not only in the memory of a killed run.
    pub reserve_held: bool,
    /// The sequence that comes next in the journal itself; [`Recovery::chain`] counts the reserve too.
    pub next_seq: u64,
    /// Hash of the journal's last record.
    pub head_hash: Hash32,
    /// Numbers since the checkpoint without a record, which no record attests yet.
    pub gaps: Vec<MissingRecords>,
    /// Unix milliseconds of the last record made under a trusted clock; 0 for none.
    pub wall_ms: i64,
    /// All that is missing or unreadable; segments older than the checkpoint are judged by headers only.
    pub damage: Vec<Damage>,
    /// How many damaged segments are kept aside from this and earlier starts.
    pub kept_aside: usize,
    /// Why the end of the log could not be mended, on a full, failing or read-only disk; the next write
    /// tries again, and until one succeeds nothing is being recorded.
    pub unmended: Option<JournalError>,
    /// From this sequence on what was read may stand in the memory of a killed run only: the disk refuses to
    /// make it durable.
    pub doubtful_from: Option<u64>,
    /// Sequences of the records that the journal should have and only the reserve has: what follows from
    /// them is to be kept by a new checkpoint before they leave it.
    pub only_reserved: Vec<u64>,
}

/// Where the active segment's readable part ends.
struct End {
    bytes: u64,
    tail: Tail,
    /// The first readable record of each segment that has one.
    begins: BTreeMap<u64, u64>,
}

pub(super) fn open<S: Storage>(
    mut storage: S,
    limits: JournalLimits,
    boot: Option<u64>,
    understands: &dyn Fn(&[u8]) -> bool,
) -> Result<(Journal<S>, Recovery), JournalError> {
    let catalog = Catalog::read(&storage)?;
    let highest = catalog.highest();
    let Catalog { mut segments, aside, debris, moved, damage } = catalog;
    if !segments.is_empty() && segments.iter().all(|segment| segment.refused) {
        let source = io::Error::other("the disk gives nothing of any segment");
        return Err(JournalError::io("read", segments.last().map(Segment::name).unwrap_or_default(), source));
    }
    let (base, checkpoint) = newest_checkpoint(&storage, &segments, understands)?;
    let mut recovery = Recovery {
        checkpoint,
        records: Vec::new(),
        unwritten: Vec::new(),
        reserved: Vec::new(),
        reserve_held: false,
        next_seq: 1,
        head_hash: Hash32::ZERO,
        gaps: Vec::new(),
        wall_ms: 0,
        damage,
        kept_aside: aside.len(),
        unmended: None,
        doubtful_from: None,
        only_reserved: Vec::new(),
    };
    let (reserve, reserved) = Reserve::open(&storage, limits.reserve_bytes)?;
    // Before its records are: what the kernel forgets in between must be in here, not only in what is replayed.
    let before = segments.last().map(|newest| (newest.name(), Unsynced::read(&storage, &newest.name())));
    let end = replay(&storage, &mut segments, base, &mut recovery)?;
    if reserve.is_doubtful {
        // What it may hold has numbers that no other record must get.
        recovery.next_seq = recovery.next_seq.saturating_add(DOUBTFUL_SEQS);
        recovery.damage.push(Damage::Reserve);
    }
    if let Some(newest) = segments.last_mut() {
        newest.bytes = end.bytes;
    }
    for left in debris {
        // What the disk refuses here is tried again at the next start.
        let _ = match left.unbegun {
            true => storage.remove(&left.name()),
            false => storage.rename(&left.name(), &aside_name(left.number)),
        };
    }
    for left in moved {
        let _ = storage.remove(&left);
    }
    let tail =
        if put_hopeless_aside(&mut storage, &mut segments, &end, &mut recovery) { Tail::Closed } else { end.tail };
    recovery.wall_ms = latest_wall(&segments, &recovery.records);
    let begins = segments.get(base).and_then(|segment| segment.header.as_ref()).map_or(1, |header| header.first_seq);
    recovery.take_reserved(reserved, begins);
    let mut journal = Journal {
        storage,
        limits,
        active: segments.last().map(Segment::name).unwrap_or_default(),
        highest,
        tail,
        unsynced: None,
        next_seq: recovery.next_seq,
        head_hash: recovery.head_hash,
        wall_ms: recovery.wall_ms,
        segments,
        buffer: Vec::new(),
        cursor: Cell::new(None),
        found_damaged: RefCell::new(BTreeSet::new()),
        reserve,
    };
    let of_another_boot = |last: &Record| boot.is_some_and(|boot| last.at.boot != boot);
    if !journal.segments.is_empty() && !recovery.records.last().is_some_and(of_another_boot) {
        journal.unsynced = match before {
            Some((name, read)) if name == journal.active => Some(read),
            // The one before it is the newest now: what followed it is put aside.
            Some(_) | None => Some(Unsynced::read(&journal.storage, &journal.active)),
        };
    }
    recovery.reserve_held = journal.reserve.settle(&mut journal.storage).is_ok();
    recovery.unmended = journal.mend().err();
    if journal.unsynced.is_some() {
        recovery.doubtful_from = journal.segments.last().and_then(|newest| end.begins.get(&newest.number)).copied();
    }
    if recovery.unmended.is_none() {
        // Without space for it there is none; it is made when it is first needed.
        let _ = journal.reserve.make(&mut journal.storage);
    }
    Ok((journal, recovery))
}

impl Recovery {
    /// Puts each record of the reserve in its place; `begins` is the first sequence that is replayed.
    fn take_reserved(&mut self, reserved: Vec<Record>, begins: u64) {
        let next_seq = self.next_seq;
        for record in reserved {
            if record.seq >= next_seq {
                self.unwritten.push(record);
                continue;
            }
            if record.seq >= begins
                && let Err(place) = self.records.binary_search_by_key(&record.seq, |known| known.seq)
            {
                self.records.insert(place, record.clone());
                self.only_reserved.push(record.seq);
            }
            self.reserved.push(record);
        }
        self.find_gaps(begins);
    }

    /// Where the chain goes on: the sequence that comes next and the hash of the last record, those that
    /// stand in the reserve only counted.
    pub fn chain(&self) -> (u64, Hash32) {
        self.unwritten.last().map_or((self.next_seq, self.head_hash), |last| (last.seq.saturating_add(1), last.hash))
    }

    /// Finds every jump in the numbers that no record attests.
    fn find_gaps(&mut self, begins: u64) {
        let attested: Vec<(u64, u64)> = self.records.iter().filter_map(attests).collect();
        // A jump without unreadable bytes anywhere is the writer's own.
        let cause = match self.damage.iter().any(Damage::may_lose_records) {
            true => MissingCause::Unreadable,
            false => MissingCause::NeverWritten,
        };
        let mut expected = begins;
        for seq in self.records.iter().chain(&self.unwritten).map(|record| record.seq).chain([self.chain().0]) {
            let (first_seq, last_seq) = (expected, seq.saturating_sub(1));
            expected = seq.saturating_add(1);
            let is_attested = attested.iter().any(|(first, last)| *first <= first_seq && last_seq <= *last);
            if first_seq <= last_seq && !is_attested {
                self.gaps.push(MissingRecords { first_seq, last_seq, cause });
            }
        }
    }
}

/// The numbers of which a record says that they are missing.
pub(super) fn attests(record: &Record) -> Option<(u64, u64)> {
    if let Body::Missing(missing) = &record.body { Some((missing.first_seq, missing.last_seq)) } else { None }
}

/// The newest segment with a readable checkpoint; else the oldest.
fn newest_checkpoint<S: Storage>(
    storage: &S,
    segments: &[Segment],
    understands: &dyn Fn(&[u8]) -> bool,
) -> Result<(usize, Option<Vec<u8>>), JournalError> {
    for (index, segment) in segments.iter().enumerate().rev() {
        if segment.header.as_ref().is_some_and(|header| header.has_checkpoint)
            && let Some(checkpoint) = read_checkpoint(storage, segment)?
            && understands(&checkpoint)
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
        begins: BTreeMap::new(),
    };
    let mut damaged = BTreeSet::new();
    let mut walk = Walk::new(storage, &*segments, base, expected);
    while let Some(step) = walk.next_step()? {
        match step {
            Step::Record { segment, record, .. } => {
                end.begins.entry(segment).or_insert(record.seq);
                recovery.records.push(record);
            }
            Step::Damage(found) => {
                if let Damage::TornTail { offset, .. } | Damage::UnreadableTail { offset, .. } = found {
                    // What stands behind is no part of the journal: its successor's header says so for good.
                    end.bytes = offset;
                }
                if found.segment() == newest && !matches!(found, Damage::TornTail { .. }) {
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
        segments.pop_if(|newest| newest.header.is_none() && !newest.refused && !end.begins.contains_key(&newest.number))
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
