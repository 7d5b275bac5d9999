//! A scenario's `rules`: those of the home as in a gateway's configuration and, under `[centre]`, what the centre
//! knows of the home.

use gateway::config::GatewayConfig;
use gateway::home::HomeRules;
use protocol::settings::{Problem, Reading};

/// The heading behind which everything is the centre's.
const CENTRE: &str = "[centre]";

/// What the centre's configuration says of the home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AtCentre {
    /// `high_risk`: the elder depends on a device.
    pub(super) high_risk: bool,
}

/// Reads a scenario's rules, the home's into `rules`.
///
/// # Errors
/// Every problem, one a line.
pub(super) fn read(text: &str, rules: &mut HomeRules) -> Result<AtCentre, String> {
    let (home, centre) = text.split_at(text.find(CENTRE).unwrap_or(text.len()));
    GatewayConfig::read_rules_alone(home, rules).map_err(told)?;
    let (mut reading, mut root) = Reading::start(centre);
    let mut table = root.table(&mut reading, "centre");
    let high_risk = table.flag(&mut reading, "high_risk", false);
    table.finish(&mut reading);
    root.finish(&mut reading);
    let problems = reading.into_problems();
    if problems.is_empty() { Ok(AtCentre { high_risk }) } else { Err(told(problems)) }
}

fn told(problems: Vec<Problem>) -> String {
    problems.iter().map(|problem| format!("rules: {problem}\n")).collect()
}
