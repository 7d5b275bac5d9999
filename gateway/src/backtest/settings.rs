//! The settings that are compared: what was configured, the frontier of the main one, and the plain
//! limits that everybody knows.

use crate::decode::Role;
use crate::home::HomeRules;

const HOUR_MS: u64 = 3_600_000;

/// What the learned limits are tried with, false alarms a year.
const BUDGETS: [u32; 9] = [1, 3, 6, 12, 24, 48, 96, 192, 384];
/// Beyond this a configuration is refused; such rows are for comparison.
const BUDGET_MAX: u32 = 48;

/// Which line of the plot a setting belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// As configured.
    Configured,
    /// Learned, by budget.
    Learned,
    /// Learned, and quicker by day than the default allows.
    Eager,
    /// Learned with hours that vary by four, and allowed beyond the twelve that a configuration may reach.
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
        settings.push(setting(
            format!("learned, budget {budget}/year"),
            Family::Learned,
            budget <= BUDGET_MAX,
            &|rules| {
                learn(rules, budget);
            },
        ));
    }
    for budget in [12, 48, 192] {
        let name = format!("eager from 2 h, budget {budget}/year");
        settings.push(setting(name, Family::Eager, budget <= BUDGET_MAX, &|rules| {
            learn(rules, budget);
            rules.daily_life.inactivity.learned_ms_min = 2 * HOUR_MS;
        }));
    }
    for budget in [1, 6, 12, 48] {
        let name = format!("patient to 15 h, budget {budget}/year");
        settings.push(setting(name, Family::Patient, false, &|rules| {
            learn(rules, budget);
            rules.daily_life.inactivity.learned_ms_max = 15 * HOUR_MS;
            rules.daily_life.inactivity.hours_vary_minutes = 240;
        }));
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

fn learn(rules: &mut HomeRules, budget: u32) {
    let inactivity = &mut rules.daily_life.inactivity;
    (inactivity.learned, inactivity.false_alarms_a_year) = (true, budget);
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
