//! Where everything that tells of the elder's day meets: a sign of life is held against chatter, a
//! caregiver's presence, an absence and the home's rhythm, and each has its own file.

use protocol::observation::{Kind, Observation, Reading};
use protocol::record::{Body, Concluded, Observed, PreAlarm, Record, Stamp, Standing, Trigger};
use protocol::trigger::{Reason, TriggerKind};
use protocol::visit::VisitRecord;
use serde::{Deserialize, Serialize};

use super::away::{Away, AwayRules};
use super::caregiver::{Caregiver, CaregiverRules};
use super::chatter::Chatter;
use super::dwell::{Dwell, DwellRules};
use super::inactivity::{Inactivity, InactivityRules, Limit};
use super::local_time::{DAY_MINUTES, LocalTime};
use super::pre_alarm::PreAlarms;
use super::rhythm::{Rhythm, RhythmRules, Side};
use super::sign::{Sign, tells_of_life};
use super::{Deadline, Effect, HomeRules};

const MINUTE_MS: u64 = 60_000;

/// Local days, first and last, on which nobody is expected at home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holiday {
    /// Days since 1970-01-01.
    pub first_day: i64,
    /// The last one, included.
    pub last_day: i64,
}

/// The rules of an elder's day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DailyLifeRules {
    /// How many elders live in the home.
    pub elders: u8,
    /// Quiet at home.
    pub inactivity: InactivityRules,
    /// Absences.
    pub away: AwayRules,
    /// Caregivers' visits.
    pub caregiver: CaregiverRules,
    /// Bathroom and bed.
    pub dwell: DwellRules,
    /// Announced absences.
    pub holidays: Vec<Holiday>,
}

impl Default for DailyLifeRules {
    /// One elder, no holidays, every rule's own default.
    fn default() -> Self {
        Self {
            elders: 1,
            inactivity: InactivityRules::default(),
            away: AwayRules::default(),
            caregiver: CaregiverRules::default(),
            dwell: DwellRules::default(),
            holidays: Vec::new(),
        }
    }
}

/// What is known of the elder's day.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DailyLife {
    chatter: Chatter,
    caregiver: Caregiver,
    away: Away,
    inactivity: Inactivity,
    dwell: Dwell,
    rhythm: Rhythm,
}

impl DailyLife {
    /// What was known, as these rules see it.
    pub fn restored(mut self, rules: &DailyLifeRules) -> Self {
        self.rhythm.redraw(&rules.rhythm());
        self
    }

    /// What an observation means beside its own record; `known_before` says whether its sensor has told of anything yet.
    pub fn observe(
        &self,
        now: &Stamp,
        (observation, known_before): (&Observation, bool),
        pre_alarms: &PreAlarms,
        rules: &HomeRules,
        effects: &mut Vec<Effect>,
    ) {
        let life = &rules.daily_life;
        let sign = Sign::of(observation.kind, &observation.device, rules);
        // What a button of the elder's says is folded as a press; it has cancelled already.
        if self.caregiver.is_present()
            || observation.kind == Kind::Assistance
            || !tells_of_life(observation.kind, &observation.value, known_before)
            || !self.chatter.is_life(now, sign.counts_as(), life.inactivity.one_sensor_ms)
        {
            return;
        }
        let before = effects.len();
        self.away.saw(now, &sign, &life.away, effects);
        let returned = self.away.absence().is_none() || effects.iter().skip(before).any(is_return);
        let answers = |pre_alarm: &PreAlarm| match pre_alarm.kind {
            TriggerKind::Inactivity if pre_alarm.reason == Reason::BathroomTooLong => {
                // Writhing on the bathroom's floor is motion too.
                pre_alarm.room.is_some() && sign.room.is_some() && pre_alarm.room.as_deref() != sign.room
            }
            TriggerKind::Inactivity => returned,
            TriggerKind::Sos
            | TriggerKind::Fall
            | TriggerKind::MissedCheckIn
            | TriggerKind::Smoke
            | TriggerKind::Co
            | TriggerKind::Gas
            | TriggerKind::Water
            | TriggerKind::Assistance
            | TriggerKind::Technical
            | TriggerKind::Welfare => false,
        };
        pre_alarms.cancel_where(answers, &observation.device, Reason::SignOfLife, effects);
    }

