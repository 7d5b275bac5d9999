//! A running sensor-sim: the home's devices behind a pretend radio bridge.

use super::centre::START_WAIT;
use super::program::{self, LineTeller, Program};
use super::setup::Setup;

/// Starts the home of `setup` and waits until bridge and panel are connected.
///
/// # Errors
/// When it does not start.
pub async fn start(setup: &Setup, more: &[&str], tell: Option<LineTeller>) -> anyhow::Result<Program> {
    let config = setup.write_sim()?;
    let config = config.to_string_lossy();
    let mut arguments = vec!["live", "--config", &config];
    arguments.extend(more);
    let mut program = Program::start("sensor-sim", &program::path_of("sensor-sim")?, &arguments, tell)?;
    let connected =
        program.wait_line("it is connected", START_WAIT, |line| line.contains("connected to the broker")).await;
    program::or_log(&program, connected)?;
    Ok(program)
}
