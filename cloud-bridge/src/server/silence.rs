//! The task that asks who has fallen silent and has it written.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::ids::GatewayId;
use tokio::sync::watch;

use crate::centre::{Answer, LinkChange, Request};
use crate::clock::Clock;
use crate::heartbeat::{HeartbeatRules, Heartbeats};
use crate::metrics::Metrics;
use crate::writer::Writer;

/// Longest sleep between two looks, milliseconds; a clock that is set does not keep it from looking.
const LOOK_MS: i64 = 10_000;

/// What the task works with.
pub(super) struct Watch {
    pub(super) heartbeats: Arc<Mutex<Heartbeats>>,
    pub(super) rules: HeartbeatRules,
    pub(super) high_risk: BTreeSet<GatewayId>,
    pub(super) writer: Writer,
    pub(super) clock: Arc<Clock>,
    pub(super) metrics: Arc<Metrics>,
}

impl Watch {
    /// Looks until the service stops.
    pub(super) async fn run(self, mut stopping: watch::Receiver<bool>) {
        loop {
            let wait_ms = self.heartbeats().next_check_ms().saturating_sub(self.clock.now_ms()).clamp(100, LOOK_MS);
            tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => return,
                () = tokio::time::sleep(Duration::from_millis(wait_ms.unsigned_abs())) => {}
            }
            let silent = self.heartbeats().fallen_silent(self.clock.now_ms());
            for (gateway, since_ms) in silent {
                let risk = self.high_risk.contains(&gateway);
                let order_after_ms = if risk { self.rules.high_risk_order_after_ms } else { self.rules.order_after_ms };
                let change = LinkChange::Silent { since_ms, order_after_ms };
                let request = Request::Link { gateway: gateway.clone(), change };
                match self.writer.ask(request).await {
                    Ok(Answer::Committed) => tracing::info!(%gateway, "the gateway is silent"),
                    _ => self.heartbeats().not_kept(&gateway),
                }
            }
            let count = self.heartbeats().silent_count();
            self.metrics.gateways_silent.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    fn heartbeats(&self) -> std::sync::MutexGuard<'_, Heartbeats> {
        self.heartbeats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
