//! `cargo sim`: lives seeded worlds at length on every core and says how fast; on a violation prints the seed,
//! the invariant, the last lines and the command that repeats it.

use std::any::Any;
use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use tests::world::faults::Faults;
use tests::world::transcript::Detail;
use tests::world::watch::Invariant;
use tests::world::{Tally, Town, WorldConfig, live};

/// How many lines of a failing world are shown.
const LAST_LINES: usize = 40;

/// Lives worlds of homes, lines, a centre and people from seeds, with everything going wrong, and
/// watches that no press is lost or doubled.
#[derive(Parser)]
#[command(name = "cargo sim", about, long_about = None)]
struct Cli {
    /// Seeds, the last one not included.
    #[arg(long, value_parser = seeds, default_value = "0..100")]
    seeds: Range<u64>,
    /// Homes of each world.
    #[arg(long, default_value_t = 3)]
    homes: usize,
    /// Days of each world before everything is mended.
    #[arg(long, default_value_t = 1)]
    days: u64,
    /// How much goes wrong; left out, one seed in eight lives without faults, half the others with many.
    #[arg(long, value_enum)]
    faults: Option<HowMuch>,
    /// Print everything that happens in one seed instead.
    #[arg(long, value_name = "SEED")]
    trace: Option<u64>,
    /// Worlds lived at once; left out, one a core.
    #[arg(long)]
    threads: Option<usize>,
    /// Go on after a violation and count them by name.
    #[arg(long)]
    keep_going: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum HowMuch {
    /// Nothing.
    None,
    /// About one thing a home and day: for long lives.
    Few,
    /// A few things a home and day.
    Some,
    /// Something every few minutes.
    Many,
}

impl HowMuch {
    fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Few => "few",
            Self::Some => "some",
            Self::Many => "many",
        }
    }
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let wrong = || format!("`{text}` is no range of seeds; write 0..1000");
    let (first, last) = text.split_once("..").ok_or_else(wrong)?;
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| wrong());
    let (first, last) = (number(first)?, number(last)?);
    if first < last { Ok(first..last) } else { Err(format!("`{text}` holds no seed; the last one is not included")) }
}

impl Cli {
    fn world(&self, seed: u64, detail: Detail) -> WorldConfig {
        let faults = match self.faults {
            Some(HowMuch::None) => Faults::None,
            Some(HowMuch::Few) => Faults::Few,
            Some(HowMuch::Some) => Faults::Some,
            Some(HowMuch::Many) => Faults::Many,
            None if seed % 8 == 7 => Faults::None,
            None if seed.is_multiple_of(2) => Faults::Some,
            None => Faults::Many,
        };
        WorldConfig { seed, homes: self.homes, days: self.days, faults, detail }
    }

    fn again(&self, seed: u64) -> String {
        let faults = self.faults.map(|faults| format!(" --faults {}", faults.word())).unwrap_or_default();
        format!("cargo sim --homes {} --days {}{faults} --trace {seed}", self.homes, self.days)
    }
}

/// Why a seed failed.
struct Failure {
    seed: u64,
    invariant: Invariant,
    text: String,
    lines: Vec<String>,
}

fn try_world(config: WorldConfig, town: &Arc<Town>) -> (Result<Tally, (Invariant, String)>, Vec<String>) {
    match catch_unwind(AssertUnwindSafe(|| live(config, town))) {
        Ok((outcome, transcript)) => {
            let outcome = outcome.map_err(|violation| (violation.invariant, violation.to_string()));
            (outcome, transcript.lines().to_vec())
        }
        Err(panic) => (Err((Invariant::NeverPanics, words(panic.as_ref()))), Vec::new()),
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_else(|| "a panic".to_owned())
}

/// What the threads share.
struct Progress {
    next: AtomicU64,
    done: AtomicU64,
    stop: AtomicBool,
    sum: Mutex<(Tally, Vec<Failure>)>,
}

#[expect(clippy::disallowed_methods, reason = "the speed of a run is measured")]
fn main() -> ExitCode {
    let cli = Cli::parse();
    let town = Arc::new(Town::new());
    if let Some(seed) = cli.trace {
        let (outcome, lines) = try_world(cli.world(seed, Detail::Steps), &town);
        for line in &lines {
            println!("{line}");
        }
        return match outcome {
            Ok(tally) => {
                println!("seed {seed} holds: {tally:?}");
                ExitCode::SUCCESS
            }
            Err((_, text)) => {
                println!("seed {seed} VIOLATED {text}");
                ExitCode::FAILURE
            }
        };
    }
    let threads = cli.threads.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
    let progress = Progress {
        next: AtomicU64::new(cli.seeds.start),
        done: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        sum: Mutex::new((Tally::default(), Vec::new())),
    };
    // The panic is told with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| work(&cli, &town, &progress));
        }
        let seeds = cli.seeds.end - cli.seeds.start;
        let mut told = Instant::now();
        while progress.done.load(Ordering::Relaxed) < seeds && !progress.stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(50));
            if told.elapsed() > Duration::from_secs(5) {
                told = Instant::now();
                eprintln!("{} of {seeds} seeds", progress.done.load(Ordering::Relaxed));
            }
        }
    });
    let took = began.elapsed();
    let on_cpu = on_cpu();
    let (tally, failures) = progress.sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    report(&cli, &tally, progress.done.into_inner(), threads, took, on_cpu);
    fail(&cli, &town, failures)
}

