//! The central service: keeps a city's work orders, publishes the alert feed, tells homes how far
//! help has come.
//!
//! `dispatch` is pure; `centre` runs it over a `store` without sockets; `writer`, `outlet` and `api`
//! drive it, `server` puts them together.

pub mod api;
pub mod centre;
pub mod clock;
pub mod config;
pub mod dispatch;
pub mod heartbeat;
pub mod metrics;
pub mod outlet;
pub mod server;
pub mod store;
pub mod writer;

#[cfg(test)]
mod testing;
