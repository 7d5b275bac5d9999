//! The order in which one connection's packets go to the broker: life safety overtakes telemetry.
//!
//! A publish on a life-safety topic overtakes every other packet, except that it never overtakes what
//! a radio bridge says of itself: whether a repeated SOS is its cache speaking hangs on that. Packets
//! of one topic keep their order. Only so much telemetry is given to the broker unanswered, so that
//! what comes behind it finds a short queue.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use super::frame::{self, Header};

/// Most telemetry packets at the broker and not yet answered.
const WINDOW_MAX: usize = 32;

/// Which topics are life safety and which are a radio bridge's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topics {
    /// Exact topics of buttons, fall sensors, detectors, visits and cancels.
    pub life_safety: BTreeSet<String>,
    /// What a radio bridge says of itself begins with this.
    pub bridge_prefix: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Urgent,
    /// Telemetry and everything that may be overtaken.
    Yielding,
    /// Nothing overtakes it.
    Barrier,
}

#[derive(Debug)]
struct Packet {
    bytes: Bytes,
    header: Header,
    barrier: bool,
}

/// What was sent to the broker and what it owes for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ping {
    /// The client's own, whose answer it wants.
    Clients,
    /// Asked by the door behind so many messages that have no answer of their own.
    Doors(usize),
}

/// One connection's packets on their way to the broker.
#[derive(Debug)]
pub struct Lanes {
    topics: Arc<Topics>,
    urgent: VecDeque<Packet>,
    ordered: VecDeque<Packet>,
    barriers: usize,
    bytes: usize,
    /// Telemetry given to the broker and not yet answered.
    unanswered: usize,
    /// Messages at QoS 0 since the last ping of the door's.
    unasked: usize,
    pings: VecDeque<Ping>,
}

impl Lanes {
    /// Empty lanes.
    pub fn new(topics: Arc<Topics>) -> Self {
        Self {
            topics,
            urgent: VecDeque::new(),
            ordered: VecDeque::new(),
            barriers: 0,
            bytes: 0,
            unanswered: 0,
            unasked: 0,
            pings: VecDeque::new(),
        }
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.ordered.is_empty()
    }

    /// Takes a whole packet of the client's.
    pub fn push(&mut self, bytes: Bytes, header: Header) {
        self.bytes += bytes.len();
        let manner = self.manner(&bytes, header);
        let barrier = manner == Manner::Barrier;
        let packet = Packet { bytes, header, barrier };
        if manner == Manner::Urgent && self.barriers == 0 {
            self.urgent.push_back(packet);
        } else {
            self.barriers += usize::from(barrier);
            self.ordered.push_back(packet);
        }
    }

    fn manner(&self, bytes: &[u8], header: Header) -> Manner {
        if header.packet() != frame::PUBLISH {
            return Manner::Yielding;
        }
        match frame::topic(bytes, header) {
            // A topic given by its alias alone, or none at all, is for the broker to judge, in its place.
            None | Some("") => Manner::Barrier,
            Some(topic) if self.topics.life_safety.contains(topic) => Manner::Urgent,
            Some(topic) if topic.starts_with(&self.topics.bridge_prefix) => Manner::Barrier,
            Some(_) => Manner::Yielding,
        }
    }

    /// The next bytes for the broker, where some may go now.
    pub fn pop(&mut self) -> Option<Bytes> {
        if let Some(packet) = self.urgent.pop_front() {
            self.bytes -= packet.bytes.len();
            self.gone(packet.header, false);
            return Some(packet.bytes);
        }
        if self.unasked >= WINDOW_MAX / 2 {
            self.pings.push_back(Ping::Doors(self.unasked));
            self.unasked = 0;
            return Some(Bytes::from_static(&frame::PINGREQ_BYTES));
        }
        let is_publish = self.ordered.front()?.header.packet() == frame::PUBLISH;
        if is_publish && self.unanswered >= WINDOW_MAX {
            return None;
        }
        let packet = self.ordered.pop_front()?;
        self.bytes -= packet.bytes.len();
        self.barriers -= usize::from(packet.barrier);
        self.gone(packet.header, true);
        Some(packet.bytes)
    }

    fn gone(&mut self, header: Header, yielding: bool) {
        if header.packet() == frame::PUBLISH {
            let unacknowledged = header.qos() == 0;
            // Life safety is counted too, for its acknowledgement is counted off.
            if !unacknowledged || yielding {
                self.unanswered += 1;
                self.unasked += usize::from(unacknowledged);
            }
        } else if header.first == frame::PINGREQ_BYTES[0] {
            self.pings.push_back(Ping::Clients);
        }
    }

