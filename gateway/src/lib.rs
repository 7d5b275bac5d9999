//! The gateway in the home.

pub mod journal;
