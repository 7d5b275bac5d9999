//! Where a journal's files live: one flat directory, real ([`FsStorage`]) or simulated.
//!
//! It knows nothing of segments or records, and never retries.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::JournalError;

/// The file that a writing gateway holds locked.
const LOCK_NAME: &str = "lock";

/// One directory of files that are appended to, cut, renamed and removed; one of them, made at its full
/// length beforehand, is written in place.
///
/// Nothing is durable before [`Storage::sync`] for contents and [`Storage::sync_dir`] for names.
pub trait Storage: Send + 'static {
    /// Names of all files, in any order.
    ///
    /// # Errors
    /// When the directory cannot be read.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Length in bytes.
    ///
    /// # Errors
    /// When there is no such file or it cannot be asked.
    fn size(&self, name: &str) -> io::Result<u64>;

    /// Fills `buf` from `offset`; fewer bytes than asked for only at the end of the file.
    ///
    /// # Errors
    /// When there is no such file or the disk cannot read that place.
    fn read_at(&self, name: &str, offset: u64, buf: &mut [u8]) -> io::Result<usize>;

    /// Makes an empty file.
    ///
    /// # Errors
    /// When the name is taken or the disk refuses.
    fn create(&mut self, name: &str) -> io::Result<()>;

    /// Writes at the end of the file; after an error any part of `bytes` may be there.
    ///
    /// # Errors
    /// When the disk refuses.
    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Writes within the file's length, so that the disk needs no new space for it; after an error any part
    /// of `bytes` may be there.
    ///
    /// # Errors
    /// When the disk refuses, or the file is shorter.
    fn overwrite(&mut self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes the file's contents durable (`fdatasync`).
    ///
    /// # Errors
    /// When the disk refuses; what was appended since the last success may then be lost even if a
    /// later call succeeds.
    fn sync(&mut self, name: &str) -> io::Result<()>;

    /// Makes creations, renames and removals durable.
    ///
    /// # Errors
    /// When the disk refuses.
    fn sync_dir(&mut self) -> io::Result<()>;

    /// Gives a file another name, and with it the place of a file that had it.
    ///
    /// # Errors
    /// When the disk refuses.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Deletes a file.
    ///
    /// # Errors
    /// When the disk refuses.
    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// Cuts a file to `len` bytes.
    ///
    /// # Errors
    /// When the disk refuses.
    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()>;

    /// The whole file.
    ///
    /// # Errors
    /// As [`Storage::read_at`].
    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(self.size(name)?).unwrap_or(usize::MAX)];
        let got = self.read_at(name, 0, &mut bytes)?;
        bytes.truncate(got);
        Ok(bytes)
    }
}

/// A real directory, owned by one writer at a time; keeps the file it appends to open.
#[derive(Debug)]
pub struct FsStorage {
    dir: PathBuf,
    active: Option<(String, File)>,
    /// The file that was written in place last.
    in_place: Option<(String, File)>,
    /// Held for its lock only; `None` when the directory was opened for reading.
    lock: Option<File>,
}

impl FsStorage {
    /// Opens `dir` for one writer, making it (mode 0700) where it is missing.
    ///
    /// # Errors
    /// [`JournalError::InUse`] when another process writes it, [`JournalError::Directory`] when it
    /// cannot be made or opened.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, JournalError> {
        let dir = dir.into();
        let failed = |source| JournalError::Directory { dir: dir.clone(), source };
        if !dir.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(failed)?;
            if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                File::open(parent).and_then(|parent| parent.sync_all()).map_err(failed)?;
            }
        }
        let lock = lock_file(&dir)?;
        Ok(Self { dir, active: None, in_place: None, lock: Some(lock) })
    }

    /// Opens `dir` for reading only, also while a gateway writes it; everything that would change it
    /// is refused.
    ///
    /// # Errors
    /// [`JournalError::Directory`] when there is no such directory.
    pub fn read_only(dir: impl Into<PathBuf>) -> Result<Self, JournalError> {
        let dir = dir.into();
        match std::fs::read_dir(&dir) {
            Ok(_) => Ok(Self { dir, active: None, in_place: None, lock: None }),
            Err(source) => Err(JournalError::Directory { dir, source }),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn writable(&self) -> io::Result<()> {
        match self.lock {
            Some(_) => Ok(()),
            None => Err(io::Error::new(io::ErrorKind::PermissionDenied, "the journal was opened for reading only")),
        }
    }

    /// The file `name`, open for appending.
    fn active(&mut self, name: &str) -> io::Result<&mut File> {
        self.writable()?;
        let file = match self.active.take() {
            Some((open, file)) if open == name => file,
            _ => OpenOptions::new().append(true).open(self.path(name))?,
        };
        Ok(&mut self.active.insert((name.to_owned(), file)).1)
    }

    fn forget(&mut self, name: &str) {
        for kept in [&mut self.active, &mut self.in_place] {
            if kept.as_ref().is_some_and(|(open, _)| open == name) {
                *kept = None;
            }
        }
    }
}

/// A read-only disk has no lock to take and no writer to keep apart; it opens as well.
fn lock_file(dir: &Path) -> Result<File, JournalError> {
    let path = dir.join(LOCK_NAME);
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = opened.or_else(|_| File::open(dir));
    let file = file.map_err(|source| JournalError::Directory { dir: dir.to_owned(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::InUse { dir: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(JournalError::Directory { dir: dir.to_owned(), source }),
    }
}

impl Storage for FsStorage {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn size(&self, name: &str) -> io::Result<u64> {
        Ok(std::fs::metadata(self.path(name))?.len())
    }

    fn read_at(&self, name: &str, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let file = File::open(self.path(name))?;
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, offset + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        self.writable()?;
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(self.path(name))?;
        self.active = Some((name.to_owned(), file));
        Ok(())
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        // The descriptor that writes is the one that is asked to sync.
        self.in_place.take_if(|(open, _)| open == name);
        self.active(name)?.write_all(bytes)
    }

    fn overwrite(&mut self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.writable()?;
        let file = match self.in_place.take() {
            Some((open, file)) if open == name => file,
            _ => OpenOptions::new().write(true).open(self.path(name))?,
        };
        let file = &self.in_place.insert((name.to_owned(), file)).1;
        if file.metadata()?.len() < offset + bytes.len() as u64 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.write_all_at(bytes, offset)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        // A failed write is told to the descriptor that wrote.
        match &self.in_place {
            Some((open, file)) if open == name => file.sync_data(),
            _ => self.active(name)?.sync_data(),
        }
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        self.writable()?;
        File::open(&self.dir)?.sync_all()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.writable()?;
        self.forget(from);
        self.forget(to);
        std::fs::rename(self.path(from), self.path(to))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.writable()?;
        self.forget(name);
        std::fs::remove_file(self.path(name))
    }

    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()> {
        self.active(name)?.set_len(len)
    }
}

#[cfg(test)]
mod tests;
