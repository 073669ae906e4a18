//! PURE. Lengths and points of time as people read them: `28min`, `15:32:11 UTC`.

use std::time::Duration;

/// Milliseconds since 1970-01-01 00:00:00 UTC, as the registry stores it.
pub type Millis = i64;

/// A length in the largest unit that reads well: `28min`, `1h 5min`, `40s`.
pub fn show(length: Duration) -> String {
    let seconds = length.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, _) => format!("{m}min"),
        (h, 0, _) => format!("{h}h"),
        (h, m, _) => format!("{h}h {m}min"),
    }
}

/// `2026-11-20 15:32:00+00`, as PostgreSQL writes a `timestamptz(0)` in UTC.
pub fn timestamp(at: Millis) -> String {
    let (days, seconds) = split_days(at);
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02} {}+00", clock(seconds))
}

/// `15:32:11 UTC`.
pub fn time_of_day(at: Millis) -> String {
    format!("{} UTC", clock(split_days(at).1))
}

fn split_days(at: Millis) -> (i64, i64) {
    let seconds = at.div_euclid(1000);
    (seconds.div_euclid(86_400), seconds.rem_euclid(86_400))
}

fn clock(seconds: i64) -> String {
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// Year, month and day of a day counted from 1970-01-01 in the Gregorian calendar, by counting
/// whole 400-year cycles from 0000-03-01 (Howard Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms", `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    const CYCLE: i64 = 146_097;
    let days = days + 719_468;
    let (cycle, day) = (days.div_euclid(CYCLE), days.rem_euclid(CYCLE));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + cycle * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_aloud() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1min"),
            (1739, "28min"),
            (3600, "1h"),
            (3900, "1h 5min"),
            (90_000, "25h"),
        ] {
            assert_eq!(show(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn points_of_time() {
        assert_eq!(timestamp(0), "1970-01-01 00:00:00+00");
        assert_eq!(timestamp(951_782_399_999), "2000-02-28 23:59:59+00");
        assert_eq!(timestamp(951_782_400_000), "2000-02-29 00:00:00+00");
        assert_eq!(timestamp(1_795_188_731_000), "2026-11-20 15:32:11+00");
        assert_eq!(timestamp(-1), "1969-12-31 23:59:59+00");
        assert_eq!(time_of_day(1_795_188_731_000), "15:32:11 UTC");
    }
}
