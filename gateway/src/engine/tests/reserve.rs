//! The loop on a disk that is full, dead or damaged: what is told, acknowledged, kept and attested.

use protocol::record::{MissingCause, MissingRecords, SegmentFate, SegmentRetired};
use protocol::uplink::Refusal;

use super::*;

/// The records that the reserve is asked to hold.
fn reserve(commands: &[Command]) -> Option<Vec<Arc<Record>>> {
    commands.iter().find_map(
        |command| {
            if let Command::Reserve { records } = command { Some(records.clone()) } else { None }
        },
    )
}

fn writes(commands: &[Command]) -> bool {
    commands.iter().any(|command| matches!(command, Command::Write { .. }))
}

/// A home whose disk is full: the first press has failed to be written, and the reserve is asked.
fn full_disk() -> (Rig, Vec<u64>) {
    let mut rig = Rig::fresh();
    let motion = rig.message("zigbee2mqtt/hall", MOTION, Some(1), false);
    let _ = rig.engine.step(&rig.now, motion);
    let press = rig.message("zigbee2mqtt/sos", PRESS, Some(2), false);
    let commands = rig.engine.step(&rig.now, press);
    assert!(writes(&commands));
    let commands = rig.engine.step(&rig.now, Completion::WriteFailed);
    let asked = reserve(&commands).expect("the reserve is asked at once");
    assert!(asked.iter().all(|record| is_emergency(record)), "telemetry never goes there");
    assert_eq!(sent(&commands).len(), 1, "and the press is sent beside it");
    (rig, seqs(&asked))
}

#[test]
fn a_press_on_a_full_disk_is_recorded_and_acknowledged_from_the_reserve() {
    let (mut rig, held) = full_disk();
    let commands = rig.engine.step(&rig.now, Completion::Reserved { held: held.clone() });
    assert_eq!((told(&commands), answers(&commands)), (vec![Stage::Recorded], vec![Verdict::Acknowledge]));
    // The next one does not wait for the journal to be tried again.
    let press = rig.message("zigbee2mqtt/sos", PRESS, Some(3), false);
    let commands = rig.engine.step(&rig.now, press);
    let asked = seqs(&reserve(&commands).expect("a new press asks at once"));
    assert_eq!((asked.len(), writes(&commands)), (2, false));
    let commands = rig.engine.step(&rig.now, Completion::Reserved { held: asked });
    assert_eq!(answers(&commands), [Verdict::Acknowledge]);
}

#[test]
fn when_space_returns_everything_is_written_in_order_and_nothing_twice() {
    let (mut rig, held) = full_disk();
    let _ = rig.engine.step(&rig.now, Completion::Reserved { held });
    let before = rig.journal.len();
    rig.now.uptime_ms += EngineLimits::default().write_retry_ms;
    rig.step(Completion::Woken);
    let new: Vec<_> = rig.journal[before..].to_vec();
    assert!(new.iter().zip(&new[1..]).all(|(one, next)| next.seq == one.seq + 1 && next.prev == one.hash));
    assert!(new.iter().any(|record| matches!(record.body, Body::Observed(_))), "telemetry waited in memory");
    assert_eq!(rig.triggers(), 1);
    assert!(rig.engine.gauges(&rig.now).disk_ok);
}

#[test]
fn a_restart_takes_what_only_the_reserve_holds_into_the_chain_under_its_old_identity() {
    let (rig, held) = full_disk();
    let press = rig.engine.pending.iter().find(|record| held.contains(&record.seq)).unwrap().as_ref().clone();
    let last = rig.journal.last().unwrap().clone();
    let gap = MissingRecords { first_seq: last.seq + 1, last_seq: press.seq - 1, cause: MissingCause::NeverWritten };
    let recovered = Recovered {
        last_seq: last.seq,
        hash: last.hash,
        records: rig.journal.clone(),
        unwritten: vec![press.clone()],
        gaps: vec![gap.clone()],
        ..Recovered::default()
    };
    let now = Now { boot: 2, uptime_ms: 10, wall_ms: 0 };
    let (engine, commands) = Engine::start(config(), recovered, Incarnation(9), &now, 1);
    let [first, started, missing] = &commands
        .iter()
        .find_map(|c| if let Command::Write { records, .. } = c { Some(records) } else { None })
        .unwrap()[..3]
    else {
        panic!("{commands:?}")
    };
    assert_eq!(first.as_ref(), &press);
    assert_eq!((started.seq, started.prev), (press.seq + 1, press.hash));
    assert!(matches!(started.body, Body::Started(_)));
    assert_eq!(missing.body, Body::Missing(gap));
    assert!(sent(&commands).iter().any(|(_, records)| records.iter().any(|record| record.key() == press.key())));
    // Said again by its button it is the same press, and safe.
    let mut rig = Rig { engine, now, journal: Vec::new(), token: 0 };
    let again = rig.message("zigbee2mqtt/sos", PRESS, Some(2), true);
    rig.execute(commands);
    assert_eq!(answers(&rig.step(again)), [Verdict::Acknowledge]);
    assert_eq!(rig.triggers(), 1);
}

