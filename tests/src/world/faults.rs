//! What goes wrong, when and for how long, from the seed.

use std::fmt;

use gateway::journal::sim_storage::{CrashModel, DiskOp};

use super::misfortune::Row;
use super::network::PathState;
use super::{Due, HOUR_MS, World};

/// How much goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Faults {
    /// Nothing.
    None,
    /// About one thing a day.
    Few,
    /// A few things a day.
    Some,
    /// Something every few minutes.
    Many,
}

/// How a gateway dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// `kill -9`: the machine lives on.
    Killed,
    /// The power goes.
    PowerCut(CrashModel),
    /// It was asked to stop, and did.
    Stopped,
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Killed => f.write_str("killed"),
            Self::Stopped => f.write_str("stops"),
            Self::PowerCut(CrashModel::None) => f.write_str("loses power"),
            Self::PowerCut(CrashModel::All) => f.write_str("loses power; its disk keeps all"),
            Self::PowerCut(CrashModel::Some) => f.write_str("loses power; its disk keeps some"),
        }
    }
}

/// Something that lasts until it is mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The home's clock is wrong.
    Clock,
    /// The disk takes nothing more.
    DiskFull,
    /// The disk refuses.
    DiskErrors,
    /// The disk can be read and nothing else.
    DiskReadOnly,
    /// The disk is slow.
    DiskSlow,
    /// A path to the centre is in this state.
    Path(usize, PathState),
    /// A path to the centre comes and goes.
    Flapping(usize),
    /// Requests and answers get lost, doubled and late.
    Flaky,
    /// The home's MQTT connection breaks off and acknowledgements with it.
    Radio,
}

impl World {
    pub(super) fn mean_gap_ms(&self) -> u64 {
        match self.config.faults {
            Faults::None => u64::MAX / 4,
            Faults::Few => 24 * HOUR_MS / self.config.homes.max(1) as u64,
            Faults::Some => 3 * HOUR_MS / self.config.homes.max(1) as u64,
            Faults::Many => HOUR_MS / 4 / self.config.homes.max(1) as u64,
        }
    }

    pub(super) fn trouble(&mut self) {
        if self.healed {
            return;
        }
        let gap = self.mean_gap_ms();
        let next = self.now_ms + self.dice.between(gap / 8, gap * 2);
        self.agenda.put(next, Due::Trouble);
        self.tally.troubles += 1;
        let home = self.dice.between(0, self.homes.len() as u64 - 1) as usize;
        // Trouble matters most while somebody calls.
        if self.dice.chance(60) {
            let at = self.now_ms + self.dice.between(0, 40_000);
            self.agenda.put(at, Due::Need { home });
        }
        match self.dice.between(0, 21) {
            0..=4 => {
                let steps = self.dice.between(0, 40) as u32;
                self.homes[home].dies_in = Some(steps);
            }
            5 => self.kill_gateway(home, Death::Killed),
            6 => self.crash_centre(),
            7 => self.centre.fail_commit_in(self.dice.between(0, 30)),
            8 => {
                let state = PathState::drawn(&mut self.dice);
                let path = self.dice.between(0, 1) as usize;
                self.start_trouble(home, Trouble::Path(path, state));
            }
            9 => {
                let state = PathState::drawn(&mut self.dice);
                self.start_trouble(home, Trouble::Path(0, state));
                self.start_trouble(home, Trouble::Path(1, state));
            }
            10 => self.start_trouble(home, Trouble::Clock),
            11 => self.start_trouble(home, Trouble::DiskFull),
            12 => self.start_trouble(home, Trouble::DiskErrors),
            13 => self.start_trouble(home, Trouble::DiskSlow),
            14 => self.start_trouble(home, Trouble::Radio),
            15 => {
                let path = self.dice.between(0, 1) as usize;
                self.start_trouble(home, Trouble::Flapping(path));
            }
            16 => self.start_trouble(home, Trouble::DiskReadOnly),
            17 => self.flood(home),
            18 => self.misfortune(home),
            19 => self.in_a_row(home),
            20 => self.terminate_gateway(home),
            _ if self.dice.chance(40) => self.restart_bridge(home),
            _ => self.start_trouble(home, Trouble::Flaky),
        }
    }

    fn start_trouble(&mut self, home: usize, trouble: Trouble) {
        let lasts = match self.dice.between(0, 9) {
            0..=4 => self.dice.between(1_000, 60_000),
            5..=7 => self.dice.between(60_000, 15 * 60_000),
            _ => self.dice.between(HOUR_MS / 2, 6 * HOUR_MS),
        };
        self.transcript.story(self.now_ms, format_args!("home {home}: {trouble:?} for {} s", lasts / 1_000));
        self.begin_trouble(home, trouble);
        self.agenda.put(self.now_ms + lasts, Due::Mend { home, trouble });
    }

