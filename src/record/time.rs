//! The time of a record. Must not know the clock, nor how a peer wrote the time on the wire.

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const NANOS_PER_MILLI: i64 = 1_000_000;

/// Nanoseconds since 1970-01-01T00:00:00Z: from the year 1677 to 2262, saturating at both ends.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct EventTime(i64);

impl EventTime {
    /// A time from whole seconds and nanoseconds; nanoseconds of a second or more carry over.
    #[must_use]
    pub const fn from_parts(seconds: i64, nanos: u32) -> Self {
        // `as` because `From` is not const: a u32 always fits.
        Self(seconds.saturating_mul(NANOS_PER_SECOND).saturating_add(nanos as i64))
    }

    /// A time from nanoseconds since 1970.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since 1970.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Milliseconds since 1970, rounded towards the past, as `InputLogEvent.timestamp` wants them.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(NANOS_PER_MILLI)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_of_a_second_or_more_carry_over() {
        assert_eq!(EventTime::from_parts(5, 1_000_000_000), EventTime::from_parts(6, 0));
    }

    #[test]
    fn milliseconds_are_rounded_towards_the_past_before_1970_too() {
        assert_eq!(EventTime::from_nanos(1_999_999).as_millis(), 1);
        assert_eq!(EventTime::from_nanos(-1).as_millis(), -1);
    }

    #[test]
    fn a_time_beyond_the_range_saturates() {
        assert_eq!(EventTime::from_parts(i64::MAX, 0).as_nanos(), i64::MAX);
        assert_eq!(EventTime::from_parts(i64::MIN, u32::MAX), {
            EventTime::from_nanos(i64::MIN + i64::from(u32::MAX))
        });
    }
}
