use expect_test::{Expect, expect};
use serde_json::json;

use super::*;

const HOME: &str = r#"
gateway = "home-1"
data_dir = "/tmp/home-1"
[centre]
paths = ["https://centre.example.org"]
token = "0123456789abcdef0123456789abcdef"
[[mqtt.client]]
name = "zigbee2mqtt"
password = "a-long-password"
publish = ["zigbee2mqtt/#"]
subscribe = ["zigbee2mqtt/#"]
[[mqtt.client]]
name = "lamp"
password = "a-long-password"
publish = []
subscribe = ["homecare/reassurance"]
[[device]]
name = "cord"
role = "sos"
room = "bathroom"
"#;

fn config(text: &str) -> GatewayConfig {
    GatewayConfig::read(text).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn told(advice: Vec<Step>, expected: Expect) {
    expected.assert_eq(&advice.into_iter().map(|step| format!("{}\n", step.en)).collect::<String>());
}

fn bridge(settings: serde_json::Value) -> Bridge {
    let flag = |name: &str| json!({"name": name, "property": name, "type": "binary", "access": 1, "value_on": true, "value_off": false});
    let device = |name: &str, ieee: &str, description: &str, exposes: serde_json::Value| {
        json!({"type": "EndDevice", "friendly_name": name, "ieee_address": ieee,
               "definition": {"model": "M", "vendor": "V", "description": description, "exposes": exposes}})
    };
    let contact = json!({"name": "contact", "property": "contact", "type": "binary", "access": 1,
                         "value_on": false, "value_off": true});
    let list = json!([
        device("cord", "0x01", "SOS button", json!([flag("sos")])),
        device("pad", "0x02", "Sleeping pad monitor", json!([contact])),
        device(
            "stranger",
            "0x03",
            "SOS button",
            json!([{"name": "action", "property": "action", "type": "enum", "access": 1, "values": ["emergency"]}])
        ),
    ]);
    let mut bridge = Bridge::default();
    bridge.hear("zigbee2mqtt", "zigbee2mqtt/bridge/devices", &list);
    bridge.hear("zigbee2mqtt", "zigbee2mqtt/bridge/info", &json!({"version": "2.14.1", "config": settings}));
    bridge
}

#[test]
fn a_home_in_order_gets_no_advice() {
    told(on_home(&config(HOME)), expect![[""]]);
}

#[test]
fn what_is_missing_in_the_home_is_told() {
    let bad =
        HOME.replace("room = \"bathroom\"", "").replace("subscribe = [\"homecare/reassurance\"]", "subscribe = []");
    let bad = bad.replace("publish = [\"zigbee2mqtt/#\"]", "publish = [\"zigbee2mqtt/+\"]");
    let bad = bad
        + "[[device]]\nname = \"pad\"\n[[rule]]\ndevice = \"pendant\"\nrole = \"sos\"\nroom = \"hall\"\npreset = \"tasmota_radio\"\nnode = \"rf\"\ncode = \"D6\"\n";
    told(
        on_home(&config(&bad)),
        expect![[r#"
            device `cord` has no room: an order cannot say where.
            device `pad` has no room: an order cannot say where.
            device `pad` has no role: it counts as what it says of itself, and bed pads often say contact.
            `pendant` has no heartbeat and cannot be supervised: test it by hand each month (gateway test-press).
            client `lamp` has no rights at all: publish and subscribe are both empty.
            no client may publish `zigbee2mqtt/#`: nothing of the Zigbee devices comes in.
            no client may publish `tele/rf/RESULT`, which the rule of `pendant` listens to: nothing of it comes in.
            no lamp or speaker may subscribe to `homecare/reassurance`: the elder is told nothing by one.
        "#]],
    );
}

#[test]
fn a_bridge_as_it_is_installed_gets_every_advice() {
    told(
        on_bridge(
            &config(HOME),
            &bridge(json!({"availability": {"enabled": false}, "device_options": {}, "devices": {}})),
        ),
        expect![[r#"
            `cord` is sent at QoS 0: a press is lost while the connection is. Set qos: 1.
            `cord`'s `sos` is cached and repeated, so a press is ambiguous: set filtered_cache: ['^sos$'].
            `pad` (Sleeping pad monitor) looks like a bed or chair pad: give it role = "bed".
            SOS device `stranger` has joined and is not configured: it raises, marked unregistered, without a room.
            `stranger` is sent at QoS 0: a press is lost while the connection is. Set qos: 1.
            Zigbee2MQTT's availability is off: a lost device shows only by the gateway's own time limit.
        "#]],
    );
}

#[test]
fn a_bridge_set_as_the_snippet_says_is_in_order_but_for_its_devices() {
    let settings = json!({"availability": {"enabled": true}, "devices": {"0x01": {"friendly_name": "cord"}},
        "device_options": {"qos": 1, "retain": false, "filtered_cache": ["^sos$", "^sos_alarm$", "^panic$"]}});
    let home = HOME.to_owned()
        + "[[device]]\nname = \"pad\"\nrole = \"bed\"\nroom = \"bedroom\"\n[[device]]\nname = \"misspelt\"\nrole = \"motion\"\nroom = \"hall\"\n";
    told(
        on_bridge(&config(&home), &bridge(settings)),
        expect![[r#"
            SOS device `stranger` has joined and is not configured: it raises, marked unregistered, without a room.
            `misspelt` is configured and the bridge does not list it: a misspelt name, or it has not joined.
        "#]],
    );
}

#[test]
fn a_devices_own_setting_wins_over_the_one_for_all() {
    let settings = json!({"availability": {"enabled": true},
        "devices": {"0x01": {"qos": 0, "retain": true, "filtered_cache": []}},
        "device_options": {"qos": 1, "filtered_cache": ["sos"]}});
    let home = HOME.to_owned()
        + "[[device]]\nname = \"pad\"\nrole = \"bed\"\nroom = \"bedroom\"\n[[device]]\nname = \"stranger\"\nrole = \"ignore\"\n";
    told(
        on_bridge(&config(&home), &bridge(settings)),
        expect![[r#"
            `cord` is sent at QoS 0: a press is lost while the connection is. Set qos: 1.
            `cord`'s messages are retained: an old press is replayed. Set retain: false.
            `cord`'s `sos` is cached and repeated, so a press is ambiguous: set filtered_cache: ['^sos$'].
        "#]],
    );
}

#[test]
fn a_bluetooth_button_is_asked_about_and_one_that_is_told_apart_is_not() {
    let button = "[[device]]\nname = \"A4C138000001\"\nrole = \"sos\"\nroom = \"hall\"\n";
    told(
        on_home(&config(&format!("{HOME}{button}"))),
        expect![[r#"
            button `A4C138000001`: if it speaks only when it is pressed, write power = "one_way", or it is called silent.
        "#]],
    );
    told(on_home(&config(&format!("{HOME}{button}power = \"battery\"\n"))), expect![[""]]);
}

#[test]
fn patience_and_eagerness_are_pointed_out() {
    let patient = "[inactivity]\npatient_because = \"a daughter lives next door\"\nlearned_hours_max = 24\n\
                   false_alarms_a_year = 96\n[away]\nlearned_hours_min = 24\n";
    told(
        on_home(&config(&format!("{HOME}{patient}"))),
        expect![[r#"
            quiet at home may last up to 24 h (learned_hours_max): who lies there waits so long; add check_in times.
            nobody asks for 24 h of an absence (away.learned_hours_min), nor for who fell behind the door: announce absences as [[holiday]] instead.
            about 96 false calls a year (false_alarms_a_year): who is called too often no longer answers.
        "#]],
    );
}

#[test]
fn a_home_with_one_sensor_is_told_that_nothing_holds_its_chatter_in_check() {
    let device =
        |name: &str, role: &str| format!("[[device]]\nname = \"{name}\"\nrole = \"{role}\"\nroom = \"hall\"\n");
    let home = |more: &str| config(&format!("{HOME}{more}"));
    let (hall, kitchen) = (device("hall", "motion"), device("kitchen", "motion"));
    told(
        on_home(&home(&hall)),
        expect![[r#"
            `hall` alone gives signs of life: with no second sensor its chatter is life for ever (one_sensor_hours does not hold); add one.
        "#]],
    );
    told(on_home(&home(&format!("{hall}{kitchen}"))), expect![[""]]);
    let pets = "[inactivity]\npets = true\n";
    told(
        on_home(&home(&format!("{hall}{kitchen}{pets}"))),
        expect![[r#"
            `motion` alone gives signs of life: with no second sensor its chatter is life for ever (one_sensor_hours does not hold); add one.
        "#]],
    );
    told(on_home(&home(&format!("{hall}{}{pets}", device("door", "exit_door")))), expect![[""]]);
}
