//! Visits: a caregiver's check-in and check-out as they cross the wires, and how they are graded.
//!
//! Nothing is refused for being suspicious: it is recorded, graded and relayed.

use serde::{Deserialize, Serialize};

/// Check-in or check-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VisitAct {
    /// The caregiver arrives.
    CheckIn,
    /// The caregiver leaves.
    CheckOut,
}

/// How presence is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A card tapped on the home's reader.
    Card,
    /// A phone in the home's network.
    Phone,
    /// The home's rotating code, typed or scanned.
    Code,
}

/// The datum a point was given in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Datum {
    /// GPS.
    #[serde(rename = "wgs84", alias = "WGS-84", alias = "WGS84")]
    Wgs84,
    /// Chinese maps.
    #[serde(rename = "gcj02", alias = "GCJ-02", alias = "GCJ02")]
    Gcj02,
    /// Baidu maps.
    #[serde(rename = "bd09", alias = "BD-09", alias = "BD09")]
    Bd09,
}

/// A position as the phone gave it; degrees × 10⁷ so that it is the same in every encoding.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fix {
    /// Latitude, degrees × 10⁷, north positive.
    pub lat_e7: i32,
    /// Longitude, degrees × 10⁷, east positive.
    pub lon_e7: i32,
    /// Radius of uncertainty, metres.
    pub accuracy_m: u32,
    /// The datum, where the phone said it.
    pub datum: Option<Datum>,
    /// Unix milliseconds of the fix, by the phone's clock.
    pub fixed_at_ms: i64,
    /// Whether the phone says the position is mocked.
    pub mock: bool,
}

/// How far a visit is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// The evidence speaks against it.
    Contradicted,
    /// Only the caregiver's word.
    Claimed,
    /// The fix is inside the geofence.
    Located,
    /// Code or card, inside the geofence, and the home itself saw someone come.
    Proven,
}

/// What is odd about a check-in or check-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VisitException {
    /// Surely outside the geofence.
    OutsideGeofence,
    /// No fix, or one too coarse to be useful.
    NoFix,
    /// The fix is older than 120 s.
    StaleFix,
    /// The phone says the position is mocked.
    MockLocation,
    /// Inside in one datum, outside in the one named or assumed.
    DatumSuspected,
    /// Two fixes of one caregiver imply more than 150 km/h.
    LocationJump,
    /// Clocks disagree.
    TimeAnomaly,
    /// This caregiver is already checked in.
    DuplicateCheckIn,
    /// A check-in without check-out for over 25 h.
    MissedCheckOut,
    /// Not a caregiver this home knows.
    UnknownCaregiver,
    /// No visit was planned.
    Unplanned,
    /// Left more than the grace before the planned end.
    EarlyDeparture,
    /// Neither door nor motion was seen in the home.
    NoHomeEvidence,
    /// The code was used before in its window.
    CodeReused,
    /// The code is not the home's.
    CodeWrong,
    /// A check-out of a caregiver who is not checked in.
    NoCheckIn,
}

/// A datum that a position seems to be in, other than the one named or assumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SuspectedDatum {
    /// The datum.
    pub datum: Datum,
    /// Geodesic distance to the home in it, metres.
    pub distance_m: u32,
}

/// A check-in or check-out as the gateway recorded and graded it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VisitRecord {
    /// Check-in or check-out.
    pub act: VisitAct,
    /// The caregiver's staff id.
    pub caregiver: String,
    /// The service, such as `助洁`; empty where none was given.
    pub service: String,
    /// How presence was to be proven.
    pub method: Method,
    /// The position, where one was given.
    pub fix: Option<Fix>,
    /// Geodesic distance to the home, metres, in the datum that was used.
    pub distance_m: Option<u32>,
    /// The grade reached so far.
    pub grade: Grade,
    /// What is odd, sorted.
    pub exceptions: Vec<VisitException>,
    /// What the caregiver says came of it (check-out).
    pub outcome: Option<String>,
    /// Door or motion seen in the home around it.
    pub home_evidence: bool,
    /// The datum that `distance_m` was computed in: the one named, else WGS-84.
    #[serde(default)]
    pub datum: Option<Datum>,
    /// The datum in which the position would be inside the geofence, where the one used has it outside.
    #[serde(default)]
    pub suspected: Option<SuspectedDatum>,
    /// The time step whose code was given; used up by it.
    #[serde(default)]
    pub code_step: Option<u64>,
}
