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
    play.tells(expect![[]]);
}

#[test]
fn a_mains_loss_becomes_a_technical_order_and_is_raised_once_more_after_four_hours() {
    let mut play = Play::new();
    mains(&mut play, 1, false);
    mains(play.at(60), 2, false);
    play.at(1_800).due().at(14_400).due();
    mains(play.at(20_000), 3, true);
    play.at(20_001).due();
    play.tells(expect![[]]);
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
    play.tells(expect![[]]);
}

#[test]
fn im_fine_never_cancels_a_press_and_stands_before_the_dispatcher() {
    let mut play = Play::new();
    let said = || Body::SaidFine(SaidFine { device: "im fine".into() });
    play.record("said fine #1, nothing is open", 1, Some(0), said());
    play.press(2).at(5).record("said fine #3", 3, Some(0), said());
    play.tells(expect![[]]);
}

#[test]
fn a_cleared_hazard_is_noted_on_its_order_and_closes_nothing() {
    let mut play = Play::new();
    play.trigger(1, TriggerKind::Smoke, Reason::SensorAlarm, None);
    let over = Restored {
        kind: TriggerKind::Smoke,
        device: "smoke kitchen".into(),
        room: None,
        reason: Reason::SensorAlarm,
    };
    play.at(90).record("smoke is over #2", 2, Some(0), Body::Restored(over));
    play.tells(expect![[]]);
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
    play.tells(expect![[]]);
}
