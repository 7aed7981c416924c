//! Step 3, filter: the options of `grep`.
//!
//! Reference: Fluent Bit's manual, "Grep" filter. Not known here: records.

use crate::option::{Fault, Kind, Options, Row, Setting, Table, tokens};
use crate::record::accessor::{Accessor, AccessorError};
use crate::record::pattern::{Pattern, PatternError};

/// Options of its own.
pub const OPTIONS: Table = &[
    Row::new("regex", Kind::Text, "KEY PATTERN: keep records whose value matches").many(),
    Row::new("exclude", Kind::Text, "KEY PATTERN: leave out records whose value matches").many(),
    Row::new(
        "logical_op",
        Kind::Choice(&["legacy", "AND", "OR"]),
        "How several rules work together",
    )
    .or("legacy"),
];

/// A `grep` filter.
#[derive(Clone, Debug)]
pub struct Config {
    /// The rules, in the order of the file.
    pub rules: Vec<Rule>,
    /// How they work together.
    pub logical_op: LogicalOp,
}

/// One `Regex` or `Exclude`.
#[derive(Clone, Debug)]
pub struct Rule {
    /// `Regex` keeps what matches, `Exclude` leaves it out.
    pub keep: bool,
    /// The keys that lead to the value: a map's, then that of a map within, and so on.
    pub key: Accessor,
    /// What the value is searched for.
    pub pattern: Pattern,
}

/// How several rules work together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogicalOp {
    /// In order: the first `Regex` decides, and so does the first `Exclude` that matches.
    Legacy,
    /// All rules must match for their act.
    And,
    /// One rule must match for its act.
    Or,
}

/// Why the options cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// A rule of one word.
    #[error("expected KEY PATTERN")]
    Incomplete,
    /// A key that leads nowhere.
    #[error("{0}")]
    Key(#[from] AccessorError),
    /// A pattern that is none.
    #[error("not a regular expression: {0}")]
    Pattern(#[from] PatternError),
    /// `Regex` and `Exclude` together with `AND` or `OR`.
    #[error("with logical_op AND or OR, regex and exclude cannot stand in one filter")]
    Mixed,
}

impl Config {
    /// Reads the options; `None` after a problem was reported.
    pub fn from_options(options: &mut Options) -> Option<Self> {
        let mut rules = Vec::new();
        for (name, setting) in options.all_of(&["regex", "exclude"]) {
            match rule(name == "regex", &setting) {
                Ok(rule) => rules.push(rule),
                Err(refusal) => options.refuse_setting(&setting, Fault::invalid(refusal)),
            }
        }
        let logical_op = match options.text("logical_op").as_deref() {
            Some("AND") => LogicalOp::And,
            Some("OR") => LogicalOp::Or,
            _ => LogicalOp::Legacy,
        };
        let is_mixed = rules.iter().any(|rule| rule.keep) && rules.iter().any(|rule| !rule.keep);
        if is_mixed && logical_op != LogicalOp::Legacy {
            options.refuse("logical_op", Fault::invalid(Refusal::Mixed));
        }
        (!options.is_refused()).then_some(Self { rules, logical_op })
    }
}

fn rule(keep: bool, setting: &Setting) -> Result<Rule, Refusal> {
    let [key, pattern] = <[String; 2]>::try_from(tokens::split(&setting.value, 1))
        .map_err(|_| Refusal::Incomplete)?;
    Ok(Rule { keep, key: Accessor::parse(&key)?, pattern: Pattern::new(&pattern)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::{Policy, first_bad_row, section};

    fn read(lines: &[(&str, &str)]) -> Result<Config, String> {
        let mut options = Options::read(section(lines), OPTIONS, &[], Policy::Plugin);
        let config = Config::from_options(&mut options);
        let problems = options.into_report().problems;
        config.ok_or_else(|| problems.iter().map(|problem| problem.fault.to_string()).collect())
    }

    #[test]
    fn every_row_has_a_sentence_and_a_default_that_parses() {
        assert_eq!(first_bad_row(&[OPTIONS]), None);
    }

    #[test]
    fn rules_keep_the_order_of_the_file() {
        let config =
            read(&[("Exclude", "log a"), ("Regex", "$k['x']['y'] b c"), ("exclude", "log d")])
                .unwrap();
        let rules: Vec<_> =
            config.rules.iter().map(|rule| (rule.keep, rule.pattern.as_str())).collect();
        assert_eq!(rules, [(false, "a"), (true, "b c"), (false, "d")]);
        assert_eq!(config.rules[1].key, Accessor::parse("$k['x']['y']").unwrap());
        assert_eq!(config.logical_op, LogicalOp::Legacy);
    }

    #[test]
    fn a_rule_without_pattern_or_with_a_bad_one_is_refused() {
        assert_eq!(read(&[("regex", "log")]).unwrap_err(), "expected KEY PATTERN");
        let refusal = read(&[("regex", "log *failure*")]).unwrap_err();
        assert!(
            refusal.starts_with("not a regular expression: at byte 0: '*' has nothing"),
            "{refusal}"
        );
    }

    #[test]
    fn and_and_or_do_not_mix_regex_with_exclude() {
        let mixed = |op| read(&[("logical_op", op), ("regex", "a b"), ("exclude", "a b")]);
        assert!(mixed("legacy").is_ok() && mixed("and").is_err() && mixed("OR").is_err());
        assert_eq!(
            read(&[("logical_op", "or"), ("regex", "a b")]).unwrap().logical_op,
            LogicalOp::Or
        );
        assert!(read(&[]).unwrap().rules.is_empty());
    }
}
