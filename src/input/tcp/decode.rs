//! Turns the bytes of a tcp connection into items. Pure: no socket, no clock, no task.
//!
//! What a record is, the option `Format` says; see [`Format`]. Every record has the time of
//! its receipt, unless a parser finds another. An odd line costs only itself and is counted; only one too large ends the
//! connection.

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};

use super::{json::JsonLines, lines::TextLines};
pub use crate::input::item::{Item, OddReason, Progress};
use crate::{
    input::item::{CHUNK_ENTRIES_MAX, Tally},
    parser::Parser,
    record::{
        chunk::{Entries, Entry, RECORD_DEPTH_MAX, TaggedEntries},
        json_in::Pair,
        tag::Tag,
        time::EventTime,
    },
};

/// `Buffer_Size` of the tcp input, if that and `Chunk_Size` are not set: 32 KiB (Fluent Bit's
/// default).
pub const OBJECT_BYTES_MAX: usize = 32 * 1024;
/// Offsets in chunks have 32 bits, and JSON may grow on the way to msgpack: `1e9,` becomes 9 bytes.
const OBJECT_BYTES_CEILING: usize = 1 << 28;
/// Bytes of records after which a call ends.
const RECORDS_BYTES_MAX: usize = 1 << 28;

/// What the bytes of a connection are (option `Format`).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Format {
    /// JSON objects with or without something blank in between. An array becomes `{"msg": array}`.
    Json,
    /// Text that becomes `{"log": text}`, up to a separator (option `Separator`, `\n` by default).
    /// An empty separator never comes.
    None {
        /// The bytes that end a text and belong to none.
        separator: Bytes,
    },
}

/// The field that says where a record came from (option `source_address_key`).
#[derive(Clone, Debug)]
pub struct SourceAddress {
    /// Its key.
    pub key: Bytes,
    /// The peer: `tcp://127.0.0.1:54321`.
    pub address: Bytes,
}

/// How a connection is decoded.
#[derive(Clone, Debug)]
pub struct DecodeOptions {
    /// What the bytes are.
    pub format: Format,
    /// The tag of all records.
    pub tag: Tag,
    /// Most bytes of one object or one text, inclusive (`Buffer_Size`). At most 256 MiB is honoured.
    pub object_bytes_max: usize,
    /// Most containers in each other that a record may have, its own map among them.
    pub depth_max: usize,
    /// A field to be appended to every record.
    pub source_address: Option<SourceAddress>,
    /// What takes each text apart; one that it cannot take apart becomes `{"log": text}`. Not for
    /// JSON.
    pub parser: Option<Arc<Parser>>,
}

impl DecodeOptions {
    /// The defaults of Fluent Bit for records of this format and tag.
    #[must_use]
    pub fn new(format: Format, tag: Tag) -> Self {
        Self {
            format,
            tag,
            object_bytes_max: OBJECT_BYTES_MAX,
            depth_max: RECORD_DEPTH_MAX,
            source_address: None,
            parser: None,
        }
    }
}

/// Why a tcp connection cannot be followed any further.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ConnectionError {
    /// An object or a text that is larger than allowed.
    #[error("object or line of at least {bytes} bytes, limit {bytes_max}: raise Buffer_Size")]
    ObjectTooLarge {
        /// Its bytes that had arrived.
        bytes: usize,
        /// `Buffer_Size`.
        bytes_max: usize,
    },
}

/// The state of one connection.
#[derive(Debug)]
pub struct Decoder {
    lines: Lines,
    tag: Tag,
    object_bytes_max: usize,
    source_address: Option<SourceAddress>,
}

/// How a connection is cut into records.
#[derive(Debug)]
enum Lines {
    Json(Box<JsonLines>),
    Text(TextLines),
}

impl Decoder {
    /// A decoder for a connection from its first byte on.
    #[must_use]
    pub fn new(options: DecodeOptions) -> Self {
        let DecodeOptions { format, tag, object_bytes_max, depth_max, source_address, parser } =
            options;
        let lines = match format {
            Format::Json => Lines::Json(Box::new(JsonLines::new(depth_max))),
            Format::None { separator } => Lines::Text(TextLines::new(separator, parser)),
        };
        let object_bytes_max = object_bytes_max.min(OBJECT_BYTES_CEILING);
        Self { lines, tag, object_bytes_max, source_address }
    }

