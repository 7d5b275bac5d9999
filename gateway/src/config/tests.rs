use expect_test::{Expect, expect};

use super::*;

/// A configuration with nothing but what none can do without; a home's own tables follow.
pub(crate) const BARE: &str = r#"
gateway = "home-1"
data_dir = "/tmp/home-1"
[centre]
paths = ["https://centre.example.org"]
token = "0123456789abcdef0123456789abcdef"
"#;

const GOOD: &str = r#"
gateway = "home-1"
data_dir = "/tmp/home-1"
[centre]
paths = ["https://centre.example.org"]
token = "0123456789abcdef0123456789abcdef"
[[mqtt.client]]
name = "zigbee2mqtt"
password = "a-long-password"
publish = ["zigbee2mqtt/#"]
subscribe = []
"#;

fn check(text: &str, expected: Expect) {
    let told = match GatewayConfig::read(text) {
        Ok(_) => "good\n".to_owned(),
        Err(problems) => problems.iter().map(|problem| format!("{problem}\n")).collect(),
    };
    expected.assert_eq(&told);
}

#[test]
fn the_example_is_good_and_says_what_its_comments_promise() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../config/home.toml")).unwrap();
    let config = GatewayConfig::read(&text).unwrap();
    assert_eq!(config.centre.paths.len(), 2);
    assert_eq!(config.decoder.devices.get("bed pad"), Some(&Role::Bed));
    assert_eq!(config.decoder.rules.len(), 2);
    let defaults = HomeRules::default();
    let rules = &config.rules;
    assert_eq!((rules.hazard, rules.proof), (defaults.hazard, defaults.proof));
    assert_eq!((rules.supervision, &rules.check_in), (defaults.supervision, &defaults.check_in));
    assert_eq!((config.rules.fall, config.rules.reassurance), (FallRules::default(), ReassuranceRules::default()));
    assert_eq!(config.rules.daily_life, crate::home::daily_life::DailyLifeRules::default());
    assert_eq!(config.decoder.latched_key_ms, DecoderConfig::without_home().latched_key_ms);
    let defaults = (EngineLimits::default(), OutboxTimes::default(), JournalLimits::default());
    assert_eq!((config.limits, config.outbox, config.journal), defaults);
    assert!(config.rules.visit.home.is_some() && config.rules.visit.code_secret.is_some());
}

#[test]
fn the_least_configuration_is_good() {
    check(GOOD, expect!["good\n"]);
}

