//! The day and the time, which the PURE modules are given as arguments.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::migration::span::Millis;
use crate::policy::Date;

/// Today in UTC; 1970-01-01 where the clock says an earlier day.
pub fn today() -> Date {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Date::of_unix(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// Now, in milliseconds since 1970-01-01 UTC; 0 where the clock says an earlier day.
pub fn now() -> Millis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
