use std::fmt::Write as _;

use expect_test::{Expect, expect};
use protocol::downlink::OrderProgress;
use protocol::ids::{Hash32, Incarnation, RecordKey, WorkOrderId};
use protocol::observation::Observation;
use protocol::record::ChainHead;
use protocol::trigger::{OrderClass, Reason};
use protocol::visit::{Method, VisitAct};

use super::*;
use crate::decode::VisitMessage;

mod cancelling;
mod contacts;
mod hazard;
mod proof;
mod supervision;
mod timed_check_in;

/// One home driven step by step, with everything it does written down.
struct Bench {
    home: Home,
    chain: ChainHead,
    now: Stamp,
    unsynced: u64,
    transcript: String,
}

impl Bench {
    fn new() -> Self {
        let mut rules = HomeRules::default();
        let mut place = |name: &str, role, room: &str| {
            rules.devices.insert(name.into(), Place { role: Some(role), room: Some(room.into()), power: None });
        };
        place("bedside", Role::Sos, "bedroom");
        place("fine", Role::ImFine, "living");
        place("radar", Role::Fall, "bathroom");
        place("hall", Role::Motion, "hall");
        Self {
            home: Home::new(rules),
            chain: ChainHead { incarnation: Incarnation(1), next_seq: 1, hash: Hash32::ZERO },
            now: Stamp { boot: 1, uptime_ms: 0, wall_ms: 0, wall_trusted: true },
            unsynced: 0,
            transcript: String::new(),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "bodies without a line of their own are written as they are")]
    fn input(&mut self, input: &Input<'_>) {
        let secs = self.now.uptime_ms as f64 / 1_000.0;
        for Effect::Record(body) in self.home.handle(&self.now, input) {
            let line = match &body {
                Body::Trigger(t) => {
                    let test = if t.test { "TEST " } else { "" };
                    format!("{test}trigger {:?} by {} ({:?})", t.kind, t.device, t.reason)
                }
                Body::PreAlarm(p) => format!("pre-alarm {:?} by {}, {} s", p.kind, p.device, p.fuse_ms / 1_000),
                Body::Cancelled(c) => format!("cancelled by {}", c.device),
                Body::Observed(o) => format!("observed {:?} {:?} by {}", o.kind, o.value, o.device),
                Body::ContactsCalled(c) => format!("{} contact(s) called ({:?})", c.contacts, c.reason),
                Body::ContactTold(c) => format!("contact {} attempt {}: {:?}", c.contact, c.attempt, c.result),
                Body::Resolved(r) => format!("{} call(s) resolved", r.calls.len()),
                Body::Restored(r) => format!("over {:?} by {} ({:?})", r.kind, r.device, r.reason),
                Body::Tested(t) => format!("test of {}: {:?}", t.device, t.step),
                Body::SaidFine(s) => format!("said fine with {}", s.device),
                Body::Mains(m) => format!("mains {}", if m.present { "back" } else { "lost" }),
                other => format!("{other:?}"),
            };
            let _ = writeln!(self.transcript, "{secs}s record {line}");
            let record = self.chain.seal(self.now, None, body).unwrap();
            self.home.apply(&record);
            self.unsynced = record.seq;
        }
        if let Some(Telling { stage, again }) = self.home.telling(&self.now) {
            let again = if again { " again" } else { "" };
            let _ = writeln!(self.transcript, "{secs}s told{again} {}", stage.en());
        }
        for Contacting { class, contact, attempt } in self.home.contacting(&self.now) {
            let _ = writeln!(self.transcript, "{secs}s contact {contact} told of {class:?}, attempt {attempt}");
        }
    }

    fn seen(&mut self, kind: Kind, device: &str, value: Reading, reason: Option<Reason>) {
        let observation = Observation { kind, device: device.into(), key: "k".into(), value };
        self.input(&Input::Observed { observation: &observation, edge: true, reason });
        self.input(&Input::Synced(self.unsynced));
    }

