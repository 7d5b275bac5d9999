//! Starts the real programs with credentials of their own, speaks to them over MQTT and HTTP, and
//! stops or kills them. It waits for conditions, never for time to pass, and never prints a secret.

pub mod api;
pub mod centre;
pub mod certificate;
pub mod clock;
pub mod feed;
pub mod gateway;
pub mod mqtt;
pub mod ports;
pub mod program;
pub mod secret;
pub mod setup;
pub mod sim;
pub mod wire;

/// Why a wait or a request failed, as one sentence.
pub type Failed = String;
