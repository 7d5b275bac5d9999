//! The gateway in the home.

/// What the home concludes: pure, given its time and its observations.
pub mod home;
pub mod journal;
