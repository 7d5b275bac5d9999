//! The alert feed: one CloudEvents 1.0 body for the pull log, the stream and webhooks.
//!
//! Names, addresses and health details never stand in it.

use serde::{Deserialize, Serialize};

use crate::ids::{GatewayId, WorkOrderId};
use crate::trigger::{OrderClass, Reason, TriggerKind};
use crate::visit::{Grade, VisitException};

/// One item of the feed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeedEvent {
    /// Always `1.0`.
    pub specversion: String,
    /// `evt_…`; the same on every channel and every retry.
    pub id: String,
    /// `/tenants/{tenant}/cloud-bridge`.
    pub source: String,
    /// `workorder.opened`, `workorder.claimed`, `care_visit.checked_in`, ….
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is about: `wo_…` or a gateway id.
    pub subject: String,
    /// RFC 3339, UTC, milliseconds, by the centre's clock.
    pub time: String,
    /// The same as `time`, for Standard Webhooks.
    pub timestamp: String,
    /// Always `application/json`.
    pub datacontenttype: String,
    /// Place in the feed, dense and rising, as decimal text.
    pub feedseq: String,
    /// Whether a test caused it.
    pub test: bool,
    /// A [`WorkOrderNotice`], [`VisitNotice`] or other body by `kind`.
    pub data: serde_json::Value,
}

/// A page of the pull log `GET /v1/feed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeedPage {
    /// The events after the cursor.
    pub events: Vec<FeedEvent>,
    /// The cursor to ask after next, as decimal text.
    pub next: String,
    /// Whether more events are waiting.
    pub more: bool,
}

/// State of a work order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// 待接警: nobody has it.
    Open,
    /// 已接警: a dispatcher has it.
    Claimed,
    /// 核实中: the dispatcher is checking.
    Verifying,
    /// 在途: a responder has accepted and is on the way.
    Dispatched,
    /// 已到场: a responder is in the home.
    OnScene,
    /// 待结案: the responder has left; the dispatcher speaks to the elder and closes.
    AwaitingClose,
    /// 已结案: closed with a code.
    Closed,
}

/// What every `workorder.*` event says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkOrderNotice {
    /// The order.
    pub id: WorkOrderId,
    /// Its version; the larger one is the newer.
    pub ver: u64,
    /// The gateway of the home.
    pub gateway: GatewayId,
    /// Its class.
    pub class: OrderClass,
    /// What opened it.
    pub kind: TriggerKind,
    /// Priority 0–3.
    pub priority: u8,
    /// Its state.
    pub state: OrderState,
    /// Why it was opened.
    pub reason: Reason,
    /// How many triggers it carries, the first included.
    pub presses: u32,
    /// Who has it.
    pub owner: Option<String>,
    /// Whether consoles ring (again) for this event.
    pub ring: bool,
    /// Received − occurred over 120 s, by the record's true age.
    pub late: bool,
    /// The close code, once closed.
    pub close_code: Option<String>,
}

/// What every `care_visit.*` event says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisitNotice {
    /// The gateway of the home.
    pub gateway: GatewayId,
    /// The caregiver's staff id; none for one whom the home does not know, since what was typed may be a name.
    pub caregiver: Option<String>,
    /// The service.
    pub service: String,
    /// The grade.
    pub grade: Grade,
    /// What is odd.
    pub exceptions: Vec<VisitException>,
    /// Distance to the home, metres.
    pub distance_m: Option<u32>,
    /// The emergency order that it joined.
    pub work_order: Option<WorkOrderId>,
    /// Whether the caregiver said what came of it; the words stand on the order's timeline, not in the feed.
    pub outcome_given: bool,
}
