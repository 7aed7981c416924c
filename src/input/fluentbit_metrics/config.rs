//! Step 1, input: the options of `fluentbit_metrics`.
//!
//! Reference: Fluent Bit's manual, "Fluent Bit metrics" input; `plugins/in_fluentbit_metrics`.

use std::time::Duration;

use crate::option::{Fault, Kind, Options, Row, Table};

/// The shortest interval: Fluent Bit counts in whole seconds.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Options of its own.
pub const OPTIONS: Table = &[
    Row::new("scrape_interval", Kind::Seconds, "Time between two looks at the counters").or("2"),
    Row::new(
        "scrape_on_start",
        Kind::Bool,
        "Whether there is a look 5 s after the start where the interval is over 2 s",
    )
    .or("false"),
];

/// A `fluentbit_metrics` input.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// Time between two looks.
    pub interval: Duration,
    /// There is one more look soon after the start.
    pub is_early: bool,
    /// The name of this machine, if it has one.
    pub hostname: Option<String>,
}

/// Why the options cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// An interval of less than a second.
    #[error("expected a time of at least 1 second")]
    TooShort,
}

impl Config {
    /// Reads the options; `None` after a problem was reported.
    pub fn from_options(options: &mut Options, hostname: Option<&str>) -> Option<Self> {
        let interval = options.seconds("scrape_interval")?;
        if interval < INTERVAL_MIN {
            options.refuse("scrape_interval", Fault::invalid(Refusal::TooShort));
        }
        let is_early = options.bool("scrape_on_start");
        let config = Self { interval, is_early, hostname: hostname.map(str::to_owned) };
        (!options.is_refused()).then_some(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::{Policy, first_bad_row, section};

    fn read(lines: &[(&str, &str)]) -> Option<Config> {
        let mut options = Options::read(section(lines), OPTIONS, &[], Policy::Plugin);
        Config::from_options(&mut options, Some("host-1"))
    }

    #[test]
    fn every_row_has_a_sentence_and_a_default_that_parses() {
        assert_eq!(first_bad_row(&[OPTIONS]), None);
    }

    #[test]
    fn it_looks_every_two_seconds_unless_it_is_told_otherwise() {
        let interval = Duration::from_secs(2);
        let hostname = Some("host-1".to_owned());
        assert_eq!(read(&[]), Some(Config { interval, is_early: false, hostname }));
        let made = read(&[("scrape_interval", "1m"), ("scrape_on_start", "on")]).expect("a config");
        assert_eq!((made.interval, made.is_early), (Duration::from_secs(60), true));
    }

    #[test]
    fn an_interval_below_a_second_is_refused() {
        assert!(read(&[("scrape_interval", "1")]).is_some());
        assert_eq!(read(&[("scrape_interval", "0.9")]), None);
        assert_eq!(read(&[("scrape_interval", "0")]), None);
    }
}
