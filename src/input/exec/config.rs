//! Step 1, input: the options of `exec`.
//!
//! Reference: Fluent Bit's manual, "Exec" input; `plugins/in_exec`. Not known here: processes.

use std::sync::Arc;
use std::time::Duration;

use crate::option::{Fault, Kind, Options, Row, Table};
use crate::parser::Parser;

/// A whole number as C reads it.
const INTEGER: Kind = Kind::Integer { min: i32::MIN as i64, max: i32::MAX as i64 };
/// Where the options name no interval that can be used.
const PERIOD: Duration = Duration::from_secs(1);
/// A line of one byte and its end.
const BUF_BYTES_MIN: u64 = 2;
/// A line that is not whole is held in memory; many such lines would use up the budget.
const BUF_BYTES_MAX: u64 = 16 * 1_024 * 1_024;

/// Options of its own.
pub const OPTIONS: Table = &[
    Row::new("command", Kind::Text, "The command, as a shell takes it"),
    Row::new("parser", Kind::Text, "Parser for each line; lines it cannot take apart are dropped"),
    Row::new("interval_sec", INTEGER, "Seconds from one start of the command to the next").or("1"),
    Row::new("interval_nsec", INTEGER, "Nanoseconds beside interval_sec").or("0"),
    Row::new("buf_size", Kind::Bytes, "Bytes of the longest line and its end; longer ones are cut")
        .or("4096"),
    Row::new("oneshot", Kind::Bool, "Whether the command runs once, at the start").or("false"),
    Row::new("exit_after_oneshot", Kind::Bool, "Whether Firelane ends once it has run").or("false"),
    Row::new("propagate_exit_code", Kind::Bool, "Whether Firelane ends with its exit status then")
        .or("false"),
];

/// An `exec` input.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// What the shell is told.
    pub command: String,
    /// What takes each line apart.
    pub parser: Option<Arc<Parser>>,
    /// Most bytes of a record's line, without its end.
    pub line_bytes_max: usize,
    /// When it runs.
    pub schedule: Schedule,
}

/// When the command runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Schedule {
    /// Again and again, first after one such time.
    Every(Duration),
    /// At the start, once.
    Once(Afterwards),
}

/// What happens once it has run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Afterwards {
    /// Nothing.
    GoOn,
    /// The process ends as it does when it is stopped.
    End,
    /// The process ends, with the exit status of the command.
    EndAsCommand,
}

/// Why the options cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// No command.
    #[error("expected a command to run")]
    NoCommand,
    /// A line without room for a byte, or one that fills the memory.
    #[error("expected a size from {BUF_BYTES_MIN} to {BUF_BYTES_MAX} bytes")]
    BufSize,
    /// A parser that nobody defines.
    #[error("no parser of this name is defined; name its file with Parsers_File in [SERVICE]")]
    NoParser,
    /// Nothing that the exit status could become.
    #[error("makes sense only with exit_after_oneshot on")]
    NothingEnds,
}

impl Config {
    /// Reads the options; `None` after a problem was reported. `find` knows the parsers by name.
    pub fn from_options(
        options: &mut Options,
        find: impl Fn(&str) -> Option<Arc<Parser>>,
    ) -> Option<Self> {
        let command = options.text("command");
        if command.is_none() {
            options.refuse("command", Fault::invalid(Refusal::NoCommand));
        }
        let buf_size = options.bytes("buf_size")?;
        if !(BUF_BYTES_MIN..=BUF_BYTES_MAX).contains(&buf_size) {
            options.refuse("buf_size", Fault::invalid(Refusal::BufSize));
        }
        let name = options.text("parser");
        let parser = name.as_deref().and_then(find);
        if name.is_some() && parser.is_none() {
            options.refuse("parser", Fault::invalid(Refusal::NoParser));
        }
        let (ends, tells) =
            (options.bool("exit_after_oneshot"), options.bool("propagate_exit_code"));
        if tells && !ends {
            options.refuse("propagate_exit_code", Fault::invalid(Refusal::NothingEnds));
        }
        let schedule = match (ends, tells) {
            (true, true) => Schedule::Once(Afterwards::EndAsCommand),
            (true, false) => Schedule::Once(Afterwards::End),
            (false, _) if options.bool("oneshot") => Schedule::Once(Afterwards::GoOn),
            (false, _) => {
                let integer = |name| options.integer::<i64>(name).unwrap_or_default();
                Schedule::Every(period(integer("interval_sec"), integer("interval_nsec")))
            }
        };
        let line_bytes_max = usize::try_from(buf_size.saturating_sub(1)).ok()?;
        let config = Self { command: command?, parser, line_bytes_max, schedule };
        (!options.is_refused()).then_some(config)
    }
}

