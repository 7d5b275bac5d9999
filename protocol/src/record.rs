//! Records: one entry of a gateway's journal, as it stands on disk and as it goes to the centre.
//!
//! The body is encoded with bincode; the hash chains every record to the one before it, over
//! exactly the bytes on disk, so that the centre can recompute it from the record it was sent.

use bincode::Options;
use serde::{Deserialize, Serialize};

use crate::ids::{Hash32, Incarnation, LocalKey};
use crate::observation::{Kind, Reading};
use crate::stage::Stage;
use crate::trigger::{OrderClass, Reason, TriggerKind};
use crate::visit::VisitRecord;

/// Version of [`Body`]'s encoding. Fields are never reordered; a change is a new version.
pub const BODY_VERSION: u8 = 1;

/// Longest encoded body, bytes; also the bound of the bincode reader.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// Bytes that nearly every record fits into with the hash before it.
const RECORD_BYTES_USUAL: usize = 256;

/// When something happened, by every clock the gateway has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// Which boot of the machine `uptime_ms` counts from.
    pub boot: u64,
    /// Milliseconds since that boot, time asleep included.
    pub uptime_ms: u64,
    /// Unix milliseconds by the wall clock.
    pub wall_ms: i64,
    /// Whether the wall clock was synchronised.
    pub wall_trusted: bool,
}

/// Which MQTT delivery a record was made from, so that its redelivery makes nothing new.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Delivery {
    /// MQTT client id of the publisher.
    pub client: String,
    /// Its packet identifier.
    pub packet: u16,
    /// First 8 bytes of the BLAKE3 hash of topic and payload.
    pub digest: u64,
}

/// Something that needs a person, now.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Trigger {
    /// What it is.
    pub kind: TriggerKind,
    /// The device it came from.
    pub device: String,
    /// The decoder's name for the message key, such as `action` or `sos`.
    pub key: String,
    /// The room, where configured.
    pub room: Option<String>,
    /// Why the rule fired.
    pub reason: Reason,
    /// The pre-alarm or earlier trigger that it goes on from: same lifecycle, same order.
    pub follows: Option<LocalKey>,
    /// The press that an installer asked for; never opens a real order.
    pub test: bool,
}

/// An automatic alarm that the elder may still cancel; the centre holds the same fuse.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PreAlarm {
    /// What will be raised.
    pub kind: TriggerKind,
    /// The device it came from.
    pub device: String,
    /// The decoder's name for the message key, such as `fall_status`.
    pub key: String,
    /// The room, where configured.
    pub room: Option<String>,
    /// Why.
    pub reason: Reason,
    /// Milliseconds from this record to the alarm.
    pub fuse_ms: u64,
}

/// A cancel of a pre-alarm: one more record, never a deletion.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cancelled {
    /// The pre-alarm.
    pub lifecycle: LocalKey,
    /// The button that cancelled it.
    pub device: String,
    /// Why.
    pub reason: Reason,
}

/// An observation that changed what was known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Observed {
    /// What it is about.
    pub kind: Kind,
    /// The device.
    pub device: String,
    /// The decoder's name for the message key, such as `occupancy`; with `device` it names a state.
    pub key: String,
    /// The room, where configured.
    pub room: Option<String>,
    /// What it says.
    pub value: Reading,
}

/// The start of a run of the gateway program.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Started {
    /// The program's version.
    pub version: String,
    /// Whether the last run ended with an orderly stop.
    pub after_clean_stop: bool,
}

/// What the elder was really told.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reassured {
    /// The stage shown.
    pub stage: Stage,
    /// Whether the output took it.
    pub shown: bool,
}

/// Calls of the elder that the centre no longer has an open order for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Resolved {
    /// The triggers that had raised them.
    pub calls: Vec<LocalKey>,
}

/// What the centre holds receipts for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Delivered {
    /// Every record up to this sequence is received, or is not for the centre.
    pub low_water: u64,
    /// Received records above it, rising.
    pub above: Vec<u64>,
}

/// A device of the home's radio network, as its bridge lists it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DeviceListed {
    /// The name it publishes under.
    pub device: String,
    /// The base topic of the bridge that listed it.
    pub base: String,
    /// Its description in the decoder's own compact form.
    pub description: Vec<u8>,
}

