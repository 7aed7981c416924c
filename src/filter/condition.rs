//! Step 3, filter: the condition under which a filter works on a record.
//!
//! YAML's `condition: {op, rules}`. Reference: Fluent Bit's manual, "Conditional processing";
//! `flb_conditionals.c`. Must not know which filter asks.

use crate::record::accessor::Accessor;
use crate::record::fields::SharedFields;
use crate::record::msgpack::{Reader, Token};
use crate::record::pattern::{Outcome, Pattern};

/// Rules over the fields of a record.
#[derive(Clone, Debug)]
pub struct Condition {
    /// Whether one rule that holds is enough; otherwise all have to.
    pub any: bool,
    /// The rules.
    pub rules: Vec<Rule>,
}

/// One rule: a field, and what is asked of it. A field that is missing fulfils none.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The field.
    pub field: Accessor,
    /// What is asked.
    pub test: Test,
}

/// What a rule asks of a value.
#[derive(Clone, Debug)]
pub enum Test {
    /// `eq`, or `neq` if negated.
    Equals(Value, Negated),
    /// `in`, or `not_in` if negated: the value is one of these.
    OneOf(Vec<Value>, Negated),
    /// `regex`, or `not_regex` if negated.
    Matches(Pattern, Negated),
    /// `gt`
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

/// What a field is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// `true` or `false`.
    Bool(bool),
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
        if let Some(text) = self.field.text(record, shared) {
            return self.test.holds(&Token::Str(text));
        }
        let value = self.field.get(record).map(|value| Reader::new(value).token());
        value.is_some_and(|value| value.is_ok_and(|value| self.test.holds(&value)))
    }
}

impl Test {
    fn holds(&self, value: &Token<'_>) -> bool {
        let number = || number(value);
        match self {
            Self::Equals(wanted, negated) => wanted.is(value) != negated.is_set(),
            Self::OneOf(wanted, negated) => {
                wanted.iter().any(|wanted| wanted.is(value)) != negated.is_set()
            }
            Self::Matches(pattern, negated) => {
                let Token::Str(text) = value else { return false };
                (pattern.is_match(text) == Outcome::Match) != negated.is_set()
            }
            Self::Greater(limit) => number().is_some_and(|number| number > *limit),
            Self::GreaterOrEqual(limit) => number().is_some_and(|number| number >= *limit),
            Self::Less(limit) => number().is_some_and(|number| number < *limit),
            Self::LessOrEqual(limit) => number().is_some_and(|number| number <= *limit),
        }
    }
}

impl Negated {
    fn is_set(self) -> bool {
        self == Self::Yes
    }
}

impl Value {
    fn is(&self, value: &Token<'_>) -> bool {
        match (self, value) {
            (Self::Text(wanted), Token::Str(text)) => wanted.as_bytes() == *text,
            (Self::Bool(wanted), Token::Bool(value)) => wanted == value,
            (Self::Number(wanted), value) => {
                number(value).is_some_and(|number| number.total_cmp(wanted).is_eq())
            }
            (Self::Text(_) | Self::Bool(_), _) => false,
        }
    }
}

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

    /// `{"level": "error", "code": 503, "ok": false}`
    const RECORD: &[u8] = b"\x83\xa5level\xa5error\xa4code\xcd\x01\xf7\xa2ok\xc2";

    fn holds(field: &str, test: Test) -> bool {
        let rule = Rule { field: Accessor::parse(field).expect("a path"), test };
        Condition { any: false, rules: vec![rule] }.holds(RECORD, &SharedFields::default())
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn a_value_equals_its_like_only() {
        assert!(holds("$level", Test::Equals(text("error"), Negated::No)));
        assert!(!holds("$level", Test::Equals(text("error"), Negated::Yes)));
        assert!(holds("$code", Test::Equals(Value::Number(503.0), Negated::No)));
        assert!(!holds("$code", Test::Equals(text("503"), Negated::No)));
        assert!(holds("$ok", Test::Equals(Value::Bool(false), Negated::No)));
        assert!(holds("$level", Test::OneOf(vec![text("a"), text("error")], Negated::No)));
    }

    #[test]
    fn numbers_have_an_order_and_texts_have_patterns() {
        assert!(holds("$code", Test::GreaterOrEqual(503.0)) && holds("$code", Test::Less(503.5)));
        assert!(!holds("$code", Test::Greater(503.0)) && !holds("$level", Test::Less(1e9)));
        assert!(holds("$code", Test::LessOrEqual(503.0)));
        let pattern = Pattern::new("^err").expect("a pattern");
        assert!(holds("$level", Test::Matches(pattern.clone(), Negated::No)));
        assert!(!holds("$code", Test::Matches(pattern, Negated::Yes)), "a number is no text");
    }

    #[test]
    fn a_field_that_is_missing_fulfils_no_rule() {
        assert!(!holds("$none", Test::Equals(text("x"), Negated::Yes)));
    }

    #[test]
    fn one_rule_is_enough_where_the_rules_are_joined_by_or() {
        let rule = |value| Rule {
            field: Accessor::parse("$level").expect("a path"),
            test: Test::Equals(text(value), Negated::No),
        };
        let holds = |any| {
            let rules = vec![rule("error"), rule("info")];
            Condition { any, rules }.holds(RECORD, &SharedFields::default())
        };
        assert!(holds(true) && !holds(false));
    }
}
