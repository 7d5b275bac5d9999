//! `GET /v1/feed/stream`: the alert feed as server-sent events.
//!
//! A client has no queue of its own: it is sent what follows the last item it took, from memory or
//! the store, so a slow one costs one chunk and loses nothing.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::access::FeedReader;
use super::body::Asked;
use super::problem::ApiError;
use super::{App, schema};
use crate::metrics::Metrics;

/// Time between signs of life.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Items in one chunk.
const CHUNK_MAX: usize = 256;

/// Query of the stream.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct StreamQuery {
    /// Place after which to send; the header `Last-Event-ID` goes before it. Without either, from now on.
    after: Option<String>,
}

/// Sends the feed as it grows; resumes after `Last-Event-ID`.
#[utoipa::path(
    get, path = "/v1/feed/stream", tag = "feed",
    params(StreamQuery, ("Last-Event-ID" = Option<String>, Header, description = "Place of the last event taken")),
    responses(
        (status = 200, description = "Events, each one line of JSON; `feed.reset` when the place is not in the feed", body = schema::FeedEvent, content_type = "text/event-stream"),
        (status = "4XX", description = "A problem", body = schema::Problem, content_type = "application/problem+json"),
    ),
    security(("user" = []))
)]
pub(super) async fn stream(
    State(app): State<App>,
    _reader: FeedReader,
    headers: HeaderMap,
    Asked(StreamQuery { after }): Asked<StreamQuery>,
) -> Result<Response, ApiError> {
    let last_event = headers.get("last-event-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let head = app.0.outlet.head();
    let start = match last_event.or(after) {
        None => Place::After(*head.borrow()),
        Some(text) => text.trim().parse().map_or(Place::Lost, Place::After),
    };
    let mut heartbeat = interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    heartbeat.reset();
    app.0.metrics.feed_streams.add(1);
    let open = Open(Arc::clone(&app.0.metrics));
    let stopping = app.0.stopping.clone();
    let client = Client { app, place: start, head, stopping, heartbeat, greeted: false, _open: open };
    let frames = stream::unfold(client, |mut client| async move {
        let chunk = client.next().await?;
        Some((Ok::<_, Infallible>(chunk), client))
    });
    let headers = [
        (CONTENT_TYPE.as_str(), "text/event-stream"),
        (CACHE_CONTROL.as_str(), "no-cache, no-transform"),
        ("x-accel-buffering", "no"),
    ];
    Ok((headers, Body::from_stream(frames)).into_response())
}

/// Counts the stream as open until it is dropped.
struct Open(Arc<Metrics>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.feed_streams.add(-1);
    }
}

#[derive(Clone, Copy)]
enum Place {
    /// Everything up to here is taken.
    After(u64),
    /// What the client said is no place in this feed.
    Lost,
}

struct Client {
    app: App,
    place: Place,
    head: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    heartbeat: Interval,
    greeted: bool,
    _open: Open,
}

impl Client {
    /// The next bytes for the client; none ends the stream.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.greeted {
            self.greeted = true;
            return Some(Bytes::from_static(b"retry: 3000\n\n"));
        }
        loop {
            if *self.stopping.borrow() {
                return None;
            }
            let newest = *self.head.borrow_and_update();
            let after = match self.place {
                Place::After(after) if after == newest => after,
                Place::After(after) => match self.app.items_after(after, CHUNK_MAX).await {
                    Ok(items) => {
                        if let Some(last) = items.last() {
                            self.place = Place::After(last.feedseq);
                            self.heartbeat.reset();
                            let mut text = String::new();
                            for item in items {
                                let (id, kind, data) = (item.feedseq, &item.kind, &item.json);
                                let _infallible = write!(text, "id: {id}\nevent: {kind}\ndata: {data}\n\n");
                            }
                            return Some(Bytes::from(text));
                        }
                        after
                    }
                    Err(ApiError::FeedGone { .. }) => return Some(self.reset(newest)),
                    // The client comes again and resumes where it was.
                    Err(_) => return None,
                },
                Place::Lost => return Some(self.reset(newest)),
            };
            tokio::select! {
                changed = self.head.wait_for(|head| *head > after) => {
                    changed.ok()?;
                }
                _ = self.heartbeat.tick() => return Some(Bytes::from_static(b":hb\n\n")),
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
            }
        }
    }

    /// Tells the client to read the present state anew; it goes on from the newest item.
    fn reset(&mut self, newest: u64) -> Bytes {
        self.place = Place::After(newest);
        let data = format!("{{\"snapshot\":\"/v1/work-orders\",\"next\":\"{newest}\"}}");
        Bytes::from(format!("id: {newest}\nevent: feed.reset\ndata: {data}\n\n"))
    }
}
