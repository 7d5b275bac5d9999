//! The confusion table and the list of differences.

use std::collections::BTreeMap;

use protocol::observation::Kind;
use serde_json::Value;

use super::expected::{Label, Listed, Says, name_of};

/// Share of the labels beside SOS and fall that must be right.
const RIGHT_SHARE_MIN: f64 = 0.99;

/// What was counted of one kind.
#[derive(Default)]
struct Counted {
    expected: u64,
    right: u64,
    missed: u64,
    invented: u64,
    other_way: u64,
}

/// Everything compared so far.
#[derive(Default)]
pub struct Table {
    /// Messages of listed devices.
    pub messages: u64,
    /// Messages whose device no list names.
    pub unjudged: u64,
    keys: u64,
    kinds: BTreeMap<Kind, Counted>,
    /// Expected kind, decoded kind, count.
    cells: BTreeMap<(Option<Kind>, Option<Kind>), u64>,
    /// Differences with how often each came.
    differences: BTreeMap<String, u64>,
    grave: u64,
}

impl Table {
    /// Compares one key of one message.
    pub fn judge(
        &mut self,
        device: &Listed,
        topic: &str,
        (key, value): (&str, &Value),
        expected: &[Label],
        said: &[Label],
    ) {
        self.keys += 1;
        if expected.is_empty() && said.is_empty() {
            *self.cells.entry((None, None)).or_default() += 1;
            return;
        }
        let mut missing: Vec<Label> = Vec::new();
        let mut left: Vec<Label> = said.to_vec();
        for label in expected {
            let counted = self.kinds.entry(label.0).or_default();
            counted.expected += 1;
            if let Some(place) = left.iter().position(|said| said == label) {
                left.remove(place);
                counted.right += 1;
                *self.cells.entry((Some(label.0), Some(label.0))).or_default() += 1;
            } else {
                missing.push(*label);
            }
        }
        // What is missing is held against what was said instead: the same kind first, then in order.
        for label in missing {
            let place = left.iter().position(|said| said.0 == label.0).or(if left.is_empty() { None } else { Some(0) });
            let instead = place.map(|place| left.remove(place));
            let same_kind = instead.is_some_and(|instead| instead.0 == label.0);
            let counted = self.kinds.entry(label.0).or_default();
            if same_kind {
                counted.other_way += 1;
            } else {
                counted.missed += 1;
            }
            if let Some(instead) = instead.filter(|_| !same_kind) {
                self.kinds.entry(instead.0).or_default().invented += 1;
            }
            self.differ(device, topic, (key, value), Some(label), instead);
        }
        for label in left {
            self.kinds.entry(label.0).or_default().invented += 1;
            self.differ(device, topic, (key, value), None, Some(label));
        }
    }

    fn differ(
        &mut self,
        device: &Listed,
        topic: &str,
        (key, value): (&str, &Value),
        expected: Option<Label>,
        said: Option<Label>,
    ) {
        *self.cells.entry((expected.map(|label| label.0), said.map(|label| label.0))).or_default() += 1;
        let raises = |label: Option<Label>| {
            label.is_some_and(|Label(kind, says)| matches!(kind, Kind::Sos | Kind::Fall) && says == Says::Yes)
        };
        let grave = raises(expected) || raises(said);
        self.grave += u64::from(grave);
        let reason = match (device.is_listed(key), expected, said) {
            (None, None, Some(_)) => "the exposes do not list the key, and the decoder reads it by its name",
            (None, Some(_), _) => "the exposes do not list the key, and the decoder does not read it by its name",
            (Some(true), _, Some(_)) => "a setting is taken for what it sets",
            (_, Some(a), Some(b)) if a.0 == b.0 => "the value is read the other way round",
            (_, Some(_), Some(_)) => "taken for another kind",
            (_, Some(_), None) => "the decoder does not know the name, or the value",
            (_, None, _) => "the dictionary does not know the name, or the value",
        };
        let show = |label: Option<Label>| label.map_or_else(|| "nothing".to_owned(), |label| label.to_string());
        let mark = if grave { "!! " } else { "" };
        let device_name = topic.rsplit('/').next().unwrap_or_default();
        let text = format!(
            "{mark}{} ({}; {device_name}) {key} = {value}: expected {}, decoded {}: {reason}",
            device.model,
            device.description,
            show(expected),
            show(said)
        );
        *self.differences.entry(text).or_default() += 1;
    }

    fn rest(&self) -> (u64, u64) {
        let rest = self.kinds.iter().filter(|(kind, _)| !matches!(kind, Kind::Sos | Kind::Fall));
        rest.fold((0, 0), |(right, all), (_, counted)| {
            (right + counted.right, all + counted.expected + counted.invented)
        })
    }

    /// Whether no SOS or fall was missed or invented and enough of the rest is right.
    pub fn is_good(&self) -> bool {
        let (right, all) = self.rest();
        self.grave == 0 && right as f64 >= all as f64 * RIGHT_SHARE_MIN
    }

    /// Writes the table, the sums and the differences to standard output.
    pub fn print(&self, list: usize) {
        println!(
            "{} messages of listed devices, {} keys, {} further messages not judged\n",
            self.messages, self.keys, self.unjudged
        );
        println!("{:<14}{:>9}{:>9}{:>9}{:>10}{:>11}", "kind", "expected", "right", "missed", "invented", "other way");
        for (kind, counted) in &self.kinds {
            println!(
                "{:<14}{:>9}{:>9}{:>9}{:>10}{:>11}",
                name_of(*kind),
                counted.expected,
                counted.right,
                counted.missed,
                counted.invented,
                counted.other_way
            );
        }
        println!("\nexpected → decoded (kinds; off the diagonal only)");
        let show = |kind: &Option<Kind>| kind.map_or_else(|| "nothing".to_owned(), name_of);
        for ((expected, said), count) in self.cells.iter().filter(|((expected, said), _)| expected != said) {
            println!("{count:>7}  {} → {}", show(expected), show(said));
        }
        let (right, all) = self.rest();
        let share = if all == 0 { 100.0 } else { right as f64 * 100.0 / all as f64 };
        println!("\nSOS and fall missed or invented: {}", self.grave);
        println!("the rest: {right} of {all} right, {share:.2} %");
        println!("\n{} differences", self.differences.len());
        for (text, count) in self.differences.iter().take(list) {
            println!("{count:>5} × {text}");
        }
        if self.differences.len() > list {
            println!("      … and {} more; --list shows them", self.differences.len() - list);
        }
    }
}
