//! What each device of a recording is for: as configured by name, else inferred and said so.

use std::collections::BTreeMap;

use protocol::observation::Kind;

use super::events::{HomeLog, LogDevice};
use crate::decode::Role;
use crate::home::contacts::ContactRules;
use crate::home::local_time::LocalTime;
use crate::home::{HomeRules, Place};

/// Words in a door's name that say that it leads out.
const EXIT_WORDS: [&str; 20] = [
    "front",
    "main",
    "outside",
    "entry",
    "entrance",
    "foyer",
    "exit",
    "back door",
    "backdoor",
    "garage",
    "apartment",
    "voordeur",
    "achterdeur",
    "haustür",
    "大门",
    "入户",
    "正门",
    "前门",
    "外门",
    "后门",
];

/// Words in a contact's name that say that nobody leaves by it.
const INSIDE_WORDS: [&str; 24] = [
    "toilet",
    "bath",
    "shower",
    "bed",
    "wc",
    "fridge",
    "refrigerator",
    "freezer",
    "cupboard",
    "cabinet",
    "drawer",
    "closet",
    "wardrobe",
    "window",
    "slaapkamer",
    "badkamer",
    "卫生间",
    "厕所",
    "浴室",
    "卧室",
    "冰箱",
    "柜",
    "抽屉",
    "窗",
];

/// A quiet of this length by day is looked at to find the door it begins and ends with, milliseconds.
const ABSENCE_MS_MIN: i64 = 90 * 60_000;
/// So near to a quiet's beginning or end counts as its first or last word, milliseconds.
const BESIDE_MS: i64 = 3 * 60_000;
/// A contact must both begin and end so many of them, and half as many as the best.
const ABSENCES_MIN: usize = 2;

/// The configured rules with a role for every device of the log, and a line on each.
pub(super) fn assign(log: &HomeLog, configured: &HomeRules, learning_days: i64) -> (HomeRules, Vec<String>) {
    // Nobody is told of what only a recording says.
    let mut rules = HomeRules { contacts: ContactRules::default(), ..configured.clone() };
    let mut lines = Vec::new();
    let by_name = |index: usize| {
        let device = log.devices.get(index)?;
        let name = device.name.to_lowercase();
        let door = matches!(device.called.as_str(), "door" | "contact") && may_lead_out(device).is_some();
        door.then(|| EXIT_WORDS.iter().find(|word| name.contains(**word))).flatten()
    };
    let configured_exit = log
        .devices
        .iter()
        .any(|device| configured.devices.get(&device.name).is_some_and(|place| place.role == Some(Role::ExitDoor)));
    let named_exit = (0..log.devices.len()).any(|index| by_name(index).is_some());
    let known_exit = configured_exit || named_exit;
    let found = if known_exit { Vec::new() } else { by_absences(log, learning_days, rules.utc_offset_minutes) };
    for (index, device) in log.devices.iter().enumerate() {
        let known = configured.devices.get(&device.name).and_then(|place| place.role);
        let absences = found.iter().find(|(exit, _)| *exit == index);
        let (role, why) = match (known, by_name(index), absences) {
            (Some(role), ..) => (role, "as configured".to_owned()),
            (None, Some(word), _) if !configured_exit => (Role::ExitDoor, format!("its name says `{word}`")),
            (None, _, Some((_, absences))) => {
                (Role::ExitDoor, format!("{absences} long quiets by day both begin and end with it"))
            }
            (None, ..) => (inside(device.kind), format!("from `{}`", device.called)),
        };
        let word = Role::WORDS.iter().find(|(_, known)| *known == role).map_or("?", |(word, _)| *word);
        lines.push(format!("{} is taken for {word}: {why}", device.name));
        let room = configured.devices.get(&device.name).and_then(|place| place.room.clone());
        rules.devices.insert(device.name.clone(), Place { role: Some(role), room, power: None });
    }
    if !rules.devices.values().any(|place| place.role == Some(Role::ExitDoor)) {
        lines.push("no exit door: no absence is ever presumed".to_owned());
    }
    (rules, lines)
}

fn inside(kind: Kind) -> Role {
    match kind {
        Kind::Motion => Role::Motion,
        Kind::Bed => Role::Bed,
        Kind::Presence => Role::Presence,
        Kind::Contact
        | Kind::Sos
        | Kind::Assistance
        | Kind::Fall
        | Kind::FallWarning
        | Kind::Water
        | Kind::Smoke
        | Kind::Gas
        | Kind::Co
        | Kind::Vibration
        | Kind::Tamper
        | Kind::Battery
        | Kind::Link
        | Kind::Mains
        | Kind::Availability
        | Kind::Visit => Role::Door,
    }
}

/// How likely people leave by a contact, going by what it is called; none for one that they surely do not.
fn may_lead_out(device: &LogDevice) -> Option<u8> {
    let name = device.name.to_lowercase();
    if device.kind != Kind::Contact || INSIDE_WORDS.iter().any(|word| name.contains(word)) {
        return None;
    }
    match device.called.as_str() {
        "door" | "contact" => Some(1),
        // A stereo is no door; what bears a bare number may be.
        _ => (!name.chars().any(char::is_alphabetic)).then_some(0),
    }
}

/// Finds, in the learning days alone, the contacts that long quiets by day both begin and end with: doors, or where no
/// door does contacts of which nobody says what they are.
fn by_absences(log: &HomeLog, learning_days: i64, utc_offset_minutes: i32) -> Vec<(usize, usize)> {
    let until_ms = log.counts_from_ms(learning_days, utc_offset_minutes);
    let events: Vec<_> = log.events.iter().take_while(|event| event.wall_ms < until_ms).collect();
    let hour = |wall_ms| LocalTime::of_wall(wall_ms, utc_offset_minutes).minute / 60;
    let mut began: BTreeMap<usize, usize> = BTreeMap::new();
    let mut ended: BTreeMap<usize, usize> = BTreeMap::new();
    for (i, pair) in events.windows(2).enumerate() {
        let &[last, first] = pair else { continue };
        if first.wall_ms - last.wall_ms < ABSENCE_MS_MIN {
            continue;
        }
        let before = events.iter().take(i + 1).rev().take_while(|event| last.wall_ms - event.wall_ms <= BESIDE_MS);
        let after = events.iter().skip(i + 1).take_while(|event| event.wall_ms - first.wall_ms <= BESIDE_MS);
        if (6..20).contains(&hour(last.wall_ms)) {
            count(&mut began, before.map(|event| event.device));
        }
        if !(4..12).contains(&hour(first.wall_ms)) {
            count(&mut ended, after.map(|event| event.device));
        }
    }
    let both: Vec<_> = began
        .into_iter()
        .filter_map(|(index, count)| Some((log.devices.get(index).and_then(may_lead_out)?, index, count)))
        .map(|(likely, index, count)| (likely, index, count.min(ended.get(&index).copied().unwrap_or(0))))
        .filter(|(_, _, count)| *count >= ABSENCES_MIN)
        .collect();
    let Some((best, _, most)) = both.iter().copied().max_by_key(|(likely, _, count)| (*likely, *count)) else {
        return Vec::new();
    };
    let chosen = both.into_iter().filter(|(likely, _, count)| *likely == best && count * 2 >= most);
    chosen.map(|(_, index, count)| (index, count)).collect()
}

fn count(counts: &mut BTreeMap<usize, usize>, devices: impl Iterator<Item = usize>) {
    let distinct: std::collections::BTreeSet<usize> = devices.collect();
    for device in distinct {
        *counts.entry(device).or_default() += 1;
    }
}
