//! A disk in memory for simulation: knows what is durable and what is not, and loses the rest in a
//! crash as real disks do. Deterministic from the seed; never touches a real file.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Error, ErrorKind};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::storage::Storage;

/// Unit in which a disk writes: a crash keeps a sector whole or not at all.
const SECTOR_BYTES: usize = 512;

/// What a crash keeps of what was never synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashModel {
    /// Nothing.
    None,
    /// Everything.
    All,
    /// A subset from the seed: some names, some lengths, some sectors (the others zeros or old bytes).
    Some,
}

/// An operation that can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiskOp {
    /// [`Storage::create`].
    Create,
    /// [`Storage::append`]; half of the bytes are written before it fails.
    Append,
    /// [`Storage::sync`]; what it should have made durable stays lost even if a later one succeeds.
    Sync,
    /// [`Storage::sync_dir`].
    SyncDir,
    /// [`Storage::rename`].
    Rename,
    /// [`Storage::remove`].
    Remove,
    /// [`Storage::truncate`].
    Truncate,
}

#[derive(Debug, Clone, Default)]
struct FileBytes {
    content: Vec<u8>,
    /// Durable length, a prefix of `content`.
    durable: usize,
    /// Durable bytes behind that prefix, cut off since but not yet for good.
    cut: Vec<u8>,
    /// What a failed sync dropped: in `content`, but never on the disk.
    dropped: Vec<Range<usize>>,
}

#[derive(Debug, Clone)]
enum NameChange {
    Created(String, u64),
    Renamed(String, String),
    Removed(String),
}

#[derive(Debug, Clone, Default)]
struct Disk {
    files: BTreeMap<u64, FileBytes>,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    unsynced: Vec<NameChange>,
    next_file: u64,
    capacity: Option<u64>,
    failing: BTreeMap<DiskOp, u32>,
    unreadable: BTreeSet<String>,
    changes: u64,
    halt_at: Option<u64>,
}

/// A simulated directory; clones are handles to the same disk.
#[derive(Debug, Clone, Default)]
pub struct SimStorage {
    disk: Arc<Mutex<Disk>>,
}

impl SimStorage {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another disk with the same contents, names and faults: an image to restore later.
    pub fn image(&self) -> Self {
        Self { disk: Arc::new(Mutex::new(self.disk().clone())) }
    }

    /// Cuts the power: what was never synced is kept as `keep` says, everything left is durable, faults
    /// are over. The same seed on the same disk gives the same result.
    pub fn crash(&mut self, keep: CrashModel, seed: u64) {
        self.disk().crash(keep, seed);
    }

    /// Limits the disk to so many bytes; an append beyond them writes what fits and fails.
    pub fn set_capacity(&mut self, bytes: Option<u64>) {
        self.disk().capacity = bytes;
    }

    /// Makes the next `times` calls of an operation fail with an IO error; 0 ends it, `u32::MAX` lasts.
    pub fn fail(&mut self, op: DiskOp, times: u32) {
        self.disk().failing.insert(op, times);
    }

    /// Makes a file impossible to read, or readable again.
    pub fn set_unreadable(&mut self, name: &str, unreadable: bool) {
        let mut disk = self.disk();
        if unreadable {
            disk.unreadable.insert(name.to_owned());
        } else {
            disk.unreadable.remove(name);
        }
    }

    /// Lets `changes` more changing operations happen; the next one happens half and fails, and after it
    /// all fail, until the crash. `None` takes it back.
    pub fn halt_after(&mut self, changes: Option<u64>) {
        let mut disk = self.disk();
        disk.halt_at = changes.map(|more| disk.changes + more);
    }

    /// How many changing operations were asked for so far.
    pub fn changes(&self) -> u64 {
        self.disk().changes
    }

    /// Bytes in all files together.
    pub fn used(&self) -> u64 {
        self.disk().used()
    }

    /// Replaces a file's contents, durable at once: for damage.
    pub fn put(&mut self, name: &str, content: Vec<u8>) {
        let mut disk = self.disk();
        let file = match disk.names.get(name) {
            Some(file) => *file,
            None => disk.make(name),
        };
        disk.durable_names.insert(name.to_owned(), file);
        disk.files.insert(file, FileBytes { durable: content.len(), content, ..FileBytes::default() });
    }
}

/// Whether an operation happens, half happens before it fails, or fails.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Course {
    Whole,
    Half,
    Not,
}

impl Disk {
    fn used(&self) -> u64 {
        self.names.values().filter_map(|file| self.files.get(file)).map(|file| file.content.len() as u64).sum()
    }

