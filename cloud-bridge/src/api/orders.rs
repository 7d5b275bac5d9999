//! `GET /v1/work-orders` and `GET /v1/work-orders/{id}`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::ETAG;
use axum::response::{IntoResponse, Response};
use protocol::feed::OrderState;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;

use super::access::OrderReader;
use super::body::{Asked, order_id, within};
use super::problem::ApiError;
use super::view::{WorkOrderView, WorkOrdersView};
use super::{App, schema};
use crate::store::{OrderFilter, Reads};

/// Orders in one answer.
const LIMIT_MAX: u64 = 500;

/// Query of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OrdersQuery {
    /// States with commas between: open, claimed, verifying, dispatched, on_scene, awaiting_close, closed. Without it, all.
    state: Option<String>,
    /// Only this gateway's home.
    gateway: Option<String>,
    /// At most so many, 1 to 500; 100 without it.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
}

/// Lists work orders in the order in which they are to be handled.
#[utoipa::path(
    get, path = "/v1/work-orders", tag = "work orders", params(OrdersQuery),
    responses(
        (status = 200, description = "Orders", body = WorkOrdersView),
        (status = "4XX", description = "A problem", body = schema::Problem, content_type = "application/problem+json"),
    ),
    security(("user" = []))
)]
pub(super) async fn list(
    State(app): State<App>,
    _reader: OrderReader,
    Asked(OrdersQuery { state, gateway, limit }): Asked<OrdersQuery>,
) -> Result<Json<WorkOrdersView>, ApiError> {
    let words = state.as_deref().unwrap_or_default();
    let states =
        words.split(',').map(str::trim).filter(|word| !word.is_empty()).map(state_of).collect::<Result<_, _>>()?;
    let gateway = gateway.map(|text| text.parse()).transpose();
    let gateway = gateway.map_err(|error| ApiError::Malformed(format!("gateway: {error}")))?;
    let limit = within("limit", limit, 1..=LIMIT_MAX, 100)? as usize;
    let filter = OrderFilter { states, gateway, limit };
    let orders = app.read(move |store| store.orders(&filter)).await?;
    let work_orders = orders.into_iter().map(|order| WorkOrderView::of(order, None)).collect();
    Ok(Json(WorkOrdersView { work_orders }))
}

/// Shows one work order with its timeline; its ETag is its version.
#[utoipa::path(
    get, path = "/v1/work-orders/{id}", tag = "work orders", params(("id" = String, Path, description = "`wo_…`")),
    responses(
        (status = 200, description = "The order", body = WorkOrderView, headers(("etag" = String, description = "Its version, for If-Match"))),
        (status = "4XX", description = "A problem", body = schema::Problem, content_type = "application/problem+json"),
    ),
    security(("user" = []))
)]
pub(super) async fn one(
    State(app): State<App>,
    _reader: OrderReader,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let id = order_id(&id)?;
    let asked = id.clone();
    let (order, timeline) = app.read(move |store| Ok((store.order(&asked)?, store.timeline(&asked)?))).await?;
    let order = order.ok_or_else(|| ApiError::NoSuchOrder(id.to_string()))?;
    let view = WorkOrderView::of(order, Some(timeline));
    Ok(([(ETAG, view.etag())], Json(view)).into_response())
}

fn state_of(word: &str) -> Result<OrderState, ApiError> {
    let word: StrDeserializer<'_, serde::de::value::Error> = word.into_deserializer();
    OrderState::deserialize(word).map_err(|error| ApiError::Malformed(format!("state: {error}")))
}
