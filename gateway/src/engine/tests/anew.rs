//! Calls that the centre refuses because their key is taken there.

use protocol::uplink::{HASH_CONFLICT, Refusal};

use super::super::anew::RAISED_ANEW_MAX;
use super::*;

fn conflicts(records: &[Arc<Record>]) -> UplinkAnswer {
    let refused = records.iter().map(|record| Refusal { key: record.key(), reason: HASH_CONFLICT.into() });
    UplinkAnswer { v: 1, ver: 1, receipts: Vec::new(), refused: refused.collect() }
}

fn presses(commands: &[Command]) -> Option<(u64, Vec<Arc<Record>>)> {
    let is_press = |record: &Arc<Record>| matches!(record.body, Body::Trigger(_));
    sent(commands).into_iter().find(|(_, records)| records.iter().any(is_press))
}

#[test]
fn a_press_whose_key_is_taken_at_the_centre_goes_up_again_under_another_and_is_told_once_it_is_there() {
    let mut rig = Rig::fresh();
    let press = rig.message("zigbee2mqtt/sos", PRESS, Some(1), false);
    let commands = rig.step(press);
    let (request, first) = presses(&commands).unwrap();
    let commands = rig.step(Completion::Sent { request, outcome: Ok(conflicts(&first)) });
    assert_eq!(told(&commands), [Stage::Recorded], "the centre has nothing yet");
    let (request, second) = presses(&commands).unwrap();
    assert_eq!((first.len(), second.len(), rig.triggers()), (1, 1, 2));
    assert_eq!((&second[0].body, &second[0].delivery), (&first[0].body, &first[0].delivery));
    assert!(second[0].seq > first[0].seq);
    let commands = rig.step(Completion::Sent { request, outcome: Ok(receipts(&second)) });
    assert_eq!(told(&commands), [Stage::Received]);
    assert_eq!(rig.engine.counters().troubles["raised_anew"], 1);
}

#[test]
fn routine_records_are_not_said_again_and_a_centre_that_refuses_everything_fills_no_journal() {
    let mut rig = Rig::fresh();
    let motion = rig.message("zigbee2mqtt/hall", MOTION, Some(1), false);
    rig.step(motion);
    let press = rig.message("zigbee2mqtt/sos", PRESS, Some(2), false);
    let mut commands = rig.step(press);
    let mut refused = 0;
    while let Some((request, records)) = sent(&commands).into_iter().next() {
        refused += 1;
        assert!(refused < 10 * RAISED_ANEW_MAX, "it comes to an end");
        commands = rig.step(Completion::Sent { request, outcome: Ok(conflicts(&records)) });
    }
    assert_eq!(rig.triggers(), 1 + RAISED_ANEW_MAX as usize);
    let motions = rig.journal.iter().filter(|record| matches!(record.body, Body::Observed(_))).count();
    assert_eq!(motions, 1);
}
