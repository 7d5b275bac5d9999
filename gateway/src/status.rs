//! The status page of one gateway: `/healthz`, `/metrics` (Prometheus), `/v1/history`, `/v1/devices`
//! and `/v1/test-press`.
//!
//! Health and metrics tell counts and states only. Records and devices say where the elder moves: they
//! are shown on loopback, elsewhere only for the token. A test press takes a press for a test, so it is
//! never begun without the token.

use std::fmt::Write as _;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::driver::questions::{Answer, Question, ask};
use crate::gpio::SimulatedPins;
use crate::history::History;
use crate::intake::door::DoorCounts;

/// Most records of one history page.
const HISTORY_MAX: usize = 1_000;

/// Who may see and do what.
#[derive(Debug, Clone)]
pub struct StatusRights {
    on_loopback: bool,
    token: Option<String>,
}

impl StatusRights {
    /// The rights on a listener, with the configured token.
    pub fn new(listener: &TcpListener, token: Option<String>) -> Self {
        Self { on_loopback: listener.local_addr().is_ok_and(|address| address.ip().is_loopback()), token }
    }

    fn has_token(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        // Compared as hashes: how long it takes says nothing of the token.
        self.token.as_ref().is_some_and(|token| blake3::hash(token.as_bytes()) == blake3::hash(given.as_bytes()))
    }

    fn may_see(&self, headers: &HeaderMap) -> bool {
        self.on_loopback || self.has_token(headers)
    }
}

#[derive(Clone)]
struct Status {
    questions: mpsc::Sender<Question>,
    history: History,
    rights: StatusRights,
    door: DoorCounts,
    pins: Option<SimulatedPins>,
}

fn refused(why: &str) -> Response {
    (StatusCode::FORBIDDEN, Json(serde_json::json!({ "problem": why }))).into_response()
}

const NO_TOKEN: &str = "give the gateway's status.token as a bearer token";

/// Serves until `stop` turns true.
pub async fn serve(
    listener: TcpListener,
    questions: mpsc::Sender<Question>,
    history: History,
    rights: StatusRights,
    door: DoorCounts,
    pins: Option<SimulatedPins>,
    mut stop: watch::Receiver<bool>,
) {
    let mut router = Router::new()
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics))
        .route("/v1/history", get(latest))
        .route("/v1/devices", get(devices))
        .route("/v1/test-press", post(test_press));
    // Driving a pin is pressing a button: only in memory, and only from this machine.
    if pins.is_some() && rights.on_loopback {
        router = router.route("/v1/pins", get(levels)).route("/v1/pins/{pin}", put(drive));
    }
    let router = router.with_state(Status { questions, history, rights, door, pins });
    let stopped = async move {
        let _ = stop.wait_for(|stop| *stop).await;
    };
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
        tracing::error!(%error, "the status page ended");
    }
}

async fn healthz(State(status): State<Status>) -> Response {
    let Ok(Answer { gauges, stage, canary_lost, .. }) = ask(&status.questions, Question::State).await else {
        let body = serde_json::json!({ "ok": false, "loop": "does not answer" });
        return (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response();
    };
    let history = status.history.state();
    let mut causes = Vec::new();
    if !gauges.disk_ok {
        causes.push(if gauges.pressing_recorded { "journal_does_not_sync" } else { "presses_are_not_recorded" });
    }
    if canary_lost {
        causes.push("broker_is_deaf");
    }
    let journal = match (gauges.disk_ok, gauges.pressing_recorded) {
        (true, _) => "syncs",
        (false, true) => "does not sync; the reserve takes presses",
        (false, false) => "does not sync; presses are not recorded",
    };
    let centre = match (gauges.certificate_refused, gauges.centre_up) {
        (true, _) => "its certificate is not valid at this time: set the clock, or renew the certificate",
        (false, true) => "reached",
        (false, false) => "not reached",
    };
    let ok = causes.is_empty();
    let body = serde_json::json!({
        "ok": ok,
        "causes": causes,
        "journal": journal,
        "broker": if canary_lost { "does not hear its canary" } else { "hears" },
        "history": history.word(),
        "centre": centre,
        "clock": if gauges.wall_trusted { "confirmed" } else { "not confirmed" },
        "stage": stage,
    });
    let code = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(body)).into_response()
}

