//! Hostile bytes at every door of the product, and what must hold whatever they are: tests replay corpora
//! and mutations of them through these functions, and a fuzzer can call them. A failure is a panic.

use bytes::Bytes;
use cloud_bridge::centre::{Centre, Request};
use cloud_bridge::config::CentreConfig;
use cloud_bridge::store::memory::MemoryStore;
use gateway::config::GatewayConfig;
use gateway::decode::{DecoderConfig, Role};
use gateway::engine::{Command, Completion, Engine, EngineConfig, EngineLimits, Heard, Now, Recovered};
use gateway::home::{HomeRules, Place};
use gateway::journal::sim_storage::SimStorage;
use gateway::journal::{Journal, JournalLimits, Storage as _};
use gateway::outbox::OutboxTimes;
use protocol::ids::Incarnation;
use protocol::observation::{Kind, Reading};
use protocol::record::{Body, ChainHead, Observed, Record, Stamp};

/// Separates the messages of one input.
const NEXT: u8 = 0xfe;

/// Topics that the first byte of a message picks from; the last is the message's own first line.
const TOPICS: [&str; 12] = [
    "zigbee2mqtt/sos",
    "zigbee2mqtt/sos/action",
    "zigbee2mqtt/hall",
    "zigbee2mqtt/radar",
    "zigbee2mqtt/bridge/devices",
    "zigbee2mqtt/bridge/state",
    "zigbee2mqtt/unknown",
    "zigbee2mqtt/hall/availability",
    "homecare/visit",
    "homecare/cancel",
    "rtl_433/home/devices/model/1",
    "tele/tasmota/SENSOR",
];

/// A home with one device of each role.
fn engine_config() -> EngineConfig {
    let mut rules = HomeRules::default();
    let mut decoder = DecoderConfig::without_home();
    for (name, role) in [
        ("sos", Role::Sos),
        ("hall", Role::Motion),
        ("radar", Role::Fall),
        ("fine", Role::ImFine),
        ("smoke", Role::Smoke),
    ] {
        rules.devices.insert(name.into(), Place { role: Some(role), room: None, power: None });
        decoder.devices.insert(name.into(), role);
    }
    let (outbox, limits) = (OutboxTimes::default(), EngineLimits::default());
    EngineConfig { rules, decoder, outbox, paths: 1, limits, version: "fuzz".into() }
}

/// Runs messages through the loop that ships: each is answered, and its records are what a journal takes.
fn hear(messages: impl Iterator<Item = (String, Vec<u8>, bool)>) {
    let mut now = Now { boot: 1, uptime_ms: 1_000, wall_ms: 0 };
    let (mut engine, commands) = Engine::start(engine_config(), Recovered::default(), Incarnation(1), &now, 1);
    let mut answered = std::collections::BTreeSet::new();
    let mut queue = commands;
    let mut token = 0;
    for (topic, payload, retain) in messages {
        token += 1;
        now.uptime_ms += 137;
        let heard = Heard {
            token,
            client: "fuzz".into(),
            topic,
            payload: Bytes::from(payload),
            retain,
            duplicate: false,
            packet: Some(token as u16),
        };
        queue.extend(engine.step(&now, Completion::Heard(heard)));
        while let Some(command) = queue.pop() {
            match command {
                Command::Answer { token, .. } => {
                    assert!(answered.insert(token), "a message was answered twice");
                }
                Command::Write { records, .. } => {
                    let mut prev = None;
                    for record in &records {
                        let bytes = record.encode().expect("what was sealed can be written");
                        let again = Record::decode(protocol::record::BODY_VERSION, &bytes, record.prev);
                        assert_eq!(again.as_ref(), Ok(&**record), "a record reads back as it was");
                        assert!(prev.is_none_or(|prev| prev == record.prev), "the chain holds");
                        prev = Some(record.hash);
                    }
                    let through = records.last().map_or(0, |record| record.seq);
                    queue.extend(engine.step(&now, Completion::Written { through, segment_bytes: 0 }));
                }
                Command::Contact(_)
                | Command::Load { .. }
                | Command::Send { .. }
                | Command::Poll { .. }
                | Command::Tell { .. }
                | Command::Reserve { .. }
                | Command::Retire { .. }
                | Command::Stop => {}
            }
        }
        assert!(answered.contains(&token), "every message is answered once its records are written");
    }
}

/// MQTT messages: the first byte of each picks topic and retain flag.
pub fn decode(bytes: &[u8]) {
    let messages = bytes.split(|byte| *byte == NEXT).filter_map(|message| {
        let (first, payload) = message.split_first()?;
        let topic = TOPICS[usize::from(first & 0x0f) % TOPICS.len()];
        Some((topic.to_owned(), payload.to_vec(), first & 0x80 != 0))
    });
    hear(messages.take(64));
}

