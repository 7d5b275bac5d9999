//! Settings texts (TOML) read so that every problem is told at once, with its key and line.
//!
//! A reader takes keys one by one; what is left over is an unknown key. It reads no file.

use std::fmt;
use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One thing wrong with a settings text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// The key with the tables it stands in, such as `mqtt.port`; empty for a syntax error.
    pub key: String,
    /// What is wrong and what to do.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "line {}: {}", self.line, self.text)
        } else {
            write!(f, "line {}: {}: {}", self.line, self.key, self.text)
        }
    }
}

/// A settings text under reading: collects problems, gives out tables.
#[derive(Debug)]
pub struct Reading {
    /// Where each line ends, bytes: a text that is wrong everywhere asks for a line at every byte.
    line_ends: Vec<usize>,
    problems: Vec<Problem>,
}

/// One table of the text; every key is taken once, then [`Table::finish`] names the ones left over.
#[derive(Debug)]
pub struct Table<'t> {
    path: String,
    line: usize,
    entries: Vec<(String, usize, Option<Spanned<DeValue<'t>>>)>,
    asked: Vec<&'static str>,
}

impl Reading {
    /// Parses `text`; syntax errors become problems and the rest is still read.
    pub fn start(text: &str) -> (Self, Table<'_>) {
        let (root, errors) = DeTable::parse_recoverable(text);
        let line_ends = text.match_indices('\n').map(|(at, _)| at).collect();
        let mut reading = Self { line_ends, problems: Vec::new() };
        for error in errors {
            let at = error.span().map_or(0, |span| span.start);
            let text = error.message().replace('\n', "; ");
            let line = reading.line_of(at);
            reading.problems.push(Problem { line, key: String::new(), text });
        }
        let table = reading.table_from(String::new(), 1, root.into_inner());
        (reading, table)
    }

    /// Notes a problem that only the caller can see.
    pub fn note(&mut self, line: usize, key: &str, text: impl Into<String>) {
        self.problems.push(Problem { line, key: key.to_owned(), text: text.into() });
    }

    /// All problems, by line; empty when the text is good.
    pub fn into_problems(mut self) -> Vec<Problem> {
        self.problems.sort();
        self.problems
    }

    fn line_of(&self, at: usize) -> usize {
        1 + self.line_ends.partition_point(|end| *end < at)
    }

    fn table_from<'t>(&self, path: String, line: usize, table: DeTable<'t>) -> Table<'t> {
        let entries = table
            .into_iter()
            .map(|(key, value)| {
                let Range { start, .. } = key.span();
                (key.into_inner().into_owned(), self.line_of(start), Some(value))
            })
            .collect();
        Table { path, line, entries, asked: Vec::new() }
    }
}

impl<'t> Table<'t> {
    /// Where this table begins, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Full name of a key of this table.
    pub fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Line of `key` where it stands, else of the table.
    pub fn line_of(&self, key: &str) -> usize {
        self.entries.iter().find(|(name, ..)| name == key).map_or(self.line, |(_, line, _)| *line)
    }

