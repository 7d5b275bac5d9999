//! The command line of the simulator: pretend devices and people for a gateway under test or a demo.

use std::future::Future;
use std::io::{BufRead, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand};
use protocol::settings::Problem;
use sensor_sim::config::{SimConfig, host_port};
use sensor_sim::link::Away;
use sensor_sim::live::{LiveOptions, live};
use sensor_sim::load::{LoadOptions, load};
use sensor_sim::narrate::{say, warn};
use sensor_sim::pace::{Speed, drawn_seed, time_of_day};
use sensor_sim::play::{PlayOptions, play};
use sensor_sim::replay::{Recording, run};
use sensor_sim::scenario::Scenario;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// Pretend home sensors, buttons and people that speak Zigbee2MQTT's own messages to an MQTT broker.
#[derive(Parser)]
#[command(
    name = "sensor-sim",
    version,
    after_help = "\
Examples:
  sensor-sim live                                   a home living at real time; type press, fall, cancel, help
  sensor-sim live --speed 60 --from 06:00           an hour a minute, from early morning
  sensor-sim scenario night.scn                     play the steps of a file, then stop
  xzcat events.csv.xz | sensor-sim replay --home A --speed 600 -
  sensor-sim load --presses 100 --rate 50           a burst, and how long the broker took to confirm
  sensor-sim check --config home.toml night.scn     say every problem of these files

A password is better given by --password-file or the variable SENSOR_SIM_PASSWORD (SENSOR_SIM_PANEL_PASSWORD
for the panel) than on the command line, where other users of the machine can read it."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Live on: a resident's day goes by, and what you type happens.
    Live(LiveArgs),
    /// Play a scenario file over MQTT, each step at its time.
    Scenario(ScenarioArgs),
    /// Send recorded days: the CSV of ambient sensors, or JSON lines of messages.
    Replay(ReplayArgs),
    /// Send presses and movements at a rate and measure their confirmation.
    Load(LoadArgs),
    /// Read settings and scenarios and say every problem with its line.
    Check(CheckArgs),
}

#[derive(Args)]
struct BrokerArgs {
    /// Broker's address [default: 127.0.0.1:1883]
    #[arg(long, value_name = "HOST:PORT")]
    broker: Option<String>,
    /// User name of the radio bridge
    #[arg(long)]
    username: Option<String>,
    /// Its password; see also --password-file and SENSOR_SIM_PASSWORD
    #[arg(long, conflicts_with = "password_file")]
    password: Option<String>,
    /// File whose first line is its password
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// User name of the home's panel (visits, cancel, lamp); without it the bridge's connection is used
    #[arg(long)]
    panel_username: Option<String>,
    /// File whose first line is the panel's password; or SENSOR_SIM_PANEL_PASSWORD
    #[arg(long, value_name = "FILE", requires = "panel_username")]
    panel_password_file: Option<PathBuf>,
    /// Client id; two simulators on one broker need two [default: sensor-sim]
    #[arg(long)]
    client_id: Option<String>,
    /// Settings: broker, devices, habits (TOML); options here go before it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Seed of everything that looks like chance; the same seed lives the same days
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Args)]
struct LiveArgs {
    #[command(flatten)]
    broker: BrokerArgs,
    /// How many times as fast as real time
    #[arg(long, default_value = "1")]
    speed: Speed,
    /// Time of day to start at [default: the local time]
    #[arg(long, value_name = "HH:MM")]
    from: Option<String>,
    /// Nobody lives there: only what you type happens, and devices report in
    #[arg(long)]
    no_resident: bool,
    /// Do not tell each report of a device
    #[arg(long, short)]
    quiet: bool,
    /// Keep every message while the broker is away; otherwise only urgent ones are kept, as Zigbee2MQTT
    /// drops what it cannot send
    #[arg(long)]
    keep: bool,
}

#[derive(Args)]
struct ScenarioArgs {
    /// Scenario file; - for standard input
    file: PathBuf,
    #[command(flatten)]
    broker: BrokerArgs,
    /// How many times as fast as written, or max
    #[arg(long, default_value = "1")]
    speed: Speed,
    /// Pass over steps that are done to the gateway, the centre or their desks
    #[arg(long)]
    skip_world_steps: bool,
}

