//! Zigbee2MQTT: its topics, its bridge's own messages and its devices' flat JSON.
//!
//! Every message is the merged last state, replayed at its start without a flag: only `action` is an event, all
//! other keys are edges. `action_code` is a typed code and is never looked at.

use protocol::observation::{Kind, Reading};
use protocol::record::DeviceListed;
use serde_json::Value;

use super::config::Role;
use super::description::{Description, listed_device};
use super::memory::{ACTION, ACTION_TOPIC, BRIDGE_STATE, Manner, bridge_device};
use super::scalar::{self, Flat, Scalar};
use super::sense::{Sense, sense_by_name};
use super::statement::Statement;
use super::words::{Gesture, gesture};
use super::{Decoded, Decoder, Heard, Membership, Notes, Rejection};

/// Longest `bridge/devices` message that is read, bytes; about 8,000 devices.
pub const DEVICE_LIST_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a topic under the base carries.
pub(super) enum Carries<'a> {
    State { device: &'a str },
    Attribute { device: &'a str, key: &'a str },
    Action { device: &'a str },
    Availability { device: &'a str },
    Command,
}

impl Decoder {
    pub(super) fn zigbee(&self, heard: &Heard, rest: &str) -> Decoded {
        if let Some(bridge) = rest.strip_prefix("bridge/") {
            return self.bridge(heard, bridge);
        }
        match self.carries(rest) {
            Carries::Command => Decoded::default(),
            Carries::State { device } => self.of_member(heard, device, |notes| state(notes, heard)),
            Carries::Attribute { device, key } => self.of_member(heard, device, |notes| {
                let value = Scalar::from_text(scalar::text(heard.payload)?);
                entry(notes, key, &value, ACTION, heard.retain);
                Ok(())
            }),
            Carries::Action { device } => self.of_member(heard, device, |notes| {
                let text = scalar::text(heard.payload)?;
                entry(notes, ACTION, &Scalar::Text(text.into()), ACTION_TOPIC, heard.retain);
                Ok(())
            }),
            Carries::Availability { device } => self.of_member(heard, device, |notes| {
                let reading = availability(heard)?;
                notes.note(
                    Kind::Availability,
                    "availability",
                    reading,
                    Manner::State { retain: heard.retain, cache: None },
                );
                Ok(())
            }),
        }
    }

    /// Friendly names may hold slashes, so a known name wins over every suffix.
    pub(super) fn carries<'a>(&self, rest: &'a str) -> Carries<'a> {
        if self.is_named(rest) {
            return Carries::State { device: rest };
        }
        match rest.rsplit_once('/') {
            Some((device, "availability")) => Carries::Availability { device },
            Some((device, "action")) => Carries::Action { device },
            Some((_, "set" | "get")) => Carries::Command,
            Some((device, key)) if self.is_named(device) => Carries::Attribute { device, key },
            Some(_) if rest.contains("/set/") || rest.contains("/get/") => Carries::Command,
            Some(_) | None => Carries::State { device: rest },
        }
    }

    fn is_named(&self, device: &str) -> bool {
        self.config.devices.contains_key(device)
            || self.memory.device(device).is_some_and(|known| known.description.is_some())
    }

    /// Reads a device's message unless the device is a stranger.
    ///
    /// Until the bridge's list was folded once, every device on it counts as joined: unclear raises.
    fn of_member<'d>(
        &'d self,
        heard: &Heard,
        device: &'d str,
        read: impl FnOnce(&mut Notes<'d>) -> Result<(), Rejection>,
    ) -> Decoded {
        let membership = self.membership(device);
        let stranger = membership == Membership::Unregistered
            && self.memory.is_listed(&self.config.zigbee2mqtt_base)
            && !self.is_named(device);
        if stranger || device.is_empty() {
            return Decoded::rejected(Rejection::UnknownDevice);
        }
        let mut notes = Notes::new(self, device, membership, heard);
        match read(&mut notes) {
            Err(rejection) => Decoded::rejected(rejection),
            Ok(()) if membership == Membership::Configured(Role::Ignore) => Decoded::default(),
            Ok(()) => {
                // Whoever stops half way has taken what matters.
                notes.decoded.seen.sort_by_key(|seen| !seen.observation.kind.is_life_safety());
                notes.decoded
            }
        }
    }

    fn bridge(&self, heard: &Heard, topic: &str) -> Decoded {
        let read = match topic {
            "state" => self.bridge_state(heard),
            "devices" => self.devices(heard),
            "event" => self.bridge_event(heard),
            // Logging, info, health, groups, definitions, requests and responses say nothing about the elder.
            _ => Ok(Decoded::default()),
        };
        read.unwrap_or_else(Decoded::rejected)
    }

    /// A live "online" is always news, for the bridge says it when it starts and its cached states follow.
    fn bridge_state(&self, heard: &Heard) -> Result<Decoded, Rejection> {
        let reading = availability(heard)?;
        let started = reading == Reading::Online && !heard.retain;
        let device = bridge_device(&self.config.zigbee2mqtt_base);
        let mut notes = Notes::new(self, &device, Membership::Open, heard);
        notes.note(Kind::Availability, BRIDGE_STATE, reading, Manner::State { retain: heard.retain, cache: None });
        let mut decoded = notes.decoded;
        decoded.seen.iter_mut().for_each(|seen| seen.edge |= started);
        Ok(decoded)
    }

    /// A device that vanished from the list stays known: a list can be short for many reasons, and forgetting a
    /// button would silence it.
    fn devices(&self, heard: &Heard) -> Result<Decoded, Rejection> {
        let list = json(heard.payload, DEVICE_LIST_BYTES_MAX)?;
        let entries = list.as_array().ok_or(Rejection::UnexpectedShape)?;
        let learned = entries.iter().filter_map(|entry| self.learn(listed_device(entry)?)).collect();
        Ok(Decoded { learned, ..Decoded::default() })
    }

    /// A device that joins is known at once, before the next list.
    fn bridge_event(&self, heard: &Heard) -> Result<Decoded, Rejection> {
        let event = json(heard.payload, scalar::PAYLOAD_BYTES_MAX)?;
        let data = event.get("data");
        let name = data.and_then(|data| data.get("friendly_name")).and_then(Value::as_str);
        let joined = matches!(
            event.get("type").and_then(Value::as_str),
            Some("device_joined" | "device_announce" | "device_interview")
        );
        let known = name.and_then(|name| self.memory.device(name)).and_then(|device| device.description.as_ref());
        let mut learned = Vec::new();
        if let Some(name) = name.filter(|name| joined && !name.is_empty()) {
            let definition = data.and_then(|data| data.get("definition")).filter(|definition| !definition.is_null());
            let mut description = Description::of_definition(definition, known.is_some_and(|known| known.listed));
            // An event does not say where the power comes from; the list did.
            description.on_mains = known.and_then(|known| known.on_mains);
            if description.described || known.is_none() {
                learned.extend(self.learn((name.to_owned(), description)));
            }
        }
        Ok(Decoded { learned, ..Decoded::default() })
    }

    fn learn(&self, (device, description): (String, Description)) -> Option<DeviceListed> {
        let known = self.memory.device(&device).and_then(|known| known.listing());
        let base = &self.config.zigbee2mqtt_base;
        let description = description.encode();
        let same = known.is_some_and(|known| known.base == *base && known.description == description);
        (!same).then(|| DeviceListed { device, base: base.clone(), description })
    }
}

