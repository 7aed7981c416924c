//! Steps 1 and 3, parser: text → a number or a truth, as `Types` asks for.
//!
//! As the C library's `atoll`, `atof` and `strtoull` read numbers: as far as there is one, and as 0
//! where there is none. Not known here: which field it is.

use crate::record::msgpack::Writer;

/// What the text of a field is turned into.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Type {
    /// A whole number.
    Integer,
    /// A number with a fraction.
    Float,
    /// `true` or `false`.
    Bool,
    /// A whole number in hexadecimal.
    Hex,
    /// Text, as it is.
    Text,
}

/// The types of a parser's fields.
#[derive(Clone, Debug, Default)]
pub(super) struct Types(Vec<(Box<[u8]>, Type)>);

/// A word of `Types` that says nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Oddity {
    /// No colon.
    #[error("'{0}' has no effect, expected KEY:TYPE")]
    NoType(String),
    /// No such type.
    #[error("'{0}' keeps its field as text, expected one of integer, float, bool, hex, string")]
    Unknown(String),
}

impl Type {
    fn parse(text: &str) -> Option<Self> {
        let types = [
            ("integer", Self::Integer),
            ("float", Self::Float),
            ("bool", Self::Bool),
            ("hex", Self::Hex),
            ("string", Self::Text),
        ];
        let found = types.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        found.map(|(_, kind)| *kind)
    }

    /// Writes the text as what the type makes of it; text that is no truth stays text.
    pub(super) fn write(self, text: &[u8], mut writer: Writer<'_>) {
        match self {
            Self::Integer => writer.int(integer(text)),
            Self::Float => writer.f64(float(text)),
            Self::Hex => writer.uint(hex(text)),
            Self::Bool if begins(text, b"true") => writer.bool(true),
            Self::Bool if begins(text, b"false") => writer.bool(false),
            Self::Bool | Self::Text => writer.str(text),
        }
    }
}

impl Types {
    /// Reads `KEY:TYPE KEY:TYPE …`.
    #[must_use]
    pub(super) fn parse(text: &str) -> (Self, Vec<Oddity>) {
        let (mut types, mut odd) = (Vec::new(), Vec::new());
        for word in text.split_ascii_whitespace() {
            let Some((key, name)) = word.split_once(':') else {
                odd.push(Oddity::NoType(word.to_owned()));
                continue;
            };
            let kind = Type::parse(name);
            if kind.is_none() {
                odd.push(Oddity::Unknown(word.to_owned()));
            }
            types.push((key.as_bytes().into(), kind.unwrap_or(Type::Text)));
        }
        (Self(types), odd)
    }

    /// Whether none is set.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The type of a field, if it has one: the first of equal keys.
    #[must_use]
    pub(super) fn get(&self, key: &[u8]) -> Option<Type> {
        self.0.iter().find(|(known, _)| **known == *key).map(|(_, kind)| *kind)
    }
}

fn begins(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// Without blanks and sign; whether the sign is a minus.
fn unsigned(text: &[u8]) -> (bool, &[u8]) {
    let blanks = text.iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == 0x0b);
    let text = text.get(blanks.count()..).unwrap_or_default();
    match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    }
}

/// What is beyond 64 bits counts as the last number within.
fn integer(text: &[u8]) -> i64 {
    let (is_negative, digits) = unsigned(text);
    let sign = if is_negative { -1 } else { 1 };
    digits.iter().take_while(|byte| byte.is_ascii_digit()).fold(0, |value: i64, digit| {
        value.saturating_mul(10).saturating_add(sign * i64::from(digit - b'0'))
    })
}

fn hex(text: &[u8]) -> u64 {
    let (is_negative, digits) = unsigned(text);
    let prefixed = digits.strip_prefix(b"0x").or_else(|| digits.strip_prefix(b"0X"));
    let mut value = 0_u64;
    for digit in prefixed.unwrap_or(digits) {
        let Some(digit) = char::from(*digit).to_digit(16) else { break };
        let Some(next) = value.checked_mul(16) else { return u64::MAX };
        value = next | u64::from(digit);
    }
    if is_negative { value.wrapping_neg() } else { value }
}

