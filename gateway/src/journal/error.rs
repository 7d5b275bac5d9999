//! Why a journal refuses; each variant says what was tried and where.

use std::io;
use std::path::PathBuf;

use protocol::record::BodyError;

/// Why the journal could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process writes this journal.
    #[error("the journal {} is in use by another gateway", dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory cannot be used at all.
    #[error("the journal directory {} cannot be opened", dir.display())]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk refused an operation.
    #[error("could not {action} {name} in the journal")]
    Io {
        /// What was tried, such as `append to`.
        action: &'static str,
        /// The file.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// Written by a newer program; nothing was touched.
    #[error(
        "{name} has journal format {found}, this program reads up to {known}: use the newer program, or another data_dir"
    )]
    Newer {
        /// The file.
        name: String,
        /// The version found.
        found: u8,
        /// The highest version that this program reads.
        known: u8,
    },
    /// A record could not be encoded; nothing of the batch was written.
    #[error("record {seq} could not be encoded for the journal")]
    Encode {
        /// Its sequence.
        seq: u64,
        /// Why.
        source: BodyError,
    },
    /// A record's sequence is not above the last one; nothing of the batch was written.
    #[error("record {seq} cannot be written, the journal stands at {next_seq}")]
    OutOfOrder {
        /// Its sequence.
        seq: u64,
        /// The lowest sequence that can be written.
        next_seq: u64,
    },
    /// A checkpoint is longer than [`super::CHECKPOINT_BYTES_MAX`].
    #[error("a checkpoint of {bytes} bytes is too long for the journal")]
    CheckpointTooLong {
        /// Its length.
        bytes: usize,
    },
}

impl JournalError {
    pub(super) fn io(action: &'static str, name: impl Into<String>, source: io::Error) -> Self {
        Self::Io { action, name: name.into(), source }
    }

    /// Whether the disk has no space left.
    pub(super) fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull)
    }
}
