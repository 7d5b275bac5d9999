//! A device's flat JSON object, read once and borrowed from the payload.
//!
//! Nested values are skipped: no ecosystem here says anything about a person in them.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Rejection;

/// Longest payload of a device or visit message, bytes.
pub const PAYLOAD_BYTES_MAX: usize = 64 * 1024;

/// One value of a flat object.
#[derive(Clone, PartialEq)]
pub(super) enum Scalar<'a> {
    Null,
    Bool(bool),
    Number(f64),
    Text(Cow<'a, str>),
    Nested,
}

impl Scalar<'_> {
    /// The value as a rule writes it: `true`, `3`, `2.5`, `open`; nothing for null and nested values.
    pub(super) fn word(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Null | Self::Nested => None,
            Self::Bool(true) => Some("true".into()),
            Self::Bool(false) => Some("false".into()),
            Self::Number(number) => Some(number.to_string().into()),
            Self::Text(text) => Some(text.as_ref().into()),
        }
    }

    /// A text payload that stands for a JSON scalar, as attribute topics carry it.
    pub(super) fn from_text(text: &str) -> Scalar<'_> {
        match text {
            "true" => Scalar::Bool(true),
            "false" => Scalar::Bool(false),
            "null" => Scalar::Null,
            _ => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Scalar::Number(number),
                Ok(_) | Err(_) => Scalar::Text(text.into()),
            },
        }
    }
}

/// The entries of an object, in the order of the payload.
pub(super) struct Flat<'a>(pub(super) Vec<(Cow<'a, str>, Scalar<'a>)>);

impl<'a> Flat<'a> {
    /// Reads an object.
    pub(super) fn parse(payload: &'a [u8]) -> Result<Self, Rejection> {
        let text = text(payload)?;
        serde_json::from_str(text)
            .map_err(|e| if e.is_data() { Rejection::UnexpectedShape } else { Rejection::NotJson })
    }

    /// The first value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Scalar<'a>> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }
}

/// The payload as text, within the limit and not empty.
pub(super) fn text(payload: &[u8]) -> Result<&str, Rejection> {
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(Rejection::TooLarge);
    }
    let text = std::str::from_utf8(payload).map_err(|_| Rejection::NotUtf8)?;
    if text.trim().is_empty() { Err(Rejection::Empty) } else { Ok(text) }
}

impl<'de> Deserialize<'de> for Flat<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Flat<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::with_capacity(16);
                while let Some(Name(name)) = map.next_key()? {
                    entries.push((name, map.next_value()?));
                }
                Ok(Flat(entries))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Scalar<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Scalar::Null)
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
                Ok(Scalar::Bool(value))
            }

            #[expect(clippy::cast_precision_loss, reason = "readings are small; a larger number says nothing here")]
            fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
                Ok(Scalar::Number(value as f64))
            }

            #[expect(clippy::cast_precision_loss, reason = "readings are small; a larger number says nothing here")]
            fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
                Ok(Scalar::Number(value as f64))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
                Ok(Scalar::Number(value))
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Scalar::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Scalar::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar::Nested)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar::Nested)
            }
        }
        deserializer.deserialize_any(Any)
    }
}
