//! Where a fix is: datum conversion, geodesic distance, and whether that is in the home's geofence.
//!
//! Distances are geodesics on WGS-84 (Karney's algorithm, crate geographiclib-rs). Pure.

use std::f64::consts::PI;

use geographiclib_rs::{Geodesic, InverseGeodesic};
use protocol::visit::{Datum, Fix, SuspectedDatum};

/// A fix less exact than this says nothing useful, metres.
pub const ACCURACY_M_MAX: u32 = 100;
/// Beyond the geofence by more than this is surely outside, metres.
const MARGIN_M: f64 = 100.0;

/// A place on WGS-84, degrees, north and east positive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Latitude.
    pub lat: f64,
    /// Longitude.
    pub lon: f64,
}

impl Point {
    /// The WGS-84 place of coordinates that were given in `datum`.
    pub fn from_datum(datum: Datum, lat: f64, lon: f64) -> Self {
        let given = Self { lat, lon };
        match datum {
            Datum::Wgs84 => given,
            Datum::Gcj02 => gcj02_to_wgs84(given),
            Datum::Bd09 => gcj02_to_wgs84(bd09_to_gcj02(given)),
        }
    }

    /// The same place in the coordinates of `datum`, as (latitude, longitude).
    pub fn in_datum(self, datum: Datum) -> (f64, f64) {
        let moved = match datum {
            Datum::Wgs84 => self,
            Datum::Gcj02 => wgs84_to_gcj02(self),
            Datum::Bd09 => gcj02_to_bd09(wgs84_to_gcj02(self)),
        };
        (moved.lat, moved.lon)
    }

    /// Geodesic distance, metres.
    pub fn distance_m(self, other: Self) -> f64 {
        Geodesic::wgs84().inverse(self.lat, self.lon, other.lat, other.lon)
    }
}

/// The WGS-84 place of a fix, in the datum it names or WGS-84; `None` when it is no place on Earth, or
/// the 0, 0 that phones without a position give.
pub fn place_of(fix: &Fix) -> Option<Point> {
    coordinates(fix).map(|(lat, lon)| Point::from_datum(fix.datum.unwrap_or(Datum::Wgs84), lat, lon))
}

fn coordinates(fix: &Fix) -> Option<(f64, f64)> {
    let (lat, lon) = (f64::from(fix.lat_e7) / 1e7, f64::from(fix.lon_e7) / 1e7);
    let real = lat.abs() <= 90.0 && lon.abs() <= 180.0 && (fix.lat_e7, fix.lon_e7) != (0, 0);
    real.then_some((lat, lon))
}

/// Where a place is, seen from a geofence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whereabouts {
    /// In it.
    Inside,
    /// Too near and too inexact to say.
    Uncertain,
    /// Surely not in it.
    Outside,
}

/// A fix measured against the home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// Distance in the datum used, metres.
    pub distance_m: u32,
    /// The datum used.
    pub datum: Datum,
    /// What follows from it.
    pub whereabouts: Whereabouts,
    /// Where it is outside, the datum in which it would be inside.
    pub suspected: Option<SuspectedDatum>,
}

/// Measures a fix against a home; `None` when it is no place on Earth.
pub fn measure(fix: &Fix, home: Point, geofence_m: u32) -> Option<Measured> {
    let (lat, lon) = coordinates(fix)?;
    let datum = fix.datum.unwrap_or(Datum::Wgs84);
    let distance_in = |datum| Point::from_datum(datum, lat, lon).distance_m(home);
    let judge = |distance_m: f64| {
        let least = distance_m - f64::from(fix.accuracy_m);
        if least <= f64::from(geofence_m) {
            Whereabouts::Inside
        } else if least > f64::from(geofence_m) + MARGIN_M {
            Whereabouts::Outside
        } else {
            Whereabouts::Uncertain
        }
    };
    let distance_m = distance_in(datum);
    let whereabouts = judge(distance_m);
    let suspected = [Datum::Gcj02, Datum::Bd09, Datum::Wgs84]
        .into_iter()
        .filter(|other| *other != datum && whereabouts == Whereabouts::Outside)
        .map(|other| (other, distance_in(other)))
        .filter(|(_, distance_m)| judge(*distance_m) == Whereabouts::Inside)
        .min_by(|(_, one), (_, other)| one.total_cmp(other))
        .map(|(datum, distance_m)| SuspectedDatum { datum, distance_m: whole(distance_m) });
    Some(Measured { distance_m: whole(distance_m), datum, whereabouts, suspected })
}

