//! Step 3, filter: whether a condition holds for a record.
//!
//! Meaning as in Fluent Bit (`flb_sp.c`): what is missing equals nothing, also not NULL; a text is
//! compared with a number as the number it is; texts have the order of their bytes.

use std::cmp::Ordering;

use super::query::{Condition, Field, Operand, Operator, Value};
use crate::record::fields::SharedFields;
use crate::record::map;
use crate::record::msgpack::{Reader, Token};
use crate::record::time::EventTime;

/// Longest text that is taken as a number: what Fluent Bit takes.
const NUMBER_BYTES_MAX: usize = 19;
const NANOS_PER_SECOND: f64 = 1e9;

/// What is asked about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'r> {
    pub(super) time: EventTime,
    pub(super) record: &'r [u8],
    /// The fields that follow the record's own.
    pub(super) shared: &'r SharedFields,
}

/// What a record has in a place.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Found<'r> {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(&'r [u8]),
    /// A value that has no order and equals nothing; a map is true.
    Other {
        is_true: bool,
    },
}

impl Condition {
    pub(super) fn holds(&self, asked: &Asked<'_>) -> bool {
        match self {
            Self::And(left, right) => left.holds(asked) && right.holds(asked),
            Self::Or(left, right) => left.holds(asked) || right.holds(asked),
            Self::Not(inner) => !inner.holds(asked),
            Self::Truth(operand) => operand.find(asked).is_some_and(Found::is_true),
            Self::Compare(operand, operator, value) => {
                let found = operand.find(asked);
                found.is_some_and(|found| compares(found, *operator, Found::of(value)))
            }
            Self::Contains(field) => field.find(asked).is_some(),
        }
    }
}

impl Operand {
    fn find<'r>(&'r self, asked: &Asked<'r>) -> Option<Found<'r>> {
        match self {
            Self::Field(field) => field.find(asked),
            Self::Time => Some(Found::Float(seconds(asked.time))),
            Self::Value(value) => Some(Found::of(value)),
        }
    }
}

impl Field {
    /// The value, as msgpack. Where the first key's value is no map, it is the value, whatever keys
    /// follow: so Fluent Bit has it (`flb_sp_key.c`).
    pub(super) fn get<'r>(&self, record: &'r [u8]) -> Option<&'r [u8]> {
        let (first, rest) = self.path.split_first()?;
        let value = map::get(record, first.as_bytes())?;
        let is_map = matches!(value.first()?, 0x80..=0x8f | 0xde | 0xdf);
        if is_map { map::get_path(value, rest) } else { Some(value) }
    }

    fn find<'r>(&self, asked: &Asked<'r>) -> Option<Found<'r>> {
        let own = || self.get(asked.record).and_then(Found::read);
        let first = self.path.first();
        match first.and_then(|key| asked.shared.get(key.as_bytes())) {
            Some(field) if !field.yields => Some(Found::Text(&field.value)),
            Some(field) => own().or(Some(Found::Text(&field.value))),
            None => own(),
        }
    }
}

impl<'r> Found<'r> {
    fn of(value: &'r Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Integer(number) => Self::Integer(*number),
            Value::Float(number) => Self::Float(*number),
            Value::Text(text) => Self::Text(text.as_bytes()),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "what no integer can hold is a float")]
    fn read(value: &'r [u8]) -> Option<Self> {
        Some(match Reader::new(value).token().ok()? {
            Token::Nil => Self::Null,
            Token::Bool(value) => Self::Bool(value),
            Token::UInt(number) => {
                i64::try_from(number).map_or(Self::Float(number as f64), Self::Integer)
            }
            Token::Int(number) => Self::Integer(number),
            Token::F32(number) => Self::Float(number.into()),
            Token::F64(number) => Self::Float(number),
            Token::Str(text) => Self::Text(text),
            Token::Map(_) => Self::Other { is_true: true },
            Token::Bin(_) | Token::Ext(..) | Token::Array(_) => Self::Other { is_true: false },
        })
    }

    fn is_true(self) -> bool {
        match self {
            Self::Bool(value) | Self::Other { is_true: value } => value,
            Self::Integer(number) => number > 0,
            Self::Float(number) => number > 0.0,
            Self::Text(_) => true,
            Self::Null => false,
        }
    }

    /// The number that a text is, if it is one.
    fn as_number(self) -> Self {
        let Self::Text(text) = self else { return self };
        let text = str::from_utf8(text).ok().filter(|text| text.len() <= NUMBER_BYTES_MAX);
        let Some(text) = text.map(str::trim) else { return self };
        let is_plain = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | 'e' | 'E');
        if let Ok(number) = text.parse() {
            return Self::Integer(number);
        }
        match text.parse() {
            Ok(number) if text.chars().all(is_plain) => Self::Float(number),
            _ => self,
        }
    }
}

