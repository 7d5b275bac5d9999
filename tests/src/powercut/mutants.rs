//! Ways to break the gateway's care for the disk on purpose; cuts must see each of them.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::ground::FileSystem;
use super::workload::Workload;
use crate::mutants::copy::ProductCopy;

/// One way to break it.
#[derive(Debug, Clone, Copy)]
pub struct Mutant {
    /// Its name, for files and the command line.
    pub name: &'static str,
    /// What it breaks.
    pub breaks: &'static str,
    /// What is replaced, each text standing exactly once in the files below its place.
    pub changes: &'static [Change],
    /// Where it must be seen.
    pub workload: Workload,
    /// On what: ext4 makes a new file's name durable with the file's own sync, so that a forgotten sync of its
    /// directory is seen only where nobody promises that.
    pub file_system: FileSystem,
}

/// One text in the place of another.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    /// A file, or a folder of which one file holds the text.
    pub place: &'static str,
    /// The text.
    pub old: &'static str,
    /// What takes its place.
    pub new: &'static str,
}

/// Every mutant.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "sync-dropped",
        breaks: "the journal writes and does not sync",
        changes: &[Change {
            place: "gateway/src/journal/mod.rs",
            old: "        self.storage.sync(name).map_err(|source| JournalError::io(\"sync\", name, source))?;\n        self.tail = Tail::Ready;",
            new: "        self.tail = Tail::Ready;",
        }],
        workload: Workload::SosUnderTelemetry,
        file_system: FileSystem::Ext4,
    },
    Mutant {
        name: "early-acknowledgement",
        breaks: "a press is acknowledged before its record is synced",
        changes: &[Change {
            place: "gateway/src/engine",
            old: "        let is_safe = seq < self.first_unsafe_seq() && !in_doubt || elsewhere;",
            new: "        let is_safe = seq < u64::MAX || elsewhere;",
        }],
        workload: Workload::SosUnderTelemetry,
        file_system: FileSystem::Ext4,
    },
    Mutant {
        name: "early-lamp",
        breaks: "the lamp says recorded before the record is synced",
        changes: &[Change {
            place: "gateway/src/home/reassurance.rs",
            old: "at: record.at, recorded: false, received: None, of_pre_alarm };",
            // Each press is answered at once, as the sync answers it in the whole gateway.
            new: "at: record.at, recorded: true, received: None, of_pre_alarm };\n        self.repeat = true;",
        }],
        workload: Workload::SosUnderTelemetry,
        file_system: FileSystem::Ext4,
    },
    Mutant {
        name: "directory-sync-dropped",
        breaks: "a new segment's name is not synced",
        changes: &[Change {
            place: "gateway/src/journal/storage.rs",
            old: "        File::open(&self.dir)?.sync_all()\n",
            new: "        Ok(())\n",
        }],
        workload: Workload::RollAndRetire,
        file_system: FileSystem::Strict,
    },
    Mutant {
        name: "redelivery-counts",
        breaks: "a press that is said again after the cut is a new one",
        changes: &[Change {
            place: "gateway/src/engine",
            old: "        (never_acknowledged || known).then_some(found.seq)",
            new: "        (never_acknowledged && known && found.late).then_some(found.seq)",
        }],
        workload: Workload::SosUnderTelemetry,
        file_system: FileSystem::Ext4,
    },
    Mutant {
        name: "retired-undelivered",
        breaks: "old segments go although the centre has not received what is in them",
        changes: &[Change {
            place: "gateway/src/journal/retirement.rs",
            old: "        if last_seq > delivered_low_water || !(too_old",
            new: "        if last_seq.min(delivered_low_water) > delivered_low_water || !(too_old",
        }],
        workload: Workload::RollAndRetire,
        file_system: FileSystem::Ext4,
    },
];

impl Mutant {
    /// The files of the tree at `root` that it changes, with their text after it.
    ///
    /// # Errors
    /// When a text does not stand exactly once in its place.
    pub fn files(&self, root: &Path) -> anyhow::Result<Vec<(PathBuf, String)>> {
        let mut changed: Vec<(PathBuf, String)> = Vec::new();
        for change in self.changes {
            let mut holders = Vec::new();
            sources(&root.join(change.place), &mut |path| {
                let known = changed.iter().find(|(known, _)| known == path).map(|(_, text)| text.clone());
                let text = known.map_or_else(|| std::fs::read_to_string(path), Ok)?;
                holders.extend(text.matches(change.old).map(|_| (path.to_owned(), text.clone())));
                Ok(())
            })
            .with_context(|| format!("cannot read {}", change.place))?;
            let [(path, text)] = holders.as_slice() else {
                anyhow::bail!("{}: its text stands {} times in {}, not once", self.name, holders.len(), change.place);
            };
            let text = text.replacen(change.old, change.new, 1);
            changed.retain(|(known, _)| known != path);
            changed.push((path.clone(), text));
        }
        Ok(changed)
    }
}

fn sources(path: &Path, each: &mut dyn FnMut(&Path) -> std::io::Result<()>) -> std::io::Result<()> {
    if path.is_dir() {
        let mut entries =
            std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
        entries.sort();
        return entries.iter().try_for_each(|entry| sources(entry, each));
    }
    if path.extension().is_some_and(|extension| extension == "rs") { each(path) } else { Ok(()) }
}

/// Where the built mutant `name` of the tree at `root` lies.
pub fn program(root: &Path, name: &str) -> PathBuf {
    root.join("target").join("mutants").join("gateways").join(name)
}

/// Builds the gateway with this mutant in it, out of a copy of the tree at `root`.
///
/// # Errors
/// When the mutant does not fit or does not build.
pub fn build(root: &Path, mutant: &Mutant) -> anyhow::Result<()> {
    let copy = ProductCopy::of(root)?;
    let mut whole = Vec::new();
    for (path, text) in mutant.files(root)? {
        let name = path.strip_prefix(root).context("a file outside the tree")?.to_owned();
        whole.push((name.clone(), std::fs::read_to_string(&path)?));
        copy.write(&name, &text)?;
    }
    let built = copy.build("gateway", "gateway");
    for (name, text) in whole {
        copy.write(name, &text)?;
    }
    built.with_context(|| format!("mutant `{}`", mutant.name))?;
    let kept = program(root, mutant.name);
    if let Some(dir) = kept.parent() {
        std::fs::create_dir_all(dir)?;
    }
    std::fs::copy(copy.program("gateway"), &kept).context("no gateway was built")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mutant_still_fits_the_product() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for mutant in MUTANTS {
            if let Err(error) = mutant.files(&root) {
                panic!("{error:#}");
            }
        }
    }
}
