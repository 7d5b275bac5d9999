//! The versioned form in which a home's aggregate and an order stand in a database.
//!
//! The only place where the pure machine's state meets serde; a change of form is a new version.

use std::collections::BTreeMap;

use protocol::feed::OrderState;
use protocol::ids::{GatewayId, Hash32, Incarnation, LocalKey, WorkOrderId};
use protocol::record::Delivery;
use protocol::trigger::{OrderClass, Reason, TriggerKind};
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::centre::chain::{Chain, Newest, Run};
use crate::dispatch::work_order::Presence;
use crate::dispatch::{
    Alarm, CloseCode, Closing, Dispatch, LifeState, Lifecycle, MainsLoss, MainsRules, Outcome, Said, Silence, WorkOrder,
};

/// The newest version of an order's form.
const ORDER_VERSION: u8 = 1;

/// The newest version of a home's form: 2 knows its mains and its silence, 3 the deliveries that raised something,
/// 4 the rules of its mains loss.
const HOME_VERSION: u8 = 4;

/// The newest version of a chain's form.
const CHAIN_VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct ChainSnapshot {
    v: u8,
    /// Run, place, hash.
    newest: Option<(Incarnation, u64, Hash32)>,
    /// Run, first place, last place, to which run it lost places.
    runs: Vec<(Incarnation, u64, u64, Option<Incarnation>)>,
}

#[derive(Serialize, Deserialize)]
struct HomeSnapshot {
    v: u8,
    gateway: GatewayId,
    ver: u64,
    orders: Vec<OrderSnapshot>,
    lifecycles: Vec<LifeSnapshot>,
    #[serde(default)]
    mains: Option<MainsSnapshot>,
    #[serde(default)]
    silence: Option<SilenceSnapshot>,
    #[serde(default)]
    own_orders: u64,
    #[serde(default)]
    said: Vec<SaidSnapshot>,
}

#[derive(Serialize, Deserialize)]
struct SaidSnapshot {
    delivery: Delivery,
    run: Incarnation,
    life: LocalKey,
    order: Option<WorkOrderId>,
}

#[derive(Serialize, Deserialize)]
struct MainsSnapshot {
    record: LocalKey,
    device: String,
    since_ms: i64,
    /// Before version 4 the times were fixed, as they are by default.
    #[serde(default = "held_before_4")]
    held_ms: i64,
    #[serde(default = "long_before_4")]
    long_ms: i64,
    order: Option<WorkOrderId>,
    long: bool,
}

fn held_before_4() -> i64 {
    30 * 60_000
}

fn long_before_4() -> i64 {
    4 * 60 * 60_000
}

#[derive(Serialize, Deserialize)]
struct SilenceSnapshot {
    since_ms: i64,
    order_after_ms: i64,
    order: Option<WorkOrderId>,
}

