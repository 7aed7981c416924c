//! Dates in the two spellings that AWS uses: `20150830T123600Z` in signatures and RFC 3339 in the
//! task metadata. UTC only; knows no clock, no time zone and no leap second.

use std::time::Duration;

const SECONDS_PER_DAY: u64 = 86_400;
/// Days from 0000-03-01 to 1970-01-01 in the proleptic Gregorian calendar.
const EPOCH_DAYS: u64 = 719_468;
/// Days in 400 years.
const ERA_DAYS: u64 = 146_097;

/// Seconds since 1970 of a date like `20150830T123600Z`; `None` if it is not one.
pub(super) fn parse_basic(text: &str) -> Option<u64> {
    let bytes: &[u8; 16] = text.as_bytes().try_into().ok()?;
    let [y @ .., m1, m2, d1, d2, b'T', h1, h2, n1, n2, s1, s2, b'Z'] = bytes else { return None };
    let year = number(y)?;
    let (month, day) = (number(&[*m1, *m2])?, number(&[*d1, *d2])?);
    let (hour, minute, second) = (number(&[*h1, *h2])?, number(&[*n1, *n2])?, number(&[*s1, *s2])?);
    if year < 1970 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_since_1970(year, month, day)?;
    Some(days * SECONDS_PER_DAY + hour * 3_600 + minute * 60 + second)
}

/// A date like `20150830T123600Z`.
pub(super) fn basic(seconds: u64) -> String {
    let Civil { year, month, day, hour, minute, second } = civil(seconds);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// A date like `2015-08-30T12:36:00.123456789Z`; no fraction when it is zero.
pub(super) fn rfc3339(since_1970: Duration) -> String {
    let Civil { year, month, day, hour, minute, second } = civil(since_1970.as_secs());
    let whole = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    match since_1970.subsec_nanos() {
        0 => format!("{whole}Z"),
        nanos => format!("{whole}.{nanos:09}Z"),
    }
}

struct Civil {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

/// The calendar with March as the first month, so that the leap day ends a year: the day of the
/// year then gives month and day without a table.
fn civil(seconds: u64) -> Civil {
    let days = seconds / SECONDS_PER_DAY + EPOCH_DAYS;
    let (era, of_era) = (days / ERA_DAYS, days % ERA_DAYS);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let of_day = seconds % SECONDS_PER_DAY;
    Civil { year, month, day, hour: of_day / 3_600, minute: of_day / 60 % 60, second: of_day % 60 }
}

/// `None` when the calendar has no such day. `year` must be 1 or later.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year_from_march = if month <= 2 { year - 1 } else { year };
    let from_march = (month + 9) % 12;
    let (era, of_era) = (year_from_march / 400, year_from_march % 400);
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    let days = era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    let days = days.checked_sub(EPOCH_DAYS)?;
    // 31 April would otherwise be 1 May.
    let back = civil(days * SECONDS_PER_DAY);
    ((back.month, back.day) == (month, day)).then_some(days)
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |sum, digit| {
        digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_dates_are_read_and_written() {
        for (text, seconds) in [
            ("19700101T000000Z", 0),
            ("20000229T235959Z", 951_868_799),
            ("20150830T123600Z", 1_440_938_160),
            ("21000301T000000Z", 4_107_542_400),
        ] {
            assert_eq!(parse_basic(text), Some(seconds), "{text}");
            assert_eq!(basic(seconds), text);
        }
        assert_eq!(rfc3339(Duration::new(951_868_799, 5)), "2000-02-29T23:59:59.000000005Z");
        assert_eq!(rfc3339(Duration::from_secs(0)), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "20150830T123600",
            "20150830 123600Z",
            "2015083OT123600Z",
            "20150431T000000Z",
            "21000229T000000Z",
            "20151301T000000Z",
            "20150830T240000Z",
            "19691231T235959Z",
            "+0150830T123600Z",
        ] {
            assert_eq!(parse_basic(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_written_date_reads_back(seconds in 0_u64..253_402_300_799) {
            prop_assert_eq!(parse_basic(&basic(seconds)), Some(seconds));
        }
    }
}
