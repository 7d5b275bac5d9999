//! One home: its machine with clocks and disk, the gateway's loop on it, and the driver that carries out
//! the loop's commands, dying between any two of them when the seed says so.

use std::collections::VecDeque;
use std::sync::Arc;

use gateway::engine::{Command, Completion, Engine, Now, Recovered, understands_checkpoint};
use gateway::home::contacts::Contacting;
use gateway::journal::sim_storage::{CrashModel, DiskOp, SimStorage};
use gateway::journal::{Journal, JournalLimits, verify};
use protocol::ids::{GatewayId, Incarnation};
use protocol::record::{ContactResult, Record};
use protocol::stage::Stage;
use sensor_sim::bridge::RadioBridge;

use super::faults::Death;
use super::idle::IdlePoll;
use super::misfortune::Row;
use super::network::PathState;
use super::people::Elder;
use super::watch::{Invariant, Lit};
use super::wires::Wires;
use super::{Due, EPOCH_MS, World};

mod disk;
mod stopping;
mod words;

use self::disk::DiskTask;
use self::stopping::Stopping;
use self::words::{brief, brief_command};

/// Steps of one loop in one millisecond that say that it never comes to rest.
const STEPS_PER_MS_MAX: u32 = 2_000;

/// A running gateway.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) engine: Engine,
    journal: Journal<SimStorage>,
    disk: VecDeque<DiskTask>,
}

/// One home.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) id: GatewayId,
    pub(super) process: Option<Process>,
    /// Which run of the gateway this is or, where it is dead, comes next.
    pub(super) run: u32,
    boot: u64,
    boot_ms: u64,
    pub(super) clock_offset_ms: i64,
    pub(super) storage: SimStorage,
    pub(super) disk_slow: bool,
    /// It did not take what it was given last.
    disk_refused: bool,
    /// The last task that a slow disk was given ends then.
    disk_slow_until_ms: u64,
    pub(super) paths: [PathState; 2],
    pub(super) flapping: [bool; 2],
    pub(super) flaky: bool,
    /// When something last went wrong with its lines or programs, or was mended.
    pub(super) troubled_ms: u64,
    /// Since when the loop has an alarm open.
    pub(super) alarm_since_ms: Option<u64>,
    /// A copy of the disk, to be restored by mistake.
    pub(super) old_copy: Option<(SimStorage, u64)>,
    /// Steps until the gateway dies.
    pub(super) dies_in: Option<u32>,
    /// What goes wrong in a row, and how far it has come.
    pub(super) row: Row,
    /// How far an orderly stop of this run has come.
    pub(super) stopping: Stopping,
    /// Mains power; without it the gateway does not start.
    pub(super) powered: bool,
    pub(super) inbox: VecDeque<Completion>,
    draining: bool,
    wake_ms: Option<u64>,
    steps_at: (u64, u32),
    pub(super) wires: Wires,
    pub(super) bridge: RadioBridge,
    pub(super) elder: Elder,
    pub(super) lamp: Option<Stage>,
    pub(super) lamp_told_ms: u64,
    pub(super) day_base_ms: u64,
    pub(super) next_sign: usize,
    pub(super) records: u64,
    pub(super) polled_ver: u64,
    /// Bytes may stand behind the last confirmed write.
    unconfirmed: bool,
    /// The machine boots with the next start.
    booting: bool,
    /// A poll of this run was answered without news: the next one need not be watched.
    pub(super) settled: bool,
    pub(super) idle_poll: Option<IdlePoll>,
}

impl Home {
    pub(super) fn new(index: usize, bridge: RadioBridge) -> Option<Self> {
        Some(Self {
            id: format!("home-{index}").parse().ok()?,
            process: None,
            run: 0,
            boot: 1,
            boot_ms: 0,
            clock_offset_ms: 0,
            storage: SimStorage::new(),
            disk_slow: false,
            disk_refused: false,
            disk_slow_until_ms: 0,
            paths: [PathState::Up; 2],
            flapping: [false; 2],
            flaky: false,
            troubled_ms: 0,
            alarm_since_ms: None,
            old_copy: None,
            dies_in: None,
            row: Row::None,
            stopping: Stopping::default(),
            powered: true,
            inbox: VecDeque::new(),
            draining: false,
            wake_ms: None,
            steps_at: (0, 0),
            wires: Wires::default(),
            bridge,
            elder: Elder::default(),
            lamp: None,
            lamp_told_ms: 0,
            day_base_ms: 0,
            next_sign: 0,
            records: 0,
            polled_ver: 0,
            unconfirmed: false,
            booting: false,
            settled: false,
            idle_poll: None,
        })
    }

