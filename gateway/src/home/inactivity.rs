//! Inactivity: the quiet since the elder's last sign of life, or since they left, against its limit.
//!
//! At the limit the elder is asked first (a pre-alarm); unanswered it is a welfare call, and without
//! any contact for a quarter of an hour more, an emergency. What the limit is, [`super::daily_life`]
//! says when a quiet begins; here it runs.

use protocol::ids::LocalKey;
use protocol::record::{Body, PreAlarm, Record, Stamp, Trigger};
use protocol::trigger::{Reason, TriggerKind};
use serde::{Deserialize, Serialize};

use super::away::Absence;
use super::pre_alarm::PreAlarms;
use super::sign::Sign;
use super::stopwatch::Stopwatch;
use super::{Deadline, Effect, lifecycle};

/// The message key that an alarm of this rule carries: it came from no message.
const KEY: &str = "quiet";

/// Times of the inactivity rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InactivityRules {
    /// Whether the home's own rhythm is learned; else `limit_ms` holds at every hour.
    pub learned: bool,
    /// Longest quiet while nothing is learned or the clock is not trusted, milliseconds.
    pub limit_ms: u64,
    /// Shortest limit that learning may reach, milliseconds.
    pub learned_ms_min: u64,
    /// Longest limit that learning may reach, milliseconds.
    pub learned_ms_max: u64,
    /// How many natural quiets a year may pass the learned limits, at home and out together; the main setting.
    pub false_alarms_a_year: u32,
    /// By how much the hours of rising and resting vary from day to day, minutes.
    pub hours_vary_minutes: u32,
    /// Scale of the tail beyond the longest quiet seen at home, thousandths of it.
    pub tail_permille: u32,
    /// "Nothing between these minutes of the local day", where asked for.
    pub window: Option<(u16, u16)>,
    /// From the limit to the alarm, while the elder may cancel, milliseconds.
    pub pre_alarm_ms: u64,
    /// From the alarm to the emergency while there is no contact, milliseconds.
    pub no_contact_ms: u64,
    /// For so long one sensor alone is taken for life, milliseconds.
    pub one_sensor_ms: u64,
    /// Whether motion sensors see pets: all of them together are then one sensor alone.
    pub pets: bool,
}

impl Default for InactivityRules {
    /// Learned within 4 and 12 h, 8 h until then; one false alarm a month; 5 min, 15 min, 4 h; no window.
    fn default() -> Self {
        Self {
            learned: true,
            limit_ms: 8 * 3_600_000,
            learned_ms_min: 4 * 3_600_000,
            learned_ms_max: 12 * 3_600_000,
            false_alarms_a_year: 12,
            hours_vary_minutes: 30,
            tail_permille: 150,
            window: None,
            pre_alarm_ms: 5 * 60_000,
            no_contact_ms: 15 * 60_000,
            one_sensor_ms: 4 * 3_600_000,
            pets: false,
        }
    }
}

/// How long a quiet may last, and what passing it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Milliseconds.
    pub ms: u64,
    /// What is said of a quiet that reaches it.
    pub reason: Reason,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Quiet {
    since: Stopwatch,
    /// Local minutes since 1970, where the clock was trusted.
    began: Option<i64>,
    device: String,
    room: Option<String>,
    limit: Limit,
    /// A fall or the like came in it: it is no habit.
    troubled: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Raised {
    /// What the emergency goes on from.
    lifecycle: LocalKey,
    trigger: LocalKey,
    since: Stopwatch,
    device: String,
    room: Option<String>,
}

/// The quiet that the exit door broke, kept until it is known who came in.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct BeforeDoor {
    quiet: Option<Quiet>,
    /// Runs from the door's word.
    door: Stopwatch,
}

/// The quiet of a home.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Inactivity {
    quiet: Option<Quiet>,
    before_door: Option<BeforeDoor>,
    /// Whether the present quiet or absence has been asked about.
    asked: bool,
    raised: Option<Raised>,
}

