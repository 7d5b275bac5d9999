//! How the pure machine's words become rows and feed bodies. One way only, except where a
//! snapshot must read back.

use protocol::ids::Hash32;
use serde_json::{Map, Value, json};

use super::{NewFeedItem, TimelineRow};
use crate::dispatch::timeline::Origin;
use crate::dispatch::{Actor, Entry, Notice, NoticeBody, What};

/// RFC 3339 in UTC with milliseconds.
pub fn rfc3339(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(at) => format!("{at:.3}"),
        // Beyond the calendar: no clock of ours gives this, but a text must stand here.
        Err(_) => format!("{ms}ms"),
    }
}

/// Identity of a feed item: the same for every channel, different for every store.
pub fn event_id(store: &Hash32, feedseq: u64) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"feed item\0");
    hasher.update(&store.0);
    hasher.update(&feedseq.to_le_bytes());
    format!("evt_{}", &hasher.finalize().to_hex()[..24])
}

/// A timeline entry as its row.
pub fn timeline_row(entry: &Entry) -> TimelineRow {
    let (source, by) = match &entry.by {
        Actor::Home => ("home", None),
        Actor::Centre => ("centre", None),
        Actor::Operator(name) => ("operator", Some(name.clone())),
    };
    TimelineRow {
        order: entry.order.clone(),
        at_ms: entry.at_ms,
        occurred_at_ms: entry.occurred_at_ms,
        source: source.to_owned(),
        by,
        what: entry.what.code().to_owned(),
        detail: without_nulls(detail(&entry.what)),
    }
}

fn detail(what: &What) -> Value {
    match what {
        What::Opened(of) => origin(of),
        What::Joined { origin: of, presses } => {
            let mut detail = origin(of);
            detail["presses"] = json!(presses);
            detail
        }
        What::ConfirmedByGateway { record, reason } => json!({ "record": record.to_string(), "reason": reason }),
        What::ArrivedAfterClose { record } => json!({ "record": record.to_string() }),
        What::CancelledByElder { device } => json!({ "device": device }),
        What::SaidFine { device } => json!({ "device": device }),
        What::Over { device, reason } => json!({ "device": device, "reason": reason }),
        What::Linked { order } => json!({ "order": order }),
        What::CallBack { age_ms } => json!({ "age_ms": age_ms }),
        What::Claimed | What::Released | What::OnSceneByWord => json!({}),
        What::Dispatched { responder } | What::Withdrawn { responder } => json!({ "responder": responder }),
        What::OnSceneByVisit { caregiver } => json!({ "caregiver": caregiver }),
        What::CheckInToConfirm { caregiver, grade, exceptions } => {
            json!({ "caregiver": caregiver, "grade": grade, "exceptions": exceptions })
        }
        What::CheckedOut { caregiver, outcome } => json!({ "caregiver": caregiver, "outcome": outcome }),
        What::Told { stage, shown } => json!({ "stage": stage, "shown": shown }),
        What::Played { output, stage, outcome } => json!({ "output": output, "stage": stage, "outcome": outcome }),
        What::ContactsCalled { contacts, reason } => json!({ "contacts": contacts, "reason": reason }),
        What::ContactTold { contact, attempt, result } => {
            json!({ "contact": contact, "attempt": attempt, "result": result })
        }
        What::Note { text } => json!({ "text": text }),
        What::Closed { code, outcome, note } => {
            json!({ "code": code.as_str(), "outcome": outcome.map(|outcome| outcome.as_str()), "note": note })
        }
    }
}

fn origin(of: &Origin) -> Value {
    json!({
        "record": of.record.to_string(),
        "kind": of.kind,
        "device": of.device,
        "room": of.room,
        "reason": of.reason,
        "late_ms": of.late_ms,
    })
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            Value::Object(map.into_iter().filter(|(_, value)| !value.is_null()).collect::<Map<_, _>>())
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => other,
    }
}

/// A notice as a feed item; bodies of our own wire types always serialise.
pub fn feed_item(notice: &Notice, time_ms: i64) -> NewFeedItem {
    let (subject, test, data) = match &notice.body {
        NoticeBody::Order(order) => (order.id.to_string(), false, json!(order)),
        NoticeBody::Visit(visit) => (visit.gateway.to_string(), false, json!(visit)),
        NoticeBody::PreAlarm(pre_alarm) => (
            pre_alarm.gateway.to_string(),
            false,
            json!({
                "gateway": pre_alarm.gateway,
                "lifecycle": pre_alarm.lifecycle,
                "kind": pre_alarm.kind,
                "reason": pre_alarm.reason,
            }),
        ),
        NoticeBody::Test(test) => (
            test.gateway.to_string(),
            true,
            json!({ "gateway": test.gateway, "record": test.record, "kind": test.kind, "late": test.late }),
        ),
        NoticeBody::TestStep(test) => (
            test.gateway.to_string(),
            true,
            json!({ "gateway": test.gateway, "record": test.record, "step": test.step }),
        ),
    };
    NewFeedItem { kind: notice.kind.as_str().to_owned(), subject, time_ms, test, data }
}
