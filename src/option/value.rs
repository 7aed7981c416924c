//! Around the path, option: the text of an option's value → the value.
//!
//! As Fluent Bit reads them, and a little more: a comment behind a number or a word is left out,
//! where Fluent Bit takes it as part of the value. Not known here: names and places of options.

use std::fmt;
use std::time::Duration;

use super::Kind;

/// Longest time an option can name: ten years.
const SECONDS_MAX: f64 = 10.0 * 365.0 * 86_400.0;

/// The value of an option.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of [`Kind::Bool`].
    Bool(bool),
    /// Of [`Kind::Integer`] and [`Kind::Octal`].
    Integer(i64),
    /// Of [`Kind::Bytes`] and [`Kind::Kibibytes`], in bytes.
    Bytes(u64),
    /// Of [`Kind::Seconds`] and [`Kind::SecondsOrForever`]; without end is [`Duration::MAX`].
    Seconds(Duration),
    /// Of [`Kind::Text`], [`Kind::Secret`] and [`Kind::Choice`]: the word as the table has it.
    Text(String),
    /// Of [`Kind::List`].
    List(Vec<String>),
    /// Of [`Kind::RetryLimit`].
    RetryLimit(RetryLimit),
}

/// How often a batch that could not be sent is sent again before it may be dropped to make room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RetryLimit {
    /// Not once.
    NoRetries,
    /// So many times, at least one.
    Retries(u32),
    /// Without end.
    Unlimited,
}

impl Default for RetryLimit {
    fn default() -> Self {
        Self::Retries(1)
    }
}

impl fmt::Display for RetryLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRetries => f.write_str("no retries"),
            Self::Retries(1) => f.write_str("1 retry"),
            Self::Retries(count) => write!(f, "{count} retries"),
            Self::Unlimited => f.write_str("unlimited retries"),
        }
    }
}

/// A value, and what had to be overlooked to read it.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The value.
    pub value: Value,
    /// Set where the text is not quite what it should be.
    pub leniency: Option<Leniency>,
}

/// What was overlooked in a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Leniency {
    /// ` # …` behind the value.
    Comment,
    /// Text behind the digits of a number.
    Trailing,
    /// A retry limit that is none; the default holds.
    RetryLimit,
}

/// Reads `text` as a value of `kind`; `None` if it is none.
#[must_use]
pub fn parse(kind: Kind, text: &str) -> Option<Parsed> {
    let exact = |text: &str| parse_exact(kind, text.trim());
    if let Some(value) = exact(text) {
        return Some(Parsed { value, leniency: None });
    }
    let before_comment =
        text.split_once([' ', '\t']).filter(|(_, rest)| rest.trim().starts_with('#'));
    if let Some(value) = before_comment.and_then(|(text, _)| exact(text)) {
        return Some(Parsed { value, leniency: Some(Leniency::Comment) });
    }
    let (value, leniency) = match kind {
        Kind::Integer { .. } => (exact(leading_number(text))?, Leniency::Trailing),
        Kind::RetryLimit => (Value::RetryLimit(RetryLimit::default()), Leniency::RetryLimit),
        Kind::Bool
        | Kind::Octal
        | Kind::Bytes
        | Kind::Kibibytes
        | Kind::Seconds
        | Kind::SecondsOrForever
        | Kind::Text
        | Kind::Secret
        | Kind::List
        | Kind::Choice(_) => return None,
    };
    Some(Parsed { value, leniency: Some(leniency) })
}

fn parse_exact(kind: Kind, text: &str) -> Option<Value> {
    Some(match kind {
        Kind::Bool => Value::Bool(boolean(text)?),
        Kind::Integer { min, max } => {
            Value::Integer(text.parse().ok().filter(|n| (min..=max).contains(n))?)
        }
        Kind::Octal => Value::Integer(i64::from(u32::from_str_radix(text, 8).ok()?)),
        Kind::Bytes => Value::Bytes(bytes(text)?),
        Kind::Kibibytes => Value::Bytes(match text.parse::<u64>() {
            Ok(count) => count.checked_mul(1_024)?,
            Err(_) => bytes(text)?,
        }),
        Kind::Seconds => Value::Seconds(seconds(text)?),
        Kind::SecondsOrForever if text == "-1" => Value::Seconds(Duration::MAX),
        Kind::SecondsOrForever => Value::Seconds(seconds(text)?),
        Kind::Text | Kind::Secret => Value::Text(text.to_owned()),
        Kind::List => Value::List(
            text.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect(),
        ),
        Kind::Choice(words) => {
            let word = words.iter().find(|word| word.eq_ignore_ascii_case(text))?;
            Value::Text((*word).to_owned())
        }
        Kind::RetryLimit => Value::RetryLimit(retry_limit(text)?),
    })
}

