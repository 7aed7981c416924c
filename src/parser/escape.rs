//! Steps 1 and 3, parser: texts with backslashes → what they stand for.
//!
//! Three ways to read them, each after one of Fluent Bit's decoders (`src/flb_unescape.c`). None
//! makes a text longer. Not known here: which field it is.

/// Decoder `escaped`: `\n`, `\t` and the like of C; any other backslash is left out.
pub(super) fn undo(text: &[u8], out: &mut Vec<u8>) {
    each(text, out, |rest, out| {
        let (first, rest) = rest.split_first()?;
        out.push(control(*first).unwrap_or(*first));
        Some(rest)
    });
}

/// Decoder `escaped_utf8`: also `\101`, `\x41`, `\u0041` and `\U00000041`, each a character. Half a
/// surrogate pair, and what is no character, becomes U+FFFD.
pub(super) fn undo_utf8(text: &[u8], out: &mut Vec<u8>) {
    each(text, out, |rest, out| {
        let (first, after) = rest.split_first()?;
        let (code, after) = match first {
            b'0'..=b'7' => digits(rest, 8, 3),
            b'x' => digits(after, 16, 2),
            b'u' => unit(after),
            b'U' => digits(after, 16, 8),
            _ => None,
        }
        .unwrap_or((u32::from(control(*first).unwrap_or(*first)), after));
        if code == u32::from(*first) && !first.is_ascii() {
            // A byte of a longer character.
            out.push(*first);
        } else {
            let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        Some(after)
    });
}

/// Decoder `mysql_quoted`: a text in quotes, with MySQL's escapes; any other text as it is.
pub(super) fn undo_mysql(text: &[u8], out: &mut Vec<u8>) {
    let quoted = |quote: &[u8]| text.strip_prefix(quote)?.strip_suffix(quote);
    let Some(inside) = quoted(b"'").or_else(|| quoted(b"\"")) else {
        out.extend_from_slice(text);
        return;
    };
    each(inside, out, |rest, out| {
        let (first, rest) = rest.split_first()?;
        match first {
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'0' => out.push(0),
            b'Z' => out.push(0x1a),
            b'\\' | b'\'' | b'"' => out.push(*first),
            other => out.extend_from_slice(&[b'\\', *other]),
        }
        Some(rest)
    });
}

/// Copies the text and lets `undo` write what stands for each backslash. It gets what follows that
/// and returns what is left; `None`, and the backslash is the last of the text and stays.
fn each(
    text: &[u8],
    out: &mut Vec<u8>,
    undo: impl for<'a> Fn(&'a [u8], &mut Vec<u8>) -> Option<&'a [u8]>,
) {
    let mut rest = text;
    while let Some(place) = memchr::memchr(b'\\', rest) {
        let (before, escaped) = rest.split_at_checked(place).unwrap_or((rest, b""));
        out.extend_from_slice(before);
        match undo(escaped.get(1..).unwrap_or_default(), out) {
            Some(after) => rest = after,
            None => {
                rest = escaped;
                break;
            }
        }
    }
    out.extend_from_slice(rest);
}

/// C's letters for control characters.
const fn control(letter: u8) -> Option<u8> {
    Some(match letter {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 0x08,
        b'f' => 0x0c,
        b'v' => 0x0b,
        b'a' => 0x07,
        _ => return None,
    })
}

/// A number of at most so many digits; `None` if there is not one.
fn digits(text: &[u8], radix: u32, count_max: usize) -> Option<(u32, &[u8])> {
    let digit = |byte: &u8| char::from(*byte).to_digit(radix);
    let count = text.iter().take(count_max).take_while(|byte| digit(byte).is_some()).count();
    let (found, rest) = text.split_at_checked(count).filter(|_| count > 0)?;
    let value = found
        .iter()
        .filter_map(digit)
        .fold(0_u32, |value, digit| value.wrapping_mul(radix).wrapping_add(digit));
    Some((value, rest))
}

/// `0041` behind `\u`, or a pair of surrogates: `d83d\ude00`.
fn unit(text: &[u8]) -> Option<(u32, &[u8])> {
    const BAD: u32 = 0xd800;
    let (high, rest) = digits(text, 16, 4)?;
    if text.len() - rest.len() < 4 {
        return Some((BAD, rest));
    }
    let low = rest.strip_prefix(b"\\u").and_then(|rest| digits(rest, 16, 4));
    match (high, low) {
        (0xd800..0xdc00, Some((low @ 0xdc00..0xe000, after))) => {
            Some((0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00), after))
        }
        (0xd800..0xe000, _) => Some((BAD, rest)),
        _ => Some((high, rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn undone(undo: fn(&[u8], &mut Vec<u8>), text: &str) -> String {
        let mut out = b">".to_vec();
        undo(text.as_bytes(), &mut out);
        String::from_utf8(out).expect("utf-8").split_off(1)
    }

    #[test]
    fn escaped_knows_the_letters_of_c_and_leaves_other_backslashes_out() {
        let cases = [
            (r"a\tb\n", "a\tb\n"),
            (r#"\"q\" \\ \/ \u00e9"#, "\"q\" \\ / u00e9"),
            (r"\a\b\f\r\v", "\x07\x08\x0c\r\x0b"),
            (r"é\é", "éé"),
            (r"end\", r"end\"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(undone(undo, text), expected, "{text}");
        }
    }

    #[test]
    fn escaped_utf8_also_knows_characters_by_number() {
        let cases = [
            (r"\101\x41\u0041\U00000041", "AAAA"),
            (r"\xe9 \351 \u00e9", "é é é"),
            (r"\ud83d\ude00", "\u{1f600}"),
            (r"\ud83d \ude00", "\u{fffd} \u{fffd}"),
            (r"\ud83d\u0041", "\u{fffd}A"),
            (r"\u41 \U00110000", "\u{fffd} \u{fffd}"),
            (r"\u \x \q \8", "u x q 8"),
            (r"\0001", "\u{0}1"),
            (r"é\é\\", "éé\\"),
            (r"end\", r"end\"),
        ];
        for (text, expected) in cases {
            assert_eq!(undone(undo_utf8, text), expected, "{text}");
        }
    }

    #[test]
    fn mysql_quoted_takes_off_quotes_that_match() {
        let cases = [
            (r"'it\'s\n'", "it's\n"),
            (r#""\Z\0\q""#, "\x1a\u{0}\\q"),
            (r"'open", "'open"),
            ("''", ""),
            ("'", "'"),
            ("", ""),
            (r"a\n", r"a\n"),
            (r"'a\'", r"a\"),
        ];
        for (text, expected) in cases {
            assert_eq!(undone(undo_mysql, text), expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_grows_or_makes_it_panic(text in "[\\\\'\"a-fnuUx0-9dDé\u{1f600}]{0,24}") {
            for undo in [undo, undo_utf8, undo_mysql] {
                proptest::prop_assert!(undone(undo, &text).len() <= text.len());
            }
        }

        #[test]
        fn text_without_backslashes_is_copied(text in "[^\\\\'\"]{0,24}") {
            for undo in [undo, undo_utf8, undo_mysql] {
                proptest::prop_assert_eq!(undone(undo, &text), text.clone());
            }
        }
    }
}
