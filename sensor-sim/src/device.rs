//! Pretend Zigbee2MQTT devices: data and state, no connection.
//!
//! Every report is the merged last state, as Zigbee2MQTT's cache makes it; only `action` is not cached.

use serde_json::{Map, Value, json};

use crate::dialect::Dialect;
use crate::dice::Dice;
use crate::publication::{Publication, Qos};

mod catalogue;

pub use catalogue::{Definition, Expose, Model, Power};

/// A click on a button that has several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Click {
    /// One short press.
    Single,
    /// Two quick presses.
    Double,
    /// A press held for a second or more.
    Long,
}

/// Something that happens to a device in the home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Happening {
    /// Its button is pressed.
    Pressed(Click),
    /// A latching button is released, or its call reset.
    Released,
    /// A person moves before it.
    Moved,
    /// No movement any more.
    Still,
    /// A door, drawer or lid opens.
    Opened,
    /// It closes.
    Closed,
    /// A person lies down on the pad.
    LainDown,
    /// The person leaves the pad.
    GotUp,
    /// The radar says: a person fell.
    Fell,
    /// The radar suspects a fall.
    MayHaveFallen,
    /// The radar sees the person up again.
    Recovered,
    /// Smoke, gas, carbon monoxide or water, by what the device senses; a siren sounds.
    Alarmed,
    /// That is over.
    Cleared,
    /// Its case is opened.
    Tampered,
    /// Its case is closed again.
    Untampered,
    /// It reports its battery, in percent.
    BatteryAt(u8),
    /// It reports in with nothing new: the merged state goes out again.
    Beat,
    /// Its battery dies: it says nothing until it reports a new one.
    BatteryDied,
}

impl Happening {
    /// Whether a person's safety may hang on the report.
    pub fn is_urgent(self) -> bool {
        match self {
            Self::Pressed(_) | Self::Fell | Self::MayHaveFallen | Self::Alarmed => true,
            Self::Released
            | Self::Moved
            | Self::Still
            | Self::Opened
            | Self::Closed
            | Self::LainDown
            | Self::GotUp
            | Self::Recovered
            | Self::Cleared
            | Self::Tampered
            | Self::Untampered
            | Self::BatteryAt(_)
            | Self::Beat
            | Self::BatteryDied => false,
        }
    }

    /// The happening as a person would say it.
    pub fn words(self) -> String {
        match self {
            Self::Pressed(Click::Single) => "pressed".into(),
            Self::Pressed(Click::Double) => "pressed twice".into(),
            Self::Pressed(Click::Long) => "held".into(),
            Self::Released => "released".into(),
            Self::Moved => "motion".into(),
            Self::Still => "still".into(),
            Self::Opened => "opened".into(),
            Self::Closed => "closed".into(),
            Self::LainDown => "someone lies down".into(),
            Self::GotUp => "someone gets up".into(),
            Self::Fell => "a fall".into(),
            Self::MayHaveFallen => "perhaps a fall".into(),
            Self::Recovered => "up again".into(),
            Self::Alarmed => "ALARM".into(),
            Self::Cleared => "all clear".into(),
            Self::Tampered => "case opened".into(),
            Self::Untampered => "case closed".into(),
            Self::BatteryAt(percent) => format!("battery {percent} %"),
            Self::Beat => "reports in".into(),
            Self::BatteryDied => "battery dead".into(),
        }
    }
}

/// One pretend device: its model, its place, and the state that Zigbee2MQTT has cached of it.
#[derive(Debug, Clone)]
pub struct Device {
    name: String,
    model: Model,
    room: Option<String>,
    qos: Qos,
    state: Map<String, Value>,
    dice: Dice,
    dialect: Option<Dialect>,
    happened: u32,
    dead: bool,
}

impl Device {
    /// A device fresh from its interview; `seed` and `name` fix its address, battery and link quality.
    pub fn new(name: impl Into<String>, model: Model, room: Option<String>, seed: u64) -> Self {
        let name = name.into();
        let mut dice = Dice::named(seed, &name);
        let mut state = model.initial_state();
        if model.definition().has("battery") {
            let percent = dice.between(55, 100);
            set_battery(&mut state, model, percent);
        }
        let mut device =
            Self { name, model, room, qos: Qos::AtLeastOnce, state, dice, dialect: None, happened: 0, dead: false };
        device.hear();
        device
    }

    /// The same device as an installer leaves it who set no QoS: its reports go out at QoS 0.
    #[must_use]
    pub fn at_qos(mut self, qos: Qos) -> Self {
        self.qos = qos;
        self
    }

