//! What is not Zigbee: rules first, then rtl_433 and BLE advertisements by their own words, then the plain
//! availability topics of common firmware.
//!
//! A neighbour's 433 MHz code is not the home's: of an unknown one nothing is taken.

use protocol::observation::{Kind, Reading};

use super::config::{Role, UnknownDevices};
use super::memory::{BRIDGE_STATE, Manner, bridge_device};
use super::rule::BURST_QUIET_MS;
use super::scalar::{self, Flat, Scalar};
use super::words::{contact_said, has_word, said};
use super::{Decoded, Decoder, Heard, Membership, Notes, Rejection};

impl Decoder {
    pub(super) fn elsewhere(&self, heard: &Heard) -> Decoded {
        let levels: Vec<&str> = heard.topic.split('/').collect();
        let by_rules = self.by_rules(heard);
        if let Some(decoded) = by_rules.filter(|decoded| !decoded.seen.is_empty() || decoded.rejected.is_some()) {
            return decoded;
        }
        match levels.as_slice() {
            ["rtl_433", _, "events"] | ["home", _, "433toMQTT" | "SRFBtoMQTT"] => self.radio(heard),
            ["rtl_433", _, "availability"] | ["home", _, "LWT"] => self.radio_bridge(heard),
            ["rtl_433", ..] => Decoded::default(),
            ["home", _, "BTtoMQTT", address] => self.advertisement(heard, address),
            // Discovery describes devices that speak for themselves on their own topics.
            ["homeassistant", ..] => Decoded::default(),
            ["tele", device, "LWT"] if self.hears_codes(device) => self.radio_bridge(heard),
            ["tele", device, "LWT"]
            | ["shellies", device, "online"]
            | ["homie", _, device, "$state"]
            | [device, "status" | "online"] => self.availability(heard, device),
            _ if self.config.rules.iter().any(|rule| rule.topic.matches(heard.topic)) => Decoded::default(),
            // Firmware whose words need a rule to mean anything.
            ["tele" | "stat" | "shellies", _, ..] | [_, "events", "rpc"]
                if self.config.unknown_devices == UnknownDevices::Accept =>
            {
                Decoded::default()
            }
            _ => Decoded::rejected(Rejection::UnknownTopic),
        }
    }

    /// Whether a device outside any network of the home's is the home's own.
    fn own(&self, device: &str) -> Option<Membership> {
        match self.membership(device) {
            Membership::Unregistered => None,
            membership @ (Membership::Configured(_) | Membership::Open) => Some(membership),
        }
    }

    /// One radio message, heard up to eight times: the same reading within five seconds is the same event.
    fn radio(&self, heard: &Heard) -> Decoded {
        let flat = match Flat::parse(heard.payload) {
            Ok(flat) => flat,
            Err(rejection) => return Decoded::rejected(rejection),
        };
        let word = |key: &str| flat.get(key).and_then(Scalar::word);
        let Some(id) = word("id").or_else(|| word("value")) else {
            return Decoded::default();
        };
        let device = match word("model") {
            Some(model) => format!("{model}/{id}"),
            None => id.into_owned(),
        };
        let Some(membership) = self.own(&device) else {
            return Decoded::rejected(Rejection::UnknownDevice);
        };
        let mut notes = Notes::new(self, &device, membership, heard);
        if membership.role() != Some(Role::Ignore) {
            radio_says(&mut notes, &flat);
        }
        notes.decoded
    }

    /// A BLE advertisement, repeated on the air: `packet` counts the events.
    fn advertisement(&self, heard: &Heard, address: &str) -> Decoded {
        let flat = match Flat::parse(heard.payload) {
            Ok(flat) => flat,
            Err(rejection) => return Decoded::rejected(rejection),
        };
        let Some(membership) = self.own(address) else {
            return Decoded::rejected(Rejection::UnknownDevice);
        };
        let mut notes = Notes::new(self, address, membership, heard);
        if membership.role() != Some(Role::Ignore) {
            advertisement_says(&mut notes, &flat, heard.retain);
        }
        notes.decoded
    }

    /// Whether a Tasmota device is the ear of other ones: a rule reads their codes in its messages.
    fn hears_codes(&self, tasmota: &str) -> bool {
        let topic = format!("tele/{tasmota}/RESULT");
        self.config.rules.iter().any(|rule| rule.momentary && rule.device != tasmota && rule.topic.matches(&topic))
    }

    /// A receiver says that it is there, or the broker that it is gone: with it every device that only it hears.
    fn radio_bridge(&self, heard: &Heard) -> Decoded {
        let reading = match availability_said(heard.payload) {
            Ok(Some(reading)) => reading,
            Ok(None) => return Decoded::default(),
            Err(rejection) => return Decoded::rejected(rejection),
        };
        let device = bridge_device(heard.topic.rsplit_once('/').map_or(heard.topic, |(bridge, _)| bridge));
        let mut notes = Notes::new(self, &device, Membership::Open, heard);
        notes.note(Kind::Availability, BRIDGE_STATE, reading, Manner::State { retain: heard.retain, cache: None });
        notes.decoded
    }

