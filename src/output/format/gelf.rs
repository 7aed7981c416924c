//! Events as GELF, a line each: the form of JSON that Graylog takes.
//!
//! As Fluent Bit writes them (`flb_pack_gelf.c`): five fields have names of their own, all others begin
//! with `_`, maps become several fields and arrays a text. Unlike there, the text is always JSON (texts
//! in arrays and extension types are escaped, floats that are no numbers left out), and an event
//! without `short_message`, which GELF demands, is left out alone. A field in nested maps has all their
//! keys in its name, so that one record could become thousands of times as long: fields whose names are
//! too long are left out, and so are those after very many.
//! Source: <https://go2docs.graylog.org/current/getting_in_log_data/gelf.html>.

use std::collections::HashMap;
use std::io::Write as _;

use super::json;
use crate::chunk::Chunk;
use crate::record::map::{self, Pair};
use crate::record::msgpack::{Reader, Token};
use crate::record::time::EventTime;

/// Containers in each other that are written; what is deeper becomes null.
const DEPTH_MAX: usize = 128;
/// Longest name that is made of the keys of nested maps, whose fields have no place with a longer one.
/// The longest of Kubernetes, an annotation, has 317 bytes behind its map's.
const NAME_BYTES_MAX: usize = 1_024;
/// Most bytes of an event that are keys of outer maps, said again for each field in them. As many as a
/// large record has bytes itself.
const PREFIXES_BYTES_MAX: usize = 1 << 20;
/// The names of syslog's severities, each at its number.
const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];
const NANOS_PER_SECOND: i64 = 1_000_000_000;
const NANOS_PER_MILLI: i64 = 1_000_000;

/// Which keys of a record are the fields that GELF knows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GelfFormat {
    /// Key of `timestamp`.
    pub timestamp_key: String,
    /// Key of `host`.
    pub host_key: String,
    /// Key of `short_message`.
    pub short_message_key: String,
    /// Key of `full_message`.
    pub full_message_key: String,
    /// Key of `level`.
    pub level_key: String,
}

impl Default for GelfFormat {
    fn default() -> Self {
        Self {
            timestamp_key: "timestamp".to_owned(),
            host_key: "host".to_owned(),
            short_message_key: "short_message".to_owned(),
            full_message_key: "full_message".to_owned(),
            level_key: "level".to_owned(),
        }
    }
}

/// An event that has no text under the key of `short_message`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct NoShortMessage;

/// What a pair of the record becomes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Field {
    Known(&'static str),
    Level,
    Own,
}

/// Names of fields in nested maps.
#[derive(Debug)]
struct Names {
    /// Bytes that prefixes may still have.
    left: usize,
}

impl Names {
    /// `prefix_name`; `None`: that is too long, or there were too many.
    fn nested(&mut self, prefix: &[u8], name: &[u8]) -> Option<Vec<u8>> {
        if prefix.is_empty() {
            return Some(name.to_vec());
        }
        let prefix_bytes = prefix.len().saturating_add(1);
        if prefix_bytes.saturating_add(name.len()) > NAME_BYTES_MAX {
            return None;
        }
        self.left = self.left.checked_sub(prefix_bytes)?;
        Some([prefix, b"_", name].concat())
    }
}

impl GelfFormat {
    /// Appends the events of these chunks and says how many were left out because they have no
    /// `short_message`.
    pub fn write<'a>(&self, chunks: impl IntoIterator<Item = &'a Chunk>, out: &mut Vec<u8>) -> u64 {
        let (mut whole, mut left_out) = (Vec::new(), 0);
        for chunk in chunks {
            for (time, mut record) in chunk.entries.iter() {
                if !chunk.shared.is_empty() {
                    whole.clear();
                    chunk.write_whole(record, &mut whole);
                    record = &whole;
                }
                let start = out.len();
                match self.event(time, record, out) {
                    Ok(()) => out.push(b'\n'),
                    Err(NoShortMessage) => {
                        out.truncate(start);
                        left_out += 1;
                    }
                }
            }
        }
        left_out
    }

    fn event(
        &self,
        time: EventTime,
        record: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), NoShortMessage> {
        let (mut has_message, mut has_time) = (false, false);
        let mut names = Names { left: PREFIXES_BYTES_MAX };
        out.extend_from_slice(br#"{"version":"1.1""#);
        for Pair { key, value } in lasting(record) {
            let Some(name) = text(key).filter(|name| *name != b"id") else { continue };
            match self.field(name) {
                Field::Known(known) => {
                    let is_written = field(known, value, &mut names, out);
                    has_message |= is_written && known == "short_message";
                    has_time |= is_written && known == "timestamp";
                }
                Field::Level => level(value, &mut names, out),
                Field::Own => own(name, value, &mut names, out),
            }
        }
        if !has_time {
            let millis = time.as_nanos().rem_euclid(NANOS_PER_SECOND) / NANOS_PER_MILLI;
            let seconds = time.as_nanos().div_euclid(NANOS_PER_SECOND);
            // Writing to a `Vec` cannot fail.
            let _ = write!(out, ", \"timestamp\":{seconds}.{millis:03}");
        }
        out.push(b'}');
        if has_message { Ok(()) } else { Err(NoShortMessage) }
    }

    fn field(&self, key: &[u8]) -> Field {
        let is = |name: &str| name.as_bytes() == key;
        if is(&self.host_key) {
            Field::Known("host")
        } else if is(&self.short_message_key) {
            Field::Known("short_message")
        } else if is(&self.timestamp_key) {
            Field::Known("timestamp")
        } else if is(&self.level_key) {
            Field::Level
        } else if is(&self.full_message_key) {
            Field::Known("full_message")
        } else {
            Field::Own
        }
    }
}

