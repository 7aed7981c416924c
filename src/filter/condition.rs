//! Step 3, filter: the condition under which a filter works on a record.
//!
//! YAML's `condition: {op, rules}`. Reference: Fluent Bit's manual, "Conditional processing";
//! `flb_conditionals.c`. Must not know which filter asks.

use crate::record::accessor::Accessor;
use crate::record::fields::SharedFields;
use crate::record::msgpack::{Reader, Token};
use crate::record::pattern::{Outcome, Pattern};
use crate::record::template;

/// Rules over the fields of a record.
#[derive(Clone, Debug)]
pub struct Condition {
    /// Whether one rule that holds is enough; otherwise all have to.
    pub any: bool,
    /// The rules.
    pub rules: Vec<Rule>,
}

/// One rule: a field, and what is asked of it.
///
/// As in Fluent Bit a value is taken as text: numbers and words as they would be written, maps as
/// JSON, a field that is missing as nothing. Arrays fulfil no rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The field.
    pub field: Accessor,
    /// Whether it is one of the event's metadata, of which there are none here.
    pub is_metadata: bool,
    /// What is asked.
    pub test: Test,
}

/// What a rule asks of a value.
#[derive(Clone, Debug)]
pub enum Test {
    /// `eq`, or `neq` if negated. Numbers are equal whatever way they are written.
    Equals(String, Negated),
    /// `in`, or `not_in` if negated: the value is one of these.
    OneOf(Vec<String>, Negated),
    /// `regex`, or `not_regex` if negated.
    Matches(Pattern, Negated),
    /// `gt`. For this and all below, a text counts as the number it begins with, else as 0.
    Greater(f64),
    /// `gte`
    GreaterOrEqual(f64),
    /// `lt`
    Less(f64),
    /// `lte`
    LessOrEqual(f64),
}

/// Whether a test is turned round.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Negated {
    /// It is not.
    No,
    /// It is.
    Yes,
}

impl Condition {
    /// Whether it holds for a record that is followed by these fields.
    #[must_use]
    pub fn holds(&self, record: &[u8], shared: &SharedFields) -> bool {
        let mut held = self.rules.iter().map(|rule| rule.holds(record, shared));
        if self.any { held.any(|held| held) } else { held.all(|held| held) }
    }
}

impl Rule {
    fn holds(&self, record: &[u8], shared: &SharedFields) -> bool {
        if self.is_metadata {
            return self.test.holds(b"", None);
        }
        if let Some(text) = self.field.text(record, shared) {
            return self.test.holds(text, None);
        }
        let Some(value) = self.field.get(record) else { return self.test.holds(b"", None) };
        let number = Reader::new(value).token().ok().and_then(|token| number(&token));
        // Only what is no text is written out.
        let mut text = Vec::new();
        template::show(value, &mut text).is_some_and(|()| self.test.holds(&text, number))
    }
}

impl Test {
    /// Whether it holds for a value: its text, and the number that it is.
    fn holds(&self, text: &[u8], number: Option<f64>) -> bool {
        let is = |wanted: &String| {
            wanted.as_bytes() == text || number.is_some_and(|number| is_written(number, wanted))
        };
        let number = || number.unwrap_or_else(|| leading_number(text));
        match self {
            Self::Equals(wanted, negated) => is(wanted) != negated.is_set(),
            Self::OneOf(wanted, negated) => wanted.iter().any(is) != negated.is_set(),
            Self::Matches(pattern, negated) => {
                (pattern.is_match(text) == Outcome::Match) != negated.is_set()
            }
            Self::Greater(limit) => number() > *limit,
            Self::GreaterOrEqual(limit) => number() >= *limit,
            Self::Less(limit) => number() < *limit,
            Self::LessOrEqual(limit) => number() <= *limit,
        }
    }
}

impl Negated {
    fn is_set(self) -> bool {
        self == Self::Yes
    }
}

fn is_written(number: f64, text: &str) -> bool {
    text.parse::<f64>().is_ok_and(|written| written.total_cmp(&number).is_eq())
}

/// What C's `atof` would give for the usual ways to write a number.
fn leading_number(text: &[u8]) -> f64 {
    let text = text.trim_ascii_start();
    let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
    let end = text.iter().position(|byte| !is_part(byte)).unwrap_or(text.len());
    let text = std::str::from_utf8(text.get(..end).unwrap_or_default()).unwrap_or_default();
    // The longest start that is a number; more digits than these change nothing.
    let mut ends = (1..=text.len().min(NUMBER_BYTES_MAX)).rev();
    ends.find_map(|end| text.get(..end)?.parse().ok()).unwrap_or_default()
}

