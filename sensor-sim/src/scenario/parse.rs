//! Reading a scenario: its sections, devices and times; every problem at once, each with its line.

use std::collections::BTreeSet;
use std::time::Duration;

use protocol::settings::Problem;

use super::act;
use super::words::{Word, cut};
use super::{DeviceKind, HomeDevice, Scenario, Step};

/// Steps that one scenario may have at most.
const STEPS_MAX: usize = 100_000;

#[derive(Clone, Copy, PartialEq)]
enum Section {
    Before,
    Home,
    Rules,
    Steps,
}

pub(super) fn parse(text: &str) -> Result<Scenario, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut home: Vec<HomeDevice> = Vec::new();
    let mut times = Times::default();
    let mut steps: Vec<Step> = Vec::new();
    let mut expect = None;
    let mut rules: Option<String> = None;
    let mut section = Section::Before;
    let mut seen = BTreeSet::new();
    let mut offset = 0;
    let lines = text.lines().count();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        offset += line.len();
        let number = index + 1;
        let mut note = |text: String| problems.push(Problem { line: number, key: String::new(), text });
        let heading = line.split('#').next().unwrap_or_default().trim_end();
        match heading {
            "home" | "rules" | "steps" | "expect" if !seen.insert(heading) => {
                note(format!("there is a second section `{heading}`; put all of it under the first"));
            }
            "home" => section = Section::Home,
            "rules" => {
                section = Section::Rules;
                rules = Some(String::new());
            }
            "steps" => section = Section::Steps,
            "expect" => {
                expect = text.get(offset..).map(str::to_owned);
                break;
            }
            _ if section == Section::Rules => rules.get_or_insert_default().push_str(line),
            _ => match cut(line) {
                Err(text) => note(text),
                Ok(words) if words.is_empty() => {}
                Ok(words) => match section {
                    Section::Rules => {}
                    Section::Before => note("begin with a line `home`, then the devices, then a line `steps`".into()),
                    Section::Home => match device(&words, &home) {
                        Ok(device) => home.push(device),
                        Err(text) => note(text),
                    },
                    Section::Steps if steps.len() >= STEPS_MAX => {
                        note(format!("more than {STEPS_MAX} steps; cut the scenario in two"));
                        break;
                    }
                    Section::Steps => match step(&words, &mut times, &home, number) {
                        Ok(step) => steps.push(step),
                        Err(text) => note(text),
                    },
                },
            },
        }
    }
    if problems.is_empty() && !seen.contains("steps") {
        let text = "there is no section `steps`; write a line `steps` and the steps below it".to_owned();
        problems.push(Problem { line: lines.max(1), key: String::new(), text });
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let starts_at = times.starts_at.unwrap_or(STARTS_AT);
    Ok(Scenario { home, rules, starts_at, steps, expect })
}

/// Start of a scenario whose first step gives no time of day.
const STARTS_AT: Duration = Duration::from_secs(8 * 3600);

fn device(words: &[Word], home: &[HomeDevice]) -> Result<HomeDevice, String> {
    let shape = "write `<kind> <name>` or `<kind> <name> in <room>`";
    let (kind, rest) = words.split_first().ok_or(shape)?;
    let known = DeviceKind::WORDS.iter().find(|(word, _)| *word == kind.text && !kind.quoted);
    let Some((_, kind)) = known else {
        let words: Vec<_> = DeviceKind::WORDS.iter().map(|(word, _)| *word).collect();
        return Err(format!("`{}` is no kind of device; use one of {}", kind.text, words.join(", ")));
    };
    let (name, room) = match rest {
        [name] => (name, None),
        [name, keyword, room] if keyword.text == "in" && !keyword.quoted => (name, Some(room.text.clone())),
        _ => return Err(format!("{shape}; names of several words stand in quotes")),
    };
    if let Some(why) = why_no_name(&name.text) {
        return Err(format!("`{}` cannot be a device's name: {why}", name.text));
    }
    if home.iter().any(|device| device.name == name.text) {
        return Err(format!("there is already a device named `{}`; give this one another name", name.text));
    }
    Ok(HomeDevice { kind: *kind, name: name.text.clone(), room })
}

