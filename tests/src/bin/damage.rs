//! `cargo damage`: harms what a gateway left on its disk in every way, and starts on it.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use clap::Parser;
use gateway::config::GatewayConfig;
use tests::damage::left::{Left, segments};
use tests::damage::sample::sample;
use tests::damage::sweep::{Count, Found, harms, sweep};
use tests::harness::program::path_of;
use tests::harness::setup::{Ports, Setup, Waits};

/// How many violations are printed.
const TOLD_MAX: usize = 20;

/// Damages a gateway's disk and proves that it starts again, that what is lost was in the damaged
/// place, that the loss is named, and that the centre ends with no press twice.
///
/// The journal's own code and the shipping loop start on every disk: a bit flipped in every byte of two
/// segments, every file cut at every length, every file deleted, the disk as it was an hour before. Then
/// the real gateway and the real centre start on a sample, sled's files included. Exit 1 on any violation.
#[derive(Parser)]
#[command(name = "cargo damage", about)]
struct Cli {
    /// Of the lengths at which files are cut, every so many-th; 1 is every length.
    #[arg(long, default_value_t = 8)]
    stride: usize,
    /// Chooses bits and the real programs' sample.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Disks started on at once; one a core when left out.
    #[arg(long)]
    workers: Option<usize>,
    /// Leave the real programs out.
    #[arg(long)]
    no_sample: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("damage: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "how long it takes is told")]
fn run(cli: &Cli) -> anyhow::Result<bool> {
    let workers = cli.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(2, usize::from));
    // In memory where there is such a place: nothing here is about the disk itself.
    let memory = std::path::Path::new("/dev/shm");
    let root = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let dir = tempfile::Builder::new().prefix("homecare-damage-").tempdir_in(root).context("no temporary directory")?;
    let setup = Setup::new(Ports { mqtt: 1, centre: 2, status: 3 }, Waits::SHORT)?;
    let config = GatewayConfig::read(&setup.gateway_toml()).map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let left = Left::live(&dir.path().join("life"), &config)?;
    println!(
        "a life of {} records and {} presses in {} segments, {} bytes",
        left.records.len(),
        left.presses.len(),
        segments(&left.files).len(),
        left.files.values().map(Vec::len).sum::<usize>()
    );
    let harms = harms(&left, cli.stride, cli.seed);
    let from = Instant::now();
    let found = sweep(&left, &harms, dir.path(), &config, workers)?;
    let secs = from.elapsed().as_secs_f64();
    print(&found);
    println!("{} disks in {secs:.0} s, {:.0} a second", harms.len(), harms.len() as f64 / secs.max(0.001));
    let mut holds = found.violations.is_empty();
    if !cli.no_sample {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let sampled = runtime.block_on(sample(&path_of("gateway")?, cli.seed))?;
        println!(
            "real gateway and centre: {} disks, {} presses lost that only the damaged file held",
            sampled.disks, sampled.lost
        );
        for violation in sampled.violations.iter().take(TOLD_MAX) {
            println!("VIOLATED {violation}");
        }
        holds &= sampled.violations.is_empty();
    }
    println!(
        "{}",
        if holds {
            "every start succeeded, every loss lay in the damaged place, nothing is doubled"
        } else {
            "NOT held"
        }
    );
    Ok(holds)
}

fn print(found: &Found) {
    println!(
        "{:<14} {:>8} {:>8} {:>10} {:>8} {:>12} {:>8}",
        "harm", "disks", "named", "cost press", "presses", "no trace", "violated"
    );
    for (kind, Count { harms, named, cost, lost, untraceable, violated }) in &found.counts {
        println!("{kind:<14} {harms:>8} {named:>8} {cost:>10} {lost:>8} {untraceable:>12} {violated:>8}");
    }
    for (harm, violations) in found.violations.iter().take(TOLD_MAX) {
        println!("VIOLATED {harm}: {}", violations.join("; "));
    }
}
