//! What a round goes through: a call from the press to its close, a fall, smoke.

use std::time::Instant;

use protocol::feed::OrderState;
use protocol::stage::Stage;
use protocol::visit::VisitAct;
use sensor_sim::device::Click;
use sensor_sim::payload;
use serde_json::json;
use tests::harness::Failed;
use tests::harness::clock::{ms_between, now};

use super::cast::{Act, Cast, Outputs, smoke_alarm};
use super::report::{Floors, Stages, Told};

/// Goes through everything once.
pub async fn round(cast: &mut Cast, round: u32, stages: &mut Stages, floors: &mut Floors) -> Result<(), Failed> {
    let (from, to) = cast.says(&payload::motion("hall motion", round.is_multiple_of(2))).await?;
    floors.hop.note(ms_between(from, to));
    call(cast, round, stages).await?;
    fall(cast, stages).await?;
    smoke(cast, round, stages).await
}

/// Told, and timed from the act too.
async fn told(
    cast: &Cast,
    act: &Act,
    cause: Instant,
    (stage, outputs): (Stage, Outputs),
    told: &mut Told,
) -> Result<(), Failed> {
    let said = cast.told(act, cause, stage, outputs, told).await?;
    told.act.note(ms_between(act.at, said));
    Ok(())
}

/// One call from the press to its close, with a claim that is given back in between.
async fn call(cast: &mut Cast, round: u32, stages: &mut Stages) -> Result<(), Failed> {
    let all = |stage| (stage, Outputs::All);
    let act = cast.act().await;
    let (_, on_disk) = cast.says(&payload::sos_press("sos bedside")).await?;
    told(cast, &act, on_disk, (Stage::Recorded, Outputs::None), stages.of("press is on disk → recorded")).await?;
    let (order, opened) = cast.opened(&act).await?;
    let received = stages.of("order is at the centre → received");
    told(cast, &act, opened, (Stage::Received, Outputs::Lamp), received).await?;

    let act = cast.act().await;
    cast.desk.order(&order, "claim", &json!({})).await?;
    told(cast, &act, now(), all(Stage::Taken), stages.of("claim is kept → taken")).await?;
    let act = cast.act().await;
    cast.desk.order(&order, "release", &json!({})).await?;
    told(cast, &act, now(), all(Stage::Retracted), stages.of("release is kept → retracted")).await?;
    let act = cast.act().await;
    cast.desk.order(&order, "claim", &json!({})).await?;
    cast.panel_says(&act, Stage::Taken).await?;
    let act = cast.act().await;
    cast.desk.order(&order, "dispatch", &json!({ "responder": "cg-17" })).await?;
    told(cast, &act, now(), all(Stage::Coming), stages.of("dispatch is kept → coming")).await?;

    cast.says(&payload::door("front door", round.is_multiple_of(2))).await?;
    let act = cast.act().await;
    cast.visit(VisitAct::CheckIn).await?;
    let here = cast.order_is(&act, |order| order.state == OrderState::OnScene).await?;
    told(cast, &act, here, all(Stage::Here), stages.of("check-in is at the centre → here")).await?;
    cast.visit(VisitAct::CheckOut).await?;
    // The caregiver has left: what is true then is that a person still has the call.
    cast.panel_says(&act, Stage::Taken).await?;

    let act = cast.act().await;
    cast.desk.order(&order, "close", &json!({ "code": "real.medical", "outcome": "responder_visited" })).await?;
    told(cast, &act, now(), all(Stage::Quiet), stages.of("close is kept → no call is open")).await
}

/// A fall that the elder cancels, and the second one that raises at once and ends what follows a cancelled fall.
async fn fall(cast: &mut Cast, stages: &mut Stages) -> Result<(), Failed> {
    let radar = "bath radar";
    let act = cast.act().await;
    cast.says(&payload::fall(radar)).await?;
    // It promises nothing and waits for no disk: its cause is the word itself.
    let asked = (Stage::PreAlarm, Outputs::All);
    told(cast, &act, act.at, asked, stages.of("fall is said → are you all right")).await?;
    let act = cast.act().await;
    let (_, on_disk) = cast.says(&payload::click("fine button", Click::Single)).await?;
    let telling = (Stage::Cancelling, Outputs::None);
    told(cast, &act, on_disk, telling, stages.of("cancel is on disk → cancelled, telling the centre")).await?;
    let heard = cast.cancelled(&act).await?;
    let over = (Stage::Quiet, Outputs::Lamp);
    told(cast, &act, heard, over, stages.of("cancel is at the centre → no call is open")).await?;
    cast.says(&payload::fall_over(radar)).await?;
    let act = cast.act().await;
    cast.says(&payload::fall(radar)).await?;
    let (order, _) = cast.opened(&act).await?;
    cast.panel_says(&act, Stage::Received).await?;
    cast.says(&payload::fall_over(radar)).await?;
    cast.close(&order, "real.fall").await.map(drop)
}

/// Smoke, until the desk has closed its order.
async fn smoke(cast: &mut Cast, round: u32, stages: &mut Stages) -> Result<(), Failed> {
    let alarm = smoke_alarm(round);
    let act = cast.act().await;
    let (_, on_disk) = cast.says(&payload::smoke(&alarm, true)).await?;
    let leave = (Stage::LeaveNow, Outputs::All);
    told(cast, &act, on_disk, leave, stages.of("smoke is on disk → leave now")).await?;
    let (order, _) = cast.opened(&act).await?;
    cast.says(&payload::smoke(&alarm, false)).await?;
    cast.close(&order, "real.fire_gas").await.map(drop)
}
