//! Repeatable randomness: whole-number dice thrown from a seed.
//!
//! It never asks the machine for randomness; the same seed throws the same on every machine.

use std::time::Duration;

/// A stream of throws (SplitMix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Starts a stream.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Starts a stream of its own for `name`, so that adding a device does not change the others.
    pub fn named(seed: u64, name: &str) -> Self {
        // FNV-1a: short, stable, and good enough to keep streams apart.
        let hash = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        let mut dice = Self(seed ^ hash);
        dice.throw();
        dice
    }

    /// Throws 64 bits.
    pub fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Throws a number in `low..=high`; `low` where the range is empty.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        let width = high.saturating_sub(low).saturating_add(1);
        low + self.throw() % width.max(1)
    }

    /// Throws a whole number of seconds in `low..=high`.
    pub fn secs(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_secs(self.between(low, high))
    }

    /// Comes true `percent` times in a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.throw() % 100 < percent
    }
}
