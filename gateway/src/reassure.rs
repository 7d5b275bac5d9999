//! The outputs that tell the elder: sirens, lamps and pads over MQTT, the voice, GPIO patterns.
//!
//! They hear only what the loop tells, so none is ever ahead of the records. Each has a task of its
//! own and takes the newest stage: a slow siren holds up no lamp, and a stage that was overtaken is
//! not played late. What was really played goes back to the loop as a record.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use protocol::record::PlayOutcome;
use protocol::stage::Stage;
use tokio::sync::{mpsc, watch};

use crate::config::{OutputsConfig, SilentHours};
use crate::engine::Completion;
use crate::gpio::PinBank;
use crate::home::local_time::LocalTime;
use crate::intake::Publisher;

pub mod announce;
pub mod device;
pub mod pins;
pub mod prompt;
pub mod voice;

/// What an output is to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Showing {
    /// The stage.
    pub stage: Stage,
    /// Whether it repeats what was told last, because a press asks anew.
    pub again: bool,
    /// Whether it is told in passing within silent hours: softly. Never true of an alarm.
    pub soft: bool,
    /// How often it was repeated by the output itself since it was told.
    pub repeats: u32,
}

/// One way to tell the elder.
#[async_trait]
pub trait Output: Send {
    /// Its name in records.
    fn name(&self) -> &str;

    /// Shows a stage. It may be dropped at any await, when a newer stage has come.
    async fn show(&mut self, showing: &Showing) -> PlayOutcome;

    /// When to show a standing stage again, `repeats` times after it was told; none leaves it as it is.
    fn repeat_after(&self, stage: Stage, repeats: u32) -> Option<Duration>;

    /// Whether a stage is none of its business and leaves no record.
    fn passes_over(&self, _showing: &Showing) -> bool {
        false
    }
}

/// All outputs, told together.
#[derive(Debug)]
pub struct Outputs {
    stages: watch::Sender<Option<Showing>>,
}

impl Outputs {
    /// Starts a task for each output; what becomes of each stage goes to `completions`.
    pub fn start(outputs: Vec<Box<dyn Output>>, completions: &mpsc::UnboundedSender<Completion>) -> Self {
        let stages = watch::Sender::new(None);
        for output in outputs {
            tokio::spawn(run(output, stages.subscribe(), completions.clone()));
        }
        Self { stages }
    }

    /// Tells every output. Nothing waits: an output that is behind goes straight to the newest stage.
    pub fn tell(&self, stage: Stage, again: bool, soft: bool) {
        let soft = soft && stage.is_routine();
        self.stages.send_replace(Some(Showing { stage, again, soft, repeats: 0 }));
    }
}

/// Everything that tells the elder.
#[derive(Debug)]
pub struct Elder {
    announcements: mpsc::Sender<(Stage, bool)>,
    outputs: Outputs,
    silent: Option<SilentHours>,
    completions: mpsc::UnboundedSender<Completion>,
}

impl Elder {
    /// Starts the announcement over MQTT and every configured output.
    pub fn start(
        config: &OutputsConfig,
        publisher: &Publisher,
        bank: &Arc<dyn PinBank>,
        completions: &mpsc::UnboundedSender<Completion>,
    ) -> Self {
        let mut outputs: Vec<Box<dyn Output>> = Vec::new();
        for device in &config.devices {
            outputs.push(Box::new(device::BridgeDevice::new(device.clone(), publisher.clone())));
        }
        for pin in &config.pins {
            outputs.push(Box::new(pins::WiredOutput::new(pin.clone(), Arc::clone(bank))));
        }
        if let Some(voice) = &config.voice {
            outputs.push(Box::new(voice::Voice::new(voice.clone())));
        }
        Self {
            announcements: announce::start(publisher.clone(), completions.clone()),
            outputs: Outputs::start(outputs, completions),
            silent: config.silent,
            completions: completions.clone(),
        }
    }

    /// Tells a stage at a local time, which is none while the clock is not trusted.
    pub fn tell(&self, stage: Stage, again: bool, at: Option<LocalTime>) {
        let soft = self.silent.zip(at).is_some_and(|(silent, at)| silent.covers(at.minute));
        self.outputs.tell(stage, again, soft);
        if self.announcements.try_send((stage, again)).is_err() {
            let _ = self.completions.send(Completion::Told { stage, shown: false });
        }
    }
}

async fn run(
    mut output: Box<dyn Output>,
    mut stages: watch::Receiver<Option<Showing>>,
    completions: mpsc::UnboundedSender<Completion>,
) {
    while stages.changed().await.is_ok() {
        // A stage that comes while the last one is shown has marked the channel as seen: it is taken here.
        loop {
            let Some(showing) = *stages.borrow_and_update() else { break };
            if output.passes_over(&showing) {
                break;
            }
            let outcome = tokio::select! {
                biased;
                outcome = output.show(&showing) => outcome,
                _ = stages.changed() => PlayOutcome::CutShort,
            };
            let played = Completion::Played { output: output.name().to_owned(), stage: showing.stage, outcome };
            if completions.send(played).is_err() {
                return;
            }
            if outcome == PlayOutcome::CutShort {
                continue;
            }
            if !stand(output.as_mut(), showing, &mut stages).await {
                break;
            }
        }
    }
}

/// Repeats a standing stage until another comes. Returns whether one has.
async fn stand(output: &mut dyn Output, mut showing: Showing, stages: &mut watch::Receiver<Option<Showing>>) -> bool {
    while let Some(after) = output.repeat_after(showing.stage, showing.repeats) {
        tokio::select! {
            changed = stages.changed() => return changed.is_ok(),
            () = tokio::time::sleep(after) => {}
        }
        showing.repeats += 1;
        tokio::select! {
            biased;
            _ = output.show(&showing) => {}
            changed = stages.changed() => return changed.is_ok(),
        }
    }
    false
}

#[cfg(test)]
mod tests;
