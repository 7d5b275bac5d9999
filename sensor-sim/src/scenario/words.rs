//! A line of a scenario cut into words, quoted or bare, with comments taken off.

/// One word of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) quoted: bool,
    /// Byte offset in the line just behind the word.
    pub(super) end: usize,
}

/// Cuts a line; a word in quotes may hold anything, with `\"`, `\\`, `\n`, `\t` and `\r` for what it could not.
///
/// A `{` or `[` that begins a word ends the cutting: the rest is JSON and stands as one bare word.
pub(super) fn cut(line: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut rest = line.char_indices().peekable();
    while let Some(&(at, letter)) = rest.peek() {
        if letter.is_whitespace() {
            rest.next();
        } else if letter == '#' {
            break;
        } else if letter == '"' {
            rest.next();
            words.push(quoted(line, &mut rest)?);
        } else if (letter == '{' || letter == '[') && words.first().is_some_and(|word: &Word| !word.quoted) {
            let (json, end) = json_text(line, at)?;
            words.push(Word { text: json, quoted: false, end });
            while rest.peek().is_some_and(|(at, _)| *at < end) {
                rest.next();
            }
        } else {
            let mut end = at;
            while let Some(&(at, letter)) = rest.peek() {
                if letter.is_whitespace() || letter == '"' {
                    break;
                }
                end = at + letter.len_utf8();
                rest.next();
            }
            words.push(Word { text: line.get(at..end).unwrap_or_default().to_owned(), quoted: false, end });
        }
    }
    Ok(words)
}

fn quoted(line: &str, rest: &mut std::iter::Peekable<std::str::CharIndices<'_>>) -> Result<Word, String> {
    let mut text = String::new();
    while let Some((at, letter)) = rest.next() {
        match letter {
            '"' => return Ok(Word { text, quoted: true, end: at + 1 }),
            '\\' => match rest.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, 't')) => text.push('\t'),
                Some((_, 'r')) => text.push('\r'),
                Some((_, other @ ('"' | '\\'))) => text.push(other),
                Some((_, other)) => return Err(format!("`\\{other}` is not known; write `\\\\` for a backslash")),
                None => break,
            },
            other => text.push(other),
        }
    }
    Err(format!("a quote is opened and not closed; put `\"` behind the name in: {}", line.trim()))
}

fn json_text(line: &str, at: usize) -> Result<(String, usize), String> {
    let text = line.get(at..).unwrap_or_default();
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => {
            let length = values.byte_offset();
            Ok((text.get(..length).unwrap_or_default().to_owned(), at + length))
        }
        Some(Err(error)) => Err(format!("this is not JSON ({error}); use `malformed` to send a bad text")),
        None => Err("JSON is missing".to_owned()),
    }
}

/// A name as it is written: bare where it can be, else in quotes.
pub(super) fn written(name: &str, reserved: &[&str]) -> String {
    let bare = !name.is_empty()
        && !name.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '#' | '{' | '[' | '\\'))
        && !reserved.contains(&name);
    if bare { name.to_owned() } else { in_quotes(name) }
}

/// A text in quotes.
pub(super) fn in_quotes(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
