//! `POST /v1/uplink`: records in, receipts out, after the commit.

use axum::Json;
use axum::extract::State;
use protocol::WIRE_VERSION;
use protocol::ids::GatewayId;
use protocol::uplink::{UPLINK_RECORDS_MAX, UplinkAnswer};

use super::access::AsGateway;
use super::body::JsonBytes;
use super::problem::ApiError;
use super::{App, salvage, schema};
use crate::centre::chain::Finding;
use crate::centre::{Answer, Request, Uplink, UplinkDone};

/// Takes a batch of records and answers with their receipts once they are stored.
#[utoipa::path(
    post, path = "/v1/uplink", tag = "home", request_body = schema::UplinkRequest,
    responses(
        (status = 200, description = "Receipts for what is stored; refusals for what is not", body = schema::UplinkAnswer),
        (status = "4XX", description = "A problem", body = schema::Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not stored; send again", body = schema::Problem, content_type = "application/problem+json"),
    ),
    security(("gateway" = []))
)]
pub(super) async fn uplink(
    State(app): State<App>,
    AsGateway(gateway): AsGateway,
    body: JsonBytes,
) -> Result<Json<UplinkAnswer>, ApiError> {
    let uplink = read(&gateway, &body)?;
    app.0.metrics.not_understood.add(uplink.refused.len() as u64);
    match app.0.writer.ask(Request::Uplink(uplink)).await? {
        Answer::Uplink(done) => {
            shout(&gateway, &done);
            Ok(Json(UplinkAnswer { v: WIRE_VERSION, ver: done.ver, receipts: done.receipts, refused: done.refused }))
        }
        Answer::Unavailable { .. }
        | Answer::Done { .. }
        | Answer::Refused { .. }
        | Answer::NoSuchOrder
        | Answer::KeyReused
        | Answer::Deadlines { .. }
        | Answer::Committed => Err(ApiError::StoreFailed),
    }
}

/// Reads a batch as the API does, whoever sent it; none where not even its envelope can be read.
pub fn understand(bytes: axum::body::Bytes) -> Option<Uplink> {
    parse(&JsonBytes(bytes)).ok()
}

fn parse(body: &JsonBytes) -> Result<Uplink, ApiError> {
    match body.parse::<protocol::uplink::UplinkRequest>() {
        Ok(batch) => Ok(Uplink::from(batch)),
        Err(why) => salvage::read(&body.0).ok_or(why),
    }
}

fn read(gateway: &GatewayId, body: &JsonBytes) -> Result<Uplink, ApiError> {
    let uplink = parse(body)?;
    if uplink.batch.v != WIRE_VERSION {
        return Err(ApiError::Unprocessable(format!("this centre speaks version {WIRE_VERSION} of the uplink")));
    }
    if uplink.batch.gateway != *gateway {
        return Err(ApiError::Forbidden("the batch is of another gateway than the credential"));
    }
    let records = uplink.batch.records.len() + uplink.refused.len();
    if records > UPLINK_RECORDS_MAX {
        return Err(ApiError::TooLarge(format!(
            "a batch may have {UPLINK_RECORDS_MAX} records, this one has {records}"
        )));
    }
    Ok(uplink)
}

fn shout(gateway: &GatewayId, done: &UplinkDone) {
    for key in &done.conflicts {
        tracing::error!(%gateway, %key, "a record's key is stored with another hash; the new one is refused");
    }
    for key in &done.mismatches {
        tracing::error!(%gateway, %key, "a record's hash is not that of its content");
    }
    for finding in &done.findings {
        match finding {
            Finding::Overlap { run, other, from } => tracing::error!(
                %gateway, %run, %other, from,
                "two runs of a gateway took the same places in its journal: its disk was lost, replaced, taken back or copied, \
                 or its last records never reached it"
            ),
            Finding::Broken { run, seq } => {
                tracing::error!(%gateway, %run, seq, "a record does not follow the one known before it");
            }
        }
    }
    if done.salvaged > 0 {
        tracing::warn!(%gateway, records = done.salvaged, "alarms were raised from records understood only in part");
    }
}
