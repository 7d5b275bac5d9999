//! `GET /healthz` and `GET /metrics`, for whoever runs the service; no sign-in, no personal data.

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::sync::Mutex;
use utoipa::ToSchema;

use super::problem::ApiError;
use super::{App, schema};
use crate::centre::{Answer, Request};

/// How long a probe's result is good, milliseconds: asking often must not cost a commit each time.
const PROBE_GOOD_MS: i64 = 1_000;

/// The last probe: when, and what came of it.
#[derive(Debug, Default)]
pub(super) struct Health {
    last: Mutex<Option<(i64, Result<(), ApiError>)>>,
}

/// The service is well.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HealthView {
    /// Always `ok`.
    status: &'static str,
}

/// Says whether the writer can commit, by committing.
#[utoipa::path(
    get, path = "/healthz", tag = "operations",
    responses(
        (status = 200, description = "A commit succeeded within the last second", body = HealthView),
        (status = 503, description = "It did not", body = schema::Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn healthz(State(app): State<App>) -> Result<Json<HealthView>, ApiError> {
    let mut last = app.0.health.last.lock().await;
    let now_ms = app.0.clock.now_ms();
    let fresh = last.as_ref().filter(|(at, _)| now_ms.saturating_sub(*at) < PROBE_GOOD_MS);
    let result = match fresh {
        Some((_, result)) => result.clone(),
        None => {
            let result = match app.0.writer.ask(Request::Probe).await {
                Ok(Answer::Committed) => Ok(()),
                Ok(_) => Err(ApiError::StoreFailed),
                Err(error) => Err(error.into()),
            };
            *last = Some((now_ms, result.clone()));
            result
        }
    };
    result.map(|()| Json(HealthView { status: "ok" }))
}

/// Counters in Prometheus' text form.
#[utoipa::path(
    get, path = "/metrics", tag = "operations",
    responses((status = 200, description = "Counters", body = String, content_type = "text/plain"))
)]
pub(super) async fn metrics(State(app): State<App>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.0.metrics.render()).into_response()
}
