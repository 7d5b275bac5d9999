//! What `gateway explain` prints: the decoder's steps, then what the home's rules would do.

use std::fmt::Write as _;

use protocol::record::{Body, Stamp};

use crate::decode::{Decoder, Heard, Step};
use crate::decode_lines;
use crate::home::{Effect, Home, HomeRules, Input};

/// Explains one message after what was heard before it.
///
/// # Errors
/// When the lines heard before cannot be read.
pub(super) fn of(
    decoder: &mut Decoder,
    rules: HomeRules,
    heard_before: Option<&str>,
    topic: &str,
    payload: &str,
    retain: bool,
) -> anyhow::Result<String> {
    decode_lines::run(heard_before.unwrap_or_default().as_bytes(), std::io::sink(), decoder)?;
    // Long after everything before it, so that no burst or start of the bridge is still going on.
    let at = Stamp { boot: 1, uptime_ms: 1_000_000_000, wall_ms: 0, wall_trusted: false };
    let heard = Heard { topic, payload: payload.as_bytes(), retain, at };
    let mut steps = decoder.explain(&heard);
    let decoded = decoder.decode(&heard);
    let mut home = Home::new(rules);
    let mut effects = Vec::new();
    for seen in &decoded.seen {
        let input = Input::Observed { observation: &seen.observation, edge: seen.edge, reason: seen.reason };
        effects.extend(home.handle(&at, &input));
    }
    if let Some(device) = &decoded.cancel {
        effects.extend(home.handle(&at, &Input::Cancel(device)));
    }
    let raises = effects.iter().filter_map(|Effect::Record(body)| consequence(body));
    let before = steps.len();
    steps.extend(raises);
    if steps.len() == before {
        let kept = effects.len();
        steps.push(Step {
            zh: format!("规则:不叫人({kept} 条记录存入日志)。"),
            en: format!("The rules: nobody is called ({kept} record(s) go to the journal)."),
        });
    }
    let mut text = String::new();
    for (number, Step { zh, en }) in steps.iter().enumerate() {
        let _ = writeln!(text, "{:>2}. {zh}\n    {en}", number + 1);
    }
    Ok(text)
}

fn consequence(body: &Body) -> Option<Step> {
    if let Body::Trigger(trigger) = body {
        let (kind, reason, priority) = (trigger.kind, trigger.reason, trigger.kind.priority());
        return Some(Step {
            zh: format!("规则:立即上报 {kind:?}({reason:?}),优先级 P{priority},中心开单。"),
            en: format!(
                "The rules: {kind:?} is raised at once ({reason:?}), priority P{priority}; the centre opens an order."
            ),
        });
    }
    if let Body::PreAlarm(alarm) = body {
        let (kind, secs) = (alarm.kind, alarm.fuse_ms / 1_000);
        return Some(Step {
            zh: format!("规则:{kind:?} 预警 {secs} 秒,老人可取消,否则上报。"),
            en: format!("The rules: a pre-alarm of {secs} s for {kind:?}; the elder may cancel it, else it is raised."),
        });
    }
    None
}
