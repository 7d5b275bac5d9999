//! Scenarios: the language's steps played in one home of the world, with a transcript to compare.

use std::path::Path;
use std::sync::Arc;

use cloud_bridge::centre::{Answer, CommandRequest, Request};
use cloud_bridge::dispatch::{Act as DeskDeed, Operator};
use cloud_bridge::store::{FeedItem, OrderFilter, Reads};
use gateway::engine::Completion;
use gateway::home::visit::Visits;
use gateway::journal::sim_storage::CrashModel;
use protocol::feed::OrderState;
use sensor_sim::device::Happening;
use sensor_sim::performer::{HomePosition, Performed, Performer};
use sensor_sim::scenario::{Act, Deed, DeviceKind, Power, Scenario, Step, WorldAct};

use super::faults::{Death, Faults};
use super::network::PathState;
use super::transcript::{Detail, Transcript};
use super::watch::{PressKind, Violation};
use super::{Due, EPOCH_MS, Town, World, WorldConfig};

mod outputs;
mod rules;

/// The programs run for so long before the first step, milliseconds.
const BEFORE_MS: u64 = 60_000;

/// And for so long after the last one.
const AFTER_MS: u64 = 60_000;

/// A scenario being played.
#[derive(Debug)]
pub(super) struct Running {
    scenario: Scenario,
    pub(super) performer: Performer,
    sirens: Vec<outputs::Siren>,
    rejected: u64,
}

/// Plays a scenario and gives its transcript.
///
/// # Errors
/// The problems of its text, or the invariant that it broke with the transcript so far.
pub fn play(text: &str) -> Result<String, String> {
    let scenario = Scenario::parse(text)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let starts_at_ms = u64::try_from(scenario.starts_at.as_millis()).unwrap_or(0);
    let mut town = Town::of(&scenario.home, false);
    let rules = &mut town.engine.rules;
    // The home's own clock shows the scenario's times.
    let starts_at_minutes = i32::try_from(starts_at_ms.saturating_sub(BEFORE_MS) / 60_000).unwrap_or(0);
    rules.utc_offset_minutes = if starts_at_minutes > 840 { starts_at_minutes - 1_440 } else { starts_at_minutes };
    let at_centre = scenario.rules.as_deref().map(|text| rules::read(text, rules)).transpose()?;
    let town = Arc::new(town);
    let config = WorldConfig { seed: 1, homes: 1, days: 0, faults: Faults::None, detail: Detail::Story };
    let mut world = World::new(config, Arc::clone(&town));
    // A day ahead, so that the time before the first step is never negative.
    world.transcript = Transcript::new(Detail::Story, super::DAY_MS + starts_at_ms - BEFORE_MS).from(BEFORE_MS);
    let performer = Performer::new(town.bridge.clone(), HomePosition::default());
    world.centre.watch_beats(at_centre.is_some_and(|known| known.high_risk));
    let of_step = |step: &Step| step.at.as_millis() as u64;
    let (first, last) = (scenario.steps.first().map(of_step), scenario.steps.last().map_or(0, of_step));
    let sirens = outputs::sirens(&scenario.home);
    world.script = Some(Running { scenario, performer, sirens, rejected: 0 });
    world.start_centre();
    world.start_gateway(0);
    if let Some(first) = first {
        world.agenda.put(BEFORE_MS + first, Due::Script { step: 0 });
    }
    world.agenda.put(BEFORE_MS + last + AFTER_MS, Due::Heal);
    match world.run_script() {
        Ok(()) => Ok(world.transcript.text()),
        Err(violation) => Err(format!("{}\n{violation}", world.transcript.text())),
    }
}

/// Plays a scenario's file and compares with its `expect` section, or rewrites that where
/// `UPDATE_EXPECT` is set.
///
/// # Errors
/// What differs.
pub fn check(path: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let name = path.display();
    let scenario = Scenario::parse(&text).map_err(|problems| format!("{name}: {}", problems[0]))?;
    let found = play(&text).map_err(|why| format!("{name}:\n{why}"))?;
    let expected = scenario.expect.unwrap_or_default();
    if found == expected {
        return Ok(());
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let kept = match text.split_once("\nexpect\n") {
            Some((before, _)) => before.to_owned(),
            None => text.trim_end().to_owned(),
        };
        let text = format!("{kept}\nexpect\n{found}");
        return std::fs::write(path, text).map_err(|error| format!("{name}: {error}"));
    }
    Err(format!("{name}: expected\n{expected}\nfound\n{found}\nrun again with UPDATE_EXPECT=1 to take it over"))
}

