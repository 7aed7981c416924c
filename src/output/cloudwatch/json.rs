//! Step 6, output: a record as the JSON that Go makes of it, within the JSON string that a message
//! is in the request body.
//!
//! Keys are sorted by their text, of equal ones the last counts, and numbers are spelled as
//! `strconv` does. Where Go gives a record up (NaN, infinities), null stands in its place. Pure.
//! Must not know what a message is, nor how long it may be.
//! Source: `stream_float.go` and `reflect_map.go` of <https://github.com/json-iterator/go>.

use std::borrow::Cow;
use std::io::Write as _;

use crate::output::cloudwatch_logs::escape::escape_as_go;
use crate::output::cloudwatch_logs::field::Value;
use crate::record::chunk::RECORD_DEPTH_MAX;
use crate::record::fields::SharedFields;
use crate::record::json_out;
use crate::record::map;
use crate::record::msgpack::{Reader, Token};

/// Containers in each other that are written: twice what decoders take. What is deeper becomes null.
const DEPTH_MAX: usize = 2 * RECORD_DEPTH_MAX;
/// Pairs of a map that are sorted without a list on the heap.
const PAIRS_INLINE: usize = 32;

/// Appends the record with the fields that follow its own; gives the bytes of the message.
/// `None`: the bytes are no whole record.
pub(crate) fn record(record: &[u8], shared: &SharedFields, body: &mut Vec<u8>) -> Option<usize> {
    let mut json = Json { body, bytes: 0 };
    let mut reader = Reader::new(record);
    let pairs = reader.map_header().ok()?;
    json.map(&mut reader, pairs, shared, 0)?;
    Some(json.bytes)
}

/// Appends a value; gives the bytes of the message. `None`: the bytes are no whole value.
pub(crate) fn value(value: &[u8], body: &mut Vec<u8>) -> Option<usize> {
    let mut json = Json { body, bytes: 0 };
    json.value(&mut Reader::new(value), 0)?;
    Some(json.bytes)
}

/// A key as it is sorted by, and its value.
#[derive(Clone, Debug)]
struct Pair<'a> {
    key: Cow<'a, [u8]>,
    value: Value<'a>,
    /// Place in the record: of equal keys the last counts.
    at: usize,
}

struct Json<'b> {
    body: &'b mut Vec<u8>,
    /// Bytes of the message so far.
    bytes: usize,
}

