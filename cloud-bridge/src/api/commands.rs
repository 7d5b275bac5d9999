//! `POST /v1/work-orders/{id}/…`: what dispatchers do.

use axum::Json;
use axum::extract::Path;
use axum::http::HeaderMap;
use axum::http::header::ETAG;
use axum::response::{IntoResponse, Response};
use protocol::ids::Hash32;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::access::AsOperator;
use super::body::{JsonBytes, idempotency_key, if_match, order_id};
use super::problem::ApiError;
use super::view::WorkOrderView;
use super::{App, schema};
use crate::centre::{Answer, CommandRequest, Request};
use crate::dispatch::Act;

/// A command that says nothing more than which version the caller looked at.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PlainBody {
    /// The version that the caller looked at; as good as If-Match.
    ver: Option<u64>,
}

/// Sends a responder.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DispatchBody {
    /// Who has accepted and is on the way, as a staff id or role.
    #[schema(example = "cg-17")]
    responder: String,
    /// The version that the caller looked at; as good as If-Match.
    ver: Option<u64>,
}

/// A note.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NoteBody {
    /// Its text, 1 to 2,000 characters.
    text: String,
    /// The version that the caller looked at; as good as If-Match.
    ver: Option<u64>,
}

/// Closes an order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CloseBody {
    /// What was verified: real.medical, real.fall, real.fire_gas, real.social, false.accidental_press,
    /// false.sensor, false.pet_or_visitor, false.away_not_set, test, duplicate, cancelled_by_elder,
    /// no_answer_welfare_ok, technical.power, technical.network, technical.battery,
    /// unreachable_address, refused_help.
    #[schema(example = "false.accidental_press")]
    code: Option<String>,
    /// What was done; required for priority 0 and 1: advice, contact_visited, responder_visited,
    /// ambulance_sent, police, deceased.
    #[schema(example = "responder_visited")]
    outcome: Option<String>,
    /// Free text for the timeline.
    note: Option<String>,
    /// The version that the caller looked at; as good as If-Match.
    ver: Option<u64>,
}

trait CommandBody: DeserializeOwned {
    fn into_act(self) -> (Option<u64>, Act);
}

impl CommandBody for DispatchBody {
    fn into_act(self) -> (Option<u64>, Act) {
        (self.ver, Act::Dispatch { responder: self.responder })
    }
}

impl CommandBody for NoteBody {
    fn into_act(self) -> (Option<u64>, Act) {
        (self.ver, Act::Note { text: self.text })
    }
}

impl CommandBody for CloseBody {
    fn into_act(self) -> (Option<u64>, Act) {
        (self.ver, Act::Close { code: self.code, outcome: self.outcome, note: self.note })
    }
}

/// What every command is asked with.
pub(super) struct Asking {
    app: App,
    operator: AsOperator,
    id: String,
    path: String,
    headers: HeaderMap,
    body: JsonBytes,
}

impl axum::extract::FromRequest<App> for Asking {
    type Rejection = ApiError;

    async fn from_request(request: axum::extract::Request, app: &App) -> Result<Self, ApiError> {
        use axum::RequestExt as _;
        use axum::extract::FromRequestParts as _;
        let (mut parts, body) = request.into_parts();
        let operator = AsOperator::from_request_parts(&mut parts, app).await?;
        let Path(id) = Path::<String>::from_request_parts(&mut parts, app)
            .await
            .map_err(|_| ApiError::NotFound(parts.uri.path().to_owned()))?;
        let (path, headers) = (parts.uri.path().to_owned(), parts.headers.clone());
        let body = axum::extract::Request::from_parts(parts, body).extract_with_state::<JsonBytes, _, _>(app).await?;
        Ok(Self { app: app.clone(), operator, id, path, headers, body })
    }
}

impl Asking {
    async fn plainly(self, act: Act) -> Result<Response, ApiError> {
        let PlainBody { ver } = self.body.parse()?;
        self.carry_out(ver, act).await
    }

    async fn with<B: CommandBody>(self) -> Result<Response, ApiError> {
        let (ver, act) = self.body.parse::<B>()?.into_act();
        self.carry_out(ver, act).await
    }

