//! What goes into the loop and what comes out of it.

use std::sync::Arc;

use bytes::Bytes;
use protocol::downlink::DownlinkAnswer;
use protocol::ids::Hash32;
use protocol::record::{ContactResult, MissingCause, MissingRecords, PlayOutcome, Record, SegmentRetired, Stamp};
use protocol::stage::Stage;
use protocol::uplink::UplinkAnswer;

use crate::decode::DecoderConfig;
use crate::home::HomeRules;
use crate::home::contacts::Contacting;
use crate::outbox::OutboxTimes;

/// Where numbers begin without any journal, far above what one home writes in its life.
const WITHOUT_DISK_SEQ: u64 = 1 << 40;

/// What the loop is told at start.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// The home's rules.
    pub rules: HomeRules,
    /// The decoder's settings.
    pub decoder: DecoderConfig,
    /// Uplink times.
    pub outbox: OutboxTimes,
    /// How many paths lead to the centre.
    pub paths: usize,
    /// Loop times and sizes.
    pub limits: EngineLimits,
    /// This program's version.
    pub version: String,
}

/// Times and sizes of the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineLimits {
    /// Routine records are synced at the latest after this, milliseconds.
    pub linger_ms: u64,
    /// A write slower than this counts as a failing disk for the press that waits on it, milliseconds.
    pub write_slow_ms: u64,
    /// A failed write is tried again after this, milliseconds.
    pub write_retry_ms: u64,
    /// A press that neither disk nor centre has taken is let go unacknowledged after this, milliseconds.
    pub acknowledge_wait_ms: u64,
    /// A new segment begins beyond this, bytes.
    pub segment_bytes: u64,
    /// Receipts are journaled at the latest after this while a call is open, milliseconds.
    pub delivered_ms: u64,
    /// And after this while none is, then with whatever is written next, milliseconds.
    pub delivered_quiet_ms: u64,
    /// Without an answer from the centre for this long the link is down, milliseconds.
    pub link_down_ms: u64,
    /// How long a poll of the centre waits, seconds.
    pub poll_wait_secs: u64,
    /// And while a call or pre-alarm is open, seconds: a poll that the line swallowed is asked again so much sooner.
    pub poll_wait_call_secs: u64,
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self {
            linger_ms: 5_000,
            write_slow_ms: 1_000,
            write_retry_ms: 2_000,
            acknowledge_wait_ms: 10_000,
            segment_bytes: 1024 * 1024,
            delivered_ms: 30_000,
            delivered_quiet_ms: 300_000,
            link_down_ms: 180_000,
            poll_wait_secs: 25,
            poll_wait_call_secs: 5,
        }
    }
}

/// The machine's clocks at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Which boot `uptime_ms` counts from.
    pub boot: u64,
    /// Milliseconds since boot, time asleep included.
    pub uptime_ms: u64,
    /// Unix milliseconds.
    pub wall_ms: i64,
}

/// What the journal gave back at start.
#[derive(Debug, Clone, Default)]
pub struct Recovered {
    /// The newest usable checkpoint.
    pub checkpoint: Option<Vec<u8>>,
    /// The records after it, in order.
    pub records: Vec<Record>,
    /// Sequence of the last record; 0 when there is none.
    pub last_seq: u64,
    /// Its hash.
    pub hash: Hash32,
    /// Emergencies after it that the reserve held: they are to be written.
    pub unwritten: Vec<Record>,
    /// Emergencies that stand in the reserve beside the journal; what is delivered of them is known here.
    pub reserved: Vec<Record>,
    /// Whether those two are durable in the reserve.
    pub reserve_held: bool,
    /// Numbers without a record that no record attests yet.
    pub gaps: Vec<MissingRecords>,
    /// Which of the unwritten ones the centre is known to hold.
    pub received: Vec<u64>,
    /// Version of the centre's state that knows those.
    pub received_ver: u64,
    /// There is no disk to read a journal from.
    pub without_journal: bool,
    /// From this sequence on the records are not known to be durable before the first write succeeds.
    pub doubtful_from: Option<u64>,
    /// Records that the journal should have and only the reserve has.
    pub only_reserved: Vec<u64>,
}

/// What a loop without a journal has sealed, for the one that takes its place when the disk is back.
#[derive(Debug, Clone, Default)]
pub struct Carried {
    /// Its records, in order.
    pub records: Vec<Record>,
    /// Which of them the centre holds.
    pub received: Vec<u64>,
    /// Version of the centre's state that knows those.
    pub received_ver: u64,
}

impl Recovered {
    /// A start without any disk. The numbers begin far above those of any journal of the home: the wall
    /// clock only raises them from one such start to the next, what names a record is its incarnation.
    pub fn without_disk(wall_ms: i64) -> Self {
        let secs = u64::try_from(wall_ms / 1_000).unwrap_or(0).min(1 << 32);
        Self { last_seq: WITHOUT_DISK_SEQ + (secs << 20), without_journal: true, ..Self::default() }
    }