/// Whole metres; no distance on Earth is out of range.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 20,004,000 m")]
fn whole(distance_m: f64) -> u32 {
    distance_m.round() as u32
}

// The published approximation of GCJ-02: an offset on the Krasovsky 1940 ellipsoid, only in China.
const AXIS_M: f64 = 6_378_245.0;
const ECCENTRICITY_SQUARED: f64 = 0.006_693_421_622_965_943;

fn in_china(point: Point) -> bool {
    (0.8293..=55.8271).contains(&point.lat) && (72.004..=137.8347).contains(&point.lon)
}

fn wgs84_to_gcj02(point: Point) -> Point {
    if !in_china(point) {
        return point;
    }
    let (x, y) = (point.lon - 105.0, point.lat - 35.0);
    let ripple = 20.0 * (6.0 * x * PI).sin() + 20.0 * (2.0 * x * PI).sin();
    let wave = |value: f64, large: f64, small: f64| {
        20.0 * (value * PI).sin() + 40.0 * (value / 3.0 * PI).sin() + large + small
    };
    let north = -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y * y
        + 0.1 * x * y
        + 0.2 * x.abs().sqrt()
        + (ripple + wave(y, 160.0 * (y / 12.0 * PI).sin(), 320.0 * (y * PI / 30.0).sin())) * 2.0 / 3.0;
    let east = 300.0
        + x
        + 2.0 * y
        + 0.1 * x * x
        + 0.1 * x * y
        + 0.1 * x.abs().sqrt()
        + (ripple + wave(x, 150.0 * (x / 12.0 * PI).sin(), 300.0 * (x / 30.0 * PI).sin())) * 2.0 / 3.0;
    let latitude = point.lat.to_radians();
    let flat = 1.0 - ECCENTRICITY_SQUARED * latitude.sin().powi(2);
    let meridian_m = AXIS_M * (1.0 - ECCENTRICITY_SQUARED) / (flat * flat.sqrt());
    let parallel_m = AXIS_M / flat.sqrt() * latitude.cos();
    Point { lat: point.lat + (north / meridian_m).to_degrees(), lon: point.lon + (east / parallel_m).to_degrees() }
}

/// The offset varies slowly, so that going back by it a few times comes within a millimetre.
fn gcj02_to_wgs84(given: Point) -> Point {
    let mut guess = given;
    for _ in 0..6 {
        let there = wgs84_to_gcj02(guess);
        guess = Point { lat: guess.lat + given.lat - there.lat, lon: guess.lon + given.lon - there.lon };
    }
    guess
}

// Baidu's own turn and shift on top of GCJ-02.
const TURN: f64 = PI * 3000.0 / 180.0;
const SHIFT_LAT: f64 = 0.006;
const SHIFT_LON: f64 = 0.0065;

fn gcj02_to_bd09(point: Point) -> Point {
    let (x, y) = (point.lon, point.lat);
    let radius = x.hypot(y) + 0.000_02 * (y * TURN).sin();
    let angle = y.atan2(x) + 0.000_003 * (x * TURN).cos();
    Point { lat: radius * angle.sin() + SHIFT_LAT, lon: radius * angle.cos() + SHIFT_LON }
}

fn bd09_to_gcj02(point: Point) -> Point {
    let (x, y) = (point.lon - SHIFT_LON, point.lat - SHIFT_LAT);
    let radius = x.hypot(y) - 0.000_02 * (y * TURN).sin();
    let angle = y.atan2(x) - 0.000_003 * (x * TURN).cos();
    Point { lat: radius * angle.sin(), lon: radius * angle.cos() }
}

#[cfg(test)]
mod tests;
