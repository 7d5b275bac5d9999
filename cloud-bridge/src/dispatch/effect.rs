//! What the centre's shell is asked to do: write an order's row, append to its timeline, publish
//! on the feed, write a visit, or refuse with a reason that a person can read.

use std::fmt;

use protocol::feed::{OrderState, VisitNotice, WorkOrderNotice};
use protocol::ids::{GatewayId, LocalKey, WorkOrderId};
use protocol::record::TestStep;
use protocol::trigger::{Reason, TriggerKind};
use protocol::visit::VisitRecord;

use super::timeline::{Actor, Entry, What};
use super::work_order::WorkOrder;

/// One thing to do, in the order given, all in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Write the order's row as it now is.
    Order(Box<WorkOrder>),
    /// Append to an order's timeline.
    Timeline(Entry),
    /// Publish on the feed.
    Publish(Notice),
    /// Write a visit's row.
    Visit(Box<VisitRow>),
    /// Tell whoever asked that nothing was done, and why.
    Refused(Refused),
}

/// A check-in or check-out with the order it met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisitRow {
    /// The record it came in.
    pub key: LocalKey,
    /// Unix milliseconds of its arrival.
    pub received_at_ms: i64,
    /// Unix milliseconds of its making, by its true age.
    pub occurred_at_ms: i64,
    /// What it says.
    pub visit: VisitRecord,
    /// The emergency order that was open.
    pub work_order: Option<WorkOrderId>,
}

/// Type of a feed item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FeedKind {
    /// An order was opened.
    Opened,
    /// An order changed in another way; rings when a further press joined it.
    Updated,
    /// A dispatcher took it.
    Claimed,
    /// A dispatcher gave it back.
    Released,
    /// A responder accepted and is on the way.
    Dispatched,
    /// A responder is in the home.
    OnScene,
    /// Closed with a code.
    Closed,
    /// A caregiver came.
    CheckedIn,
    /// A caregiver left.
    CheckedOut,
    /// The elder cancelled a pre-alarm before it became an order.
    PreAlarmCancelled,
    /// A test press arrived.
    Test,
    /// A test was asked for, failed or ended, or one is due.
    TestStep,
}

impl FeedKind {
    /// The type on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "workorder.opened",
            Self::Updated => "workorder.updated",
            Self::Claimed => "workorder.claimed",
            Self::Released => "workorder.released",
            Self::Dispatched => "workorder.dispatched",
            Self::OnScene => "workorder.on_scene",
            Self::Closed => "workorder.closed",
            Self::CheckedIn => "care_visit.checked_in",
            Self::CheckedOut => "care_visit.checked_out",
            Self::PreAlarmCancelled => "prealarm.cancelled",
            Self::Test => "test",
            Self::TestStep => "test.step",
        }
    }
}

/// One item for the feed; its place and identity are given in the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its type.
    pub kind: FeedKind,
    /// What it says. Never a name, an address or a device's name.
    pub body: NoticeBody,
}

/// What a feed item says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoticeBody {
    /// About an order.
    Order(WorkOrderNotice),
    /// About a visit.
    Visit(VisitNotice),
    /// About a pre-alarm that opened no order.
    PreAlarm(PreAlarmNotice),
    /// About a test press.
    Test(TestNotice),
    /// About the course of a test.
    TestStep(TestStepNotice),
}

/// What `prealarm.cancelled` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreAlarmNotice {
    /// The gateway of the home.
    pub gateway: GatewayId,
    /// The pre-alarm's record.
    pub lifecycle: LocalKey,
    /// What would have been raised; none while the pre-alarm itself has not arrived.
    pub kind: Option<TriggerKind>,
    /// Why it was cancelled.
    pub reason: Reason,
}

/// What `test` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestNotice {
    /// The gateway of the home.
    pub gateway: GatewayId,
    /// The record, which is the evidence that the test ran.
    pub record: LocalKey,
    /// What was tested.
    pub kind: TriggerKind,
    /// Whether it arrived late.
    pub late: bool,
}

