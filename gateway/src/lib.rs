//! The emergency gateway of one home.
//!
//! `home` and `engine` are pure; `driver` runs them on tokio; see ARCHITECTURE.md for the way of a press.

pub mod backtest;
pub mod clock;
pub mod commissioning;
pub mod config;
pub mod contacts;
pub mod decode;
pub mod decode_lines;
pub mod device_page;
pub mod driver;
pub mod engine;
pub mod gpio;
pub mod history;
pub mod home;
pub mod home_assistant;
pub mod intake;
pub mod jitter;
pub mod journal;
pub mod journal_thread;
pub mod outbox;
pub mod reassure;
pub mod status;
pub mod uplink;
