//! The timeline of a work order: append-only, each entry with who, what and two clocks.

use protocol::ids::{LocalKey, WorkOrderId};
use protocol::record::{ContactResult, PlayOutcome, Trigger};
use protocol::stage::Stage;
use protocol::trigger::{Reason, TriggerKind};
use protocol::visit::{Grade, VisitException};

use super::close::{CloseCode, Outcome};

/// One line of a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The order.
    pub order: WorkOrderId,
    /// Unix milliseconds at the centre.
    pub at_ms: i64,
    /// Unix milliseconds in the home by true age; none for what happened at the centre.
    pub occurred_at_ms: Option<i64>,
    /// Who.
    pub by: Actor,
    /// What.
    pub what: What,
}

/// Who made an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// The home's gateway.
    Home,
    /// The centre by itself.
    Centre,
    /// A signed-in person, by the name of the sign-in.
    Operator(String),
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A trigger opened the order.
    Opened(Origin),
    /// A further trigger joined it.
    Joined {
        /// The trigger.
        origin: Origin,
        /// How many it carries now.
        presses: u32,
    },
    /// The gateway raised what had been raised already, by the centre's own fuse or by an earlier saying of the
    /// same delivery: the same press.
    ConfirmedByGateway {
        /// Its record.
        record: LocalKey,
        /// Its reason.
        reason: Reason,
    },
    /// A trigger or pre-alarm of a lifecycle that was closed already.
    ArrivedAfterClose {
        /// Its record.
        record: LocalKey,
    },
    /// The elder cancelled after the order was open; the dispatcher decides.
    CancelledByElder {
        /// The button.
        device: String,
    },
    /// The elder said "I'm fine" while it was open; the dispatcher decides.
    SaidFine {
        /// The button or page.
        device: String,
    },
    /// What had been raised is over: a hazard cleared, a device heard again, the mains back.
    Over {
        /// The device.
        device: String,
        /// The reason that holds no longer.
        reason: Reason,
    },
    /// Another order of the same home was opened for another class of danger.
    Linked {
        /// The other order.
        order: WorkOrderId,
    },
    /// The trigger is more than 24 hours old: call the elder back within ten minutes.
    CallBack {
        /// Its age.
        age_ms: i64,
    },
    /// A dispatcher took it.
    Claimed,
    /// A dispatcher gave it back.
    Released,
    /// A responder accepted and is on the way.
    Dispatched {
        /// Who goes.
        responder: String,
    },
    /// The responder cannot come.
    Withdrawn {
        /// Who went.
        responder: String,
    },
    /// The dispatcher says that help is in the home.
    OnSceneByWord,
    /// A proven check-in says that help is in the home.
    OnSceneByVisit {
        /// Who came.
        caregiver: String,
    },
    /// A check-in that does not prove itself: the dispatcher is asked to confirm.
    CheckInToConfirm {
        /// Who says to have come.
        caregiver: String,
        /// How far it is proven.
        grade: Grade,
        /// What is odd.
        exceptions: Vec<VisitException>,
    },
    /// A caregiver left.
    CheckedOut {
        /// Who.
        caregiver: String,
        /// What came of it.
        outcome: Option<String>,
    },
    /// What the elder was really told.
    Told {
        /// The stage.
        stage: Stage,
        /// Whether the output took it.
        shown: bool,
    },
    /// What one output in the home really did with a stage.
    Played {
        /// The output.
        output: String,
        /// The stage.
        stage: Stage,
        /// What became of it.
        outcome: PlayOutcome,
    },
    /// The home could not reach the centre and began to tell its contacts.
    ContactsCalled {
        /// How many.
        contacts: u8,
        /// Why.
        reason: Reason,
    },
    /// One message to one contact.
    ContactTold {
        /// Which contact, from 1.
        contact: u8,
        /// Which attempt, from 1.
        attempt: u8,
        /// What came of it.
        result: ContactResult,
    },
    /// A note.
    Note {
        /// Its text.
        text: String,
    },
    /// Closed.
    Closed {
        /// The code.
        code: CloseCode,
        /// The outcome.
        outcome: Option<Outcome>,
        /// What the dispatcher wrote.
        note: Option<String>,
    },
}

/// Where a trigger came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Its record, or the pre-alarm's where the centre's fuse ended.
    pub record: LocalKey,
    /// What it is.
    pub kind: TriggerKind,
    /// The device.
    pub device: String,
    /// The room.
    pub room: Option<String>,
    /// Why.
    pub reason: Reason,
    /// Its age on arrival, where it was late.
    pub late_ms: Option<i64>,
}

impl Origin {
    pub(super) fn of(record: LocalKey, trigger: &Trigger, late_ms: Option<i64>) -> Self {
        let Trigger { kind, device, room, reason, .. } = trigger;
        Self { record, kind: *kind, device: device.clone(), room: room.clone(), reason: *reason, late_ms }
    }
}

impl What {
    /// A stable name of the entry.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Opened(_) => "opened",
            Self::Joined { .. } => "joined",
            Self::ConfirmedByGateway { .. } => "confirmed_by_gateway",
            Self::ArrivedAfterClose { .. } => "arrived_after_close",
            Self::CancelledByElder { .. } => "cancelled_by_elder",
            Self::SaidFine { .. } => "said_fine",
            Self::Over { .. } => "over",
            Self::Linked { .. } => "linked",
            Self::CallBack { .. } => "call_back",
            Self::Claimed => "claimed",
            Self::Released => "released",
            Self::Dispatched { .. } => "dispatched",
            Self::Withdrawn { .. } => "withdrawn",
            Self::OnSceneByWord => "on_scene_by_word",
            Self::OnSceneByVisit { .. } => "on_scene_by_visit",
            Self::CheckInToConfirm { .. } => "check_in_to_confirm",
            Self::CheckedOut { .. } => "checked_out",
            Self::Told { .. } => "told",
            Self::Played { .. } => "played",
            Self::ContactsCalled { .. } => "contacts_called",
            Self::ContactTold { .. } => "contact_told",
            Self::Note { .. } => "note",
            Self::Closed { .. } => "closed",
        }
    }
}
