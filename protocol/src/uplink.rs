//! Home to centre: `POST /v1/uplink` carries records, its answer their receipts.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::{GatewayId, Hash32, LocalKey};
use crate::record::{Record, Stamp};

/// Most records in one request.
pub const UPLINK_RECORDS_MAX: usize = 500;

/// Largest request body that a centre takes, bytes.
pub const UPLINK_BYTES_MAX: usize = 1024 * 1024;

/// Refusal: the key is stored with another hash. What calls for a person is raised anew under another key.
pub const HASH_CONFLICT: &str = "hash_conflict";

/// A batch of records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UplinkRequest {
    /// [`crate::WIRE_VERSION`].
    pub v: u8,
    /// The gateway; must be the one whose credential the request carries.
    pub gateway: GatewayId,
    /// The gateway's clocks at sending; with a record's own stamp of the same boot it gives the record's true age.
    pub sent: Stamp,
    /// The records, in the order of their sequence.
    #[serde(with = "shared")]
    pub records: Vec<Arc<Record>>,
}

/// Shared records cross the wire as plain ones.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::record::Record;

    pub(super) fn serialize<S: Serializer>(records: &[Arc<Record>], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(records.iter().map(Arc::as_ref))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Arc<Record>>, D::Error> {
        Vec::deserialize(deserializer).map(|records| records.into_iter().map(Arc::new).collect())
    }
}

/// A machine says: stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The record.
    pub key: LocalKey,
    /// Its hash, as stored.
    pub hash: Hash32,
}

/// A record that the centre could not take, with a reason that a person can read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The record.
    pub key: LocalKey,
    /// Such as [`HASH_CONFLICT`].
    pub reason: String,
}

/// Answer to [`UplinkRequest`], sent only after the centre's commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UplinkAnswer {
    /// [`crate::WIRE_VERSION`].
    pub v: u8,
    /// Version of the home's orders after this commit, 0 where no emergency record was among them;
    /// a downlink answer of an older version does not yet know these records.
    pub ver: u64,
    /// One receipt per record stored now or before.
    pub receipts: Vec<Receipt>,
    /// Records that are not stored.
    pub refused: Vec<Refusal>,
}
