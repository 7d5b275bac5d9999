//! `gateway learn`: listens to radio gateways and prints the codes that no rule knows.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use protocol::record::Stamp;
use serde_json::Value;

use super::codes::Codes;
use super::visitor::{CODE_TOPICS, Visitor, in_a};
use crate::config::GatewayConfig;
use crate::decode::{Decoder, Heard};

/// Lines of a file count as this far apart, milliseconds.
const LINE_MS: u64 = 100;

/// Listens at the home's broker.
pub(super) async fn listen(config: &GatewayConfig, secs: u64, times: u32) -> anyhow::Result<ExitCode> {
    let mut visitor = Visitor::sign_in(config).await?;
    visitor.subscribe(&CODE_TOPICS).await?;
    println!("请在 {secs} 秒内多按几次要学习的按钮。\nPress the button to be learned a few times within {secs} s.");
    let start = in_a(Duration::ZERO);
    let until = start + Duration::from_secs(secs);
    let mut learner = Learner::new(config);
    loop {
        let heard = tokio::select! {
            heard = visitor.next(until) => heard?,
            _ = tokio::signal::ctrl_c() => None,
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

    fn finish(self, times: u32) -> ExitCode {
        let heard = self.codes.heard(times);
        if heard.is_empty() {
            println!(
                "没有听到出现 {times} 次以上的未知代码。\nNo unknown code was heard {times} times or more; nearer to the radio gateway, and again."
            );
            return ExitCode::FAILURE;
        }
        println!("\n写入配置(只写自家的按钮)· add to the configuration what is this home's own:\n");
        for (code, count) in heard {
            println!("# {}: {} × (messages: {})\n{}", code.words(), count.presses, count.messages, code.rule());
        }
        ExitCode::SUCCESS
    }
}
