//! Problem details for HTTP errors (RFC 9457).

use serde::{Deserialize, Serialize};

/// Media type of [`Problem`].
pub const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";

/// What went wrong and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A stable name of the kind of problem, as a relative URI such as `/problems/already-claimed`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in a few words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// This occurrence, and what to do.
    pub detail: String,
}
