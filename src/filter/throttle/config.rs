//! Step 3, filter: the options of `throttle`.
//!
//! Reference: Fluent Bit's manual, "Throttle" filter; `plugins/filter_throttle`. Not known here:
//! records, and what time it is.

use std::fmt;
use std::time::Duration;

use crate::option::{Kind, Options, Remark, Row, Table};
use crate::record::number;

/// Most panes of a window, inclusive: eleven days of seconds, in 8 MB.
pub const WINDOW_PANES_MAX: usize = 1_000_000;
/// Longest interval: a year. A pane that long is never closed.
const INTERVAL_SECONDS_MAX: f64 = 365.0 * 86_400.0;
const RATE_DEFAULT: f64 = 1.0;
const WINDOW_DEFAULT: usize = 5;
const INTERVAL_DEFAULT: Duration = Duration::from_secs(1);

/// Options of its own.
pub const OPTIONS: Table = &[
    Row::new("rate", Kind::Text, "Records that may pass in an interval, on average").or("1"),
    Row::new(
        "window",
        Kind::Integer { min: i64::MIN, max: i64::MAX },
        "Intervals over which the average is taken",
    )
    .or("5"),
    Row::new("interval", Kind::Text, "How long an interval is: 1, 30s, 1m").or("1"),
    Row::new("print_status", Kind::Bool, "Whether to log limit and rate at every interval")
        .or("false"),
];

/// A `throttle` filter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Records that may pass in an interval, on average.
    pub rate: f64,
    /// Intervals over which the average is taken.
    pub window: usize,
    /// How long an interval is, in whole seconds.
    pub interval: Duration,
    /// Whether every interval is logged.
    pub print_status: bool,
}

/// What to know about a value for which another one holds.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Advice {
    #[error("is no time, 1 second holds; expected one such as 1, 30s or 1m")]
    Interval,
    #[error("is too long, {WINDOW_PANES_MAX} intervals hold")]
    Window,
    #[error("is no number, 1 holds")]
    Rate,
}

impl Config {
    /// Reads the options. What cannot be used is told of and replaced, as in Fluent Bit.
    pub fn from_options(options: &mut Options) -> Option<Self> {
        let rate = options.text("rate").and_then(|text| number::float(text.as_bytes()));
        if rate.is_none() {
            options.remark("rate", Remark::plugin(Advice::Rate));
        }
        let mut window = options.integer("window").filter(|panes| *panes > 1);
        if window.is_some_and(|panes: usize| panes > WINDOW_PANES_MAX) {
            options.remark("window", Remark::plugin(Advice::Window));
            window = Some(WINDOW_PANES_MAX);
        }
        let interval = options.text("interval").and_then(|text| interval(&text));
        if interval.is_none() {
            options.remark("interval", Remark::plugin(Advice::Interval));
        }
        let config = Self {
            rate: rate.filter(|rate| *rate > 1.0).unwrap_or(RATE_DEFAULT),
            window: window.unwrap_or(WINDOW_DEFAULT),
            interval: interval.unwrap_or(INTERVAL_DEFAULT),
            print_status: options.bool("print_status"),
        };
        (!options.is_refused()).then_some(config)
    }
}

/// A number with `s`, `m`, `h` or `d`. Parts of seconds do not count, and less than one is one:
/// Fluent Bit's panes are seconds.
fn interval(text: &str) -> Option<Duration> {
    let (number, factor) = match text.split_at_checked(text.len().checked_sub(1)?)? {
        (number, "s") => (number, 1.0),
        (number, "m") => (number, 60.0),
        (number, "h") => (number, 3_600.0),
        (number, "d") => (number, 86_400.0),
        _ => (text, 1.0),
    };
    let seconds = number.parse::<f64>().ok()? * factor;
    let is_time = seconds > 0.0 && seconds <= INTERVAL_SECONDS_MAX;
    is_time.then(|| Duration::try_from_secs_f64(seconds.trunc().max(1.0)).ok()).flatten()
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rate, window, interval, .. } = self;
        let seconds = interval.as_secs();
        write!(
            f,
            "lets {rate} records pass in {seconds} s, on average over {window} such intervals"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::{Policy, first_bad_row, section};

    fn read(lines: &[(&str, &str)]) -> (Config, usize) {
        let mut options = Options::read(section(lines), OPTIONS, &[], Policy::Plugin);
        let config = Config::from_options(&mut options).expect("a configuration");
        (config, options.into_report().notes.len())
    }

    #[test]
    fn every_row_has_a_sentence_and_a_default_that_parses() {
        assert_eq!(first_bad_row(&[OPTIONS]), None);
    }

    #[test]
    fn what_is_set_holds_and_without_it_the_default() {
        let text = |lines: &[(&str, &str)]| read(lines).0.to_string();
        let expected = "lets 1 records pass in 1 s, on average over 5 such intervals";
        assert_eq!(text(&[]), expected);
        let lines = [("Rate", "2.5"), ("Window", "300"), ("Interval", "1m")];
        assert_eq!(
            text(&lines),
            "lets 2.5 records pass in 60 s, on average over 300 such intervals"
        );
    }

    #[test]
    fn a_rate_or_a_window_of_at_most_1_is_the_default() {
        let rate = |text| read(&[("rate", text)]).0.rate.to_string();
        assert_eq!((rate("0.5"), rate("-3"), rate("1.5")), ("1".into(), "1".into(), "1.5".into()));
        let window = |text| read(&[("window", text)]).0.window;
        assert_eq!((window("1"), window("-2"), window("2")), (5, 5, 2));
        assert_eq!(read(&[("rate", "many")]).1, 1);
    }

    #[test]
    fn a_window_has_an_end() {
        let window = |panes: usize| {
            let (config, notes) = read(&[("window", &panes.to_string())]);
            (config.window, notes)
        };
        assert_eq!(window(WINDOW_PANES_MAX), (WINDOW_PANES_MAX, 0));
        assert_eq!(window(WINDOW_PANES_MAX + 1), (WINDOW_PANES_MAX, 1));
    }

    #[test]
    fn an_interval_is_of_whole_seconds_and_at_least_one() {
        let seconds = |text| {
            (read(&[("interval", text)]).0.interval.as_secs(), read(&[("interval", text)]).1)
        };
        assert_eq!((seconds("2"), seconds("1.9s"), seconds("0.2")), ((2, 0), (1, 0), (1, 0)));
        assert_eq!(
            (seconds("1.5m"), seconds("2h"), seconds("1d")),
            ((90, 0), (7_200, 0), (86_400, 0))
        );
        for bad in ["0", "-1", "1w", "s", "nan", "1e99"] {
            assert_eq!(seconds(bad), (1, 1), "{bad}");
        }
    }
}
