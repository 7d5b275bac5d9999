//! Writing a scenario so that reading it gives the same one back.

use std::fmt;
use std::time::Duration;

use protocol::visit::{Datum, Method};

use super::act::{ORDERS, VERBS};
use super::words::{in_quotes, written};
use super::{Act, Deed, Place, Power, Scenario, VisitNote, WorldAct};
use crate::device::{Click, Happening};

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "home")?;
        for device in &self.home {
            write!(f, "  {} {}", device.kind.word(), name(&device.name))?;
            match &device.room {
                Some(room) => writeln!(f, " in {}", name(room))?,
                None => writeln!(f)?,
            }
        }
        if let Some(rules) = &self.rules {
            write!(f, "rules\n{rules}")?;
        }
        writeln!(f, "steps")?;
        let mut last = Duration::ZERO;
        for (index, step) in self.steps.iter().enumerate() {
            let later = step.at.saturating_sub(last);
            // Only a time of day can say when a scenario starts.
            let time = if index == 0 { first(self.starts_at, step.at) } else { format!("+{}", span(later)) };
            writeln!(f, "  {time:<12} {}", step.act)?;
            last = step.at;
        }
        if let Some(expect) = &self.expect {
            write!(f, "expect\n{expect}")?;
        }
        Ok(())
    }
}

/// The first step's time; a relative one counts from 08:00, which is where a scenario without any time starts.
fn first(starts_at: Duration, at: Duration) -> String {
    let days = at.as_secs() / 86_400;
    if at.is_zero() {
        clock(starts_at)
    } else if at == Duration::from_secs(days * 86_400) {
        format!("day {} {}", days + 1, clock(starts_at))
    } else {
        format!("+{}", span(at))
    }
}

/// A time of day as a scenario writes it, such as `08:00:00`.
pub(crate) fn clock(at: Duration) -> String {
    let secs = at.as_secs() % 86_400;
    let millis = at.subsec_millis();
    let clock = format!("{:02}:{:02}:{:02}", secs / 3600, secs / 60 % 60, secs % 60);
    if millis == 0 { clock } else { format!("{clock}.{millis:03}") }
}

/// A span as a scenario writes it, such as `1h30m`.
pub(crate) fn span(span: Duration) -> String {
    let mut millis = span.as_millis();
    let mut out = String::new();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] {
        if millis >= size {
            out.push_str(&format!("{}{unit}", millis / size));
            millis %= size;
        }
    }
    if out.is_empty() { "0".to_owned() } else { out }
}

fn name(text: &str) -> String {
    written(text, &[])
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device { device, what } => device_act(f, &name(device), *what),
            Self::Chatter { device, times } => write!(f, "chatter {} {times}", name(device)),
            Self::DeliverAgain { device } => write!(f, "deliver again {}", name(device)),
            Self::Reachable { device, online: true } => write!(f, "online {}", name(device)),
            Self::Reachable { device, online: false } => write!(f, "offline {}", name(device)),
            Self::RadioBridge(power) => write!(f, "bridge {}", power.word()),
            Self::Cancel => f.write_str("cancel"),
            Self::Mains(there) => write!(f, "mains {}", if *there { "back" } else { "lost" }),
            Self::CheckIn(note) => visit(f, "in", note),
            Self::CheckOut(note) => visit(f, "out", note),
            Self::Malformed { topic, text } => write!(f, "malformed {} {}", in_quotes(topic), in_quotes(text)),
            Self::Raw { topic, json, retained } => {
                let retained = if *retained { "retained " } else { "" };
                // JSON that begins with a brace needs no quotes of its own.
                let bare = json.starts_with('{') || json.starts_with('[');
                let json = if bare && !json.contains(['\n', '\r']) { json.clone() } else { in_quotes(json) };
                write!(f, "raw {retained}{} {json}", in_quotes(topic))
            }
            Self::Oversize { topic, bytes } => write!(f, "oversize {} {bytes}", in_quotes(topic)),
            Self::Wait => f.write_str("wait"),
            Self::World(act) => act.fmt(f),
        }
    }
}

fn device_act(f: &mut fmt::Formatter<'_>, device: &str, what: Happening) -> fmt::Result {
    let verb = match what {
        Happening::Pressed(click) => {
            let click = match click {
                Click::Single => "",
                Click::Double => " double",
                Click::Long => " long",
            };
            return write!(f, "press {device}{click}");
        }
        Happening::BatteryAt(percent) => return write!(f, "battery {device} {percent}"),
        Happening::Released => "release",
        Happening::Moved => "motion",
        Happening::Still => "still",
        Happening::Opened => "open",
        Happening::Closed => "close",
        Happening::LainDown => "lie down on",
        Happening::GotUp => "get up from",
        Happening::Fell => "fall",
        Happening::MayHaveFallen => "maybe fall",
        Happening::Recovered => "recover",
        Happening::Alarmed => "alarm",
        Happening::Cleared => "clear",
        Happening::Tampered => "tamper",
        Happening::Untampered => "untamper",
        Happening::Beat => "beat",
        Happening::BatteryDied => "die",
    };
    write!(f, "{verb} {device}")
}