/// A field under a name that GELF knows; a map is written under names of its own. `false`: not under
/// that name.
fn field(name: &str, value: &[u8], names: &mut Names, out: &mut Vec<u8>) -> bool {
    match Reader::new(value).token() {
        Ok(Token::Map(_)) => {
            flatten(&["_", name].concat().into_bytes(), value, 0, names, out);
            false
        }
        Ok(Token::Nil) | Err(_) => false,
        Ok(Token::F32(number)) if !number.is_finite() => false,
        Ok(Token::F64(number)) if !number.is_finite() => false,
        Ok(_) => {
            key(name.as_bytes(), out);
            scalar_or_array(value, 0, names, out);
            true
        }
    }
}

/// A number or a name of syslog; anything else is a field of the record's own.
fn level(value: &[u8], names: &mut Names, out: &mut Vec<u8>) {
    let number = match Reader::new(value).token() {
        Ok(Token::UInt(number)) => Some(number),
        Ok(Token::Str([digit @ b'0'..=b'7'])) => Some(u64::from(digit - b'0')),
        Ok(Token::Str(name)) => {
            let is_it = |level: &&str| level.as_bytes().eq_ignore_ascii_case(name);
            (0..).zip(LEVELS.iter()).find(|(_, level)| is_it(level)).map(|(number, _)| number)
        }
        Ok(_) | Err(_) => None,
    };
    match (number, Reader::new(value).token()) {
        (Some(number), _) => {
            key(b"level", out);
            // Writing to a `Vec` cannot fail.
            let _ = write!(out, "{number}");
        }
        (None, Ok(Token::Str(_))) => {
            key(b"level", out);
            scalar_or_array(value, 0, names, out);
        }
        (None, _) => own(b"level", value, names, out),
    }
}

/// A field of the record's own: `_name`.
fn own(name: &[u8], value: &[u8], names: &mut Names, out: &mut Vec<u8>) {
    let name = [b"_", name].concat();
    match Reader::new(value).token() {
        Ok(Token::Map(_)) => flatten(&name, value, 0, names, out),
        Ok(Token::Nil) | Err(_) => {}
        Ok(Token::F32(number)) if !number.is_finite() => {}
        Ok(Token::F64(number)) if !number.is_finite() => {}
        Ok(_) => {
            key(&name, out);
            scalar_or_array(value, 0, names, out);
        }
    }
}

/// The pairs of a map as fields `prefix_key`.
fn flatten(prefix: &[u8], value: &[u8], depth: usize, names: &mut Names, out: &mut Vec<u8>) {
    if depth > DEPTH_MAX {
        return;
    }
    for Pair { key: name, value } in lasting(value) {
        let name = map::text(name).and_then(|name| names.nested(prefix, name));
        let Some(name) = name else { continue };
        match Reader::new(value).token() {
            Ok(Token::Map(_)) => flatten(&name, value, depth + 1, names, out),
            Ok(_) => {
                key(&name, out);
                scalar_or_array(value, depth, names, out);
            }
            Err(_) => {}
        }
    }
}

/// `, "name":`, with `_` for what a name may not have.
fn key(name: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b", \"");
    plain(name, out);
    out.extend_from_slice(b"\":");
}

