//! One running program: its log, its stop, its end. It never outlives its owner.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::sync::watch;

use super::Failed;
use super::clock::{now, until};

/// Most log lines kept of one program; older ones go.
const LOG_LINES_MAX: usize = 20_000;

/// Longest log line kept, bytes.
const LOG_LINE_BYTES_MAX: u64 = 64 * 1024;

/// What is done with each line a program writes.
pub type LineTeller = Box<dyn Fn(&str) + Send + Sync>;

/// A program that was started.
pub struct Program {
    name: &'static str,
    child: Child,
    stdin: Option<ChildStdin>,
    log: Arc<Log>,
}

#[derive(Default)]
struct Lines {
    kept: VecDeque<String>,
    gone: usize,
}

struct Log {
    lines: Mutex<Lines>,
    written: watch::Sender<usize>,
    tell: Option<LineTeller>,
}

impl Log {
    fn lines(&self) -> std::sync::MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: String) {
        if let Some(tell) = &self.tell {
            tell(&line);
        }
        let mut lines = self.lines();
        if lines.kept.len() == LOG_LINES_MAX {
            lines.kept.pop_front();
            lines.gone += 1;
        }
        lines.kept.push_back(line);
        drop(lines);
        self.written.send_modify(|count| *count += 1);
    }
}

/// Finds the product's programs beside the running executable, also from a test's `deps` folder.
///
/// # Errors
/// Names the program that has not been built.
pub fn path_of(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("this program has no path")?;
    let dirs = own.ancestors().skip(1).take(2);
    let found = dirs.map(|dir| dir.join(name)).find(|path| path.is_file());
    found.with_context(|| {
        format!("the program `{name}` is not built beside {}; run `cargo build --bins`", own.display())
    })
}

impl Program {
    /// Starts a program in a process group of its own, its output read into its log.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(
        name: &'static str,
        path: &Path,
        arguments: &[&str],
        tell: Option<LineTeller>,
    ) -> anyhow::Result<Self> {
        let mut child = Command::new(path)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name} ({})", path.display()))?;
        let log = Arc::new(Log { lines: Mutex::default(), written: watch::Sender::new(0), tell });
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        if let Some(stdout) = stdout {
            read_into(&log, stdout);
        }
        if let Some(stderr) = stderr {
            read_into(&log, stderr);
        }
        Ok(Self { name, child, stdin, log })
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Types a line on its standard input.
    ///
    /// # Errors
    /// When it does not read any more.
    pub fn type_line(&mut self, line: &str) -> Result<(), Failed> {
        let stdin = self.stdin.as_mut().ok_or_else(|| format!("{} takes no input", self.name))?;
        writeln!(stdin, "{line}").and_then(|()| stdin.flush()).map_err(|error| format!("{}: {error}", self.name))
    }

    /// Closes its standard input.
    pub fn end_input(&mut self) {
        self.stdin = None;
    }

    /// Waits until a line for which `wanted` holds stands in its log, from the first line on.
    ///
    /// # Errors
    /// When it ends first or the time runs out.
    pub async fn wait_line(
        &mut self,
        what: &str,
        patience: Duration,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<String, Failed> {
        let end = now() + patience;
        let mut written = self.log.written.subscribe();
        loop {
            let seen = *written.borrow_and_update();
            let found = self.log.lines().kept.iter().find(|line| wanted(line)).cloned();
            if let Some(line) = found {
                return Ok(line);
            }
            if let Some(status) = self.ended() {
                // Its last lines may still be on their way through the pipe.
                if !matches!(tokio::time::timeout(Duration::from_millis(200), written.changed()).await, Ok(Ok(()))) {
                    return Err(format!("{} ended ({status}) before: {what}", self.name));
                }
                continue;
            }
            if now() >= end {
                return Err(format!(
                    "{}: {what}: not within {:.1} s ({seen} lines)",
                    self.name,
                    patience.as_secs_f64()
                ));
            }
            let _ = tokio::time::timeout(Duration::from_millis(50), written.changed()).await;
        }
    }

    /// Every line it has written so far that is still kept.
    pub fn lines(&self) -> Vec<String> {
        self.log.lines().kept.iter().cloned().collect()
    }

    /// Its last `count` lines.
    pub fn last_lines(&self, count: usize) -> Vec<String> {
        let lines = self.log.lines();
        lines.kept.iter().skip(lines.kept.len().saturating_sub(count)).cloned().collect()
    }

    /// How it ended, once it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Kills it with SIGKILL, at once, and takes its end.
    pub fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        let _ = self.child.wait();
    }

    /// Asks it to stop with SIGTERM and waits for its end; kills it when the time runs out.
    ///
    /// # Errors
    /// When it had to be killed.
    pub async fn stop(&mut self, patience: Duration) -> Result<ExitStatus, Failed> {
        self.signal(Signal::SIGTERM);
        let ended = until(&format!("{} ends on SIGTERM", self.name), patience, async || {
            self.child.try_wait().ok().flatten().ok_or_else(|| "still running".to_owned())
        })
        .await;
        if ended.is_err() {
            self.kill();
        }
        ended
    }

    /// Waits for its own end.
    ///
    /// # Errors
    /// When the time runs out.
    pub async fn wait_end(&mut self, patience: Duration) -> Result<ExitStatus, Failed> {
        until(&format!("{} ends", self.name), patience, async || {
            self.child.try_wait().ok().flatten().ok_or_else(|| "still running".to_owned())
        })
        .await
    }

    /// Signals its whole group.
    pub fn signal(&mut self, signal: Signal) {
        // A process whose end was taken is gone, and its number may be another's.
        if self.ended().is_none()
            && let Ok(pid) = i32::try_from(self.child.id())
        {
            let _ = killpg(Pid::from_raw(pid), signal);
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

fn read_into(log: &Arc<Log>, pipe: impl Read + Send + 'static) {
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        loop {
            line.clear();
            match pipe.by_ref().take(LOG_LINE_BYTES_MAX).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => log.push(String::from_utf8_lossy(&line).trim_end().to_owned()),
            }
        }
    });
}

/// Adds a program's last log lines to why waiting for it failed.
///
/// # Errors
/// The failure, with the lines.
pub fn or_log<T>(program: &Program, result: Result<T, Failed>) -> anyhow::Result<T> {
    result.map_err(|failed| {
        let lines = program.last_lines(15).join("\n  ");
        anyhow::anyhow!("{failed}\n{} wrote last:\n  {lines}", program.name())
    })
}
