//! Scenarios in, transcripts out.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test names only what it looks at")]

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use protocol::ids::{Hash32, Incarnation};
use protocol::record::{Cancelled, Delivery, MainsSupply, PreAlarm, Reassured, Stamp, Trigger};
use protocol::stage::Stage;
use protocol::trigger::{Reason, TriggerKind};
use protocol::visit::{Grade, Method, VisitAct, VisitException, VisitRecord};

use super::effect::state_name;
use super::*;

mod supervision;

fn key(seq: u64) -> LocalKey {
    LocalKey { incarnation: Incarnation(1), seq }
}

/// A home with a pen: what is done to it and what follows are written down.
struct Play {
    home: Dispatch,
    now_ms: i64,
    mains: MainsRules,
    names: Vec<WorkOrderId>,
    out: String,
}

impl Play {
    fn new() -> Self {
        let (home, mains) = (Dispatch::new("home-1".parse().unwrap()), MainsRules::default());
        Self { home, now_ms: 0, mains, names: Vec::new(), out: String::new() }
    }

    fn at(&mut self, secs: i64) -> &mut Self {
        self.now_ms = secs * 1000;
        self
    }

    fn name(&mut self, id: &WorkOrderId) -> char {
        let i = self.names.iter().position(|known| known == id).unwrap_or_else(|| {
            self.names.push(id.clone());
            self.names.len() - 1
        });
        char::from(b'A' + u8::try_from(i).unwrap())
    }

    fn input(&mut self, told: &str, input: Input) -> &mut Self {
        writeln!(self.out, "{}s {told}", self.now_ms / 1000).unwrap();
        for effect in self.home.handle(self.now_ms, input) {
            let line = match effect {
                Effect::Order(order) => {
                    let name = self.name(&order.id);
                    let linked = order.linked.as_ref().map(|id| format!(" linked {}", self.name(id)));
                    format!(
                        "{name} v{} {} P{} stage {:?} presses {} owner {}{}",
                        order.ver,
                        state_name(order.state),
                        order.priority,
                        order.stage(),
                        order.presses,
                        order.owner.as_deref().unwrap_or("-"),
                        linked.unwrap_or_default(),
                    )
                }
                Effect::Timeline(entry) => {
                    let name = self.name(&entry.order);
                    let ago = entry.occurred_at_ms.map_or(0, |at| (entry.at_ms - at) / 1000);
                    let ago = if ago == 0 { String::new() } else { format!(" ({ago}s ago)") };
                    let code = entry.what.code();
                    let detail = match entry.what {
                        What::Opened(of) | What::Joined { origin: of, .. } => format!(" {:?} {:?}", of.kind, of.reason),
                        What::Linked { order } => format!(" to {}", self.name(&order)),
                        What::CheckInToConfirm { caregiver, grade, exceptions } => {
                            format!(" {caregiver} {grade:?} {exceptions:?}")
                        }
                        other => match format!("{other:?}").split_once(' ') {
                            Some((_, rest)) => format!(" {rest}"),
                            None => String::new(),
                        },
                    };
                    format!("{name} timeline {:?} {code}{detail}{ago}", entry.by)
                }
                Effect::Publish(notice) => {
                    let kind = notice.kind.as_str();
                    match notice.body {
                        NoticeBody::Order(order) => {
                            let ring = if order.ring { " ring" } else { "" };
                            let late = if order.late { " late" } else { "" };
                            let code = order.close_code.map(|code| format!(" {code}")).unwrap_or_default();
                            format!("feed {kind}{ring}{late}{code}")
                        }
                        NoticeBody::Visit(visit) => {
                            let who = visit.caregiver.as_deref().unwrap_or("unknown");
                            format!("feed {kind} {who} {:?}", visit.grade)
                        }
                        NoticeBody::PreAlarm(of) => format!("feed {kind} {:?} {:?}", of.kind, of.reason),
                        NoticeBody::Test(of) => format!("feed {kind} {:?}", of.kind),
                        NoticeBody::TestStep(of) => format!("feed {kind} {:?}", of.step),
                    }
                }
                Effect::Visit(visit) => format!("visit row, order {}", visit.work_order.is_some()),
                Effect::Refused(refused) => format!("refused: {refused}"),
            };
            writeln!(self.out, "    {line}").unwrap();
        }
        self
    }

    fn record(&mut self, told: &str, seq: u64, age_secs: Option<u64>, body: Body) -> &mut Self {
        let record = Record {
            incarnation: Incarnation(1),
            seq,
            at: Stamp { boot: 1, uptime_ms: 0, wall_ms: 0, wall_trusted: false },
            delivery: None,
            body,
            prev: Hash32::ZERO,
            hash: Hash32::ZERO,
        };
        let age_ms = age_secs.map(|age| age * 1000);
        let arrival = Arrival { record: Arc::new(record), age_ms, settled: false, mains: self.mains };
        self.input(told, Input::Record(arrival))
    }

    fn trigger(&mut self, seq: u64, kind: TriggerKind, reason: Reason, follows: Option<u64>) -> &mut Self {
        self.trigger_aged(seq, kind, reason, follows, Some(0))
    }

    fn trigger_aged(
        &mut self,
        seq: u64,
        kind: TriggerKind,
        reason: Reason,
        follows: Option<u64>,
        age_secs: Option<u64>,
    ) -> &mut Self {
        let told = match follows {
            Some(follows) => format!("trigger #{seq} {kind:?} follows #{follows}"),
            None => format!("trigger #{seq} {kind:?}"),
        };
        let told = match age_secs {
            Some(age) if age > 0 => format!("{told}, {age}s old"),
            _ => told,
        };
        let body = Body::Trigger(Trigger {
            kind,
            device: "device".into(),
            key: "action".into(),
            room: None,
            reason,
            follows: follows.map(key),
            test: false,
        });
        self.record(&told, seq, age_secs, body)
    }