    /// The same sense or button in another ecosystem's words; no Zigbee bridge knows it then.
    #[must_use]
    pub fn speaking(mut self, dialect: Option<Dialect>) -> Self {
        self.dialect = dialect;
        self
    }

    /// How it speaks, where it is not Zigbee2MQTT's.
    pub fn dialect(&self) -> Option<Dialect> {
        self.dialect
    }

    /// What goes out when `what` happens: one report, or whatever its dialect makes of it.
    pub fn reports(&mut self, base: &str, what: Happening) -> Vec<Publication> {
        if what == Happening::BatteryDied {
            self.dead = true;
        } else if matches!(what, Happening::BatteryAt(_)) {
            self.dead = false;
        }
        if self.dead {
            return Vec::new();
        }
        let Some(dialect) = self.dialect else { return self.happen(base, what).into_iter().collect() };
        // Its state is kept as everybody's is; the words are its own.
        let _ = self.absorb(what);
        self.happened = self.happened.wrapping_add(1);
        dialect.report(self, what, self.happened)
    }

    /// Friendly name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Model.
    pub fn model(&self) -> Model {
        self.model
    }

    /// The room it hangs in, where known.
    pub fn room(&self) -> Option<&str> {
        self.room.as_deref()
    }

    /// The cached state, without anything momentary.
    pub fn cached(&self) -> &Map<String, Value> {
        &self.state
    }

    /// IEEE address, `0x` and 16 hexadecimal digits.
    pub fn ieee(&self) -> String {
        let id = Dice::named(0, &self.name).throw() >> 24;
        format!("0x00124b{id:010x}")
    }

    /// What Zigbee2MQTT publishes on `base`/name when `what` happens; none where the model cannot tell it.
    pub fn happen(&mut self, base: &str, what: Happening) -> Option<Publication> {
        let momentary = self.absorb(what)?;
        self.hear();
        let mut body = self.state.clone();
        if let Some(action) = momentary {
            body.insert("action".into(), json!(action));
        }
        let mut publication = Publication::json(format!("{base}/{}", self.name), &Value::Object(body));
        publication.qos = self.qos;
        publication.urgent = what.is_urgent();
        Some(publication)
    }

    /// Whether the model can tell that `what` happens.
    pub fn can(&self, what: Happening) -> bool {
        match self.dialect {
            _ if what == Happening::BatteryDied => self.model.definition().power == Power::Battery,
            Some(dialect) => !dialect.report(self, what, 0).is_empty(),
            None => self.clone().absorb(what).is_some(),
        }
    }

    /// What the start-up replay publishes: the cached state as it is, not retained.
    pub fn replayed(&self, base: &str) -> Publication {
        let mut publication = Publication::json(format!("{base}/{}", self.name), &Value::Object(self.state.clone()));
        publication.qos = self.qos;
        publication
    }

    /// Obeys a `…/set` payload; none where nothing in it can be set.
    pub fn set(&mut self, base: &str, payload: &[u8]) -> Option<Publication> {
        let wish: Value = serde_json::from_slice(payload).ok()?;
        match self.model {
            Model::Siren => {
                self.state.insert("alarm".into(), json!(wish.get("alarm")?.as_bool()?));
                self.happen(base, Happening::Beat)
            }
            Model::WarningSiren => {
                wish.get("warning")?.get("mode")?.as_str()?;
                // The warning is write-only: the state that comes back does not show it.
                self.happen(base, Happening::Beat)
            }
            Model::SosButton
            | Model::TwoGestureSos
            | Model::LatchingSos
            | Model::ClickButton
            | Model::Motion
            | Model::Contact
            | Model::BedPad
            | Model::FallRadar
            | Model::PostureRadar
            | Model::PresenceRadar
            | Model::Smoke
            | Model::Gas
            | Model::Co
            | Model::Leak => None,
        }
    }

