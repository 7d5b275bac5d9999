//! `[hazards]`, `[check_in]`, `[supervision]` and `[test]`: the rules that watch over home and devices.

use protocol::settings::{Reading, Table};

use crate::home::HomeRules;
use crate::home::hazard::HazardRules;
use crate::home::local_time::DAY_MINUTES;
use crate::home::proof::ProofRules;
use crate::home::supervision::SupervisionRules;
use crate::home::supervision::condition::ConditionRules;
use crate::home::supervision::radio::RadioRules;
use crate::home::supervision::silence::SilenceRules;
use crate::home::supervision::stuck::StuckRules;
use crate::home::timed_check_in::{CHECK_INS_MAX, CheckInRules};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Least time between two check-ins of a day, minutes.
const CHECK_INS_APART_MINUTES: u16 = 60;

/// Reads the tables into the home's rules.
pub(super) fn read<'t>(reading: &mut Reading, root: &mut Table<'t>, rules: &mut HomeRules) {
    let mut table = root.table(reading, "hazards");
    rules.hazard = HazardRules { repeat_ms: table.number(reading, "repeat_secs", 30..=600, 120) * 1_000 };
    table.finish(reading);
    rules.check_in = check_in(reading, root);
    rules.supervision = supervision(reading, root, rules.daily_life.elders == 1);
    rules.proof = proof(reading, root);
}

fn check_in<'t>(reading: &mut Reading, root: &mut Table<'t>) -> CheckInRules {
    let mut table = root.table(reading, "check_in");
    let (line, key) = (table.line_of("times"), table.key("times"));
    let texts = table.texts(reading, "times").unwrap_or_default();
    let mut times = Vec::new();
    for text in &texts {
        match minute_of_day(text) {
            Some(minute) => times.push(minute),
            None => reading.note(line, &key, format!("`{text}` is no time of day; write it as \"09:00\"")),
        }
    }
    times.sort_unstable();
    if times.len() > CHECK_INS_MAX {
        reading.note(line, &key, format!("has {} times; a day has at most {CHECK_INS_MAX} check-ins", times.len()));
    }
    // The first one of the next day comes after the last one.
    let next_day = times.first().map(|first| first + DAY_MINUTES);
    let in_order: Vec<u16> = times.iter().copied().chain(next_day).collect();
    if in_order.windows(2).any(|pair| pair[1] - pair[0] < CHECK_INS_APART_MINUTES) {
        let problem =
            format!("two times lie less than {CHECK_INS_APART_MINUTES} minutes apart; midnight does not part them");
        reading.note(line, &key, problem);
    }
    let window_ms = table.number(reading, "window_minutes", 30..=360, 120) * MINUTE_MS;
    table.finish(reading);
    CheckInRules { times, window_ms }
}

/// Reads `09:00`.
fn minute_of_day(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str, max: u16| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|number| digits && *number <= max)
    };
    Some(number(hours, 23)? * 60 + number(minutes, 59)?)
}

/// `one_elder`: who is the only elder of the home lives alone unless it is said otherwise.
fn supervision<'t>(reading: &mut Reading, root: &mut Table<'t>, one_elder: bool) -> SupervisionRules {
    let mut table = root.table(reading, "supervision");
    let rules = SupervisionRules {
        silence: SilenceRules {
            mains_ms: table.number(reading, "mains_sensor_minutes", 10..=240, 30) * MINUTE_MS,
            sos_ms: table.number(reading, "sos_button_hours", 6..=72, 24) * HOUR_MS,
            battery_ms: table.number(reading, "battery_sensor_hours", 24..=168, 72) * HOUR_MS,
            lives_alone: table.flag(reading, "lives_alone", one_elder),
        },
        radio: RadioRules { away_ms: table.number(reading, "radio_minutes", 1..=60, 5) * MINUTE_MS },
        condition: ConditionRules {
            low_percent: table.number(reading, "low_battery_percent", 5..=30, 15) as u8,
            again_ms: table.number(reading, "low_battery_again_days", 1..=30, 7) * DAY_MS,
            weak_link: table.number(reading, "weak_link", 5..=100, 30) as i32,
        },
        stuck: StuckRules { after_ms: table.number(reading, "stuck_sensor_days", 3..=60, 14) * DAY_MS },
    };
    table.finish(reading);
    rules
}

fn proof<'t>(reading: &mut Reading, root: &mut Table<'t>) -> ProofRules {
    let mut table = root.table(reading, "test");
    let rules = ProofRules {
        press_ms: table.number(reading, "press_secs", 5..=60, 15) * 1_000,
        presses_max: table.number(reading, "presses", 1..=3, 3) as u32,
        mode_ms: table.number(reading, "mode_minutes", 1..=10, 10) * MINUTE_MS,
        due_ms: table.number(reading, "proof_days", 7..=31, 31) * DAY_MS,
        overdue_ms: table.number(reading, "proof_overdue_days", 1..=7, 2) * DAY_MS,
    };
    table.finish(reading);
    rules
}
