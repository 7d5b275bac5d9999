//! `[[output]]`, `[voice]` and `[gpio]`: what tells the elder, and what is wired to the gateway itself.

use std::collections::BTreeMap;
use std::path::PathBuf;

use protocol::settings::{Reading, Table};
use protocol::stage::Stage;

use crate::decode::DecoderConfig;
use crate::gpio::input::{WiredInput, WiredKind};
use crate::gpio::pattern::{Pattern, Wired};
use crate::gpio::wire::Contacts;
use crate::gpio::{PIN_MAX, Pull};
use crate::home::HomeRules;
use crate::home::supervision::silence::Power;
use crate::reassure::device::{DeviceKind, DeviceOutput};
use crate::reassure::pins::PinOutput;
use crate::reassure::voice::{Language, VoiceSettings};

/// Where the package puts the prompts.
const PROMPTS_DIR: &str = "/usr/share/homecare-gateway/voice";

/// What tells the elder, and what is wired.
#[derive(Debug, Clone, Default)]
pub struct OutputsConfig {
    /// Devices of the radio bridge.
    pub devices: Vec<DeviceOutput>,
    /// The voice.
    pub voice: Option<VoiceSettings>,
    /// When what is told in passing is told softly.
    pub silent: Option<SilentHours>,
    /// Output pins.
    pub pins: Vec<PinOutput>,
    /// Input pins.
    pub inputs: Vec<WiredInput>,
    /// Pins in memory even where the machine has real ones.
    pub simulated: bool,
}

/// Hours of the home's own day, minutes; they may pass midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SilentHours {
    /// First minute.
    pub from: u16,
    /// First minute after.
    pub to: u16,
}

impl SilentHours {
    /// Whether a minute of the day lies within.
    pub fn covers(self, minute: u16) -> bool {
        if self.from <= self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }
}

impl OutputsConfig {
    pub(super) fn read<'t>(
        reading: &mut Reading,
        root: &mut Table<'t>,
        decoder: &mut DecoderConfig,
        home: &mut HomeRules,
    ) -> Self {
        let mut config = Self { devices: devices(reading, root, &decoder.zigbee2mqtt_base), ..Self::default() };
        voice(reading, root, &mut config);
        gpio(reading, root, &mut config);
        for input in &config.inputs {
            if home.devices.contains_key(&input.name) {
                reading.note(1, "gpio.input", format!("`{}` is the name of another device too", input.name));
            }
            let place = home.devices.entry(input.name.clone()).or_default();
            place.power = Some(Power::Wired);
            place.role = Some(input.role());
            decoder.rules.extend(input.rules());
        }
        config
    }

    /// Topics on which the gateway alone may speak.
    pub fn own_topics(&self) -> Vec<String> {
        self.inputs.iter().map(WiredInput::topic).collect()
    }
}

fn devices<'t>(reading: &mut Reading, root: &mut Table<'t>, base: &str) -> Vec<DeviceOutput> {
    let mut outputs: Vec<DeviceOutput> = Vec::new();
    for mut table in root.tables(reading, "output") {
        let device = table.required_text(reading, "device");
        let name = table.text(reading, "name").unwrap_or_else(|| device.clone());
        let kind = kind(reading, &mut table, DeviceKind::WORDS);
        let topic = table.text(reading, "topic").unwrap_or_else(|| format!("{base}/{device}/set"));
        let stages = stages(reading, &mut table, |table, reading, word| {
            let json = |text: &str| match serde_json::from_str::<serde_json::Value>(text) {
                Ok(_) => Ok(text.to_owned()),
                Err(error) => Err(format!("is not JSON: {error}")),
            };
            table.parsed(reading, word, json)
        });
        if outputs.iter().any(|output| output.name == name) || name == "voice" {
            reading.note(table.line_of("name"), &table.key("name"), format!("`{name}` is the name of another output"));
        }
        if let Some(kind) = kind {
            outputs.push(DeviceOutput { name, topic, kind, stages });
        }
        table.finish(reading);
    }
    outputs
}

/// A table `stages` with a value for some stages.
fn stages<'t, T>(
    reading: &mut Reading,
    table: &mut Table<'t>,
    read: impl Fn(&mut Table<'t>, &mut Reading, &'static str) -> Option<T>,
) -> BTreeMap<Stage, T> {
    let Some(mut stages) = table.optional_table(reading, "stages") else { return BTreeMap::new() };
    let read = |(word, stage): &(&'static str, Stage)| Some((*stage, read(&mut stages, reading, word)?));
    let values = Stage::WORDS.iter().filter_map(read).collect();
    stages.finish(reading);
    values
}

fn voice<'t>(reading: &mut Reading, root: &mut Table<'t>, config: &mut OutputsConfig) {
    let Some(mut table) = root.optional_table(reading, "voice") else { return };
    config.voice = Some(VoiceSettings {
        prompts_dir: table.text(reading, "prompts_dir").map_or_else(|| PROMPTS_DIR.into(), PathBuf::from),
        language: table.choice(reading, "language", Language::WORDS).unwrap_or(Language::Chinese),
        hard_of_hearing: table.flag(reading, "hard_of_hearing", false),
        player: table.text(reading, "player").map_or_else(|| "aplay".into(), PathBuf::from),
        device: table.text(reading, "device").unwrap_or_else(|| "default".to_owned()),
        // Softer than this an alarm would not be heard from the next room.
        volume_percent: table.number(reading, "volume_percent", 30..=100, 100) as u8,
        soft_percent: table.number(reading, "soft_percent", 0..=100, 20) as u8,
    });
    let line = table.line();
    let [from, to] = ["silent_from", "silent_to"].map(|key| table.parsed(reading, key, minute_of));
    match (from, to) {
        (Some(from), Some(to)) if from == to => {
            let problem =
                "is the same as `silent_from`: leave both out for no silent hours; a whole day of them is refused";
            reading.note(table.line_of("silent_to"), &table.key("silent_to"), problem);
        }
        (Some(from), Some(to)) => config.silent = Some(SilentHours { from, to }),
        (None, None) => {}
        _ => reading.note(line, &table.key("silent_from"), "silent_from and silent_to go together"),
    }
    table.finish(reading);
}

