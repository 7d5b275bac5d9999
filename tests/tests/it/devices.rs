//! Devices as an installer meets them: replacement buttons, keypads, bridges that restart, the installer's tools.

use anyhow::{Context as _, ensure};
use sensor_sim::bridge::RadioBridge;
use sensor_sim::device::{Click, Device, Happening, Model};
use sensor_sim::payload;
use sensor_sim::publication::Publication;
use serde_json::{Value, json};
use tests::harness::gateway;
use tests::harness::mqtt::MqttClient;
use tests::harness::program::{self, Program};
use tests::harness::setup::{BRIDGE, CHECKER};

use crate::home::{Home, OrFail as _, PATIENCE, run, setup, text};

async fn say(client: &mut MqttClient, all: impl IntoIterator<Item = Publication>) -> anyhow::Result<()> {
    for Publication { topic, payload, .. } in all {
        client.publish(&topic, &payload).await.or_fail()?;
    }
    Ok(())
}

fn triggers(journal: &[Value]) -> Vec<&Value> {
    journal.iter().filter_map(|record| record["body"].get("trigger")).collect()
}

#[tokio::test]
async fn a_replacement_button_that_joined_raises_unregistered_and_a_stranger_does_not() -> anyhow::Result<()> {
    let home = Home::start(setup()?).await?;
    let mut bridge = home.mqtt(BRIDGE).await?;
    let spare = Device::new("spare button", Model::SosButton, None, 1);
    say(&mut bridge, [payload::device_list(&[spare])]).await?;
    say(&mut bridge, [payload::sos_press("never joined"), payload::sos_press("spare button")]).await?;
    home.presses(1).await?;
    home.one_order_with(1).await?;
    let journal = home.journal()?;
    let [trigger] = triggers(&journal)[..] else { anyhow::bail!("{:?}", triggers(&journal)) };
    ensure!(trigger["device"] == "spare button" && trigger["reason"] == "unregistered_device", "{trigger}");
    Ok(())
}

#[tokio::test]
async fn a_typed_code_is_in_no_log_no_record_no_page_and_nothing_sent() -> anyhow::Result<()> {
    const CODE: &str = "90210377";
    let home = Home::start(setup()?).await?;
    let mut bridge = home.mqtt(BRIDGE).await?;
    let keypad = json!({"action": "panic", "action_code": CODE, "action_transaction": 7, "last_added_user_code": CODE});
    let keypad = Publication::json("zigbee2mqtt/keypad", &keypad);
    say(&mut bridge, [keypad]).await?;
    let broken = Publication::bytes("zigbee2mqtt/keypad".to_owned(), format!("{{\"action_code\": {CODE}").into_bytes());
    say(&mut bridge, [broken]).await?;
    home.presses(1).await?;
    home.feed.caught_up(&home.desk).await.or_fail()?;
    let mut told = vec![
        home.gateway.lines().join("\n"),
        home.centre.lines().join("\n"),
        serde_json::to_string(&home.journal()?)?,
        serde_json::to_string(&home.desk.work_orders().await.or_fail()?)?,
    ];
    for page in ["/metrics", "/healthz", "/v1/history"] {
        told.push(home.status.text(page).await.or_fail()?);
    }
    let arguments = ["explain", "zigbee2mqtt/keypad", &format!("{{\"action\":\"panic\",\"action_code\":\"{CODE}\"}}")];
    told.push(text(&run("gateway", &arguments, "")?.stdout));
    for told in told {
        ensure!(!told.contains(CODE), "the code stands in: {told}");
    }
    Ok(())
}

/// A home's devices, one of each that could raise, in the state that raises.
fn alarmed_bridge() -> RadioBridge {
    let devices = [
        ("cord", Model::LatchingSos, Happening::Pressed(Click::Single)),
        ("radar", Model::FallRadar, Happening::Fell),
        ("smoke", Model::Smoke, Happening::Alarmed),
        ("leak", Model::Leak, Happening::Alarmed),
        ("button", Model::SosButton, Happening::Pressed(Click::Single)),
    ];
    let mut bridge = RadioBridge::new(devices.map(|(name, model, _)| Device::new(name, model, None, 1)));
    for (name, _, what) in devices {
        bridge.happen(name, what);
    }
    bridge
}