    fn press(&mut self, seq: u64) -> &mut Self {
        self.trigger(seq, TriggerKind::Sos, Reason::ButtonPressed, None)
    }

    fn pre_alarm(&mut self, seq: u64, fuse_secs: u64, age_secs: u64) -> &mut Self {
        let body = Body::PreAlarm(PreAlarm {
            kind: TriggerKind::Fall,
            device: "radar".into(),
            key: "fall_status".into(),
            room: None,
            reason: Reason::SensorSaysFall,
            fuse_ms: fuse_secs * 1000,
        });
        self.record(&format!("pre-alarm #{seq}, fuse {fuse_secs}s, {age_secs}s old"), seq, Some(age_secs), body)
    }

    fn cancel(&mut self, seq: u64, of: u64) -> &mut Self {
        let body =
            Body::Cancelled(Cancelled { lifecycle: key(of), device: "button".into(), reason: Reason::ElderCancelled });
        self.record(&format!("cancel #{seq} of #{of}"), seq, Some(0), body)
    }

    fn visit(&mut self, seq: u64, act: VisitAct, grade: Grade, age_secs: u64) -> &mut Self {
        let exceptions = if grade == Grade::Proven { vec![] } else { vec![VisitException::NoFix] };
        let body = Body::Visit(VisitRecord {
            act,
            caregiver: "cg-17".into(),
            service: "助洁".into(),
            method: Method::Code,
            fix: None,
            distance_m: None,
            grade,
            exceptions,
            outcome: (act == VisitAct::CheckOut).then(|| "helped up".into()),
            home_evidence: true,
            datum: None,
            suspected: None,
            code_step: None,
        });
        self.record(&format!("{act:?} #{seq} {grade:?}, {age_secs}s old"), seq, Some(age_secs), body)
    }

    fn due(&mut self) -> &mut Self {
        let next = self.home.next_deadline();
        let told = match next {
            Some((due, Deadline::FuseEnds(key))) => format!("deadline: fuse of #{} ends at {}s", key.seq, due / 1000),
            Some((due, why)) => format!("deadline: {why:?} at {}s", due / 1000),
            None => "deadline: none".to_owned(),
        };
        self.input(&told, Input::Deadline)
    }

    fn ask(&mut self, name: &str, order: char, act: Act) -> &mut Self {
        self.ask_ver(name, order, None, act)
    }

    fn ask_ver(&mut self, name: &str, order: char, ver: Option<u64>, act: Act) -> &mut Self {
        let told = format!("{name} asks on {order}: {act:?}");
        let order = self.names[usize::from(order as u8 - b'A')].clone();
        let by = Operator { name: name.to_owned(), supervisor: name == "chief" };
        self.input(&told, Input::Command(Command { order, by, ver, act }))
    }

    fn close(&mut self, name: &str, order: char, code: &str, outcome: &str) -> &mut Self {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        self.ask(name, order, Act::Close { code: some(code), outcome: some(outcome), note: None })
    }

    fn dispatch(&mut self, name: &str, order: char) -> &mut Self {
        self.ask(name, order, Act::Dispatch { responder: "cg-17".into() })
    }

    fn tells(&mut self, expected: Expect) {
        expected.assert_eq(&self.out);
    }
}

