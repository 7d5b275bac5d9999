//! A caregiver's check-in or check-out as it was sent: read and checked for shape, not graded.

use std::fmt;

use protocol::observation::{Kind, Observation, Reading};
use protocol::visit::{Datum, Fix, Method, VisitAct};
use serde_json::{Map, Value};

use super::{Decoded, Heard, Rejection, Seen, scalar};

const CAREGIVER_CHARS_MAX: usize = 64;
const SERVICE_CHARS_MAX: usize = 64;
const CODE_CHARS_MAX: usize = 32;
const OUTCOME_CHARS_MAX: usize = 1_000;

/// A check-in or check-out as it was sent.
#[derive(Clone, PartialEq, Eq)]
pub struct VisitMessage {
    /// Check-in or check-out.
    pub act: VisitAct,
    /// The caregiver's staff id.
    pub caregiver: String,
    /// The service, such as `助洁`; empty where none was given.
    pub service: String,
    /// How presence is to be proven.
    pub method: Method,
    /// The home's code as typed, or a card's number.
    pub code: Option<String>,
    /// The position, where a usable one was given.
    pub fix: Option<Fix>,
    /// What the caregiver says came of it.
    pub outcome: Option<String>,
}

impl fmt::Debug for VisitMessage {
    /// Leaves out the code, the position and the caregiver's words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VisitMessage")
            .field("act", &self.act)
            .field("method", &self.method)
            .field("code", &self.code.as_ref().map(|_| "…"))
            .field("fix", &self.fix.as_ref().map(|_| "…"))
            .finish_non_exhaustive()
    }
}

/// Reads the product's own visit topic.
pub(super) fn decode(heard: &Heard) -> Decoded {
    if heard.retain {
        return Decoded::rejected(Rejection::RetainedVisit);
    }
    match parse(heard.payload) {
        Err(rejection) => Decoded::rejected(rejection),
        Ok((visit, rejected)) => {
            let key = match visit.act {
                VisitAct::CheckIn => "check_in",
                VisitAct::CheckOut => "check_out",
            };
            let observation = Observation {
                kind: Kind::Visit,
                device: visit.caregiver.clone(),
                key: key.to_owned(),
                value: Reading::Active,
            };
            let seen = vec![Seen { observation, edge: true, reason: None }];
            Decoded { seen, visit: Some(visit), rejected, ..Decoded::default() }
        }
    }
}

fn parse(payload: &[u8]) -> Result<(VisitMessage, Option<Rejection>), Rejection> {
    let text = scalar::text(payload)?;
    let value: Value = serde_json::from_str(text).map_err(|_| Rejection::NotJson)?;
    let message = value.as_object().ok_or(Rejection::UnexpectedShape)?;
    if message.get("v").is_some_and(|v| v.as_u64() != Some(1)) {
        return Err(Rejection::VisitVersion);
    }
    let act = match message.get("act").and_then(Value::as_str) {
        Some("check_in") => VisitAct::CheckIn,
        Some("check_out") => VisitAct::CheckOut,
        Some(_) | None => return Err(Rejection::VisitAct),
    };
    let caregiver = optional(message, "caregiver", CAREGIVER_CHARS_MAX, Rejection::VisitCaregiver)?
        .filter(|caregiver| !caregiver.trim().is_empty() && !caregiver.contains(char::is_control))
        .ok_or(Rejection::VisitCaregiver)?;
    let method = match message.get("method").and_then(Value::as_str) {
        Some("code") => Method::Code,
        Some("card") => Method::Card,
        Some("phone") => Method::Phone,
        Some(_) | None => return Err(Rejection::VisitMethod),
    };
    let service = optional(message, "service", SERVICE_CHARS_MAX, Rejection::VisitService)?.unwrap_or_default();
    let code = optional(message, "code", CODE_CHARS_MAX, Rejection::VisitCode)?;
    let outcome = optional(message, "outcome", OUTCOME_CHARS_MAX, Rejection::VisitOutcome)?;
    // A caregiver who is there counts for more than a phone that cannot say where.
    let (fix, rejected) = match message.get("fix") {
        None | Some(Value::Null) => (None, None),
        Some(given) => match fix(given) {
            Some(fix) => (Some(fix), None),
            None => (None, Some(Rejection::VisitFix)),
        },
    };
    Ok((VisitMessage { act, caregiver, service, method, code, fix, outcome }, rejected))
}

fn optional(
    message: &Map<String, Value>,
    key: &str,
    chars_max: usize,
    rejection: Rejection,
) -> Result<Option<String>, Rejection> {
    match message.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text))
            if text.chars().count() <= chars_max
                && !text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) =>
        {
            Ok(Some(text.clone()))
        }
        Some(_) => Err(rejection),
    }
}

fn fix(given: &Value) -> Option<Fix> {
    let datum = match given.get("datum") {
        None | Some(Value::Null) => None,
        Some(datum) => Some(serde_json::from_value::<Datum>(datum.clone()).ok()?),
    };
    Some(Fix {
        lat_e7: degrees_e7(given.get("lat")?, 90.0)?,
        lon_e7: degrees_e7(given.get("lon")?, 180.0)?,
        accuracy_m: metres(given.get("accuracy_m")?)?,
        datum,
        fixed_at_ms: fixed_at_ms(given.get("fixed_at")?)?,
        mock: given.get("mock").is_some_and(|mock| mock.as_bool() != Some(false) && !mock.is_null()),
    })
}

#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn degrees_e7(value: &Value, limit: f64) -> Option<i32> {
    let degrees = value.as_f64().filter(|degrees| degrees.abs() <= limit)?;
    Some((degrees * 1e7).round() as i32)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
fn metres(value: &Value) -> Option<u32> {
    let metres = value.as_f64().filter(|metres| (0.0..=40_000_000.0).contains(metres))?;
    Some(metres.ceil() as u32)
}

fn fixed_at_ms(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond),
        #[expect(clippy::cast_possible_truncation, reason = "milliseconds of a date; a cast saturates")]
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|ms| ms as i64)),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
