//! What the loop counts; exposed in `/metrics`.

use std::collections::BTreeMap;

/// Counts by name, in order.
pub type Named = BTreeMap<&'static str, u64>;

/// Everything counted since start.
#[derive(Debug, Clone, Default)]
pub struct Counters {
    /// Messages heard.
    pub messages: u64,
    /// Redeliveries that made nothing new.
    pub duplicates: u64,
    /// Records sealed.
    pub records: u64,
    /// Requests to the centre that failed.
    pub sends_failed: u64,
    /// Records that the centre refused by name.
    pub refused: u64,
    /// Messages rejected, by reason.
    pub rejections: Named,
    /// Troubles of the loop itself, by name.
    pub troubles: Named,
}

impl Counters {
    /// Counts a rejected message.
    pub fn rejected(&mut self, name: &'static str) {
        *self.rejections.entry(name).or_default() += 1;
    }

    /// Counts a trouble.
    pub fn count(&mut self, name: &'static str) {
        *self.troubles.entry(name).or_default() += 1;
    }
}

/// Numbers of the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gauges {
    /// Records without receipt.
    pub backlog: u64,
    /// Emergency records without receipt.
    pub urgent_backlog: u64,
    /// Age of the oldest of them in memory, milliseconds.
    pub backlog_age_ms: u64,
    /// Records sealed and not yet written.
    pub pending: u64,
    /// Last sequence sealed.
    pub last_seq: u64,
    /// Whether the journal takes records.
    pub disk_ok: bool,
    /// Whether the centre answers.
    pub centre_up: bool,
    /// Whether the wall clock is confirmed.
    pub wall_trusted: bool,
    /// Whether the centre was last refused for a certificate that is not valid at this time.
    pub certificate_refused: bool,
    /// Whether a press can be made durable, in the journal or in the reserve.
    pub pressing_recorded: bool,
}
