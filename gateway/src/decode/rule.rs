//! Rules for whatever else speaks MQTT: a topic pattern, where in the message to look, and a role. Presets for
//! ESPHome, Tasmota and Shelly are made of the same rule.

use protocol::observation::{Kind, Reading};
use serde_json::Value;

use super::config::Role;
use super::memory::Manner;
use super::scalar;
use super::words::{Gesture, contact_said, gesture, said};
use super::{Decoded, Decoder, Heard, Membership, Notes, Rejection, TopicPattern};

/// Where in a message the value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Select {
    /// The payload is the value.
    Text,
    /// A path into the payload's JSON; a number steps into an array.
    Json(Vec<String>),
}

impl Select {
    /// A path written with dots, such as `RfReceived.Data`.
    pub fn json(path: &str) -> Self {
        Self::Json(path.split('.').map(str::to_owned).collect())
    }

    fn find(&self, text: &str, json: Option<&Value>) -> Option<String> {
        match self {
            Self::Text => Some(text.trim().to_owned()),
            Self::Json(path) => {
                let value = path.iter().try_fold(json?, |value, step| match step.parse::<usize>() {
                    Ok(index) if value.is_array() => value.get(index),
                    Ok(_) | Err(_) => value.get(step),
                })?;
                match value {
                    Value::String(text) => Some(text.clone()),
                    Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
                    Value::Null | Value::Array(_) | Value::Object(_) => None,
                }
            }
        }
    }

    fn key(&self) -> &str {
        match self {
            Self::Text => "text",
            Self::Json(path) => path.last().map_or("text", String::as_str),
        }
    }
}

/// A value that must stand in the message for a rule to speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Where to look.
    pub at: Select,
    /// What must stand there, in any case.
    pub equals: String,
}

/// One rule: what a topic's messages say about one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenericRule {
    /// The device it speaks of.
    pub device: String,
    /// The topics it listens to.
    pub topic: TopicPattern,
    /// Where the value stands.
    pub select: Select,
    /// What else must stand in the message.
    pub conditions: Vec<Condition>,
    /// What the device is for.
    pub role: Role,
    /// Values that say it is happening; with none, every word that does not deny it.
    pub on: Vec<String>,
    /// Values that say it is not.
    pub off: Vec<String>,
    /// Whether each message is an event of its own, as a button's is, and not a state.
    pub momentary: bool,
    /// Milliseconds in which a repeated event is the same one on the air; 0 for none.
    pub debounce_ms: u64,
    /// Where a count of the events stands: the same count is the same event.
    pub count: Option<Select>,
}

impl GenericRule {
    fn new(device: &str, topic: TopicPattern, select: Select, role: Role) -> Self {
        Self {
            device: device.to_owned(),
            topic,
            select,
            conditions: Vec::new(),
            role,
            on: Vec::new(),
            off: Vec::new(),
            momentary: false,
            debounce_ms: 0,
            count: None,
        }
    }

    /// A binary sensor of an ESPHome node: `<node>/binary_sensor/<id>/state` says `ON` or `OFF`.
    pub fn esphome(device: &str, node: &str, id: &str, role: Role) -> Self {
        let rule = Self::new(device, TopicPattern::exact(&[node, "binary_sensor", id, "state"]), Select::Text, role);
        Self { on: vec!["ON".to_owned()], off: vec!["OFF".to_owned()], ..rule }
    }

    /// A code that a Tasmota radio bridge learned: `tele/<bridge>/RESULT` with `RfReceived.Data`.
    pub fn tasmota_radio(device: &str, bridge: &str, code: &str, role: Role) -> Self {
        let topic = TopicPattern::exact(&["tele", bridge, "RESULT"]);
        let rule = Self::new(device, topic, Select::json("RfReceived.Data"), role);
        Self { on: vec![code.to_owned()], momentary: true, debounce_ms: BURST_QUIET_MS, ..rule }
    }

    /// A switch or sensor of a Tasmota device: `stat/<device>/<key>` says `ON` or `OFF`.
    pub fn tasmota_switch(device: &str, tasmota: &str, key: &str, role: Role) -> Self {
        let rule = Self::new(device, TopicPattern::exact(&["stat", tasmota, key]), Select::Text, role);
        Self { on: vec!["ON".to_owned()], off: vec!["OFF".to_owned()], ..rule }
    }

    /// An input of a Shelly of the first generation: `shellies/<id>/input_event/<n>` with `event` and `event_cnt`.
    pub fn shelly_gen1_input(device: &str, id: &str, input: u8, role: Role) -> Self {
        let topic = TopicPattern::exact(&["shellies", id, "input_event", &input.to_string()]);
        let rule = Self::new(device, topic, Select::json("event"), role);
        Self { momentary: true, count: Some(Select::json("event_cnt")), ..rule }
    }

    /// An input of a Shelly of the second generation on: `<id>/events/rpc` with a `NotifyEvent` of `input:<n>`.
    ///
    /// Only the pushes count, not the key's way down and up around them.
    pub fn shelly_gen2_input(device: &str, id: &str, input: u8, role: Role) -> Self {
        let topic = TopicPattern::exact(&[id, "events", "rpc"]);
        let rule = Self::new(device, topic, Select::json("params.events.0.event"), role);
        let is = |at: &str, equals: &str| Condition { at: Select::json(at), equals: equals.to_owned() };
        Self {
            conditions: vec![is("method", "NotifyEvent"), is("params.events.0.component", &format!("input:{input}"))],
            on: ["single_push", "double_push", "triple_push", "long_push"].map(str::to_owned).to_vec(),
            momentary: true,
            count: Some(Select::json("params.events.0.ts")),
            ..rule
        }
    }

