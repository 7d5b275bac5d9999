//! The loop's completions and commands in the words of a transcript.

use std::sync::Arc;

use gateway::engine::{Command, Completion};
use protocol::record::Record;

use super::super::watch;

pub(super) fn brief(completion: &Completion) -> String {
    match completion {
        Completion::Heard(heard) => {
            let payload = String::from_utf8_lossy(&heard.payload);
            let payload: String = payload.chars().take(120).collect();
            format!("heard {} dup={} packet={:?} {payload}", heard.topic, heard.duplicate, heard.packet)
        }
        Completion::Loaded { records, through_seq } => {
            format!("loaded {} records through {through_seq}", records.len())
        }
        Completion::Sent { request, outcome: Ok(answer) } => {
            format!(
                "request {request} answered: {} receipts, {} refused, ver {}",
                answer.receipts.len(),
                answer.refused.len(),
                answer.ver
            )
        }
        Completion::Polled(Ok(answer)) => format!(
            "poll answered: ver {}, {:?}",
            answer.next,
            answer.orders.iter().map(|order| order.stage).collect::<Vec<_>>()
        ),
        Completion::Sent { .. }
        | Completion::Polled(Err(_))
        | Completion::Written { .. }
        | Completion::WriteFailed
        | Completion::Reserved { .. }
        | Completion::Rolled { .. }
        | Completion::LoadFailed
        | Completion::Told { .. }
        | Completion::TestAsked { .. }
        | Completion::Played { .. }
        | Completion::Contacted { .. }
        | Completion::Woken
        | Completion::Stopping => format!("{completion:?}"),
    }
}

pub(super) fn brief_command(command: &Command) -> String {
    let list = |records: &[Arc<Record>]| {
        let names: Vec<_> =
            records.iter().map(|record| format!("{} {}", record.seq, watch::name(&record.body))).collect();
        names.join(", ")
    };
    match command {
        Command::Write { records, roll, .. } => {
            format!("write [{}]{}", list(records), if roll.is_some() { " and roll" } else { "" })
        }
        Command::Send { request, path, records, .. } => {
            format!("send request {request} on path {path} [{}]", list(records))
        }
        Command::Reserve { records } => format!("reserve [{}]", list(records)),
        Command::Retire { .. }
        | Command::Load { .. }
        | Command::Answer { .. }
        | Command::Poll { .. }
        | Command::Tell { .. }
        | Command::Contact(_)
        | Command::Stop => {
            format!("{command:?}")
        }
    }
}
