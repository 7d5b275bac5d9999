//! `cargo chaos`: presses against the real programs while everything between them goes wrong, and
//! counts at the end: every acknowledged press once, none twice.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use tests::chaos::network::{self, Namespaces};
use tests::chaos::run::{Outcome, Plan, run};

/// Runs the real gateway and centre in two network namespaces with chaos lines between them
/// (delays, cuts inside a frame, black holes, half-closed answers, cables pulled out), kills either
/// at random, and presses an SOS button through all of it. Every acknowledged press must be counted
/// at the centre exactly once.
///
/// Needs root and `ip` (apt-get install iproute2). Without them it says so and ends with success,
/// except where CI is set: there it fails.
#[derive(Parser)]
#[command(name = "cargo chaos", about, verbatim_doc_comment)]
struct Arguments {
    /// Presses, each said again until its PUBACK.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(2..=3_000))]
    presses: u32,
    /// Close the order of each press before the next one, so that there must be as many orders as presses;
    /// for 500 presses at most.
    #[arg(long)]
    apart: bool,
    /// Decides which faults come, how long they hold and the pauses; timing is the machine's own.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Set by the program itself when it runs again inside the home's namespace.
    #[arg(long, hide = true, value_name = "CENTRE_NAMESPACE")]
    inside: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.inside {
        Some(centre) => inside(&arguments, centre),
        None => outside(&arguments),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("chaos: FAILED with seed {}: {error:#}", arguments.seed);
            ExitCode::FAILURE
        }
    }
}

/// Makes the namespaces and runs again inside the home's.
fn outside(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if let Some(missing) = network::missing() {
        eprintln!(
            "\n*** chaos: NOT RUN: {missing}. Nothing was shown about the network between home and centre. ***\n"
        );
        let in_ci = std::env::var_os("CI").is_some_and(|ci| !ci.is_empty());
        return Ok(if in_ci { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    let namespaces = Namespaces::make()?;
    let own: PathBuf = std::env::current_exe().context("this program has no path")?;
    let status = namespaces
        .in_home(&own)
        .args(["--presses", &arguments.presses.to_string(), "--seed", &arguments.seed.to_string()])
        .args(arguments.apart.then_some("--apart"))
        .args(["--inside", &namespaces.centre])
        .status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn inside(arguments: &Arguments, centre: &str) -> anyhow::Result<ExitCode> {
    let plan = Plan { presses: arguments.presses, seed: arguments.seed, apart: arguments.apart };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let outcome = runtime.block_on(run(plan, centre))?;
    print(arguments.seed, &outcome);
    Ok(ExitCode::SUCCESS)
}

fn print(seed: u64, outcome: &Outcome) {
    println!("\nchaos, seed {seed}, {:.0} s", outcome.took_ms / 1_000.0);
    println!("{:<44} {:>8}", "presses acknowledged to the button", outcome.presses);
    println!("{:<44} {:>8}", "presses counted at the centre", outcome.presses);
    println!("{:<44} {:>8}", "lost", 0);
    println!("{:<44} {:>8}", "doubled", 0);
    println!("{:<44} {:>8}", "presses said again with the duplicate flag", outcome.said_again);
    println!("{:<44} {:>8}", "work orders opened", outcome.orders);
    println!("{:<44} {:>8}", "work orders closed on the way", outcome.closed);
    println!("{:<44} {:>8.0}", "first line black: press over the second, ms", outcome.second_line_ms);
    println!("{:<44} {:>8.0}", "all faults over → everything counted, ms", outcome.settled_ms);
    println!("\n{:<44} {:>8}", "faults", "times");
    for (name, count) in &outcome.faults {
        println!("{name:<44} {count:>8}");
    }
    println!(
        "\n{:<10} {:>12} {:>10} {:>10} {:>6} {:>12} {:>8}",
        "line", "connections", "kB up", "kB down", "cut", "half-closed", "stalled"
    );
    for (name, [connections, up, down, cut, half_closed, stalled]) in ["first", "second"].iter().zip(outcome.lines) {
        let (up, down) = (up / 1_000, down / 1_000);
        println!("{name:<10} {connections:>12} {up:>10} {down:>10} {cut:>6} {half_closed:>12} {stalled:>8}");
    }
}
