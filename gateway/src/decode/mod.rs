//! The only door from device bytes to the domain: what one MQTT message says, and whether it is news.
//!
//! It does no IO, reads no clock and logs nothing. Deciding ([`Decoder::decode`]) changes nothing; what is known
//! changes only by folding records ([`Decoder::apply`]), the same live and at recovery.

mod air;
mod config;
mod description;
mod explain;
mod listed;
mod memory;
mod rejection;
mod rule;
mod scalar;
mod sense;
mod statement;
mod topic;
mod visit;
mod words;
mod zigbee;

use std::fmt;

use protocol::observation::{Kind, Observation, Reading};
use protocol::record::{Body, DeviceListed, Stamp};
use protocol::topics;
use protocol::trigger::Reason;

pub use config::{DecoderConfig, Role, UnknownDevices};
pub use explain::Step;
pub use listed::ListedDevice;
pub use memory::{DecoderSnapshot, Remembered, SnapshotV1};
pub use rejection::Rejection;
pub use rule::{Condition, GenericRule, Select};
pub use scalar::PAYLOAD_BYTES_MAX;
pub use topic::{InvalidPattern, TopicPattern};
pub use visit::VisitMessage;
pub use words::{kind_words, reading_words};
pub use zigbee::DEVICE_LIST_BYTES_MAX;

use memory::{Device, Manner, Memory};

/// The key under which an input of this machine tells of its own wire.
pub const WIRE: &str = "wire";

/// One message as the intake heard it.
pub struct Heard<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its payload.
    pub payload: &'a [u8],
    /// Whether a broker replayed it from its store. An intake that hears the publisher itself says false, whatever
    /// flag the publisher set: a press published with the flag is still a press.
    pub retain: bool,
    /// When it was heard.
    pub at: Stamp,
}

impl fmt::Debug for Heard<'_> {
    /// Leaves the payload out: keypads put the typed code in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heard")
            .field("topic", &self.topic)
            .field("payload_bytes", &self.payload.len())
            .field("retain", &self.retain)
            .finish_non_exhaustive()
    }
}

/// An observation and whether it is news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What the message says. A counted event's key carries its count: `button@29`.
    pub observation: Observation,
    /// Whether it changes what is known, or is an event of its own; it becomes exactly one record.
    pub edge: bool,
    /// Why it may need a person, for the kinds and readings that may.
    pub reason: Option<Reason>,
}

/// What one message says. All empty: understood, and it says nothing about the elder or a device.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decoded {
    /// What it says, what matters for life first.
    pub seen: Vec<Seen>,
    /// Devices that a bridge lists anew or otherwise than before.
    pub learned: Vec<DeviceListed>,
    /// A caregiver's check-in or check-out, not yet graded; its [`Kind::Visit`] stands in `seen` too.
    pub visit: Option<VisitMessage>,
    /// The elder's cancel, by the device it was given on. A press on an "I'm fine" button stands in `seen` too, as
    /// [`Kind::Assistance`] with [`Reason::ElderCancelled`].
    pub cancel: Option<String>,
    /// Why the message, or a part of it, was not taken.
    pub rejected: Option<Rejection>,
}

impl Decoded {
    fn rejected(rejection: Rejection) -> Self {
        Self { rejected: Some(rejection), ..Self::default() }
    }
}

/// Decides what a message says.
#[derive(Debug, Clone)]
pub struct Decoder {
    config: DecoderConfig,
    memory: Memory,
}

impl Decoder {
    /// A decoder that knows nothing yet.
    pub fn new(config: DecoderConfig) -> Self {
        Self { config, memory: Memory::default() }
    }

    /// Says what a message says; changes nothing.
    pub fn decode(&self, heard: &Heard) -> Decoded {
        let zigbee =
            heard.topic.strip_prefix(self.config.zigbee2mqtt_base.as_str()).and_then(|rest| rest.strip_prefix('/'));
        match (heard.topic, zigbee) {
            (topics::VISIT, _) => visit::decode(heard),
            (topics::CANCEL, _) => cancel(heard),
            (topics::REASSURANCE | topics::PRESENCE_CODE | topics::STATE | topics::STATUS, _) => Decoded::default(),
            (_, Some(rest)) => self.zigbee(heard, rest),
            (_, None) => self.elsewhere(heard),
        }
    }

    /// Folds a record that was written, or is read again at recovery.
    ///
    /// It needs each edge as one record with the observation's own device, key and value: an `Observed`, a `PreAlarm`
    /// or a `Trigger` whose reason is that of a message. A trigger made by a deadline changes nothing here.
    pub fn apply(&mut self, at: &Stamp, body: &Body) {
        self.memory.apply(at, body);
    }

    /// What was folded so far, for a checkpoint.
    pub fn snapshot(&self) -> DecoderSnapshot {
        self.memory.snapshot()
    }

