//! Stands between the gateway and the real centre: passes every request on, and notes what arrived
//! and what was confirmed in the block log, in the order in which it happened.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use protocol::uplink::UplinkAnswer;

use super::block_log::{BlockLog, Note};

/// Longest long poll and a little more.
const PATIENCE: Duration = Duration::from_secs(40);

/// The recorder's handle.
#[derive(Clone)]
pub struct Recorder(Arc<Between>);

struct Between {
    log: BlockLog,
    centre: String,
    client: reqwest::Client,
    away: AtomicBool,
}

impl Recorder {
    /// Listens on `port` and passes on to the centre at `centre`.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn start(port: u16, centre: String, log: BlockLog) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().context("no HTTP client")?;
        let recorder = Self(Arc::new(Between { log, centre, client, away: AtomicBool::new(false) }));
        let listener =
            tokio::net::TcpListener::bind(("127.0.0.1", port)).await.context("the recorder cannot listen")?;
        let router = Router::new().fallback(pass).with_state(recorder.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(recorder)
    }

    /// Lets nothing through any more, or everything again.
    pub fn set_away(&self, away: bool) {
        self.0.away.store(away, Ordering::SeqCst);
    }
}

async fn pass(
    State(Recorder(between)): State<Recorder>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    if between.away.load(Ordering::SeqCst) {
        return refused();
    }
    let uplink = uri.path() == "/v1/uplink";
    if uplink {
        between.log.note(Note::Arrived(body.to_vec()));
    }
    let mut request = between.client.request(method, format!("{}{uri}", between.centre)).body(body);
    for name in [AUTHORIZATION, CONTENT_TYPE] {
        if let Some(value) = headers.get(&name) {
            request = request.header(name, value);
        }
    }
    let Ok(answer) = request.send().await else { return refused() };
    let (status, kind) = (answer.status(), answer.headers().get(CONTENT_TYPE).cloned());
    let Ok(bytes) = answer.bytes().await else { return refused() };
    if uplink && let Ok(answer) = serde_json::from_slice::<UplinkAnswer>(&bytes) {
        between.log.note(Note::Received(answer.receipts.len()));
    }
    let mut passed = Response::new(Body::from(bytes));
    *passed.status_mut() = status;
    if let Some(kind) = kind {
        passed.headers_mut().insert(CONTENT_TYPE, kind);
    }
    passed
}

fn refused() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
}