/// A line for an item of the feed, as a desk hears it.
pub(super) fn narrate(transcript: &mut Transcript, now_ms: u64, item: &FeedItem) {
    let data = &item.item.data;
    let text = |key: &str| data[key].as_str().unwrap_or("").to_owned();
    let what = item.item.kind.as_str();
    if let Some(change) = what.strip_prefix("workorder.") {
        let number = transcript.number_of(&item.item.subject);
        let (class, kind, reason, state) = (text("class"), text("kind"), text("reason"), text("state"));
        let presses = data["presses"].as_u64().unwrap_or(0);
        let needs = if presses == 1 { "need" } else { "needs" };
        let ring = if data["ring"] == true { ", RINGS" } else { "" };
        let late = if data["late"] == true { ", late" } else { "" };
        let owner = data["owner"].as_str().map(|owner| format!(", {owner} has it")).unwrap_or_default();
        let code = data["close_code"].as_str().map(|code| format!(", {code}")).unwrap_or_default();
        let priority = data["priority"].as_u64().unwrap_or(9);
        let opened =
            if change == "opened" { format!(" ({class}, {kind}: {reason}, P{priority})") } else { String::new() };
        let line =
            format!("desk: order {number} {change}{opened}, {state}, {presses} {needs}{owner}{code}{late}{ring}");
        transcript.story(now_ms, format_args!("{line}"));
    } else if what.starts_with("care_visit.") {
        let (who, grade) = (text("caregiver"), text("grade"));
        let odd = data["exceptions"].as_array().filter(|odd| !odd.is_empty()).map(|odd| {
            let odd: Vec<_> = odd.iter().filter_map(|one| one.as_str()).collect();
            format!(", odd: {}", odd.join(", "))
        });
        transcript.story(now_ms, format_args!("desk: {what} {who}, {grade}{}", odd.unwrap_or_default()));
    } else if what == "test" || what == "test.step" {
        let what = if what == "test" { format!("pressed ({})", text("kind")) } else { text("step") };
        transcript.story(now_ms, format_args!("desk: TEST {what}"));
    } else {
        transcript.story(now_ms, format_args!("desk: {what} ({}: {})", text("kind"), text("reason")));
    }
}

impl World {
    fn run_script(&mut self) -> Result<(), Violation> {
        while let Some((at_ms, due)) = self.agenda.take() {
            self.now_ms = at_ms.max(self.now_ms);
            if matches!(due, Due::Heal) {
                break;
            }
            self.handle(due);
            self.note_rejections();
            if let Some(violation) = self.watch.violation() {
                return Err(violation);
            }
        }
        Ok(())
    }

    /// Says what the gateway has just refused, by name.
    fn note_rejections(&mut self) {
        let Some(running) = &mut self.script else { return };
        let Some(process) = &self.homes[0].process else { return };
        let rejections = &process.engine.counters().rejections;
        let total: u64 = rejections.values().sum();
        if total > running.rejected {
            let names: Vec<_> = rejections.keys().copied().collect();
            self.transcript
                .story(self.now_ms, format_args!("gateway: message rejected ({} so far: {})", total, names.join(", ")));
        }
        running.rejected = total;
    }

    pub(super) fn play(&mut self, step: usize) {
        let Some(running) = &self.script else { return };
        let Some(now) = running.scenario.steps.get(step).cloned() else { return };
        if let Some(next) = running.scenario.steps.get(step + 1) {
            let at = BEFORE_MS + next.at.as_millis() as u64;
            self.agenda.put(at, Due::Script { step: step + 1 });
        }
        if now.act != Act::Wait {
            self.transcript.story(self.now_ms, format_args!("{}", now.act));
        }
        self.act(&now.act);
    }

