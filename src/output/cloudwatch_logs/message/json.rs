//! Writes msgpack as JSON text within the JSON string that a message is in the body.
//!
//! Must not know what a message is, nor which record it is of.

use std::collections::HashMap;
use std::io::Write as _;

use crate::record::json_out;
use crate::record::map::{self, Pair};
use crate::record::msgpack::{Reader, Token};

use super::super::escape::{Depth, escape};
use super::shared::{FieldText, SharedText};

/// Pairs of a map that are compared with each other in place; a larger map needs a table.
pub(super) const PAIRS_INLINE: usize = 32;
/// Containers in each other that are written; what is deeper becomes null. Decoders refuse such
/// records, and no filter makes them.
const DEPTH_MAX: usize = 512;

/// JSON text within the JSON string that a message is in the body: every quote has a backslash.
pub(super) struct Json<'a> {
    body: &'a mut Vec<u8>,
    /// Bytes of the message so far: the JSON text without the escaping of the body.
    bytes: usize,
}

impl<'a> Json<'a> {
    pub(super) fn new(body: &'a mut Vec<u8>) -> Self {
        Self { body, bytes: 0 }
    }

    /// Bytes of the message so far.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Where the next byte is written.
    pub(super) fn place(&self) -> usize {
        self.body.len()
    }

    /// Takes back all from a place on, with its bytes.
    pub(super) fn take_back(&mut self, place: usize) {
        self.body.truncate(place);
        self.bytes = 0;
    }

    /// Text that is escaped already, and counted by [`Json::count`].
    pub(super) fn copy(&mut self, escaped: &[u8]) {
        self.body.extend_from_slice(escaped);
    }

    /// Counts bytes of the message that were copied.
    pub(super) fn count(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// Text without quotes and backslashes.
    pub(super) fn raw(&mut self, text: &[u8]) {
        self.body.extend_from_slice(text);
        self.bytes += text.len();
    }

    pub(super) fn string(&mut self, text: &[u8]) {
        self.body.extend_from_slice(b"\\\"");
        self.bytes += 2 + escape(text, Depth::Twice, self.body);
        self.body.extend_from_slice(b"\\\"");
    }

    /// `None`: the bytes are no whole value.
    pub(super) fn value(&mut self, reader: &mut Reader<'_>, depth: usize) -> Option<()> {
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

    pub(super) fn map(
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
            let is_replaced = shared.is_some_and(|shared| shared.replaces_key_of(pair));
            if is_replaced || !is_last(at, pair.key, pairs) {
                continue;
            }
            self.comma(empty);
            self.key(pair.key)?;
            self.raw(b":");
            self.value(&mut Reader::new(pair.value), depth + 1)?;
        }
        if let Some(shared) = shared {
            self.shared(shared, pairs, empty);
        }
        self.raw(b"}");
        Some(())
    }

    pub(super) fn comma(&mut self, empty: usize) {
        if self.bytes > empty {
            self.raw(b",");
        }
    }

    pub(super) fn shared(&mut self, shared: &SharedText, pairs: &[Pair<'_>], empty: usize) {
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
    pub(super) fn key(&mut self, key: &[u8]) -> Option<()> {
        if let Token::Str(text) | Token::Bin(text) = Reader::new(key).token().ok()? {
            self.string(text);
            return Some(());
        }
        let mut json = Vec::new();
        json_out::write(key, &mut json)?;
        self.string(&json);
        Some(())
    }
}

/// The text of a value's JSON.
pub(super) fn json_text(value: &[u8], depth: usize) -> Option<String> {
    let mut body = Vec::new();
    let mut json = Json::new(&mut body);
    json.value(&mut Reader::new(value), depth)?;
    // Read back once: what was written is escaped for the body, the text is not.
    let quoted = [b"\"", body.as_slice(), b"\""].concat();
    serde_json::from_slice(&quoted).ok()
}
