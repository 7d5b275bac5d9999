//! Who is there: each gateway's long poll is its heartbeat, kept in memory and never written.
//!
//! Only what changes is handed on: a gateway falls silent, a silent one is heard. Pure; the caller
//! brings the time.

use std::collections::BTreeMap;

use protocol::ids::GatewayId;

/// A check that comes so much later than it was planned says that this program stood still, milliseconds.
const STOOD_STILL_MS: i64 = 30_000;

/// When a silence counts, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeartbeatRules {
    /// Without a beat for so long a gateway is offline.
    pub offline_ms: i64,
    /// From the last beat to a technical order.
    pub order_after_ms: i64,
    /// The same in a home of high risk.
    pub high_risk_order_after_ms: i64,
}

impl Default for HeartbeatRules {
    fn default() -> Self {
        Self { offline_ms: 180_000, order_after_ms: 30 * 60_000, high_risk_order_after_ms: 10 * 60_000 }
    }
}

#[derive(Debug, Clone, Copy)]
struct Beat {
    heard_ms: i64,
    silent: bool,
}

/// The beats of all gateways.
#[derive(Debug, Clone)]
pub struct Heartbeats {
    rules: HeartbeatRules,
    beats: BTreeMap<GatewayId, Beat>,
    check_ms: i64,
}

impl Heartbeats {
    /// Begins at `now_ms`: every known gateway is given its whole time anew; the flag says whether the
    /// store holds it for silent.
    pub fn start(rules: HeartbeatRules, known: impl IntoIterator<Item = (GatewayId, bool)>, now_ms: i64) -> Self {
        let beat = |(gateway, silent)| (gateway, Beat { heard_ms: now_ms, silent });
        let beats = known.into_iter().map(beat).collect();
        Self { rules, beats, check_ms: now_ms.saturating_add(rules.offline_ms) }
    }

    /// A gateway is heard. Returns whether it had been silent, which its home is then to be told.
    pub fn beat(&mut self, gateway: &GatewayId, now_ms: i64) -> bool {
        match self.beats.get_mut(gateway) {
            Some(beat) => {
                beat.heard_ms = beat.heard_ms.max(now_ms);
                std::mem::replace(&mut beat.silent, false)
            }
            None => {
                self.beats.insert(gateway.clone(), Beat { heard_ms: now_ms, silent: false });
                false
            }
        }
    }

    /// The home could not be told that its gateway is heard: the next beat says it again.
    pub fn not_told(&mut self, gateway: &GatewayId) {
        if let Some(beat) = self.beats.get_mut(gateway) {
            beat.silent = true;
        }
    }

    /// The home could not be told that its gateway is silent: the next check says it again.
    pub fn not_kept(&mut self, gateway: &GatewayId) {
        if let Some(beat) = self.beats.get_mut(gateway) {
            beat.silent = false;
        }
    }

    /// Gateways that have fallen silent, each with its last beat, Unix milliseconds.
    pub fn fallen_silent(&mut self, now_ms: i64) -> Vec<(GatewayId, i64)> {
        if now_ms < self.check_ms {
            return Vec::new();
        }
        // Where this program stood still it has heard nobody, and nobody is to blame.
        if now_ms.saturating_sub(self.check_ms) > STOOD_STILL_MS {
            self.beats.values_mut().filter(|beat| !beat.silent).for_each(|beat| beat.heard_ms = now_ms);
        }
        let mut silent = Vec::new();
        let mut next_ms = now_ms.saturating_add(self.rules.offline_ms);
        for (gateway, beat) in self.beats.iter_mut().filter(|(_, beat)| !beat.silent) {
            let due_ms = beat.heard_ms.saturating_add(self.rules.offline_ms);
            if due_ms <= now_ms {
                beat.silent = true;
                silent.push((gateway.clone(), beat.heard_ms));
            } else {
                next_ms = next_ms.min(due_ms);
            }
        }
        self.check_ms = next_ms;
        silent
    }

    /// When [`Heartbeats::fallen_silent`] is to be asked next, Unix milliseconds.
    pub fn next_check_ms(&self) -> i64 {
        self.check_ms
    }

    /// How many gateways are silent.
    pub fn silent_count(&self) -> usize {
        self.beats.values().filter(|beat| beat.silent).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> GatewayId {
        name.parse().unwrap()
    }

    fn known(names: &[&str]) -> Heartbeats {
        Heartbeats::start(HeartbeatRules::default(), names.iter().map(|name| (id(name), false)), 0)
    }

    #[test]
    fn three_minutes_without_a_poll_are_a_silence_told_once() {
        let mut beats = known(&["home-1", "home-2"]);
        assert!(!beats.beat(&id("home-2"), 100_000));
        assert_eq!(beats.next_check_ms(), 180_000);
        assert_eq!(beats.fallen_silent(179_999), []);
        assert_eq!(beats.fallen_silent(180_000), [(id("home-1"), 0)]);
        assert_eq!(beats.next_check_ms(), 280_000);
        assert_eq!(beats.fallen_silent(280_000), [(id("home-2"), 100_000)]);
        assert_eq!(beats.silent_count(), 2);
        assert_eq!(beats.fallen_silent(460_000), []);
        assert!(beats.beat(&id("home-1"), 470_000));
        assert!(!beats.beat(&id("home-1"), 471_000));
    }

    #[test]
    fn a_centre_that_stood_still_blames_no_gateway() {
        let mut beats = known(&["home-1"]);
        assert_eq!(beats.fallen_silent(900_000), []);
        assert_eq!(beats.fallen_silent(1_080_000), [(id("home-1"), 900_000)]);
    }

    #[test]
    fn what_could_not_be_told_is_told_again() {
        let mut beats = Heartbeats::start(HeartbeatRules::default(), [(id("home-1"), true)], 0);
        assert!(beats.beat(&id("home-1"), 10));
        beats.not_told(&id("home-1"));
        assert!(beats.beat(&id("home-1"), 20));
        assert_eq!(beats.fallen_silent(180_020), [(id("home-1"), 20)]);
        beats.not_kept(&id("home-1"));
        assert_eq!(beats.fallen_silent(beats.next_check_ms()), [(id("home-1"), 20)]);
    }

    #[test]
    fn a_gateway_that_is_heard_for_the_first_time_is_watched() {
        let mut beats = known(&[]);
        assert!(!beats.beat(&id("home-9"), 1_000));
        assert_eq!(beats.fallen_silent(181_000), [(id("home-9"), 1_000)]);
    }
}
