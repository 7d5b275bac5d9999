//! A loop without a disk, and the one that takes its place once the disk is back.

use super::*;

/// Steps a loop whose every write fails; returns every other command.
fn step(engine: &mut Engine, now: &Now, completion: Completion) -> Vec<Command> {
    let commands = engine.step(now, completion);
    refuse(engine, now, commands)
}

fn refuse(engine: &mut Engine, now: &Now, commands: Vec<Command>) -> Vec<Command> {
    let mut others = Vec::new();
    for command in commands {
        if let Command::Write { .. } = command {
            others.extend(step(engine, now, Completion::WriteFailed));
        } else if let Command::Reserve { .. } = command {
            others.extend(step(engine, now, Completion::Reserved { held: Vec::new() }));
        } else {
            others.push(command);
        }
    }
    others
}

#[test]
fn receipts_of_a_loop_without_a_disk_say_nothing_of_what_stands_on_it() {
    // A press that the centre has not: it stands in the journal alone.
    let mut rig = Rig::fresh();
    let press = rig.message("zigbee2mqtt/sos", PRESS, Some(1), false);
    rig.step(press);
    let unsent = rig.journal.iter().find(|record| is_emergency(record)).unwrap().clone();

    let mut now = Now { boot: 2, uptime_ms: 10, wall_ms: 0 };
    let (mut engine, commands) = Engine::start(config(), Recovered::without_disk(0), Incarnation(2), &now, 1);
    refuse(&mut engine, &now, commands);
    let heard = rig.message("zigbee2mqtt/sos", PRESS, Some(2), false);
    let commands = step(&mut engine, &now, heard);
    let (request, records) = sent(&commands).into_iter().next().expect("a press goes out without a disk");
    step(&mut engine, &now, Completion::Sent { request, outcome: Ok(receipts(&records)) });
    for _ in 0..600 {
        now.uptime_ms += 1_000;
        step(&mut engine, &now, Completion::Woken);
    }
    assert!(engine.can_continue(unsent.seq + 1));

    let carried = engine.into_carried();
    assert!(carried.records.iter().all(|record| !matches!(record.body, Body::Delivered(_))), "{carried:?}");
    assert_eq!((carried.received.clone(), carried.received_ver), (seqs(&records), 1));
    let last = rig.journal.last().unwrap();
    let recovered =
        Recovered { last_seq: last.seq, hash: last.hash, records: rig.journal.clone(), ..Recovered::default() };
    let (_, commands) = Engine::start(config(), recovered.continued_by(carried), Incarnation(3), &now, 1);
    let (_, first) = sent(&commands).into_iter().next().expect("emergencies go at once");
    assert_eq!(seqs(&first), [unsent.seq], "what the centre has not is sent, what it has is not");
}
