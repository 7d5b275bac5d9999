mod anew;
mod reserve;
mod takeover;

use std::collections::BTreeMap;

use bytes::Bytes;
use protocol::ids::{Hash32, Incarnation, LocalKey};
use protocol::observation::Kind;
use protocol::trigger::TriggerKind;
use protocol::uplink::Receipt;

use super::*;
use crate::decode::{DecoderConfig, Role};
use crate::home::{HomeRules, Place};
use crate::outbox::OutboxTimes;

const PRESS: &[u8] = br#"{"action":"emergency","linkquality":80}"#;
const MOTION: &[u8] = br#"{"occupancy":true,"linkquality":80}"#;

fn config() -> EngineConfig {
    let mut rules = HomeRules::default();
    let mut decoder = DecoderConfig::without_home();
    for (name, role) in [("sos", Role::Sos), ("hall", Role::Motion), ("radar", Role::Fall)] {
        rules.devices.insert(name.into(), Place { role: Some(role), ..Place::default() });
        decoder.devices.insert(name.into(), role);
    }
    let (outbox, limits) = (OutboxTimes::default(), EngineLimits::default());
    EngineConfig { rules, decoder, outbox, paths: 1, limits, version: "test".into() }
}

/// A loop whose driver is the test.
struct Rig {
    engine: Engine,
    now: Now,
    journal: Vec<Record>,
    token: u64,
}

impl Rig {
    fn start(journal: Vec<Record>, incarnation: u64) -> (Self, Vec<Command>) {
        let now = Now { boot: 1, uptime_ms: 1_000, wall_ms: 0 };
        let last = journal.last();
        let recovered = Recovered {
            checkpoint: None,
            last_seq: last.map_or(0, |record| record.seq),
            hash: last.map_or(Hash32::ZERO, |record| record.hash),
            records: journal.clone(),
            ..Recovered::default()
        };
        let (engine, commands) = Engine::start(config(), recovered, Incarnation(incarnation), &now, 1);
        let mut rig = Self { engine, now, journal, token: 0 };
        let commands = rig.execute(commands);
        (rig, commands)
    }

    fn fresh() -> Self {
        Self::start(Vec::new(), 1).0
    }

    /// Writes what is to be written and steps on; returns every other command.
    fn execute(&mut self, commands: Vec<Command>) -> Vec<Command> {
        let mut others = Vec::new();
        for command in commands {
            if let Command::Write { records, .. } = command {
                let through = records.last().map_or(0, |record| record.seq);
                self.journal.extend(records.iter().map(|record| Record::clone(record)));
                others.extend(self.step(Completion::Written { through, segment_bytes: 0 }));
            } else {
                others.push(command);
            }
        }
        others
    }

    fn step(&mut self, completion: Completion) -> Vec<Command> {
        let commands = self.engine.step(&self.now, completion);
        self.execute(commands)
    }

    fn message(&mut self, topic: &str, payload: &'static [u8], packet: Option<u16>, duplicate: bool) -> Completion {
        self.token += 1;
        let (token, payload) = (self.token, Bytes::from_static(payload));
        let (client, topic) = ("zigbee2mqtt".into(), topic.into());
        Completion::Heard(Heard { token, client, topic, payload, retain: false, duplicate, packet })
    }

    fn triggers(&self) -> usize {
        self.journal.iter().filter(|record| matches!(record.body, Body::Trigger(_))).count()
    }
}

fn answers(commands: &[Command]) -> Vec<Verdict> {
    let verdict = |command: &Command| if let Command::Answer { verdict, .. } = command { Some(*verdict) } else { None };
    commands.iter().filter_map(verdict).collect()
}

fn sent(commands: &[Command]) -> Vec<(u64, Vec<Arc<Record>>)> {
    let sent = |command: &Command| {
        if let Command::Send { request, records, .. } = command { Some((*request, records.clone())) } else { None }
    };
    commands.iter().filter_map(sent).collect()
}

fn told(commands: &[Command]) -> Vec<Stage> {
    let told = |command: &Command| if let Command::Tell { stage, .. } = command { Some(*stage) } else { None };
    commands.iter().filter_map(told).collect()
}