#[tokio::test]
async fn restarts_of_either_side_raise_nothing_and_lose_nothing() -> anyhow::Result<()> {
    let mut home = Home::start(setup()?).await?;
    let mut radio = alarmed_bridge();
    let mut bridge = home.mqtt(BRIDGE).await?;
    say(&mut bridge, radio.start()).await?;
    let raised = triggers(&home.journal()?).len();
    // The cord, smoke and water; the fall is a pre-alarm, and a gesture is never cached.
    ensure!(raised == 3, "{raised} triggers");
    say(&mut bridge, radio.start()).await?;
    home.gateway.stop(PATIENCE).await.or_fail()?;
    home.gateway = gateway::start(&home.setup, None).await?;
    let mut bridge = home.mqtt(BRIDGE).await?;
    say(&mut bridge, radio.start()).await?;
    let journal = home.journal()?;
    ensure!(triggers(&journal).len() == raised, "{:?}", triggers(&journal));
    let falls = journal.iter().filter(|record| !record["body"]["pre_alarm"].is_null()).count();
    ensure!(falls == 1, "{falls} pre-alarms");
    // Nothing is lost: a press of the button, and the cord pulled anew, still raise.
    say(&mut bridge, radio.happen("button", Happening::Pressed(Click::Single))).await?;
    say(&mut bridge, radio.happen("cord", Happening::Released)).await?;
    say(&mut bridge, radio.happen("cord", Happening::Pressed(Click::Single))).await?;
    let journal = home.journal()?;
    ensure!(triggers(&journal).len() == raised + 2, "{:?}", triggers(&journal));
    Ok(())
}

#[tokio::test]
async fn home_assistant_sees_the_gateway_its_call_and_its_leaving() -> anyhow::Result<()> {
    let mut setup = setup()?;
    setup.grant("homeassistant", &[], &["homeassistant/#", "homecare/#"])?;
    setup.extra_toml = "\n[homeassistant]\nenabled = true\n".into();
    let mut home = Home::start(setup).await?;
    let mut dashboard = home.mqtt("homeassistant").await?;
    let granted = dashboard.subscribe(&["homeassistant/#", "homecare/#"]).await.or_fail()?;
    ensure!(granted.iter().all(|code| *code < 3), "{granted:?}");
    let (_, config) = dashboard
        .hear("the call's discovery", 0, PATIENCE, |heard| heard.topic.ends_with("/call/config"))
        .await
        .or_fail()?;
    ensure!(
        config.retained && config.topic == "homeassistant/binary_sensor/homecare_demo_home/call/config",
        "{config:?}"
    );
    ensure!(config.field("availability_topic").as_deref() == Some("homecare/status"), "{config:?}");
    let is = |topic: &'static str, wanted: &'static str| {
        move |heard: &tests::harness::mqtt::Heard| heard.topic == topic && text(&heard.payload).contains(wanted)
    };
    dashboard.hear("it is there", 0, PATIENCE, is("homecare/status", "online")).await.or_fail()?;
    dashboard.hear("no call", 0, PATIENCE, is("homecare/state", "\"call\":false")).await.or_fail()?;
    let mut checker = home.checker().await?;
    say(&mut checker, [payload::sos_press("sos bedside")]).await?;
    dashboard.hear("the call", 0, PATIENCE, is("homecare/state", "\"call\":true")).await.or_fail()?;
    dashboard.hear("its order", 0, PATIENCE, is("homecare/state", "\"orders\":1")).await.or_fail()?;
    // The broker leaves with the gateway: to Home Assistant that is "unavailable" too.
    home.gateway.stop(PATIENCE).await.or_fail()?;
    dashboard.closed(PATIENCE).await.or_fail()
}

/// Starts a tool of the gateway with the home's configuration.
fn tool(home: &Home, arguments: &[&str]) -> anyhow::Result<Program> {
    let config = home.setup.write_gateway()?;
    let config = config.to_string_lossy();
    let all: Vec<&str> = arguments.iter().copied().chain(["--config", &config]).collect();
    Program::start("gateway", &program::path_of("gateway")?, &all, None)
}

