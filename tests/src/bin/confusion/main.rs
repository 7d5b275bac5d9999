//! Compares what the decoder says of real device messages with what their bridge's exposes imply.
//!
//! The expectation is computed here from the exposes and a dictionary of names of its own; the decoder's classifier
//! is not asked. Input are JSON lines with `topic` and `payload`, a `bridge/devices` message before its devices'.

mod dictionary;
mod expected;
mod table;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use gateway::decode::{Decoder, DecoderConfig};
use gateway::decode_lines;
use serde_json::Value;

use expected::{Label, Listed};
use table::Table;

/// Print the confusion table of expected and decoded kinds over recorded Zigbee2MQTT messages.
///
/// Every key of every message is compared: the kind and the reading that the device's exposes imply
/// for its value against what the decoder made of it. Each difference is listed with its reason.
/// Exit status 1: an SOS or a fall was missed or invented, or less than 99 % of the rest is right.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    /// JSON lines {"topic","payload"}; a bridge's `bridge/devices` message stands before its devices'.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Most differences that are listed one by one.
    #[arg(long, default_value_t = 200)]
    list: usize,
}

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let mut lines = Vec::new();
    for path in &cli.files {
        let file = std::fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        for line in BufReader::new(file).lines() {
            let line = line.with_context(|| format!("cannot read {}", path.display()))?;
            if !line.trim().is_empty() {
                lines.push(line);
            }
        }
    }
    let mut answers = Vec::new();
    let input = lines.join("\n");
    decode_lines::run(input.as_bytes(), &mut answers, &mut Decoder::new(DecoderConfig::without_home()))?;
    let answers = String::from_utf8(answers).context("the decoder answered in something else than UTF-8")?;

    let mut devices: BTreeMap<String, Listed> = BTreeMap::new();
    let mut table = Table::default();
    for (line, answer) in lines.iter().zip(answers.lines()) {
        let line: Value = serde_json::from_str(line).context("a line is not JSON")?;
        let answer: Value = serde_json::from_str(answer).context("an answer is not JSON")?;
        let topic = line["topic"].as_str().unwrap_or_default();
        if topic.ends_with("/bridge/devices") {
            let base = topic.trim_end_matches("bridge/devices");
            for entry in line["payload"].as_array().into_iter().flatten() {
                if let Some(name) = entry["friendly_name"].as_str() {
                    devices.insert(format!("{base}{name}"), Listed::of(&entry["definition"]));
                }
            }
        } else if let (Some(device), Some(payload)) = (devices.get(topic), line["payload"].as_object()) {
            compare(device, topic, payload, &answer, &mut table);
        } else {
            table.unjudged += 1;
        }
    }
    table.print(cli.list);
    Ok(if table.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn compare(device: &Listed, topic: &str, payload: &serde_json::Map<String, Value>, answer: &Value, table: &mut Table) {
    table.messages += 1;
    let mut decoded: BTreeMap<&str, Vec<Label>> = BTreeMap::new();
    for observation in answer["observations"].as_array().into_iter().flatten() {
        if let (Some(key), Some(label)) = (observation["key"].as_str(), Label::decoded(observation)) {
            decoded.entry(key).or_default().push(label);
        }
    }
    for (key, value) in payload {
        let expected = device.expected(key, value);
        let mut said = decoded.remove(key.as_str()).unwrap_or_default();
        // What a posture clears in passing is told only where it was known; it is neither asked for nor wrong.
        said.retain(|label| !device.may_clear(key, *label) || expected.contains(label));
        table.judge(device, topic, (key, value), &expected, &said);
    }
    for (key, said) in decoded {
        table.judge(device, topic, (key, &Value::Null), &[], &said);
    }
}
