//! Reading one act: the part of a step behind its time; also a line typed while the simulator is live.

use protocol::trigger::OrderClass;
use protocol::visit::{Datum, Method};

use super::words::{Word, cut};
use super::{Act, Deed, HomeDevice, Place, Power, VisitNote, WorldAct};
use crate::device::{Click, Happening, Model};

/// Words that begin an act; a dispatcher of such a name is written in quotes.
pub(super) const VERBS: &[&str] = &[
    "press",
    "release",
    "fall",
    "maybe",
    "recover",
    "motion",
    "still",
    "open",
    "close",
    "lie",
    "get",
    "alarm",
    "clear",
    "tamper",
    "untamper",
    "battery",
    "beat",
    "die",
    "chatter",
    "deliver",
    "offline",
    "online",
    "bridge",
    "cancel",
    "mains",
    "test",
    "check",
    "malformed",
    "raw",
    "oversize",
    "wait",
    "centre",
    "kill",
    "restart",
    "gateway",
    "power",
    "link",
    "disk",
    "clock",
];

/// The verbs of a dispatcher, which stand second.
const DEEDS: &[&str] = &["claims", "releases", "dispatches", "withdraws", "confirms", "notes", "closes"];

/// The largest oversize message, bytes.
const OVERSIZE_MAX: u32 = 16 << 20;

/// How often a sensor may chatter in one act.
const CHATTER_MAX: u32 = 1_000;

/// The two sides between which a model's sensor chatters.
pub(crate) fn sides(model: Model) -> Option<[Happening; 2]> {
    match model {
        Model::Motion | Model::FallRadar | Model::PostureRadar | Model::PresenceRadar => {
            Some([Happening::Moved, Happening::Still])
        }
        Model::Contact => Some([Happening::Opened, Happening::Closed]),
        Model::BedPad => Some([Happening::LainDown, Happening::GotUp]),
        Model::SosButton
        | Model::TwoGestureSos
        | Model::LatchingSos
        | Model::ClickButton
        | Model::Smoke
        | Model::Gas
        | Model::Co
        | Model::Leak
        | Model::Siren
        | Model::WarningSiren => None,
    }
}

/// Reads one act, such as `press "sos bedside"`; `home` are the devices that may be named.
pub fn parse_act(text: &str, home: &[HomeDevice]) -> Result<Act, String> {
    read(&cut(text)?, home)
}

pub(super) fn read(words: &[Word], home: &[HomeDevice]) -> Result<Act, String> {
    let Some(first) = words.first() else { return Err("an act is missing; write what happens".into()) };
    if let Some(second) = words.get(1)
        && !second.quoted
        && DEEDS.contains(&second.text.as_str())
        && (first.quoted || !VERBS.contains(&first.text.as_str()))
    {
        return operator(&first.text, Rest { words: words.get(1..).unwrap_or_default() });
    }
    let mut rest = Rest { words };
    let verb = rest.next().map(|word| word.text.clone()).unwrap_or_default();
    let act = verb_act(&verb, &mut rest, home)?;
    rest.finish()?;
    Ok(act)
}