    pub(super) fn clocks(&self, now_ms: u64) -> Now {
        let wall_ms = EPOCH_MS.saturating_add_unsigned(now_ms).saturating_add(self.clock_offset_ms);
        Now { boot: self.boot, uptime_ms: now_ms - self.boot_ms, wall_ms }
    }

    pub(super) fn mend_disk(&mut self) {
        DiskOp::ALL.into_iter().for_each(|op| self.storage.fail(op, 0));
    }
}

fn limits() -> JournalLimits {
    JournalLimits {
        segment_bytes: 48 * 1024,
        retained_bytes: 96 * 1024,
        reserve_bytes: 16 * 1024,
        ..JournalLimits::default()
    }
}

impl World {
    pub(super) fn start_gateway(&mut self, home: usize) {
        let instant = self.instant();
        let at = &mut self.homes[home];
        if at.process.is_some() || !at.powered {
            return;
        }
        self.transcript.story(self.now_ms, format_args!("{}gateway starts", prefix(self.config.homes, home)));
        if std::mem::take(&mut at.booting) {
            at.boot_ms = self.now_ms;
        }
        let opened = Journal::open_with(at.storage.clone(), limits(), Some(at.boot), understands_checkpoint);
        let (journal, recovery) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.watch.violated(Invariant::StartupSucceeds, self.now_ms, home, format!("{error:?}"));
                return;
            }
        };
        let torn = self.watch.is_torn(home);
        for damage in recovery.damage.iter().filter(|damage| damage.may_lose_records() && !torn) {
            self.watch.violated(Invariant::JournalVerifies, self.now_ms, home, damage.to_string());
        }
        if !instant && !torn && recovery.unmended.is_none() {
            match verify(&at.storage) {
                Ok(report) if report.is_whole() => {}
                Ok(report) => self.watch.violated(Invariant::JournalVerifies, self.now_ms, home, report.to_string()),
                Err(error) => self.watch.violated(Invariant::JournalVerifies, self.now_ms, home, format!("{error:?}")),
            }
        }
        let recovered = Recovered::from(recovery);
        self.watch.recovered(home, &recovered, self.now_ms);
        let incarnation = Incarnation(self.dice.throw());
        let now = at.clocks(self.now_ms);
        let (engine, mut commands) =
            Engine::start(self.town.engine.clone(), recovered, incarnation, &now, self.dice.throw());
        at.troubled_ms = self.now_ms;
        at.process = Some(Process { engine, journal, disk: VecDeque::new() });
        if at.row == Row::Killed {
            at.dies_in = Some(self.dice.between(0, 80) as u32);
        }
        at.wake_ms = None;
        at.draining = true;
        self.execute(home, &mut commands);
        self.homes[home].draining = false;
        self.drain(home);
        let gap = if instant { 0 } else { self.dice.between(50, 5_000) };
        self.agenda.put(self.now_ms + gap, Due::Reconnect { home });
    }

    /// The gateway ends here and now; what it had in memory is gone.
    pub(super) fn kill_gateway(&mut self, home: usize, death: Death) {
        let down_ms = match self.dice.between(0, 9) {
            0..=6 => self.dice.between(500, 90_000),
            7 | 8 => self.dice.between(90_000, 20 * 60_000),
            _ => self.dice.between(20 * 60_000, 5 * super::HOUR_MS),
        };
        if self.stop_gateway(home, death) {
            self.agenda.put(self.now_ms + down_ms, Due::GatewayStart { home });
        }
    }

    /// The same without a start to come. Returns whether it was running.
    pub(super) fn stop_gateway(&mut self, home: usize, death: Death) -> bool {
        let at = &mut self.homes[home];
        at.dies_in = None;
        let Some(process) = at.process.take() else { return false };
        at.records += process.engine.counters().records;
        drop(process);
        self.transcript.story(self.now_ms, format_args!("{}gateway {death}", prefix(self.config.homes, home)));
        at.storage.halt_after(None);
        let keeps = match death {
            Death::PowerCut(keep) => Some(keep),
            // The whole machine was asked to, and writes out everything it has.
            Death::Stopped if self.dice.chance(30) => Some(CrashModel::All),
            Death::Killed | Death::Stopped => None,
        };
        let at = &mut self.homes[home];
        if let Some(keep) = keeps {
            if keep != CrashModel::None && at.unconfirmed {
                self.watch.torn(home);
            }
            at.unconfirmed = false;
            at.storage.crash(keep, self.dice.throw());
            at.boot = self.dice.throw();
            at.booting = true;
            if self.dice.chance(30) {
                // No clock battery: it begins where the calendar does.
                at.clock_offset_ms = -EPOCH_MS;
                let fixed = self.now_ms + self.dice.between(10_000, 900_000);
                self.agenda.put(fixed, Due::Mend { home, trouble: super::faults::Trouble::Clock });
            }
        }
        let at = &mut self.homes[home];
        at.run += 1;
        at.stopping = Stopping::default();
        at.settled = false;
        at.idle_poll = None;
        at.alarm_since_ms = None;
        at.troubled_ms = self.now_ms;
        at.inbox.clear();
        at.wires.cut();
        at.lamp = None;
        self.tally.gateway_crashes += u64::from(death != Death::Stopped);
        true
    }

    /// Gives the loop everything that waits for it.
    pub(super) fn drain(&mut self, home: usize) {
        if std::mem::replace(&mut self.homes[home].draining, true) {
            return;
        }
        while let Some(completion) = self.homes[home].inbox.pop_front() {
            self.step(home, completion);
        }
        self.homes[home].draining = false;
        self.plan_wake(home);
    }

    fn step(&mut self, home: usize, completion: Completion) {
        if self.dies_here(home) {
            let death = self.draw_death(home);
            self.kill_gateway(home, death);
            return;
        }
        self.answer_idle_polls(home);
        let now_ms = self.now_ms;
        let at = &mut self.homes[home];
        let now = at.clocks(now_ms);
        let Some(process) = &mut at.process else { return };
        if at.steps_at.0 == now_ms {
            at.steps_at.1 += 1;
            if at.steps_at.1 > STEPS_PER_MS_MAX {
                self.watch.violated(Invariant::LoopComesToRest, now_ms, home, format!("{completion:?}"));
                return;
            }
        } else {
            at.steps_at = (now_ms, 0);
        }
        self.tally.steps += 1;
        let idle_poll = matches!(&completion, Completion::Polled(Ok(answer)) if answer.next == at.polled_ver);
        if let Completion::Polled(Ok(answer)) = &completion {
            at.polled_ver = answer.next;
        }
        self.watch.told_gateway(home, now_ms, &completion);
        if self.transcript.keeps(super::Detail::Steps) && !idle_poll {
            self.transcript.step(now_ms, format_args!("home {home}: <- {}", brief(&completion)));
        }
        at.settled |= idle_poll;
        let mut commands = std::mem::take(&mut self.commands);
        process.engine.step_into(&now, completion, &mut commands);
        let open = process.engine.home().alarm_open();
        at.alarm_since_ms = open.then(|| at.alarm_since_ms.unwrap_or(now_ms));
        self.execute(home, &mut commands);
        commands.clear();
        self.commands = commands;
    }

    pub(super) fn execute(&mut self, home: usize, commands: &mut Vec<Command>) {
        // What a step tells may be of a record that the same step hands out one command later.
        for command in commands.iter() {
            if let Command::Write { records, .. } | Command::Reserve { records } | Command::Send { records, .. } =
                command
            {
                self.note_records(home, records);
            }
        }
        for command in commands.drain(..) {
            if self.dies_here(home) {
                let death = self.draw_death(home);
                self.kill_gateway(home, death);
                return;
            }
            if self.transcript.keeps(super::Detail::Steps) && !matches!(command, Command::Poll { .. }) {
                self.transcript.step(self.now_ms, format_args!("home {home}: -> {}", brief_command(&command)));
            }
            match command {
                Command::Write { records, roll, low_water } => {
                    self.ask_disk(home, DiskTask::Write { records, roll, low_water });
                }
                Command::Reserve { records } => {
                    self.ask_disk(home, DiskTask::Reserve { records });
                }
                Command::Retire { through_segment } => self.ask_disk(home, DiskTask::Retire { through_segment }),
                Command::Load { from_seq, limit } => self.ask_disk(home, DiskTask::Load { from_seq, limit }),
                Command::Answer { token, verdict } => self.answered(home, token, verdict),
                Command::Send { request, path, sent, records } => {
                    self.watch.sends(home, &records);
                    self.send(home, request, path, sent, records);
                }
                Command::Poll { path, after, wait_secs } => self.poll(home, path, after, wait_secs),
                Command::Tell { stage, again } => self.tell(home, stage, again),
                Command::Contact(told) => self.contact(home, told),
                Command::Stop => {
                    self.stop_ends(home, true);
                    return;
                }
            }
        }
        let now_ms = self.now_ms;
        let at = &self.homes[home];
        if let Some(process) = &at.process {
            let lamp = at.lamp.map(|stage| Lit { stage, since_ms: at.lamp_told_ms, disk_fails: at.disk_fails(now_ms) });
            self.watch.stepped(home, now_ms, lamp, process.engine.pending());
        }
    }

    fn note_records(&mut self, home: usize, records: &[Arc<Record>]) {
        for record in records {
            let press = record.delivery.as_ref().and_then(|delivery| self.homes[home].wires.press_of(delivery.packet));
            self.watch.sealed(home, self.now_ms, record, press);
        }
    }

    fn tell(&mut self, home: usize, stage: Stage, again: bool) {
        let now_ms = self.now_ms;
        let (zh, en) = (stage.zh(), stage.en());
        let once_more = if again { " once more" } else { "" };
        self.transcript.story(now_ms, format_args!("{}elder told{once_more}: {zh} / {en}", self.prefix(home)));
        let at = &mut self.homes[home];
        at.lamp = Some(stage);
        at.lamp_told_ms = now_ms;
        let at = &self.homes[home];
        let lit = Lit { stage, since_ms: now_ms, disk_fails: at.disk_fails(now_ms) };
        self.watch.told(home, now_ms, lit, &at.storage);
        self.set_sirens(home, stage);
        let run = self.homes[home].run;
        if self.instant() {
            self.homes[home].inbox.push_back(Completion::Told { stage, shown: true });
            self.drain(home);
        } else {
            self.agenda.put(now_ms + 3, Due::Told { home, run, stage });
        }
    }

    /// A message goes to a contact; the network takes it, or does not.
    fn contact(&mut self, home: usize, told: Contacting) {
        let chance = if self.instant() { 0 } else { 30 };
        let result = match self.dice.chance(chance) {
            true if self.dice.chance(50) => ContactResult::Refused,
            true => ContactResult::Unreachable,
            false => ContactResult::Taken,
        };
        let Contacting { class, contact, attempt } = told;
        let line =
            format_args!("{}contact {contact} told of {class:?}, attempt {attempt}: {result:?}", self.prefix(home));
        self.transcript.story(self.now_ms, line);
        self.watch.contacted(home, self.now_ms, &told);
        let run = self.homes[home].run;
        let gap = if self.instant() { 3_000 } else { self.dice.between(500, 20_000) };
        let completion = Box::new(Completion::Contacted { told, result });
        self.agenda.put(self.now_ms + gap, Due::Return { home, run, completion });
    }

    fn plan_wake(&mut self, home: usize) {
        let now_ms = self.now_ms;
        let at = &mut self.homes[home];
        let Some(process) = &at.process else { return };
        let Some(due) = process.engine.next_deadline_ms() else { return };
        let at_ms = (at.boot_ms + due).max(now_ms + 1);
        if at.wake_ms.is_none_or(|planned| planned > at_ms || planned <= now_ms) {
            at.wake_ms = Some(at_ms);
            self.agenda.put(at_ms, Due::Wake { home, run: at.run });
        }
    }

    pub(super) fn wake(&mut self, home: usize) {
        let now_ms = self.now_ms;
        let at = &mut self.homes[home];
        if at.wake_ms != Some(now_ms) {
            return;
        }
        at.wake_ms = None;
        self.answer_idle_polls(home);
        let at = &mut self.homes[home];
        let due = at.process.as_ref().and_then(|process| process.engine.next_deadline_ms());
        if due.is_some_and(|due| at.boot_ms + due <= now_ms) {
            at.inbox.push_back(Completion::Woken);
        }
        self.drain(home);
    }

    /// What stands before a line about a home; nothing where there is only one.
    pub(super) fn prefix(&self, home: usize) -> String {
        if self.transcript.keeps(super::Detail::Story) { prefix(self.homes.len(), home) } else { String::new() }
    }
}

fn prefix(homes: usize, home: usize) -> String {
    if homes == 1 { String::new() } else { format!("home {home}: ") }
}
