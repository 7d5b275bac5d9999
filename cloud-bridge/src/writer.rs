//! The one writer: a thread that owns the centre, takes what waits in its queue as one transaction,
//! and answers after the commit. An idle writer never waits for company.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::centre::chain::Finding;
use crate::centre::{Answer, Centre, Request, chain_of};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::outlet::Outlet;
use crate::store::Store;

/// Requests that may wait; the next one is refused and its caller told to come again.
pub const QUEUE_MAX: usize = 4_096;

/// Requests in one transaction.
const BATCH_MAX: usize = 256;

/// How often what is no longer kept is dropped.
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);

/// How soon the deadlines are tried again when the store failed.
const RETRY_AFTER: Duration = Duration::from_millis(500);

enum Job {
    Ask(Box<Request>, oneshot::Sender<Answer>),
    Stop,
}

/// Why a request was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The queue is full.
    #[error("too many requests are waiting to be written")]
    Full,
    /// The service is stopping.
    #[error("the service is stopping")]
    Stopped,
}

/// A handle to the writer.
#[derive(Debug, Clone)]
pub struct Writer {
    queue: SyncSender<Job>,
    metrics: Arc<Metrics>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ask(..) => "Ask",
            Self::Stop => "Stop",
        })
    }
}

impl Writer {
    /// Starts the writer's thread.
    ///
    /// # Errors
    /// When the machine gives no thread.
    pub fn start<S: Store + Send + 'static>(
        centre: Centre<S>,
        outlet: Arc<Outlet>,
        clock: Arc<Clock>,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (queue, waiting) = sync_channel(QUEUE_MAX);
        let pen = Pen { centre, outlet, clock, metrics: Arc::clone(&metrics) };
        let thread = std::thread::Builder::new().name("writer".to_owned()).spawn(move || pen.write(&waiting))?;
        Ok((Self { queue, metrics }, thread))
    }

    /// Has a request written and gives its answer after the commit.
    ///
    /// # Errors
    /// When it was not even queued, or the writer stopped before it came to it.
    pub async fn ask(&self, request: Request) -> Result<Answer, WriteError> {
        let (reply, answer) = oneshot::channel();
        // Counted before it is queued: the writer may take it before this line ends.
        self.metrics.queue_depth.add(1);
        if let Err(error) = self.queue.try_send(Job::Ask(Box::new(request), reply)) {
            self.metrics.queue_depth.add(-1);
            return Err(match error {
                TrySendError::Full(_) => {
                    self.metrics.queue_full.add(1);
                    WriteError::Full
                }
                TrySendError::Disconnected(_) => WriteError::Stopped,
            });
        }
        answer.await.map_err(|_| WriteError::Stopped)
    }

    /// Lets the writer commit what is queued and end; blocks while the queue is full.
    pub fn stop(&self) {
        // A writer that is gone has stopped.
        let _already_gone = self.queue.send(Job::Stop);
    }
}

struct Pen<S> {
    centre: Centre<S>,
    outlet: Arc<Outlet>,
    clock: Arc<Clock>,
    metrics: Arc<Metrics>,
}