    /// Makes a trouble begin; its end is up to the caller.
    pub(super) fn begin_trouble(&mut self, home: usize, trouble: Trouble) {
        let at = &mut self.homes[home];
        at.troubled_ms = self.now_ms;
        match trouble {
            Trouble::Clock => {
                let years = 20 * 365 * 24 * 3_600_000_i64;
                at.clock_offset_ms = match self.dice.between(0, 3) {
                    0 => -super::EPOCH_MS,
                    1 => years,
                    2 => -years,
                    _ => self.dice.between(0, 7_200_000) as i64 - 3_600_000,
                };
            }
            Trouble::DiskFull => {
                let spare = self.dice.between(0, 2_000);
                let used = at.storage.used();
                at.storage.set_capacity(Some(used + spare));
            }
            Trouble::DiskErrors => {
                let ops =
                    [DiskOp::Append, DiskOp::Sync, DiskOp::SyncDir, DiskOp::Create, DiskOp::Truncate, DiskOp::Remove];
                let op = ops[self.dice.between(0, 5) as usize];
                let times = if self.dice.chance(30) { u32::MAX } else { self.dice.between(1, 5) as u32 };
                at.storage.fail(op, times);
            }
            Trouble::DiskReadOnly => DiskOp::ALL.into_iter().for_each(|op| at.storage.fail(op, u32::MAX)),
            Trouble::DiskSlow => at.disk_slow = true,
            Trouble::Path(path, state) => at.paths[path] = state,
            Trouble::Flapping(path) => {
                at.flapping[path] = true;
                self.flap(home, path);
            }
            Trouble::Flaky => at.flaky = true,
            Trouble::Radio => at.wires.flaky = true,
        }
    }

    /// A flapping path turns.
    pub(super) fn flap(&mut self, home: usize, path: usize) {
        if !self.homes[home].flapping[path] {
            return;
        }
        let up = self.homes[home].paths[path] == PathState::Up;
        self.homes[home].paths[path] = if up { PathState::drawn(&mut self.dice) } else { PathState::Up };
        self.homes[home].troubled_ms = self.now_ms;
        let lasts = self.dice.between(300, 20_000);
        self.agenda.put(self.now_ms + lasts, Due::Flap { home, path });
    }

    pub(super) fn mend(&mut self, home: usize, trouble: Trouble) {
        let at = &mut self.homes[home];
        at.troubled_ms = self.now_ms;
        match trouble {
            Trouble::Clock => at.clock_offset_ms = 0,
            Trouble::DiskFull => at.storage.set_capacity(None),
            Trouble::DiskErrors | Trouble::DiskReadOnly => at.mend_disk(),
            Trouble::DiskSlow => at.disk_slow = false,
            Trouble::Path(path, _) => at.paths[path] = PathState::Up,
            Trouble::Flapping(path) => (at.flapping[path], at.paths[path]) = (false, PathState::Up),
            Trouble::Flaky => at.flaky = false,
            Trouble::Radio => at.wires.flaky = false,
        }
    }

    pub(super) fn heal(&mut self) {
        self.healed = true;
        self.transcript.story(self.now_ms, format_args!("everything is mended"));
        for home in 0..self.homes.len() {
            for trouble in [
                Trouble::Clock,
                Trouble::DiskFull,
                Trouble::DiskErrors,
                Trouble::DiskSlow,
                Trouble::Path(0, PathState::Up),
                Trouble::Path(1, PathState::Up),
                Trouble::Flapping(0),
                Trouble::Flapping(1),
                Trouble::Flaky,
                Trouble::Radio,
            ] {
                self.mend(home, trouble);
            }
            (self.homes[home].dies_in, self.homes[home].row) = (None, Row::None);
            self.start_gateway(home);
        }
        self.centre.fail_never();
        self.start_centre();
    }

    /// Counts one more step of a home's gateway; true when it dies at this very place.
    pub(super) fn dies_here(&mut self, home: usize) -> bool {
        match &mut self.homes[home].dies_in {
            None => false,
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
        }
    }

    pub(super) fn draw_death(&mut self, home: usize) -> Death {
        let row = &mut self.homes[home].row;
        match *row {
            Row::SyncFailed => {
                *row = Row::Killed;
                if self.dice.chance(50) {
                    self.spoil_newest_segment(home);
                }
                return Death::Killed;
            }
            Row::Killed => *row = Row::None,
            Row::None | Row::Waiting { .. } => {}
        }
        match self.dice.between(0, 5) {
            0 | 1 => Death::Killed,
            2 => Death::PowerCut(CrashModel::None),
            3 => Death::PowerCut(CrashModel::All),
            _ => Death::PowerCut(CrashModel::Some),
        }
    }
}
