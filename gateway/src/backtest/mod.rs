//! `gateway backtest`: recorded days through the very rules that run in a home, to see what they would
//! have raised and how soon they would have noticed that life stopped.
//!
//! The first days of each home are for learning, the rest counts: every inactivity or away call on the
//! untouched recording is false. Then, every two hours, the recording is stopped and the time to the
//! call is measured. The table and the plot show the frontier: calls against delay, for each setting.

use std::io::Write;
use std::ops::Range;

use crate::home::HomeRules;

mod command;
mod events;
mod expectation;
mod expected;
mod labels;
mod measure;
mod plot;
mod replay;
mod report;
mod roles;
mod settings;

pub use self::command::{Command, read_files};
pub use self::events::{Act, EventsError, HomeLog, LogEvent};
pub use self::expectation::Expectation;
pub use self::expected::Expected;
pub use self::labels::Labels;
pub use self::measure::Measured;
pub use self::plot::svg;
pub use self::settings::{Family, Setting, frontier};

/// One home under every setting.
#[derive(Debug)]
pub struct HomeResult {
    /// Its name in the recording.
    pub home: String,
    /// Days that count.
    pub counted_days: i64,
    /// The same, Unix milliseconds: from the first of them to the last event.
    pub counted_ms: Range<i64>,
    /// A line for each device: what it was taken for and why.
    pub roles: Vec<String>,
    /// Setting by setting, in the order in which they were asked for.
    pub rows: Vec<(Setting, Measured)>,
}

/// What to replay.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// The configured rules.
    pub rules: &'a HomeRules,
    /// Days of each home that only teach.
    pub learning_days: i64,
    /// Times known to be spent out, where somebody wrote them down.
    pub labels: Option<&'a Labels>,
    /// Only this home.
    pub only: Option<&'a str>,
}

/// Reads recorded events, CSV or the JSON lines of `gateway journal dump --json`.
///
/// # Errors
/// Says what cannot be read, with its line.
pub fn read_events(bytes: &[u8], utc_offset_minutes: i32) -> Result<Vec<HomeLog>, EventsError> {
    events::read(bytes, utc_offset_minutes)
}

/// Reads label lines `home,start,end,activity`.
///
/// # Errors
/// Says which line cannot be read.
pub fn read_labels(text: &str, utc_offset_minutes: i32) -> Result<Labels, EventsError> {
    labels::read(text, utc_offset_minutes)
}

/// Reads expectation lines `home,from,until,expected`, the last one `call` or `no-call`.
///
/// # Errors
/// Says which line cannot be read.
pub fn read_expected(text: &str, utc_offset_minutes: i32) -> Result<Vec<Expected>, EventsError> {
    expected::read(text, utc_offset_minutes)
}

/// Runs every setting of the [`frontier`] over every home, telling `progress` one line for each.
pub fn run(logs: &[HomeLog], plan: &Plan<'_>, progress: impl FnMut(&str)) -> Vec<HomeResult> {
    run_settings(logs, plan, frontier, progress)
}

/// Runs the settings that `settings` gives for a home's rules over every home.
pub fn run_settings(
    logs: &[HomeLog],
    plan: &Plan<'_>,
    settings: impl Fn(&HomeRules) -> Vec<Setting>,
    mut progress: impl FnMut(&str),
) -> Vec<HomeResult> {
    let chosen = logs.iter().filter(|log| plan.only.is_none_or(|only| log.home == only));
    let mut results = Vec::new();
    for log in chosen {
        let (rules, mut roles) = roles::assign(log, plan.rules, plan.learning_days);
        roles.extend(log.left_out.iter().map(|what| format!("left out: {what}")));
        let settings = settings(&rules);
        let count = settings.len();
        let mut rows = Vec::new();
        for (i, setting) in settings.into_iter().enumerate() {
            progress(&format!("{}: {} of {count}, {}", log.home, i + 1, setting.name));
            let measured = replay::measure(log, &setting, plan);
            rows.push((setting, measured));
        }
        let counted_days = (log.days(rules.utc_offset_minutes) - plan.learning_days).max(0);
        let end_ms = log.events.last().map_or(0, |event| event.wall_ms);
        let counted_ms = log.counts_from_ms(plan.learning_days, rules.utc_offset_minutes)..end_ms;
        results.push(HomeResult { home: log.home.clone(), counted_days, counted_ms, roles, rows });
    }
    results
}

/// Writes the roles, the table and the calls of the configured setting.
///
/// # Errors
/// Those of `writer`.
pub fn write_report(writer: impl Write, results: &[HomeResult], plan: &Plan<'_>) -> std::io::Result<()> {
    report::write(writer, results, plan)
}

#[cfg(test)]
mod tests;
