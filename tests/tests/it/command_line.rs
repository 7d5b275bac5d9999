//! The programs on the command line: help, configurations with everything wrong told at once, decode.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use sensor_sim::payload;
use serde_json::{Value, json};
use tests::harness::setup::Setup;

use crate::home::{BUTTON, root, run, setup, text};

/// Exit status of a bad configuration.
const EXIT_CONFIG: i32 = 78;

/// A change that makes a good configuration bad: what is replaced, by what, and where that is told.
type Mistake = (&'static str, &'static str, &'static str);

const GATEWAY_MISTAKES: [Mistake; 12] = [
    ("gateway = \"demo-home\"", "gateway = \"Demo Home\"", "gateway:"),
    ("paths = [\"http://127.0.0.1", "paths = [\"http://192.0.2.7", "centre.paths:"),
    ("geofence_m = 150", "geofense_m = 150", "home.geofense_m:"),
    ("latitude = 41.8", "latitude = 141.8", "home.latitude:"),
    ("caregivers = [\"cg-17\"]", "caregivers = \"cg-17\"", "visits.caregivers:"),
    ("fall_prealarm_secs = 15", "fall_prealarm_secs = 5", "rules.fall_prealarm_secs:"),
    ("centre_wait_secs = 5", "centre_wait_secs = \"5\"", "rules.centre_wait_secs:"),
    ("[status]\nlisten = \"127.0.0.1:", "[status]\nlisten = \"localhost:", "status.listen:"),
    ("mode = \"embedded\"", "mode = \"embeded\"", "mqtt.mode:"),
    ("publish = [\"zigbee2mqtt/#\"]", "publish = [\"zigbee2mqtt/#/x\"]", "mqtt.client[1].publish:"),
    ("name = \"sos bathroom\"", "name = \"sos bedside\"", "device[2].name:"),
    ("role = \"im_fine\"", "role = \"pendant\"", "device[3].role:"),
];

const CENTRE_MISTAKES: [Mistake; 6] = [
    ("listen = \"127.0.0.1:", "listen = \"0.0.0.0:", "listen:"),
    ("tenant = \"demo\"", "tenant = \"De mo\"", "tenant:"),
    ("id = \"other-home\"", "id = \"demo-home\"", "gateway[2].id:"),
    ("role = \"dispatcher\"", "role = \"despatcher\"", "user[1].role:"),
    ("name = \"board\"", "name = \"wang\"", "user[2].name:"),
    ("name = \"chen\"\ntoken = \"", "name = \"chen\"\ntoken = \" ", "user[3].token:"),
];

/// Checks a text as a program does; gives the exit status and what it says.
fn check(setup: &Setup, program: &str, config: &str) -> anyhow::Result<(Option<i32>, String)> {
    let path = setup.write("checked.toml", config)?;
    let output = run(program, &["check", "--config", &path.to_string_lossy()], "")?;
    Ok((output.status.code(), format!("{}{}", text(&output.stdout), text(&output.stderr))))
}

fn every_mistake_is_told(program: &str, good: &str, mistakes: &[Mistake]) -> anyhow::Result<()> {
    let setup = setup()?;
    let (status, told) = check(&setup, program, good)?;
    ensure!(status == Some(0), "the good configuration: {told}");
    let mut all = good.to_owned();
    for (right, wrong, key) in mistakes {
        ensure!(good.matches(right).count() >= 1, "the configuration has no `{right}`");
        let bad = good.replacen(right, wrong, 1);
        let (status, told) = check(&setup, program, &bad)?;
        ensure!(status == Some(EXIT_CONFIG), "`{wrong}`: {status:?}: {told}");
        ensure!(told.contains(&format!(": {key}")) && told.contains(": line "), "`{wrong}`: {told}");
        all = all.replacen(right, wrong, 1);
    }
    let (status, told) = check(&setup, program, &all)?;
    ensure!(status == Some(EXIT_CONFIG), "all mistakes together: {status:?}: {told}");
    for (_, wrong, key) in mistakes {
        ensure!(told.contains(&format!(": {key}")), "among all mistakes `{wrong}` is not told: {told}");
    }
    // Its secrets stand in no problem's text.
    ensure!(!good.lines().filter_map(secret).any(|secret| told.contains(secret)), "a secret is told");
    Ok(())
}

/// The secret of a line such as `token = "…"`.
fn secret(line: &str) -> Option<&str> {
    let value = line.strip_prefix("token = \"").or_else(|| line.strip_prefix("password = \""));
    value?.strip_suffix('"').filter(|secret| secret.len() > 20)
}

#[test]
fn gateway_check_tells_every_mistake_alone_and_all_at_once() -> anyhow::Result<()> {
    every_mistake_is_told("gateway", &setup()?.gateway_toml(), &GATEWAY_MISTAKES)
}

#[test]
fn cloud_bridge_check_tells_every_mistake_alone_and_all_at_once() -> anyhow::Result<()> {
    every_mistake_is_told("cloud-bridge", &setup()?.centre_toml(), &CENTRE_MISTAKES)
}

#[test]
fn a_broken_configuration_starts_nothing() -> anyhow::Result<()> {
    let setup = setup()?;
    for program in ["gateway", "cloud-bridge"] {
        let broken = setup.write("broken.toml", "listen = \n[mqtt\n")?;
        let output = run(program, &["run", "--config", &broken.to_string_lossy()], "")?;
        let told = text(&output.stderr);
        ensure!(output.status.code() == Some(EXIT_CONFIG) && told.contains("line 1"), "{program}: {told}");
        let output = run(program, &["run", "--config", "/no/such/file.toml"], "")?;
        let told = text(&output.stderr);
        ensure!(!output.status.success() && told.contains("/no/such/file.toml"), "{program}: {told}");
        ensure!(told.lines().count() == 1, "{program}: {told}");
    }
    Ok(())
}

#[test]
fn every_configuration_of_the_repository_is_good() -> anyhow::Result<()> {
    let mut checked = 0;
    for entry in std::fs::read_dir(root().join("config")).context("no folder config")? {
        let path: PathBuf = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let program = match name.split(['.', '-', '_']).next() {
            Some("home" | "gateway") => "gateway",
            Some("centre") => "cloud-bridge",
            Some("sim") => "sensor-sim",
            _ => anyhow::bail!("config/{name}: no program is known to read it; name it home…, centre… or sim…"),
        };
        let output = run(program, &["check", "--config", &path.to_string_lossy()], "")?;
        ensure!(output.status.success(), "config/{name}: {}", text(&output.stderr));
        checked += 1;
    }
    ensure!(checked >= 2, "{checked} configurations; one home and one centre at least");
    Ok(())
}

#[test]
fn every_program_explains_itself() -> anyhow::Result<()> {
    for (program, word) in
        [("gateway", "journal"), ("cloud-bridge", "check"), ("sensor-sim", "scenario"), ("demo", "--check")]
    {
        let output = run(program, &["--help"], "")?;
        ensure!(output.status.success() && text(&output.stdout).contains(word), "{program}: {}", text(&output.stdout));
    }
    Ok(())
}

#[test]
fn decode_answers_every_line_with_one_line() -> anyhow::Result<()> {
    let devices: Vec<_> = tests_home().iter().map(|device| device.device(1)).collect();
    let list = payload::device_list(&devices);
    let press = payload::sos_press(BUTTON);
    let line = |topic: &str, payload: &[u8]| {
        json!({ "topic": topic, "payload": String::from_utf8_lossy(payload), "retain": false }).to_string()
    };
    let lines = [
        line(&list.topic, &list.payload),
        line(&press.topic, &press.payload),
        line(&press.topic, b"{\"action\": emerg"),
        "this is not JSON".to_owned(),
        line(&press.topic, b"{\"action\": \"\"}"),
    ];
    let output = run("gateway", &["decode"], &(lines.join("\n") + "\n"))?;
    ensure!(output.status.success(), "{}", text(&output.stderr));
    let answers: Vec<Value> = text(&output.stdout).lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    ensure!(answers.len() == lines.len(), "{} answers to {} lines", answers.len(), lines.len());
    let kinds = |answer: &Value| {
        let observations = answer["observations"].as_array().cloned().unwrap_or_default();
        observations.iter().filter(|seen| seen["edge"] == true).map(|seen| seen["kind"].clone()).collect::<Vec<_>>()
    };
    ensure!(kinds(&answers[1]).contains(&json!("sos")), "{}", answers[1]);
    ensure!(answers[1]["rejected"].is_null(), "{}", answers[1]);
    ensure!(answers[2]["rejected"] == "not_json", "{}", answers[2]);
    ensure!(answers[3]["rejected"].is_string(), "{}", answers[3]);
    ensure!(!kinds(&answers[4]).contains(&json!("sos")), "a clear is no press: {}", answers[4]);
    Ok(())
}

fn tests_home() -> Vec<sensor_sim::scenario::HomeDevice> {
    sensor_sim::config::demo_home()
}
