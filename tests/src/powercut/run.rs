//! Records workloads and checks their cuts on every core.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;

use super::block_log::{Entry, Note};
use super::check::{Checker, Outcome};
use super::cut::Cut;
use super::enclosure;
use super::ground::FileSystem;
use super::tally::Tally;
use super::truth::Recorded;
use super::workload::{Workload, record};

/// A cut of one of the recordings.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    /// Which recording.
    pub recording: usize,
    /// Where and how.
    pub cut: Cut,
}

/// A cut that broke a promise.
#[derive(Debug)]
pub struct Failure {
    /// The cut.
    pub job: Job,
    /// What the workload was doing.
    pub doing: String,
    /// What must not have been.
    pub violations: Vec<String>,
}

/// How the cuts are checked.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The gateway that is started after each cut.
    pub program: PathBuf,
    /// The private directory.
    pub dir: PathBuf,
    /// Cuts checked at once.
    pub workers: usize,
    /// One cut in so many is followed to the real centre.
    pub centre_every: usize,
    /// Stop at the first violation: enough for a control or a mutant.
    pub until_first: bool,
    /// Tell how far it is.
    pub progress: bool,
}

/// Records a workload, and says what is in the log.
///
/// # Errors
/// When it could not be lived through.
pub fn recorded(
    workload: Workload,
    file_system: FileSystem,
    program: &Path,
    dir: &Path,
) -> anyhow::Result<(Recorded, String)> {
    let dir = dir.join("recording");
    std::fs::create_dir_all(&dir)?;
    let recording = record(workload, file_system, program, &dir)?;
    let count = |is: fn(&Entry) -> bool| recording.entries.iter().filter(|entry| is(entry)).count();
    let said = format!(
        "{:<20} {:>6} entries: {} writes, {} flushes, {} presses, {} acknowledged, {} shown recorded, {} requests to the centre",
        workload.name(),
        recording.entries.len(),
        count(|entry| matches!(entry, Entry::Write { .. } | Entry::Changed(_))),
        count(|entry| matches!(entry, Entry::Flush | Entry::Synced(_))),
        count(|entry| matches!(entry, Entry::Noted(Note::Pressed(_)))),
        count(|entry| matches!(entry, Entry::Noted(Note::Acknowledged(_)))),
        count(|entry| matches!(entry, Entry::Noted(Note::ShownRecorded(_)))),
        count(|entry| matches!(entry, Entry::Noted(Note::Arrived(_)))),
    );
    Ok((Recorded::new(recording), said))
}

struct Work<'a> {
    plan: &'a Plan,
    recordings: &'a [(Workload, Recorded)],
    jobs: Mutex<VecDeque<(usize, Job)>>,
    done: AtomicUsize,
    stop: AtomicBool,
    found: Mutex<(Tally, Vec<Failure>)>,
}

/// Checks every job; gives the counts and the failures in the order of the log.
///
/// # Errors
/// Only for what is not the product's doing.
pub fn check_all(
    plan: &Plan,
    recordings: &[(Workload, Recorded)],
    jobs: Vec<Job>,
) -> anyhow::Result<(Tally, Vec<Failure>)> {
    let all = jobs.len();
    let work = Work {
        plan,
        recordings,
        jobs: Mutex::new(jobs.into_iter().enumerate().collect()),
        done: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
        found: Mutex::default(),
    };
    std::thread::scope(|scope| {
        let work = &work;
        let workers: Vec<_> = (0..plan.workers.max(1)).map(|index| scope.spawn(move || labour(work, index))).collect();
        let mut told = 0;
        while plan.progress && workers.iter().any(|worker| !worker.is_finished()) {
            std::thread::sleep(std::time::Duration::from_millis(100));
            let done = work.done.load(Ordering::Relaxed);
            if done >= told + 100 {
                told = done;
                eprintln!("  {done} of {all} cuts");
            }
        }
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(ended) => ended,
            Err(_) => anyhow::bail!("a worker panicked"),
        })
    })?;
    let (tally, mut failures) = work.found.into_inner().unwrap_or_else(PoisonError::into_inner);
    failures.sort_by_key(|failure| (failure.job.recording, failure.job.cut));
    Ok((tally, failures))
}

fn labour(work: &Work<'_>, index: usize) -> anyhow::Result<()> {
    let plan = work.plan;
    let dir = plan.dir.join(format!("worker-{index}"));
    std::fs::create_dir_all(&dir)?;
    enclosure::boot_anew(&dir)?;
    // Programs are started, and mounts made, from this thread: they see its boot.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let jobs = work.jobs.lock().unwrap_or_else(PoisonError::into_inner).len();
    let with_centre = jobs / plan.centre_every.max(1) + 1;
    let mut checker = runtime.block_on(Checker::start(dir, &plan.program, with_centre))?;
    let checked = loop {
        let next = work.jobs.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some((number, job)) = next.filter(|_| !work.stop.load(Ordering::Relaxed)) else { break Ok(()) };
        let (workload, recorded) = &work.recordings[job.recording];
        let follow = number.is_multiple_of(plan.centre_every.max(1));
        let outcome = runtime.block_on(checker.check(*workload, recorded, job.cut, follow));
        match outcome.with_context(|| format!("{}: {}", workload.name(), job.cut)) {
            Ok(outcome) => note(work, *workload, job, &outcome),
            Err(error) => {
                work.stop.store(true, Ordering::Relaxed);
                break Err(error);
            }
        }
    };
    runtime.block_on(async { checker.end() });
    checked
}

fn note(work: &Work<'_>, workload: Workload, job: Job, outcome: &Outcome) {
    work.done.fetch_add(1, Ordering::Relaxed);
    let mut found = work.found.lock().unwrap_or_else(PoisonError::into_inner);
    found.0.add(workload.name(), job.cut.model, outcome);
    if !outcome.violations.is_empty() {
        let doing = work.recordings[job.recording].1.truth(job.cut.at).doing;
        let violations = outcome.violations.iter().map(ToString::to_string).collect();
        found.1.push(Failure { job, doing, violations });
        if work.plan.until_first {
            work.stop.store(true, Ordering::Relaxed);
        }
    }
}
