//! Whether a record is one that `modify` works on.
//!
//! Asked once, of the record as it came. Values that are no text equal nothing; `true` and `false`
//! match patterns as these words, as in Fluent Bit. Not known here: what is done to the record.

use crate::record::map::{self, Pair};
use crate::record::msgpack::{Reader, Token};
use crate::record::pattern::{Outcome, Pattern};

use super::config::{Condition, Test};

impl Condition {
    /// Whether it holds for the record, which has all its fields.
    #[must_use]
    pub fn holds(&self, record: &[u8]) -> bool {
        self.test.outcome(record) == Some(self.wanted)
    }

    /// Whether it can look at a field of this key.
    #[must_use]
    pub fn sees(&self, key: &[u8]) -> bool {
        match &self.test {
            Test::Exists(path) | Test::Equals(path, _) | Test::Matches(path, _) => {
                path.key().as_bytes() == key
            }
            Test::KeyMatches(pattern) | Test::ValuesMatch(pattern, _) => found(pattern, key),
        }
    }
}

impl Test {
    /// `None`: there is no value to ask about.
    fn outcome(&self, record: &[u8]) -> Option<bool> {
        match self {
            Self::Exists(path) => Some(path.get(record).is_some()),
            Self::Equals(path, text) => {
                let value = path.get(record)?;
                Some(Reader::new(value).text() == Ok(text.as_bytes()))
            }
            Self::Matches(path, pattern) => Some(matches(pattern, path.get(record)?)),
            Self::KeyMatches(pattern) => Some(pairs(record).any(|pair| matches(pattern, pair.key))),
            Self::ValuesMatch(keys, values) => {
                let mut meant = pairs(record).filter(|pair| matches(keys, pair.key));
                Some(meant.all(|pair| matches(values, pair.value)))
            }
        }
    }
}

fn pairs(record: &[u8]) -> impl Iterator<Item = Pair<'_>> {
    map::pairs(record).into_iter().flatten()
}

/// Whether the pattern is found in a value, which is msgpack. Bytes that are no text never match.
pub(super) fn matches(pattern: &Pattern, value: &[u8]) -> bool {
    match Reader::new(value).token() {
        Ok(Token::Str(text)) => found(pattern, text),
        Ok(Token::Bool(true)) => found(pattern, b"true"),
        Ok(Token::Bool(false)) => found(pattern, b"false"),
        Ok(_) | Err(_) => false,
    }
}

fn found(pattern: &Pattern, text: &[u8]) -> bool {
    match pattern.is_match(text) {
        Outcome::Match => true,
        // Given up counts as not found, as in Fluent Bit.
        Outcome::NoMatch | Outcome::StepLimit => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::accessor::Accessor;

    /// `{"a": "x", "n": 5, "t": true, "k": {"l": "error"}, "a.b": "dot"}`
    const RECORD: &[u8] = b"\x85\xa1a\xa1x\xa1n\x05\xa1t\xc3\xa1k\x81\xa1l\xa5error\xa3a.b\xa3dot";

    fn path(text: &str) -> Accessor {
        Accessor::plain_or_path(text).expect("a path")
    }

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).expect("a pattern")
    }

    fn both(test: Test) -> (bool, bool) {
        let condition = |wanted| Condition { test: test.clone(), wanted };
        (condition(true).holds(RECORD), condition(false).holds(RECORD))
    }

    const YES: (bool, bool) = (true, false);
    const NO: (bool, bool) = (false, true);
    const NEITHER: (bool, bool) = (false, false);

    #[test]
    fn a_key_is_there_or_not_nested_keys_and_keys_with_dots_too() {
        assert_eq!(both(Test::Exists(path("a"))), YES);
        assert_eq!(both(Test::Exists(path("$k['l']"))), YES);
        assert_eq!(both(Test::Exists(path("a.b"))), YES);
        assert_eq!(both(Test::Exists(path("$k['m']"))), NO);
    }

    #[test]
    fn a_value_equals_a_text_only_if_it_is_one_and_a_missing_one_does_neither() {
        assert_eq!(both(Test::Equals(path("a"), "x".to_owned())), YES);
        assert_eq!(both(Test::Equals(path("$k['l']"), "error".to_owned())), YES);
        assert_eq!(both(Test::Equals(path("n"), "5".to_owned())), NO);
        assert_eq!(both(Test::Equals(path("absent"), String::new())), NEITHER);
    }

    #[test]
    fn a_value_matches_if_it_is_a_text_or_a_truth_value() {
        assert_eq!(both(Test::Matches(path("$k['l']"), pattern("^err"))), YES);
        assert_eq!(both(Test::Matches(path("t"), pattern("^true$"))), YES);
        assert_eq!(both(Test::Matches(path("n"), pattern("."))), NO);
        assert_eq!(both(Test::Matches(path("absent"), pattern("."))), NEITHER);
    }

    #[test]
    fn keys_match_and_all_values_of_matching_keys_match() {
        assert_eq!(both(Test::KeyMatches(pattern("^a"))), YES);
        assert_eq!(both(Test::KeyMatches(pattern("^z"))), NO);
        assert_eq!(both(Test::ValuesMatch(pattern("^a"), pattern("^(x|dot)$"))), YES);
        assert_eq!(both(Test::ValuesMatch(pattern("^[an]"), pattern("."))), NO);
        assert_eq!(both(Test::ValuesMatch(pattern("^z"), pattern("^never$"))), YES);
    }

    #[test]
    fn a_condition_sees_the_keys_it_may_look_at_and_no_others() {
        let sees = |test, key: &str| Condition { test, wanted: true }.sees(key.as_bytes());
        assert!(sees(Test::Exists(path("$k['l']")), "k") && !sees(Test::Exists(path("k")), "l"));
        let keys = || Test::ValuesMatch(pattern("^a"), pattern("x"));
        assert!(sees(keys(), "ab") && !sees(keys(), "x"));
    }
}
