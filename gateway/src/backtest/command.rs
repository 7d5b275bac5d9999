//! The command itself: files in, table and plot out, and the exit status of what a home expects.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::expectation::Expectation;
use super::{EventsError, Expected, HomeLog, Labels, Plan};
use crate::config::GatewayConfig;
use crate::home::HomeRules;

/// What is replayed, and what is expected of it.
#[derive(Debug, Args)]
pub struct Command {
    /// The home's configuration; without it every rule has its default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The recorded days; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    events: PathBuf,
    /// Lines home,start,end,activity: no stop is made within a `leave-house`, `leave-home`, `leaving` or `out`. The
    /// rules never see them.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Only this home.
    #[arg(long, value_name = "NAME")]
    home: Option<String>,
    /// Calendar days at the beginning of each home that only teach.
    #[arg(long, value_name = "DAYS", default_value_t = 7)]
    learning_days: u16,
    /// Where the plot is written, SVG.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Lines home,from,until,expected below a head of these words, the last `call` or `no-call`: exit 1 when a home,
    /// as configured, does otherwise within one of these times. A wrong alarm goes in here as `no-call`.
    #[arg(long, value_name = "FILE")]
    expect: Option<PathBuf>,
    /// Exit 1 when a home, as configured, has more calls in 30 days than this.
    #[arg(long, value_name = "CALLS", value_parser = not_negative)]
    expect_calls_a_month: Option<f64>,
    /// Exit 1 when a home, as configured, has a longer median delay than this, hours.
    #[arg(long, value_name = "HOURS", value_parser = not_negative)]
    expect_median_hours: Option<f64>,
}

fn not_negative(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    if number.is_finite() && number >= 0.0 { Ok(number) } else { Err(format!("{number} is not 0 or more")) }
}

impl Command {
    /// Runs it. `read` reads a configuration and prints its problems; none where it has any.
    ///
    /// # Errors
    /// Says what could not be read or written.
    pub fn run(
        self,
        read: impl Fn(&Path) -> anyhow::Result<Option<GatewayConfig>>,
        bad_config: ExitCode,
    ) -> anyhow::Result<ExitCode> {
        let rules = match &self.config {
            None => HomeRules::default(),
            Some(path) => match read(path)? {
                Some(config) => config.rules,
                None => return Ok(bad_config),
            },
        };
        let (logs, labels) = read_files(&self.events, self.labels.as_deref(), rules.utc_offset_minutes)?;
        let expected = match &self.expect {
            None => Vec::new(),
            Some(path) => named(path, |text| super::read_expected(text, rules.utc_offset_minutes))?,
        };
        let unknown = |expected: &&Expected| logs.iter().all(|log| log.home != expected.home());
        if let Some(expected) = expected.iter().find(unknown) {
            let (line, home) = (expected.line(), expected.home());
            anyhow::bail!(
                "line {line} of what is expected: no home `{home}` in the recording; it has {}",
                names(&logs)
            );
        }
        if let Some(home) = self.home.as_deref().filter(|home| logs.iter().all(|log| log.home != *home)) {
            anyhow::bail!("no home `{home}` in the recording; it has {}", names(&logs));
        }
        let learning_days = i64::from(self.learning_days);
        let plan = Plan { rules: &rules, learning_days, labels: labels.as_ref(), only: self.home.as_deref() };
        let results = super::run(&logs, &plan, |line| eprintln!("{line}"));
        let mut output = std::io::BufWriter::new(std::io::stdout().lock());
        super::write_report(&mut output, &results, &plan)?;
        output.flush().context("standard output failed")?;
        if let Some(path) = &self.plot {
            std::fs::write(path, super::svg(&results)).with_context(|| format!("cannot write {}", path.display()))?;
            eprintln!("the plot is in {}", path.display());
        }
        let expectation =
            Expectation { calls_a_month: self.expect_calls_a_month, median_hours: self.expect_median_hours };
        let bounds = results.iter().flat_map(|result| expectation.missed_by(result));
        let times = expected.iter().filter_map(|expected| expected.missed_by(&results, rules.utc_offset_minutes));
        let missed: Vec<String> = bounds.chain(times).collect();
        for line in &missed {
            println!("{line}");
        }
        Ok(if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Reads recorded days, `-` for standard input, and the labels beside them.
///
/// # Errors
/// Says what cannot be read.
pub fn read_files(
    events: &Path,
    labels: Option<&Path>,
    utc_offset_minutes: i32,
) -> anyhow::Result<(Vec<HomeLog>, Option<Labels>)> {
    let logs = super::read_events(&bytes(events)?, utc_offset_minutes)?;
    let labels = labels.map(|path| named(path, |text| super::read_labels(text, utc_offset_minutes))).transpose()?;
    Ok((logs, labels))
}

fn names(logs: &[HomeLog]) -> String {
    logs.iter().map(|log| log.home.as_str()).collect::<Vec<_>>().join(", ")
}

fn bytes(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).context("standard input failed")?;
        return Ok(bytes);
    }
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn named<T>(path: &Path, read: impl Fn(&str) -> Result<T, EventsError>) -> anyhow::Result<T> {
    let named = || format!("cannot read {}", path.display());
    let text = std::fs::read_to_string(path).with_context(named)?;
    read(&text).with_context(named)
}
