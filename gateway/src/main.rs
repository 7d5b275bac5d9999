//! The `gateway` program: run, check, decode, backtest, journal, and the installer's tools.

use std::io::{BufReader, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};
use gateway::commissioning::bridge::{self, Bridge};
use gateway::commissioning::{self, Tool, advice};
use gateway::config::GatewayConfig;
use gateway::decode::{Decoder, DecoderConfig, Step};
use gateway::device_page::{self, DevicePage};
use gateway::driver::{self, Draw};
use gateway::home::proof::TestState;
use gateway::{backtest, decode_lines, journal};
use protocol::ids::Incarnation;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Exit status of a bad configuration, so that a service manager does not start it again and again.
const EXIT_CONFIG: u8 = 78;

/// The emergency gateway of one home: hears buttons and sensors over MQTT, records every press on
/// disk before it is acknowledged, raises work orders at the centre and tells the elder how far
/// help has come.
#[derive(Parser)]
#[command(version, about, long_about = None)]
struct Cli {
    /// How log lines are written to standard error.
    #[arg(long, value_enum, default_value_t = LogFormat::Text, global = true)]
    log_format: LogFormat,
    #[command(subcommand)]
    task: Task,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Subcommand)]
enum Task {
    /// Run the gateway until SIGTERM or Ctrl-C; what was heard by then is written first.
    Run {
        /// The home's configuration.
        #[arg(long, value_name = "FILE", default_value = "/etc/homecare/gateway.toml")]
        config: PathBuf,
    },
    /// Read a configuration and tell every problem at once, with line and key; exit 0 when it is good. Then advise:
    /// what is missing in the home's file and, where the bridge's words are given, in its settings.
    Check {
        /// The configuration to read.
        #[arg(long, value_name = "FILE", default_value = "/etc/homecare/gateway.toml")]
        config: PathBuf,
        /// What Zigbee2MQTT says: its bridge/devices or bridge/info message, or JSON lines {"topic","payload"} of both.
        #[arg(long, value_name = "FILE", conflicts_with = "live")]
        bridge: Option<PathBuf>,
        /// Ask the running bridge through the home's broker.
        #[arg(long)]
        live: bool,
    },
    /// Say what device messages mean: JSON lines {"topic","payload","retain"} on standard input, one
    /// JSON line with the observations for each on standard output. Put a bridge's `bridge/devices`
    /// message first.
    Decode {
        /// Decode as this home would; without it every device counts as known.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// List every device that the running gateway has heard or is configured with: what it is, where, when
    /// it was heard, its link, battery and last proof, and what looks odd about it.
    Devices {
        /// The configuration that the gateway runs with.
        #[arg(long, value_name = "FILE", default_value = "/etc/homecare/gateway.toml")]
        config: PathBuf,
        /// One JSON array instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Test one device of the running gateway: press it within 15 seconds of this command. That press, and no
    /// other one, is recorded as a test and opens no order. Exit 0 when it was heard, 1 when it was not.
    TestPress {
        /// The device, as configured.
        device: String,
        /// The configuration that the gateway runs with; it needs `status.token`.
        #[arg(long, value_name = "FILE", default_value = "/etc/homecare/gateway.toml")]
        config: PathBuf,
    },
    #[command(flatten)]
    Tool(Tool),
    /// Replay recorded days through the rules of a home: the calls they would have brought, how soon a
    /// stop of all life would have been noticed, and both for other settings, as a table and a plot.
    ///
    /// Events are CSV lines home,local_time,sensor,name,kind,state (kind: motion, door, pressure, flush,
    /// item; state ON or OFF; several homes may be in one file) or the lines of `journal dump --json`.
    /// Unpack a compressed file first: `xzcat events.csv.xz | gateway backtest --events -`.
    ///
    /// A device configured by its name has the role that it is given there; any other is taken for what
    /// its kind and name say, and each is listed. The first days of a home are for learning. Every call on
    /// the untouched recording counts as false. The main setting is `inactivity.false_alarms_a_year`.
    ///
    /// With an expectation it is a test case: exit 1 and a line for each home that misses it.
    Backtest(backtest::Command),
    /// Look into a journal, of a running gateway or a dead one; nothing is changed.
    Journal {
        #[command(subcommand)]
        task: JournalTask,
    },
}

#[derive(Subcommand)]
enum JournalTask {
    /// Write every record that can be read.
    Dump {
        /// The gateway's data directory.
        #[arg(long, value_name = "DIR", default_value = "/var/lib/homecare-gateway")]
        data_dir: PathBuf,
        /// One JSON object a line; the only form there is.
        #[arg(long)]
        json: bool,
    },
    /// Check every frame's CRC and the hash chain; say where it breaks; exit 1 when it does.
    Verify {
        /// The gateway's data directory.
        #[arg(long, value_name = "DIR", default_value = "/var/lib/homecare-gateway")]
        data_dir: PathBuf,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr(cli.log_format);
    let outcome = match cli.task {
        Task::Run { config } => run(&config),
        Task::Check { config, bridge, live } => check(&config, bridge.as_deref(), live),
        Task::Tool(tool) => tool.run(read, ExitCode::from(EXIT_CONFIG)),
        Task::Decode { config } => decode(config.as_deref()),
        Task::Devices { config, json } => devices(&config, json),
        Task::TestPress { device, config } => test_press(&config, &device),
        Task::Backtest(command) => command.run(read, ExitCode::from(EXIT_CONFIG)),
        Task::Journal { task: JournalTask::Dump { data_dir, json: _ } } => dump(&data_dir),
        Task::Journal { task: JournalTask::Verify { data_dir } } => verify(&data_dir),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("gateway: {error:#}");
        ExitCode::FAILURE
    })
}

fn log_to_stderr(format: LogFormat) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("GATEWAY_LOG").unwrap_or_else(|_| {
        tracing_subscriber::EnvFilter::new("info,rmqtt=warn,rmqtt_net=warn,rustls_platform_verifier=off")
    });
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => builder.json().init(),
    }
}