/// Check-ins and check-outs.
pub fn visit(bytes: &[u8]) {
    let messages =
        bytes.split(|byte| *byte == NEXT).map(|payload| ("homecare/visit".to_owned(), payload.to_vec(), false));
    hear(messages.take(64));
}

/// A small reserve: making one is most of what opening a journal costs.
fn limits() -> JournalLimits {
    JournalLimits { reserve_bytes: 16 * 1024, ..JournalLimits::default() }
}

/// A whole journal of two segments, and the name of each.
fn whole_journal() -> (SimStorage, Vec<String>) {
    let disk = SimStorage::new();
    let limits = JournalLimits { segment_bytes: 1, ..limits() };
    let (mut journal, recovery) = Journal::open(disk.clone(), limits).expect("an empty disk opens");
    let mut head = ChainHead { incarnation: Incarnation(5), next_seq: recovery.next_seq, hash: recovery.head_hash };
    for round in 0..2_u64 {
        let records: Vec<_> =
            (0..4).map(|number| head.seal(stamp(round * 4 + number), None, motion()).expect("it fits")).collect();
        journal.write(&records).expect("it is written");
        if round == 0 {
            journal.roll(b"checkpoint").expect("it rolls");
        }
    }
    let names = disk.list().expect("names");
    (disk, names)
}

fn stamp(seq: u64) -> Stamp {
    Stamp { boot: 7, uptime_ms: 1_000 * seq, wall_ms: 0, wall_trusted: false }
}

fn motion() -> Body {
    let (device, key) = ("hall".to_owned(), "occupancy".to_owned());
    Body::Observed(Observed { kind: Kind::Motion, device, key, room: None, value: Reading::Active })
}

/// A journal's bytes: an even first byte makes the rest a segment of its own, an odd one damages a whole
/// journal in places of three bytes each (where, where, with what). It must open, take records, and open again.
pub fn journal(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let (mut disk, names) = whole_journal();
    let name = &names[usize::from(first >> 1) % names.len()];
    let mut content = disk.read_all(name);
    if first & 1 == 0 {
        content = rest.to_vec();
    } else {
        for place in rest.chunks_exact(3) {
            let at = usize::from(u16::from_be_bytes([place[0], place[1]]));
            if let Some(byte) = content.get_mut(at) {
                *byte ^= place[2];
            } else if !content.is_empty() {
                content.truncate(at % content.len());
            }
        }
    }
    disk.put(name, content);
    let Ok((mut journal, recovery)) = Journal::open(disk.clone(), limits()) else {
        // Only a journal of a newer program is refused, and it is left as it is.
        return;
    };
    let mut head = ChainHead { incarnation: Incarnation(6), next_seq: recovery.next_seq, hash: recovery.head_hash };
    let more = [head.seal(stamp(99), None, motion()).expect("it fits")];
    journal.write(&more).expect("a journal that opened takes records");
    drop(journal);
    let (_, again) = Journal::open(disk, limits()).expect("and opens again");
    assert_eq!(again.records.last(), more.last(), "what was written is read");
}

/// A body for `POST /v1/uplink`: read as the API reads it, and taken by the centre.
pub fn uplink(bytes: &[u8]) {
    let Some(uplink) = cloud_bridge::api::understand_uplink(Bytes::copy_from_slice(bytes)) else { return };
    let asked = uplink.batch.records.len();
    let mut centre = Centre::open(MemoryStore::new()).expect("a store in memory");
    let batch = uplink.batch.clone();
    let handled = centre.handle_batch(0, vec![Request::Uplink(uplink), Request::Uplink(batch.into())]);
    assert_eq!(handled.answers.len(), 2, "each request is answered");
    assert!(asked < 10_000);
}

/// A configuration text, read by both programs: it is taken, or every problem has words.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(problems) = GatewayConfig::read(text) {
        assert!(!problems.is_empty() && problems.iter().all(|problem| !problem.to_string().is_empty()));
    }
    if let Err(problems) = CentreConfig::parse(text) {
        assert!(!problems.is_empty() && problems.iter().all(|problem| !problem.to_string().is_empty()));
    }
}

/// A door that takes any bytes and never panics.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: [(&str, Target); 5] =
    [("decode", decode), ("journal", journal), ("uplink", uplink), ("config", config), ("visit", visit)];

/// Reads a whole file of a simulated disk.
trait ReadAll {
    fn read_all(&self, name: &str) -> Vec<u8>;
}

impl ReadAll for SimStorage {
    fn read_all(&self, name: &str) -> Vec<u8> {
        let mut content = vec![0; usize::try_from(self.size(name).expect("it is there")).expect("it fits")];
        let read = self.read_at(name, 0, &mut content).expect("it is read");
        content.truncate(read);
        content
    }
}
