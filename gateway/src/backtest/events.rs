//! Recorded days: the CSV of ambient sensors, or a journal's own dump.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use protocol::observation::{Kind, Reading};
use protocol::record::{Body, Cancelled, Record, SaidFine, Trigger};
use protocol::trigger::{Reason, TriggerKind};
use protocol::visit::VisitRecord;

use super::replay::PATIENCE_MS;
use crate::home::local_time::LocalTime;

/// Why a recording cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// The file is still packed.
    #[error("the recording is compressed; unpack it first, as in `xzcat FILE | gateway backtest --events -`")]
    Compressed,
    /// Not text.
    #[error("the recording is not UTF-8 text")]
    NotText,
    /// A line that does not fit.
    #[error("line {line}: {why}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// Nothing in it.
    #[error("the recording holds no event of a sensor; expected home,local_time,sensor,name,kind,state")]
    Empty,
}

/// A device of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDevice {
    /// Its name, unique in the home.
    pub name: String,
    /// What the recording calls it: motion, door, pressure, flush, item, or the product's own kind.
    pub called: String,
    /// What its messages are about.
    pub kind: Kind,
}

/// One message of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEvent {
    /// Unix milliseconds.
    pub wall_ms: i64,
    /// Index of its device.
    pub device: usize,
    /// Whether it says on, open, active.
    pub on: bool,
}

/// What people did in a home, of which only its own journal knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// The elder pressed this button, whatever for.
    Pressed(String),
    /// A caregiver came or went.
    Visit(VisitRecord),
}

/// The recorded days of one home, in order of time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HomeLog {
    /// Its name.
    pub home: String,
    /// Its devices.
    pub devices: Vec<LogDevice>,
    /// What they said.
    pub events: Vec<LogEvent>,
    /// What people did, Unix milliseconds.
    pub acts: Vec<(i64, Act)>,
    /// What was left out of the recording and why, a line each.
    pub left_out: Vec<String>,
}

impl HomeLog {
    /// Calendar days that it touches.
    pub fn days(&self, utc_offset_minutes: i32) -> i64 {
        let day = |event: &LogEvent| LocalTime::of_wall(event.wall_ms, utc_offset_minutes).day;
        match (self.events.first(), self.events.last()) {
            (Some(first), Some(last)) => day(last) - day(first) + 1,
            _ => 0,
        }
    }

    /// Unix milliseconds at which the counting begins: midnight after `learning_days` calendar days.
    pub fn counts_from_ms(&self, learning_days: i64, utc_offset_minutes: i32) -> i64 {
        let first = self.events.first().map_or(0, |event| event.wall_ms);
        let day = LocalTime::of_wall(first, utc_offset_minutes).day + learning_days;
        day * 86_400_000 - i64::from(utc_offset_minutes) * 60_000
    }

    /// Keeps the longest stretch without a silence of over [`PATIENCE_MS`]: days of which nothing is known would make
    /// any rate of calls small.
    fn keep_longest_stretch(&mut self) {
        let mut stretches = self.events.chunk_by(|a, b| b.wall_ms - a.wall_ms <= PATIENCE_MS);
        let length = |stretch: &&[LogEvent]| match stretch {
            [first, .., last] => last.wall_ms - first.wall_ms,
            _ => 0,
        };
        let longest = stretches.by_ref().max_by_key(length).map(<[LogEvent]>::to_vec).unwrap_or_default();
        let left_out = self.events.len() - longest.len();
        if left_out > 0 {
            self.left_out.push(format!("{left_out} events before or after a silence of over two weeks"));
        }
        self.events = longest;
        if let (Some(first), Some(last)) = (self.events.first(), self.events.last()) {
            self.acts.retain(|(wall_ms, _)| (first.wall_ms..=last.wall_ms).contains(wall_ms));
        }
    }
}

pub(super) fn read(bytes: &[u8], utc_offset_minutes: i32) -> Result<Vec<HomeLog>, EventsError> {
    if bytes.starts_with(b"\xfd7zXZ") || bytes.starts_with(b"\x1f\x8b") || bytes.starts_with(b"\x28\xb5\x2f\xfd") {
        return Err(EventsError::Compressed);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| EventsError::NotText)?;
    let mut homes = Homes::default();
    if text.trim_start().starts_with('{') {
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let record = serde_json::from_str::<Record>(line)
                .map_err(|error| EventsError::Line { line: index + 1, why: format!("no journal record: {error}") })?;
            homes.record(&record);
        }
    } else {
        for (index, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty()) {
            homes.row(line, utc_offset_minutes).map_err(|why| EventsError::Line { line: index + 1, why })?;
        }
    }
    let mut logs: Vec<HomeLog> = homes.logs.into_values().map(|(log, _)| log).collect();
    for log in &mut logs {
        log.events.sort_by_key(|event| event.wall_ms);
        log.acts.sort_by_key(|(wall_ms, _)| *wall_ms);
        log.keep_longest_stretch();
    }
    logs.retain(|log| !log.events.is_empty());
    if logs.is_empty() { Err(EventsError::Empty) } else { Ok(logs) }
}

#[derive(Default)]
struct Homes {
    /// With the index of each device by what identifies it.
    logs: BTreeMap<String, (HomeLog, BTreeMap<String, usize>)>,
}

impl Homes {
    fn of(&mut self, home: &str) -> &mut (HomeLog, BTreeMap<String, usize>) {
        let fresh = || HomeLog { home: home.to_owned(), ..HomeLog::default() };
        self.logs.entry(home.to_owned()).or_insert_with(|| (fresh(), BTreeMap::new()))
    }

