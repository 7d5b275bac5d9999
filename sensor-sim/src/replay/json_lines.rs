//! Recorded messages as JSON lines: `t_ms` (since any beginning) or `at` (RFC 3339), `topic`, `payload`, `retain`.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::{BadLine, Recorded, Recording};
use crate::publication::{Publication, Qos};

#[derive(Deserialize)]
struct Line {
    t_ms: Option<i64>,
    at: Option<jiff::Timestamp>,
    topic: String,
    payload: Value,
    #[serde(default)]
    retain: bool,
    qos: Option<u8>,
}

pub(super) fn read(text: &str) -> Recording {
    let mut messages: Vec<(i64, Publication)> = Vec::new();
    let mut bad = Vec::new();
    let mut last_ms = None;
    let mut dated = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        match message(line, last_ms) {
            Ok((ms, at, publication)) => {
                dated |= at;
                last_ms = Some(ms);
                messages.push((ms, publication));
            }
            Err(why) => bad.push(BadLine { line: index + 1, why }),
        }
    }
    let first = messages.iter().map(|(ms, _)| *ms).min().unwrap_or(0);
    let starts_at = jiff::Timestamp::from_millisecond(first).ok().filter(|_| dated);
    let starts_at = starts_at.map(|at| at.to_zoned(jiff::tz::TimeZone::UTC).datetime());
    let recorded = |(ms, publication): (i64, Publication)| Recorded {
        at: Duration::from_millis(ms.saturating_sub(first).unsigned_abs()),
        publication,
    };
    let messages = messages.into_iter().map(recorded).collect();
    Recording { starts_at, announced: Vec::new(), messages, bad, reordered: 0 }
}

/// A line without a time stands at that of the line before it.
fn message(line: &str, last_ms: Option<i64>) -> Result<(i64, bool, Publication), String> {
    let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let ms = match (line.t_ms, line.at) {
        (Some(ms), None) => ms,
        (None, Some(at)) => at.as_millisecond(),
        (None, None) => last_ms.unwrap_or(0),
        (Some(_), Some(_)) => return Err("give t_ms or at, not both".into()),
    };
    if line.topic.is_empty() || line.topic.contains(['+', '#', '\0']) {
        return Err(format!("`{}` cannot be published to", line.topic));
    }
    let payload = match line.payload {
        Value::String(text) => text,
        body @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            body.to_string()
        }
    };
    let mut publication = Publication::bytes(line.topic, payload);
    publication.retain = line.retain;
    publication.qos = match line.qos {
        None | Some(1) => Qos::AtLeastOnce,
        Some(0) => Qos::AtMostOnce,
        Some(other) => return Err(format!("QoS {other} is not sent here; use 0 or 1")),
    };
    Ok((ms, line.at.is_some(), publication))
}
