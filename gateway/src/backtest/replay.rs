//! Drives the home's own rules through a recording, and through what would follow if it stopped.

use protocol::ids::{Hash32, Incarnation};
use protocol::observation::{Kind, Observation, Reading};
use protocol::record::{Body, ChainHead, SaidFine, Stamp};
use protocol::trigger::{Reason, TriggerKind};

use super::Plan;
use super::events::{Act, HomeLog, LogDevice, LogEvent};
use super::measure::{Call, Measured};
use super::settings::Setting;
use crate::decode::Role;
use crate::home::{Effect, Home, Input};

/// From one stop to the next, milliseconds.
const STOP_EVERY_MS: i64 = 2 * 3_600_000;
/// A stop that nothing notices for so long is missed, milliseconds.
pub(super) const PATIENCE_MS: i64 = 14 * 24 * 3_600_000;

/// A home that is replayed.
#[derive(Clone)]
struct Replayed {
    home: Home,
    chain: ChainHead,
    began_ms: i64,
    /// Whether the present quiet has been raised.
    raised: bool,
}

impl Replayed {
    fn new(setting: &Setting, began_ms: i64) -> Self {
        let chain = ChainHead { incarnation: Incarnation(1), next_seq: 1, hash: Hash32::ZERO };
        Self { home: Home::new(setting.rules.clone()), chain, began_ms, raised: false }
    }

    fn at(&self, wall_ms: i64) -> Stamp {
        let uptime_ms = u64::try_from(wall_ms - self.began_ms).unwrap_or(0);
        Stamp { boot: 1, uptime_ms, wall_ms, wall_trusted: true }
    }

    /// Lets the home decide and folds what it decided, as the loop does; gives back why it called.
    fn handle(&mut self, wall_ms: i64, input: &Input<'_>) -> Option<Reason> {
        let at = self.at(wall_ms);
        let mut called = None;
        for Effect::Record(body) in self.home.handle(&at, input) {
            if let Body::Trigger(trigger) = &body
                && trigger.kind == TriggerKind::Inactivity
                && trigger.reason != Reason::NoContact
            {
                called = Some(trigger.reason);
            }
            // A body that is too long is the only failure, and none of these is.
            let Ok(record) = self.chain.seal(at, None, body) else { continue };
            self.home.apply(&record);
        }
        // Nobody hears it, but what was looked at is due no more.
        let _ = self.home.telling(&at);
        let _ = self.home.contacting(&at);
        self.raised |= called.is_some();
        called
    }

    /// Folds what people did.
    fn done(&mut self, wall_ms: i64, act: &Act) {
        let at = self.at(wall_ms);
        let body = match act {
            Act::Pressed(device) => Body::SaidFine(SaidFine { device: device.clone() }),
            Act::Visit(visit) => Body::Visit(visit.clone()),
        };
        if let Ok(record) = self.chain.seal(at, None, body) {
            self.home.apply(&record);
        }
        self.raised &= !matches!(act, Act::Pressed(_));
    }

    /// Wakes the home at its next deadline, where that is due by `until_ms`; gives back when, and why it called.
    fn wake(&mut self, until_ms: i64) -> Option<(i64, Option<Reason>)> {
        let (due_ms, _) = self.home.next_deadline()?;
        let wall_ms = self.began_ms.saturating_add(i64::try_from(due_ms).unwrap_or(i64::MAX));
        (wall_ms <= until_ms).then(|| (wall_ms, self.handle(wall_ms, &Input::Woken)))
    }
}

