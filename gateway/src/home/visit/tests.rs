use expect_test::{Expect, expect};
use protocol::visit::Datum;

use super::*;

const HOME: Point = Point { lat: 39.911_954, lon: 116.377_817 };
const SECRET: &[u8] = b"a secret of the demo home";
const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

/// A home with its clock, its sensors and one gateway, driven line by line.
struct Scene {
    visits: Visits,
    rules: VisitRules,
    now: Stamp,
    evidence: HomeEvidence,
    lines: String,
}

fn scene() -> Scene {
    let caregivers = ["cg-17", "cg-18"].map(String::from).into();
    let rules =
        VisitRules { home: Some(HOME), code_secret: Some(SECRET.to_vec()), caregivers, ..VisitRules::default() };
    let now = Stamp { boot: 1, uptime_ms: 10 * HOUR, wall_ms: 1_790_000_000_000, wall_trusted: true };
    let mut scene =
        Scene { visits: Visits::default(), rules, now, evidence: HomeEvidence::default(), lines: String::new() };
    scene.door();
    scene
}

impl Scene {
    fn pass(&mut self, ms: u64) {
        self.now.uptime_ms += ms;
        self.now.wall_ms += ms as i64;
    }

    fn door(&mut self) {
        self.evidence.last_door_uptime_ms = Some(self.now.uptime_ms);
    }

    /// The power was off for so long; sensors have not been heard since.
    fn reboot(&mut self, off_ms: u64) {
        self.now.boot += 1;
        self.now.uptime_ms = MINUTE;
        self.now.wall_ms += off_ms as i64;
        self.evidence = HomeEvidence::default();
    }

    fn code(&self) -> String {
        Visits::code_now(&self.rules, self.now.wall_ms).unwrap().0
    }

    /// A fix so many metres north of the home, made now.
    fn fix(&self, metres: f64) -> Fix {
        self.fix_of((HOME.lat + metres / 111_040.0, HOME.lon), Some(Datum::Wgs84))
    }

    fn fix_of(&self, (lat, lon): (f64, f64), datum: Option<Datum>) -> Fix {
        let e7 = |degrees: f64| (degrees * 1e7).round() as i32;
        let (lat_e7, lon_e7) = (e7(lat), e7(lon));
        Fix { lat_e7, lon_e7, accuracy_m: 12, datum, fixed_at_ms: self.now.wall_ms - 5000, mock: false }
    }

    /// The best message there can be: this minute's code and a fresh fix at the door.
    fn good(&self, act: VisitAct) -> VisitMessage {
        VisitMessage {
            act,
            caregiver: "cg-17".into(),
            service: "助洁".into(),
            method: Method::Code,
            code: Some(self.code()),
            fix: Some(self.fix(20.0)),
            outcome: None,
        }
    }

    fn check_in(&mut self, said: &str, change: impl FnOnce(&Self, &mut VisitMessage)) {
        self.says(said, VisitAct::CheckIn, change);
    }

    fn check_out(&mut self, said: &str, change: impl FnOnce(&Self, &mut VisitMessage)) {
        self.says(said, VisitAct::CheckOut, change);
    }

    fn says(&mut self, said: &str, act: VisitAct, change: impl FnOnce(&Self, &mut VisitMessage)) {
        let mut message = self.good(act);
        change(self, &mut message);
        let record = self.visits.verify(&self.now, &message, self.evidence, &self.rules);
        self.visits.apply(&self.now, &record);
        let act = if act == VisitAct::CheckIn { "in" } else { "out" };
        let distance = record.distance_m.map_or("nowhere".into(), |metres| format!("{metres} m"));
        let suspected =
            record.suspected.map_or(String::new(), |other| format!(", {} m in {:?}", other.distance_m, other.datum));
        let (grade, odd) = (record.grade, &record.exceptions);
        let open: Vec<_> = self.visits.open().iter().map(|visit| visit.caregiver.as_str()).collect();
        self.lines += &format!("{act} {said}: {grade:?} {odd:?}, {distance}{suspected}; in the home: {open:?}\n");
        let stored = serde_json::to_string(&self.visits).unwrap();
        assert_eq!(serde_json::from_str::<Visits>(&stored).unwrap(), self.visits);
    }

    fn shows(&self, expected: Expect) {
        expected.assert_eq(&self.lines);
    }
}

fn plain(_: &Scene, _: &mut VisitMessage) {}

