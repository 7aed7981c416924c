//! Step 3, filter: the options of `record_modifier`.
//!
//! Reference: Fluent Bit's manual, "Record Modifier" filter. Not known here: records.

use crate::option::{Fault, Kind, Options, Remark, Row, Table, tokens};

/// Options of its own.
pub const OPTIONS: Table = &[
    Row::new("record", Kind::Text, "KEY VALUE: a field to add").many(),
    Row::new("remove_key", Kind::Text, "A key to take away, * at its end for any that start so")
        .many(),
    Row::new(
        "allowlist_key",
        Kind::Text,
        "A key to keep, all others go; * at its end for any that start so",
    )
    .also(&["whitelist_key"])
    .many(),
    Row::new("uuid_key", Kind::Text, "Key under which to add a random UUID"),
];

/// A `record_modifier` filter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// Fields to add, in the order of the file.
    pub records: Vec<(String, String)>,
    /// Keys to take away; empty if `allow_keys` is not.
    pub remove_keys: Vec<KeyPattern>,
    /// If there are any, the only keys to keep.
    pub allow_keys: Vec<KeyPattern>,
    /// Key under which a random UUID is added.
    pub uuid_key: Option<String>,
}

/// A key, in any case; or, with `*` at its end, the start of one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyPattern {
    text: String,
    is_prefix: bool,
}

/// Why the options cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// A field without a value.
    #[error("expected KEY VALUE")]
    Incomplete,
}

/// What to know about options that can be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Advice {
    /// A value of several words without quotes.
    #[error(
        "has {words} words where KEY VALUE is expected and adds nothing; put the value in double quotes"
    )]
    TooManyWords {
        /// How many there are.
        words: usize,
    },
}

impl Config {
    /// Reads the options; `None` after a problem was reported.
    pub fn from_options(options: &mut Options) -> Option<Self> {
        let mut records = Vec::new();
        for setting in options.all("record") {
            match <[String; 2]>::try_from(tokens::split(&setting.value, usize::MAX)) {
                Ok([key, value]) => records.push((key, value)),
                Err(words) if words.len() > 2 => {
                    let advice = Advice::TooManyWords { words: words.len() };
                    options.remark_setting(&setting, Remark::plugin(advice));
                }
                Err(_) => options.refuse_setting(&setting, Fault::invalid(Refusal::Incomplete)),
            }
        }
        let keys = |name| options.all(name).iter().map(|key| KeyPattern::new(&key.value)).collect();
        let (remove_keys, allow_keys): (Vec<_>, Vec<_>) =
            (keys("remove_key"), keys("allowlist_key"));
        if !remove_keys.is_empty() && !allow_keys.is_empty() {
            options.refuse("allowlist_key", Fault::Exclusive("remove_key", "allowlist_key"));
        }
        let config = Self { records, remove_keys, allow_keys, uuid_key: options.text("uuid_key") };
        (!options.is_refused()).then_some(config)
    }
}

impl KeyPattern {
    /// Takes the text of `remove_key` or `allowlist_key`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let (text, is_prefix) = text.strip_suffix('*').map_or((text, false), |text| (text, true));
        Self { text: text.to_owned(), is_prefix }
    }

    /// Whether `key` is meant. Only ASCII letters have a case.
    #[must_use]
    pub fn matches(&self, key: &[u8]) -> bool {
        let text = self.text.as_bytes();
        match key.split_at_checked(text.len()) {
            Some((start, rest)) => {
                (self.is_prefix || rest.is_empty()) && start.eq_ignore_ascii_case(text)
            }
            None => false,
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
    fn a_record_is_a_key_and_a_value_with_quotes_where_they_are_needed() {
        let (config, said) =
            read(&[("Record", "a 1"), ("record", r#"b "two words""#), ("Record", "a 2")]);
        let expected = [("a", "1"), ("b", "two words"), ("a", "2")];
        assert_eq!(config.unwrap().records, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
        assert_eq!(said, "");
    }

    #[test]
    fn a_record_of_three_words_adds_nothing() {
        let (config, said) = read(&[("Record", "e three words"), ("Record", "b 'single quoted'")]);
        assert!(config.unwrap().records.is_empty());
        assert!(
            said.starts_with("has 3 words where KEY VALUE is expected and adds nothing"),
            "{said}"
        );
    }

    #[test]
    fn a_record_of_one_word_is_refused() {
        assert_eq!(read(&[("Record", "a")]), (None, "expected KEY VALUE".to_owned()));
    }

    #[test]
    fn remove_key_and_allowlist_key_exclude_each_other() {
        let (config, said) = read(&[("whitelist_key", "a"), ("remove_key", "b")]);
        assert_eq!(config, None);
        assert_eq!(said, "remove_key and allowlist_key exclude each other, expected one of them");
    }

    #[test]
    fn a_key_pattern_ignores_case_and_ends_with_a_star_for_a_prefix() {
        let matches = |pattern, key: &str| KeyPattern::new(pattern).matches(key.as_bytes());
        assert!(
            matches("SOURCE", "source")
                && !matches("source", "sources")
                && !matches("source", "sourc")
        );
        assert!(
            matches("ec2_*", "EC2_instance")
                && matches("ec2_*", "ec2_")
                && !matches("ec2_*", "ec2")
        );
        assert!(
            matches("*", "")
                && matches("*", "x")
                && !matches("a*b", "axb")
                && matches("a*b", "a*b")
        );
    }
}
