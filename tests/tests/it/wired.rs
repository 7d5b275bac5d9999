//! What is wired to the gateway's machine, from a (simulated) pin to the centre.

use std::time::Duration;

use anyhow::ensure;
use protocol::feed::WorkOrderNotice;
use protocol::trigger::{OrderClass, Reason};
use serde_json::Value;
use tests::harness::clock::until;

use crate::home::{Home, OrFail as _, PATIENCE, setup};

const CORD: u8 = 17;
const CORD_AT_REST: u8 = 27;
const MAINS: u8 = 22;
const BATTERY_LOW: u8 = 23;

/// A loss of the mains is seen within this.
const MAINS_LOSS: Duration = Duration::from_secs(10);

/// A home with a supervised cord, a mains relay and the battery contact of its power supply. Contacts close to
/// ground, so a closed one is low.
async fn wired_home() -> anyhow::Result<Home> {
    let mut setup = setup()?;
    setup.extra_toml = format!(
        "\n[gpio]\nsimulated = true\n\
         [[gpio.input]]\nname = \"bath cord\"\nkind = \"sos\"\npin = {CORD}\nsupervise_pin = {CORD_AT_REST}\n\
         [[gpio.input]]\nname = \"mains relay\"\nkind = \"mains\"\npin = {MAINS}\n\
         [[gpio.input]]\nname = \"supply battery\"\nkind = \"battery_low\"\npin = {BATTERY_LOW}\n"
    );
    let home = Home::start(setup).await?;
    for pin in [CORD_AT_REST, MAINS] {
        home.status.drive(pin, false).await.or_fail()?;
    }
    Ok(home)
}

/// Waits until the journal holds a record like this after so many; gives how many it held up to that one.
async fn recorded(
    home: &Home,
    what: &str,
    after: usize,
    patience: Duration,
    wanted: impl Fn(&Value) -> bool,
) -> anyhow::Result<usize> {
    let found = until(what, patience, async || {
        let journal = home.journal().map_err(|error| format!("{error:#}"))?;
        let found = journal.iter().skip(after).position(|record| wanted(&record["body"]));
        found.map(|at| after + at + 1).ok_or_else(|| format!("not among {} records", journal.len()))
    });
    found.await.or_fail()
}

#[tokio::test]
async fn a_cut_wire_of_a_supervised_cord_is_an_order_of_its_own_reason_and_its_mending_is_told() -> anyhow::Result<()> {
    let home = wired_home().await?;
    let is_whole = |body: &Value| body["observed"]["key"] == "wire" && body["observed"]["value"] == "clear";
    let whole = recorded(&home, "the wire is whole", 0, PATIENCE, is_whole).await?;
    home.status.drive(CORD_AT_REST, true).await.or_fail()?;
    let is_cut = |body: &Value| body["trigger"]["reason"] == "wire_cut" && body["trigger"]["device"] == "bath cord";
    let cut = recorded(&home, "the wire is cut", whole, PATIENCE, is_cut).await?;
    let is_wire = |order: WorkOrderNotice| order.reason == Reason::WireCut;
    let item = home.feed.wait("the order", 0, PATIENCE, |item| item.order().is_some_and(is_wire)).await.or_fail()?;
    let order = item.order().map(|order| order.id.to_string()).unwrap_or_default();
    let shown = home.desk.work_order(&order).await.or_fail()?;
    ensure!(shown["reason"] == "wire_cut" && shown["class"] == "technical", "{shown}");
    let words = |key: &str| shown[key].as_str().unwrap_or_default().to_owned();
    ensure!(words("reason_zh").contains("断线") && words("reason_en").contains("wire is cut"), "{shown}");
    home.status.drive(CORD_AT_REST, false).await.or_fail()?;
    let is_mended = |body: &Value| body["restored"]["reason"] == "wire_cut";
    let mended = recorded(&home, "the wire is mended", cut, PATIENCE, is_mended).await?;
    // It was never a case, and the cord still raises.
    home.status.drive(CORD_AT_REST, true).await.or_fail()?;
    home.status.drive(CORD, false).await.or_fail()?;
    recorded(&home, "the pull", mended, PATIENCE, |body| body["trigger"]["kind"] == "sos").await?;
    ensure!(home.journal()?.iter().all(|record| record["body"]["trigger"]["reason"] != "case_opened"), "a case");
    Ok(())
}

#[tokio::test]
async fn a_loss_of_the_mains_is_recorded_within_ten_seconds_and_its_return_too() -> anyhow::Result<()> {
    let home = wired_home().await?;
    let is = |present: bool| {
        move |body: &Value| body["mains"]["device"] == "mains relay" && body["mains"]["present"] == present
    };
    let there = recorded(&home, "the mains are there", 0, PATIENCE, is(true)).await?;
    home.status.drive(MAINS, true).await.or_fail()?;
    let lost = recorded(&home, "the mains are lost", there, MAINS_LOSS, is(false)).await?;
    home.status.drive(MAINS, false).await.or_fail()?;
    recorded(&home, "the mains are back", lost, MAINS_LOSS, is(true)).await.map(drop)
}

#[tokio::test]
async fn a_low_battery_of_the_gateway_is_an_order_and_over_when_it_is_charged() -> anyhow::Result<()> {
    let home = wired_home().await?;
    home.status.drive(BATTERY_LOW, false).await.or_fail()?;
    let is = |body: &Value| body["reason"] == "battery_low" && body["device"] == "supply battery";
    let low = recorded(&home, "the battery is low", 0, PATIENCE, |body| is(&body["trigger"])).await?;
    let technical = |order: WorkOrderNotice| order.class == OrderClass::Technical;
    home.feed.wait("its order", 0, PATIENCE, |item| item.order().is_some_and(technical)).await.or_fail()?;
    home.status.drive(BATTERY_LOW, true).await.or_fail()?;
    recorded(&home, "it is charged", low, PATIENCE, |body| is(&body["restored"])).await.map(drop)
}