    fn act(&mut self, act: &Act) {
        let wall_ms = EPOCH_MS.saturating_add_unsigned(self.now_ms);
        let code = Visits::code_now(&self.town.engine.rules.visit, wall_ms);
        let Some(running) = &mut self.script else { return };
        if let Some((code, _)) = code {
            running.performer.learn_code(code);
        }
        if let Act::DeliverAgain { device } = act {
            let topic = format!("{}/{device}", running.performer.bridge().base());
            self.redeliver(0, &topic);
            return;
        }
        let pressed = if let Act::Device { device, what: Happening::Pressed(_) } = act { Some(device) } else { None };
        let button = running.scenario.home.iter().find(|entry| Some(&entry.name) == pressed);
        let counts = button.filter(|entry| matches!(entry.kind, DeviceKind::Sos | DeviceKind::TwoGestureSos));
        let kind = counts.map(|_| PressKind::Sure);
        match running.performer.perform(act, wall_ms) {
            Performed::Publish(publications) => {
                let press = kind.map(|kind| self.watch.pressed(0, self.now_ms, kind));
                for publication in publications {
                    self.publish(0, publication, press);
                }
            }
            Performed::World(act) => self.world_act(act),
        }
    }

    fn world_act(&mut self, act: WorldAct) {
        match act {
            WorldAct::Centre(power) => {
                self.centre.kept_down = true;
                if power != Power::Up {
                    self.stop_centre();
                }
                if matches!(power, Power::Up | Power::Restart) {
                    self.centre.kept_down = false;
                    self.start_centre();
                }
            }
            WorldAct::Gateway(power) => {
                if power != Power::Up {
                    self.stop_gateway(0, Death::Killed);
                }
                if matches!(power, Power::Up | Power::Restart) {
                    self.start_gateway(0);
                }
            }
            WorldAct::MainsPower(on) => {
                self.homes[0].powered = on;
                if on {
                    self.start_gateway(0);
                } else {
                    self.stop_gateway(0, Death::PowerCut(CrashModel::None));
                    self.homes[0].clock_offset_ms = 0;
                }
            }
            WorldAct::Link(up) => {
                self.homes[0].paths = [if up { PathState::Up } else { PathState::BlackHole }; 2];
            }
            WorldAct::DiskFull(full) => {
                let used = self.homes[0].storage.used();
                self.homes[0].storage.set_capacity(full.then_some(used));
            }
            WorldAct::ClockJumps { secs } => self.homes[0].clock_offset_ms += secs * 1_000,
            WorldAct::ClockTrusted(trusted) => {
                self.homes[0].clock_offset_ms = if trusted { 0 } else { -EPOCH_MS };
            }
            WorldAct::Test(device) => {
                self.homes[0].inbox.push_back(Completion::TestAsked { device });
                self.drain(0);
            }
            WorldAct::Operator { who, order, deed } => self.operator(who, order, deed),
        }
    }

    fn operator(&mut self, who: String, class: Option<protocol::trigger::OrderClass>, deed: Deed) {
        let filter = OrderFilter { limit: usize::MAX, ..OrderFilter::default() };
        let orders = self.centre.store().and_then(|store| store.orders(&filter).ok()).unwrap_or_default();
        let open = orders.into_iter().filter(|order| order.state != OrderState::Closed);
        let order = open
            .filter(|order| class.is_none_or(|class| order.class == class))
            .max_by_key(|order| (order.opened_at_ms, order.id.clone()));
        let Some(order) = order else {
            self.transcript.story(self.now_ms, format_args!("desk: there is no such open order"));
            return;
        };
        let act = match deed {
            Deed::Claims => DeskDeed::Claim,
            Deed::Releases => DeskDeed::Release,
            Deed::Withdraws => DeskDeed::Withdraw,
            Deed::Confirms => DeskDeed::OnScene,
            Deed::Dispatches(responder) => DeskDeed::Dispatch { responder },
            Deed::Notes(text) => DeskDeed::Note { text },
            Deed::Closes { code, outcome } => DeskDeed::Close { code: Some(code), outcome, note: None },
        };
        let by = Operator { name: who, supervisor: false };
        let command = CommandRequest { order: order.id, by, ver: None, act, idempotency: None };
        match self.ask_centre(Request::Command(command)) {
            Some(Answer::Refused { refused }) => {
                self.transcript.story(self.now_ms, format_args!("desk: refused, {refused}"))
            }
            Some(Answer::Done { .. }) => {}
            Some(other) => self.transcript.story(self.now_ms, format_args!("desk: {other:?}")),
            None => self.transcript.story(self.now_ms, format_args!("desk: the centre does not answer")),
        }
    }
}