    fn push(&mut self, home: &str, id: &str, device: impl FnOnce(&[LogDevice]) -> LogDevice, wall_ms: i64, on: bool) {
        let (log, ids) = self.of(home);
        let device = *ids.entry(id.to_owned()).or_insert_with(|| {
            let device = device(&log.devices);
            log.devices.push(device);
            log.devices.len() - 1
        });
        log.events.push(LogEvent { wall_ms, device, on });
    }

    /// A journal is of one home; what it knows without a trusted clock has no hour.
    fn record(&mut self, record: &Record) {
        if let Some(act) = act(&record.body).filter(|_| record.at.wall_trusted) {
            self.of("journal").0.acts.push((record.at.wall_ms, act));
        }
        let Body::Observed(observed) = &record.body else { return };
        let on = match observed.value {
            Reading::Active | Reading::Open => true,
            Reading::Clear | Reading::Closed => false,
            Reading::Percent(_)
            | Reading::Low
            | Reading::Normal
            | Reading::Online
            | Reading::Offline
            | Reading::Level(_)
            | Reading::Upright => return,
        };
        if !record.at.wall_trusted {
            return;
        }
        let device = |_: &[LogDevice]| LogDevice {
            name: observed.device.clone(),
            called: format!("{:?}", observed.kind).to_lowercase(),
            kind: observed.kind,
        };
        self.push("journal", &format!("{}.{}", observed.device, observed.key), device, record.at.wall_ms, on);
    }

    fn row(&mut self, line: &str, utc_offset_minutes: i32) -> Result<(), String> {
        let fields = fields(line)?;
        let [home, time, sensor, name, called, state] = fields.as_slice() else {
            return Err(format!("{} fields instead of 6: home,local_time,sensor,name,kind,state", fields.len()));
        };
        let wall_ms = wall_ms(time, utc_offset_minutes)?;
        let kind = match called.as_str() {
            "motion" => Kind::Motion,
            "door" | "contact" | "flush" | "item" => Kind::Contact,
            "pressure" | "bed" => Kind::Bed,
            "presence" => Kind::Presence,
            other => return Err(format!("`{other}` is none of motion, door, pressure, flush, item")),
        };
        let on = match state.to_uppercase().as_str() {
            "ON" | "OPEN" => true,
            "OFF" | "CLOSE" | "CLOSED" => false,
            other => return Err(format!("`{other}` is neither ON nor OFF")),
        };
        let device = |known: &[LogDevice]| {
            let taken = name.trim().is_empty() || known.iter().any(|device| device.name == *name);
            let name = if taken { format!("{name} {sensor}").trim().to_owned() } else { name.clone() };
            LogDevice { name, called: called.clone(), kind }
        };
        self.push(home, sensor, device, wall_ms, on);
        Ok(())
    }
}

/// What a record of the home's own journal says that people did. The rest the rules conclude by themselves.
fn act(body: &Body) -> Option<Act> {
    match body {
        Body::Trigger(Trigger { kind: TriggerKind::Sos | TriggerKind::Assistance, device, test: false, .. })
        | Body::Cancelled(Cancelled { reason: Reason::ElderCancelled, device, .. })
        | Body::SaidFine(SaidFine { device }) => Some(Act::Pressed(device.clone())),
        Body::Visit(visit) => Some(Act::Visit(visit.clone())),
        Body::Started(_)
        | Body::Stopped
        | Body::Observed(_)
        | Body::Trigger(_)
        | Body::PreAlarm(_)
        | Body::Cancelled(_)
        | Body::Reassured(_)
        | Body::Resolved(_)
        | Body::Link { .. }
        | Body::Delivered(_)
        | Body::DeviceListed(_)
        | Body::Mains(_)
        | Body::Restored(_)
        | Body::Tested(_)
        | Body::Played(_)
        | Body::ContactsCalled(_)
        | Body::ContactTold(_)
        | Body::Concluded(_)
        | Body::SegmentRetired(_)
        | Body::Missing(_) => None,
    }
}

/// Unix milliseconds of a local time.
pub(super) fn wall_ms(time: &str, utc_offset_minutes: i32) -> Result<i64, String> {
    let wrong = || format!("`{time}` is no local time such as 2008-02-25T00:20:14");
    // Jiff reads past an offset, and the moment would be another one.
    if time.get(10..).is_some_and(|clock| clock.contains(['+', '-'])) {
        return Err(wrong());
    }
    let local: DateTime = time.parse().map_err(|_| wrong())?;
    let seconds = local.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0)).as_secs();
    Ok(seconds * 1_000 - i64::from(utc_offset_minutes) * 60_000)
}

/// Rows of four fields, each with the number of its line, from 1; `head` says what the fields are.
pub(super) fn rows(text: &str, head: &str) -> impl Iterator<Item = Result<(usize, [String; 4]), EventsError>> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(move |(index, line)| {
        let bad = |why| EventsError::Line { line: index + 1, why };
        let fields = <[String; 4]>::try_from(fields(line).map_err(bad)?);
        let fields = fields.map_err(|fields| bad(format!("{} fields instead of 4: {head}", fields.len())))?;
        Ok((index + 1, fields))
    })
}

/// Cuts a CSV line; a field in quotes may hold commas, and a doubled quote is one.
fn fields(line: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut letters = line.trim_end_matches('\r').chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            other => field.push(other),
        }
    }
    fields.push(field);
    if quoted { Err("a quote is opened and not closed".into()) } else { Ok(fields) }
}
