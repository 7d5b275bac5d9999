use expect_test::expect;

use super::*;
use crate::config::demo_home;

#[test]
fn short_words_choose_the_obvious_device() {
    let home = demo_home();
    let lines = [
        "press",
        "fall",
        "up",
        "cancel",
        "fine",
        "door",
        "motion",
        "smoke",
        "clear",
        "check-in",
        "check-out",
        "again",
        "press \"sos bathroom\"",
        "bridge restarts",
        "assistance",
        "",
        "help",
        "devices",
        "quit",
        "pres",
    ];
    let mut text = String::new();
    for line in lines {
        let read = match read(line, &home, Some("front door")) {
            Ok(Command::Acts(acts)) => acts.iter().map(Act::to_string).collect::<Vec<_>>().join("; "),
            Ok(other) => format!("{other:?}"),
            Err(why) => format!("error: {}", why.chars().take(60).collect::<String>()),
        };
        text += &format!("{line:<24} {read}\n");
    }
    expect![[r#"
        press                    press "sos bedside"
        fall                     fall "bath radar"
        up                       recover "bath radar"
        cancel                   cancel
        fine                     press "fine button"
        door                     open "front door"; close "front door"
        motion                   motion "hall motion"
        smoke                    alarm "kitchen smoke"
        clear                    clear "kitchen smoke"; clear "bath leak"
        check-in                 check in cg-17 by code at home for 助洁
        check-out                check out cg-17 by code at home outcome "seen, safe"
        again                    deliver again "front door"
        press "sos bathroom"     press "sos bathroom"
        bridge restarts          bridge restarts
        assistance               error: this home has no assistance
                                 Nothing
        help                     Help
        devices                  Devices
        quit                     Quit
        pres                     error: `pres` is nothing that can happen; use one of press, release
    "#]]
    .assert_eq(&text);
}

#[test]
fn every_command_of_the_help_is_understood() {
    for word in HELP.split(|c: char| c.is_whitespace() || c == ',' || c == ';') {
        let listed = [
            "press",
            "fall",
            "cancel",
            "up",
            "fine",
            "again",
            "door",
            "motion",
            "smoke",
            "leak",
            "clear",
            "check-in",
            "check-out",
            "devices",
            "quit",
        ];
        if listed.contains(&word) {
            read(word, &demo_home(), Some("front door")).unwrap();
        }
    }
}
