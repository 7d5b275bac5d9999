//! GPIO pins: a bank that inputs are read from and outputs written to, real on a Raspberry Pi (feature
//! `gpio`, rppal) and simulated elsewhere.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub mod input;
pub mod pattern;
#[cfg(feature = "gpio")]
pub mod rpi;
pub mod wire;

/// Highest BCM number of the 40-pin header.
pub const PIN_MAX: u8 = 27;

/// Which way an input is pulled while nothing drives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pull {
    /// To 3.3 V: the contact closes to ground.
    Up,
    /// To ground: the contact closes to 3.3 V.
    Down,
    /// Not at all: a resistor on the board does it.
    Off,
}

/// Why a pin cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// The bank or the pin.
    #[error("GPIO {pin} cannot be used: {cause}")]
    Refused {
        /// BCM number.
        pin: u8,
        /// Why.
        cause: String,
    },
}

/// Pins by BCM number. Levels are electrical: true is high.
pub trait PinBank: Send + Sync {
    /// Makes a pin an input.
    ///
    /// # Errors
    /// [`PinError`] when the pin cannot be had.
    fn make_input(&self, pin: u8, pull: Pull) -> Result<(), PinError>;

    /// Makes a pin an output at a level.
    ///
    /// # Errors
    /// [`PinError`] when the pin cannot be had.
    fn make_output(&self, pin: u8, high: bool) -> Result<(), PinError>;

    /// An input's level.
    fn is_high(&self, pin: u8) -> bool;

    /// Sets an output's level.
    fn write(&self, pin: u8, high: bool);
}

/// Pins that exist in memory only: read and driven by tests, the demo and the status page.
#[derive(Debug, Clone, Default)]
pub struct SimulatedPins(Arc<Mutex<BTreeMap<u8, Simulated>>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Simulated {
    input: bool,
    high: bool,
    reads: u64,
}

impl SimulatedPins {
    fn pins(&self) -> MutexGuard<'_, BTreeMap<u8, Simulated>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the level that an input is to see. Returns whether the pin is an input.
    pub fn drive(&self, pin: u8, high: bool) -> bool {
        match self.pins().get_mut(&pin) {
            Some(simulated) if simulated.input => {
                simulated.high = high;
                true
            }
            Some(_) | None => false,
        }
    }

    /// How often a pin was read since it was taken.
    pub fn reads(&self, pin: u8) -> u64 {
        self.pins().get(&pin).map_or(0, |simulated| simulated.reads)
    }

    /// Every pin in use: number, whether it is an input, its level.
    pub fn levels(&self) -> Vec<(u8, bool, bool)> {
        self.pins().iter().map(|(pin, simulated)| (*pin, simulated.input, simulated.high)).collect()
    }
}

impl PinBank for SimulatedPins {
    fn make_input(&self, pin: u8, pull: Pull) -> Result<(), PinError> {
        // An open contact: what the pull makes of it. The level a test drives it to stays.
        self.pins().entry(pin).or_insert(Simulated { input: true, high: pull == Pull::Up, reads: 0 }).input = true;
        Ok(())
    }

    fn make_output(&self, pin: u8, high: bool) -> Result<(), PinError> {
        self.pins().insert(pin, Simulated { input: false, high, reads: 0 });
        Ok(())
    }

    fn is_high(&self, pin: u8) -> bool {
        self.pins().get_mut(&pin).is_some_and(|simulated| {
            simulated.reads += 1;
            simulated.high
        })
    }

    fn write(&self, pin: u8, high: bool) {
        if let Some(simulated) = self.pins().get_mut(&pin) {
            simulated.high = high;
        }
    }
}

/// The bank of this machine, and the simulated one where there is no other.
#[derive(Clone)]
pub struct Bank {
    /// Where pins are read and written.
    pub pins: Arc<dyn PinBank>,
    /// The same where it is simulated.
    pub simulated: Option<SimulatedPins>,
}

impl Bank {
    /// A bank in memory.
    pub fn simulated() -> Self {
        let pins = SimulatedPins::default();
        Self { pins: Arc::new(pins.clone()), simulated: Some(pins) }
    }

    /// The real pins, where this program was built for them and the machine has them.
    #[cfg(feature = "gpio")]
    pub fn of_this_machine() -> Self {
        match rpi::RpiPins::open() {
            Ok(pins) => Self { pins: Arc::new(pins), simulated: None },
            Err(error) => {
                tracing::error!(%error, "no GPIO on this machine; pins are simulated and nothing wired is heard");
                Self::simulated()
            }
        }
    }

    /// A bank in memory: this program was built without the feature `gpio`.
    #[cfg(not(feature = "gpio"))]
    pub fn of_this_machine() -> Self {
        tracing::warn!("built without GPIO (feature `gpio`); pins are simulated and nothing wired is heard");
        Self::simulated()
    }
}
