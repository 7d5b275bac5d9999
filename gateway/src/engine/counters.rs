//! What the loop counts; exposed in `/metrics`.

use super::Named;

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
