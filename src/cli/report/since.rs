//! `portcullis report --since`: a length of time, or a point of it.

use std::time::Duration;

use crate::config::units::duration;
use crate::migration::span::{Millis, timestamp};
use crate::policy::Date;

/// From when on a statement must have been seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Since {
    /// So long before now.
    Ago(Duration),
    /// A moment in UTC, as the console writes it.
    At(String),
}

impl Since {
    /// The moment, as the console writes it, so that texts of it compare as times do.
    pub(super) fn moment(&self, now: Millis) -> String {
        match self {
            Self::Ago(length) => {
                let length = i64::try_from(length.as_millis()).unwrap_or(Millis::MAX);
                timestamp(now.saturating_sub(length).max(0))
            }
            Self::At(moment) => moment.clone(),
        }
    }
}

impl std::str::FromStr for Since {
    type Err = String;

    /// `90min`; `2026-11-21`, `2026-11-21 15:32`, `2026-11-21T15:32:00Z`, `2026-11-21 15:32:00+00`.
    fn from_str(text: &str) -> Result<Self, String> {
        let length = duration(text).map(Self::Ago).ok();
        length.or_else(|| moment(text).map(Self::At)).ok_or_else(|| {
            "neither a duration (90min, 24h, 7d) nor a moment in UTC (2026-11-21, \"2026-11-21 15:32\")"
                .to_owned()
        })
    }
}

fn moment(text: &str) -> Option<String> {
    let (day, time) = match text.split_once([' ', 'T']) {
        Some((day, time)) => (day, time),
        None => (text, "00:00"),
    };
    let mut parts = day.split('-');
    let (year, month) = (number(parts.next()?, 4)?, number(parts.next()?, 2)?);
    let date = Date::new(
        year,
        u8::try_from(month).ok()?,
        u8::try_from(number(parts.next()?, 2)?).ok()?,
    )?;
    let time = time.strip_suffix("+00").unwrap_or(time);
    let mut clock = time.strip_suffix('Z').unwrap_or(time).split(':');
    let (hour, minute) = (number(clock.next()?, 2)?, number(clock.next()?, 2)?);
    let second = clock.next().map_or(Some(0), |second| number(second, 2))?;
    let whole = parts.next().is_none() && clock.next().is_none();
    (whole && hour < 24 && minute < 60 && second < 60)
        .then(|| format!("{date} {hour:02}:{minute:02}:{second:02}+00"))
}

/// A number of so many digits.
fn number(text: &str, digits: usize) -> Option<u16> {
    let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_795_188_731_000; // 2026-11-20 15:32:11

    fn read(text: &str) -> Option<String> {
        let since: Since = text.parse().ok()?;
        Some(since.moment(NOW))
    }

    #[test]
    fn lengths_and_moments_are_read() {
        for (text, moment) in [
            ("90min", "2026-11-20 14:02:11+00"),
            ("7d", "2026-11-13 15:32:11+00"),
            ("0s", "2026-11-20 15:32:11+00"),
            ("99999d", "1970-01-01 00:00:00+00"),
            ("2026-11-20", "2026-11-20 00:00:00+00"),
            ("2026-11-20 09:05", "2026-11-20 09:05:00+00"),
            ("2026-11-20T09:05:07Z", "2026-11-20 09:05:07+00"),
            ("2026-11-20 09:05:07+00", "2026-11-20 09:05:07+00"),
        ] {
            assert_eq!(read(text).as_deref(), Some(moment), "{text}");
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in [
            "",
            "7",
            "soon",
            "-1h",
            "2026-11",
            "2026-02-30",
            "2026-11-20-1",
            "20.11.2026",
            "2026-11-20 24:00",
            "2026-11-20 9:05",
            "2026-11-20 09:05:07+01",
            "2026-11-20 09:05:07.5",
            "2026-11-20 09:05:07:01",
            "\u{664}026-11-20",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
