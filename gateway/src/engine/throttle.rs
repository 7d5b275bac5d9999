//! Telemetry of one device makes only so many records: a device gone mad, or a hostile one, fills
//! neither the journal nor the line to the centre. Life safety never comes here.
//!
//! A change that is not taken changes nothing that is known, so that the next message of the same
//! state is news again; the state of a flooding device is late, not wrong for good.

use std::collections::BTreeMap;

/// Changes that one device may make at once.
pub const BURST: u32 = 600;

/// One more after each of these, milliseconds.
pub const REFILL_MS: u64 = 200;

/// Most devices with an allowance of their own; all others share one.
const DEVICES_MAX: usize = 1_024;

/// What one device may still make.
#[derive(Debug, Clone, Copy)]
struct Allowance {
    left: u32,
    at_ms: u64,
}

impl Allowance {
    fn full(now_ms: u64) -> Self {
        Self { left: BURST, at_ms: now_ms }
    }

    fn refill(&mut self, now_ms: u64) {
        let earned = now_ms.saturating_sub(self.at_ms) / REFILL_MS;
        self.left = u32::try_from(earned).map_or(BURST, |earned| self.left.saturating_add(earned).min(BURST));
        self.at_ms += earned * REFILL_MS;
    }

    fn take(&mut self, now_ms: u64) -> bool {
        self.refill(now_ms);
        let took = self.left > 0;
        self.left -= u32::from(took);
        took
    }
}

/// The allowances of all devices.
#[derive(Debug, Clone, Default)]
pub struct Throttle {
    devices: BTreeMap<String, Allowance>,
    others: Option<Allowance>,
}

impl Throttle {
    /// Whether a change that this device reports is taken now.
    pub fn takes(&mut self, now_ms: u64, device: &str) -> bool {
        if let Some(allowance) = self.devices.get_mut(device) {
            return allowance.take(now_ms);
        }
        if self.devices.len() >= DEVICES_MAX {
            // A device whose allowance is full again loses nothing by being forgotten.
            self.devices.retain(|_, allowance| {
                allowance.refill(now_ms);
                allowance.left < BURST
            });
        }
        if self.devices.len() < DEVICES_MAX {
            return self.devices.entry(device.to_owned()).or_insert_with(|| Allowance::full(now_ms)).take(now_ms);
        }
        self.others.get_or_insert_with(|| Allowance::full(now_ms)).take(now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(throttle: &mut Throttle, now_ms: u64, device: &str, asked: u32) -> usize {
        (0..asked).filter(|_| throttle.takes(now_ms, device)).count()
    }

    #[test]
    fn a_flooding_device_is_held_to_its_burst_and_then_to_its_rate_and_no_other_feels_it() {
        let mut throttle = Throttle::default();
        assert_eq!(taken(&mut throttle, 0, "mad", 10_000), BURST as usize);
        assert_eq!(taken(&mut throttle, 0, "calm", 3), 3);
        assert_eq!(taken(&mut throttle, 10 * REFILL_MS, "mad", 100), 10);
        assert_eq!(taken(&mut throttle, 10 * REFILL_MS + REFILL_MS - 1, "mad", 100), 0);
        assert_eq!(taken(&mut throttle, u64::MAX / 2, "mad", 10_000), BURST as usize);
    }

    #[test]
    fn made_up_device_names_share_one_allowance_and_fill_no_memory() {
        let mut throttle = Throttle::default();
        for number in 0..50_000 {
            throttle.takes(0, &format!("made up {number}"));
        }
        assert_eq!(throttle.devices.len(), DEVICES_MAX);
        assert_eq!(taken(&mut throttle, 0, "one more", 1), 0);
        assert_eq!(taken(&mut throttle, 3 * REFILL_MS, "one more", 1), 1);
        assert_eq!(throttle.devices.len(), 1);
    }
}