impl Json<'_> {
    /// Text without anything to escape.
    fn raw(&mut self, text: &[u8]) {
        self.body.extend_from_slice(text);
        self.bytes += text.len();
    }

    fn string(&mut self, text: &[u8]) {
        self.body.extend_from_slice(b"\\\"");
        self.bytes += 2 + escape_as_go(text, self.body);
        self.body.extend_from_slice(b"\\\"");
    }

    fn value(&mut self, reader: &mut Reader<'_>, depth: usize) -> Option<()> {
        if depth > DEPTH_MAX {
            reader.skip_value().ok()?;
            self.raw(b"null");
            return Some(());
        }
        match reader.token().ok()? {
            Token::Map(pairs) => self.map(reader, pairs, &SharedFields::default(), depth)?,
            Token::Array(values) => {
                self.raw(b"[");
                for at in 0..values {
                    if at > 0 {
                        self.raw(b",");
                    }
                    self.value(reader, depth + 1)?;
                }
                self.raw(b"]");
            }
            Token::Str(text) | Token::Bin(text) => self.string(text),
            Token::UInt(number) => self.raw(itoa::Buffer::new().format(number).as_bytes()),
            Token::Int(number) => self.raw(itoa::Buffer::new().format(number).as_bytes()),
            Token::F32(number) => self.float(number.into()),
            Token::F64(number) => self.float(number),
            Token::Bool(true) => self.raw(b"true"),
            Token::Bool(false) => self.raw(b"false"),
            Token::Nil => self.raw(b"null"),
            Token::Ext(kind, bytes) => self.ext(kind, bytes),
        }
        Some(())
    }

    /// No exponent from 0.000001 up to 10^21, the fewest digits that read back the same, none behind
    /// the point of a whole number.
    fn float(&mut self, number: f64) {
        let (size, start) = (number.abs(), self.body.len());
        // Writing to a `Vec` cannot fail.
        let _ = if !number.is_finite() {
            write!(self.body, "null")
        } else if size == 0.0 || (1e-6..1e21).contains(&size) {
            write!(self.body, "{number}")
        } else if size < 1.0 {
            write!(self.body, "{number:e}")
        } else {
            // The sign of the exponent, which Rust leaves out.
            write!(self.body, "{}", format!("{number:e}").replacen('e', "e+", 1))
        };
        self.bytes += self.body.len() - start;
    }

    /// As the other output writes it: Go has no agreed form.
    fn ext(&mut self, kind: i8, bytes: &[u8]) {
        let mut text = Vec::with_capacity(2 * bytes.len() + 8);
        // Writing to a `Vec` cannot fail.
        let _ = write!(text, "ext({kind}):");
        for byte in bytes {
            let _ = write!(text, "{byte:02x}");
        }
        self.string(&text);
    }

    fn map(
        &mut self,
        reader: &mut Reader<'_>,
        pairs: u32,
        shared: &SharedFields,
        depth: usize,
    ) -> Option<()> {
        let own = usize::try_from(pairs).ok()?;
        let count = own.checked_add(shared.as_slice().len())?;
        if count <= PAIRS_INLINE {
            let mut inline = [const { Pair::NONE }; PAIRS_INLINE];
            let places = inline.get_mut(..count)?;
            let mut filled = 0;
            gather(reader, own, shared, |pair| {
                if let Some(place) = places.get_mut(filled) {
                    *place = pair;
                    filled += 1;
                }
            })?;
            return self.pairs(places.get_mut(..filled)?, depth);
        }
        // Not `with_capacity`: its size is bounded by the bytes that are there, not by what the
        // header claims.
        let mut all = Vec::new();
        gather(reader, own, shared, |pair| all.push(pair))?;
        self.pairs(&mut all, depth)
    }

    fn pairs(&mut self, pairs: &mut [Pair<'_>], depth: usize) -> Option<()> {
        pairs.sort_unstable_by(|a, b| a.key.cmp(&b.key).then(a.at.cmp(&b.at)));
        self.raw(b"{");
        let empty = self.bytes;
        for group in pairs.chunk_by(|a, b| a.key == b.key) {
            let Some(Pair { key, value, .. }) = group.last() else { continue };
            if self.bytes > empty {
                self.raw(b",");
            }
            self.string(key);
            self.raw(b":");
            match value {
                Value::Text(text) => self.string(text),
                Value::Packed(value) => self.value(&mut Reader::new(value), depth + 1)?,
            }
        }
        self.raw(b"}");
        Some(())
    }
}

impl Pair<'_> {
    const NONE: Self = Self { key: Cow::Borrowed(&[]), value: Value::Text(&[]), at: 0 };
}

/// Reads `own` pairs, and after them takes the fields that all records share.
fn gather<'r: 'p, 's: 'p, 'p>(
    reader: &mut Reader<'r>,
    own: usize,
    shared: &'s SharedFields,
    mut take: impl FnMut(Pair<'p>),
) -> Option<()> {
    // What yields counts as if it stood before the record's own.
    let fields = shared.as_slice().iter().enumerate();
    for (at, field) in fields.clone().filter(|(_, field)| field.yields) {
        take(Pair { key: Cow::Borrowed(&field.key), value: Value::Text(&field.value), at });
    }
    let first = shared.as_slice().len();
    for at in 0..own {
        let pair = map::next_pair(reader)?;
        let key = match pair.key_text() {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(key_text(pair.key)?),
        };
        take(Pair { key, value: Value::packed(pair.value), at: first + at });
    }
    for (at, field) in fields.filter(|(_, field)| !field.yields) {
        let at = first + own + at;
        take(Pair { key: Cow::Borrowed(&field.key), value: Value::Text(&field.value), at });
    }
    Some(())
}