fn verb_act(verb: &str, rest: &mut Rest<'_>, home: &[HomeDevice]) -> Result<Act, String> {
    use Happening as H;
    let device = |what: H, rest: &mut Rest<'_>| rest.able(home, what);
    match verb {
        "press" => {
            let name = rest.device(home)?;
            let click = match () {
                () if rest.take("double") => Click::Double,
                () if rest.take("long") => Click::Long,
                () => Click::Single,
            };
            able(home, name, H::Pressed(click))
        }
        "release" => device(H::Released, rest),
        "fall" => device(H::Fell, rest),
        "maybe" => {
            rest.expect("fall")?;
            rest.able(home, H::MayHaveFallen)
        }
        "recover" => device(H::Recovered, rest),
        "motion" => device(H::Moved, rest),
        "still" => device(H::Still, rest),
        "open" => device(H::Opened, rest),
        "close" => device(H::Closed, rest),
        "lie" => {
            rest.expect("down")?;
            rest.take("on");
            rest.able(home, H::LainDown)
        }
        "get" => {
            rest.expect("up")?;
            rest.take("from");
            rest.able(home, H::GotUp)
        }
        "alarm" => device(H::Alarmed, rest),
        "clear" => device(H::Cleared, rest),
        "tamper" => device(H::Tampered, rest),
        "untamper" => device(H::Untampered, rest),
        "beat" => device(H::Beat, rest),
        "die" => device(H::BatteryDied, rest),
        "chatter" => {
            let name = rest.device(home)?;
            let times = rest.number("how often, 1 to 1000", 1, i64::from(CHATTER_MAX))?;
            if !home.iter().any(|entry| entry.name == name && sides(entry.kind.model()).is_some()) {
                return Err(format!("`{name}` has no two sides to go between; name a motion sensor or a door"));
            }
            Ok(Act::Chatter { device: name, times: u32::try_from(times).unwrap_or(CHATTER_MAX) })
        }
        "battery" => {
            let name = rest.device(home)?;
            let percent = rest.number("a percentage, 0 to 100", 0, 100)?;
            able(home, name, H::BatteryAt(u8::try_from(percent).unwrap_or(100)))
        }
        "deliver" => {
            rest.expect("again")?;
            Ok(Act::DeliverAgain { device: rest.device(home)? })
        }
        "offline" => Ok(Act::Reachable { device: rest.device(home)?, online: false }),
        "online" => Ok(Act::Reachable { device: rest.device(home)?, online: true }),
        "bridge" => Ok(Act::RadioBridge(rest.power("bridge", &["down", "up", "restarts"])?)),
        "cancel" => Ok(Act::Cancel),
        "mains" => Ok(Act::Mains(rest.choice(&[("lost", false), ("back", true)], "mains")?.1)),
        "test" => Ok(Act::World(WorldAct::Test(rest.device(home)?))),
        "check" => visit(rest),
        "malformed" => Ok(Act::Malformed { topic: rest.topic()?, text: rest.text("the text, in quotes")?.to_owned() }),
        "raw" => raw(rest),
        "oversize" => {
            let topic = rest.topic()?;
            let bytes = rest.number("a number of bytes, up to 16777216", 1, i64::from(OVERSIZE_MAX))?;
            Ok(Act::Oversize { topic, bytes: u32::try_from(bytes).unwrap_or(OVERSIZE_MAX) })
        }
        "wait" => Ok(Act::Wait),
        "kill" | "restart" => {
            let power = if verb == "kill" { Power::Kill } else { Power::Restart };
            let (program, _) = rest.choice(&[("gateway", ()), ("centre", ())], verb)?;
            Ok(Act::World(if program == "gateway" { WorldAct::Gateway(power) } else { WorldAct::Centre(power) }))
        }
        "centre" => Ok(Act::World(WorldAct::Centre(rest.power("centre", &["down", "up"])?))),
        "gateway" => Ok(Act::World(WorldAct::Gateway(rest.power("gateway", &["down", "up"])?))),
        "power" => Ok(Act::World(WorldAct::MainsPower(rest.choice(&[("cut", false), ("back", true)], "power")?.1))),
        "link" => Ok(Act::World(WorldAct::Link(rest.choice(&[("down", false), ("up", true)], "link")?.1))),
        "disk" => Ok(Act::World(WorldAct::DiskFull(rest.choice(&[("full", true), ("free", false)], "disk")?.1))),
        "clock" => clock(rest),
        other => Err(unknown(other)),
    }
}

fn unknown(verb: &str) -> String {
    format!("`{verb}` is nothing that can happen; use one of {}, or `<name> {}`", VERBS.join(", "), DEEDS.join("|"))
}

fn able(home: &[HomeDevice], name: String, what: Happening) -> Result<Act, String> {
    let entry = home.iter().find(|device| device.name == name);
    match entry {
        Some(entry) if !entry.device(0).can(what) => {
            let (kind, words) = (entry.kind.word(), what.words());
            Err(format!("`{name}` is a {kind} and cannot tell \"{words}\"; name a device that can"))
        }
        _ => Ok(Act::Device { device: name, what }),
    }
}

fn raw(rest: &mut Rest<'_>) -> Result<Act, String> {
    let retained = rest.take("retained");
    let topic = rest.topic()?;
    let json = rest.text("JSON behind the topic")?.to_owned();
    match serde_json::from_str::<serde::de::IgnoredAny>(&json) {
        Ok(_) => Ok(Act::Raw { topic, json, retained }),
        Err(error) => Err(format!("`{json}` is not JSON ({error}); use `malformed` to send a bad text")),
    }
}

