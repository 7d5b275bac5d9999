//! Chooses the rules' constants on all homes of a recording but one, and measures them on that one.
//!
//! `cargo run --release --workspace --bin held_out -- --events events.csv --labels labels.csv`. For each home the
//! constants are those that bring the others, on average, the least of calls a month against the target of one plus
//! median hours against the target of five; on a tie those nearest to the shipped ones.
//!
//! The last column is no setting but what hindsight would give: the home is taught by the very days that it is
//! judged on, and its line lies at their longest quiets, with no margin but the half hour of grace.

use std::path::PathBuf;

use clap::Parser;
use gateway::backtest::{self, Family, HomeLog, HomeResult, LogEvent, Measured, Plan, Setting};
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

/// One home before which its own days have been lived already, whole weeks earlier, and the days that only teach then.
///
/// From the last of those to the first of these its first two devices speak in turn, or the time between would be
/// learned as a quiet.
fn in_hindsight(log: &HomeLog, learning_days: i64, utc_offset_minutes: i32) -> (HomeLog, i64) {
    const WEEK_MS: i64 = 7 * 86_400_000;
    const TURN_MS: i64 = 5 * 60_000;
    let weeks = (log.days(utc_offset_minutes) + 6) / 7;
    let mut events: Vec<_> = log.events.clone();
    events.iter_mut().for_each(|event| event.wall_ms -= weeks * WEEK_MS);
    let (Some(first), Some(last)) = (log.events.first(), events.last().copied()) else {
        return (log.clone(), learning_days);
    };
    let turns = (1..).map(|turn| (turn, last.wall_ms + turn * TURN_MS)).take_while(|(_, at)| *at < first.wall_ms);
    events.extend(turns.flat_map(|(turn, wall_ms)| {
        let device = usize::from(turn % 2 == 0);
        [true, false].map(|on| LogEvent { wall_ms, device, on })
    }));
    events.extend(log.events.iter().copied());
    (HomeLog { events, ..log.clone() }, learning_days + 7 * weeks)
}

/// A line at the longest quiets, at home from two hours on.
fn hindsight(rules: &HomeRules) -> Vec<Setting> {
    let mut rules = rules.clone();
    let life = &mut rules.daily_life;
    // So many a year make the margin of four weeks' days nothing, at home and out.
    (life.inactivity.false_alarms_a_year, life.inactivity.tail_permille) = (26, 0);
    life.inactivity.hours_vary_minutes = 0;
    (life.inactivity.learned_ms_min, life.inactivity.learned_ms_max) = (2 * 3_600_000, 100 * 3_600_000);
    (life.away.learned_ms_min, life.away.learned_ms_max) = (2 * 3_600_000, 336 * 3_600_000);
    vec![Setting { name: "in hindsight".into(), family: Family::Learned, configurable: false, rules }]
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
    println!("| home left out | chosen on the others | held out | shipped | chosen with it | in hindsight |");
    println!("|---|---|---|---|---|---|");
    let of_all = chosen(results.iter(), rows);
    for left_out in &results {
        let others = results.iter().filter(|result| result.home != left_out.home);
        let (Some(row), Some(of_all)) = (chosen(others, rows), of_all) else { continue };
        let told = |row: usize| figures(&left_out.rows[row].1, left_out.counted_days);
        let name = &left_out.rows[row].0.name;
        let known = logs.iter().filter(|log| log.home == left_out.home);
        let known = known.flat_map(|log| {
            let (log, learning_days) = in_hindsight(log, plan.learning_days, rules.utc_offset_minutes);
            backtest::run_settings(&[log], &Plan { learning_days, ..plan }, hindsight, |_| {})
        });
        let known: Vec<_> = known.map(|result| figures(&result.rows[0].1, result.counted_days)).collect();
        let (held_out, shipped, with_it) = (told(row), told(0), told(of_all));
        println!("| {} | {name} | {held_out} | {shipped} | {with_it} | {} |", left_out.home, known.join(" "));
    }
    if let Some((setting, _)) = of_all.and_then(|row| results.first().and_then(|result| result.rows.get(row))) {
        println!("chosen on all: {}", setting.name);
    }
    Ok(())
}
