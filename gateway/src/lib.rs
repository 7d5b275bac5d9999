//! The gateway in the home.