fn visit(rest: &mut Rest<'_>) -> Result<Act, String> {
    let (way, _) = rest.choice(&[("in", ()), ("out", ())], "check")?;
    let caregiver = rest.text("the caregiver's id, such as cg-17")?.to_owned();
    let mut note = VisitNote { caregiver, method: Method::Code, code: None, place: None, service: None, outcome: None };
    while !rest.words.is_empty() {
        if rest.take("by") {
            let methods = [("code", Method::Code), ("card", Method::Card), ("phone", Method::Phone)];
            note.method = rest.choice(&methods, "by")?.1;
            let typed = rest.words.first().filter(|word| word.text.bytes().all(|b| b.is_ascii_digit()));
            if note.method == Method::Code && typed.is_some() {
                note.code = rest.next().map(|word| word.text.clone());
            }
        } else if rest.take("at") {
            note.place = Some(place(rest)?);
        } else if rest.take("for") {
            note.service = Some(rest.text("a service behind `for`")?.to_owned());
        } else if rest.take("outcome") {
            note.outcome = Some(rest.text("what came of it behind `outcome`, in quotes")?.to_owned());
        } else {
            return Err(format!("`{}` is not part of a check-in; use by, at, for, outcome", rest.peek_text()));
        }
    }
    Ok(if way == "in" { Act::CheckIn(note) } else { Act::CheckOut(note) })
}

fn place(rest: &mut Rest<'_>) -> Result<Place, String> {
    let shape = "behind `at` stands home, 300m (north of it) or latitude,longitude such as 41.80,123.40";
    let word = rest.text(shape)?.to_owned();
    if word == "home" {
        return Ok(Place::Home);
    }
    if let Some(metres) = word.strip_suffix('m').and_then(|text| text.parse().ok()).filter(|m| *m <= 1_000_000) {
        return Ok(Place::North { metres });
    }
    let (lat, lon) = word.split_once(',').ok_or(shape)?;
    let lat_e7 = degrees_e7(lat).filter(|lat| lat.abs() <= 900_000_000).ok_or(shape)?;
    let lon_e7 = degrees_e7(lon).filter(|lon| lon.abs() <= 1_800_000_000).ok_or(shape)?;
    let datums = [("wgs84", Datum::Wgs84), ("gcj02", Datum::Gcj02), ("bd09", Datum::Bd09)];
    let datum = datums.into_iter().find(|(word, _)| rest.take(word)).map(|(_, datum)| datum);
    Ok(Place::Point { lat_e7, lon_e7, datum })
}

/// Reads decimal degrees exactly, with up to 7 decimals.
pub(crate) fn degrees_e7(text: &str) -> Option<i32> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || whole.len() > 3 || part.len() > 7 {
        return None;
    }
    if !whole.bytes().chain(part.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let e7: i64 = format!("{whole}{part:0<7}").parse().ok()?;
    i32::try_from(sign * e7).ok()
}

fn clock(rest: &mut Rest<'_>) -> Result<Act, String> {
    let choices = [("jumps", None), ("trusted", Some(true)), ("untrusted", Some(false))];
    match rest.choice(&choices, "clock")?.1 {
        Some(trusted) => Ok(Act::World(WorldAct::ClockTrusted(trusted))),
        None => {
            let word = rest.text("how far the clock jumps, such as -20y or +90s")?;
            Ok(Act::World(WorldAct::ClockJumps { secs: jump(word)? }))
        }
    }
}