#[tokio::test]
async fn permit_join_opens_the_network_shows_who_joins_and_how_to_configure_it() -> anyhow::Result<()> {
    let home = Home::start(setup()?).await?;
    let mut bridge = home.mqtt(BRIDGE).await?;
    bridge.subscribe(&["zigbee2mqtt/bridge/request/#"]).await.or_fail()?;
    let mut tool = tool(&home, &["permit-join", "--secs", "200"])?;
    let (_, request) = bridge.hear("the request", 0, PATIENCE, |_| true).await.or_fail()?;
    let asked: Value = serde_json::from_slice(&request.payload)?;
    ensure!(request.topic == "zigbee2mqtt/bridge/request/permit_join" && asked["time"] == 200, "{request:?}");
    let answer = json!({"data": {"time": 200}, "status": "ok", "transaction": asked["transaction"]});
    say(&mut bridge, [Publication::json("zigbee2mqtt/bridge/response/permit_join", &answer)]).await?;
    tool.wait_line("it is open", PATIENCE, |line| line.contains("open for 200 s")).await.or_fail()?;
    let definition = json!({"model": "TS0215A_sos", "vendor": "Tuya", "description": "SOS button",
        "exposes": [{"name": "action", "property": "action", "type": "enum", "access": 1, "values": ["emergency"]}]});
    let event = |kind: &str, more: Value| {
        let mut data = json!({"friendly_name": "0x00124b0000000001", "ieee_address": "0x00124b0000000001"});
        if let (Some(data), Some(more)) = (data.as_object_mut(), more.as_object()) {
            data.extend(more.clone());
        }
        Publication::json("zigbee2mqtt/bridge/event", &json!({"type": kind, "data": data}))
    };
    say(
        &mut bridge,
        [
            event("device_joined", json!({})),
            event("device_interview", json!({"status": "successful", "supported": true, "definition": definition})),
        ],
    )
    .await?;
    for line in ["joined: 0x00124b0000000001", "tells of: an emergency call", "role = \"sos\""] {
        tool.wait_line(line, PATIENCE, |said| said.contains(line)).await.or_fail()?;
    }
    // Ctrl-C closes the network before the tool ends.
    tool.signal(nix::sys::signal::Signal::SIGINT);
    let (_, request) = bridge.hear("the second request", 1, PATIENCE, |_| true).await.or_fail()?;
    let asked: Value = serde_json::from_slice(&request.payload)?;
    ensure!(asked["time"] == 0, "{asked}");
    let answer = json!({"data": {"time": 0}, "status": "ok", "transaction": asked["transaction"]});
    say(&mut bridge, [Publication::json("zigbee2mqtt/bridge/response/permit_join", &answer)]).await?;
    let ended = tool.wait_end(PATIENCE).await.or_fail()?;
    ensure!(ended.success(), "{ended}: {:?}", tool.last_lines(5));
    Ok(())
}

#[tokio::test]
async fn a_code_is_learned_by_listening_and_until_then_it_calls_nobody() -> anyhow::Result<()> {
    let mut setup = setup()?;
    setup.grant("radio", &["rtl_433/#"], &[])?;
    let home = Home::start(setup).await?;
    let mut radio = home.mqtt("radio").await?;
    let mut tool = tool(&home, &["learn", "--secs", "300", "--times", "1"])?;
    tool.wait_line("it listens", PATIENCE, |line| line.contains("Press the button")).await.or_fail()?;
    let code = json!({"time": "2026-11-22 15:00:00", "model": "Generic-Remote", "id": 23130, "cmd": 196});
    let code = Publication::json("rtl_433/pi/events", &code);
    say(&mut radio, [code.clone(), code.clone(), code]).await?;
    tool.wait_line("it hears the code", PATIENCE, |line| line.contains("Generic-Remote id 23130 cmd 196"))
        .await
        .or_fail()?;
    tool.signal(nix::sys::signal::Signal::SIGINT);
    tool.wait_line("it prints the rule", PATIENCE, |line| line == "preset = \"rtl_433_code\"").await.or_fail()?;
    ensure!(tool.wait_end(PATIENCE).await.or_fail()?.success(), "{:?}", tool.last_lines(5));
    ensure!(triggers(&home.journal()?).is_empty(), "a neighbour's code raised");
    Ok(())
}