fn receipts(records: &[Arc<Record>]) -> UplinkAnswer {
    let receipts = records.iter().map(|record| Receipt { key: record.key(), hash: record.hash }).collect();
    UplinkAnswer { v: 1, ver: 1, receipts, refused: Vec::new() }
}

fn seqs(records: &[Arc<Record>]) -> Vec<u64> {
    records.iter().map(|record| record.seq).collect()
}

#[test]
fn a_press_is_acknowledged_told_and_sent_only_after_its_sync() {
    let mut rig = Rig::fresh();
    let press = rig.message("zigbee2mqtt/sos", PRESS, Some(1), false);
    let commands = rig.engine.step(&rig.now, press);
    let [Command::Write { records, .. }] = &commands[..] else { panic!("only a write may come first: {commands:?}") };
    let through = records.last().unwrap().seq;
    let commands = rig.engine.step(&rig.now, Completion::Written { through, segment_bytes: 0 });
    assert_eq!(answers(&commands), [Verdict::Acknowledge]);
    assert_eq!(told(&commands), [Stage::Recorded]);
    let sends = sent(&commands);
    assert!(sends.iter().any(|(_, records)| records.iter().any(|record| matches!(record.body, Body::Trigger(_)))));
}

#[test]
fn motion_is_acknowledged_at_once_and_synced_with_the_next_write() {
    let mut rig = Rig::fresh();
    let motion = rig.message("zigbee2mqtt/hall", MOTION, Some(1), false);
    let commands = rig.engine.step(&rig.now, motion);
    assert_eq!(commands, [Command::Answer { token: 1, verdict: Verdict::Acknowledge }]);
    assert_eq!(rig.engine.next_deadline_ms(), Some(rig.now.uptime_ms + EngineLimits::default().linger_ms));
    rig.now.uptime_ms += EngineLimits::default().linger_ms;
    let before = rig.journal.len();
    rig.step(Completion::Woken);
    assert_eq!(rig.journal.len(), before + 1);
}

#[test]
fn a_redelivery_makes_nothing_new_even_across_a_restart_and_two_presses_are_two() {
    let mut rig = Rig::fresh();
    for (packet, duplicate) in [(7, false), (7, true), (8, false)] {
        let press = rig.message("zigbee2mqtt/sos", PRESS, Some(packet), duplicate);
        assert_eq!(answers(&rig.step(press)), [Verdict::Acknowledge]);
    }
    assert_eq!(rig.triggers(), 2);
    let (mut again, _) = Rig::start(rig.journal, 2);
    let press = again.message("zigbee2mqtt/sos", PRESS, Some(8), true);
    assert_eq!(answers(&again.step(press)), [Verdict::Acknowledge]);
    assert_eq!(again.triggers(), 2);
}

#[test]
fn a_duplicate_flag_without_a_recorded_original_is_a_press() {
    let mut rig = Rig::fresh();
    let press = rig.message("zigbee2mqtt/sos", PRESS, Some(7), true);
    rig.step(press);
    assert_eq!(rig.triggers(), 1);
}

#[test]
fn a_restart_sends_what_the_centre_has_no_receipt_for_under_its_old_identity() {
    let mut rig = Rig::fresh();
    let press = rig.message("zigbee2mqtt/sos", PRESS, Some(1), false);
    rig.step(press);
    let key = rig.journal.iter().find(|record| matches!(record.body, Body::Trigger(_))).unwrap().key();
    let (mut again, commands) = Rig::start(rig.journal, 2);
    let [Command::Load { from_seq: 1, .. }] =
        &commands.iter().filter(|c| matches!(c, Command::Load { .. })).cloned().collect::<Vec<_>>()[..]
    else {
        panic!("the backlog is read back: {commands:?}")
    };
    let carries = |commands: &[Command]| {
        sent(commands).iter().any(|(_, records)| records.iter().any(|record| record.key() == key))
    };
    assert!(carries(&commands), "a press does not wait for the backlog: {commands:?}");
    let through_seq = again.journal.last().unwrap().seq;
    let records = again.journal.clone();
    let commands = again.step(Completion::Loaded { records, through_seq });
    assert!(!carries(&commands), "what stands in the backlog too is the same record: {commands:?}");
    assert_eq!(key, LocalKey { incarnation: Incarnation(1), seq: key.seq });
}

