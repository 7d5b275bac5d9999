//! Bodies, queries and headers taken from a request, with every way of being wrong named.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, IF_MATCH};
use axum::http::request::Parts;
use axum::response::IntoResponse;
use protocol::ids::WorkOrderId;
use protocol::uplink::UPLINK_BYTES_MAX;
use serde::de::DeserializeOwned;

use super::App;
use super::problem::ApiError;

/// Longest idempotency key, characters.
const KEY_CHARS_MAX: usize = 255;

/// A JSON body as its bytes; empty is allowed where nothing need be said.
pub(super) struct JsonBytes(pub(super) Bytes);

impl FromRequest<App> for JsonBytes {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let is_json = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
            let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
        });
        let bytes = Bytes::from_request(request, app).await.map_err(|rejection| {
            if rejection.into_response().status() == StatusCode::PAYLOAD_TOO_LARGE {
                ApiError::TooLarge(format!("a body may have {UPLINK_BYTES_MAX} bytes"))
            } else {
                ApiError::Malformed("the body could not be read to its end".to_owned())
            }
        })?;
        if !is_json && !bytes.is_empty() {
            return Err(ApiError::NotJson);
        }
        Ok(Self(bytes))
    }
}

impl JsonBytes {
    /// Parses the body; an empty one counts as `{}`.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        let bytes: &[u8] = if self.0.is_empty() { b"{}" } else { &self.0 };
        serde_json::from_slice(bytes).map_err(|error| {
            if error.is_data() {
                ApiError::Unprocessable(format!("the body does not fit: {error}"))
            } else {
                ApiError::Malformed(format!("the body is not JSON: {error}"))
            }
        })
    }
}

/// A query string.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, ApiError> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(asked)| Self(asked))
            .map_err(|error| ApiError::Malformed(format!("the query does not fit: {}", error.body_text())))
    }
}

/// The greatest place or version there can be: the database counts in signed 64-bit integers.
pub(super) const PLACE_MAX: u64 = i64::MAX as u64;

/// A number of the query that must lie in a range; `default` where it is left out.
pub(super) fn within(
    name: &'static str,
    value: Option<u64>,
    range: std::ops::RangeInclusive<u64>,
    default: u64,
) -> Result<u64, ApiError> {
    match value {
        None => Ok(default),
        Some(value) if range.contains(&value) => Ok(value),
        Some(value) => {
            let (low, high) = range.into_inner();
            Err(ApiError::Malformed(format!("{name} is {value}; it may be {low} to {high}")))
        }
    }
}

/// The order named in the path.
pub(super) fn order_id(text: &str) -> Result<WorkOrderId, ApiError> {
    text.parse().map_err(|_| ApiError::NoSuchOrder(text.chars().take(80).collect()))
}

/// The version in `If-Match`, where given.
pub(super) fn if_match(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get(IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let ver = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).parse();
    ver.map(Some).map_err(|_| ApiError::Malformed("If-Match is not an ETag of a work order, such as \"3\"".to_owned()))
}

/// The caller's idempotency key, where given.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str().map(str::trim) {
        Ok(key) if !key.is_empty() && key.chars().count() <= KEY_CHARS_MAX => Ok(Some(key.to_owned())),
        _ => Err(ApiError::Malformed(format!("Idempotency-Key must have 1 to {KEY_CHARS_MAX} printable characters"))),
    }
}
