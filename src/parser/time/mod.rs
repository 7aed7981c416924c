//! Steps 1 and 3, parser: the text of a time → the time, by `Time_Format` and what is known beside it.
//!
//! Pure: the present is an argument. Reference: Fluent Bit's `flb_parser_time_lookup`, manual,
//! "Parsers".

mod abbreviation;
mod format;
mod scan;
mod zone;

pub(super) use format::FORMAT_BYTES_MAX;
pub(super) use zone::{NameError, OffsetError, Zone};

use crate::record::time::EventTime;
use format::TimeFormat;
use scan::Told;

const DAY_SECONDS: i64 = 86_400;
const NANOS: i64 = 1_000_000_000;

/// How the time of a text is found and read.
#[derive(Clone, Debug)]
pub(super) struct TimeRule {
    key: Box<[u8]>,
    format: TimeFormat,
    zone: Zone,
    keep: bool,
    strict: bool,
}

impl TimeRule {
    /// Reads the field `key` by the format. What in the format is no conversion, and so fits
    /// nothing, comes back with it.
    ///
    /// A time that does not say its zone is one of `zone`. `keep`: the field stays where its time
    /// was read. `strict`: a text that does not fit the whole format has no time; else one that
    /// fits as far as the date has.
    #[must_use]
    pub(super) fn new(
        key: &str,
        format: &str,
        zone: Zone,
        keep: bool,
        strict: bool,
    ) -> (Self, Option<String>) {
        let (format, unknown) = TimeFormat::parse(format);
        let zone = if format.has_zone { Zone::UTC } else { zone };
        (Self { key: key.as_bytes().into(), format, zone, keep, strict }, unknown)
    }

    /// The key of the field.
    #[must_use]
    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Whether the field stays where its time was read.
    #[must_use]
    pub(super) const fn keeps(&self) -> bool {
        self.keep
    }

    /// The time that the text tells. A missing year or date is that of the latest such time that is
    /// not in the future of `now`; clocks may differ a little.
    #[must_use]
    pub(super) fn read(&self, text: &[u8], now: EventTime) -> Option<EventTime> {
        let (told, is_whole) = scan::scan(&self.format.items, text);
        if !is_whole && (self.strict || !self.is_told(&told)) {
            return None;
        }
        let seconds = match told.epoch {
            // Whatever the zone.
            Some(epoch) => epoch,
            None => self.seconds(&told, now.as_nanos().div_euclid(NANOS))?,
        };
        Some(EventTime::from_parts(seconds, told.nanos))
    }

    /// Whether a text that does not fit to the end tells a time all the same: without its seconds
    /// it does, without its day it would be one of the year 1900.
    fn is_told(&self, told: &Told) -> bool {
        if !self.format.has_date {
            return told.hour.is_some();
        }
        let has_day = told.day_of_year.is_some() || (told.month.is_some() && told.day.is_some());
        let has_year = told.full_year().is_some() || !self.format.has_year;
        told.epoch.is_some() || (has_day && has_year)
    }

    fn seconds(&self, told: &Told, now: i64) -> Option<i64> {
        let of_day = told.hour_of_24()? * 3_600 + told.minute * 60 + told.second;
        let of_text = told.offset.map(Zone::Offset);
        let zone = of_text.as_ref().unwrap_or(&self.zone);
        let moment = |days: i64| zone.utc(days * DAY_SECONDS + of_day);
        if let Some(year) = told.full_year() {
            return moment(days(told, year));
        }
        let today = zone.clock(now)?.date();
        if !self.format.has_date {
            let today =
                days_from_civil(today.year().into(), today.month().into(), today.day().into());
            let candidates = (today - 1..=today + 1).filter_map(moment);
            return candidates.min_by_key(|seconds| seconds.abs_diff(now));
        }
        let month = told.month.or((told.day_of_year.is_none()).then(|| today.month().into()));
        let told = Told { month, ..*told };
        let this_year = i64::from(today.year());
        let at = |year| moment(days(&told, year));
        // A day ahead may be the clock of another machine; a week ahead is last year's.
        let is_past = |seconds: &i64| *seconds <= now + DAY_SECONDS;
        let years = [this_year + 1, this_year, this_year - 1];
        years.into_iter().filter_map(at).find(is_past)
    }
}

/// Days from 1970 to what the text says of a date of that year; its first where nothing is said.
fn days(told: &Told, year: i64) -> i64 {
    match (told.month, told.day, told.day_of_year) {
        (None, None, Some(day)) => days_from_civil(year, 1, day),
        (month, day, _) => days_from_civil(year, month.unwrap_or(1), day.unwrap_or(1)),
    }
}

/// Days from 1970-01-01. A day beyond its month is one of the next, as for C's `timegm`.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // A year that begins with March has its leap day at its end.
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days_before_month = (153 * month_from_march + 2) / 5;
    // 0000-03-01 was 719,468 days before 1970.
    365 * year + leap_days + days_before_month + day - 1 - 719_468
}

#[cfg(test)]
mod tests;
