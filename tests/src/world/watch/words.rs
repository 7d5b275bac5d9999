//! Records in the words of a transcript.

use std::fmt;

use protocol::record::Body;

/// A record's kind in a word.
pub(in crate::world) fn name(body: &Body) -> String {
    match body {
        Body::Started(_) => "started".into(),
        Body::Stopped => "stopped".into(),
        Body::Observed(o) => format!("{:?} {:?} of {}", o.kind, o.value, o.device),
        Body::Trigger(t) => {
            let room = t.room.as_deref().map(|room| format!(", {room}")).unwrap_or_default();
            let call = if t.test { "TEST" } else { "call" };
            format!("{call}, {} by {}{room}: {}", word(&t.kind), t.device, word(&t.reason))
        }
        Body::PreAlarm(p) => format!("pre-alarm, {} by {}, {} s to cancel", word(&p.kind), p.device, p.fuse_ms / 1_000),
        Body::Cancelled(c) => format!("cancelled with {}", c.device),
        Body::Visit(v) => format!("visit, {} {}, {}", v.caregiver, word(&v.act), word(&v.grade)),
        Body::Reassured(r) => format!("told {:?}", r.stage),
        Body::Played(p) => format!("played {:?} by {}: {}", p.stage, p.output, word(&p.outcome)),
        Body::ContactsCalled(c) => format!("{} contacts called: {}", c.contacts, word(&c.reason)),
        Body::ContactTold(c) => format!("contact {}, attempt {}: {}", c.contact, c.attempt, word(&c.result)),
        Body::Resolved(r) => format!("{} calls resolved", r.calls.len()),
        Body::Link { up } => format!("link {}", if *up { "up" } else { "down" }),
        Body::Delivered(d) => format!("delivered to {}", d.low_water),
        Body::Concluded(c) => format!("concluded {}: {}", word(&c.standing), word(&c.reason)),
        Body::DeviceListed(d) => format!("listed {}", d.device),
        Body::SaidFine(s) => format!("\"I'm fine\" said with {}", s.device),
        Body::Mains(m) => format!("mains {} by {}", if m.present { "back" } else { "lost" }, m.device),
        Body::Restored(r) => {
            let room = r.room.as_deref().map(|room| format!(", {room}")).unwrap_or_default();
            format!("over, {} by {}{room}: {}", word(&r.kind), r.device, word(&r.reason))
        }
        Body::Tested(t) => format!("test of {}: {}", t.device, word(&t.step)),
        Body::SegmentRetired(r) => format!("segment {} retired", r.segment),
        Body::Missing(m) => format!("{} to {} missing", m.first_seq, m.last_seq),
    }
}

/// `ButtonPressed` as `button pressed`.
fn word(named: &impl fmt::Debug) -> String {
    let mut text = String::new();
    for letter in format!("{named:?}").chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.extend(letter.to_lowercase());
    }
    text
}
