//! Chooses the rules' constants on all homes of a recording but one, and measures them on that one.
//!
//! `cargo run --release --workspace --bin held_out -- --events events.csv --labels labels.csv`. For each home the
//! constants are those that bring the others, on average, the least of calls a month against the target of one plus
//! median hours against the target of five; on a tie those nearest to the shipped ones.

use std::path::PathBuf;

use clap::Parser;
use gateway::backtest::{self, Family, HomeResult, Measured, Plan, Setting};
use gateway::home::HomeRules;

#[derive(Parser)]
struct Cli {
    /// The recorded days, as `gateway backtest` reads them; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    events: PathBuf,
    /// Labelled absences.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Calendar days at the beginning of each home that only teach.
    #[arg(long, value_name = "DAYS", default_value_t = 7)]
    learning_days: u16,
}

/// The values that are tried, the shipped one first.
const BUDGETS: [u32; 5] = [12, 6, 24, 3, 48];
const HOURS_VARY: [u32; 4] = [30, 45, 15, 60];
const TAILS: [u32; 4] = [150, 200, 100, 300];
const LEAST_HOURS: [u64; 3] = [4, 3, 2];

/// Every combination, those nearest to the shipped one first.
fn grid(rules: &HomeRules) -> Vec<Setting> {
    let mut settings = Vec::new();
    for (a, budget) in BUDGETS.into_iter().enumerate() {
        for (b, vary) in HOURS_VARY.into_iter().enumerate() {
            for (c, tail) in TAILS.into_iter().enumerate() {
                for (d, least) in LEAST_HOURS.into_iter().enumerate() {
                    let mut rules = rules.clone();
                    let inactivity = &mut rules.daily_life.inactivity;
                    inactivity.false_alarms_a_year = budget;
                    inactivity.hours_vary_minutes = vary;
                    inactivity.tail_permille = tail;
                    inactivity.learned_ms_min = least * 3_600_000;
                    let name = format!("budget {budget}, hours vary {vary} min, tail {} %, from {least} h", tail / 10);
                    settings
                        .push((a + b + c + d, Setting { name, family: Family::Learned, configurable: true, rules }));
                }
            }
        }
    }
    settings.sort_by_key(|(distance, _)| *distance);
    settings.into_iter().map(|(_, setting)| setting).collect()
}

/// Calls against one a month plus median hours against five.
fn loss(result: &HomeResult, row: usize) -> f64 {
    let measured = &result.rows[row].1;
    measured.calls_a_month(result.counted_days) + measured.delay_hours(0.5).unwrap_or(24.0).min(24.0) / 5.0
}

fn figures(measured: &Measured, days: i64) -> String {
    let hours =
        |share| measured.delay_hours(share).map_or_else(|| "–".to_owned(), |hours: f64| format!("{hours:.1} h"));
    format!("{:.1} at {} (p95 {})", measured.calls_a_month(days), hours(0.5), hours(0.95))
}

/// The row with the least loss over `homes`.
fn chosen<'r>(homes: impl Iterator<Item = &'r HomeResult> + Clone, rows: usize) -> Option<usize> {
    let total = |row: usize| homes.clone().map(|result| loss(result, row)).sum::<f64>();
    (0..rows).min_by(|a, b| total(*a).total_cmp(&total(*b)))
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let rules = HomeRules::default();
    let (logs, labels) = backtest::read_files(&cli.events, cli.labels.as_deref(), rules.utc_offset_minutes)?;
    let plan = Plan { rules: &rules, learning_days: i64::from(cli.learning_days), labels: labels.as_ref(), only: None };
    let results = backtest::run_settings(&logs, &plan, grid, |_| {});
    let rows = results.first().map_or(0, |result| result.rows.len());
    println!("{rows} combinations on {} homes", results.len());
    println!("| home left out | chosen on the others | held out | shipped | chosen with it |");
    println!("|---|---|---|---|---|");
    let of_all = chosen(results.iter(), rows);
    for left_out in &results {
        let others = results.iter().filter(|result| result.home != left_out.home);
        let (Some(row), Some(of_all)) = (chosen(others, rows), of_all) else { continue };
        let told = |row: usize| figures(&left_out.rows[row].1, left_out.counted_days);
        let name = &left_out.rows[row].0.name;
        println!("| {} | {name} | {} | {} | {} |", left_out.home, told(row), told(0), told(of_all));
    }
    if let Some((setting, _)) = of_all.and_then(|row| results.first().and_then(|result| result.rows.get(row))) {
        println!("chosen on all: {}", setting.name);
    }
    Ok(())
}
