//! Topic patterns with `+` and `#`, as MQTT 3.1.1 has them.

use std::fmt;

/// A topic filter: `+` stands for one level, a last `#` for any number of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopicPattern(String);

/// Says why a text is not a topic pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a topic pattern: `+` stands for a whole level, `#` for the last ones, and it must not be empty")]
pub struct InvalidPattern(String);

impl TopicPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Names the text that is not one.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let levels: Vec<&str> = text.split('/').collect();
        let last = levels.len() - 1;
        let valid = !text.is_empty()
            && !text.contains('\0')
            && levels.iter().enumerate().all(|(i, level)| match *level {
                "+" => true,
                "#" => i == last,
                level => !level.contains(['+', '#']),
            });
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidPattern(text.chars().take(80).collect())) }
    }

    /// A pattern that stands for one topic, whatever is in its name.
    pub(super) fn exact(levels: &[&str]) -> Self {
        Self(levels.join("/").replace(['+', '#', '\0'], "_"))
    }

    /// Whether a topic fits.
    pub fn matches(&self, topic: &str) -> bool {
        let mut levels = topic.split('/');
        for wanted in self.0.split('/') {
            match wanted {
                "#" => return true,
                "+" if levels.next().is_some() => {}
                wanted if wanted != "+" && levels.next() == Some(wanted) => {}
                _ => return false,
            }
        }
        levels.next().is_none()
    }
}

impl fmt::Display for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
