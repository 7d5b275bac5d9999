//! Wired inputs: watched, debounced, and said to the loop as messages of the product's own, the same
//! way as a device's. A press is said again until it is acknowledged, which means that it is safe.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{oneshot, watch};
use tokio::time::MissedTickBehavior;

use super::wire::{Closed, Contacts, Said, Wire};
use super::{PinBank, Pull};
use crate::decode::{GenericRule, Role, Select, TopicPattern, WIRE};
use crate::engine::Verdict;
use crate::intake::{Incoming, IntakeSender};

/// How often levels are read: a pulled cord closes for far longer, and a lost edge cannot lose it.
const READ_EVERY: Duration = Duration::from_millis(5);

/// From an unacknowledged message to its next saying.
const SAY_AGAIN: Duration = Duration::from_millis(500);

/// What is wired to a pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WiredKind {
    /// A cord or button: every pull is an emergency.
    Sos,
    /// A contact that is active while there is mains supply.
    Mains,
    /// A contact that is active while the gateway's battery is low.
    BatteryLow,
}

impl WiredKind {
    /// Each kind's word in a configuration.
    pub const WORDS: &[(&str, Self)] = &[("sos", Self::Sos), ("mains", Self::Mains), ("battery_low", Self::BatteryLow)];
}

/// One configured input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WiredInput {
    /// The device it is in records.
    pub name: String,
    /// What is wired.
    pub kind: WiredKind,
    /// BCM number of the contact.
    pub pin: u8,
    /// BCM number of the contact that is closed at rest, where the cord is supervised.
    pub supervise_pin: Option<u8>,
    /// How the contact is wired.
    pub contacts: Contacts,
    /// How the pins are pulled: to 3.3 V where the contacts close to ground.
    pub pull: Pull,
    /// How long a level stands before it counts, milliseconds.
    pub debounce_ms: u64,
}

impl WiredInput {
    /// The topic it speaks on; no client may publish there.
    pub fn topic(&self) -> String {
        topic(&self.name)
    }

    /// How the decoder reads what it says.
    pub fn rules(&self) -> Vec<GenericRule> {
        let Ok(topic) = TopicPattern::parse(&self.topic()) else { return Vec::new() };
        let rule = |role, key: &str, on: &str, off: &str, momentary| GenericRule {
            device: self.name.clone(),
            topic: topic.clone(),
            select: Select::json(key),
            conditions: Vec::new(),
            role,
            on: vec![on.to_owned()],
            off: vec![off.to_owned()],
            momentary,
            debounce_ms: 0,
            count: None,
        };
        match self.kind {
            WiredKind::Sos => vec![
                rule(Role::Sos, "cord", "pulled", "rest", true),
                rule(Role::Tamper, WIRE, "faulty", "whole", false),
            ],
            WiredKind::Mains => vec![rule(Role::Mains, "mains", "present", "lost", false)],
            WiredKind::BatteryLow => vec![rule(Role::Battery, "battery", "low", "normal", false)],
        }
    }

    /// The role of the device that it is.
    pub fn role(&self) -> Role {
        match self.kind {
            WiredKind::Sos => Role::Sos,
            WiredKind::Mains => Role::Mains,
            WiredKind::BatteryLow => Role::Battery,
        }
    }

    /// The message that tells what the wire says.
    fn payload(&self, said: Said) -> &'static str {
        match (self.kind, said) {
            (WiredKind::Sos, Said::Active) => r#"{"cord":"pulled","wire":"whole"}"#,
            (WiredKind::Sos, Said::Rest) => r#"{"cord":"rest","wire":"whole"}"#,
            (WiredKind::Sos, Said::Cut | Said::Shorted) => r#"{"wire":"faulty"}"#,
            (WiredKind::Mains, Said::Active) => r#"{"mains":"present"}"#,
            (WiredKind::Mains, Said::Rest | Said::Cut | Said::Shorted) => r#"{"mains":"lost"}"#,
            (WiredKind::BatteryLow, Said::Active) => r#"{"battery":"low"}"#,
            (WiredKind::BatteryLow, Said::Rest | Said::Cut | Said::Shorted) => r#"{"battery":"normal"}"#,
        }
    }
}

/// The topic of a wired input.
pub fn topic(name: &str) -> String {
    // A name is an installer's free text; a level separator or wildcard in it would name other topics.
    format!("{}{}", protocol::topics::WIRED, name.replace(['/', '+', '#'], "_"))
}

