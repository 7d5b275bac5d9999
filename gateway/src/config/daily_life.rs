//! `[inactivity]`, `[away]`, `[caregiver]`, `[dwell]` and `[[holiday]]`: the rules of an elder's day.

use jiff::civil::{Date, date};
use protocol::settings::{Reading, Table};

use crate::home::away::AwayRules;
use crate::home::caregiver::CaregiverRules;
use crate::home::daily_life::{DailyLifeRules, Holiday};
use crate::home::dwell::DwellRules;
use crate::home::inactivity::InactivityRules;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// Shortest reason for patience, characters.
const REASON_CHARS_MIN: usize = 10;

/// Longest holiday, days: a mistyped year would switch the rules of the day off for good.
const HOLIDAY_DAYS_MAX: i64 = 366;

pub(super) fn read<'t>(reading: &mut Reading, root: &mut Table<'t>, rules: &mut DailyLifeRules) {
    let (inactivity, patience_agreed) = inactivity(reading, root);
    rules.inactivity = inactivity;
    rules.away = away(reading, root, patience_agreed);
    rules.caregiver = caregiver(reading, root);
    rules.dwell = dwell(reading, root);
    rules.holidays = holidays(reading, root);
}

/// Patience beyond these is agreed on with somebody, who is named: hours of the shortest and the longest learned limit
/// at home, and of an absence.
const SAFE_HOURS: (u64, u64) = (8, 12);
const SAFE_HOURS_OUT: (u64, u64) = (12, 96);

/// The rules, and whether somebody agreed to more patience than is safe by itself.
fn inactivity<'t>(reading: &mut Reading, root: &mut Table<'t>) -> (InactivityRules, bool) {
    let mut table = root.table(reading, "inactivity");
    let because = table.text(reading, "patient_because");
    if because.as_deref().is_some_and(|because| !is_reason(because)) {
        let problem = format!("is no reason: say in {REASON_CHARS_MIN} characters or more who agreed to it and why");
        reading.note(table.line_of("patient_because"), &table.key("patient_because"), problem);
    }
    // What is wrong with a reason is said once, not again at every limit that needs one.
    let patience_agreed = because.is_some();
    let mut number = |key, range, default| table.number(reading, key, range, default);
    let limit_ms = number("continuous_hours", 2..=12, 8) * HOUR_MS;
    let (least, most) = (number("learned_hours_min", 2..=12, 4), number("learned_hours_max", 8..=24, 12));
    let (learned_ms_min, learned_ms_max) = (least * HOUR_MS, most * HOUR_MS);
    let false_alarms_a_year = number("false_alarms_a_year", 1..=384, 12) as u32;
    let hours_vary_minutes = number("hours_vary_minutes", 15..=240, 30) as u32;
    let tail_permille = number("tail_percent", 5..=60, 15) as u32 * 10;
    let pre_alarm_ms = number("prealarm_secs", 60..=900, 300) * 1_000;
    let no_contact_ms = number("no_contact_secs", 300..=3_600, 900) * 1_000;
    let one_sensor_ms = number("one_sensor_hours", 1..=4, 4) * HOUR_MS;
    let (learned, pets) = (table.flag(reading, "learned", true), table.flag(reading, "pets", false));
    let asked = table.flag(reading, "window", false);
    let from = table.parsed(reading, "window_from", minute).unwrap_or(4 * 60);
    let until = table.parsed(reading, "window_until", minute).unwrap_or(10 * 60);
    if !(6 * 60..=14 * 60).contains(&until) || from >= until {
        let problem = "the window ends between 06:00 and 14:00, and begins before";
        reading.note(table.line_of("window_until"), &table.key("window_until"), problem);
    }
    patience(reading, &table, (least, most), SAFE_HOURS, patience_agreed);
    if learned && limit_ms > learned_ms_max {
        let problem = format!(
            "{} is more than `learned_hours_max`, {most}: a home would wait longer before it has learned than ever after",
            limit_ms / HOUR_MS
        );
        reading.note(table.line_of("continuous_hours"), &table.key("continuous_hours"), problem);
    }
    table.finish(reading);
    let rules = InactivityRules {
        learned,
        limit_ms,
        learned_ms_min,
        learned_ms_max,
        false_alarms_a_year,
        hours_vary_minutes,
        tail_permille,
        window: asked.then_some((from, until)),
        pre_alarm_ms,
        no_contact_ms,
        one_sensor_ms,
        pets,
    };
    (rules, patience_agreed)
}

/// Whether somebody wrote more than a mark to get past the question.
fn is_reason(text: &str) -> bool {
    let mut letters = text.chars().filter(|letter| !letter.is_whitespace());
    let first = letters.next();
    text.trim().chars().count() >= REASON_CHARS_MIN && letters.any(|letter| Some(letter) != first)
}

/// Notes learned limits that contradict each other, or that nobody agreed to.
fn patience<'t>(
    reading: &mut Reading,
    table: &Table<'t>,
    hours: (u64, u64),
    safe_hours: (u64, u64),
    patience_agreed: bool,
) {
    let mut note = |key, problem: &str| reading.note(table.line_of(key), &table.key(key), problem);
    if hours.0 > hours.1 {
        note("learned_hours_min", "is more than `learned_hours_max`");
    }
    let bounds = [("learned_hours_min", hours.0, safe_hours.0), ("learned_hours_max", hours.1, safe_hours.1)];
    for (key, hours, safe) in bounds.into_iter().filter(|(_, hours, safe)| hours > safe && !patience_agreed) {
        let problem =
            format!("{hours} is over {safe}: who lies helpless waits; say why in `inactivity.patient_because`");
        note(key, &problem);
    }
}

