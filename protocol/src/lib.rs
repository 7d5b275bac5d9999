//! What crosses a wire between devices, gateway, centre and their users: ids, topics,
//! observations, records and receipts, downlink, feed, problem details, settings texts.
//!
//! It does no IO, knows no clock and no database; both programs and the simulator build on it.

pub mod downlink;
pub mod feed;
pub mod ids;
pub mod observation;
pub mod problem;
pub mod record;
pub mod settings;
pub mod stage;
pub mod topics;
pub mod trigger;
pub mod uplink;
pub mod visit;

/// Version of every JSON body exchanged between home and centre (`"v": 1`).
pub const WIRE_VERSION: u8 = 1;
