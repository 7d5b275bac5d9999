//! Recorded days as messages in order of time: read here, sent by `replay::run`.
//!
//! A line that cannot be read is named, counted and passed over; it never stops the rest.

use std::time::Duration;

use jiff::civil::DateTime;

use crate::publication::Publication;

mod ambient;
mod json_lines;
pub mod run;

/// The largest recording read, bytes.
pub const RECORDING_BYTES_MAX: usize = 256 << 20;

/// A recording ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// The local time at which it starts, where it says.
    pub starts_at: Option<DateTime>,
    /// What the radio bridge says first: its devices.
    pub announced: Vec<Publication>,
    /// The messages, none earlier than the one before.
    pub messages: Vec<Recorded>,
    /// Lines that could not be read.
    pub bad: Vec<BadLine>,
    /// Messages that stood later than their time and were put back in order.
    pub reordered: usize,
}

/// One recorded message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Time since the first.
    pub at: Duration,
    /// The message.
    pub publication: Publication,
}

/// A line that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Line, from 1.
    pub line: usize,
    /// Why.
    pub why: String,
}

/// Why a recording cannot be replayed at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordingError {
    /// It is compressed.
    #[error("the recording is compressed; unpack it first, as in `xzcat FILE | sensor-sim replay -`")]
    Compressed,
    /// It is larger than is read.
    #[error("the recording is larger than 256 MiB; cut it in parts")]
    TooLarge,
    /// It is not text.
    #[error("the recording is not UTF-8 text")]
    NotText,
    /// There are several homes in it.
    #[error("the recording holds several homes; choose one with --home: {}", homes.join(", "))]
    SeveralHomes {
        /// Their names.
        homes: Vec<String>,
    },
    /// The home asked for is not in it.
    #[error("the recording holds no home `{home}`; it holds: {}", homes.join(", "))]
    NoSuchHome {
        /// The home asked for.
        home: String,
        /// Those there are.
        homes: Vec<String>,
    },
    /// No line could be read.
    #[error(
        "no line of the recording could be read{first}; a CSV begins with home,local_time,sensor,name,kind,state and JSON lines hold t_ms or at, topic, payload"
    )]
    Nothing {
        /// What is wrong with the first bad line, after a colon.
        first: String,
    },
}

impl Recording {
    /// Reads a recording: CSV of sensor states where the first line is its heading, else JSON lines.
    ///
    /// `home` picks one of several in a CSV; `seed` fixes the devices' batteries and link quality.
    pub fn read(bytes: &[u8], home: Option<&str>, seed: u64) -> Result<Self, RecordingError> {
        if bytes.starts_with(&[0xfd, b'7', b'z', b'X', b'Z']) || bytes.starts_with(&[0x1f, 0x8b]) {
            return Err(RecordingError::Compressed);
        }
        if bytes.len() > RECORDING_BYTES_MAX {
            return Err(RecordingError::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| RecordingError::NotText)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut recording =
            if text.starts_with("home,") { ambient::read(text, home, seed)? } else { json_lines::read(text) };
        if recording.messages.is_empty() {
            let first = recording.bad.first().map_or(String::new(), |bad| format!(": line {}: {}", bad.line, bad.why));
            return Err(RecordingError::Nothing { first });
        }
        recording.put_in_order();
        Ok(recording)
    }

    /// How long it lasts.
    pub fn length(&self) -> Duration {
        self.messages.last().map_or(Duration::ZERO, |last| last.at)
    }

    fn put_in_order(&mut self) {
        let mut latest = Duration::ZERO;
        for message in &self.messages {
            self.reordered += usize::from(message.at < latest);
            latest = latest.max(message.at);
        }
        self.messages.sort_by_key(|message| message.at);
    }
}

#[cfg(test)]
mod tests;