    /// A learned code of rtl_433: fixed-code remotes say only model, id and command.
    pub fn rtl_433_code(device: &str, model: &str, id: &str, cmd: &str, role: Role) -> Self {
        let topic = TopicPattern::exact(&["rtl_433"]);
        let topic = TopicPattern::parse(&format!("{topic}/+/events")).unwrap_or(topic);
        let rule = Self::new(device, topic, Select::json("cmd"), role);
        let is = |at: &str, equals: &str| Condition { at: Select::json(at), equals: equals.to_owned() };
        Self {
            conditions: vec![is("model", model), is("id", id)],
            on: vec![cmd.to_owned()],
            momentary: true,
            debounce_ms: BURST_QUIET_MS,
            ..rule
        }
    }

    /// A learned code of OpenMQTTGateway's 433 MHz receiver: `home/<gateway>/433toMQTT` with `value`.
    pub fn openmqttgateway_433(device: &str, code: &str, role: Role) -> Self {
        let topic = TopicPattern::exact(&["home", "433toMQTT"]);
        let topic = TopicPattern::parse("home/+/433toMQTT").unwrap_or(topic);
        let rule = Self::new(device, topic, Select::json("value"), role);
        Self { on: vec![code.to_owned()], momentary: true, debounce_ms: BURST_QUIET_MS, ..rule }
    }

    /// A learned code of OpenMQTTGateway on a Sonoff RF bridge: `home/<gateway>/SRFBtoMQTT` with `value`.
    pub fn openmqttgateway_srfb(device: &str, code: &str, role: Role) -> Self {
        let rule = Self::openmqttgateway_433(device, code, role);
        let topic = TopicPattern::parse("home/+/SRFBtoMQTT").unwrap_or_else(|_| rule.topic.clone());
        Self { topic, ..rule }
    }

    /// What a value says; nothing where it is about something else.
    fn reading(&self, kind: Kind, value: &str) -> Option<Reading> {
        let is_in = |values: &[String]| values.iter().any(|known| known.eq_ignore_ascii_case(value));
        let happening = if is_in(&self.on) {
            true
        } else if is_in(&self.off) {
            false
        } else if !self.on.is_empty() {
            return None;
        } else if self.momentary {
            gesture(value) != Gesture::Clear
        } else if kind == Kind::Contact {
            return contact_said(value);
        } else {
            said(kind, value)? == Reading::Active
        };
        match (kind, happening) {
            (Kind::Contact, true) => Some(Reading::Open),
            (Kind::Contact, false) => Some(Reading::Closed),
            (Kind::Battery, true) => Some(Reading::Low),
            (Kind::Battery, false) => Some(Reading::Normal),
            (_, true) => Some(Reading::Active),
            (_, false) if self.momentary => None,
            (_, false) => Some(Reading::Clear),
        }
    }
}

/// A code repeated on the air within this time is one press.
pub(super) const BURST_QUIET_MS: u64 = 5_000;

impl Decoder {
    /// Asks every rule of a topic; nothing where no rule listens to it.
    pub(super) fn by_rules(&self, heard: &Heard) -> Option<Decoded> {
        let mut rules = self.config.rules.iter().filter(|rule| rule.topic.matches(heard.topic)).peekable();
        rules.peek()?;
        Some(match scalar::text(heard.payload) {
            Err(rejection) => Decoded::rejected(rejection),
            Ok(text) => {
                let json = serde_json::from_str::<Value>(text).ok();
                let mut all = Decoded::default();
                for rule in rules {
                    self.by_rule(rule, heard, text, json.as_ref(), &mut all);
                }
                all
            }
        })
    }

    fn by_rule(&self, rule: &GenericRule, heard: &Heard, text: &str, json: Option<&Value>, all: &mut Decoded) {
        let Some(kind) = rule.role.kind() else { return };
        let holds = |condition: &Condition| {
            condition.at.find(text, json).is_some_and(|value| value.eq_ignore_ascii_case(&condition.equals))
        };
        if !rule.conditions.iter().all(holds) {
            return;
        }
        let Some(reading) = rule.select.find(text, json).and_then(|value| rule.reading(kind, &value)) else {
            if json.is_none() && rule.select != Select::Text {
                all.rejected = Some(Rejection::NotJson);
            }
            return;
        };
        if rule.momentary && heard.retain {
            all.rejected = Some(Rejection::RetainedPress);
            return;
        }
        let count = rule.count.as_ref().and_then(|count| count.find(text, json));
        let manner = match &count {
            Some(occurrence) => Manner::Counted { occurrence },
            None if rule.momentary => Manner::Burst { quiet_ms: rule.debounce_ms },
            None => Manner::State { retain: heard.retain, cache: None },
        };
        let mut notes = Notes::new(self, &rule.device, Membership::Configured(rule.role), heard);
        notes.note(kind, rule.select.key(), reading, manner);
        all.seen.append(&mut notes.decoded.seen);
        all.cancel = notes.decoded.cancel.or(all.cancel.take());
    }
}
