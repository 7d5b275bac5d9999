//! `GET /v1/feed`: the alert feed as a log to pull from, with a long poll at its end.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::access::FeedReader;
use super::body::{Asked, PLACE_MAX, within};
use super::problem::ApiError;
use super::{App, schema};
use crate::outlet::Published;
use crate::store::Reads;

/// Items in one page.
const LIMIT_MAX: u64 = 500;

/// Longest wait, seconds.
const WAIT_SECS_MAX: u64 = 30;

/// Query of the pull log.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FeedQuery {
    /// Place after which to read; 0 or nothing reads from the oldest item kept.
    after: Option<u64>,
    /// At most so many items, 1 to 500; 500 without it.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// Seconds to wait for the first item, at most 30.
    #[param(maximum = 30)]
    wait: Option<u64>,
}

/// Reads the feed after a place; waits at its end when asked to.
#[utoipa::path(
    get, path = "/v1/feed", tag = "feed", params(FeedQuery),
    responses(
        (status = 200, description = "Items in order, and the place to ask after next", body = schema::FeedPage),
        (status = 410, description = "The place is no longer, or not yet, in the feed", body = schema::Problem, content_type = "application/problem+json"),
        (status = "4XX", description = "A problem", body = schema::Problem, content_type = "application/problem+json"),
    ),
    security(("user" = []))
)]
pub(super) async fn feed(
    State(app): State<App>,
    _reader: FeedReader,
    Asked(FeedQuery { after, limit, wait }): Asked<FeedQuery>,
) -> Result<Response, ApiError> {
    let after = within("after", after, 0..=PLACE_MAX, 0)?;
    let limit = within("limit", limit, 1..=LIMIT_MAX, LIMIT_MAX)? as usize;
    let wait = Duration::from_secs(within("wait", wait, 0..=WAIT_SECS_MAX, 0)?);
    let mut head = app.0.outlet.head();
    let mut stopping = app.0.stopping.clone();
    if *head.borrow_and_update() == after {
        // Whatever ends the wait, the page says what is there then.
        tokio::select! {
            _ = head.wait_for(|head| *head > after) => {}
            () = tokio::time::sleep(wait) => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
    }
    let items = app.items_after(after, limit).await?;
    let last = *app.0.outlet.head().borrow();
    let next = items.last().map_or(after, |item| item.feedseq);
    let mut body = String::with_capacity(64 + items.iter().map(|item| item.json.len() + 1).sum::<usize>());
    body.push_str("{\"events\":[");
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            body.push(',');
        }
        body.push_str(&item.json);
    }
    let _infallible = write!(body, "],\"next\":\"{next}\",\"more\":{}}}", next < last);
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

impl App {
    /// Feed items after a place: from memory, and from the store where memory does not reach.
    pub(super) async fn items_after(&self, after: u64, limit: usize) -> Result<Vec<Arc<Published>>, ApiError> {
        let last = *self.0.outlet.head().borrow();
        if after <= last
            && let Some(items) = self.0.outlet.after(after, limit)
        {
            return Ok(items);
        }
        let outlet = Arc::clone(&self.0.outlet);
        self.read(move |store| {
            let bounds = store.feed_bounds()?;
            if after > bounds.last || (after > 0 && after + 1 < bounds.first) {
                return Ok(Err(ApiError::FeedGone { first: bounds.first, last: bounds.last }));
            }
            let items = store.feed_after(after, limit)?;
            Ok(Ok(items.iter().map(|item| Arc::new(Published::of(item, outlet.source()))).collect()))
        })
        .await?
    }
}
