//! What may stand in memory only: after a failed sync the kernel may give back what no disk has, and no later
//! sync says so. In the boot in which that can be so, the newest segment is written once more.

use std::io;

use super::catalog::moved_name;
use super::{Journal, JournalError, Storage};

/// Bytes that are read and written at once.
const PIECE_BYTES: usize = 64 * 1024;

/// Where a piece cannot be read, it is read in steps of this length: so much the kernel keeps or forgets as one.
const PAGE_BYTES: usize = 4 * 1024;

/// The newest segment as the kernel gave it at start. It is kept until it is durable: a failed sync leaves pages
/// that the kernel may forget at any time, and the disk would then give something older.
#[derive(Debug)]
pub(super) struct Unsynced {
    /// The whole file, what follows its last good record included.
    bytes: Vec<u8>,
    /// Where pages begin that could not be read, and are no memory of a killed run.
    unread: Vec<usize>,
}

impl Unsynced {
    /// Reads it; what cannot be read is left out, and all of it where its length is not known.
    pub(super) fn read(storage: &impl Storage, name: &str) -> Self {
        let length = storage.size(name).ok().and_then(|length| usize::try_from(length).ok());
        let Some(length) = length else { return Self { bytes: vec![0; 1], unread: vec![0] } };
        let (mut bytes, mut unread) = (vec![0; length], Vec::new());
        for at in (0..length).step_by(PIECE_BYTES) {
            let end = length.min(at + PIECE_BYTES);
            if fill(storage, name, at, &mut bytes[at..end]) {
                continue;
            }
            for page in (at..end).step_by(PAGE_BYTES) {
                if !fill(storage, name, page, &mut bytes[page..end.min(page + PAGE_BYTES)]) {
                    unread.push(page);
                }
            }
        }
        Self { bytes, unread }
    }

    /// What was read, in pieces that hold no unread page: where, and what.
    fn pieces(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let step = if self.unread.is_empty() { PIECE_BYTES } else { PAGE_BYTES };
        let pieces = self.bytes.chunks(step).enumerate().map(move |(index, piece)| (index * step, piece));
        pieces.filter(|(at, _)| !self.unread.contains(at))
    }
}

fn fill(storage: &impl Storage, name: &str, at: usize, piece: &mut [u8]) -> bool {
    storage.read_at(name, at as u64, piece).is_ok_and(|got| got == piece.len())
}

impl<S: Storage> Journal<S> {
    /// Writes the active segment over with itself where it may stand in memory only, or into a new file where the
    /// disk does not take it in its old place. Where both fail nothing is begun: a new segment would leave this
    /// one as it is.
    pub(super) fn write_over(&mut self) -> Result<(), JournalError> {
        let Some(unsynced) = self.unsynced.take() else { return Ok(()) };
        let written = self.write_in_place(&unsynced).or_else(|in_place| {
            self.write_elsewhere(&unsynced).map_err(|elsewhere| match elsewhere.is_full() {
                // Of the two the one that somebody can do something about.
                true => elsewhere,
                false => in_place,
            })
        });
        // The directory of the attempt before this one, too: its file may have the name already, and not for good.
        let durable = written
            .and_then(|()| self.storage.sync_dir().map_err(|source| JournalError::io("sync", "the directory", source)));
        if durable.is_err() {
            self.unsynced = Some(unsynced);
        }
        durable
    }

    fn write_in_place(&mut self, unsynced: &Unsynced) -> Result<(), JournalError> {
        for (at, piece) in unsynced.pieces() {
            let written = self.storage.overwrite(&self.active, at as u64, piece);
            written.map_err(|source| JournalError::io("write over", &*self.active, source))?;
        }
        self.storage.sync(&self.active).map_err(|source| JournalError::io("sync", &*self.active, source))
    }

    /// Puts the active segment's bytes into a file of their own, which takes its name once they are durable: a
    /// sector that takes no writes stays with the old one. Every byte must be known; what is not would be made up.
    fn write_elsewhere(&mut self, unsynced: &Unsynced) -> Result<(), JournalError> {
        if !unsynced.unread.is_empty() {
            return Err(JournalError::io("read", &*self.active, io::ErrorKind::InvalidData.into()));
        }
        let moved = moved_name(&self.active);
        let done = self.put_beside(&moved, unsynced);
        if done.is_err() {
            // It would take the space that the next record needs.
            let _ = self.storage.remove(&moved);
        }
        done
    }

    fn put_beside(&mut self, moved: &str, unsynced: &Unsynced) -> Result<(), JournalError> {
        // One that an attempt before this left and could not remove.
        let _ = self.storage.remove(moved);
        self.storage.create(moved).map_err(|source| JournalError::io("create", moved, source))?;
        for (_, piece) in unsynced.pieces() {
            self.storage.append(moved, piece).map_err(|source| JournalError::io("append to", moved, source))?;
        }
        self.storage.sync(moved).map_err(|source| JournalError::io("sync", moved, source))?;
        self.storage.rename(moved, &self.active).map_err(|source| JournalError::io("rename", moved, source))
    }
}
