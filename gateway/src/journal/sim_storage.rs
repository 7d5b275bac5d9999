//! A disk in memory for simulation: knows what is durable and what is not, and loses the rest in a
//! crash as real disks do. Deterministic from the seed; never touches a real file.

mod disk;

use std::io::{self, Error, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::storage::Storage;
use disk::{Course, Disk, FileBytes, NameChange, apply};

/// What a disk writes at least.
const PAGE_BYTES: u64 = 4_096;

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
    /// [`Storage::overwrite`]; half of the bytes are written before it fails.
    Overwrite,
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

impl DiskOp {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Create,
        Self::Append,
        Self::Overwrite,
        Self::Sync,
        Self::SyncDir,
        Self::Rename,
        Self::Remove,
        Self::Truncate,
    ];
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

    /// Whether `bytes` would still stand in some file if the power went now and the disk kept only what was synced.
    pub fn holds_durably(&self, bytes: &[u8]) -> bool {
        let disk = self.disk();
        // Newest names last: what was written lately is looked for and found first.
        disk.durable_names.values().rev().filter_map(|file| disk.files.get(file)).any(|file| file.holds_durably(bytes))
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

    /// Makes the sector at this place of a file take no writes: a sync fails after each. Another file has others.
    pub fn spoil(&mut self, name: &str, at: usize) {
        if let Ok(file) = self.disk().file(name) {
            file.spoilt = Some(at);
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

    /// Bytes that a flash would have been told to write so far: each sync whole pages, and one page of the file's
    /// own data; a name's too.
    pub fn worn(&self) -> u64 {
        self.disk().worn
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

    fn overwrite(&mut self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.disk();
        let course = disk.course(DiskOp::Overwrite);
        let file = disk.file(name)?;
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        if file.content.len() < from.saturating_add(bytes.len()) {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        match course {
            Course::Not => return Err(broken()),
            Course::Half => {
                file.overwrite(from, &bytes[..bytes.len() / 2]);
                return Err(broken());
            }
            Course::Whole => file.overwrite(from, bytes),
        }
        Ok(())
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        let mut disk = self.disk();
        let course = disk.course(DiskOp::Sync);
        let halted = disk.halt_at.is_some();
        let file = disk.file(name)?;
        match course {
            Course::Whole if file.meets_spoilt() => {
                file.drop_unsynced();
                Err(broken())
            }
            Course::Whole => {
                let fresh = file.content.len().saturating_sub(file.durable) as u64;
                file.sync();
                disk.worn += (fresh.div_ceil(PAGE_BYTES) + 1) * PAGE_BYTES;
                Ok(())
            }
            Course::Half => Err(broken()),
            Course::Not => {
                if !halted {
                    file.drop_unsynced();
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
        disk.worn += PAGE_BYTES;
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
