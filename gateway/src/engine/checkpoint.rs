//! The state a new segment begins with, so that older segments can go.

use bincode::Options;
use protocol::record::Delivered;
use serde::{Deserialize, Serialize};

use super::deliveries::Deliveries;
use crate::decode::DecoderSnapshot;
use crate::home::HomeSnapshot;

/// Version of [`Checkpoint`]'s encoding.
const CHECKPOINT_VERSION: u8 = 4;

/// What a new segment begins with.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    pub(super) home: HomeSnapshot,
    pub(super) decoder: DecoderSnapshot,
    pub(super) deliveries: Deliveries,
    pub(super) delivered: Delivered,
}

impl Checkpoint {
    /// The bytes on disk; none when they would be too long.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let mut bytes = vec![CHECKPOINT_VERSION];
        codec().serialize_into(&mut bytes, self).ok().map(|()| bytes)
    }

    /// Reads a checkpoint; none when it is of another version or damaged.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        (*version == CHECKPOINT_VERSION).then(|| codec().deserialize(rest).ok()).flatten()
    }
}

fn codec() -> impl Options {
    bincode::DefaultOptions::new().with_varint_encoding().with_limit(crate::journal::CHECKPOINT_BYTES_MAX as u64 / 2)
}
