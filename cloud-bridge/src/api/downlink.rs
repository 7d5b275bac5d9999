//! `GET /v1/downlink`: a home asks how far help has come; the answer comes with the news.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use protocol::WIRE_VERSION;
use protocol::downlink::{DOWNLINK_WAIT_SECS_MAX, DownlinkAnswer, LEASE_SECS};
use serde::Deserialize;

use super::access::AsGateway;
use super::body::{Asked, PLACE_MAX, within};
use super::problem::ApiError;
use super::{App, schema};
use crate::centre::Progress;
use crate::store::Reads;

/// Longest wait that may be asked for, seconds: a home of a newer kind that would wait longer is answered sooner,
/// not refused.
const ASKED_SECS_MAX: u64 = 86_400;

/// Query of the poll.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DownlinkQuery {
    /// Version of the home that the caller knows; without it the answer comes at once.
    after: Option<u64>,
    /// Seconds to wait for another version; never waited for longer than 30.
    #[param(maximum = 86_400)]
    wait: Option<u64>,
}

/// Says what a home may tell the elder, at once when it differs from what the home knows.
#[utoipa::path(
    get, path = "/v1/downlink", tag = "home", params(DownlinkQuery),
    responses(
        (status = 200, description = "The present state of the home's open orders", body = schema::DownlinkAnswer),
        (status = "4XX", description = "A problem", body = schema::Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not now; ask again", body = schema::Problem, content_type = "application/problem+json"),
    ),
    security(("gateway" = []))
)]
pub(super) async fn downlink(
    State(app): State<App>,
    AsGateway(gateway): AsGateway,
    Asked(DownlinkQuery { after, wait }): Asked<DownlinkQuery>,
) -> Result<Json<DownlinkAnswer>, ApiError> {
    let wait = within("wait", wait, 0..=ASKED_SECS_MAX, 0)?;
    let after = after.map(|after| within("after", Some(after), 0..=PLACE_MAX, 0)).transpose()?;
    app.heard(&gateway).await;
    let mut home = app.0.outlet.home(&gateway);
    if home.borrow_and_update().is_none() {
        let asked = gateway.clone();
        let found = app.read(move |store| store.home(&asked)).await?;
        app.0.outlet.found(&gateway, found.map_or_else(Progress::default, |home| Progress::of(&home)));
    }
    let mut stopping = app.0.stopping.clone();
    let wait = Duration::from_secs(wait.min(DOWNLINK_WAIT_SECS_MAX));
    let news = home.wait_for(|progress| progress.as_ref().is_some_and(|progress| Some(progress.ver) != after));
    let progress: Option<Arc<Progress>> = tokio::select! {
        biased;
        news = news => news.ok().and_then(|progress| progress.clone()),
        () = tokio::time::sleep(wait) => None,
        _ = stopping.wait_for(|stopping| *stopping) => None,
    };
    let progress = progress.or_else(|| home.borrow().clone()).unwrap_or_default();
    app.0.metrics.downlink_polls.add(1);
    Ok(Json(DownlinkAnswer {
        v: WIRE_VERSION,
        next: progress.ver,
        orders: progress.orders.clone(),
        lease_secs: LEASE_SECS,
        server_time_ms: app.0.clock.now_ms(),
    }))
}
