//! Step 3, filter: the options of `rewrite_tag`.
//!
//! Reference: Fluent Bit's manual, "Rewrite Tag" filter. Not known here: records.

use std::fmt;

use crate::option::{Fault, Kind, Options, Remark, Row, Setting, Table, Value, parse, tokens};
use crate::record::accessor::{Accessor, AccessorError};
use crate::record::pattern::{Pattern, PatternError};
use crate::record::template::{Template, TemplateError};

/// Options of its own.
pub const OPTIONS: Table = &[
    Row::new("rule", Kind::Text, "KEY PATTERN NEW_TAG KEEP: a new tag for records that match")
        .many(),
    Row::new("emitter_name", Kind::Text, "Name of the input that Fluent Bit makes for them")
        .without_effect(),
    Row::new(
        "emitter_storage.type",
        Kind::Choice(&["memory", "filesystem"]),
        "Where records with a new tag wait, which is where they waited before",
    )
    .or("memory")
    .without_effect(),
    Row::new("emitter_mem_buf_limit", Kind::Bytes, "Most bytes of records with a new tag")
        .or("10M")
        .without_effect(),
];

/// Words of a rule.
const RULE_WORDS: usize = 4;

/// A `rewrite_tag` filter.
#[derive(Clone, Debug)]
pub struct Config {
    /// The rules, in the order of the file: the first that fits a record counts.
    pub rules: Vec<Rule>,
}

/// One `Rule`.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Where the text is that the pattern is searched in.
    pub key: Accessor,
    /// What is searched for.
    pub pattern: Pattern,
    /// What the new tag is made of.
    pub new_tag: Template,
    /// Whether the record also goes on under its old tag.
    pub keeps: bool,
}

/// Why the options cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// A rule of fewer words.
    #[error("has {words} words, expected four: KEY PATTERN NEW_TAG KEEP")]
    Incomplete {
        /// How many there are.
        words: usize,
    },
    /// A key that leads nowhere.
    #[error("{0}")]
    Key(#[from] AccessorError),
    /// A pattern that is none.
    #[error("not a regular expression: {0}")]
    Pattern(#[from] PatternError),
    /// A new tag that cannot be made.
    #[error("in the new tag: {0}")]
    NewTag(#[from] TemplateError),
}

/// What to know about options that can be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Advice {
    /// Nothing to do.
    #[error("has no Rule and changes nothing")]
    NoRule,
    /// A `KEEP` that is no boolean.
    #[error("KEEP is {keep:?}, which counts as false, expected true or false")]
    Keep {
        /// What there is.
        keep: String,
    },
    /// A fifth word.
    #[error(
        "{text:?} after the four words counts for nothing; put a PATTERN with blanks in quotes"
    )]
    Trailing {
        /// What there is.
        text: String,
    },
}

impl Config {
    /// Reads the options; `None` after a problem was reported.
    pub fn from_options(options: &mut Options) -> Option<Self> {
        let mut rules = Vec::new();
        for setting in options.all("rule") {
            match Rule::read(&setting) {
                Ok((rule, advice)) => {
                    rules.push(rule);
                    for advice in advice {
                        options.remark_setting(&setting, Remark::plugin(advice));
                    }
                }
                Err(refusal) => options.refuse_setting(&setting, Fault::invalid(refusal)),
            }
        }
        if options.is_refused() {
            return None;
        }
        if rules.is_empty() {
            options.remark("rule", Remark::plugin(Advice::NoRule));
        }
        Some(Self { rules })
    }

    /// What new tags are made of, as it is written: `$TAG.error`.
    pub fn new_tags(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| rule.new_tag.as_str())
    }
}

/// What it does, for people.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, rule) in self.rules.iter().enumerate() {
            let Rule { key, pattern, new_tag, keeps } = rule;
            let begin = if place == 0 { "" } else { ", else " };
            let act = if *keeps { "copies" } else { "moves" };
            let (new_tag, pattern) = (new_tag.as_str(), pattern.as_str());
            write!(f, "{begin}{act} to tag {new_tag} if {key} matches {pattern}")?;
        }
        Ok(())
    }
}

impl Rule {
    fn read(setting: &Setting) -> Result<(Self, Vec<Advice>), Refusal> {
        let words = tokens::split(&setting.value, RULE_WORDS);
        let [key, pattern, new_tag, keep, rest @ ..] = words.as_slice() else {
            return Err(Refusal::Incomplete { words: words.len() });
        };
        let keeps = match parse(Kind::Bool, keep).map(|parsed| parsed.value) {
            Some(Value::Bool(keeps)) => Some(keeps),
            Some(_) | None => None,
        };
        let rule = Self {
            key: Accessor::parse(key)?,
            pattern: Pattern::new(pattern)?,
            new_tag: Template::parse(new_tag)?,
            keeps: keeps.unwrap_or(false),
        };
        let keep = keeps.is_none().then(|| Advice::Keep { keep: keep.clone() });
        let rest = rest.first().map(|text| Advice::Trailing { text: text.clone() });
        Ok((rule, keep.into_iter().chain(rest).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::{Policy, first_bad_row, section};

    fn read(rules: &[&str]) -> (Option<Config>, String) {
        let lines: Vec<_> = rules.iter().map(|rule| ("Rule", *rule)).collect();
        let mut options = Options::read(section(&lines), OPTIONS, &[], Policy::Plugin);
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
    fn a_rule_is_four_words_of_which_any_may_stand_in_quotes() {
        let (config, said) =
            read(&[r#"$log "^a b$" new.$TAG[1].$0 true"#, "$k['x'][0] ^(x)$ $1 Off"]);
        let config = config.expect("two rules");
        let said_of_it = config.to_string();
        let expected = "copies to tag new.$TAG[1].$0 if log matches ^a b$, else moves to tag $1 if \
                        k['x'][0] matches ^(x)$";
        assert_eq!(said_of_it, expected);
        assert_eq!(config.new_tags().collect::<Vec<_>>(), ["new.$TAG[1].$0", "$1"]);
        let [first, second] = config.rules.as_slice() else { panic!("two") };
        assert_eq!((first.pattern.as_str(), first.keeps), ("^a b$", true));
        assert_eq!((second.key.to_string().as_str(), second.keeps), ("k['x'][0]", false));
        assert_eq!(said, "");
    }

    #[test]
    fn a_rule_of_fewer_words_or_with_a_bad_one_is_refused() {
        for (rule, expected) in [
            ("$log ^x$ newtag", "has 3 words, expected four: KEY PATTERN NEW_TAG KEEP"),
            ("$ x t true", "expected a key such as log or $log['level']"),
            ("$a *x t true", "not a regular expression: at byte 0: '*' has nothing"),
            ("$a x t.$b['c true", "in the new tag: expected ['name'] or [0]"),
        ] {
            let (config, said) = read(&["$ok x t true", rule]);
            assert!(config.is_none() && said.starts_with(expected), "{rule}: {said}");
        }
    }

    #[test]
    fn what_fluent_bit_overlooks_is_told_of() {
        let (config, said) = read(&["$a x t perhaps"]);
        assert!(!config.expect("a rule").rules[0].keeps);
        assert_eq!(said, "KEEP is \"perhaps\", which counts as false, expected true or false");
        let (config, said) = read(&["$a x t true # why"]);
        assert!(config.expect("a rule").rules[0].keeps);
        assert!(said.starts_with("\"# why\" after the four words counts for nothing"), "{said}");
        let (config, said) = read(&[]);
        assert!(config.expect("no rule").rules.is_empty());
        assert_eq!(said, "has no Rule and changes nothing");
    }
}
