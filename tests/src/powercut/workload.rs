//! What the gateway lives through while its disk is recorded.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, ensure};

use super::block_log::{Base, BlockLog, Note, Recording};
use super::disk::Disk;
use super::ext4::{self, Mounted};
use super::ground::{FileSystem, Ground};
use super::stage::{self, Stage};
use super::strict::{Served, Tree};
use super::truth::arrived_through;
use crate::harness::gateway::start_at;
use crate::harness::ports;
use crate::harness::setup::{Ports, Setup, Waits};

/// Length of every disk, bytes: small enough to be filled, large enough for ext4's own journal.
const DISK_BYTES: u64 = 24 << 20;

/// Segments as short as the configuration allows, so that they are rolled and retired within seconds.
const SMALL_SEGMENTS: &str = "\n[journal]\nsegment_kb = 64\nretained_mb = 1\n";

/// Segments of that length that are retained.
const RETAINED_SEGMENTS: usize = 16;

/// Motion records that fill about one segment of 64 KiB.
const SEGMENT_RECORDS: usize = 550;

/// One way of living on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Workload {
    /// A gateway that was never started before, and its first presses.
    FirstStart,
    /// Presses, alone and in bursts, in the midst of motion sensors, with a kill in between.
    SosUnderTelemetry,
    /// Segments rolled and retired under presses, with the centre there and away.
    RollAndRetire,
    /// The history (sled) is damaged and rebuilt under presses.
    HistoryRebuild,
    /// The disk fills up to the last block under presses, and space comes back.
    DiskFull,
    /// An orderly stop with records still in memory, and the unmounting after it.
    Shutdown,
}

impl Workload {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::FirstStart,
        Self::SosUnderTelemetry,
        Self::RollAndRetire,
        Self::HistoryRebuild,
        Self::DiskFull,
        Self::Shutdown,
    ];

    /// Its name in a table and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::FirstStart => "first-start",
            Self::SosUnderTelemetry => "sos-under-telemetry",
            Self::RollAndRetire => "roll-and-retire",
            Self::HistoryRebuild => "history-rebuild",
            Self::DiskFull => "disk-full",
            Self::Shutdown => "shutdown",
        }
    }

    /// What is added to the gateway's configuration.
    fn extra_toml(self) -> &'static str {
        match self {
            Self::RollAndRetire => SMALL_SEGMENTS,
            Self::FirstStart | Self::SosUnderTelemetry | Self::HistoryRebuild | Self::DiskFull | Self::Shutdown => "",
        }
    }
}

/// Lives through `workload` with the gateway at `program` on a recorded disk; works below `dir`.
///
/// # Errors
/// When the gateway or the machine does not do its part; a lost press is found later, by the cuts.
pub fn record(workload: Workload, file_system: FileSystem, program: &Path, dir: &Path) -> anyhow::Result<Recording> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let recorded = runtime.block_on(live(workload, file_system, program, dir));
    runtime.shutdown_background();
    recorded.with_context(|| format!("the workload {} could not be recorded", workload.name()))
}

async fn live(workload: Workload, file_system: FileSystem, program: &Path, dir: &Path) -> anyhow::Result<Recording> {
    let [mqtt, centre, status, between] = ports::free()?;
    let mut setup = Setup::new(Ports { mqtt, centre, status }, Waits::SHORT)?;
    setup.extra_toml = workload.extra_toml().to_owned();
    let log = BlockLog::default();
    let (centre, recorder) = stage::start_centre(&mut setup, between, log.clone()).await?;
    let data_dir = setup.gateway_data();
    let (base, arrived_before, ground, disk) = match file_system {
        FileSystem::Ext4 => {
            let bytes = prepare_ext4(workload, program, &setup, &dir.join("base.ext4")).await?;
            // The recording begins here: what mounting the disk writes belongs to it.
            let arrived_before = arrived_through(&log.take());
            let fuse = dir.join("fuse");
            std::fs::create_dir_all(&fuse)?;
            let disk = Disk::serve(bytes.clone(), &fuse, log.clone())?;
            let mounted = Mounted::mount(&disk.path(), &data_dir).context("the recorded disk does not mount")?;
            (Base::of_disk(&bytes), arrived_before, Ground::Ext4(mounted), Some(disk))
        }
        FileSystem::Strict => {
            let served = Served::mount(Tree::default(), DISK_BYTES, &data_dir, log.clone())?;
            live_on(workload, program, &setup).await?;
            // What the recording begins with is durable.
            let (tree, arrived_before) = (served.tree(), arrived_through(&log.take()));
            (Base::Tree(tree), arrived_before, Ground::Strict(served), None)
        }
    };
    let mut stage = Stage::open(setup, recorder, centre, program, ground, log.clone()).await?;
    play(workload, &mut stage).await?;
    stage.gateway.kill();
    // What the kernel writes because of the unmounting below belongs to an orderly stop alone.
    let entries = log.take();
    let setup = stage.close()?;
    disk.map_or(Ok(()), Disk::end)?;
    Ok(Recording {
        workload: workload.name().to_owned(),
        base,
        extra_toml: setup.extra_toml.clone(),
        arrived_before,
        entries,
    })
}

