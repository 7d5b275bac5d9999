//! The body of `gateway decode`: JSON lines with a topic and payload in, one JSON line each out.
//!
//! It folds edges as a running gateway does, and knows no clock: each line counts as 10 ms after the one before.

use std::io::{self, BufRead, Read, Write};

use protocol::observation::{Kind, Observation, Reading};
use protocol::record::{Body, Observed, PreAlarm, Stamp, Trigger};
use protocol::trigger::{Reason, TriggerKind};
use serde_json::{Value, json};

use crate::decode::{DEVICE_LIST_BYTES_MAX, Decoded, Decoder, Heard, Rejection, Seen};

/// Longest line that is read, bytes: a device list with room for its frame.
const LINE_BYTES_MAX: u64 = 2 * DEVICE_LIST_BYTES_MAX as u64;

const LINE_MS: u64 = 10;

/// Why lines could not be decoded to the end.
#[derive(Debug, thiserror::Error)]
pub enum DecodeLinesError {
    /// A line could not be read.
    #[error("line {line} could not be read")]
    Read {
        /// Its number, from 1.
        line: u64,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// An answer could not be written.
    #[error("the answer to line {line} could not be written")]
    Write {
        /// Its number, from 1.
        line: u64,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// Answers each line `{"topic","payload","retain"}` with exactly one line
/// `{"topic","observations":[{"kind","device","key","value","edge"}],"rejected"}`.
///
/// A payload that is a string is the text itself; any other is taken as the JSON it is. Further keys are ignored.
///
/// # Errors
/// Says which line could not be read or answered.
pub fn run(reader: impl BufRead, writer: impl Write, decoder: &mut Decoder) -> Result<(), DecodeLinesError> {
    run_within(LINE_BYTES_MAX, reader, writer, decoder)
}

fn run_within(
    line_bytes_max: u64,
    mut reader: impl BufRead,
    mut writer: impl Write,
    decoder: &mut Decoder,
) -> Result<(), DecodeLinesError> {
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        let read = (&mut reader)
            .take(line_bytes_max)
            .read_until(b'\n', &mut bytes)
            .map_err(|source| DecodeLinesError::Read { line, source })?;
        if read == 0 {
            break;
        }
        let answer = if bytes.ends_with(b"\n") || (read as u64) < line_bytes_max {
            answer(&bytes, line, decoder)
        } else {
            skip_line(&mut reader).map_err(|source| DecodeLinesError::Read { line, source })?;
            rejected(Rejection::TooLarge)
        };
        writeln!(writer, "{answer}")
            .and_then(|()| writer.flush())
            .map_err(|source| DecodeLinesError::Write { line, source })?;
    }
    Ok(())
}

fn skip_line(reader: &mut impl BufRead) -> io::Result<()> {
    loop {
        let (used, done) = match reader.fill_buf()? {
            [] => return Ok(()),
            buffer => match buffer.iter().position(|byte| *byte == b'\n') {
                Some(end) => (end + 1, true),
                None => (buffer.len(), false),
            },
        };
        reader.consume(used);
        if done {
            return Ok(());
        }
    }
}

fn rejected(rejection: Rejection) -> Value {
    json!({ "topic": null, "observations": [], "rejected": rejection.name() })
}

fn answer(bytes: &[u8], line: u64, decoder: &mut Decoder) -> Value {
    let Ok(message) = serde_json::from_slice::<Value>(bytes) else {
        return rejected(Rejection::NotJson);
    };
    let Some(topic) = message.get("topic").and_then(Value::as_str) else {
        return rejected(Rejection::UnexpectedShape);
    };
    let payload = match message.get("payload") {
        None => Vec::new(),
        Some(Value::String(text)) => text.clone().into_bytes(),
        Some(payload) => payload.to_string().into_bytes(),
    };
    let retain = message.get("retain").and_then(Value::as_bool).unwrap_or(false);
    let at = Stamp { boot: 1, uptime_ms: line * LINE_MS, wall_ms: 0, wall_trusted: false };
    let decoded = decoder.decode(&Heard { topic, payload: &payload, retain, at });
    let observations: Vec<Value> = decoded.seen.iter().map(observation).collect();
    let rejected = decoded.rejected.map(Rejection::name);
    fold(decoder, &at, decoded);
    json!({ "topic": topic, "observations": observations, "rejected": rejected })
}

fn observation(seen: &Seen) -> Value {
    let Observation { kind, device, key, value } = &seen.observation;
    let value = match value {
        Reading::Active => json!(true),
        Reading::Clear => json!(false),
        Reading::Open => json!("open"),
        Reading::Closed => json!("closed"),
        Reading::Low => json!("low"),
        Reading::Normal => json!("normal"),
        Reading::Online => json!("online"),
        Reading::Offline => json!("offline"),
        Reading::Percent(percent) => json!(percent),
        Reading::Level(level) => json!(level),
        Reading::Upright => json!("upright"),
    };
    json!({ "kind": kind, "device": device, "key": key, "value": value, "edge": seen.edge })
}

/// Folds what a running gateway would have written.
fn fold(decoder: &mut Decoder, at: &Stamp, decoded: Decoded) {
    for listed in decoded.learned {
        decoder.apply(at, &Body::DeviceListed(listed));
    }
    for seen in decoded.seen {
        if seen.edge {
            decoder.apply(at, &record_of(seen));
        }
    }
}

/// The record that an edge becomes; in place of the rules, every trigger is of its message.
pub(crate) fn record_of(seen: Seen) -> Body {
    let Observation { kind, device, key, value } = seen.observation;
    let trigger = match (kind, &value) {
        (Kind::Sos, Reading::Active) => Some((TriggerKind::Sos, Reason::ButtonPressed)),
        (Kind::Smoke, Reading::Active) => Some((TriggerKind::Smoke, Reason::SensorAlarm)),
        (Kind::Gas, Reading::Active) => Some((TriggerKind::Gas, Reason::SensorAlarm)),
        (Kind::Co, Reading::Active) => Some((TriggerKind::Co, Reason::SensorAlarm)),
        (Kind::Water, Reading::Active) => Some((TriggerKind::Water, Reason::SensorAlarm)),
        _ => None,
    };
    match (trigger, kind, &value) {
        (Some((kind, reason)), _, _) => {
            let reason = seen.reason.unwrap_or(reason);
            Body::Trigger(Trigger { kind, device, key, room: None, reason, follows: None, test: false })
        }
        (None, Kind::Fall, Reading::Active) => {
            let reason = seen.reason.unwrap_or(Reason::SensorSaysFall);
            Body::PreAlarm(PreAlarm { kind: TriggerKind::Fall, device, key, room: None, reason, fuse_ms: 0 })
        }
        (None, _, _) => Body::Observed(Observed { kind, device, key, room: None, value }),
    }
}

#[cfg(test)]
mod tests;
