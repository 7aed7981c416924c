//! A msgpack value as JSON text, for names, log lines and people.
//!
//! The messages of an output have encoders of their own. Must not know what the value is of.

use super::msgpack::{Reader, Token};

/// Containers in each other that are written; what is deeper becomes null.
pub const DEPTH_MAX: usize = 128;

/// Where a value stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Within {
    /// In a value.
    Value,
    /// In a key, whose text is escaped once more.
    Key,
}

/// Appends `value` as JSON. Bytes that are no UTF-8 become U+FFFD, floats that are no numbers null,
/// extension types null, keys that are no text the JSON of what they are. A map or an array that is a
/// key within a key is null: each such key would double its backslashes.
///
/// `None`: it is no whole value; what `out` got by then stays.
pub fn write(value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    next(&mut Reader::new(value), out, Within::Value, 0)
}

fn next(reader: &mut Reader<'_>, out: &mut Vec<u8>, within: Within, depth: usize) -> Option<()> {
    if depth > DEPTH_MAX {
        reader.skip_value().ok()?;
        out.extend_from_slice(b"null");
        return Some(());
    }
    match reader.token().ok()? {
        Token::Nil | Token::Ext(..) => out.extend_from_slice(b"null"),
        Token::Bool(value) => serde_json::to_writer(out, &value).ok()?,
        Token::UInt(value) => serde_json::to_writer(out, &value).ok()?,
        Token::Int(value) => serde_json::to_writer(out, &value).ok()?,
        Token::F32(value) => serde_json::to_writer(out, &f64::from(value)).ok()?,
        Token::F64(value) => serde_json::to_writer(out, &value).ok()?,
        Token::Str(text) | Token::Bin(text) => string(text, out)?,
        Token::Array(values) => {
            out.push(b'[');
            for place in 0..values {
                separate(place, out);
                next(reader, out, within, depth + 1)?;
            }
            out.push(b']');
        }
        Token::Map(pairs) => {
            out.push(b'{');
            for place in 0..pairs {
                separate(place, out);
                key(reader, out, within, depth + 1)?;
                out.push(b':');
                next(reader, out, within, depth + 1)?;
            }
            out.push(b'}');
        }
    }
    Some(())
}

fn separate(place: u32, out: &mut Vec<u8>) {
    if place > 0 {
        out.push(b',');
    }
}

fn key(reader: &mut Reader<'_>, out: &mut Vec<u8>, within: Within, depth: usize) -> Option<()> {
    let key = reader.skip_value().ok()?;
    let token = Reader::new(key).token().ok()?;
    if let Token::Str(text) | Token::Bin(text) = token {
        return string(text, out);
    }
    if within == Within::Key && matches!(token, Token::Map(_) | Token::Array(_)) {
        return string(b"null", out);
    }
    let mut json = Vec::new();
    next(&mut Reader::new(key), &mut json, Within::Key, depth)?;
    string(&json, out)
}

fn string(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    serde_json::to_writer(out, &String::from_utf8_lossy(text)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: &[u8]) -> Option<String> {
        let mut out = Vec::new();
        write(value, &mut out)?;
        String::from_utf8(out).ok()
    }

    #[test]
    fn every_kind_of_value_has_a_text() {
        let value = b"\x85\xa1a\x92\xc0\xc3\xa1b\xcb\x40\x04\x00\x00\x00\x00\x00\x00\xa1c\xfb\x05\xa2\"\n\x91\x05\xa1x";
        let expected = r#"{"a":[null,true],"b":2.5,"c":-5,"5":"\"\n","[5]":"x"}"#;
        assert_eq!(json(value).as_deref(), Some(expected));
        assert_eq!(json(b"\xd4\x07\x00").as_deref(), Some("null"));
        assert_eq!(json(b"\xa2\xff\xc3").as_deref(), Some("\"\u{fffd}\u{fffd}\""));
    }

    #[test]
    fn what_is_nested_deeper_than_the_limit_is_null() {
        let nested = |depth: usize| json(&[vec![0x91; depth], vec![0x05]].concat()).expect("whole");
        assert!(nested(DEPTH_MAX).contains('5'));
        assert!(nested(DEPTH_MAX + 1).contains("null"));
    }

    #[test]
    fn keys_within_keys_do_not_multiply_their_backslashes() {
        let keys = |depth: usize| [vec![0x81; depth], vec![0xc0], vec![0x01; depth]].concat();
        assert_eq!(json(&keys(2)).as_deref(), Some(r#"{"{\"null\":1}":1}"#));
        assert_eq!(json(&keys(60)).as_deref(), Some(r#"{"{\"null\":1}":1}"#));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            value in proptest::collection::vec(proptest::num::u8::ANY, 0..32),
        ) {
            if let Some(text) = json(&value) {
                proptest::prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
            }
        }
    }
}
