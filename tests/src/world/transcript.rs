//! What happened, one line each, as a shift leader would note it. Nothing is formatted while it is off.

use std::fmt;

/// How much is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Nothing.
    Off,
    /// What people see: devices, lamp, desks, faults.
    Story,
    /// Every step of the programs too.
    Steps,
}

/// The lines so far.
#[derive(Debug)]
pub struct Transcript {
    detail: Detail,
    lines: Vec<String>,
    /// Time of day at virtual time 0, milliseconds.
    starts_at_ms: u64,
    /// Nothing before is kept.
    from_ms: u64,
    first_day: u64,
    orders: Vec<String>,
}

impl Transcript {
    /// An empty one.
    pub fn new(detail: Detail, starts_at_ms: u64) -> Self {
        Self {
            detail,
            lines: Vec::new(),
            starts_at_ms,
            from_ms: 0,
            first_day: starts_at_ms / 86_400_000,
            orders: Vec::new(),
        }
    }

    /// The same, leaving out what happens before `from_ms`; days count from there.
    #[must_use]
    pub fn from(mut self, from_ms: u64) -> Self {
        self.from_ms = from_ms;
        self.first_day = (self.starts_at_ms + from_ms) / 86_400_000;
        self
    }

    /// The number of an order: in the order in which they were first named.
    pub fn number_of(&mut self, order: &str) -> usize {
        let known = self.orders.iter().position(|known| known == order);
        known.unwrap_or_else(|| {
            self.orders.push(order.to_owned());
            self.orders.len() - 1
        }) + 1
    }

    /// Whether lines of this detail are kept.
    pub fn keeps(&self, detail: Detail) -> bool {
        self.detail >= detail
    }

    /// Notes a line of the story.
    pub fn story(&mut self, now_ms: u64, what: fmt::Arguments<'_>) {
        if self.keeps(Detail::Story) {
            self.line(now_ms, what);
        }
    }

    /// Notes a line of the steps.
    pub fn step(&mut self, now_ms: u64, what: fmt::Arguments<'_>) {
        if self.keeps(Detail::Steps) {
            self.line(now_ms, what);
        }
    }

    fn line(&mut self, now_ms: u64, what: fmt::Arguments<'_>) {
        if now_ms < self.from_ms {
            return;
        }
        let ms = self.starts_at_ms + now_ms;
        let (day, secs) = (ms / 86_400_000 - self.first_day + 1, ms / 1_000 % 86_400);
        let (h, m, s) = (secs / 3_600, secs / 60 % 60, secs % 60);
        let day = if day > 1 { format!("day {day} ") } else { String::new() };
        let millis = if self.detail == Detail::Steps { format!(".{:03}", ms % 1_000) } else { String::new() };
        self.lines.push(format!("{day}{h:02}:{m:02}:{s:02}{millis} {what}"));
    }

    /// All lines.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// All lines as one text.
    pub fn text(&self) -> String {
        let mut text = self.lines.join("\n");
        text.push('\n');
        text
    }
}