/// `22:30` as a minute of the day.
fn minute_of(text: &str) -> Result<u16, String> {
    let wrong = || format!("`{text}` is not a time of day such as 22:30");
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    match (hour.parse::<u16>(), minute.parse::<u16>()) {
        (Ok(hour @ 0..=23), Ok(minute @ 0..=59)) if text.len() <= 5 => Ok(hour * 60 + minute),
        _ => Err(wrong()),
    }
}

fn gpio<'t>(reading: &mut Reading, root: &mut Table<'t>, config: &mut OutputsConfig) {
    let Some(mut table) = root.optional_table(reading, "gpio") else { return };
    config.simulated = table.flag(reading, "simulated", false);
    let mut taken = BTreeMap::new();
    for mut table in table.tables(reading, "input") {
        config.inputs.extend(input(reading, &mut table, &mut taken));
        table.finish(reading);
    }
    for mut table in table.tables(reading, "output") {
        config.pins.extend(output(reading, &mut table, &mut taken));
        table.finish(reading);
    }
    let names: Vec<_> =
        config.inputs.iter().map(|input| &input.name).chain(config.pins.iter().map(|output| &output.name)).collect();
    for (at, name) in names.iter().enumerate().filter(|(at, name)| names[..*at].contains(name)) {
        reading.note(table.line(), &table.key("name"), format!("`{name}` (number {}) is a name given twice", at + 1));
    }
    table.finish(reading);
}

/// A kind that must be given.
fn kind<'t, T: Copy>(reading: &mut Reading, table: &mut Table<'t>, words: &[(&str, T)]) -> Option<T> {
    if !table.has("kind") {
        let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        reading.note(table.line(), &table.key("kind"), format!("is required: one of {}", words.join(", ")));
    }
    table.choice(reading, "kind", words)
}

/// The pin that must be given.
fn required_pin<'t>(reading: &mut Reading, table: &mut Table<'t>, taken: &mut BTreeMap<u8, String>) -> Option<u8> {
    if !table.has("pin") {
        reading.note(table.line(), &table.key("pin"), format!("is required: a BCM number, 0–{PIN_MAX}"));
        return None;
    }
    Some(pin(reading, table, "pin", taken))
}

/// A BCM number that nothing else in this configuration uses.
fn pin<'t>(reading: &mut Reading, table: &mut Table<'t>, key: &'static str, taken: &mut BTreeMap<u8, String>) -> u8 {
    let pin = table.number(reading, key, 0..=u64::from(PIN_MAX), 0) as u8;
    let name = table.key(key);
    match taken.get(&pin) {
        Some(other) => reading.note(table.line_of(key), &name, format!("GPIO {pin} is used by {other} already")),
        None => drop(taken.insert(pin, name)),
    }
    pin
}

fn input<'t>(reading: &mut Reading, table: &mut Table<'t>, taken: &mut BTreeMap<u8, String>) -> Option<WiredInput> {
    let name = table.required_text(reading, "name");
    let kind = kind(reading, table, WiredKind::WORDS);
    let main = required_pin(reading, table, taken);
    let supervise_pin = table.has("supervise_pin").then(|| pin(reading, table, "supervise_pin", taken));
    let contact =
        table.choice(reading, "contact", &[("open", Contacts::NormallyOpen), ("closed", Contacts::NormallyClosed)]);
    if supervise_pin.is_some() && contact.is_some() {
        let text = "a supervised cord has both contacts: leave `contact` out";
        reading.note(table.line_of("contact"), &table.key("contact"), text);
    }
    let contacts = match supervise_pin {
        Some(_) => Contacts::Supervised,
        None => contact.unwrap_or(Contacts::NormallyOpen),
    };
    let pulls = [("up", Pull::Up), ("down", Pull::Down), ("off", Pull::Off)];
    let (kind, main) = (kind?, main?);
    // A relay of a power supply chatters; a hand does not.
    let debounce_ms = if kind == WiredKind::Sos { 30 } else { 2_000 };
    Some(WiredInput {
        name,
        kind,
        pin: main,
        supervise_pin,
        contacts,
        pull: table.choice(reading, "pull", &pulls).unwrap_or(Pull::Up),
        debounce_ms: table.number(reading, "debounce_ms", 0..=5_000, debounce_ms),
    })
}

fn output<'t>(reading: &mut Reading, table: &mut Table<'t>, taken: &mut BTreeMap<u8, String>) -> Option<PinOutput> {
    let name = table.required_text(reading, "name");
    let wired = kind(reading, table, Wired::WORDS);
    let pin = required_pin(reading, table, taken);
    let active_low = table.choice(reading, "active", &[("high", false), ("low", true)]).unwrap_or(false);
    let stages = stages(reading, table, |table, reading, word| table.choice(reading, word, Pattern::WORDS));
    Some(PinOutput { name, pin: pin?, wired: wired?, active_low, stages })
}
