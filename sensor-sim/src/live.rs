//! A living home over MQTT: the resident's day goes on, typed commands come in between, until it is stopped.
//!
//! Reconnects for ever; never fails because a broker is away.

use std::future::Future;

use tokio::sync::mpsc;

use crate::bridge::RadioBridge;
use crate::config::SimConfig;
use crate::life::{Life, Occurrence};
use crate::link::{Away, LinkClosed, LinkNews};
use crate::narrate::{self, LinkTeller, say, warn};
use crate::pace::{Pace, Speed, wall_ms};
use crate::performer::{Performed, Performer};
use crate::scenario::{Act, only_the_world};
use crate::wires::{Wire, Wires};

pub mod commands;

use commands::Command;

/// How a live home runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LiveOptions {
    /// How fast time passes.
    pub speed: Speed,
    /// Time of day at which it starts.
    pub from: std::time::Duration,
    /// Seed of the resident's days, batteries and link quality.
    pub seed: u64,
    /// Whether the resident lives; without, only commands and routine reports speak.
    pub resident: bool,
    /// Whether each report of a device is told on standard output.
    pub narrated: bool,
    /// What happens to messages while the broker is away.
    pub away: Away,
}

/// Lives until `stop` is ready or `quit` is typed; `typed` are lines of standard input, and may end.
pub async fn live(
    config: &SimConfig,
    options: LiveOptions,
    mut typed: mpsc::Receiver<String>,
    stop: impl Future<Output = ()>,
) -> Result<(), LinkClosed> {
    tokio::pin!(stop);
    let mut home = LiveHome::new(config, options);
    let bridge =
        RadioBridge::new(config.devices(options.seed)).on_base(&config.base).with_action_twin(config.action_twin);
    home.wires = Some(Wires::open(&config.broker, &bridge, options.away));
    let pace = Pace::start(options.from, options.speed);
    let mut typing = true;
    loop {
        let next = home.life.next_at();
        let due = async {
            match next {
                Some(at) => pace.until(at).await,
                None => std::future::pending().await,
            }
        };
        let Some(wires) = home.wires.as_mut() else { return Ok(()) };
        tokio::select! {
            biased;
            () = &mut stop => break,
            news = wires.news() => match news {
                Some((wire, news)) => home.on_news(wire, news).await?,
                None => break,
            },
            line = typed.recv(), if typing => match line {
                Some(line) => if !home.on_line(&line).await? { break },
                None => typing = false,
            },
            () = due => home.on_due().await?,
        }
    }
    home.stop().await
}

struct LiveHome<'c> {
    config: &'c SimConfig,
    options: LiveOptions,
    performer: Performer,
    life: Life,
    wires: Option<Wires>,
    tellers: [LinkTeller; 2],
    last: Option<String>,
    lamp: Option<String>,
}

impl<'c> LiveHome<'c> {
    fn new(config: &'c SimConfig, options: LiveOptions) -> Self {
        let devices = config.devices(options.seed);
        let mut life = Life::new(config.habits.clone(), &devices, &config.exit_doors(), options.seed);
        if !options.resident {
            life = life.without_resident();
        }
        let bridge = RadioBridge::new(devices).on_base(&config.base).with_action_twin(config.action_twin);
        let mut performer = Performer::new(bridge, config.position);
        // The home is joined in the middle of its day: bed, doors and rooms stand as the morning left them.
        for Occurrence { device, what, .. } in life.skip_to(options.from) {
            performer.bridge_mut().happen(&device, what);
        }
        Self { config, options, performer, life, wires: None, tellers: Default::default(), last: None, lamp: None }
    }

    async fn publish(&mut self, out: Vec<crate::publication::Publication>) -> Result<(), LinkClosed> {
        match &self.wires {
            Some(wires) => wires.publish(out).await,
            None => Ok(()),
        }
    }

    async fn on_due(&mut self) -> Result<(), LinkClosed> {
        let Some(Occurrence { at, device, what }) = self.life.next() else { return Ok(()) };
        if self.options.narrated {
            say(&format!("{}  {device}: {}", narrate::clock(at), what.words()));
        }
        let out = self.performer.bridge_mut().happen(&device, what);
        self.publish(out).await
    }