#[test]
fn an_emergency_without_receipt_is_mirrored_and_one_with_a_receipt_never() {
    let mut rig = Rig::fresh();
    let press = rig.message("zigbee2mqtt/sos", PRESS, Some(1), false);
    let commands = rig.step(press);
    let (request, records) = sent(&commands).into_iter().last().unwrap();
    rig.now.uptime_ms += 4_999;
    assert!(reserve(&rig.step(Completion::Woken)).is_none());
    rig.now.uptime_ms += 1;
    let asked = reserve(&rig.step(Completion::Woken)).expect("a second copy after five seconds");
    rig.step(Completion::Reserved { held: seqs(&asked) });
    rig.now.uptime_ms += 60_000;
    assert!(reserve(&rig.step(Completion::Woken)).is_none(), "what is held is not asked for again");
    let answer = receipts(&records);
    rig.step(Completion::Sent { request, outcome: Ok(answer) });
    let second = rig.message("zigbee2mqtt/sos", PRESS, Some(2), false);
    let commands = rig.step(second);
    let (request, records) = sent(&commands).into_iter().last().unwrap();
    rig.step(Completion::Sent { request, outcome: Ok(receipts(&records)) });
    rig.now.uptime_ms += 60_000;
    assert!(reserve(&rig.step(Completion::Woken)).is_none());
}

#[test]
fn what_neither_disk_nor_centre_takes_is_withheld_however_often_it_is_said() {
    let mut rig = Rig::fresh();
    let press = rig.message("zigbee2mqtt/sos", PRESS, Some(1), false);
    let _ = rig.engine.step(&rig.now, press);
    let _ = rig.engine.step(&rig.now, Completion::WriteFailed);
    let _ = rig.engine.step(&rig.now, Completion::Reserved { held: Vec::new() });
    assert_eq!(rig.engine.stage(&rig.now), Stage::NotRecorded);
    for _ in 0..5 {
        rig.now.uptime_ms += EngineLimits::default().acknowledge_wait_ms;
        assert_eq!(answers(&rig.engine.step(&rig.now, Completion::Woken)), [Verdict::Withhold]);
        let again = rig.message("zigbee2mqtt/sos", PRESS, Some(1), true);
        assert_eq!(answers(&rig.engine.step(&rig.now, again)), []);
    }
    assert_eq!(rig.engine.unwritten_emergencies().count(), 1, "it is held in memory once, and goes out");
    let seq = rig.engine.unwritten_emergencies().next().map(|record| record.seq).unwrap();
    let commands = rig.engine.step(&rig.now, Completion::Reserved { held: vec![seq] });
    assert_eq!(answers(&commands), [Verdict::Acknowledge], "the reserve has it");
}

#[test]
fn a_segment_goes_only_when_the_record_that_attests_it_is_on_disk() {
    let mut rig = Rig::fresh();
    let retired = SegmentRetired {
        segment: 3,
        first_seq: Some(10),
        last_seq: 20,
        head: Hash32::ZERO,
        fate: SegmentFate::Deleted,
    };
    let go = |commands: &[Command]| commands.contains(&Command::Retire { through_segment: 3 });
    let commands = rig.engine.step(&rig.now, Completion::Rolled { retirable: vec![retired.clone()] });
    assert!(!go(&commands));
    rig.now.uptime_ms += EngineLimits::default().linger_ms;
    let commands = rig.engine.step(&rig.now, Completion::Woken);
    let through = commands.iter().find_map(|command| {
        if let Command::Write { records, .. } = command { records.last().map(|record| record.seq) } else { None }
    });
    assert!(!go(&commands));
    let through = through.expect("the attestation is written");
    let commands = rig.engine.step(&rig.now, Completion::Written { through, segment_bytes: 0 });
    assert!(go(&commands));
    // Offered again, as after a start, it is attested once.
    let before = rig.engine.counters().records;
    rig.step(Completion::Rolled { retirable: vec![retired] });
    assert_eq!(rig.engine.counters().records, before);
}

/// A home that was killed while its disk failed: its press was read back, and the disk does not sync it.
fn in_doubt() -> (Rig, u64, Vec<Command>) {
    let mut rig = Rig::fresh();
    let press = rig.message("zigbee2mqtt/sos", PRESS, Some(1), false);
    rig.step(press);
    let records = rig.journal.clone();
    let press = records.iter().find(|record| is_emergency(record)).unwrap().seq;
    let last = records.last().unwrap().clone();
    let recovered =
        Recovered { last_seq: last.seq, hash: last.hash, records, doubtful_from: Some(1), ..Recovered::default() };
    let now = Now { boot: 1, uptime_ms: 10_000, wall_ms: 0 };
    let (engine, commands) = Engine::start(config(), recovered, Incarnation(9), &now, 1);
    assert_eq!(seqs(&reserve(&commands).expect("the reserve is asked at once")), [press]);
    assert_eq!(told(&commands), [], "recorded it is not yet");
    (Rig { engine, now, journal: Vec::new(), token: 0 }, press, commands)
}

