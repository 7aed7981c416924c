//! Times as logs write them, against what a calendar says.

use proptest::prelude::*;

use super::*;

/// 2023-11-14T22:13:20Z.
const NOW: EventTime = EventTime::from_parts(1_700_000_000, 0);

fn rule(format: &str, zone: Zone, strict: bool) -> TimeRule {
    TimeRule::new("time", format, zone, false, strict).0
}

fn seconds(format: &str, text: &str) -> Option<i64> {
    seconds_at(format, text, NOW)
}

fn seconds_at(format: &str, text: &str, now: EventTime) -> Option<i64> {
    let time = rule(format, Zone::UTC, true).read(text.as_bytes(), now)?;
    Some(time.as_nanos() / NANOS)
}

fn at(text: &str) -> EventTime {
    let seconds = seconds("%Y-%m-%dT%H:%M:%S", text).expect("a time");
    EventTime::from_parts(seconds, 0)
}

#[test]
fn a_time_is_counted_from_1970_in_utc() {
    assert_eq!(seconds("%d/%b/%Y:%H:%M:%S %z", "14/Nov/2023:21:00:00 +0200"), Some(1_699_988_400));
    assert_eq!(seconds("%Y-%m-%d", "1970-01-01"), Some(0));
    assert_eq!(seconds("%F", "1900-03-01"), Some(-25_508 * 86_400));
    assert_eq!(seconds("%F", "2024-02-29"), Some(1_709_164_800));
    assert_eq!(seconds("%F", "2023-02-29"), seconds("%F", "2023-03-01"));
    assert_eq!(seconds("%j %Y", "60 2024"), Some(1_709_164_800));
    assert_eq!(seconds("%c", "Tue Nov 14 22:13:20 2023"), Some(1_700_000_000));
    assert_eq!(seconds("%FT%T", "2016-12-31T23:59:60"), Some(1_483_228_800), "a leap second");
}

#[test]
fn a_fraction_counts_wherever_it_stands() {
    let read = |format, text: &str| rule(format, Zone::UTC, true).read(text.as_bytes(), NOW);
    let expected = Some(EventTime::from_parts(1_699_992_000, 123_456_789));
    assert_eq!(read("%Y-%m-%dT%H:%M:%S.%L%z", "2023-11-14T20:00:00.123456789Z"), expected);
    assert_eq!(read("%z %L %FT%T", "+0200 123456789 2023-11-14T22:00:00"), expected);
    assert_eq!(
        read("%s.%L", "1690000000.75"),
        Some(EventTime::from_parts(1_690_000_000, 750_000_000))
    );
}

#[test]
fn a_zone_is_assumed_only_where_none_is_told() {
    let berlin = Zone::named("Europe/Berlin").expect("a zone");
    let read = |format, text: &str, zone: &Zone| {
        let time = rule(format, zone.clone(), true).read(text.as_bytes(), NOW).expect("a time");
        time.as_nanos() / NANOS
    };
    assert_eq!(read("%FT%T", "2023-11-14T23:13:20", &berlin), 1_700_000_000);
    assert_eq!(read("%FT%T", "2023-11-15T00:13:20", &Zone::Offset(7_200)), 1_700_000_000);
    for zone in [berlin, Zone::Offset(7_200)] {
        assert_eq!(read("%FT%T%z", "2023-11-14T22:13:20Z", &zone), 1_700_000_000);
        assert_eq!(read("%FT%T %Z", "2023-11-14T17:13:20 EST", &zone), 1_700_000_000);
        assert_eq!(read("%Y-%m-%dT%H:%M:%SZ", "2023-11-14T22:13:20Z", &zone), 1_700_000_000);
        assert_eq!(read("%s", "1700000000", &zone), 1_700_000_000);
    }
}

#[test]
fn a_missing_year_is_the_latest_that_is_not_to_come() {
    let read = |text, now| {
        seconds_at("%b %d %H:%M:%S", text, at(now)).map(|s| EventTime::from_parts(s, 0))
    };
    let cases = [
        ("Nov 14 22:13:20", "2023-11-14T22:13:20", "2023-11-14T22:13:20"),
        ("Mar 3 00:00:00", "2023-11-14T22:13:20", "2023-03-03T00:00:00"),
        ("Nov 15 22:13:20", "2023-11-14T22:13:20", "2023-11-15T22:13:20"),
        ("Nov 15 22:13:21", "2023-11-14T22:13:20", "2022-11-15T22:13:21"),
        ("Dec 31 23:59:59", "2024-01-01T00:00:01", "2023-12-31T23:59:59"),
        ("Jan 1 00:00:00", "2023-12-31T23:59:59", "2024-01-01T00:00:00"),
        ("Feb 29 12:00:00", "2024-03-01T00:00:00", "2024-02-29T12:00:00"),
    ];
    for (text, now, expected) in cases {
        assert_eq!(read(text, now), Some(at(expected)), "{text} read at {now}");
    }
}

