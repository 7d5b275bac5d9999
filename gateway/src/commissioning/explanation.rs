//! What `gateway explain` prints: the decoder's steps, then what the home's rules would do.

use std::fmt::Write as _;

use protocol::ids::{Hash32, Incarnation};
use protocol::record::{Body, ChainHead, Stamp};

use crate::decode::{Decoder, Heard, Step};
use crate::decode_lines;
use crate::home::{Effect, Home, HomeRules, Input};

/// So many deadlines are looked at for what would follow; a rule that waits for a second look has two.
const DEADLINES_MAX: usize = 16;

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
            zh: format!("规则:现在不叫人({kept} 条记录存入日志)。"),
            en: format!("The rules: nobody is called now ({kept} record(s) go to the journal)."),
        });
        steps.extend(afterwards(&mut home, at, effects));
    }
    let mut text = String::new();
    for (number, Step { zh, en }) in steps.iter().enumerate() {
        let _ = writeln!(text, "{:>2}. {zh}\n    {en}", number + 1);
    }
    Ok(text)
}

/// What the rules do at their next deadlines if nothing else is heard; none where they wait for nothing.
fn afterwards(home: &mut Home, at: Stamp, effects: Vec<Effect>) -> Option<Step> {
    let mut chain = ChainHead { incarnation: Incarnation(1), next_seq: 1, hash: Hash32::ZERO };
    let mut fold = |home: &mut Home, now: Stamp, effects: Vec<Effect>| {
        for Effect::Record(body) in effects {
            // A body that cannot be sealed is longer than any rule writes; without it there is nothing to tell.
            if let Ok(record) = chain.seal(now, None, body) {
                home.apply(&record);
            }
        }
    };
    fold(home, at, effects);
    for _ in 0..DEADLINES_MAX {
        let (due_ms, _) = home.next_deadline()?;
        let now = Stamp { uptime_ms: due_ms.max(at.uptime_ms), ..at };
        let effects = home.handle(&now, &Input::Woken);
        let told = effects.iter().find_map(|Effect::Record(body)| consequence(body));
        if let Some(Step { zh, en }) = told {
            let minutes = (now.uptime_ms - at.uptime_ms).div_ceil(60_000);
            return Some(Step {
                zh: format!("若此后再无动静,{minutes} 分钟后 → {zh}"),
                en: format!("If nothing else is heard, after {minutes} min → {en}"),
            });
        }
        fold(home, now, effects);
    }
    None
}

fn consequence(body: &Body) -> Option<Step> {
    if let Body::Trigger(trigger) = body {
        let (kind, (zh, en)) = (trigger.kind, trigger.reason.words());
        let priority = kind.priority_for(trigger.reason);
        return Some(Step {
            zh: format!("规则:上报 {kind:?}({zh}),优先级 P{priority},中心开单。"),
            en: format!("The rules: {kind:?} is raised ({en}), priority P{priority}; the centre opens an order."),
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

#[cfg(test)]
mod tests;