    fn availability(&self, heard: &Heard, device: &str) -> Decoded {
        let of_the_home = self.config.unknown_devices == UnknownDevices::Accept
            || self.config.devices.contains_key(device)
            || self.config.rules.iter().any(|rule| rule.topic.to_string().split('/').any(|level| level == device));
        if !of_the_home {
            return Decoded::rejected(Rejection::UnknownTopic);
        }
        let reading = match availability_said(heard.payload) {
            Ok(Some(reading)) => reading,
            Ok(None) => return Decoded::default(),
            Err(rejection) => return Decoded::rejected(rejection),
        };
        let mut notes = Notes::new(self, device, Membership::Open, heard);
        notes.note(Kind::Availability, "availability", reading, Manner::State { retain: heard.retain, cache: None });
        notes.decoded
    }
}

/// What firmware says of its own being there, in its several words.
fn availability_said(payload: &[u8]) -> Result<Option<Reading>, Rejection> {
    let word = scalar::text(payload)?.trim();
    Ok(if has_word(word, &["online", "true", "ready"]) {
        Some(Reading::Online)
    } else if has_word(word, &["offline", "false", "lost", "disconnected"]) {
        Some(Reading::Offline)
    } else {
        None
    })
}

fn is_set(value: Option<&Scalar>) -> Option<bool> {
    value.and_then(Scalar::word).map(|word| word != "0" && said(Kind::Motion, &word) == Some(Reading::Active))
}

/// A flag or a word of one; a number is a measurement, whose threshold is the sensor's own business.
fn is_alarmed(value: Option<&Scalar>) -> Option<bool> {
    is_set(value.filter(|value| matches!(value, Scalar::Bool(_) | Scalar::Text(_))))
}

/// What a device's signal is an observation of: by its configured role, where the two go together, else by its own
/// word.
///
/// A door's contact may lie under a mattress and a radar over a bed. But motion is never a door, and nothing but a
/// press or a fall sensor's own word is ever a fall.
fn kind_by_role(role: Option<Role>, own: Kind) -> Kind {
    let senses = matches!(own, Kind::Motion | Kind::Presence | Kind::Contact);
    let alarms = matches!(own, Kind::Contact | Kind::Water | Kind::Smoke | Kind::Gas | Kind::Co);
    match role {
        Some(Role::Motion | Role::Presence | Role::Bed | Role::Vibration) if senses => {
            role.and_then(Role::kind).unwrap_or(own)
        }
        Some(Role::Water | Role::Smoke | Role::Gas | Role::Co) if alarms => role.and_then(Role::kind).unwrap_or(own),
        // A cord on a contact: pulled is open.
        Some(Role::Sos | Role::Assistance | Role::ImFine) if own == Kind::Contact => {
            role.and_then(Role::kind).unwrap_or(own)
        }
        Some(_) | None => own,
    }
}

/// Notes a signal of a device that is there or not, under the kind that its role gives it.
fn note_signal(notes: &mut Notes, own: Kind, key: &str, is_on: bool, manner: Manner) {
    let kind = kind_by_role(notes.membership.role(), own);
    let is_senses = matches!(own, Kind::Motion | Kind::Presence | Kind::Contact);
    let is_on = is_on != (is_senses && notes.decoder.config.inverted.contains(notes.device));
    let reading = match (kind, is_on) {
        (Kind::Contact, true) => Reading::Open,
        (Kind::Contact, false) => Reading::Closed,
        (_, true) => Reading::Active,
        (_, false) => Reading::Clear,
    };
    notes.note(kind, key, reading, manner);
}

