//! One work order: how it is opened, how further triggers join it, and what it says of itself.

use protocol::feed::{OrderState, WorkOrderNotice};
use protocol::ids::{GatewayId, LocalKey, WorkOrderId};
use protocol::trigger::{OrderClass, Reason, TriggerKind};

use super::close::Closing;

/// Lowest urgency whose events make consoles ring.
const RING_PRIORITY_MAX: u8 = 2;

/// How help came to be on scene.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// The dispatcher says so.
    ByWord,
    /// This caregiver checked in, proven.
    Caregiver(String),
}

/// The thing a dispatcher handles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkOrder {
    /// Its identity.
    pub id: WorkOrderId,
    /// The gateway of the home.
    pub gateway: GatewayId,
    /// Its version, from 1; rises with every change.
    pub ver: u64,
    /// Its class.
    pub class: OrderClass,
    /// What opened it.
    pub kind: TriggerKind,
    /// Priority 0–3; a more urgent trigger raises it.
    pub priority: u8,
    /// Its state.
    pub state: OrderState,
    /// Why it was opened.
    pub reason: Reason,
    /// How many triggers it carries.
    pub presses: u32,
    /// Whether a person pressed a button for any of them.
    pub manual: bool,
    /// Who has it.
    pub owner: Option<String>,
    /// Who is on the way or was sent last.
    pub responder: Option<String>,
    /// How help came to be in the home.
    pub presence: Option<Presence>,
    /// Whether help stepped back since the elder was last told of some.
    pub retracted: bool,
    /// Whether what opened it arrived late.
    pub late: bool,
    /// The record whose lifecycle opened it.
    pub opened_by: LocalKey,
    /// The home's order of another class of danger.
    pub linked: Option<WorkOrderId>,
    /// Unix milliseconds of its opening.
    pub opened_at_ms: i64,
    /// Unix milliseconds at which what opened it happened, by true age.
    pub occurred_at_ms: i64,
    /// Unix milliseconds of its last change.
    pub updated_at_ms: i64,
    /// Unix milliseconds of its first claim.
    pub claimed_at_ms: Option<i64>,
    /// How it was closed.
    pub closing: Option<Closing>,
}

/// What opens an order.
#[derive(Debug, Clone)]
pub(super) struct Opening {
    pub(super) opened_by: LocalKey,
    pub(super) kind: TriggerKind,
    pub(super) reason: Reason,
    pub(super) priority: u8,
    pub(super) late: bool,
    pub(super) occurred_at_ms: i64,
}

impl WorkOrder {
    pub(super) fn open(gateway: &GatewayId, now_ms: i64, opening: &Opening) -> Self {
        Self {
            id: super::order_id(gateway, opening.opened_by),
            gateway: gateway.clone(),
            ver: 1,
            class: opening.kind.class(),
            kind: opening.kind,
            priority: opening.priority,
            state: OrderState::Open,
            reason: opening.reason,
            presses: 1,
            manual: is_manual(opening.kind),
            owner: None,
            responder: None,
            presence: None,
            retracted: false,
            late: opening.late,
            opened_by: opening.opened_by,
            linked: None,
            opened_at_ms: now_ms,
            occurred_at_ms: opening.occurred_at_ms,
            updated_at_ms: now_ms,
            claimed_at_ms: None,
            closing: None,
        }
    }

    /// A further trigger: counted, and a fresh need where the last responder has left already.
    pub(super) fn join(&mut self, now_ms: i64, kind: TriggerKind, priority: u8) {
        self.presses = self.presses.saturating_add(1);
        self.priority = self.priority.min(priority);
        self.manual |= is_manual(kind);
        if self.state == OrderState::AwaitingClose {
            self.state = self.state_without_responder();
        }
        self.touch(now_ms);
    }

    pub(super) fn touch(&mut self, now_ms: i64) {
        self.ver += 1;
        self.updated_at_ms = now_ms;
    }

    pub(super) fn state_without_responder(&self) -> OrderState {
        if self.owner.is_some() { OrderState::Claimed } else { OrderState::Open }
    }

    /// Whether consoles ring for a trigger on it.
    pub(super) fn rings(&self) -> bool {
        self.priority <= RING_PRIORITY_MAX
    }

    pub(super) fn notice(&self, ring: bool, late: bool) -> WorkOrderNotice {
        WorkOrderNotice {
            id: self.id.clone(),
            ver: self.ver,
            gateway: self.gateway.clone(),
            class: self.class,
            kind: self.kind,
            priority: self.priority,
            state: self.state,
            reason: self.reason,
            presses: self.presses,
            owner: self.owner.clone(),
            ring,
            late,
            close_code: self.closing.as_ref().map(|closing| closing.code.as_str().to_owned()),
        }
    }
}

/// Whether a person pressed a button for it.
fn is_manual(kind: TriggerKind) -> bool {
    match kind {
        TriggerKind::Sos | TriggerKind::Assistance => true,
        TriggerKind::Fall
        | TriggerKind::Inactivity
        | TriggerKind::MissedCheckIn
        | TriggerKind::Smoke
        | TriggerKind::Co
        | TriggerKind::Gas
        | TriggerKind::Water
        | TriggerKind::Technical
        | TriggerKind::Welfare => false,
    }
}
