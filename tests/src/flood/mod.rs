//! Floods on the real gateway: how long a press waits behind telemetry, and how much memory a hostile
//! client can make the gateway hold.

pub mod overtaking;
pub mod resident;
