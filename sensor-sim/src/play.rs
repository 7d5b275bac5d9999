//! Plays a scenario over MQTT: connect, start the radio bridge, then each step at its time.
//!
//! It performs what devices, the elder and caregivers do, and nothing that is done to programs or desks.

use std::future::Future;
use std::time::Duration;

use crate::bridge::RadioBridge;
use crate::link::{Away, LinkClosed, LinkNews, LinkTrouble, Standing};
use crate::narrate::{self, LinkTeller, say, warn};
use crate::pace::{Pace, Speed, wall_ms};
use crate::performer::{HomePosition, Performed, Performer};
use crate::scenario::{Act, Scenario, Step, only_the_world};
use crate::wires::{BrokerConfig, Wires};

/// How long the first connection may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the end waits for the last confirmations.
const LAST_CONFIRMATIONS: Duration = Duration::from_secs(30);

/// How a scenario is played.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlayOptions {
    /// How fast time passes.
    pub speed: Speed,
    /// Seed of batteries and link quality.
    pub seed: u64,
    /// Whether steps that only the world can do are passed over.
    pub skip_world_steps: bool,
    /// Where the home stands.
    pub position: HomePosition,
}

/// Why a scenario was not played to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlayError {
    /// No first connection.
    #[error(transparent)]
    NoBroker(LinkTrouble),
    /// Steps that only the world can do.
    #[error("line {line}: {text}; --skip-world-steps passes over such steps")]
    WorldStep {
        /// Line of the first of them.
        line: usize,
        /// What it is.
        text: String,
    },
    /// The connection's task ended.
    #[error("the scenario stopped in the middle")]
    Closed(#[source] LinkClosed),
    /// It was interrupted.
    #[error("interrupted; {played} of {steps} steps were played")]
    Interrupted {
        /// Steps played.
        played: usize,
        /// Steps there are.
        steps: usize,
    },
    /// The broker did not confirm everything.
    #[error("{missing} messages were not confirmed by the broker within 30 s")]
    Unconfirmed {
        /// How many.
        missing: u64,
    },
}

/// The first step that only the world can do, if any.
pub fn world_step(scenario: &Scenario) -> Option<PlayError> {
    scenario.steps.iter().find_map(|step| match &step.act {
        Act::World(act) => Some(PlayError::WorldStep { line: step.line, text: only_the_world(&act.to_string()) }),
        Act::Device { .. }
        | Act::Chatter { .. }
        | Act::DeliverAgain { .. }
        | Act::Reachable { .. }
        | Act::RadioBridge(_)
        | Act::Cancel
        | Act::Mains(_)
        | Act::CheckIn(_)
        | Act::CheckOut(_)
        | Act::Malformed { .. }
        | Act::Raw { .. }
        | Act::Oversize { .. }
        | Act::Wait => None,
    })
}

/// Plays a scenario; ends when the broker has confirmed every message.
pub async fn play(
    scenario: &Scenario,
    broker: &BrokerConfig,
    options: PlayOptions,
    stop: impl Future<Output = ()>,
) -> Result<Standing, PlayError> {
    if let Some(refusal) = world_step(scenario).filter(|_| !options.skip_world_steps) {
        return Err(refusal);
    }
    tokio::pin!(stop);
    let bridge = RadioBridge::new(scenario.devices(options.seed));
    let mut wires = Wires::open(broker, &bridge, Away::Keep);
    let heard = tokio::select! {
        heard = wires.connected(PATIENCE) => heard.map_err(PlayError::NoBroker)?,
        () = &mut stop => return Err(PlayError::Interrupted { played: 0, steps: scenario.steps.len() }),
    };
    let mut stage =
        Stage { performer: Performer::new(bridge, options.position), teller: LinkTeller::default(), lamp: None };
    wires.publish(stage.performer.bridge().start()).await.map_err(PlayError::Closed)?;
    for (_, news) in heard {
        stage.on_news(&wires, news).await?;
    }
    let pace = Pace::start(Duration::ZERO, options.speed);
    for (played, step) in scenario.steps.iter().enumerate() {
        let interrupted = PlayError::Interrupted { played, steps: scenario.steps.len() };
        // Taken as one future: news must not begin the wait anew.
        let due = pace.until(step.at);
        tokio::pin!(due);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => {
                    wires.close().await;
                    return Err(interrupted);
                }
                news = wires.news() => match news {
                    Some((_, news)) => stage.on_news(&wires, news).await?,
                    None => return Err(PlayError::Closed(LinkClosed)),
                },
                () = &mut due => break,
            }
        }
        stage.step(&wires, scenario, step).await?;
    }
    let settled = tokio::time::timeout(LAST_CONFIRMATIONS, wires.settled());
    let outcome = tokio::select! {
        outcome = settled => outcome,
        () = &mut stop => {
            let steps = scenario.steps.len();
            return Err(PlayError::Interrupted { played: steps, steps });
        }
    };
    let standing = wires.close().await;
    match outcome {
        Ok(Ok(_)) => Ok(standing),
        Ok(Err(closed)) => Err(PlayError::Closed(closed)),
        Err(_) => Err(PlayError::Unconfirmed {
            missing: standing.taken.saturating_sub(standing.confirmed + standing.dropped),
        }),
    }
}

struct Stage {
    performer: Performer,
    teller: LinkTeller,
    lamp: Option<String>,
}

impl Stage {
    async fn step(&mut self, wires: &Wires, scenario: &Scenario, step: &Step) -> Result<(), PlayError> {
        let clock = narrate::clock(scenario.starts_at + step.at);
        match self.performer.perform(&step.act, wall_ms()) {
            Performed::Publish(out) => {
                say(&format!("{clock}  {}", step.act));
                wires.publish(out).await.map_err(PlayError::Closed)
            }
            Performed::World(act) => {
                say(&format!("{clock}  (skipped: {act})"));
                Ok(())
            }
        }
    }

    async fn on_news(&mut self, wires: &Wires, news: LinkNews) -> Result<(), PlayError> {
        if let Some(line) = self.teller.line(&news) {
            warn(&line);
        }
        let LinkNews::Heard { topic, payload, .. } = news else { return Ok(()) };
        let lamp = narrate::lamp(&topic, &payload);
        if lamp.is_some() && lamp != self.lamp {
            say(&format!("          {}", lamp.as_deref().unwrap_or_default()));
            self.lamp = lamp;
        }
        if let Some(line) = narrate::siren(&topic, &payload) {
            say(&format!("          {line}"));
        }
        if let Some(code) = narrate::presence_code(&topic, &payload) {
            self.performer.learn_code(code);
        }
        let out = self.performer.bridge_mut().told(&topic, &payload);
        wires.publish(out).await.map_err(PlayError::Closed)
    }
}
