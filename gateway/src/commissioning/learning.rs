//! `gateway learn`: listens to radio gateways and prints the codes that no rule knows.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use protocol::record::Stamp;
use serde_json::Value;

use super::codes::{Code, Codes, Count};
use super::visitor::{CODE_TOPICS, Stop, Visitor, in_a};
use crate::config::GatewayConfig;
use crate::decode::{Decoder, Heard};

/// Lines of a file count as this far apart, milliseconds.
const LINE_MS: u64 = 100;

/// Listens at the home's broker.
pub(super) async fn listen(config: &GatewayConfig, secs: u64, times: u32) -> anyhow::Result<ExitCode> {
    let mut visitor = Visitor::sign_in(config).await?;
    visitor.subscribe(&CODE_TOPICS).await?;
    let mut stop = Stop::watch()?;
    println!("请在 {secs} 秒内多按几次要学习的按钮。\nPress the button to be learned a few times within {secs} s.");
    let start = in_a(Duration::ZERO);
    let until = start + Duration::from_secs(secs);
    let mut learner = Learner::new(config);
    loop {
        let heard = tokio::select! {
            heard = visitor.next(until) => heard?,
            () = stop.wanted() => None,
        };
        let Some((topic, payload)) = heard else { break };
        learner.hear(&topic, &payload, start.elapsed().as_millis() as u64);
    }
    Ok(learner.finish(times))
}

/// Reads recorded lines.
pub(super) fn read(config: &GatewayConfig, path: &Path, times: u32) -> anyhow::Result<ExitCode> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut learner = Learner::new(config);
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let line: Value =
            serde_json::from_str(line).with_context(|| format!("{}, line {}: not JSON", path.display(), number + 1))?;
        let payload = line["payload"].as_str().map_or_else(|| line["payload"].to_string(), str::to_owned);
        learner.hear(line["topic"].as_str().unwrap_or_default(), payload.as_bytes(), number as u64 * LINE_MS);
    }
    Ok(learner.finish(times))
}

struct Learner {
    decoder: Decoder,
    codes: Codes,
}

impl Learner {
    fn new(config: &GatewayConfig) -> Self {
        Self { decoder: Decoder::new(config.decoder.clone()), codes: Codes::default() }
    }

    fn hear(&mut self, topic: &str, payload: &[u8], at_ms: u64) {
        let at = Stamp { boot: 1, uptime_ms: at_ms, wall_ms: 0, wall_trusted: false };
        let known = self.decoder.decode(&Heard { topic, payload, retain: false, at });
        if known.seen.is_empty()
            && let Some((code, count)) = self.codes.hear(topic, payload, at_ms)
        {
            println!("  {}  ×{}", code.words(), count.presses);
        }
    }

    fn finish(&self, times: u32) -> ExitCode {
        let Some(rules) = self.rules(times) else {
            println!(
                "没有听到出现 {times} 次以上的未知代码。\nNo unknown code was heard {times} times or more; nearer to the radio gateway, and again."
            );
            return ExitCode::FAILURE;
        };
        println!("\n写入配置(只写自家的按钮)· add to the configuration what is this home's own:\n\n{rules}");
        println!(
            "# 这种按钮没有心跳,失联无法发现:请每月手动测试一次。\n\
             # Such a button has no heartbeat and cannot be supervised: test it by hand each month (gateway test-press)."
        );
        ExitCode::SUCCESS
    }

    /// The lines that learn each code heard so often, as they go into a configuration; none where none was.
    fn rules(&self, times: u32) -> Option<String> {
        let heard = self.codes.heard(times);
        let rule = |(code, count): (&Code, Count)| {
            format!("# {}: {} × (messages: {})\n{}\n", code.words(), count.presses, count.messages, code.rule())
        };
        (!heard.is_empty()).then(|| heard.into_iter().map(rule).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::BARE;

    const HOME: &str = r#"
[[mqtt.client]]
name = "radio"
password = "a-long-password"
publish = ["rtl_433/#", "tele/#", "home/#"]
"#;

    #[test]
    fn what_is_printed_is_a_configuration_by_which_the_same_press_raises() {
        let presses = [
            ("rtl_433/pi/events", r#"{"model":"Generic-Remote","id":23130,"cmd":196}"#),
            ("tele/RF_Bridge/RESULT", r#"{"RfReceived":{"Data":"D691DE","RfKey":"None"}}"#),
            ("home/OMG/433toMQTT", r#"{"value":5592332,"protocol":1,"length":24,"delay":180}"#),
            ("home/OMG/SRFBtoMQTT", r#"{"raw":"2B660186042E00E7E5","value":"59365","delay":"1111"}"#),
        ];
        let mut learner = Learner::new(&GatewayConfig::read(&[BARE, HOME].concat()).unwrap());
        for (number, (topic, payload)) in presses.iter().enumerate() {
            learner.hear(topic, payload.as_bytes(), number as u64 * 10_000);
        }
        let mut printed = learner.rules(1).unwrap();
        for number in 0..presses.len() {
            printed = printed.replacen("device = \"…\"", &format!("device = \"button {number}\""), 1);
        }
        let config =
            GatewayConfig::read(&format!("{BARE}{HOME}{printed}")).unwrap_or_else(|why| panic!("{why:?}: {printed}"));
        let (decoder, mut answers) = (Decoder::new(config.decoder), std::collections::BTreeSet::new());
        for (topic, payload) in presses {
            let at = Stamp { boot: 1, uptime_ms: 1_000, wall_ms: 0, wall_trusted: false };
            let decoded = decoder.decode(&Heard { topic, payload: payload.as_bytes(), retain: false, at });
            assert_eq!(decoded.rejected, None, "{topic}");
            let [press] = &decoded.seen[..] else { panic!("{topic}: {:?}", decoded.seen) };
            assert!(press.edge && press.observation.kind == protocol::observation::Kind::Sos, "{topic}");
            answers.insert(press.observation.device.clone());
        }
        assert_eq!(answers.len(), presses.len(), "each press is its own button's");
    }
}
