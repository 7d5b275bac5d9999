use expect_test::expect;

use super::*;
use crate::config::demo_home;
use crate::scenario::parse_act;

#[test]
fn acts_become_the_messages_of_the_devices_and_people_that_do_them() {
    let home = demo_home();
    let bridge = RadioBridge::new(home.iter().map(|entry| entry.device(7)));
    let mut performer = Performer::new(bridge, HomePosition::default());
    performer.learn_code("123456");
    let acts = [
        "press \"sos bedside\"",
        "deliver again \"sos bedside\"",
        "deliver again \"front door\"",
        "fall \"bath radar\"",
        "cancel",
        "check in cg-17 by code at home for 助洁",
        "check in cg-18 by card at 300m",
        "check out cg-17 by code 000000 at 41.8,123.4 gcj02 outcome \"seen, safe\"",
        "offline \"front door\"",
        "malformed \"zigbee2mqtt/x\" \"{\\\"occ\"",
        "raw retained \"zigbee2mqtt/x\" {\"action\": \"emergency\"}",
        "wait",
        "kill gateway",
    ];
    let mut text = String::new();
    for act in acts {
        text += &format!("> {act}\n");
        match performer.perform(&parse_act(act, &home).unwrap(), 1_700_000_000_000) {
            Performed::World(act) => text += &format!("the world's: {act}\n"),
            Performed::Publish(out) => {
                for p in out {
                    let retained = if p.retain { " retained" } else { "" };
                    text += &format!("{} {}{retained}\n", p.topic, p.text());
                }
            }
        }
    }
    expect![[r#"
        > press "sos bedside"
        zigbee2mqtt/sos bedside {"action":"emergency","battery":80,"linkquality":100,"voltage":2800}
        > deliver again "sos bedside"
        zigbee2mqtt/sos bedside {"action":"emergency","battery":80,"linkquality":100,"voltage":2800}
        > deliver again "front door"
        > fall "bath radar"
        zigbee2mqtt/bath radar {"fall_status":"fall_alarm","linkquality":112,"occupancy":true,"sensor_status":"activity"}
        > cancel
        homecare/cancel {"v":1}
        > check in cg-17 by code at home for 助洁
        homecare/visit {"act":"check_in","caregiver":"cg-17","code":"123456","fix":{"accuracy_m":12,"datum":"wgs84","fixed_at":1700000000000,"lat":41.8,"lon":123.4,"mock":false},"method":"code","service":"助洁","v":1}
        > check in cg-18 by card at 300m
        homecare/visit {"act":"check_in","caregiver":"cg-18","fix":{"accuracy_m":12,"datum":"wgs84","fixed_at":1700000000000,"lat":41.8027,"lon":123.4,"mock":false},"method":"card","v":1}
        > check out cg-17 by code 000000 at 41.8,123.4 gcj02 outcome "seen, safe"
        homecare/visit {"act":"check_out","caregiver":"cg-17","code":"000000","fix":{"accuracy_m":12,"datum":"gcj02","fixed_at":1700000000000,"lat":41.8,"lon":123.4,"mock":false},"method":"code","outcome":"seen, safe","v":1}
        > offline "front door"
        zigbee2mqtt/front door/availability {"state":"offline"} retained
        > malformed "zigbee2mqtt/x" "{\"occ"
        zigbee2mqtt/x {"occ
        > raw retained "zigbee2mqtt/x" {"action": "emergency"}
        zigbee2mqtt/x {"action": "emergency"} retained
        > wait
        > kill gateway
        the world's: kill gateway
    "#]].assert_eq(&text);
}

#[test]
fn an_oversize_message_is_of_that_size_and_never_resent() {
    let act = Act::Oversize { topic: "zigbee2mqtt/x".into(), bytes: 70_000 };
    let mut performer = Performer::new(RadioBridge::new([]), HomePosition::default());
    let Performed::Publish(out) = performer.perform(&act, 0) else { panic!("{act:?} is not the world's") };
    assert_eq!((out[0].payload.len(), out[0].qos), (70_000, Qos::AtMostOnce));
}

#[test]
fn a_restarted_bridge_says_offline_then_replays() {
    let bridge = RadioBridge::new(demo_home().iter().map(|entry| entry.device(7)));
    let mut performer = Performer::new(bridge, HomePosition::default());
    performer.perform(&parse_act("press \"sos bathroom\"", &demo_home()).unwrap(), 0);
    let Performed::Publish(out) = performer.perform(&Act::RadioBridge(Power::Restart), 0) else { panic!() };
    assert_eq!(out[0].text(), r#"{"state":"offline"}"#);
    let replayed = out.iter().find(|p| p.topic == "zigbee2mqtt/sos bathroom").unwrap();
    assert!(replayed.text().contains("\"sos\":true") && !replayed.retain, "{replayed:?}");
}