#[test]
fn a_disk_that_fails_lets_the_press_out_and_says_so() {
    let mut rig = Rig::fresh();
    let press = rig.message("zigbee2mqtt/sos", PRESS, Some(1), false);
    let commands = rig.engine.step(&rig.now, press);
    assert!(matches!(&commands[..], [Command::Write { .. }]));
    let commands = rig.engine.step(&rig.now, Completion::WriteFailed);
    assert_eq!((told(&commands), answers(&commands)), (vec![], vec![]), "nothing is told before the reserve answers");
    let (request, records) = sent(&commands).remove(0);
    let commands = rig.engine.step(&rig.now, Completion::Reserved { held: Vec::new() });
    assert_eq!((told(&commands), answers(&commands)), (vec![Stage::NotRecorded], vec![]));
    // What the centre has stored is safe: now the button may have its acknowledgement.
    let answer = receipts(&records);
    let commands = rig.engine.step(&rig.now, Completion::Sent { request, outcome: Ok(answer) });
    assert_eq!(answers(&commands), [Verdict::Acknowledge]);
    assert_eq!(told(&commands), [Stage::Received]);
}

#[test]
fn a_disk_that_hangs_counts_as_failing_after_a_second() {
    let mut rig = Rig::fresh();
    let press = rig.message("zigbee2mqtt/sos", PRESS, Some(1), false);
    let _ = rig.engine.step(&rig.now, press);
    rig.now.uptime_ms += EngineLimits::default().write_slow_ms;
    let commands = rig.engine.step(&rig.now, Completion::Woken);
    assert_eq!(told(&commands), [Stage::NotRecorded]);
    assert_eq!(sent(&commands).len(), 1);
}

#[test]
fn a_press_that_neither_disk_nor_centre_takes_is_not_acknowledged() {
    let mut rig = Rig::fresh();
    let press = rig.message("zigbee2mqtt/sos", PRESS, Some(1), false);
    let _ = rig.engine.step(&rig.now, press);
    let _ = rig.engine.step(&rig.now, Completion::WriteFailed);
    rig.now.uptime_ms += EngineLimits::default().acknowledge_wait_ms;
    let commands = rig.engine.step(&rig.now, Completion::Woken);
    assert_eq!(answers(&commands), [Verdict::Withhold]);
}

#[test]
fn rejected_messages_are_counted_by_name_and_acknowledged() {
    let mut rig = Rig::fresh();
    let bad = rig.message("zigbee2mqtt/sos", b"{\"action\":", Some(1), false);
    assert_eq!(answers(&rig.step(bad)), [Verdict::Acknowledge]);
    let expected = BTreeMap::from([("not_json", 1)]);
    assert_eq!(rig.engine.counters().rejections, expected);
}