fn work(cli: &Cli, town: &Arc<Town>, progress: &Progress) {
    while !progress.stop.load(Ordering::Relaxed) {
        let seed = progress.next.fetch_add(1, Ordering::Relaxed);
        if seed >= cli.seeds.end {
            return;
        }
        let (outcome, lines) = try_world(cli.world(seed, Detail::Off), town);
        progress.done.fetch_add(1, Ordering::Relaxed);
        let mut sum = progress.sum.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(tally) => sum.0.add(&tally),
            Err((invariant, text)) => {
                sum.1.push(Failure { seed, invariant, text, lines });
                if !cli.keep_going {
                    progress.stop.store(true, Ordering::Relaxed);
                }
            }
        }
    }
}

/// Processor time of this program so far, all threads together.
fn on_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn report(cli: &Cli, tally: &Tally, seeds: u64, threads: usize, took: Duration, on_cpu: Duration) {
    let secs = took.as_secs_f64().max(0.001);
    // A core that others use too is no slower for it: what counts is the time that this program had.
    let cpu_secs = on_cpu.as_secs_f64().max(0.001);
    let per_core = |count: u64| count as f64 / cpu_secs;
    println!(
        "seeds {}..{} ({seeds} lived) of {} home(s) × {} day(s) on {threads} thread(s) in {secs:.1} s, {cpu_secs:.1} s of processor time: {} home-days, {} records, {} loop steps",
        cli.seeds.start, cli.seeds.end, cli.homes, cli.days, tally.home_days, tally.records, tally.steps
    );
    println!(
        "{:.2} MB written to flash a home-day, in pages of 4 KiB; {} presses, {} work orders; {} gateway crashes, {} stops, {} centre crashes, {} faults in all; {} presses said again after their call was closed",
        tally.worn as f64 / 1e6 / tally.home_days.max(1) as f64,
        tally.presses,
        tally.orders,
        tally.gateway_crashes,
        tally.stops,
        tally.centre_crashes,
        tally.troubles,
        tally.recounted
    );
    println!(
        "{:.0} home-days/s/core at {:.0} records a home-day, {:.0} records/s/core, {:.0} steps/s/core",
        per_core(tally.home_days),
        tally.records as f64 / tally.home_days.max(1) as f64,
        per_core(tally.records),
        per_core(tally.steps)
    );
}

fn fail(cli: &Cli, town: &Arc<Town>, mut failures: Vec<Failure>) -> ExitCode {
    failures.sort_by_key(|failure| failure.seed);
    let Some(first) = failures.first() else {
        println!("no violation");
        return ExitCode::SUCCESS;
    };
    let mut names: BTreeMap<Invariant, (u64, u64)> = BTreeMap::new();
    for failure in &failures {
        names.entry(failure.invariant).or_insert((0, failure.seed)).0 += 1;
    }
    // The same seed is the same world: lived again with everything written down.
    let (_, mut lines) = try_world(cli.world(first.seed, Detail::Steps), town);
    if lines.is_empty() {
        lines.clone_from(&first.lines);
    }
    for line in lines.iter().skip(lines.len().saturating_sub(LAST_LINES)) {
        println!("  {line}");
    }
    println!("seed {} VIOLATED {}", first.seed, first.text);
    println!("again: {}", cli.again(first.seed));
    if failures.len() > 1 {
        for (name, (count, seed)) in names {
            println!("  {count} × {name:?}, first in seed {seed}");
        }
    }
    ExitCode::FAILURE
}
