//! One ordered log of everything that a power cut could fall between: block writes, flushes, and
//! what the world was told meanwhile.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::strict::{Change, Inode, Tree};

/// Granularity at which a file system writes, bytes.
pub const BLOCK: usize = 4_096;

/// What the world outside the disk sent or was told. A press is named by its MQTT packet id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Note {
    /// The workload reached a place worth naming in a report.
    Began(String),
    /// A button begins to send a press.
    Pressed(u16),
    /// The button has its PUBACK.
    Acknowledged(u16),
    /// The lamp says "recorded" while this press alone is under way.
    ShownRecorded(u16),
    /// The centre was sent this body by `POST /v1/uplink`.
    Arrived(Vec<u8>),
    /// The centre has answered with receipts for so many records.
    Received(usize),
    /// The gateway was told to stop.
    Stopping,
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// The disk took these bytes into its cache.
    Write {
        /// Where, bytes from the beginning of the disk.
        at: u64,
        /// What.
        bytes: Vec<u8>,
    },
    /// The disk made all before durable.
    Flush,
    /// The strict file system took this into its cache.
    Changed(Change),
    /// It made what this file or directory holds durable.
    Synced(Inode),
    /// Something outside the disk.
    Noted(Note),
}

/// What there was before a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Base {
    /// A disk.
    Disk {
        /// Its blocks; one of zeros is left out.
        blocks: Vec<(u32, Vec<u8>)>,
        /// Its length, bytes.
        bytes: u64,
    },
    /// Files and directories.
    Tree(Tree),
}

/// A whole run on the disk: what it held at first, and the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// Name of the workload.
    pub workload: String,
    /// What there was before the first entry.
    pub base: Base,
    /// The gateway's configuration without its ports, as the workload had it.
    pub extra_toml: String,
    /// The highest sequence that had arrived at the centre before the first entry.
    pub arrived_before: u64,
    /// Everything in order.
    pub entries: Vec<Entry>,
}

impl Base {
    /// A disk that holds these bytes.
    pub fn of_disk(disk: &[u8]) -> Self {
        let used = disk.chunks(BLOCK).enumerate().filter(|(_, block)| block.iter().any(|byte| *byte != 0));
        let blocks = used.map(|(index, block)| (u32::try_from(index).unwrap_or(u32::MAX), block.to_vec())).collect();
        Self::Disk { blocks, bytes: disk.len() as u64 }
    }

    /// A disk's bytes.
    pub fn first_disk(blocks: &[(u32, Vec<u8>)], disk_bytes: u64) -> Vec<u8> {
        let mut disk = vec![0; usize::try_from(disk_bytes).unwrap_or(0)];
        for (block, bytes) in blocks {
            let at = *block as usize * BLOCK;
            if let Some(place) = disk.get_mut(at..at + bytes.len()) {
                place.copy_from_slice(bytes);
            }
        }
        disk
    }
}

impl Recording {
    /// Keeps the recording, so that a cut that failed can be repeated.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> anyhow::Result<()> {
        let bytes = bincode::serialize(self).context("a recording could not be encoded")?;
        std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Reads a recording that was kept.
    ///
    /// # Errors
    /// When there is none in the file.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        bincode::deserialize(&bytes).with_context(|| format!("{} holds no recording", path.display()))
    }
}

/// The log while it is being written; everybody who adds to it shares it.
#[derive(Debug, Clone, Default)]
pub struct BlockLog(Arc<Mutex<Vec<Entry>>>);

impl BlockLog {
    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an entry behind all others.
    pub fn add(&self, entry: Entry) {
        self.entries().push(entry);
    }

    /// Adds a note behind all others.
    pub fn note(&self, note: Note) {
        self.add(Entry::Noted(note));
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries().len()
    }

    /// Whether nothing happened yet.
    pub fn is_empty(&self) -> bool {
        self.entries().is_empty()
    }

    /// Takes every entry out.
    pub fn take(&self) -> Vec<Entry> {
        std::mem::take(&mut self.entries())
    }
}
