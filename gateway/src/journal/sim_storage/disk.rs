//! The disk behind a [`super::SimStorage`]: contents and names, each durable or not yet.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::ops::Range;

use super::{CrashModel, DiskOp};

/// Unit in which a disk writes: a crash keeps a sector whole or not at all.
const SECTOR_BYTES: usize = 512;

#[derive(Debug, Clone, Default)]
pub(super) struct FileBytes {
    pub content: Vec<u8>,
    /// Durable length, a prefix of `content`.
    pub durable: usize,
    /// Durable bytes behind that prefix, cut off since but not yet for good.
    pub cut: Vec<u8>,
    /// What a failed sync dropped: in `content`, but never on the disk.
    pub dropped: Vec<Range<usize>>,
    /// A byte whose sector takes no writes any more.
    pub spoilt: Option<usize>,
    /// Durable bytes that were written over since the last sync, newest last: where, and what stood there.
    pub covered: Vec<(usize, Vec<u8>)>,
    /// The same, where a failed sync dropped what was written: the disk has the old bytes for good.
    pub uncovered: Vec<(usize, Vec<u8>)>,
}

#[derive(Debug, Clone)]
pub(super) enum NameChange {
    Created(String, u64),
    Renamed(String, String),
    Removed(String),
}

#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    pub files: BTreeMap<u64, FileBytes>,
    pub names: BTreeMap<String, u64>,
    pub durable_names: BTreeMap<String, u64>,
    pub unsynced: Vec<NameChange>,
    next_file: u64,
    pub capacity: Option<u64>,
    pub failing: BTreeMap<DiskOp, u32>,
    pub unreadable: BTreeSet<String>,
    pub changes: u64,
    pub worn: u64,
    pub halt_at: Option<u64>,
}

/// Whether an operation happens, half happens before it fails, or fails.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    Whole,
    Half,
    Not,
}

impl Disk {
    pub fn used(&self) -> u64 {
        self.names.values().filter_map(|file| self.files.get(file)).map(|file| file.content.len() as u64).sum()
    }

    pub fn course(&mut self, op: DiskOp) -> Course {
        let at = self.changes;
        self.changes += 1;
        match self.halt_at {
            Some(halt) if at > halt => return Course::Not,
            Some(halt) if at == halt => return Course::Half,
            Some(_) | None => {}
        }
        let half = matches!(op, DiskOp::Append | DiskOp::Overwrite);
        if self.fails(op) { if half { Course::Half } else { Course::Not } } else { Course::Whole }
    }

    pub fn fails(&mut self, op: DiskOp) -> bool {
        let Some(left) = self.failing.get_mut(&op).filter(|left| **left > 0) else { return false };
        if *left < u32::MAX {
            *left -= 1;
        }
        true
    }

    pub fn make(&mut self, name: &str) -> u64 {
        let file = self.next_file;
        self.next_file += 1;
        self.files.insert(file, FileBytes::default());
        self.names.insert(name.to_owned(), file);
        file
    }

    pub fn file(&mut self, name: &str) -> io::Result<&mut FileBytes> {
        let file = self.names.get(name).ok_or(ErrorKind::NotFound)?;
        self.files.get_mut(file).ok_or_else(|| ErrorKind::NotFound.into())
    }

    pub fn crash(&mut self, keep: CrashModel, seed: u64) {
        let mut dice = Dice(seed);
        for change in std::mem::take(&mut self.unsynced) {
            let kept = match keep {
                CrashModel::None => false,
                CrashModel::All => true,
                CrashModel::Some => dice.flip(),
            };
            if kept {
                apply(&mut self.durable_names, &change);
            }
        }
        self.names = self.durable_names.clone();
        let named: BTreeSet<u64> = self.names.values().copied().collect();
        self.files.retain(|file, _| named.contains(file));
        for file in self.files.values_mut() {
            file.crash(keep, &mut dice);
        }
        self.failing.clear();
        self.halt_at = None;
    }
}

pub(super) fn apply(names: &mut BTreeMap<String, u64>, change: &NameChange) {
    match change {
        NameChange::Created(name, file) => {
            names.insert(name.clone(), *file);
        }
        NameChange::Renamed(from, to) => {
            if let Some(file) = names.remove(from) {
                names.insert(to.clone(), file);
            }
        }
        NameChange::Removed(name) => {
            names.remove(name);
        }
    }
}

impl FileBytes {
    pub fn sync(&mut self) {
        self.durable = self.content.len();
        self.cut.clear();
        self.covered.clear();
    }