    /// Takes what is whole out of the buffer and appends it to `out`: the records as one item,
    /// then counts of what was dropped. What is left is the start of a record. Between two calls
    /// the buffer may only grow. `now` is the time of receipt.
    ///
    /// # Errors
    ///
    /// [`ConnectionError`]: the connection must be closed. Items decoded before are in `out`.
    pub fn decode(
        &mut self,
        buffer: &mut BytesMut,
        now: EventTime,
        out: &mut Vec<Item>,
    ) -> Result<Progress, ConnectionError> {
        let mut records = Records::new(now, self.source_address.as_ref());
        let bytes_max = self.object_bytes_max;
        let (taken, result) = match &mut self.lines {
            Lines::Json(lines) => lines.decode(buffer, bytes_max, &mut records),
            Lines::Text(lines) => lines.decode(buffer, bytes_max, &mut records),
        };
        buffer.advance(taken);
        records.finish(&self.tag, out);
        result
    }

    /// The peer is done: a text without a separator is a record all the same; an object that is
    /// not whole is none and is counted.
    pub fn end(&mut self, buffer: &mut BytesMut, now: EventTime, out: &mut Vec<Item>) {
        let mut records = Records::new(now, self.source_address.as_ref());
        match &mut self.lines {
            Lines::Json(lines) => lines.end(buffer, &mut records),
            Lines::Text(lines) => lines.end(buffer, &mut records),
        }
        buffer.clear();
        records.finish(&self.tag, out);
    }

    /// Bytes of JSON walked to find the ends of values since the start.
    #[must_use]
    pub const fn walked_bytes(&self) -> u64 {
        match &self.lines {
            Lines::Json(lines) => lines.walked_bytes(),
            Lines::Text(_) => 0,
        }
    }
}

/// The records of one call, being written.
#[derive(Debug)]
pub(super) struct Records<'a> {
    pub(super) now: EventTime,
    source: Option<Pair<'a>>,
    data: Vec<u8>,
    entries: Vec<Entry>,
    odd: Tally,
}

impl<'a> Records<'a> {
    fn new(now: EventTime, source_address: Option<&'a SourceAddress>) -> Self {
        let source =
            source_address.map(|SourceAddress { key, address }| Pair { key, text: address });
        Self { now, source, data: Vec::new(), entries: Vec::new(), odd: Tally::default() }
    }

    /// Has a record written; without it, if that fails. The pair is to be its last.
    pub(super) fn push<E>(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>, Option<Pair<'a>>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.push_at(self.now, write)
    }

    /// As [`Records::push`], with a time of its own.
    pub(super) fn push_at<E>(
        &mut self,
        time: EventTime,
        write: impl FnOnce(&mut Vec<u8>, Option<Pair<'a>>) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = self.data.len();
        if let Err(error) = write(&mut self.data, self.source) {
            self.data.truncate(start);
            return Err(error);
        }
        // A call ends long before 4 GiB: see `has_enough`.
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let entry = Entry { time, start: offset(start), end: offset(self.data.len()) };
        self.entries.push(entry);
        Ok(())
    }

    /// Counts what was dropped.
    pub(super) fn drop_one(&mut self, reason: OddReason) {
        self.odd.add(reason);
    }

    /// Whether this is a chunk already.
    pub(super) const fn has_enough(&self) -> bool {
        self.entries.len() >= CHUNK_ENTRIES_MAX || self.data.len() >= RECORDS_BYTES_MAX
    }

    fn finish(mut self, tag: &Tag, out: &mut Vec<Item>) {
        if !self.entries.is_empty() {
            // What is kept is what is counted.
            self.data.shrink_to_fit();
            let entries = Entries { data: self.data.into(), entries: self.entries };
            out.push(Item::Entries(TaggedEntries { tag: tag.clone(), entries }));
        }
        out.extend(self.odd.drain());
    }
}
