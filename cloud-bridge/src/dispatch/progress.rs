//! How far help has come, as the home may tell the elder: never more than is true at the centre.

use protocol::downlink::OrderProgress;
use protocol::feed::OrderState;
use protocol::stage::Stage;

use super::Dispatch;
use super::work_order::WorkOrder;

impl WorkOrder {
    /// The stage that is true of it.
    pub fn stage(&self) -> Stage {
        match self.state {
            OrderState::Dispatched => Stage::Coming,
            OrderState::OnScene => Stage::Here,
            OrderState::Open | OrderState::Claimed | OrderState::Verifying | OrderState::AwaitingClose
                if self.retracted =>
            {
                Stage::Retracted
            }
            OrderState::Open => Stage::Received,
            OrderState::Claimed | OrderState::Verifying => Stage::Taken,
            // The responder has left: what remains true is whether a person still has the call.
            OrderState::AwaitingClose if self.owner.is_some() => Stage::Taken,
            OrderState::AwaitingClose => Stage::Received,
            OrderState::Closed => Stage::Quiet,
        }
    }
}

impl Dispatch {
    /// The open orders as the home is told of them.
    pub fn progress(&self) -> Vec<OrderProgress> {
        self.orders
            .values()
            .map(|order| OrderProgress {
                id: order.id.clone(),
                opened_by: Some(order.opened_by).filter(|key| key.incarnation != super::CENTRE),
                class: order.class,
                stage: order.stage(),
                ver: order.ver,
            })
            .collect()
    }
}
