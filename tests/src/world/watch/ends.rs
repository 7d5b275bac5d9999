//! What must have come of every press, fall and order once faults have stopped.

use std::collections::BTreeMap;

use protocol::ids::LocalKey;

use super::{Invariant, PressKind, Watch};

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
            let promised = note.shown || (note.acknowledged && kept);
            if promised && !reached {
                missing = Some((note.home, format!("press {press} of {} ms, records {:?}", note.at_ms, note.keys)));
                break;
            }
        }
        if let Some((home, what)) = missing {
            self.violated(Invariant::PressReachesCentre, now_ms, home, what);
        }
    }

    /// `counted` is every record that opened or joined an order, with the order, of all homes.
    pub(in crate::world) fn check_counts(&mut self, now_ms: u64, counted: &BTreeMap<(usize, String), Vec<String>>) {
        for press in 0..self.presses.len() {
            let note = &self.presses[press];
            let at = &self.homes[note.home];
            let all: Vec<_> =
                note.keys.iter().filter(|key| counted.contains_key(&(note.home, key.to_string()))).collect();
            // Sent while the disk failed, then lost with the power and said again by its button: the gateway
            // cannot know, and a press too many is better than one too few.
            let kept = |key: &&&LocalKey| {
                at.calls.get(**key).is_some_and(|call| call.durable)
                    || at.pre_alarms.get(**key).is_some_and(|(durable, _)| *durable)
            };
            let safe: Vec<_> = all.iter().filter(kept).copied().copied().collect();
            let times: Vec<_> = if safe.is_empty() { all.iter().take(1).map(|key| **key).collect() } else { safe };
            // Said again after its call was closed, with an acknowledgement lost in between: the gateway takes
            // it for a press, on purpose. A `Resolved` is sealed some seconds after the lamp went quiet.
            let ended = |key: &LocalKey| {
                let Some(call) = at.calls.get(key) else { return false };
                times.iter().filter_map(|other| at.calls.get(other)).any(|other| {
                    other.since_ms < call.since_ms
                        && other.ended_ms.is_some_and(|ended| ended <= call.since_ms + 10_000)
                })
            };
            let times: Vec<_> = times.iter().filter(|key| !ended(key)).collect();
            if all.len() > times.len() {
                self.recounted += 1;
            }
            // A pre-alarm is a press only in what becomes of it, which is checked below.
            let pre_alarm = note.keys.iter().any(|key| self.homes[note.home].pre_alarms.contains_key(key));
            let promised = note.acknowledged && note.kind == PressKind::Sure && !pre_alarm;
            if times.len() > 1 || (promised && times.is_empty()) {
                let what = format!("press {press} of {} ms counts in {times:?}, records {:?}", note.at_ms, note.keys);
                let home = note.home;
                self.violated(Invariant::PressCountsOnce, now_ms, home, what);
                return;
            }
        }
        let mut lost = None;
        for (home, at) in self.homes.iter().enumerate() {
            for (key, (_, committed)) in &at.pre_alarms {
                let followed = at.calls.iter().find(|(_, call)| call.follows == Some(*key)).map(|(key, _)| key);
                let raised =
                    std::iter::once(key).chain(followed).any(|key| counted.contains_key(&(home, key.to_string())));
                if *committed && !raised && !at.cancelled_ms.contains_key(key) {
                    lost = Some((home, format!("pre-alarm {key} was neither cancelled nor raised")));
                }
            }
            for (key, call) in &at.calls {
                let follows = call.follows.is_some_and(|key| counted.contains_key(&(home, key.to_string())));
                if call.committed_ms.is_some() && !follows && !counted.contains_key(&(home, key.to_string())) {
                    lost = Some((home, format!("trigger {key} ({:?}) counts in no order", call.kind)));
                }
            }
        }
        if let Some((home, what)) = lost {
            self.violated(Invariant::FallReachesCentre, now_ms, home, what);
        }
    }
}
