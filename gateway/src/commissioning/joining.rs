//! `gateway permit-join`: opens the Zigbee network, shows who joins and how to configure it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::visitor::{Stop, Visitor, in_a};
use crate::config::GatewayConfig;
use crate::decode::{ListedDevice, Role, kind_words};

/// How long the bridge has to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// Opens for `secs`, or closes where it is 0.
pub(super) async fn run(config: &GatewayConfig, secs: u64) -> anyhow::Result<ExitCode> {
    let base = &config.decoder.zigbee2mqtt_base;
    let mut visitor = Visitor::sign_in(config).await?;
    let response = format!("{base}/bridge/response/permit_join");
    visitor.subscribe(&[&response, &format!("{base}/bridge/event")]).await?;
    // From before the network is open: whoever ends the tool finds it closed again.
    let mut stop = Stop::watch()?;
    ask(&mut visitor, base, secs).await?;
    if secs == 0 {
        println!("入网已关闭。\nThe network is closed to new devices.");
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "入网已开放 {secs} 秒,请让新设备进入配对。\nThe network is open for {secs} s; put the new device into pairing mode."
    );
    let until = in_a(Duration::from_secs(secs));
    let mut joined = 0_u32;
    loop {
        let heard = tokio::select! {
            heard = visitor.next(until) => heard?,
            () = stop.wanted() => {
                ask(&mut visitor, base, 0).await?;
                println!("\n入网已关闭。\nThe network is closed to new devices.");
                break;
            }
        };
        let Some((topic, payload)) = heard else { break };
        if topic != response
            && let Some(told) = told(config, &serde_json::from_slice(&payload).unwrap_or(Value::Null))
        {
            joined += u32::from(told.joined);
            println!("{}", told.text);
        }
    }
    println!("{joined} 台设备已入网。\n{joined} device(s) joined.");
    Ok(ExitCode::SUCCESS)
}

/// Asks the bridge and waits for its answer.
async fn ask(visitor: &mut Visitor, base: &str, secs: u64) -> anyhow::Result<()> {
    let transaction = format!("homecare-{}", std::process::id());
    let request = json!({ "time": secs, "transaction": transaction }).to_string();
    visitor.publish(&format!("{base}/bridge/request/permit_join"), request).await?;
    let until = in_a(ANSWER_WAIT);
    while let Some((topic, payload)) = visitor.next(until).await? {
        let answer: Value = serde_json::from_slice(&payload).unwrap_or(Value::Null);
        if !topic.ends_with("/bridge/response/permit_join") || answer["transaction"] != transaction.as_str() {
            continue;
        }
        if answer["status"] == "ok" {
            return Ok(());
        }
        bail!("the bridge refuses: {}", answer["error"].as_str().context("without a reason")?);
    }
    bail!("the bridge on `{base}` does not answer; is Zigbee2MQTT running and signed in at this broker?")
}

struct Told {
    text: String,
    joined: bool,
}

/// What one bridge event says to an installer.
fn told(config: &GatewayConfig, event: &Value) -> Option<Told> {
    let data = &event["data"];
    let name = data["friendly_name"].as_str()?;
    let text = match (event["type"].as_str()?, data["status"].as_str()) {
        ("device_joined", _) => format!("入网:{name},正在识别…\njoined: {name}, asking what it is…"),
        ("device_interview", Some("failed")) => format!(
            "识别失败:{name}。请靠近协调器重试。\ninterview failed: {name}; bring it nearer to the coordinator and try again."
        ),
        ("device_interview", Some("successful")) => {
            let device = ListedDevice::of(name, data);
            return Some(Told { text: introduced(config, &device), joined: true });
        }
        ("device_leave", _) => format!("离网:{name}\nleft: {name}"),
        _ => return None,
    };
    Some(Told { text, joined: false })
}

/// A device's introduction: what it is, what it can tell, and the lines that configure it.
fn introduced(config: &GatewayConfig, device: &ListedDevice) -> String {
    let ListedDevice { name, model, vendor, description, .. } = device;
    let kinds = device.kinds();
    let zh: Vec<&str> = kinds.iter().map(|kind| kind_words(*kind).0).collect();
    let en: Vec<&str> = kinds.iter().map(|kind| kind_words(*kind).1).collect();
    let mut text = format!(
        "已识别:{name}({vendor} {model},{description})\n  能报告:{}\nready: {name} ({vendor} {model}, {description})\n  tells of: {}",
        if zh.is_empty() { "无".to_owned() } else { zh.join("、") },
        if en.is_empty() { "nothing".to_owned() } else { en.join(", ") },
    );
    match config.decoder.devices.get(name) {
        Some(role) => {
            let role = role.word();
            text += &format!("\n  已配置,用途 {role}。\n  It is configured, role {role}.");
        }
        None => {
            let role = device.role_suggested().map_or("…", Role::word);
            text += &format!(
                "\n  写入配置 · add to the configuration:\n\n[[device]]\nname = \"{name}\"\nrole = \"{role}\"\nroom = \"…\"\n"
            );
        }
    }
    text
}