/// The elder said "I'm fine" while a call was open: a note to the dispatcher, never a cancel.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SaidFine {
    /// The button or page.
    pub device: String,
}

/// The home's mains supply went or came back; the centre decides when it matters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MainsSupply {
    /// The input that says so.
    pub device: String,
    /// Its key, as in [`Observed`].
    pub key: String,
    /// Whether the supply is there.
    pub present: bool,
}

/// What a trigger had said of a device is over; no order is closed by it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Restored {
    /// What had been raised.
    pub kind: TriggerKind,
    /// The device.
    pub device: String,
    /// The room, where configured.
    pub room: Option<String>,
    /// The reason that holds no longer.
    pub reason: Reason,
}

/// A step of a test; the press itself is a [`Trigger`] with `test`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestStep {
    /// The installer was asked to press this device now.
    Asked,
    /// No press came in time: the test failed.
    NotPressed,
    /// Test mode is over.
    Ended,
    /// The device is due for its monthly test press.
    ProofDue,
}

/// Evidence that a test ran, or is due.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tested {
    /// The device.
    pub device: String,
    /// What happened.
    pub step: TestStep,
}

/// What one output really did with a stage.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Played {
    /// The output, by its configured name.
    pub output: String,
    /// The stage.
    pub stage: Stage,
    /// What became of it.
    pub outcome: PlayOutcome,
}

/// What became of a stage at one output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlayOutcome {
    /// Shown, or spoken to its end.
    Whole,
    /// A newer stage came before it was spoken to its end.
    CutShort,
    /// There is no sound: only a line was written where nobody may have seen it.
    Printed,
    /// The output did not take it.
    Failed,
}

/// The centre was not reached in time, so the home's contacts are told. No name or number stands here.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ContactsCalled {
    /// The call that has no receipt.
    pub call: LocalKey,
    /// What they are told of.
    pub class: OrderClass,
    /// How many contacts there are.
    pub contacts: u8,
    /// Why.
    pub reason: Reason,
}

/// Where the rules of the home hold the elder to be, and whose motion it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The elder is at home.
    AtHome,
    /// The elder is presumed out.
    Away,
    /// Something moved in a home presumed empty; it is not yet taken for the elder's return.
    ReturnUnproven,
    /// A visit no longer stills the elder's clock: motion is the elder's again.
    VisitOver,
}

/// The rules of the home concluded something that no single message says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Concluded {
    /// What holds from now on.
    pub standing: Standing,
    /// The device or caregiver that it was concluded from.
    pub device: String,
    /// Why.
    pub reason: Reason,
}

/// What came of telling one contact.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ContactTold {
    /// What the contact was told of.
    pub class: OrderClass,
    /// Which contact, from 1.
    pub contact: u8,
    /// Which attempt, from 1.
    pub attempt: u8,
    /// What came of it.
    pub result: ContactResult,
}

/// What came of one message to one contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactResult {
    /// The network or service took the message; whether anybody read it is not known.
    Taken,
    /// It was refused.
    Refused,
    /// Modem or service could not be reached, or did not answer in time.
    Unreachable,
}

/// A file of the journal that goes, attested before it does: what stood in it is no loss that nobody knows of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SegmentRetired {
    /// Its number.
    pub segment: u64,
    /// Sequence of its first record, where it can be read.
    pub first_seq: Option<u64>,
    /// Sequence of its last record.
    pub last_seq: u64,
    /// Hash of its last record.
    pub head: Hash32,
    /// What becomes of it.
    pub fate: SegmentFate,
}

/// What becomes of a segment that leaves the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SegmentFate {
    /// Its file goes: it is delivered, and too old or too much.
    Deleted,
    /// It is damaged: its file is kept under another name.
    KeptAside,
}

/// Numbers without a record in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MissingRecords {
    /// The first.
    pub first_seq: u64,
    /// The last.
    pub last_seq: u64,
    /// Why there are none.
    pub cause: MissingCause,
}

