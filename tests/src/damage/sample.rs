//! A sample of the same damage under the real programs: the whole data directory, sled's files with it,
//! the real gateway and the real centre.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use gateway::journal::{self, FsStorage};
use protocol::ids::LocalKey;
use protocol::record::Record;
use sensor_sim::dice::Dice;

use super::left::Files;
use crate::harness::gateway::{StatusPage, start_at};
use crate::harness::mqtt::MqttClient;
use crate::harness::program::or_log;
use crate::harness::setup::{CHECKER, Ports, Setup, Waits};
use crate::harness::{ports, wire};
use crate::powercut::check::CentreSide;
use crate::powercut::stage::{PATIENCE, press, telemetry};
use crate::powercut::truth::made;

/// Presses that the centre has before the damage.
const DELIVERED: u16 = 8;

/// Presses in all.
const PRESSES: u16 = 14;

/// The press after the damage.
const ANEW: u16 = 900;

/// What became of one file.
#[derive(Debug, Clone)]
pub struct Harm {
    file: String,
    what: &'static str,
    bytes: Option<Vec<u8>>,
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.file, self.what)
    }
}

/// What the sample found.
#[derive(Debug, Default)]
pub struct Sampled {
    /// Disks started on.
    pub disks: usize,
    /// Presses that were only on the damaged copy and are gone.
    pub lost: usize,
    /// What must not be.
    pub violations: Vec<String>,
}

/// A home that was lived in and killed.
struct Home {
    setup: Setup,
    program: PathBuf,
    centre: CentreSide,
    status: StatusPage,
}

/// Lives, damages and starts again; prints each disk that is worth a line.
///
/// # Errors
/// When the undamaged home does not run.
pub async fn sample(program: &Path, seed: u64) -> anyhow::Result<Sampled> {
    let [mqtt, centre, status] = ports::free()?;
    let mut setup = Setup::new(Ports { mqtt, centre, status }, Waits::SHORT)?;
    setup.extra_toml = "\n[journal]\nsegment_kb = 64\n".to_owned();
    let centre = CentreSide::start(&mut setup, 1_000).await?;
    let status = StatusPage::of(&setup).map_err(anyhow::Error::msg)?;
    let mut home = Home { setup, program: program.to_owned(), centre, status };
    let (hour_old, left) = home.live().await?;
    let mut sampled = Sampled::default();
    let originals = home.records(&left)?;
    for harm in harms(&left, seed) {
        let mut files = left.clone();
        match &harm.bytes {
            Some(bytes) => files.insert(harm.file.clone(), bytes.clone()),
            None => files.remove(&harm.file),
        };
        home.endure(&harm.to_string(), &harm.file, &files, &originals, &mut sampled).await?;
    }
    home.endure("the whole disk as it was an hour before", "journal/", &hour_old, &originals, &mut sampled).await?;
    home.centre.end();
    Ok(sampled)
}

/// Each file deleted, emptied, cut to a part, and with a bit flipped in a few places.
fn harms(left: &Files, seed: u64) -> Vec<Harm> {
    let mut dice = Dice::named(seed, "sample");
    let mut harms = Vec::new();
    for (file, bytes) in left {
        let mut harm = |what, bytes| harms.push(Harm { file: file.clone(), what, bytes });
        harm("deleted", None);
        if bytes.is_empty() {
            continue;
        }
        harm("emptied", Some(Vec::new()));
        let last = bytes.len() as u64 - 1;
        harm("cut", Some(bytes[..usize::try_from(dice.between(0, last)).unwrap_or(0)].to_vec()));
        for (what, from, to) in [("flipped near its beginning", 0, 63), ("flipped inside", 0, last)] {
            let mut bytes = bytes.clone();
            let at = usize::try_from(dice.between(from, to.min(last))).unwrap_or(0);
            bytes[at] ^= 1 << (dice.throw() % 8);
            harm(what, Some(bytes));
        }
    }
    harms
}

impl Home {
    /// The data directory an hour before the end, and at the end.
    async fn live(&mut self) -> anyhow::Result<(Files, Files)> {
        self.centre.turn_to_next(&mut self.setup, true);
        let mut gateway = start_at(&self.program, &self.setup, None).await?;
        telemetry(&self.setup, 700).await?.map_err(anyhow::Error::msg)?;
        self.press(1..=4, false).await?;
        gateway.stop(PATIENCE).await.map_err(anyhow::Error::msg)?;
        let hour_old = read_tree(&self.setup.gateway_data())?;
        let mut gateway = start_at(&self.program, &self.setup, None).await?;
        telemetry(&self.setup, 700).await?.map_err(anyhow::Error::msg)?;
        self.press(5..=DELIVERED, false).await?;
        let delivered = self.status.until_metric("gateway_backlog_records", PATIENCE, |left| left == 0).await;
        or_log(&gateway, delivered)?;
        gateway.stop(PATIENCE).await.map_err(anyhow::Error::msg)?;
        self.centre.turn_to_next(&mut self.setup, false);
        let mut gateway = start_at(&self.program, &self.setup, None).await?;
        self.press(DELIVERED + 1..=PRESSES, false).await?;
        gateway.kill();
        Ok((hour_old, read_tree(&self.setup.gateway_data())?))
    }

