//! Step 6, output: the value under a key, wherever it stands: in the record, or among the fields
//! that all records of its chunk share.
//!
//! Pure. Must not know what the value is for.

use crate::record::fields::SharedFields;
use crate::record::map;
use crate::record::msgpack::{Reader, Token};

/// What stands under a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Value<'a> {
    /// Text, or bytes that count as text.
    Text(&'a [u8]),
    /// Anything else, as msgpack.
    Packed(&'a [u8]),
}

impl<'a> Value<'a> {
    pub(crate) fn packed(value: &'a [u8]) -> Self {
        match Reader::new(value).token() {
            Ok(Token::Str(text) | Token::Bin(text)) => Self::Text(text),
            Ok(_) | Err(_) => Self::Packed(value),
        }
    }
}

/// All that stands under `key`, in order: the record's own, then what shared fields add.
pub(crate) fn all<'a>(
    record: &'a [u8],
    shared: &'a SharedFields,
    key: &'a [u8],
) -> impl Iterator<Item = Value<'a>> {
    let pairs = map::pairs(record).into_iter().flatten();
    let own = pairs.filter(move |pair| pair.key_text() == Some(key));
    let added = shared.as_slice().iter().filter(move |field| *field.key == *key);
    let added = added.filter(move |field| !field.yields || map::get(record, key).is_none());
    own.map(|pair| Value::packed(pair.value)).chain(added.map(|field| Value::Text(&field.value)))
}

/// The value that counts of all under `key`: the last.
pub(crate) fn last<'a>(
    record: &'a [u8],
    shared: &'a SharedFields,
    key: &[u8],
) -> Option<Value<'a>> {
    let added = shared.get(key);
    if let Some(added) = added.filter(|field| !field.yields) {
        return Some(Value::Text(&added.value));
    }
    let own = map::get(record, key).map(Value::packed);
    own.or_else(|| added.map(|field| Value::Text(&field.value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fields::SharedField;

    /// `{"a": "x", "n": 1, "a": "y"}`
    const RECORD: &[u8] = b"\x83\xa1a\xa1x\xa1n\x01\xa1a\xa1y";

    fn shared(key: &str, yields: bool) -> SharedFields {
        let (key, value) = (key.as_bytes().into(), b"s".as_slice().into());
        SharedFields::new(vec![SharedField { key, value, yields }])
    }

    #[test]
    fn the_last_value_counts_and_a_shared_one_is_the_last_unless_it_yields() {
        let of_a = |shared: &SharedFields| match last(RECORD, shared, b"a") {
            Some(Value::Text(text)) => text.to_vec(),
            other => panic!("no text: {other:?}"),
        };
        assert_eq!(of_a(&SharedFields::default()), b"y");
        assert_eq!(of_a(&shared("a", false)), b"s");
        assert_eq!(of_a(&shared("a", true)), b"y");
        assert_eq!(last(RECORD, &shared("b", true), b"b"), Some(Value::Text(b"s")));
        assert_eq!(last(RECORD, &shared("b", true), b"n"), Some(Value::Packed(b"\x01")));
        assert_eq!(last(RECORD, &SharedFields::default(), b"b"), None);
    }

    #[test]
    fn all_values_come_in_order() {
        let texts = |shared: &SharedFields| all(RECORD, shared, b"a").count();
        assert_eq!((texts(&SharedFields::default()), texts(&shared("a", false))), (2, 3));
        assert_eq!(texts(&shared("a", true)), 2);
    }
}
