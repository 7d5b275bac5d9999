//! What a gateway left on its disk: files in memory, and which press stands where.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, ensure};
use gateway::config::GatewayConfig;
use gateway::journal::{self, FsStorage};
use protocol::ids::{Hash32, LocalKey};

use super::household::{Book, Household, press_of};

/// Length of a segment, bytes: several with checkpoints in a directory that is quickly written again.
pub const SEGMENT_BYTES: u64 = 6 * 1024;

/// Devices whose motion fills the journal.
const MOTIONS: [&str; 3] = ["hall motion", "bedroom motion", "kitchen motion"];

/// Presses of the whole life, and a few more until the newest segment holds some.
const PRESSES: u16 = 30;

/// Presses in the newest segment, at least.
const NEWEST: usize = 3;

/// Presses after which the centre is away.
const DELIVERED: u16 = 15;

/// Files by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A record's place.
#[derive(Debug, Clone)]
pub struct Stands {
    /// Its identity.
    pub key: LocalKey,
    /// Its hash.
    pub hash: Hash32,
    /// File.
    pub file: String,
    /// First byte.
    pub from: u64,
    /// Byte after its last.
    pub to: u64,
    /// The press that it was made from.
    pub press: Option<u16>,
}

/// A journal's directory and all that is known of it.
#[derive(Debug, Clone)]
pub struct Left {
    /// The files.
    pub files: Files,
    /// Every record.
    pub records: Vec<Stands>,
    /// What the centre had when the gateway was killed.
    pub centre: Book,
    /// Every press; all are acknowledged.
    pub presses: BTreeSet<u16>,
    /// The files an hour before.
    pub hour_old: Files,
}

impl Left {
    /// Lives a short life in `dir`: several segments, presses that the centre has and presses that it has not.
    ///
    /// # Errors
    /// When the life could not be lived.
    pub fn live(dir: &Path, config: &GatewayConfig) -> anyhow::Result<Self> {
        let start =
            |centre, run| Household::start(dir, config, SEGMENT_BYTES, centre, true, run).map_err(anyhow::Error::msg);
        let mut home = start(Book::default(), 1)?;
        let mut hour_old = Files::new();
        let mut presses = BTreeSet::new();
        for packet in 1..=PRESSES {
            for (index, device) in MOTIONS.iter().cycle().take(9).enumerate() {
                home.motion(device, (index / MOTIONS.len() + usize::from(packet)).is_multiple_of(2));
            }
            home.connected = packet <= DELIVERED;
            ensure!(home.press(packet), "press {packet} was not acknowledged");
            presses.insert(packet);
            if packet <= DELIVERED {
                home.settle();
            }
            if packet == PRESSES / 3 {
                hour_old = read(dir)?;
                let centre = std::mem::take(&mut home.centre);
                drop(home);
                home = start(centre, 2)?;
            }
        }
        let mut packet = PRESSES;
        let (files, records) = loop {
            let files = read(dir)?;
            let records = places(dir, &files)?;
            let newest = segments(&files).last().map(|name| (*name).clone()).unwrap_or_default();
            if records.iter().filter(|record| record.file == newest && record.press.is_some()).count() >= NEWEST {
                break (files, records);
            }
            packet += 1;
            ensure!(packet < PRESSES + 50, "the newest segment never holds presses");
            ensure!(home.press(packet), "press {packet} was not acknowledged");
            presses.insert(packet);
        };
        let centre = home.centre.clone();
        drop(home);
        ensure!(segments(&files).len() >= 4, "only {} segments", files.len());
        let held: BTreeSet<_> = records.iter().filter_map(|record| record.press).collect();
        ensure!(held == presses, "the journal holds {held:?}");
        Ok(Self { files, records, centre, presses, hour_old })
    }
}

/// The names of the segments among some files, oldest first.
pub fn segments(files: &Files) -> Vec<&String> {
    files.keys().filter(|name| name.starts_with("segment-")).collect()
}

/// Reads a flat directory.
///
/// # Errors
/// When it cannot be read.
pub fn read(dir: &Path) -> anyhow::Result<Files> {
    let mut files = Files::new();
    for entry in std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            let name = entry.file_name().to_string_lossy().into_owned();
            files.insert(name, std::fs::read(entry.path())?);
        }
    }
    Ok(files)
}

/// Makes a flat directory hold these files and no others.
///
/// # Errors
/// When it cannot be written.
pub fn write(dir: &Path, files: &Files) -> anyhow::Result<()> {
    let _ = std::fs::remove_dir_all(dir);
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    for (name, bytes) in files {
        std::fs::write(dir.join(name), bytes).with_context(|| format!("cannot write {name}"))?;
    }
    Ok(())
}

/// Where each record stands.
fn places(dir: &Path, files: &Files) -> anyhow::Result<Vec<Stands>> {
    let storage = FsStorage::read_only(dir)?;
    let mut records: Vec<Stands> = Vec::new();
    for entry in journal::dump(&storage)? {
        let (at, record) = entry?;
        let file = format!("segment-{:010}.journal", at.segment);
        if let Some(last) = records.last_mut().filter(|last| last.file == file) {
            last.to = at.offset;
        }
        let to = files.get(&file).map_or(0, |bytes| bytes.len() as u64);
        let press = press_of(&record);
        records.push(Stands { key: record.key(), hash: record.hash, file, from: at.offset, to, press });
    }
    Ok(records)
}
