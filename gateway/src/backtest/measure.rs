//! What a replay gives: calls, and delays.

use protocol::trigger::Reason;

/// A call on the untouched recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Unix milliseconds.
    pub wall_ms: i64,
    /// Why.
    pub reason: Reason,
    /// Whether somebody wrote down that the elder was out.
    pub labelled_out: bool,
}

/// One setting on one home.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measured {
    /// Calls on the untouched recording, after the learning days.
    pub calls: Vec<Call>,
    /// Milliseconds from each stop to the call it brought, sorted.
    pub delays_ms: Vec<u64>,
    /// Stops in a quiet that had been raised already; they are in no delay.
    pub raised_before: usize,
    /// Stops after which no call came within [`super::replay::PATIENCE_MS`].
    pub missed: usize,
}

impl Measured {
    /// Calls in 30 days.
    pub fn calls_a_month(&self, counted_days: i64) -> f64 {
        a_month(self.calls.len(), counted_days)
    }

    /// Calls in 30 days at times that nobody wrote down as spent out.
    pub fn calls_a_month_at_home(&self, counted_days: i64) -> f64 {
        a_month(self.calls.iter().filter(|call| !call.labelled_out).count(), counted_days)
    }

    /// A delay that this share of the stops does not exceed, hours; a stop that was missed is the longest of all.
    pub fn delay_hours(&self, share: f64) -> Option<f64> {
        let stops = self.delays_ms.len() + self.missed;
        let place = ((stops as f64 * share).ceil() as usize).max(1) - 1;
        if stops == 0 {
            return None;
        }
        Some(self.delays_ms.get(place).map_or(f64::INFINITY, |ms| *ms as f64 / 3_600_000.0))
    }
}

fn a_month(calls: usize, counted_days: i64) -> f64 {
    if counted_days <= 0 { 0.0 } else { calls as f64 * 30.0 / counted_days as f64 }
}
