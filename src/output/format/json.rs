//! Events as JSON: an array, lines, or one object after the other.
//!
//! As Fluent Bit writes them (`flb_pack_msgpack_to_json_format`, `flb_utils_write_str`): the time comes
//! first, of equal keys the last one counts, what is not ASCII is escaped unless told otherwise. Unlike
//! there, the text is always JSON: floats that are no numbers are null, keys are texts, extension types
//! a text of their number and bytes.

use std::collections::HashMap;
use std::io::Write as _;

use super::date::DateFormat;
use crate::chunk::Chunk;
use crate::record::json_out;
use crate::record::map::{self, Pair};
use crate::record::msgpack::{Reader, Token};
use crate::record::number::Decimal;
use crate::record::time::EventTime;

/// Containers in each other that are written; what is deeper becomes null.
const DEPTH_MAX: usize = 128;
/// Pairs of a map that are compared with each other in place; a larger map needs a table.
const PAIRS_INLINE: usize = 32;

/// How events are written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JsonFormat {
    /// How they follow each other.
    pub layout: Layout,
    /// The key of the time and its form, if it is written.
    pub date: Option<(String, DateFormat)>,
    /// Whether what is not ASCII becomes `\uXXXX`.
    pub escape_unicode: bool,
}

/// How events follow each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Layout {
    /// All in one array.
    Array,
    /// Each on a line of its own.
    Lines,
    /// Without anything between them.
    Stream,
}

impl JsonFormat {
    /// Appends the events of these chunks.
    pub fn write<'a>(&self, chunks: impl IntoIterator<Item = &'a Chunk>, out: &mut Vec<u8>) {
        let mut whole = Vec::new();
        let mut is_first = true;
        if self.layout == Layout::Array {
            out.push(b'[');
        }
        for chunk in chunks {
            for (time, mut record) in chunk.entries.iter() {
                if self.layout == Layout::Array && !std::mem::replace(&mut is_first, false) {
                    out.push(b',');
                }
                if !chunk.shared.is_empty() {
                    whole.clear();
                    chunk.write_whole(record, &mut whole);
                    record = &whole;
                }
                self.event(time, record, out);
                if self.layout == Layout::Lines {
                    out.push(b'\n');
                }
            }
        }
        if self.layout == Layout::Array {
            out.push(b']');
        }
    }

    fn event(&self, time: EventTime, record: &[u8], out: &mut Vec<u8>) {
        // A key of the record takes the place of the time's, as of any equal keys the last counts.
        let date = self.date.as_ref().filter(|(key, _)| map::get(record, key.as_bytes()).is_none());
        write(record, date.map(|date| (date, time)), self.escape_unicode, out);
    }
}

/// Appends one record without a time.
pub fn write_object(record: &[u8], escape_unicode: bool, out: &mut Vec<u8>) {
    write(record, None, escape_unicode, out);
}

fn write(record: &[u8], date: Option<Date<'_>>, escape_unicode: bool, out: &mut Vec<u8>) {
    let start = out.len();
    let mut encoder = Encoder { out, escape_unicode };
    if encoder.record(record, date).is_none() {
        // Cannot come: decoders check records whole. If it did, half an event would be wrong.
        out.truncate(start);
        out.extend_from_slice(b"{}");
    }
}

/// The key of a time with its form, and the time.
type Date<'a> = (&'a (String, DateFormat), EventTime);

struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    escape_unicode: bool,
}

