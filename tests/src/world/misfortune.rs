//! What no program can undo: a disk that is lost, damaged or restored from an older copy, and a device that floods.
//!
//! What stood on that disk alone is lost with it and promised to nobody any more; nothing else may be,
//! and nothing may be doubled by what an old copy believes.

use gateway::journal::Storage as _;
use gateway::journal::sim_storage::{CrashModel, SimStorage};
use protocol::topics::ZIGBEE2MQTT_BASE;
use sensor_sim::publication::Publication;

use super::faults::{Death, Trouble};
use super::network::PathState;
use super::{Due, HOUR_MS, World};

/// Things that go wrong one after the other, each harmless alone: a sync fails under a call, the gateway is killed
/// before it can write once more, and the start after that, of the same boot, dies too; half the time it finds a sector
/// that takes no writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Row {
    /// Nothing of the kind.
    None,
    /// The next write with a call in it meets so many failing syncs.
    Waiting { syncs: u32 },
    /// The next death is a kill.
    SyncFailed,
    /// The next start ends soon.
    Killed,
}

/// Messages of one flood.
const FLOOD_MESSAGES: u64 = 400;

impl World {
    /// A disk is copied and, an hour or more later, restored from that copy; or it is lost, or a bit of it turns.
    pub(super) fn misfortune(&mut self, home: usize) {
        let now_ms = self.now_ms;
        let old = self.homes[home].old_copy.take_if(|(_, taken_ms)| now_ms >= *taken_ms + HOUR_MS);
        if let Some((copy, _)) = old {
            self.betray(home, "its disk is restored from an old copy", |storage, _| *storage = copy);
            return;
        }
        match self.dice.between(0, 3) {
            0 => self.betray(home, "its disk is lost", |storage, _| *storage = SimStorage::new()),
            1 => self.betray(home, "a bit of its disk turns", turn_a_bit),
            _ => {
                let mut copy = self.homes[home].storage.image();
                // A copy of a disk holds what was synced.
                copy.crash(CrashModel::None, 0);
                copy.set_capacity(None);
                self.homes[home].old_copy.get_or_insert((copy, now_ms));
            }
        }
    }

    /// Somebody calls while the disk and, mostly, the lines fail in a row.
    pub(super) fn in_a_row(&mut self, home: usize) {
        let syncs = if self.dice.chance(50) { 1 } else { u32::MAX };
        self.transcript.story(self.now_ms, format_args!("home {home}: the next call meets {syncs} failing syncs"));
        self.homes[home].row = Row::Waiting { syncs };
        let lasts = self.dice.between(20_000, 120_000);
        if syncs == u32::MAX {
            self.agenda.put(self.now_ms + lasts, Due::Mend { home, trouble: Trouble::DiskErrors });
        }
        if self.dice.chance(70) {
            for path in 0..2 {
                self.begin_trouble(home, Trouble::Path(path, PathState::Refused));
                self.agenda.put(self.now_ms + lasts, Due::Mend { home, trouble: Trouble::Path(path, PathState::Up) });
            }
        }
        self.agenda.put(self.now_ms + self.dice.between(0, 2_000), Due::Need { home });
    }

    /// The newest segment takes no writes any more at its beginning, which the next start of this boot writes over.
    pub(super) fn spoil_newest_segment(&mut self, home: usize) {
        let storage = &mut self.homes[home].storage;
        let newest = storage.list().unwrap_or_default().into_iter().filter(|name| name.ends_with(".journal")).max();
        if let Some(name) = newest {
            self.transcript.story(self.now_ms, format_args!("home {home}: {name} cannot be written over"));
            storage.spoil(&name, 0);
        }
    }

    fn betray(&mut self, home: usize, what: &str, harm: impl FnOnce(&mut SimStorage, u64)) {
        self.transcript.story(self.now_ms, format_args!("home {home}: {what}"));
        if self.homes[home].process.is_some() {
            self.kill_gateway(home, Death::PowerCut(CrashModel::None));
        }
        let chance = self.dice.throw();
        harm(&mut self.homes[home].storage, chance);
        self.watch.betrayed(home);
    }

    /// A device says far too much, most of it nonsense, on the connection of the button.
    pub(super) fn flood(&mut self, home: usize) {
        self.transcript.story(self.now_ms, format_args!("home {home}: a device floods"));
        for _ in 0..FLOOD_MESSAGES {
            let publication = match self.dice.between(0, 5) {
                0 => Publication::bytes(format!("{ZIGBEE2MQTT_BASE}/motion hall"), &b"{\"occupancy\":"[..]),
                1 => Publication::bytes(format!("{ZIGBEE2MQTT_BASE}/a stranger"), &b"{\"action\":\"emergency\"}"[..]),
                2 => Publication::bytes(format!("{ZIGBEE2MQTT_BASE}/motion hall"), vec![0xFF; 70_000]),
                3 => Publication::bytes("x".repeat(2_000), &b"1"[..]),
                more => sensor_sim::payload::motion("motion hall", more == 4),
            };
            self.publish(home, publication, None);
        }
    }
}

fn turn_a_bit(storage: &mut SimStorage, chance: u64) {
    let mut names = storage.list().unwrap_or_default();
    names.sort_unstable();
    if names.is_empty() {
        return;
    }
    let name = names.swap_remove((chance % names.len() as u64) as usize);
    let mut bytes = storage.read(&name).unwrap_or_default();
    let bits = bytes.len() as u64 * 8;
    if bits > 0 {
        let at = (chance >> 8) % bits;
        bytes[(at / 8) as usize] ^= 1 << (at % 8);
        storage.put(&name, bytes);
    }
}
