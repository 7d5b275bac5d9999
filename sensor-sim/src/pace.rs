//! The one place that reads the machine's clocks: simulated time against real time, and the wall clock.

use std::time::Duration;

use tokio::time::Instant;

/// How fast simulated time passes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// So many times as fast as real time.
    Times(f64),
    /// As fast as the broker takes the messages.
    Max,
}

impl std::str::FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let times = text.parse().ok().filter(|times: &f64| (0.01..=1e6).contains(times));
        times.map(Self::Times).ok_or_else(|| format!("`{text}` is no speed; use a number from 0.01 to 1000000, or max"))
    }
}

/// Simulated time running since a beginning.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    began: Instant,
    from: Duration,
    speed: Speed,
}

impl Pace {
    /// Simulated time is `from` now and passes at `speed`.
    #[expect(clippy::disallowed_methods, reason = "the simulator's only clock for pacing")]
    pub fn start(from: Duration, speed: Speed) -> Self {
        Self { began: Instant::now(), from, speed }
    }

    /// Waits until simulated time `at`.
    pub async fn until(&self, at: Duration) {
        if let Speed::Times(times) = self.speed {
            // Ten years of waiting bound the sum; nobody waits for them.
            let real = at.saturating_sub(self.from).as_secs_f64() / times;
            let real = Duration::from_secs_f64(real.min(315_576_000.0));
            tokio::time::sleep_until(self.began + real).await;
        }
    }

    /// Real time since the beginning.
    #[expect(clippy::disallowed_methods, reason = "the simulator's only clock for pacing")]
    pub fn elapsed(&self) -> Duration {
        Instant::now() - self.began
    }

    /// Simulated time; at top speed it stands at its beginning.
    pub fn now(&self) -> Duration {
        match self.speed {
            Speed::Times(times) => self.from + self.elapsed().mul_f64(times),
            Speed::Max => self.from,
        }
    }
}

/// The wall clock, Unix milliseconds.
#[expect(clippy::disallowed_methods, reason = "a phone's fix carries the phone's clock")]
pub fn wall_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// The local time of day.
#[expect(clippy::disallowed_methods, reason = "a live home starts at the time of day it is")]
pub fn time_of_day() -> Duration {
    let now = jiff::Zoned::now().time();
    let (h, m, s) = (now.hour().unsigned_abs(), now.minute().unsigned_abs(), now.second().unsigned_abs());
    Duration::from_secs(u64::from(h) * 3600 + u64::from(m) * 60 + u64::from(s))
}

/// A seed nobody chose.
#[expect(clippy::disallowed_methods, reason = "a run without --seed draws one and prints it")]
pub fn drawn_seed() -> u64 {
    let mut bytes = [0; 4];
    // Without randomness every run lives the same day, which is no fault worth stopping for.
    let _ = getrandom::fill(&mut bytes);
    u64::from(u32::from_le_bytes(bytes))
}
