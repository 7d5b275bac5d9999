//! What the service manager is told: that the gateway is ready, and, again and again, that its loop turns
//! and hears what comes in through the broker. Whoever stops being told restarts the program.

use crate::engine::Now;

/// Without the canary for this long the broker counts as deaf, milliseconds.
pub const CANARY_LOST_MS: u64 = 30_000;

/// Tells the service manager that the loop lives.
#[derive(Debug)]
pub(super) struct Readiness {
    is_told: bool,
    watchdog_ms: Option<u64>,
    beaten_ms: u64,
    /// When the canary was heard last; none where there is none.
    canary_ms: Option<u64>,
}

/// What there is to tell now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Beat {
    pub ready: bool,
    pub watchdog: bool,
}

impl Readiness {
    /// `watchdog_ms` is how often the service manager wants to hear, `canary` whether there is one.
    pub fn new(now: &Now, watchdog_ms: Option<u64>, canary: bool) -> Self {
        let canary_ms = canary.then_some(now.uptime_ms);
        Self { is_told: false, watchdog_ms, beaten_ms: 0, canary_ms }
    }

    /// The canary came through the broker into the loop.
    pub fn heard_canary(&mut self, now: &Now) {
        self.canary_ms = Some(now.uptime_ms);
    }

    /// Whether the broker is deaf: the canary is overdue.
    pub fn is_canary_lost(&self, now: &Now) -> bool {
        self.canary_ms.is_some_and(|heard| now.uptime_ms >= heard + CANARY_LOST_MS)
    }

    /// The loop has turned; `disk_answered` once the first write came back, well or not.
    pub fn beat(&mut self, now: &Now, disk_answered: bool) -> Beat {
        let ready = disk_answered && !self.is_told;
        self.is_told |= disk_answered;
        let due = self.watchdog_ms.is_some_and(|period| now.uptime_ms >= self.beaten_ms + period);
        let watchdog = due && !self.is_canary_lost(now);
        if watchdog {
            self.beaten_ms = now.uptime_ms;
        }
        Beat { ready, watchdog }
    }

    /// How long the loop may sleep at most, milliseconds.
    pub fn period_ms(&self) -> Option<u64> {
        self.watchdog_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(uptime_ms: u64) -> Now {
        Now { boot: 1, uptime_ms, wall_ms: 0 }
    }

    #[test]
    fn ready_is_told_once_and_only_when_the_disk_has_answered() {
        let mut ready = Readiness::new(&at(0), None, false);
        assert_eq!(ready.beat(&at(1), false), Beat::default());
        assert_eq!(ready.beat(&at(2), true), Beat { ready: true, watchdog: false });
        assert_eq!(ready.beat(&at(3), true), Beat::default());
    }

    #[test]
    fn the_watchdog_is_fed_as_long_as_the_canary_comes_through_and_no_longer() {
        let mut ready = Readiness::new(&at(0), Some(3_000), true);
        let mut fed = 0;
        for second in 1..=20 {
            if second % 10 == 0 {
                ready.heard_canary(&at(second * 1_000));
            }
            fed += u64::from(ready.beat(&at(second * 1_000), true).watchdog);
        }
        assert_eq!(fed, 6);
        assert!(!ready.is_canary_lost(&at(49_999)));
        assert!(ready.beat(&at(49_999), true).watchdog);
        assert!(ready.is_canary_lost(&at(50_000)));
        assert!((50..300).all(|second| !ready.beat(&at(second * 1_000), true).watchdog));
        ready.heard_canary(&at(300_000));
        assert!(ready.beat(&at(300_000), true).watchdog);
    }
}