/// Longest start of a text that is read as a number.
const NUMBER_BYTES_MAX: usize = 64;

#[expect(clippy::cast_precision_loss, reason = "compared with numbers that people write")]
fn number(value: &Token<'_>) -> Option<f64> {
    match *value {
        Token::UInt(number) => Some(number as f64),
        Token::Int(number) => Some(number as f64),
        Token::F32(number) => Some(number.into()),
        Token::F64(number) => Some(number),
        Token::Nil
        | Token::Bool(_)
        | Token::Str(_)
        | Token::Bin(_)
        | Token::Ext(..)
        | Token::Array(_)
        | Token::Map(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"level": "error", "code": 503, "ok": false, "f": 1.5, "list": [], "ms": "12ms"}`
    const RECORD: &[u8] = b"\x86\xa5level\xa5error\xa4code\xcd\x01\xf7\xa2ok\xc2\xa1f\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\xa4list\x90\xa2ms\xa412ms";

    fn rule(field: &str, test: Test) -> Rule {
        Rule { field: Accessor::parse(field).expect("a path"), is_metadata: false, test }
    }

    fn holds(field: &str, test: Test) -> bool {
        let rules = vec![rule(field, test)];
        Condition { any: false, rules }.holds(RECORD, &SharedFields::default())
    }

    fn equals(text: &str) -> Test {
        Test::Equals(text.to_owned(), Negated::No)
    }

    fn differs(text: &str) -> Test {
        Test::Equals(text.to_owned(), Negated::Yes)
    }

    #[test]
    fn a_value_equals_the_way_it_is_written() {
        assert!(holds("$level", equals("error")) && !holds("$level", differs("error")));
        assert!(holds("$code", equals("503")) && !holds("$code", equals("504")));
        assert!(holds("$f", equals("1.5")) && holds("$f", equals("1.500000")));
        assert!(holds("$ok", equals("false")) && holds("$ok", differs("0")));
        let list = vec!["a".to_owned(), "error".to_owned()];
        assert!(holds("$level", Test::OneOf(list.clone(), Negated::No)));
        assert!(!holds("$level", Test::OneOf(list, Negated::Yes)));
    }

    #[test]
    fn numbers_have_an_order_and_texts_count_as_what_they_begin_with() {
        assert!(holds("$code", Test::GreaterOrEqual(503.0)) && holds("$code", Test::Less(503.5)));
        assert!(!holds("$code", Test::Greater(503.0)) && holds("$code", Test::LessOrEqual(503.0)));
        assert!(holds("$ms", Test::Greater(11.0)) && !holds("$ms", Test::Greater(12.0)));
        assert!(holds("$level", Test::Less(1.0)) && !holds("$level", Test::Less(0.0)));
        let cases = [("-1.5e3x", -1500.0), ("1e", 1.0), ("", 0.0), ("x1", 0.0), ("\t7 8", 7.0)];
        for (text, expected) in cases {
            assert!((leading_number(text.as_bytes()) - expected).abs() < 1e-9, "{text}");
        }
    }

    #[test]
    fn patterns_are_sought_in_the_text_of_a_value() {
        let pattern = |text| Pattern::new(text).expect("a pattern");
        assert!(holds("$level", Test::Matches(pattern("^err"), Negated::No)));
        assert!(holds("$code", Test::Matches(pattern("^5"), Negated::No)));
        assert!(!holds("$code", Test::Matches(pattern("^5"), Negated::Yes)));
    }

    #[test]
    fn a_field_that_is_missing_is_an_empty_text_and_an_array_fulfils_no_rule() {
        assert!(holds("$none", differs("x")) && !holds("$none", equals("x")));
        assert!(holds("$none", Test::Less(1.0)));
        assert!(!holds("$list", equals("x")) && !holds("$list", differs("x")));
        let metadata = Rule { is_metadata: true, ..rule("$level", equals("error")) };
        assert!(!metadata.holds(RECORD, &SharedFields::default()));
    }

    #[test]
    fn one_rule_is_enough_where_the_rules_are_joined_by_or() {
        let holds = |any| {
            let rules = vec![rule("$level", equals("error")), rule("$level", equals("info"))];
            Condition { any, rules }.holds(RECORD, &SharedFields::default())
        };
        assert!(holds(true) && !holds(false));
    }

    proptest::proptest! {
        #[test]
        fn no_value_makes_it_panic(value in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40)) {
            let record = [b"\x81\xa1a".as_slice(), &value].concat();
            for test in [equals("x"), Test::Less(0.0)] {
                let _ = rule("$a", test).holds(&record, &SharedFields::default());
            }
        }
    }
}
