//! What the elder is told, as the demo shows it: the words of each stage in their colour, and what
//! every output does with it.

use std::io::IsTerminal as _;
use std::path::Path;
use std::time::Duration;

use gateway::gpio::pattern::{Pattern, Wired};
use gateway::reassure::device::DeviceKind;
use protocol::stage::Stage;
use serde_json::Value;
use tests::harness::Failed;

/// The pin of the demo's cord, and of its lamp by the door.
const CORD_PIN: u8 = 17;
const LAMP_PIN: u8 = 23;

const LAMP: &str = "bedroom lamp";
const SIREN: &str = "hall siren";
const DOOR_LAMP: &str = "door lamp";

/// The outputs of the demo's gateway.
pub fn outputs() -> String {
    let prompts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/voice");
    format!(
        "\n[voice]\nprompts_dir = \"{}\"\nlanguage = \"zh_en\"\n\
         [[output]]\ndevice = \"{LAMP}\"\nkind = \"lamp\"\n[[output]]\ndevice = \"{SIREN}\"\nkind = \"siren\"\n\
         [gpio]\nsimulated = true\n[[gpio.input]]\nname = \"bath cord\"\nkind = \"sos\"\npin = {CORD_PIN}\n\
         [[gpio.output]]\nname = \"{DOOR_LAMP}\"\nkind = \"lamp\"\npin = {LAMP_PIN}\n",
        prompts.display()
    )
}

/// Pulls the cord that is wired to the gateway, and lets it go.
///
/// # Errors
/// When the gateway's pins cannot be driven.
pub async fn pull_cord(status_port: u16, held: Duration) -> Result<(), Failed> {
    let url = format!("http://127.0.0.1:{status_port}/v1/pins/{CORD_PIN}");
    let client = reqwest::Client::new();
    // Closing to ground pulls the pin down.
    for level in [0, 1] {
        let body = format!("{{\"level\":{level}}}");
        let sent = client.put(&url).header("content-type", "application/json").body(body).send().await;
        sent.and_then(reqwest::Response::error_for_status).map_err(|error| format!("the cord: {error}"))?;
        tokio::time::sleep(held).await;
    }
    Ok(())
}

/// A line of the gateway's log about the elder, in words for the terminal; none for any other line.
pub fn line(log: &str) -> Option<String> {
    let stage = field(log, "stage=")?;
    let stage = Stage::WORDS.iter().map(|(_, named)| *named).find(|named| format!("{named:?}") == stage)?;
    if log.contains("told the elder") {
        let words = format!("● {} / {}", stage.zh(), stage.en());
        return Some(format!("\nelder   {}", coloured(&words, stage)));
    }
    let output = log.split("output=\"").nth(1)?.split('"').next()?;
    let outcome = field(log, "outcome=")?;
    let does = match (output, outcome) {
        (_, "Failed") => "does not work".to_owned(),
        ("voice", "Whole") => "spoken".to_owned(),
        ("voice", "Printed") => format!("no sound card here; it would say “{}”", stage.zh()),
        (_, "CutShort") => "cut short by the next stage".to_owned(),
        (LAMP, _) => lamp(&DeviceKind::Lamp.payload(stage)),
        (SIREN, _) => siren(&DeviceKind::Siren.payload(stage)).to_owned(),
        (DOOR_LAMP, _) => pattern(Wired::Lamp.pattern(stage)).to_owned(),
        (_, other) => other.to_lowercase(),
    };
    Some(format!("          {output:<14} {does}"))
}

fn field<'l>(log: &'l str, name: &str) -> Option<&'l str> {
    log.split(name).nth(1)?.split_whitespace().next()
}

fn lamp(payload: &Value) -> String {
    if payload["state"] != "ON" {
        return "dark".to_owned();
    }
    let colour = match payload["color"]["hex"].as_str() {
        Some("#FFA000") => "amber",
        Some("#FFE000") => "yellow",
        Some("#0060FF") => "blue",
        Some("#00C0FF") => "cyan",
        Some("#00FF40") => "green",
        Some("#FF0000") => "red",
        Some(other) => other,
        None => "on",
    };
    let blinks = if payload["effect"] == "blink" { ", blinking" } else { "" };
    format!("{colour}{blinks}")
}

fn siren(payload: &Value) -> &str {
    match payload["warning"]["mode"].as_str() {
        Some("stop") | None => "silent",
        Some("fire") => "SOUNDS, fire",
        Some(_) => "SOUNDS",
    }
}

fn pattern(pattern: Pattern) -> &'static str {
    match pattern {
        Pattern::Off => "off (pin low)",
        Pattern::Steady => "on (pin high)",
        Pattern::Slow => "blinks slowly",
        Pattern::Fast => "blinks fast",
    }
}

/// The words in the colour of the demo's lamp, where a terminal shows colours.
fn coloured(words: &str, stage: Stage) -> String {
    if !std::io::stdout().is_terminal() {
        return words.to_owned();
    }
    let code = match stage {
        Stage::Quiet => 37,
        Stage::LinkDown | Stage::RadioLost | Stage::PreAlarm | Stage::Retracted => 33,
        Stage::Recorded | Stage::NotRecorded | Stage::Cancelling => 93,
        Stage::Received => 94,
        Stage::Taken => 96,
        Stage::Coming | Stage::Here => 92,
        Stage::NotConnected | Stage::StillNotConnected | Stage::ContactsCalled | Stage::LeaveNow => 91,
    };
    format!("\u{1b}[1;{code}m{words}\u{1b}[0m")
}