fn away<'t>(reading: &mut Reading, root: &mut Table<'t>, patience_agreed: bool) -> AwayRules {
    let mut table = root.table(reading, "away");
    let quiet_ms = table.number(reading, "quiet_minutes", 10..=60, 20) * MINUTE_MS;
    let hours = table.number(reading, "hours", 1..=12, 4);
    let (least, most) = (
        table.number(reading, "learned_hours_min", 1..=120, hours),
        table.number(reading, "learned_hours_max", 12..=168, 72),
    );
    let (limit_ms, learned_ms_min, learned_ms_max) = (hours * HOUR_MS, least * HOUR_MS, most * HOUR_MS);
    patience(reading, &table, (least, most), SAFE_HOURS_OUT, patience_agreed);
    let learned = table.flag(reading, "learned", true);
    let latest_minute = table.parsed(reading, "until", minute).unwrap_or(21 * 60);
    if latest_minute < 16 * 60 {
        let problem = "is before 16:00; by then most elders are still out, and every day would bring a call";
        reading.note(table.line_of("until"), &table.key("until"), problem);
    }
    table.finish(reading);
    AwayRules { quiet_ms, limit_ms, latest_minute, learned, learned_ms_min, learned_ms_max, ..AwayRules::default() }
}

fn caregiver<'t>(reading: &mut Reading, root: &mut Table<'t>) -> CaregiverRules {
    let mut table = root.table(reading, "caregiver");
    let mut minutes = |key, range, default| table.number(reading, key, range, default) * MINUTE_MS;
    let visit_ms_max = minutes("visit_minutes_max", 30..=240, 240);
    // Nought is no plan: the centre keeps the plans, and a home need not know of them.
    let plan_ms = Some(minutes("plan_minutes", 0..=240, 0)).filter(|ms| *ms > 0);
    let after_plan_ms = minutes("after_plan_minutes", 0..=30, 15);
    let after_exit_ms = minutes("after_exit_minutes", 0..=30, 10);
    table.finish(reading);
    CaregiverRules { visit_ms_max, plan_ms, after_plan_ms, after_exit_ms, ..CaregiverRules::default() }
}

fn dwell<'t>(reading: &mut Reading, root: &mut Table<'t>) -> DwellRules {
    let mut table = root.table(reading, "dwell");
    let mut minutes = |key, range, default| table.number(reading, key, range, default) * MINUTE_MS;
    let bathroom_prompt_ms = minutes("bathroom_prompt_minutes", 15..=40, 30);
    let bathroom_ms = minutes("bathroom_minutes", 20..=60, 45);
    let bathroom_ms_max = minutes("bathroom_learned_minutes_max", 45..=60, 60);
    let bed_ms = table.number(reading, "bed_hours", 8..=14, 12) * HOUR_MS;
    if bathroom_prompt_ms >= bathroom_ms {
        let problem = "the elder is asked before it becomes an alarm: `bathroom_prompt_minutes` must be the smaller";
        reading.note(table.line_of("bathroom_prompt_minutes"), &table.key("bathroom_prompt_minutes"), problem);
    }
    if bathroom_ms > bathroom_ms_max {
        let problem = format!(
            "{} is more than `bathroom_learned_minutes_max`, {}: what is learned is never shorter than this",
            bathroom_ms / MINUTE_MS,
            bathroom_ms_max / MINUTE_MS
        );
        reading.note(table.line_of("bathroom_minutes"), &table.key("bathroom_minutes"), problem);
    }
    table.finish(reading);
    DwellRules { bathroom_prompt_ms, bathroom_ms, bathroom_ms_max, bed_ms, ..DwellRules::default() }
}

fn holidays<'t>(reading: &mut Reading, root: &mut Table<'t>) -> Vec<Holiday> {
    let mut holidays = Vec::new();
    for mut table in root.tables(reading, "holiday") {
        let first = table.parsed(reading, "first_day", day);
        let last = table.parsed(reading, "last_day", day);
        match (first, last) {
            (Some(first_day), Some(last_day)) if first_day <= last_day => {
                let days = last_day - first_day + 1;
                if days > HOLIDAY_DAYS_MAX {
                    let problem = format!(
                        "is {days} days long; at most {HOLIDAY_DAYS_MAX}, for nobody is looked after meanwhile: check the years"
                    );
                    reading.note(table.line_of("last_day"), &table.key("last_day"), problem);
                }
                holidays.push(Holiday { first_day, last_day });
            }
            (Some(_), Some(_)) => reading.note(table.line(), &table.key("last_day"), "is before `first_day`"),
            _ => reading.note(table.line(), &table.key("first_day"), "first_day and last_day are both needed"),
        }
        table.finish(reading);
    }
    holidays
}

/// Minute of the day of `10:00`.
fn minute(text: &str) -> Result<u16, String> {
    let wrong = || format!("`{text}` is no time of day such as 10:00");
    let (hours, minutes) = text.split_once(':').ok_or_else(wrong)?;
    let hours: u16 = hours.parse().map_err(|_| wrong())?;
    let minutes: u16 = minutes.parse().map_err(|_| wrong())?;
    if hours < 24 && minutes < 60 { Ok(hours * 60 + minutes) } else { Err(wrong()) }
}

/// Days since 1970-01-01 of `2026-12-24`.
fn day(text: &str) -> Result<i64, String> {
    let day: Date = text.parse().map_err(|_| format!("`{text}` is no date such as 2026-12-24"))?;
    Ok(day.duration_since(date(1970, 1, 1)).as_secs() / 86_400)
}
