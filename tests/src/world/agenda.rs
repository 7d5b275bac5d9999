//! Virtual time: what is due when. Two things due in the same millisecond come in the order they were put down.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

#[derive(Debug)]
struct Entry<T> {
    at_ms: u64,
    order: u64,
    due: T,
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.at_ms, self.order) == (other.at_ms, other.order)
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at_ms, self.order).cmp(&(other.at_ms, other.order))
    }
}

/// What is due, by virtual milliseconds.
#[derive(Debug)]
pub struct Agenda<T> {
    entries: BinaryHeap<Reverse<Entry<T>>>,
    next_order: u64,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self { entries: BinaryHeap::new(), next_order: 0 }
    }
}

impl<T> Agenda<T> {
    /// Puts down what is due at `at_ms`.
    pub fn put(&mut self, at_ms: u64, due: T) {
        let order = self.next_order;
        self.next_order += 1;
        self.entries.push(Reverse(Entry { at_ms, order, due }));
    }

    /// Takes what is due next, with its time.
    pub fn take(&mut self) -> Option<(u64, T)> {
        self.entries.pop().map(|Reverse(entry)| (entry.at_ms, entry.due))
    }
}
