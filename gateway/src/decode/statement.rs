//! What one value of a key says, once it is known what the key means.

use protocol::observation::{Kind, Reading};

use super::scalar::Scalar;
use super::sense::{Literal, Sense};
use super::words::{battery_said, contact_said, has_word, said};

/// One thing that a value says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Statement {
    pub(super) kind: Kind,
    pub(super) reading: Reading,
    /// Said in passing: it only matters if the opposite was known.
    pub(super) in_passing: bool,
}

/// What a value says, at most four things at once.
pub(super) type Statements = [Option<Statement>; 4];

const NOTHING: Statements = [None, None, None, None];

fn states(kind: Kind, reading: Reading) -> Option<Statement> {
    Some(Statement { kind, reading, in_passing: false })
}

fn clears(kind: Kind) -> Option<Statement> {
    Some(Statement { kind, reading: Reading::Clear, in_passing: true })
}

/// Whoever was suspected to have fallen is seen upright; a sensor that only no longer says so has not seen that.
fn stands() -> Option<Statement> {
    Some(Statement { kind: Kind::FallWarning, reading: Reading::Upright, in_passing: true })
}

fn one(kind: Kind, reading: Option<Reading>) -> Statements {
    [reading.map(|reading| Statement { kind, reading, in_passing: false }), None, None, None]
}

impl Sense {
    /// What a value of the key says; a gesture is read by its device's role, not here.
    pub(super) fn read(&self, value: &Scalar) -> Statements {
        match self {
            Self::Flag { kind: Kind::Fall, on, off } => match side(value, on, off, Kind::Fall) {
                Some(Reading::Active) => one(Kind::Fall, Some(Reading::Active)),
                Some(_) => [states(Kind::Fall, Reading::Clear), clears(Kind::FallWarning), None, None],
                None => NOTHING,
            },
            Self::Flag { kind, on, off } => one(*kind, side(value, on, off, *kind)),
            Self::Contact { open, closed } => {
                let reading = if open.is(value) {
                    Some(Reading::Open)
                } else if closed.is(value) {
                    Some(Reading::Closed)
                } else {
                    value.word().and_then(|word| contact_said(&word))
                };
                one(Kind::Contact, reading)
            }
            Self::Words { kind } => one(*kind, value.word().and_then(|word| said(*kind, &word))),
            Self::ContactWords => one(Kind::Contact, value.word().and_then(|word| contact_said(&word))),
            Self::Above { kind } => match value {
                Scalar::Number(number) if *number > 0.0 => one(*kind, Some(Reading::Active)),
                Scalar::Number(_) => one(*kind, Some(Reading::Clear)),
                Scalar::Null | Scalar::Nested => NOTHING,
                Scalar::Bool(_) | Scalar::Text(_) => one(*kind, value.word().and_then(|word| said(*kind, &word))),
            },
            Self::BatteryPercent => one(Kind::Battery, percent(value)),
            Self::BatteryLow { low, normal } => {
                let reading = match side(value, low, normal, Kind::Battery) {
                    Some(Reading::Active) => Some(Reading::Low),
                    Some(_) => Some(Reading::Normal),
                    None => None,
                };
                one(Kind::Battery, reading)
            }
            Self::BatteryWords => one(Kind::Battery, value.word().and_then(|word| battery_said(&word))),
            Self::Fall => value.word().map_or(NOTHING, |word| fall(&word)),
            Self::Posture => value.word().map_or(NOTHING, |word| posture(&word)),
            Self::Action { .. } | Self::Setting => NOTHING,
        }
    }
}

fn side(value: &Scalar, on: &Literal, off: &Literal, kind: Kind) -> Option<Reading> {
    if on.is(value) {
        Some(Reading::Active)
    } else if off.is(value) {
        Some(Reading::Clear)
    } else {
        // Some converters publish another type than the one they list.
        value.word().and_then(|word| said(kind, &word))
    }
}

fn percent(value: &Scalar) -> Option<Reading> {
    match value {
        // Some firmware counts in half per cents, and its bridge passes up to 200 on.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
        Scalar::Number(number) if (0.0..=200.0).contains(number) => {
            Some(Reading::Percent(number.round().min(100.0) as u8))
        }
        Scalar::Number(_) | Scalar::Bool(_) | Scalar::Null | Scalar::Nested => None,
        Scalar::Text(text) => battery_said(text),
    }
}

fn fall(word: &str) -> Statements {
    const MAYBE: &[&str] = &["maybe", "warning", "suspected", "suspect", "possible", "low"];
    match said(Kind::Fall, word) {
        None => NOTHING,
        Some(Reading::Active) if has_word(word, MAYBE) => {
            [states(Kind::FallWarning, Reading::Active), clears(Kind::Fall), None, None]
        }
        Some(Reading::Active) => one(Kind::Fall, Some(Reading::Active)),
        Some(_) => [states(Kind::Fall, Reading::Clear), clears(Kind::FallWarning), None, None],
    }
}

fn posture(word: &str) -> Statements {
    let present = states(Kind::Presence, Reading::Active);
    if has_word(word, &["falling", "fallen", "fall"]) {
        [states(Kind::Fall, Reading::Active), present, clears(Kind::Bed), None]
    } else if has_word(word, &["posture", "squatting", "floor", "crouching"]) {
        [states(Kind::FallWarning, Reading::Active), present, clears(Kind::Fall), clears(Kind::Bed)]
    } else if has_word(word, &["bed"]) {
        [states(Kind::Bed, Reading::Active), present, clears(Kind::Fall), clears(Kind::FallWarning)]
    } else if has_word(word, &["standing", "walking"]) {
        [present, clears(Kind::Bed), clears(Kind::Fall), stands()]
    } else if has_word(word, &["unoccupied", "none", "absent", "nobody"]) {
        let absent = states(Kind::Presence, Reading::Clear);
        [absent, clears(Kind::Bed), clears(Kind::Fall), clears(Kind::FallWarning)]
    } else if has_word(word, &["occupied", "sitting", "lying", "moving"]) {
        [present, clears(Kind::Bed), clears(Kind::Fall), clears(Kind::FallWarning)]
    } else {
        NOTHING
    }
}