/// Watches every input until `stop`; one that cannot be had is told and left out.
pub fn start(inputs: Vec<WiredInput>, bank: &Arc<dyn PinBank>, intake: &IntakeSender, stop: &watch::Receiver<bool>) {
    for (number, input) in inputs.into_iter().enumerate() {
        let pins = [Some(input.pin), input.supervise_pin];
        if let Some(error) = pins.iter().flatten().find_map(|pin| bank.make_input(*pin, input.pull).err()) {
            tracing::error!(input = input.name, %error, "a wired input is not heard");
            continue;
        }
        let mouth = Mouth { client: format!("gpio-{number}"), intake: intake.clone(), packet: 0 };
        tokio::spawn(watch_input(input, Arc::clone(bank), mouth, stop.clone()));
    }
}

async fn watch_input(input: WiredInput, bank: Arc<dyn PinBank>, mut mouth: Mouth, mut stop: watch::Receiver<bool>) {
    let (news, mut said) = tokio::sync::mpsc::unbounded_channel();
    let topic = input.topic();
    // Speaking waits for the disk; watching does not, so that a second pull meanwhile is seen.
    tokio::spawn(async move {
        while let Some(payload) = said.recv().await {
            mouth.say(&topic, payload).await;
        }
    });
    let mut wire = Wire::new(input.contacts, input.debounce_ms);
    let mut tick = tokio::time::interval(READ_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let began = tick.tick().await;
    loop {
        let at = tokio::select! {
            at = tick.tick() => at,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let closed = |pin| bank.is_high(pin) != (input.pull == Pull::Up);
        let levels = Closed { main: closed(input.pin), rest: input.supervise_pin.is_some_and(closed) };
        let now_ms = u64::try_from(at.duration_since(began).as_millis()).unwrap_or(u64::MAX);
        if let Some(heard) = wire.sample(now_ms, levels)
            && news.send(input.payload(heard)).is_err()
        {
            return;
        }
    }
}

/// Says what an input heard, like a client with a packet identifier for each message.
struct Mouth {
    client: String,
    intake: IntakeSender,
    packet: u16,
}

impl Mouth {
    async fn say(&mut self, topic: &str, payload: &'static str) {
        self.packet = self.packet.checked_add(1).unwrap_or(1);
        let mut duplicate = false;
        loop {
            let (answer, verdict) = oneshot::channel();
            let incoming = Incoming {
                client: self.client.clone(),
                topic: topic.to_owned(),
                payload: Bytes::from_static(payload.as_bytes()),
                retain: false,
                duplicate,
                packet: Some(self.packet),
                answer,
            };
            if self.intake.send(incoming).await.is_err() {
                return;
            }
            if verdict.await == Ok(Verdict::Acknowledge) {
                return;
            }
            duplicate = true;
            tokio::time::sleep(SAY_AGAIN).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::gpio::SimulatedPins;

    fn cord() -> WiredInput {
        WiredInput {
            name: "bath cord".into(),
            kind: WiredKind::Sos,
            pin: 17,
            supervise_pin: Some(27),
            contacts: Contacts::Supervised,
            pull: Pull::Up,
            debounce_ms: 0,
        }
    }

    #[tokio::test]
    async fn a_pull_is_said_again_until_it_is_safe_and_a_second_pull_meanwhile_is_not_lost() {
        let pins = SimulatedPins::default();
        let bank: Arc<dyn PinBank> = Arc::new(pins.clone());
        let (intake, mut incoming) = mpsc::channel(16);
        let (_stop, stopping) = watch::channel(false);
        bank.make_input(27, Pull::Up).unwrap();
        pins.drive(27, false);
        start(vec![cord()], &bank, &intake, &stopping);
        let rest = incoming.recv().await.unwrap();
        assert_eq!(
            (rest.topic.as_str(), &rest.payload[..]),
            ("homecare/wired/bath cord", &br#"{"cord":"rest","wire":"whole"}"#[..])
        );
        rest.answer.send(Verdict::Acknowledge).unwrap();
        let pull = |pulled: bool| {
            pins.drive(17, !pulled);
            pins.drive(27, pulled);
        };
        pull(true);
        let first = incoming.recv().await.unwrap();
        assert_eq!((&first.payload[..], first.duplicate), (&br#"{"cord":"pulled","wire":"whole"}"#[..], false));
        let packet = first.packet;
        first.answer.send(Verdict::Withhold).unwrap();
        let again = incoming.recv().await.unwrap();
        assert_eq!((again.packet, again.duplicate), (packet, true));
        // While that one waits for the disk, the cord is let go and pulled again.
        for pulled in [false, true] {
            pull(pulled);
            let enough = pins.reads(27) + 2;
            while pins.reads(27) < enough {
                tokio::time::sleep(READ_EVERY).await;
            }
        }
        again.answer.send(Verdict::Acknowledge).unwrap();
        let let_go = incoming.recv().await.unwrap();
        let_go.answer.send(Verdict::Acknowledge).unwrap();
        let second = incoming.recv().await.unwrap();
        assert_eq!(&second.payload[..], br#"{"cord":"pulled","wire":"whole"}"#);
        assert_ne!(second.packet, packet);
    }
}