/// What `test.step` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestStepNotice {
    /// The gateway of the home.
    pub gateway: GatewayId,
    /// The record, which names the device.
    pub record: LocalKey,
    /// What happened.
    pub step: TestStep,
}

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// Somebody else has it.
    AlreadyClaimed {
        /// The owner.
        owner: String,
    },
    /// Only the owner or a supervisor may do this.
    NotOwner {
        /// The owner.
        owner: String,
    },
    /// Nobody has it yet.
    Unclaimed,
    /// Not possible in the order's state.
    WrongState {
        /// The state.
        state: OrderState,
    },
    /// The caller looked at an older version.
    VersionMismatch {
        /// The version now.
        current: u64,
    },
    /// No close code.
    CodeMissing,
    /// Not a close code.
    CodeUnknown {
        /// As given.
        given: String,
    },
    /// No outcome, though the priority asks for one.
    OutcomeMissing,
    /// Not an outcome.
    OutcomeUnknown {
        /// As given.
        given: String,
    },
    /// `cancelled_by_elder` for an order that carries a manual press.
    PressNotCancellable,
    /// `unreachable_address` for an order where somebody may be in danger.
    UnreachableStaysOpen,
    /// A text that must say something is empty or too long.
    TextLength {
        /// Which text.
        what: &'static str,
    },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyClaimed { owner } => write!(f, "already claimed by {owner}"),
            Self::NotOwner { owner } => write!(f, "{owner} has this order; only the owner or a supervisor may do this"),
            Self::Unclaimed => f.write_str("nobody has this order; claim it first"),
            Self::WrongState { state } => write!(f, "not possible while the order is {}", state_name(*state)),
            Self::VersionMismatch { current } => {
                write!(f, "the order has changed, its version is {current}; look at it again")
            }
            Self::CodeMissing => f.write_str("a close code is required"),
            Self::CodeUnknown { given } => write!(f, "`{given}` is not a close code"),
            Self::OutcomeMissing => f.write_str("an outcome is required to close an order of priority 0 or 1"),
            Self::OutcomeUnknown { given } => write!(f, "`{given}` is not an outcome"),
            Self::PressNotCancellable => {
                f.write_str("cancelled_by_elder is for automatic alarms only; this order carries a manual press")
            }
            Self::UnreachableStaysOpen => f.write_str(
                "an emergency cannot be closed because the address was not reached; send somebody or hand it on",
            ),
            Self::TextLength { what } => write!(f, "{what} must have 1 to {} characters", super::command::TEXT_MAX),
        }
    }
}

/// The state's name on the wire.
pub fn state_name(state: OrderState) -> &'static str {
    match state {
        OrderState::Open => "open",
        OrderState::Claimed => "claimed",
        OrderState::Verifying => "verifying",
        OrderState::Dispatched => "dispatched",
        OrderState::OnScene => "on_scene",
        OrderState::AwaitingClose => "awaiting_close",
        OrderState::Closed => "closed",
    }
}

/// Effects under collection during one input.
#[derive(Debug)]
pub(super) struct Effects {
    now_ms: i64,
    list: Vec<Effect>,
}

impl Effects {
    pub(super) fn at(now_ms: i64) -> Self {
        Self { now_ms, list: Vec::new() }
    }

    pub(super) fn now(&self) -> i64 {
        self.now_ms
    }

    pub(super) fn push(&mut self, effect: Effect) {
        self.list.push(effect);
    }

    pub(super) fn refuse(&mut self, refused: Refused) {
        self.push(Effect::Refused(refused));
    }

    pub(super) fn note(&mut self, order: &WorkOrderId, occurred_at_ms: Option<i64>, by: Actor, what: What) {
        let at_ms = self.now_ms;
        self.push(Effect::Timeline(Entry { order: order.clone(), at_ms, occurred_at_ms, by, what }));
    }

    /// Writes and publishes a changed order; `ring` makes consoles ring.
    pub(super) fn changed(&mut self, order: &WorkOrder, kind: FeedKind, ring: bool, late: bool) {
        self.push(Effect::Order(Box::new(order.clone())));
        self.push(Effect::Publish(Notice { kind, body: NoticeBody::Order(order.notice(ring, late)) }));
    }

    pub(super) fn changed_orders(&self) -> bool {
        self.list.iter().any(|effect| matches!(effect, Effect::Order(_)))
    }

    pub(super) fn into_vec(self) -> Vec<Effect> {
        self.list
    }
}
