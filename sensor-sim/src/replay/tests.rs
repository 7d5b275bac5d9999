use expect_test::expect;

use super::*;

fn transcript(recording: &Recording) -> String {
    let mut text = String::new();
    for Recorded { at, publication } in &recording.messages {
        text += &format!("{at:?} {} {}\n", publication.topic, publication.text());
    }
    for bad in &recording.bad {
        text += &format!("line {}: {}\n", bad.line, bad.why);
    }
    text
}

const CSV: &str = "\
home,local_time,sensor,name,kind,state
A,2020-03-01T08:00:00,s1,Hall PIR,motion,ON
A,2020-03-01T08:00:02,s2,\"Kitchen,Drawer A\",item,ON
B,2020-03-01T07:00:00,s1,Elsewhere,motion,ON
A,2020-03-01T08:00:01,s3,Front door,door,ON
A,2020-03-01T08:01:00,s1,Hall PIR,motion,OFF
A,2020-03-01 late,s1,Hall PIR,motion,OFF
A,2020-03-01T08:02:00,s1,Hall PIR,motion,MAYBE
A,2020-03-01T08:02:00,s1,Hall PIR
A,2020-03-01T08:03:00,s4,Hall PIR,pressure,ON
A,2020-03-01T08:03:00,s5,a/+#/,flush,OFF
A,2020-03-01T08:04:00,s5,\"open,flush,ON
";

#[test]
fn recorded_sensors_speak_as_zigbee2mqtt_devices() {
    let recording = Recording::read(CSV.as_bytes(), Some("A"), 1).unwrap();
    expect![[r#"
        0ns zigbee2mqtt/Hall PIR {"battery":71,"battery_low":false,"linkquality":123,"occupancy":true,"voltage":2710}
        1s zigbee2mqtt/Front door {"battery":96,"battery_low":false,"contact":false,"linkquality":146,"tamper":false}
        2s zigbee2mqtt/Kitchen,Drawer A {"battery":55,"battery_low":false,"contact":false,"linkquality":134,"tamper":false}
        60s zigbee2mqtt/Hall PIR {"battery":71,"battery_low":false,"linkquality":116,"occupancy":false,"voltage":2710}
        180s zigbee2mqtt/Hall PIR s4 {"battery":58,"battery_low":false,"contact":false,"linkquality":124,"tamper":false}
        180s zigbee2mqtt/a {"battery":77,"battery_low":false,"contact":true,"linkquality":153,"tamper":false}
        line 7: `2020-03-01 late` is no local time such as 2008-02-25T00:20:14
        line 8: `MAYBE` is neither ON nor OFF
        line 9: 4 fields instead of 6
        line 12: a quote is opened and not closed
    "#]].assert_eq(&transcript(&recording));
    assert_eq!(recording.reordered, 1);
    assert_eq!(recording.length(), Duration::from_secs(180));
    let list = recording.announced.iter().find(|p| p.topic == "zigbee2mqtt/bridge/devices").unwrap();
    assert!(list.text().contains("\"friendly_name\":\"Front door\""));
}

#[test]
fn a_home_must_be_chosen_where_there_are_several() {
    let error = |home| Recording::read(CSV.as_bytes(), home, 1).unwrap_err().to_string();
    assert_eq!(error(None), "the recording holds several homes; choose one with --home: A, B");
    assert_eq!(error(Some("C")), "the recording holds no home `C`; it holds: A, B");
}

#[test]
fn json_lines_are_sent_as_they_are() {
    let text = r#"
{"t_ms":1000,"topic":"a","payload":{"b":1}}
{"t_ms":500,"topic":"b","payload":"plain","retain":true,"qos":0}
{"topic":"c","payload":null}
{"t_ms":1,"at":"2026-01-01T00:00:00Z","topic":"c","payload":1}
{"t_ms":1,"topic":"a/#","payload":1}
not json
{"t_ms":2000,"topic":"d","payload":1,"qos":2}
"#;
    let recording = Recording::read(text.as_bytes(), None, 1).unwrap();
    expect![[r#"
        0ns b plain
        0ns c null
        500ms a {"b":1}
        line 5: give t_ms or at, not both
        line 6: `a/#` cannot be published to
        line 7: expected ident at line 1 column 2
        line 8: QoS 2 is not sent here; use 0 or 1
    "#]]
    .assert_eq(&transcript(&recording));
    let dated = r#"{"at":"2026-01-01T00:00:00Z","topic":"c","payload":1}
{"at":"2026-01-01T01:00:00+00:00","topic":"c","payload":2}"#;
    let recording = Recording::read(dated.as_bytes(), None, 1).unwrap();
    assert_eq!(recording.length(), Duration::from_secs(3600));
    assert_eq!(recording.starts_at.map(|at| at.to_string()).as_deref(), Some("2026-01-01T00:00:00"));
}

#[test]
fn what_is_no_recording_is_told_in_one_line() {
    let error = |bytes: &[u8]| Recording::read(bytes, None, 1).unwrap_err().to_string();
    assert!(error(b"\xfd7zXZ\0...").contains("xzcat"));
    assert!(error(b"\xff\xfe").contains("UTF-8"));
    let text = error(b"{\"topic\":1}");
    assert!(text.starts_with("no line of the recording could be read: line 1: "), "{text}");
    assert!(error(b"").starts_with("no line of the recording could be read; "));
}

#[test]
fn progress_says_how_far_and_how_long() {
    let line = run::progress_line(37, "2008-02-27 19:00:57", 1234, Some(Duration::from_secs(3725)));
    assert_eq!(line, " 37 %  2008-02-27 19:00:57  1234 sent  ETA 1:02:05");
    assert_eq!(run::progress_line(0, "00:00:00", 1, None), "  0 %  00:00:00  1 sent  ETA ?");
}