#[test]
fn a_day_of_the_year_or_of_the_month_is_one_of_this_year_or_month() {
    let now = at("2023-11-14T22:13:20");
    assert_eq!(seconds_at("%j %H", "60 5", now), seconds("%F %H", "2023-03-01 5"));
    assert_eq!(seconds_at("%d %H", "3 5", now), seconds("%F %H", "2023-11-03 5"));
}

#[test]
fn a_missing_date_is_the_nearest_day() {
    let read =
        |text, now| seconds_at("%H:%M:%S", text, at(now)).map(|s| EventTime::from_parts(s, 0));
    let cases = [
        ("22:00:00", "2023-11-14T22:13:20", "2023-11-14T22:00:00"),
        ("23:59:59", "2023-11-14T00:00:05", "2023-11-13T23:59:59"),
        ("00:00:01", "2023-11-14T23:59:58", "2023-11-15T00:00:01"),
    ];
    for (text, now, expected) in cases {
        assert_eq!(read(text, now), Some(at(expected)), "{text} read at {now}");
    }
}

#[test]
fn text_behind_the_format_does_not_matter() {
    assert_eq!(seconds("%Y-%m-%dT%H:%M:%S", "2023-11-14T20:00:00.5Z"), Some(1_699_992_000));
}

#[test]
fn a_text_that_is_cut_has_a_time_where_it_need_not_fit_and_its_date_is_there() {
    let read = |format, text: &str, strict| {
        rule(format, Zone::UTC, strict)
            .read(text.as_bytes(), NOW)
            .map(|time| time.as_nanos() / NANOS)
    };
    let format = "%Y-%m-%dT%H:%M:%S";
    assert_eq!(read(format, "2023-11-14T20:00", false), Some(1_699_992_000));
    assert_eq!(read(format, "2023-11-14T20:00", true), None);
    assert_eq!(read(format, "2023-11-14", false), Some(1_699_920_000));
    for text in ["2023-11", "yesterday", ""] {
        assert_eq!(read(format, text, false), None, "{text}");
    }
    assert_eq!(read("%d.%m.%y %H", "14.11.23", false), Some(1_699_920_000));
    assert_eq!(read("%d.%m.%y %H", "14.11.", false), None);
    assert_eq!(read("%b %d %H:%M:%S", "Nov 14 20", false), Some(1_699_992_000));
    assert_eq!((read("%H:%M", "20", false), read("%H:%M", "", false)), (Some(1_699_992_000), None));
}

#[test]
fn a_time_far_beyond_any_clock_saturates() {
    let read = |text: &str| rule("%s", Zone::UTC, true).read(text.as_bytes(), NOW);
    assert_eq!(read("999999999999999999"), Some(EventTime::from_nanos(i64::MAX)));
    assert_eq!(read("1000000000000000000"), None);
}

#[test]
fn what_is_no_conversion_is_told_of() {
    let unknown = |format| TimeRule::new("time", format, Zone::UTC, false, true).1;
    assert_eq!(unknown("%Y-%m-%dT%H:%M:%S.%f"), Some("%f".to_owned()));
    assert_eq!(unknown("%s"), None);
}

proptest! {
    #[test]
    fn days_are_those_of_another_calendar(year in 1_i16..9_999, day in 1_i8..=28, month in 1_i8..=12) {
        let date = jiff::civil::date(year, month, day);
        let epoch = jiff::civil::date(1_970, 1, 1);
        let expected = date.duration_since(epoch).as_hours() / 24;
        prop_assert_eq!(days_from_civil(year.into(), month.into(), day.into()), expected);
    }

    #[test]
    fn every_second_of_two_centuries_reads_back(second in 0_i64..6_311_433_600) {
        let shown = Zone::UTC.clock(second).expect("a date");
        let text = shown.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        prop_assert_eq!(seconds("%Y-%m-%dT%H:%M:%S", &text), Some(second));
    }

    #[test]
    fn no_text_and_no_present_make_it_panic(
        format in "[%\\- :aAbBcdDeFHIjklLmMprRsSTUwXyYzZ]{0,12}",
        text in "[0-9+\\-:.TZ A-Za-z]{0,24}",
        now: i64,
        strict: bool,
    ) {
        for zone in [Zone::UTC, Zone::named("America/New_York").expect("a zone")] {
            let _ = rule(&format, zone, strict).read(text.as_bytes(), EventTime::from_nanos(now));
        }
    }
}
