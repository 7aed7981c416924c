//! A record becomes the message text of a log event, written straight into the request body.
//!
//! The message is the record as one line of JSON, or with `log_key` the value of that key alone.
//! In JSON the last of equal keys counts (Fluent Bit's `flb_msgpack_raw_to_json`); under `log_key`
//! each is an event of its own (its `process_and_send`). Keys that are no text become their text,
//! NaN and the infinities become null. Must not know batches or limits.

use std::collections::HashMap;
use std::io::Write as _;

use crate::ledger::Reason;
use crate::record::fields::SharedFields;
use crate::record::map::{self, Pair};
use crate::record::msgpack::{Reader, Token};

use super::escape::{Depth, escape};

/// Pairs of a map that are compared with each other in place; a larger map needs a table.
const PAIRS_INLINE: usize = 32;
/// Containers in each other that are written; what is deeper becomes null. Decoders refuse such
/// records, and no filter makes them.
const DEPTH_MAX: usize = 512;

/// Writes messages; keeps what records have in common from one to the next.
#[derive(Debug)]
pub struct MessageWriter {
    log_key: Option<Box<[u8]>>,
    shared: SharedText,
}

/// Why no message was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoMessage {
    /// The record has none.
    None(Reason),
    /// It has several, one for each value under `log_key`: [`MessageWriter::texts`].
    Several,
}

/// The shared fields of the last record, escaped once for all records that have the same.
#[derive(Debug, Default)]
struct SharedText {
    of: SharedFields,
    fields: Vec<FieldText>,
    /// All of `fields`, where none repeats another's key and none yields.
    joined: Option<FieldText>,
}

/// `"key":"value"` as it stands in the body, and how many bytes it has in the message.
#[derive(Clone, Debug, Default)]
struct FieldText {
    body: Vec<u8>,
    bytes: usize,
}

impl MessageWriter {
    /// Writes whole records, or only the value under `log_key`.
    #[must_use]
    pub fn new(log_key: Option<&str>) -> Self {
        let log_key = log_key.map(|key| key.as_bytes().into());
        Self { log_key, shared: SharedText::default() }
    }

    /// Appends the record's message to the body, without the quotes around it, and returns how
    /// many bytes the message has.
    ///
    /// # Errors
    ///
    /// Why the record has no message, or not one. The body is as it was.
    pub fn write(
        &mut self,
        record: &[u8],
        shared: &SharedFields,
        body: &mut Vec<u8>,
    ) -> Result<usize, NoMessage> {
        let written = match self.log_key.as_deref() {
            Some(key) => write_value_of_key(only(values(key, record, shared))?, body),
            None => self.write_record(record, shared, body),
        };
        written.map_err(NoMessage::None)
    }

    /// The messages of a record that has several, which are never empty.
    #[must_use]
    pub fn texts(&self, record: &[u8], shared: &SharedFields) -> Vec<Vec<u8>> {
        let Some(key) = self.log_key.as_deref() else { return Vec::new() };
        let texts = values(key, record, shared).filter_map(|value| match value {
            Value::Text(text) => Some(text.to_vec()),
            Value::Packed(value) => json_text(value, 0).map(String::into_bytes),
        });
        texts.filter(|text| !text.is_empty()).collect()
    }

    /// The plain text that is the record's message, where it is one: such a message may be cut
    /// anywhere, unlike JSON.
    #[must_use]
    pub fn plain_text<'a>(
        &'a self,
        record: &'a [u8],
        shared: &'a SharedFields,
    ) -> Option<&'a [u8]> {
        match only(values(self.log_key.as_deref()?, record, shared)).ok()? {
            Value::Text(text) => Some(text),
            Value::Packed(_) => None,
        }
    }

    fn write_record(
        &mut self,
        record: &[u8],
        shared: &SharedFields,
        body: &mut Vec<u8>,
    ) -> Result<usize, Reason> {
        self.shared.make(shared);
        let start = body.len();
        let mut json = Json { body, bytes: 0 };
        let mut reader = Reader::new(record);
        let pairs = reader.map_header().map_err(|_| Reason::Empty)?;
        if json.map(&mut reader, pairs, Some(&self.shared), 0).is_none() {
            // Cannot come: decoders check records whole. If it did, half a record would be wrong.
            body.truncate(start);
            return Err(Reason::Refused);
        }
        match json.bytes {
            2 => {
                body.truncate(start);
                Err(Reason::Empty)
            }
            bytes => Ok(bytes),
        }
    }
}

/// What stands under `log_key`.
#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Text(&'a [u8]),
    Packed(&'a [u8]),
}

impl<'a> Value<'a> {
    fn packed(value: &'a [u8]) -> Self {
        match Reader::new(value).token() {
            Ok(Token::Str(text) | Token::Bin(text)) => Self::Text(text),
            Ok(_) | Err(_) => Self::Packed(value),
        }
    }
}