#[test]
fn the_first_press_opens_an_order_and_further_ones_join_it_and_ring_again() {
    let mut play = Play::new();
    play.press(1).at(5).press(2).at(9).ask("wang", 'A', Act::Claim).at(20).press(3);
    play.tells(expect![[r#"
        0s trigger #1 Sos
            A timeline Home opened Sos ButtonPressed
            A v1 open P1 stage Received presses 1 owner -
            feed workorder.opened ring
        5s trigger #2 Sos
            A timeline Home joined Sos ButtonPressed
            A v2 open P1 stage Received presses 2 owner -
            feed workorder.updated ring
        9s wang asks on A: Claim
            A timeline Operator("wang") claimed
            A v3 claimed P1 stage Taken presses 2 owner wang
            feed workorder.claimed
        20s trigger #3 Sos
            A timeline Home joined Sos ButtonPressed
            A v4 claimed P1 stage Taken presses 3 owner wang
            feed workorder.updated ring
    "#]]);
}

#[test]
fn a_press_after_the_responder_left_needs_a_person_again() {
    let mut play = Play::new();
    play.press(1).ask("wang", 'A', Act::Claim).visit(2, VisitAct::CheckIn, Grade::Proven, 0);
    play.visit(3, VisitAct::CheckOut, Grade::Proven, 0).at(60).press(4);
    play.tells(expect![[r#"
        0s trigger #1 Sos
            A timeline Home opened Sos ButtonPressed
            A v1 open P1 stage Received presses 1 owner -
            feed workorder.opened ring
        0s wang asks on A: Claim
            A timeline Operator("wang") claimed
            A v2 claimed P1 stage Taken presses 1 owner wang
            feed workorder.claimed
        0s CheckIn #2 Proven, 0s old
            A timeline Home on_scene_by_visit { caregiver: "cg-17" }
            A v3 on_scene P1 stage Here presses 1 owner wang
            feed workorder.on_scene
            feed care_visit.checked_in cg-17 Proven
            visit row, order true
        0s CheckOut #3 Proven, 0s old
            A timeline Home checked_out { caregiver: "cg-17", outcome: Some("helped up") }
            A v4 awaiting_close P1 stage Taken presses 1 owner wang
            feed workorder.updated
            feed care_visit.checked_out cg-17 Proven
            visit row, order true
        60s trigger #4 Sos
            A timeline Home joined Sos ButtonPressed
            A v5 claimed P1 stage Taken presses 2 owner wang
            feed workorder.updated ring
    "#]]);
}

#[test]
fn falls_join_the_emergency_order_but_smoke_opens_its_own_linked_one() {
    let mut play = Play::new();
    play.trigger(1, TriggerKind::Inactivity, Reason::PreAlarmNotCancelled, None);
    play.trigger(2, TriggerKind::Sos, Reason::ButtonPressed, None);
    play.trigger(3, TriggerKind::Smoke, Reason::SensorAlarm, None);
    play.trigger(4, TriggerKind::Gas, Reason::SensorAlarm, None);
    play.trigger(5, TriggerKind::Assistance, Reason::AssistancePressed, None);
    play.trigger(6, TriggerKind::Technical, Reason::BatteryLow, None);
    play.tells(expect![[r#"
        0s trigger #1 Inactivity
            A timeline Home opened Inactivity PreAlarmNotCancelled
            A v1 open P2 stage Received presses 1 owner -
            feed workorder.opened ring
        0s trigger #2 Sos
            A timeline Home joined Sos ButtonPressed
            A v2 open P1 stage Received presses 2 owner -
            feed workorder.updated ring
        0s trigger #3 Smoke
            A timeline Centre linked to B
            A v3 open P1 stage Received presses 2 owner - linked B
            feed workorder.updated
            B timeline Home opened Smoke SensorAlarm
            B timeline Centre linked to A
            B v1 open P0 stage Received presses 1 owner - linked A
            feed workorder.opened ring
        0s trigger #4 Gas
            B timeline Home joined Gas SensorAlarm
            B v2 open P0 stage Received presses 2 owner - linked A
            feed workorder.updated ring
        0s trigger #5 Assistance
            C timeline Home opened Assistance AssistancePressed
            C v1 open P2 stage Received presses 1 owner -
            feed workorder.opened ring
        0s trigger #6 Technical
            D timeline Home opened Technical BatteryLow
            D v1 open P3 stage Received presses 1 owner -
            feed workorder.opened
    "#]]);
}

#[test]
fn the_centre_opens_the_order_itself_and_the_gateways_trigger_is_the_same_press() {
    let mut play = Play::new();
    play.pre_alarm(1, 30, 0).at(29).due().at(30).due();
    play.at(31).trigger(2, TriggerKind::Fall, Reason::PreAlarmNotCancelled, Some(1)).due();
    play.at(40).trigger(3, TriggerKind::Fall, Reason::SecondFall, Some(1));
    play.tells(expect![[r#"
        0s pre-alarm #1, fuse 30s, 0s old
        29s deadline: fuse of #1 ends at 30s
        30s deadline: fuse of #1 ends at 30s
            A timeline Centre opened Fall PreAlarmNotCancelled (30s ago)
            A v1 open P1 stage Received presses 1 owner -
            feed workorder.opened ring
        31s trigger #2 Fall follows #1
            A timeline Home confirmed_by_gateway { record: LocalKey { incarnation: Incarnation(1), seq: 2 }, reason: PreAlarmNotCancelled }
        31s deadline: none
        40s trigger #3 Fall follows #1
            A timeline Home joined Fall SecondFall
            A v2 open P1 stage Received presses 2 owner -
            feed workorder.updated ring
    "#]]);
}

#[test]
fn a_trigger_before_the_fuse_ends_puts_the_fuse_out_and_counts_once() {
    let mut play = Play::new();
    play.pre_alarm(1, 30, 0).at(28).trigger(2, TriggerKind::Fall, Reason::PreAlarmNotCancelled, Some(1));
    play.at(30).due();
    play.tells(expect![[r#"
        0s pre-alarm #1, fuse 30s, 0s old
        28s trigger #2 Fall follows #1
            A timeline Home opened Fall PreAlarmNotCancelled
            A v1 open P1 stage Received presses 1 owner -
            feed workorder.opened ring
        30s deadline: none
    "#]]);
}

#[test]
fn a_trigger_that_overtakes_its_pre_alarm_counts_once() {
    let mut play = Play::new();
    play.trigger(2, TriggerKind::Fall, Reason::PreAlarmNotCancelled, Some(1)).pre_alarm(1, 30, 31).due();
    assert_eq!(play.names, vec![order_id(&play.home.gateway, key(1))], "the pre-alarm gives the order its identity");
    play.tells(expect![[r#"
        0s trigger #2 Fall follows #1
            A timeline Home opened Fall PreAlarmNotCancelled
            A v1 open P1 stage Received presses 1 owner -
            feed workorder.opened ring
        0s pre-alarm #1, fuse 30s, 31s old
            A timeline Home confirmed_by_gateway { record: LocalKey { incarnation: Incarnation(1), seq: 1 }, reason: SensorSaysFall } (31s ago)
        0s deadline: none
    "#]]);
}

#[test]
fn a_cancelled_pre_alarm_is_told_and_opens_nothing() {
    let mut play = Play::new();
    play.pre_alarm(1, 30, 0).at(10).cancel(2, 1).at(30).due();
    play.tells(expect![[r#"
        0s pre-alarm #1, fuse 30s, 0s old
        10s cancel #2 of #1
            feed prealarm.cancelled Some(Fall) ElderCancelled
        30s deadline: none
    "#]]);
}

#[test]
fn a_cancel_that_overtakes_its_pre_alarm_puts_it_out() {
    let mut play = Play::new();
    play.cancel(2, 1).pre_alarm(1, 30, 12).at(60).due();
    play.tells(expect![[r#"
        0s cancel #2 of #1
            feed prealarm.cancelled None ElderCancelled
        0s pre-alarm #1, fuse 30s, 12s old
        60s deadline: none
    "#]]);
}

#[test]
fn a_cancel_behind_an_old_pre_alarm_still_comes_in_time() {
    let mut play = Play::new();
    play.pre_alarm(1, 30, 600).cancel(2, 1).at(5).due();
    play.at(100).pre_alarm(3, 30, 20).at(110).due();
    play.tells(expect![[r#"
        0s pre-alarm #1, fuse 30s, 600s old
        0s cancel #2 of #1
            feed prealarm.cancelled Some(Fall) ElderCancelled
        5s deadline: none
        100s pre-alarm #3, fuse 30s, 20s old
        110s deadline: fuse of #3 ends at 110s
            A timeline Centre opened Fall PreAlarmNotCancelled (30s ago)
            A v1 open P1 stage Received presses 1 owner -
            feed workorder.opened ring
    "#]]);
}

#[test]
fn a_cancel_after_the_order_opened_is_a_note_and_the_order_stays() {
    let mut play = Play::new();
    play.pre_alarm(1, 30, 0).at(30).due().at(33).cancel(2, 1);
    play.tells(expect![[r#"
        0s pre-alarm #1, fuse 30s, 0s old
        30s deadline: fuse of #1 ends at 30s
            A timeline Centre opened Fall PreAlarmNotCancelled (30s ago)
            A v1 open P1 stage Received presses 1 owner -
            feed workorder.opened ring
        33s cancel #2 of #1
            A timeline Home cancelled_by_elder { device: "button" }
            A v2 open P1 stage Received presses 1 owner -
            feed workorder.updated
    "#]]);
}

#[test]
fn a_fall_after_a_cancelled_one_opens_an_order_at_once() {
    let mut play = Play::new();
    play.pre_alarm(1, 30, 0).at(10).cancel(2, 1).at(900);
    play.trigger(3, TriggerKind::Fall, Reason::NoMotionAfterFall, Some(1));
    play.tells(expect![[r#"
        0s pre-alarm #1, fuse 30s, 0s old
        10s cancel #2 of #1
            feed prealarm.cancelled Some(Fall) ElderCancelled
        900s trigger #3 Fall follows #1
            A timeline Home opened Fall NoMotionAfterFall
            A v1 open P1 stage Received presses 1 owner -
            feed workorder.opened ring
            A timeline Home cancelled_by_elder { device: "button" }
    "#]]);
}

#[test]
fn what_arrives_for_a_closed_lifecycle_is_noted_and_a_new_need_opens_a_new_order() {
    let mut play = Play::new();
    play.pre_alarm(1, 30, 0).at(30).due().ask("wang", 'A', Act::Claim).close("wang", 'A', "false.sensor", "advice");
    play.at(99).trigger(2, TriggerKind::Fall, Reason::PreAlarmNotCancelled, Some(1));
    play.at(100).trigger(3, TriggerKind::Fall, Reason::SecondFall, Some(1));
    play.tells(expect![[r#"
        0s pre-alarm #1, fuse 30s, 0s old
        30s deadline: fuse of #1 ends at 30s
            A timeline Centre opened Fall PreAlarmNotCancelled (30s ago)
            A v1 open P1 stage Received presses 1 owner -
            feed workorder.opened ring
        30s wang asks on A: Claim
            A timeline Operator("wang") claimed
            A v2 claimed P1 stage Taken presses 1 owner wang
            feed workorder.claimed
        30s wang asks on A: Close { code: Some("false.sensor"), outcome: Some("advice"), note: None }
            A timeline Operator("wang") closed { code: FalseSensor, outcome: Some(Advice), note: None }
            A v3 closed P1 stage Quiet presses 1 owner wang
            feed workorder.closed false.sensor
        99s trigger #2 Fall follows #1
            A timeline Home confirmed_by_gateway { record: LocalKey { incarnation: Incarnation(1), seq: 2 }, reason: PreAlarmNotCancelled }
        100s trigger #3 Fall follows #1
            B timeline Home opened Fall SecondFall
            B v1 open P1 stage Received presses 1 owner -
            feed workorder.opened ring
    "#]]);
}

#[test]
fn a_test_press_opens_no_order_and_leaves_evidence() {
    let mut play = Play::new();
    let body = Body::Trigger(Trigger {
        kind: TriggerKind::Sos,
        device: "device".into(),
        key: "action".into(),
        room: None,
        reason: Reason::ButtonPressed,
        follows: None,
        test: true,
    });
    play.record("test press #1", 1, Some(0), body).press(2);
    play.tells(expect![[r#"
        0s test press #1
            feed test Sos
        0s trigger #2 Sos
            A timeline Home opened Sos ButtonPressed
            A v1 open P1 stage Received presses 1 owner -
            feed workorder.opened ring
    "#]]);
}

#[test]
fn late_presses_open_an_order_marked_late_and_very_late_ones_ask_for_a_call_back() {
    let mut play = Play::new();
    play.trigger_aged(1, TriggerKind::Sos, Reason::ButtonPressed, None, Some(120));
    play.trigger_aged(2, TriggerKind::Sos, Reason::ButtonPressed, None, Some(11_520));
    play.tells(expect![[r#"
        0s trigger #1 Sos, 120s old
            A timeline Home opened Sos ButtonPressed (120s ago)
            A v1 open P1 stage Received presses 1 owner -
            feed workorder.opened ring
        0s trigger #2 Sos, 11520s old
            A timeline Home joined Sos ButtonPressed (11520s ago)
            A v2 open P1 stage Received presses 2 owner -
            feed workorder.updated ring late
    "#]]);
    let mut play = Play::new();
    play.trigger_aged(1, TriggerKind::Sos, Reason::ButtonPressed, None, Some(25 * 3600));
    play.trigger_aged(2, TriggerKind::Sos, Reason::ButtonPressed, None, None);
    play.tells(expect![[r#"
        0s trigger #1 Sos, 90000s old
            A timeline Home opened Sos ButtonPressed (90000s ago)
            A v1 open P2 stage Received presses 1 owner -
            feed workorder.opened ring late
            A timeline Centre call_back { age_ms: 90000000 } (90000s ago)
        0s trigger #2 Sos
            A timeline Home joined Sos ButtonPressed
            A v2 open P1 stage Received presses 2 owner -
            feed workorder.updated ring
    "#]]);
}

#[test]
fn a_proven_check_in_puts_the_order_on_scene_and_the_check_out_asks_to_close() {
    let mut play = Play::new();
    play.press(1).ask("wang", 'A', Act::Claim).dispatch("wang", 'A');
    play.at(300).visit(2, VisitAct::CheckIn, Grade::Proven, 0);
    play.at(900).visit(3, VisitAct::CheckOut, Grade::Proven, 0).close("wang", 'A', "real.fall", "responder_visited");
    play.at(1000).visit(4, VisitAct::CheckIn, Grade::Proven, 0);
    play.tells(expect![[r#"
        0s trigger #1 Sos
            A timeline Home opened Sos ButtonPressed
            A v1 open P1 stage Received presses 1 owner -
            feed workorder.opened ring
        0s wang asks on A: Claim
            A timeline Operator("wang") claimed
            A v2 claimed P1 stage Taken presses 1 owner wang
            feed workorder.claimed
        0s wang asks on A: Dispatch { responder: "cg-17" }
            A timeline Operator("wang") dispatched { responder: "cg-17" }
            A v3 dispatched P1 stage Coming presses 1 owner wang
            feed workorder.dispatched
        300s CheckIn #2 Proven, 0s old
            A timeline Home on_scene_by_visit { caregiver: "cg-17" }
            A v4 on_scene P1 stage Here presses 1 owner wang
            feed workorder.on_scene
            feed care_visit.checked_in cg-17 Proven
            visit row, order true
        900s CheckOut #3 Proven, 0s old
            A timeline Home checked_out { caregiver: "cg-17", outcome: Some("helped up") }
            A v5 awaiting_close P1 stage Taken presses 1 owner wang
            feed workorder.updated
            feed care_visit.checked_out cg-17 Proven
            visit row, order true
        900s wang asks on A: Close { code: Some("real.fall"), outcome: Some("responder_visited"), note: None }
            A timeline Operator("wang") closed { code: RealFall, outcome: Some(ResponderVisited), note: None }
            A v6 closed P1 stage Quiet presses 1 owner wang
            feed workorder.closed real.fall
        1000s CheckIn #4 Proven, 0s old
            feed care_visit.checked_in cg-17 Proven
            visit row, order false
    "#]]);
}

#[test]
fn a_lesser_check_in_asks_the_dispatcher_to_confirm() {
    let mut play = Play::new();
    play.press(1).ask("wang", 'A', Act::Claim).visit(2, VisitAct::CheckIn, Grade::Located, 0);
    play.ask("wang", 'A', Act::OnScene).visit(3, VisitAct::CheckOut, Grade::Claimed, 0);
    play.tells(expect![[r#"
        0s trigger #1 Sos
            A timeline Home opened Sos ButtonPressed
            A v1 open P1 stage Received presses 1 owner -
            feed workorder.opened ring
        0s wang asks on A: Claim
            A timeline Operator("wang") claimed
            A v2 claimed P1 stage Taken presses 1 owner wang
            feed workorder.claimed
        0s CheckIn #2 Located, 0s old
            A timeline Home check_in_to_confirm cg-17 Located [NoFix]
            A v3 claimed P1 stage Taken presses 1 owner wang
            feed workorder.updated
            feed care_visit.checked_in cg-17 Located
            visit row, order true
        0s wang asks on A: OnScene
            A timeline Operator("wang") on_scene_by_word
            A v4 on_scene P1 stage Here presses 1 owner wang
            feed workorder.on_scene
        0s CheckOut #3 Claimed, 0s old
            A timeline Home checked_out { caregiver: "cg-17", outcome: Some("helped up") }
            A v5 awaiting_close P1 stage Taken presses 1 owner wang
            feed workorder.updated
            feed care_visit.checked_out cg-17 Claimed
            visit row, order true
    "#]]);
}

#[test]
fn a_check_in_from_before_the_call_is_no_help_for_it() {
    let mut play = Play::new();
    play.at(1000).press(1).visit(2, VisitAct::CheckIn, Grade::Proven, 500).visit(
        3,
        VisitAct::CheckOut,
        Grade::Proven,
        0,
    );
    play.tells(expect![[r#"
        1000s trigger #1 Sos
            A timeline Home opened Sos ButtonPressed
            A v1 open P1 stage Received presses 1 owner -
            feed workorder.opened ring
        1000s CheckIn #2 Proven, 500s old
            A timeline Home check_in_to_confirm cg-17 Proven [] (500s ago)
            A v2 open P1 stage Received presses 1 owner -
            feed workorder.updated
            feed care_visit.checked_in cg-17 Proven
            visit row, order true
        1000s CheckOut #3 Proven, 0s old
            A timeline Home checked_out { caregiver: "cg-17", outcome: Some("helped up") }
            A v3 open P1 stage Received presses 1 owner -
            feed workorder.updated
            feed care_visit.checked_out cg-17 Proven
            visit row, order true
    "#]]);
}

#[test]
fn what_the_elder_was_told_is_taken_back_when_help_steps_back() {
    let mut play = Play::new();
    play.press(1).ask("wang", 'A', Act::Claim).ask("wang", 'A', Act::Release).ask("li", 'A', Act::Claim);
    play.dispatch("li", 'A').ask("li", 'A', Act::Withdraw).ask("li", 'A', Act::Withdraw).dispatch("li", 'A');
    play.ask("li", 'A', Act::Release).ask("wang", 'A', Act::Claim);
    play.tells(expect![[r#"
        0s trigger #1 Sos
            A timeline Home opened Sos ButtonPressed
            A v1 open P1 stage Received presses 1 owner -
            feed workorder.opened ring
        0s wang asks on A: Claim
            A timeline Operator("wang") claimed
            A v2 claimed P1 stage Taken presses 1 owner wang
            feed workorder.claimed
        0s wang asks on A: Release
            A timeline Operator("wang") released
            A v3 open P1 stage Retracted presses 1 owner -
            feed workorder.released ring
        0s li asks on A: Claim
            A timeline Operator("li") claimed
            A v4 claimed P1 stage Taken presses 1 owner li
            feed workorder.claimed
        0s li asks on A: Dispatch { responder: "cg-17" }
            A timeline Operator("li") dispatched { responder: "cg-17" }
            A v5 dispatched P1 stage Coming presses 1 owner li
            feed workorder.dispatched
        0s li asks on A: Withdraw
            A timeline Operator("li") withdrawn { responder: "cg-17" }
            A v6 claimed P1 stage Retracted presses 1 owner li
            feed workorder.updated ring
        0s li asks on A: Withdraw
            refused: not possible while the order is claimed
        0s li asks on A: Dispatch { responder: "cg-17" }
            A timeline Operator("li") dispatched { responder: "cg-17" }
            A v7 dispatched P1 stage Coming presses 1 owner li
            feed workorder.dispatched
        0s li asks on A: Release
            A timeline Operator("li") released
            A v8 dispatched P1 stage Coming presses 1 owner -
            feed workorder.released ring
        0s wang asks on A: Claim
            A timeline Operator("wang") claimed
            A v9 dispatched P1 stage Coming presses 1 owner wang
            feed workorder.claimed
    "#]]);
}

#[test]
fn commands_are_refused_with_a_reason() {
    let mut play = Play::new();
    play.press(1).dispatch("wang", 'A').ask("wang", 'A', Act::Claim).ask("wang", 'A', Act::Claim);
    play.ask("li", 'A', Act::Claim).dispatch("li", 'A').ask("li", 'A', Act::Release);
    play.ask_ver("wang", 'A', Some(1), Act::Note { text: "seen".into() });
    play.ask("wang", 'A', Act::Note { text: " ".into() }).ask("li", 'A', Act::Note { text: "I know her".into() });
    play.ask("chief", 'A', Act::OnScene).ask("wang", 'A', Act::OnScene);
    play.tells(expect![[r#"
        0s trigger #1 Sos
            A timeline Home opened Sos ButtonPressed
            A v1 open P1 stage Received presses 1 owner -
            feed workorder.opened ring
        0s wang asks on A: Dispatch { responder: "cg-17" }
            refused: nobody has this order; claim it first
        0s wang asks on A: Claim
            A timeline Operator("wang") claimed
            A v2 claimed P1 stage Taken presses 1 owner wang
            feed workorder.claimed
        0s wang asks on A: Claim
        0s li asks on A: Claim
            refused: already claimed by wang
        0s li asks on A: Dispatch { responder: "cg-17" }
            refused: wang has this order; only the owner or a supervisor may do this
        0s li asks on A: Release
            refused: wang has this order; only the owner or a supervisor may do this
        0s wang asks on A: Note { text: "seen" }
            refused: the order has changed, its version is 2; look at it again
        0s wang asks on A: Note { text: " " }
            refused: the note must have 1 to 2000 characters
        0s li asks on A: Note { text: "I know her" }
            A timeline Operator("li") note { text: "I know her" }
            A v3 claimed P1 stage Taken presses 1 owner wang
            feed workorder.updated
        0s chief asks on A: OnScene
            A timeline Operator("chief") on_scene_by_word
            A v4 on_scene P1 stage Here presses 1 owner wang
            feed workorder.on_scene
        0s wang asks on A: OnScene
            refused: not possible while the order is on_scene
    "#]]);
}

#[test]
fn closing_needs_a_code_and_an_outcome_that_fit() {
    let mut play = Play::new();
    play.press(1).close("wang", 'A', "real.fall", "advice").ask("wang", 'A', Act::Claim);
    play.close("wang", 'A', "", "").close("wang", 'A', "done", "").close("wang", 'A', "real.fall", "");
    play.close("wang", 'A', "real.fall", "hugged").close("wang", 'A', "cancelled_by_elder", "advice");
    play.close("wang", 'A', "unreachable_address", "advice").close("li", 'A', "real.fall", "advice");
    play.close("wang", 'A', "false.accidental_press", "advice").close("wang", 'A', "false.accidental_press", "advice");
    play.tells(expect![[r#"
        0s trigger #1 Sos
            A timeline Home opened Sos ButtonPressed
            A v1 open P1 stage Received presses 1 owner -
            feed workorder.opened ring
        0s wang asks on A: Close { code: Some("real.fall"), outcome: Some("advice"), note: None }
            refused: nobody has this order; claim it first
        0s wang asks on A: Claim
            A timeline Operator("wang") claimed
            A v2 claimed P1 stage Taken presses 1 owner wang
            feed workorder.claimed
        0s wang asks on A: Close { code: None, outcome: None, note: None }
            refused: a close code is required
        0s wang asks on A: Close { code: Some("done"), outcome: None, note: None }
            refused: `done` is not a close code
        0s wang asks on A: Close { code: Some("real.fall"), outcome: None, note: None }
            refused: an outcome is required to close an order of priority 0 or 1
        0s wang asks on A: Close { code: Some("real.fall"), outcome: Some("hugged"), note: None }
            refused: `hugged` is not an outcome
        0s wang asks on A: Close { code: Some("cancelled_by_elder"), outcome: Some("advice"), note: None }
            refused: cancelled_by_elder is for automatic alarms only; this order carries a manual press
        0s wang asks on A: Close { code: Some("unreachable_address"), outcome: Some("advice"), note: None }
            refused: an emergency cannot be closed because the address was not reached; send somebody or hand it on
        0s li asks on A: Close { code: Some("real.fall"), outcome: Some("advice"), note: None }
            refused: wang has this order; only the owner or a supervisor may do this
        0s wang asks on A: Close { code: Some("false.accidental_press"), outcome: Some("advice"), note: None }
            A timeline Operator("wang") closed { code: FalseAccidentalPress, outcome: Some(Advice), note: None }
            A v3 closed P1 stage Quiet presses 1 owner wang
            feed workorder.closed false.accidental_press
        0s wang asks on A: Close { code: Some("false.accidental_press"), outcome: Some("advice"), note: None }
            refused: not possible while the order is closed
    "#]]);
}

#[test]
fn an_automatic_alarm_may_be_closed_as_cancelled_and_a_welfare_call_without_outcome() {
    let mut play = Play::new();
    play.trigger(1, TriggerKind::Fall, Reason::SensorSaysFall, None).ask("wang", 'A', Act::Claim);
    play.close("wang", 'A', "cancelled_by_elder", "advice");
    play.trigger(2, TriggerKind::Water, Reason::SensorAlarm, None).ask("wang", 'B', Act::Claim);
    play.close("wang", 'B', "unreachable_address", "");
    play.tells(expect![[r#"
        0s trigger #1 Fall
            A timeline Home opened Fall SensorSaysFall
            A v1 open P1 stage Received presses 1 owner -
            feed workorder.opened ring
        0s wang asks on A: Claim
            A timeline Operator("wang") claimed
            A v2 claimed P1 stage Taken presses 1 owner wang
            feed workorder.claimed
        0s wang asks on A: Close { code: Some("cancelled_by_elder"), outcome: Some("advice"), note: None }
            A timeline Operator("wang") closed { code: CancelledByElder, outcome: Some(Advice), note: None }
            A v3 closed P1 stage Quiet presses 1 owner wang
            feed workorder.closed cancelled_by_elder
        0s trigger #2 Water
            B timeline Home opened Water SensorAlarm
            B v1 open P2 stage Received presses 1 owner -
            feed workorder.opened ring
        0s wang asks on B: Claim
            B timeline Operator("wang") claimed
            B v2 claimed P2 stage Taken presses 1 owner wang
            feed workorder.claimed
        0s wang asks on B: Close { code: Some("unreachable_address"), outcome: None, note: None }
            B timeline Operator("wang") closed { code: UnreachableAddress, outcome: None, note: None }
            B v3 closed P2 stage Quiet presses 1 owner wang
            feed workorder.closed unreachable_address
    "#]]);
}

#[test]
fn what_the_elder_was_really_told_stands_in_the_timeline() {
    let mut play = Play::new();
    let told = |shown| Body::Reassured(Reassured { stage: Stage::Received, shown });
    play.record("told before any order", 1, Some(0), told(true)).press(2);
    play.record("told", 3, Some(0), told(true)).record("not shown", 4, Some(0), told(false));
    play.tells(expect![[r#"
        0s told before any order
        0s trigger #2 Sos
            A timeline Home opened Sos ButtonPressed
            A v1 open P1 stage Received presses 1 owner -
            feed workorder.opened ring
        0s told
            A timeline Home told { stage: Received, shown: true }
        0s not shown
            A timeline Home told { stage: Received, shown: false }
    "#]]);
}

#[test]
fn a_home_forgets_old_lifecycles_but_never_one_that_burns() {
    let mut play = Play::new();
    play.pre_alarm(1, 3_600, 0);
    for seq in (2..400).step_by(2) {
        play.at(i64::try_from(seq).unwrap()).pre_alarm(seq, 30, 0).cancel(seq + 1, seq);
    }
    assert_eq!(play.home.lifecycles.len(), fuse::LIFECYCLES_MAX);
    assert_eq!(play.home.next_deadline(), Some((3_600_000, Deadline::FuseEnds(key(1)))));
}

#[test]
fn presses_that_go_on_from_nothing_leave_nothing_to_remember() {
    let mut play = Play::new();
    for seq in 1..200 {
        play.press(seq);
    }
    assert!(play.home.lifecycles.is_empty());
    assert_eq!(play.home.orders.values().map(|order| order.presses).collect::<Vec<_>>(), [199]);
}

#[test]
fn a_mains_loss_is_held_by_the_rules_it_was_told_under() {
    let supply = |present| Body::Mains(MainsSupply { device: "ups".into(), key: "mains".into(), present });
    let mut play = Play::new();
    play.mains = MainsRules { held_ms: 600_000, long_ms: 3 * 3_600_000 };
    play.record("mains lost a minute ago", 1, Some(60), supply(false));
    // A centre that is configured anew in between holds the loss as it began.
    play.mains = MainsRules::default();
    play.record("still lost", 2, Some(0), supply(false));
    play.at(539).input("not yet", Input::Deadline).at(540).input("held", Input::Deadline);
    play.at(10_739).input("not yet", Input::Deadline).at(10_740).input("long", Input::Deadline);
    assert_eq!(play.home.next_deadline(), None);
    play.tells(expect![[r#"
        0s mains lost a minute ago
        0s still lost
        539s not yet
        540s held
            A timeline Centre opened Technical MainsLost (600s ago)
            A v1 open P3 stage Received presses 1 owner -
            feed workorder.opened
        10739s not yet
        10740s long
            A timeline Centre joined Technical MainsLostLong (10800s ago)
            A v2 open P3 stage Received presses 2 owner -
            feed workorder.updated
    "#]]);
}

#[test]
fn a_settled_order_is_never_opened_again_under_its_identity() {
    let mut play = Play::new();
    let settled = |seq, body| Arrival {
        record: Arc::new(Record {
            incarnation: Incarnation(1),
            seq,
            at: Stamp { boot: 1, uptime_ms: 0, wall_ms: 0, wall_trusted: false },
            delivery: None,
            body,
            prev: Hash32::ZERO,
            hash: Hash32::ZERO,
        }),
        age_ms: None,
        settled: true,
        mains: MainsRules::default(),
    };
    let trigger = |follows| {
        Body::Trigger(Trigger {
            kind: TriggerKind::Fall,
            device: "radar".into(),
            key: "fall".into(),
            room: None,
            reason: Reason::SecondFall,
            follows,
            test: false,
        })
    };
    play.input("trigger #2 follows forgotten #1", Input::Record(settled(2, trigger(Some(key(1))))));
    assert_eq!(play.names, vec![order_id(&play.home.gateway, key(2))]);
    play.input("trigger #3, overtaken", Input::Record(settled(3, trigger(None))));
    play.tells(expect![[r#"
        0s trigger #2 follows forgotten #1
            A timeline Home opened Fall SecondFall
            A v1 open P1 stage Received presses 1 owner -
            feed workorder.opened ring
        0s trigger #3, overtaken
            B timeline Home arrived_after_close { record: LocalKey { incarnation: Incarnation(1), seq: 3 } }
    "#]]);
}

#[test]
fn a_cancel_that_the_home_lost_with_its_power_still_holds() {
    let mut play = Play::new();
    play.pre_alarm(1, 30, 0).at(10).cancel(2, 1).at(40);
    play.trigger(3, TriggerKind::Fall, Reason::PowerLostDuringPreAlarm, Some(1));
    play.tells(expect![[r#"
        0s pre-alarm #1, fuse 30s, 0s old
        10s cancel #2 of #1
            feed prealarm.cancelled Some(Fall) ElderCancelled
        40s trigger #3 Fall follows #1
            feed prealarm.cancelled Some(Fall) PowerLostDuringPreAlarm
    "#]]);
    assert!(play.home.orders.is_empty());
}

#[test]
fn a_delivery_said_again_to_a_gateway_that_forgot_it_rings_again_and_counts_once() {
    let mut play = Play::new();
    let delivery = Delivery { client: "zigbee2mqtt".into(), packet: 7, digest: 42 };
    let press = Trigger {
        kind: TriggerKind::Sos,
        device: "sos".into(),
        key: "action".into(),
        room: None,
        reason: Reason::ButtonPressed,
        follows: None,
        test: false,
    };
    let mut said = |told: &str, run, seq| {
        let record = Record {
            incarnation: Incarnation(run),
            seq,
            at: Stamp { boot: run, uptime_ms: 0, wall_ms: 0, wall_trusted: false },
            delivery: Some(delivery.clone()),
            body: Body::Trigger(press.clone()),
            prev: Hash32::ZERO,
            hash: Hash32::ZERO,
        };
        let arrival =
            Arrival { record: Arc::new(record), age_ms: Some(0), settled: false, mains: MainsRules::default() };
        play.input(told, Input::Record(arrival));
    };
    said("pressed", 1, 5);
    said("said again to the same run, which knows what it does", 1, 6);
    said("said again to a run that forgot it", 2, 5);
    play.ask("wang", 'A', Act::Claim).close("wang", 'A', "real.medical", "responder_visited");
    assert!(play.home.orders.is_empty());
    let presses = play.out.matches("workorder.updated ring").count();
    assert_eq!(presses, 2, "both later ones ring: {}", play.out);
    assert!(play.out.contains("presses 2") && !play.out.contains("presses 3"), "{}", play.out);
    assert!(play.out.contains("confirmed_by_gateway"), "{}", play.out);
}

#[test]
fn a_quiet_home_is_raised_for_its_own_reason_and_becomes_urgent_without_contact() {
    let mut play = Play::new();
    let quiet = PreAlarm {
        kind: TriggerKind::Inactivity,
        device: "kitchen".into(),
        key: "quiet".into(),
        room: None,
        reason: Reason::NoSignOfLife,
        fuse_ms: 300_000,
    };
    play.record("pre-alarm #1, a quiet home", 1, Some(0), Body::PreAlarm(quiet)).at(300).due();
    play.at(301).trigger(2, TriggerKind::Inactivity, Reason::NoSignOfLife, Some(1));
    play.at(1_200).trigger(3, TriggerKind::Inactivity, Reason::NoContact, Some(1));
    play.tells(expect![[r#"
        0s pre-alarm #1, a quiet home
        300s deadline: fuse of #1 ends at 300s
            A timeline Centre opened Inactivity NoSignOfLife (300s ago)
            A v1 open P2 stage Received presses 1 owner -
            feed workorder.opened ring
        301s trigger #2 Inactivity follows #1
            A timeline Home confirmed_by_gateway { record: LocalKey { incarnation: Incarnation(1), seq: 2 }, reason: NoSignOfLife }
        1200s trigger #3 Inactivity follows #1
            A timeline Home joined Inactivity NoContact
            A v2 open P1 stage Received presses 2 owner -
            feed workorder.updated ring
    "#]]);
}
