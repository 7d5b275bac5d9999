//! What the device list holds against a device, from messages as they come in.

use bytes::Bytes;
use protocol::record::Stamp;

use crate::config::GatewayConfig;
use crate::config::tests::BARE;
use crate::decode::{Decoder, Heard as DecodeInput};
use crate::decode_lines::record_of;
use crate::engine::Heard;
use crate::engine::registry::{Registry, Suspicion};
use crate::home::Home;

const HOME: &str = r#"
[[mqtt.client]]
name = "zigbee2mqtt"
password = "a-long-password"
publish = ["zigbee2mqtt/#"]
[[device]]
name = "button"
role = "sos"
room = "bedroom"
[[device]]
name = "cord"
role = "sos"
room = "bathroom"
[[device]]
name = "hall"
role = "motion"
room = "hall"
"#;

const MINUTE_MS: u64 = 60_000;

/// A decoder with its device list and a clock.
struct List {
    decoder: Decoder,
    home: Home,
    registry: Registry,
    at: Stamp,
}

/// How a message came in.
#[derive(Clone, Copy, PartialEq)]
enum Came {
    Live,
    AtQosZero,
    Retained,
}

impl List {
    fn new() -> Self {
        let config = GatewayConfig::read(&[BARE, HOME].concat()).unwrap();
        let at = Stamp { boot: 1, uptime_ms: 1_000_000, wall_ms: 0, wall_trusted: false };
        Self { decoder: Decoder::new(config.decoder), home: Home::new(config.rules), registry: Registry::default(), at }
    }

    fn hear(&mut self, device: &str, payload: &str, came: Came) -> &mut Self {
        let topic = format!("zigbee2mqtt/{device}");
        let retain = came == Came::Retained;
        let input = DecodeInput { topic: &topic, payload: payload.as_bytes(), retain, at: self.at };
        let decoded = self.decoder.decode(&input);
        let heard = Heard {
            token: 1,
            client: "bridge".into(),
            topic: topic.clone(),
            payload: Bytes::copy_from_slice(payload.as_bytes()),
            retain,
            duplicate: false,
            packet: (came != Came::AtQosZero).then_some(7),
        };
        self.registry.heard(self.at.uptime_ms, &heard, &decoded);
        for seen in decoded.seen.into_iter().filter(|seen| seen.edge) {
            self.decoder.apply(&self.at, &record_of(seen));
        }
        self
    }

    fn wait(&mut self, minutes: u64) -> &mut Self {
        self.at.uptime_ms += minutes * MINUTE_MS;
        self
    }

    fn of(&self, device: &str) -> Vec<Suspicion> {
        let lines = self.registry.lines(&self.at, &self.home, &self.decoder);
        lines.into_iter().find(|line| line.device == device).unwrap().suspicions
    }
}

#[test]
fn a_key_that_stays_set_or_says_it_again_is_latching() {
    let mut list = List::new();
    list.hear("cord", r#"{"sos":true}"#, Came::Live).wait(9);
    assert_eq!(list.of("cord"), [], "a person may hold it for a while");
    list.wait(1);
    assert_eq!(list.of("cord"), [Suspicion::Latching]);
    list.hear("cord", r#"{"sos":false}"#, Came::Live);
    assert_eq!(list.of("cord"), [], "it was let go");
    list.hear("cord", r#"{"sos":true}"#, Came::Live).hear("cord", r#"{"sos":true}"#, Came::Live);
    assert_eq!(list.of("cord"), [Suspicion::Latching], "it says its press again");
}

#[test]
fn presses_all_over_the_day_are_ghosts_and_frightened_hands_are_not() {
    let mut list = List::new();
    for _ in 0..8 {
        list.hear("button", r#"{"action":"single"}"#, Came::Live).wait(1);
    }
    assert_eq!(list.of("button"), [], "one need, pressed again and again");
    for _ in 0..4 {
        list.wait(60).hear("button", r#"{"action":"single"}"#, Came::Live);
    }
    assert_eq!(list.of("button"), [Suspicion::GhostPresses]);
    list.wait(25 * 60);
    assert_eq!(list.of("button"), [], "not today");
}

#[test]
fn a_press_at_qos_0_or_retained_is_named_and_telemetry_at_qos_0_is_not() {
    let mut list = List::new();
    list.hear("hall", r#"{"occupancy":true}"#, Came::AtQosZero);
    list.hear("button", r#"{"action":"single"}"#, Came::AtQosZero);
    list.hear("cord", r#"{"sos":false}"#, Came::Retained);
    assert_eq!(list.of("hall"), []);
    assert_eq!(list.of("button"), [Suspicion::QosZero]);
    assert_eq!(list.of("cord"), [Suspicion::Retained], "a broker's replay says nothing of the QoS");
}

#[test]
fn the_worst_of_the_latest_link_readings_counts_and_is_forgotten_with_time() {
    let mut list = List::new();
    list.hear("hall", r#"{"linkquality":12}"#, Came::Live).hear("hall", r#"{"linkquality":120}"#, Came::Live);
    assert_eq!(list.of("hall"), [Suspicion::WeakLink]);
    for _ in 0..8 {
        list.hear("hall", r#"{"linkquality":120}"#, Came::Live);
    }
    assert_eq!(list.of("hall"), []);
}