#[test]
fn a_pre_alarm_survives_a_restart_of_the_program_and_fires_in_time() {
    let mut rig = Rig::fresh();
    let fall = rig.message("zigbee2mqtt/radar", br#"{"fall_status":"fall_alarm"}"#, Some(1), false);
    rig.step(fall);
    let fuse_end = rig.now.uptime_ms + 30_000;
    let (mut again, _) = Rig::start(rig.journal, 2);
    assert_eq!(again.triggers(), 0);
    again.now.uptime_ms = fuse_end;
    again.step(Completion::Woken);
    let kinds: Vec<_> = again
        .journal
        .iter()
        .filter_map(|record| if let Body::Trigger(trigger) = &record.body { Some(trigger.kind) } else { None })
        .collect();
    assert_eq!(kinds, [TriggerKind::Fall]);
}

#[test]
fn a_checkpoint_gives_back_the_same_home() {
    let mut rig = Rig::fresh();
    let press = rig.message("zigbee2mqtt/sos", PRESS, Some(7), false);
    rig.step(press);
    let checkpoint = rig.engine.checkpoint();
    let last = rig.journal.last().unwrap();
    let recovered = Recovered { checkpoint, last_seq: last.seq, hash: last.hash, ..Recovered::default() };
    let (engine, _) = Engine::start(config(), recovered, Incarnation(2), &rig.now, 1);
    assert!(engine.home().call_open());
    assert_eq!(engine.outbox.low_water(), 0);
    assert_eq!(engine.counters().troubles, BTreeMap::new());
}

#[test]
fn stopping_writes_what_is_left_and_says_when() {
    let mut rig = Rig::fresh();
    let motion = rig.message("zigbee2mqtt/hall", MOTION, Some(1), false);
    rig.step(motion);
    let commands = rig.step(Completion::Stopping);
    assert_eq!(commands.last(), Some(&Command::Stop));
    assert_eq!(rig.journal.last().map(|record| &record.body), Some(&Body::Stopped));
}

#[test]
fn what_is_told_of_during_the_last_write_neither_holds_up_the_end_nor_stands_after_it() {
    let mut rig = Rig::fresh();
    let first = rig.engine.step(&rig.now, Completion::Stopping);
    let wrote = |commands: &[Command]| {
        let records = |command: &Command| {
            if let Command::Write { records, .. } = command { Some(records.clone()) } else { None }
        };
        commands.iter().find_map(records).expect("a write")
    };
    let last_write = wrote(&first);
    assert_eq!(last_write.last().map(|record| &record.body), Some(&Body::Stopped));
    // A lamp answers while the disk is at it: that is nothing urgent.
    let told = rig.engine.step(&rig.now, Completion::Told { stage: Stage::Quiet, shown: true });
    assert!(told.is_empty(), "{told:?}");
    let through = last_write.last().map_or(0, |record| record.seq);
    let more = rig.engine.step(&rig.now, Completion::Written { through, segment_bytes: 0 });
    let bodies: Vec<_> = wrote(&more).iter().map(|record| record.body.clone()).collect();
    assert!(matches!(bodies[..], [Body::Reassured(_), Body::Stopped]), "{bodies:?}");
    assert!(!more.contains(&Command::Stop), "it left before that was written");
    assert_eq!(rig.execute(more).last(), Some(&Command::Stop));
}

#[test]
fn a_device_gone_mad_is_throttled_by_name_and_a_press_never_is() {
    let mut rig = Rig::fresh();
    let (moved, still) = (MOTION, &br#"{"occupancy":false}"#[..]);
    for number in 0..5_000 {
        let motion = rig.message("zigbee2mqtt/hall", if number % 2 == 0 { moved } else { still }, Some(1), false);
        assert_eq!(answers(&rig.step(motion)), [Verdict::Acknowledge]);
    }
    for packet in 1..=2_000 {
        let press = rig.message("zigbee2mqtt/sos", PRESS, Some(packet), false);
        rig.step(press);
    }
    assert_eq!(rig.triggers(), 2_000);
    let observed = rig.engine.counters().records - 2_000;
    assert!((1..=700).contains(&observed), "{observed} records of a device that said 5,000 things");
    assert!(rig.engine.counters().rejections["throttled"] >= 4_000);
}

#[test]
fn a_fall_said_again_after_the_power_took_it_is_news_though_its_state_is_known() {
    let fall = br#"{"fall":true,"presence":true,"linkquality":80}"#;
    let mut rig = Rig::fresh();
    let first = rig.message("zigbee2mqtt/radar", fall, Some(1), false);
    rig.step(first);
    let pre_alarms = |rig: &Rig| rig.journal.iter().filter(|record| matches!(record.body, Body::PreAlarm(_))).count();
    assert_eq!(pre_alarms(&rig), 1);
    // Clear and a second fall were both lost with the power: only their sender knows of them.
    let (mut rig, _) = Rig::start(rig.journal, 2);
    rig.now.uptime_ms += 40_000;
    rig.step(Completion::Woken);
    let raised = rig.triggers();
    let again = rig.message("zigbee2mqtt/radar", fall, Some(3), true);
    rig.step(again);
    assert_eq!((pre_alarms(&rig), rig.triggers()), (2, raised), "the second fall has its own pre-alarm");
    let live = rig.message("zigbee2mqtt/radar", fall, Some(4), false);
    rig.step(live);
    assert_eq!(pre_alarms(&rig), 2, "the same state said for the first time is no news");
}

#[test]
fn while_a_call_is_open_the_centre_is_asked_more_often() {
    let mut rig = Rig::fresh();
    let waits = |commands: &[Command]| -> Vec<u64> {
        let wait =
            |command: &Command| if let Command::Poll { wait_secs, .. } = command { Some(*wait_secs) } else { None };
        commands.iter().filter_map(wait).collect()
    };
    let answer = || DownlinkAnswer { v: 1, next: 1, orders: Vec::new(), lease_secs: 180, server_time_ms: 0 };
    rig.now.uptime_ms += 25_000;
    assert_eq!(waits(&rig.step(Completion::Polled(Ok(answer())))), [25]);
    let press = rig.message("zigbee2mqtt/sos", PRESS, Some(1), false);
    rig.step(press);
    rig.now.uptime_ms += 25_000;
    assert_eq!(waits(&rig.step(Completion::Polled(Ok(answer())))), [5]);
}

/// What the devices of a home may have said before a press.
const BEFORE: [(&str, &[u8]); 9] = [
    ("zigbee2mqtt/sos", PRESS),
    ("zigbee2mqtt/sos", br#"{"action":"","linkquality":80}"#),
    ("zigbee2mqtt/sos/action", b"emergency"),
    ("zigbee2mqtt/hall", MOTION),
    ("zigbee2mqtt/radar", br#"{"fall_status":"fall_alarm"}"#),
    ("zigbee2mqtt/radar", br#"{"fall_status":"normal"}"#),
    ("zigbee2mqtt/bridge/state", br#"{"state":"online"}"#),
    ("zigbee2mqtt/bridge/state", br#"{"state":"offline"}"#),
    ("zigbee2mqtt/sos", br#"{"action":"#),
];

proptest::proptest! {
    #[test]
    fn a_press_makes_one_trigger_whatever_the_devices_said_before(
        story in proptest::collection::vec((0..BEFORE.len(), proptest::bool::ANY, 0_u64..200_000), 0..40),
    ) {
        let mut rig = Rig::fresh();
        for (packet, (said, retain, wait_ms)) in (1..).zip(story) {
            let (topic, payload) = BEFORE[said];
            let Completion::Heard(heard) = rig.message(topic, payload, Some(packet), false) else { unreachable!() };
            rig.step(Completion::Heard(Heard { retain, ..heard }));
            rig.now.uptime_ms += wait_ms;
            rig.step(Completion::Woken);
        }
        // The two forms in which one press may come lie no further apart than this.
        rig.now.uptime_ms += 2_001;
        let sos = |rig: &Rig| rig.journal.iter().filter(|record| {
            matches!(&record.body, Body::Trigger(trigger) if trigger.kind == TriggerKind::Sos)
        }).count();
        let before = sos(&rig);
        let press = rig.message("zigbee2mqtt/sos", PRESS, Some(999), false);
        let answered = answers(&rig.step(press));
        proptest::prop_assert_eq!((sos(&rig), answered), (before + 1, vec![Verdict::Acknowledge]));
    }
}

#[test]
fn what_a_device_said_last_is_listed_after_a_restart_too() {
    let mut rig = Rig::fresh();
    let said = br#"{"occupancy":true,"linkquality":80,"battery":55}"#;
    let heard = rig.message("zigbee2mqtt/hall", said, Some(1), false);
    rig.step(heard);
    rig.now.uptime_ms += EngineLimits::default().linger_ms;
    rig.step(Completion::Woken);
    rig.now.uptime_ms += 20_000;
    let gone = rig.message("zigbee2mqtt/hall/availability", br#"{"state":"offline"}"#, Some(2), false);
    rig.step(gone);
    rig.now.uptime_ms += EngineLimits::default().linger_ms;
    rig.step(Completion::Woken);
    let (mut rig, _) = Rig::start(rig.journal, 2);
    rig.now.uptime_ms += 61_000;
    let line = rig.engine.devices(&rig.now).into_iter().find(|line| line.device == "hall").unwrap();
    assert_eq!(line.class, [Kind::Motion, Kind::Battery]);
    assert_eq!((line.battery_percent, line.heard_secs_ago, line.messages), (Some(55), Some(61), 0));
}
