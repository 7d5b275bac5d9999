//! Who may do what: each MQTT client in the home, each gateway and each user at the centre.

use std::time::Duration;

use anyhow::ensure;
use reqwest::Method;
use sensor_sim::payload;
use serde_json::{Value, json};
use tests::harness::api::Desk;
use tests::harness::centre;
use tests::harness::mqtt::{MqttClient, SignIn};
use tests::harness::setup::{BRIDGE, CHECKER, LAMP, PANEL, READER};

use crate::home::{BUTTON, Home, OrFail as _, setup};

#[tokio::test]
async fn strangers_and_wrong_passwords_are_refused_at_sign_in() -> anyhow::Result<()> {
    let home = Home::start(setup()?).await?;
    let port = home.setup.ports.mqtt;
    let right = home.setup.sign_in(READER).or_fail()?.clone();
    let wrong = SignIn { password: home.setup.sign_in(LAMP).or_fail()?.password.clone(), ..right.clone() };
    let stranger = SignIn { name: "stranger".into(), ..right.clone() };
    for (client_id, sign_in) in [(READER, Some(&wrong)), ("stranger", Some(&stranger)), (READER, None)] {
        let answer = MqttClient::connect(port, client_id, sign_in).await;
        ensure!(answer.is_err(), "{client_id} was let in");
    }
    MqttClient::connect(port, READER, Some(&right)).await.map(drop).or_fail()
}

#[tokio::test]
async fn a_client_cannot_take_the_session_of_another() -> anyhow::Result<()> {
    let home = Home::start(setup()?).await?;
    let port = home.setup.ports.mqtt;
    // The panel's name begins with the bridge's: the longer name owns the client id.
    for (client_id, name) in [(BRIDGE, CHECKER), (LAMP, READER), (PANEL, BRIDGE), ("", READER)] {
        let sign_in = home.setup.sign_in(name).or_fail()?;
        let answer = MqttClient::connect(port, client_id, Some(sign_in)).await;
        ensure!(answer.is_err(), "{name} signed in as `{client_id}`");
    }
    for (client_id, name) in [(BRIDGE, BRIDGE), (PANEL, PANEL), ("zigbee2mqtt-2", BRIDGE)] {
        let sign_in = home.setup.sign_in(name).or_fail()?;
        MqttClient::connect(port, client_id, Some(sign_in)).await.or_fail()?;
    }
    Ok(())
}

#[tokio::test]
async fn a_client_speaks_and_hears_only_under_its_own_topics() -> anyhow::Result<()> {
    let home = Home::start(setup()?).await?;
    let mut lamp = home.mqtt(LAMP).await?;
    let own = lamp.subscribe(&["homecare/reassurance"]).await.or_fail()?;
    ensure!(own == [0], "the lamp may not hear its own topic: {own:?}");
    for foreign in ["#", "zigbee2mqtt/#", "homecare/#", "homecare/visit", "+/reassurance"] {
        let granted = lamp.subscribe(&[foreign]).await.or_fail()?;
        ensure!(granted == [128], "the lamp was granted {foreign}: {granted:?}");
    }
    let press = payload::sos_press(BUTTON);
    let mut reader = home.mqtt(READER).await?;
    // Whether it is acknowledged is the broker's choice; that it raises nothing is ours.
    let message = tests::harness::wire::Publish {
        topic: press.topic.clone(),
        payload: press.payload.clone(),
        packet: None,
        duplicate: false,
        retain: false,
    };
    reader.send(&tests::harness::wire::publish(&message)).await.or_fail()?;
    let pretended = json!({ "stage": "here", "zh": "", "en": "" }).to_string();
    let lie = tests::harness::wire::Publish {
        topic: protocol::topics::REASSURANCE.into(),
        payload: pretended.into_bytes(),
        ..message
    };
    reader.send(&tests::harness::wire::publish(&lie)).await.or_fail()?;
    let visit = payload::visit(&payload::VisitCall::check_in("cg-17", "000000"));
    reader.publish(&visit.topic, &visit.payload).await.or_fail()?;

    let mut checker = home.checker().await?;
    checker.publish(&press.topic, &press.payload).await.or_fail()?;
    home.presses(1).await?;
    home.one_order_with(1).await?;
    let stages: Vec<_> = lamp.heard(0).iter().filter_map(|heard| heard.field("stage")).collect();
    ensure!(!stages.contains(&"here".to_owned()), "the reader spoke to the lamp: {stages:?}");
    Ok(())
}

/// Who asks what with which credential, and the status of the answer.
type Case<'c> = (&'c str, Desk, Method, &'c str, Option<&'c Value>, u16);

#[tokio::test]
async fn each_credential_at_the_centre_opens_its_own_door_only() -> anyhow::Result<()> {
    let home = Home::start(setup()?).await?;
    let mut checker = home.checker().await?;
    let press = payload::sos_press(BUTTON);
    checker.publish(&press.topic, &press.payload).await.or_fail()?;
    let order = home.presses(1).await?.id;
    let records = home.journal()?;
    let sent = json!({ "boot": 1, "uptime_ms": 1, "wall_ms": 0, "wall_trusted": false });
    let batch = json!({ "v": 1, "gateway": "demo-home", "sent": sent, "records": records });
    let claim = format!("/v1/work-orders/{order}/claim");

    let url = centre::url(&home.setup);
    let desk = |token: &str| Desk::new(url.as_str(), token).or_fail();
    let setup = &home.setup;
    let cases: [Case<'_>; 10] = [
        ("nobody's uplink", desk("no-such-token")?, Method::POST, "/v1/uplink", Some(&batch), 401),
        ("another gateway's uplink", desk(&setup.other_gateway.1)?, Method::POST, "/v1/uplink", Some(&batch), 403),
        ("a dispatcher's uplink", desk(&setup.dispatcher().token)?, Method::POST, "/v1/uplink", Some(&batch), 403),
        ("its own uplink", desk(&setup.gateway_token)?, Method::POST, "/v1/uplink", Some(&batch), 200),
        ("a gateway's feed", desk(&setup.gateway_token)?, Method::GET, "/v1/feed", None, 403),
        ("a gateway's claim", desk(&setup.gateway_token)?, Method::POST, &claim, None, 403),
        ("a viewer's feed", desk(&setup.viewer().token)?, Method::GET, "/v1/feed", None, 200),
        ("a viewer's claim", desk(&setup.viewer().token)?, Method::POST, &claim, None, 403),
        ("a dispatcher's claim", desk(&setup.dispatcher().token)?, Method::POST, &claim, None, 200),
        ("a second owner's claim", desk(&setup.supervisor().token)?, Method::POST, &claim, None, 409),
    ];
    for (who, desk, method, path, body, expected) in cases {
        let (status, answer) = desk.ask(method, path, body, Duration::ZERO).await.or_fail()?;
        ensure!(status.as_u16() == expected, "{who}: {status} and not {expected}: {answer}");
        let problem = answer.get("type").and_then(Value::as_str).is_some_and(|kind| kind.starts_with("/problems/"));
        ensure!(status.is_success() || problem, "{who}: no problem detail: {answer}");
    }
    // The same records once more from their own gateway changed nothing.
    home.one_order_with(1).await
}