impl<S: Store> Pen<S> {
    #[expect(clippy::disallowed_methods, reason = "the driver's clock")]
    fn write(mut self, waiting: &Receiver<Job>) {
        let mut prune_at = Instant::now();
        let mut failed_at: Option<Instant> = None;
        loop {
            let now = Instant::now();
            let until_due = self.centre.next_deadline().map(|due| {
                let left = due.saturating_sub(self.clock.now_ms());
                Duration::from_millis(u64::try_from(left).unwrap_or(0))
            });
            let mut wait = prune_at.saturating_duration_since(now);
            if let Some(until_due) = until_due {
                // After a failure the same deadline is due at once, over and over.
                let retry = failed_at.map_or(Duration::ZERO, |at| (at + RETRY_AFTER).saturating_duration_since(now));
                wait = wait.min(until_due.max(retry));
            }
            let mut requests = Vec::new();
            let mut replies = Vec::new();
            let mut stop = false;
            match waiting.recv_timeout(wait) {
                Ok(Job::Ask(request, reply)) => {
                    requests.push(*request);
                    replies.push(reply);
                    while requests.len() < BATCH_MAX {
                        match waiting.try_recv() {
                            Ok(Job::Ask(request, reply)) => {
                                requests.push(*request);
                                replies.push(reply);
                            }
                            Ok(Job::Stop) => {
                                stop = true;
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    self.metrics.queue_depth.add(-(requests.len() as i64));
                }
                Ok(Job::Stop) => stop = true,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => stop = true,
            }
            if Instant::now() >= prune_at {
                prune_at = Instant::now() + PRUNE_EVERY;
                requests.push(Request::Prune);
            }
            let now_ms = self.clock.now_ms();
            // After what has just arrived: a cancel in the queue comes before its pre-alarm's end.
            if self.centre.next_deadline().is_some_and(|due| due <= now_ms) {
                requests.push(Request::Deadlines);
            }
            if !requests.is_empty() {
                let written = self.commit(now_ms, requests, replies);
                failed_at = (!written).then(Instant::now);
                if self.metrics.queue_depth.get() <= 0
                    && let Err(error) = self.centre.store().tidy()
                {
                    tracing::warn!(why = %chain_of(&error), "the store could not tidy up");
                }
            }
            if stop {
                tracing::debug!("writer stopped");
                return;
            }
        }
    }

    /// Whether everything was written.
    #[expect(clippy::disallowed_methods, reason = "the driver's clock")]
    fn commit(&mut self, now_ms: i64, requests: Vec<Request>, replies: Vec<oneshot::Sender<Answer>>) -> bool {
        let began = Instant::now();
        let handled = self.centre.handle_batch(now_ms, requests);
        self.metrics.commit_micros.add(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
        self.metrics.commits.add(1);
        self.metrics.feed_items.add(handled.published.len() as u64);
        self.outlet.committed(&handled.published, handled.homes);
        let mut written = true;
        for answer in &handled.answers {
            written &= self.count(answer);
        }
        for (reply, answer) in replies.into_iter().zip(handled.answers) {
            // A caller that has gone away asks again and finds it done.
            let _caller_gone = reply.send(answer);
        }
        written
    }

    fn count(&self, answer: &Answer) -> bool {
        match answer {
            Answer::Uplink(done) => {
                self.metrics.uplinks.add(1);
                self.metrics.records_stored.add(done.stored.into());
                self.metrics.records_duplicate.add(done.duplicates.into());
                self.metrics.salvaged.add(done.salvaged.into());
                self.metrics.orders_opened.add(done.opened.into());
                self.metrics.hash_conflicts.add(done.conflicts.len() as u64);
                self.metrics.hash_mismatches.add(done.mismatches.len() as u64);
                for finding in &done.findings {
                    match finding {
                        Finding::Overlap { .. } => self.metrics.chain_overlaps.add(1),
                        Finding::Broken { .. } => self.metrics.chain_breaks.add(1),
                    }
                }
            }
            Answer::Done { .. } => self.metrics.commands_done.add(1),
            Answer::Refused { .. } | Answer::NoSuchOrder | Answer::KeyReused => self.metrics.commands_refused.add(1),
            Answer::Deadlines { opened, unread, homes: _ } => {
                self.metrics.orders_opened.add((*opened).into());
                if *unread > 0 {
                    self.metrics.write_failures.add(1);
                    tracing::error!(homes = unread, "homes with a deadline could not be read");
                    return false;
                }
            }
            Answer::Committed => {}
            Answer::Unavailable { why } => {
                self.metrics.write_failures.add(1);
                tracing::error!(%why, "a request could not be written");
                return false;
            }
        }
        true
    }
}