impl Inactivity {
    /// Asks the elder, or raises what was asked and stayed without contact.
    pub fn woken(
        &self,
        now: &Stamp,
        absence: Option<&Absence>,
        pre_alarms: &PreAlarms,
        rules: &InactivityRules,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(raised) = &self.raised
            && raised.since.elapsed_ms(now) >= rules.no_contact_ms
        {
            effects.push(Effect::Record(Body::Trigger(Trigger {
                kind: TriggerKind::Inactivity,
                device: raised.device.clone(),
                key: KEY.to_owned(),
                room: raised.room.clone(),
                reason: Reason::NoContact,
                follows: Some(raised.lifecycle),
                test: false,
            })));
        }
        let Some(quiet) = self.quiet.as_ref().filter(|_| !self.asked) else { return };
        let (since, limit) = judged(quiet, absence);
        if since.elapsed_ms(now) >= limit.ms && !pre_alarms.is_running(TriggerKind::Inactivity) {
            effects.push(Effect::Record(Body::PreAlarm(PreAlarm {
                kind: TriggerKind::Inactivity,
                device: quiet.device.clone(),
                key: KEY.to_owned(),
                room: quiet.room.clone(),
                reason: limit.reason,
                fuse_ms: rules.pre_alarm_ms,
            })));
        }
    }

    /// Folds a sign of life and gives back the quiet that it ended, where that was a habit of the elder's:
    /// the local minute of its beginning and its length in minutes. `paused` says whether the clock stands still, the
    /// milliseconds for how long a quiet that the exit door breaks is kept.
    pub fn lived(
        &mut self,
        at: &Stamp,
        sign: &Sign<'_>,
        began: Option<i64>,
        limit: Limit,
        (paused, door_before_ms): (bool, u64),
    ) -> Option<(i64, u32)> {
        self.before_door.take_if(|before| before.door.elapsed_ms(at) > door_before_ms);
        if sign.exit_door && self.before_door.is_none() {
            self.before_door = Some(BeforeDoor { quiet: self.quiet.clone(), door: Stopwatch::start(at) });
        }
        let ended = self.quiet.take().and_then(|quiet| {
            // Whoever comes in by the door after an alarm may be help, and the quiet no habit.
            let helped = self.raised.is_some() && sign.exit_door;
            let habit = !helped && !quiet.troubled && quiet.since.is_whole();
            let minutes = u32::try_from(quiet.since.elapsed_ms(at) / 60_000).unwrap_or(u32::MAX);
            quiet.began.filter(|_| habit && began.is_some()).map(|began| (began, minutes))
        });
        let mut since = Stopwatch::start(at);
        if paused {
            since.pause(at);
        }
        let (device, room) = (sign.device.to_owned(), sign.room.map(str::to_owned));
        self.quiet = Some(Quiet { since, began, device, room, limit, troubled: false });
        ended
    }

    /// Folds that one sensor alone, or a pet, goes on: whether that is life cannot be told, so what was learned
    /// of true quiet does not hold.
    pub fn chattered(&mut self, least_ms: u64, of_pet: bool) {
        if let Some(quiet) = &mut self.quiet {
            let ms = quiet.limit.ms.max(least_ms);
            let reason = if of_pet { Reason::NoSignOfLife } else { Reason::OneSensorAlone };
            quiet.limit = Limit { ms, reason };
        }
    }

    /// Folds that what was asked or raised is answered.
    pub fn answered(&mut self) {
        self.asked = false;
        self.raised = None;
    }

    /// Folds that a new absence, or a new quiet after one, has its own limit.
    pub fn judged_anew(&mut self) {
        self.asked = false;
    }

    /// Folds a pre-alarm.
    pub fn pre_alarmed(&mut self, pre_alarm: &PreAlarm) {
        self.asked |= pre_alarm.kind == TriggerKind::Inactivity && pre_alarm.key == KEY;
    }