/// Replays a home under one setting.
pub(super) fn measure(log: &HomeLog, setting: &Setting, plan: &Plan<'_>) -> Measured {
    let offset = setting.rules.utc_offset_minutes;
    let counts_from_ms = log.counts_from_ms(plan.learning_days, offset);
    let labelled_out = |wall_ms| plan.labels.is_some_and(|labels| labels.is_out(&log.home, wall_ms));
    let mut measured = Measured::default();
    let mut replayed = Replayed::new(setting, log.events.first().map_or(0, |event| event.wall_ms));
    let mut values = vec![None; log.devices.len()];
    let mut stop_ms = counts_from_ms;
    let mut acts = log.acts.iter().peekable();
    for event in &log.events {
        while stop_ms < event.wall_ms {
            let calls = &mut measured.calls;
            until(&mut replayed, stop_ms, |wall_ms, reason| calls.push(call(wall_ms, reason, &labelled_out)));
            let out = plan.labels.map_or_else(|| replayed.home.daily_life().presumed_out(), |_| labelled_out(stop_ms));
            if !out {
                stop(&replayed, stop_ms, &mut measured);
            }
            stop_ms += STOP_EVERY_MS;
        }
        let calls = &mut measured.calls;
        let mut called = |wall_ms, reason| calls.push(call(wall_ms, reason, &labelled_out));
        while let Some((wall_ms, act)) = acts.next_if(|(wall_ms, _)| *wall_ms <= event.wall_ms) {
            until(&mut replayed, *wall_ms, &mut called);
            replayed.done(*wall_ms, act);
        }
        until(&mut replayed, event.wall_ms, &mut called);
        speak(&mut replayed, log, event, &mut values);
    }
    measured.calls.retain(|call| call.wall_ms >= counts_from_ms);
    measured.delays_ms.sort_unstable();
    measured
}

fn call(wall_ms: i64, reason: Reason, labelled_out: &impl Fn(i64) -> bool) -> Call {
    Call { wall_ms, reason, labelled_out: labelled_out(wall_ms) }
}

fn until(replayed: &mut Replayed, until_ms: i64, mut called: impl FnMut(i64, Reason)) {
    while let Some((wall_ms, reason)) = replayed.wake(until_ms) {
        if let Some(reason) = reason {
            called(wall_ms, reason);
        }
    }
}

/// Says what a device said, as an edge where it changes what was known. What the configuration ignores says nothing.
fn speak(replayed: &mut Replayed, log: &HomeLog, event: &LogEvent, values: &mut [Option<bool>]) {
    let (Some(device), Some(value)) = (log.devices.get(event.device), values.get_mut(event.device)) else { return };
    let place = replayed.home.rules().devices.get(&device.name);
    if place.is_some_and(|place| place.role == Some(Role::Ignore)) {
        return;
    }
    let edge = value.replace(event.on) != Some(event.on);
    let observation = observation(device, event.on);
    let at = replayed.at(event.wall_ms);
    let quiet_ms = replayed.home.daily_life().quiet_ms(&at);
    replayed.handle(event.wall_ms, &Input::Observed { observation: &observation, edge, reason: None });
    // What was raised is over when another quiet is judged.
    if replayed.home.daily_life().quiet_ms(&at) != quiet_ms {
        replayed.raised = false;
    }
}

fn observation(device: &LogDevice, on: bool) -> Observation {
    let value = match (device.kind, on) {
        (Kind::Contact, true) => Reading::Open,
        (Kind::Contact, false) => Reading::Closed,
        (_, true) => Reading::Active,
        (_, false) => Reading::Clear,
    };
    Observation { kind: device.kind, device: device.name.clone(), key: "state".to_owned(), value }
}

/// Stops the recording here and waits for the call.
fn stop(replayed: &Replayed, stop_ms: i64, measured: &mut Measured) {
    if replayed.raised {
        measured.raised_before += 1;
        return;
    }
    let mut alone = replayed.clone();
    let noticed = loop {
        match alone.wake(stop_ms + PATIENCE_MS) {
            Some((wall_ms, Some(_))) => break Some(wall_ms),
            Some((_, None)) => {}
            None => break None,
        }
    };
    match noticed {
        Some(wall_ms) => measured.delays_ms.push(wall_ms.abs_diff(stop_ms)),
        None => measured.missed += 1,
    }
}