    /// Whether `key` is written in this table.
    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(name, ..)| name == key)
    }

    fn take(&mut self, key: &'static str) -> Option<(usize, DeValue<'t>)> {
        self.asked.push(key);
        let (_, line, value) = self.entries.iter_mut().find(|(name, ..)| name == key)?;
        Some((*line, value.take()?.into_inner()))
    }

    fn wrong(&self, reading: &mut Reading, line: usize, key: &str, want: &str, found: &DeValue<'t>) {
        let found = found.type_str();
        reading.note(line, &self.key(key), format!("expected {want}, found {found}"));
    }

    /// A text, where given.
    pub fn text(&mut self, reading: &mut Reading, key: &'static str) -> Option<String> {
        match self.take(key)? {
            (_, DeValue::String(text)) => Some(text.into_owned()),
            (line, other) => {
                self.wrong(reading, line, key, "a text in quotes", &other);
                None
            }
        }
    }

    /// A text that must be given and not be empty; a missing one is a problem and gives an empty text.
    pub fn required_text(&mut self, reading: &mut Reading, key: &'static str) -> String {
        let present = self.has(key);
        match self.text(reading, key) {
            Some(text) if !text.trim().is_empty() => text,
            Some(_) => {
                reading.note(self.line_of(key), &self.key(key), "must not be empty");
                String::new()
            }
            None => {
                if !present {
                    reading.note(self.line, &self.key(key), "is required");
                }
                String::new()
            }
        }
    }

    /// A text that `parse` understands, where given.
    pub fn parsed<T, E: fmt::Display>(
        &mut self,
        reading: &mut Reading,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let line = self.line_of(key);
        let text = self.text(reading, key)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                reading.note(line, &self.key(key), error.to_string());
                None
            }
        }
    }

    /// One of a fixed set of words, where given.
    pub fn choice<T: Copy>(&mut self, reading: &mut Reading, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        self.parsed(reading, key, |text| {
            choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
                let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
                format!("`{text}` is not one of {}", words.join(", "))
            })
        })
    }

    /// Texts in a list, where given.
    #[expect(clippy::wildcard_enum_match_arm, reason = "every other type of value is the same mistake")]
    pub fn texts(&mut self, reading: &mut Reading, key: &'static str) -> Option<Vec<String>> {
        match self.take(key)? {
            (line, DeValue::Array(items)) => {
                let mut texts = Vec::new();
                for item in items {
                    match item.into_inner() {
                        DeValue::String(text) => texts.push(text.into_owned()),
                        other => self.wrong(reading, line, key, "texts in quotes", &other),
                    }
                }
                Some(texts)
            }
            (line, other) => {
                self.wrong(reading, line, key, "a list of texts", &other);
                None
            }
        }
    }

    /// A whole number within `range`, or `default`.
    pub fn number(
        &mut self,
        reading: &mut Reading,
        key: &'static str,
        range: RangeInclusive<u64>,
        default: u64,
    ) -> u64 {
        let Some((line, value)) = self.take(key) else { return default };
        let DeValue::Integer(integer) = &value else {
            self.wrong(reading, line, key, "a whole number", &value);
            return default;
        };
        match u64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) if range.contains(&number) => number,
            _ => {
                let (low, high) = (range.start(), range.end());
                let text = format!("{} is outside {low}–{high}; the default is {default}", integer.as_str());
                reading.note(line, &self.key(key), text);
                default
            }
        }
    }

    /// A whole number that may be negative, within `range`, or `default`.
    pub fn signed(
        &mut self,
        reading: &mut Reading,
        key: &'static str,
        range: RangeInclusive<i64>,
        default: i64,
    ) -> i64 {
        let Some((line, value)) = self.take(key) else { return default };
        let DeValue::Integer(integer) = &value else {
            self.wrong(reading, line, key, "a whole number", &value);
            return default;
        };
        match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) if range.contains(&number) => number,
            _ => {
                let (low, high) = (range.start(), range.end());
                let text = format!("{} is outside {low} to {high}; the default is {default}", integer.as_str());
                reading.note(line, &self.key(key), text);
                default
            }
        }
    }

    /// A number with a fraction within `range`, where given.
    pub fn decimal(&mut self, reading: &mut Reading, key: &'static str, range: RangeInclusive<f64>) -> Option<f64> {
        let (line, value) = self.take(key)?;
        let number = match &value {
            DeValue::Float(float) => float.as_str().parse::<f64>().ok(),
            DeValue::Integer(integer) => integer.as_str().parse::<f64>().ok(),
            DeValue::String(_) | DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                self.wrong(reading, line, key, "a number", &value);
                return None;
            }
        };
        match number {
            Some(number) if range.contains(&number) => Some(number),
            _ => {
                let text = format!("is outside {} to {}", range.start(), range.end());
                reading.note(line, &self.key(key), text);
                None
            }
        }
    }

    /// `true` or `false`, or `default`.
    pub fn flag(&mut self, reading: &mut Reading, key: &'static str, default: bool) -> bool {
        match self.take(key) {
            None => default,
            Some((_, DeValue::Boolean(flag))) => flag,
            Some((line, other)) => {
                self.wrong(reading, line, key, "true or false", &other);
                default
            }
        }
    }

    /// A table `[key]`; an absent one is given empty, at this table's line.
    pub fn table(&mut self, reading: &mut Reading, key: &'static str) -> Table<'t> {
        self.optional_table(reading, key).unwrap_or_else(|| Table {
            path: self.key(key),
            line: self.line,
            entries: Vec::new(),
            asked: Vec::new(),
        })
    }

    /// A table `[key]`, where given.
    pub fn optional_table(&mut self, reading: &mut Reading, key: &'static str) -> Option<Table<'t>> {
        match self.take(key)? {
            (line, DeValue::Table(table)) => Some(reading.table_from(self.key(key), line, table)),
            (line, other) => {
                self.wrong(reading, line, key, "a table", &other);
                None
            }
        }
    }

    /// The tables `[[key]]`, numbered from 1 in their path.
    #[expect(clippy::wildcard_enum_match_arm, reason = "every other type of value is the same mistake")]
    pub fn tables(&mut self, reading: &mut Reading, key: &'static str) -> Vec<Table<'t>> {
        match self.take(key) {
            None => Vec::new(),
            Some((_, DeValue::Array(items))) => {
                let mut tables = Vec::new();
                for (i, item) in items.into_iter().enumerate() {
                    let line = reading.line_of(item.span().start);
                    let path = format!("{}[{}]", self.key(key), i + 1);
                    match item.into_inner() {
                        DeValue::Table(table) => tables.push(reading.table_from(path, line, table)),
                        other => reading.note(line, &path, format!("expected a table, found {}", other.type_str())),
                    }
                }
                tables
            }
            Some((line, other)) => {
                self.wrong(reading, line, key, "tables written as [[…]]", &other);
                Vec::new()
            }
        }
    }

    /// Names every key that nothing asked for, with the nearest known one.
    pub fn finish(self, reading: &mut Reading) {
        for (name, line, value) in &self.entries {
            if value.is_none() || self.asked.iter().any(|asked| asked == name) {
                continue;
            }
            let near = self.asked.iter().min_by_key(|known| distance(known, name));
            let text = match near {
                Some(near) if distance(near, name) <= 3 => format!("is not a known key; did you mean `{near}`?"),
                _ => format!("is not a known key; known here: {}", self.asked.join(", ")),
            };
            reading.note(*line, &self.key(name), text);
        }
    }
}

/// Levenshtein distance, characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (above + 1).min(row[j] + 1).min(diagonal + usize::from(ca != *cb));
            diagonal = above;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests;
