//! Counts what the cuts came to, and prints it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;

use super::check::{Outcome, Violation};
use super::cut::Model;

/// What some cuts came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Cuts made.
    pub cuts: usize,
    /// Of them followed to the real centre.
    pub with_centre: usize,
    /// Cuts that lost a promised press.
    pub lost: usize,
    /// Cuts that doubled one.
    pub doubled: usize,
    /// Cuts after which the gateway did not start.
    pub start_failed: usize,
    /// Cuts after which the disk could not be mounted at all.
    pub unmountable: usize,
    /// Cuts after which a press said again was not acknowledged.
    pub unanswered: usize,
    /// Cuts after which the centre's orders were wrong.
    pub at_centre: usize,
    /// Cuts after which a segment was gone before anything in it had arrived at the centre.
    pub retired_early: usize,
    /// Cuts after which ext4 needed e2fsck.
    pub repaired: usize,
    /// Cuts after which start-up named damage.
    pub named_damage: usize,
    /// Presses counted twice for a disk that could not take them.
    pub recounted: usize,
}

impl Count {
    /// The count of one cut.
    pub fn of(outcome: &Outcome) -> Self {
        let any = |is: fn(&Violation) -> bool| usize::from(outcome.violations.iter().any(is));
        Self {
            cuts: 1,
            with_centre: usize::from(outcome.with_centre),
            lost: any(|violation| matches!(violation, Violation::Lost(_))),
            doubled: any(|violation| matches!(violation, Violation::Doubled(_))),
            start_failed: any(|violation| matches!(violation, Violation::StartUp(_))),
            unmountable: any(|violation| matches!(violation, Violation::Unmountable(_))),
            unanswered: any(|violation| matches!(violation, Violation::Unanswered(..))),
            at_centre: any(|violation| matches!(violation, Violation::AtCentre(_))),
            retired_early: any(|violation| matches!(violation, Violation::RetiredUndelivered(_))),
            repaired: usize::from(outcome.repaired),
            named_damage: usize::from(outcome.named_damage),
            recounted: outcome.recounted,
        }
    }

    /// Whether nothing happened that must not be.
    pub fn holds(&self) -> bool {
        let failed = self.start_failed + self.unmountable + self.unanswered + self.at_centre;
        self.lost + self.doubled + self.retired_early + failed == 0
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.cuts += other.cuts;
        self.with_centre += other.with_centre;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.start_failed += other.start_failed;
        self.unmountable += other.unmountable;
        self.unanswered += other.unanswered;
        self.at_centre += other.at_centre;
        self.retired_early += other.retired_early;
        self.repaired += other.repaired;
        self.named_damage += other.named_damage;
        self.recounted += other.recounted;
    }
}

/// Counts by workload and model.
#[derive(Debug, Clone, Default)]
pub struct Tally(BTreeMap<(String, Model), Count>);

impl Tally {
    /// Counts one cut.
    pub fn add(&mut self, workload: &str, model: Model, outcome: &Outcome) {
        *self.0.entry((workload.to_owned(), model)).or_default() += Count::of(outcome);
    }

    /// Adds what others counted.
    pub fn merge(&mut self, other: &Self) {
        for (key, count) in &other.0 {
            *self.0.entry(key.clone()).or_default() += *count;
        }
    }

    /// Everything together.
    pub fn sum(&self) -> Count {
        self.0.values().fold(Count::default(), |mut sum, count| {
            sum += *count;
            sum
        })
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = [
            "cuts", "centre", "lost", "doubled", "no start", "no mount", "no ack", "orders", "retired", "e2fsck",
            "damage", "twice",
        ];
        write!(f, "{:<20} {:<6}", "workload", "model")?;
        for column in columns {
            write!(f, " {column:>8}")?;
        }
        let mut line = |workload: &str, model: &str, count: &Count| {
            write!(f, "\n{workload:<20} {model:<6}")?;
            let Count {
                cuts,
                with_centre,
                lost,
                doubled,
                start_failed,
                unmountable,
                unanswered,
                at_centre,
                retired_early,
                repaired,
                named_damage,
                recounted,
            } = count;
            let numbers = [
                cuts,
                with_centre,
                lost,
                doubled,
                start_failed,
                unmountable,
                unanswered,
                at_centre,
                retired_early,
                repaired,
                named_damage,
                recounted,
            ];
            numbers.iter().try_for_each(|number| write!(f, " {number:>8}"))
        };
        for ((workload, model), count) in &self.0 {
            line(workload, model.name(), count)?;
        }
        line("all", "", &self.sum())
    }
}
