//! The settings that are compared: what was configured, the frontier of the main ones, and the plain
//! limits that everybody knows. Every row but those can be written into a home's configuration.

use crate::decode::Role;
use crate::home::HomeRules;

const HOUR_MS: u64 = 3_600_000;

/// What the learned limits are tried with, false alarms a year.
const BUDGETS: [u32; 9] = [1, 3, 6, 12, 24, 48, 96, 192, 384];
/// Budgets of the eager rows.
const EAGER_BUDGETS: [u32; 5] = [6, 12, 48, 192, 384];
/// Rows that wait longer at home, out or both.
const CALMER: [Calmer; 6] = [
    Calmer { family: Family::Calm, hours: (4, 12), vary_minutes: 60, out_hours_min: 12, budgets: &[1, 6, 12, 24] },
    Calmer { family: Family::Patient, hours: (4, 12), vary_minutes: 240, out_hours_min: 24, budgets: &[1, 12, 48] },
    Calmer { family: Family::Patient, hours: (11, 12), vary_minutes: 240, out_hours_min: 24, budgets: &[1] },
    Calmer {
        family: Family::Patient,
        hours: (4, 15),
        vary_minutes: 240,
        out_hours_min: 4,
        budgets: &[1, 2, 6, 12, 48],
    },
    Calmer { family: Family::Patient, hours: (4, 24), vary_minutes: 240, out_hours_min: 100, budgets: &[1, 12, 48] },
    Calmer { family: Family::Patient, hours: (12, 24), vary_minutes: 240, out_hours_min: 120, budgets: &[1] },
];

struct Calmer {
    family: Family,
    /// Least and longest learned limit at home.
    hours: (u64, u64),
    vary_minutes: u32,
    /// Least learned limit of an absence.
    out_hours_min: u64,
    budgets: &'static [u32],
}

/// Which line of the plot a setting belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// As configured.
    Configured,
    /// Learned, by budget.
    Learned,
    /// Learned, and quicker by day than the default allows.
    Eager,
    /// Learned with hours that vary by one, and a long day out allowed.
    Calm,
    /// Learned with hours that vary by four, most with limits that somebody has to agree to.
    Patient,
    /// The rules' own limits without learning.
    Unlearned,
    /// A plain limit on quiet, with no notion of an absence or of chatter.
    Plain,
}

/// One setting.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Its row's name.
    pub name: String,
    /// Its line.
    pub family: Family,
    /// Whether a configuration could say it.
    pub configurable: bool,
    /// The rules.
    pub rules: HomeRules,
}

/// Every setting for a home whose configured rules these are.
pub fn frontier(rules: &HomeRules) -> Vec<Setting> {
    let setting = |name: String, family, configurable, change: &dyn Fn(&mut HomeRules)| {
        let mut rules = rules.clone();
        change(&mut rules);
        Setting { name, family, configurable, rules }
    };
    let mut settings = vec![setting("as configured".into(), Family::Configured, true, &|_| {})];
    for budget in BUDGETS {
        settings.push(setting(format!("learned, budget {budget}/year"), Family::Learned, true, &|rules| {
            learn(rules, budget, (4, 12));
        }));
    }
    for budget in EAGER_BUDGETS {
        let name = format!("eager from 2 h, budget {budget}/year");
        settings.push(setting(name, Family::Eager, true, &|rules| learn(rules, budget, (2, 12))));
    }
    for Calmer { family, hours, vary_minutes, out_hours_min, budgets } in CALMER {
        let word = if family == Family::Calm { "calm" } else { "patient" };
        for budget in budgets {
            let (least, most) = hours;
            let name = format!("{word} {least} to {most} h, out from {out_hours_min} h, budget {budget}/year");
            settings.push(setting(name, family, true, &|rules| {
                learn(rules, *budget, hours);
                rules.daily_life.inactivity.hours_vary_minutes = vary_minutes;
                let away = &mut rules.daily_life.away;
                away.learned_ms_min = out_hours_min * HOUR_MS;
                away.learned_ms_max = away.learned_ms_max.max(away.learned_ms_min);
            }));
        }
    }
    settings.push(setting("8 h, out 4 h or 21:00".into(), Family::Unlearned, true, &|rules| {
        rules.daily_life.inactivity.learned = false;
        rules.daily_life.away.learned = false;
    }));
    for hours in [8, 12] {
        settings.push(setting(format!("fixed {hours} h alone"), Family::Plain, false, &|rules| {
            plain(rules, hours * HOUR_MS)
        }));
    }
    settings
}

/// Learned limits of a budget, at home within these hours.
fn learn(rules: &mut HomeRules, budget: u32, (least, most): (u64, u64)) {
    let inactivity = &mut rules.daily_life.inactivity;
    (inactivity.learned, inactivity.false_alarms_a_year) = (true, budget);
    (inactivity.learned_ms_min, inactivity.learned_ms_max) = (least * HOUR_MS, most * HOUR_MS);
    rules.daily_life.away.learned = true;
}

fn plain(rules: &mut HomeRules, limit_ms: u64) {
    let inactivity = &mut rules.daily_life.inactivity;
    (inactivity.learned, inactivity.limit_ms, inactivity.pre_alarm_ms) = (false, limit_ms, 0);
    (inactivity.one_sensor_ms, inactivity.window) = (u64::MAX, None);
    rules.daily_life.dwell.bed_ms = u64::MAX;
    rules.daily_life.holidays.clear();
    for place in rules.devices.values_mut().filter(|place| place.role == Some(Role::ExitDoor)) {
        place.role = Some(Role::Door);
    }
}