    async fn carry_out(self, ver: Option<u64>, act: Act) -> Result<Response, ApiError> {
        let order = order_id(&self.id)?;
        let ver = if_match(&self.headers)?.or(ver);
        let idempotency = idempotency_key(&self.headers)?.map(|key| {
            let mut hasher = blake3::Hasher::new();
            hasher.update(self.path.as_bytes());
            hasher.update(&[0]);
            hasher.update(&self.body.0);
            (key, Hash32(hasher.finalize().into()))
        });
        let AsOperator(by) = self.operator;
        let request = CommandRequest { order: order.clone(), by, ver, act, idempotency };
        match self.app.0.writer.ask(Request::Command(request)).await? {
            Answer::Done { order } => {
                let view = WorkOrderView::of(*order, None);
                Ok(([(ETAG, view.etag())], Json(view)).into_response())
            }
            Answer::Refused { refused } => Err(ApiError::Refused(refused)),
            Answer::NoSuchOrder => Err(ApiError::NoSuchOrder(order.to_string())),
            Answer::KeyReused => Err(ApiError::KeyReused),
            Answer::Unavailable { .. } | Answer::Uplink(_) | Answer::Deadlines { .. } | Answer::Committed => {
                Err(ApiError::StoreFailed)
            }
        }
    }
}

/// Takes an order; exactly one owner, the loser of a race gets 409 with the owner.
#[utoipa::path(
    post, path = "/v1/work-orders/{id}/claim", tag = "work orders", request_body = PlainBody,
    params(
        ("id" = String, Path, description = "`wo_…`"),
        ("If-Match" = Option<String>, Header, description = "ETag of the order; 412 when it has changed"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request get the first one's answer"),
    ),
    responses(
        (status = 200, description = "The order as it now is", body = WorkOrderView, headers(("etag" = String, description = "Its version"))),
        (status = 409, description = "Not in this state or not the owner; `owner` says who has it", body = schema::Problem, content_type = "application/problem+json"),
        (status = 412, description = "The order has changed; `ver` is its version", body = schema::Problem, content_type = "application/problem+json"),
        (status = "4XX", description = "A problem", body = schema::Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not written; ask again", body = schema::Problem, content_type = "application/problem+json"),
    ),
    security(("user" = []))
)]
pub(super) async fn claim(asking: Asking) -> Result<Response, ApiError> {
    asking.plainly(Act::Claim).await
}

/// Gives an order back; the elder is told that the person changes.
#[utoipa::path(
    post, path = "/v1/work-orders/{id}/release", tag = "work orders", request_body = PlainBody,
    params(
        ("id" = String, Path, description = "`wo_…`"),
        ("If-Match" = Option<String>, Header, description = "ETag of the order; 412 when it has changed"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request get the first one's answer"),
    ),
    responses(
        (status = 200, description = "The order as it now is", body = WorkOrderView, headers(("etag" = String, description = "Its version"))),
        (status = 409, description = "Not in this state or not the owner; `owner` says who has it", body = schema::Problem, content_type = "application/problem+json"),
        (status = 412, description = "The order has changed; `ver` is its version", body = schema::Problem, content_type = "application/problem+json"),
        (status = "4XX", description = "A problem", body = schema::Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not written; ask again", body = schema::Problem, content_type = "application/problem+json"),
    ),
    security(("user" = []))
)]
pub(super) async fn release(asking: Asking) -> Result<Response, ApiError> {
    asking.plainly(Act::Release).await
}

/// Says that a responder has accepted and is on the way; the elder is told so.
#[utoipa::path(
    post, path = "/v1/work-orders/{id}/dispatch", tag = "work orders", request_body = DispatchBody,
    params(
        ("id" = String, Path, description = "`wo_…`"),
        ("If-Match" = Option<String>, Header, description = "ETag of the order; 412 when it has changed"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request get the first one's answer"),
    ),
    responses(
        (status = 200, description = "The order as it now is", body = WorkOrderView, headers(("etag" = String, description = "Its version"))),
        (status = 409, description = "Not in this state or not the owner; `owner` says who has it", body = schema::Problem, content_type = "application/problem+json"),
        (status = 412, description = "The order has changed; `ver` is its version", body = schema::Problem, content_type = "application/problem+json"),
        (status = "4XX", description = "A problem", body = schema::Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not written; ask again", body = schema::Problem, content_type = "application/problem+json"),
    ),
    security(("user" = []))
)]
pub(super) async fn dispatch(asking: Asking) -> Result<Response, ApiError> {
    asking.with::<DispatchBody>().await
}