    /// Changes the state; the outer option says whether the model can tell, the inner one is the action.
    fn absorb(&mut self, what: Happening) -> Option<Option<&'static str>> {
        use Happening as H;
        use Model as M;
        let state = &mut self.state;
        let mut cache = |key: &str, value: Value| {
            state.insert(key.to_owned(), value);
        };
        match (self.model, what) {
            (M::SosButton, H::Pressed(_)) => return Some(Some("emergency")),
            (M::TwoGestureSos, H::Pressed(Click::Single)) => return Some(Some("sos")),
            (M::TwoGestureSos, H::Pressed(Click::Double | Click::Long)) => return Some(Some("emergency")),
            (M::ClickButton, H::Pressed(Click::Single)) => return Some(Some("single")),
            (M::ClickButton, H::Pressed(Click::Double)) => return Some(Some("double")),
            (M::ClickButton, H::Pressed(Click::Long)) => return Some(Some("long")),
            (M::LatchingSos, H::Pressed(_)) => cache("sos", json!(true)),
            (M::LatchingSos, H::Released) => cache("sos", json!(false)),
            (M::Motion, H::Moved) => cache("occupancy", json!(true)),
            (M::Motion, H::Still) => cache("occupancy", json!(false)),
            // Zigbee2MQTT's word for an open contact is false.
            (M::Contact, H::Opened) => cache("contact", json!(false)),
            (M::Contact, H::Closed) => cache("contact", json!(true)),
            // A pad's alarm is a person on it, and its exposes call that contact false.
            (M::BedPad, H::LainDown) => cache("contact", json!(false)),
            (M::BedPad, H::GotUp) => cache("contact", json!(true)),
            (M::FallRadar, H::Moved) => {
                cache("occupancy", json!(true));
                cache("sensor_status", json!("activity"));
            }
            (M::FallRadar, H::Still) => {
                cache("occupancy", json!(false));
                cache("sensor_status", json!("none"));
            }
            (M::FallRadar, H::Fell | H::MayHaveFallen | H::Recovered) => {
                cache("occupancy", json!(true));
                cache("sensor_status", json!("activity"));
                cache("fall_status", json!(fall_word(what, "fall_alarm", "fall_warning", "normal")));
            }
            (M::PostureRadar, H::Moved) => cache("status", json!("occupied")),
            (M::PostureRadar, H::Still) => cache("status", json!("unoccupied")),
            (M::PostureRadar, H::LainDown) => cache("status", json!("on_the_bed")),
            (M::PostureRadar, H::GotUp) => cache("status", json!("sitting")),
            (M::PostureRadar, H::Fell | H::MayHaveFallen | H::Recovered) => {
                cache("status", json!(fall_word(what, "falling", "low_posture", "occupied")));
            }
            (M::PresenceRadar, H::Moved | H::Still) => {
                cache("presence", json!(what == H::Moved));
                cache("occupancy", json!(what == H::Moved));
            }
            (M::PresenceRadar, H::Fell | H::MayHaveFallen | H::Recovered) => {
                cache("presence", json!(true));
                cache("fall_down_status", json!(fall_word(what, "fall", "maybe_fall", "none")));
            }
            (M::Smoke, H::Alarmed | H::Cleared) => cache("smoke", json!(what == H::Alarmed)),
            (M::Gas, H::Alarmed | H::Cleared) => cache("gas", json!(what == H::Alarmed)),
            (M::Co, H::Alarmed | H::Cleared) => cache("carbon_monoxide", json!(what == H::Alarmed)),
            (M::Leak, H::Alarmed | H::Cleared) => cache("water_leak", json!(what == H::Alarmed)),
            (M::Siren, H::Alarmed | H::Cleared) => cache("alarm", json!(what == H::Alarmed)),
            (model, H::Tampered | H::Untampered) if model.definition().has("tamper") => {
                cache("tamper", json!(what == H::Tampered));
            }
            (model, H::BatteryAt(percent)) if model.definition().power == Power::Battery => {
                set_battery(state, model, u64::from(percent));
            }
            (_, H::Beat) => {}
            _ => return None,
        }
        Some(None)
    }

    /// The coordinator hears the device: its link quality wanders.
    fn hear(&mut self) {
        let level = self.dice.between(90, 180);
        self.state.insert("linkquality".into(), json!(level));
    }
}

fn fall_word(what: Happening, fell: &'static str, perhaps: &'static str, up: &'static str) -> &'static str {
    if what == Happening::Fell {
        fell
    } else if what == Happening::MayHaveFallen {
        perhaps
    } else {
        up
    }
}

fn set_battery(state: &mut Map<String, Value>, model: Model, percent: u64) {
    let percent = percent.min(100);
    let definition = model.definition();
    if definition.has("battery") {
        state.insert("battery".into(), json!(percent));
    }
    if definition.has("voltage") {
        state.insert("voltage".into(), json!(2000 + 10 * percent));
    }
    if definition.has("battery_low") {
        state.insert("battery_low".into(), json!(percent < 15));
    }
}

#[cfg(test)]
mod tests;
