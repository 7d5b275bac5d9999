//! A file system that promises what POSIX does and nothing more: a file's contents are durable with the file's own
//! sync, a name with the sync of its directory. Every journalling file system promises more than that, each something
//! else; what holds here hangs on none of them.

use std::collections::BTreeMap;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::Context as _;
use sensor_sim::dice::Dice;
use serde::{Deserialize, Serialize};

use super::block_log::{BLOCK, Entry};
use super::cut::Model;

mod server;

pub use self::server::Served;

/// A file or directory, whatever it is called.
pub type Inode = u64;

/// The directory above all others.
pub const ROOT: Inode = 1;

/// What a file or directory holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Node {
    /// Names, and what each stands for.
    Dir(BTreeMap<String, Inode>),
    /// Bytes.
    File(Vec<u8>),
}

/// One thing that a program did to the file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// A name was given to an empty file or directory.
    Made {
        /// The directory that holds the name.
        dir: Inode,
        /// The name.
        name: String,
        /// What it stands for.
        inode: Inode,
        /// A directory, not a file.
        is_dir: bool,
    },
    /// A name was taken away.
    Removed {
        /// The directory that held the name.
        dir: Inode,
        /// The name.
        name: String,
    },
    /// A name became another one, in the place of whatever had that.
    Renamed {
        /// The directory that held the name.
        dir: Inode,
        /// The name.
        name: String,
        /// The directory that holds it now.
        to_dir: Inode,
        /// What it is now.
        to: String,
        /// What it stands for.
        inode: Inode,
    },
    /// Bytes were written.
    Wrote {
        /// The file.
        inode: Inode,
        /// Where, bytes from its beginning.
        at: u64,
        /// What.
        bytes: Vec<u8>,
    },
    /// A file was cut, or lengthened with zeros.
    Cut {
        /// The file.
        inode: Inode,
        /// Its length since then, bytes.
        len: u64,
    },
}

impl Change {
    /// Whose sync makes it durable.
    fn durable_with(&self) -> Inode {
        match self {
            Self::Made { dir, .. } | Self::Removed { dir, .. } => *dir,
            Self::Renamed { to_dir, .. } => *to_dir,
            Self::Wrote { inode, .. } | Self::Cut { inode, .. } => *inode,
        }
    }
}

/// Every file and directory, those without a name too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    nodes: BTreeMap<Inode, Node>,
}

impl Default for Tree {
    fn default() -> Self {
        Self { nodes: BTreeMap::from([(ROOT, Node::Dir(BTreeMap::new()))]) }
    }
}

impl Tree {
    /// A node.
    pub fn node(&self, inode: Inode) -> Option<&Node> {
        self.nodes.get(&inode)
    }

    /// What a name in a directory stands for.
    pub fn find(&self, dir: Inode, name: &str) -> Option<Inode> {
        match self.node(dir)? {
            Node::Dir(names) => names.get(name).copied(),
            Node::File(_) => None,
        }
    }

    /// The lowest number above all that are in use.
    pub fn next_inode(&self) -> Inode {
        self.nodes.keys().next_back().map_or(ROOT, |last| *last) + 1
    }

    /// Bytes that the files with a name take, in whole blocks.
    pub fn used_bytes(&self) -> u64 {
        let named = self.nodes.values().filter_map(|node| if let Node::Dir(names) = node { Some(names) } else { None });
        let lengths = named.flat_map(BTreeMap::values).filter_map(|inode| match self.node(*inode) {
            Some(Node::File(bytes)) => Some(bytes.len().div_ceil(BLOCK) * BLOCK),
            Some(Node::Dir(_)) | None => None,
        });
        lengths.sum::<usize>() as u64
    }

    fn names(&mut self, dir: Inode) -> Option<&mut BTreeMap<String, Inode>> {
        match self.nodes.entry(dir).or_insert_with(|| Node::Dir(BTreeMap::new())) {
            Node::Dir(names) => Some(names),
            Node::File(_) => None,
        }
    }

    fn bytes(&mut self, inode: Inode) -> Option<&mut Vec<u8>> {
        match self.nodes.entry(inode).or_insert_with(|| Node::File(Vec::new())) {
            Node::File(bytes) => Some(bytes),
            Node::Dir(_) => None,
        }
    }