impl Encoder<'_> {
    fn record(&mut self, record: &[u8], date: Option<Date<'_>>) -> Option<()> {
        let mut reader = Reader::new(record);
        let pairs = reader.map_header().ok()?;
        self.out.push(b'{');
        if let Some(((key, format), time)) = date {
            self.string(key.as_bytes());
            self.out.push(b':');
            format.write(time, self.out);
        }
        self.pairs(&mut reader, pairs, date.is_none(), 0)?;
        self.out.push(b'}');
        Some(())
    }

    /// `None`: the bytes are no whole value.
    fn value(&mut self, reader: &mut Reader<'_>, depth: usize) -> Option<()> {
        if depth > DEPTH_MAX {
            reader.skip_value().ok()?;
            self.out.extend_from_slice(b"null");
            return Some(());
        }
        match reader.token().ok()? {
            Token::Nil => self.out.extend_from_slice(b"null"),
            Token::Bool(value) => write!(self.out, "{value}").ok()?,
            Token::UInt(value) => write!(self.out, "{value}").ok()?,
            Token::Int(value) => write!(self.out, "{value}").ok()?,
            Token::F32(value) => self.float(value.into()),
            Token::F64(value) => self.float(value),
            Token::Str(text) | Token::Bin(text) => self.string(text),
            Token::Ext(kind, bytes) => {
                write!(self.out, "\"ext({kind}):").ok()?;
                bytes.iter().try_for_each(|byte| write!(self.out, "{byte:02x}")).ok()?;
                self.out.push(b'"');
            }
            Token::Array(values) => {
                self.out.push(b'[');
                for place in 0..values {
                    if place > 0 {
                        self.out.push(b',');
                    }
                    self.value(reader, depth + 1)?;
                }
                self.out.push(b']');
            }
            Token::Map(pairs) => {
                self.out.push(b'{');
                self.pairs(reader, pairs, true, depth)?;
                self.out.push(b'}');
            }
        }
        Some(())
    }

    /// The pairs of a map, of equal keys the last one.
    fn pairs(
        &mut self,
        reader: &mut Reader<'_>,
        pairs: u32,
        mut is_first: bool,
        depth: usize,
    ) -> Option<()> {
        // Bounded by the bytes that are there, not by what the header claims.
        let mut all: Vec<Pair<'_>> = Vec::new();
        for _ in 0..pairs {
            all.push(map::next_pair(reader)?);
        }
        let newest = (all.len() > PAIRS_INLINE).then(|| {
            all.iter().enumerate().map(|(place, pair)| (pair.key, place)).collect::<HashMap<_, _>>()
        });
        let is_last = |place: usize, key: &[u8]| match &newest {
            Some(newest) => newest.get(key) == Some(&place),
            None => all.iter().skip(place + 1).all(|later| later.key != key),
        };
        let lasting = all.iter().enumerate().filter(|(place, pair)| is_last(*place, pair.key));
        for (_, pair) in lasting {
            if !std::mem::replace(&mut is_first, false) {
                self.out.push(b',');
            }
            self.key(pair.key)?;
            self.out.push(b':');
            self.value(&mut Reader::new(pair.value), depth + 1)?;
        }
        Some(())
    }

    /// A key that is no text becomes the text of its JSON.
    fn key(&mut self, key: &[u8]) -> Option<()> {
        if let Token::Str(text) | Token::Bin(text) = Reader::new(key).token().ok()? {
            self.string(text);
            return Some(());
        }
        let mut json = Vec::new();
        json_out::write(key, &mut json)?;
        self.string(&json);
        Some(())
    }

    fn float(&mut self, value: f64) {
        // Writing to a `Vec` cannot fail.
        let _ = if value.is_finite() {
            write!(self.out, "{}", Decimal(value))
        } else {
            write!(self.out, "null")
        };
    }

    /// Bytes that are no UTF-8 become U+FFFD.
    fn string(&mut self, text: &[u8]) {
        self.out.push(b'"');
        for chunk in text.utf8_chunks() {
            self.text(chunk.valid());
            if !chunk.invalid().is_empty() {
                self.text("\u{fffd}");
            }
        }
        self.out.push(b'"');
    }

    fn text(&mut self, text: &str) {
        let is_plain = |c: char| match c {
            '"' | '\\' | '\0'..='\x1f' | '\x7f' => false,
            c => c.is_ascii() || !self.escape_unicode,
        };
        let mut rest = text;
        loop {
            let end = rest.find(|c| !is_plain(c)).unwrap_or(rest.len());
            let (plain, special) = rest.split_at_checked(end).unwrap_or((rest, ""));
            self.out.extend_from_slice(plain.as_bytes());
            let mut chars = special.chars();
            let Some(special) = chars.next() else { return };
            escape(special, self.out);
            rest = chars.as_str();
        }
    }
}

