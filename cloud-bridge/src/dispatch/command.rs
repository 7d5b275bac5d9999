//! What operators do to a work order, and when it is refused.
//!
//! In this version `dispatch` means that the responder has accepted and is on the way: the caller
//! sends it after the acceptance, so that the elder is never told more than is true.

use protocol::feed::OrderState;
use protocol::ids::WorkOrderId;

use super::Dispatch;
use super::close::{self, Closing};
use super::effect::{Effects, FeedKind, Refused};
use super::timeline::{Actor, What};
use super::work_order::{Presence, WorkOrder};

/// Longest text that an operator may give, characters.
pub const TEXT_MAX: usize = 2_000;

/// A signed-in person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operator {
    /// The name of the sign-in.
    pub name: String,
    /// Whether the person may act on orders that others own.
    pub supervisor: bool,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Take the order; exactly one owner.
    Claim,
    /// Give it back.
    Release,
    /// A responder has accepted and is on the way.
    Dispatch {
        /// Who goes, as a staff id or role, not an address.
        responder: String,
    },
    /// The responder cannot come.
    Withdraw,
    /// The dispatcher knows that help is in the home.
    OnScene,
    /// Write something down.
    Note {
        /// The text.
        text: String,
    },
    /// Close it.
    Close {
        /// A [`close::CloseCode`].
        code: Option<String>,
        /// A [`close::Outcome`].
        outcome: Option<String>,
        /// Free text for the timeline.
        note: Option<String>,
    },
}

/// A command on one order of the home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The order.
    pub order: WorkOrderId,
    /// Who.
    pub by: Operator,
    /// The version that the caller looked at, where it says so.
    pub ver: Option<u64>,
    /// What.
    pub act: Act,
}

impl Dispatch {
    pub(super) fn command(&mut self, command: Command, fx: &mut Effects) {
        let Command { order: id, by, ver, act } = command;
        let Some(order) = self.orders.get_mut(&id) else {
            fx.refuse(Refused::WrongState { state: OrderState::Closed });
            return;
        };
        if ver.is_some_and(|ver| ver != order.ver) {
            fx.refuse(Refused::VersionMismatch { current: order.ver });
            return;
        }
        let now = fx.now();
        let done = match act {
            Act::Claim => claim(order, &by, now),
            Act::Release => release(order, &by),
            Act::Dispatch { responder } => dispatch(order, &by, responder),
            Act::Withdraw => withdraw(order, &by),
            Act::OnScene => on_scene(order, &by),
            Act::Note { text } => {
                text_ok("the note", &text).map(|text| Done::on(What::Note { text }, FeedKind::Updated))
            }
            Act::Close { code, outcome, note } => close_order(order, &by, now, code, outcome, note),
        };
        match done {
            Err(refused) => fx.refuse(refused),
            Ok(None) => {}
            Ok(Some(Done { what, kind, ring })) => {
                order.touch(now);
                fx.note(&order.id, None, Actor::Operator(by.name), what);
                fx.changed(order, kind, ring && order.rings(), order.late);
                if order.state == OrderState::Closed {
                    self.orders.remove(&id);
                }
            }
        }
    }
}

struct Done {
    what: What,
    kind: FeedKind,
    ring: bool,
}

impl Done {
    fn on(what: What, kind: FeedKind) -> Option<Self> {
        Some(Self { what, kind, ring: false })
    }
}

type Ruling = Result<Option<Done>, Refused>;

fn claim(order: &mut WorkOrder, by: &Operator, now_ms: i64) -> Ruling {
    match &order.owner {
        Some(owner) if *owner == by.name => Ok(None),
        Some(owner) => Err(Refused::AlreadyClaimed { owner: owner.clone() }),
        None => {
            order.owner = Some(by.name.clone());
            order.claimed_at_ms.get_or_insert(now_ms);
            order.retracted = false;
            if order.state == OrderState::Open {
                order.state = OrderState::Claimed;
            }
            Ok(Done::on(What::Claimed, FeedKind::Claimed))
        }
    }
}

fn release(order: &mut WorkOrder, by: &Operator) -> Ruling {
    owned(order, by)?;
    order.owner = None;
    match order.state {
        OrderState::Claimed | OrderState::Verifying => {
            order.state = OrderState::Open;
            order.retracted = true;
        }
        OrderState::AwaitingClose => order.retracted = true,
        // Whoever is on the way or in the home still is; only the call has nobody.
        OrderState::Open | OrderState::Dispatched | OrderState::OnScene | OrderState::Closed => {}
    }
    Ok(Some(Done { what: What::Released, kind: FeedKind::Released, ring: true }))
}

fn dispatch(order: &mut WorkOrder, by: &Operator, responder: String) -> Ruling {
    owned(order, by)?;
    let responder = text_ok("the responder", &responder)?;
    order.responder = Some(responder.clone());
    order.retracted = false;
    // A second responder on the way does not take away the one who is in the home.
    if order.state != OrderState::OnScene {
        order.state = OrderState::Dispatched;
    }
    Ok(Done::on(What::Dispatched { responder }, FeedKind::Dispatched))
}

fn withdraw(order: &mut WorkOrder, by: &Operator) -> Ruling {
    owned(order, by)?;
    match order.state {
        OrderState::Dispatched => {
            order.state = OrderState::Claimed;
            order.retracted = true;
            let responder = order.responder.take().unwrap_or_default();
            Ok(Some(Done { what: What::Withdrawn { responder }, kind: FeedKind::Updated, ring: true }))
        }
        state @ (OrderState::Open
        | OrderState::Claimed
        | OrderState::Verifying
        | OrderState::OnScene
        | OrderState::AwaitingClose
        | OrderState::Closed) => Err(Refused::WrongState { state }),
    }
}

fn on_scene(order: &mut WorkOrder, by: &Operator) -> Ruling {
    owned(order, by)?;
    match order.state {
        OrderState::Claimed | OrderState::Verifying | OrderState::Dispatched | OrderState::AwaitingClose => {
            order.state = OrderState::OnScene;
            order.presence = Some(Presence::ByWord);
            order.retracted = false;
            Ok(Done::on(What::OnSceneByWord, FeedKind::OnScene))
        }
        state @ (OrderState::Open | OrderState::OnScene | OrderState::Closed) => Err(Refused::WrongState { state }),
    }
}

fn close_order(
    order: &mut WorkOrder,
    by: &Operator,
    now_ms: i64,
    code: Option<String>,
    outcome: Option<String>,
    note: Option<String>,
) -> Ruling {
    owned(order, by)?;
    let (code, outcome) = close::check(order, code.as_deref(), outcome.as_deref())?;
    let note = note.filter(|note| !note.is_empty()).map(|note| text_ok("the note", &note)).transpose()?;
    order.state = OrderState::Closed;
    order.closing = Some(Closing { code, outcome, by: by.name.clone(), at_ms: now_ms });
    Ok(Done::on(What::Closed { code, outcome, note }, FeedKind::Closed))
}

/// Passes for the owner, and for a supervisor where somebody owns it.
fn owned(order: &WorkOrder, by: &Operator) -> Result<(), Refused> {
    match &order.owner {
        None => Err(Refused::Unclaimed),
        Some(owner) if *owner == by.name || by.supervisor => Ok(()),
        Some(owner) => Err(Refused::NotOwner { owner: owner.clone() }),
    }
}

fn text_ok(what: &'static str, text: &str) -> Result<String, Refused> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > TEXT_MAX {
        Err(Refused::TextLength { what })
    } else {
        Ok(text.to_owned())
    }
}