    /// Lets a change happen. What it is about may not have a name here, or not any more.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Made { dir, name, inode, is_dir } => {
                let empty = if *is_dir { Node::Dir(BTreeMap::new()) } else { Node::File(Vec::new()) };
                self.nodes.entry(*inode).or_insert(empty);
                self.names(*dir).map(|names| names.insert(name.clone(), *inode));
            }
            Change::Removed { dir, name } => {
                self.names(*dir).map(|names| names.remove(name));
            }
            Change::Renamed { dir, name, to_dir, to, inode } => {
                if self.find(*dir, name) == Some(*inode) {
                    self.names(*dir).map(|names| names.remove(name));
                }
                self.names(*to_dir).map(|names| names.insert(to.clone(), *inode));
            }
            Change::Wrote { inode, at, bytes } => self.write(*inode, *at, bytes),
            Change::Cut { inode, len } => {
                let len = usize::try_from(*len).unwrap_or(0);
                self.bytes(*inode).into_iter().for_each(|held| held.resize(len, 0));
            }
        }
    }

    fn write(&mut self, inode: Inode, at: u64, bytes: &[u8]) {
        let from = usize::try_from(at).unwrap_or(0);
        if let Some(held) = self.bytes(inode) {
            held.resize(held.len().max(from + bytes.len()), 0);
            held[from..from + bytes.len()].copy_from_slice(bytes);
        }
    }

    /// The tree as a cut leaves it: `happened` on `self`, of which the last `ignored` syncs did not count.
    pub fn after(&self, happened: &[Entry], ignored: usize, model: Model, dice: &mut Dice) -> Self {
        let syncs = happened.iter().filter(|entry| matches!(entry, Entry::Synced(_))).count();
        let (mut tree, mut left, mut waiting) = (self.clone(), syncs.saturating_sub(ignored), Vec::new());
        for entry in happened {
            match entry {
                Entry::Changed(change) => waiting.push(change),
                Entry::Synced(synced) if left > 0 => {
                    left -= 1;
                    waiting.retain(|change| {
                        let stays = change.durable_with() != *synced;
                        if !stays {
                            tree.apply(change);
                        }
                        stays
                    });
                }
                Entry::Synced(_) | Entry::Write { .. } | Entry::Flush | Entry::Noted(_) => {}
            }
        }
        // From nearly nothing to nearly everything, so that short and long losses are both seen.
        let percent = dice.between(5, 95);
        for change in waiting {
            match (model, change) {
                (Model::None, _) => {}
                (Model::All, _) => tree.apply(change),
                (Model::Some | Model::Torn | Model::Lying, Change::Wrote { inode, at, bytes }) => {
                    for (at, piece) in pieces(*at, bytes, model.piece_bytes()) {
                        if dice.chance(percent) {
                            tree.write(*inode, at, piece);
                        }
                    }
                }
                (Model::Some | Model::Torn | Model::Lying, _) if dice.chance(percent) => tree.apply(change),
                (Model::Some | Model::Torn | Model::Lying, _) => {}
            }
        }
        tree
    }

    /// Puts everything that has a name into a directory.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_to(&self, dir: &Path) -> anyhow::Result<()> {
        self.write_dir(ROOT, dir).with_context(|| format!("cannot lay out {}", dir.display()))
    }

    fn write_dir(&self, inode: Inode, dir: &Path) -> std::io::Result<()> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let Some(Node::Dir(names)) = self.node(inode) else { return Ok(()) };
        for (name, inode) in names {
            match self.node(*inode) {
                Some(Node::Dir(_)) => self.write_dir(*inode, &dir.join(name))?,
                Some(Node::File(bytes)) => {
                    let mut options = std::fs::OpenOptions::new();
                    let mut file = options.write(true).create_new(true).mode(0o600).open(dir.join(name))?;
                    std::io::Write::write_all(&mut file, bytes)?;
                }
                None => {}
            }
        }
        Ok(())
    }
}

/// Pieces of a write, each within one piece of the file that a disk writes whole.
fn pieces(at: u64, bytes: &[u8], whole: usize) -> impl Iterator<Item = (u64, &[u8])> {
    let first = (whole - usize::try_from(at % whole as u64).unwrap_or(0)).min(bytes.len());
    let (head, rest) = bytes.split_at(first);
    let rest = rest.chunks(whole).enumerate().map(move |(index, piece)| (at + (first + index * whole) as u64, piece));
    std::iter::once((at, head)).chain(rest)
}

#[cfg(test)]
mod tests;
