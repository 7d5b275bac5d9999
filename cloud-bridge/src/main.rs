//! The `cloud-bridge` program: reads its configuration, runs the service, stops in order.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};
use cloud_bridge::config::CentreConfig;
use cloud_bridge::server::Running;
use tokio::signal::unix::{SignalKind, signal};

/// Exit code for a configuration that cannot be used: a restart does not help.
const EXIT_CONFIG: u8 = 78;

/// The central service of the home-care gateway: takes records from homes, keeps work orders,
/// publishes the alert feed, and tells each home how far help has come.
#[derive(Debug, Parser)]
#[command(
    name = "cloud-bridge",
    version,
    after_help = "\
The API is described at GET /v1/openapi.json; GET /healthz and GET /metrics need no sign-in.
Plain HTTP is accepted on loopback only; anything else needs [tls] in the configuration.
Data is one SQLite database in `data_dir`; a commit survives a power cut.

Examples:
  cloud-bridge check --config config/centre.toml
  cloud-bridge run --config config/centre.toml --log-format json"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service until SIGTERM or SIGINT
    Run {
        /// The configuration
        #[arg(long, value_name = "FILE", default_value = "/etc/cloud-bridge/centre.toml")]
        config: PathBuf,
        /// How to write the log (to standard error)
        #[arg(long, value_enum, default_value = "text")]
        log_format: LogFormat,
        /// What to log: error, warn, info, debug, trace, or a filter such as `info,cloud_bridge=debug`
        #[arg(long, value_name = "FILTER", default_value = "info")]
        log: String,
    },
    /// Read a configuration and report every problem in it with key and line
    Check {
        /// The configuration
        #[arg(long, value_name = "FILE", default_value = "/etc/cloud-bridge/centre.toml")]
        config: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Check { config } => match read(&config) {
            Ok(read) => {
                let (gateways, users) = (read.gateways.len(), read.users.len());
                println!("{}: good; listens on {}, {gateways} gateways, {users} users", config.display(), read.listen);
                let examples = read.example_credentials();
                if examples > 0 {
                    println!("{examples} credentials are those of the example file; `run` refuses them");
                }
                ExitCode::SUCCESS
            }
            Err(told) => {
                eprint!("{told}");
                ExitCode::from(EXIT_CONFIG)
            }
        },
        Command::Run { config, log_format, log } => {
            let read = match read(&config) {
                Ok(read) => read,
                Err(told) => {
                    eprint!("{told}");
                    return ExitCode::from(EXIT_CONFIG);
                }
            };
            if let Err(error) = start_log(log_format, &log) {
                eprintln!("cloud-bridge: {error:#}");
                return ExitCode::from(EXIT_CONFIG);
            }
            match run(&read) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("cloud-bridge: {error:#}");
                    ExitCode::FAILURE
                }
            }
        }
    }
}

/// Reads a configuration, or tells every problem, one a line.
fn read(path: &PathBuf) -> Result<CentreConfig, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cloud-bridge: {} cannot be read: {error}\n", path.display()))?;
    CentreConfig::parse(&text)
        .map_err(|problems| problems.iter().map(|problem| format!("{}: {problem}\n", path.display())).collect())
}

fn start_log(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(filter).context("--log is not a filter")?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}

fn run(config: &CentreConfig) -> anyhow::Result<()> {
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        anyhow::bail!("a TLS provider is installed already");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be handled")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be handled")?;
        let running = Running::start(config).await?;
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        tracing::info!(address = %running.address(), "ready: listening on {scheme}://{}", running.address());
        if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
            tracing::debug!(%error, "no service manager was told");
        }
        tokio::select! {
            _ = terminate.recv() => tracing::info!("stopping on SIGTERM"),
            _ = interrupt.recv() => tracing::info!("stopping on SIGINT"),
        }
        // Systemd may be absent; stopping goes on.
        let _no_service_manager = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        running.stop().await;
        tracing::info!("stopped");
        Ok(())
    })
}
