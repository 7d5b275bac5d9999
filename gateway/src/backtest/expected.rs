//! Times of a recording at which a call is expected, or expected not to come: a wrong alarm, written down once,
//! is that home's test case from then on.

use super::HomeResult;
use super::events::{EventsError, rows, wall_ms};
use super::report::moment;
use super::settings::Family;

/// The file's first line.
const HEAD: &str = "home,from,until,expected";

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    line: usize,
    home: String,
    from_ms: i64,
    until_ms: i64,
    /// As it was written.
    span: String,
    call: bool,
}

pub(super) fn read(text: &str, utc_offset_minutes: i32) -> Result<Vec<Expected>, EventsError> {
    let head = text.lines().next().unwrap_or_default().trim();
    if head != HEAD {
        return Err(EventsError::Line { line: 1, why: format!("`{head}` stands where `{HEAD}` must") });
    }
    let mut all = Vec::new();
    for row in rows(text, HEAD).skip(1) {
        let (line, [home, from, until, expected]) = row?;
        let bad = |why| EventsError::Line { line, why };
        let call = match expected.as_str() {
            "call" => true,
            "no-call" => false,
            other => return Err(bad(format!("`{other}` is neither call nor no-call"))),
        };
        let from_ms = wall_ms(&from, utc_offset_minutes).map_err(bad)?;
        let until_ms = wall_ms(&until, utc_offset_minutes).map_err(bad)?;
        if until_ms < from_ms {
            return Err(bad(format!("{until} is before {from}")));
        }
        all.push(Expected { line, home, from_ms, until_ms, span: format!("{from} to {until}"), call });
    }
    if all.is_empty() {
        return Err(EventsError::Line { line: 2, why: "nothing is expected".to_owned() });
    }
    Ok(all)
}

impl Expected {
    /// What is wrong with these results, as one line; none where they are as expected, or of other homes only.
    pub fn missed_by(&self, results: &[HomeResult], utc_offset_minutes: i32) -> Option<String> {
        let result = results.iter().find(|result| result.home == self.home)?;
        let named = |what: &str| Some(format!("{}: line {}, {}: {what}", self.home, self.line, self.span));
        let (_, measured) = result.rows.iter().find(|(setting, _)| setting.family == Family::Configured)?;
        if self.from_ms < result.counted_ms.start || self.until_ms > result.counted_ms.end {
            let [start, end] =
                [result.counted_ms.start, result.counted_ms.end].map(|wall_ms| moment(wall_ms, utc_offset_minutes));
            return named(&format!("proves nothing: it is not within {start} to {end}, which count"));
        }
        let came = measured.calls.iter().filter(|call| (self.from_ms..=self.until_ms).contains(&call.wall_ms)).count();
        match (self.call, came) {
            (true, 0) => named("a call was expected and none came"),
            (false, 1..) => named(&format!("no call was expected and {came} came")),
            (true, 1..) | (false, 0) => None,
        }
    }

    /// Its home.
    pub fn home(&self) -> &str {
        &self.home
    }

    /// Where it stands in its file, from 1.
    pub fn line(&self) -> usize {
        self.line
    }
}
