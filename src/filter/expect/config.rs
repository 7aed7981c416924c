//! Step 3, filter: the options of `expect`.
//!
//! Reference: Fluent Bit's manual, "Expect" filter; `plugins/filter_expect`. Not known here: records.

use std::fmt;

use crate::option::{Fault, Kind, Options, Row, Setting, Table, tokens};
use crate::record::accessor::{Accessor, AccessorError};

/// Options of its own.
pub const OPTIONS: Table = &[
    Row::new("key_exists", Kind::Text, "A key that has to be there").many(),
    Row::new("key_not_exists", Kind::Text, "A key that must not be there").many(),
    Row::new("key_val_is_null", Kind::Text, "A key whose value has to be null").many(),
    Row::new("key_val_is_not_null", Kind::Text, "A key whose value has to be another than null")
        .many(),
    Row::new("key_val_eq", Kind::Text, "KEY VALUE: what the value has to be if it is a text")
        .many(),
    Row::new(
        "action",
        Kind::Choice(&["warn", "exit", "result_key"]),
        "What to do about a record that is not as expected",
    )
    .or("warn"),
    Row::new("result_key", Kind::Text, "Key that says whether a record is, with that action")
        .or("matched"),
];

/// An `expect` filter.
#[derive(Clone, Debug)]
pub struct Config {
    /// What has to hold, in the order of the file.
    pub rules: Vec<Rule>,
    /// What is done where it does not.
    pub action: Action,
}

/// One thing that has to hold.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The value.
    pub key: Accessor,
    /// What is expected of it.
    pub test: Test,
}

/// What is expected of a value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Test {
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
    /// It is there, and null.
    IsNull,
    /// It is there, and not null.
    IsNotNull,
    /// It is there, and this if it is a text.
    Equals(String),
}

/// What is done about records that are not as expected.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// They are told of.
    Warn,
    /// They are told of, and the process ends.
    Exit,
    /// Every record gets a field of this key, at its start, that says whether it is.
    ResultKey(String),
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
        let names = [
            "key_exists",
            "key_not_exists",
            "key_val_is_null",
            "key_val_is_not_null",
            "key_val_eq",
        ];
        let mut rules = Vec::new();
        for (name, setting) in options.all_of(&names) {
            match rule(name, &setting) {
                Ok(rule) => rules.push(rule),
                Err(refusal) => options.refuse_setting(&setting, Fault::invalid(refusal)),
            }
        }
        let action = match options.text("action").as_deref() {
            Some("exit") => Action::Exit,
            Some("result_key") => Action::ResultKey(options.text("result_key").unwrap_or_default()),
            _ => Action::Warn,
        };
        (!options.is_refused()).then_some(Self { rules, action })
    }
}

fn rule(name: &str, setting: &Setting) -> Result<Rule, Refusal> {
    let (key, test) = match name {
        "key_exists" => (setting.value.clone(), Test::Exists),
        "key_not_exists" => (setting.value.clone(), Test::DoesNotExist),
        "key_val_is_null" => (setting.value.clone(), Test::IsNull),
        "key_val_is_not_null" => (setting.value.clone(), Test::IsNotNull),
        _ => {
            let [key, value] = <[String; 2]>::try_from(tokens::split(&setting.value, 1))
                .map_err(|_| Refusal::Incomplete)?;
            (key, Test::Equals(value))
        }
    };
    Ok(Rule { key: Accessor::plain_or_path(&key)?, test })
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.action {
            Action::Warn => f.write_str("warns")?,
            Action::Exit => f.write_str("ends the process")?,
            Action::ResultKey(key) => write!(f, "says under {key}")?,
        }
        let rules: Vec<_> = self.rules.iter().map(Rule::to_string).collect();
        let unless = if matches!(self.action, Action::ResultKey(_)) { "whether" } else { "unless" };
        write!(f, " {unless} {}", rules.join(" and "))
    }
}

/// What is expected.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.test {
            Test::Exists => write!(f, "{} is there", self.key),
            Test::DoesNotExist => write!(f, "{} is not there", self.key),
            Test::IsNull => write!(f, "{} is null", self.key),
            Test::IsNotNull => write!(f, "{} is not null", self.key),
            Test::Equals(value) => write!(f, "{} is {value:?}", self.key),
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
        let problems = options.into_report().problems;
        (config, problems.iter().map(|problem| problem.fault.to_string()).collect())
    }

    #[test]
    fn every_row_has_a_sentence_and_a_default_that_parses() {
        assert_eq!(first_bad_row(&[OPTIONS]), None);
    }

    #[test]
    fn rules_keep_the_order_of_the_file() {
        let lines = [
            ("key_val_eq", "$k['l'] two words"),
            ("Key_exists", "a.b"),
            ("key_not_exists", "c"),
            ("key_val_is_null", "d"),
            ("key_val_is_not_null", "e"),
        ];
        let (config, said) = read(&lines);
        let expected = "warns unless k['l'] is \"two words\" and a.b is there and c is not there \
                        and d is null and e is not null";
        assert_eq!((config.unwrap().to_string().as_str(), said.as_str()), (expected, ""));
    }

    #[test]
    fn the_action_is_one_of_three() {
        let action = |lines: &[(&str, &str)]| read(lines).0.map(|config| config.action);
        assert_eq!(action(&[]), Some(Action::Warn));
        assert_eq!(action(&[("action", "EXIT")]), Some(Action::Exit));
        let matched = Action::ResultKey("matched".to_owned());
        assert_eq!(action(&[("action", "result_key")]), Some(matched));
        assert_eq!(action(&[("action", "panic")]), None);
    }

    #[test]
    fn a_rule_without_its_words_is_refused() {
        assert_eq!(read(&[("key_val_eq", "$a")]).1, "expected KEY VALUE");
        assert!(read(&[("key_exists", "$a[")]).1.starts_with("not a key: "));
    }
}
