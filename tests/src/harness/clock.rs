//! The clock that hops are measured by, and waiting for a condition with an end.

use std::time::{Duration, Instant};

use super::Failed;

/// How often a condition that cannot announce itself is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The present moment.
#[expect(clippy::disallowed_methods, reason = "the harness measures real programs")]
pub fn now() -> Instant {
    Instant::now()
}

/// The wall clock, Unix milliseconds.
#[expect(clippy::disallowed_methods, reason = "a caregiver's phone has a clock")]
pub fn wall_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Asks again and again until `look` gives a value.
///
/// # Errors
/// Says what was waited for, for how long, and what was seen last.
pub async fn until<T>(
    what: &str,
    patience: Duration,
    mut look: impl AsyncFnMut() -> Result<T, Failed>,
) -> Result<T, Failed> {
    let end = now() + patience;
    loop {
        let seen = match look().await {
            Ok(value) => return Ok(value),
            Err(seen) => seen,
        };
        if now() >= end {
            return Err(format!("{what}: not within {:.1} s; last seen: {seen}", patience.as_secs_f64()));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Milliseconds between two moments; 0 where the second came first.
pub fn ms_between(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64() * 1_000.0
}
