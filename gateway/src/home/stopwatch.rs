//! A stopwatch that survives restarts: exact within one boot; across boots the time that the power
//! was off is left out, because it is unknowable.

use protocol::record::Stamp;
use serde::{Deserialize, Serialize};

/// Time run so far, over as many boots as it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopwatch {
    boot: u64,
    /// Uptime at which the present stretch began, where it runs.
    from_ms: Option<u64>,
    /// Milliseconds of earlier stretches.
    banked_ms: u64,
    /// Last uptime seen in `boot`.
    seen_ms: u64,
}

impl Stopwatch {
    /// One that runs from `at`.
    pub fn start(at: &Stamp) -> Self {
        Self { boot: at.boot, from_ms: Some(at.uptime_ms), banked_ms: 0, seen_ms: at.uptime_ms }
    }

    /// Milliseconds run until `now`. In a boot that no record has shown yet, from its beginning.
    pub fn elapsed_ms(&self, now: &Stamp) -> u64 {
        let Some(from_ms) = self.from_ms else { return self.banked_ms };
        if now.boot == self.boot {
            return self.banked_ms + now.uptime_ms.saturating_sub(from_ms);
        }
        self.banked_ms + self.seen_ms.saturating_sub(from_ms) + now.uptime_ms
    }

    /// Folds that the machine was up at `at`; every record is shown to it.
    pub fn seen(&mut self, at: &Stamp) {
        if at.boot != self.boot {
            if let Some(from_ms) = self.from_ms {
                self.banked_ms += self.seen_ms.saturating_sub(from_ms);
                self.from_ms = Some(0);
            }
            (self.boot, self.seen_ms) = (at.boot, 0);
        }
        self.seen_ms = self.seen_ms.max(at.uptime_ms);
    }

    /// Stands still from `at` on.
    pub fn pause(&mut self, at: &Stamp) {
        self.seen(at);
        if let Some(from_ms) = self.from_ms.take() {
            self.banked_ms += at.uptime_ms.saturating_sub(from_ms);
        }
    }

    /// Runs on from `at`.
    pub fn resume(&mut self, at: &Stamp) {
        self.seen(at);
        self.from_ms.get_or_insert(at.uptime_ms);
    }

    /// Uptime of its boot at which it will have run for `ms`; none while it stands still.
    pub fn due_ms(&self, ms: u64) -> Option<u64> {
        self.from_ms.map(|from_ms| from_ms.saturating_add(ms.saturating_sub(self.banked_ms)))
    }

    /// Whether it has run in one stretch, so that it agrees with the wall clock.
    pub fn is_whole(&self) -> bool {
        self.banked_ms == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(boot: u64, uptime_ms: u64) -> Stamp {
        Stamp { boot, uptime_ms, wall_ms: 0, wall_trusted: false }
    }

    #[test]
    fn the_time_without_power_is_left_out_and_the_rest_kept() {
        let mut watch = Stopwatch::start(&at(1, 100));
        watch.seen(&at(1, 400));
        assert_eq!(watch.elapsed_ms(&at(1, 500)), 400);
        // Nothing tells how long the first boot went on after its last record.
        assert_eq!(watch.elapsed_ms(&at(2, 50)), 350);
        watch.seen(&at(2, 50));
        assert_eq!(watch.elapsed_ms(&at(2, 80)), 380);
        assert_eq!(watch.due_ms(1_000), Some(700));
        assert!(!watch.is_whole());
    }

    #[test]
    fn paused_it_neither_runs_nor_falls_due() {
        let mut watch = Stopwatch::start(&at(1, 100));
        watch.pause(&at(1, 200));
        assert_eq!((watch.elapsed_ms(&at(1, 900)), watch.due_ms(150)), (100, None));
        watch.pause(&at(1, 950));
        watch.resume(&at(1, 1_000));
        watch.resume(&at(1, 1_010));
        assert_eq!((watch.elapsed_ms(&at(1, 1_020)), watch.due_ms(150)), (120, Some(1_050)));
    }

    #[test]
    fn what_ran_out_before_is_due_at_once() {
        let mut watch = Stopwatch::start(&at(1, 0));
        watch.seen(&at(1, 5_000));
        watch.seen(&at(2, 3));
        assert_eq!(watch.due_ms(4_000), Some(0));
    }
}
