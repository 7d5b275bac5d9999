//! The journal's own thread: it blocks in fdatasync so that nothing else has to.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use protocol::record::Record;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::engine::{Completion, Recovered};
use crate::history::History;
use crate::journal::{Journal, JournalError, Recovery, Storage};

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
    /// Make the reserve hold these.
    Reserve {
        /// Emergencies.
        records: Vec<Arc<Record>>,
    },
    /// Let attested segments go.
    Retire {
        /// The last of them.
        through_segment: u64,
    },
    /// Read records back.
    Load {
        /// First sequence.
        from_seq: u64,
        /// At most so many.
        limit: usize,
    },
    /// The loop has started from what the disk gave: from now on write to it.
    Join,
}

impl From<Recovery> for Recovered {
    fn from(recovery: Recovery) -> Self {
        Self {
            checkpoint: recovery.checkpoint,
            records: recovery.records,
            last_seq: recovery.next_seq.saturating_sub(1),
            hash: recovery.head_hash,
            unwritten: recovery.unwritten,
            reserved: recovery.reserved,
            reserve_held: recovery.reserve_held,
            gaps: recovery.gaps,
            received: Vec::new(),
            received_ver: 0,
            without_journal: false,
            doubtful_from: recovery.doubtful_from,
            only_reserved: recovery.only_reserved,
        }
    }
}

/// How to open the journal, asked again and again while the disk refuses.
pub type Opening<S> = Box<dyn Fn() -> Result<(Journal<S>, Recovery), JournalError> + Send>;

/// Where the records go.
enum Disk<S: Storage> {
    Journal(Journal<S>),
    /// Nowhere: the disk gave nothing at start.
    Absent(Opening<S>),
    /// Nowhere yet: the disk is back, and the loop has not started from what it holds.
    Found(Journal<S>),
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
    let (found, _) = unbounded_channel();
    spawn(Disk::Journal(journal), history, completions, found)
}

/// The same without a journal: every write fails until `opening` succeeds and the loop joins it. What the
/// disk then gives goes to `found`.
///
/// # Errors
/// As [`start`].
pub fn start_without<S: Storage>(
    opening: Opening<S>,
    history: History,
    completions: UnboundedSender<Completion>,
    found: UnboundedSender<Recovery>,
) -> std::io::Result<Sender<JournalRequest>> {
    spawn(Disk::Absent(opening), history, completions, found)
}

fn spawn<S: Storage>(
    mut disk: Disk<S>,
    history: History,
    completions: UnboundedSender<Completion>,
    found: UnboundedSender<Recovery>,
) -> std::io::Result<Sender<JournalRequest>> {
    let (sender, requests) = channel();
    std::thread::Builder::new().name("journal".into()).spawn(move || {
        while let Ok(request) = requests.recv() {
            disk = match disk {
                Disk::Journal(mut journal) => {
                    if !serve(&mut journal, request, &history, &completions) {
                        return;
                    }
                    Disk::Journal(journal)
                }
                Disk::Absent(opening) => look_again(opening, &request, &completions, &found),
                Disk::Found(journal) if matches!(request, JournalRequest::Join) => Disk::Journal(journal),
                Disk::Found(journal) => {
                    refuse(&request, &completions);
                    Disk::Found(journal)
                }
            };
        }
    })?;
    Ok(sender)
}

/// Each write that the loop tries again is an attempt to open the journal.
fn look_again<S: Storage>(
    opening: Opening<S>,
    request: &JournalRequest,
    completions: &UnboundedSender<Completion>,
    found: &UnboundedSender<Recovery>,
) -> Disk<S> {
    let opened = matches!(request, JournalRequest::Write { .. }).then(&opening).and_then(Result::ok);
    let disk = match opened {
        Some((journal, recovery)) => {
            tracing::warn!("the disk gives the journal again; the loop starts from it");
            let _ = found.send(recovery);
            Disk::Found(journal)
        }
        None => Disk::Absent(opening),
    };
    refuse(request, completions);
    disk
}

fn refuse(request: &JournalRequest, completions: &UnboundedSender<Completion>) {
    let completion = match request {
        JournalRequest::Write { .. } => Completion::WriteFailed,
        JournalRequest::Reserve { .. } => Completion::Reserved { held: Vec::new() },
        JournalRequest::Load { .. } => Completion::LoadFailed,
        JournalRequest::Retire { .. } | JournalRequest::Join => return,
    };
    let _ = completions.send(completion);
}

/// Does what is asked. Returns whether anybody listens still.
fn serve<S: Storage>(
    journal: &mut Journal<S>,
    request: JournalRequest,
    history: &History,
    completions: &UnboundedSender<Completion>,
) -> bool {
    match request {
        JournalRequest::Write { records, roll, low_water } => {
            let completion = write(journal, &records);
            let written = matches!(completion, Completion::Written { .. });
            if completions.send(completion).is_err() {
                return false;
            }
            if written {
                history.note(records);
                // A checkpoint is the state after these records: without them it must not stand.
                if let Some(checkpoint) = roll {
                    turn(journal, &checkpoint, low_water, completions);
                }
            }
            true
        }
        JournalRequest::Reserve { records } => {
            let reserved = journal.reserve(&records);
            if let Some(error) = &reserved.refused {
                tracing::error!(error = %chain(error), "the reserve takes nothing; emergencies are sent all the same");
            }
            completions.send(Completion::Reserved { held: reserved.held }).is_ok()
        }
        JournalRequest::Retire { through_segment } => {
            match journal.retire(through_segment) {
                Ok(gone) => tracing::info!(gone, through_segment, "delivered segments left the journal"),
                Err(error) => tracing::warn!(error = %chain(&error), "old segments could not be retired"),
            }
            true
        }
        JournalRequest::Load { from_seq, limit } => completions.send(load(journal, from_seq, limit)).is_ok(),
        JournalRequest::Join => true,
    }
}

fn load<S: Storage>(journal: &Journal<S>, from_seq: u64, limit: usize) -> Completion {
    match journal.read(from_seq, limit) {
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

fn turn<S: Storage>(
    journal: &mut Journal<S>,
    checkpoint: &[u8],
    low_water: u64,
    completions: &UnboundedSender<Completion>,
) {
    if let Err(error) = journal.roll(checkpoint) {
        tracing::error!(error = %chain(&error), "no new segment could be begun; the old one goes on");
        return;
    }
    let _ = completions.send(Completion::Rolled { retirable: journal.retirable(low_water) });
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
