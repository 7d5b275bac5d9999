//! Dwell: too long in the bathroom, or in bed.
//!
//! The bathroom is judged where something there knows whether somebody is in (a radar): motion alone
//! cannot tell a person who fell silent from one who left for a room that no sensor sees. The elder is
//! asked first; the longest stays of the home itself may lengthen the time somewhat.

use std::collections::{BTreeMap, VecDeque};

use protocol::record::{Body, PreAlarm, Stamp};
use protocol::trigger::{Reason, TriggerKind};
use serde::{Deserialize, Serialize};

use super::pre_alarm::PreAlarms;
use super::sign::Sign;
use super::stopwatch::Stopwatch;
use super::{Deadline, Effect};

/// Rooms that count as a bathroom, in small letters.
const BATHROOMS: [&str; 9] = ["bathroom", "bath", "toilet", "wc", "washroom", "卫生间", "浴室", "厕所", "洗手间"];
/// Stays remembered for learning.
const STAYS_MAX: usize = 60;
/// Stays needed before they count.
const STAYS_MIN: usize = 10;
/// Beds watched.
const BEDS_MAX: usize = 16;
/// Somebody who lies down is seen by other sensors for so long, milliseconds.
const LYING_DOWN_MS: u64 = 2 * 60_000;

/// Times of the dwell rules, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DwellRules {
    /// In the bathroom until the elder is asked.
    pub bathroom_prompt_ms: u64,
    /// In the bathroom until it is an emergency.
    pub bathroom_ms: u64,
    /// What learning may lengthen that to.
    pub bathroom_ms_max: u64,
    /// In bed until somebody calls.
    pub bed_ms: u64,
    /// From there to the alarm, while the elder may cancel.
    pub bed_pre_alarm_ms: u64,
}