fn plain(name: &[u8], out: &mut Vec<u8>) {
    let is_valid = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
    out.extend(name.iter().map(|byte| if is_valid(byte) { *byte } else { b'_' }));
}

/// A number as it is, anything else as a text.
fn scalar_or_array(value: &[u8], depth: usize, names: &mut Names, out: &mut Vec<u8>) {
    // Writing to a `Vec` cannot fail.
    let _ = match Reader::new(value).token() {
        Ok(Token::UInt(number)) => write!(out, "{number}"),
        Ok(Token::Int(number)) => write!(out, "{number}"),
        Ok(Token::F32(number)) if number.is_finite() => write!(out, "{number:.6}"),
        Ok(Token::F64(number)) if number.is_finite() => write!(out, "{number:.6}"),
        Ok(Token::Nil | Token::F32(_) | Token::F64(_)) | Err(_) => write!(out, "null"),
        Ok(Token::Str(text) | Token::Bin(text)) => {
            json::write_string(text, true, out);
            Ok(())
        }
        Ok(Token::Bool(_) | Token::Ext(..) | Token::Array(_) | Token::Map(_)) => {
            let mut text = Vec::new();
            words(&mut Reader::new(value), b"", depth, names, &mut text);
            json::write_string(&text, true, out);
            Ok(())
        }
    };
}

/// A value as it stands within a text: `1, x, k=v k2=v2`.
fn words(
    reader: &mut Reader<'_>,
    prefix: &[u8],
    depth: usize,
    names: &mut Names,
    out: &mut Vec<u8>,
) {
    if depth > DEPTH_MAX {
        let _ = reader.skip_value();
        return;
    }
    // Writing to a `Vec` cannot fail.
    let _ = match reader.token() {
        Ok(Token::Nil) => write!(out, "null"),
        Ok(Token::Bool(value)) => write!(out, "{value}"),
        Ok(Token::UInt(number)) => write!(out, "{number}"),
        Ok(Token::Int(number)) => write!(out, "{number}"),
        Ok(Token::F32(number)) => write!(out, "{number:.6}"),
        Ok(Token::F64(number)) => write!(out, "{number:.6}"),
        Ok(Token::Str(text) | Token::Bin(text)) => {
            out.extend_from_slice(text);
            Ok(())
        }
        Ok(Token::Ext(_, bytes)) => bytes.iter().try_for_each(|byte| write!(out, "\\x{byte:02x}")),
        Ok(Token::Array(values)) => {
            for place in 0..values {
                if reader.rest().is_empty() {
                    break;
                }
                if place > 0 {
                    out.extend_from_slice(b", ");
                }
                words(reader, b"", depth + 1, names, out);
            }
            Ok(())
        }
        Ok(Token::Map(pairs)) => {
            map_words(reader, pairs, prefix, depth, names, out);
            Ok(())
        }
        Err(_) => Ok(()),
    };
}

fn map_words(
    reader: &mut Reader<'_>,
    pairs: u32,
    prefix: &[u8],
    depth: usize,
    names: &mut Names,
    out: &mut Vec<u8>,
) {
    let mut is_first = true;
    for _ in 0..pairs {
        let Some(Pair { key, value }) = map::next_pair(reader) else { return };
        let name = map::text(key).and_then(|name| names.nested(prefix, name));
        let Some(name) = name else { continue };
        if !std::mem::replace(&mut is_first, false) {
            out.push(b' ');
        }
        if !matches!(Reader::new(value).token(), Ok(Token::Map(_))) {
            plain(&name, out);
            out.push(b'=');
        }
        words(&mut Reader::new(value), &name, depth + 1, names, out);
    }
}

/// Text or bytes.
fn text(value: &[u8]) -> Option<&[u8]> {
    match Reader::new(value).token() {
        Ok(Token::Str(bytes) | Token::Bin(bytes)) => Some(bytes),
        Ok(_) | Err(_) => None,
    }
}

