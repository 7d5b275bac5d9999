//! One message heard: what it says goes to the home, and its sender is answered once that is safe.

use std::sync::Arc;

use protocol::observation::{Kind, Reading};
use protocol::record::{Body, Record, Stamp};

use super::{Command, Engine, Heard, Now, TOPIC_BYTES_MAX, Verdict, Waiting, deliveries};
use crate::decode::{Decoded, Heard as DecodeInput, Seen};
use crate::home::supervision::silence::Power;
use crate::home::{Effect, Input};

impl Engine {
    pub(super) fn hear(&mut self, now: &Now, heard: Heard, commands: &mut Vec<Command>) {
        self.counters.messages += 1;
        let token = heard.token;
        let delivery = deliveries::delivery_of(&heard);
        if heard.duplicate
            && let Some(delivery) = &delivery
            && let Some(seq) = self.redelivered(now, delivery)
        {
            self.counters.duplicates += 1;
            self.deliveries.heard_again(&self.stamp(now), delivery);
            let made = |record: &&Arc<Record>| record.delivery.as_ref() == Some(delivery);
            let emergency = self.unwritten_emergencies().filter(made).last().map(|record| record.seq);
            self.answer_when_safe(now, Waiting { seq, emergency, token, since_ms: 0 }, commands);
            return;
        }
        if heard.topic.len() > TOPIC_BYTES_MAX {
            self.counters.rejected("topic_too_long");
            commands.push(Command::Answer { token, verdict: Verdict::Acknowledge });
            return;
        }
        let at = self.stamp(now);
        let input = DecodeInput { topic: &heard.topic, payload: &heard.payload, retain: heard.retain, at };
        let decoded = self.decoder.decode(&input);
        if let Some(rejection) = &decoded.rejected {
            self.counters.rejected(rejection.name());
        }
        self.registry.heard(now.uptime_ms, &heard, &decoded);
        let before = self.chain.next_seq;
        self.note_speakers(now, &at, heard.retain, &decoded);
        let mut urgent = false;
        // What the power took of a state's last two changes leaves the memory of the one before them.
        let is_danger =
            |seen: &Seen| seen.observation.kind.is_life_safety() && seen.observation.value == Reading::Active;
        let mut forgotten = heard.duplicate
            && !decoded.seen.iter().any(|seen| seen.edge && is_danger(seen))
            && delivery.as_ref().is_some_and(|delivery| self.is_unheard_of(now, delivery));
        for seen in &decoded.seen {
            let kind = seen.observation.kind;
            let danger = is_danger(seen);
            let throttled =
                seen.edge && !kind.is_life_safety() && !self.throttle.takes(now.uptime_ms, &seen.observation.device);
            if throttled {
                self.counters.rejected("throttled");
            }
            // A change that is not taken is heard like a repeated one: somebody is alive, and nothing is recorded.
            // And one message is one fall, whatever else in it says so too.
            let edge = seen.edge && !throttled || danger && std::mem::take(&mut forgotten);
            // That a hazard is over, or a battery low, can wait for the next sync; that one began cannot.
            urgent |= edge && danger;
            let input = Input::Observed { observation: &seen.observation, edge, reason: seen.reason };
            self.handle(now, delivery.as_ref(), &input, commands);
        }
        if let Some(visit) = &decoded.visit {
            self.handle(now, delivery.as_ref(), &Input::Visit(visit), commands);
        }
        if let Some(device) = &decoded.cancel {
            self.handle(now, delivery.as_ref(), &Input::Cancel(device), commands);
        }
        for listed in decoded.learned {
            if !self.throttle.takes(now.uptime_ms, &listed.device) {
                self.counters.rejected("throttled");
                continue;
            }
            self.record(now, None, Body::DeviceListed(listed));
        }
        urgent |= decoded.visit.is_some() || decoded.cancel.is_some();
        let emergency = self.unwritten_emergencies().map(|record| record.seq).filter(|seq| *seq >= before).last();
        // While the disk fails only an emergency can become safe elsewhere; the rest keeps nobody waiting.
        // An emergency is waited for whatever it came of: a hazard that goes on is one without any change.
        urgent = urgent && !self.disk_failed || emergency.is_some();
        if urgent && self.chain.next_seq > before {
            self.pending_urgent = true;
            let last = self.chain.next_seq - 1;
            self.answer_when_safe(now, Waiting { seq: last, emergency, token, since_ms: 0 }, commands);
        } else {
            commands.push(Command::Answer { token, verdict: Verdict::Acknowledge });
        }
    }

    /// The first sequence that is not on disk.
    pub(super) fn first_unsafe_seq(&self) -> u64 {
        let writing = self.writing.as_ref().and_then(|writing| writing.records.first());
        writing.or(self.pending.front()).map_or(self.chain.next_seq, |record| record.seq)
    }

    /// Whoever said something is there. What a broker or a bridge's cache repeats is no sign of that.
    fn note_speakers(&mut self, now: &Now, at: &Stamp, retain: bool, decoded: &Decoded) {
        let replayed = retain || (self.decoder.is_cache_speaking(at) && !decoded.seen.iter().any(|seen| seen.edge));
        let mut last = None;
        for observation in decoded.seen.iter().map(|seen| &seen.observation) {
            let device = observation.device.as_str();
            let speaks = !matches!(observation.kind, Kind::Availability | Kind::Visit);
            if !speaks || replayed || last == Some(device) {
                continue;
            }
            last = Some(device);
            let power = self.decoder.on_mains(device).map(|mains| if mains { Power::Mains } else { Power::Battery });
            for Effect::Record(body) in self.home.handle(at, &Input::DeviceHeard { device, power }) {
                self.record(now, None, body);
            }
        }
    }
}