    /// The same, where the decoder says that nothing has changed.
    fn repeated(&mut self, kind: Kind, device: &str, value: Reading) {
        let observation = Observation { kind, device: device.into(), key: "k".into(), value };
        self.input(&Input::Observed { observation: &observation, edge: false, reason: None });
        self.input(&Input::Synced(self.unsynced));
    }

    /// A caregiver comes or goes.
    fn visit(&mut self, act: VisitAct) {
        let message = VisitMessage {
            act,
            caregiver: "cg-17".into(),
            service: String::new(),
            method: Method::Card,
            fix: None,
            code: None,
            outcome: None,
        };
        self.input(&Input::Visit(&message));
    }

    /// The program starts: its record is folded, then the home is told.
    fn start(&mut self) {
        self.start_unsafe_from(None);
    }

    /// The same, where the disk is not known to hold the calls from a sequence on.
    fn start_unsafe_from(&mut self, unsafe_from: Option<u64>) {
        let started = Body::Started(protocol::record::Started { version: "test".into(), after_clean_stop: true });
        let record = self.chain.seal(self.now, None, started).unwrap();
        self.home.apply(&record);
        self.unsynced = record.seq;
        self.input(&Input::Started { unsafe_from });
    }

    fn heard(&mut self, device: &str) {
        self.input(&Input::DeviceHeard { device, power: None });
    }

    fn press(&mut self) {
        self.seen(Kind::Sos, "bedside", Reading::Active, Some(Reason::ButtonPressed));
    }

    fn fall(&mut self) {
        self.seen(Kind::Fall, "radar", Reading::Active, Some(Reason::SensorSaysFall));
    }

    /// Lets time pass, waking the home at each of its deadlines.
    fn wait(&mut self, ms: u64) {
        let end = self.now.uptime_ms + ms;
        while let Some((due, _)) = self.home.next_deadline().filter(|(due, _)| *due <= end) {
            self.now.uptime_ms = due.max(self.now.uptime_ms);
            self.input(&Input::Woken);
            self.input(&Input::Synced(self.unsynced));
        }
        self.now.uptime_ms = end;
    }

    fn centre(&mut self, ver: u64, stage: Option<Stage>) {
        let local = LocalKey { incarnation: Incarnation(1), seq: 1 };
        let id = WorkOrderId::opened_by(&RecordKey { gateway: "home-1".parse().unwrap(), local });
        let order =
            stage.map(|stage| OrderProgress { id, opened_by: Some(local), class: OrderClass::Emergency, stage, ver });
        let orders: Vec<_> = order.into_iter().collect();
        self.input(&Input::Progress { ver, orders: &orders, lease_ms: 180_000 });
    }

    fn check(self, expected: Expect) {
        expected.assert_eq(&self.transcript);
    }
}

