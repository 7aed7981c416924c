//! Step 3, filter: the options of `modify`.
//!
//! Reference: Fluent Bit's manual, "Modify" filter; `plugins/filter_modify`. Not known here:
//! records.

use std::fmt;

use crate::option::{Fault, Kind, Options, Remark, Row, Setting, Table, tokens};
use crate::record::accessor::{Accessor, AccessorError};
use crate::record::pattern::{Pattern, PatternError};

/// Most words in the value of an option, as in Fluent Bit.
const WORDS_MAX: usize = 3;

/// Options of its own.
pub const OPTIONS: Table = &[
    Row::new(
        "set",
        Kind::Text,
        "KEY VALUE: a field to put at the end, in place of one of that key",
    )
    .many(),
    Row::new("add", Kind::Text, "KEY VALUE: a field to put at the end where there is none")
        .also(&["add_if_not_present"])
        .many(),
    Row::new("remove", Kind::Text, "A key to take away").many(),
    Row::new("remove_wildcard", Kind::Text, "Start of the keys to take away").many(),
    Row::new("remove_regex", Kind::Text, "Pattern of the keys to take away").many(),
    Row::new("rename", Kind::Text, "KEY NEW_KEY: another key, unless that is there").many(),
    Row::new("hard_rename", Kind::Text, "KEY NEW_KEY: another key, in place of one that is there")
        .many(),
    Row::new("copy", Kind::Text, "KEY NEW_KEY: the field once more, unless that key is there")
        .many(),
    Row::new("hard_copy", Kind::Text, "KEY NEW_KEY: the field once more, in place of that key")
        .many(),
    Row::new("move_to_start", Kind::Text, "Start of the keys to put first").many(),
    Row::new("move_to_end", Kind::Text, "Start of the keys to put last").many(),
    Row::new("condition", Kind::Text, "What has to hold for a record to be modified").many(),
];

/// A `modify` filter.
#[derive(Clone, Debug)]
pub struct Config {
    /// What must hold, all of it.
    pub conditions: Vec<Condition>,
    /// What is done, in the order of the file.
    pub rules: Vec<Rule>,
}

/// One thing that is done.
#[derive(Clone, Debug)]
pub enum Rule {
    /// `Set` and `Add`.
    Put {
        /// Its key.
        key: String,
        /// Its value.
        value: String,
        /// `Set`: also where the key is there.
        hard: bool,
    },
    /// `Remove`.
    Remove(String),
    /// `Remove_wildcard`: all keys that start so.
    RemovePrefix(String),
    /// `Remove_regex`
    RemovePattern(Pattern),
    /// `Rename` and `Hard_rename`.
    Rename {
        /// The key that is there.
        from: String,
        /// The new key.
        to: String,
        /// `Hard_rename`: also where the new key is there.
        hard: bool,
    },
    /// `Copy` and `Hard_copy`.
    Copy {
        /// The key that is there.
        from: String,
        /// The new key.
        to: String,
        /// `Hard_copy`: also where the new key is there.
        hard: bool,
    },
    /// `Move_to_start`: all keys that start so.
    MoveToStart(String),
    /// `Move_to_end`: all keys that start so.
    MoveToEnd(String),
}

/// One `Condition`.
#[derive(Clone, Debug)]
pub struct Condition {
    /// What is looked at.
    pub test: Test,
    /// What it must come to.
    pub wanted: bool,
}

/// What a condition looks at.
#[derive(Clone, Debug)]
pub enum Test {
    /// A value is there.
    Exists(Accessor),
    /// Some key matches.
    KeyMatches(Pattern),
    /// A value is this text.
    Equals(Accessor, String),
    /// A value matches.
    Matches(Accessor, Pattern),
    /// The value of every key that matches the first matches the second.
    ValuesMatch(Pattern, Pattern),
}

