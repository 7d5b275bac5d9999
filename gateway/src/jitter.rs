//! Full-jitter back-off from a seed, so that a run can be repeated. Never for secrets.

/// A small deterministic generator (SplitMix64).
#[derive(Debug, Clone)]
pub struct Jitter(u64);

impl Jitter {
    /// A generator that repeats itself for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A wait between 0 and `base_ms` doubled for every failure after the first, at most `max_ms`.
    pub fn backoff_ms(&mut self, failures: u32, base_ms: u64, max_ms: u64) -> u64 {
        let doubled = base_ms.saturating_mul(1_u64.checked_shl(failures.saturating_sub(1)).unwrap_or(u64::MAX));
        let top = doubled.min(max_ms).max(1);
        self.next_u64() % (top + 1)
    }
}
