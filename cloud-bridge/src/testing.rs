//! A home for tests: it seals records into a chain as a gateway does.

use std::sync::Arc;

use protocol::ids::{GatewayId, Hash32, Incarnation, LocalKey};
use protocol::record::{Body, Cancelled, ChainHead, PreAlarm, Record, Stamp, Started, Trigger};
use protocol::trigger::{Reason, TriggerKind};
use protocol::uplink::UplinkRequest;
use protocol::visit::{Grade, Method, VisitAct, VisitRecord};

/// A gateway's journal, without the gateway.
pub struct Journal {
    pub gateway: GatewayId,
    head: ChainHead,
    uptime_ms: u64,
}

impl Journal {
    pub fn new(gateway: &str) -> Self {
        let head = ChainHead { incarnation: Incarnation(7), next_seq: 1, hash: Hash32::ZERO };
        Self { gateway: gateway.parse().unwrap(), head, uptime_ms: 1_000_000 }
    }

    fn now(&self) -> Stamp {
        Stamp { boot: 1, uptime_ms: self.uptime_ms, wall_ms: 0, wall_trusted: false }
    }

    pub fn wait(&mut self, secs: u64) {
        self.uptime_ms += secs * 1000;
    }

    pub fn seal(&mut self, body: Body) -> Record {
        self.head.seal(self.now(), None, body).unwrap()
    }

    pub fn press(&mut self) -> Record {
        self.seal(Body::Trigger(trigger(TriggerKind::Sos, Reason::ButtonPressed, None)))
    }

    pub fn pre_alarm(&mut self, fuse_ms: u64) -> Record {
        self.seal(Body::PreAlarm(PreAlarm {
            kind: TriggerKind::Fall,
            device: "radar".into(),
            key: "fall".into(),
            room: Some("bedroom".into()),
            reason: Reason::SensorSaysFall,
            fuse_ms,
        }))
    }

    pub fn fall_after(&mut self, pre_alarm: LocalKey) -> Record {
        self.seal(Body::Trigger(trigger(TriggerKind::Fall, Reason::PreAlarmNotCancelled, Some(pre_alarm))))
    }

    pub fn cancel(&mut self, pre_alarm: LocalKey) -> Record {
        self.seal(Body::Cancelled(Cancelled {
            lifecycle: pre_alarm,
            device: "button".into(),
            reason: Reason::ElderCancelled,
        }))
    }

    pub fn visit(&mut self, act: VisitAct, grade: Grade) -> Record {
        self.seal(Body::Visit(VisitRecord {
            act,
            caregiver: "cg-17".into(),
            service: "助洁".into(),
            method: Method::Code,
            fix: None,
            distance_m: Some(12),
            grade,
            exceptions: vec![],
            outcome: (act == VisitAct::CheckOut).then(|| "helped up".into()),
            home_evidence: true,
            datum: None,
            suspected: None,
            code_step: None,
        }))
    }

    pub fn batch(&self, records: Vec<Record>) -> UplinkRequest {
        UplinkRequest {
            v: 1,
            gateway: self.gateway.clone(),
            sent: self.now(),
            records: records.into_iter().map(Arc::new).collect(),
        }
    }
}

pub fn trigger(kind: TriggerKind, reason: Reason, follows: Option<LocalKey>) -> Trigger {
    Trigger {
        kind,
        device: "device".into(),
        key: "action".into(),
        room: Some("bedroom".into()),
        reason,
        follows,
        test: false,
    }
}

pub fn started() -> Started {
    Started { version: "1".into(), after_clean_stop: false }
}
