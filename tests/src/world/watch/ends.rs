//! What must have come of every press, fall and order once faults have stopped.

use std::collections::BTreeMap;

use protocol::ids::LocalKey;

use super::{Invariant, PressKind, Watch};

/// Where a record counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::world) struct Counted {
    pub(in crate::world) order: String,
    pub(in crate::world) at_ms: i64,
    /// When that order was closed.
    pub(in crate::world) closed_ms: Option<i64>,
}

impl Counted {
    /// Whether its order was closed before `later` counted in another one.
    fn is_over_for(&self, later: &Self) -> bool {
        self.order != later.order && self.closed_ms.is_some_and(|closed| closed <= later.at_ms)
    }
}

impl Watch {
    /// Every press that was promised must have reached the centre by now.
    pub(in crate::world) fn check_delivery(&mut self, now_ms: u64) {
        let mut missing = None;
        for (press, note) in self.presses.iter().enumerate() {
            let at = &self.homes[note.home];
            let reached = note.keys.iter().any(|key| {
                at.calls.get(key).is_some_and(|call| call.committed_ms.is_some())
                    || at.pre_alarms.get(key).is_some_and(|(_, committed)| *committed)
            });
            let known = |key: &LocalKey| at.calls.contains_key(key) || at.pre_alarms.contains_key(key);
            // What an unsure press made and the power took before it was acknowledged was promised to nobody.
            let kept = note.kind == PressKind::Sure || note.keys.iter().any(known);
            let promised = !note.excused && (note.shown || (note.acknowledged && kept));
            if promised && !reached {
                missing = Some((note.home, format!("press {press} of {} ms, records {:?}", note.at_ms, note.keys)));
                break;
            }
        }
        if let Some((home, what)) = missing {
            self.violated(Invariant::PressReachesCentre, now_ms, home, what);
        }
    }

    /// `counted` is every record that opened or joined an order, of all homes.
    pub(in crate::world) fn check_counts(&mut self, now_ms: u64, counted: &BTreeMap<(usize, String), Vec<Counted>>) {
        if let Some(((home, record), _)) = counted.iter().find(|(_, counts)| counts.len() > 1) {
            self.violated(Invariant::PressCountsOnce, now_ms, *home, format!("record {record} counts twice"));
            return;
        }
        for press in 0..self.presses.len() {
            let note = &self.presses[press];
            let mut times: Vec<(&Counted, LocalKey)> = note
                .keys
                .iter()
                .filter_map(|key| Some((counted.get(&(note.home, key.to_string()))?.first()?, *key)))
                .collect();
            times.sort_by_key(|(count, _)| count.at_ms);
            // Said again after its call was closed, with its acknowledgement lost: it counts as a press, on purpose.
            // Nothing else that is said twice counts twice.
            let all = times.len();
            let mut last: Option<&Counted> = None;
            times.retain(|(count, _)| {
                let anew = last.is_some_and(|before| before.is_over_for(count));
                last = Some(count);
                !anew
            });
            if all > times.len() {
                self.recounted += 1;
            }
            // A pre-alarm is a press only in what becomes of it, which is checked below.
            let pre_alarm = note.keys.iter().any(|key| self.homes[note.home].pre_alarms.contains_key(key));
            let promised = note.acknowledged && note.kind == PressKind::Sure && !pre_alarm && !note.excused;
            if times.len() > 1 || (promised && times.is_empty()) {
                let what = format!("press {press} of {} ms counts in {times:?}, records {:?}", note.at_ms, note.keys);
                let home = note.home;
                self.violated(Invariant::PressCountsOnce, now_ms, home, what);
                return;
            }
        }
        let mut lost = None;
        for (home, at) in self.homes.iter().enumerate() {
            // A pre-alarm's end raised once more, by a run that had forgotten the first time, is that first time.
            let counts = |key: &LocalKey| counted.contains_key(&(home, key.to_string()));
            let stands = |key: &LocalKey| {
                let mut followed = at.calls.iter().filter(|(_, call)| call.follows == Some(*key));
                counts(key) || at.cancelled_ms.contains_key(key) || followed.any(|(other, _)| counts(other))
            };
            for (key, (_, committed)) in &at.pre_alarms {
                // The same delivery, forgotten by the gateway and said again, has another record that stands for it.
                if *committed && !stands(key) && !self.also_by(home, key).any(stands) {
                    lost = Some((home, format!("pre-alarm {key} was neither cancelled nor raised")));
                }
            }
            for (key, call) in &at.calls {
                let life = call.follows.unwrap_or(*key);
                let otherwise = [key, &life].into_iter().any(|key| self.also_by(home, key).any(stands));
                if call.committed_ms.is_some() && !counts(key) && !stands(&life) && !otherwise {
                    lost = Some((home, format!("trigger {key} ({:?}) counts in no order", call.kind)));
                }
            }
        }
        if let Some((home, what)) = lost {
            self.violated(Invariant::FallReachesCentre, now_ms, home, what);
        }
    }

    /// All records of the press or fall that made this one, and of the same delivery where nobody had pressed.
    fn also_by(&self, home: usize, key: &LocalKey) -> impl Iterator<Item = &LocalKey> {
        let by_press = self.presses.iter().filter(move |note| note.home == home && note.keys.contains(key));
        let records = &self.homes[home].records;
        let delivery = records.get(key).and_then(|record| record.delivery.as_ref());
        let same = records.iter().filter(move |(_, other)| delivery.is_some() && other.delivery.as_ref() == delivery);
        by_press.flat_map(|note| &note.keys).chain(same.map(|(key, _)| key))
    }
}