/// Why numbers have no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingCause {
    /// They were never written: the disk took nothing, or the program went on without it.
    NeverWritten,
    /// Unreadable bytes stand in the journal, in which they may have been.
    Unreadable,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// The program started.
    Started(Started),
    /// The program stopped in order.
    Stopped,
    /// A sensor's state changed.
    Observed(Observed),
    /// A person is needed.
    Trigger(Trigger),
    /// A person will be needed unless the elder cancels.
    PreAlarm(PreAlarm),
    /// The elder cancelled.
    Cancelled(Cancelled),
    /// A caregiver came or went.
    Visit(VisitRecord),
    /// The elder was told something.
    Reassured(Reassured),
    /// Calls were closed at the centre.
    Resolved(Resolved),
    /// The centre was reached again, or not reached.
    Link {
        /// Whether it is reached now.
        up: bool,
    },
    /// Receipts held; stays on this disk.
    Delivered(Delivered),
    /// A radio bridge listed a device; stays on this disk.
    DeviceListed(DeviceListed),
    /// The elder said "I'm fine" while a call was open.
    SaidFine(SaidFine),
    /// The mains supply went or came back.
    Mains(MainsSupply),
    /// What was raised is over.
    Restored(Restored),
    /// A test was asked for, ended or is due.
    Tested(Tested),
    /// An output took a stage, or did not.
    Played(Played),
    /// The centre was not reached in time: the contacts are told.
    ContactsCalled(ContactsCalled),
    /// A contact was told, or could not be.
    ContactTold(ContactTold),
    /// The rules concluded where the elder is, or that a visit is over.
    Concluded(Concluded),
    /// A segment leaves the journal.
    SegmentRetired(SegmentRetired),
    /// The journal found numbers without a record.
    Missing(MissingRecords),
}

/// Where a record goes and how soon it must be safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Route {
    /// Synced at once, overtakes everything on the way up.
    Emergency,
    /// Synced within seconds, goes up in batches.
    Routine,
    /// Synced within seconds, stays in the home.
    Local,
}

impl Body {
    /// Where it goes.
    pub fn route(&self) -> Route {
        match self {
            Self::Trigger(_)
            | Self::PreAlarm(_)
            | Self::Cancelled(_)
            | Self::Visit(_)
            | Self::SaidFine(_)
            | Self::Mains(_)
            | Self::ContactsCalled(_)
            | Self::ContactTold(_)
            // Known at the centre before the press that it covers.
            | Self::Tested(_) => Route::Emergency,
            Self::Started(_)
            | Self::Stopped
            | Self::Observed(_)
            | Self::Reassured(_)
            | Self::Played(_)
            | Self::Resolved(_)
            | Self::Link { .. }
            | Self::Restored(_)
            | Self::Concluded(_)
            | Self::SegmentRetired(_)
            | Self::Missing(_) => Route::Routine,
            Self::Delivered(_) | Self::DeviceListed(_) => Route::Local,
        }
    }

    /// The bytes on disk.
    ///
    /// # Errors
    /// Names the limit when the body is longer than [`BODY_BYTES_MAX`].
    pub fn encode(&self) -> Result<Vec<u8>, BodyError> {
        codec().serialize(self).map_err(|e| BodyError::Encode(e.to_string()))
    }

    /// Reads a body of [`BODY_VERSION`] from the bytes on disk; every byte must be used.
    ///
    /// # Errors
    /// Says what does not fit; never allocates more than the slice's own length asks for.
    pub fn decode(version: u8, bytes: &[u8]) -> Result<Self, BodyError> {
        if version != BODY_VERSION {
            return Err(BodyError::Version { found: version });
        }
        codec().deserialize(bytes).map_err(|e| BodyError::Decode(e.to_string()))
    }
}

fn codec() -> impl Options {
    bincode::DefaultOptions::new().with_limit(BODY_BYTES_MAX as u64).with_varint_encoding().reject_trailing_bytes()
}

/// Why a body could not be encoded or decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Too long to write.
    #[error("a record body could not be encoded: {0}")]
    Encode(String),
    /// Not a body.
    #[error("a record body could not be decoded: {0}")]
    Decode(String),
    /// Written by a newer program.
    #[error("record body version {found} is not known; this program reads version {BODY_VERSION}")]
    Version {
        /// The version found.
        found: u8,
    },
}

