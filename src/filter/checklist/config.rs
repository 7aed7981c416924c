//! Step 3, filter: the options of `checklist`.
//!
//! Reference: Fluent Bit's manual, "Checklist" filter; `plugins/filter_checklist`. Not known here:
//! records, and what is in the file.

use std::fmt;
use std::path::PathBuf;

use crate::option::{Fault, Kind, Options, Row, Table, tokens};
use crate::record::accessor::{Accessor, AccessorError};

/// Options of its own.
pub const OPTIONS: Table = &[
    Row::new("file", Kind::Text, "File of the texts to look for, one a line"),
    Row::new(
        "mode",
        Kind::Choice(&["exact", "partial"]),
        "Whether a value has to be a text of the list, or to begin with one",
    )
    .or("exact"),
    Row::new("print_query_time", Kind::Bool, "Whether to log how long a look-up took")
        .or("false")
        .without_effect(),
    Row::new("ignore_case", Kind::Bool, "Whether letters of either case are the same").or("false"),
    Row::new("lookup_key", Kind::Text, "Key of the value that is looked for").or("log"),
    Row::new("record", Kind::Text, "KEY VALUE: a field for records whose value is on the list")
        .many(),
];

/// A `checklist` filter.
#[derive(Clone, Debug)]
pub struct Config {
    /// The list.
    pub file: PathBuf,
    /// Whether the start of a value is enough.
    pub is_partial: bool,
    /// Whether ASCII letters of either case are the same.
    pub ignore_case: bool,
    /// The value.
    pub lookup_key: Accessor,
    /// What records whose value is found get.
    pub records: Vec<(String, Value)>,
}

/// What a field gets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// `null`
    Null,
    /// Anything else.
    Text(String),
}

/// Why the options cannot be used.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Refusal {
    #[error("expected KEY VALUE")]
    Incomplete,
    #[error("not a key: {0}")]
    Key(#[from] AccessorError),
}

impl Config {
    /// Reads the options; `None` after a problem was reported.
    pub fn from_options(options: &mut Options) -> Option<Self> {
        let mut records = Vec::new();
        for setting in options.all("record") {
            match <[String; 2]>::try_from(tokens::split(&setting.value, 1)) {
                Ok([key, value]) => records.push((key, Value::new(value))),
                Err(_) => {
                    options.refuse_setting(&setting, Fault::invalid(Refusal::Incomplete));
                }
            }
        }
        let key = options.text("lookup_key").unwrap_or_default();
        let lookup_key = Accessor::plain_or_path(&key);
        if let Err(error) = lookup_key {
            options.refuse("lookup_key", Fault::invalid(Refusal::Key(error)));
        }
        let file = options.text("file");
        if file.is_none() {
            options.refuse("file", Fault::Missing("file"));
        }
        let is_partial = options.text("mode").as_deref() == Some("partial");
        let ignore_case = options.bool("ignore_case");
        let (file, lookup_key) = (file?.into(), lookup_key.ok()?);
        let config = Self { file, is_partial, ignore_case, lookup_key, records };
        (!options.is_refused()).then_some(config)
    }
}

impl Value {
    fn new(text: String) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "true" => Self::Bool(true),
            "false" => Self::Bool(false),
            "null" => Self::Null,
            _ => Self::Text(text),
        }
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.records.iter().map(|(key, _)| key.as_str()).collect();
        let is = if self.is_partial { "begins with a line" } else { "is a line" };
        let (key, file) = (&self.lookup_key, self.file.display());
        write!(f, "sets {} where {key} {is} of {file}", keys.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::{Policy, first_bad_row, section};

    fn read(lines: &[(&str, &str)]) -> (Option<Config>, String) {
        let mut options = Options::read(section(lines), OPTIONS, &[], Policy::Plugin);
        let config = Config::from_options(&mut options);
        let problems = options.into_report().problems;
        (config, problems.iter().map(|problem| problem.fault.to_string()).collect())
    }

    #[test]
    fn every_row_has_a_sentence_and_a_default_that_parses() {
        assert_eq!(first_bad_row(&[OPTIONS]), None);
    }

    #[test]
    fn words_that_json_knows_are_values_and_others_are_texts() {
        let lines = [
            ("file", "a.txt"),
            ("record", "a TRUE"),
            ("record", "b null"),
            ("record", "c two words"),
        ];
        let config = read(&lines).0.unwrap();
        let values: Vec<_> = config.records.into_iter().map(|(_, value)| value).collect();
        assert_eq!(values, [Value::Bool(true), Value::Null, Value::Text("two words".to_owned())]);
    }

    #[test]
    fn a_file_is_needed_and_a_record_has_a_value() {
        assert_eq!(read(&[]).1, "expected an option file");
        assert_eq!(read(&[("file", "a"), ("record", "b")]).1, "expected KEY VALUE");
        let config = read(&[("file", "a"), ("mode", "Partial")]).0.unwrap();
        assert_eq!(config.to_string(), "sets  where log begins with a line of a");
    }
}
