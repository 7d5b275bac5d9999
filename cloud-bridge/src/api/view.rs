//! Work orders as the API shows them.

use protocol::feed::OrderState;
use protocol::ids::{GatewayId, WorkOrderId};
use protocol::stage::Stage;
use protocol::trigger::{OrderClass, Reason, TriggerKind};
use serde::Serialize;
use utoipa::ToSchema;

use crate::dispatch::WorkOrder;
use crate::store::TimelineRow;
use crate::store::rows::rfc3339;

/// A work order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WorkOrderView {
    /// `wo_…`.
    #[schema(value_type = String, example = "wo_0123456789abcdef01234567")]
    id: WorkOrderId,
    /// Its version, also its ETag.
    ver: u64,
    /// The gateway of the home.
    #[schema(value_type = String)]
    gateway: GatewayId,
    /// emergency, fire_gas, assistance or technical.
    #[schema(value_type = String, example = "emergency")]
    class: OrderClass,
    /// What opened it.
    #[schema(value_type = String, example = "sos")]
    kind: TriggerKind,
    /// 0 fire and gas, 1 SOS and fall, 2 welfare, 3 technical.
    priority: u8,
    /// open, claimed, verifying, dispatched, on_scene, awaiting_close or closed.
    #[schema(value_type = String, example = "open")]
    state: OrderState,
    /// What the elder may be told.
    #[schema(value_type = String, example = "received")]
    stage: Stage,
    /// Why it was opened.
    #[schema(value_type = String, example = "button_pressed")]
    reason: Reason,
    /// The same for the dispatcher to read, in Chinese.
    #[schema(example = "按下求助键")]
    reason_zh: &'static str,
    /// The same in English.
    #[schema(example = "a button was pressed")]
    reason_en: &'static str,
    /// How many triggers it carries.
    presses: u32,
    /// Whether a person pressed a button for any of them.
    manual: bool,
    /// Who has it.
    owner: Option<String>,
    /// Who is on the way or was sent last.
    responder: Option<String>,
    /// Whether what opened it arrived late.
    late: bool,
    /// The record whose lifecycle opened it, `incarnation-sequence`.
    opened_by: String,
    /// The home's order of another class of danger.
    #[schema(value_type = Option<String>)]
    linked: Option<WorkOrderId>,
    /// When it was opened, RFC 3339.
    opened_at: String,
    /// When what opened it happened in the home, by its true age, RFC 3339.
    occurred_at: String,
    /// When it last changed, RFC 3339.
    updated_at: String,
    /// When it was first claimed, RFC 3339.
    claimed_at: Option<String>,
    /// How it was closed.
    closed: Option<ClosingView>,
    /// What happened, oldest first; only when a single order is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline: Option<Vec<TimelineView>>,
}

/// How an order was closed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClosingView {
    /// The close code.
    code: &'static str,
    /// The outcome.
    outcome: Option<&'static str>,
    /// Who.
    by: String,
    /// When, RFC 3339.
    at: String,
}

/// One line of a timeline.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TimelineView {
    /// When, by the centre's clock, RFC 3339.
    at: String,
    /// When it happened in the home, by its true age, RFC 3339.
    occurred_at: Option<String>,
    /// home, centre or operator.
    source: String,
    /// The operator.
    by: Option<String>,
    /// What, by a stable name.
    what: String,
    /// The rest of it.
    #[schema(value_type = Object)]
    detail: serde_json::Value,
}

/// Orders in queue order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WorkOrdersView {
    /// Orders that are not closed by priority, unclaimed first, oldest first; then closed ones, newest first.
    pub(super) work_orders: Vec<WorkOrderView>,
}

impl WorkOrderView {
    pub(super) fn of(order: WorkOrder, timeline: Option<Vec<TimelineRow>>) -> Self {
        let stage = order.stage();
        let (reason_zh, reason_en) = order.reason.words();
        Self {
            id: order.id,
            ver: order.ver,
            gateway: order.gateway,
            class: order.class,
            kind: order.kind,
            priority: order.priority,
            state: order.state,
            stage,
            reason: order.reason,
            reason_zh,
            reason_en,
            presses: order.presses,
            manual: order.manual,
            owner: order.owner,
            responder: order.responder,
            late: order.late,
            opened_by: order.opened_by.to_string(),
            linked: order.linked,
            opened_at: rfc3339(order.opened_at_ms),
            occurred_at: rfc3339(order.occurred_at_ms),
            updated_at: rfc3339(order.updated_at_ms),
            claimed_at: order.claimed_at_ms.map(rfc3339),
            closed: order.closing.map(|closing| ClosingView {
                code: closing.code.as_str(),
                outcome: closing.outcome.map(|outcome| outcome.as_str()),
                by: closing.by,
                at: rfc3339(closing.at_ms),
            }),
            timeline: timeline.map(|rows| rows.into_iter().map(TimelineView::of).collect()),
        }
    }

    /// Its ETag.
    pub(super) fn etag(&self) -> String {
        format!("\"{}\"", self.ver)
    }
}

impl TimelineView {
    fn of(row: TimelineRow) -> Self {
        Self {
            at: rfc3339(row.at_ms),
            occurred_at: row.occurred_at_ms.map(rfc3339),
            source: row.source,
            by: row.by,
            what: row.what,
            detail: row.detail,
        }
    }
}
