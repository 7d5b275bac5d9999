//! A running gateway and its status page.

use std::path::Path;
use std::time::Duration;

use super::Failed;
use super::api::chain;
use super::centre::START_WAIT;
use super::clock::until;
use super::program::{self, LineTeller, Program};
use super::setup::Setup;

/// Starts the gateway of `setup` and waits until it says that it is ready.
///
/// # Errors
/// When it does not start.
pub async fn start(setup: &Setup, tell: Option<LineTeller>) -> anyhow::Result<Program> {
    start_at(&program::path_of("gateway")?, setup, tell).await
}

/// The same with the program at this path.
///
/// # Errors
/// When it does not start.
pub async fn start_at(path: &Path, setup: &Setup, tell: Option<LineTeller>) -> anyhow::Result<Program> {
    let config = setup.write_gateway()?;
    let arguments = ["run", "--config", &config.to_string_lossy()];
    let mut program = Program::start("gateway", path, &arguments, tell)?;
    let ready = program.wait_line("it says that it is ready", START_WAIT, |line| line.contains("ready gateway")).await;
    program::or_log(&program, ready)?;
    Ok(program)
}

/// The status page of one gateway.
#[derive(Debug, Clone)]
pub struct StatusPage {
    client: reqwest::Client,
    base: String,
}

impl StatusPage {
    /// The status page of `setup`'s gateway.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn of(setup: &Setup) -> Result<Self, Failed> {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build();
        let client = client.map_err(|error| error.to_string())?;
        Ok(Self { client, base: format!("http://127.0.0.1:{}", setup.ports.status) })
    }

    /// Reads a page.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn text(&self, path: &str) -> Result<String, Failed> {
        let answer = self.client.get(format!("{}{path}", self.base)).send().await.map_err(|error| chain(&error))?;
        answer.text().await.map_err(|error| chain(&error))
    }

    /// Drives a simulated input pin.
    ///
    /// # Errors
    /// When the page does not answer, or the pin is no simulated input.
    pub async fn drive(&self, pin: u8, high: bool) -> Result<(), Failed> {
        let level = serde_json::json!({ "level": u8::from(high) });
        let request = self.client.put(format!("{}/v1/pins/{pin}", self.base)).json(&level);
        let answer = request.send().await.map_err(|error| chain(&error))?;
        if answer.status().is_success() { Ok(()) } else { Err(format!("pin {pin}: {}", answer.status())) }
    }

    /// One number of `/metrics`, by its name with labels, such as `gateway_rejected_total{reason="not_json"}`; one
    /// that was not counted yet is 0.
    ///
    /// # Errors
    /// When the page does not answer or shows no number there.
    pub async fn metric(&self, name: &str) -> Result<u64, Failed> {
        let text = self.text("/metrics").await?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(Ok(0), |number| number.trim().parse().map_err(|error| format!("{name}: {error}")))
    }

    /// Waits until a number of `/metrics` is as wanted.
    ///
    /// # Errors
    /// When it does not become so in time.
    pub async fn until_metric(
        &self,
        name: &str,
        patience: Duration,
        wanted: impl Fn(u64) -> bool,
    ) -> Result<u64, Failed> {
        until(name, patience, async || {
            let value = self.metric(name).await?;
            if wanted(value) { Ok(value) } else { Err(value.to_string()) }
        })
        .await
    }
}
