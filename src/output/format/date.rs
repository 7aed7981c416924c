//! The time of an event as a JSON value, in one of Fluent Bit's forms.
//!
//! Reference: `json_date_format` in Fluent Bit's manual; `flb_pack_msgpack_to_json_format`. Must not
//! know under which key it stands.

use std::io::Write as _;

use time::OffsetDateTime;

use crate::option::Kind;
use crate::record::number::Significant;
use crate::record::time::EventTime;

/// The names that `json_date_format` takes.
pub const NAMES: Kind = Kind::Choice(&[
    "double",
    "iso8601",
    "java_sql_timestamp",
    "epoch",
    "epoch_ms",
    "epoch_millis",
    "epoch_milliseconds",
]);

const NANOS_PER_SECOND: i64 = 1_000_000_000;
/// Digits that Fluent Bit gives a time in seconds.
const DOUBLE_DIGITS: usize = 16;

/// How a time is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum DateFormat {
    /// Seconds since 1970 with fractions: `1700000000.25`.
    #[default]
    Double,
    /// `"2023-11-14T22:13:20.250000Z"`
    Iso8601,
    /// `"2023-11-14 22:13:20.250000"`
    JavaSqlTimestamp,
    /// Whole seconds since 1970.
    Epoch,
    /// Whole milliseconds since 1970.
    EpochMillis,
}

impl DateFormat {
    /// The format of that name, which is one of [`NAMES`] in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "double" => Self::Double,
            "iso8601" => Self::Iso8601,
            "java_sql_timestamp" => Self::JavaSqlTimestamp,
            "epoch" => Self::Epoch,
            "epoch_ms" | "epoch_millis" | "epoch_milliseconds" => Self::EpochMillis,
            _ => return None,
        })
    }

    /// Appends the time as a JSON value.
    pub fn write(self, time: EventTime, out: &mut Vec<u8>) {
        let nanos = time.as_nanos();
        // Writing to a `Vec` cannot fail.
        let _ = match self {
            Self::Double => write!(out, "{}", seconds(time)),
            Self::Iso8601 => write_utc(time, 'T', "Z", out),
            Self::JavaSqlTimestamp => write_utc(time, ' ', "", out),
            Self::Epoch => write!(out, "{}", nanos.div_euclid(NANOS_PER_SECOND)),
            Self::EpochMillis => write!(out, "{}", time.as_millis()),
        };
    }
}

/// Seconds with fractions, at least one digit behind the point.
#[expect(clippy::cast_precision_loss, reason = "a time of this era to less than a microsecond")]
fn seconds(time: EventTime) -> String {
    let nanos = time.as_nanos();
    let whole = nanos.div_euclid(NANOS_PER_SECOND) as f64;
    let seconds = whole + nanos.rem_euclid(NANOS_PER_SECOND) as f64 / NANOS_PER_SECOND as f64;
    if seconds.fract() == 0.0 {
        return format!("{seconds:.1}");
    }
    Significant { number: seconds, digits: DOUBLE_DIGITS }.to_string()
}

/// Date and time in UTC to the microsecond, in quotes.
fn write_utc(time: EventTime, between: char, end: &str, out: &mut Vec<u8>) -> std::io::Result<()> {
    // All times that an event can have are within the range.
    let utc = OffsetDateTime::from_unix_timestamp_nanos(time.as_nanos().into());
    let utc = utc.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = (utc.year(), u8::from(utc.month()), utc.day());
    let (hour, minute, second, micros) =
        (utc.hour(), utc.minute(), utc.second(), utc.microsecond());
    write!(
        out,
        "\"{year:04}-{month:02}-{day:02}{between}{hour:02}:{minute:02}:{second:02}.{micros:06}{end}\""
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: &str, nanos: i64) -> String {
        let mut out = Vec::new();
        DateFormat::parse(format).expect("a format").write(EventTime::from_nanos(nanos), &mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_time_has_a_text_in_every_format() {
        let at = 1_792_585_122_001_046_789;
        assert_eq!(written("double", at), "1792585122.001047");
        assert_eq!(written("ISO8601", at), "\"2026-10-21T12:18:42.001046Z\"");
        assert_eq!(written("java_sql_timestamp", at), "\"2026-10-21 12:18:42.001046\"");
        assert_eq!(written("epoch", at), "1792585122");
        for name in ["epoch_ms", "epoch_millis", "epoch_milliseconds"] {
            assert_eq!(written(name, at), "1792585122001");
        }
        assert_eq!(DateFormat::parse("unix"), None);
    }

    #[test]
    fn seconds_have_a_point_and_no_more_digits_than_they_need() {
        assert_eq!(written("double", 1_700_000_000_000_000_000), "1700000000.0");
        assert_eq!(written("double", 1_700_000_000_250_000_000), "1700000000.25");
        assert_eq!(written("double", 1_700_000_000_123_000_000), "1700000000.123");
        assert_eq!(written("double", 0), "0.0");
    }

    #[test]
    fn a_time_before_1970_is_one_too() {
        assert_eq!(written("epoch", -1), "-1");
        assert_eq!(written("iso8601", -1), "\"1969-12-31T23:59:59.999999Z\"");
    }

    proptest::proptest! {
        #[test]
        fn no_time_makes_it_panic(nanos in proptest::num::i64::ANY, at in 0..5_usize) {
            let names = ["double", "iso8601", "java_sql_timestamp", "epoch", "epoch_ms"];
            let text = written(names[at], nanos);
            proptest::prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        }
    }
}
