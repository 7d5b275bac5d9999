//! The only place of the gateway that reads the machine's clocks.

use crate::engine::Now;

/// Which boot this is, from the kernel's boot id.
fn boot() -> u64 {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let hash = blake3::hash(id.trim().as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// The machine's clocks.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    boot: u64,
}

impl Clock {
    /// Reads which boot this is.
    pub fn new() -> Self {
        Self { boot: boot() }
    }

    /// The clocks now. Uptime counts time asleep.
    #[expect(clippy::disallowed_methods, reason = "this file is where clocks are read")]
    pub fn now(&self) -> Now {
        let uptime = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let uptime_ms =
            u64::try_from(uptime.tv_sec).unwrap_or(0) * 1_000 + u64::try_from(uptime.tv_nsec).unwrap_or(0) / 1_000_000;
        let wall_ms = jiff::Timestamp::now().as_millisecond();
        Now { boot: self.boot, uptime_ms, wall_ms }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