    /// Asks, raises and concludes whatever is due.
    pub fn woken(&self, now: &Stamp, pre_alarms: &PreAlarms, rules: &DailyLifeRules, effects: &mut Vec<Effect>) {
        self.caregiver.woken(now, &rules.caregiver, effects);
        // Nobody has left who is being cared for.
        if !self.caregiver.is_present() {
            self.away.woken(now, &rules.away, effects);
        }
        let before = effects.len();
        self.inactivity.woken(now, self.away.absence(), pre_alarms, &rules.inactivity, effects);
        if effects.len() == before {
            self.dwell.woken(now, pre_alarms, &rules.dwell, effects);
        }
    }

    /// Folds an observation; `known_before` says whether its sensor had told of anything before.
    pub fn observed(&mut self, at: &Stamp, observed: &Observed, known_before: bool, rules: &HomeRules) {
        let life = &rules.daily_life;
        let somebody = observed.value == Reading::Active;
        let where_from = (observed.device.as_str(), observed.key.as_str(), observed.room.as_deref());
        if observed.kind == Kind::Presence {
            self.dwell.radar(at, where_from, somebody);
            self.away.occupied(at, &observed.device, somebody, &life.away);
        }
        if observed.kind == Kind::Bed {
            self.dwell.bed(at, where_from, somebody);
            self.away.occupied(at, &observed.device, somebody, &life.away);
        }
        if !tells_of_life(observed.kind, &observed.value, known_before) {
            return;
        }
        let sign = Sign::of(observed.kind, &observed.device, rules);
        if observed.kind == Kind::Assistance {
            self.pressed(at, &sign, rules);
            return;
        }
        if self.caregiver.is_present() {
            if sign.exit_door {
                self.caregiver.exit_moved(at, &life.caregiver);
            }
            return;
        }
        let is_life = self.chatter.is_life(at, sign.counts_as(), life.inactivity.one_sensor_ms);
        self.chatter.heard(at, sign.counts_as(), life.inactivity.one_sensor_ms);
        if is_life {
            self.lived(at, &sign, rules);
        } else {
            self.inactivity.chattered(life.inactivity.limit_ms, sign.of_pet);
        }
    }

    fn lived(&mut self, at: &Stamp, sign: &Sign<'_>, rules: &HomeRules) {
        self.away.lived(at, sign, &rules.daily_life.away);
        if !sign.of_pet {
            for bed in self.dwell.lived(at, sign, rules.daily_life.elders <= 1) {
                self.away.disbelieved(&bed);
            }
        }
        let local = LocalTime::of(at, rules.utc_offset_minutes);
        let began = local.map(LocalTime::minutes);
        if let Some(began) = began {
            self.rhythm.lived(began);
        }
        let limit = self.limit_at_home(local, &rules.daily_life);
        let held = (self.caregiver.is_present(), rules.daily_life.caregiver.door_before_ms);
        let ended = self.inactivity.lived(at, sign, began, limit, held);
        if self.away.absence().is_none() {
            self.inactivity.answered();
            if let Some((began, minutes)) = ended {
                self.rhythm.learn(Side::AtHome, began, minutes, &rules.daily_life.rhythm());
            }
        }
    }

    /// Folds a press of the elder's own: surely life, surely at home, and an answer.
    fn pressed(&mut self, at: &Stamp, sign: &Sign<'_>, rules: &HomeRules) {
        self.away.surely_home();
        self.lived(at, sign, rules);
        self.inactivity.surely_elder();
    }

    /// Folds what the rules concluded.
    pub fn concluded(&mut self, at: &Stamp, concluded: &Concluded, rules: &HomeRules) {
        if concluded.standing == Standing::VisitOver {
            self.caregiver.left(&concluded.device);
            self.stands_still(at, self.caregiver.is_present());
            return;
        }
        let was_out = self.away.absence().is_some();
        let rhythm = &self.rhythm;
        let began = |ago_ms: u64| {
            let wall_ms = at.wall_ms.saturating_sub(i64::try_from(ago_ms).unwrap_or(i64::MAX));
            LocalTime::of(&Stamp { wall_ms, ..*at }, rules.utc_offset_minutes)
        };
        let limit_ms = |began| limit_out_ms(rhythm, began, &rules.daily_life);
        let ended = self.away.concluded(at, concluded, began, limit_ms);
        if let Some(absence) = ended.filter(|absence| absence.since.is_whole())
            && let Some(began) = absence.began
        {
            let minutes = u32::try_from(absence.since.elapsed_ms(at) / MINUTE_MS).unwrap_or(u32::MAX);
            self.rhythm.learn(Side::Out, began, minutes, &rules.daily_life.rhythm());
        }
        match concluded.standing {
            Standing::AtHome => self.inactivity.answered(),
            Standing::Away if !was_out => self.inactivity.judged_anew(),
            Standing::Away | Standing::ReturnUnproven | Standing::VisitOver => {}
        }
    }

