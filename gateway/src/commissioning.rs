//! The installer's tools: why a message means what it means, advice, ready settings, joining, learning codes.
//!
//! Each prints Chinese first. Those that need the radio bridge sign in at the home's broker as `visitor` says.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};

use crate::config::GatewayConfig;
use crate::decode::{Decoder, DecoderConfig};
use crate::home::HomeRules;

pub mod advice;
pub mod bridge;
pub mod codes;
mod explanation;
mod joining;
mod learning;
pub mod snippets;
pub mod visitor;

/// Where the home's configuration stands.
#[derive(Args)]
pub struct Home {
    /// The home's configuration.
    #[arg(long, value_name = "FILE", default_value = "/etc/homecare/gateway.toml")]
    pub config: PathBuf,
}

/// The installer's tools.
#[derive(Subcommand)]
pub enum Tool {
    /// 逐步说明一条消息的含义 · Say step by step why a message means what it means: its topic, its device,
    /// each key, whether it is news, and what the home's rules would do.
    ///
    /// Example: gateway explain zigbee2mqtt/sos '{"action":"emergency"}' --config home.toml
    Explain {
        /// The topic.
        topic: String,
        /// The payload.
        payload: String,
        /// As this home would read it; without it every device counts as known.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// What the bridge has said: its bridge/devices message, or JSON lines {"topic","payload"} heard before.
        #[arg(long, value_name = "FILE")]
        devices: Option<PathBuf>,
        /// As a broker's replay of a retained message.
        #[arg(long)]
        retain: bool,
    },
    /// 打印按本住家填好的设置 · Print ready settings for the programs around the gateway, filled from the home's
    /// configuration.
    Snippets {
        /// For which program; without it all of them.
        #[arg(value_enum)]
        program: Option<Program>,
        /// Where the home's configuration stands.
        #[command(flatten)]
        home: Home,
    },
    /// 开放 Zigbee 入网并显示新设备 · Open the home's Zigbee network to new devices for a while and show each one as
    /// it joins, with the lines that configure it.
    PermitJoin {
        /// Where the home's configuration stands.
        #[command(flatten)]
        home: Home,
        /// How long, seconds.
        #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=254))]
        secs: u64,
        /// Close the network at once.
        #[arg(long)]
        close: bool,
    },
    /// 学习 433 MHz 代码 · Listen for 433 MHz codes that no rule knows yet (rtl_433, Tasmota RF bridge,
    /// OpenMQTTGateway); print each one heard often enough, with the [[rule]] that learns it. Press the button a few
    /// times while it listens. What is not learned never raises.
    Learn {
        /// Where the home's configuration stands.
        #[command(flatten)]
        home: Home,
        /// How long to listen, seconds.
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
        secs: u64,
        /// How often a code must be heard.
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
        times: u32,
        /// Read JSON lines {"topic","payload"} from a file instead of listening.
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
    },
}

/// A program around the gateway.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Program {
    /// Zigbee2MQTT's configuration.yaml.
    Zigbee2mqtt,
    /// mosquitto.conf, where an external broker is used.
    Mosquitto,
    /// Home Assistant's MQTT integration.
    Homeassistant,
}

impl Tool {
    /// Runs the tool. `read` reads a configuration and prints its problems; none where it has any.
    ///
    /// # Errors
    /// Says what could not be read, or that the broker or bridge did not answer.
    pub fn run(
        self,
        read: impl Fn(&Path) -> anyhow::Result<Option<GatewayConfig>>,
        bad_config: ExitCode,
    ) -> anyhow::Result<ExitCode> {
        match self {
            Self::Explain { topic, payload, config, devices, retain } => {
                let (decoder, rules) = match &config {
                    None => (DecoderConfig::without_home(), HomeRules::default()),
                    Some(path) => match read(path)? {
                        Some(config) => (config.decoder, config.rules),
                        None => return Ok(bad_config),
                    },
                };
                let heard =
                    devices.as_deref().map(|path| bridge::lines(path, &decoder.zigbee2mqtt_base)).transpose()?;
                let mut decoder = Decoder::new(decoder);
                print!("{}", explanation::of(&mut decoder, rules, heard.as_deref(), &topic, &payload, retain)?);
                Ok(ExitCode::SUCCESS)
            }
            Self::Snippets { program, home } => {
                let Some(config) = read(&home.config)? else { return Ok(bad_config) };
                let programs = program.map_or(Program::value_variants().to_vec(), |program| vec![program]);
                for program in programs {
                    println!("{}", snippets::of(program, &config));
                }
                Ok(ExitCode::SUCCESS)
            }
            Self::PermitJoin { home, secs, close } => {
                let Some(config) = read(&home.config)? else { return Ok(bad_config) };
                runtime()?.block_on(joining::run(&config, if close { 0 } else { secs }))
            }
            Self::Learn { home, secs, times, from } => {
                let Some(config) = read(&home.config)? else { return Ok(bad_config) };
                match from {
                    Some(path) => learning::read(&config, &path, times),
                    None => runtime()?.block_on(learning::listen(&config, secs, times)),
                }
            }
        }
    }
}

/// What a running bridge says of its devices and settings, asked through the home's broker.
///
/// # Errors
/// When the broker is not reached or refuses.
pub fn ask_bridge(config: &GatewayConfig) -> anyhow::Result<bridge::Bridge> {
    runtime()?.block_on(bridge::ask(config))
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")
}