fn period(sec: i64, nsec: i64) -> Duration {
    let part = |number: i64| u64::try_from(number).unwrap_or_default();
    let period = Duration::from_secs(part(sec)) + Duration::from_nanos(part(nsec));
    if period.is_zero() { PERIOD } else { period }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::{Policy, first_bad_row, section};
    use crate::parser::fixture;

    fn read(lines: &[(&str, &str)]) -> Result<Config, String> {
        let lines = [&[("command", "true")], lines].concat();
        read_only(&lines)
    }

    fn read_only(lines: &[(&str, &str)]) -> Result<Config, String> {
        let mut options = Options::read(section(lines), OPTIONS, &[], Policy::Plugin);
        let known = Arc::new(fixture::parser("known", &[("format", "json")]));
        let find = |name: &str| (name == "known").then(|| Arc::clone(&known));
        let config = Config::from_options(&mut options, find);
        let problems = options.into_report().problems.into_iter().map(|one| one.to_string());
        config.ok_or_else(|| problems.collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn every_row_has_a_sentence_and_a_default_that_parses() {
        assert_eq!(first_bad_row(&[OPTIONS]), None);
    }

    #[test]
    fn a_command_alone_runs_every_second_with_lines_of_4095_bytes() {
        let expected = Config {
            command: "true".to_owned(),
            parser: None,
            line_bytes_max: 4_095,
            schedule: Schedule::Every(Duration::from_secs(1)),
        };
        assert_eq!(read(&[]), Ok(expected));
        assert!(read_only(&[]).unwrap_err().contains("expected a command"));
    }

    #[test]
    fn an_interval_is_the_sum_of_its_parts_unless_that_is_nothing() {
        let cases: [(&[(&str, &str)], Duration); 5] = [
            (&[("interval_sec", "30")], Duration::from_secs(30)),
            (&[("interval_sec", "1"), ("interval_nsec", "5")], Duration::new(1, 5)),
            (&[("interval_sec", "0"), ("interval_nsec", "5")], Duration::from_nanos(5)),
            (&[("interval_sec", "0")], PERIOD),
            (&[("interval_sec", "-1"), ("interval_nsec", "-1")], PERIOD),
        ];
        for (lines, period) in cases {
            let schedule = read(lines).map(|config| config.schedule);
            assert_eq!(schedule, Ok(Schedule::Every(period)), "{lines:?}");
        }
    }

    #[test]
    fn a_oneshot_may_end_the_process_and_give_it_its_status() {
        let schedule = |lines: &[(&str, &str)]| read(lines).map(|config| config.schedule);
        let once = |afterwards| Ok(Schedule::Once(afterwards));
        assert_eq!(schedule(&[("oneshot", "on")]), once(Afterwards::GoOn));
        let end = ("exit_after_oneshot", "on");
        assert_eq!(schedule(&[end]), once(Afterwards::End), "it implies oneshot");
        let propagate = ("propagate_exit_code", "on");
        assert_eq!(schedule(&[end, propagate]), once(Afterwards::EndAsCommand));
        assert!(schedule(&[propagate]).unwrap_err().contains("only with exit_after_oneshot"));
    }

    #[test]
    fn a_line_has_a_byte_at_least_and_16_mib_at_most() {
        let bytes = |text| read(&[("buf_size", text)]).map(|config| config.line_bytes_max);
        assert_eq!((bytes("2"), bytes("16777216")), (Ok(1), Ok(16_777_215)));
        for text in ["0", "1", "16777217"] {
            assert!(bytes(text).unwrap_err().contains("expected a size from 2"), "{text}");
        }
    }

    #[test]
    fn a_parser_has_to_be_defined() {
        assert!(read(&[("parser", "known")]).is_ok_and(|config| config.parser.is_some()));
        assert!(read(&[("parser", "other")]).unwrap_err().contains("no parser of this name"));
    }
}