fn visit(f: &mut fmt::Formatter<'_>, way: &str, note: &VisitNote) -> fmt::Result {
    write!(f, "check {way} {}", name(&note.caregiver))?;
    let method = match note.method {
        Method::Card => "card",
        Method::Phone => "phone",
        Method::Code => "code",
    };
    write!(f, " by {method}")?;
    if let Some(code) = &note.code {
        write!(f, " {code}")?;
    }
    match &note.place {
        None => {}
        Some(Place::Home) => f.write_str(" at home")?,
        Some(Place::North { metres }) => write!(f, " at {metres}m")?,
        Some(Place::Point { lat_e7, lon_e7, datum }) => {
            write!(f, " at {},{}", degrees(*lat_e7), degrees(*lon_e7))?;
            match datum {
                None => {}
                Some(Datum::Wgs84) => f.write_str(" wgs84")?,
                Some(Datum::Gcj02) => f.write_str(" gcj02")?,
                Some(Datum::Bd09) => f.write_str(" bd09")?,
            }
        }
    }
    if let Some(service) = &note.service {
        write!(f, " for {}", name(service))?;
    }
    if let Some(outcome) = &note.outcome {
        write!(f, " outcome {}", in_quotes(outcome))?;
    }
    Ok(())
}

fn degrees(e7: i32) -> String {
    let sign = if e7 < 0 { "-" } else { "" };
    let e7 = e7.unsigned_abs();
    format!("{sign}{}.{:07}", e7 / 10_000_000, e7 % 10_000_000)
}

impl Power {
    fn word(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Up => "up",
            Self::Restart => "restarts",
            Self::Kill => "killed",
        }
    }

    fn of(self, program: &str) -> String {
        match self {
            Self::Down | Self::Up => format!("{program} {}", self.word()),
            Self::Restart => format!("restart {program}"),
            Self::Kill => format!("kill {program}"),
        }
    }
}

impl fmt::Display for WorldAct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Centre(power) => f.write_str(&power.of("centre")),
            Self::Gateway(power) => f.write_str(&power.of("gateway")),
            Self::MainsPower(on) => write!(f, "power {}", if *on { "back" } else { "cut" }),
            Self::Link(up) => write!(f, "link {}", if *up { "up" } else { "down" }),
            Self::DiskFull(full) => write!(f, "disk {}", if *full { "full" } else { "free" }),
            Self::ClockJumps { secs } => write!(f, "clock jumps {}", jump(*secs)),
            Self::ClockTrusted(trusted) => write!(f, "clock {}", if *trusted { "trusted" } else { "untrusted" }),
            Self::Test(device) => write!(f, "test {}", name(device)),
            Self::Operator { who, order, deed } => {
                write!(f, "{} ", written(who, VERBS))?;
                match deed {
                    Deed::Claims => f.write_str("claims")?,
                    Deed::Releases => f.write_str("releases")?,
                    Deed::Withdraws => f.write_str("withdraws")?,
                    Deed::Confirms => f.write_str("confirms")?,
                    Deed::Dispatches(responder) => write!(f, "dispatches {}", in_quotes(responder))?,
                    Deed::Notes(note) => write!(f, "notes {}", in_quotes(note))?,
                    Deed::Closes { code, outcome } => {
                        write!(f, "closes {}", name(code))?;
                        if let Some(outcome) = outcome {
                            write!(f, " outcome {}", name(outcome))?;
                        }
                    }
                }
                match order {
                    None => Ok(()),
                    Some(class) => {
                        let word = ORDERS.iter().find(|(_, order)| order == class).map_or("", |(word, _)| word);
                        write!(f, " the {word} order")
                    }
                }
            }
        }
    }
}

fn jump(secs: i64) -> String {
    let sign = if secs < 0 { "-" } else { "+" };
    let span = secs.unsigned_abs();
    let units = [("y", 31_557_600), ("d", 86_400), ("h", 3600), ("m", 60)];
    match units.iter().find(|(_, size)| span > 0 && span.is_multiple_of(*size)) {
        Some((unit, size)) => format!("{sign}{}{unit}", span / size),
        None => format!("{sign}{span}s"),
    }
}
