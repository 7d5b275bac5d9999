//! What a home says of itself: mains, silence, "I'm fine", what is over, tests.

use protocol::record::{MainsSupply, Restored, SaidFine, TestStep, Tested};

use super::*;

fn mains(play: &mut Play, seq: u64, present: bool) {
    let body = Body::Mains(MainsSupply { device: "mains".into(), key: "text".into(), present });
    let told = format!("mains #{seq} {}", if present { "back" } else { "lost" });
    play.record(&told, seq, Some(0), body);
}

#[test]
fn a_mains_loss_that_is_over_within_half_an_hour_is_nobodys_work() {
    let mut play = Play::new();
    mains(&mut play, 1, false);
    mains(play.at(1_700), 2, true);
    play.at(1_900).due();
    play.tells(expect![[r#"
        0s mains #1 lost
        1700s mains #2 back
        1900s deadline: none
    "#]]);
}

#[test]
fn a_mains_loss_becomes_a_technical_order_and_is_raised_once_more_after_four_hours() {
    let mut play = Play::new();
    mains(&mut play, 1, false);
    mains(play.at(60), 2, false);
    play.at(1_800).due().at(14_400).due();
    mains(play.at(20_000), 3, true);
    play.at(20_001).due();
    play.tells(expect![[r#"
        0s mains #1 lost
        60s mains #2 lost
        1800s deadline: MainsLost at 1800s
            A timeline Centre opened Technical MainsLost (1800s ago)
            A v1 open P3 stage Received presses 1 owner -
            feed workorder.opened
        14400s deadline: MainsLost at 14400s
            A timeline Centre joined Technical MainsLostLong (14400s ago)
            A v2 open P3 stage Received presses 2 owner -
            feed workorder.updated
        20000s mains #3 back
            A timeline Home over { device: "mains", reason: MainsLost }
            A v3 open P3 stage Received presses 2 owner -
            feed workorder.updated
        20001s deadline: none
    "#]]);
}

#[test]
fn a_mains_loss_that_outlasts_its_closed_order_opens_another() {
    let mut play = Play::new();
    mains(&mut play, 1, false);
    play.at(1_800).due().ask("wang", 'A', Act::Claim).close("wang", 'A', "technical.power", "").at(14_400).due();
    assert_eq!(play.names.len(), 2);
}

#[test]
fn a_gateway_that_stays_silent_becomes_a_technical_order_and_its_return_is_noted() {
    let mut play = Play::new();
    play.at(180).input("silent", Input::Silent { since_ms: 0, order_after_ms: 1_800_000 });
    play.at(1_800).due().at(2_000).input("heard", Input::Heard).due();
    play.at(3_000).input("silent", Input::Silent { since_ms: 2_800_000, order_after_ms: 600_000 });
    play.at(3_100).input("heard", Input::Heard).at(3_500).due();
    play.tells(expect![[r#"
        180s silent
        1800s deadline: GatewaySilent at 1800s
            A timeline Centre opened Technical GatewaySilent (1800s ago)
            A v1 open P3 stage Received presses 1 owner -
            feed workorder.opened
        2000s heard
            A timeline Centre over { device: "home-1", reason: GatewaySilent }
            A v2 open P3 stage Received presses 1 owner -
            feed workorder.updated
        2000s deadline: none
        3000s silent
        3100s heard
        3500s deadline: none
    "#]]);
}

#[test]
fn im_fine_never_cancels_a_press_and_stands_before_the_dispatcher() {
    let mut play = Play::new();
    let said = || Body::SaidFine(SaidFine { device: "im fine".into() });
    play.record("said fine #1, nothing is open", 1, Some(0), said());
    play.press(2).at(5).record("said fine #3", 3, Some(0), said());
    play.tells(expect![[r#"
        0s said fine #1, nothing is open
        0s trigger #2 Sos
            A timeline Home opened Sos ButtonPressed
            A v1 open P1 stage Received presses 1 owner -
            feed workorder.opened ring
        5s said fine #3
            A timeline Home said_fine { device: "im fine" }
            A v2 open P1 stage Received presses 1 owner -
            feed workorder.updated
    "#]]);
}

#[test]
fn a_cleared_hazard_is_noted_on_its_order_and_closes_nothing() {
    let mut play = Play::new();
    play.trigger(1, TriggerKind::Smoke, Reason::SensorAlarm, None);
    let over =
        Restored { kind: TriggerKind::Smoke, device: "smoke kitchen".into(), room: None, reason: Reason::SensorAlarm };
    play.at(90).record("smoke is over #2", 2, Some(0), Body::Restored(over));
    play.tells(expect![[r#"
        0s trigger #1 Smoke
            A timeline Home opened Smoke SensorAlarm
            A v1 open P0 stage Received presses 1 owner -
            feed workorder.opened ring
        90s smoke is over #2
            A timeline Home over { device: "smoke kitchen", reason: SensorAlarm }
            A v2 open P0 stage Received presses 1 owner -
            feed workorder.updated
    "#]]);
}

#[test]
fn a_test_opens_no_order_and_is_told_as_a_test() {
    let mut play = Play::new();
    let step = |step| Body::Tested(Tested { device: "bedside".into(), step });
    play.record("asked #1", 1, Some(0), step(TestStep::Asked));
    let press = Trigger {
        kind: TriggerKind::Sos,
        device: "bedside".into(),
        key: "action".into(),
        room: None,
        reason: Reason::ButtonPressed,
        follows: None,
        test: true,
    };
    play.at(4).record("test press #2", 2, Some(0), Body::Trigger(press));
    play.at(604).record("ended #3", 3, Some(0), step(TestStep::Ended));
    assert!(play.home.orders.is_empty());
    play.tells(expect![[r#"
        0s asked #1
            feed test.step Asked
        4s test press #2
            feed test Sos
        604s ended #3
            feed test.step Ended
    "#]]);
}