fn boolean(text: &str) -> Option<bool> {
    let is_one_of = |words: [&str; 3]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is_one_of(["true", "on", "yes"]) {
        Some(true)
    } else {
        is_one_of(["false", "off", "no"]).then_some(false)
    }
}

fn bytes(text: &str) -> Option<u64> {
    // Fluent Bit takes `false` for every size, and the other words for `storage.total_limit_size`.
    if boolean(text) == Some(false) {
        return Some(0);
    }
    let (number, suffix) = split_suffix(text, |c| c.is_ascii_digit());
    let factor: u64 = match suffix.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

fn seconds(text: &str) -> Option<Duration> {
    let (number, suffix) = split_suffix(text, |c| c.is_ascii_digit() || c == '.');
    let factor = match suffix.to_ascii_lowercase().as_str() {
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    let seconds = number.parse::<f64>().ok()? * factor;
    (seconds <= SECONDS_MAX).then(|| Duration::try_from_secs_f64(seconds).ok()).flatten()
}

fn split_suffix(text: &str, is_digit: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !is_digit(c)).unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end).unwrap_or((text, ""));
    (number, suffix.trim_start())
}

fn retry_limit(text: &str) -> Option<RetryLimit> {
    let is_one_of = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is_one_of(&["no_limits", "false", "off"]) {
        Some(RetryLimit::Unlimited)
    } else if is_one_of(&["no_retries"]) {
        Some(RetryLimit::NoRetries)
    } else {
        let count = text.parse::<u32>().ok().filter(|count| *count >= 1)?;
        Some(RetryLimit::Retries(count))
    }
}

/// What C's `atoi` would look at.
fn leading_number(text: &str) -> &str {
    let text = text.trim_start();
    let sign = usize::from(text.starts_with(['-', '+']));
    let digits = text.get(sign..).unwrap_or_default();
    let count = digits.bytes().take_while(u8::is_ascii_digit).count();
    text.get(..sign + count).unwrap_or_default()
}

