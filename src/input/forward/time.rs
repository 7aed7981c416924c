//! Reads the time of an entry in all the ways peers write it.
//!
//! Must not know the clock: where there is no usable time, the caller takes the time of receipt.

use crate::record::{
    msgpack::{Reader, Token},
    time::EventTime,
};

/// EventTime's extension type (Forward protocol v1.5, "EventTime Ext Format").
const EVENT_TIME_EXT: i8 = 0;
/// Times by which Fluent Bit relays where a group of OpenTelemetry records begins and ends.
const GROUP_START: u64 = 0xffff_ffff_0000_0000;
const GROUP_END: u64 = 0xffff_fffe_0000_0000;
/// From here on a number is milliseconds: as seconds it would be the year 5138.
const MILLIS_MIN: u64 = 100_000_000_000;
/// From here on a number is neither: as milliseconds it would be the year 5138.
const MILLIS_MAX: u64 = 100_000_000_000_000;
/// The last second that nanoseconds in 64 bits can say, in the year 2262.
const SECONDS_MAX: u64 = 9_223_372_036;

/// The time that the value says, or `None` where it says none: nil, negative, not a number, too far
/// in the future, another extension.
#[inline]
pub(super) fn wire_time(value: &[u8]) -> Option<EventTime> {
    if let Some(parts) = event_time(value) {
        return Some(from_event_time(parts));
    }
    match Reader::new(value).token().ok()? {
        Token::UInt(number) => from_number(number),
        Token::F32(number) => from_float(number.into()),
        Token::F64(number) => from_float(number),
        Token::Ext(EVENT_TIME_EXT, bytes) => {
            Some(from_event_time(u64::from_be_bytes(bytes.try_into().ok()?)))
        }
        Token::Nil
        | Token::Bool(_)
        | Token::Int(_)
        | Token::Str(_)
        | Token::Bin(_)
        | Token::Ext(..)
        | Token::Array(_)
        | Token::Map(_) => None,
    }
}

/// Whether the value is the time of a group marker.
pub(super) fn is_group_marker(value: &[u8]) -> bool {
    matches!(event_time(value), Some(GROUP_START | GROUP_END))
}

/// Seconds in the upper half and nanoseconds in the lower, if this is a fixext 8 EventTime.
#[inline]
fn event_time(value: &[u8]) -> Option<u64> {
    let digits = value.strip_prefix(&[0xd7, 0x00])?.first_chunk()?;
    Some(u64::from_be_bytes(*digits))
}

/// Nanoseconds of a second or more, which some peers send, carry over.
#[inline]
fn from_event_time(parts: u64) -> EventTime {
    let (seconds, nanos) = (parts >> 32, parts & u64::from(u32::MAX));
    // Both halves are 32 bits, so the sum is below 2^63.
    EventTime::from_nanos(i64::try_from(seconds * 1_000_000_000 + nanos).unwrap_or(i64::MAX))
}

fn from_number(number: u64) -> Option<EventTime> {
    let nanos = match number {
        0..=SECONDS_MAX => number * 1_000_000_000,
        MILLIS_MIN..MILLIS_MAX => number.checked_mul(1_000_000)?,
        _ => return None,
    };
    i64::try_from(nanos).ok().map(EventTime::from_nanos)
}

fn from_float(number: f64) -> Option<EventTime> {
    // A comparison with NaN is false. The bounds are exact in a double.
    let (whole, scale) = match number {
        0.0..=9_223_372_036.0 => (number.trunc(), 1_000_000_000),
        100_000_000_000.0..100_000_000_000_000.0 => (number.trunc(), 1_000_000),
        _ => return None,
    };
    #[expect(clippy::cast_possible_truncation, reason = "within the bounds of the match above")]
    let nanos = (whole as i64).checked_mul(scale)?;
    #[expect(clippy::cast_possible_truncation, reason = "less than one second of nanoseconds")]
    let fraction = (number.fract() * scale as f64).round() as i64;
    Some(EventTime::from_nanos(nanos.checked_add(fraction)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(value: &[u8]) -> Option<i64> {
        wire_time(value).map(EventTime::as_nanos)
    }

    #[test]
    fn an_event_time_has_unsigned_seconds_and_carries_nanoseconds() {
        let seconds_max = b"\xd7\x00\xff\xff\xff\xff\xff\xff\xff\xff";
        assert_eq!(nanos(seconds_max), Some(4_294_967_295_000_000_000 + 4_294_967_295));
        let ext8 = b"\xc7\x08\x00\x65\x53\xf1\x00\x3b\x9a\xca\x00";
        assert_eq!(nanos(ext8), Some(1_700_000_001_000_000_000));
    }

    #[test]
    fn numbers_from_1e11_up_to_1e14_are_milliseconds() {
        let number = |number: u64| nanos(&[&[0xcf], &number.to_be_bytes()[..]].concat());
        assert_eq!(number(1_700_000_000), Some(1_700_000_000_000_000_000));
        assert_eq!(number(9_223_372_036), Some(9_223_372_036_000_000_000));
        assert_eq!(number(9_223_372_037), None);
        assert_eq!(number(99_999_999_999), None);
        assert_eq!(number(100_000_000_000), Some(100_000_000_000_000_000));
        assert_eq!(number(9_223_372_036_854), Some(9_223_372_036_854_000_000));
        assert_eq!(number(9_223_372_036_855), None);
        assert_eq!(number(100_000_000_000_000), None);
        assert_eq!(number(u64::MAX), None);
    }

    #[test]
    fn floats_keep_their_fraction() {
        let float = |number: f64| nanos(&[&[0xcb], &number.to_be_bytes()[..]].concat());
        assert_eq!(float(1_700_000_000.25), Some(1_700_000_000_250_000_000));
        assert_eq!(float(1_700_000_000_123.5), Some(1_700_000_000_123_500_000));
        assert_eq!(float(0.0), Some(0));
        for unusable in [-1.0, f64::NAN, f64::INFINITY, 9.3e9, 1e14] {
            assert_eq!(float(unusable), None, "{unusable}");
        }
        assert_eq!(nanos(b"\xca\x4e\xca\xa7\xe2"), Some(1_700_000_000_000_000_000));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for value in [b"\xc0".as_slice(), b"\xff", b"\xa3now", b"\xd6\x00\x65\x53\xf1\x00", b"\x80"]
        {
            assert_eq!(nanos(value), None, "{value:02x?}");
        }
        assert_eq!(nanos(b"\xd7\xff\x65\x53\xf1\x00\x00\x00\x00\x00"), None);
    }
}