fn float(text: &[u8]) -> f64 {
    let (is_negative, digits) = unsigned(text);
    let length = float_length(digits);
    let digits = digits.get(..length).and_then(|digits| str::from_utf8(digits).ok());
    let value = digits.and_then(|digits| digits.parse::<f64>().ok()).unwrap_or_default();
    if is_negative { -value } else { value }
}

/// Bytes of the number that the text begins with: digits with a point and an exponent, or a word.
fn float_length(text: &[u8]) -> usize {
    for word in [&b"infinity"[..], b"inf", b"nan"] {
        if begins(text, word) {
            return word.len();
        }
    }
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let whole = digits(0);
    let mut length = whole;
    if text.get(whole) == Some(&b'.') {
        let fraction = digits(whole + 1);
        if whole + fraction > 0 {
            length = whole + 1 + fraction;
        }
    }
    if length > 0 && matches!(text.get(length), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(length + 1), Some(b'+' | b'-')));
        let exponent = digits(length + 1 + sign);
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_as_far_as_they_go() {
        let cases = [("12", 12), (" -3x", -3), ("+7", 7), ("x", 0), ("", 0), ("1.9", 1)];
        for (text, expected) in cases {
            assert_eq!(integer(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(integer(b"9223372036854775808"), i64::MAX);
        assert_eq!(
            (integer(b"-9223372036854775808"), integer(b"-99999999999999999999")),
            (i64::MIN, i64::MIN)
        );
    }

    #[test]
    fn hexadecimal_numbers_may_have_a_prefix() {
        let cases = [("0xff", 255), ("10", 16), ("zz", 0), ("0X1g", 1), ("", 0), ("0x", 0)];
        for (text, expected) in cases {
            assert_eq!(hex(text.as_bytes()), expected, "{text}");
        }
        assert_eq!((hex(b"ffffffffffffffff"), hex(b"10000000000000000")), (u64::MAX, u64::MAX));
        assert_eq!(hex(b"-1"), u64::MAX, "as strtoull has it");
    }

    #[test]
    fn fractions_count_as_far_as_they_go() {
        let cases = [
            ("1.50", 1.5),
            ("1e3", 1_000.0),
            ("-2.5E-1s", -0.25),
            (".5", 0.5),
            ("5.", 5.0),
            ("y", 0.0),
            ("", 0.0),
            (".", 0.0),
            ("1e", 1.0),
            ("1e+", 1.0),
            ("1e400", f64::INFINITY),
            ("-Inf", f64::NEG_INFINITY),
            ("infinityx", f64::INFINITY),
        ];
        for (text, expected) in cases {
            assert_eq!(float(text.as_bytes()), expected, "{text}");
        }
        assert!(float(b"nan").is_nan());
    }

    #[test]
    fn a_truth_begins_with_its_word_and_anything_else_stays_text() {
        let written = |kind: Type, text: &[u8]| {
            let mut out = Vec::new();
            kind.write(text, Writer::new(&mut out));
            out
        };
        assert_eq!(written(Type::Bool, b"TRUEish"), b"\xc3");
        assert_eq!(written(Type::Bool, b"false"), b"\xc2");
        assert_eq!(written(Type::Bool, b"on"), b"\xa2on");
        assert_eq!(written(Type::Text, b"007"), b"\xa3007");
        assert_eq!(written(Type::Integer, b"-3"), b"\xfd");
    }

    #[test]
    fn types_are_read_word_by_word_and_the_first_of_a_key_counts() {
        let (types, odd) = Types::parse("a:Integer  b:wrong c d:hex a:float");
        assert_eq!((types.get(b"a"), types.get(b"b")), (Some(Type::Integer), Some(Type::Text)));
        assert_eq!((types.get(b"c"), types.get(b"d")), (None, Some(Type::Hex)));
        assert_eq!(odd, [Oddity::Unknown("b:wrong".to_owned()), Oddity::NoType("c".to_owned())]);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[ +\\-0-9a-fxX.eEinfy]{0,40}") {
            let text = text.as_bytes();
            let _ = (integer(text), hex(text), float(text));
        }

        #[test]
        fn every_number_reads_back(number: i64, fraction: f64) {
            proptest::prop_assert_eq!(integer(number.to_string().as_bytes()), number);
            let read = float(fraction.to_string().as_bytes());
            proptest::prop_assert!(read == fraction || (read.is_nan() && fraction.is_nan()));
        }
    }
}
