//! Measures how soon the elder is told each stage after its cause: on the product's MQTT topic, at a
//! lamp of the radio bridge, and by the voice's player; beside the MQTT hop and the disk of the same run.
//!
//! A stage's cause is what makes it true, as others see it: the press's PUBACK (its record is on disk), the feed's
//! item (the centre's commit, before its receipt leaves), the desk's answer, each when it has come here; of what waits
//! for no disk the word itself; of what comes by time the earliest moment at which it can be due. A stage that is heard
//! before that counts as told at once. How long the whole took from the act, disks included, stands beside.

use std::io::Write as _;

use clap::Parser;
use tests::harness::clock::{ms_between, now};

use self::cast::{Home, SETTLED};
use self::report::{Floors, Stages};

mod cast;
mod course;
mod due;
mod report;

/// Writes to the bare disk after each round.
const FLOOR_SYNCS: u32 = 4;

/// Measures every stage from cause to the elder. A round is a call (recorded, received, taken, retracted,
/// coming, here, no call is open), a fall that is cancelled (are you all right; cancelled, telling the centre) and smoke
/// (leave now); homes of their own, all at the same time, live through what comes by time (not connected, contacts told
/// or not, radio lost, no connection), and others have no disk (not saved on this device). Ends by itself after some
/// minutes; exit 1 where a p99 is later than 200 ms. Beside it, under the same bound, the time from
/// the act itself (the press, the desk's request), which waits for one or two disks, and what that disk needs.
#[derive(Parser)]
struct Arguments {
    /// How often the whole course is gone through.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(3..=1_000))]
    rounds: u32,
    /// How many homes live through what comes by time; 0 leaves it out.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(0..=50))]
    homes: u32,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(&arguments))
}

async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { rounds, homes } = *arguments;
    eprintln!("told: {rounds} calls, falls and fires…");
    let mut home = Home::start("").await?;
    let (mut stages, mut floors) = (Stages::default(), Floors::default());
    let mut file = std::fs::File::create(home.setup.dir().join("floor"))?;
    for round in 0..rounds {
        course::round(&mut home.cast, round, &mut stages, &mut floors).await.map_err(anyhow::Error::msg)?;
        for _ in 0..FLOOR_SYNCS {
            tokio::time::sleep(SETTLED).await;
            let began = now();
            file.write_all(&[0x5A; 300])?;
            file.sync_data()?;
            floors.disk.note(ms_between(began, now()));
        }
    }
    home.stop().await.map_err(anyhow::Error::msg)?;
    eprintln!("told: {homes} homes for three minutes, the centre and the radio away…");
    stages.join(due::homes(homes).await?);
    eprintln!("told: {homes} homes without a disk…");
    stages.join(due::homes_without_disk(homes).await?);
    report::print(rounds, homes, &stages, &floors)
}
