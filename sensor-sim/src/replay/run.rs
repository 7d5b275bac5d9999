//! Sends a recording through a broker, with progress.

use std::future::Future;
use std::io::IsTerminal;
use std::time::Duration;

use super::Recording;
use crate::bridge::RadioBridge;
use crate::link::{Away, LinkClosed, LinkTrouble, Standing};
use crate::narrate::{self, LinkTeller, warn};
use crate::pace::{Pace, Speed};
use crate::wires::{BrokerConfig, Wires};

/// How long the end waits for the last confirmations.
const LAST_CONFIRMATIONS: Duration = Duration::from_secs(30);
/// Bad lines that are named; the rest is only counted.
const NAMED_MAX: usize = 10;

/// Why a replay did not end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// No first connection.
    #[error(transparent)]
    NoBroker(LinkTrouble),
    /// The connection's task ended.
    #[error("the replay stopped in the middle")]
    Closed(#[source] LinkClosed),
    /// It was interrupted.
    #[error("interrupted; {sent} of {messages} messages were sent")]
    Interrupted {
        /// Messages sent.
        sent: usize,
        /// Messages there are.
        messages: usize,
    },
    /// The broker did not confirm everything.
    #[error("{missing} messages were not confirmed by the broker within 30 s")]
    Unconfirmed {
        /// How many.
        missing: u64,
    },
}

/// Sends a recording; ends when the broker has confirmed every message.
pub async fn run(
    recording: Recording,
    broker: &BrokerConfig,
    speed: Speed,
    stop: impl Future<Output = ()>,
) -> Result<Standing, ReplayError> {
    tell_bad_lines(&recording);
    tokio::pin!(stop);
    let messages = recording.messages.len();
    let mut wires = Wires::open(broker, &RadioBridge::new([]), Away::Keep);
    tokio::select! {
        connected = wires.connected(Duration::from_secs(10)) => {
            connected.map_err(ReplayError::NoBroker)?;
        }
        () = &mut stop => return Err(ReplayError::Interrupted { sent: 0, messages }),
    }
    wires.publish(recording.announced.clone()).await.map_err(ReplayError::Closed)?;
    let mut teller = LinkTeller::default();
    let mut progress = Progress::new(&recording, speed);
    let pace = progress.pace;
    for (sent, message) in recording.messages.into_iter().enumerate() {
        let due = pace.until(message.at);
        tokio::pin!(due);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => {
                    progress.end();
                    wires.close().await;
                    return Err(ReplayError::Interrupted { sent, messages });
                }
                () = &mut due => break,
                news = wires.news() => match news {
                    Some((_, news)) => if let Some(line) = teller.line(&news) { warn(&line) },
                    None => return Err(ReplayError::Closed(LinkClosed)),
                },
            }
        }
        tokio::select! {
            taken = wires.publish(vec![message.publication]) => taken.map_err(ReplayError::Closed)?,
            () = &mut stop => return Err(ReplayError::Interrupted { sent, messages }),
        }
        progress.at(message.at, sent + 1);
    }
    progress.end();
    let settled = tokio::time::timeout(LAST_CONFIRMATIONS, wires.settled());
    let outcome = tokio::select! {
        outcome = settled => outcome,
        () = &mut stop => return Err(ReplayError::Interrupted { sent: messages, messages }),
    };
    let standing = wires.close().await;
    match outcome {
        Ok(Ok(_)) => Ok(standing),
        Ok(Err(closed)) => Err(ReplayError::Closed(closed)),
        Err(_) => Err(ReplayError::Unconfirmed {
            missing: standing.taken.saturating_sub(standing.confirmed + standing.dropped),
        }),
    }
}

fn tell_bad_lines(recording: &Recording) {
    for bad in recording.bad.iter().take(NAMED_MAX) {
        warn(&format!("line {}: skipped: {}", bad.line, bad.why));
    }
    if recording.bad.len() > NAMED_MAX {
        warn(&format!("… {} bad lines in all, skipped", recording.bad.len()));
    }
    if recording.reordered > 0 {
        warn(&format!("{} lines stood later than their time and were put in order", recording.reordered));
    }
}

/// Progress on standard error: a line that is rewritten on a terminal, else one line every ten percent.
struct Progress {
    pace: Pace,
    length: Duration,
    messages: usize,
    starts_at: Option<jiff::civil::DateTime>,
    terminal: bool,
    shown: Option<(u64, Duration)>,
}

impl Progress {
    fn new(recording: &Recording, speed: Speed) -> Self {
        Self {
            pace: Pace::start(Duration::ZERO, speed),
            length: recording.length(),
            messages: recording.messages.len(),
            starts_at: recording.starts_at,
            terminal: std::io::stderr().is_terminal(),
            shown: None,
        }
    }

    fn at(&mut self, at: Duration, sent: usize) {
        let elapsed = self.pace.elapsed();
        // Messages measure the work where all of it stands at one time.
        let part = if self.length.is_zero() {
            sent as f64 / self.messages.max(1) as f64
        } else {
            at.as_secs_f64() / self.length.as_secs_f64()
        };
        let percent = (part * 100.0) as u64;
        let new = match self.shown {
            None => true,
            Some((shown, _)) if !self.terminal => percent / 10 > shown / 10,
            Some((_, when)) => elapsed.saturating_sub(when) >= Duration::from_millis(200),
        };
        if !new {
            return;
        }
        self.shown = Some((percent, elapsed));
        let line = progress_line(percent, &self.clock(at), sent, eta(elapsed, part));
        if self.terminal { eprint(&format!("\r{line}\x1b[K")) } else { warn(&line) }
    }

    fn clock(&self, at: Duration) -> String {
        let dated = self.starts_at.and_then(|start| start.checked_add(at).ok());
        dated.map_or_else(|| narrate::clock(at), |at| at.strftime("%Y-%m-%d %H:%M:%S").to_string())
    }

    fn end(&self) {
        if self.terminal {
            eprint("\n");
        }
    }
}

fn eprint(text: &str) {
    use std::io::Write;
    let _ = write!(std::io::stderr().lock(), "{text}");
}

fn eta(elapsed: Duration, part: f64) -> Option<Duration> {
    (part > 0.0).then(|| elapsed.mul_f64(((1.0 - part) / part).clamp(0.0, 1e6)))
}

/// One line of progress.
pub(super) fn progress_line(percent: u64, clock: &str, sent: usize, eta: Option<Duration>) -> String {
    let eta = eta.map_or("?".to_owned(), |eta| {
        let secs = eta.as_secs();
        if secs >= 3600 {
            format!("{}:{:02}:{:02}", secs / 3600, secs / 60 % 60, secs % 60)
        } else {
            format!("{}:{:02}", secs / 60, secs % 60)
        }
    });
    format!("{percent:3} %  {clock}  {sent} sent  ETA {eta}")
}
