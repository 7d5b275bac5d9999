//! What goes into a home and what comes out of it.

use protocol::downlink::OrderProgress;
use protocol::observation::Observation;
use protocol::record::{Body, ContactResult};
use protocol::stage::Stage;
use protocol::trigger::Reason;

use super::contacts::Contacting;
use super::supervision::silence::Power;
use crate::decode::VisitMessage;

/// Everything that can happen to a home.
#[derive(Debug, Clone)]
pub enum Input<'a> {
    /// A decoded device message says something.
    Observed {
        /// What it says.
        observation: &'a Observation,
        /// Whether it changes what was known.
        edge: bool,
        /// The decoder's reason, for kinds that raise.
        reason: Option<Reason>,
    },
    /// A caregiver checks in or out.
    Visit(&'a VisitMessage),
    /// The elder cancels from a page or button of the product's own, named here.
    Cancel(&'a str),
    /// The journal holds every record up to this sequence.
    Synced(u64),
    /// The journal could not be written, or can again.
    Disk {
        /// Whether it takes records.
        writable: bool,
    },
    /// The centre holds these records; its state of the home was then at `ver`.
    Received {
        /// Sequences received.
        seqs: &'a [u64],
        /// Version of the home's state at the centre.
        ver: u64,
    },
    /// The centre told the whole state of the home's open orders.
    Progress {
        /// Version of that state.
        ver: u64,
        /// The open orders.
        orders: &'a [OrderProgress],
        /// How long it holds, milliseconds.
        lease_ms: u64,
    },
    /// What came of a message to a contact.
    Contacted {
        /// The message.
        told: Contacting,
        /// What came of it.
        result: ContactResult,
    },
    /// A device of the home spoke, whatever it said; not journaled.
    DeviceHeard {
        /// The device.
        device: &'a str,
        /// Where its power comes from, by its bridge's word.
        power: Option<Power>,
    },
    /// An installer is asked to press this device now.
    TestAsked(&'a str),
    /// The program started; everything known was applied before.
    Started {
        /// The first record of it that is not known to be durable; none where all is.
        unsafe_from: Option<u64>,
    },
    /// A deadline may have passed.
    Woken,
}

/// What a home asks of the loop around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Write this record, and fold it with [`super::Home::apply`] at once.
    Record(Body),
}

/// What the elder is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Telling {
    /// The stage.
    pub stage: Stage,
    /// Whether it repeats what was told last, because a press asks anew.
    pub again: bool,
}

/// When a home next wants to be woken, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deadline {
    /// A pre-alarm ends.
    PreAlarmEnds,
    /// A suspected fall was not cleared.
    FallWarningEnds,
    /// A cancelled fall was followed by stillness.
    FallFollowUpEnds,
    /// Quiet after the exit door: presumed out.
    PresumedOut,
    /// A quiet or an absence is too long.
    QuietTooLong,
    /// There was no contact after an inactivity alarm.
    NoContact,
    /// A stay in bathroom or bed is too long.
    StaysTooLong,
    /// A visit no longer stills the elder's clock.
    VisitEnds,
    /// The centre has not received a press in time.
    CentreNotReached,
    /// What the centre said no longer holds.
    LeaseEnds,
    /// A call has been without receipt for so long that the contacts are told.
    ContactsWait,
    /// A contact is to be tried, or tried again.
    ContactDue,
    /// A timed check-in is to be looked at.
    CheckInDue,
    /// A device may have fallen silent.
    SilenceChecked,
    /// The radio bridge has been away for too long.
    RadioMissed,
    /// Sensors are looked at for being stuck.
    StuckChecked,
    /// The press of a test has not come.
    TestPressMissed,
    /// Test mode ends.
    TestModeEnds,
    /// Buttons are looked at for a proof that is due.
    ProofChecked,
}
