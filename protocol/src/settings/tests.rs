use super::*;

fn problems(text: &str) -> String {
    let (mut reading, mut root) = Reading::start(text);
    root.required_text(&mut reading, "gateway");
    let mut mqtt = root.table(&mut reading, "mqtt");
    mqtt.number(&mut reading, "port", 1..=65_535, 1883);
    mqtt.flag(&mut reading, "embedded", true);
    mqtt.finish(&mut reading);
    for mut device in root.tables(&mut reading, "device") {
        device.choice(&mut reading, "role", &[("sos", 1), ("motion", 2)]);
        device.finish(&mut reading);
    }
    root.finish(&mut reading);
    reading.into_problems().iter().map(|p| format!("{p}\n")).collect()
}

#[test]
fn every_problem_is_told_at_once_with_key_and_line() {
    let text = "gatway = 'x'\n[mqtt]\nport = 99999\nembedded = 'yes'\n[[device]]\nrole = 'pendant'\n[[device]]\nrole = 'sos'\ncolour = 1\n";
    expect_test::expect![[r#"
        line 1: gateway: is required
        line 1: gatway: is not a known key; did you mean `gateway`?
        line 3: mqtt.port: 99999 is outside 1–65535; the default is 1883
        line 4: mqtt.embedded: expected true or false, found string
        line 6: device[1].role: `pendant` is not one of sos, motion
        line 9: device[2].colour: is not a known key; known here: role
    "#]]
    .assert_eq(&problems(text));
}

#[test]
fn a_good_text_has_no_problem() {
    assert_eq!(problems("gateway = 'home-1'\n[mqtt]\nport = 1_884\n"), "");
}

#[test]
fn syntax_errors_are_told_with_their_line_and_the_rest_is_still_read() {
    let told = problems("gateway = 'a'\n[mqtt]\nport = \nembedded = 3\n");
    assert!(told.contains("line 3:"), "{told}");
    assert!(told.contains("line 4: mqtt.embedded"), "{told}");
}
