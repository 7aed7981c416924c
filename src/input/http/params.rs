//! Parameters: pairs of name and value in a form or in what follows the `?` of a path.
//!
//! Reference: WHATWG URL, "application/x-www-form-urlencoded". Must not know what they mean.

use std::borrow::Cow;

use crate::record::time::EventTime;

/// The pairs, decoded. One without `=` is none, nor is one without a name: so has it Fluent Bit.
pub(super) fn pairs(text: &[u8]) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
    text.split(|byte| *byte == b'&').filter_map(|pair| {
        let equals = memchr::memchr(b'=', pair)?;
        let (name, value) = pair.split_at_checked(equals)?;
        let (name, value) = (name.trim_ascii(), value.get(1..)?.trim_ascii());
        (!name.is_empty()).then(|| (decoded(name), decoded(value)))
    })
}

/// `+` is a blank and `%41` the byte 0x41. Text with an escape that is none stays as it is.
fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'%', b'+', text).is_none() {
        return Cow::Borrowed(text);
    }
    unescaped(text).map_or(Cow::Borrowed(text), Cow::Owned)
}

fn unescaped(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let ([high, low], behind) = rest.split_first_chunk::<2>()?;
                bytes.push(digit(*high)? << 4 | digit(*low)?);
                rest = behind;
            }
            byte => bytes.push(*byte),
        }
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// A time as fluentd's `?time=` has it: seconds since 1970, also fractions. `None`: it is none, or
/// zero, and then fluentd takes the present.
pub(super) fn time(text: &[u8]) -> Option<EventTime> {
    /// Digits of a nanosecond.
    const NANO_DIGITS: usize = 9;
    let text = str::from_utf8(text).ok()?;
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if seconds.is_empty() || !is_number(seconds) || !is_number(fraction) {
        return None;
    }
    let mut digits: String = fraction.chars().take(NANO_DIGITS).collect();
    while digits.len() < NANO_DIGITS {
        digits.push('0');
    }
    let time = EventTime::from_parts(seconds.parse().ok()?, digits.parse().ok()?);
    (time.as_nanos() != 0).then_some(time)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> Vec<(String, String)> {
        let text_of = |bytes: Cow<'_, [u8]>| String::from_utf8_lossy(&bytes).into_owned();
        pairs(text.as_bytes()).map(|(name, value)| (text_of(name), text_of(value))).collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn names_and_values_are_decoded() {
        let expected = [pair("a b", "é x"), pair("c", "1+2")];
        assert_eq!(shown("a+b=%C3%A9%20x&c=1%2b2"), expected);
    }

    #[test]
    fn a_pair_without_equals_sign_or_name_is_none() {
        assert_eq!(shown("a=&b&=x&c=3&&"), [pair("a", ""), pair("c", "3")]);
        assert_eq!(shown("\na=1=2"), [pair("a", "1=2")]);
    }

    #[test]
    fn an_escape_that_is_none_leaves_the_value_as_it_was_sent() {
        for raw in ["%", "%4", "%zz", "1+%", "%+1"] {
            assert_eq!(shown(&format!("a={raw}")), [pair("a", raw)]);
        }
    }

    #[test]
    fn a_time_is_seconds_with_a_fraction() {
        let cases = [
            ("5", Some((5, 0))),
            ("1700000000.25", Some((1_700_000_000, 250_000_000))),
            ("5.1234567891", Some((5, 123_456_789))),
            ("0.000000001", Some((0, 1))),
            ("0", None),
            ("0.0", None),
            ("", None),
            (".5", None),
            ("-1", None),
            ("1e3", None),
            ("now", None),
            ("99999999999999999999", None),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|(seconds, nanos)| EventTime::from_parts(seconds, nanos));
            assert_eq!(time(text.as_bytes()), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_escaped_is_found_again(name in "\\PC{1,9}", value in prop::collection::vec(any::<u8>(), 0..20)) {
            let escape = |bytes: &[u8]| bytes.iter().map(|byte| format!("%{byte:02X}")).collect::<String>();
            let text = format!("{}={}", escape(name.as_bytes()), escape(&value));
            let found: Vec<_> = pairs(text.as_bytes()).collect();
            prop_assert_eq!(found, vec![(Cow::<[u8]>::Owned(name.into_bytes()), Cow::<[u8]>::Owned(value))]);
        }
    }
}