#[derive(Serialize, Deserialize)]
struct OrderSnapshot {
    v: u8,
    id: WorkOrderId,
    gateway: GatewayId,
    ver: u64,
    class: OrderClass,
    kind: TriggerKind,
    priority: u8,
    state: OrderState,
    reason: Reason,
    presses: u32,
    manual: bool,
    owner: Option<String>,
    responder: Option<String>,
    presence: Option<PresenceSnapshot>,
    retracted: bool,
    late: bool,
    opened_by: LocalKey,
    linked: Option<WorkOrderId>,
    opened_at_ms: i64,
    occurred_at_ms: i64,
    updated_at_ms: i64,
    claimed_at_ms: Option<i64>,
    closing: Option<ClosingSnapshot>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PresenceSnapshot {
    ByWord,
    Caregiver(String),
}

#[derive(Serialize, Deserialize)]
struct ClosingSnapshot {
    code: String,
    outcome: Option<String>,
    by: String,
    at_ms: i64,
}

#[derive(Serialize, Deserialize)]
struct LifeSnapshot {
    key: LocalKey,
    since_ms: i64,
    state: LifeStateSnapshot,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LifeStateSnapshot {
    Burning {
        due_ms: i64,
        kind: TriggerKind,
        #[serde(default = "not_cancelled")]
        reason: Reason,
        device: String,
        key: String,
        room: Option<String>,
        late_ms: Option<i64>,
        occurred_at_ms: i64,
    },
    Cancelled {
        device: String,
    },
    Raised {
        order: WorkOrderId,
        confirmed: bool,
    },
}

/// Writes a home.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn write_home(home: &Dispatch) -> Result<String, StoreError> {
    let Dispatch { gateway, ver, orders, lifecycles, mains, silence, own_orders, said } = home;
    let snapshot = HomeSnapshot {
        v: HOME_VERSION,
        gateway: gateway.clone(),
        ver: *ver,
        orders: orders.values().map(order_out).collect(),
        lifecycles: lifecycles.iter().map(life_out).collect(),
        mains: mains.clone().map(|loss| {
            let MainsLoss { record, device, since_ms, rules: MainsRules { held_ms, long_ms }, order, long } = loss;
            MainsSnapshot { record, device, since_ms, held_ms, long_ms, order, long }
        }),
        silence: silence.clone().map(|silence| {
            let Silence { since_ms, order_after_ms, order } = silence;
            SilenceSnapshot { since_ms, order_after_ms, order }
        }),
        own_orders: *own_orders,
        said: said
            .iter()
            .cloned()
            .map(|Said { delivery, run, life, order }| SaidSnapshot { delivery, run, life, order })
            .collect(),
    };
    serde_json::to_string(&snapshot).map_err(|source| StoreError::Unreadable { what: "home", source })
}

/// Reads a home.
///
/// # Errors
/// When the text is not a home of a known version.
pub fn read_home(text: &str) -> Result<Dispatch, StoreError> {
    let snapshot: HomeSnapshot =
        serde_json::from_str(text).map_err(|source| StoreError::Unreadable { what: "home", source })?;
    if snapshot.v > HOME_VERSION {
        return Err(StoreError::Invalid { what: "home's version" });
    }
    let mut orders = BTreeMap::new();
    for order in snapshot.orders {
        let order = order_in(order)?;
        orders.insert(order.id.clone(), order);
    }
    let lifecycles = snapshot.lifecycles.into_iter().map(life_in).collect();
    let mains = snapshot.mains.map(|loss| {
        let MainsSnapshot { record, device, since_ms, held_ms, long_ms, order, long } = loss;
        MainsLoss { record, device, since_ms, rules: MainsRules { held_ms, long_ms }, order, long }
    });
    let silence = snapshot.silence.map(|silence| {
        let SilenceSnapshot { since_ms, order_after_ms, order } = silence;
        Silence { since_ms, order_after_ms, order }
    });
    let said = snapshot.said.into_iter();
    let said = said.map(|SaidSnapshot { delivery, run, life, order }| Said { delivery, run, life, order }).collect();
    let HomeSnapshot { gateway, ver, own_orders, .. } = snapshot;
    Ok(Dispatch { gateway, ver, orders, lifecycles, mains, silence, own_orders, said })
}

/// Writes a chain.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn write_chain(chain: &Chain) -> Result<String, StoreError> {
    let runs = chain.runs.iter().map(|run| (run.incarnation, run.first, run.last, run.lost_to)).collect();
    let newest = chain.newest.map(|Newest { incarnation, seq, hash }| (incarnation, seq, hash));
    let snapshot = ChainSnapshot { v: CHAIN_VERSION, newest, runs };
    serde_json::to_string(&snapshot).map_err(|source| StoreError::Unreadable { what: "chain", source })
}

/// Reads a chain.
///
/// # Errors
/// When the text is not a chain of a known version.
pub fn read_chain(text: &str) -> Result<Chain, StoreError> {
    let snapshot: ChainSnapshot =
        serde_json::from_str(text).map_err(|source| StoreError::Unreadable { what: "chain", source })?;
    if snapshot.v > CHAIN_VERSION {
        return Err(StoreError::Invalid { what: "chain's version" });
    }
    let run = |(incarnation, first, last, lost_to)| Run { incarnation, first, last, lost_to };
    let runs = snapshot.runs.into_iter().map(run);
    let newest = snapshot.newest.map(|(incarnation, seq, hash)| Newest { incarnation, seq, hash });
    Ok(Chain { runs: runs.collect(), newest })
}

/// Writes an order.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn write_order(order: &WorkOrder) -> Result<String, StoreError> {
    serde_json::to_string(&order_out(order)).map_err(|source| StoreError::Unreadable { what: "order", source })
}

/// Reads an order.
///
/// # Errors
/// When the text is not an order of a known version.
pub fn read_order(text: &str) -> Result<WorkOrder, StoreError> {
    order_in(serde_json::from_str(text).map_err(|source| StoreError::Unreadable { what: "order", source })?)
}

