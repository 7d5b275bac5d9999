//! The centre's clock: Unix milliseconds that never go back and never run slower than real time,
//! whatever is done to the machine's clock while the program runs.

use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The clock; one per process.
#[derive(Debug)]
pub struct Clock {
    last: Mutex<(Instant, i64)>,
}

impl Clock {
    /// Starts from the machine's clock.
    #[expect(clippy::disallowed_methods, reason = "the driver's clock")]
    pub fn start() -> Self {
        Self { last: Mutex::new((Instant::now(), wall_ms())) }
    }

    /// Unix milliseconds now.
    #[expect(clippy::disallowed_methods, reason = "the driver's clock")]
    pub fn now_ms(&self) -> i64 {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let elapsed = i64::try_from(now.duration_since(last.0).as_millis()).unwrap_or(i64::MAX);
        let at_least = last.1.saturating_add(elapsed);
        let wall = wall_ms();
        // Less than a millisecond since the last reading must still count towards the next one.
        if elapsed > 0 || wall > at_least {
            *last = (now, wall.max(at_least));
        }
        wall.max(at_least)
    }
}

#[expect(clippy::disallowed_methods, reason = "the driver's clock")]
fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
