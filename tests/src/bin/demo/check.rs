//! Plays the script, prints the table of hops, or names the hop that failed with the logs behind it.

use std::io::Write as _;
use std::process::ExitCode;

use tests::harness::clock::{ms_between, now};
use tests::harness::program::Program;
use tests::harness::setup::Setup;

use crate::script::{Broken, Script};

/// Log lines shown of each program concerned when a hop fails.
const LINES_SHOWN: usize = 12;

/// Runs the whole script.
pub async fn run(setup: &Setup) -> anyhow::Result<ExitCode> {
    let began = now();
    say("check: one home, one centre, one script; each line is a hop with its time\n");
    let mut script = Script::new(setup);
    let played = script.play().await;
    say(&script.table.text());
    let secs = ms_between(began, now()) / 1_000.0;
    let code = match played {
        Ok(()) => {
            say(&format!("all {} hops passed in {secs:.1} s", script.table.count()));
            ExitCode::SUCCESS
        }
        Err(Broken { item, hop, why }) => {
            say(&format!("FAILED after {secs:.1} s: item {item}, hop \"{hop}\"\n  {why}"));
            for program in script.programs() {
                tell_log(program);
            }
            ExitCode::FAILURE
        }
    };
    script.stop().await;
    Ok(code)
}

fn tell_log(program: &Program) {
    say(&format!("\n{} wrote last:", program.name()));
    for line in program.last_lines(LINES_SHOWN) {
        say(&format!("  {line}"));
    }
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
