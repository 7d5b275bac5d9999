//! The journal's own thread: it blocks in fdatasync so that nothing else has to.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use protocol::record::Record;
use tokio::sync::mpsc::UnboundedSender;

use crate::engine::Completion;
use crate::history::History;
use crate::journal::{Journal, Storage};

/// What the thread is asked to do; the loop has at most one write and one read under way.
#[derive(Debug)]
pub enum JournalRequest {
    /// Append and sync, then roll where a checkpoint is given.
    Write {
        /// The records.
        records: Vec<Arc<Record>>,
        /// The next segment's checkpoint.
        roll: Option<Vec<u8>>,
        /// Segments wholly delivered below this may go.
        low_water: u64,
    },
    /// Read records back.
    Load {
        /// First sequence.
        from_seq: u64,
        /// At most so many.
        limit: usize,
    },
}

/// Starts the thread; its completions go to `completions`.
///
/// # Errors
/// The operating system's, where no thread can be had.
pub fn start<S: Storage>(
    journal: Journal<S>,
    history: History,
    completions: UnboundedSender<Completion>,
) -> std::io::Result<Sender<JournalRequest>> {
    let (sender, requests) = channel();
    std::thread::Builder::new().name("journal".into()).spawn(move || {
        serve(journal, &history, &requests, &completions);
    })?;
    Ok(sender)
}

fn serve<S: Storage>(
    mut journal: Journal<S>,
    history: &History,
    requests: &Receiver<JournalRequest>,
    completions: &UnboundedSender<Completion>,
) {
    while let Ok(request) = requests.recv() {
        let completion = match request {
            JournalRequest::Write { records, roll, low_water } => {
                let completion = write(&mut journal, &records);
                let written = matches!(completion, Completion::Written { .. });
                if completions.send(completion).is_err() {
                    return;
                }
                if written {
                    history.note(records);
                    // A checkpoint is the state after these records: without them it must not stand.
                    if let Some(checkpoint) = roll {
                        turn(&mut journal, &checkpoint, low_water);
                    }
                }
                continue;
            }
            JournalRequest::Load { from_seq, limit } => match journal.read(from_seq, limit) {
                Ok(records) => {
                    // A read ends early at its limits; only an empty one has seen the end.
                    let last = records.last().map(|record| record.seq);
                    let through_seq = last.unwrap_or_else(|| journal.head().0.saturating_sub(1));
                    Completion::Loaded { records, through_seq }
                }
                Err(error) => {
                    tracing::error!(error = %chain(&error), from_seq, "records waiting for the centre could not be read back");
                    Completion::LoadFailed
                }
            },
        };
        if completions.send(completion).is_err() {
            return;
        }
    }
}

fn write<S: Storage>(journal: &mut Journal<S>, records: &[Arc<Record>]) -> Completion {
    let through = records.last().map_or(0, |record| record.seq);
    match journal.write(records) {
        Ok(written) => Completion::Written { through, segment_bytes: written.segment_bytes },
        Err(error) => {
            tracing::error!(error = %chain(&error), "the journal could not be written; emergencies are sent all the same");
            Completion::WriteFailed
        }
    }
}

fn turn<S: Storage>(journal: &mut Journal<S>, checkpoint: &[u8], low_water: u64) {
    if let Err(error) = journal.roll(checkpoint) {
        tracing::error!(error = %chain(&error), "no new segment could be begun; the old one goes on");
        return;
    }
    match journal.retire(low_water) {
        Ok(retired) => {
            for segment in retired {
                tracing::info!(
                    segment = segment.segment,
                    last_seq = segment.last_seq,
                    "a delivered segment was retired"
                );
            }
        }
        Err(error) => tracing::warn!(error = %chain(&error), "old segments could not be retired"),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
