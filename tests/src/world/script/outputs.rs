//! The sirens of a scenario's home: what the product's own outputs set them to at each stage.

use gateway::reassure::device::{DeviceKind as OutputKind, DeviceOutput};
use protocol::stage::Stage;
use protocol::topics::ZIGBEE2MQTT_BASE;
use sensor_sim::scenario::{DeviceKind, HomeDevice};

use super::World;

/// One siren, and what it was set to last.
#[derive(Debug)]
pub(super) struct Siren {
    output: DeviceOutput,
    set_to: Option<String>,
}

/// The sirens among the devices of a home.
pub(super) fn sirens(home: &[HomeDevice]) -> Vec<Siren> {
    let of = |entry: &HomeDevice| {
        let alarm = (entry.kind == DeviceKind::Siren).then_some(OutputKind::AlarmSiren);
        let kind = alarm.or((entry.kind == DeviceKind::WarningSiren).then_some(OutputKind::Siren))?;
        let topic = format!("{ZIGBEE2MQTT_BASE}/{}/set", entry.name);
        let output = DeviceOutput { name: entry.name.clone(), topic, kind, stages: Default::default() };
        Some(Siren { output, set_to: None })
    };
    home.iter().filter_map(of).collect()
}

impl World {
    /// Sets every siren to a stage. What it was set to already is set again without a word of it.
    pub(in crate::world) fn set_sirens(&mut self, home: usize, stage: Stage) {
        let Some(running) = &mut self.script else { return };
        let mut reports = Vec::new();
        for siren in &mut running.sirens {
            let payload = siren.output.payload(stage);
            reports.extend(running.performer.bridge_mut().told(&siren.output.topic, payload.as_bytes()));
            if siren.set_to.as_ref() != Some(&payload) {
                let name = &siren.output.name;
                self.transcript.story(self.now_ms, format_args!("siren {name} set to {payload}"));
                siren.set_to = Some(payload);
            }
        }
        for report in reports {
            self.publish(home, report, None);
        }
    }
}
