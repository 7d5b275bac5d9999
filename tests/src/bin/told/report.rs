//! What was measured, as a table and as JSON.

use anyhow::ensure;
use serde_json::{Value, json};

/// The target for each stage, milliseconds.
const TARGET_MS: f64 = 200.0;

/// Times of one kind, milliseconds.
#[derive(Default)]
pub struct Times(Vec<f64>);

impl Times {
    /// Notes one.
    pub fn note(&mut self, ms: f64) {
        self.0.push(ms);
    }

    fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
    }

    fn told(&self) -> String {
        match self.0.len() {
            0 => "-".to_owned(),
            _ => format!("{:.1} / {:.1}", self.percentile(50), self.percentile(99)),
        }
    }

    fn json(&self) -> Value {
        match self.0.len() {
            0 => Value::Null,
            count => json!({ "p50": self.percentile(50), "p99": self.percentile(99), "count": count }),
        }
    }
}

/// One stage's times at each output.
#[derive(Default)]
pub struct Told {
    /// At the panel.
    pub topic: Times,
    /// At the lamp.
    pub lamp: Times,
    /// Until the voice begins.
    pub voice: Times,
    /// From the act to the topic.
    pub act: Times,
}

impl Told {
    fn all(&self) -> [&Times; 4] {
        [&self.topic, &self.lamp, &self.voice, &self.act]
    }
}

/// The stages in the order they were first told, by cause and stage.
#[derive(Default)]
pub struct Stages(Vec<(&'static str, Told)>);

impl Stages {
    /// The times of one, empty before the first.
    pub fn of(&mut self, name: &'static str) -> &mut Told {
        let at = self.0.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            self.0.push((name, Told::default()));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }

    /// Takes in what another home was told.
    pub fn join(&mut self, other: Self) {
        for (name, more) in other.0 {
            let told = self.of(name);
            let pairs = [&mut told.topic, &mut told.lamp, &mut told.voice, &mut told.act]
                .into_iter()
                .zip([more.topic, more.lamp, more.voice, more.act]);
            for (times, more) in pairs {
                times.0.extend(more.0);
            }
        }
    }
}

/// What the same machine needs for less.
#[derive(Default)]
pub struct Floors {
    /// A telemetry message to its PUBACK.
    pub hop: Times,
    /// A short record appended and synced.
    pub disk: Times,
}

/// Prints everything.
///
/// # Errors
/// Where a stage is later than its target.
pub fn print(rounds: u32, homes: u32, stages: &Stages, floors: &Floors) -> anyhow::Result<()> {
    println!(
        "\n{:<52} {:>5} {:>15} {:>15} {:>15} {:>15}",
        "cause → stage, p50 / p99 ms", "times", "MQTT topic", "bridge's lamp", "voice begins", "act → topic"
    );
    for (name, told) in &stages.0 {
        let [topic, lamp, voice, act] = told.all().map(Times::told);
        println!("{name:<52} {:>5} {topic:>15} {lamp:>15} {voice:>15} {act:>15}", told.topic.0.len());
    }
    for (name, floor) in
        [("MQTT QoS 1 telemetry → PUBACK", &floors.hop), ("300 bytes appended and synced", &floors.disk)]
    {
        println!("{:<52} {:>5} {:>15}", format!("floor: {name}"), floor.0.len(), floor.told());
    }
    println!(
        "target: each within {TARGET_MS:.0} ms, of the act too. \"-\": overtaken by the next stage before it was surely \
         shown, or without an act of its own."
    );
    let rows: Vec<_> = stages
        .0
        .iter()
        .map(|(name, told)| {
            let [topic, lamp, voice, act] = told.all().map(Times::json);
            json!({ "stage": name, "topic": topic, "lamp": lamp, "voice": voice, "from_act": act })
        })
        .collect();
    let (hop, disk) = (floors.hop.json(), floors.disk.json());
    println!(
        "\n{}",
        json!({ "rounds": rounds, "homes": homes, "floor_mqtt_ms": hop, "floor_disk_ms": disk, "stages": rows })
    );
    let mut times = stages.0.iter().flat_map(|(_, told)| told.all());
    ensure!(times.all(|times| times.percentile(99) <= TARGET_MS), "a stage is later than its target");
    Ok(())
}