/// What stands under `key`, in order: the record's own, then what shared fields add.
fn values<'a>(
    key: &'a [u8],
    record: &'a [u8],
    shared: &'a SharedFields,
) -> impl Iterator<Item = Value<'a>> {
    let pairs = map::pairs(record).into_iter().flatten();
    let own = pairs.filter(|pair| pair.key_text() == Some(key));
    let added = shared.as_slice().iter().filter(|field| *field.key == *key);
    let added = added.filter(|field| !field.yields || map::get(record, key).is_none());
    own.map(|pair| Value::packed(pair.value)).chain(added.map(|field| Value::Text(&field.value)))
}

/// The one value, where there is one.
fn only<'a>(mut values: impl Iterator<Item = Value<'a>>) -> Result<Value<'a>, NoMessage> {
    let Some(first) = values.next() else { return Err(NoMessage::None(Reason::LogKeyMissing)) };
    if values.next().is_some() { Err(NoMessage::Several) } else { Ok(first) }
}

fn write_value_of_key(value: Value<'_>, body: &mut Vec<u8>) -> Result<usize, Reason> {
    let bytes = match value {
        Value::Text(text) => escape(text, Depth::Once, body),
        Value::Packed(value) => {
            let mut json = Json { body, bytes: 0 };
            json.value(&mut Reader::new(value), 0).ok_or(Reason::Refused)?;
            json.bytes
        }
    };
    if bytes == 0 { Err(Reason::Empty) } else { Ok(bytes) }
}

impl SharedText {
    fn make(&mut self, shared: &SharedFields) {
        if self.of.is_same(shared) {
            return;
        }
        let text = |key: &[u8], value: &[u8]| {
            let mut field = FieldText::default();
            let mut json = Json { body: &mut field.body, bytes: 0 };
            json.string(key);
            json.raw(b":");
            json.string(value);
            field.bytes = json.bytes;
            field
        };
        let slice = shared.as_slice();
        self.fields = slice.iter().map(|field| text(&field.key, &field.value)).collect();
        let plain = slice.iter().enumerate().all(|(at, field)| {
            !field.yields && slice.iter().skip(at + 1).all(|later| later.key != field.key)
        });
        self.joined = (plain && !slice.is_empty()).then(|| self.join());
        self.of = shared.clone();
    }

    fn join(&self) -> FieldText {
        let mut joined = FieldText::default();
        for field in &self.fields {
            if !joined.body.is_empty() {
                joined.body.push(b',');
                joined.bytes += 1;
            }
            joined.body.extend_from_slice(&field.body);
            joined.bytes += field.bytes;
        }
        joined
    }

    /// Whether a shared field takes the place of a record's own of this key.
    fn replaces(&self, key: &[u8]) -> bool {
        self.of.as_slice().iter().any(|field| !field.yields && *field.key == *key)
    }
}

/// JSON text within the JSON string that a message is in the body: every quote has a backslash.
struct Json<'a> {
    body: &'a mut Vec<u8>,
    /// Bytes of the message so far: the JSON text without the escaping of the body.
    bytes: usize,
}