/// One entry of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Record {
    /// The run that made it.
    pub incarnation: Incarnation,
    /// Its place in the journal, from 1.
    pub seq: u64,
    /// When it was made.
    pub at: Stamp,
    /// The delivery it was made from.
    pub delivery: Option<Delivery>,
    /// What it says.
    pub body: Body,
    /// Hash of the record before it in the journal.
    pub prev: Hash32,
    /// Its own hash, over `prev` and [`Record::encode`].
    pub hash: Hash32,
}

impl Record {
    /// Its identity within the gateway.
    pub fn key(&self) -> LocalKey {
        LocalKey { incarnation: self.incarnation, seq: self.seq }
    }

    /// The bytes that are hashed and stand in the journal's frame.
    ///
    /// # Errors
    /// As [`Body::encode`].
    pub fn encode(&self) -> Result<Vec<u8>, BodyError> {
        let mut bytes = Vec::with_capacity(RECORD_BYTES_USUAL);
        self.encode_into(&mut bytes)?;
        Ok(bytes)
    }

    /// Appends the bytes of [`Record::encode`] to `out`, without a buffer of its own.
    ///
    /// # Errors
    /// As [`Body::encode`]; `out` is then as it was.
    pub fn encode_into(&self, out: &mut Vec<u8>) -> Result<(), BodyError> {
        let start = out.len();
        let content = (self.incarnation, self.seq, &self.at, &self.delivery, &self.body);
        // With a limit bincode walks everything twice, to measure it first; measured here it is walked once.
        let written = codec().with_no_limit().serialize_into(&mut *out, &content).map_err(|e| e.to_string());
        let fits = out.len() - start <= BODY_BYTES_MAX;
        written.and(if fits { Ok(()) } else { Err("the size limit has been reached".to_owned()) }).map_err(|why| {
            out.truncate(start);
            BodyError::Encode(why)
        })
    }

    /// Whether its hash is that of its content after `prev`.
    pub fn is_sealed(&self) -> bool {
        self.seal_hash().is_ok_and(|hash| hash == self.hash)
    }

    fn seal_hash(&self) -> Result<Hash32, BodyError> {
        let mut sealed = Vec::with_capacity(RECORD_BYTES_USUAL);
        sealed.extend_from_slice(&self.prev.0);
        self.encode_into(&mut sealed)?;
        Ok(Hash32(blake3::hash(&sealed).into()))
    }

    /// Reads a record from a frame's bytes, with the hash it must have after `prev`.
    ///
    /// # Errors
    /// As [`Body::decode`].
    pub fn decode(version: u8, bytes: &[u8], prev: Hash32) -> Result<Self, BodyError> {
        if version != BODY_VERSION {
            return Err(BodyError::Version { found: version });
        }
        let (incarnation, seq, at, delivery, body) =
            codec().deserialize(bytes).map_err(|e| BodyError::Decode(e.to_string()))?;
        Ok(Self { incarnation, seq, at, delivery, body, prev, hash: chain(prev, bytes) })
    }
}

/// The hash of a record whose encoded bytes follow the record hashed `prev`.
pub fn chain(prev: Hash32, bytes: &[u8]) -> Hash32 {
    let mut sealed = Vec::with_capacity(prev.0.len() + bytes.len());
    sealed.extend_from_slice(&prev.0);
    sealed.extend_from_slice(bytes);
    // At once: feeding a hasher in parts costs more than this copy.
    Hash32(blake3::hash(&sealed).into())
}

/// The end of a journal's chain, where new records are sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainHead {
    /// The run that seals.
    pub incarnation: Incarnation,
    /// Sequence of the next record.
    pub next_seq: u64,
    /// Hash of the last one.
    pub hash: Hash32,
}

impl ChainHead {
    /// Gives `body` its identity and its place in the chain; the head moves on.
    ///
    /// # Errors
    /// As [`Body::encode`]; the head then stays where it was.
    pub fn seal(&mut self, at: Stamp, delivery: Option<Delivery>, body: Body) -> Result<Record, BodyError> {
        let mut record = Record {
            incarnation: self.incarnation,
            seq: self.next_seq,
            at,
            delivery,
            body,
            prev: self.hash,
            hash: Hash32::ZERO,
        };
        record.hash = record.seal_hash()?;
        self.next_seq += 1;
        self.hash = record.hash;
        Ok(record)
    }
}

#[cfg(test)]
mod tests;
