//! What can be rebuilt, in sled: recent records by sequence for the status page, and the last
//! record of each device.
//!
//! It is never on the way of an SOS: it runs in a thread of its own behind a bounded queue, is
//! given a time-out at opening, and is set aside and rebuilt from the journal when in doubt.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use protocol::record::{BODY_VERSION, Body, Record};
use tokio::sync::oneshot;

/// Most records waiting to be noted; beyond it they are left out and the next start fills the gap.
const QUEUE_MAX: usize = 4_096;

/// Most records kept.
const KEPT_MAX: u64 = 20_000;

/// How long opening may take before the old files are given up.
const OPEN_WAIT: Duration = Duration::from_secs(5);

/// A request to the history's thread.
enum Request {
    Note(Vec<Arc<Record>>),
    Latest(usize, oneshot::Sender<Vec<Record>>),
}

/// A handle to the history; cheap to clone, and harmless when its thread is gone.
#[derive(Debug, Clone)]
pub struct History(SyncSender<Request>);

impl History {
    /// Starts the history below `dir`, filling gaps from `journal`, the records found at start.
    pub fn start(dir: &Path, journal: Vec<Record>) -> Self {
        let (sender, requests) = sync_channel(QUEUE_MAX);
        let dir = dir.to_owned();
        let thread = std::thread::Builder::new().name("history".into());
        if let Err(error) = thread.spawn(move || serve(&dir, journal, &requests)) {
            tracing::warn!(%error, "no thread for the history; it stays empty");
        }
        Self(sender)
    }

    /// Notes records that are on disk. Never waits: at the limit they are left out.
    pub fn note(&self, records: Vec<Arc<Record>>) {
        let _ = self.0.try_send(Request::Note(records));
    }

    /// The latest records, newest first; none when the history is not there.
    pub async fn latest(&self, limit: usize) -> Vec<Record> {
        let (answer, latest) = oneshot::channel();
        if self.0.try_send(Request::Latest(limit, answer)).is_err() {
            return Vec::new();
        }
        tokio::time::timeout(OPEN_WAIT, latest).await.ok().and_then(Result::ok).unwrap_or_default()
    }
}

fn serve(dir: &Path, journal: Vec<Record>, requests: &Receiver<Request>) {
    let Some(db) = open(dir) else {
        tracing::warn!("the history cannot be opened or made anew; records stay in the journal alone");
        return;
    };
    let known = db.last().ok().flatten().and_then(|(key, _)| sequence(&key)).unwrap_or(0);
    let newest = journal.last().map_or(0, |record| record.seq);
    if known > newest {
        // It knows more than the journal, so it is another journal's.
        let _ = db.clear();
    }
    for record in journal.iter().filter(|record| record.seq > known || known > newest) {
        note(&db, record);
    }
    loop {
        match requests.recv_timeout(Duration::from_secs(60)) {
            Ok(Request::Note(records)) => records.iter().for_each(|record| note(&db, record)),
            Ok(Request::Latest(limit, answer)) => {
                let latest = db.iter().values().rev().take(limit).flatten();
                let _ = answer.send(latest.filter_map(|bytes| decode(&bytes)).collect());
            }
            Err(RecvTimeoutError::Timeout) => trim(&db),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Opens the store in a thread of its own; what does not open in time is set aside for good.
fn open(dir: &Path) -> Option<sled::Db> {
    let attempt = |path: PathBuf| {
        let (sender, opened) = sync_channel(1);
        let thread = std::thread::Builder::new().name("history-open".into());
        thread
            .spawn(move || {
                let config = sled::Config::new().path(path).cache_capacity(1024 * 1024).flush_every_ms(Some(30_000));
                let _ = sender.send(config.open());
            })
            .ok()?;
        opened.recv_timeout(OPEN_WAIT).ok()?.ok()
    };
    let path = dir.join("history");
    if let Some(db) = attempt(path.clone()) {
        return Some(db);
    }
    tracing::warn!("the history does not open; it is made anew from the journal");
    let aside = dir.join("history.damaged");
    let _ = std::fs::remove_dir_all(&aside);
    std::fs::rename(&path, &aside).ok()?;
    attempt(path)
}

fn note(db: &sled::Db, record: &Record) {
    if matches!(record.body, Body::Delivered(_) | Body::DeviceListed(_)) {
        return;
    }
    let Ok(mut bytes) = record.encode() else { return };
    bytes.extend_from_slice(&record.prev.0);
    if let Err(error) = db.insert(record.seq.to_be_bytes(), bytes) {
        tracing::debug!(%error, "a record was not noted in the history");
    }
}

fn decode(bytes: &[u8]) -> Option<Record> {
    let (body, prev) = bytes.split_last_chunk::<32>()?;
    Record::decode(BODY_VERSION, body, protocol::ids::Hash32(*prev)).ok()
}

fn sequence(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.try_into().ok()?))
}

fn trim(db: &sled::Db) {
    let newest = db.last().ok().flatten().and_then(|(key, _)| sequence(&key)).unwrap_or(0);
    let oldest = newest.saturating_sub(KEPT_MAX).to_be_bytes();
    for key in db.range(..oldest).keys().take(QUEUE_MAX).flatten() {
        let _ = db.remove(key);
    }
}
