//! The people: elders who press again until their lamp answers, desks that take, send and close,
//! caregivers who come and go.

use cloud_bridge::centre::{Answer, CommandRequest, Request};
use cloud_bridge::dispatch::{Act, Operator, Refused};
use cloud_bridge::store::FeedItem;
use protocol::feed::OrderState;
use protocol::ids::WorkOrderId;
use protocol::visit::{Datum, Fix, Method, VisitAct};
use sensor_sim::device::{Click, Happening};
use sensor_sim::payload::{self, VisitCall};

use super::town::{FINE, LATCHING, RADAR, SMOKE, SOS};
use super::watch::{PressId, PressKind};
use super::{Due, EPOCH_MS, World};

/// Presses of one need at most.
const PRESSES_MAX: u32 = 8;

/// Where an elder stands.
#[derive(Debug, Clone, Default)]
pub(super) struct Elder {
    cord_pulled: bool,
    bridge_started_ms: u64,
}

/// Somebody at a desk means to do this with an order.
#[derive(Debug, Clone)]
pub(super) struct DeskTask {
    pub(super) order: WorkOrderId,
    pub(super) home: usize,
    pub(super) act: DeskAct,
}

/// What is done at a desk, in the order in which it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeskAct {
    Claim,
    Release,
    Dispatch,
    Withdraw,
    OnScene,
    Close,
}

impl World {
    /// An elder needs help: presses, falls, or something burns.
    pub(super) fn need(&mut self, home: usize) {
        match self.dice.between(0, 9) {
            0..=5 => self.press(home, PRESSES_MAX),
            6..=8 => self.fall(home),
            _ => {
                let kind = PressKind::Unsure;
                self.happen(home, SMOKE, Happening::Alarmed, Some(kind));
                let at = self.now_ms + 600_000;
                self.agenda.put(at, Due::StandUp { home });
            }
        }
    }

    fn press(&mut self, home: usize, left: u32) {
        let now_ms = self.now_ms;
        let cord = self.dice.chance(25) && !self.homes[home].elder.cord_pulled;
        self.tally.presses += 1;
        if cord {
            // A key that is set already and heard again soon after its bridge started reads as its cache.
            self.homes[home].elder.cord_pulled = true;
            self.happen(home, LATCHING, Happening::Pressed(Click::Single), Some(PressKind::Unsure));
            let at = now_ms + self.dice.between(5_000, 200_000);
            self.agenda.put(at, Due::Release { home });
        } else {
            self.happen(home, SOS, Happening::Pressed(Click::Single), Some(PressKind::Sure));
        }
        let patience = self.dice.between(4_000, 25_000);
        self.agenda.put(now_ms + patience, Due::Look { home, pressed_ms: now_ms, left: left - 1 });
    }

    /// Looks at the lamp: nothing new since the press, and the elder presses again.
    pub(super) fn look(&mut self, home: usize, pressed_ms: u64, left: u32) {
        let at = &self.homes[home];
        let answered = at.lamp.is_some() && at.lamp_told_ms >= pressed_ms;
        if !answered && left > 0 && !self.healed {
            self.press(home, left);
        }
    }

    fn fall(&mut self, home: usize) {
        self.happen(home, RADAR, Happening::Fell, Some(PressKind::Unsure));
        if self.dice.chance(50) {
            let at = self.now_ms + self.dice.between(2_000, 40_000);
            self.agenda.put(at, Due::Cancel { home });
        }
        let at = self.now_ms + self.dice.between(30_000, 2_000_000);
        self.agenda.put(at, Due::StandUp { home });
    }

    pub(super) fn cancel(&mut self, home: usize) {
        if self.dice.chance(50) {
            self.happen(home, FINE, Happening::Pressed(Click::Single), None);
        } else {
            self.publish(home, payload::cancel(), None);
        }
    }

    pub(super) fn stand_up(&mut self, home: usize) {
        self.happen(home, RADAR, Happening::Recovered, None);
        self.happen(home, SMOKE, Happening::Cleared, None);
    }

    pub(super) fn release_cord(&mut self, home: usize) {
        self.homes[home].elder.cord_pulled = false;
        self.happen(home, LATCHING, Happening::Released, None);
    }

    /// Something happens to a device; its bridge says so.
    pub(super) fn happen(&mut self, home: usize, device: &str, what: Happening, press: Option<PressKind>) {
        let at = &mut self.homes[home];
        let publications = at.bridge.happen(device, what);
        if !publications.is_empty() && self.transcript.keeps(super::Detail::Story) {
            let prefix = self.prefix(home);
            self.transcript.story(self.now_ms, format_args!("{prefix}{device}: {}", what.words()));
        }
        let press: Option<PressId> = press.map(|kind| self.watch.pressed(home, self.now_ms, kind));
        for publication in publications {
            self.publish(home, publication, press);
        }
    }

    /// The radio bridge's program stops and starts; it says everything that it has cached.
    pub(super) fn restart_bridge(&mut self, home: usize) {
        self.transcript.story(self.now_ms, format_args!("home {home}: the radio bridge restarts"));
        let at = &mut self.homes[home];
        for publication in at.bridge.stop() {
            self.publish(home, publication, None);
        }
        self.homes[home].wires.forget();
        let gap = self.dice.between(2_000, 30_000);
        let at = &mut self.homes[home];
        at.elder.bridge_started_ms = 0;
        self.agenda.put(self.now_ms + gap, Due::Reconnect { home });
    }

