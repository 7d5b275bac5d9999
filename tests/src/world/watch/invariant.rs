//! The invariants by name, and what is told when one does not hold.

use std::fmt;

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// A press is acknowledged only when the disk or the centre has it.
    AcknowledgedIsSafe,
    /// What was synced is there after every crash.
    SyncedSurvives,
    /// A press that was acknowledged, or shown as recorded, reaches the centre once faults stop.
    PressReachesCentre,
    /// Every press counts exactly once, in exactly one order.
    PressCountsOnce,
    /// An order's count is that of the needs that opened and joined it.
    JoinedPressIsCounted,
    /// A fall that was not cancelled ends in an order.
    FallReachesCentre,
    /// A cancelled pre-alarm opens no order after its cancel.
    CancelHolds,
    /// A cancel never reaches the centre before its pre-alarm.
    OrderWithinLifecycle,
    /// The elder is never told more than is true.
    LampNeverAhead,
    /// While a call is open the elder is told something.
    LampTellsOpenCall,
    /// Contacts are told only of a call that has waited for the centre, and not without end.
    ContactsWithReason,
    /// A call ends only when its order is closed.
    ResolvedOnlyWhenClosed,
    /// The feed has no gap.
    FeedIsDense,
    /// An order is opened on the feed once.
    OpenedOnce,
    /// No identity comes with two contents.
    OneHashPerIdentity,
    /// The centre finds fault with the chain of a home only where its disk lost what the centre has.
    ChainFollows,
    /// After every start the journal is whole.
    JournalVerifies,
    /// A program starts whatever happened to it.
    StartupSucceeds,
    /// A gateway that is asked to stop does so soon, and where its disk takes writes the last record says so.
    StopsInOrder,
    /// A queue stays within its limit.
    QueueBounds,
    /// The loop does not spin.
    LoopComesToRest,
    /// A body reads back as it was written.
    BodiesReadBack,
    /// Once faults stop and calls are closed, everything comes to rest.
    ComesToRest,
    /// What a desk did is soon known in a home whose call is open and whose line carries.
    NewsReachesHome,
    /// Nothing panics.
    NeverPanics,
}

/// An invariant that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// Virtual milliseconds.
    pub at_ms: u64,
    /// The home, where it is one home's.
    pub home: usize,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {} ms, home {}: {}", self.invariant, self.at_ms, self.home, self.what)
    }
}
