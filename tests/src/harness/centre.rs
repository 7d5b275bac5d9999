//! A running cloud-bridge.

use std::time::Duration;

use super::program::{self, LineTeller, Program};
use super::setup::{Setup, User};
use super::{Failed, api::Desk};

/// Longest start.
pub const START_WAIT: Duration = Duration::from_secs(15);

/// Starts the centre of `setup` and waits until it answers.
///
/// # Errors
/// When it does not start.
pub async fn start(setup: &Setup, tell: Option<LineTeller>) -> anyhow::Result<Program> {
    let config = setup.write_centre()?;
    let arguments = ["run", "--config", &config.to_string_lossy()];
    let mut program = Program::start("cloud-bridge", &program::path_of("cloud-bridge")?, &arguments, tell)?;
    let ready =
        program.wait_line("it says that it is ready", START_WAIT, |line| line.contains("ready: listening")).await;
    super::program::or_log(&program, ready)?;
    Ok(program)
}

/// The centre's base address.
pub fn url(setup: &Setup) -> String {
    let scheme = if setup.tls.is_some() { "https" } else { "http" };
    format!("{scheme}://127.0.0.1:{}", setup.ports.centre)
}

/// A signed-in user of the centre.
///
/// # Errors
/// When the HTTP client cannot be built.
pub fn desk(setup: &Setup, user: &User) -> Result<Desk, Failed> {
    Desk::new(url(setup), &user.token)
}