#[test]
fn an_empty_configuration_names_everything_it_needs() {
    check(
        "",
        expect![[r#"
            line 1: centre.paths: is required: the centre's addresses in the order they are tried
            line 1: centre.token: is required
            line 1: data_dir: is required
            line 1: gateway: is required
            line 1: mqtt.client: at least one [[mqtt.client]] is needed, or no device can sign in
        "#]],
    );
}

#[test]
fn plain_http_is_refused_off_loopback() {
    check(
        &GOOD.replace("https://centre.example.org", "http://10.0.0.1:8480"),
        expect![[r#"
            line 5: centre.paths: `http://10.0.0.1:8480` is plain HTTP, which is accepted on loopback only; use https
        "#]],
    );
    check(&GOOD.replace("https://centre.example.org", "http://127.0.0.1:8480"), expect!["good\n"]);
}

#[test]
fn a_short_secret_is_refused() {
    check(
        &GOOD.replace("0123456789abcdef0123456789abcdef", "secret"),
        expect![[r#"
            line 6: centre.token: has 6 characters; a secret needs at least 32, made at random
        "#]],
    );
}

#[test]
fn the_rules_of_a_day_stay_within_what_is_safe() {
    let wrong = "[inactivity]\nlearned_hours_max = 14\nfalse_alarms_a_year = 0\nwindow_from = \"11:00\"\n\
         [away]\nuntil = \"12:00\"\n[caregiver]\nvisit_minutes_max = 600\n\
         [dwell]\nbathroom_prompt_minutes = 40\nbathroom_minutes = 40\n\
         [[holiday]]\nfirst_day = \"2026-12-24\"\n[[holiday]]\nfirst_day = \"24.12.\"\nlast_day = \"2026-12-27\"\n";
    check(
        &format!("{GOOD}{wrong}"),
        expect![[r#"
        line 12: inactivity.window_until: the window ends between 06:00 and 14:00, and begins before
        line 13: inactivity.learned_hours_max: 14 is over 12: who lies helpless waits; say why in `inactivity.patient_because`
        line 14: inactivity.false_alarms_a_year: 0 is outside 1–384; the default is 12
        line 17: away.until: is before 16:00; by then most elders are still out, and every day would bring a call
        line 19: caregiver.visit_minutes_max: 600 is outside 30–240; the default is 240
        line 21: dwell.bathroom_prompt_minutes: the elder is asked before it becomes an alarm: `bathroom_prompt_minutes` must be the smaller
        line 23: holiday[1].first_day: first_day and last_day are both needed
        line 25: holiday[2].first_day: first_day and last_day are both needed
        line 26: holiday[2].first_day: `24.12.` is no date such as 2026-12-24
    "#]],
    );
}

#[test]
fn patience_beyond_what_is_safe_needs_a_reason() {
    let patient = |because: &str| {
        format!(
            "{GOOD}[inactivity]\n{because}\nlearned_hours_min = 11\nlearned_hours_max = 24\n\
             [away]\nlearned_hours_min = 100\nlearned_hours_max = 168\n"
        )
    };
    check(&patient("patient_because = \"a daughter lives next door\""), expect!["good\n"]);
    check(&patient("patient_because = \"女儿住隔壁,每日都来看\""), expect!["good\n"]);
    check(
        &patient(""),
        expect![[r#"
            line 14: inactivity.learned_hours_min: 11 is over 8: who lies helpless waits; say why in `inactivity.patient_because`
            line 15: inactivity.learned_hours_max: 24 is over 12: who lies helpless waits; say why in `inactivity.patient_because`
            line 17: away.learned_hours_min: 100 is over 12: who lies helpless waits; say why in `inactivity.patient_because`
            line 18: away.learned_hours_max: 168 is over 96: who lies helpless waits; say why in `inactivity.patient_because`
        "#]],
    );
    for mark in ["", "          ", "   agreed   ", "..........", "x x x x x x x"] {
        let problems = GatewayConfig::read(&patient(&format!("patient_because = \"{mark}\""))).unwrap_err();
        let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
        let expected =
            "line 13: inactivity.patient_because: is no reason: say in 10 characters or more who agreed to it and why";
        assert_eq!(told, [expected], "`{mark}`");
    }
    check(
        &format!(
            "{GOOD}[inactivity]\npatient_because = \"a nurse is there at night\"\nlearned_hours_min = 12\n\
             learned_hours_max = 8\n[away]\nhours = 5\nlearned_hours_min = 121\n"
        ),
        expect![[r#"
            line 14: inactivity.learned_hours_min: is more than `learned_hours_max`
            line 18: away.learned_hours_min: 121 is outside 1–120; the default is 5
        "#]],
    );
}

#[test]
fn values_that_contradict_each_other_are_refused() {
    let told = |more: &str, expected: Expect| check(&format!("{GOOD}{more}"), expected);
    told(
        "[inactivity]\ncontinuous_hours = 10\nlearned_hours_max = 9\n",
        expect![[r#"
            line 13: inactivity.continuous_hours: 10 is more than `learned_hours_max`, 9: a home would wait longer before it has learned than ever after
        "#]],
    );
    told("[inactivity]\ncontinuous_hours = 10\nlearned_hours_max = 9\nlearned = false\n", expect!["good\n"]);
    told(
        "[dwell]\nbathroom_minutes = 50\nbathroom_learned_minutes_max = 45\n",
        expect![[r#"
            line 13: dwell.bathroom_minutes: 50 is more than `bathroom_learned_minutes_max`, 45: what is learned is never shorter than this
        "#]],
    );
    told(
        "[voice]\nsilent_from = \"22:00\"\nsilent_to = \"22:00\"\n",
        expect![[r#"
            line 14: voice.silent_to: is the same as `silent_from`: leave both out for no silent hours; a whole day of them is refused
        "#]],
    );
}

#[test]
fn the_elder_is_told_to_call_before_the_siren_sounds() {
    let told = |more: &str, expected: Expect| check(&format!("{GOOD}{more}"), expected);
    told(
        "[rules]\ncentre_wait_secs = 60\n",
        expect![[r#"
            line 13: rules.centre_wait_secs: 60 must be less than `contacts.wait_secs`, 60: the elder is told to call 120 before siren and contacts
        "#]],
    );
    told(
        "[contacts]\nwait_secs = 30\n",
        expect![[r#"
            line 13: contacts.wait_secs: 30 must be more than `rules.centre_wait_secs`, 30: the elder is told to call 120 before siren and contacts
        "#]],
    );
    told("[rules]\ncentre_wait_secs = 29\n[contacts]\nwait_secs = 30\n", expect!["good\n"]);
}

#[test]
fn a_holiday_lasts_a_year_at_most() {
    let holiday = |last: &str| format!("{GOOD}[[holiday]]\nfirst_day = \"2026-12-24\"\nlast_day = \"{last}\"\n");
    check(&holiday("2027-12-24"), expect!["good\n"]);
    check(
        &holiday("2027-12-25"),
        expect![[r#"
            line 14: holiday[1].last_day: is 367 days long; at most 366, for nobody is looked after meanwhile: check the years
        "#]],
    );
}

#[test]
fn an_offset_from_utc_that_no_place_has_is_refused() {
    check(
        &format!("{GOOD}[home]\nutc_offset_minutes = -721\n"),
        expect![[r#"
            line 13: home.utc_offset_minutes: -721 is outside -720 to 840; the default is 480
        "#]],
    );
    let west = GatewayConfig::read(&format!("{GOOD}[home]\nutc_offset_minutes = -300\n")).unwrap();
    assert_eq!(west.rules.utc_offset_minutes, -300);
    assert_eq!(GatewayConfig::read(GOOD).unwrap().rules.utc_offset_minutes, 480);
}

#[test]
fn a_value_outside_its_safe_range_is_refused() {
    check(
        &format!(
            "{GOOD}\n[rules]\nfall_prealarm_secs = 5\ncentre_wait_secs = 600\nlatched_key_secs = 301\nlink_down_minutes = 0\n"
        ),
        expect![[r#"
            line 14: rules.fall_prealarm_secs: 5 is outside 15–45; the default is 30
            line 15: rules.centre_wait_secs: 600 is outside 5–60; the default is 30
            line 16: rules.latched_key_secs: 301 is outside 60–300; the default is 120
            line 17: rules.link_down_minutes: 0 is outside 1–10; the default is 3
        "#]],
    );
    let least = format!("{GOOD}\n[rules]\nlatched_key_secs = 60\nlink_down_minutes = 1\n");
    let config = GatewayConfig::read(&least).unwrap();
    assert_eq!((config.decoder.latched_key_ms, config.limits.link_down_ms), (60_000, 60_000));
}

#[test]
fn an_unknown_role_a_doubled_device_and_a_misspelt_key_are_told_together() {
    check(
        &format!("{GOOD}\n[[device]]\nname = \"a\"\nrole = \"sus\"\n[[device]]\nname = \"a\"\nrom = \"hall\"\n"),
        expect![[r#"
            line 15: device[1].role: `sus` is not one of sos, assistance, im_fine, fall, motion, presence, door, exit_door, bed, water, smoke, gas, co, vibration, mains, tamper, battery, ignore
            line 17: device[2].name: `a` is configured twice
            line 18: device[2].rom: is not a known key; did you mean `room`?
        "#]],
    );
}

#[test]
fn half_a_position_is_refused() {
    check(
        &format!("{GOOD}\n[home]\nlatitude = 41.8\n"),
        expect![[r#"
            line 13: home.latitude: latitude and longitude go together (WGS-84)
        "#]],
    );
}

#[test]
fn a_topic_filter_that_is_none_is_refused() {
    check(
        &GOOD.replace("zigbee2mqtt/#", "zigbee2mqtt#"),
        expect![[r#"
            line 10: mqtt.client[1].publish: `zigbee2mqtt#` is not an MQTT topic filter
        "#]],
    );
}

#[test]
fn a_gateway_name_with_a_space_is_refused() {
    check(
        &GOOD.replace("home-1\"\n", "Home 1\"\n").replacen("/tmp/Home 1", "/tmp/home-1", 1),
        expect![[r#"
            line 2: gateway: `Home 1` is not a valid gateway id: use 1 to 64 of a-z, 0-9 and -
        "#]],
    );
}

#[test]
fn a_broken_rule_names_what_it_lacks() {
    check(
        &format!("{GOOD}\n[[rule]]\ndevice = \"x\"\ntopic = \"a/#/b\"\n"),
        expect![[r#"
            line 13: rule[1].role: is required: what the device is for
            line 15: rule[1].topic: `a/#/b` is not a topic pattern: `+` stands for a whole level, `#` for the last ones, and it must not be empty
        "#]],
    );
}

#[test]
fn an_external_broker_needs_its_address_and_hears_life_safety_apart() {
    let external = GOOD.replace("[[mqtt.client]]\nname = \"zigbee2mqtt\"\npassword = \"a-long-password\"\npublish = [\"zigbee2mqtt/#\"]\nsubscribe = []", "[mqtt]\nmode = \"external\"\nbroker = \"127.0.0.1:1883\"\n[[device]]\nname = \"sos bedside\"\nrole = \"sos\"");
    let config = GatewayConfig::read(&external).unwrap();
    let IntakeConfig::External(broker) = config.intake else { panic!("not external") };
    assert!(broker.life_safety_topics.contains("zigbee2mqtt/sos bedside"));
    check(
        &external.replace("broker = \"127.0.0.1:1883\"", "broker = \"somewhere\""),
        expect![[r#"
            line 9: mqtt.broker: write host:port
        "#]],
    );
}

#[test]
fn a_second_press_of_an_sos_device_cannot_be_given_another_meaning() {
    check(
        &format!(
            "{GOOD}\n[[device]]\nname = \"pendant\"\nrole = \"sos\"\n[[rule]]\ndevice = \"pendant\"\nrole = \"im_fine\"\ntopic = \"pendant/event\"\nkey = \"action\"\non = [\"double\"]\nmomentary = true\n"
        ),
        expect![[r#"
            line 18: rule[1].role: `pendant` has another role already: every gesture on an SOS device is an emergency; give life help and "I'm fine" a device of their own
        "#]],
    );
    let one_button = |role: &str, on: &str| {
        format!(
            "[[rule]]\ndevice = \"{role} {on}\"\nrole = \"{role}\"\ntopic = \"pendant/event\"\nkey = \"action\"\non = [\"{on}\"]\nmomentary = true\n"
        )
    };
    check(
        &format!("{GOOD}\n{}{}", one_button("sos", "single"), one_button("assistance", "double")),
        expect![[r#"
        line 22: rule[2].role: `sos single` and `assistance double` are gestures of one button: every gesture on an SOS device is an emergency; give life help and "I'm fine" a device of their own
    "#]],
    );
    check(
        &format!("{GOOD}\n{}{}", one_button("sos", "single"), one_button("sos", "double")),
        expect![[r#"
        good
    "#]],
    );
    check(
        &format!(
            "{GOOD}\n[[rule]]\ndevice = \"p\"\nrole = \"sos\"\ntopic = \"p/event\"\noff = [\"double_push\"]\nmomentary = true\n"
        ),
        expect![[r#"
            line 15: rule[1].role: `off` takes `double_push` for no press: every gesture on an SOS device is an emergency; give life help and "I'm fine" a device of their own
        "#]],
    );
}

#[test]
fn the_example_tells_the_elder_and_the_contacts_as_its_comments_say() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../config/home.toml")).unwrap();
    // What is commented out there must be good as well.
    let gpio = text.split("# [gpio]").nth(1).unwrap().split("\n\n").next().unwrap();
    let gpio = format!("[gpio]{}", gpio.replace("\n# ", "\n"));
    let modem = text.split("# [contacts.modem]").nth(1).unwrap().split("\n\n").next().unwrap();
    let modem = format!("[contacts.modem]{}", modem.replace("\n# ", "\n"));
    let config = GatewayConfig::read(&format!("{text}\n{gpio}\n{modem}")).unwrap();
    let voice = config.outputs.voice.unwrap();
    assert_eq!((voice.volume_percent, voice.soft_percent), (100, 20));
    let silent = config.outputs.silent.unwrap();
    assert!(silent.covers(23 * 60) && silent.covers(60) && !silent.covers(12 * 60) && !silent.covers(7 * 60));
    assert_eq!(config.outputs.devices[0].topic, "zigbee2mqtt/hall siren/set");
    assert_eq!(config.rules.contacts.contacts, 1);
    assert!(config.contacts.http.is_some() && config.contacts.modem.is_some());
    assert_eq!(config.rules.contacts, crate::home::contacts::ContactRules { contacts: 1, ..Default::default() });
    let [cord, mains] = &config.outputs.inputs[..] else { panic!("two inputs") };
    assert_eq!(cord.contacts, crate::gpio::wire::Contacts::Supervised);
    assert_eq!((mains.role(), config.decoder.rules.len()), (Role::Mains, 2 + 2 + 1));
    assert_eq!(config.outputs.pins[0].stages.len(), 1);
}

#[test]
fn a_pin_used_twice_or_out_of_range_is_refused_with_its_line() {
    let gpio = "[gpio]\n[[gpio.input]]\nname = \"cord\"\nkind = \"sos\"\npin = 17\nsupervise_pin = 17\n\
                [[gpio.output]]\nname = \"cord\"\nkind = \"lamp\"\npin = 40\n[[gpio.input]]\nname = \"x\"\n";
    check(
        &format!("{GOOD}\n{gpio}"),
        expect![[r#"
        line 13: gpio.name: `cord` (number 2) is a name given twice
        line 18: gpio.input[1].supervise_pin: GPIO 17 is used by gpio.input[1].pin already
        line 22: gpio.output[1].pin: 40 is outside 0–27; the default is 0
        line 23: gpio.input[2].kind: is required: one of sos, mains, battery_low
        line 23: gpio.input[2].pin: is required: a BCM number, 0–27
    "#]],
    );
}

#[test]
fn check_ins_are_times_of_day_well_apart_and_at_most_five() {
    check(
        &format!("{GOOD}\n[check_in]\ntimes = [\"9:00\", \"09:30\", \"10:00\", \"24:00\"]\nwindow_minutes = 5\n"),
        expect![[r#"
            line 14: check_in.times: `24:00` is no time of day; write it as "09:00"
            line 14: check_in.times: `9:00` is no time of day; write it as "09:00"
            line 14: check_in.times: two times lie less than 60 minutes apart; midnight does not part them
            line 15: check_in.window_minutes: 5 is outside 30–360; the default is 120
        "#]],
    );
}

#[test]
fn check_ins_on_both_sides_of_midnight_are_an_hour_apart_too() {
    let times = |times: &str| format!("{GOOD}\n[check_in]\ntimes = [{times}]\n");
    check(
        &times(r#""23:30", "00:10""#),
        expect![[r#"
            line 14: check_in.times: two times lie less than 60 minutes apart; midnight does not part them
        "#]],
    );
    for good in [r#""23:30", "00:30""#, r#""00:00""#, r#""23:59""#, ""] {
        check(&times(good), expect!["good\n"]);
    }
}

#[test]
fn outputs_that_cannot_work_are_refused() {
    let outputs = "[[output]]\ndevice = \"a\"\nkind = \"bell\"\n[output.stages]\ncoming = \"on\"\nleft = \"{}\"\n\
                   [[output]]\ndevice = \"voice\"\nkind = \"lamp\"\n[voice]\nvolume_percent = 5\nsilent_from = \"25:00\"\n";
    check(
        &format!("{GOOD}\n{outputs}"),
        expect![[r#"
        line 15: output[1].kind: `bell` is not one of siren, alarm_siren, lamp, plug, pad
        line 17: output[1].stages.coming: is not JSON: expected value at line 1 column 1
        line 18: output[1].stages.left: is not a known key; did you mean `here`?
        line 19: output[2].name: `voice` is the name of another output
        line 23: voice.volume_percent: 5 is outside 30–100; the default is 100
        line 24: voice.silent_from: `25:00` is not a time of day such as 22:30
    "#]],
    );
}

#[test]
fn watching_values_outside_their_safe_range_are_refused() {
    check(
        &format!(
            "{GOOD}\n[supervision]\nsos_button_hours = 500\n[hazards]\nrepeat_secs = 5\n[test]\npress_secs = 600\npresses = 9\n[status]\ntoken = \"short\"\n"
        ),
        expect![[r#"
            line 14: supervision.sos_button_hours: 500 is outside 6–72; the default is 24
            line 16: hazards.repeat_secs: 5 is outside 30–600; the default is 120
            line 18: test.press_secs: 600 is outside 5–60; the default is 15
            line 19: test.presses: 9 is outside 1–3; the default is 3
            line 21: status.token: needs at least 32 printable ASCII characters, made at random
        "#]],
    );
}

#[test]
fn contacts_that_cannot_be_told_are_refused_without_naming_a_number() {
    let contacts = "[contacts]\nnumbers = [\"13800138000\", \"my daughter\", \"120\"]\n[contacts.http]\nurl = \"sms\"\n\
                    headers = [\"token\"]\nbody = \"{number}\"\n";
    check(
        &format!("{GOOD}\n{contacts}"),
        expect![[r#"
        line 14: contacts.numbers: 3 numbers; at most 2 contacts are told
        line 14: contacts.numbers: number 2 is not written as +8613800138000 or 13800138000
        line 15: contacts.http.body: neither url nor body has {text} in it
        line 16: contacts.http.url: is not an address; write https://… with {number} and {text} where they belong
        line 17: contacts.http.headers: a header is written `Name: value`
    "#]],
    );
    check(
        &format!("{GOOD}\n[contacts]\nnumbers = [\"120\"]\n"),
        expect![[r#"
        line 13: contacts.numbers: numbers need [contacts.http] or [contacts.modem], and these need numbers
    "#]],
    );
}

#[test]
fn no_client_may_speak_for_a_wired_cord() {
    check(
        &GOOD.replace("zigbee2mqtt/#\"]", "homecare/wired/bath cord\"]"),
        expect![[r#"
        line 10: mqtt.client[1].publish: `homecare/wired/bath cord` covers what the gateway alone may say
    "#]],
    );
}

#[test]
fn a_button_that_never_beats_is_one_way_and_a_sensor_or_a_stated_power_is_not() {
    let rule = |device: &str, role: &str, more: &str| {
        format!(
            "[[rule]]\ndevice = \"{device}\"\nrole = \"{role}\"\npreset = \"tasmota_radio\"\nnode = \"rf\"\ncode = \"D6{device}1\"\n{more}"
        )
    };
    let state = "[[rule]]\ndevice = \"C\"\nrole = \"sos\"\ntopic = \"c/state\"\non = [\"on\"]\noff = [\"off\"]\n";
    let text = [
        rule("A", "sos", ""),
        rule("B", "motion", ""),
        rule("C", "sos", ""),
        state.to_owned(),
        rule("D", "im_fine", "power = \"battery\"\n"),
    ];
    let config = GatewayConfig::read(&format!("{GOOD}\n{}", text.concat())).unwrap_or_else(|why| panic!("{why:?}"));
    let power = |device: &str| config.rules.devices[device].power;
    assert_eq!([power("A"), power("B"), power("C")], [Some(Power::OneWay), None, None]);
    assert_eq!(power("D"), Some(Power::Battery));
}

#[test]
fn the_only_elder_of_a_home_lives_alone_unless_it_is_said_otherwise() {
    let alone = |text: &str| {
        let config = GatewayConfig::read(&format!("{GOOD}\n{text}")).unwrap_or_else(|why| panic!("{why:?}"));
        let told = config.advice().iter().any(|advice| advice.contains("lives_alone"));
        (config.rules.supervision.silence.lives_alone, told)
    };
    assert_eq!(alone(""), (true, false));
    assert_eq!(alone("[home]\nelders = 1\n"), (true, false));
    assert_eq!(alone("[home]\nelders = 2\n"), (false, false));
    assert_eq!(alone("[home]\nelders = 1\n[supervision]\nlives_alone = false\n"), (false, true));
    assert_eq!(alone("[home]\nelders = 2\n[supervision]\nlives_alone = true\n"), (true, true));
}

#[test]
fn a_weak_link_has_a_limit_within_what_tells_anything() {
    check(
        &format!("{GOOD}\n[supervision]\nweak_link = 200\n"),
        expect![[r#"
            line 14: supervision.weak_link: 200 is outside 5–100; the default is 30
        "#]],
    );
}
