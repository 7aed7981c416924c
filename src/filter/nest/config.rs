//! Step 3, filter: the options of `nest`.
//!
//! Reference: Fluent Bit's manual, "Nest" filter; `plugins/filter_nest`. Not known here: records.

use std::fmt;

use crate::option::{Fault, Kind, Options, Remark, Row, Table};

/// Options of its own.
pub const OPTIONS: Table = &[
    Row::new(
        "operation",
        Kind::Choice(&["nest", "lift"]),
        "Whether fields go into a map or come out of one",
    ),
    Row::new("wildcard", Kind::Text, "A key to nest, * at its end for any that start so").many(),
    Row::new("nest_under", Kind::Text, "Key of the map that fields go into"),
    Row::new("nested_under", Kind::Text, "Key of the map that fields come out of"),
    Row::new("add_prefix", Kind::Text, "What to put before the keys that are moved"),
    Row::new("remove_prefix", Kind::Text, "What to take off the keys that are moved"),
];

/// A `nest` filter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// What it does.
    pub operation: Operation,
    /// What becomes of the keys of fields that are moved.
    pub prefix: Prefix,
}

/// What the filter does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Operation {
    /// Fields go into a map at the end of the record.
    Nest {
        /// Which ones.
        keys: Vec<KeyPattern>,
        /// The key of the map.
        under: String,
    },
    /// The fields of a map go to the end of the record, and the map is gone.
    Lift {
        /// The key of the map; `None` is none.
        under: Option<String>,
    },
}

/// What becomes of a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Prefix {
    /// It stays.
    Keep,
    /// This comes before it.
    Add(String),
    /// This is taken off where it starts so.
    Remove(String),
}

/// A `Wildcard`: a key, or the start of keys.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyPattern {
    text: String,
    is_prefix: bool,
}

/// What to know about a filter that does nothing.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("lifts nothing without an option nested_under")]
struct LiftsNothing;

impl Config {
    /// Reads the options; `None` after a problem was reported.
    pub fn from_options(options: &mut Options) -> Option<Self> {
        // Fluent Bit takes either name for either operation.
        let under = options.all_of(&["nest_under", "nested_under"]).pop();
        let under = under.map(|(_, setting)| setting.value);
        let operation = match (options.text("operation").as_deref(), under) {
            (Some("lift"), under) => {
                if under.is_none() {
                    options.remark("operation", Remark::plugin(LiftsNothing));
                }
                Some(Operation::Lift { under })
            }
            (Some(_), Some(under)) => {
                let keys = options.all("wildcard");
                let keys = keys.iter().map(|key| KeyPattern::new(&key.value)).collect();
                Some(Operation::Nest { keys, under })
            }
            (Some(_), None) => {
                options.refuse("nest_under", Fault::Missing("nest_under"));
                None
            }
            (None, _) => {
                options.refuse("operation", Fault::Missing("operation"));
                None
            }
        };
        let prefix = match (options.text("add_prefix"), options.text("remove_prefix")) {
            (Some(_), Some(_)) => {
                options.refuse("remove_prefix", Fault::Exclusive("add_prefix", "remove_prefix"));
                Prefix::Keep
            }
            (Some(prefix), None) => Prefix::Add(prefix),
            (None, Some(prefix)) => Prefix::Remove(prefix),
            (None, None) => Prefix::Keep,
        };
        let operation = operation.filter(|_| !options.is_refused())?;
        Some(Self { operation, prefix })
    }
}

impl KeyPattern {
    /// Takes the text of `Wildcard`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let (text, is_prefix) = text.strip_suffix('*').map_or((text, false), |text| (text, true));
        Self { text: text.to_owned(), is_prefix }
    }

    /// Whether `key` is meant.
    #[must_use]
    pub fn matches(&self, key: &[u8]) -> bool {
        let rest = key.strip_prefix(self.text.as_bytes());
        rest.is_some_and(|rest| self.is_prefix || rest.is_empty())
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.operation {
            Operation::Nest { keys, under } => {
                let star = |key: &KeyPattern| if key.is_prefix { "*" } else { "" };
                let keys: Vec<_> =
                    keys.iter().map(|key| format!("{}{}", key.text, star(key))).collect();
                write!(f, "nests {} under {under}", keys.join(", "))?;
            }
            Operation::Lift { under: Some(under) } => write!(f, "lifts what is under {under}")?,
            Operation::Lift { under: None } => f.write_str("lifts nothing")?,
        }
        match &self.prefix {
            Prefix::Keep => Ok(()),
            Prefix::Add(prefix) => write!(f, ", with {prefix} before the keys"),
            Prefix::Remove(prefix) => write!(f, ", without {prefix} before the keys"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::{Policy, first_bad_row, section};

    fn read(lines: &[(&str, &str)]) -> (Option<Config>, String) {
        let mut options = Options::read(section(lines), OPTIONS, &[], Policy::Plugin);
        let config = Config::from_options(&mut options);
        let report = options.into_report();
        let problems = report.problems.iter().map(|problem| problem.fault.to_string());
        (config, problems.chain(report.notes.iter().map(|note| note.remark.to_string())).collect())
    }

    #[test]
    fn every_row_has_a_sentence_and_a_default_that_parses() {
        assert_eq!(first_bad_row(&[OPTIONS]), None);
    }

    #[test]
    fn keys_and_prefixes_are_nested_under_a_key() {
        let lines = [
            ("Operation", "Nest"),
            ("Wildcard", "Mem.*"),
            ("Wildcard", "Swap"),
            ("Nest_under", "memory"),
            ("Remove_prefix", "Mem."),
        ];
        let (config, said) = read(&lines);
        let text = config.unwrap().to_string();
        assert_eq!(text, "nests Mem.*, Swap under memory, without Mem. before the keys");
        assert_eq!(said, "");
    }

    #[test]
    fn either_name_of_the_key_does_for_either_operation() {
        let (config, _) = read(&[("Operation", "lift"), ("Nest_under", "k")]);
        let under = Some("k".to_owned());
        assert_eq!(config.unwrap().operation, Operation::Lift { under });
    }

    #[test]
    fn nest_needs_a_key_and_lift_without_one_does_nothing() {
        assert_eq!(read(&[("Operation", "nest")]), (None, "expected an option nest_under".into()));
        let (config, said) = read(&[("Operation", "lift")]);
        assert!(config.is_some() && said.starts_with("lifts nothing"), "{said}");
        assert_eq!(read(&[("Nest_under", "k")]).1, "expected an option operation");
        assert_eq!(read(&[("Operation", "fold")]).0, None);
    }

    #[test]
    fn a_prefix_is_added_or_removed_and_not_both() {
        let both = [("Operation", "lift"), ("Add_prefix", "a"), ("Remove_prefix", "a")];
        assert_eq!(read(&both).0, None);
    }

    #[test]
    fn a_wildcard_stands_at_the_end_and_case_matters() {
        let matches = |pattern, key: &str| KeyPattern::new(pattern).matches(key.as_bytes());
        assert!(matches("Mem*", "Mem") && matches("Mem*", "Memo") && !matches("Mem*", "Me"));
        assert!(matches("Mem", "Mem") && !matches("Mem", "Memo") && !matches("mem*", "Mem"));
        assert!(matches("*", "") && !matches("a*b", "axb") && matches("a*b", "a*b"));
    }
}
