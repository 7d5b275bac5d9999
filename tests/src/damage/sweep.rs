//! One damage after another, each on a fresh copy, each started on and held against what was there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use gateway::config::GatewayConfig;
use gateway::journal::{self, Damage, FsStorage};
use sensor_sim::dice::Dice;

use super::household::Household;
use super::left::{Files, Left, SEGMENT_BYTES, segments, write};

/// One damage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Harm {
    /// One bit of a byte is the other way round.
    Flip {
        /// File.
        file: String,
        /// Byte.
        at: usize,
        /// Bit, 0 to 7.
        bit: u8,
    },
    /// The file ends here.
    Cut {
        /// File.
        file: String,
        /// New length, bytes.
        len: usize,
    },
    /// The file is gone.
    Gone {
        /// File.
        file: String,
    },
    /// The directory is as it was an hour before.
    HourOld,
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flip { file, at, bit } => write!(f, "{file}: bit {bit} of byte {at} flipped"),
            Self::Cut { file, len } => write!(f, "{file}: cut to {len} bytes"),
            Self::Gone { file } => write!(f, "{file}: deleted"),
            Self::HourOld => f.write_str("the disk as it was an hour before"),
        }
    }
}

impl Harm {
    /// Its kind, for the table.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Flip { .. } => "bit flipped",
            Self::Cut { .. } => "file cut",
            Self::Gone { .. } => "file deleted",
            Self::HourOld => "hour-old copy",
        }
    }

    fn done_to(&self, left: &Left) -> Files {
        let mut files = left.files.clone();
        match self {
            Self::Flip { file, at, bit } => {
                if let Some(byte) = files.get_mut(file).and_then(|bytes| bytes.get_mut(*at)) {
                    *byte ^= 1 << bit;
                }
            }
            Self::Cut { file, len } => {
                if let Some(bytes) = files.get_mut(file) {
                    bytes.truncate(*len);
                }
            }
            Self::Gone { file } => {
                files.remove(file);
            }
            Self::HourOld => files.clone_from(&left.hour_old),
        }
        files
    }

    /// Whether a record in `file` from `from` to `to` may be lost by it: it lay in what was damaged.
    fn touches(&self, file: &str, from: u64, to: u64) -> bool {
        match self {
            Self::Flip { file: harmed, at, .. } => harmed == file && (from..to).contains(&(*at as u64)),
            Self::Cut { file: harmed, len } => harmed == file && to > *len as u64,
            Self::Gone { file: harmed } => harmed == file,
            Self::HourOld => true,
        }
    }

    /// Whether nothing on the disk can tell it from a disk on which that was never written: the newest
    /// segment cut where an append could have been interrupted, or gone, and the old copy. Only somebody
    /// else, who holds the head of the chain, can.
    fn leaves_no_trace(&self, left: &Left) -> bool {
        let newest = segments(&left.files).last().map(|name| (*name).clone());
        match self {
            Self::Flip { file, .. } | Self::Cut { file, .. } | Self::Gone { file } => newest.as_ref() == Some(file),
            Self::HourOld => true,
        }
    }
}

/// Every harm that is swept: a bit of every byte of one closed segment and of the newest one, every file
/// cut at every length, every file deleted, the hour-old copy. Of cuts only every `stride`th.
pub fn harms(left: &Left, stride: usize, seed: u64) -> Vec<Harm> {
    let mut dice = Dice::named(seed, "harms");
    let names = segments(&left.files);
    let mut harms = Vec::new();
    for file in names.iter().rev().take(2) {
        let bytes = left.files.get(*file).map_or(0, Vec::len);
        let flips = (0..bytes).map(|at| (at, (dice.throw() % 8) as u8));
        harms.extend(flips.map(|(at, bit)| Harm::Flip { file: (*file).clone(), at, bit }));
    }
    for (file, bytes) in &left.files {
        let from = usize::try_from(dice.between(0, stride.max(1) as u64 - 1)).unwrap_or(0);
        harms.extend((from..bytes.len()).step_by(stride.max(1)).map(|len| Harm::Cut { file: file.clone(), len }));
        harms.push(Harm::Gone { file: file.clone() });
    }
    harms.push(Harm::HourOld);
    harms
}

/// What one harm came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What must not be.
    pub violations: Vec<String>,
    /// Presses that are nowhere any more.
    pub lost: usize,
    /// Start-up or `gateway journal verify` names it.
    pub named: bool,
    /// Nothing on the disk can tell that anything is missing.
    pub untraceable: bool,
}

