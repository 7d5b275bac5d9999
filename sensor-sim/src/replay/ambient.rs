//! The CSV of ambient sensors (home,local_time,sensor,name,kind,state), told by Zigbee2MQTT devices.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::civil::DateTime;

use super::{BadLine, Recorded, Recording, RecordingError};
use crate::bridge::RadioBridge;
use crate::device::{Device, Happening, Model};
use crate::scenario::why_no_name;

/// What a sensor of the recording is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SensorKind {
    Motion,
    Door,
    Pressure,
    /// A toilet's flush, or a thing with a contact on it: a drawer, a kettle, a tap.
    Thing,
}

struct Row {
    at: DateTime,
    line: usize,
    sensor: String,
    name: String,
    kind: SensorKind,
    on: bool,
}

pub(super) fn read(text: &str, home: Option<&str>, seed: u64) -> Result<Recording, RecordingError> {
    let mut homes: BTreeSet<String> = BTreeSet::new();
    let mut rows: Vec<(String, Row)> = Vec::new();
    let mut bad = Vec::new();
    for (index, line) in text.lines().enumerate().skip(1) {
        let number = index + 1;
        if line.trim().is_empty() {
            continue;
        }
        match row(line, number) {
            Ok((name, row)) => {
                homes.insert(name.clone());
                rows.push((name, row));
            }
            Err(why) => bad.push(BadLine { line: number, why }),
        }
    }
    let all = || homes.iter().cloned().collect();
    let home = match home {
        Some(home) if homes.contains(home) => home.to_owned(),
        Some(home) => return Err(RecordingError::NoSuchHome { home: home.to_owned(), homes: all() }),
        None if homes.len() > 1 => return Err(RecordingError::SeveralHomes { homes: all() }),
        None => homes.iter().next().cloned().unwrap_or_default(),
    };
    let rows: Vec<Row> = rows.into_iter().filter(|(name, _)| *name == home).map(|(_, row)| row).collect();
    Ok(tell(&rows, bad, seed))
}

fn tell(rows: &[Row], mut bad: Vec<BadLine>, seed: u64) -> Recording {
    let names = names(rows);
    let devices = names.values().map(|(name, kind)| {
        let model = match kind {
            SensorKind::Motion => Model::Motion,
            SensorKind::Door | SensorKind::Thing => Model::Contact,
            SensorKind::Pressure => Model::BedPad,
        };
        Device::new(name.clone(), model, None, seed)
    });
    let mut bridge = RadioBridge::new(devices);
    let announced = bridge.start();
    let starts_at = rows.iter().map(|row| row.at).min();
    let mut messages = Vec::new();
    for row in rows {
        let (Some(start), Some((name, kind))) = (starts_at, names.get(&row.sensor)) else { continue };
        if *kind != row.kind {
            let why = format!("sensor {} changes its kind", row.sensor);
            bad.push(BadLine { line: row.line, why });
            continue;
        }
        let what = match (kind, row.on) {
            (SensorKind::Motion, true) => Happening::Moved,
            (SensorKind::Motion, false) => Happening::Still,
            (SensorKind::Door | SensorKind::Thing, true) => Happening::Opened,
            (SensorKind::Door | SensorKind::Thing, false) => Happening::Closed,
            (SensorKind::Pressure, true) => Happening::LainDown,
            (SensorKind::Pressure, false) => Happening::GotUp,
        };
        let at = Duration::try_from(row.at.duration_since(start)).unwrap_or_default();
        messages.extend(bridge.happen(name, what).into_iter().map(|publication| Recorded { at, publication }));
    }
    bad.sort_by_key(|bad| bad.line);
    Recording { starts_at, announced, messages, bad, reordered: 0 }
}

/// A friendly name for each sensor: its own where it can be one and is not taken, else with the sensor's id.
fn names(rows: &[Row]) -> BTreeMap<String, (String, SensorKind)> {
    let mut names: BTreeMap<String, (String, SensorKind)> = BTreeMap::new();
    let mut taken = BTreeSet::new();
    for row in rows {
        if names.contains_key(&row.sensor) {
            continue;
        }
        let clean: String =
            row.name.chars().map(|c| if matches!(c, '+' | '#') || c.is_control() { ' ' } else { c }).collect();
        let clean = clean.trim_matches(|c: char| c == '/' || c.is_whitespace()).to_owned();
        let usable = why_no_name(&clean).is_none() && !taken.contains(&clean);
        let name = if usable { clean } else { format!("{clean} {}", row.sensor).trim().to_owned() };
        taken.insert(name.clone());
        names.insert(row.sensor.clone(), (name, row.kind));
    }
    names
}

fn row(line: &str, number: usize) -> Result<(String, Row), String> {
    let fields = fields(line)?;
    let [home, time, sensor, name, kind, state] = fields.as_slice() else {
        return Err(format!("{} fields instead of 6", fields.len()));
    };
    let at: DateTime = time.parse().map_err(|_| format!("`{time}` is no local time such as 2008-02-25T00:20:14"))?;
    let kind = match kind.as_str() {
        "motion" => SensorKind::Motion,
        "door" => SensorKind::Door,
        "pressure" => SensorKind::Pressure,
        "flush" | "item" => SensorKind::Thing,
        other => return Err(format!("`{other}` is none of motion, door, pressure, flush, item")),
    };
    let on = match state.as_str() {
        "ON" => true,
        "OFF" => false,
        other => return Err(format!("`{other}` is neither ON nor OFF")),
    };
    if home.is_empty() || sensor.is_empty() {
        return Err("home and sensor must not be empty".into());
    }
    let row = Row { at, line: number, sensor: sensor.clone(), name: name.clone(), kind, on };
    Ok((home.clone(), row))
}

/// Cuts a CSV line; a field in quotes may hold commas, and a doubled quote is one.
fn fields(line: &str) -> Result<Vec<String>, String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        let last = fields.len() - 1;
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                fields[last].push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => fields[last].push(other),
        }
    }
    if quoted { Err("a quote is opened and not closed".into()) } else { Ok(fields) }
}