/// The text of a key that is none: its JSON.
fn key_text(key: &[u8]) -> Option<Vec<u8>> {
    let mut json = Vec::new();
    json_out::write(key, &mut json)?;
    Some(json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fields::SharedField;
    use crate::record::msgpack::Writer;

    fn message(body: &[u8]) -> String {
        let quoted = [b"\"", body, b"\""].concat();
        serde_json::from_slice(&quoted).expect("a JSON string")
    }

    fn written(packed: &[u8], fields: &[(&str, &str, bool)]) -> String {
        let field = |(key, value, yields): &(&str, &str, bool)| SharedField {
            key: key.as_bytes().into(),
            value: value.as_bytes().into(),
            yields: *yields,
        };
        let shared = SharedFields::new(fields.iter().map(field).collect());
        let mut body = Vec::new();
        let bytes = record(packed, &shared, &mut body).expect("a record");
        let message = message(&body);
        assert_eq!(bytes, message.len());
        message
    }

    fn packed(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut Writer::new(&mut out));
        out
    }

    #[test]
    fn keys_are_sorted_by_their_bytes_at_every_level() {
        let record = packed(|w| {
            w.map_header(4);
            w.str(b"b");
            w.map_header(2);
            w.str(b"z");
            w.uint(1);
            w.str(b"Z");
            w.nil();
            w.str(b"a");
            w.array_header(2);
            w.bool(true);
            w.bin(b"bin");
            w.str("é".as_bytes());
            w.str(b"");
            w.str(b"B");
            w.int(-1);
        });
        let expected = r#"{"B":-1,"a":[true,"bin"],"b":{"Z":null,"z":1},"é":""}"#;
        assert_eq!(written(&record, &[]), expected);
    }

    #[test]
    fn of_equal_keys_the_last_counts_and_shared_ones_come_last_unless_they_yield() {
        let record = packed(|w| {
            w.map_header(3);
            w.str(b"k");
            w.uint(1);
            w.str(b"l");
            w.uint(2);
            w.bin(b"k");
            w.uint(3);
        });
        assert_eq!(written(&record, &[]), r#"{"k":3,"l":2}"#);
        assert_eq!(written(&record, &[("k", "s", false)]), r#"{"k":"s","l":2}"#);
        assert_eq!(written(&record, &[("k", "s", true)]), r#"{"k":3,"l":2}"#);
        let two = [("n", "1", false), ("a", "y", true), ("n", "2", false)];
        assert_eq!(written(&record, &two), r#"{"a":"y","k":3,"l":2,"n":"2"}"#);
    }

    #[test]
    fn a_map_of_any_size_is_sorted_alike() {
        for pairs in [PAIRS_INLINE, PAIRS_INLINE + 1] {
            let record = packed(|w| {
                w.map_header(u32::try_from(pairs).expect("small"));
                for number in (0..pairs).rev() {
                    w.str(format!("{:02}", number / 2).as_bytes());
                    w.uint(number as u64 % 2);
                }
            });
            let expected: Vec<_> =
                (0..pairs.div_ceil(2)).map(|key| format!("\"{key:02}\":0")).collect();
            assert_eq!(written(&record, &[]), format!("{{{}}}", expected.join(",")));
        }
    }

    #[test]
    fn floats_are_spelled_as_go_does() {
        let cases = [
            (10.0, "10"),
            (0.1, "0.1"),
            (-1.5, "-1.5"),
            (0.0, "0"),
            (-0.0, "-0"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (0.000_001, "0.000001"),
            (0.000_000_1, "1e-7"),
            (1.25e-10, "1.25e-10"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (f64::NAN, "null"),
            (f64::INFINITY, "null"),
        ];
        for (number, text) in cases {
            let mut body = Vec::new();
            let bytes = value(&packed(|w| w.f64(number)), &mut body);
            assert_eq!((message(&body).as_str(), bytes), (text, Some(text.len())));
        }
        let mut body = Vec::new();
        let _ = value(&packed(|w| w.f32(0.1)), &mut body);
        assert_eq!(message(&body), "0.10000000149011612");
    }

    #[test]
    fn what_is_too_deep_is_null_and_no_danger() {
        let nested = |depth: usize| [b"\x81\xa1k".repeat(depth), b"\x05".to_vec()].concat();
        let deepest = written(&nested(DEPTH_MAX), &[]);
        assert!(deepest.contains("{\"k\":5}"), "{deepest}");
        let deeper = written(&nested(DEPTH_MAX + 500), &[]);
        assert_eq!(
            deeper,
            format!("{}null{}", "{\"k\":".repeat(DEPTH_MAX + 1), "}".repeat(DEPTH_MAX + 1))
        );
    }

    #[test]
    fn keys_that_are_no_text_become_their_text() {
        let record = packed(|w| {
            w.map_header(3);
            w.uint(7);
            w.str(b"a");
            w.bool(true);
            w.str(b"b");
            w.array_header(1);
            w.str(b"<");
            w.str(b"c");
        });
        assert_eq!(written(&record, &[]), r#"{"7":"a","[\"\u003c\"]":"c","true":"b"}"#);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80)) {
            let mut body = Vec::new();
            let _ = record(&bytes, &SharedFields::default(), &mut body);
            let _ = value(&bytes, &mut body);
        }
    }
}