/// Starts on the harmed files in `dir` and says what became of every press.
///
/// # Errors
/// Only for what is not the product's doing.
pub fn endure(left: &Left, harm: &Harm, dir: &Path, config: &GatewayConfig) -> anyhow::Result<Outcome> {
    write(dir, &harm.done_to(left))?;
    let mut outcome = Outcome::default();
    let verified = journal::verify(&FsStorage::read_only(dir)?);
    outcome.named = verified.is_ok_and(|report| !report.is_whole());
    let lived = catch_unwind(AssertUnwindSafe(|| {
        let mut home = Household::start(dir, config, SEGMENT_BYTES, left.centre.clone(), true, 3)?;
        // Whoever was not told, or is worse off now, presses again.
        let acknowledged = home.press(u16::MAX);
        home.settle();
        Ok::<_, String>((home.centre.clone(), home.damage.clone(), acknowledged))
    }));
    let (centre, damage, acknowledged) = match lived {
        Ok(Ok(lived)) => lived,
        Ok(Err(why)) => {
            outcome.violations.push(format!("it does not start: {why}"));
            return Ok(outcome);
        }
        Err(_) => {
            outcome.violations.push("it panics".into());
            return Ok(outcome);
        }
    };
    outcome.named |= damage.iter().any(Damage::may_lose_records);
    outcome.untraceable = harm.leaves_no_trace(left);
    if !acknowledged || !centre.presses().contains_key(&u16::MAX) {
        outcome.violations.push("a new press does not get through".into());
    }
    if centre.conflicts > 0 {
        outcome.violations.push(format!("{} identities were given twice", centre.conflicts));
    }
    let held = centre.presses();
    let doubled: Vec<_> = held.iter().filter(|(_, count)| **count > 1).map(|(press, _)| press).collect();
    if !doubled.is_empty() {
        outcome.violations.push(format!("presses {doubled:?} are at the centre more than once"));
    }
    let lost: BTreeSet<_> = left.presses.iter().filter(|press| !held.contains_key(press)).collect();
    outcome.lost = lost.len();
    for press in lost {
        let stood = left.records.iter().find(|record| record.press == Some(*press));
        if stood.is_some_and(|stood| !harm.touches(&stood.file, stood.from, stood.to)) {
            outcome.violations.push(format!("press {press} is lost although it lay elsewhere"));
        }
        if !outcome.named && !outcome.untraceable {
            outcome.violations.push(format!("press {press} is lost and nothing says so"));
        }
    }
    Ok(outcome)
}

/// What harms of one kind came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Harms done.
    pub harms: usize,
    /// Of them named at start-up or by verify.
    pub named: usize,
    /// Harms that cost a press.
    pub cost: usize,
    /// Presses lost in all.
    pub lost: usize,
    /// Harms that cost a press and leave no trace on the disk.
    pub untraceable: usize,
    /// Harms that broke a promise.
    pub violated: usize,
}

/// What a sweep found.
#[derive(Debug, Default)]
pub struct Found {
    /// By kind of harm.
    pub counts: BTreeMap<&'static str, Count>,
    /// Each violation with its harm.
    pub violations: Vec<(Harm, Vec<String>)>,
}

/// Endures every harm, several at once, each worker in a directory of its own below `dir`.
///
/// # Errors
/// Only for what is not the product's doing.
pub fn sweep(left: &Left, harms: &[Harm], dir: &Path, config: &GatewayConfig, workers: usize) -> anyhow::Result<Found> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Found::default());
    let labour = |dir: PathBuf| -> anyhow::Result<()> {
        while let Some(harm) = harms.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = endure(left, harm, &dir, config)?;
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            let count = found.counts.entry(harm.kind()).or_default();
            count.harms += 1;
            count.named += usize::from(outcome.named);
            count.cost += usize::from(outcome.lost > 0);
            count.lost += outcome.lost;
            count.untraceable += usize::from(outcome.lost > 0 && outcome.untraceable && !outcome.named);
            count.violated += usize::from(!outcome.violations.is_empty());
            if !outcome.violations.is_empty() {
                found.violations.push((harm.clone(), outcome.violations));
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let labour = &labour;
        let workers: Vec<_> =
            (0..workers.max(1)).map(|index| scope.spawn(move || labour(dir.join(format!("sweep-{index}"))))).collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(ended) => ended,
            Err(_) => anyhow::bail!("a worker panicked"),
        })
    })?;
    Ok(found.into_inner().unwrap_or_else(PoisonError::into_inner))
}
