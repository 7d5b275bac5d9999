//! A device as its bridge lists it, for the installer's tools: what it is and what it can tell.

use std::collections::BTreeSet;

use protocol::observation::Kind;
use serde_json::Value;

use super::config::Role;
use super::description::Description;
use super::memory::ACTION;
use super::sense::Nature;
use super::words::{Gesture, gesture};

/// One entry of a bridge's list, or of its join events.
#[derive(Debug, Clone)]
pub struct ListedDevice {
    /// Friendly name.
    pub name: String,
    /// IEEE address; it names the device in the bridge's settings.
    pub ieee: String,
    /// Model.
    pub model: String,
    /// Vendor.
    pub vendor: String,
    /// The bridge's words for it.
    pub description: String,
    nature: Nature,
    keys: Description,
    says_sos: bool,
}

impl ListedDevice {
    /// Reads an entry of `bridge/devices`; nothing for the coordinator and for what is disabled.
    pub fn listed(entry: &Value) -> Option<Self> {
        let kept_out = entry["type"] == "Coordinator" || entry["disabled"] == true;
        let name = entry["friendly_name"].as_str().filter(|name| !name.is_empty() && !kept_out)?;
        Some(Self::of(name, entry))
    }

    /// Reads what stands beside a device's name: its `ieee_address` and `definition`.
    pub fn of(name: &str, entry: &Value) -> Self {
        let definition = &entry["definition"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let description = text(&definition["description"]);
        let gestures = definition["exposes"].as_array().into_iter().flatten();
        let gestures = gestures.filter(|expose| expose["property"].as_str() == Some(ACTION));
        let mut words = gestures.flat_map(|expose| expose["values"].as_array()).flatten().filter_map(Value::as_str);
        Self {
            name: name.to_owned(),
            ieee: text(&entry["ieee_address"]),
            model: text(&definition["model"]),
            vendor: text(&definition["vendor"]),
            nature: Nature::of(&description),
            says_sos: words.any(|word| gesture(word) == Gesture::Sos),
            description,
            keys: Description::of_definition(Some(definition).filter(|definition| definition.is_object()), true),
        }
    }

    /// The kinds of observation that it can make, those of its gestures included.
    pub fn kinds(&self) -> Vec<Kind> {
        let mut kinds: BTreeSet<Kind> = self.keys.kinds().collect();
        if self.says_sos || self.nature.emergency && self.keys.has_gestures() {
            kinds.insert(Kind::Sos);
        }
        kinds.into_iter().collect()
    }

    /// Its binary SOS keys, which its bridge caches unless told otherwise.
    pub fn sos_flags(&self) -> impl Iterator<Item = &str> {
        self.keys.of_kind(Kind::Sos)
    }

    /// Whether a press on it is a call for help by what its bridge lists.
    pub fn is_sos(&self) -> bool {
        self.kinds().contains(&Kind::Sos)
    }

    /// Whether its description says bed, chair or pressure pad.
    pub fn is_pad(&self) -> bool {
        self.nature.bed
    }

    /// The role that an installer most likely wants.
    pub fn role_suggested(&self) -> Option<Role> {
        let kinds = self.kinds();
        let roles = [
            (Kind::Sos, Role::Sos),
            (Kind::Fall, Role::Fall),
            (Kind::Smoke, Role::Smoke),
            (Kind::Co, Role::Co),
            (Kind::Gas, Role::Gas),
            (Kind::Water, Role::Water),
            (Kind::Bed, Role::Bed),
            (Kind::Contact, Role::Door),
            (Kind::Presence, Role::Presence),
            (Kind::Motion, Role::Motion),
            (Kind::Vibration, Role::Vibration),
        ];
        let pad = (self.is_pad() && !kinds.contains(&Kind::Sos)).then_some(Role::Bed);
        pad.or_else(|| roles.iter().find(|(kind, _)| kinds.contains(kind)).map(|(_, role)| *role))
    }
}
