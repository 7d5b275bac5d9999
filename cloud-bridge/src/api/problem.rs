//! The one place where errors become HTTP: RFC 9457 problem details.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use protocol::problem::{PROBLEM_MEDIA_TYPE, Problem};

use super::App;
use crate::centre::chain_of;
use crate::dispatch::Refused;
use crate::store::StoreError;
use crate::writer::WriteError;

/// Everything that can be wrong with a request or its execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiError {
    /// No credential, or none that is known.
    Unauthorised,
    /// The credential does not allow it.
    Forbidden(&'static str),
    /// No such route.
    NotFound(String),
    /// The route has other methods.
    MethodNotAllowed(String),
    /// No such order.
    NoSuchOrder(String),
    /// A body that is not JSON.
    NotJson,
    /// A body that is too large.
    TooLarge(String),
    /// A body or query that does not parse.
    Malformed(String),
    /// A body that parses but does not fit.
    Unprocessable(String),
    /// A command that the order's state does not allow.
    Refused(Refused),
    /// The idempotency key was used for another request.
    KeyReused,
    /// The feed does not reach back, or not yet, to the place asked for.
    FeedGone {
        /// The oldest place kept.
        first: u64,
        /// The newest place.
        last: u64,
    },
    /// Too many writes waiting.
    Busy,
    /// The service is stopping.
    Stopping,
    /// The store failed; the log says how.
    StoreFailed,
}

impl ApiError {
    /// A failed read: told in the log, not to the caller.
    pub fn store(error: &StoreError) -> Self {
        tracing::error!(why = %chain_of(error), "the store could not be read");
        Self::StoreFailed
    }

    /// The problem as told to the caller.
    pub fn problem(&self) -> Problem {
        let elsewhere = |what: &str| format!("{what} is not part of this API; see /v1/openapi.json");
        let (status, kind, title, detail) = match self {
            Self::Unauthorised => {
                (401, "unauthorised", "Sign-in needed", "send `Authorization: Bearer` with a known token".to_owned())
            }
            Self::Forbidden(why) => (403, "forbidden", "Not allowed", (*why).to_owned()),
            Self::NotFound(path) => (404, "not-found", "No such resource", elsewhere(path)),
            Self::MethodNotAllowed(what) => (405, "method-not-allowed", "Method not allowed", elsewhere(what)),
            Self::NoSuchOrder(id) => {
                (404, "no-such-work-order", "No such work order", format!("there is no work order {id}"))
            }
            Self::NotJson => (415, "not-json", "JSON needed", "send `Content-Type: application/json`".to_owned()),
            Self::TooLarge(why) => (413, "too-large", "Too large", why.clone()),
            Self::Malformed(why) => (400, "malformed", "Not understood", why.clone()),
            Self::Unprocessable(why) => (422, "unprocessable", "Does not fit", why.clone()),
            Self::Refused(refused) => {
                let (status, kind, title) = refusal(refused);
                (status, kind, title, refused.to_string())
            }
            Self::KeyReused => {
                let detail = "this Idempotency-Key was used for another request; draw a new one";
                (422, "idempotency-key-reused", "Idempotency key reused", detail.to_owned())
            }
            Self::FeedGone { first, last } => {
                let detail = format!(
                    "the feed holds {first} to {last}; read GET /v1/work-orders for the present state and go on after {last}"
                );
                (410, "feed-gone", "Not in the feed", detail)
            }
            Self::Busy => {
                (503, "busy", "Too busy", "too many requests are waiting to be written; try again".to_owned())
            }
            Self::Stopping => (503, "stopping", "Stopping", "the service is stopping; try again".to_owned()),
            Self::StoreFailed => {
                (503, "store-failed", "Not stored", "the store failed and nothing was changed; try again".to_owned())
            }
        };
        Problem { kind: format!("/problems/{kind}"), title: title.to_owned(), status, detail }
    }
}

fn refusal(refused: &Refused) -> (u16, &'static str, &'static str) {
    match refused {
        Refused::AlreadyClaimed { .. } => (409, "already-claimed", "Already claimed"),
        Refused::NotOwner { .. } => (409, "not-owner", "Not the owner"),
        Refused::Unclaimed => (409, "unclaimed", "Nobody has it"),
        Refused::WrongState { .. } => (409, "wrong-state", "Not in this state"),
        Refused::VersionMismatch { .. } => (412, "version-mismatch", "The order has changed"),
        Refused::CodeMissing => (422, "close-code-missing", "Close code missing"),
        Refused::CodeUnknown { .. } => (422, "close-code-unknown", "Not a close code"),
        Refused::OutcomeMissing => (422, "outcome-missing", "Outcome missing"),
        Refused::OutcomeUnknown { .. } => (422, "outcome-unknown", "Not an outcome"),
        Refused::PressNotCancellable => (422, "press-not-cancellable", "Not for a manual press"),
        Refused::UnreachableStaysOpen => (422, "unreachable-stays-open", "Unreachable stays open"),
        Refused::TextLength { .. } => (422, "text-length", "Text missing or too long"),
    }
}

impl From<WriteError> for ApiError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Full => Self::Busy,
            WriteError::Stopped => Self::Stopping,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problem = self.problem();
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut body = serde_json::to_value(&problem).unwrap_or_default();
        // Extension members, so that a program need not read the sentence.
        match &self {
            Self::Refused(Refused::AlreadyClaimed { owner } | Refused::NotOwner { owner }) => {
                body["owner"] = owner.as_str().into()
            }
            Self::Refused(Refused::VersionMismatch { current }) => body["ver"] = (*current).into(),
            Self::FeedGone { first, last } => {
                body["first"] = first.to_string().into();
                body["last"] = last.to_string().into();
                body["snapshot"] = "/v1/work-orders".into();
            }
            Self::Unauthorised
            | Self::Forbidden(_)
            | Self::NotFound(_)
            | Self::MethodNotAllowed(_)
            | Self::NoSuchOrder(_)
            | Self::NotJson
            | Self::TooLarge(_)
            | Self::Malformed(_)
            | Self::Unprocessable(_)
            | Self::Refused(_)
            | Self::KeyReused
            | Self::Busy
            | Self::Stopping
            | Self::StoreFailed => {}
        }
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_MEDIA_TYPE));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// Answers for a path that is not part of the API.
pub(super) async fn not_found(uri: Uri) -> ApiError {
    ApiError::NotFound(uri.path().chars().take(120).collect())
}

/// Answers for a method that the path does not have.
pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> ApiError {
    ApiError::MethodNotAllowed(format!("{method} {}", uri.path().chars().take(120).collect::<String>()))
}

/// Counts problems.
pub(super) async fn count(State(app): State<App>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    if response.status().is_client_error() || response.status().is_server_error() {
        app.0.metrics.problems.add(1);
    }
    response
}