    /// The same, followed by what a loop without a journal has sealed since. What a clock set back gave a
    /// number that the journal has passed is left out: the centre holds it.
    #[must_use]
    pub fn continued_by(mut self, mut carried: Carried) -> Self {
        let next_seq = self.unwritten.last().map_or(self.last_seq, |last| last.seq) + 1;
        carried.records.retain(|record| record.seq >= next_seq);
        if let Some(first) = carried.records.first().filter(|first| first.seq > next_seq) {
            let (first_seq, last_seq) = (next_seq, first.seq - 1);
            self.gaps.push(MissingRecords { first_seq, last_seq, cause: MissingCause::NeverWritten });
        }
        self.unwritten.append(&mut carried.records);
        self.received = carried.received;
        self.received_ver = carried.received_ver;
        // What was sealed without a disk stands in no reserve: the loop asks for all of it.
        self.reserve_held = false;
        self
    }
}

/// An MQTT message, however it came in.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Names the message when it is acknowledged.
    pub token: u64,
    /// MQTT client id of the publisher, where the intake knows it.
    pub client: String,
    /// Topic.
    pub topic: String,
    /// Payload.
    pub payload: Bytes,
    /// Retain flag.
    pub retain: bool,
    /// Duplicate flag.
    pub duplicate: bool,
    /// Packet identifier; none at QoS 0.
    pub packet: Option<u16>,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Acknowledge: what it said is safe, or it said nothing that needs to be.
    Acknowledge,
    /// Do not acknowledge: neither disk nor centre took it, the sender must say it again.
    Withhold,
}

/// Why a request to the centre failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendFailure {
    /// No connection, a broken one, or no answer in time.
    Unreachable(String),
    /// The body was too large for the centre.
    TooLarge,
    /// The centre answered with an error status.
    Status(u16),
    /// The answer was not understood.
    BadAnswer(String),
    /// The centre's certificate is not valid at this machine's time: the clock is wrong, or it has expired.
    CertificateTime(String),
}

/// Something that happened to the loop.
#[derive(Debug, Clone)]
pub enum Completion {
    /// A message came in.
    Heard(Heard),
    /// The journal holds every record up to `through`.
    Written {
        /// Last sequence synced.
        through: u64,
        /// Size of the newest segment.
        segment_bytes: u64,
    },
    /// The journal could not be written; nothing of that write is acknowledged.
    WriteFailed,
    /// The reserve holds these, durably, and no others.
    Reserved {
        /// Sequences.
        held: Vec<u64>,
    },
    /// A segment has begun, with the checkpoint that was asked for.
    Rolled {
        /// Old ones that could go now.
        retirable: Vec<SegmentRetired>,
    },
    /// Records were read back.
    Loaded {
        /// The records.
        records: Vec<Record>,
        /// The last sequence looked at.
        through_seq: u64,
    },
    /// The journal could not be read.
    LoadFailed,
    /// The centre answered an uplink request, or did not.
    Sent {
        /// The request.
        request: u64,
        /// What came back.
        outcome: Result<UplinkAnswer, SendFailure>,
    },
    /// The centre answered a poll, or did not.
    Polled(Result<DownlinkAnswer, SendFailure>),
    /// The outputs took a stage, or did not.
    Told {
        /// The stage.
        stage: Stage,
        /// Whether it was shown.
        shown: bool,
    },
    /// An installer asks for a test press of this configured device.
    TestAsked {
        /// The device.
        device: String,
    },
    /// One named output took a stage, or did not.
    Played {
        /// The output.
        output: String,
        /// The stage.
        stage: Stage,
        /// What became of it.
        outcome: PlayOutcome,
    },
    /// What came of a message to a contact.
    Contacted {
        /// The message.
        told: Contacting,
        /// What came of it.
        result: ContactResult,
    },
    /// A deadline may have passed.
    Woken,
    /// The program is asked to stop.
    Stopping,
}

/// Something the loop asks its driver to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Append and sync, then roll to a new segment where a checkpoint is given. One at a time.
    Write {
        /// The records, in order.
        records: Vec<Arc<Record>>,
        /// The checkpoint of a new segment.
        roll: Option<Vec<u8>>,
        /// Segments wholly delivered below this may go.
        low_water: u64,
    },
    /// Make the reserve hold these and no others, the first ones where not all fit.
    Reserve {
        /// Emergencies.
        records: Vec<Arc<Record>>,
    },
    /// Let segments go: records that attest it are written.
    Retire {
        /// The last of them.
        through_segment: u64,
    },
    /// Read records back.
    Load {
        /// First sequence.
        from_seq: u64,
        /// At most so many.
        limit: usize,
    },
    /// Answer the sender of a message.
    Answer {
        /// The message.
        token: u64,
        /// What became of it.
        verdict: Verdict,
    },
    /// Post records to the centre.
    Send {
        /// Names the request.
        request: u64,
        /// Index of the path.
        path: usize,
        /// The clocks at sending.
        sent: Stamp,
        /// The records.
        records: Vec<Arc<Record>>,
    },
    /// Ask the centre how far the home's orders are.
    Poll {
        /// Index of the path.
        path: usize,
        /// The version known.
        after: u64,
        /// How long the centre may wait, seconds.
        wait_secs: u64,
    },
    /// Tell the elder.
    Tell {
        /// The stage.
        stage: Stage,
        /// Whether it repeats the last one.
        again: bool,
    },
    /// Send this message to a contact; every one is answered with [`Completion::Contacted`].
    Contact(Contacting),
    /// Everything is written: the program may end.
    Stop,
}
