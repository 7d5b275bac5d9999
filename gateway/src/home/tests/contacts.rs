//! What happens in a home whose call does not reach the centre, and how a dead link is shown.

use protocol::record::ContactResult;

use super::super::contacts::Contacting;
use super::*;

fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.home.rules.contacts.contacts = 2;
    bench
}

impl Bench {
    fn contacted(&mut self, class: OrderClass, contact: u8, attempt: u8, result: ContactResult) {
        let told = Contacting { class, contact, attempt };
        self.input(&Input::Contacted { told, result });
        self.input(&Input::Synced(self.unsynced));
    }
}

#[test]
fn a_minute_without_a_receipt_the_contacts_are_told_and_one_that_fails_is_tried_again() {
    let mut bench = bench();
    bench.press();
    bench.wait(62_000);
    bench.contacted(OrderClass::Emergency, 1, 1, ContactResult::Taken);
    bench.contacted(OrderClass::Emergency, 2, 1, ContactResult::Unreachable);
    bench.wait(21_000);
    bench.contacted(OrderClass::Emergency, 2, 2, ContactResult::Taken);
    bench.wait(600_000);
    bench.check(expect![[r#"
        0s record trigger Sos by bedside (ButtonPressed)
        0s told Contacting the centre
        30s told Not connected: call 120
        60s record 2 contact(s) called (CentreNotReached)
        60s told Not connected: your contacts are being told, call 120
        60s contact 1 told of Emergency, attempt 1
        60s contact 2 told of Emergency, attempt 1
        62s record contact 1 attempt 1: Taken
        62s record contact 2 attempt 1: Unreachable
        82s contact 2 told of Emergency, attempt 2
        83s record contact 2 attempt 2: Taken
    "#]]);
}

#[test]
fn a_receipt_ends_the_attempts() {
    let mut bench = bench();
    bench.press();
    bench.wait(61_000);
    bench.contacted(OrderClass::Emergency, 1, 1, ContactResult::Refused);
    bench.contacted(OrderClass::Emergency, 2, 1, ContactResult::Refused);
    bench.input(&Input::Received { seqs: &[1], ver: 1 });
    bench.wait(100_000);
    bench.check(expect![[r#"
        0s record trigger Sos by bedside (ButtonPressed)
        0s told Contacting the centre
        30s told Not connected: call 120
        60s record 2 contact(s) called (CentreNotReached)
        60s told Not connected: your contacts are being told, call 120
        60s contact 1 told of Emergency, attempt 1
        60s contact 2 told of Emergency, attempt 1
        61s record contact 1 attempt 1: Refused
        61s record contact 2 attempt 1: Refused
        61s told Arrived, no person yet
    "#]]);
}

#[test]
fn attempts_come_to_an_end() {
    let mut bench = bench();
    bench.home.rules.contacts.contacts = 1;
    bench.press();
    bench.wait(60_000);
    for attempt in 1..=5 {
        bench.contacted(OrderClass::Emergency, 1, attempt, ContactResult::Unreachable);
        bench.wait(330_000);
    }
    bench.check(expect![[r#"
        0s record trigger Sos by bedside (ButtonPressed)
        0s told Contacting the centre
        30s told Not connected: call 120
        60s record 1 contact(s) called (CentreNotReached)
        60s told Not connected: your contacts are being told, call 120
        60s contact 1 told of Emergency, attempt 1
        60s record contact 1 attempt 1: Unreachable
        80s contact 1 told of Emergency, attempt 2
        200s contact 1 told of Emergency, attempt 3
        320s contact 1 told of Emergency, attempt 4
        390s record contact 1 attempt 2: Unreachable
        430s contact 1 told of Emergency, attempt 3
        550s contact 1 told of Emergency, attempt 4
        670s contact 1 told of Emergency, attempt 5
        720s record contact 1 attempt 3: Unreachable
        800s contact 1 told of Emergency, attempt 4
        920s contact 1 told of Emergency, attempt 5
        1050s record contact 1 attempt 4: Unreachable
        1210s contact 1 told of Emergency, attempt 5
        1380s record contact 1 attempt 5: Unreachable
    "#]]);
}

#[test]
fn an_adapter_that_never_answers_is_asked_again() {
    let mut bench = bench();
    bench.home.rules.contacts.contacts = 1;
    bench.press();
    bench.wait(185_000);
    bench.check(expect![[r#"
        0s record trigger Sos by bedside (ButtonPressed)
        0s told Contacting the centre
        30s told Not connected: call 120
        60s record 1 contact(s) called (CentreNotReached)
        60s told Not connected: your contacts are being told, call 120
        60s contact 1 told of Emergency, attempt 1
        180s contact 1 told of Emergency, attempt 2
    "#]]);
}

#[test]
fn further_presses_of_the_same_outage_do_not_begin_anew_but_fire_does() {
    let mut bench = bench();
    bench.home.rules.contacts.contacts = 1;
    bench.press();
    bench.wait(61_000);
    bench.contacted(OrderClass::Emergency, 1, 1, ContactResult::Taken);
    bench.press();
    bench.wait(100_000);
    bench.seen(Kind::Smoke, "kitchen smoke", Reading::Active, Some(Reason::SensorAlarm));
    bench.wait(61_000);
    bench.check(expect![[r#"
        0s record trigger Sos by bedside (ButtonPressed)
        0s told Contacting the centre
        30s told Not connected: call 120
        60s record 1 contact(s) called (CentreNotReached)
        60s told Not connected: your contacts are being told, call 120
        60s contact 1 told of Emergency, attempt 1
        61s record contact 1 attempt 1: Taken
        61s record trigger Sos by bedside (ButtonPressed)
        61s told again Not connected: your contacts are being told, call 120
        161s record trigger Smoke by kitchen smoke (SensorAlarm)
        161s told Leave now
        221s record 1 contact(s) called (CentreNotReached)
        221s contact 1 told of FireGas, attempt 1
    "#]]);
}

#[test]
fn without_contacts_the_siren_comes_all_the_same() {
    let mut bench = Bench::new();
    bench.press();
    bench.wait(100_000);
    bench.check(expect![[r#"
        0s record trigger Sos by bedside (ButtonPressed)
        0s told Contacting the centre
        30s told Not connected: call 120
        60s told Still not connected: call 120 and shout for help
    "#]]);
}

#[test]
fn contacts_are_told_although_the_disk_takes_nothing() {
    let mut bench = bench();
    bench.input(&Input::Disk { writable: false });
    let observation =
        Observation { kind: Kind::Sos, device: "bedside".into(), key: "action".into(), value: Reading::Active };
    bench.input(&Input::Observed { observation: &observation, edge: true, reason: None });
    while bench.now.uptime_ms < 61_000 {
        bench.now.uptime_ms += 1_000;
        bench.input(&Input::Woken);
    }
    bench.check(expect![[r#"
        0s record trigger Sos by bedside (ButtonPressed)
        0s told Contacting the centre; not saved on this device
        30s told Not connected: call 120
        60s record 2 contact(s) called (CentreNotReached)
        60s told Not connected: your contacts are being told, call 120
        60s contact 1 told of Emergency, attempt 1
        60s contact 2 told of Emergency, attempt 1
    "#]]);
}

#[test]
fn contacts_that_a_restart_interrupted_are_tried_again_and_told_ones_are_not() {
    let mut bench = bench();
    bench.press();
    bench.wait(61_000);
    bench.contacted(OrderClass::Emergency, 1, 1, ContactResult::Taken);
    let snapshot = bincode::serialize(&bench.home.snapshot()).unwrap();
    let snapshot = bincode::deserialize(&snapshot).unwrap();
    bench.home = Home::restore(bench.home.rules.clone(), snapshot);
    bench.now = Stamp { boot: 2, uptime_ms: 5_000, ..bench.now };
    bench.input(&Input::Started { unsafe_from: None });
    bench.check(expect![[r#"
        0s record trigger Sos by bedside (ButtonPressed)
        0s told Contacting the centre
        30s told Not connected: call 120
        60s record 2 contact(s) called (CentreNotReached)
        60s told Not connected: your contacts are being told, call 120
        60s contact 1 told of Emergency, attempt 1
        60s contact 2 told of Emergency, attempt 1
        61s record contact 1 attempt 1: Taken
        5s contact 2 told of Emergency, attempt 1
    "#]]);
}

#[test]
fn an_idle_link_that_is_down_is_shown_and_a_press_comes_before_it() {
    let mut bench = bench();
    let link = |up, bench: &mut Bench| {
        let record = bench.chain.seal(bench.now, None, Body::Link { up }).unwrap();
        bench.home.apply(&record);
        bench.input(&Input::Woken);
    };
    link(false, &mut bench);
    bench.press();
    bench.input(&Input::Received { seqs: &[2], ver: 1 });
    link(true, &mut bench);
    bench.centre(1, None);
    bench.check(expect![[r#"
        0s told No connection to the centre
        0s record trigger Sos by bedside (ButtonPressed)
        0s told Contacting the centre
        0s told Arrived, no person yet
        0s record 1 call(s) resolved
        0s told No call is open
    "#]]);
}

#[test]
fn a_withdrawn_responder_is_told_aloud_and_a_new_one_too() {
    let mut bench = Bench::new();
    bench.press();
    bench.input(&Input::Received { seqs: &[1], ver: 1 });
    for (ver, stage) in
        [(2, Stage::Coming), (3, Stage::Retracted), (4, Stage::Taken), (5, Stage::Coming), (6, Stage::Here)]
    {
        bench.centre(ver, Some(stage));
    }
    bench.check(expect![[r#"
        0s record trigger Sos by bedside (ButtonPressed)
        0s told Contacting the centre
        0s told Arrived, no person yet
        0s told Someone is on the way
        0s told Changing person, your call stays open
        0s told A person is handling it
        0s told Someone is on the way
        0s told The helper has arrived
    "#]]);
}
