//! What sensors notice of a day's stays: movement with a sensor's hold time, doors, the bed.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Doing, Habits, LifeSign, Room, Sign, Stay};
use crate::dice::Dice;

/// How long a motion sensor stays active after the last movement.
const HOLD: Duration = Duration::from_secs(60);

/// What is carried from one day into the next.
#[derive(Debug, Clone, Default)]
pub(super) struct Senses {
    last: Option<(Room, Doing)>,
    /// Until when each room's sensor is active.
    active_until: BTreeMap<Room, Duration>,
}

/// One movement or deed, before sensors hold and merge.
struct Raw {
    moves: Vec<(Duration, Room)>,
    signs: Vec<LifeSign>,
}

impl Senses {
    pub(super) fn notice(&mut self, plan: &[Stay], habits: &Habits, start: Duration, dice: &mut Dice) -> Vec<LifeSign> {
        let mut raw = Raw { moves: Vec::new(), signs: Vec::new() };
        for stay in plan {
            let from = start + stay.from;
            // The very first stay is found as it is: nobody walks into it.
            let before = self.last.unwrap_or((stay.room, stay.doing));
            if before != (stay.room, stay.doing) {
                raw.change(before, stay, from, dice);
            } else if self.last.is_none() && stay.doing == Doing::Sleeps {
                raw.signs.push(LifeSign { at: from, sign: Sign::LiesDown });
            }
            raw.live(stay, start, dice);
            self.last = Some((stay.room, stay.doing));
        }
        if let Some(collapse) = habits.collapses_at {
            raw.moves.retain(|(at, _)| *at <= collapse);
            raw.signs.retain(|sign| sign.at <= collapse);
        }
        if habits.pet {
            raw.pet(start, dice);
        }
        let mut signs = raw.signs;
        self.hold(&mut raw.moves, &mut signs);
        signs
    }

    /// Turns movements into a sensor's two edges: active at the first, still a hold time after the last.
    fn hold(&mut self, moves: &mut [(Duration, Room)], signs: &mut Vec<LifeSign>) {
        moves.sort();
        let mut until: BTreeMap<Room, Duration> = std::mem::take(&mut self.active_until);
        for (at, room) in moves.iter().copied() {
            match until.get(&room) {
                Some(still) if *still >= at => {}
                before => {
                    if let Some(still) = before {
                        signs.push(LifeSign { at: *still, sign: Sign::Still(room) });
                    }
                    signs.push(LifeSign { at, sign: Sign::Moves(room) });
                }
            }
            until.insert(room, at + HOLD);
        }
        // A hold that runs on over midnight merges with nothing: the night is quiet.
        signs.extend(until.into_iter().map(|(room, at)| LifeSign { at, sign: Sign::Still(room) }));
    }
}

impl Raw {
    fn moves(&mut self, at: Duration, room: Room) {
        self.moves.push((at, room));
    }

    fn sign(&mut self, at: Duration, sign: Sign) {
        self.signs.push(LifeSign { at, sign });
    }

    /// The way from one stay to the next.
    fn change(&mut self, (room, doing): (Room, Doing), next: &Stay, at: Duration, dice: &mut Dice) {
        let secs = Duration::from_secs;
        if doing == Doing::Sleeps {
            self.sign(at, Sign::GetsUp);
            self.moves(at + secs(2), Room::Bedroom);
        }
        if doing == Doing::HasVisitor {
            self.door(at, secs(dice.between(5, 15)));
        }
        if doing == Doing::Out {
            self.door(at, secs(dice.between(5, 12)));
            self.moves(at + secs(3), Room::Hall);
        }
        if next.doing == Doing::Out {
            self.moves(at, Room::Hall);
            self.door(at + secs(dice.between(20, 60)), secs(dice.between(5, 10)));
        } else if room != next.room && doing != Doing::Out {
            self.moves(at + secs(dice.between(2, 6)), Room::Hall);
        }
        if next.doing == Doing::HasVisitor {
            self.moves(at + secs(4), Room::Hall);
            self.door(at + secs(8), secs(dice.between(8, 25)));
        }
        if next.doing == Doing::Sleeps {
            self.sign(at + secs(dice.between(20, 90)), Sign::LiesDown);
        }
    }

    fn door(&mut self, at: Duration, open: Duration) {
        self.sign(at, Sign::DoorOpens);
        self.moves(at + Duration::from_secs(1), Room::Hall);
        self.sign(at + open, Sign::DoorCloses);
    }

    /// Movement during a stay.
    fn live(&mut self, stay: &Stay, start: Duration, dice: &mut Dice) {
        let (low, high) = match stay.doing {
            Doing::Out => return,
            Doing::Sleeps => (2700, 12_600),
            Doing::Busy => (15, 150),
            Doing::Sits => (240, 1500),
            Doing::HasVisitor => (60, 420),
        };
        let to = start + stay.to;
        let mut at = start + stay.from;
        at += if stay.doing == Doing::Sleeps { dice.secs(low, high) } else { dice.secs(6, 14) };
        while at < to {
            self.moves(at, stay.room);
            if stay.doing == Doing::HasVisitor && dice.chance(25) {
                self.moves(at + dice.secs(5, 40), Room::Kitchen);
            }
            at += dice.secs(low, high);
        }
    }

    fn pet(&mut self, start: Duration, dice: &mut Dice) {
        let end = start + Duration::from_secs(86_400);
        let mut at = start + dice.secs(600, 7200);
        while at < end {
            let room = if dice.chance(60) { Room::Living } else { Room::Kitchen };
            self.moves(at, room);
            at += dice.secs(1200, 9000);
        }
    }
}
