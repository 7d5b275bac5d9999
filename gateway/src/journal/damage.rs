//! What can be wrong with a journal, each kind with its name and place.

use std::fmt;

/// Something that a journal should hold and does not, or that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// An append that was interrupted; nothing in it was ever confirmed. Cut off at start-up.
    TornTail {
        /// Where.
        segment: u64,
        /// From which byte on.
        offset: u64,
        /// How many bytes.
        bytes: u64,
    },
    /// Unreadable bytes at the end: a write of several sectors that was interrupted and never confirmed, or
    /// damage to the last records. They stay where they are; the journal goes on in a new segment.
    UnreadableTail {
        /// Where.
        segment: u64,
        /// From which byte on.
        offset: u64,
        /// How many bytes.
        bytes: u64,
    },
    /// Bytes that are no records, passed over.
    Skipped {
        /// Where.
        segment: u64,
        /// From which byte on.
        offset: u64,
        /// How many bytes.
        bytes: u64,
    },
    /// A whole frame whose record cannot be understood.
    Undecodable {
        /// Where.
        segment: u64,
        /// At which byte.
        offset: u64,
    },
    /// The beginning of a segment cannot be read; an earlier checkpoint is used.
    Header {
        /// Which.
        segment: u64,
    },
    /// A segment ends before its header does: an interrupted roll, in which nothing was ever confirmed.
    /// A segment cut to its first bytes looks the same; only the chain head at the centre tells them apart.
    Unbegun {
        /// Which.
        segment: u64,
    },
    /// A segment is shorter than when it was closed.
    Shortened {
        /// Which.
        segment: u64,
        /// By how many bytes.
        bytes: u64,
    },
    /// A segment that must be there is not.
    MissingSegment {
        /// Which.
        segment: u64,
    },
    /// Sequence numbers without a readable record: lost with the damaged bytes that are named before it, or,
    /// where none are, never written.
    MissingRecords {
        /// The first.
        first_seq: u64,
        /// The last.
        last_seq: u64,
    },
    /// A record that does not follow from the one before it.
    ChainBroken {
        /// Where.
        segment: u64,
        /// At which byte.
        offset: u64,
        /// Its sequence.
        seq: u64,
    },
    /// A record that was there before, passed over.
    OutOfOrder {
        /// Where.
        segment: u64,
        /// At which byte.
        offset: u64,
        /// Its sequence.
        seq: u64,
    },
    /// A segment with nothing readable in it was renamed out of the way.
    KeptAside {
        /// Which.
        segment: u64,
    },
    /// The disk refuses to read part of the reserve, or all of it.
    Reserve,
}

impl Damage {
    /// The segment whose bytes are damaged.
    pub fn segment(&self) -> Option<u64> {
        match *self {
            Self::TornTail { segment, .. }
            | Self::UnreadableTail { segment, .. }
            | Self::Skipped { segment, .. }
            | Self::Undecodable { segment, .. }
            | Self::Header { segment }
            | Self::Unbegun { segment }
            | Self::Shortened { segment, .. }
            | Self::MissingSegment { segment }
            | Self::ChainBroken { segment, .. }
            | Self::OutOfOrder { segment, .. }
            | Self::KeptAside { segment } => Some(segment),
            Self::MissingRecords { .. } | Self::Reserve => None,
        }
    }

    /// Whether a confirmed record may be lost by it; an interrupted append alone loses none, nor do numbers
    /// that were never written.
    pub fn may_lose_records(&self) -> bool {
        match self {
            Self::TornTail { .. } | Self::Unbegun { .. } | Self::OutOfOrder { .. } | Self::MissingRecords { .. } => {
                false
            }
            Self::UnreadableTail { .. }
            | Self::Skipped { .. }
            | Self::Undecodable { .. }
            | Self::Header { .. }
            | Self::Shortened { .. }
            | Self::MissingSegment { .. }
            | Self::ChainBroken { .. }
            | Self::Reserve
            | Self::KeptAside { .. } => true,
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TornTail { segment, offset, bytes } => {
                write!(f, "segment {segment}, offset {offset}: torn tail of {bytes} bytes, never confirmed")
            }
            Self::UnreadableTail { segment, offset, bytes } => {
                write!(f, "segment {segment}, offset {offset}: the last {bytes} bytes are unreadable")
            }
            Self::Skipped { segment, offset, bytes } => {
                write!(f, "segment {segment}, offset {offset}: {bytes} damaged bytes skipped")
            }
            Self::Undecodable { segment, offset } => {
                write!(f, "segment {segment}, offset {offset}: a frame without a readable record")
            }
            Self::Header { segment } => write!(f, "segment {segment}, offset 0: header damaged"),
            Self::Unbegun { segment } => write!(f, "segment {segment}: ends before its header does"),
            Self::Shortened { segment, bytes } => {
                write!(f, "segment {segment}: {bytes} bytes shorter than when it was closed")
            }
            Self::MissingSegment { segment } => write!(f, "segment {segment}: missing"),
            Self::MissingRecords { first_seq, last_seq } => {
                write!(f, "records {first_seq} to {last_seq}: not in the journal")
            }
            Self::ChainBroken { segment, offset, seq } => {
                write!(f, "segment {segment}, offset {offset}: record {seq} does not follow from the one before it")
            }
            Self::OutOfOrder { segment, offset, seq } => {
                write!(f, "segment {segment}, offset {offset}: record {seq} stands out of order")
            }
            Self::Reserve => f.write_str("the reserve cannot be read to its end"),
            Self::KeptAside { segment } => write!(f, "segment {segment}: nothing readable, kept aside"),
        }
    }
}
