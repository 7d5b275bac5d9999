use super::*;

const HOME: Point = Point { lat: 39.911_954, lon: 116.377_817 };

fn fix_at((lat, lon): (f64, f64), datum: Option<Datum>, accuracy_m: u32) -> Fix {
    let e7 = |degrees: f64| (degrees * 1e7).round() as i32;
    Fix { lat_e7: e7(lat), lon_e7: e7(lon), accuracy_m, datum, fixed_at_ms: 0, mock: false }
}

/// About so many metres north of the home.
fn north(metres: f64) -> Point {
    Point { lat: HOME.lat + metres / 111_040.0, ..HOME }
}

#[test]
fn wgs84_and_gcj02_agree_with_the_known_pair() {
    let (lat, lon) = HOME.in_datum(Datum::Gcj02);
    assert!((lat - 39.913_345).abs() < 1e-6 && (lon - 116.384_047).abs() < 1e-6, "{lat} {lon}");
    let back = Point::from_datum(Datum::Gcj02, 39.913_345, 116.384_047);
    assert!(back.distance_m(HOME) < 0.2, "{back:?}");
}

#[test]
fn every_datum_there_and_back_is_within_a_metre_all_over_china() {
    for lat in (19..53).step_by(2) {
        for lon in (75..134).step_by(3) {
            let place = Point { lat: f64::from(lat) + 0.37, lon: f64::from(lon) + 0.61 };
            for (datum, off_m) in [(Datum::Gcj02, 0.001), (Datum::Bd09, 1.0)] {
                let (lat, lon) = place.in_datum(datum);
                let back = Point::from_datum(datum, lat, lon);
                assert!(back.distance_m(place) < off_m, "{datum:?} {place:?} {back:?}");
            }
        }
    }
}

#[test]
fn the_datums_lie_as_far_apart_as_they_are_known_to() {
    let gcj = HOME.in_datum(Datum::Gcj02);
    let bd = HOME.in_datum(Datum::Bd09);
    let apart =
        |(lat, lon): (f64, f64), other: (f64, f64)| Point { lat, lon }.distance_m(Point { lat: other.0, lon: other.1 });
    let home = (HOME.lat, HOME.lon);
    assert!((400.0..672.0).contains(&apart(home, gcj)), "{}", apart(home, gcj));
    assert!((800.0..975.0).contains(&apart(gcj, bd)), "{}", apart(gcj, bd));
    assert!((1000.0..1480.0).contains(&apart(home, bd)), "{}", apart(home, bd));
}

#[test]
fn nothing_is_moved_outside_china() {
    let london = Point { lat: 51.4778, lon: -0.0015 };
    assert_eq!(london.in_datum(Datum::Gcj02), (51.4778, -0.0015));
}

#[test]
fn distances_are_geodesics_not_great_circles() {
    // One degree of meridian is 110,574 m at the equator, 111,694 m at the pole; a sphere has 111,195 m for both.
    let along = |lat: f64| Point { lat, lon: 0.0 }.distance_m(Point { lat: lat + 1.0, lon: 0.0 });
    assert!((along(0.0) - 110_574.4).abs() < 0.5, "{}", along(0.0));
    assert!((along(89.0) - 111_693.9).abs() < 0.5, "{}", along(89.0));
    assert!((Point { lat: 0.0, lon: 0.0 }.distance_m(Point { lat: 0.0, lon: 1.0 }) - 111_319.5).abs() < 0.5);
}

#[test]
fn a_geofence_gives_the_benefit_of_the_accuracy_and_a_margin_of_doubt() {
    let cases = [
        (0.0, 5, Whereabouts::Inside),
        (149.0, 0, Whereabouts::Inside),
        (152.0, 0, Whereabouts::Uncertain),
        (200.0, 60, Whereabouts::Inside),
        (248.0, 0, Whereabouts::Uncertain),
        (252.0, 0, Whereabouts::Outside),
        (340.0, 100, Whereabouts::Uncertain),
        (360.0, 100, Whereabouts::Outside),
    ];
    for (metres, accuracy_m, expected) in cases {
        let place = north(metres);
        let fix = fix_at((place.lat, place.lon), Some(Datum::Wgs84), accuracy_m);
        let measured = measure(&fix, HOME, 150).unwrap();
        assert_eq!(measured.whereabouts, expected, "{metres} m ± {accuracy_m} m: {measured:?}");
        assert!((f64::from(measured.distance_m) - metres).abs() < 1.5, "{measured:?}");
    }
}

#[test]
fn a_point_in_another_datum_than_said_is_suspected_with_both_distances() {
    for said in [None, Some(Datum::Wgs84)] {
        let measured = measure(&fix_at(HOME.in_datum(Datum::Gcj02), said, 10), HOME, 150).unwrap();
        assert_eq!((measured.datum, measured.whereabouts), (Datum::Wgs84, Whereabouts::Outside));
        assert!((400..672).contains(&measured.distance_m));
        assert_eq!(measured.suspected, Some(SuspectedDatum { datum: Datum::Gcj02, distance_m: 0 }));
    }
    let elsewhere = north(5000.0);
    let measured = measure(&fix_at((elsewhere.lat, elsewhere.lon), None, 10), HOME, 150).unwrap();
    assert_eq!((measured.whereabouts, measured.suspected), (Whereabouts::Outside, None));
}

#[test]
fn no_place_on_earth_is_no_place() {
    assert_eq!(measure(&fix_at((0.0, 0.0), None, 5), HOME, 150), None);
    assert_eq!(measure(&fix_at((91.0, 0.0), None, 5), HOME, 150), None);
    assert_eq!(place_of(&fix_at((10.0, 181.0), None, 5)), None);
}
