//! The home's own time of day, for rules that speak of hours; none while the clock is not trusted.
//!
//! One fixed offset from UTC: the homes this is made for keep no summer time.

use protocol::record::Stamp;

/// Minutes of a day.
pub const DAY_MINUTES: u16 = 1_440;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = DAY_MINUTES as i64 * MINUTE_MS;

/// A moment by the home's own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalTime {
    /// Days since 1970-01-01, local.
    pub day: i64,
    /// Minute of that day, 0–1439.
    pub minute: u16,
    /// Milliseconds into that minute.
    pub ms: u16,
}

impl LocalTime {
    /// The local time of a stamp; none while its wall clock is not trusted.
    ///
    /// `utc_offset_minutes` is east positive.
    pub fn of(at: &Stamp, utc_offset_minutes: i32) -> Option<Self> {
        at.wall_trusted.then(|| Self::of_wall(at.wall_ms, utc_offset_minutes))
    }

    /// The local time of a wall clock in Unix milliseconds, trusted or not.
    pub fn of_wall(wall_ms: i64, utc_offset_minutes: i32) -> Self {
        let local_ms = wall_ms.saturating_add(i64::from(utc_offset_minutes) * MINUTE_MS);
        let in_day_ms = local_ms.rem_euclid(DAY_MS);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within a day and a minute")]
        let (minute, ms) = ((in_day_ms / MINUTE_MS) as u16, (in_day_ms % MINUTE_MS) as u16);
        Self { day: local_ms.div_euclid(DAY_MS), minute, ms }
    }

    /// Milliseconds from here to the next time the home's clock shows `minute`; 0 when it shows it just now.
    pub fn ms_until(self, minute: u16) -> u64 {
        let here_ms = i64::from(self.minute) * MINUTE_MS + i64::from(self.ms);
        (i64::from(minute) * MINUTE_MS - here_ms).rem_euclid(DAY_MS).unsigned_abs()
    }

    /// Whole minutes since 1970-01-01, local.
    pub fn minutes(self) -> i64 {
        self.day * i64::from(DAY_MINUTES) + i64::from(self.minute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(wall_ms: i64, wall_trusted: bool) -> Stamp {
        Stamp { boot: 1, uptime_ms: 0, wall_ms, wall_trusted }
    }

    #[test]
    fn the_day_turns_at_the_homes_own_midnight() {
        // 1970-01-01 15:59:59.999 and 16:00 UTC are either side of midnight eight hours east.
        let before = LocalTime::of(&at(16 * 3_600_000 - 1, true), 480).unwrap();
        assert_eq!(before, LocalTime { day: 0, minute: 1_439, ms: 59_999 });
        let after = LocalTime::of(&at(16 * 3_600_000, true), 480).unwrap();
        assert_eq!(after, LocalTime { day: 1, minute: 0, ms: 0 });
        assert_eq!(after.minutes() - before.minutes(), 1);
    }

    #[test]
    fn before_1970_and_west_of_greenwich_the_minute_still_counts_up() {
        assert_eq!(LocalTime::of_wall(-1, -60), LocalTime { day: -1, minute: 22 * 60 + 59, ms: 59_999 });
    }

    #[test]
    fn a_clock_that_is_not_trusted_tells_no_time() {
        assert_eq!(LocalTime::of(&at(0, false), 480), None);
    }

    #[test]
    fn until_a_minute_is_within_one_day() {
        let nine = LocalTime { day: 3, minute: 540, ms: 0 };
        assert_eq!(nine.ms_until(600), 3_600_000);
        assert_eq!(nine.ms_until(540), 0);
        assert_eq!(LocalTime { ms: 1, ..nine }.ms_until(540), 24 * 3_600_000 - 1);
    }
}