fn jump(word: &str) -> Result<i64, String> {
    let wrong = || format!("`{word}` is no jump; write it as -20y, +3d, -2h, +10m or +90s, up to 100 years");
    let (sign, text) = match word.as_bytes().first() {
        Some(b'-') => (-1, word.get(1..)),
        Some(b'+') => (1, word.get(1..)),
        _ => (1, Some(word)),
    };
    let text = text.unwrap_or_default();
    let units = [('y', 31_557_600), ('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];
    let (number, unit) = units.iter().find_map(|(u, secs)| Some((text.strip_suffix(*u)?, *secs))).ok_or_else(wrong)?;
    let number: u32 = number.parse().map_err(|_| wrong())?;
    Some(i64::from(number) * unit).filter(|secs| *secs <= 3_155_760_000).map(|secs| sign * secs).ok_or_else(wrong)
}

fn operator(who: &str, mut rest: Rest<'_>) -> Result<Act, String> {
    let deed = match rest.next().map(|word| word.text.as_str()) {
        Some("claims") => Deed::Claims,
        Some("releases") => Deed::Releases,
        Some("withdraws") => Deed::Withdraws,
        Some("confirms") => Deed::Confirms,
        Some("dispatches") => Deed::Dispatches(rest.text("who is sent, such as \"station 3\"")?.to_owned()),
        Some("notes") => Deed::Notes(rest.text("the note, in quotes")?.to_owned()),
        _ => {
            let code = rest.text("a close code, such as real.medical")?.to_owned();
            let outcome = if rest.take("outcome") { Some(rest.text("an outcome")?.to_owned()) } else { None };
            Deed::Closes { code, outcome }
        }
    };
    let mut order = None;
    if rest.take("the") {
        order = Some(rest.choice(&ORDERS, "the")?.1);
        rest.expect("order")?;
    }
    rest.finish()?;
    Ok(Act::World(WorldAct::Operator { who: who.to_owned(), order, deed }))
}

/// Words for the classes of order.
pub(super) const ORDERS: [(&str, OrderClass); 4] = [
    ("emergency", OrderClass::Emergency),
    ("fire", OrderClass::FireGas),
    ("assistance", OrderClass::Assistance),
    ("technical", OrderClass::Technical),
];

/// What is left of a line.
struct Rest<'w> {
    words: &'w [Word],
}

impl<'w> Rest<'w> {
    fn next(&mut self) -> Option<&'w Word> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }

    fn peek_text(&self) -> &'w str {
        self.words.first().map_or("", |word| word.text.as_str())
    }

    fn take(&mut self, keyword: &str) -> bool {
        let there = self.words.first().is_some_and(|word| word.text == keyword && !word.quoted);
        if there {
            self.next();
        }
        there
    }

    fn expect(&mut self, keyword: &str) -> Result<(), String> {
        if self.take(keyword) { Ok(()) } else { Err(format!("`{keyword}` is missing before `{}`", self.peek_text())) }
    }

    fn text(&mut self, what: &str) -> Result<&'w str, String> {
        self.next().map(|word| word.text.as_str()).ok_or_else(|| format!("the line ends too early: {what} is missing"))
    }

    fn number(&mut self, what: &str, low: i64, high: i64) -> Result<i64, String> {
        let text = self.text(what)?;
        let number = text.parse().ok().filter(|number| (low..=high).contains(number));
        number.ok_or_else(|| format!("`{text}` is not {what}"))
    }

    fn choice<T: Copy>(&mut self, choices: &[(&'static str, T)], behind: &str) -> Result<(&'static str, T), String> {
        let all: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
        let text = self.text(&format!("{} behind `{behind}`", all.join(" or ")))?;
        let found = choices.iter().find(|(word, _)| *word == text);
        found.copied().ok_or_else(|| format!("behind `{behind}` stands {}, not `{text}`", all.join(" or ")))
    }

    fn power(&mut self, behind: &str, allowed: &[&'static str]) -> Result<Power, String> {
        let all = [("down", Power::Down), ("up", Power::Up), ("restarts", Power::Restart)];
        let choices: Vec<_> = all.into_iter().filter(|(word, _)| allowed.contains(word)).collect();
        Ok(self.choice(&choices, behind)?.1)
    }

    fn topic(&mut self) -> Result<String, String> {
        let topic = self.text("a topic")?;
        if topic.is_empty() || topic.len() > 65_535 || topic.contains(['+', '#', '\0']) {
            return Err(format!("`{topic}` cannot be published to; give a topic without `+` and `#`"));
        }
        Ok(topic.to_owned())
    }

    fn device(&mut self, home: &[HomeDevice]) -> Result<String, String> {
        let name = self.text("a device's name")?;
        if home.iter().any(|device| device.name == name) {
            return Ok(name.to_owned());
        }
        let names: Vec<_> = home.iter().map(|device| format!("`{}`", device.name)).collect();
        let names = if names.is_empty() { "none; add it under `home`".to_owned() } else { names.join(", ") };
        Err(format!("there is no device `{name}` in this home; it has {names}"))
    }

    fn able(&mut self, home: &[HomeDevice], what: Happening) -> Result<Act, String> {
        let name = self.device(home)?;
        able(home, name, what)
    }

    fn finish(&self) -> Result<(), String> {
        match self.words.first() {
            None => Ok(()),
            Some(word) => Err(format!("`{}` is left over; names of several words stand in quotes", word.text)),
        }
    }
}
