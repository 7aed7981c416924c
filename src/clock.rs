//! The clock: the only place that reads it. Everything else takes `now` as an argument.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::record::time::EventTime;

/// The monotonic time now.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// Time since 1970-01-01T00:00:00Z; zero while the machine's clock stands before that.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn unix_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The time now as the time of a record.
#[must_use]
pub fn event_now() -> EventTime {
    EventTime::from_nanos(i64::try_from(unix_now().as_nanos()).unwrap_or(i64::MAX))
}