#[test]
fn a_visit_with_everything_is_proven_from_door_to_door() {
    let mut scene = scene();
    scene.pass(2 * MINUTE);
    scene.check_in("with all", plain);
    scene.pass(40 * MINUTE);
    scene.check_out("with all", plain);
    scene.shows(expect![[r#"
        in with all: Proven [], 20 m; in the home: ["cg-17"]
        out with all: Proven [], 20 m; in the home: []
    "#]]);
}

#[test]
fn each_grade_needs_what_it_says() {
    let try_it = |said, change: fn(&Scene, &mut VisitMessage), prepare: fn(&mut Scene)| {
        let mut scene = scene();
        prepare(&mut scene);
        scene.check_in(said, change);
        scene.lines
    };
    let nothing: fn(&mut Scene) = |_| {};
    let lines = [
        try_it("card instead of code", |_, m| (m.method, m.code) = (Method::Card, None), nothing),
        try_it("phone with the code", |_, m| m.method = Method::Phone, nothing),
        try_it("phone without", |_, m| (m.method, m.code) = (Method::Phone, None), nothing),
        try_it("nobody moved", plain, |scene| scene.evidence = HomeEvidence::default()),
        try_it("moved 11 minutes ago", plain, |scene| scene.pass(11 * MINUTE)),
        try_it("code but no fix", |_, m| m.fix = None, nothing),
        try_it("300 m away by 12 m", |scene, m| m.fix = Some(scene.fix(300.0)), nothing),
        try_it("200 m away by 12 m", |scene, m| m.fix = Some(scene.fix(200.0)), nothing),
        try_it("home without a place", plain, |scene| scene.rules.home = None),
    ];
    expect![[r#"
        in card instead of code: Proven [], 20 m; in the home: ["cg-17"]
        in phone with the code: Proven [], 20 m; in the home: ["cg-17"]
        in phone without: Located [], 20 m; in the home: ["cg-17"]
        in nobody moved: Located [NoHomeEvidence], 20 m; in the home: ["cg-17"]
        in moved 11 minutes ago: Located [NoHomeEvidence], 20 m; in the home: ["cg-17"]
        in code but no fix: Claimed [NoFix], nowhere; in the home: ["cg-17"]
        in 300 m away by 12 m: Contradicted [OutsideGeofence], 300 m; in the home: ["cg-17"]
        in 200 m away by 12 m: Claimed [], 200 m; in the home: ["cg-17"]
        in home without a place: Claimed [], nowhere; in the home: ["cg-17"]
    "#]]
    .assert_eq(&lines.concat());
}

#[test]
fn each_exception_is_named() {
    let try_it = |said, change: fn(&Scene, &mut VisitMessage)| {
        let mut scene = scene();
        scene.check_in(said, change);
        scene.lines
    };
    fn fix(message: &mut VisitMessage) -> &mut Fix {
        message.fix.as_mut().unwrap()
    }
    let lines = [
        try_it("no useful fix", |_, m| fix(m).accuracy_m = 101),
        try_it("null island", |_, m| (fix(m).lat_e7, fix(m).lon_e7) = (0, 0)),
        try_it("fix 121 s old", |scene, m| fix(m).fixed_at_ms = scene.now.wall_ms - 121_000),
        try_it("fix 120 s old", |scene, m| fix(m).fixed_at_ms = scene.now.wall_ms - 120_000),
        try_it("fix from tomorrow", |scene, m| fix(m).fixed_at_ms = scene.now.wall_ms + 86_400_000),
        try_it("mocked", |_, m| fix(m).mock = true),
        try_it("unknown caregiver", |_, m| m.caregiver = "cg-99".into()),
        try_it("wrong code", |_, m| m.code = Some("000000".into())),
        try_it("no code at all", |_, m| m.code = None),
        try_it("wrong code and a card", |_, m| (m.method, m.code) = (Method::Card, Some("0".into()))),
        try_it("gcj02, not said", |scene, m| m.fix = Some(scene.fix_of(HOME.in_datum(Datum::Gcj02), None))),
        try_it("gcj02, said", |s, m| m.fix = Some(s.fix_of(HOME.in_datum(Datum::Gcj02), Some(Datum::Gcj02)))),
        try_it("bd09, said wgs84", |s, m| m.fix = Some(s.fix_of(HOME.in_datum(Datum::Bd09), Some(Datum::Wgs84)))),
    ];
    expect![[r#"
        in no useful fix: Claimed [NoFix], 20 m; in the home: ["cg-17"]
        in null island: Claimed [NoFix], nowhere; in the home: ["cg-17"]
        in fix 121 s old: Claimed [StaleFix], 20 m; in the home: ["cg-17"]
        in fix 120 s old: Proven [], 20 m; in the home: ["cg-17"]
        in fix from tomorrow: Claimed [TimeAnomaly], 20 m; in the home: ["cg-17"]
        in mocked: Contradicted [MockLocation], 20 m; in the home: ["cg-17"]
        in unknown caregiver: Located [UnknownCaregiver], 20 m; in the home: ["cg-99"]
        in wrong code: Located [CodeWrong], 20 m; in the home: ["cg-17"]
        in no code at all: Located [CodeWrong], 20 m; in the home: ["cg-17"]
        in wrong code and a card: Proven [CodeWrong], 20 m; in the home: ["cg-17"]
        in gcj02, not said: Claimed [DatumSuspected], 555 m, 0 m in Gcj02; in the home: ["cg-17"]
        in gcj02, said: Proven [], 0 m; in the home: ["cg-17"]
        in bd09, said wgs84: Claimed [OutsideGeofence, DatumSuspected], 1372 m, 0 m in Bd09; in the home: ["cg-17"]
    "#]]
    .assert_eq(&lines.concat());
}

#[test]
fn a_code_is_used_once_and_the_next_minute_brings_another() {
    let mut scene = scene();
    let first = scene.code();
    scene.check_in("first", plain);
    scene.pass(10_000);
    scene.check_in("second caregiver, same code", |_, m| m.caregiver = "cg-18".into());
    scene.pass(MINUTE);
    scene.check_in("second caregiver, next code", |_, m| m.caregiver = "cg-18".into());
    scene.reboot(0);
    scene.now.wall_ms -= 2 * MINUTE as i64;
    scene.check_out("restarted, clock set back, first code again", |_, m| m.code = Some(first));
    let old = scene.code();
    scene.now.wall_ms += 10 * MINUTE as i64;
    scene.check_out("a code of ten minutes ago", |_, m| {
        (m.caregiver, m.code) = ("cg-18".into(), Some(old));
    });
    scene.shows(expect![[r#"
        in first: Proven [], 20 m; in the home: ["cg-17"]
        in second caregiver, same code: Located [CodeReused], 20 m; in the home: ["cg-17", "cg-18"]
        in second caregiver, next code: Proven [DuplicateCheckIn], 20 m; in the home: ["cg-17", "cg-18"]
        out restarted, clock set back, first code again: Located [NoHomeEvidence, CodeReused], 20 m; in the home: ["cg-18"]
        out a code of ten minutes ago: Located [NoHomeEvidence, CodeWrong], 20 m; in the home: []
    "#]]);
}

#[test]
fn guessing_codes_closes_the_minute() {
    let mut scene = scene();
    scene.now.wall_ms -= scene.now.wall_ms % MINUTE as i64;
    for guess in 0..5 {
        scene.check_in("guess", |_, m| m.code = Some(format!("00000{guess}")));
    }
    scene.lines.clear();
    scene.check_in("right, too late", plain);
    scene.pass(MINUTE);
    scene.check_in("right, next minute", plain);
    scene.shows(expect![[r#"
        in right, too late: Located [DuplicateCheckIn, CodeWrong], 20 m; in the home: ["cg-17"]
        in right, next minute: Proven [DuplicateCheckIn], 20 m; in the home: ["cg-17"]
    "#]]);
}

#[test]
fn a_second_check_in_a_check_out_without_one_and_an_abandoned_visit_are_named() {
    let mut scene = scene();
    scene.check_out("without check-in", plain);
    scene.pass(2 * MINUTE);
    scene.check_in("without code", |_, m| (m.method, m.code) = (Method::Phone, None));
    scene.pass(2 * MINUTE);
    scene.check_in("again, with code", plain);
    assert_eq!(scene.visits.open()[0].grade, Grade::Proven, "the better of the two");
    scene.pass(25 * HOUR - 2 * MINUTE);
    assert_eq!(scene.visits.abandoned(&scene.now).count(), 0);
    scene.door();
    scene.check_in("25 h later", plain);
    scene.pass(MINUTE);
    assert_eq!(scene.visits.abandoned(&scene.now).count(), 1);
    scene.check_in("a minute more", plain);
    scene.pass(26 * HOUR);
    scene.check_out("26 h later", plain);
    scene.shows(expect![[r#"
        out without check-in: Proven [NoCheckIn], 20 m; in the home: []
        in without code: Located [], 20 m; in the home: ["cg-17"]
        in again, with code: Proven [DuplicateCheckIn], 20 m; in the home: ["cg-17"]
        in 25 h later: Proven [DuplicateCheckIn], 20 m; in the home: ["cg-17"]
        in a minute more: Proven [MissedCheckOut], 20 m; in the home: ["cg-17"]
        out 26 h later: Proven [MissedCheckOut], 20 m; in the home: []
    "#]]);
}

#[test]
fn a_way_too_fast_is_a_jump_and_a_long_one_in_time_is_not() {
    let mut scene = scene();
    scene.check_in("at the door", plain);
    scene.pass(10 * MINUTE);
    scene.check_out("30 km away", |scene, m| m.fix = Some(scene.fix(30_000.0)));
    scene.pass(15 * MINUTE);
    scene.check_in("back in 15 minutes", plain);
    scene.pass(MINUTE);
    scene.check_out("other caregiver", |scene, m| {
        (m.caregiver, m.fix) = ("cg-18".into(), Some(scene.fix(100.0)));
    });
    scene.shows(expect![[r#"
        in at the door: Proven [], 20 m; in the home: ["cg-17"]
        out 30 km away: Contradicted [OutsideGeofence, LocationJump], 29999 m; in the home: []
        in back in 15 minutes: Located [NoHomeEvidence], 20 m; in the home: ["cg-17"]
        out other caregiver: Located [NoHomeEvidence, NoCheckIn], 100 m; in the home: ["cg-17"]
    "#]]);
}

#[test]
fn a_home_that_lost_power_keeps_its_visit_and_takes_evidence_of_the_new_boot() {
    let mut scene = scene();
    scene.check_in("before", plain);
    scene.reboot(HOUR);
    scene.pass(30 * MINUTE);
    assert_eq!(scene.visits.abandoned(&scene.now).count(), 0);
    let unseen = scene.visits.clone();
    scene.check_out("nobody seen since", plain);
    scene.visits = unseen;
    scene.evidence.last_motion_uptime_ms = Some(2 * MINUTE);
    scene.pass(20 * MINUTE);
    scene.check_out("somebody seen since", plain);
    scene.shows(expect![[r#"
        in before: Proven [], 20 m; in the home: ["cg-17"]
        out nobody seen since: Located [NoHomeEvidence], 20 m; in the home: []
        out somebody seen since: Proven [], 20 m; in the home: []
    "#]]);
}

#[test]
fn a_gateway_without_the_time_says_anomaly_not_stale_and_still_proves_by_its_own_code() {
    let mut scene = scene();
    scene.now.wall_trusted = false;
    scene.now.wall_ms = 3 * HOUR as i64;
    scene.check_in("clock at 1970", |_, m| m.fix.as_mut().unwrap().fixed_at_ms = 1_790_000_000_000);
    scene.now.wall_ms = -5000;
    assert_eq!(Visits::code_now(&scene.rules, scene.now.wall_ms), None);
    let message = VisitMessage { code: Some("123456".into()), method: Method::Code, ..silent("cg-18") };
    let record = scene.visits.verify(&scene.now, &message, scene.evidence, &scene.rules);
    assert!(record.exceptions.contains(&VisitException::CodeWrong));
    scene.shows(expect![[r#"
        in clock at 1970: Proven [TimeAnomaly], 20 m; in the home: ["cg-17"]
    "#]]);
}

#[test]
fn open_visits_fixes_and_used_codes_are_bounded() {
    let mut scene = scene();
    scene.rules.caregivers.clear();
    for caregiver in 0..400 {
        scene.pass(MINUTE);
        scene.check_in("one of many", |_, m| m.caregiver = format!("cg-{caregiver}"));
    }
    let Visits { open, last_fixes, used_steps, .. } = &scene.visits;
    assert_eq!((open.len(), last_fixes.len(), used_steps.len()), (64, 64, 256));
    assert_eq!(open[0].caregiver, "cg-336");
}

fn silent(caregiver: &str) -> VisitMessage {
    VisitMessage {
        act: VisitAct::CheckIn,
        caregiver: caregiver.into(),
        service: String::new(),
        method: Method::Phone,
        code: None,
        fix: None,
        outcome: None,
    }
}

#[test]
fn the_code_shown_is_good_until_its_minute_ends() {
    let rules = VisitRules { code_secret: Some(SECRET.to_vec()), ..VisitRules::default() };
    let (code, until_ms) = Visits::code_now(&rules, 125_000).unwrap();
    assert_eq!(until_ms, 180_000);
    assert_eq!(Visits::code_now(&rules, 179_999), Some((code.clone(), until_ms)));
    assert_ne!(Visits::code_now(&rules, 180_000).unwrap().0, code);
    assert_eq!(Visits::code_now(&VisitRules::default(), 125_000), None);
}
