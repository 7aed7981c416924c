//! The clock: the only place that reads it. Everything else takes `now` as an argument.
//!
//! In a test whose runtime has its time paused both clocks follow that time, so that hours pass in
//! a moment and every run is the same.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::record::time::EventTime;

/// The monotonic time now.
#[must_use]
pub fn now() -> Instant {
    // The operating system's, but where a test has stopped it.
    tokio::time::Instant::now().into_std()
}

/// Time since 1970-01-01T00:00:00Z; zero while the machine's clock stands before that.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn unix_now() -> Duration {
    #[cfg(test)]
    if let Some(simulated) = simulated::unix_now() {
        return simulated;
    }
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The time now as the time of a record.
#[must_use]
pub fn event_now() -> EventTime {
    EventTime::from_nanos(i64::try_from(unix_now().as_nanos()).unwrap_or(i64::MAX))
}

/// A wall clock that a simulation sets, which then goes on with the runtime's time.
#[cfg(test)]
pub(crate) mod simulated {
    use std::cell::Cell;
    use std::time::{Duration, Instant};

    thread_local! {
        /// The wall clock at a moment; only on the thread of the simulation.
        static WALL: Cell<Option<(Instant, Duration)>> = const { Cell::new(None) };
    }

    /// Sets the wall clock of this thread; `None`: the machine's again.
    pub(crate) fn set(unix: Option<Duration>) {
        WALL.set(unix.map(|unix| (super::now(), unix)));
    }

    pub(super) fn unix_now() -> Option<Duration> {
        let (at, unix) = WALL.get()?;
        Some(unix + super::now().saturating_duration_since(at))
    }
}
