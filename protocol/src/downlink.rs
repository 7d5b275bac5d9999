//! Centre to home: the long poll `GET /v1/downlink?after=…&wait=…`, whose arrival is the heartbeat.
//!
//! Each answer is the whole present state of the home's open orders, so that a lost answer loses
//! nothing; what it says holds for `lease_secs` and is taken back if no further answer comes.

use serde::{Deserialize, Serialize};

use crate::ids::{LocalKey, WorkOrderId};
use crate::stage::Stage;
use crate::trigger::OrderClass;

/// Longest wait of a poll, seconds.
pub const DOWNLINK_WAIT_SECS_MAX: u64 = 30;

/// How long a stage holds without a further answer, seconds.
pub const LEASE_SECS: u64 = 180;

/// One open order of the home, as the elder may be told of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OrderProgress {
    /// The order.
    pub id: WorkOrderId,
    /// The record that opened it; none when the centre did.
    pub opened_by: Option<LocalKey>,
    /// Its class.
    pub class: OrderClass,
    /// The stage that is true at the centre: received, taken, coming, here or retracted.
    pub stage: Stage,
    /// Version of the order.
    pub ver: u64,
}

/// Answer to a poll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DownlinkAnswer {
    /// [`crate::WIRE_VERSION`].
    pub v: u8,
    /// Version of this home's state at the centre; ask `after` it.
    pub next: u64,
    /// The open orders.
    pub orders: Vec<OrderProgress>,
    /// How long this holds, seconds.
    pub lease_secs: u64,
    /// The centre's wall clock, Unix milliseconds.
    pub server_time_ms: i64,
}