    fn course(&mut self, op: DiskOp) -> Course {
        let at = self.changes;
        self.changes += 1;
        match self.halt_at {
            Some(halt) if at > halt => return Course::Not,
            Some(halt) if at == halt => return Course::Half,
            Some(_) | None => {}
        }
        if self.fails(op) { if op == DiskOp::Append { Course::Half } else { Course::Not } } else { Course::Whole }
    }

    fn fails(&mut self, op: DiskOp) -> bool {
        let Some(left) = self.failing.get_mut(&op).filter(|left| **left > 0) else { return false };
        if *left < u32::MAX {
            *left -= 1;
        }
        true
    }

    fn make(&mut self, name: &str) -> u64 {
        let file = self.next_file;
        self.next_file += 1;
        self.files.insert(file, FileBytes::default());
        self.names.insert(name.to_owned(), file);
        file
    }

    fn file(&mut self, name: &str) -> io::Result<&mut FileBytes> {
        let file = self.names.get(name).ok_or(ErrorKind::NotFound)?;
        self.files.get_mut(file).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn crash(&mut self, keep: CrashModel, seed: u64) {
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

fn apply(names: &mut BTreeMap<String, u64>, change: &NameChange) {
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
    fn sync(&mut self) {
        self.durable = self.content.len();
        self.cut.clear();
    }

    fn truncate(&mut self, len: usize) {
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

    /// What the disk holds afterwards, all of it durable.
    fn crash(&mut self, keep: CrashModel, dice: &mut Dice) {
        for range in std::mem::take(&mut self.dropped) {
            if let Some(bytes) = self.content.get_mut(range) {
                bytes.fill(0);
            }
        }
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

fn broken() -> Error {
    Error::other("simulated disk fault")
}

impl Storage for SimStorage {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.disk().names.keys().cloned().collect())
    }

    fn size(&self, name: &str) -> io::Result<u64> {
        Ok(self.disk().file(name)?.content.len() as u64)
    }

    fn read_at(&self, name: &str, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut disk = self.disk();
        if disk.unreadable.contains(name) {
            return Err(broken());
        }
        let file = disk.file(name)?;
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(file.content.len());
        let got = buf.len().min(file.content.len() - from);
        buf[..got].copy_from_slice(&file.content[from..from + got]);
        Ok(got)
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        let mut disk = self.disk();
        let course = disk.course(DiskOp::Create);
        if disk.names.contains_key(name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        if course != Course::Not {
            let file = disk.make(name);
            disk.unsynced.push(NameChange::Created(name.to_owned(), file));
        }
        if course == Course::Whole { Ok(()) } else { Err(broken()) }
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.disk();
        let course = disk.course(DiskOp::Append);
        let room = disk.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(disk.used()));
        let fits = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        let file = disk.file(name)?;
        match course {
            Course::Not => return Err(broken()),
            Course::Half => {
                file.content.extend_from_slice(&bytes[..fits.min(bytes.len() / 2)]);
                return Err(broken());
            }
            Course::Whole => file.content.extend_from_slice(&bytes[..fits]),
        }
        if fits == bytes.len() { Ok(()) } else { Err(ErrorKind::StorageFull.into()) }
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        let mut disk = self.disk();
        let course = disk.course(DiskOp::Sync);
        let halted = disk.halt_at.is_some();
        let file = disk.file(name)?;
        match course {
            Course::Whole => {
                file.sync();
                Ok(())
            }
            Course::Half => Err(broken()),
            Course::Not => {
                let lost = file.durable..file.content.len();
                if !lost.is_empty() && !halted {
                    file.dropped.push(lost);
                }
                Err(broken())
            }
        }
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        let mut disk = self.disk();
        if disk.course(DiskOp::SyncDir) != Course::Whole {
            return Err(broken());
        }
        disk.unsynced.clear();
        disk.durable_names = disk.names.clone();
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let change = NameChange::Renamed(from.to_owned(), to.to_owned());
        self.change_name(DiskOp::Rename, from, change)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.change_name(DiskOp::Remove, name, NameChange::Removed(name.to_owned()))
    }

    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()> {
        let mut disk = self.disk();
        let course = disk.course(DiskOp::Truncate);
        let file = disk.file(name)?;
        if course != Course::Not {
            file.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        }
        if course == Course::Whole { Ok(()) } else { Err(broken()) }
    }
}

impl SimStorage {
    fn change_name(&mut self, op: DiskOp, name: &str, change: NameChange) -> io::Result<()> {
        let mut disk = self.disk();
        let course = disk.course(op);
        if !disk.names.contains_key(name) {
            return Err(ErrorKind::NotFound.into());
        }
        if course != Course::Not {
            apply(&mut disk.names, &change);
            disk.unsynced.push(change);
        }
        if course == Course::Whole { Ok(()) } else { Err(broken()) }
    }
}

#[cfg(test)]
mod tests;
