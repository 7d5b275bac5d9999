//! `cargo flood`: how long a press waits behind a flood of telemetry, and how much memory the flood costs.

use std::time::Duration;

use anyhow::ensure;
use clap::Parser;
use tests::flood::overtaking::{Round, Telemetry, press_behind};
use tests::flood::resident;
use tests::harness::gateway::StatusPage;
use tests::harness::setup::{Ports, Setup, Waits};
use tests::harness::{centre, gateway, ports};

/// Starts the real gateway and centre, sends motion messages and one SOS press behind them on the same
/// connection, again and again, and tells how long the press waited for its PUBACK (which means: on
/// disk), and what the gateway's memory came to.
#[derive(Parser)]
#[command(name = "cargo flood", about)]
struct Arguments {
    /// Rounds of each kind.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
    /// Motion messages in flight before each press.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(0..=20_000))]
    motions: u32,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(&arguments))
}

async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let [mqtt, centre, status] = ports::free()?;
    let setup = Setup::new(Ports { mqtt, centre, status }, Waits::SHORT)?;
    let mut centre = centre::start(&setup, None).await?;
    let mut gateway = gateway::start(&setup, None).await?;
    let page = StatusPage::of(&setup).map_err(anyhow::Error::msg)?;
    println!(
        "{:<52} {:>8} {:>8} {:>8} {:>12} {:>10}",
        "press → PUBACK on disk, ms", "p50", "p99", "max", "in flight", "drained"
    );
    let kinds = [
        ("alone", 0, Telemetry::Acknowledged),
        ("behind motions at QoS 0, same connection", arguments.motions, Telemetry::Unacknowledged),
        ("behind motions at QoS 1, same connection", arguments.motions, Telemetry::Acknowledged),
    ];
    for (name, motions, telemetry) in kinds {
        let mut rounds = Vec::new();
        for _ in 0..arguments.rounds {
            rounds.push(press_behind(&setup, &page, motions, telemetry).await.map_err(anyhow::Error::msg)?);
        }
        print(name, &rounds);
    }
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let (now, peak) = (resident::bytes(&gateway)?, resident::peak_bytes(&gateway)?);
    println!("\ngateway resident: {:.1} MB now, {:.1} MB at most", megabytes(now), megabytes(peak));
    let throttled = page.metric("gateway_rejected_total{reason=\"throttled\"}").await.map_err(anyhow::Error::msg)?;
    println!("motion changes throttled, by name in /metrics: {throttled}");
    for program in [&mut gateway, &mut centre] {
        let ended = program.stop(Duration::from_secs(10)).await.map_err(anyhow::Error::msg)?;
        ensure!(ended.success(), "{} ended with {ended}", program.name());
    }
    Ok(())
}

fn print(name: &str, rounds: &[Round]) {
    let sorted = |pick: fn(&Round) -> f64| {
        let mut values: Vec<_> = rounds.iter().map(pick).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let press = sorted(|round| round.press_ms);
    let at = |values: &[f64], percent: usize| values[(values.len() * percent / 100).min(values.len() - 1)];
    let in_flight = sorted(|round| f64::from(round.in_flight));
    let drained = sorted(|round| round.drained_ms);
    println!(
        "{name:<52} {:>8.2} {:>8.2} {:>8.2} {:>12.0} {:>10.0}",
        at(&press, 50),
        at(&press, 99),
        press[press.len() - 1],
        at(&in_flight, 50),
        at(&drained, 50)
    );
}