async fn metrics(State(status): State<Status>) -> Response {
    match ask(&status.questions, Question::State).await {
        Ok(answer) => {
            let mut text = exposition(&answer, &status.door);
            if let Some(pins) = &status.pins {
                text.push_str(&pin_levels(pins));
            }
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
        }
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

#[derive(Deserialize)]
struct HistoryQuery {
    limit: Option<usize>,
}

async fn devices(State(status): State<Status>, headers: HeaderMap) -> Response {
    if !status.rights.may_see(&headers) {
        return refused(NO_TOKEN);
    }
    match ask(&status.questions, Question::Devices).await {
        Ok(devices) => Json(devices).into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

#[derive(Deserialize)]
struct TestQuery {
    device: String,
}

async fn test_press(State(status): State<Status>, headers: HeaderMap, Query(query): Query<TestQuery>) -> Response {
    if !status.rights.has_token(&headers) {
        return refused(NO_TOKEN);
    }
    let device = query.device;
    match ask(&status.questions, |reply| Question::Test { device, reply }).await {
        Ok(true) => StatusCode::ACCEPTED.into_response(),
        Ok(false) => {
            (StatusCode::NOT_FOUND, Json(serde_json::json!({ "problem": "no such configured device" }))).into_response()
        }
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn latest(State(status): State<Status>, headers: HeaderMap, Query(query): Query<HistoryQuery>) -> Response {
    if !status.rights.may_see(&headers) {
        return refused(NO_TOKEN);
    }
    let limit = query.limit.unwrap_or(100).min(HISTORY_MAX);
    Json(status.history.latest(limit).await).into_response()
}

/// The levels of simulated pins.
async fn levels(State(status): State<Status>) -> Response {
    let pins = status.pins.map(|pins| pins.levels()).unwrap_or_default();
    let pins: Vec<_> = pins
        .into_iter()
        .map(|(pin, input, high)| {
            serde_json::json!({ "pin": pin, "direction": if input { "in" } else { "out" }, "level": u8::from(high) })
        })
        .collect();
    Json(pins).into_response()
}

#[derive(Deserialize)]
struct Level {
    level: u8,
}

/// Drives a simulated input.
async fn drive(State(status): State<Status>, Path(pin): Path<u8>, Json(level): Json<Level>) -> StatusCode {
    match status.pins {
        Some(pins) if pins.drive(pin, level.level != 0) => StatusCode::NO_CONTENT,
        Some(_) | None => StatusCode::NOT_FOUND,
    }
}

fn pin_levels(pins: &SimulatedPins) -> String {
    let name = "gateway_simulated_pin_high";
    let mut text = format!("# HELP {name} 1 when a simulated GPIO pin is high.\n# TYPE {name} gauge\n");
    for (pin, input, high) in pins.levels() {
        let direction = if input { "in" } else { "out" };
        let _ = writeln!(text, "{name}{{pin=\"{pin}\",direction=\"{direction}\"}} {}", u8::from(high));
    }
    text
}

/// The Prometheus text format.
fn exposition(answer: &Answer, door: &DoorCounts) -> String {
    let Answer { counters, gauges, canary_lost, .. } = answer;
    let mut text = String::new();
    let mut counter = |name: &str, help: &str, value: u64| {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}\n");
    };
    counter("gateway_messages_total", "Messages heard.", counters.messages);
    counter("gateway_duplicates_total", "Redeliveries that made nothing new.", counters.duplicates);
    counter("gateway_records_total", "Records sealed.", counters.records);
    counter("gateway_sends_failed_total", "Requests to the centre that failed.", counters.sends_failed);
    counter("gateway_refused_total", "Records the centre refused.", counters.refused);
    let mut labelled = |name: &str, help: &str, label: &str, counts: &crate::engine::Named| {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} counter\n");
        for (value, count) in counts {
            let _ = writeln!(text, "{name}{{{label}=\"{value}\"}} {count}");
        }
    };
    labelled("gateway_rejected_total", "Messages rejected, by reason.", "reason", &counters.rejections);
    labelled("gateway_troubles_total", "Troubles of the loop, by name.", "trouble", &counters.troubles);
    labelled(
        "gateway_door_total",
        "What the broker's door saw: connections, and why some were closed.",
        "what",
        &door.named(),
    );
    let mut gauge = |name: &str, help: &str, value: u64| {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n");
    };
    gauge("gateway_backlog_records", "Records without receipt.", gauges.backlog);
    gauge("gateway_backlog_emergency_records", "Emergency records without receipt.", gauges.urgent_backlog);
    gauge("gateway_backlog_age_ms", "Age of the oldest record without receipt.", gauges.backlog_age_ms);
    gauge("gateway_pending_records", "Records sealed and not yet written.", gauges.pending);
    gauge("gateway_last_sequence", "Last sequence sealed.", gauges.last_seq);
    gauge("gateway_journal_ok", "1 when the journal syncs.", u64::from(gauges.disk_ok));
    gauge(
        "gateway_presses_recorded",
        "1 when a press can be recorded, in journal or reserve.",
        u64::from(gauges.pressing_recorded),
    );
    gauge("gateway_canary_ok", "1 when the embedded broker hears its canary.", u64::from(!canary_lost));
    gauge(
        "gateway_certificate_time_refused",
        "1 when the centre's certificate is not valid at this time.",
        u64::from(gauges.certificate_refused),
    );
    gauge("gateway_centre_up", "1 when the centre answers.", u64::from(gauges.centre_up));
    gauge("gateway_clock_confirmed", "1 when the centre confirms the wall clock.", u64::from(gauges.wall_trusted));
    text
}
