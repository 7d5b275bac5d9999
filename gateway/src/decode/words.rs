//! What a device's words mean: enum values and gestures, matched as whole words whatever the endpoint affix.

use protocol::observation::{Kind, Reading};

/// The words of a name or value, without the numbers that name endpoints.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> + Clone {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty() && !word.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether any whole word of a text, in any case, is one of these.
pub(super) fn has_word(text: &str, any_of: &[&str]) -> bool {
    words(text).any(|word| any_of.iter().any(|known| word.eq_ignore_ascii_case(known)))
}

const SILENT: &[&str] = &[
    "unknown",
    "test",
    "testing",
    "fault",
    "error",
    "failed",
    "mute",
    "muted",
    "silence",
    "silenced",
    "hushed",
    "learning",
    "initializing",
    "detecting",
    "preheating",
    "away",
];
const CLEAR: &[&str] = &[
    "none",
    "no",
    "not",
    "off",
    "normal",
    "clear",
    "cleared",
    "canceled",
    "cancelled",
    "idle",
    "absent",
    "absence",
    "unoccupied",
    "vacant",
    "empty",
    "nobody",
    "inactive",
    "false",
    "safe",
    "ok",
    "dry",
    "leave",
    "released",
    "standby",
];
const STILL: &[&str] = &["static", "still", "stationary", "peaceful", "presence", "present"];

/// What a word says of a kind; nothing where the word is about the device itself.
pub(super) fn said(kind: Kind, word: &str) -> Option<Reading> {
    match word.trim() {
        "" => return None,
        "0" => return Some(Reading::Clear),
        _ => {}
    }
    if has_word(word, SILENT) {
        None
    } else if has_word(word, CLEAR) || (kind == Kind::Motion && has_word(word, STILL)) {
        Some(Reading::Clear)
    } else {
        Some(Reading::Active)
    }
}

/// What a word says of a contact.
pub(super) fn contact_said(word: &str) -> Option<Reading> {
    if has_word(word, &["closed", "close", "shut"]) {
        Some(Reading::Closed)
    } else if has_word(word, &["open", "opened", "tilted", "tilt", "ajar"]) {
        Some(Reading::Open)
    } else {
        None
    }
}

/// What a battery's own words say.
pub(super) fn battery_said(word: &str) -> Option<Reading> {
    if has_word(word, &["low", "critical", "empty", "replace"]) {
        Some(Reading::Low)
    } else if has_word(word, &["medium", "middle", "mid", "high", "full", "normal", "ok", "good", "usb"]) {
        Some(Reading::Normal)
    } else {
        None
    }
}

/// What a gesture is, before the device's role is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gesture {
    /// The end of a gesture, or none at all.
    Clear,
    /// It says emergency in so many words.
    Sos,
    /// Something fell: a person or a cube.
    Fall,
    /// A command to an alarm panel.
    Panel,
    /// Any other press, turn or shake.
    Other,
}

/// Reads the value of an `action` key.
pub(super) fn gesture(action: &str) -> Gesture {
    let action = action.trim();
    if action.is_empty() || matches!(action, "none" | "null" | "identify") {
        Gesture::Clear
    } else if has_word(action, &["sos", "emergency", "panic"]) {
        Gesture::Sos
    } else if has_word(action, &["fall", "fallen", "falling"]) {
        Gesture::Fall
    } else if has_word(action, &["arm", "disarm", "exit", "lock", "unlock"]) {
        Gesture::Panel
    } else {
        Gesture::Other
    }
}

/// Each kind in Chinese and English.
const KIND_WORDS: &[(Kind, &str, &str)] = &[
    (Kind::Sos, "紧急求助", "an emergency call"),
    (Kind::Assistance, "生活求助或报平安", "a call for life help, or \"I'm fine\""),
    (Kind::Fall, "跌倒", "a fall"),
    (Kind::FallWarning, "疑似跌倒", "perhaps a fall"),
    (Kind::Motion, "活动", "motion"),
    (Kind::Presence, "有人", "presence"),
    (Kind::Contact, "门窗", "a door or window"),
    (Kind::Bed, "在床", "a bed"),
    (Kind::Water, "漏水", "water"),
    (Kind::Smoke, "烟雾", "smoke"),
    (Kind::Gas, "燃气", "gas"),
    (Kind::Co, "一氧化碳", "carbon monoxide"),
    (Kind::Vibration, "震动", "vibration"),
    (Kind::Tamper, "防拆", "tamper"),
    (Kind::Battery, "电池", "the battery"),
    (Kind::Link, "信号", "the link"),
    (Kind::Availability, "在线", "availability"),
    (Kind::Visit, "签到", "a visit"),
    (Kind::Mains, "市电", "the mains"),
];

/// A kind in Chinese and English, for people.
pub fn kind_words(kind: Kind) -> (&'static str, &'static str) {
    let found = KIND_WORDS.iter().find(|(known, _, _)| *known == kind);
    found.map_or(("其他", "something else"), |(_, zh, en)| (zh, en))
}

/// A reading in Chinese and English, for people.
pub fn reading_words(reading: &Reading) -> (String, String) {
    let (zh, en) = match reading {
        Reading::Active => ("是", "yes"),
        Reading::Clear => ("否", "no"),
        Reading::Open => ("开", "open"),
        Reading::Closed => ("关", "closed"),
        Reading::Percent(percent) => return (format!("{percent}%"), format!("{percent} %")),
        Reading::Low => ("低", "low"),
        Reading::Normal => ("正常", "normal"),
        Reading::Upright => ("站着", "upright"),
        Reading::Online => ("在线", "online"),
        Reading::Offline => ("离线", "offline"),
        Reading::Level(level) => return (level.to_string(), level.to_string()),
    };
    (zh.to_owned(), en.to_owned())
}
