//! JSON escaping, straight into the request body.
//!
//! A message is a JSON string in the body ([`Depth::Once`]). Where the message is itself a record
//! as JSON, its strings are escaped twice at once ([`Depth::Twice`]): no text in between, no second
//! pass. Bytes that are no UTF-8 become U+FFFD. Must not know records or batches.

use memchr::memchr2_iter;

/// How often a text is escaped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Depth {
    /// The text is in a JSON string.
    Once,
    /// The text is in a JSON string that is in a JSON text that is in a JSON string.
    Twice,
}

/// Bytes looked at together: sizes that compilers turn into vector instructions. The smaller one is
/// for short texts, such as keys, and for the ends of longer ones.
const LANE_BYTES: usize = 32;
const SHORT_LANE_BYTES: usize = 8;
const REPLACEMENT: &str = "\u{fffd}";
/// Bytes of `\u0000` in a message.
const UNICODE_ESCAPE_BYTES: usize = 6;
const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends the text, escaped, and returns how many bytes it has after one escaping less: as it
/// counts in the message.
pub fn escape(text: &[u8], depth: Depth, body: &mut Vec<u8>) -> usize {
    // Most texts are ASCII with nothing to escape: known after one look, and UTF-8 without another.
    let (plain, rest) = text.split_at(prefix_without(is_special_or_not_ascii, text));
    body.extend_from_slice(plain);
    if rest.is_empty() {
        return plain.len();
    }
    plain.len() + escape_rest(rest, depth, body)
}

fn escape_rest(text: &[u8], depth: Depth, body: &mut Vec<u8>) -> usize {
    if let Ok(valid) = std::str::from_utf8(text) {
        return escape_valid(valid.as_bytes(), depth, body);
    }
    let mut bytes = 0;
    for piece in text.utf8_chunks() {
        bytes += escape_valid(piece.valid().as_bytes(), depth, body);
        if !piece.invalid().is_empty() {
            body.extend_from_slice(REPLACEMENT.as_bytes());
            bytes += REPLACEMENT.len();
        }
    }
    bytes
}

/// Escapes what is known to be UTF-8: only `"`, `\` and control characters have to be.
fn escape_valid(text: &[u8], depth: Depth, body: &mut Vec<u8>) -> usize {
    // JSON in a line has many quotes and nothing else to escape: known after one look.
    if !text.iter().fold(false, |any, byte| any | (*byte < 0x20)) {
        return escape_quotes(text, depth, body);
    }
    let mut rest = text;
    let mut bytes = 0;
    loop {
        let (clean, tail) = rest.split_at(prefix_without(is_special, rest));
        body.extend_from_slice(clean);
        bytes += clean.len();
        let Some((special, tail)) = tail.split_first() else { return bytes };
        bytes += match depth {
            Depth::Once => escape_once(*special, body),
            Depth::Twice => escape_twice(*special, body),
        };
        rest = tail;
    }
}

/// Escapes a text in which only `"` and `\` have to be.
fn escape_quotes(text: &[u8], depth: Depth, body: &mut Vec<u8>) -> usize {
    let (mut from, mut bytes) = (0, text.len());
    for at in memchr2_iter(b'"', b'\\', text) {
        body.extend_from_slice(text.get(from..at).unwrap_or_default());
        let quote = text.get(at).copied().unwrap_or_default();
        match depth {
            Depth::Once => body.extend_from_slice(&[b'\\', quote]),
            Depth::Twice => {
                body.extend_from_slice(&[b'\\', b'\\', b'\\', quote]);
                bytes += 1;
            }
        }
        from = at + 1;
    }
    body.extend_from_slice(text.get(from..).unwrap_or_default());
    bytes
}

/// How many bytes from the start are not such ones.
#[inline]
fn prefix_without(is_such: impl Fn(u8) -> bool + Copy, text: &[u8]) -> usize {
    let long = lanes_without::<LANE_BYTES>(is_such, text);
    let rest = text.get(long..).unwrap_or_default();
    let short = lanes_without::<SHORT_LANE_BYTES>(is_such, rest);
    let rest = rest.get(short..).unwrap_or_default();
    long + short + rest.iter().position(|byte| is_such(*byte)).unwrap_or(rest.len())
}