#[test]
fn a_press_in_doubt_is_acknowledged_only_when_the_reserve_or_the_centre_has_it() {
    let (mut rig, press, _) = in_doubt();
    let again = rig.message("zigbee2mqtt/sos", PRESS, Some(1), true);
    assert_eq!(answers(&rig.engine.step(&rig.now, again)), []);
    let commands = rig.engine.step(&rig.now, Completion::Reserved { held: vec![press] });
    assert_eq!(answers(&commands), [Verdict::Acknowledge]);

    let (mut rig, _, commands) = in_doubt();
    let sends = sent(&commands);
    let again = rig.message("zigbee2mqtt/sos", PRESS, Some(1), true);
    let _ = rig.engine.step(&rig.now, again);
    let (request, records) = &sends[0];
    let commands = rig.engine.step(&rig.now, Completion::Sent { request: *request, outcome: Ok(receipts(records)) });
    assert_eq!(answers(&commands), [Verdict::Acknowledge]);

    let (mut rig, ..) = in_doubt();
    let again = rig.message("zigbee2mqtt/sos", PRESS, Some(1), true);
    let _ = rig.engine.step(&rig.now, again);
    // Before it takes records again the journal has made durable what it found.
    let through = rig.engine.chain.next_seq - 1;
    let commands = rig.engine.step(&rig.now, Completion::Written { through, segment_bytes: 0 });
    assert_eq!((answers(&commands), told(&commands)), (vec![Verdict::Acknowledge], vec![Stage::Recorded]));
    assert_eq!(rig.engine.unwritten_emergencies().count(), 0);
}

#[test]
fn a_press_that_reserve_and_disk_do_not_take_is_said_not_to_be_recorded_after_a_restart_too() {
    let (mut rig, ..) = in_doubt();
    let commands = rig.engine.step(&rig.now, Completion::Reserved { held: Vec::new() });
    assert_eq!(told(&commands), [Stage::NotRecorded]);
}

#[test]
fn a_press_that_the_centre_refuses_is_nowhere() {
    let mut rig = Rig::fresh();
    let press = rig.message("zigbee2mqtt/sos", PRESS, Some(1), false);
    let _ = rig.engine.step(&rig.now, press);
    let commands = rig.engine.step(&rig.now, Completion::WriteFailed);
    let (request, records) = sent(&commands).into_iter().last().unwrap();
    let _ = rig.engine.step(&rig.now, Completion::Reserved { held: Vec::new() });
    let refused = records.iter().map(|record| Refusal { key: record.key(), reason: "not_understood".into() });
    let answer = UplinkAnswer { v: 1, ver: 1, receipts: Vec::new(), refused: refused.collect() };
    let commands = rig.engine.step(&rig.now, Completion::Sent { request, outcome: Ok(answer) });
    assert_eq!(answers(&commands), []);
    let commands = rig.engine.step(&rig.now, Completion::Reserved { held: Vec::new() });
    assert_eq!((answers(&commands), told(&commands)), (vec![], vec![]));
}

#[test]
fn what_the_reserve_confirms_at_a_start_is_told_before_the_journal_has_answered() {
    let (rig, held) = full_disk();
    let press = rig.engine.pending.iter().find(|record| held.contains(&record.seq)).unwrap().as_ref().clone();
    let last = rig.journal.last().unwrap().clone();
    // The disk did not say whether what it gave back of the reserve is on it.
    let recovered = Recovered {
        last_seq: last.seq,
        hash: last.hash,
        records: rig.journal.clone(),
        unwritten: vec![press],
        reserve_held: false,
        ..Recovered::default()
    };
    let now = Now { boot: 2, uptime_ms: 10, wall_ms: 0 };
    let (mut engine, commands) = Engine::start(config(), recovered, Incarnation(9), &now, 1);
    assert_eq!(told(&commands), []);
    let commands = engine.step(&now, Completion::Reserved { held });
    assert_eq!(told(&commands), [Stage::Recorded]);
}

#[test]
fn at_a_start_no_emergency_of_the_reserve_overtakes_an_older_one_of_the_journal() {
    let mut rig = Rig::fresh();
    for packet in 1..=2 {
        let press = rig.message("zigbee2mqtt/sos", PRESS, Some(packet), false);
        rig.step(press);
    }
    let presses: Vec<_> = rig.journal.iter().filter(|record| is_emergency(record)).cloned().collect();
    let last = rig.journal.last().unwrap().clone();
    let recovered = Recovered {
        last_seq: last.seq,
        hash: last.hash,
        records: rig.journal.clone(),
        // The first one's copy is damaged.
        reserved: vec![presses[1].clone()],
        reserve_held: true,
        ..Recovered::default()
    };
    let now = Now { boot: 2, uptime_ms: 10, wall_ms: 0 };
    let (_, commands) = Engine::start(config(), recovered, Incarnation(9), &now, 1);
    let (_, first) = sent(&commands).into_iter().next().expect("emergencies go at once");
    assert_eq!(seqs(&first), presses.iter().map(|record| record.seq).collect::<Vec<_>>());
}
