//! The journal at start: opened, or looked for again and again while the disk gives nothing of it. A
//! gateway without its disk hears, sends and tells the truth all the same.

use std::path::Path;
use std::sync::mpsc::Sender;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::DriverError;
use crate::config::GatewayConfig;
use crate::engine::{Completion, Now, Recovered, understands_checkpoint};
use crate::history::History;
use crate::journal::{FsStorage, Journal, JournalError, JournalLimits, Recovery};
use crate::journal_thread::{self, JournalRequest};

/// What the loop starts from.
pub(super) struct Disk {
    pub recovered: Recovered,
    pub journal: Sender<JournalRequest>,
    /// What the disk gives when it is back.
    pub found: UnboundedReceiver<Recovery>,
    pub history: History,
    /// Unix milliseconds of the last record made under a trusted clock; 0 for none.
    pub wall_ms: i64,
}

/// Opens the journal, or starts without it.
///
/// # Errors
/// [`DriverError`] where a person must act: another gateway writes it, a newer program wrote it, this user
/// may not, or no thread is to be had.
pub(super) fn open(
    config: &GatewayConfig,
    now: &Now,
    completions: UnboundedSender<Completion>,
) -> Result<Disk, DriverError> {
    let dir = config.data_dir.join("journal");
    let limits = config.journal;
    let (say_found, found) = unbounded_channel();
    let data_dir = config.data_dir.clone();
    let boot = now.boot;
    let opening = move || open_journal(&data_dir, limits, boot);
    match opening() {
        Ok((journal, recovery)) => {
            tell(&recovery);
            let history = History::start(&config.data_dir, recovery.records.clone());
            let thread = journal_thread::start(journal, history.clone(), completions);
            let (journal, wall_ms) = (thread.map_err(DriverError::Thread)?, recovery.wall_ms);
            Ok(Disk { recovered: Recovered::from(recovery), journal, found, history, wall_ms })
        }
        Err(source) if needs_a_person(&source) => Err(DriverError::Journal { path: dir.display().to_string(), source }),
        Err(error) => {
            let error = with_causes(&error);
            tracing::error!(error, "the disk gives no journal: nothing is recorded, presses are sent all the same");
            let history = History::start(&config.data_dir, Vec::new());
            let thread = journal_thread::start_without(Box::new(opening), history.clone(), completions, say_found);
            let journal = thread.map_err(DriverError::Thread)?;
            Ok(Disk { recovered: Recovered::without_disk(now.wall_ms), journal, found, history, wall_ms: 0 })
        }
    }
}

/// Names in the log what a start found.
pub(super) fn tell(recovery: &Recovery) {
    for damage in &recovery.damage {
        tracing::error!(%damage, "damage in the journal");
    }
    if let Some(error) = &recovery.unmended {
        let error = with_causes(error);
        tracing::error!(error, "the disk takes no records: presses are sent all the same, and the elder is told");
    }
    if !recovery.unwritten.is_empty() {
        tracing::warn!(records = recovery.unwritten.len(), "presses of the reserve are taken into the journal");
    }
}

fn open_journal(
    data_dir: &Path,
    limits: JournalLimits,
    boot: u64,
) -> Result<(Journal<FsStorage>, Recovery), JournalError> {
    super::private_dir(data_dir).map_err(|source| JournalError::Directory { dir: data_dir.to_owned(), source })?;
    Journal::open_with(FsStorage::open(data_dir.join("journal"))?, limits, Some(boot), understands_checkpoint)
}

/// Whether the disk is not at fault, so that waiting for it would help nobody.
fn needs_a_person(error: &JournalError) -> bool {
    use std::io::ErrorKind as Kind;
    match error {
        JournalError::InUse { .. } | JournalError::Newer { .. } => true,
        JournalError::Directory { dir, source } => {
            let kind = source.kind();
            // A link that leads nowhere leads to a disk that is not there yet; anything else is in the way.
            matches!(kind, Kind::PermissionDenied | Kind::NotADirectory)
                || kind == Kind::AlreadyExists && !dir.is_symlink()
        }
        JournalError::Io { .. }
        | JournalError::Encode { .. }
        | JournalError::OutOfOrder { .. }
        | JournalError::CheckpointTooLong { .. } => false,
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