#[derive(Args)]
struct ReplayArgs {
    /// Recording; - for standard input
    file: PathBuf,
    #[command(flatten)]
    broker: BrokerArgs,
    /// How many times as fast as recorded, or max
    #[arg(long, default_value = "60")]
    speed: Speed,
    /// Which home of a CSV with several
    #[arg(long)]
    home: Option<String>,
}

#[derive(Args)]
struct LoadArgs {
    #[command(flatten)]
    broker: BrokerArgs,
    /// SOS presses
    #[arg(long, default_value = "100")]
    presses: u32,
    /// Movements between two presses
    #[arg(long, default_value = "0")]
    motions: u32,
    /// Messages a second
    #[arg(long, default_value = "50")]
    rate: f64,
}

#[derive(Args)]
struct CheckArgs {
    /// Settings to check
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Scenarios to check
    scenarios: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let level = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(level).with_writer(std::io::stderr).init();
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            warn(&format!("sensor-sim: cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(dispatch(cli.command));
    // Standard input may be read by a thread that waits for a line that never comes.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            warn(&format!("sensor-sim: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Live(args) => run_live(args).await,
        Command::Scenario(args) => run_scenario(args).await,
        Command::Replay(args) => run_replay(args).await,
        Command::Load(args) => run_load(args).await,
        Command::Check(args) => check(&args),
    }
}

async fn run_live(args: LiveArgs) -> anyhow::Result<()> {
    let config = settings(&args.broker)?;
    if args.speed == Speed::Max {
        bail!("a living home has no end to run to; give --speed a number");
    }
    let from = match &args.from {
        Some(text) => time(text).with_context(|| format!("--from: `{text}` is no time of day such as 06:30"))?,
        None => time_of_day(),
    };
    let seed = config.seed.unwrap_or_else(drawn_seed);
    let broker = &config.broker;
    say(&format!(
        "sensor-sim: {} devices, broker {}:{}, seed {seed}; type help for what can happen, Ctrl-C ends",
        config.home.len(),
        broker.host,
        broker.port
    ));
    let options = LiveOptions {
        speed: args.speed,
        from,
        seed,
        resident: !args.no_resident,
        narrated: !args.quiet,
        away: if args.keep { Away::Keep } else { Away::DropRoutine },
    };
    live(&config, options, typed_lines(), stop()?).await?;
    Ok(())
}

async fn run_scenario(args: ScenarioArgs) -> anyhow::Result<()> {
    let config = settings(&args.broker)?;
    let scenario = Scenario::parse(&text(&args.file)?).map_err(|problems| listed(&args.file, &problems))?;
    let options = PlayOptions {
        speed: args.speed,
        seed: config.seed.unwrap_or(1),
        skip_world_steps: args.skip_world_steps,
        position: config.position,
    };
    let standing = play(&scenario, &config.broker, options, stop()?).await?;
    say(&format!("played {} steps; {} messages confirmed", scenario.steps.len(), standing.confirmed));
    Ok(())
}

async fn run_replay(args: ReplayArgs) -> anyhow::Result<()> {
    let config = settings(&args.broker)?;
    let bytes = read(&args.file)?;
    let recording = Recording::read(&bytes, args.home.as_deref(), config.seed.unwrap_or(1))
        .with_context(|| args.file.display().to_string())?;
    let bad = recording.bad.len();
    let standing = run::run(recording, &config.broker, args.speed, stop()?).await?;
    say(&format!(
        "replayed; {} messages confirmed, {} dropped, {bad} lines skipped",
        standing.confirmed, standing.dropped
    ));
    Ok(())
}

async fn run_load(args: LoadArgs) -> anyhow::Result<()> {
    let config = settings(&args.broker)?;
    if !(0.01..=100_000.0).contains(&args.rate) {
        bail!("--rate: {} is outside 0.01 to 100000 messages a second", args.rate);
    }
    let options = LoadOptions { presses: args.presses, motions_per_press: args.motions, rate: args.rate };
    let report = load(&config.home, &config.broker, options, stop()?).await?;
    let micros = |percent| report.percentile(percent).map_or(0, |latency| latency.as_micros());
    say(&format!(
        "{} presses confirmed, {} not, in {:.1} s; press to PUBACK p50 {} µs, p99 {} µs, longest {} µs",
        report.confirmed,
        report.lost,
        report.took.as_secs_f64(),
        micros(50),
        micros(99),
        micros(100)
    ));
    if report.lost > 0 { bail!("{} presses were not confirmed", report.lost) } else { Ok(()) }
}

fn check(args: &CheckArgs) -> anyhow::Result<()> {
    if args.config.is_none() && args.scenarios.is_empty() {
        bail!("nothing to check; give --config FILE or scenario files");
    }
    let mut wrong = 0;
    let mut tell = |path: &Path, problems: Vec<Problem>| {
        wrong += problems.len();
        for problem in &problems {
            warn(&format!("{}: {problem}", path.display()));
        }
        if problems.is_empty() {
            say(&format!("{}: good", path.display()));
        }
    };
    if let Some(path) = &args.config {
        tell(path, SimConfig::parse(&text(path)?).err().unwrap_or_default());
    }
    for path in &args.scenarios {
        tell(path, Scenario::parse(&text(path)?).err().unwrap_or_default());
    }
    match wrong {
        0 => Ok(()),
        1 => bail!("1 problem"),
        wrong => bail!("{wrong} problems"),
    }
}

fn settings(args: &BrokerArgs) -> anyhow::Result<SimConfig> {
    let mut config = match &args.config {
        Some(path) => SimConfig::parse(&text(path)?).map_err(|problems| listed(path, &problems))?,
        None => SimConfig::default(),
    };
    if let Some(address) = &args.broker {
        (config.broker.host, config.broker.port) =
            host_port(address).map_err(anyhow::Error::msg).context("--broker")?;
    }
    if let Some(id) = &args.client_id {
        config.broker.client_id.clone_from(id);
    }
    if args.seed.is_some() {
        config.seed = args.seed;
    }
    let password = secret(args.password.as_deref(), args.password_file.as_deref(), "SENSOR_SIM_PASSWORD")?;
    sign_in(&mut config.broker.bridge, args.username.as_deref(), password);
    let password = secret(None, args.panel_password_file.as_deref(), "SENSOR_SIM_PANEL_PASSWORD")?;
    sign_in(&mut config.broker.panel, args.panel_username.as_deref(), password);
    if args.username.is_none()
        && config.broker.bridge.is_none()
        && (args.password.is_some() || args.password_file.is_some())
    {
        bail!("a password is given without --username");
    }
    Ok(config)
}

/// Puts what was given on the command line over what the settings say.
fn sign_in(place: &mut Option<(String, String)>, user: Option<&str>, password: Option<String>) {
    let before = place.take();
    let user = user.map(str::to_owned).or_else(|| before.as_ref().map(|(user, _)| user.clone()));
    *place = user.map(|user| (user, password.or(before.map(|(_, password)| password)).unwrap_or_default()));
}

fn secret(given: Option<&str>, file: Option<&Path>, variable: &str) -> anyhow::Result<Option<String>> {
    if let Some(path) = file {
        return Ok(Some(text(path)?.lines().next().unwrap_or_default().trim_end().to_owned()));
    }
    Ok(given.map(str::to_owned).or_else(|| std::env::var(variable).ok()))
}

fn time(text: &str) -> anyhow::Result<Duration> {
    let time: jiff::civil::Time = text.parse()?;
    Ok(Duration::try_from(time.duration_since(jiff::civil::Time::midnight()))?)
}

fn listed(path: &Path, problems: &[Problem]) -> anyhow::Error {
    let lines: Vec<String> = problems.iter().map(|problem| format!("{}: {problem}", path.display())).collect();
    anyhow::Error::msg(lines.join("\n"))
}

fn text(path: &Path) -> anyhow::Result<String> {
    String::from_utf8(read(path)?).with_context(|| format!("{} is not UTF-8 text", path.display()))
}

/// Reads a file, or standard input for `-`, up to what a recording may have.
fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let limit = sensor_sim::replay::RECORDING_BYTES_MAX as u64 + 1;
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes).context("cannot read standard input")?;
    } else {
        let file = std::fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        file.take(limit).read_to_end(&mut bytes).with_context(|| format!("cannot read {}", path.display()))?;
    }
    Ok(bytes)
}

/// Lines of standard input, read by a thread: a blocked read must not hold up the end.
fn typed_lines() -> mpsc::Receiver<String> {
    let (lines, typed) = mpsc::channel(16);
    if std::io::stdin().is_terminal() {
        say("commands: press  fall  cancel  fine  door  check-in  help");
    }
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    typed
}

/// Ready at the first Ctrl-C or SIGTERM.
fn stop() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupted = signal(SignalKind::interrupt()).context("cannot watch for Ctrl-C")?;
    let mut terminated = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
    Ok(async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