impl Json<'_> {
    /// Text without quotes and backslashes.
    fn raw(&mut self, text: &[u8]) {
        self.body.extend_from_slice(text);
        self.bytes += text.len();
    }

    fn string(&mut self, text: &[u8]) {
        self.body.extend_from_slice(b"\\\"");
        self.bytes += 2 + escape(text, Depth::Twice, self.body);
        self.body.extend_from_slice(b"\\\"");
    }

    /// `None`: the bytes are no whole value.
    fn value(&mut self, reader: &mut Reader<'_>, depth: usize) -> Option<()> {
        if depth > DEPTH_MAX {
            reader.skip_value().ok()?;
            self.raw(b"null");
            return Some(());
        }
        let token = reader.token().ok()?;
        if let Token::Map(pairs) = token {
            return self.map(reader, pairs, None, depth);
        }
        if let Token::Array(values) = token {
            return self.array(reader, values, depth);
        }
        self.scalar(token);
        Some(())
    }

    fn scalar(&mut self, token: Token<'_>) {
        match token {
            Token::Str(text) | Token::Bin(text) => self.string(text),
            Token::UInt(number) => self.raw(itoa::Buffer::new().format(number).as_bytes()),
            Token::Int(number) => self.raw(itoa::Buffer::new().format(number).as_bytes()),
            Token::F32(number) => self.float(number.into()),
            Token::F64(number) => self.float(number),
            Token::Bool(true) => self.raw(b"true"),
            Token::Bool(false) => self.raw(b"false"),
            Token::Ext(kind, bytes) => self.ext(kind, bytes),
            // Containers are written by `value`.
            Token::Nil | Token::Array(_) | Token::Map(_) => self.raw(b"null"),
        }
    }

    fn float(&mut self, number: f64) {
        if number.is_finite() {
            self.raw(ryu::Buffer::new().format_finite(number).as_bytes());
        } else {
            self.raw(b"null");
        }
    }

    /// JSON knows no such type: a text of the type's number and the bytes in hexadecimal digits.
    fn ext(&mut self, kind: i8, bytes: &[u8]) {
        let mut text = Vec::with_capacity(2 * bytes.len() + 8);
        // Writing to a `Vec` cannot fail.
        let _ = write!(text, "ext({kind}):");
        for byte in bytes {
            let _ = write!(text, "{byte:02x}");
        }
        self.string(&text);
    }

    fn array(&mut self, reader: &mut Reader<'_>, values: u32, depth: usize) -> Option<()> {
        self.raw(b"[");
        for at in 0..values {
            if at > 0 {
                self.raw(b",");
            }
            self.value(reader, depth + 1)?;
        }
        self.raw(b"]");
        Some(())
    }

    fn map(
        &mut self,
        reader: &mut Reader<'_>,
        pairs: u32,
        shared: Option<&SharedText>,
        depth: usize,
    ) -> Option<()> {
        let count = usize::try_from(pairs).ok()?;
        if count <= PAIRS_INLINE {
            let mut inline = [Pair { key: &[], value: &[] }; PAIRS_INLINE];
            let pairs = inline.get_mut(..count)?;
            for pair in pairs.iter_mut() {
                *pair = map::next_pair(reader)?;
            }
            let last = |at: usize, key: &[u8], pairs: &[Pair<'_>]| {
                pairs.iter().skip(at + 1).all(|later| later.key != key)
            };
            return self.pairs(pairs, shared, depth, last);
        }
        // A map this large is worth a table: comparing all pairs would be quadratic. Its size is
        // bounded by the bytes that are there, not by what the header claims.
        let mut all = Vec::new();
        let mut newest = HashMap::new();
        for at in 0..count {
            let pair = map::next_pair(reader)?;
            newest.insert(pair.key, at);
            all.push(pair);
        }
        self.pairs(&all, shared, depth, |at, key, _| newest.get(key) == Some(&at))
    }

    fn pairs(
        &mut self,
        pairs: &[Pair<'_>],
        shared: Option<&SharedText>,
        depth: usize,
        is_last: impl Fn(usize, &[u8], &[Pair<'_>]) -> bool,
    ) -> Option<()> {
        self.raw(b"{");
        let empty = self.bytes;
        for (at, pair) in pairs.iter().enumerate() {
            let replaced = shared
                .is_some_and(|shared| pair.key_text().is_some_and(|key| shared.replaces(key)));
            if replaced || !is_last(at, pair.key, pairs) {
                continue;
            }
            self.comma(empty);
            self.key(pair.key, depth)?;
            self.raw(b":");
            self.value(&mut Reader::new(pair.value), depth + 1)?;
        }
        if let Some(shared) = shared {
            self.shared(shared, pairs, empty);
        }
        self.raw(b"}");
        Some(())
    }

    fn comma(&mut self, empty: usize) {
        if self.bytes > empty {
            self.raw(b",");
        }
    }

    fn shared(&mut self, shared: &SharedText, pairs: &[Pair<'_>], empty: usize) {
        if let Some(joined) = &shared.joined {
            self.comma(empty);
            return self.field(joined);
        }
        let slice = shared.of.as_slice();
        for (at, (field, text)) in slice.iter().zip(&shared.fields).enumerate() {
            let own = || pairs.iter().any(|pair| pair.key_text() == Some(&field.key));
            let later = || slice.iter().skip(at + 1).any(|later| later.key == field.key);
            if !(later() || field.yields && own()) {
                self.comma(empty);
                self.field(text);
            }
        }
    }

    fn field(&mut self, field: &FieldText) {
        self.body.extend_from_slice(&field.body);
        self.bytes += field.bytes;
    }

    /// A key that is no text becomes the text of its JSON.
    fn key(&mut self, key: &[u8], depth: usize) -> Option<()> {
        if let Token::Str(text) | Token::Bin(text) = Reader::new(key).token().ok()? {
            self.string(text);
            return Some(());
        }
        self.string(json_text(key, depth + 1)?.as_bytes());
        Some(())
    }
}

/// The text of a value's JSON.
fn json_text(value: &[u8], depth: usize) -> Option<String> {
    let mut body = Vec::new();
    let mut json = Json { body: &mut body, bytes: 0 };
    json.value(&mut Reader::new(value), depth)?;
    // Read back once: what was written is escaped for the body, the text is not.
    let quoted = [b"\"", body.as_slice(), b"\""].concat();
    serde_json::from_slice(&quoted).ok()
}

#[cfg(test)]
mod tests;