    async fn on_news(&mut self, wire: Wire, news: LinkNews) -> Result<(), LinkClosed> {
        let teller = match wire {
            Wire::Bridge => &mut self.tellers[0],
            Wire::Panel => &mut self.tellers[1],
        };
        if let Some(line) = teller.line(&news) {
            warn(&line);
        }
        match news {
            LinkNews::Connected { first } if wire == Wire::Bridge => {
                let bridge = self.performer.bridge();
                let out = if first { bridge.start() } else { bridge.retained() };
                self.publish(out).await
            }
            LinkNews::Heard { topic, payload, .. } => {
                self.hear(&topic, &payload);
                let out = self.performer.bridge_mut().told(&topic, &payload);
                self.publish(out).await
            }
            LinkNews::Connected { .. }
            | LinkNews::Subscribed
            | LinkNews::SubscriptionRefused { .. }
            | LinkNews::Away { .. }
            | LinkNews::Dropped { .. } => Ok(()),
        }
    }

    fn hear(&mut self, topic: &str, payload: &[u8]) {
        if let Some(line) = narrate::lamp(topic, payload) {
            // The gateway repeats its lease; the person at the terminal wants changes.
            if self.lamp.as_ref() != Some(&line) {
                say(&line);
                self.lamp = Some(line);
            }
        }
        if let Some(line) = narrate::siren(topic, payload) {
            say(&line);
        }
        if let Some(code) = narrate::presence_code(topic, payload) {
            self.performer.learn_code(code);
        }
    }

    /// Obeys a typed line; false for `quit`.
    async fn on_line(&mut self, line: &str) -> Result<bool, LinkClosed> {
        match commands::read(line, &self.config.home, self.last.as_deref()) {
            Ok(Command::Quit) => return Ok(false),
            Ok(Command::Nothing) => {}
            Ok(Command::Help) => say(commands::HELP),
            Ok(Command::Devices) => self.say_devices(),
            Ok(Command::Acts(acts)) => {
                for act in &acts {
                    self.act(act).await?;
                }
            }
            Err(why) => warn(&format!("{why} (`help` lists the commands)")),
        }
        Ok(true)
    }

    async fn act(&mut self, act: &Act) -> Result<(), LinkClosed> {
        if let Act::Device { device, .. } = act {
            self.last = Some(device.clone());
        }
        if matches!(act, Act::CheckIn(note) | Act::CheckOut(note) if note.code.is_none())
            && self.performer.code().is_none()
        {
            warn("no presence code has been shown yet; the visit goes out without one");
        }
        match self.performer.perform(act, wall_ms()) {
            Performed::Publish(out) => {
                say(&format!("→ {act}"));
                self.publish(out).await
            }
            Performed::World(act) => {
                warn(&only_the_world(&act.to_string()));
                Ok(())
            }
        }
    }

    fn say_devices(&self) {
        for entry in &self.config.home {
            let Some(device) = self.performer.bridge().device(&entry.name) else { continue };
            let state = serde_json::Value::Object(device.cached().clone());
            let room = entry.room.as_deref().unwrap_or("-");
            say(&format!("  {:<14} {:<14} {room:<12} {state}", entry.name, entry.kind.word()));
        }
    }

    async fn stop(mut self) -> Result<(), LinkClosed> {
        let out = self.performer.bridge().stop();
        let Some(wires) = self.wires.take() else { return Ok(()) };
        if wires.standing().connected {
            wires.publish(out).await?;
        }
        // A broker that hangs must not hold up a Ctrl-C.
        let closed = tokio::time::timeout(std::time::Duration::from_secs(2), wires.close()).await;
        match closed {
            Ok(standing) => warn(&format!("stopped; {} messages confirmed", standing.confirmed)),
            Err(_) => warn("stopped; the broker did not answer the sign-off"),
        }
        Ok(())
    }
}