/// The pairs of a map, of equal keys the last one.
fn lasting(map: &[u8]) -> impl Iterator<Item = Pair<'_>> {
    let pairs = || map::pairs(map).into_iter().flatten();
    let last: HashMap<&[u8], usize> =
        pairs().enumerate().map(|(place, pair)| (pair.key, place)).collect();
    pairs()
        .enumerate()
        .filter(move |(place, pair)| last.get(pair.key) == Some(place))
        .map(|(_, pair)| pair)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::chunk::fixture::{Fields, chunk};
    use crate::ledger::Account;
    use crate::record::chunk::{Entries, Entry};
    use crate::record::msgpack::Writer;

    fn chunk_of(record: &[u8]) -> Chunk {
        let account = Arc::new(Account::default());
        let mut chunk = chunk(&account, "t", &[&[]]);
        let end = u32::try_from(record.len()).expect("small");
        let time = EventTime::from_parts(1_700_000_000, 250_999_999);
        chunk.entries = Arc::new(Entries {
            data: Bytes::copy_from_slice(record),
            entries: vec![Entry { time, start: 0, end }],
        });
        chunk
    }

    fn written(format: &GelfFormat, chunk: Chunk) -> (String, u64) {
        let mut out = Vec::new();
        let left_out = format.write([&chunk], &mut out);
        chunk.delivered();
        (String::from_utf8(out).expect("JSON is UTF-8"), left_out)
    }

    fn line(write: impl FnOnce(&mut Writer<'_>)) -> String {
        let mut record = Vec::new();
        write(&mut Writer::new(&mut record));
        let (text, left_out) = written(&GelfFormat::default(), chunk_of(&record));
        assert_eq!(left_out, 0);
        let read: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(read["version"], "1.1");
        text
    }

    fn pairs(writer: &mut Writer<'_>, more: u32) {
        writer.map_header(1 + more);
        writer.str(b"short_message");
        writer.str(b"m");
    }

    #[test]
    fn known_fields_keep_their_names_and_others_begin_with_a_line() {
        let account = Arc::new(Account::default());
        let fields: Fields<'_> =
            &[("log", "m"), ("where", "h"), ("sev", "ERR"), ("id", "x"), ("a b\u{e9}.c-d", "v")];
        let format = GelfFormat {
            short_message_key: "log".to_owned(),
            host_key: "where".to_owned(),
            level_key: "sev".to_owned(),
            ..GelfFormat::default()
        };
        let (text, left_out) = written(&format, chunk(&account, "t", &[fields]));
        let expected = concat!(
            r#"{"version":"1.1", "short_message":"m", "host":"h", "level":3, "#,
            r#""_a_b__.c-d":"v", "timestamp":1700000000.000}"#,
            "\n"
        );
        assert_eq!((text.as_str(), left_out), (expected, 0));
    }

    #[test]
    fn each_known_field_has_a_key_that_can_be_set() {
        let format = GelfFormat {
            timestamp_key: "1".to_owned(),
            host_key: "2".to_owned(),
            short_message_key: "3".to_owned(),
            full_message_key: "4".to_owned(),
            level_key: "5".to_owned(),
        };
        let account = Arc::new(Account::default());
        let fields: Fields<'_> = &[("1", "t"), ("2", "h"), ("3", "s"), ("4", "f"), ("5", "7")];
        let (text, _) = written(&format, chunk(&account, "t", &[fields]));
        let expected = concat!(
            r#"{"version":"1.1", "timestamp":"t", "host":"h", "short_message":"s", "#,
            r#""full_message":"f", "level":7}"#,
            "\n"
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn an_event_without_a_short_message_is_left_out_alone() {
        let account = Arc::new(Account::default());
        let with: Fields<'_> = &[("short_message", "m")];
        let without: Fields<'_> = &[("log", "m")];
        let chunk = chunk(&account, "t", &[with, without, with]);
        let (text, left_out) = written(&GelfFormat::default(), chunk);
        assert_eq!((text.lines().count(), left_out), (2, 1));
    }

    #[test]
    fn maps_become_fields_and_arrays_become_texts() {
        let text = line(|writer| {
            pairs(writer, 2);
            writer.str(b"m");
            writer.map_header(3);
            writer.str(b"a");
            writer.uint(1);
            writer.str(b"n");
            writer.map_header(1);
            writer.str(b"b");
            writer.str(b"x");
            writer.str(b"z");
            writer.nil();
            writer.str(b"l");
            writer.array_header(4);
            writer.int(-1);
            writer.str(b"say \"hi\"");
            writer.bool(true);
            writer.map_header(2);
            writer.str(b"k");
            writer.str(b"v");
            writer.str(b"k2");
            writer.f64(0.5);
        });
        let expected = concat!(
            r#"{"version":"1.1", "short_message":"m", "_m_a":1, "_m_n_b":"x", "_m_z":null, "#,
            r#""_l":"-1, say \"hi\", true, k=v k2=0.500000", "timestamp":1700000000.250}"#,
            "\n"
        );
        assert_eq!(text, expected);
    }

    /// A record with a field `m` with `leaves` numbers in maps within each other, once as a map and
    /// once within an array; all keys but the last have `key_bytes` bytes.
    fn nested(key_bytes: usize, maps: usize, leaves: u32) -> Value {
        let key = vec![b'k'; key_bytes];
        let text = line(|writer| {
            pairs(writer, 2);
            for name in [b"m", b"l"] {
                writer.str(name);
                if name == b"l" {
                    writer.array_header(1);
                }
                for _ in 0..maps {
                    writer.map_header(1);
                    writer.str(&key);
                }
                writer.map_header(leaves);
                for leaf in 0..leaves {
                    writer.str(leaf.to_string().as_bytes());
                    writer.uint(1);
                }
            }
        });
        serde_json::from_str(&text).expect("JSON")
    }

    #[test]
    fn fields_whose_names_are_too_long_are_left_out() {
        // `_m_`, a key, `_0`; in an array, the key and `_0`.
        let of = |bytes: usize| {
            let read = nested(bytes, 1, 1);
            let fields = read.as_object().expect("a map").len() - 4;
            (fields, read["_l"].as_str().expect("a text").len())
        };
        assert_eq!(of(NAME_BYTES_MAX - 5), (1, NAME_BYTES_MAX - 3 + 2));
        assert_eq!(of(NAME_BYTES_MAX - 4), (0, NAME_BYTES_MAX - 2 + 2));
        assert_eq!(of(NAME_BYTES_MAX - 2), (0, NAME_BYTES_MAX + 2));
        assert_eq!(of(NAME_BYTES_MAX - 1), (0, 0));
    }

    #[test]
    fn a_record_with_very_many_fields_in_nested_maps_stays_of_its_own_size() {
        let leaves = 50_000;
        let read = nested(100, 9, leaves);
        let bytes = read.to_string().len();
        assert!(bytes < 2 * PREFIXES_BYTES_MAX, "{bytes}");
        assert!(bytes > PREFIXES_BYTES_MAX, "{bytes}");
    }

    #[test]
    fn values_are_numbers_or_texts_and_null_is_left_out() {
        let text = line(|writer| {
            pairs(writer, 6);
            writer.str(b"f");
            writer.f64(1.5);
            writer.str(b"b");
            writer.bool(false);
            writer.str(b"n");
            writer.nil();
            writer.str(b"nan");
            writer.f64(f64::NAN);
            writer.str(b"e");
            writer.ext(7, b"\x01\xff");
            writer.str(b"f");
            writer.f64(2.5);
        });
        let expected = concat!(
            r#"{"version":"1.1", "short_message":"m", "_b":"false", "_e":"\\x01\\xff", "#,
            r#""_f":2.500000, "timestamp":1700000000.250}"#,
            "\n"
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn a_level_is_a_number_of_syslog_or_stays_what_it_is() {
        let of = |write: &dyn Fn(&mut Writer<'_>)| {
            let text = line(|writer| {
                pairs(writer, 1);
                writer.str(b"level");
                write(writer);
            });
            let read: Value = serde_json::from_str(&text).expect("JSON");
            (read["level"].clone(), read["_level"].clone())
        };
        assert_eq!(of(&|writer| writer.str(b"Warning")), (4.into(), Value::Null));
        assert_eq!(of(&|writer| writer.str(b"7")), (7.into(), Value::Null));
        assert_eq!(of(&|writer| writer.uint(9)), (9.into(), Value::Null));
        assert_eq!(of(&|writer| writer.str(b"8")), ("8".into(), Value::Null));
        assert_eq!(of(&|writer| writer.bool(true)), (Value::Null, "true".into()));
        assert_eq!(of(&|writer| writer.nil()), (Value::Null, Value::Null));
    }

    proptest! {
        #[test]
        fn any_bytes_become_lines_of_json_and_never_a_panic(
            record in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let whole = [b"\x82\xadshort_message\xa1m\xa1k".as_slice(), &record].concat();
            for record in [record, whole] {
                let (text, left_out) = written(&GelfFormat::default(), chunk_of(&record));
                prop_assert_eq!(text.lines().count() as u64 + left_out, 1);
                prop_assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
            }
        }

        #[test]
        fn any_text_reads_back_as_itself(text in ".*") {
            let line = line(|writer| {
                pairs(writer, 1);
                writer.str(b"k");
                writer.str(text.as_bytes());
            });
            let read: Value = serde_json::from_str(&line).expect("JSON");
            prop_assert_eq!(read["_k"].as_str(), Some(text.as_str()));
        }
    }
}