fn json(payload: &[u8], bytes_max: usize) -> Result<Value, Rejection> {
    if payload.len() > bytes_max {
        return Err(Rejection::TooLarge);
    }
    let text = std::str::from_utf8(payload).map_err(|_| Rejection::NotUtf8)?;
    if text.trim().is_empty() {
        return Err(Rejection::Empty);
    }
    serde_json::from_str(text).map_err(|_| Rejection::NotJson)
}

/// `{"state":"online"}`, or the bare word of older versions.
fn availability(heard: &Heard) -> Result<Reading, Rejection> {
    let text = scalar::text(heard.payload)?.trim();
    let flat;
    let word = if text.starts_with('{') {
        flat = Flat::parse(heard.payload)?;
        match flat.get("state") {
            Some(Scalar::Text(state)) => state.as_ref(),
            Some(Scalar::Null | Scalar::Bool(_) | Scalar::Number(_) | Scalar::Nested) | None => "",
        }
    } else {
        text.trim_matches('"')
    };
    match word {
        "online" => Ok(Reading::Online),
        "offline" => Ok(Reading::Offline),
        _ => Err(Rejection::UnexpectedShape),
    }
}

fn state(notes: &mut Notes, heard: &Heard) -> Result<(), Rejection> {
    let flat = Flat::parse(heard.payload)?;
    for (key, value) in &flat.0 {
        entry(notes, key, value, ACTION, heard.retain);
    }
    Ok(())
}

