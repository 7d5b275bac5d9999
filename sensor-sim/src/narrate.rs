//! What the simulator tells the person at the terminal. One line each; a closed pipe is no failure.

use std::io::Write;
use std::time::Duration;

use serde_json::Value;

use protocol::topics;

use crate::link::LinkNews;
use crate::scenario;

/// Writes a line to standard output.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Writes a line to standard error.
pub fn warn(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// A simulated time as `day 2 08:00:00`; the first day is not named.
pub fn clock(at: Duration) -> String {
    let day = at.as_secs() / 86_400;
    let clock = scenario::clock(Duration::from_secs(at.as_secs()));
    if day == 0 { clock } else { format!("day {} {clock}", day + 1) }
}

/// What the lamp and the voice tell the elder, in both languages; none for another topic or an unreadable text.
pub fn lamp(topic: &str, payload: &[u8]) -> Option<String> {
    if topic != topics::REASSURANCE {
        return None;
    }
    let body: Value = serde_json::from_slice(payload).ok()?;
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let stage = text("stage").unwrap_or("?");
    Some(format!("灯 lamp: {} / {}   [{stage}]", text("zh").unwrap_or("?"), text("en").unwrap_or("?")))
}

/// The presence code on the home's display, from JSON `{"code":"…"}` or bare digits.
pub fn presence_code(topic: &str, payload: &[u8]) -> Option<String> {
    if topic != topics::PRESENCE_CODE {
        return None;
    }
    let text = std::str::from_utf8(payload).ok()?.trim();
    let code = match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(body)) => body.get("code")?.as_str()?.to_owned(),
        Ok(Value::String(code)) => code,
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) | Err(_) => text.to_owned(),
    };
    (code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit())).then_some(code)
}

/// A siren's own words for what it was told; none for another topic.
pub fn siren(topic: &str, payload: &[u8]) -> Option<String> {
    let device = topic.strip_suffix("/set")?.split_once('/')?.1;
    let body: Value = serde_json::from_slice(payload).ok()?;
    let sounds = body.get("alarm").and_then(Value::as_bool).or_else(|| {
        let mode = body.get("warning")?.get("mode")?.as_str()?;
        Some(mode != "stop")
    })?;
    Some(format!("警笛 siren {device}: {}", if sounds { "sounds" } else { "is quiet" }))
}

/// Tells connection news once: trouble again only when its reason changes, lost messages as a number.
#[derive(Debug, Default)]
pub struct LinkTeller {
    told: Option<String>,
    dropped: u64,
}

impl LinkTeller {
    /// The line to tell, if any.
    pub fn line(&mut self, news: &LinkNews) -> Option<String> {
        match news {
            LinkNews::Connected { first } => {
                self.told = None;
                let again = if *first { "" } else { " again" };
                let lost = match std::mem::take(&mut self.dropped) {
                    0 => String::new(),
                    lost => format!("; {lost} messages were not sent meanwhile"),
                };
                Some(format!("connected to the broker{again}{lost}"))
            }
            LinkNews::Away { trouble, .. } => {
                let text = trouble.to_string();
                let new = self.told.as_ref() != Some(&text);
                self.told = Some(text.clone());
                new.then(|| format!("{text} (trying again)"))
            }
            LinkNews::SubscriptionRefused { filter } => {
                Some(format!("the broker refuses the subscription to {filter}; check what this sign-in may read"))
            }
            LinkNews::Dropped { topic, why } => {
                self.dropped += 1;
                (self.dropped == 1).then(|| format!("not sent: {topic} ({why}); further ones are counted"))
            }
            LinkNews::Subscribed | LinkNews::Heard { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
