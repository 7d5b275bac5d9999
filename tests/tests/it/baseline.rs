//! What must hold for safety's sake, whatever else the product does: names stay out of logs and feed,
//! data is its owner's alone, and no two installations share a credential.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, ensure};
use protocol::visit::VisitAct;
use sensor_sim::payload::{self, VisitCall};
use serde_json::json;
use tests::harness::ports;
use tests::harness::setup::{BRIDGE, CHECKER, LAMP, PANEL, Ports, READER, Setup, Waits};

use crate::home::{BUTTON, Home, OrFail as _, setup};

/// Words that stand for a name, an illness and a door code; nothing but a journal, a store and a work order may
/// carry them.
const CANARIES: [&str; 3] = ["canary-caregiver-7731", "canary-illness-7732", "canarycode7733"];

#[tokio::test]
async fn names_illnesses_and_codes_stand_in_no_log_and_no_feed() -> anyhow::Result<()> {
    let [caregiver, illness, code] = CANARIES;
    let mut home = Home::start(setup()?).await?;
    let mut checker = home.checker().await?;
    let press = payload::sos_press(BUTTON);
    checker.publish(&press.topic, &press.payload).await.or_fail()?;
    let order = home.presses(1).await?.id.to_string();
    let mut reader = home.mqtt(READER).await?;
    let check_in = VisitCall::check_in(caregiver, code);
    let check_out = VisitCall {
        act: VisitAct::CheckOut,
        outcome: Some(illness.to_owned()),
        ..VisitCall::check_in(caregiver, code)
    };
    for call in [check_in, check_out] {
        let visit = payload::visit(&call);
        reader.publish(&visit.topic, &visit.payload).await.or_fail()?;
    }
    home.desk.order(&order, "claim", &json!({})).await.or_fail()?;
    home.desk.order(&order, "note", &json!({ "text": illness })).await.or_fail()?;
    let close = json!({ "code": "false.accidental_press", "outcome": "advice", "note": illness });
    home.desk.order(&order, "close", &close).await.or_fail()?;
    // What was logged on the way is there once both have ended.
    home.feed.caught_up(&home.desk).await.or_fail()?;
    let feed: Vec<_> = home.feed.items(0).iter().map(|item| item.event.data.to_string()).collect();
    let recorded = home.desk.work_order(&order).await.or_fail()?.to_string();
    ensure!(recorded.contains(illness), "the note is not on the timeline, so that this test shows nothing");
    for program in [&mut home.gateway, &mut home.centre] {
        program.stop(crate::home::PATIENCE).await.or_fail()?;
    }
    let journal = home.journal()?.iter().map(ToString::to_string).collect::<String>();
    ensure!(journal.contains(caregiver), "the visit is not in the journal, so that this test shows nothing");
    for (name, lines) in [("gateway", home.gateway.lines()), ("centre", home.centre.lines()), ("feed", feed)] {
        ensure!(!lines.is_empty(), "{name} wrote nothing");
        for canary in CANARIES {
            let told = lines.iter().find(|line| line.contains(canary));
            ensure!(told.is_none(), "{name} tells `{canary}`: {told:?}");
        }
    }
    Ok(())
}

/// Fails where anybody but the owner may enter a directory.
fn is_private(dir: &Path) -> anyhow::Result<()> {
    let mode = std::fs::metadata(dir).with_context(|| dir.display().to_string())?.permissions().mode() & 0o777;
    ensure!(mode == 0o700, "{} has mode {mode:o}", dir.display());
    Ok(())
}

#[tokio::test]
async fn data_is_its_owners_alone() -> anyhow::Result<()> {
    let home = Home::start(setup()?).await?;
    is_private(&home.setup.gateway_data())?;
    is_private(&home.setup.gateway_data().join("journal"))?;
    is_private(&home.setup.dir().join("centre"))
}

#[test]
fn two_installations_share_no_credential() -> anyhow::Result<()> {
    let fresh = || {
        let [mqtt, centre, status] = ports::free()?;
        Setup::new(Ports { mqtt, centre, status }, Waits::SHORT)
    };
    let (one, two) = (fresh()?, fresh()?);
    for name in [BRIDGE, PANEL, CHECKER, READER, LAMP] {
        ensure!(one.sign_in(name).or_fail()?.password != two.sign_in(name).or_fail()?.password, "{name}");
    }
    for (one, two) in one.users.iter().zip(&two.users) {
        ensure!(one.token != two.token, "{}", one.name);
    }
    ensure!(one.gateway_token != two.gateway_token, "the gateways' credentials");
    let secret =
        |setup: &Setup| setup.gateway_toml().lines().find(|line| line.starts_with("code_secret")).map(str::to_owned);
    ensure!(secret(&one).is_some() && secret(&one) != secret(&two), "the presence codes' secrets");
    Ok(())
}