    pub fn overwrite(&mut self, at: usize, bytes: &[u8]) {
        let end = at + bytes.len();
        let durable = at.min(self.durable)..end.min(self.durable);
        if !durable.is_empty() {
            let mut old = self.content[durable.clone()].to_vec();
            for range in &self.dropped {
                let (from, to) = (range.start.max(durable.start), range.end.min(durable.end));
                if from < to {
                    old[from - durable.start..to - durable.start].fill(0);
                }
            }
            self.covered.push((durable.start, old));
        }
        let dropped = std::mem::take(&mut self.dropped);
        let around = |range: Range<usize>| [range.start..range.end.min(at), range.start.max(end)..range.end];
        self.dropped = dropped.into_iter().flat_map(around).filter(|range| range.start < range.end).collect();
        // What is written once more has its own fate.
        self.uncovered.retain(|(from, old)| *from >= end || from + old.len() <= at);
        self.content[at..end].copy_from_slice(bytes);
    }

    /// Whether what was written over since the last sync meets a sector that takes no writes.
    pub fn meets_spoilt(&self) -> bool {
        let meets = |at: usize| self.covered.iter().any(|(from, old)| (*from..from + old.len()).contains(&at));
        self.spoilt.is_some_and(meets)
    }

    /// A failed sync: what was written over is back when the power has been cut, and what was appended is gone.
    pub fn drop_unsynced(&mut self) {
        self.uncovered.append(&mut self.covered);
        let lost = self.durable..self.content.len();
        if !lost.is_empty() {
            self.dropped.push(lost);
        }
    }

    fn put_back(&mut self, covered: Vec<(usize, Vec<u8>)>, mut kept: impl FnMut() -> bool) {
        for (from, old) in covered.into_iter().rev() {
            for (place, sector) in old.chunks(SECTOR_BYTES).enumerate() {
                let at = from + place * SECTOR_BYTES;
                if !kept()
                    && let Some(bytes) = self.content.get_mut(at..at + sector.len())
                {
                    bytes.copy_from_slice(sector);
                }
            }
        }
    }

    pub fn truncate(&mut self, len: usize) {
        if len < self.durable {
            let mut cut = self.content[len..self.durable].to_vec();
            cut.append(&mut self.cut);
            (self.cut, self.durable) = (cut, len);
        }
        self.content.resize(len, 0);
        self.dropped.retain_mut(|range| {
            range.end = range.end.min(len);
            range.start < range.end
        });
    }

    /// Whether its durable part holds `bytes`; looked for from the end.
    pub fn holds_durably(&self, bytes: &[u8]) -> bool {
        let differs = |at: usize, from: usize, old: &[u8]| {
            let (start, end) = (at.max(from), (at + bytes.len()).min(from + old.len()));
            start < end && bytes[start - at..end - at] != old[start - from..end - from]
        };
        let whole = |at: usize| {
            let kept = self.dropped.iter().all(|range| at + bytes.len() <= range.start || range.end <= at);
            kept && !self.covered.iter().chain(&self.uncovered).any(|(from, old)| differs(at, *from, old))
        };
        self.content[..self.durable]
            .windows(bytes.len().max(1))
            .enumerate()
            .rev()
            .any(|(at, held)| held == bytes && whole(at))
    }

    /// What the disk holds afterwards, all of it durable.
    fn crash(&mut self, keep: CrashModel, dice: &mut Dice) {
        for range in std::mem::take(&mut self.dropped) {
            if let Some(bytes) = self.content.get_mut(range) {
                bytes.fill(0);
            }
        }
        let (covered, uncovered) = (std::mem::take(&mut self.covered), std::mem::take(&mut self.uncovered));
        match keep {
            CrashModel::All => {}
            CrashModel::None => self.put_back(covered, || false),
            CrashModel::Some => self.put_back(covered, || dice.flip()),
        }
        self.put_back(uncovered, || false);
        match keep {
            CrashModel::All => {}
            CrashModel::None => {
                self.content.truncate(self.durable);
                self.content.append(&mut self.cut);
            }
            CrashModel::Some => self.tear(dice),
        }
        self.sync();
    }

    fn tear(&mut self, dice: &mut Dice) {
        let mut old = self.content[..self.durable].to_vec();
        old.append(&mut self.cut);
        if dice.flip() {
            self.content = old;
            return;
        }
        let fresh = self.content.len() - self.durable;
        self.content.truncate(self.durable + dice.below(fresh + 1));
        if dice.flip() {
            return;
        }
        let mut at = self.durable;
        while at < self.content.len() {
            let end = self.content.len().min((at / SECTOR_BYTES + 1) * SECTOR_BYTES);
            if dice.flip() {
                for (place, byte) in self.content[at..end].iter_mut().enumerate() {
                    *byte = old.get(at + place).copied().unwrap_or(0);
                }
            }
            at = end;
        }
    }
}

/// SplitMix64: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn flip(&mut self) -> bool {
        self.next() & 1 == 1
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % (limit.max(1) as u64)).unwrap_or(0)
    }
}
