//! A cut: a place in the log and what the disk had kept of its cache by then; and the image it leaves.

use std::collections::BTreeMap;
use std::fmt;

use sensor_sim::dice::Dice;

use super::block_log::{BLOCK, Base, Entry, Note, Recording};
use super::strict::Tree;

/// Smallest piece that a disk writes whole, bytes.
const SECTOR: usize = 512;

/// How many flushes back a disk that ignores them may have lost, at most.
const IGNORED_FLUSHES_MAX: usize = 200;

/// What becomes of everything that was written after the last flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Model {
    /// Nothing of it was kept.
    None,
    /// All of it was kept.
    All,
    /// Some blocks were kept, in no order.
    Some,
    /// Some sectors were kept: blocks are torn.
    Torn,
    /// The disk ignores flushes: what it said was durable is not. The control that must fail.
    Lying,
}

impl Model {
    /// The models of an honest disk.
    pub const HONEST: [Self; 4] = [Self::None, Self::All, Self::Some, Self::Torn];

    /// What it keeps or loses at once, bytes.
    pub(super) fn piece_bytes(self) -> usize {
        match self {
            Self::None | Self::All | Self::Some => BLOCK,
            Self::Torn | Self::Lying => SECTOR,
        }
    }

    /// Its name in a table and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::All => "all",
            Self::Some => "some",
            Self::Torn => "torn",
            Self::Lying => "lying",
        }
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cut {
    /// Entries of the log that had happened.
    pub at: usize,
    /// What the disk kept.
    pub model: Model,
    /// Chooses what `some` and `torn` keep.
    pub seed: u64,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--at {} --model {} --cut-seed {}", self.at, self.model, self.seed)
    }
}

/// Every cut there is under the honest models; where nothing waits in the cache all models are one.
pub fn all_cuts(entries: &[Entry], seed: u64) -> Vec<Cut> {
    let mut dice = Dice::named(seed, "cuts");
    let mut waiting = false;
    let mut cuts = Vec::new();
    for at in 0..=entries.len() {
        match at.checked_sub(1).map(|last| &entries[last]) {
            Some(Entry::Write { .. } | Entry::Changed(_)) => waiting = true,
            Some(Entry::Flush) => waiting = false,
            // Something else may wait all the same.
            Some(Entry::Synced(_) | Entry::Noted(_)) | None => {}
        }
        let models: &[Model] = if waiting { &Model::HONEST } else { &Model::HONEST[..1] };
        cuts.extend(models.iter().map(|model| Cut { at, model: *model, seed: dice.throw() }));
    }
    cuts
}

/// Chooses `count` of all cuts, the same ones for the same seed.
pub fn choose(mut cuts: Vec<Cut>, count: usize, seed: u64) -> Vec<Cut> {
    let mut dice = Dice::named(seed, "choice");
    for index in (1..cuts.len()).rev() {
        cuts.swap(index, usize::try_from(dice.between(0, index as u64)).unwrap_or(0));
    }
    cuts.truncate(count);
    cuts
}

/// Cuts on a disk that ignores flushes, each just after something was acknowledged.
pub fn lying_cuts(entries: &[Entry], count: usize, seed: u64) -> Vec<Cut> {
    let mut dice = Dice::named(seed, "lying");
    let told = |entry: &Entry| matches!(entry, Entry::Noted(Note::Acknowledged(_) | Note::ShownRecorded(_)));
    let places: Vec<_> = (1..=entries.len()).filter(|at| told(&entries[at - 1])).collect();
    let cuts = places.into_iter().map(|at| Cut { at, model: Model::Lying, seed: dice.throw() }).collect();
    choose(cuts, count, seed)
}

/// What a cut leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// A disk's bytes.
    Disk(Vec<u8>),
    /// Files and directories.
    Tree(Tree),
}

/// What the cut leaves of what was recorded.
pub fn left(recording: &Recording, cut: Cut) -> Left {
    let mut dice = Dice::named(cut.seed, "kept");
    let happened = &recording.entries[..cut.at.min(recording.entries.len())];
    match &recording.base {
        Base::Disk { blocks, bytes } => Left::Disk(image(Base::first_disk(blocks, *bytes), happened, cut, &mut dice)),
        Base::Tree(tree) => {
            let ignored = ignored(cut.model, &mut dice);
            Left::Tree(tree.after(happened, ignored, cut.model, &mut dice))
        }
    }
}

fn image(mut disk: Vec<u8>, happened: &[Entry], cut: Cut, dice: &mut Dice) -> Vec<u8> {
    let durable = durable(happened, cut.model, dice);
    for entry in &happened[..durable] {
        if let Entry::Write { at, bytes } = entry {
            put(&mut disk, *at, bytes);
        }
    }
    let cached = &happened[durable..];
    match cut.model {
        Model::None => {}
        Model::All => {
            for entry in cached {
                if let Entry::Write { at, bytes } = entry {
                    put(&mut disk, *at, bytes);
                }
            }
        }
        Model::Some | Model::Torn | Model::Lying => keep_some(&mut disk, cached, cut.model.piece_bytes(), dice),
    }
    disk
}

/// How many of the entries are surely on the disk.
fn durable(happened: &[Entry], model: Model, dice: &mut Dice) -> usize {
    let flushes = happened.iter().enumerate().rev().filter(|(_, entry)| matches!(entry, Entry::Flush));
    flushes.map(|(index, _)| index + 1).nth(ignored(model, dice)).unwrap_or(0)
}

/// How many flushes or syncs, from the last one back, were ignored.
fn ignored(model: Model, dice: &mut Dice) -> usize {
    match model {
        Model::Lying => usize::try_from(dice.between(1, IGNORED_FLUSHES_MAX as u64)).unwrap_or(1),
        Model::None | Model::All | Model::Some | Model::Torn => 0,
    }
}

/// Of each piece one of its versions is kept: any that was written since the flush, or none of them.
fn keep_some(disk: &mut [u8], cached: &[Entry], piece: usize, dice: &mut Dice) {
    let mut versions: BTreeMap<u64, Vec<&[u8]>> = BTreeMap::new();
    for entry in cached {
        if let Entry::Write { at, bytes } = entry {
            for (index, part) in bytes.chunks(piece).enumerate() {
                versions.entry(at + (index * piece) as u64).or_default().push(part);
            }
        }
    }
    // From nearly nothing to nearly everything, so that short and long losses are both seen.
    let percent = dice.between(5, 95);
    for (at, parts) in versions {
        let kept = parts.into_iter().rev().find(|_| dice.chance(percent));
        if let Some(part) = kept {
            put(disk, at, part);
        }
    }
}

fn put(disk: &mut [u8], at: u64, bytes: &[u8]) {
    let at = usize::try_from(at).unwrap_or(usize::MAX);
    if let Some(place) = at.checked_add(bytes.len()).and_then(|end| disk.get_mut(at..end)) {
        place.copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests;
