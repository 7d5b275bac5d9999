//! Chatter: one sensor that speaks on and on alone is life for some hours, and no longer.
//!
//! A heater in a motion sensor's view or a mat that flutters would otherwise keep a home "alive" for
//! ever. A home in which only one sensor has ever spoken has nothing to hold it against.

use protocol::record::Stamp;
use serde::{Deserialize, Serialize};

use super::stopwatch::Stopwatch;

/// Who spoke last, and since when nobody else has.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Chatter {
    speaking: Option<String>,
    /// Runs from the first word since any other sensor's last, or since it had long been silent itself.
    alone: Option<Stopwatch>,
    /// Runs from its last word.
    last: Option<Stopwatch>,
    /// Whether a second sensor has ever spoken.
    several: bool,
}

impl Chatter {
    /// Folds a word of `device`.
    pub fn heard(&mut self, at: &Stamp, device: &str, alone_ms_max: u64) {
        if !self.goes_on(at, device, alone_ms_max) {
            self.several |= self.speaking.as_deref().is_some_and(|speaking| speaking != device);
            self.speaking = Some(device.to_owned());
            self.alone = Some(Stopwatch::start(at));
        }
        self.last = Some(Stopwatch::start(at));
    }

    /// Whether a word of `device` counts as life now: not when it has spoken alone for over `alone_ms_max`.
    pub fn is_life(&self, now: &Stamp, device: &str, alone_ms_max: u64) -> bool {
        let goes_on = self.goes_on(now, device, alone_ms_max);
        !self.several || !goes_on || self.alone.is_none_or(|alone| alone.elapsed_ms(now) <= alone_ms_max)
    }

    /// Whether it goes on with what it said: a sensor that was silent for a night does not chatter.
    fn goes_on(&self, now: &Stamp, device: &str, silent_ms_max: u64) -> bool {
        let silent = self.last.is_none_or(|last| last.elapsed_ms(now) > silent_ms_max);
        self.speaking.as_deref() == Some(device) && !silent
    }

    /// Folds that the machine was up.
    pub fn seen(&mut self, at: &Stamp) {
        for watch in self.alone.iter_mut().chain(&mut self.last) {
            watch.seen(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 3_600_000;

    fn life(chatter: &mut Chatter, hours: u64, device: &str) -> bool {
        let at = Stamp { boot: 1, uptime_ms: hours * HOUR_MS, wall_ms: 0, wall_trusted: false };
        let life = chatter.is_life(&at, device, 4 * HOUR_MS);
        chatter.heard(&at, device, 4 * HOUR_MS);
        life
    }

    #[test]
    fn one_sensor_alone_is_life_for_four_hours() {
        let mut chatter = Chatter::default();
        assert!(life(&mut chatter, 0, "hall"));
        assert!(life(&mut chatter, 6, "mat"));
        let heard: Vec<bool> = (7..14).map(|hour| life(&mut chatter, hour, "mat")).collect();
        assert_eq!(heard, [true, true, true, true, false, false, false]);
        assert!(life(&mut chatter, 14, "hall"));
        assert!(life(&mut chatter, 15, "mat"));
    }

    #[test]
    fn a_sensor_that_was_silent_all_night_does_not_chatter_in_the_morning() {
        let mut chatter = Chatter::default();
        assert!(life(&mut chatter, 0, "hall") && life(&mut chatter, 1, "bedroom"));
        assert!(life(&mut chatter, 9, "bedroom"));
    }

    #[test]
    fn the_only_sensor_of_a_home_is_always_life() {
        let mut chatter = Chatter::default();
        assert!((0..50).all(|hour| life(&mut chatter, hour, "hall")));
    }
}
