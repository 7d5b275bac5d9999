//! What is not Zigbee: rules first, then rtl_433 and BLE advertisements by their own words, then the plain
//! availability topics of common firmware.
//!
//! A neighbour's 433 MHz code is not the home's: of an unknown one nothing is taken.

use protocol::observation::{Kind, Reading};

use super::config::{Role, UnknownDevices};
use super::memory::Manner;
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
            ["rtl_433", _, "events"] | ["home", _, "433toMQTT"] => self.radio(heard),
            ["rtl_433", ..] | ["home", _, "LWT"] => Decoded::default(),
            ["home", _, "BTtoMQTT", address] => self.advertisement(heard, address),
            // Discovery describes devices that speak for themselves on their own topics.
            ["homeassistant", ..] => Decoded::default(),
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

    fn availability(&self, heard: &Heard, device: &str) -> Decoded {
        let of_the_home = self.config.unknown_devices == UnknownDevices::Accept
            || self.config.devices.contains_key(device)
            || self.config.rules.iter().any(|rule| rule.topic.to_string().split('/').any(|level| level == device));
        if !of_the_home {
            return Decoded::rejected(Rejection::UnknownTopic);
        }
        let word = match scalar::text(heard.payload) {
            Ok(text) => text.trim(),
            Err(rejection) => return Decoded::rejected(rejection),
        };
        let reading = if has_word(word, &["online", "true", "ready"]) {
            Reading::Online
        } else if has_word(word, &["offline", "false", "lost", "disconnected"]) {
            Reading::Offline
        } else {
            return Decoded::default();
        };
        let mut notes = Notes::new(self, device, Membership::Open, heard);
        notes.note(Kind::Availability, "availability", reading, Manner::State { retain: heard.retain, cache: None });
        notes.decoded
    }
}

fn is_set(value: Option<&Scalar>) -> Option<bool> {
    value.and_then(Scalar::word).map(|word| word != "0" && said(Kind::Motion, &word) == Some(Reading::Active))
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
    match role {
        // A button of one code has no word for its press: whatever it sends that is not about itself is one.
        Some(Role::Sos | Role::Assistance | Role::ImFine) if !only_battery && alarm != Some(false) => {
            let kind = if role == Some(Role::Sos) { Kind::Sos } else { Kind::Assistance };
            notes.note(kind, "press", Reading::Active, burst);
        }
        Some(Role::Sos | Role::Assistance | Role::ImFine) => {}
        Some(Role::Door | Role::ExitDoor) => {
            let contact = ["contact_open", "reed_open"].iter().find_map(|key| is_set(flat.get(key)));
            let spoken = || ["state", "event", "switch5"].iter().find_map(|key| contact_said(&word(key)?));
            let reading = contact.or(alarm).map(|open| if open { Reading::Open } else { Reading::Closed });
            if let Some(reading) = reading.or_else(spoken) {
                notes.note(Kind::Contact, "contact", reading, state);
            }
        }
        role => {
            if says("panic") || says("sos") || says("emergency") {
                notes.note(Kind::Sos, "panic", Reading::Active, burst);
            } else if says("motion") {
                let kind = role.and_then(Role::kind).unwrap_or(Kind::Motion);
                notes.note(kind, "motion", Reading::Active, burst);
            } else if let (Some(kind), Some(alarm)) = (role.and_then(Role::kind), alarm) {
                notes.note(kind, "alarm", if alarm { Reading::Active } else { Reading::Clear }, state);
            }
            if is_set(flat.get("water_leak")).or(is_set(flat.get("leak"))) == Some(true) {
                notes.note(Kind::Water, "water_leak", Reading::Active, state);
            }
            if says("smoke") {
                notes.note(Kind::Smoke, "smoke", Reading::Active, burst);
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

fn advertisement_says(notes: &mut Notes, flat: &Flat, retain: bool) {
    let state = Manner::State { retain, cache: None };
    let role = notes.membership.role();
    let packet = flat.get("packet").and_then(Scalar::word);
    if let Some(Scalar::Number(button)) = flat.get("button") {
        let kind = match role {
            Some(Role::Sos) => Some(Kind::Sos),
            Some(Role::Assistance | Role::ImFine) => Some(Kind::Assistance),
            Some(_) | None => None,
        };
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
    if let Some(moving) = is_set(flat.get("motion")) {
        notes.note(Kind::Motion, "motion", if moving { Reading::Active } else { Reading::Clear }, state);
    }
    if let Some(open) = is_set(flat.get("open").or_else(|| flat.get("contact"))) {
        notes.note(Kind::Contact, "open", if open { Reading::Open } else { Reading::Closed }, state);
    }
    if let Some(wet) = is_set(flat.get("water_leak")) {
        notes.note(Kind::Water, "water_leak", if wet { Reading::Active } else { Reading::Clear }, state);
    }
    if let Some(Scalar::Number(percent)) =
        flat.get("batt").filter(|batt| matches!(batt, Scalar::Number(p) if (0.0..=100.0).contains(p)))
    {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
        notes.note(Kind::Battery, "batt", Reading::Percent(percent.round() as u8), state);
    }
    if let Some(Scalar::Number(level)) = flat.get("rssi") {
        #[expect(clippy::cast_possible_truncation, reason = "a cast saturates")]
        notes.note(Kind::Link, "rssi", Reading::Level(*level as i32), state);
    }
}