    async fn press(&self, packets: std::ops::RangeInclusive<u16>, again: bool) -> anyhow::Result<()> {
        let pressed = async {
            let sign_in = self.setup.sign_in(CHECKER)?;
            let mut button = MqttClient::connect(self.setup.ports.mqtt, CHECKER, Some(sign_in)).await?;
            for packet in packets {
                button.send(&wire::publish(&press(packet, again))).await?;
                button.acknowledged(packet, 0).await?;
            }
            Ok::<_, String>(())
        };
        pressed.await.map_err(anyhow::Error::msg)
    }

    /// The records of a data directory.
    fn records(&self, files: &Files) -> anyhow::Result<Vec<Record>> {
        let dir = self.setup.gateway_data();
        write_tree(&dir, files)?;
        read_records(&dir)
    }

    async fn endure(
        &mut self,
        name: &str,
        file: &str,
        files: &Files,
        originals: &[Record],
        sampled: &mut Sampled,
    ) -> anyhow::Result<()> {
        sampled.disks += 1;
        let dir = self.setup.gateway_data();
        write_tree(&dir, files)?;
        self.centre.turn_to_next(&mut self.setup, true);
        let had = originals.iter().rev().find(|record| {
            record.delivery.as_ref().is_some_and(|delivery| delivery.client == CHECKER && delivery.packet == DELIVERED)
        });
        let through = had.context("the last delivered press is not in the journal")?.seq;
        let had: Vec<_> = originals.iter().filter(|record| record.seq <= through).cloned().map(Arc::new).collect();
        self.centre.hand_over(&had).await.map_err(anyhow::Error::msg)?;
        let mut gateway = match start_at(&self.program, &self.setup, None).await {
            Ok(gateway) => gateway,
            Err(error) => {
                sampled.violations.push(format!("{name}: the gateway does not start: {error:#}"));
                return Ok(());
            }
        };
        if let Err(error) = self.press(ANEW..=ANEW, false).await {
            sampled.violations.push(format!("{name}: a new press is not acknowledged: {error:#}"));
        }
        let records = read_records(&dir)?;
        let (on_disk, at_centre) = (made(&records), made(had.iter().map(|record| &**record)));
        let mut keys: BTreeSet<LocalKey> = BTreeSet::new();
        for packet in (1..=PRESSES).chain([ANEW]) {
            let places = [&on_disk, &at_centre].into_iter().filter_map(|made| made.get(&packet));
            let found: BTreeSet<_> = places.flatten().collect();
            if found.len() > 1 {
                sampled.violations.push(format!("{name}: press {packet} is there {} times", found.len()));
            }
            if found.is_empty() {
                sampled.lost += 1;
                if packet <= DELIVERED || !file.starts_with("journal/") {
                    sampled.violations.push(format!("{name}: press {packet} is lost although it lay elsewhere"));
                }
            }
            keys.extend(found.into_iter().copied());
        }
        let sent = CentreSide::until_sent(&self.status).await;
        let held = if sent.is_ok() { self.centre.holds(keys.len()).await } else { sent };
        if let Err(why) = held {
            sampled.violations.push(format!("{name}: at the centre: {why}"));
        }
        gateway.kill();
        Ok(())
    }
}

fn read_records(data_dir: &Path) -> anyhow::Result<Vec<Record>> {
    let storage = FsStorage::read_only(data_dir.join("journal"))?;
    let records: Result<Vec<_>, _> = journal::dump(&storage)?.map(|entry| entry.map(|(_, record)| record)).collect();
    Ok(records?)
}

fn read_tree(root: &Path) -> anyhow::Result<Files> {
    let (mut files, mut dirs) = (Files::new(), vec![PathBuf::new()]);
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(root.join(&dir))? {
            let entry = entry?;
            let name = dir.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                dirs.push(name);
            } else {
                files.insert(name.to_string_lossy().into_owned(), std::fs::read(entry.path())?);
            }
        }
    }
    ensure!(!files.is_empty(), "nothing in {}", root.display());
    Ok(files)
}

fn write_tree(root: &Path, files: &Files) -> anyhow::Result<()> {
    let _ = std::fs::remove_dir_all(root);
    for (name, bytes) in files {
        let path = root.join(name);
        let dir = path.parent().context("a file without a directory")?;
        std::fs::create_dir_all(dir)?;
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
