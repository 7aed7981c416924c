//! Step 3, filter: the options of a stream task.
//!
//! Reference: Fluent Bit's manual, "Stream Processing". Not known here: records.

use std::fmt;

use super::query::{Query, QueryError, Source};
use crate::chunk::STREAMS;
use crate::option::{Fault, Kind, Options, Remark, Row, Table};

/// Options of `[STREAM_TASK]`.
pub const OPTIONS: Table = &[
    Row::new("name", Kind::Text, "Name of the task"),
    Row::new(
        "exec",
        Kind::Text,
        "CREATE STREAM name WITH (tag='t') AS SELECT * FROM TAG:'x' WHERE a = 'b'",
    ),
];

/// A stream task.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Who it is, in [`crate::chunk::Chunk::input`] of what it emits.
    pub emitter: u16,
    /// Where its records come from.
    pub origin: Origin,
    /// What it does with them.
    pub query: Query,
}

/// Where records come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// From all tags that this pattern matches.
    Tag(String),
    /// From the input of this place, or from the stream of this emitter.
    Input(u16),
    /// From nowhere.
    Nothing,
}

/// An input or a stream that others may take records from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Known {
    /// What it is called.
    pub name: String,
    /// The place of the input, or the emitter of the stream.
    pub input: u16,
}

/// What to know about a task that can be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Advice {
    /// `STREAM:name` of nothing.
    #[error("gets no records: '{name}' is neither an input nor a stream of a task before it")]
    NoSource {
        /// The name.
        name: String,
    },
}

/// What it does, for people.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("copies records")?;
        match (&self.origin, &self.query.source) {
            (Origin::Nothing, _) => f.write_str(" of nothing")?,
            (Origin::Input(_), Source::Stream(name)) => write!(f, " of {name}")?,
            (Origin::Input(_) | Origin::Tag(_), _) => {}
        }
        if self.query.condition.is_some() {
            f.write_str(" that fulfil its condition")?;
        }
        write!(f, " to tag {}", self.query.new_tag())
    }
}

impl Config {
    /// Reads the options of the task at `place`; `None` if it makes nothing, or after a problem was
    /// reported. `known` are the inputs and the streams of the tasks before it.
    pub fn from_options(options: &mut Options, place: u16, known: &[Known]) -> Option<Self> {
        if !options.is_set("name") {
            options.refuse("name", Fault::Missing("name"));
        }
        let Some(text) = options.text("exec") else {
            options.refuse("exec", Fault::Missing("exec"));
            return None;
        };
        let query = match Query::parse(&text) {
            Ok(query) => query,
            Err(nothing @ QueryError::NoStream) => {
                options.remark("exec", Remark::plugin(nothing));
                return None;
            }
            Err(error) => {
                options.refuse("exec", Fault::invalid(error));
                return None;
            }
        };
        for advice in &query.advice {
            options.remark("exec", Remark::plugin(*advice));
        }
        let origin = match &query.source {
            Source::Tag(pattern) => Origin::Tag(pattern.clone()),
            Source::Stream(name) => {
                let found = known.iter().find(|known| known.name.eq_ignore_ascii_case(name));
                if found.is_none() {
                    let advice = Advice::NoSource { name: name.clone() };
                    options.remark("exec", Remark::plugin(advice));
                }
                found.map_or(Origin::Nothing, |known| Origin::Input(known.input))
            }
        };
        (!options.is_refused()).then_some(Self { emitter: STREAMS | place, origin, query })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::{Policy, first_bad_row, section};

    fn read(exec: &str) -> (Option<Config>, String) {
        let lines = [("Name", "t"), ("Exec", exec)];
        let mut options = Options::read(section(&lines), OPTIONS, &[], Policy::Plugin);
        let known = [("app", 1), ("errors", STREAMS)];
        let known = known.map(|(name, input)| Known { name: name.to_owned(), input });
        let config = Config::from_options(&mut options, 1, &known);
        let report = options.into_report();
        let problems = report.problems.iter().map(|problem| problem.fault.to_string());
        (config, problems.chain(report.notes.iter().map(|note| note.remark.to_string())).collect())
    }

    #[test]
    fn every_row_has_a_sentence_and_a_default_that_parses() {
        assert_eq!(first_bad_row(&[OPTIONS]), None);
    }

    #[test]
    fn records_come_from_tags_inputs_or_streams() {
        let origin = |from: &str| {
            let (config, said) = read(&format!("CREATE STREAM s AS SELECT * FROM {from};"));
            assert_eq!(said, "");
            config.expect("a task").origin
        };
        assert_eq!(origin("TAG:'a*'"), Origin::Tag("a*".to_owned()));
        assert_eq!((origin("STREAM:APP"), origin("STREAM:errors")), {
            (Origin::Input(1), Origin::Input(STREAMS))
        });
        let (config, said) = read("CREATE STREAM s AS SELECT * FROM STREAM:nobody;");
        assert_eq!(config.expect("a task").origin, Origin::Nothing);
        assert!(said.starts_with("gets no records: 'nobody' is neither"), "{said}");
    }

    #[test]
    fn a_query_that_cannot_be_run_is_refused_and_one_that_makes_nothing_told_of() {
        let (config, said) = read("CREATE STREAM s AS SELECT COUNT(*) FROM TAG:'a';");
        assert!(config.is_none() && said.contains("COUNT makes one record of many"), "{said}");
        let (config, said) = read("SELECT * FROM TAG:'a';");
        assert!(config.is_none() && said.starts_with("has no CREATE STREAM"), "{said}");
        let mut options = Options::read(section(&[]), OPTIONS, &[], Policy::Plugin);
        assert!(Config::from_options(&mut options, 0, &[]).is_none());
        let problems = options.into_report().problems;
        let said: Vec<_> = problems.iter().map(|problem| problem.fault.to_string()).collect();
        assert_eq!(said, ["expected an option name", "expected an option exec"]);
    }
}