fn compares(found: Found<'_>, operator: Operator, value: Found<'_>) -> bool {
    let found = if matches!(value, Found::Text(_)) { found } else { found.as_number() };
    let order = match (found, value) {
        (Found::Integer(found), Found::Integer(value)) => Some(found.cmp(&value)),
        (Found::Text(found), Found::Text(value)) => Some(found.cmp(value)),
        (Found::Null, Found::Null) => return operator == Operator::Equal,
        (Found::Bool(found), Found::Bool(value))
        | (Found::Other { is_true: found @ true }, Found::Bool(value)) => {
            return operator == Operator::Equal && found == value;
        }
        (found, value) => float(found).zip(float(value)).and_then(|(a, b)| a.partial_cmp(&b)),
    };
    order.is_some_and(|order| match operator {
        Operator::Equal => order == Ordering::Equal,
        Operator::Less => order == Ordering::Less,
        Operator::LessOrEqual => order != Ordering::Greater,
        Operator::Greater => order == Ordering::Greater,
        Operator::GreaterOrEqual => order != Ordering::Less,
    })
}

#[expect(clippy::cast_precision_loss, reason = "an integer is compared with a float")]
fn float(found: Found<'_>) -> Option<f64> {
    match found {
        Found::Integer(number) => Some(number as f64),
        Found::Float(number) => Some(number),
        Found::Null | Found::Bool(_) | Found::Text(_) | Found::Other { .. } => None,
    }
}

/// The time in seconds since 1970.
#[expect(clippy::cast_precision_loss, reason = "Fluent Bit's times are doubles here")]
pub(super) fn seconds(time: EventTime) -> f64 {
    time.as_nanos() as f64 / NANOS_PER_SECOND
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::stream_task::query::Query;
    use crate::record::fields::SharedField;

    /// `{"s": "abc", "n": 5, "neg": -2, "f": 1.5, "t": true, "z": nil, "m": {"k": "v"}, "l": [],
    /// "d": "12", "u": 18446744073709551615}`
    const RECORD: &[u8] =
        b"\x8a\xa1s\xa3abc\xa1n\x05\xa3neg\xfe\xa1f\xcb\x3f\xf8\0\0\0\0\0\0\xa1t\xc3\xa1z\xc0\
        \xa1m\x81\xa1k\xa1v\xa1l\x90\xa1d\xa212\xa1u\xcf\xff\xff\xff\xff\xff\xff\xff\xff";

    fn holds(condition: &str) -> bool {
        let text = format!("CREATE STREAM s AS SELECT * FROM TAG:'a' WHERE {condition};");
        let query = Query::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let field = |key: &str, yields| SharedField {
            key: key.as_bytes().into(),
            value: (*b"shared").into(),
            yields,
        };
        let shared = SharedFields::new(vec![field("added", false), field("s", true)]);
        let time = EventTime::from_parts(1_700_000_000, 500_000_000);
        query.condition.expect("one").holds(&Asked { time, record: RECORD, shared: &shared })
    }

    #[test]
    fn a_value_compares_with_its_like() {
        for condition in [
            "s = 'abc'",
            "s < 'abd'",
            "s <= 'abc'",
            "s > 'ab'",
            "n = 5",
            "n >= 5",
            "n < 5.5",
            "neg < 0",
            "f = 1.5",
            "f > 1",
            "t = true",
            "m['k'] = 'v'",
            "u > 9223372036854775807",
            "@record.time() = 1700000000.5",
            "added = 'shared'",
            "5",
        ] {
            assert!(holds(condition), "{condition}");
        }
        for condition in [
            "s = 'ab'",
            "n = '5'",
            "n = true",
            "t > false",
            "t = 1",
            "l = 0",
            "z = 0",
            "m = 'v'",
            "0",
        ] {
            assert!(!holds(condition), "{condition}");
        }
    }

    #[test]
    fn a_text_is_compared_with_a_number_as_the_number_it_is() {
        assert!(holds("d = 12") && holds("d > 11.5") && holds("d = '12'") && !holds("d = '12.0'"));
        assert!(!holds("s = 0") && !holds("s > 0") && !holds("s < 0"));
    }

    #[test]
    fn what_is_missing_equals_nothing_and_null_is_there() {
        assert!(holds("z IS NULL") && !holds("none IS NULL") && holds("none IS NOT NULL"));
        assert!(!holds("none = 1") && holds("none != 1") && !holds("none < 1") && !holds("none"));
        assert!(holds("@record.contains(z)") && holds("@record.contains(l)"));
        assert!(holds("@record.contains(m['k'])") && !holds("@record.contains(m['x'])"));
        assert!(holds("s['k'] = 'abc'"), "a path into a text is the text, as in Fluent Bit");
    }

    #[test]
    fn a_field_alone_is_true_if_it_is_true_above_0_or_a_text() {
        assert!(holds("s") && holds("n") && holds("f") && holds("t") && holds("m"));
        assert!(!holds("neg") && !holds("z") && !holds("l"));
        assert!(holds("neg OR s") && !holds("neg AND s") && holds("NOT z"));
    }

    proptest::proptest! {
        #[test]
        fn no_record_makes_it_panic(record in proptest::collection::vec(proptest::num::u8::ANY, 0..40)) {
            let text = "CREATE STREAM s AS SELECT * FROM TAG:'a' WHERE a['b'] > 1 OR a = 'x' OR NOT b IS NULL;";
            let condition = Query::parse(text).expect("a query").condition.expect("one");
            let shared = SharedFields::default();
            let asked = Asked { time: EventTime::default(), record: &record, shared: &shared };
            condition.holds(&asked);
        }
    }
}
