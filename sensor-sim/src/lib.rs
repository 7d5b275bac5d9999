//! Pretend devices, people and faults that speak the real protocol: live over MQTT, from a scenario,
//! or replayed from recorded days.
//!
//! Devices, residents and scenarios are pure and repeatable from a seed, so that a simulated world runs the
//! very same ones. It knows the wire (`protocol`, Zigbee2MQTT's topics) and nothing of the gateway.

pub mod bridge;
pub mod config;
pub mod device;
pub mod dialect;
pub mod dice;
pub mod life;
pub mod link;
pub mod live;
pub mod load;
pub mod narrate;
pub mod pace;
pub mod payload;
pub mod performer;
pub mod play;
pub mod publication;
pub mod replay;
pub mod resident;
pub mod scenario;
pub mod wires;