    /// The bridge has reached its broker: the first time since its start it says everything.
    pub(super) fn bridge_connected(&mut self, home: usize) {
        let at = &mut self.homes[home];
        let fresh = at.elder.bridge_started_ms == 0;
        at.elder.bridge_started_ms = self.now_ms + 1;
        let bridge = self.script.as_ref().map_or(&at.bridge, |running| running.performer.bridge());
        let publications = if fresh { bridge.start() } else { bridge.retained() };
        for publication in publications {
            self.publish(home, publication, None);
        }
    }

    /// The desks hear of a feed item.
    pub(super) fn desks_hear(&mut self, item: &FeedItem) {
        if self.transcript.keeps(super::Detail::Story) {
            super::script::narrate(&mut self.transcript, self.now_ms, item);
        }
        if self.script.is_some() || item.item.kind != "workorder.opened" {
            return;
        }
        let Ok(order) = item.item.subject.parse::<WorkOrderId>() else { return };
        let home = item.item.data["gateway"].as_str().and_then(|id| id.strip_prefix("home-")?.parse().ok());
        let Some(home) = home else { return };
        let at = self.now_ms + self.dice.between(3_000, 120_000);
        self.agenda.put(at, Due::Desk(Box::new(DeskTask { order, home, act: DeskAct::Claim })));
    }

    /// Somebody at a desk acts, and then somebody acts next.
    pub(super) fn desk(&mut self, task: DeskTask) {
        let text = |text: &str| Some(text.to_owned());
        let act = match task.act {
            DeskAct::Claim => Act::Claim,
            DeskAct::Release => Act::Release,
            DeskAct::Dispatch => Act::Dispatch { responder: "cg-17".into() },
            DeskAct::Withdraw => Act::Withdraw,
            DeskAct::OnScene => Act::OnScene,
            DeskAct::Close => Act::Close { code: text("real.medical"), outcome: text("responder_visited"), note: None },
        };
        let by = Operator { name: "wang".into(), supervisor: false };
        let command = CommandRequest { order: task.order.clone(), by, ver: None, act, idempotency: None };
        let done = self.centre.is_up().then(|| self.ask_centre(Request::Command(command))).flatten();
        let again = match done {
            Some(Answer::Done { order }) if order.state == OrderState::Closed => return,
            Some(Answer::Done { .. }) => None,
            Some(Answer::Refused { refused }) => match refused {
                Refused::WrongState { state: OrderState::Closed } => return,
                // A joined press or a visit has moved the order on meanwhile.
                Refused::WrongState { .. } => None,
                Refused::Unclaimed => Some(DeskAct::Claim),
                other @ (Refused::AlreadyClaimed { .. }
                | Refused::NotOwner { .. }
                | Refused::VersionMismatch { .. }
                | Refused::CodeMissing
                | Refused::CodeUnknown { .. }
                | Refused::OutcomeMissing
                | Refused::OutcomeUnknown { .. }
                | Refused::PressNotCancellable
                | Refused::UnreachableStaysOpen
                | Refused::TextLength { .. }) => {
                    self.transcript.story(self.now_ms, format_args!("desk: {other}"));
                    Some(task.act)
                }
            },
            Some(_) | None => Some(task.act),
        };
        let (next, wait) = match again {
            Some(act) => (act, self.dice.between(5_000, 60_000)),
            None => self.next_act(task.act, task.home),
        };
        self.agenda.put(self.now_ms + wait, Due::Desk(Box::new(DeskTask { act: next, ..task })));
    }

    fn next_act(&mut self, done: DeskAct, home: usize) -> (DeskAct, u64) {
        let minute = 60_000;
        match done {
            DeskAct::Claim if self.dice.chance(10) => (DeskAct::Release, self.dice.between(5_000, minute)),
            DeskAct::Claim if self.dice.chance(25) => (DeskAct::Close, self.dice.between(minute, 5 * minute)),
            DeskAct::Claim => (DeskAct::Dispatch, self.dice.between(5_000, 2 * minute)),
            DeskAct::Release => (DeskAct::Claim, self.dice.between(5_000, 2 * minute)),
            DeskAct::Dispatch if self.dice.chance(10) => (DeskAct::Withdraw, self.dice.between(10_000, 10 * minute)),
            DeskAct::Dispatch if self.dice.chance(50) => {
                let arrives = self.now_ms + self.dice.between(2 * minute, 15 * minute);
                let leaves = arrives + self.dice.between(5 * minute, 20 * minute);
                self.agenda.put(arrives, Due::Visit { home, arrives: true });
                self.agenda.put(leaves, Due::Visit { home, arrives: false });
                (DeskAct::Close, leaves + minute - self.now_ms)
            }
            DeskAct::Dispatch => (DeskAct::OnScene, self.dice.between(2 * minute, 15 * minute)),
            DeskAct::Withdraw => (DeskAct::Dispatch, self.dice.between(5_000, 2 * minute)),
            DeskAct::OnScene | DeskAct::Close => (DeskAct::Close, self.dice.between(minute, 15 * minute)),
        }
    }

    /// A caregiver taps the home's reader.
    pub(super) fn visit(&mut self, home: usize, arrives: bool) {
        let act = if arrives { VisitAct::CheckIn } else { VisitAct::CheckOut };
        let fixed_at_ms = EPOCH_MS.saturating_add_unsigned(self.now_ms);
        let fix = Fix {
            lat_e7: 418_000_000,
            lon_e7: 1_234_000_000,
            accuracy_m: 12,
            datum: Some(Datum::Wgs84),
            fixed_at_ms,
            mock: false,
        };
        let call = VisitCall { method: Method::Card, fix: Some(fix), act, ..VisitCall::check_in("cg-17", "") };
        self.publish(home, payload::visit(&VisitCall { code: None, ..call }), None);
    }
}
