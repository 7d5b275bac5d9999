//! The backtest as text: what each device was taken for, the frontier, the calls of the configured setting.

use std::io::{self, Write};

use super::measure::Measured;
use super::settings::Family;
use super::{HomeResult, Plan};
use crate::home::local_time::LocalTime;

/// Calls listed for a home at most.
const CALLS_MAX: usize = 40;

pub(super) fn write(mut to: impl Write, results: &[HomeResult], plan: &Plan<'_>) -> io::Result<()> {
    for result in results {
        writeln!(to, "{}: {} days count after {} of learning", result.home, result.counted_days, plan.learning_days)?;
        for role in &result.roles {
            writeln!(to, "  {role}")?;
        }
        writeln!(to)?;
    }
    writeln!(to, "Calls a month (30 days) on the untouched recording, all of them false; in brackets those at times")?;
    writeln!(to, "that nobody labelled as spent out. Delay from a stop, every 2 h {}, to the call.", stops(plan))?;
    writeln!(to, "`raised` stops fell into a quiet already raised and are in no delay. * cannot be configured.")?;
    writeln!(
        to,
        "Budget is inactivity.false_alarms_a_year, hours are inactivity.learned_hours_min and _max, out from is"
    )?;
    writeln!(to, "away.learned_hours_min; hours_vary_minutes is 60 in calm rows and 240 in patient ones.")?;
    writeln!(to)?;
    for result in results {
        writeln!(to, "| {} | calls a month | median delay | p95 delay | stops | raised | missed |", result.home)?;
        writeln!(to, "|---|---|---|---|---|---|---|")?;
        for (setting, measured) in &result.rows {
            let star = if setting.configurable { "" } else { " *" };
            row(&mut to, &format!("{}{star}", setting.name), measured, result.counted_days)?;
        }
        writeln!(to)?;
        frontier(&mut to, result)?;
    }
    for result in results {
        calls(&mut to, result, plan)?;
    }
    Ok(())
}

/// The settings that no other one beats in both calls and median delay, the soonest first, and what they bring at the
/// median delays of the plain limits.
fn frontier(to: &mut impl Write, result: &HomeResult) -> io::Result<()> {
    let rows = result.rows.iter().filter(|(setting, _)| setting.configurable);
    let mut points: Vec<(f64, f64, &str)> = rows
        .filter_map(|(setting, measured)| {
            let median = measured.delay_hours(0.5).filter(|median| median.is_finite())?;
            Some((median, measured.calls_a_month(result.counted_days), setting.name.as_str()))
        })
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let mut best: Vec<(f64, f64, &str)> = Vec::new();
    for point in points {
        if best.last().is_none_or(|last| point.1 < last.1) {
            best.push(point);
        }
    }
    writeln!(to, "The frontier of {}, calls a month at the median delay:", result.home)?;
    for (median, calls, name) in &best {
        writeln!(to, "  {calls:.1} at {median:.1} h: {name}")?;
    }
    for (setting, measured) in result.rows.iter().filter(|(setting, _)| setting.family == Family::Plain) {
        let Some(median) = measured.delay_hours(0.5) else { continue };
        let calls = measured.calls_a_month(result.counted_days);
        let ours = best.iter().rev().find(|point| point.0 <= median);
        let ours = ours.map_or("none".to_owned(), |(median, calls, _)| format!("{calls:.1} at {median:.1} h"));
        writeln!(to, "  {} has {calls:.1} at {median:.1} h; by then the frontier has {ours}", setting.name)?;
    }
    writeln!(to)
}

fn stops(plan: &Plan<'_>) -> &'static str {
    if plan.labels.is_some() { "outside the labelled absences" } else { "outside what the rules presume spent out" }
}

fn row(to: &mut impl Write, name: &str, measured: &Measured, days: i64) -> io::Result<()> {
    writeln!(
        to,
        "| {name} | {:.1} ({:.1}) | {} | {} | {} | {} | {} |",
        measured.calls_a_month(days),
        measured.calls_a_month_at_home(days),
        hours(measured.delay_hours(0.5)),
        hours(measured.delay_hours(0.95)),
        measured.delays_ms.len() + measured.missed,
        measured.raised_before,
        measured.missed,
    )
}

fn hours(hours: Option<f64>) -> String {
    match hours {
        None => "–".to_owned(),
        Some(hours) if hours.is_finite() => format!("{hours:.1} h"),
        Some(_) => "never".to_owned(),
    }
}

fn calls(to: &mut impl Write, result: &HomeResult, plan: &Plan<'_>) -> io::Result<()> {
    let Some((_, measured)) = result.rows.iter().find(|(setting, _)| setting.family == Family::Configured) else {
        return Ok(());
    };
    writeln!(to, "{}, as configured: {} call(s)", result.home, measured.calls.len())?;
    for call in measured.calls.iter().take(CALLS_MAX) {
        let at = moment(call.wall_ms, plan.rules.utc_offset_minutes);
        let out = if call.labelled_out { ", labelled out" } else { "" };
        writeln!(to, "  {at} {}{out}", reason(call.reason))?;
    }
    if let Some(more) = measured.calls.len().checked_sub(CALLS_MAX).filter(|more| *more > 0) {
        writeln!(to, "  and {more} more")?;
    }
    writeln!(to)
}

fn reason(reason: protocol::trigger::Reason) -> String {
    serde_json::to_value(reason)
        .ok()
        .and_then(|value| value.as_str().map(|text| text.replace('_', " ")))
        .unwrap_or_default()
}

/// A local date and time, to the minute.
pub(super) fn moment(wall_ms: i64, utc_offset_minutes: i32) -> String {
    let local = LocalTime::of_wall(wall_ms, utc_offset_minutes);
    format!("{} {:02}:{:02}", date(local.day), local.minute / 60, local.minute % 60)
}

fn date(day: i64) -> String {
    let epoch = jiff::civil::Date::constant(1970, 1, 1);
    epoch.checked_add(jiff::Span::new().days(day)).map_or_else(|_| format!("day {day}"), |date| date.to_string())
}
