//! Sirens, lamps, plugs and vibration pads of a radio bridge: a `…/set` payload a stage.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use protocol::record::PlayOutcome;
use protocol::stage::Stage;
use serde_json::{Value, json};

use super::{Output, Showing};
use crate::intake::{Announcement, Publisher};

/// A stage that stands is set again after this: a lamp that lost power comes back to it, and a siren's
/// own time limit, which is longer, ends the noise if this gateway dies.
const SET_AGAIN: Duration = Duration::from_secs(60);

/// What kind of device it is; each has payloads of its own for every stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// A siren with Zigbee2MQTT's `warning`.
    Siren,
    /// A siren that only knows `alarm` on and off.
    AlarmSiren,
    /// A coloured lamp.
    Lamp,
    /// A plug or relay with a lamp, bell or pad behind it.
    Plug,
    /// A vibration pad on a plug: it shakes a moment for each stage, and steadily for danger.
    Pad,
}

impl DeviceKind {
    /// Each kind's word in a configuration.
    pub const WORDS: &[(&str, Self)] = &[
        ("siren", Self::Siren),
        ("alarm_siren", Self::AlarmSiren),
        ("lamp", Self::Lamp),
        ("plug", Self::Plug),
        ("pad", Self::Pad),
    ];

    /// What a device of this kind is set to at a stage, unless configured otherwise.
    pub fn payload(self, stage: Stage) -> Value {
        match self {
            Self::Siren => match noise(stage) {
                Noise::None => json!({ "warning": { "mode": "stop" } }),
                Noise::Call => warning("emergency"),
                Noise::Fire => warning("fire"),
            },
            Self::AlarmSiren => json!({ "alarm": noise(stage) != Noise::None }),
            Self::Lamp => lamp(stage),
            Self::Plug => json!({ "state": if light(stage).is_some() { "ON" } else { "OFF" } }),
            Self::Pad => match stage {
                Stage::Quiet | Stage::LinkDown | Stage::RadioLost => json!({ "state": "OFF" }),
                Stage::PreAlarm | Stage::LeaveNow => json!({ "state": "ON" }),
                Stage::NotConnected | Stage::StillNotConnected | Stage::ContactsCalled | Stage::Retracted => {
                    json!({ "state": "ON", "on_time": 10 })
                }
                Stage::Cancelling
                | Stage::Recorded
                | Stage::NotRecorded
                | Stage::Received
                | Stage::Taken
                | Stage::Coming
                | Stage::Here => {
                    json!({ "state": "ON", "on_time": 3 })
                }
            },
        }
    }
}

/// How loud a stage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Noise {
    None,
    Call,
    Fire,
}

/// A siren sounds only where neighbours must hear it.
fn noise(stage: Stage) -> Noise {
    match stage {
        Stage::LeaveNow => Noise::Fire,
        Stage::StillNotConnected | Stage::ContactsCalled => Noise::Call,
        Stage::Quiet
        | Stage::LinkDown
        | Stage::RadioLost
        | Stage::PreAlarm
        | Stage::Cancelling
        | Stage::Recorded
        | Stage::NotRecorded
        | Stage::Received
        | Stage::Taken
        | Stage::Coming
        | Stage::Here
        | Stage::Retracted
        | Stage::NotConnected => Noise::None,
    }
}

fn warning(mode: &str) -> Value {
    json!({ "warning": { "mode": mode, "level": "very_high", "strobe": true, "duration": 180 } })
}

/// Colour, brightness (of 254) and whether it blinks; none is dark.
fn light(stage: Stage) -> Option<(&'static str, u8, bool)> {
    match stage {
        Stage::Quiet => None,
        Stage::LinkDown | Stage::RadioLost => Some(("#FFA000", 60, false)),
        Stage::PreAlarm => Some(("#FFA000", 254, true)),
        Stage::Recorded | Stage::NotRecorded | Stage::Cancelling => Some(("#FFE000", 200, true)),
        Stage::Received => Some(("#0060FF", 200, false)),
        Stage::Taken => Some(("#00C0FF", 254, false)),
        Stage::Coming => Some(("#00FF40", 254, true)),
        Stage::Here => Some(("#00FF40", 254, false)),
        Stage::Retracted => Some(("#FFA000", 254, true)),
        Stage::NotConnected | Stage::StillNotConnected | Stage::ContactsCalled | Stage::LeaveNow => {
            Some(("#FF0000", 254, true))
        }
    }
}

fn lamp(stage: Stage) -> Value {
    match light(stage) {
        None => json!({ "state": "OFF" }),
        Some((color, brightness, blinks)) => json!({
            "state": "ON", "brightness": brightness, "color": { "hex": color },
            "effect": if blinks { "blink" } else { "stop_effect" },
        }),
    }
}

/// One configured device.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceOutput {
    /// Its name in records.
    pub name: String,
    /// Where it is set.
    pub topic: String,
    /// What kind of device it is.
    pub kind: DeviceKind,
    /// Payloads that differ from the kind's own.
    pub stages: BTreeMap<Stage, String>,
}

impl DeviceOutput {
    /// What it is set to at a stage.
    pub fn payload(&self, stage: Stage) -> String {
        self.stages.get(&stage).cloned().unwrap_or_else(|| self.kind.payload(stage).to_string())
    }
}

/// A configured device with the broker that leads to it.
pub struct BridgeDevice {
    device: DeviceOutput,
    publisher: Publisher,
}

impl BridgeDevice {
    /// The device behind `publisher`.
    pub fn new(device: DeviceOutput, publisher: Publisher) -> Self {
        Self { device, publisher }
    }
}

#[async_trait]
impl Output for BridgeDevice {
    fn name(&self) -> &str {
        &self.device.name
    }

    async fn show(&mut self, showing: &Showing) -> PlayOutcome {
        let payload = self.device.payload(showing.stage);
        let announcement = Announcement { topic: self.device.topic.clone(), payload, retain: false };
        if self.publisher.publish(announcement).await { PlayOutcome::Whole } else { PlayOutcome::Failed }
    }

    fn repeat_after(&self, stage: Stage, _repeats: u32) -> Option<Duration> {
        (stage != Stage::Quiet).then_some(SET_AGAIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_siren_sounds_only_for_fire_and_where_nobody_is_reached() {
        for (_, stage) in Stage::WORDS {
            let loud = matches!(stage, Stage::LeaveNow | Stage::StillNotConnected | Stage::ContactsCalled);
            assert_eq!(DeviceKind::AlarmSiren.payload(*stage)["alarm"], loud, "{stage:?}");
            assert_eq!(DeviceKind::Siren.payload(*stage)["warning"]["mode"] != "stop", loud, "{stage:?}");
        }
    }

    #[test]
    fn the_installers_payload_stands_for_its_stage_alone() {
        let stages = BTreeMap::from([(Stage::Here, "{\"state\":\"TOGGLE\"}".to_owned())]);
        let plug =
            DeviceOutput { name: "bell".into(), topic: "zigbee2mqtt/bell/set".into(), kind: DeviceKind::Plug, stages };
        assert_eq!(plug.payload(Stage::Here), "{\"state\":\"TOGGLE\"}");
        assert_eq!(plug.payload(Stage::Coming), "{\"state\":\"ON\"}");
    }
}