/// Why the options cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
enum Refusal {
    #[error("the quote is not closed")]
    OpenQuote,
    #[error("{found} words, expected {expected}; put a value of several words in quotes")]
    Words { found: usize, expected: &'static str },
    #[error("unknown condition '{0}', expected one such as Key_exists or Key_value_equals")]
    UnknownCondition(String),
    #[error("not a key: {0}")]
    Key(#[from] AccessorError),
    #[error("not a regular expression: {0}")]
    Pattern(#[from] PatternError),
}

/// What to know about a rule that does nothing.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error(
    "has {WORDS_MAX} words where {0} is expected and does nothing; put a value of several words in quotes"
)]
struct TooManyWords(&'static str);

impl Config {
    /// Reads the options; `None` after a problem was reported.
    pub fn from_options(options: &mut Options) -> Option<Self> {
        let names: Vec<_> = OPTIONS.iter().map(|row| row.name).collect();
        let (mut conditions, mut rules) = (Vec::new(), Vec::new());
        for (name, setting) in options.all_of(&names) {
            let outcome = words(&setting).and_then(|words| match name {
                "condition" => condition(&words).map(|condition| conditions.push(condition)),
                name => match rule(name, &words)? {
                    Ok(rule) => {
                        rules.push(rule);
                        Ok(())
                    }
                    Err(advice) => {
                        options.remark_setting(&setting, Remark::plugin(advice));
                        Ok(())
                    }
                },
            });
            if let Err(refusal) = outcome {
                options.refuse_setting(&setting, Fault::invalid(refusal));
            }
        }
        (!options.is_refused()).then_some(Self { conditions, rules })
    }
}

/// What it does, without the values that it sets.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules: Vec<_> = self.rules.iter().map(Rule::to_string).collect();
        f.write_str(&rules.join(", "))?;
        match self.conditions.len() {
            0 => Ok(()),
            1 => f.write_str(" where a condition holds"),
            count => write!(f, " where {count} conditions hold"),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put { key, hard: true, .. } => write!(f, "sets {key}"),
            Self::Put { key, hard: false, .. } => write!(f, "adds {key}"),
            Self::Remove(key) => write!(f, "removes {key}"),
            Self::RemovePrefix(prefix) => write!(f, "removes {prefix}*"),
            Self::RemovePattern(pattern) => write!(f, "removes /{}/", pattern.as_str()),
            Self::Rename { from, to, .. } => write!(f, "renames {from} to {to}"),
            Self::Copy { from, to, .. } => write!(f, "copies {from} to {to}"),
            Self::MoveToStart(prefix) => write!(f, "moves {prefix}* to the start"),
            Self::MoveToEnd(prefix) => write!(f, "moves {prefix}* to the end"),
        }
    }
}

fn words(setting: &Setting) -> Result<Vec<String>, Refusal> {
    let words = tokens::split_quoted(&setting.value).ok_or(Refusal::OpenQuote)?;
    match words.len() {
        1..=WORDS_MAX => Ok(words),
        found => Err(Refusal::Words { found, expected: "at most 3" }),
    }
}

/// A rule, or what to know about one that does nothing: Fluent Bit takes three words for `Rename`,
/// whatever the option was, which nobody can want.
fn rule(name: &str, words: &[String]) -> Result<Result<Rule, TooManyWords>, Refusal> {
    let takes_two = matches!(name, "set" | "add" | "rename" | "hard_rename" | "copy" | "hard_copy");
    let (expected, form) = if takes_two { (2, "KEY VALUE") } else { (1, "KEY") };
    let (first, second) = match words {
        [_, _, _] => return Ok(Err(TooManyWords(form))),
        [first, second] if takes_two => (first.clone(), second.clone()),
        [first] if !takes_two => (first.clone(), String::new()),
        words => {
            let expected = if expected == 2 { "2, KEY VALUE" } else { "1, KEY" };
            return Err(Refusal::Words { found: words.len(), expected });
        }
    };
    let hard = matches!(name, "set" | "hard_rename" | "hard_copy");
    Ok(Ok(match name {
        "set" | "add" => Rule::Put { key: first, value: second, hard },
        "rename" | "hard_rename" => Rule::Rename { from: first, to: second, hard },
        "copy" | "hard_copy" => Rule::Copy { from: first, to: second, hard },
        "remove_wildcard" => Rule::RemovePrefix(first),
        "remove_regex" => Rule::RemovePattern(Pattern::new(&first)?),
        "move_to_start" => Rule::MoveToStart(first),
        "move_to_end" => Rule::MoveToEnd(first),
        _remove => Rule::Remove(first),
    }))
}

