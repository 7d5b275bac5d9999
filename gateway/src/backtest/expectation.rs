//! What a home expects of its own recorded days: with it a wrong alarm becomes that home's test case.

use super::HomeResult;
use super::settings::Family;

/// Bounds on the configured setting; what is none is not looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Expectation {
    /// Calls in 30 days at most.
    pub calls_a_month: Option<f64>,
    /// Median delay at most, hours.
    pub median_hours: Option<f64>,
}

impl Expectation {
    /// A line for each bound that a home misses. Days that prove nothing miss every bound.
    pub fn missed_by(&self, result: &HomeResult) -> Vec<String> {
        let mut lines = Vec::new();
        let configured = result.rows.iter().find(|(setting, _)| setting.family == Family::Configured);
        let Some((_, measured)) = configured else { return lines };
        let home = &result.home;
        if let Some(most) = self.calls_a_month {
            let calls = measured.calls_a_month(result.counted_days);
            if result.counted_days == 0 {
                lines.push(format!("{home}: expected calls were not counted: no day is left after the learning days"));
            } else if calls > most {
                lines.push(format!(
                    "{home}: {calls:.1} calls a month ({} in {} days) are over the expected {most}",
                    measured.calls.len(),
                    result.counted_days
                ));
            }
        }
        if let Some(most) = self.median_hours {
            match measured.delay_hours(0.5) {
                None => lines.push(format!("{home}: the expected delay was not measured: no stop was made")),
                Some(hours) if hours > most => {
                    lines.push(format!("{home}: a median delay of {hours:.1} h is over the expected {most} h"));
                }
                Some(_) => {}
            }
        }
        lines
    }
}