/// Reads a configuration, or prints every problem of it.
fn read(path: &Path) -> anyhow::Result<Option<GatewayConfig>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the configuration {}; name it with --config", path.display()))?;
    match GatewayConfig::read(&text) {
        Ok(config) => Ok(Some(config)),
        Err(problems) => {
            for problem in &problems {
                eprintln!("{}: {problem}", path.display());
            }
            eprintln!("{}: {} problem(s); nothing was started", path.display(), problems.len());
            Ok(None)
        }
    }
}

fn check(path: &Path, bridge: Option<&Path>, live: bool) -> anyhow::Result<ExitCode> {
    let Some(config) = read(path)? else { return Ok(ExitCode::from(EXIT_CONFIG)) };
    let base = &config.decoder.zigbee2mqtt_base;
    let bridge = match bridge {
        Some(path) => Some(Bridge::read(base, &bridge::lines(path, base)?)),
        None if live => Some(commissioning::ask_bridge(&config)?),
        None => None,
    };
    for advice in config.advice() {
        println!("advice: {advice}");
    }
    let advice = advice::on_home(&config).into_iter();
    for Step { zh, en } in advice.chain(bridge.iter().flat_map(|bridge| advice::on_bridge(&config, bridge))) {
        println!("建议: {zh}\nadvice: {en}");
    }
    println!("{}: good; gateway {}, {} device(s)", path.display(), config.gateway, config.rules.devices.len());
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::disallowed_methods, reason = "a start draws its incarnation")]
fn draw() -> anyhow::Result<Draw> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).context("no randomness from the operating system")?;
    let [a, b] =
        [&bytes[..8], &bytes[8..16]].map(|half| half.iter().fold(0_u64, |word, byte| word << 8 | u64::from(*byte)));
    let secret = bytes[16..].iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Draw { incarnation: Incarnation(a), seed: b, secret })
}

fn run(path: &Path) -> anyhow::Result<ExitCode> {
    let Some(config) = read(path)? else { return Ok(ExitCode::from(EXIT_CONFIG)) };
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let draw = draw()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let (stop, stopping) = watch::channel(false);
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::spawn(async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            let _ = stop.send(true);
        });
        // On a worker, not on this thread: the broker's connections and the loop then wake each other without a
        // switch of threads.
        tokio::spawn(driver::run(config, draw, stopping))
            .await
            .context("the loop ended by a panic")?
            .map_err(anyhow::Error::from)
    })?;
    runtime.shutdown_timeout(std::time::Duration::from_millis(500));
    Ok(ExitCode::SUCCESS)
}

