//! What may stand in memory only: after a failed sync the kernel may give back what no disk has, and no later
//! sync says so. In the boot in which that can be so, the newest segment is written once more.

use super::catalog::copy_name;
use super::{Journal, JournalError, Storage};

/// Bytes that are read and written at once.
const PIECE_BYTES: usize = 64 * 1024;

impl<S: Storage> Journal<S> {
    /// Writes the active segment over with itself where it may stand in memory only, or into a new file where the
    /// disk does not take it in its old place. Where both fail nothing is begun: a new segment would leave this
    /// one as it is.
    pub(super) fn write_over(&mut self) -> Result<(), JournalError> {
        if !self.unsynced || self.segments.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.write_in_place() {
            self.write_elsewhere().map_err(|_| error)?;
        }
        // Of the attempt before this one, too: its file may have the name already, and not for good.
        self.storage.sync_dir().map_err(|source| JournalError::io("sync", "the directory", source))?;
        self.unsynced = false;
        Ok(())
    }

    fn write_in_place(&mut self) -> Result<(), JournalError> {
        let length = self.segments.last().map_or(0, |segment| segment.bytes);
        let mut bytes = vec![0; PIECE_BYTES];
        for offset in (0..length).step_by(PIECE_BYTES) {
            let piece = (length - offset).min(PIECE_BYTES as u64) as usize;
            // What cannot be read is no memory of a killed run.
            let Ok(got) = self.storage.read_at(&self.active, offset, &mut bytes[..piece]) else { continue };
            let written = self.storage.overwrite(&self.active, offset, &bytes[..got]);
            written.map_err(|source| JournalError::io("write over", &*self.active, source))?;
        }
        self.storage.sync(&self.active).map_err(|source| JournalError::io("sync", &*self.active, source))
    }

    /// Puts the active segment's bytes into a file of their own, which takes its name once they are durable: a
    /// sector that takes no writes stays with the old one. Every byte must be read; what is not would be made up.
    fn write_elsewhere(&mut self) -> Result<(), JournalError> {
        let length = self.segments.last().map_or(0, |segment| segment.bytes);
        let copy = copy_name(&self.active);
        // An attempt before this one may have left it.
        let _ = self.storage.remove(&copy);
        self.storage.create(&copy).map_err(|source| JournalError::io("create", &*copy, source))?;
        let mut bytes = vec![0; PIECE_BYTES];
        for offset in (0..length).step_by(PIECE_BYTES) {
            let piece = (length - offset).min(PIECE_BYTES as u64) as usize;
            let got = self.storage.read_at(&self.active, offset, &mut bytes[..piece]);
            let whole =
                got.and_then(|got| if got == piece { Ok(()) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) });
            whole.map_err(|source| JournalError::io("read", &*self.active, source))?;
            let written = self.storage.append(&copy, &bytes[..piece]);
            written.map_err(|source| JournalError::io("append to", &*copy, source))?;
        }
        self.storage.sync(&copy).map_err(|source| JournalError::io("sync", &*copy, source))?;
        self.storage.rename(&copy, &self.active).map_err(|source| JournalError::io("rename", &*copy, source))
    }
}