    /// Takes a checkpoint's state in place of its own.
    pub fn restore(&mut self, snapshot: DecoderSnapshot) {
        self.memory = Memory::restore(snapshot);
    }

    /// What the journal knows of every device that has said something, by name.
    pub fn remembered(&self) -> impl Iterator<Item = (&str, Remembered)> {
        self.memory.remembered()
    }

    /// Whether a device runs on the mains, where its bridge says so.
    pub fn on_mains(&self, device: &str) -> Option<bool> {
        self.memory.device(device)?.description.as_ref()?.on_mains
    }

    /// Whether a radio bridge started so lately that it is still publishing its cache: what it says of a
    /// device then is no sign that the device is there.
    pub fn is_cache_speaking(&self, at: &Stamp) -> bool {
        self.memory.is_cache_speaking(self.config.cache(), at)
    }

    fn membership(&self, device: &str) -> Membership {
        if let Some(role) = self.config.devices.get(device) {
            return Membership::Configured(*role);
        }
        match self.config.unknown_devices {
            UnknownDevices::Accept => Membership::Open,
            UnknownDevices::JoinedOnly => Membership::Unregistered,
        }
    }
}

/// How a device belongs to the home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Membership {
    /// It is configured.
    Configured(Role),
    /// Every device counts as known.
    Open,
    /// It is not configured.
    Unregistered,
}

impl Membership {
    fn role(self) -> Option<Role> {
        match self {
            Self::Configured(role) => Some(role),
            Self::Open | Self::Unregistered => None,
        }
    }
}

/// Writes down what one device says in one message.
struct Notes<'d> {
    decoder: &'d Decoder,
    device: &'d str,
    known: Option<&'d Device>,
    membership: Membership,
    at: Stamp,
    decoded: Decoded,
}

impl<'d> Notes<'d> {
    fn new(decoder: &'d Decoder, device: &'d str, membership: Membership, heard: &Heard) -> Self {
        let known = decoder.memory.device(device);
        Self { decoder, device, known, membership, at: heard.at, decoded: Decoded::default() }
    }

    fn note(&mut self, kind: Kind, key: &str, value: Reading, manner: Manner) {
        let edge = self.decoder.memory.is_edge(self.known, (key, kind), &value, &self.at, manner);
        let reason = self.reason(kind, key, &value, manner);
        if reason == Some(Reason::ElderCancelled) && edge {
            self.decoded.cancel = Some(self.device.to_owned());
        }
        let key = match manner {
            Manner::Counted { occurrence } => format!("{key}@{occurrence}"),
            Manner::State { .. } | Manner::Gesture { .. } | Manner::Burst { .. } => key.to_owned(),
        };
        let observation = Observation { kind, device: self.device.to_owned(), key, value };
        self.decoded.seen.push(Seen { observation, edge, reason });
    }

    fn reason(&self, kind: Kind, key: &str, value: &Reading, manner: Manner) -> Option<Reason> {
        let unless_unregistered = |reason| match self.membership {
            Membership::Unregistered => Reason::UnregisteredDevice,
            Membership::Configured(_) | Membership::Open => reason,
        };
        match (kind, value) {
            (Kind::Sos, Reading::Active) => Some(unless_unregistered(match manner {
                Manner::State { .. } => match self.known.and_then(|device| device.value(key, kind)) {
                    Some(Reading::Active) => Reason::SosKeyRepeated,
                    Some(_) | None => Reason::SosKeySet,
                },
                Manner::Gesture { .. } | Manner::Burst { .. } | Manner::Counted { .. } => Reason::ButtonPressed,
            })),
            (Kind::Assistance, Reading::Active) if self.membership.role() == Some(Role::ImFine) => {
                Some(Reason::ElderCancelled)
            }
            (Kind::Assistance, Reading::Active) => Some(Reason::AssistancePressed),
            (Kind::Fall, Reading::Active) => Some(unless_unregistered(Reason::SensorSaysFall)),
            (Kind::Smoke | Kind::Gas | Kind::Co | Kind::Water, Reading::Active) => {
                Some(unless_unregistered(Reason::SensorAlarm))
            }
            (Kind::Tamper, Reading::Active) if key == WIRE => Some(Reason::WireCut),
            (Kind::Tamper, Reading::Active) => Some(Reason::CaseOpened),
            (Kind::Battery, Reading::Low) => Some(Reason::BatteryLow),
            (_, _) => None,
        }
    }
}

/// The product's own cancel; an empty payload is somebody clearing the topic, not the elder.
fn cancel(heard: &Heard) -> Decoded {
    match scalar::text(heard.payload) {
        Err(rejection) => Decoded::rejected(rejection),
        Ok(_) if heard.retain => Decoded::rejected(Rejection::RetainedPress),
        Ok(_) => Decoded { cancel: Some(topics::CANCEL.to_owned()), ..Decoded::default() },
    }
}

#[cfg(test)]
mod tests;