    /// Folds a trigger: a call that nobody answers is followed up, an emergency of another kind makes
    /// the quiet no habit.
    pub fn triggered(&mut self, record: &Record, trigger: &Trigger) {
        if let Some(quiet) = &mut self.quiet {
            quiet.troubled |= trigger.kind == TriggerKind::Fall;
        }
        if trigger.kind != TriggerKind::Inactivity {
            return;
        }
        let urgent = trigger.kind.priority_for(trigger.reason) <= 1;
        self.raised = (!urgent && trigger.reason != Reason::OutTooLong).then(|| Raised {
            lifecycle: trigger.follows.unwrap_or_else(|| lifecycle(record)),
            trigger: lifecycle(record),
            since: Stopwatch::start(&record.at),
            device: trigger.device.clone(),
            room: trigger.room.clone(),
        });
    }

    /// Folds that calls were closed at the centre.
    pub fn resolved(&mut self, calls: &[LocalKey]) {
        self.raised.take_if(|raised| calls.contains(&raised.trigger));
    }

    /// Folds that a caregiver is there who came in by the door some minutes ago: what spoke since was theirs.
    pub fn let_in(&mut self, at: &Stamp, door_before_ms: u64) {
        if let Some(before) = self.before_door.take()
            && before.door.elapsed_ms(at) <= door_before_ms
            && before.quiet.is_some()
        {
            self.quiet = before.quiet;
        }
    }

    /// Folds that it was the elder who spoke, whoever came by the door before.
    pub fn surely_elder(&mut self) {
        self.before_door = None;
    }

    /// Folds that somebody has come or gone whose motion is not the elder's; that is contact too.
    pub fn stands_still(&mut self, at: &Stamp, still: bool) {
        if still {
            self.raised = None;
        }
        if let Some(quiet) = &mut self.quiet {
            if still { quiet.since.pause(at) } else { quiet.since.resume(at) }
        }
    }

    /// Folds that the machine was up.
    pub fn seen(&mut self, at: &Stamp) {
        for quiet in self.quiet.iter_mut().chain(self.before_door.iter_mut().flat_map(|before| &mut before.quiet)) {
            quiet.since.seen(at);
        }
        if let Some(before) = &mut self.before_door {
            before.door.seen(at);
        }
        if let Some(raised) = &mut self.raised {
            raised.since.seen(at);
        }
    }

    /// How long the quiet or the absence that is judged has lasted, milliseconds.
    pub fn quiet_ms(&self, now: &Stamp, absence: Option<&Absence>) -> Option<u64> {
        self.quiet.as_ref().map(|quiet| judged(quiet, absence).0.elapsed_ms(now))
    }

    /// When something is due, milliseconds of this boot's uptime.
    pub fn deadlines(
        &self,
        absence: Option<&Absence>,
        pre_alarms: &PreAlarms,
        rules: &InactivityRules,
    ) -> impl Iterator<Item = (u64, Deadline)> {
        let waiting = !self.asked && !pre_alarms.is_running(TriggerKind::Inactivity);
        let quiet = self.quiet.as_ref().filter(|_| waiting);
        let limit = quiet.and_then(|quiet| {
            let (since, limit) = judged(quiet, absence);
            since.due_ms(limit.ms).map(|due_ms| (due_ms, Deadline::QuietTooLong))
        });
        let contact = self.raised.as_ref().and_then(|raised| raised.since.due_ms(rules.no_contact_ms));
        limit.into_iter().chain(contact.map(|due_ms| (due_ms, Deadline::NoContact)))
    }
}

/// What runs against which limit: an absence has its own.
fn judged(quiet: &Quiet, absence: Option<&Absence>) -> (Stopwatch, Limit) {
    absence.map_or((quiet.since, quiet.limit), |absence| {
        (absence.since, Limit { ms: absence.limit_ms, reason: Reason::OutTooLong })
    })
}