    /// Whether a caregiver is known to be there.
    pub fn caregiver_present(&self) -> bool {
        self.caregiver.is_present()
    }

    /// Folds a check-in or check-out.
    pub fn visited(&mut self, at: &Stamp, visit: &VisitRecord, rules: &CaregiverRules) {
        let was = self.caregiver.is_present();
        let is = self.caregiver.visited(at, visit);
        if is && !was {
            self.inactivity.let_in(at, rules.door_before_ms);
            self.away.surely_home();
        }
        if was != is {
            self.stands_still(at, is);
        }
    }

    fn stands_still(&mut self, at: &Stamp, still: bool) {
        self.inactivity.stands_still(at, still);
        self.dwell.stands_still(at, still);
    }

    /// Folds a trigger: a press is life, an inactivity alarm waits for contact.
    pub fn triggered(&mut self, record: &Record, trigger: &Trigger, rules: &HomeRules) {
        self.inactivity.triggered(record, trigger);
        if matches!(trigger.kind, TriggerKind::Sos | TriggerKind::Assistance) && !trigger.test {
            self.pressed(&record.at, &Sign::by_hand(&trigger.device, rules), rules);
        }
    }

    /// Folds a pre-alarm.
    pub fn pre_alarmed(&mut self, pre_alarm: &PreAlarm) {
        self.inactivity.pre_alarmed(pre_alarm);
        self.dwell.pre_alarmed(pre_alarm);
    }

    /// Folds that the elder said "I'm fine" with a button or page.
    pub fn said_fine(&mut self, at: &Stamp, device: &str, rules: &HomeRules) {
        self.dwell.answered();
        self.pressed(at, &Sign::by_hand(device, rules), rules);
    }

    /// Folds that the elder cancelled something with a button.
    pub fn cancelled(&mut self, at: &Stamp, device: &str, reason: Reason, rules: &HomeRules) {
        if reason == Reason::ElderCancelled {
            self.dwell.answered();
            self.pressed(at, &Sign::by_hand(device, rules), rules);
        }
    }

    /// Folds that calls were closed at the centre.
    pub fn resolved(&mut self, calls: &[protocol::ids::LocalKey]) {
        self.inactivity.resolved(calls);
    }

    /// Folds that the machine was up; every record says so.
    pub fn seen(&mut self, at: &Stamp) {
        self.chatter.seen(at);
        self.caregiver.seen(at);
        self.away.seen(at);
        self.inactivity.seen(at);
        self.dwell.seen(at);
    }

    /// Whether the elder is presumed out.
    pub fn presumed_out(&self) -> bool {
        self.away.absence().is_some()
    }

    /// How long there has been no sign of life, or the elder has been out, milliseconds.
    pub fn quiet_ms(&self, now: &Stamp) -> Option<u64> {
        self.inactivity.quiet_ms(now, self.away.absence())
    }

    /// When something is due, milliseconds of this boot's uptime.
    pub fn deadlines(&self, pre_alarms: &PreAlarms, rules: &DailyLifeRules) -> impl Iterator<Item = (u64, Deadline)> {
        let absence = self.away.absence();
        let visit = self.caregiver.deadline(&rules.caregiver);
        let away = self.away.deadline(&rules.away).filter(|_| !self.caregiver.is_present());
        let quiet = self.inactivity.deadlines(absence, pre_alarms, &rules.inactivity);
        let dwell = self.dwell.deadlines(pre_alarms, &rules.dwell);
        visit.into_iter().chain(away).chain(quiet).chain(dwell)
    }