fn condition(words: &[String]) -> Result<Condition, Refusal> {
    let [kind, arguments @ ..] = words else {
        return Err(Refusal::Words { found: 0, expected: "a condition" });
    };
    let missing = |expected| Refusal::Words { found: words.len(), expected };
    let first = || arguments.first().ok_or_else(|| missing("CONDITION KEY"));
    let key = || Ok::<_, Refusal>(Accessor::plain_or_path(first()?)?);
    let pattern = || Ok::<_, Refusal>(Pattern::new(first()?)?);
    let second = || {
        let second = arguments.get(1).ok_or_else(|| missing("CONDITION KEY PATTERN"))?;
        Ok::<_, Refusal>(Pattern::new(second)?)
    };
    // Without a word to compare with, Fluent Bit compares with the empty text.
    let text = || arguments.get(1).cloned().unwrap_or_default();
    let (test, wanted) = match kind.to_ascii_lowercase().as_str() {
        "key_exists" => (Test::Exists(key()?), true),
        "key_does_not_exist" => (Test::Exists(key()?), false),
        "a_key_matches" => (Test::KeyMatches(pattern()?), true),
        "no_key_matches" => (Test::KeyMatches(pattern()?), false),
        "key_value_equals" => (Test::Equals(key()?, text()), true),
        "key_value_does_not_equal" => (Test::Equals(key()?, text()), false),
        "key_value_matches" => (Test::Matches(key()?, second()?), true),
        "key_value_does_not_match" => (Test::Matches(key()?, second()?), false),
        "matching_keys_have_matching_values" => (Test::ValuesMatch(pattern()?, second()?), true),
        "matching_keys_do_not_have_matching_values" => {
            (Test::ValuesMatch(pattern()?, second()?), false)
        }
        _ => return Err(Refusal::UnknownCondition(kind.clone())),
    };
    Ok(Condition { test, wanted })
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
    fn rules_keep_the_order_of_the_file_whatever_their_kind() {
        let (config, said) = read(&[
            ("Set", r#"a "two words""#),
            ("Hard_copy", "b c"),
            ("Condition", "key_EXISTS $a['b']"),
            ("Add_if_not_present", "d ''"),
            ("remove", "e"),
        ]);
        let rules = config.unwrap().rules;
        assert_eq!(said, "");
        let [
            Rule::Put { value, hard: true, .. },
            Rule::Copy { hard: true, .. },
            Rule::Put { value: empty, hard: false, .. },
            Rule::Remove(key),
        ] = rules.as_slice()
        else {
            panic!("{rules:?}")
        };
        assert_eq!((value.as_str(), empty.as_str(), key.as_str()), ("two words", "", "e"));
    }

    #[test]
    fn what_it_does_is_said_without_values() {
        let lines = [("Set", "a hunter2"), ("Rename", "b c"), ("Condition", "Key_exists d")];
        let said = read(&lines).0.unwrap().to_string();
        assert_eq!(said, "sets a, renames b to c where a condition holds");
    }

    #[test]
    fn a_word_too_few_is_refused_and_one_too_many_does_nothing() {
        let (_, said) = read(&[("Set", "a")]);
        assert_eq!(said, "1 words, expected 2, KEY VALUE; put a value of several words in quotes");
        let (_, said) = read(&[("Remove", "a b")]);
        assert!(said.starts_with("2 words, expected 1, KEY"), "{said}");
        let (config, said) = read(&[("Set", "a two words"), ("Remove", "b")]);
        assert_eq!(config.unwrap().rules.len(), 1);
        assert!(said.starts_with("has 3 words where KEY VALUE is expected"), "{said}");
        let (config, said) = read(&[("Set", "a b c d")]);
        assert!(config.is_none() && said.starts_with("4 words, expected at most 3"), "{said}");
        assert_eq!(read(&[("Set", "a \"b")]).1, "the quote is not closed");
    }

    #[test]
    fn a_condition_must_be_known_and_have_its_words() {
        let (config, said) = read(&[("Condition", "Key_is_nice a")]);
        assert!(config.is_none() && said.starts_with("unknown condition 'Key_is_nice'"), "{said}");
        let (_, said) = read(&[("Condition", "Key_exists")]);
        assert!(said.starts_with("1 words, expected CONDITION KEY;"), "{said}");
        let (_, said) = read(&[("Condition", "Key_value_matches a")]);
        assert!(said.starts_with("2 words, expected CONDITION KEY PATTERN;"), "{said}");
        let (_, said) = read(&[("Condition", "A_key_matches *a")]);
        assert!(said.starts_with("not a regular expression: at byte 0"), "{said}");
        assert!(read(&[("Condition", "Key_value_equals a")]).0.is_some(), "the empty text");
    }

    #[test]
    fn a_value_that_is_no_pattern_is_a_value() {
        assert!(read(&[("Set", "a *x"), ("Rename", "(b [c")]).0.is_some());
        assert!(read(&[("Remove_regex", "*x")]).0.is_none());
    }

    proptest::proptest! {
        #[test]
        fn no_option_makes_it_panic(
            row in 0..OPTIONS.len(),
            value in "[aK_\\\\\"' $\\['\\]*é]{1,16}|(key_exists|Key_value_matches) [a$*' ]{0,6}",
        ) {
            let _ = read(&[(OPTIONS[row].name, &value)]);
        }
    }
}