fn order_out(order: &WorkOrder) -> OrderSnapshot {
    let order = order.clone();
    OrderSnapshot {
        v: ORDER_VERSION,
        id: order.id,
        gateway: order.gateway,
        ver: order.ver,
        class: order.class,
        kind: order.kind,
        priority: order.priority,
        state: order.state,
        reason: order.reason,
        presses: order.presses,
        manual: order.manual,
        owner: order.owner,
        responder: order.responder,
        presence: order.presence.map(|presence| match presence {
            Presence::ByWord => PresenceSnapshot::ByWord,
            Presence::Caregiver(caregiver) => PresenceSnapshot::Caregiver(caregiver),
        }),
        retracted: order.retracted,
        late: order.late,
        opened_by: order.opened_by,
        linked: order.linked,
        opened_at_ms: order.opened_at_ms,
        occurred_at_ms: order.occurred_at_ms,
        updated_at_ms: order.updated_at_ms,
        claimed_at_ms: order.claimed_at_ms,
        closing: order.closing.map(|closing| ClosingSnapshot {
            code: closing.code.as_str().to_owned(),
            outcome: closing.outcome.map(|outcome| outcome.as_str().to_owned()),
            by: closing.by,
            at_ms: closing.at_ms,
        }),
    }
}

fn order_in(order: OrderSnapshot) -> Result<WorkOrder, StoreError> {
    if order.v > ORDER_VERSION {
        return Err(StoreError::Invalid { what: "order's version" });
    }
    let closing = match order.closing {
        None => None,
        Some(ClosingSnapshot { code, outcome, by, at_ms }) => Some(Closing {
            code: CloseCode::parse(&code).ok_or(StoreError::Invalid { what: "close code" })?,
            outcome: match outcome {
                None => None,
                Some(outcome) => Some(Outcome::parse(&outcome).ok_or(StoreError::Invalid { what: "outcome" })?),
            },
            by,
            at_ms,
        }),
    };
    Ok(WorkOrder {
        id: order.id,
        gateway: order.gateway,
        ver: order.ver,
        class: order.class,
        kind: order.kind,
        priority: order.priority,
        state: order.state,
        reason: order.reason,
        presses: order.presses,
        manual: order.manual,
        owner: order.owner,
        responder: order.responder,
        presence: order.presence.map(|presence| match presence {
            PresenceSnapshot::ByWord => Presence::ByWord,
            PresenceSnapshot::Caregiver(caregiver) => Presence::Caregiver(caregiver),
        }),
        retracted: order.retracted,
        late: order.late,
        opened_by: order.opened_by,
        linked: order.linked,
        opened_at_ms: order.opened_at_ms,
        occurred_at_ms: order.occurred_at_ms,
        updated_at_ms: order.updated_at_ms,
        claimed_at_ms: order.claimed_at_ms,
        closing,
    })
}

/// What every fuse said at its end before it carried a reason of its own.
fn not_cancelled() -> Reason {
    Reason::PreAlarmNotCancelled
}

fn life_out((key, life): (&LocalKey, &Lifecycle)) -> LifeSnapshot {
    let state = match life.state.clone() {
        LifeState::Burning { due_ms, alarm } => {
            let Alarm { kind, reason, device, key, room, late_ms, occurred_at_ms } = alarm;
            LifeStateSnapshot::Burning { due_ms, kind, reason, device, key, room, late_ms, occurred_at_ms }
        }
        LifeState::Cancelled { device } => LifeStateSnapshot::Cancelled { device },
        LifeState::Raised { order, confirmed } => LifeStateSnapshot::Raised { order, confirmed },
    };
    LifeSnapshot { key: *key, since_ms: life.since_ms, state }
}

fn life_in(life: LifeSnapshot) -> (LocalKey, Lifecycle) {
    let state = match life.state {
        LifeStateSnapshot::Burning { due_ms, kind, reason, device, key, room, late_ms, occurred_at_ms } => {
            LifeState::Burning { due_ms, alarm: Alarm { kind, reason, device, key, room, late_ms, occurred_at_ms } }
        }
        LifeStateSnapshot::Cancelled { device } => LifeState::Cancelled { device },
        LifeStateSnapshot::Raised { order, confirmed } => LifeState::Raised { order, confirmed },
    };
    (life.key, Lifecycle { since_ms: life.since_ms, state })
}