#[test]
fn a_press_is_told_step_by_step_until_it_is_closed() {
    let mut bench = Bench::new();
    bench.press();
    bench.input(&Input::Received { seqs: &[1], ver: 1 });
    bench.centre(1, Some(Stage::Received));
    bench.centre(2, Some(Stage::Taken));
    bench.centre(3, Some(Stage::Coming));
    bench.centre(4, Some(Stage::Here));
    bench.centre(5, None);
    bench.check(expect![[r#"
        0s record trigger Sos by bedside (ButtonPressed)
        0s told Contacting the centre
        0s told Arrived, no person yet
        0s told A person is handling it
        0s told Someone is on the way
        0s told The helper has arrived
        0s record 1 call(s) resolved
        0s told No call is open
    "#]]);
}

#[test]
fn nothing_is_told_before_the_record_is_on_disk() {
    let mut bench = Bench::new();
    let observation =
        Observation { kind: Kind::Sos, device: "bedside".into(), key: "action".into(), value: Reading::Active };
    bench.input(&Input::Observed { observation: &observation, edge: true, reason: None });
    bench.check(expect![[r#"
        0s record trigger Sos by bedside (ButtonPressed)
    "#]]);
}

#[test]
fn a_second_press_is_answered_again_with_what_is_true() {
    let mut bench = Bench::new();
    bench.press();
    bench.input(&Input::Received { seqs: &[1], ver: 1 });
    bench.centre(2, Some(Stage::Taken));
    bench.press();
    bench.check(expect![[r#"
        0s record trigger Sos by bedside (ButtonPressed)
        0s told Contacting the centre
        0s told Arrived, no person yet
        0s told A person is handling it
        0s record trigger Sos by bedside (ButtonPressed)
        0s told again A person is handling it
    "#]]);
}

#[test]
fn thirty_seconds_without_a_receipt_the_elder_is_told_to_call_120() {
    let mut bench = Bench::new();
    bench.press();
    bench.wait(60_000);
    bench.input(&Input::Received { seqs: &[1], ver: 1 });
    bench.check(expect![[r#"
        0s record trigger Sos by bedside (ButtonPressed)
        0s told Contacting the centre
        30s told Not connected: call 120
        60s told Still not connected: call 120 and shout for help
        60s told Arrived, no person yet
    "#]]);
}

#[test]
fn what_the_centre_said_runs_out_with_its_lease() {
    let mut bench = Bench::new();
    bench.press();
    bench.input(&Input::Received { seqs: &[1], ver: 1 });
    bench.centre(2, Some(Stage::Coming));
    bench.wait(200_000);
    bench.centre(3, Some(Stage::Retracted));
    bench.check(expect![[r#"
        0s record trigger Sos by bedside (ButtonPressed)
        0s told Contacting the centre
        0s told Arrived, no person yet
        0s told Someone is on the way
        180s told Not connected: call 120
        200s told Changing person, your call stays open
    "#]]);
}

#[test]
fn an_older_word_of_the_centre_never_ends_a_newer_call() {
    let mut bench = Bench::new();
    bench.press();
    bench.input(&Input::Received { seqs: &[1], ver: 5 });
    bench.centre(4, None);
    bench.check(expect![[r#"
        0s record trigger Sos by bedside (ButtonPressed)
        0s told Contacting the centre
        0s told Arrived, no person yet
    "#]]);
}

#[test]
fn a_failing_disk_is_told_and_mended_aloud() {
    let mut bench = Bench::new();
    bench.input(&Input::Disk { writable: false });
    let observation =
        Observation { kind: Kind::Sos, device: "bedside".into(), key: "action".into(), value: Reading::Active };
    bench.input(&Input::Observed { observation: &observation, edge: true, reason: None });
    bench.input(&Input::Woken);
    bench.input(&Input::Disk { writable: true });
    bench.input(&Input::Synced(1));
    bench.check(expect![[r#"
        0s record trigger Sos by bedside (ButtonPressed)
        0s told Contacting the centre; not saved on this device
        0s told Contacting the centre
    "#]]);
}

#[test]
fn a_fall_the_elder_cancels_raises_nothing() {
    let mut bench = Bench::new();
    bench.fall();
    bench.wait(10_000);
    bench.seen(Kind::Assistance, "fine", Reading::Active, Some(Reason::ElderCancelled));
    bench.seen(Kind::Motion, "hall", Reading::Active, None);
    bench.wait(3_600_000);
    bench.check(expect![[r#"
        0s record pre-alarm Fall by radar, 30 s
        0s told Are you all right? Press cancel if so
        10s record cancelled by fine
        10s told Cancelled, telling the centre
        10s record observed Motion Active by hall
    "#]]);
}

#[test]
fn a_fall_nobody_cancels_raises_at_the_end_of_its_pre_alarm_once() {
    let mut bench = Bench::new();
    bench.fall();
    bench.fall();
    bench.wait(40_000);
    bench.check(expect![[r#"
        0s record pre-alarm Fall by radar, 30 s
        0s told Are you all right? Press cancel if so
        0s record observed Fall Active by radar
        30s record trigger Fall by radar (PreAlarmNotCancelled)
        30s told Contacting the centre
    "#]]);
}

#[test]
fn a_cancelled_fall_followed_by_stillness_raises() {
    let mut bench = Bench::new();
    bench.fall();
    bench.input(&Input::Cancel("cancel"));
    bench.input(&Input::Synced(2));
    bench.wait(1_000_000);
    bench.check(expect![[r#"
        0s record pre-alarm Fall by radar, 30 s
        0s told Are you all right? Press cancel if so
        0s record cancelled by cancel
        0s told Cancelled, telling the centre
        900s record trigger Fall by radar (NoMotionAfterFall)
        900s told Contacting the centre
        930s told Not connected: call 120
        960s told Still not connected: call 120 and shout for help
    "#]]);
}

#[test]
fn a_second_fall_after_a_cancelled_one_raises_without_pre_alarm() {
    let mut bench = Bench::new();
    bench.fall();
    bench.seen(Kind::Assistance, "fine", Reading::Active, Some(Reason::ElderCancelled));
    bench.seen(Kind::Motion, "hall", Reading::Active, None);
    bench.wait(1_200_000);
    bench.fall();
    bench.check(expect![[r#"
        0s record pre-alarm Fall by radar, 30 s
        0s told Are you all right? Press cancel if so
        0s record cancelled by fine
        0s told Cancelled, telling the centre
        0s record observed Motion Active by hall
        1200s record trigger Fall by radar (SecondFall)
        1200s told Contacting the centre
    "#]]);
}

#[test]
fn a_suspected_fall_stands_although_its_sensor_says_so_no_longer_until_it_sees_the_person_upright() {
    let mut bench = Bench::new();
    bench.seen(Kind::FallWarning, "radar", Reading::Active, None);
    bench.wait(60_000);
    // Lost from sight, or sitting on the floor.
    bench.seen(Kind::FallWarning, "radar", Reading::Clear, None);
    bench.wait(60_000);
    bench.seen(Kind::FallWarning, "radar", Reading::Upright, None);
    bench.wait(200_000);
    bench.seen(Kind::FallWarning, "radar", Reading::Active, None);
    bench.seen(Kind::FallWarning, "radar", Reading::Clear, None);
    bench.wait(200_000);
    bench.check(expect![[r#"
        0s record observed FallWarning Active by radar
        60s record observed FallWarning Clear by radar
        120s record observed FallWarning Upright by radar
        320s record observed FallWarning Active by radar
        320s record observed FallWarning Clear by radar
        500s record trigger Fall by radar (FallWarningNotCleared)
        500s told Contacting the centre
    "#]]);
}

#[test]
fn a_caregivers_motion_elsewhere_clears_no_suspected_fall() {
    let mut bench = Bench::new();
    bench.visit(VisitAct::CheckIn);
    bench.seen(Kind::FallWarning, "radar", Reading::Active, None);
    bench.wait(60_000);
    bench.seen(Kind::Motion, "hall", Reading::Active, None);
    bench.wait(120_000);
    assert!(
        bench.transcript.contains("180s record trigger Fall by radar (FallWarningNotCleared)"),
        "{}",
        bench.transcript
    );
}

#[test]
fn a_suspected_fall_raises_unless_motion_in_another_room_clears_it() {
    let mut bench = Bench::new();
    bench.seen(Kind::FallWarning, "radar", Reading::Active, None);
    bench.wait(60_000);
    bench.seen(Kind::Motion, "hall", Reading::Active, None);
    bench.wait(200_000);
    bench.seen(Kind::FallWarning, "radar", Reading::Active, None);
    bench.wait(200_000);
    bench.check(expect![[r#"
        0s record observed FallWarning Active by radar
        60s record observed Motion Active by hall
        260s record observed FallWarning Active by radar
        440s record trigger Fall by radar (FallWarningNotCleared)
        440s told Contacting the centre
    "#]]);
}

#[test]
fn power_lost_during_a_pre_alarm_raises_at_the_next_boot() {
    let mut bench = Bench::new();
    bench.fall();
    bench.now = Stamp { boot: 2, uptime_ms: 1_000, ..bench.now };
    bench.input(&Input::Started { unsafe_from: None });
    bench.check(expect![[r#"
        0s record pre-alarm Fall by radar, 30 s
        0s told Are you all right? Press cancel if so
        1s record trigger Fall by radar (PowerLostDuringPreAlarm)
    "#]]);
}

#[test]
fn fire_says_leave_now_whatever_else_is_open() {
    let mut bench = Bench::new();
    bench.press();
    bench.seen(Kind::Smoke, "kitchen smoke", Reading::Active, Some(Reason::SensorAlarm));
    bench.check(expect![[r#"
        0s record trigger Sos by bedside (ButtonPressed)
        0s told Contacting the centre
        0s record trigger Smoke by kitchen smoke (SensorAlarm)
        0s told Leave now
    "#]]);
}

#[test]
fn help_for_daily_life_is_never_told_of_an_emergency() {
    let mut bench = Bench::new();
    bench.seen(Kind::Assistance, "help button", Reading::Active, Some(Reason::AssistancePressed));
    bench.input(&Input::Received { seqs: &[1], ver: 1 });
    let local = LocalKey { incarnation: Incarnation(1), seq: 1 };
    let id = WorkOrderId::opened_by(&RecordKey { gateway: "home-1".parse().unwrap(), local });
    let (class, stage) = (OrderClass::Assistance, Stage::Here);
    let orders = [OrderProgress { id, opened_by: Some(local), class, stage, ver: 2 }];
    bench.input(&Input::Progress { ver: 2, orders: &orders, lease_ms: 180_000 });
    bench.press();
    bench.check(expect![[r#"
        0s record trigger Assistance by help button (AssistancePressed)
        0s told Contacting the centre
        0s told Arrived, no person yet
        0s told The helper has arrived
        0s record trigger Sos by bedside (ButtonPressed)
        0s told Contacting the centre
    "#]]);
}

#[test]
fn a_second_press_that_does_not_get_through_is_told_although_the_first_did() {
    let mut bench = Bench::new();
    bench.press();
    bench.input(&Input::Received { seqs: &[1], ver: 1 });
    bench.centre(1, Some(Stage::Received));
    bench.wait(60_000);
    bench.press();
    bench.wait(60_000);
    bench.check(expect![[r#"
        0s record trigger Sos by bedside (ButtonPressed)
        0s told Contacting the centre
        0s told Arrived, no person yet
        60s record trigger Sos by bedside (ButtonPressed)
        60s told Contacting the centre
        90s told Not connected: call 120
        120s told Still not connected: call 120 and shout for help
    "#]]);
}

#[test]
fn a_receipt_alone_is_news_for_three_minutes() {
    let mut bench = Bench::new();
    bench.press();
    bench.input(&Input::Received { seqs: &[1], ver: 1 });
    bench.wait(600_000);
    bench.check(expect![[r#"
        0s record trigger Sos by bedside (ButtonPressed)
        0s told Contacting the centre
        0s told Arrived, no person yet
        180s told Not connected: call 120
    "#]]);
}

#[test]
fn after_a_power_cut_an_unreceived_press_is_told_within_the_wait_of_the_new_boot() {
    let mut bench = Bench::new();
    bench.now.uptime_ms = 5_000_000;
    bench.press();
    bench.now = Stamp { boot: 2, uptime_ms: 4_000, ..bench.now };
    bench.input(&Input::Started { unsafe_from: None });
    bench.wait(60_000);
    bench.check(expect![[r#"
        5000s record trigger Sos by bedside (ButtonPressed)
        5000s told Contacting the centre
        30s told Not connected: call 120
        60s told Still not connected: call 120 and shout for help
    "#]]);
}

#[test]
fn motion_of_an_unknown_room_does_not_clear_a_suspected_fall() {
    let mut bench = Bench::new();
    bench.seen(Kind::FallWarning, "radar", Reading::Active, None);
    bench.seen(Kind::Motion, "a sensor without a room", Reading::Active, None);
    bench.wait(200_000);
    bench.check(expect![[r#"
        0s record observed FallWarning Active by radar
        0s record observed Motion Active by a sensor without a room
        180s record trigger Fall by radar (FallWarningNotCleared)
        180s told Contacting the centre
    "#]]);
}

mod any_state;
mod day;