/// Appends a text as JSON; bytes that are no UTF-8 become U+FFFD.
pub(super) fn write_string(text: &[u8], escape_unicode: bool, out: &mut Vec<u8>) {
    Encoder { out, escape_unicode }.string(text);
}

/// One character as JSON escapes it.
fn escape(c: char, out: &mut Vec<u8>) {
    let short = match c {
        '"' => b'"',
        '\\' => b'\\',
        '\n' => b'n',
        '\r' => b'r',
        '\t' => b't',
        '\x08' => b'b',
        '\x0c' => b'f',
        c => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a `Vec` cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::chunk::fixture::chunk;
    use crate::ledger::Account;
    use crate::record::chunk::{Entries, Entry};
    use crate::record::fields::{SharedField, SharedFields};
    use crate::record::msgpack::Writer;

    const BARE: JsonFormat = JsonFormat { layout: Layout::Lines, date: None, escape_unicode: true };

    /// A chunk of one record.
    fn chunk_of(record: &[u8]) -> Chunk {
        let account = Arc::new(Account::default());
        let mut chunk = chunk(&account, "t", &[&[]]);
        let end = u32::try_from(record.len()).expect("small");
        let time = EventTime::from_parts(1_700_000_000, 250_000_000);
        chunk.entries = Arc::new(Entries {
            data: Bytes::copy_from_slice(record),
            entries: vec![Entry { time, start: 0, end }],
        });
        chunk
    }

    fn written(format: &JsonFormat, chunks: Vec<Chunk>) -> String {
        let mut out = Vec::new();
        format.write(&chunks, &mut out);
        chunks.into_iter().for_each(Chunk::delivered);
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    fn line(format: &JsonFormat, write: impl FnOnce(&mut Writer<'_>)) -> String {
        let mut record = Vec::new();
        write(&mut Writer::new(&mut record));
        written(format, vec![chunk_of(&record)])
    }

    #[test]
    fn events_follow_each_other_as_the_layout_says() {
        let account = Arc::new(Account::default());
        let with = |layout| {
            let chunks = vec![
                chunk(&account, "t", &[&[("a", "1")], &[("a", "2")]]),
                chunk(&account, "t", &[&[("a", "3")]]),
            ];
            written(&JsonFormat { layout, ..BARE }, chunks)
        };
        assert_eq!(with(Layout::Array), r#"[{"a":"1"},{"a":"2"},{"a":"3"}]"#);
        assert_eq!(with(Layout::Stream), r#"{"a":"1"}{"a":"2"}{"a":"3"}"#);
        assert_eq!(with(Layout::Lines), "{\"a\":\"1\"}\n{\"a\":\"2\"}\n{\"a\":\"3\"}\n");
    }

    #[test]
    fn the_time_comes_first_unless_the_record_has_its_key() {
        let format = JsonFormat { date: Some(("date".to_owned(), DateFormat::Double)), ..BARE };
        let of = |record: &[u8]| written(&format, vec![chunk_of(record)]);
        assert_eq!(of(b"\x81\xa1a\xa1x"), "{\"date\":1700000000.25,\"a\":\"x\"}\n");
        assert_eq!(of(b"\x80"), "{\"date\":1700000000.25}\n");
        assert_eq!(of(b"\x82\xa1a\xa1x\xa4date\x05"), "{\"a\":\"x\",\"date\":5}\n");
    }

    #[test]
    fn values_are_written_as_fluent_bit_does_and_always_as_json() {
        let written = line(&BARE, |writer| {
            writer.map_header(7);
            writer.str(b"f");
            writer.array_header(4);
            writer.f64(2.0);
            writer.f64(0.1);
            writer.f64(f64::NAN);
            writer.f32(1.5);
            writer.str(b"n");
            writer.nil();
            writer.str(b"i");
            writer.int(-5);
            writer.str(b"b");
            writer.bin(b"ab");
            writer.str(b"e");
            writer.ext(7, b"\x01\xff");
            writer.uint(3);
            writer.map_header(1);
            writer.str(b"k");
            writer.bool(true);
            writer.str(b"f");
            writer.uint(1);
        });
        let expected = r#"{"n":null,"i":-5,"b":"ab","e":"ext(7):01ff","3":{"k":true},"f":1}"#;
        assert_eq!(written, format!("{expected}\n"));
    }

    #[test]
    fn floats_have_a_point_and_no_more_digits_than_they_need() {
        let of = |number| {
            line(&BARE, |writer| {
                writer.map_header(1);
                writer.str(b"f");
                writer.f64(number);
            })
        };
        assert_eq!(of(2.0), "{\"f\":2.0}\n");
        assert_eq!(of(0.1), "{\"f\":0.1}\n");
        assert_eq!(of(1e300), "{\"f\":1e+300}\n");
        assert_eq!(of(f64::NAN), "{\"f\":null}\n");
    }

    #[test]
    fn what_is_not_ascii_is_escaped_unless_told_otherwise() {
        let raw = JsonFormat { escape_unicode: false, ..BARE };
        let of = |format: &JsonFormat, text: &[u8]| {
            line(format, |writer| {
                writer.map_header(1);
                writer.str(b"k");
                writer.str(text);
            })
        };
        let text = "h\u{e9} \u{1f600} /<\x7f\x01\n\"\\".as_bytes();
        assert_eq!(
            of(&BARE, text),
            "{\"k\":\"h\\u00e9 \\ud83d\\ude00 /<\\u007f\\u0001\\n\\\"\\\\\"}\n"
        );
        assert_eq!(of(&raw, text), "{\"k\":\"h\u{e9} \u{1f600} /<\\u007f\\u0001\\n\\\"\\\\\"}\n");
        assert_eq!(of(&BARE, b"a\xffb\xc3"), "{\"k\":\"a\\ufffdb\\ufffd\"}\n");
    }

    #[test]
    fn of_equal_keys_the_last_one_is_written_in_small_and_in_large_maps() {
        for keys in [2, PAIRS_INLINE + 1] {
            let written = line(&BARE, |writer| {
                writer.map_header(u32::try_from(keys).expect("small"));
                for at in 0..keys {
                    writer.str(b"k");
                    writer.uint(at as u64);
                }
            });
            assert_eq!(written, format!("{{\"k\":{}}}\n", keys - 1));
        }
    }

    #[test]
    fn fields_that_all_records_share_follow_and_take_the_place_of_others() {
        let mut chunk = chunk_of(b"\x82\xa1a\xa1x\xa1s\xa1y");
        let field = SharedField { key: (*b"s").into(), value: (*b"shared").into(), yields: false };
        chunk.shared = SharedFields::new(vec![field]);
        assert_eq!(written(&BARE, vec![chunk]), "{\"a\":\"x\",\"s\":\"shared\"}\n");
    }

    proptest! {
        #[test]
        fn any_bytes_become_json_and_never_a_panic(
            record in prop::collection::vec(any::<u8>(), 0..60),
            escape_unicode in any::<bool>(),
        ) {
            let format = JsonFormat {
                layout: Layout::Array,
                date: Some(("date".to_owned(), DateFormat::Iso8601)),
                escape_unicode,
            };
            let text = written(&format, vec![chunk_of(&record)]);
            prop_assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}");
            prop_assert!(!escape_unicode || text.is_ascii());
        }

        #[test]
        fn any_text_reads_back_as_itself(text in ".*", escape_unicode in any::<bool>()) {
            let format = JsonFormat { escape_unicode, ..BARE };
            let line = line(&format, |writer| {
                writer.map_header(1);
                writer.str(b"k");
                writer.str(text.as_bytes());
            });
            let read: Value = serde_json::from_str(&line).expect("JSON");
            prop_assert_eq!(read["k"].as_str(), Some(text.as_str()));
        }
    }
}
