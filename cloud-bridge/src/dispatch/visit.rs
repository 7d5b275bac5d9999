//! Visits at the centre: every check-in and check-out is kept and published; a proven check-in puts
//! an open emergency on scene, a lesser one asks the dispatcher to confirm.

use protocol::feed::{OrderState, VisitNotice};
use protocol::ids::WorkOrderId;
use protocol::trigger::OrderClass;
use protocol::visit::{Grade, VisitAct, VisitException, VisitRecord};

use super::effect::{Effects, FeedKind, Notice, NoticeBody, VisitRow};
use super::timeline::{Actor, What};
use super::work_order::{Presence, WorkOrder};
use super::{Arrival, Dispatch, Effect, LATE_MS};

impl Dispatch {
    pub(super) fn visit(&mut self, arrival: &Arrival, visit: VisitRecord, fx: &mut Effects) {
        let occurred_at_ms = arrival.occurred_at(fx.now());
        let order = self.orders.values_mut().find(|order| order.class == OrderClass::Emergency);
        let work_order = order.as_ref().map(|order| order.id.clone());
        if let Some(order) = order {
            match visit.act {
                VisitAct::CheckIn => check_in(order, &visit, occurred_at_ms, fx),
                VisitAct::CheckOut => check_out(order, &visit, occurred_at_ms, fx),
            }
        }
        self.publish_visit(arrival, visit, work_order, fx);
    }

    fn publish_visit(&self, arrival: &Arrival, visit: VisitRecord, work_order: Option<WorkOrderId>, fx: &mut Effects) {
        let kind = match visit.act {
            VisitAct::CheckIn => FeedKind::CheckedIn,
            VisitAct::CheckOut => FeedKind::CheckedOut,
        };
        let body = VisitNotice {
            gateway: self.gateway.clone(),
            caregiver: (!visit.exceptions.contains(&VisitException::UnknownCaregiver)).then(|| visit.caregiver.clone()),
            service: visit.service.clone(),
            grade: visit.grade,
            exceptions: visit.exceptions.clone(),
            distance_m: visit.distance_m,
            work_order: work_order.clone(),
            outcome_given: visit.outcome.is_some(),
        };
        fx.push(Effect::Publish(Notice { kind, body: NoticeBody::Visit(body) }));
        fx.push(Effect::Visit(Box::new(VisitRow {
            key: arrival.record.key(),
            received_at_ms: fx.now(),
            occurred_at_ms: arrival.occurred_at(fx.now()),
            visit,
            work_order,
        })));
    }
}

fn check_in(order: &mut WorkOrder, visit: &VisitRecord, occurred_at_ms: i64, fx: &mut Effects) {
    // A check-in held back in the home may be older than the call; it says nothing about help for it.
    let before_the_call = occurred_at_ms.saturating_add(LATE_MS) < order.occurred_at_ms;
    let proven = match visit.grade {
        Grade::Proven => !before_the_call,
        Grade::Located | Grade::Claimed | Grade::Contradicted => false,
    };
    let caregiver = visit.caregiver.clone();
    order.touch(fx.now());
    if proven && order.state != OrderState::OnScene {
        order.state = OrderState::OnScene;
        order.presence = Some(Presence::Caregiver(caregiver.clone()));
        order.retracted = false;
        fx.note(&order.id, Some(occurred_at_ms), Actor::Home, What::OnSceneByVisit { caregiver });
        fx.changed(order, FeedKind::OnScene, false, order.late);
    } else {
        let what = if proven {
            What::OnSceneByVisit { caregiver }
        } else {
            What::CheckInToConfirm { caregiver, grade: visit.grade, exceptions: visit.exceptions.clone() }
        };
        fx.note(&order.id, Some(occurred_at_ms), Actor::Home, what);
        fx.changed(order, FeedKind::Updated, false, order.late);
    }
}

fn check_out(order: &mut WorkOrder, visit: &VisitRecord, occurred_at_ms: i64, fx: &mut Effects) {
    let here = match &order.presence {
        Some(Presence::ByWord) => true,
        Some(Presence::Caregiver(caregiver)) => *caregiver == visit.caregiver,
        None => false,
    };
    order.touch(fx.now());
    if here && order.state == OrderState::OnScene {
        order.state = OrderState::AwaitingClose;
        order.presence = None;
    }
    let what = What::CheckedOut { caregiver: visit.caregiver.clone(), outcome: visit.outcome.clone() };
    fx.note(&order.id, Some(occurred_at_ms), Actor::Home, what);
    fx.changed(order, FeedKind::Updated, false, order.late);
}
