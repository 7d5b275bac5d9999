//! The long poll's schedule, whether the centre answers, and whether it confirms the wall clock.

use protocol::downlink::DownlinkAnswer;

use super::{EngineLimits, Now};
use crate::jitter::Jitter;

/// A wall clock further from the centre's than this is not trusted, milliseconds.
const WALL_SKEW_MAX_MS: i64 = 10_000;

/// An answer sooner than this that says nothing new is not asked again at once, milliseconds.
const IDLE_ANSWER_MS: u64 = 500;

/// The poll and what it taught.
#[derive(Debug, Clone, Default)]
pub struct Downlink {
    after: u64,
    path: usize,
    asked_ms: Option<u64>,
    retry_ms: u64,
    failures: u32,
    heard_ms: Option<u64>,
    up: bool,
    /// The link was told to be down.
    told_down: bool,
    /// When this run began to ask, milliseconds of uptime.
    started_ms: u64,
    /// The centre's wall clock minus this machine's uptime, and the boot it was learned in.
    centre_wall: Option<(u64, i64)>,
}

impl Downlink {
    /// Nothing heard yet by a run that begins at `now_ms`.
    pub fn starting(now_ms: u64) -> Self {
        Self { started_ms: now_ms, ..Self::default() }
    }

    /// The version to ask after, when a poll is due; it then counts as asked.
    pub fn poll_due(&mut self, now_ms: u64) -> Option<u64> {
        if self.asked_ms.is_some() || now_ms < self.retry_ms {
            return None;
        }
        self.asked_ms = Some(now_ms);
        Some(self.after)
    }

    /// The poll goes out on this path.
    pub fn asked_on(&mut self, path: usize) {
        self.path = path;
    }

    /// The path of the last poll.
    pub fn path(&self) -> usize {
        self.path
    }

    /// The centre answered. Returns whether the link came up by it.
    pub fn answered(&mut self, now: &Now, answer: &DownlinkAnswer) -> bool {
        let asked_ms = self.asked_ms.take().unwrap_or(now.uptime_ms);
        let idle = answer.next == self.after && now.uptime_ms.saturating_sub(asked_ms) < IDLE_ANSWER_MS;
        self.retry_ms = if idle { now.uptime_ms + IDLE_ANSWER_MS } else { 0 };
        self.after = answer.next;
        self.failures = 0;
        self.heard_ms = Some(now.uptime_ms);
        self.told_down = false;
        self.centre_wall = Some((now.boot, answer.server_time_ms.saturating_sub_unsigned(now.uptime_ms)));
        !std::mem::replace(&mut self.up, true)
    }

    /// The poll failed; an open call shortens the wait.
    pub fn failed(&mut self, now: &Now, call_open: bool, jitter: &mut Jitter) {
        self.asked_ms = None;
        self.failures = self.failures.saturating_add(1);
        let max_ms = if call_open { 2_000 } else { 30_000 };
        self.retry_ms = now.uptime_ms + jitter.backoff_ms(self.failures, 250, max_ms);
    }

    /// Whether the link has just gone down for want of an answer.
    pub fn went_down(&mut self, now: &Now, limits: &EngineLimits) -> bool {
        let since_ms = self.heard_ms.unwrap_or(self.started_ms);
        let newly = !self.told_down && now.uptime_ms >= since_ms + limits.link_down_ms;
        if newly {
            self.told_down = true;
            self.up = false;
        }
        newly
    }

    /// Whether the centre answers.
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// Whether the centre has confirmed this boot's wall clock.
    pub fn wall_trusted(&self, now: &Now) -> bool {
        self.centre_wall.is_some_and(|(boot, offset_ms)| {
            let centre_ms = offset_ms.saturating_add_unsigned(now.uptime_ms);
            boot == now.boot && centre_ms.abs_diff(now.wall_ms) <= WALL_SKEW_MAX_MS.unsigned_abs()
        })
    }

    /// When a poll or the link's end is due, milliseconds of uptime.
    pub fn next_deadline_ms(&self, limits: &EngineLimits) -> Option<u64> {
        let poll = self.asked_ms.is_none().then_some(self.retry_ms);
        let since_ms = self.heard_ms.unwrap_or(self.started_ms);
        let down = (!self.told_down).then_some(since_ms + limits.link_down_ms);
        poll.into_iter().chain(down).min()
    }
}
