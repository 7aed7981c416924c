//! Step 1, input: the options of `dummy`.
//!
//! Reference: Fluent Bit's manual, "Dummy" input; `plugins/in_dummy`. Not known here: the clock.

use std::time::Duration;

use crate::option::{Kind, Options, Remark, Row, Table};
use crate::record::chunk::RECORD_DEPTH_MAX;
use crate::record::json_in::{JsonError, Transcoder};
use crate::record::time::EventTime;

/// A whole number as C reads it.
const INTEGER: Kind = Kind::Integer { min: i32::MIN as i64, max: i32::MAX as i64 };
const DUMMY: &str = r#"{"message":"dummy"}"#;
/// How often without an option that says so.
const PERIOD: Duration = Duration::from_secs(1);

/// Options of its own.
pub const OPTIONS: Table = &[
    Row::new("dummy", Kind::Text, "The record, a JSON object").or(DUMMY),
    Row::new("metadata", Kind::Text, "Metadata of the record, which records do not have here")
        .without_effect(),
    Row::new("rate", INTEGER, "Times a second that records are made").or("1"),
    Row::new("interval_sec", INTEGER, "Seconds between two times, instead of rate").or("0"),
    Row::new("interval_nsec", INTEGER, "Nanoseconds beside interval_sec").or("0"),
    Row::new("copies", INTEGER, "How often the record is made each time").or("1"),
    Row::new("samples", INTEGER, "How many times there are, 0 for no end").or("0"),
    Row::new("start_time_sec", INTEGER, "Time of the first record in seconds, -1 for the present")
        .or("-1"),
    Row::new("start_time_nsec", INTEGER, "Nanoseconds beside start_time_sec").or("-1"),
    Row::new("fixed_timestamp", Kind::Bool, "Whether all records have the time of the first")
        .or("off"),
    Row::new("flush_on_startup", Kind::Bool, "Whether the first time is at once").or("false"),
    Row::new("test_hang_on_exit", Kind::Bool, "Only for the tests of Fluent Bit").without_effect(),
];

/// A `dummy` input.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// The records of one copy, msgpack.
    pub records: Vec<Vec<u8>>,
    /// Time between two ticks.
    pub period: Duration,
    /// Copies a tick.
    pub copies: u32,
    /// Ticks there are; `None`: without end.
    pub samples: Option<u64>,
    /// Time of the first record; `None`: the present.
    pub start: Option<EventTime>,
    /// Every record has the time of the first.
    pub is_time_fixed: bool,
    /// The first tick comes at once.
    pub is_early: bool,
}

/// What to know about options that can be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Advice {
    /// Text that is no JSON.
    #[error("is no JSON; the record is {DUMMY}")]
    NotJson,
    /// JSON without an object.
    #[error("has no JSON object, so that there will be no records")]
    NoObject,
}

impl Config {
    /// Reads the options; `None` after a problem was reported.
    pub fn from_options(options: &mut Options) -> Option<Self> {
        let integer = |name| options.integer::<i64>(name).unwrap_or_default();
        let (copies, samples) = (integer("copies"), integer("samples"));
        let period = period(integer("rate"), integer("interval_sec"), integer("interval_nsec"));
        let start = start(integer("start_time_sec"), integer("start_time_nsec"));
        let records = match records(&options.text("dummy")?) {
            Ok(records) => {
                if records.is_empty() {
                    options.remark("dummy", Remark::plugin(Advice::NoObject));
                }
                records
            }
            Err(_) => {
                options.remark("dummy", Remark::plugin(Advice::NotJson));
                records(DUMMY).unwrap_or_default()
            }
        };
        let config = Self {
            records,
            period,
            copies: u32::try_from(copies).unwrap_or_default(),
            samples: u64::try_from(samples).ok().filter(|samples| *samples > 0),
            start,
            is_time_fixed: options.bool("fixed_timestamp"),
            is_early: options.bool("flush_on_startup"),
        };
        (!options.is_refused()).then_some(config)
    }
}

/// An interval comes before the rate; one below zero is none at all.
fn period(rate: i64, sec: i64, nsec: i64) -> Duration {
    match (u64::try_from(sec), u64::try_from(nsec)) {
        (Ok(sec), Ok(nsec)) if sec > 0 || nsec > 0 => {
            Duration::from_secs(sec) + Duration::from_nanos(nsec)
        }
        _ if rate > 1 => PERIOD / u32::try_from(rate).unwrap_or(u32::MAX),
        _ => PERIOD,
    }
}

