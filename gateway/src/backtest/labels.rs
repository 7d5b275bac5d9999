//! Times that somebody wrote down as spent out of the home; nothing else of the labels is used, and the
//! rules never see them.

use std::collections::BTreeMap;

use super::events::{EventsError, rows, wall_ms};

/// What the fields are.
const HEAD: &str = "home,start,end,activity";

/// What an absence is labelled, in small letters with hyphens.
const ABSENCES: [&str; 4] = ["leave-house", "leave-home", "leaving", "out"];

/// Labelled absences by home, Unix milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    out: BTreeMap<String, Vec<(i64, i64)>>,
}

impl Labels {
    /// Whether the elder of `home` was out at a moment.
    pub fn is_out(&self, home: &str, wall_ms: i64) -> bool {
        self.out.get(home).is_some_and(|spans| spans.iter().any(|(from, to)| (*from..=*to).contains(&wall_ms)))
    }
}

pub(super) fn read(text: &str, utc_offset_minutes: i32) -> Result<Labels, EventsError> {
    let mut labels = Labels::default();
    for row in rows(text, HEAD) {
        let (line, [home, start, end, activity]) = row?;
        // A file may begin with its head, or with its first label.
        if line == 1 && wall_ms(&start, utc_offset_minutes).is_err() {
            continue;
        }
        let bad = |why| EventsError::Line { line, why };
        let activity = activity.trim().to_lowercase().replace(['_', ' '], "-");
        if ABSENCES.contains(&activity.as_str()) {
            let start = wall_ms(&start, utc_offset_minutes).map_err(bad)?;
            let end = wall_ms(&end, utc_offset_minutes).map_err(bad)?;
            labels.out.entry(home).or_default().push((start, end));
        }
    }
    Ok(labels)
}