impl fmt::Display for Kind {
    /// What is expected, to go after "expected".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("true, on, yes, false, off or no"),
            Self::Integer { min, max: i64::MAX } => write!(f, "a whole number of at least {min}"),
            Self::Integer { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::Octal => f.write_str("a file mode in octal such as 0660"),
            Self::Bytes => f.write_str("a size such as 512k, 25MB or 1G"),
            Self::Kibibytes => f.write_str("a number of kilobytes such as 64"),
            Self::Seconds => f.write_str("seconds such as 5, 0.5, 30s or 1m"),
            Self::SecondsOrForever => {
                f.write_str("seconds such as 5, 30s or 1m, or -1 to wait for ever")
            }
            Self::Text | Self::Secret => f.write_str("a text"),
            Self::List => f.write_str("texts with commas between them"),
            Self::Choice(words) => write!(f, "one of {}", words.join(", ")),
            Self::RetryLimit => f.write_str("a number of at least 1, no_limits or no_retries"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(kind: Kind, text: &str) -> Option<Value> {
        parse(kind, text).filter(|parsed| parsed.leniency.is_none()).map(|parsed| parsed.value)
    }

    fn leniency(kind: Kind, text: &str) -> Option<Leniency> {
        parse(kind, text).and_then(|parsed| parsed.leniency)
    }

    const PORT: Kind = Kind::Integer { min: 0, max: 65_535 };

    #[test]
    fn booleans_are_words_and_never_digits() {
        for (text, expected) in [("On", true), ("YES", true), ("true", true), ("off", false)] {
            assert_eq!(value(Kind::Bool, text), Some(Value::Bool(expected)));
        }
        assert!(["1", "0", "maybe", ""].iter().all(|text| parse(Kind::Bool, text).is_none()));
    }

    #[test]
    fn sizes_are_powers_of_1000() {
        let cases = [("25MB", 25_000_000), ("1k", 1_000), ("2Kb", 2_000), ("1G", 1_000_000_000)];
        for (text, bytes) in cases.into_iter().chain([("7", 7), ("false", 0), ("0", 0)]) {
            assert_eq!(value(Kind::Bytes, text), Some(Value::Bytes(bytes)), "{text}");
        }
        for text in ["25XB", "-1", "", "k", "99999999999G", "18446744073709551616"] {
            assert_eq!(parse(Kind::Bytes, text), None, "{text}");
        }
    }

    #[test]
    fn kibibytes_are_bare_numbers() {
        assert_eq!(value(Kind::Kibibytes, "64"), Some(Value::Bytes(65_536)));
        assert_eq!(value(Kind::Kibibytes, "1M"), Some(Value::Bytes(1_000_000)));
        assert_eq!(parse(Kind::Kibibytes, &u64::MAX.to_string()), None);
    }

    #[test]
    fn times_are_seconds_with_fractions_and_suffixes() {
        let cases =
            [("0.2", 200), ("5", 5_000), ("1m", 60_000), ("2h", 7_200_000), ("10s", 10_000)];
        for (text, ms) in cases {
            let expected = Some(Value::Seconds(Duration::from_millis(ms)));
            assert_eq!(value(Kind::Seconds, text), expected, "{text}");
        }
        for text in ["-1", "nan", "inf", "1e300", "3651d", "", ".", "5 parsecs"] {
            assert_eq!(parse(Kind::Seconds, text), None, "{text}");
        }
        assert_eq!(value(Kind::SecondsOrForever, "-1"), Some(Value::Seconds(Duration::MAX)));
        assert!(value(Kind::Seconds, "3650d").is_some());
    }

    #[test]
    fn a_comment_behind_a_value_is_overlooked() {
        assert_eq!(leniency(Kind::Bool, "Off # default value"), Some(Leniency::Comment));
        assert_eq!(leniency(Kind::Bytes, "25MB\t#x"), Some(Leniency::Comment));
        assert_eq!(leniency(PORT, "2020 # x"), Some(Leniency::Comment));
        assert_eq!(value(Kind::Text, "a # b"), Some(Value::Text("a # b".to_owned())));
        assert_eq!(parse(Kind::Bool, "Off really"), None);
    }

    #[test]
    fn a_number_counts_up_to_what_is_no_digit() {
        assert_eq!(leniency(PORT, "2020x"), Some(Leniency::Trailing));
        assert_eq!(value(PORT, "65535"), Some(Value::Integer(65_535)));
        assert!(["65536", "-1", "x", ""].iter().all(|text| parse(PORT, text).is_none()));
    }

    #[test]
    fn a_retry_limit_that_is_none_is_the_default() {
        let limit = |text| parse(Kind::RetryLimit, text).map(|parsed| parsed.value);
        let cases = [
            ("3", RetryLimit::Retries(3)),
            ("False", RetryLimit::Unlimited),
            ("no_limits", RetryLimit::Unlimited),
            ("NO_RETRIES", RetryLimit::NoRetries),
            ("0", RetryLimit::Retries(1)),
            ("-4", RetryLimit::Retries(1)),
            ("often", RetryLimit::Retries(1)),
        ];
        for (text, expected) in cases {
            assert_eq!(limit(text), Some(Value::RetryLimit(expected)), "{text}");
        }
        assert_eq!(leniency(Kind::RetryLimit, "0"), Some(Leniency::RetryLimit));
    }

    #[test]
    fn a_choice_is_the_word_of_the_table() {
        let kind = Kind::Choice(&["legacy", "AND", "OR"]);
        assert_eq!(value(kind, "or"), Some(Value::Text("OR".to_owned())));
        assert_eq!(parse(kind, "xor"), None);
        assert_eq!(kind.to_string(), "one of legacy, AND, OR");
        assert_eq!(value(Kind::List, "a, b,,"), Some(Value::List(vec!["a".into(), "b".into()])));
        assert_eq!(value(Kind::Octal, "0660"), Some(Value::Integer(0o660)));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[ -~é]{0,12}|[-+0-9.eE]{0,24}[kmgsMB#]{0,3}") {
            for kind in [Kind::Bool, PORT, Kind::Octal, Kind::Bytes, Kind::Kibibytes, Kind::Seconds,
                Kind::SecondsOrForever, Kind::List, Kind::RetryLimit] {
                let _ = parse(kind, &text);
            }
        }
    }
}