#[tokio::test]
async fn check_asks_the_running_bridge_for_its_settings() -> anyhow::Result<()> {
    let home = Home::start(setup()?).await?;
    let mut bridge = home.mqtt(BRIDGE).await?;
    let info = json!({"version": "2.14.1", "config": {"availability": {"enabled": false}, "device_options": {}}});
    for (name, body) in [
        ("devices", payload::bridge_devices(&[Device::new("cord", Model::LatchingSos, None, 1)])),
        ("info", info.to_string().into_bytes()),
    ] {
        let message = tests::harness::wire::Publish {
            topic: format!("zigbee2mqtt/bridge/{name}"),
            payload: body,
            packet: Some(bridge.packet()),
            duplicate: false,
            retain: true,
        };
        let packet = message.packet.context("a packet id")?;
        bridge.send(&tests::harness::wire::publish(&message)).await.or_fail()?;
        bridge.acknowledged(packet, 0).await.or_fail()?;
    }
    let mut tool = tool(&home, &["check", "--live"])?;
    let ended = tool.wait_end(PATIENCE).await.or_fail()?;
    let told = tool.lines().join("\n");
    ensure!(ended.success(), "{told}");
    for advice in [
        "`cord` is sent at QoS 0",
        "filtered_cache: ['^sos$']",
        "availability is off",
        "has joined and is not configured",
    ] {
        ensure!(told.contains(advice), "no `{advice}` in {told}");
    }
    Ok(())
}

#[tokio::test]
async fn tools_without_a_gateway_say_what_to_do() -> anyhow::Result<()> {
    let setup = setup()?;
    let config = setup.write_gateway()?;
    let output = run("gateway", &["permit-join", "--close", "--config", &config.to_string_lossy()], "")?;
    ensure!(!output.status.success(), "it closed what is not there");
    ensure!(text(&output.stderr).contains("is the gateway running"), "{}", text(&output.stderr));
    ensure!(setup.sign_in(CHECKER).is_ok(), "the setup lost a client");
    Ok(())
}

/// Every model of the simulator in everything that can happen to it, after the bridge's list on this base.
fn everything_said(base: &str) -> String {
    let devices: Vec<Device> =
        Model::ALL.iter().map(|model| Device::new(format!("{model:?}").to_lowercase(), *model, None, 1)).collect();
    let line = |publication: &Publication| {
        let payload: Value = serde_json::from_slice(&publication.payload).unwrap_or(Value::Null);
        json!({"topic": publication.topic, "payload": payload}).to_string()
    };
    let mut bridge = RadioBridge::new(devices).on_base(base);
    let mut lines: Vec<String> = bridge.start().iter().map(line).collect();
    let names: Vec<String> = bridge.devices().map(|device| device.name().to_owned()).collect();
    for name in names {
        for what in [
            Happening::Pressed(Click::Single),
            Happening::Released,
            Happening::Moved,
            Happening::Opened,
            Happening::LainDown,
            Happening::MayHaveFallen,
            Happening::Fell,
            Happening::Recovered,
            Happening::Alarmed,
            Happening::Cleared,
            Happening::Tampered,
            Happening::BatteryAt(8),
        ] {
            lines.extend(bridge.happen(&name, what).iter().map(line));
        }
    }
    lines.join("\n")
}

fn confusion(lines: &str) -> anyhow::Result<std::process::Output> {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), lines)?;
    Ok(std::process::Command::new(env!("CARGO_BIN_EXE_confusion")).arg(file.path()).output()?)
}

#[test]
fn the_confusion_table_is_clean_for_every_model_and_tells_when_an_emergency_is_missed() -> anyhow::Result<()> {
    let clean = confusion(&everything_said("zigbee2mqtt"))?;
    let told = text(&clean.stdout);
    ensure!(clean.status.success(), "{told}");
    ensure!(told.contains("SOS and fall missed or invented: 0") && told.contains("100.00 %"), "{told}");
    // A base that the decoder does not read: everything is missed, and the table says so.
    let missed = confusion(&everything_said("elsewhere"))?;
    let told = text(&missed.stdout);
    ensure!(missed.status.code() == Some(1) && told.contains("!! "), "{:?} {told}", missed.status);
    Ok(())
}