/// Says that the responder cannot come; what the elder was told is taken back.
#[utoipa::path(
    post, path = "/v1/work-orders/{id}/withdraw", tag = "work orders", request_body = PlainBody,
    params(
        ("id" = String, Path, description = "`wo_…`"),
        ("If-Match" = Option<String>, Header, description = "ETag of the order; 412 when it has changed"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request get the first one's answer"),
    ),
    responses(
        (status = 200, description = "The order as it now is", body = WorkOrderView, headers(("etag" = String, description = "Its version"))),
        (status = 409, description = "Not in this state or not the owner; `owner` says who has it", body = schema::Problem, content_type = "application/problem+json"),
        (status = 412, description = "The order has changed; `ver` is its version", body = schema::Problem, content_type = "application/problem+json"),
        (status = "4XX", description = "A problem", body = schema::Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not written; ask again", body = schema::Problem, content_type = "application/problem+json"),
    ),
    security(("user" = []))
)]
pub(super) async fn withdraw(asking: Asking) -> Result<Response, ApiError> {
    asking.plainly(Act::Withdraw).await
}

/// Says, on the dispatcher's word, that help is in the home.
#[utoipa::path(
    post, path = "/v1/work-orders/{id}/on_scene", tag = "work orders", request_body = PlainBody,
    params(
        ("id" = String, Path, description = "`wo_…`"),
        ("If-Match" = Option<String>, Header, description = "ETag of the order; 412 when it has changed"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request get the first one's answer"),
    ),
    responses(
        (status = 200, description = "The order as it now is", body = WorkOrderView, headers(("etag" = String, description = "Its version"))),
        (status = 409, description = "Not in this state or not the owner; `owner` says who has it", body = schema::Problem, content_type = "application/problem+json"),
        (status = 412, description = "The order has changed; `ver` is its version", body = schema::Problem, content_type = "application/problem+json"),
        (status = "4XX", description = "A problem", body = schema::Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not written; ask again", body = schema::Problem, content_type = "application/problem+json"),
    ),
    security(("user" = []))
)]
pub(super) async fn on_scene(asking: Asking) -> Result<Response, ApiError> {
    asking.plainly(Act::OnScene).await
}

/// Writes a note on the timeline.
#[utoipa::path(
    post, path = "/v1/work-orders/{id}/note", tag = "work orders", request_body = NoteBody,
    params(
        ("id" = String, Path, description = "`wo_…`"),
        ("If-Match" = Option<String>, Header, description = "ETag of the order; 412 when it has changed"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request get the first one's answer"),
    ),
    responses(
        (status = 200, description = "The order as it now is", body = WorkOrderView, headers(("etag" = String, description = "Its version"))),
        (status = 409, description = "Not in this state or not the owner; `owner` says who has it", body = schema::Problem, content_type = "application/problem+json"),
        (status = 412, description = "The order has changed; `ver` is its version", body = schema::Problem, content_type = "application/problem+json"),
        (status = "4XX", description = "A problem", body = schema::Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not written; ask again", body = schema::Problem, content_type = "application/problem+json"),
    ),
    security(("user" = []))
)]
pub(super) async fn note(asking: Asking) -> Result<Response, ApiError> {
    asking.with::<NoteBody>().await
}

/// Closes an order with a code, and for priority 0 and 1 an outcome.
#[utoipa::path(
    post, path = "/v1/work-orders/{id}/close", tag = "work orders", request_body = CloseBody,
    params(
        ("id" = String, Path, description = "`wo_…`"),
        ("If-Match" = Option<String>, Header, description = "ETag of the order; 412 when it has changed"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request get the first one's answer"),
    ),
    responses(
        (status = 200, description = "The order as it now is", body = WorkOrderView, headers(("etag" = String, description = "Its version"))),
        (status = 409, description = "Not in this state or not the owner; `owner` says who has it", body = schema::Problem, content_type = "application/problem+json"),
        (status = 412, description = "The order has changed; `ver` is its version", body = schema::Problem, content_type = "application/problem+json"),
        (status = "4XX", description = "A problem", body = schema::Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not written; ask again", body = schema::Problem, content_type = "application/problem+json"),
    ),
    security(("user" = []))
)]
pub(super) async fn close(asking: Asking) -> Result<Response, ApiError> {
    asking.with::<CloseBody>().await
}
