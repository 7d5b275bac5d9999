//! A wired lamp or siren: its pattern, timed here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use protocol::record::PlayOutcome;
use protocol::stage::Stage;
use tokio::task::JoinHandle;

use super::{Output, Showing};
use crate::gpio::PinBank;
use crate::gpio::pattern::{Pattern, Wired};

/// One configured output pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinOutput {
    /// Its name in records.
    pub name: String,
    /// BCM number.
    pub pin: u8,
    /// What hangs on it.
    pub wired: Wired,
    /// Whether a low level switches it on, as many relay boards want it.
    pub active_low: bool,
    /// Patterns that differ from the kind's own.
    pub stages: BTreeMap<Stage, Pattern>,
}

/// An output pin at work.
pub struct WiredOutput {
    output: PinOutput,
    bank: Arc<dyn PinBank>,
    usable: bool,
    blinking: Option<JoinHandle<()>>,
}

impl WiredOutput {
    /// Takes the pin, switched off; one that cannot be had is told and fails at every stage.
    pub fn new(output: PinOutput, bank: Arc<dyn PinBank>) -> Self {
        let made = bank.make_output(output.pin, output.active_low);
        if let Err(error) = &made {
            tracing::error!(output = output.name, %error, "a wired output does not work");
        }
        Self { usable: made.is_ok(), output, bank, blinking: None }
    }
}

#[async_trait]
impl Output for WiredOutput {
    fn name(&self) -> &str {
        &self.output.name
    }

    async fn show(&mut self, showing: &Showing) -> PlayOutcome {
        if let Some(blinking) = self.blinking.take() {
            blinking.abort();
            // A blink that is under way must not come after the new level.
            let _ = blinking.await;
        }
        if !self.usable {
            return PlayOutcome::Failed;
        }
        let PinOutput { pin, wired, active_low, stages, .. } = &self.output;
        let pattern = stages.get(&showing.stage).copied().unwrap_or_else(|| wired.pattern(showing.stage));
        let (pin, active_low, bank) = (*pin, *active_low, Arc::clone(&self.bank));
        bank.write(pin, (pattern != Pattern::Off) != active_low);
        if let Some(half) = pattern.half() {
            self.blinking = Some(tokio::spawn(async move {
                let mut on = true;
                loop {
                    tokio::time::sleep(half).await;
                    on = !on;
                    bank.write(pin, on != active_low);
                }
            }));
        }
        PlayOutcome::Whole
    }

    fn repeat_after(&self, _stage: Stage, _repeats: u32) -> Option<Duration> {
        None
    }
}

impl Drop for WiredOutput {
    fn drop(&mut self) {
        if let Some(blinking) = &self.blinking {
            blinking.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpio::SimulatedPins;

    fn showing(stage: Stage) -> Showing {
        Showing { stage, again: false, soft: false, repeats: 0 }
    }

    fn output(wired: Wired, active_low: bool, pins: &SimulatedPins) -> WiredOutput {
        let output = PinOutput { name: "wired".into(), pin: 17, wired, active_low, stages: BTreeMap::new() };
        WiredOutput::new(output, Arc::new(pins.clone()))
    }

    /// Waits until the pin has changed its level so often.
    async fn changes(pins: &SimulatedPins, times: u32) {
        for _ in 0..times {
            let before = pins.levels();
            while pins.levels() == before {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    #[tokio::test]
    async fn a_lamp_blinks_while_the_elder_waits_and_stands_when_somebody_has_the_call() {
        let pins = SimulatedPins::default();
        let mut lamp = output(Wired::Lamp, false, &pins);
        assert_eq!(lamp.show(&showing(Stage::NotConnected)).await, PlayOutcome::Whole);
        changes(&pins, 3).await;
        lamp.show(&showing(Stage::Taken)).await;
        assert!(lamp.blinking.is_none());
        assert_eq!(pins.levels(), [(17, false, true)]);
        lamp.show(&showing(Stage::Quiet)).await;
        assert_eq!(pins.levels(), [(17, false, false)]);
    }

    #[tokio::test]
    async fn a_relay_that_is_on_when_low_is_off_when_high() {
        let pins = SimulatedPins::default();
        let mut siren = output(Wired::Siren, true, &pins);
        assert_eq!(pins.levels(), [(17, false, true)]);
        siren.show(&showing(Stage::LeaveNow)).await;
        assert_eq!(pins.levels(), [(17, false, false)]);
        siren.show(&showing(Stage::Received)).await;
        assert_eq!(pins.levels(), [(17, false, true)]);
    }
}