    /// The broker answered with a packet of this type. Returns whether the client is to have it.
    pub fn answered(&mut self, packet: u8) -> bool {
        match packet {
            frame::PUBACK | frame::PUBREC => self.unanswered = self.unanswered.saturating_sub(1),
            frame::PINGRESP => {
                if let Some(Ping::Doors(count)) = self.pings.pop_front() {
                    self.unanswered = self.unanswered.saturating_sub(count);
                    return false;
                }
            }
            _ => {}
        }
        true
    }

    /// Whether telemetry waits for the broker's answers only.
    pub fn is_held(&self) -> bool {
        self.urgent.is_empty() && !self.ordered.is_empty() && self.unanswered >= WINDOW_MAX
    }

    /// The broker has owed its answers for too long: it will not give them, and nothing waits for them any more.
    pub fn forgive(&mut self) {
        self.unanswered = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::{Front, front};
    use super::*;

    fn publish(topic: &str, qos: u8, number: u8) -> Bytes {
        let mut body = (topic.len() as u16).to_be_bytes().to_vec();
        body.extend(topic.as_bytes());
        if qos > 0 {
            body.extend([0, number]);
        }
        body.push(number);
        let mut packet = vec![0x30 | qos << 1, body.len() as u8];
        packet.extend(body);
        packet.into()
    }

    fn lanes() -> Lanes {
        let life_safety = BTreeSet::from(["zigbee2mqtt/sos".to_owned()]);
        Lanes::new(Arc::new(Topics { life_safety, bridge_prefix: "zigbee2mqtt/bridge/".into() }))
    }

    fn push(lanes: &mut Lanes, packet: Bytes) {
        let Front::Packet(header) = front(&packet) else { panic!("no packet") };
        lanes.push(packet, header);
    }

    /// The numbers of the publishes that go until none may.
    fn popped(lanes: &mut Lanes) -> Vec<u8> {
        std::iter::from_fn(|| lanes.pop())
            .filter(|packet| packet[0] >> 4 == 3)
            .map(|packet| packet[packet.len() - 1])
            .collect()
    }

    #[test]
    fn a_press_overtakes_a_thousand_motions_and_the_window_does_not_hold_it() {
        let mut lanes = lanes();
        for _ in 0..1_000 {
            push(&mut lanes, publish("zigbee2mqtt/hall", 1, 1));
        }
        assert_eq!(popped(&mut lanes).len(), WINDOW_MAX);
        assert!(lanes.is_held());
        push(&mut lanes, publish("zigbee2mqtt/sos", 1, 9));
        assert_eq!(popped(&mut lanes), [9]);
        assert!(lanes.answered(frame::PUBACK));
        assert!(lanes.answered(frame::PUBACK));
        assert_eq!(popped(&mut lanes), [1]);
    }

    #[test]
    fn presses_keep_their_order_and_motions_theirs() {
        let mut lanes = lanes();
        for number in 1..=4 {
            push(&mut lanes, publish(if number % 2 == 0 { "zigbee2mqtt/sos" } else { "zigbee2mqtt/hall" }, 1, number));
        }
        assert_eq!(popped(&mut lanes), [2, 4, 1, 3]);
    }

    #[test]
    fn what_a_bridge_says_of_itself_is_never_overtaken() {
        let mut lanes = lanes();
        push(&mut lanes, publish("zigbee2mqtt/bridge/state", 1, 1));
        push(&mut lanes, publish("zigbee2mqtt/sos", 1, 2));
        push(&mut lanes, publish("zigbee2mqtt/hall", 1, 3));
        assert_eq!(popped(&mut lanes), [1, 2, 3]);
    }

    #[test]
    fn messages_without_acknowledgement_are_paced_by_pings_that_the_client_never_sees() {
        let mut lanes = lanes();
        for _ in 0..100 {
            push(&mut lanes, publish("zigbee2mqtt/hall", 0, 1));
        }
        assert_eq!(popped(&mut lanes).len(), WINDOW_MAX);
        assert!(!lanes.answered(frame::PINGRESP));
        assert_eq!(popped(&mut lanes).len(), WINDOW_MAX / 2);
        push(&mut lanes, Bytes::from_static(&frame::PINGREQ_BYTES));
        while !lanes.is_empty() {
            popped(&mut lanes);
            if !lanes.is_empty() {
                assert!(!lanes.answered(frame::PINGRESP));
            }
        }
        let clients = std::iter::from_fn(|| lanes.pings.front().is_some().then(|| lanes.answered(frame::PINGRESP)));
        assert_eq!(clients.filter(|for_client| *for_client).count(), 1);
    }

    #[test]
    fn answers_that_never_come_hold_nothing_up_for_ever() {
        let mut lanes = lanes();
        for _ in 0..WINDOW_MAX + 1 {
            push(&mut lanes, publish("zigbee2mqtt/hall", 1, 1));
        }
        popped(&mut lanes);
        lanes.forgive();
        assert_eq!(popped(&mut lanes).len(), 1);
    }
}
