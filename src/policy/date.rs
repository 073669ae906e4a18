//! Days, for exceptions that expire.

use std::fmt;

const DAY: i64 = 86_400;

/// A day in UTC, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(i64);

impl Date {
    /// The day of a moment: seconds since 1970-01-01 00:00 UTC.
    pub const fn of_unix(seconds: i64) -> Self {
        Self(seconds.div_euclid(DAY))
    }

    /// The day of the Gregorian calendar; `None`: there is no such day, or not in the years 1970 to 9999.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let leap =
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            4 | 6 | 9 | 11 => 30,
            2 => 28 + u8::from(leap),
            1..=12 => 31,
            _ => return None,
        };
        ((1970..=9999).contains(&year) && (1..=days).contains(&day))
            .then(|| Self(days_from_civil(year.into(), month.into(), day.into())))
    }

    /// The day so many days later.
    pub const fn plus_days(self, days: i64) -> Self {
        Self(self.0 + days)
    }

    /// Days from `other` to this one; negative when this one is earlier.
    pub const fn days_after(self, other: Self) -> i64 {
        self.0 - other.0
    }
}

/// Howard Hinnant's days_from_civil, for years from 1970 on.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

impl fmt::Display for Date {
    /// As ISO 8601 has it: `2027-03-01`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.0 + 719_468;
        let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let shifted = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 {
            shifted + 3
        } else {
            shifted - 9
        };
        let year = year + era * 400 + i64::from(month <= 2);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(Date::new(1970, 1, 1), Some(Date(0)));
        assert_eq!(Date::new(2000, 3, 1), Some(Date(11_017)));
        assert_eq!(Date::of_unix(86_399), Date(0));
        assert_eq!(Date::of_unix(86_400), Date(1));
        assert_eq!(Date::of_unix(1_804_291_200).to_string(), "2027-03-06");
        for (year, month, day) in [
            (2026, 2, 29),
            (1900, 2, 29),
            (2026, 13, 1),
            (2026, 4, 31),
            (1969, 1, 1),
        ] {
            assert_eq!(Date::new(year, month, day), None, "{year}-{month}-{day}");
        }
        assert!(Date::new(2028, 2, 29).is_some() && Date::new(2000, 2, 29).is_some());
    }

    #[test]
    fn every_day_is_written_as_it_is_read() {
        let mut expected = 0;
        for year in 1970..2110 {
            for month in 1..=12 {
                for day in 1..=31 {
                    if let Some(date) = Date::new(year, month, day) {
                        assert_eq!(date.0, expected);
                        assert_eq!(date.to_string(), format!("{year:04}-{month:02}-{day:02}"));
                        expected += 1;
                    }
                }
            }
        }
    }
}
