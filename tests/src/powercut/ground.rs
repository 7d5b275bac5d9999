//! On what the gateway lives and is cut: the kernel's ext4 on a recorded disk, or a recorded file system of our own
//! that promises only what POSIX does.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::ext4::Mounted;
use super::strict::Served;

/// Kinds of file systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum FileSystem {
    /// The kernel's ext4, on a disk that records every block.
    Ext4,
    /// Files and names that are durable with their own sync alone, and not a moment before.
    Strict,
}

/// The data directory of a gateway.
pub enum Ground {
    /// ext4 is mounted there.
    Ext4(Mounted),
    /// The strict file system is mounted there.
    Strict(Served),
    /// What a cut left, laid out there.
    Plain(PathBuf),
}

impl Ground {
    /// Where it is.
    pub fn dir(&self) -> &Path {
        match self {
            Self::Ext4(mounted) => mounted.dir(),
            Self::Strict(served) => served.dir(),
            Self::Plain(dir) => dir,
        }
    }

    /// Takes it away.
    ///
    /// # Errors
    /// When it is still in use.
    pub fn unmount(self) -> anyhow::Result<()> {
        match self {
            Self::Ext4(mounted) => mounted.unmount(),
            Self::Strict(served) => served.unmount(),
            Self::Plain(dir) => {
                std::fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))
            }
        }
    }
}