    /// How long a quiet at home that begins now may last.
    fn limit_at_home(&self, began: Option<LocalTime>, rules: &DailyLifeRules) -> Limit {
        let learned = began.and_then(|began| rules.learned_at_home(&self.rhythm, began));
        let ms = learned.map_or(rules.inactivity.limit_ms, |minutes| u64::from(minutes) * MINUTE_MS);
        let limit = Limit { ms, reason: Reason::NoSignOfLife };
        // Without a trusted clock there is no morning: the continuous limit stands alone.
        let Some(began) = began else { return limit };
        let morning = rules.inactivity.window.map(|window| window_ms(began, window));
        let limit = match morning {
            Some(ms) if ms < limit.ms => Limit { ms, reason: Reason::NothingByMorning },
            _ => limit,
        };
        // Whoever is seen on a holiday is at home, and judged as on any day.
        let others = rules.holidays.iter().filter(|holiday| !holiday.covers(began.day));
        Limit { ms: past_holidays(began, limit.ms, others, rules.inactivity.limit_ms), ..limit }
    }
}

impl DailyLifeRules {
    fn rhythm(&self) -> RhythmRules {
        let InactivityRules { false_alarms_a_year, hours_vary_minutes, tail_permille, .. } = self.inactivity;
        RhythmRules { false_alarms_a_year, hours_vary_minutes, tail_permille }
    }

    /// How long a quiet at home that begins then may last by what was learned, minutes.
    fn learned_at_home(&self, rhythm: &Rhythm, began: LocalTime) -> Option<u32> {
        let InactivityRules { learned, learned_ms_min, learned_ms_max, .. } = self.inactivity;
        let bounds = (minutes(learned_ms_min), minutes(learned_ms_max));
        learned.then(|| rhythm.limit_minutes(Side::AtHome, began.minutes(), bounds, &self.rhythm()))?
    }
}

impl Holiday {
    pub(super) fn covers(&self, day: i64) -> bool {
        (self.first_day..=self.last_day).contains(&day)
    }
}

/// How long an absence that began then may last, milliseconds.
///
/// One that was learned is no shorter than a quiet at home at that hour may be: whoever went to bed past the door
/// cannot be told from whoever left by it.
fn limit_out_ms(rhythm: &Rhythm, began: Option<LocalTime>, rules: &DailyLifeRules) -> u64 {
    let AwayRules { limit_ms, learned, learned_ms_min, learned_ms_max, .. } = rules.away;
    let bounds = (minutes(learned_ms_min), minutes(learned_ms_max));
    let known = began.filter(|_| learned).and_then(|began| {
        let out = rhythm.limit_minutes(Side::Out, began.minutes(), bounds, &rules.rhythm())?;
        Some(rules.learned_at_home(rhythm, began).map_or(out, |at_home| out.max(at_home)))
    });
    let ms = known.map_or_else(|| rules.away.first_limit_ms(began), |minutes| u64::from(minutes) * MINUTE_MS);
    began.map_or(ms, |began| past_holidays(began, ms, rules.holidays.iter(), limit_ms))
}

/// A limit that would fall into a holiday is reached `after_ms` after it instead.
fn past_holidays<'h>(began: LocalTime, ms: u64, holidays: impl Iterator<Item = &'h Holiday>, after_ms: u64) -> u64 {
    let day_minutes = i64::from(DAY_MINUTES);
    let due_day = (began.minutes() + i64::from(minutes(ms))).div_euclid(day_minutes);
    let last = holidays.filter(|holiday| holiday.covers(due_day)).map(|holiday| holiday.last_day).max();
    last.map_or(ms, |last| {
        let until = ((last + 1) * day_minutes - began.minutes()).unsigned_abs();
        until * MINUTE_MS + after_ms
    })
}

/// From a sign of life to the end of the first morning window that it does not answer, milliseconds.
fn window_ms(began: LocalTime, (from, until): (u16, u16)) -> u64 {
    let answered = (from..until).contains(&began.minute);
    began.ms_until(until) + if answered { u64::from(DAY_MINUTES) * MINUTE_MS } else { 0 }
}

fn minutes(ms: u64) -> u32 {
    u32::try_from(ms / MINUTE_MS).unwrap_or(u32::MAX)
}

fn is_return(effect: &Effect) -> bool {
    let Effect::Record(body) = effect;
    matches!(body, Body::Concluded(Concluded { standing: Standing::AtHome, .. }))
}
