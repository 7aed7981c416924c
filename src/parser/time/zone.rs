//! Steps 1 and 3, parser: where a time without a zone of its own was read off a clock.
//!
//! Names come from the system's zone files, else from a copy in the program. Not known here: how
//! times are written.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use super::abbreviation;

/// A clock's zone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::parser) enum Zone {
    /// So many seconds ahead of UTC.
    Offset(i32),
    /// A zone with rules.
    Named(TimeZone),
}

/// A text that is no difference from UTC.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected a difference from UTC such as +0200 or -03:30")]
pub struct OffsetError;

/// A name that no zone has.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected a time zone such as Europe/Berlin")]
pub struct NameError;

impl Zone {
    /// UTC.
    pub(in crate::parser) const UTC: Self = Self::Offset(0);

    /// Reads `Z`, `+hhmm` and `+hh:mm`.
    ///
    /// # Errors
    ///
    /// The text is none of these.
    pub(in crate::parser) fn offset(text: &str) -> Result<Self, OffsetError> {
        let (seconds, rest) = abbreviation::offset(text.as_bytes()).ok_or(OffsetError)?;
        let has_minutes = text.len() >= "+hhmm".len() || text == "Z";
        if rest.is_empty() && has_minutes { Ok(Self::Offset(seconds)) } else { Err(OffsetError) }
    }

    /// The zone of the IANA database of that name.
    ///
    /// # Errors
    ///
    /// There is none.
    pub(in crate::parser) fn named(name: &str) -> Result<Self, NameError> {
        TimeZone::get(name).map(Self::Named).map_err(|_| NameError)
    }

    /// The zone of the machine: that of the variable `TZ`, else that of `/etc/localtime`, else UTC.
    #[must_use]
    pub(in crate::parser) fn system(tz: Option<&str>) -> Self {
        let Some(tz) = tz else { return Self::Named(TimeZone::system()) };
        let name = tz.strip_prefix(':').unwrap_or(tz);
        let found = TimeZone::get(name).or_else(|_| TimeZone::posix(name));
        // What the C library makes of a name it does not know.
        found.map_or(Self::UTC, Self::Named)
    }

    /// Seconds since 1970 at which this zone's clock shows `local`, itself counted as if it were
    /// UTC. Of two such moments the first; of none the one that a clock set too late would mean.
    pub(super) fn utc(&self, local: i64) -> Option<i64> {
        match self {
            Self::Offset(seconds) => local.checked_sub(i64::from(*seconds)),
            Self::Named(zone) => {
                let moment = zone.to_ambiguous_timestamp(shown(local)?).compatible().ok()?;
                Some(moment.as_second())
            }
        }
    }

    /// What this zone's clock shows at `utc`.
    pub(super) fn clock(&self, utc: i64) -> Option<DateTime> {
        match self {
            Self::Offset(seconds) => shown(utc.checked_add(i64::from(*seconds))?),
            Self::Named(zone) => Some(zone.to_datetime(Timestamp::from_second(utc).ok()?)),
        }
    }
}

fn shown(local: i64) -> Option<DateTime> {
    Some(Offset::UTC.to_datetime(Timestamp::from_second(local).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2023-07-01T12:00:00 and 2023-12-01T12:00:00, as if they were UTC.
    const SUMMER: i64 = 1_688_212_800;
    const WINTER: i64 = 1_701_432_000;

    #[test]
    fn a_difference_from_utc_has_hours_and_minutes() {
        for (text, seconds) in
            [("+0200", 7_200), ("-03:30", -12_600), ("Z", 0), ("+0000", 0), ("-0015", -900)]
        {
            assert_eq!(Zone::offset(text), Ok(Zone::Offset(seconds)), "{text}");
        }
        for text in ["", "+02", "0200", "+2:00", "+0200x", "+02000", "UTC", "+0a00", "é"] {
            assert_eq!(Zone::offset(text), Err(OffsetError), "{text}");
        }
    }

    #[test]
    fn a_zone_of_a_name_follows_its_rules() {
        let zone = Zone::named("Europe/Berlin").expect("a zone");
        assert_eq!(zone.utc(SUMMER), Some(SUMMER - 7_200));
        assert_eq!(zone.utc(WINTER), Some(WINTER - 3_600));
        assert_eq!(zone.clock(SUMMER - 7_200), Zone::UTC.clock(SUMMER));
        assert_eq!(Zone::named("Europe/Nowhere"), Err(NameError));
        assert_eq!(Zone::named(""), Err(NameError));
    }

    #[test]
    fn an_hour_that_a_clock_shows_twice_means_the_first() {
        let zone = Zone::named("Europe/Berlin").expect("a zone");
        // 2023-10-29T02:30:00 is shown at 00:30 and at 01:30 UTC; 2023-03-26T02:30:00 never.
        assert_eq!(zone.utc(1_698_546_600), Some(1_698_546_600 - 7_200));
        assert_eq!(zone.utc(1_679_797_800), Some(1_679_797_800 - 3_600));
    }

    #[test]
    fn the_machine_s_zone_is_that_of_its_variable() {
        assert_eq!(Zone::system(Some("Asia/Tokyo")).utc(WINTER), Some(WINTER - 32_400));
        assert_eq!(Zone::system(Some(":Asia/Tokyo")).utc(WINTER), Some(WINTER - 32_400));
        assert_eq!(Zone::system(Some("EST5EDT,M3.2.0,M11.1.0")).utc(SUMMER), Some(SUMMER + 14_400));
        assert_eq!(Zone::system(Some("UTC")).utc(WINTER), Some(WINTER));
        assert_eq!(Zone::system(Some("no zone")), Zone::UTC);
    }
}
