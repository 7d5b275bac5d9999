//! `[contacts]`: who is told when the centre is not reached, and how.

use std::path::PathBuf;

use protocol::settings::{Reading, Table};
use reqwest::Method;
use reqwest::header::HeaderMap;

use crate::contacts::http::{Escape, HttpSettings, header};
use crate::contacts::modem::ModemSettings;
use crate::contacts::{ContactSettings, TEXT};
use crate::home::contacts::{CONTACTS_MAX, ContactRules};

/// The key of the home's own wait for the centre.
const CENTRE_WAIT: &str = "rules.centre_wait_secs";

/// How long a press waits for the centre before the elder is told to call 120.
pub(super) struct CentreWait {
    pub(super) ms: u64,
    /// Where it is written; none where it is the default.
    pub(super) line: Option<usize>,
}

pub(super) fn read<'t>(
    reading: &mut Reading,
    root: &mut Table<'t>,
    centre_wait: &CentreWait,
    rules: &mut ContactRules,
) -> ContactSettings {
    let mut table = root.table(reading, "contacts");
    rules.wait_ms = table.number(reading, "wait_secs", 30..=300, 60) * 1_000;
    if centre_wait.ms >= rules.wait_ms {
        let (ours, theirs) = (centre_wait.ms / 1_000, rules.wait_ms / 1_000);
        let (line, key, problem) = match centre_wait.line {
            Some(line) => {
                (line, CENTRE_WAIT.to_owned(), format!("{ours} must be less than `contacts.wait_secs`, {theirs}"))
            }
            None => {
                let problem = format!("{theirs} must be more than `{CENTRE_WAIT}`, {ours}");
                (table.line_of("wait_secs"), table.key("wait_secs"), problem)
            }
        };
        reading.note(line, &key, format!("{problem}: the elder is told to call 120 before siren and contacts"));
    }
    rules.attempts_max = table.number(reading, "attempts_max", 1..=10, 5) as u8;
    let line = table.line_of("numbers");
    let key = table.key("numbers");
    let numbers = table.texts(reading, "numbers").unwrap_or_default();
    if numbers.len() > usize::from(CONTACTS_MAX) {
        reading.note(line, &key, format!("{} numbers; at most {CONTACTS_MAX} contacts are told", numbers.len()));
    }
    for (at, _) in numbers.iter().enumerate().filter(|(_, number)| !is_number(number)) {
        // The number itself is nobody's business, not even in an error.
        reading.note(line, &key, format!("number {} is not written as +8613800138000 or 13800138000", at + 1));
    }
    let text = table.text(reading, "text").unwrap_or_else(|| TEXT.to_owned());
    let (mut http, mut modem) = (None, None);
    if let Some(mut table) = table.optional_table(reading, "http") {
        http = http_settings(reading, &mut table);
        table.finish(reading);
    }
    if let Some(mut table) = table.optional_table(reading, "modem") {
        modem = Some(ModemSettings {
            device: PathBuf::from(table.required_text(reading, "device")),
            baud: table.number(reading, "baud", 1_200..=921_600, 115_200) as u32,
            pin: table.text(reading, "pin"),
        });
        table.finish(reading);
    }
    let no_way = http.is_none() && modem.is_none();
    if no_way != numbers.is_empty() {
        reading.note(table.line(), &key, "numbers need [contacts.http] or [contacts.modem], and these need numbers");
    }
    table.finish(reading);
    rules.contacts = if no_way { 0 } else { numbers.len().min(usize::from(CONTACTS_MAX)) as u8 };
    ContactSettings { numbers, text, http, modem }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (3..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn http_settings<'t>(reading: &mut Reading, table: &mut Table<'t>) -> Option<HttpSettings> {
    let (line, key) = (table.line_of("url"), table.key("url"));
    let url = table.required_text(reading, "url");
    let filled = url.replace(['{', '}'], "x");
    if !url.is_empty() && reqwest::Url::parse(&filled).is_err() {
        reading.note(line, &key, "is not an address; write https://… with {number} and {text} where they belong");
    }
    let methods = [("POST", Method::POST), ("GET", Method::GET), ("PUT", Method::PUT)];
    let parse = |text: &str| {
        let found = methods.iter().find(|(word, _)| *word == text).map(|(_, method)| method.clone());
        found.ok_or("is not POST, GET or PUT")
    };
    let method = table.parsed(reading, "method", parse).unwrap_or(Method::POST);
    let (line, key) = (table.line_of("headers"), table.key("headers"));
    let mut headers = HeaderMap::new();
    for text in table.texts(reading, "headers").unwrap_or_default() {
        match header(&text) {
            Ok((name, value)) => drop(headers.append(name, value)),
            Err(problem) => reading.note(line, &key, problem),
        }
    }
    let body = table.text(reading, "body").unwrap_or_default();
    let escape = table.choice(reading, "escape", &[("json", Escape::Json), ("form", Escape::Form)]);
    let success = table.text(reading, "success");
    for wanted in ["{number}", "{text}"].iter().filter(|wanted| !url.contains(**wanted) && !body.contains(**wanted)) {
        reading.note(table.line(), &table.key("body"), format!("neither url nor body has {wanted} in it"));
    }
    (!url.is_empty()).then_some(HttpSettings {
        url,
        method,
        headers,
        body,
        escape: escape.unwrap_or(Escape::Json),
        success,
    })
}