/// One key of a message. `form` is how a gesture came: as JSON or on its own topic.
fn entry(notes: &mut Notes, key: &str, value: &Scalar, form: &str, retain: bool) {
    let manner = Manner::State { retain, cache: Some(notes.decoder.config.cache()) };
    if key == "linkquality" {
        if let Scalar::Number(level) = value {
            #[expect(clippy::cast_possible_truncation, reason = "a link's quality is a byte; a cast saturates")]
            notes.note(Kind::Link, key, Reading::Level(*level as i32), manner);
        }
        return;
    }
    // What stands beside an action is about it: the zone, the user, the typed code.
    if key.starts_with("action_") {
        return;
    }
    // Some remotes name their buttons in keys that the bridge keeps out of its cache, as it does `action`.
    if matches!(key, "button" | "button_left" | "button_right" | "click")
        && matches!(notes.membership.role(), Some(Role::Sos | Role::Assistance | Role::ImFine))
    {
        let word = value.word().unwrap_or_default();
        if !matches!(word.as_ref(), "released" | "release" | "false" | "0") {
            press(notes, gesture(&word), false, false, key, retain);
        }
        return;
    }
    let description = notes.known.and_then(|device| device.description.as_ref()).filter(|known| known.described);
    let by_name;
    let listed = description.and_then(|description| description.sense(key));
    let sense = if let Some(sense) = listed {
        sense
    } else {
        let Some(sense) = sense_by_name(key, value) else { return };
        by_name = sense;
        &by_name
    };
    if let Sense::Action { emergency_device, person_fall } = *sense {
        let action = value.word().unwrap_or_default();
        press(notes, gesture(&action), emergency_device, person_fall, form, retain);
        return;
    }
    for statement in sense.read(value).into_iter().flatten() {
        // A key that the definition does not list speaks only of kinds it does list; presses and falls always.
        let vouched = listed.is_some()
            || description.is_none_or(|description| description.has(statement.kind))
            || matches!(statement.kind, Kind::Sos | Kind::Fall | Kind::FallWarning);
        if vouched {
            let statement = if *sense == Sense::Posture { statement } else { recast(notes, statement) };
            let is_known = notes.known.and_then(|device| device.value(key, statement.kind));
            let is_undone = is_known == Some(&Reading::Active)
                || statement.reading == Reading::Upright && is_known == Some(&Reading::Clear);
            if !statement.in_passing || is_undone {
                notes.note(statement.kind, key, statement.reading, manner);
            }
        }
    }
}

/// Gives the device's own signal the kind of its configured role, unless the device has a signal of that kind.
fn recast(notes: &Notes, statement: Statement) -> Statement {
    let Some(role) = notes.membership.role() else { return statement };
    let Some(kind) = role.kind() else { return statement };
    let native = notes.known.and_then(|device| device.description.as_ref()).is_some_and(|description| {
        description.has(kind)
            || (matches!(role, Role::Sos | Role::Assistance | Role::ImFine) && description.has_gestures())
    });
    let own = match statement.kind {
        Kind::Motion | Kind::Presence | Kind::Contact | Kind::Bed | Kind::Vibration | Kind::Water => {
            statement.kind == kind || !native
        }
        // A button with a latching key may be the one for life help.
        Kind::Sos => true,
        Kind::Assistance
        | Kind::Fall
        | Kind::FallWarning
        | Kind::Smoke
        | Kind::Gas
        | Kind::Co
        | Kind::Tamper
        | Kind::Battery
        | Kind::Link
        | Kind::Availability
        | Kind::Visit
        | Kind::Mains => false,
    };
    let keeps_sos = statement.kind == Kind::Sos && kind != Kind::Assistance;
    if !own || keeps_sos {
        return statement;
    }
    let happening = matches!(statement.reading, Reading::Active | Reading::Open);
    let happening = happening != notes.decoder.config.inverted.contains(notes.device);
    let reading = match (kind, happening) {
        (Kind::Contact, true) => Reading::Open,
        (Kind::Contact, false) => Reading::Closed,
        (_, true) => Reading::Active,
        (_, false) => Reading::Clear,
    };
    Statement { kind, reading, in_passing: statement.in_passing }
}

/// A gesture, by its device's role.
///
/// With Home Assistant's integration on, each press comes twice: as JSON and as text on `/action`. Each form is only
/// ever held against the other within two seconds, never against its own, so whichever form came first goes on
/// counting: of two real presses, both are heard even if either form of either is lost.
fn press(notes: &mut Notes, gesture: Gesture, emergency_device: bool, person_fall: bool, form: &str, retain: bool) {
    let role = notes.membership.role();
    let kind = match (gesture, role) {
        (Gesture::Clear, _) => return,
        (_, Some(Role::Sos)) => Some(Kind::Sos),
        (_, Some(Role::Assistance | Role::ImFine)) => Some(Kind::Assistance),
        (Gesture::Sos, _) => Some(Kind::Sos),
        (Gesture::Fall, Some(Role::Fall)) => Some(Kind::Fall),
        (Gesture::Fall, None) if person_fall => Some(Kind::Fall),
        (Gesture::Other, None) if emergency_device => Some(Kind::Sos),
        (Gesture::Fall | Gesture::Panel | Gesture::Other, _) => None,
    };
    // A broker that replays a stored gesture is no finger on a button.
    if retain {
        notes.decoded.rejected = Some(Rejection::RetainedPress);
    } else if let Some(kind) = kind {
        let twin = match form {
            ACTION => ACTION_TOPIC,
            ACTION_TOPIC => ACTION,
            _ => "",
        };
        notes.note(kind, form, Reading::Active, Manner::Gesture { twin });
    }
}