fn radio_says(notes: &mut Notes, flat: &Flat) {
    let burst = Manner::Burst { quiet_ms: BURST_QUIET_MS };
    let state = Manner::State { retain: false, cache: None };
    let word = |key: &str| flat.get(key).and_then(Scalar::word);
    let says = |of: &str| {
        ["subtype", "state", "event", "cmd"].iter().any(|key| word(key).is_some_and(|word| has_word(&word, &[of])))
            || is_set(flat.get(of)) == Some(true)
    };
    let alarm = is_set(flat.get("alarm"));
    let battery = is_set(flat.get("battery_ok"));
    let only_battery = says("battery") || says("tamper") || says("heartbeat") || says("supervision");
    let role = notes.membership.role();
    let is_door = matches!(role, Some(Role::Door | Role::ExitDoor));
    if role.is_some_and(Role::is_button) {
        // A button of one code has no word for its press: whatever it sends that is not about itself is one.
        if !only_battery && alarm != Some(false) {
            let kind = role.and_then(Role::kind).unwrap_or(Kind::Sos);
            notes.note(kind, "press", Reading::Active, burst);
        }
    } else {
        let contact = ["contact_open", "reed_open"].iter().find_map(|key| is_set(flat.get(key)));
        let spoken = || ["state", "event", "switch5"].iter().find_map(|key| contact_said(&word(key)?));
        let spoken = || spoken().map(|said| said == Reading::Open);
        if let Some(open) = contact.or(alarm.filter(|_| is_door)).or_else(spoken) {
            note_signal(notes, Kind::Contact, "contact", open, state);
        }
        if !is_door {
            if says("panic") || says("sos") || says("emergency") {
                notes.note(Kind::Sos, "panic", Reading::Active, burst);
            } else if says("motion") {
                note_signal(notes, Kind::Motion, "motion", true, burst);
            } else if let (Some(kind), Some(alarm)) = (role.and_then(Role::kind), alarm) {
                notes.note(kind, "alarm", if alarm { Reading::Active } else { Reading::Clear }, state);
            }
            if let Some(wet) = is_set(flat.get("water_leak")).or(is_set(flat.get("leak"))) {
                note_signal(notes, Kind::Water, "water_leak", wet, state);
            }
            if says("smoke") {
                note_signal(notes, Kind::Smoke, "smoke", true, burst);
            }
        }
    }
    if let Some(tampered) = is_set(flat.get("tamper")) {
        notes.note(Kind::Tamper, "tamper", if tampered { Reading::Active } else { Reading::Clear }, state);
    }
    // The flag says the battery is good, not that it is low.
    if let Some(good) = battery {
        notes.note(Kind::Battery, "battery_ok", if good { Reading::Normal } else { Reading::Low }, state);
    }
}

/// Keys of Theengs' decoders, and of firmware that takes the same names. `pres` is its presence where it is a flag;
/// a number of that name would be the pressure of the air. `contact` is a word of its own, see below.
const ADVERTISED: &[(&str, Kind)] = &[
    ("motion", Kind::Motion),
    ("presence", Kind::Presence),
    ("pres", Kind::Presence),
    ("open", Kind::Contact),
    ("smoke", Kind::Smoke),
    ("gas", Kind::Gas),
    ("water_leak", Kind::Water),
    ("leak", Kind::Water),
    ("water", Kind::Water),
];

fn advertisement_says(notes: &mut Notes, flat: &Flat, retain: bool) {
    let state = Manner::State { retain, cache: None };
    let role = notes.membership.role();
    let packet = flat.get("packet").and_then(Scalar::word);
    if let Some(Scalar::Number(button)) = flat.get("button") {
        let kind = role.filter(|role| role.is_button()).and_then(Role::kind);
        if retain {
            notes.decoded.rejected = Some(Rejection::RetainedPress);
        } else if let Some(kind) = kind.filter(|_| *button > 0.0) {
            let manner = match &packet {
                Some(occurrence) => Manner::Counted { occurrence },
                None => Manner::Burst { quiet_ms: BURST_QUIET_MS },
            };
            notes.note(kind, "button", Reading::Active, manner);
        }
    }
    // A tracker's presence says that a tag is near, not that somebody is in the room; a role may say otherwise.
    let is_tag = is_set(flat.get("track")) == Some(true) && role.is_none();
    let mut noted: Vec<Kind> = Vec::new();
    for (key, own) in ADVERTISED {
        let is_presence = *own == Kind::Presence;
        if is_presence && is_tag || noted.contains(own) {
            continue;
        }
        let exact = is_presence || matches!(own, Kind::Smoke | Kind::Gas | Kind::Water);
        let value = flat.get(key);
        if let Some(is_on) = if exact { is_alarmed(value) } else { is_set(value) } {
            noted.push(*own);
            note_signal(notes, *own, key, is_on, state);
        }
    }
    // Older decoders say `open` or `closed` here; a flag of this name would not say which side it means.
    if let Some(said) = flat.get("contact").and_then(Scalar::word).and_then(|word| contact_said(&word))
        && !noted.contains(&Kind::Contact)
    {
        note_signal(notes, Kind::Contact, "contact", said == Reading::Open, state);
    }
    if is_alarmed(flat.get("lowbatt")).is_some() || is_alarmed(flat.get("battery_low")).is_some() {
        let low = is_alarmed(flat.get("lowbatt")).or(is_alarmed(flat.get("battery_low"))) == Some(true);
        notes.note(Kind::Battery, "lowbatt", if low { Reading::Low } else { Reading::Normal }, state);
    }
    let level = ["batt", "battery"].into_iter().find_map(|key| Some((key, flat.get(key)?)));
    if let Some((key, Scalar::Number(percent))) =
        level.filter(|(_, batt)| matches!(batt, Scalar::Number(p) if (0.0..=100.0).contains(p)))
    {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
        notes.note(Kind::Battery, key, Reading::Percent(percent.round() as u8), state);
    }
    if let Some(Scalar::Number(level)) = flat.get("rssi") {
        #[expect(clippy::cast_possible_truncation, reason = "a cast saturates")]
        notes.note(Kind::Link, "rssi", Reading::Level(*level as i32), state);
    }
}