/// Why a text cannot be a friendly name: it becomes part of an MQTT topic.
pub(crate) fn why_no_name(name: &str) -> Option<&'static str> {
    if name.trim() != name || name.is_empty() {
        Some("it is empty or has a space at an end")
    } else if name.contains(['+', '#']) || name.chars().any(char::is_control) {
        Some("`+`, `#` and control characters cannot stand in an MQTT topic")
    } else if name.starts_with('/') || name.ends_with('/') {
        Some("it begins or ends with `/`")
    } else if name == "bridge" || name.starts_with("bridge/") || name.len() > 200 {
        Some("`bridge` is Zigbee2MQTT's own, and 200 bytes are the limit")
    } else if ["/set", "/get", "/availability", "/action"].iter().any(|end| name.ends_with(end)) {
        Some("its end is one of Zigbee2MQTT's own topics")
    } else {
        None
    }
}

/// Where the steps stand in time.
#[derive(Default)]
struct Times {
    starts_at: Option<Duration>,
    last: Duration,
}

fn step(words: &[Word], times: &mut Times, home: &[HomeDevice], line: usize) -> Result<Step, String> {
    let (at, rest) = time(words, times)?;
    // Remembered even if the act is wrong, so that one mistake is told once.
    times.last = at;
    let act = act::read(rest, home)?;
    Ok(Step { at, line, act })
}

fn time<'w>(words: &'w [Word], times: &mut Times) -> Result<(Duration, &'w [Word]), String> {
    let shape = "a step begins with a time, `08:00:00`, or `+5s` after the step before it, or `day 2 08:00:00`";
    let (first, rest) = words.split_first().ok_or(shape)?;
    if first.text.starts_with('+') && !first.quoted {
        let later = span(first.text.get(1..).unwrap_or_default())?;
        times.starts_at.get_or_insert(STARTS_AT);
        let at = times.last.checked_add(later).ok_or("this is later than time can be counted")?;
        return Ok((at, rest));
    }
    let (day, clock, rest) = match (first.text.as_str(), rest) {
        ("day", [number, clock, rest @ ..]) => {
            let day: u64 = number.text.parse().ok().filter(|day| (1..=3660).contains(day)).ok_or_else(|| {
                format!("`{}` is no day; count from `day 1`, the day of the first step, to 3660", number.text)
            })?;
            (Some(day), clock, rest)
        }
        _ => (None, first, rest),
    };
    let clock = time_of_day(&clock.text).ok_or_else(|| format!("`{}` is no time: {shape}", clock.text))?;
    let start = *times.starts_at.get_or_insert(clock);
    let last_day = (start + times.last).as_secs() / 86_400;
    let day = day.map_or(last_day, |day| day - 1);
    let at = (Duration::from_secs(day * 86_400) + clock).checked_sub(start).filter(|at| *at >= times.last);
    let at = at.ok_or_else(|| {
        format!("this is earlier than the step before it; write `day {} …` for the day after", last_day + 2)
    })?;
    Ok((at, rest))
}

/// Reads `08:00`, `08:00:00` or `08:00:00.250`.
pub(crate) fn time_of_day(text: &str) -> Option<Duration> {
    let (clock, millis) = match text.split_once('.') {
        Some((clock, millis)) if millis.len() == 3 => (clock, digits(millis)?),
        Some(_) => return None,
        None => (text, 0),
    };
    let parts: Vec<&str> = clock.split(':').collect();
    let (hours, minutes, seconds) = match parts.as_slice() {
        [h, m] => (digits(h)?, digits(m)?, 0),
        [h, m, s] => (digits(h)?, digits(m)?, digits(s)?),
        _ => return None,
    };
    (hours < 24 && minutes < 60 && seconds < 60)
        .then(|| Duration::from_millis(((hours * 60 + minutes) * 60 + seconds) * 1000 + millis))
}

fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Reads a span: `0`, `250ms`, `5s`, `1h30m`.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no span of time; write 0, 250ms, 5s, 2m, 8h, 3d or 1h30m");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let numbers = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(numbers);
        let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let millis = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        total = number.checked_mul(millis).and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
        rest = tail;
    }
    // Ten years bound every sum that is made of it.
    if text.is_empty() || total > 3660 * 86_400_000 { Err(wrong()) } else { Ok(Duration::from_millis(total)) }
}