fn decode(path: Option<&Path>) -> anyhow::Result<ExitCode> {
    let config = match path {
        None => DecoderConfig::without_home(),
        Some(path) => match read(path)? {
            Some(config) => config.decoder,
            None => return Ok(ExitCode::from(EXIT_CONFIG)),
        },
    };
    let mut output = std::io::BufWriter::new(std::io::stdout().lock());
    decode_lines::run(BufReader::new(std::io::stdin().lock()), &mut output, &mut Decoder::new(config))
        .context("decoding stopped")?;
    output.flush().context("standard output failed")?;
    Ok(ExitCode::SUCCESS)
}

fn device_page(config: GatewayConfig) -> anyhow::Result<(DevicePage, tokio::runtime::Runtime)> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok((DevicePage::new(config.status_listen, config.status_token)?, runtime))
}

fn devices(path: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let Some(config) = read(path)? else { return Ok(ExitCode::from(EXIT_CONFIG)) };
    let (page, runtime) = device_page(config.clone())?;
    let heard = runtime.block_on(page.devices())?;
    // The page knows whom the gateway heard; who joined and never spoke stands in the bridge's own list.
    let listed = runtime.block_on(bridge::listed(&config)).unwrap_or_else(|error| {
        eprintln!("网桥的列表读不到,只列出听到和已配置的设备 · without the bridge's list: {error:#}");
        Vec::new()
    });
    let devices = device_page::with_listed(heard, &listed);
    if json {
        println!("{}", serde_json::to_string_pretty(&devices)?);
    } else {
        print!("{}", device_page::table(&devices));
    }
    Ok(ExitCode::SUCCESS)
}

/// Longest wait for the end of a test beyond its own time.
const TEST_GRACE: Duration = Duration::from_secs(5);

fn test_press(path: &Path, device: &str) -> anyhow::Result<ExitCode> {
    let Some(config) = read(path)? else { return Ok(ExitCode::from(EXIT_CONFIG)) };
    let press = Duration::from_millis(config.rules.proof.press_ms);
    let (page, runtime) = device_page(config)?;
    runtime.block_on(async {
        page.test(device).await?;
        println!("请在 {} 秒内按下 {device} / press {device} within {} s", press.as_secs(), press.as_secs());
        let watched = async {
            loop {
                tokio::time::sleep(Duration::from_millis(250)).await;
                let devices = page.devices().await?;
                match devices.iter().find(|line| line.device == device).and_then(|line| line.test) {
                    Some(TestState::Passed) => return anyhow::Ok(true),
                    Some(TestState::Failed) => return anyhow::Ok(false),
                    Some(TestState::Waiting) | None => {}
                }
            }
        };
        if tokio::time::timeout(press + TEST_GRACE, watched).await.unwrap_or(Ok(false))? {
            println!("通过:听到了 {device} / passed: {device} was heard");
            Ok(ExitCode::SUCCESS)
        } else {
            println!("未通过:没有听到 {device} / failed: {device} was not heard");
            Ok(ExitCode::FAILURE)
        }
    })
}

/// The journal below a gateway's data directory, or the directory itself where it is the journal.
fn journal_dir(data_dir: &Path) -> PathBuf {
    let below = data_dir.join("journal");
    if below.is_dir() { below } else { data_dir.to_owned() }
}

fn open_journal(data_dir: &Path) -> anyhow::Result<journal::FsStorage> {
    let dir = journal_dir(data_dir);
    journal::FsStorage::read_only(&dir).with_context(|| format!("cannot read the journal in {}", dir.display()))
}

fn dump(data_dir: &Path) -> anyhow::Result<ExitCode> {
    let storage = open_journal(data_dir)?;
    let mut output = std::io::BufWriter::new(std::io::stdout().lock());
    for entry in journal::dump(&storage).context("cannot read the journal")? {
        let (_, record) = entry.context("cannot read the journal")?;
        serde_json::to_writer(&mut output, &record)?;
        output.write_all(b"\n")?;
    }
    output.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn verify(data_dir: &Path) -> anyhow::Result<ExitCode> {
    let storage = open_journal(data_dir)?;
    let report = journal::verify(&storage).context("cannot read the journal")?;
    println!("{report}");
    Ok(if report.is_whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
