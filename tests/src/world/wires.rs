//! MQTT in the home: the radio bridge's one connection, QoS 1, redelivered under the same packet id
//! with the duplicate flag until it is acknowledged; the broker takes one message after the other.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use gateway::engine::{Completion, Heard, Verdict};
use sensor_sim::publication::{Publication, Qos};

use super::watch::PressId;
use super::{Due, World};

/// Messages that the bridge keeps for an absent broker; a further one is dropped, as its own store does.
const KEPT_MAX: usize = 500;

/// A message on its way, until its acknowledgement.
#[derive(Debug, Clone)]
struct OnWire {
    topic: String,
    payload: Bytes,
    packet: Option<u16>,
    tries: u32,
    press: Option<PressId>,
}

/// The connection with what is unacknowledged on it.
#[derive(Debug, Default)]
pub(super) struct Wires {
    unacknowledged: VecDeque<OnWire>,
    /// How many of them the broker has heard on this connection.
    heard: usize,
    connected: bool,
    connection: u32,
    /// The broker has one in hand.
    busy: Option<u64>,
    next_packet: u16,
    next_token: u64,
    pub(super) flaky: bool,
    /// The press last sent under each packet id.
    presses: BTreeMap<u16, PressId>,
    /// The last message on each topic, for scenarios.
    last: BTreeMap<String, OnWire>,
}

impl Wires {
    pub(super) fn cut(&mut self) {
        self.connected = false;
        self.connection += 1;
        self.busy = None;
        self.heard = 0;
        // QoS 0 is never said again.
        self.unacknowledged.retain(|message| message.packet.is_some());
    }

    pub(super) fn press_of(&self, packet: u16) -> Option<PressId> {
        self.presses.get(&packet).copied()
    }

    /// The bridge itself starts anew: what it had not said yet is gone. Returns presses lost with it.
    pub(super) fn forget(&mut self) {
        self.cut();
        self.unacknowledged.clear();
    }

    pub(super) fn is_idle(&self) -> bool {
        self.unacknowledged.is_empty()
    }
}

impl World {
    /// The radio bridge publishes.
    pub(super) fn publish(&mut self, home: usize, publication: Publication, press: Option<PressId>) {
        let wires = &mut self.homes[home].wires;
        if !wires.connected && !publication.urgent {
            return;
        }
        if wires.unacknowledged.len() >= KEPT_MAX {
            return;
        }
        let packet = (publication.qos == Qos::AtLeastOnce).then(|| {
            wires.next_packet = wires.next_packet.checked_add(1).unwrap_or(1);
            wires.next_packet
        });
        if let Some(packet) = packet {
            match press {
                Some(press) => wires.presses.insert(packet, press),
                None => wires.presses.remove(&packet),
            };
        }
        let (topic, payload) = (publication.topic, Bytes::from(publication.payload));
        let message = OnWire { topic, payload, packet, tries: 0, press };
        if self.script.is_some() {
            wires.last.insert(message.topic.clone(), message.clone());
        }
        wires.unacknowledged.push_back(message);
        self.plan_delivery(home);
    }

    /// The last message on a topic is delivered once more, as after a lost acknowledgement.
    pub(super) fn redeliver(&mut self, home: usize, topic: &str) {
        let wires = &mut self.homes[home].wires;
        if let Some(message) = wires.last.get(topic).cloned() {
            wires.unacknowledged.push_back(OnWire { tries: message.tries + 1, ..message });
            self.plan_delivery(home);
        }
    }

    fn plan_delivery(&mut self, home: usize) {
        let wires = &mut self.homes[home].wires;
        if !wires.connected || wires.busy.is_some() || wires.heard >= wires.unacknowledged.len() {
            return;
        }
        let connection = wires.connection;
        if self.instant() {
            self.deliver(home, connection);
        } else {
            let delay = self.dice.between(1, 20);
            self.agenda.put(self.now_ms + delay, Due::Deliver { home, connection });
        }
    }

    /// The broker hands the next message to the loop.
    pub(super) fn deliver(&mut self, home: usize, connection: u32) {
        let at = &mut self.homes[home];
        let wires = &mut at.wires;
        if wires.connection != connection || !wires.connected || wires.busy.is_some() || at.process.is_none() {
            return;
        }
        let Some(message) = wires.unacknowledged.get_mut(wires.heard) else { return };
        wires.heard += 1;
        wires.next_token += 1;
        let token = wires.next_token;
        wires.busy = Some(token);
        message.tries += 1;
        let heard = Heard {
            token,
            client: "zigbee2mqtt".to_owned(),
            topic: message.topic.clone(),
            payload: message.payload.clone(),
            retain: false,
            duplicate: message.tries > 1,
            packet: message.packet,
        };
        at.inbox.push_back(Completion::Heard(heard));
        self.drain(home);
    }

    /// The loop's word on a message: acknowledged, or the connection is closed.
    pub(super) fn answered(&mut self, home: usize, token: u64, verdict: Verdict) {
        let now_ms = self.now_ms;
        let at = &mut self.homes[home];
        let wires = &mut at.wires;
        if wires.busy != Some(token) {
            return;
        }
        wires.busy = None;
        let place = wires.heard - 1;
        if verdict == Verdict::Withhold {
            let prefix = self.prefix(home);
            self.transcript
                .story(now_ms, format_args!("{prefix}button not acknowledged: its message is to be said again"));
            self.break_off(home);
            return;
        }
        let press = wires.unacknowledged.get(place).and_then(|message| message.press);
        let flaky = wires.flaky;
        if let Some(press) = press {
            self.watch.acknowledged(press, now_ms, &self.homes[home].storage);
        }
        // The acknowledgement may be lost with the connection.
        if flaky && self.dice.chance(30) {
            let prefix = self.prefix(home);
            self.transcript.story(now_ms, format_args!("{prefix}an acknowledgement is lost with its connection"));
            self.break_off(home);
            return;
        }
        let wires = &mut self.homes[home].wires;
        wires.unacknowledged.remove(place);
        wires.heard -= 1;
        self.plan_delivery(home);
    }

    fn break_off(&mut self, home: usize) {
        self.homes[home].wires.cut();
        let gap = self.dice.between(200, 6_000);
        // Now and then the bridge notices late that its connection is dead.
        let gap = if self.dice.chance(10) { gap + self.dice.between(60_000, 240_000) } else { gap };
        self.agenda.put(self.now_ms + gap, Due::Reconnect { home });
    }

    pub(super) fn reconnect(&mut self, home: usize) {
        let at = &mut self.homes[home];
        if at.wires.connected || at.process.is_none() || at.stopping.since_ms.is_some() {
            return;
        }
        at.wires.connected = true;
        self.plan_delivery(home);
        self.bridge_connected(home);
    }
}

impl World {
    /// A prepared message goes straight to the loop, at QoS 0: nothing is ever lost in a bulk run.
    pub(super) fn say(&mut self, home: usize, topic: &str, payload: &Bytes) {
        let heard = Heard {
            token: 0,
            client: "zigbee2mqtt".to_owned(),
            topic: topic.to_owned(),
            payload: payload.clone(),
            retain: false,
            duplicate: false,
            packet: None,
        };
        self.homes[home].inbox.push_back(Completion::Heard(heard));
        self.drain(home);
    }
}
