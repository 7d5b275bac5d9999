//! Counters of the centre, in Prometheus' text form. No name, address or device stands in them.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident: $kind:ident = $metric:literal, $help:literal;)*) => {
        /// Every counter.
        #[derive(Debug, Default)]
        pub struct Metrics {
            $($(#[$doc])* pub $name: $kind,)*
        }

        impl Metrics {
            /// The text for a scrape.
            pub fn render(&self) -> String {
                let mut text = String::new();
                $(
                    let value = self.$name.get();
                    let _infallible = write!(
                        text,
                        concat!("# HELP ", $metric, " ", $help, "\n# TYPE ", $metric, " {}\n", $metric, " {}\n"),
                        $kind::TYPE, value
                    );
                )*
                text
            }
        }
    };
}

/// Only rises.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    const TYPE: &'static str = "counter";

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Rises and falls.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    const TYPE: &'static str = "gauge";

    /// Adds `n`, which may be negative.
    pub fn add(&self, n: i64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Sets it to `n`.
    pub fn set(&self, n: i64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

counters! {
    /// Batches of records taken.
    uplinks: Counter = "cloud_bridge_uplinks_total", "Batches of records taken from gateways.";
    /// Records stored.
    records_stored: Counter = "cloud_bridge_records_stored_total", "Records stored for the first time.";
    /// Records that were stored before.
    records_duplicate: Counter = "cloud_bridge_records_duplicate_total", "Records that were stored before.";
    /// Same key, another hash.
    hash_conflicts: Counter = "cloud_bridge_hash_conflicts_total", "Records refused because their key is stored with another hash.";
    /// Hash not that of the content.
    hash_mismatches: Counter = "cloud_bridge_hash_mismatches_total", "Records whose hash is not that of their content.";
    /// Places of a journal taken twice.
    chain_overlaps: Counter = "cloud_bridge_chain_overlaps_total", "Times that two runs of a gateway took the same places in its journal.";
    /// Records that do not follow.
    chain_breaks: Counter = "cloud_bridge_chain_breaks_total", "Records that do not follow the one known before them.";
    /// Not understood and refused.
    not_understood: Counter = "cloud_bridge_records_not_understood_total", "Records refused because their content is not understood.";
    /// Not fully understood and raised all the same.
    salvaged: Counter = "cloud_bridge_records_salvaged_total", "Alarms raised although their record was understood only in part.";
    /// Orders opened.
    orders_opened: Counter = "cloud_bridge_work_orders_opened_total", "Work orders opened.";
    /// Commands carried out.
    commands_done: Counter = "cloud_bridge_commands_done_total", "Commands of operators carried out.";
    /// Commands refused.
    commands_refused: Counter = "cloud_bridge_commands_refused_total", "Commands of operators refused with a reason.";
    /// Feed items published.
    feed_items: Counter = "cloud_bridge_feed_items_total", "Items published on the alert feed.";
    /// Feed streams open now.
    feed_streams: Gauge = "cloud_bridge_feed_streams", "Feed streams open now.";
    /// Downlink polls answered.
    downlink_polls: Counter = "cloud_bridge_downlink_polls_total", "Downlink polls of gateways answered.";
    /// Gateways that are silent.
    gateways_silent: Gauge = "cloud_bridge_gateways_silent", "Gateways not heard for longer than they may be.";
    /// Writes waiting.
    queue_depth: Gauge = "cloud_bridge_write_queue_depth", "Requests waiting for the writer.";
    /// Writes refused at the limit.
    queue_full: Counter = "cloud_bridge_write_queue_full_total", "Requests refused because the writer's queue was full.";
    /// Transactions committed.
    commits: Counter = "cloud_bridge_commits_total", "Transactions committed.";
    /// Requests that were not written.
    write_failures: Counter = "cloud_bridge_write_failures_total", "Requests that the store failed to write.";
    /// Time spent in transactions.
    commit_micros: Counter = "cloud_bridge_commit_microseconds_total", "Time spent in transactions, microseconds.";
    /// Requests answered with a problem.
    problems: Counter = "cloud_bridge_http_problems_total", "HTTP requests answered with a problem.";
    /// Refused credentials.
    unauthorised: Counter = "cloud_bridge_http_unauthorised_total", "HTTP requests with no or an unknown credential.";
}
