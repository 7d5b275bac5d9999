//! The pins of a Raspberry Pi, through rppal.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rppal::gpio::{Gpio, InputPin, OutputPin};

use super::{PinBank, PinError, Pull};

enum Pin {
    Input(InputPin),
    Output(OutputPin),
}

/// Real pins. They keep their level until the program ends, then go back to what they were.
pub struct RpiPins {
    gpio: Gpio,
    pins: Mutex<BTreeMap<u8, Pin>>,
}

impl RpiPins {
    /// Opens the pins of this machine.
    ///
    /// # Errors
    /// What rppal says, such as that this is no Raspberry Pi.
    pub fn open() -> Result<Self, rppal::gpio::Error> {
        Ok(Self { gpio: Gpio::new()?, pins: Mutex::default() })
    }

    fn pins(&self) -> MutexGuard<'_, BTreeMap<u8, Pin>> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, pin: u8) -> Result<rppal::gpio::Pin, PinError> {
        self.gpio.get(pin).map_err(|error| PinError::Refused { pin, cause: error.to_string() })
    }
}

impl PinBank for RpiPins {
    fn make_input(&self, pin: u8, pull: Pull) -> Result<(), PinError> {
        let input = match pull {
            Pull::Up => self.get(pin)?.into_input_pullup(),
            Pull::Down => self.get(pin)?.into_input_pulldown(),
            Pull::Off => self.get(pin)?.into_input(),
        };
        self.pins().insert(pin, Pin::Input(input));
        Ok(())
    }

    fn make_output(&self, pin: u8, high: bool) -> Result<(), PinError> {
        let pin_of = self.get(pin)?;
        let output = if high { pin_of.into_output_high() } else { pin_of.into_output_low() };
        self.pins().insert(pin, Pin::Output(output));
        Ok(())
    }

    fn is_high(&self, pin: u8) -> bool {
        match self.pins().get(&pin) {
            Some(Pin::Input(input)) => input.is_high(),
            Some(Pin::Output(output)) => output.is_set_high(),
            None => false,
        }
    }

    fn write(&self, pin: u8, high: bool) {
        if let Some(Pin::Output(output)) = self.pins().get_mut(&pin) {
            if high {
                output.set_high();
            } else {
                output.set_low();
            }
        }
    }
}