impl Default for DwellRules {
    /// 30 and 45 min, learned up to 60; 12 h in bed.
    fn default() -> Self {
        Self {
            bathroom_prompt_ms: 30 * 60_000,
            bathroom_ms: 45 * 60_000,
            bathroom_ms_max: 60 * 60_000,
            bed_ms: 12 * 3_600_000,
            bed_pre_alarm_ms: 5 * 60_000,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Stay {
    since: Stopwatch,
    key: String,
    room: Option<String>,
    asked: bool,
    /// The elder was asked about it and said that it is well.
    answered: bool,
}

/// Where the elder stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Dwell {
    /// By the radar that sees it.
    bathrooms: BTreeMap<String, Stay>,
    beds: BTreeMap<String, Stay>,
    /// Whole minutes of earlier stays in the bathroom, oldest first.
    stays: VecDeque<u32>,
}

impl Dwell {
    /// How long a stay in the bathroom may last, milliseconds: a quarter more than the longest known one, within the rules.
    fn bathroom_ms(&self, rules: &DwellRules) -> u64 {
        let longest = self.stays.iter().max().filter(|_| self.stays.len() >= STAYS_MIN);
        let learned = longest.map_or(0, |minutes| u64::from(*minutes) * 75_000);
        learned.clamp(rules.bathroom_ms, rules.bathroom_ms_max.max(rules.bathroom_ms))
    }

    /// Asks the elder about a stay that is too long.
    pub fn woken(&self, now: &Stamp, pre_alarms: &PreAlarms, rules: &DwellRules, effects: &mut Vec<Effect>) {
        if pre_alarms.is_running(TriggerKind::Inactivity) {
            return;
        }
        let fuse_ms = rules.bathroom_ms.saturating_sub(rules.bathroom_prompt_ms);
        let prompt_ms = self.bathroom_ms(rules).saturating_sub(fuse_ms);
        let bathrooms = self.bathrooms.iter().map(|stay| (stay, prompt_ms, Reason::BathroomTooLong, fuse_ms));
        let beds = self.beds.iter().map(|stay| (stay, rules.bed_ms, Reason::BedTooLong, rules.bed_pre_alarm_ms));
        for ((device, stay), limit_ms, reason, fuse_ms) in bathrooms.chain(beds) {
            if !stay.asked && stay.since.elapsed_ms(now) >= limit_ms {
                effects.push(Effect::Record(Body::PreAlarm(PreAlarm {
                    kind: TriggerKind::Inactivity,
                    device: device.clone(),
                    key: stay.key.clone(),
                    room: stay.room.clone(),
                    reason,
                    fuse_ms,
                })));
                // One question at a time.
                return;
            }
        }
    }

    /// Folds a sign of life: whoever is seen in another room has left the bathroom.
    ///
    /// Gives back the beds that are no longer believed: of an elder who lives alone and moves about
    /// elsewhere, a bed that still says "occupied" holds a bag or hangs. The exit door alone proves nothing of the
    /// kind: a visitor lets themselves out.
    pub fn lived(&mut self, at: &Stamp, sign: &Sign<'_>, alone: bool) -> Vec<String> {
        let elsewhere = |stay: &Stay| stay.room.is_none() || sign.room.is_none() || stay.room.as_deref() != sign.room;
        let hangs = |(bed, stay): &(&String, &Stay)| {
            alone
                && !sign.exit_door
                && bed.as_str() != sign.device
                && elsewhere(stay)
                && stay.since.elapsed_ms(at) > LYING_DOWN_MS
        };
        let hanging: Vec<String> = self.beds.iter().filter(hangs).map(|(bed, _)| bed.clone()).collect();
        self.beds.retain(|bed, _| !hanging.contains(bed));
        self.leave_bathroom(at, sign);
        hanging
    }

    fn leave_bathroom(&mut self, at: &Stamp, sign: &Sign<'_>) {
        let Some(room) = sign.room else { return };
        let stays = &mut self.stays;
        self.bathrooms.retain(|_, stay| {
            let here = stay.room.as_deref() == Some(room);
            if !here {
                remember(stays, stay, at);
            }
            here
        });
    }

    /// Folds what a radar says.
    pub fn radar(&mut self, at: &Stamp, (device, key, room): (&str, &str, Option<&str>), somebody: bool) {
        let bathroom = room.is_some_and(|room| BATHROOMS.contains(&room.to_lowercase().as_str()));
        if !somebody {
            if let Some(stay) = self.bathrooms.remove(device) {
                remember(&mut self.stays, &stay, at);
            }
        } else if bathroom && self.bathrooms.len() < BEDS_MAX {
            self.bathrooms.entry(device.to_owned()).or_insert_with(|| stay(at, key, room));
        }
    }

    /// Folds what a bed says.
    pub fn bed(&mut self, at: &Stamp, (device, key, room): (&str, &str, Option<&str>), somebody: bool) {
        if !somebody {
            self.beds.remove(device);
        } else if self.beds.len() < BEDS_MAX {
            self.beds.entry(device.to_owned()).or_insert_with(|| stay(at, key, room));
        }
    }

    /// Folds a pre-alarm: each stay is asked about once.
    pub fn pre_alarmed(&mut self, pre_alarm: &PreAlarm) {
        let bathroom =
            self.bathrooms.get_mut(&pre_alarm.device).filter(|_| pre_alarm.reason == Reason::BathroomTooLong);
        let bed = self.beds.get_mut(&pre_alarm.device).filter(|_| pre_alarm.reason == Reason::BedTooLong);
        for stay in bathroom.into_iter().chain(bed) {
            stay.asked = true;
        }
    }

    /// Folds that the elder pressed a button and is well: a stay that was asked about is answered.
    pub fn answered(&mut self) {
        for stay in self.bathrooms.values_mut().chain(self.beds.values_mut()).filter(|stay| stay.asked) {
            stay.answered = true;
        }
    }

    /// Folds that a caregiver is there or has gone, and the time of a stay stands still or runs on.
    pub fn stands_still(&mut self, at: &Stamp, still: bool) {
        for stay in self.bathrooms.values_mut().chain(self.beds.values_mut()) {
            if still { stay.since.pause(at) } else { stay.since.resume(at) }
        }
    }

    /// Folds that the machine was up.
    pub fn seen(&mut self, at: &Stamp) {
        for stay in self.bathrooms.values_mut().chain(self.beds.values_mut()) {
            stay.since.seen(at);
        }
    }

    /// When a stay becomes too long, milliseconds of this boot's uptime.
    pub fn deadlines(&self, pre_alarms: &PreAlarms, rules: &DwellRules) -> impl Iterator<Item = (u64, Deadline)> {
        let waiting = !pre_alarms.is_running(TriggerKind::Inactivity);
        let fuse_ms = rules.bathroom_ms.saturating_sub(rules.bathroom_prompt_ms);
        let prompt_ms = self.bathroom_ms(rules).saturating_sub(fuse_ms);
        let bed_ms = rules.bed_ms;
        let bathrooms = self.bathrooms.values().map(move |stay| (stay, prompt_ms));
        let beds = self.beds.values().map(move |stay| (stay, bed_ms));
        bathrooms
            .chain(beds)
            .filter(move |(stay, _)| waiting && !stay.asked)
            .filter_map(|(stay, limit_ms)| stay.since.due_ms(limit_ms).map(|due_ms| (due_ms, Deadline::StaysTooLong)))
    }
}

fn stay(at: &Stamp, key: &str, room: Option<&str>) -> Stay {
    Stay {
        since: Stopwatch::start(at),
        key: key.to_owned(),
        room: room.map(str::to_owned),
        asked: false,
        answered: false,
    }
}

/// A stay in one stretch that nobody had to ask about, or that the elder was asked about and answered for, is the elder's
/// own measure.
fn remember(stays: &mut VecDeque<u32>, stay: &Stay, at: &Stamp) {
    if (stay.asked && !stay.answered) || !stay.since.is_whole() {
        return;
    }
    if stays.len() >= STAYS_MAX {
        stays.pop_front();
    }
    stays.push_back(u32::try_from(stay.since.elapsed_ms(at) / 60_000).unwrap_or(u32::MAX));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: u64) -> Stamp {
        Stamp { boot: 1, uptime_ms: minutes * 60_000, wall_ms: 0, wall_trusted: false }
    }

    /// Ten stays of 39 minutes, each asked about after 30.
    fn long_stays(answered: bool) -> u64 {
        let rules = DwellRules::default();
        let mut dwell = Dwell::default();
        for stay in 0..10 {
            let radar = ("radar", "presence", Some("bathroom"));
            dwell.radar(&at(stay * 60), radar, true);
            dwell.pre_alarmed(&PreAlarm {
                kind: TriggerKind::Inactivity,
                device: "radar".into(),
                key: "presence".into(),
                room: Some("bathroom".into()),
                reason: Reason::BathroomTooLong,
                fuse_ms: 900_000,
            });
            if answered {
                dwell.answered();
            }
            dwell.radar(&at(stay * 60 + 39), radar, false);
        }
        dwell.bathroom_ms(&rules)
    }

    #[test]
    fn a_stay_that_the_elder_answered_for_is_their_own_measure() {
        assert_eq!(long_stays(true), 39 * 75_000);
        assert_eq!(long_stays(false), DwellRules::default().bathroom_ms);
    }
}
