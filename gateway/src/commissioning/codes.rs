//! 433 MHz codes that no rule knows yet, counted, each with the rule that would learn it.
//!
//! Pure: it is told messages and the time, and never knows a connection.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

/// A code repeated on the air within this is one press, milliseconds.
const PRESS_GAP_MS: u64 = 1_000;

/// Most codes kept; a street has fewer.
const CODES_MAX: usize = 1_000;

/// What stands in a weather station's or meter's message: its code is no button's.
const MEASURES: &[&str] = &[
    "temperature_C",
    "temperature_F",
    "humidity",
    "pressure_kPa",
    "pressure_PSI",
    "wind_avg_km_h",
    "rain_mm",
    "power_W",
];

/// One code as a radio gateway told it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// rtl_433: model, id, the key its command stands in, and the command.
    Rtl433 {
        /// Model.
        model: String,
        /// Id.
        id: String,
        /// The command's key.
        key: String,
        /// The command.
        command: String,
    },
    /// Tasmota's RF bridge: device and `RfReceived.Data`.
    Tasmota {
        /// The bridge.
        node: String,
        /// The code.
        data: String,
    },
    /// OpenMQTTGateway: the receiver that heard it, and the value.
    OpenMqttGateway {
        /// Its receiver, which names the topic and so the preset.
        receiver: Receiver,
        /// The code.
        value: String,
    },
}

/// A 433 MHz receiver of OpenMQTTGateway; each speaks on a topic of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Receiver {
    /// A radio module: `433toMQTT`.
    Module,
    /// The one of a Sonoff RF bridge: `SRFBtoMQTT`.
    SonoffBridge,
}

/// How often a code was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Messages.
    pub messages: u32,
    /// Presses: messages that came together count once.
    pub presses: u32,
    last_ms: u64,
}

/// The codes heard so far.
#[derive(Debug, Clone, Default)]
pub struct Codes(BTreeMap<Code, Count>);

impl Code {
    /// Reads a message; none where it carries no code.
    pub fn read(topic: &str, payload: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(payload).ok()?;
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        match topic.split('/').collect::<Vec<_>>().as_slice() {
            ["rtl_433", _, "events"] => {
                if MEASURES.iter().any(|measure| body.get(measure).is_some()) {
                    return None;
                }
                let (key, command) = ["cmd", "code", "tristate", "data", "button"]
                    .into_iter()
                    .find_map(|key| Some((key, text(body.get(key)?)?)))?;
                Some(Self::Rtl433 {
                    model: text(body.get("model")?)?,
                    id: text(body.get("id")?)?,
                    key: key.to_owned(),
                    command,
                })
            }
            ["tele", node, "RESULT"] => {
                let data = text(body.pointer("/RfReceived/Data")?)?;
                Some(Self::Tasmota { node: (*node).to_owned(), data })
            }
            ["home", _, receiver @ ("433toMQTT" | "SRFBtoMQTT")] => {
                let receiver = if *receiver == "SRFBtoMQTT" { Receiver::SonoffBridge } else { Receiver::Module };
                Some(Self::OpenMqttGateway { receiver, value: text(body.get("value")?)? })
            }
            _ => None,
        }
    }

    /// The lines that learn it.
    pub fn rule(&self) -> String {
        let start = "[[rule]]\ndevice = \"…\"\nrole = \"sos\"\nroom = \"…\"\n";
        match self {
            Self::Rtl433 { model, id, key, command } if key == "cmd" => format!(
                "{start}preset = \"rtl_433_code\"\nmodel = {}\nid = {}\ncode = {}\n",
                quoted(model),
                quoted(id),
                quoted(command)
            ),
            Self::Rtl433 { model, id, key, command } => format!(
                "{start}preset = \"by_hand\"\ntopic = \"rtl_433/+/events\"\nkey = {}\non = [{}]\nmomentary = true\n\
                 debounce_ms = 5000\n[[rule.when]]\nkey = \"model\"\nequals = {}\n[[rule.when]]\nkey = \"id\"\nequals = {}\n",
                quoted(key),
                quoted(command),
                quoted(model),
                quoted(id)
            ),
            Self::Tasmota { node, data } => {
                format!("{start}preset = \"tasmota_radio\"\nnode = {}\ncode = {}\n", quoted(node), quoted(data))
            }
            Self::OpenMqttGateway { receiver, value } => {
                let preset = match receiver {
                    Receiver::Module => "openmqttgateway_433",
                    Receiver::SonoffBridge => "openmqttgateway_srfb",
                };
                format!("{start}preset = \"{preset}\"\ncode = {}\n", quoted(value))
            }
        }
    }

    /// The code in one line, for people.
    pub fn words(&self) -> String {
        match self {
            Self::Rtl433 { model, id, key, command } => format!("rtl_433 {model} id {id} {key} {command}"),
            Self::Tasmota { node, data } => format!("Tasmota {node} {data}"),
            Self::OpenMqttGateway { receiver: Receiver::Module, value } => format!("OpenMQTTGateway {value}"),
            Self::OpenMqttGateway { receiver: Receiver::SonoffBridge, value } => {
                format!("OpenMQTTGateway SRFB {value}")
            }
        }
    }
}

/// A TOML text.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(letter);
            }
            letter if letter.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(letter));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

impl Codes {
    /// Takes a message heard at a moment, milliseconds of any clock that only goes forward. Returns the code and its
    /// count when the message begins a new press.
    pub fn hear(&mut self, topic: &str, payload: &[u8], at_ms: u64) -> Option<(Code, Count)> {
        let code = Code::read(topic, payload)?;
        if self.0.len() >= CODES_MAX && !self.0.contains_key(&code) {
            return None;
        }
        let count = self.0.entry(code.clone()).or_default();
        let begins = count.messages == 0 || at_ms.saturating_sub(count.last_ms) > PRESS_GAP_MS;
        count.messages += 1;
        count.presses += u32::from(begins);
        count.last_ms = at_ms;
        begins.then_some((code, *count))
    }

    /// The codes heard at least so often, most heard first.
    pub fn heard(&self, times: u32) -> Vec<(&Code, Count)> {
        let mut heard: Vec<_> =
            self.0.iter().filter(|(_, count)| count.messages >= times).map(|(code, count)| (code, *count)).collect();
        heard.sort_by_key(|(_, count)| std::cmp::Reverse((count.presses, count.messages)));
        heard
    }
}

#[cfg(test)]
mod tests;