/// The disk before the recording: empty, or lived on.
async fn prepare_ext4(workload: Workload, program: &Path, setup: &Setup, file: &Path) -> anyhow::Result<Vec<u8>> {
    let _ = std::fs::remove_file(file);
    ext4::make(file, DISK_BYTES)?;
    let mounted = Mounted::mount(file, &setup.gateway_data())?;
    live_on(workload, program, setup).await?;
    mounted.unmount()?;
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

/// What the data directory has lived through before the recording, if anything.
async fn live_on(workload: Workload, program: &Path, setup: &Setup) -> anyhow::Result<()> {
    let changes = match workload {
        Workload::FirstStart | Workload::SosUnderTelemetry => return Ok(()),
        Workload::RollAndRetire => SEGMENT_RECORDS * (RETAINED_SEGMENTS + 1),
        Workload::HistoryRebuild | Workload::DiskFull | Workload::Shutdown => 200,
    };
    let mut gateway = start_at(program, setup, None).await?;
    ended(stage::telemetry(setup, changes)).await?;
    gateway.stop(stage::PATIENCE).await.map_err(anyhow::Error::msg)?;
    if workload == Workload::HistoryRebuild {
        damage_history(&setup.gateway_data())?;
    }
    Ok(())
}

/// Damages sled's file so that it does not open, as a flipped block does.
fn damage_history(data_dir: &Path) -> anyhow::Result<()> {
    let path = data_dir.join("history").join("db");
    let mut bytes = std::fs::read(&path).with_context(|| format!("no history at {}", path.display()))?;
    for byte in bytes.iter_mut().take(4_096) {
        *byte ^= 0x5a;
    }
    std::fs::write(&path, bytes).context("the history cannot be damaged")
}

async fn play(workload: Workload, stage: &mut Stage) -> anyhow::Result<()> {
    match workload {
        Workload::FirstStart => {
            began(stage, "first presses");
            for _ in 0..5 {
                stage.press_and_watch().await?;
            }
            stage.press_many(5).await?;
        }
        Workload::SosUnderTelemetry => {
            let motion = stage.telemetry(3_000);
            began(stage, "presses alone");
            for _ in 0..20 {
                stage.press_and_watch().await?;
            }
            began(stage, "bursts");
            for _ in 0..6 {
                stage.press_many(5).await?;
            }
            ended(motion).await?;
            began(stage, "killed and started again");
            stage.restart_gateway().await?;
            for _ in 0..5 {
                stage.press_many(2).await?;
            }
            began(stage, "the centre away");
            stage.recorder.set_away(true);
            for _ in 0..5 {
                stage.press_many(2).await?;
            }
        }
        Workload::RollAndRetire => roll_and_retire(stage).await?,
        Workload::HistoryRebuild => {
            began(stage, "presses while the history is rebuilt");
            let motion = stage.telemetry(1_000);
            for _ in 0..10 {
                stage.press_and_watch().await?;
            }
            for _ in 0..4 {
                stage.press_many(4).await?;
            }
            ended(motion).await?;
        }
        Workload::DiskFull => disk_full(stage).await?,
        Workload::Shutdown => {
            let motion = stage.telemetry(300);
            for _ in 0..5 {
                stage.press_and_watch().await?;
            }
            ended(motion).await?;
            stage.press_many(5).await?;
            stage.shut_down().await?;
        }
    }
    Ok(())
}

async fn roll_and_retire(stage: &mut Stage) -> anyhow::Result<()> {
    let before = stage.segments()?;
    began(stage, "rolls with the centre there");
    for _ in 0..4 {
        let motion = stage.telemetry(SEGMENT_RECORDS);
        while !motion.is_finished() {
            stage.press_many(2).await?;
        }
        ended(motion).await?;
    }
    stage.until_delivered().await?;
    let delivered = stage.segments()?;
    ensure!(delivered.last() > before.last() && delivered.first() > before.first(), "nothing was rolled and retired");
    // More than is retained, so that undelivered segments are the oldest that there are.
    began(stage, "rolls with the centre away");
    stage.recorder.set_away(true);
    for _ in 0..RETAINED_SEGMENTS + 4 {
        stage.press_many(1).await?;
        let motion = stage.telemetry(SEGMENT_RECORDS);
        stage.press_many(1).await?;
        ended(motion).await?;
    }
    let newest = |segments: &BTreeSet<u64>| segments.last().copied().unwrap_or(0);
    let begun = newest(&stage.segments()?).saturating_sub(newest(&delivered));
    ensure!(begun > RETAINED_SEGMENTS as u64, "{begun} undelivered segments are no more than is retained");
    began(stage, "the centre back");
    stage.recorder.set_away(false);
    stage.until_delivered().await?;
    let motion = stage.telemetry(SEGMENT_RECORDS * 2);
    stage.press_many(3).await?;
    ended(motion).await?;
    stage.press_many(3).await
}

async fn disk_full(stage: &mut Stage) -> anyhow::Result<()> {
    for round in 0..2 {
        began(stage, "the disk fills up");
        stage.press_many(3).await?;
        stage.fill_disk()?;
        // What is left of the last block is used up by what the home says.
        while stage.status.metric("gateway_journal_ok").await.map_err(anyhow::Error::msg)? == 1 {
            stage.press_many(5).await?;
        }
        began(stage, "presses on a full disk");
        for _ in 0..4 {
            stage.press_many(2).await?;
        }
        began(stage, "space comes back");
        stage.empty_disk()?;
        stage.until_journal_ok(true).await?;
        for _ in 0..4 {
            stage.press_many(2).await?;
        }
        if round == 0 {
            stage.restart_gateway().await?;
        }
    }
    Ok(())
}

fn began(stage: &Stage, what: &str) {
    stage.log.note(Note::Began(what.to_owned()));
}

async fn ended(motion: tokio::task::JoinHandle<Result<(), crate::harness::Failed>>) -> anyhow::Result<()> {
    motion.await?.map_err(anyhow::Error::msg)
}
