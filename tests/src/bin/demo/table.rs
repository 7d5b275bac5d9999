//! The hops of the check, as a table.

use std::fmt::Write as _;
use std::time::Instant;

use tests::harness::clock::ms_between;

/// One hop that was seen, with its time.
pub struct Hop {
    item: usize,
    name: String,
    ms: f64,
}

/// Every hop seen so far.
#[derive(Default)]
pub struct Table {
    hops: Vec<Hop>,
}

/// What the script's items are called.
const ITEMS: [&str; 9] = [
    "the programs start",
    "an SOS button is pressed",
    "the message comes twice; then a second press",
    "the dispatcher acts, the elder is told",
    "a caregiver comes and goes",
    "falls",
    "the centre is down and the gateway is killed",
    "bad messages, and an SOS behind them",
    "a wired cord is pulled, and every output answers",
];

impl Table {
    /// Notes a hop of an item from one moment to another.
    pub fn note(&mut self, item: usize, name: &str, from: Instant, to: Instant) {
        self.hops.push(Hop { item, name: name.to_owned(), ms: ms_between(from, to) });
    }

    /// The table as text.
    pub fn text(&self) -> String {
        let width = self.hops.iter().map(|hop| columns(&hop.name)).max().unwrap_or(0);
        let mut text = String::new();
        let mut item = None;
        for hop in &self.hops {
            if item != Some(hop.item) {
                item = Some(hop.item);
                let title = ITEMS.get(hop.item).copied().unwrap_or_default();
                let _infallible = writeln!(text, "{}  {title}", hop.item);
            }
            let pad = width - columns(&hop.name);
            let _infallible = writeln!(text, "   {}{:pad$}  {:>9.1} ms", hop.name, "", hop.ms);
        }
        text
    }

    /// How many hops there are.
    pub fn count(&self) -> usize {
        self.hops.len()
    }
}

/// Columns of a terminal; every character used in a hop's name takes one.
fn columns(text: &str) -> usize {
    text.chars().count()
}