/// How many bytes the lanes from the start have that have no such byte.
#[inline]
fn lanes_without<const BYTES: usize>(is_such: impl Fn(u8) -> bool + Copy, text: &[u8]) -> usize {
    let (lanes, _) = text.as_chunks::<BYTES>();
    // Folded without a branch, so that a whole lane is looked at at once.
    let has_such = |lane: &[u8; BYTES]| lane.iter().fold(false, |any, byte| any | is_such(*byte));
    BYTES * lanes.iter().position(has_such).unwrap_or(lanes.len())
}

#[inline]
fn is_special(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// As [`is_special`], or part of a character of several bytes: both are low as signed numbers.
#[inline]
fn is_special_or_not_ascii(byte: u8) -> bool {
    (byte.cast_signed() < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// One byte in a JSON string; it counts as itself.
fn escape_once(byte: u8, body: &mut Vec<u8>) -> usize {
    match short(byte) {
        Some(letter) => body.extend_from_slice(&[b'\\', letter]),
        None => {
            body.extend_from_slice(b"\\u00");
            body.extend_from_slice(&hex(byte));
        }
    }
    1
}

/// One byte in a JSON string within a JSON text within a JSON string; it counts as in that text.
fn escape_twice(byte: u8, body: &mut Vec<u8>) -> usize {
    match short(byte) {
        Some(quote @ (b'"' | b'\\')) => {
            body.extend_from_slice(&[b'\\', b'\\', b'\\', quote]);
            2
        }
        Some(letter) => {
            body.extend_from_slice(&[b'\\', b'\\', letter]);
            2
        }
        None => {
            body.extend_from_slice(b"\\\\u00");
            body.extend_from_slice(&hex(byte));
            6
        }
    }
}

/// The letter of the two-character escapes (RFC 8259, section 7).
fn short(byte: u8) -> Option<u8> {
    match byte {
        b'"' | b'\\' => Some(byte),
        0x08 => Some(b'b'),
        0x09 => Some(b't'),
        0x0a => Some(b'n'),
        0x0c => Some(b'f'),
        0x0d => Some(b'r'),
        _ => None,
    }
}

/// Appends the text as [`escape`] does at [`Depth::Twice`], but with the escapes of Go's
/// `encoding/json`: also `<`, `>`, `&`, U+2028 and U+2029, and `\ufffd` for each byte that is no
/// UTF-8. Returns how many bytes it has in the message.
pub fn escape_as_go(text: &[u8], body: &mut Vec<u8>) -> usize {
    let (plain, rest) = text.split_at(prefix_without(is_special_to_go_or_not_ascii, text));
    body.extend_from_slice(plain);
    let mut bytes = plain.len();
    for piece in rest.utf8_chunks() {
        bytes += escape_valid_as_go(piece.valid().as_bytes(), body);
        for _ in piece.invalid() {
            body.extend_from_slice(b"\\\\ufffd");
            bytes += UNICODE_ESCAPE_BYTES;
        }
    }
    bytes
}

fn escape_valid_as_go(text: &[u8], body: &mut Vec<u8>) -> usize {
    let mut rest = text;
    let mut bytes = 0;
    loop {
        let (clean, tail) = rest.split_at(prefix_without(is_special_to_go, rest));
        body.extend_from_slice(clean);
        bytes += clean.len();
        rest = match tail {
            [] => return bytes,
            [0xe2, 0x80, last @ (0xa8 | 0xa9), tail @ ..] => {
                body.extend_from_slice(if *last == 0xa8 { b"\\\\u2028" } else { b"\\\\u2029" });
                bytes += UNICODE_ESCAPE_BYTES;
                tail
            }
            [0xe2, tail @ ..] => {
                body.push(0xe2);
                bytes += 1;
                tail
            }
            [special, tail @ ..] => {
                bytes += match special {
                    b'"' | b'\\' | b'\n' | b'\r' | b'\t' => escape_twice(*special, body),
                    byte => {
                        body.extend_from_slice(b"\\\\u00");
                        body.extend_from_slice(&hex(*byte));
                        UNICODE_ESCAPE_BYTES
                    }
                };
                tail
            }
        }
    }
}

/// As [`is_special`] and what Go escapes besides; 0xe2 begins U+2028 and U+2029, and other
/// characters.
#[inline]
fn is_special_to_go(byte: u8) -> bool {
    is_special(byte) | (byte == b'<') | (byte == b'>') | (byte == b'&') | (byte == 0xe2)
}

#[inline]
fn is_special_to_go_or_not_ascii(byte: u8) -> bool {
    is_special_to_go(byte) | !byte.is_ascii()
}

fn hex(byte: u8) -> [u8; 2] {
    let digit = |nibble: u8| HEX.get(usize::from(nibble & 0x0f)).copied().unwrap_or(b'0');
    [digit(byte >> 4), digit(byte)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against serde_json: what is escaped once reads back as the text with every piece that is
        /// no UTF-8 replaced, and counts as many bytes.
        #[test]
        fn a_text_escaped_once_reads_back_as_itself(
            text in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut body = b"\"".to_vec();
            let bytes = escape(&text, Depth::Once, &mut body);
            body.push(b'"');
            let read: String = serde_json::from_slice(&body).expect("a JSON string");
            prop_assert_eq!(&read, &String::from_utf8_lossy(&text));
            prop_assert_eq!(bytes, read.len());
        }

        /// Escaped twice it reads back as a JSON string that reads back as the text.
        #[test]
        fn a_text_escaped_twice_reads_back_after_two_readings(
            text in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut body = b"\"\\\"".to_vec();
            let bytes = escape(&text, Depth::Twice, &mut body);
            body.extend_from_slice(b"\\\"\"");
            let message: String = serde_json::from_slice(&body).expect("a JSON string");
            let read: String = serde_json::from_str(&message).expect("a JSON string in it");
            prop_assert_eq!(read, String::from_utf8_lossy(&text));
            prop_assert_eq!(bytes + 2, message.len());
        }
    }

    proptest! {
        /// As Go's `encoding/json` would: read twice, it is the text again.
        #[test]
        fn a_text_escaped_as_go_does_reads_back_after_two_readings(
            text in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut body = b"\"\\\"".to_vec();
            let bytes = escape_as_go(&text, &mut body);
            body.extend_from_slice(b"\\\"\"");
            let message: String = serde_json::from_slice(&body).expect("a JSON string");
            prop_assert_eq!(bytes + 2, message.len());
            let read: String = serde_json::from_str(&message).expect("a JSON string in it");
            let expected: String = text
                .utf8_chunks()
                .flat_map(|piece| {
                    [piece.valid().to_owned(), "\u{fffd}".repeat(piece.invalid().len())]
                })
                .collect();
            prop_assert_eq!(read, expected);
        }
    }

    #[test]
    fn go_escapes_what_html_and_javascript_would_misread() {
        let escaped = |text: &[u8]| {
            let mut body = b"\"".to_vec();
            escape_as_go(text, &mut body);
            body.push(b'"');
            serde_json::from_slice::<String>(&body).expect("a JSON string")
        };
        assert_eq!(escaped(b"<a href=\"x\">&"), r#"\u003ca href=\"x\"\u003e\u0026"#);
        assert_eq!(escaped("\u{2028}\u{2029}\u{2027}é".as_bytes()), "\\u2028\\u2029\u{2027}é");
        assert_eq!(
            escaped(b"\n\r\t\x08\x0c\x00\x7f\\/"),
            r"\n\r\t\u0008\u000c\u0000".to_owned() + "\x7f\\\\/"
        );
        assert_eq!(escaped(b"\xe2\x82x\xff"), r"\ufffd\ufffdx\ufffd");
    }

    #[test]
    fn every_byte_below_space_and_quote_and_backslash_is_escaped_in_every_place_of_a_lane() {
        for special in (0..0x20).chain([b'"', b'\\']) {
            for place in 0..LANE_BYTES + 2 {
                let mut text = [b'x'; LANE_BYTES + 2];
                text[place] = special;
                for is_such in [is_special as fn(u8) -> bool, is_special_or_not_ascii] {
                    assert_eq!(prefix_without(is_such, &text), place, "0x{special:02x}");
                }
            }
        }
        assert_eq!(prefix_without(is_special, b" !#[]~\x7f\x80\xff"), 9);
        assert_eq!(prefix_without(is_special_or_not_ascii, b" !#[]~\x7f\x80"), 7);
        assert_eq!(prefix_without(is_special_or_not_ascii, b"\xff"), 0);
    }
}