/// Either half is enough; the other is zero then.
fn start(sec: i64, nsec: i64) -> Option<EventTime> {
    let is_set = sec >= 0 || nsec >= 0;
    let nanos = u32::try_from(nsec.max(0)).unwrap_or_default();
    is_set.then(|| EventTime::from_parts(sec.max(0), nanos))
}

/// The objects of the text, one after the other; other values are no records.
fn records(text: &str) -> Result<Vec<Vec<u8>>, JsonError> {
    let mut transcoder = Transcoder::new(RECORD_DEPTH_MAX);
    let (mut records, mut rest) = (Vec::new(), text.trim_end());
    while !rest.is_empty() {
        let mut record = Vec::new();
        let end = transcoder.transcode(rest.as_bytes(), None, &mut record)?;
        if rest.trim_start().starts_with('{') {
            records.push(record);
        }
        rest = rest.get(end..).unwrap_or_default();
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::{Policy, first_bad_row, section};

    fn read(lines: &[(&str, &str)]) -> (Config, Vec<String>) {
        let mut options = Options::read(section(lines), OPTIONS, &[], Policy::Plugin);
        let config = Config::from_options(&mut options).expect("a config");
        let notes = options.into_report().notes.into_iter().map(|note| note.to_string());
        (config, notes.collect())
    }

    fn config(lines: &[(&str, &str)]) -> Config {
        read(lines).0
    }

    #[test]
    fn every_row_has_a_sentence_and_a_default_that_parses() {
        assert_eq!(first_bad_row(&[OPTIONS]), None);
    }

    #[test]
    fn without_options_it_makes_one_record_a_second_without_end() {
        let expected = Config {
            records: vec![records(DUMMY).expect("JSON").remove(0)],
            period: Duration::from_secs(1),
            copies: 1,
            samples: None,
            start: None,
            is_time_fixed: false,
            is_early: false,
        };
        assert_eq!(config(&[]), expected);
    }

    #[test]
    fn an_interval_comes_before_the_rate() {
        let cases: [(&[(&str, &str)], Duration); 8] = [
            (&[("rate", "10")], Duration::from_millis(100)),
            (&[("rate", "1")], PERIOD),
            (&[("rate", "0")], PERIOD),
            (&[("rate", "-5")], PERIOD),
            (&[("rate", "10"), ("interval_sec", "3")], Duration::from_secs(3)),
            (&[("interval_nsec", "1500000000")], Duration::from_millis(1_500)),
            (&[("interval_sec", "1"), ("interval_nsec", "5")], Duration::new(1, 5)),
            (&[("interval_sec", "-1"), ("interval_nsec", "5"), ("rate", "2")], PERIOD / 2),
        ];
        for (lines, period) in cases {
            assert_eq!(config(lines).period, period, "{lines:?}");
        }
    }

    #[test]
    fn copies_samples_and_the_start_are_as_they_are_set() {
        let made = config(&[("copies", "3"), ("samples", "2"), ("start_time_sec", "5")]);
        assert_eq!((made.copies, made.samples), (3, Some(2)));
        assert_eq!(made.start, Some(EventTime::from_parts(5, 0)));
        let made = config(&[("copies", "-1"), ("samples", "-1"), ("start_time_nsec", "7")]);
        assert_eq!((made.copies, made.samples), (0, None));
        assert_eq!(made.start, Some(EventTime::from_parts(0, 7)));
        let made = config(&[("fixed_timestamp", "on"), ("flush_on_startup", "on")]);
        assert!(made.is_time_fixed && made.is_early);
    }

    #[test]
    fn each_object_of_the_text_is_a_record_and_nothing_else_is() {
        let count = |text| config(&[("dummy", text)]).records.len();
        assert_eq!(count(r#"{"a":1} {"b":2}"#), 2);
        assert_eq!(count(r#" {"a":1}[1]"#), 1);
        let (made, notes) = read(&[("dummy", "[1]")]);
        assert!(made.records.is_empty());
        assert!(notes.concat().contains("no records"), "{notes:?}");
    }

    #[test]
    fn text_that_is_no_json_is_the_default_with_a_warning() {
        for text in ["{\"a\":", "{\"a\":1} nonsense", "nonsense"] {
            let (made, notes) = read(&[("dummy", text)]);
            assert_eq!(made.records, config(&[]).records, "{text}");
            assert!(notes.concat().contains("is no JSON"), "{notes:?}");
        }
    }

    #[test]
    fn options_that_only_fluent_bit_needs_say_that_they_do_nothing() {
        for name in ["metadata", "test_hang_on_exit"] {
            assert_eq!(read(&[(name, "on")]).1.len(), 1, "{name}");
        }
    }
}
