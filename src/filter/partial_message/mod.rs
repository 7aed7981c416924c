//! Joins the parts of long lines that Docker cut, before any other filter sees them.
//!
//! Docker's `fluentd` driver sends a line of more than 16 KiB as several records with
//! `partial_message`, `partial_id`, `partial_ordinal` and `partial_last`
//! (moby, `daemon/logger/fluentd/fluentd.go`). The parts of one `partial_id` become one record: the
//! first part's time and fields, and the whole text under `log`. Bounded in lines, size and time;
//! what does not fit the bounds goes on unjoined, never lost.
//!
//! This is done whatever is configured. A filter `multiline` with `mode partial_message` on `log`
//! only says how long it waits; one on another key is the same once more, in its place.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use memchr::memmem::Finder;

use crate::chunk::{Chunk, Storage};
use crate::ledger::Permit;
use crate::record::chunk::{Entries, Entry};
use crate::record::fields::SharedFields;
use crate::record::map;
use crate::record::msgpack::{Reader, Token, Writer};
use crate::record::tag::Tag;
use crate::record::tag_pattern::TagMatch;
use crate::record::time::EventTime;

/// Most lines that may wait for their rest. The parts of further ones go on as they are.
pub const LINES_MAX: usize = 1_024;
/// Most bytes of a line: beyond it the line goes on in records of this size. Fluent Bit's
/// `multiline_buffer_limit`.
pub const LINE_BYTES_MAX: usize = 2 * 1_024 * 1_024;
/// How long a line waits for its next part. Fluent Bit's `flush_ms` of the multiline filter. A
/// process that dies in the middle of a line leaves a part that never gets its last one.
pub const PART_WAIT: Duration = Duration::from_millis(2_000);

/// The key that Docker's driver writes text under.
pub const TEXT_KEY: &str = "log";
const MARK: &[u8] = b"partial_message";

/// Lines that wait for their rest.
#[derive(Debug)]
pub struct PartialMessage {
    lines: HashMap<LineId, Line>,
    mark: Finder<'static>,
    /// The key that the text is under.
    key: Box<[u8]>,
    /// How long the lines of these tags wait for their next part; the first that matches holds.
    waits: Vec<(TagMatch, Duration)>,
    /// No line has waited long enough before.
    wakes_at: Option<Instant>,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct LineId {
    tag: Tag,
    partial_id: Vec<u8>,
}

#[derive(Debug)]
struct Line {
    time: EventTime,
    input: u16,
    arrived: Instant,
    storage: Storage,
    rewrites: u8,
    /// When the newest part came.
    touched: Instant,
    /// How long it waits for the next one.
    wait: Duration,
    /// The first part's other fields, as pairs of a msgpack map, and how many they are.
    fields: Vec<u8>,
    fields_count: u32,
    text: Vec<u8>,
    /// The permits of all the parts.
    permit: Permit,
}

/// What makes a record a part of a line.
struct Part<'a> {
    partial_id: &'a [u8],
    is_last: bool,
    text: &'a [u8],
}

impl Default for PartialMessage {
    fn default() -> Self {
        Self::new(TEXT_KEY, Vec::new())
    }
}

impl PartialMessage {
    /// Joins text under `key`. Lines whose tag no wait is for wait for [`PART_WAIT`].
    #[must_use]
    pub fn new(key: &str, waits: Vec<(TagMatch, Duration)>) -> Self {
        let mark = Finder::new(MARK);
        Self { lines: HashMap::new(), mark, key: key.as_bytes().into(), waits, wakes_at: None }
    }

    /// Whether any line waits for its rest.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.lines.is_empty()
    }

    /// Takes the parts out of the chunk and puts each line that is whole in the place of its last
    /// part. `None`: nothing but parts of lines whose rest is still to come.
    #[must_use]
    pub fn join(&mut self, chunk: Chunk, now: Instant) -> Option<Chunk> {
        // One search over the chunk's bytes spares nearly every chunk the walk over its records.
        if self.mark.find(&chunk.entries.data).is_none() {
            return Some(chunk);
        }
        self.join_parts(chunk, now)
    }

    /// When [`Self::expired`] is to be called.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Instant> {
        self.wakes_at
    }

    /// A line that has waited long enough for its next part.
    #[must_use]
    pub fn expired(&mut self, now: Instant) -> Option<Chunk> {
        self.wakes_at.filter(|at| *at <= now)?;
        let first = self.lines.iter().min_by_key(|(_, line)| line.deadline());
        let Some((id, _)) = first.filter(|(_, line)| line.deadline() <= now) else {
            self.wakes_at = first.map(|(_, line)| line.deadline());
            return None;
        };
        let id = id.clone();
        self.release(&id)
    }

    /// Any line that waits: for the end, when nothing more can come.
    #[must_use]
    pub fn pending(&mut self) -> Option<Chunk> {
        let id = self.lines.keys().next()?.clone();
        self.release(&id)
    }

    fn join_parts(&mut self, chunk: Chunk, now: Instant) -> Option<Chunk> {
        if !chunk.entries.iter().any(|(_, record)| Part::read(record, &self.key).is_some()) {
            return Some(chunk); // The text only speaks of it.
        }
        // A line may end in a chunk with other shared fields than the one it began in.
        let mut chunk = chunk.with_own_fields();
        let mut data = Vec::with_capacity(chunk.entries.data.len());
        let mut entries = Vec::with_capacity(chunk.entries.len());
        let source = Arc::clone(&chunk.entries);
        for (time, record) in source.iter() {
            let start = data.len();
            let part = Part::read(record, &self.key);
            let Some(part) = part.filter(|part| self.has_room(&chunk.tag, part)) else {
                data.extend_from_slice(record);
                push_entry(&mut entries, time, start, data.len());
                continue;
            };
            let permit = chunk.permit.split_own();
            let id = LineId { tag: chunk.tag.clone(), partial_id: part.partial_id.to_vec() };
            let line = match self.lines.remove(&id) {
                Some(line) => line.append(&part, permit, now),
                None => self.begin(record, &part, time, permit, &chunk, now),
            };
            if !part.is_last && line.text.len() < LINE_BYTES_MAX {
                let deadline = line.deadline();
                self.wakes_at = Some(self.wakes_at.map_or(deadline, |at| at.min(deadline)));
                self.lines.insert(id, line);
                continue;
            }
            line.write(&self.key, &mut data);
            push_entry(&mut entries, line.time, start, data.len());
            chunk.permit.absorb(line.settle());
        }
        chunk.entries = Arc::new(Entries { data: Bytes::from(data), entries });
        (!chunk.entries.is_empty()).then_some(chunk)
    }

    fn begin(
        &self,
        record: &[u8],
        part: &Part<'_>,
        time: EventTime,
        permit: Permit,
        chunk: &Chunk,
        now: Instant,
    ) -> Line {
        let mut fields = Vec::new();
        let mut fields_count = 0;
        for pair in map::pairs(record).into_iter().flatten() {
            let key = pair.key_text().unwrap_or_default();
            if *key != *self.key && !key.starts_with(b"partial_") {
                fields.extend_from_slice(pair.key);
                fields.extend_from_slice(pair.value);
                fields_count += 1;
            }
        }
        let wait = self.waits.iter().find(|(tags, _)| tags.matches(chunk.tag.as_bytes()));
        let wait = wait.map_or(PART_WAIT, |(_, wait)| *wait);
        let text = part.text.to_vec();
        let Chunk { input, rewrites, arrived, storage, .. } = *chunk;
        Line {
            time,
            input,
            arrived,
            storage,
            rewrites,
            touched: now,
            wait,
            fields,
            fields_count,
            text,
            permit,
        }
    }

    fn has_room(&self, tag: &Tag, part: &Part<'_>) -> bool {
        self.lines.len() < LINES_MAX || {
            let id = LineId { tag: tag.clone(), partial_id: part.partial_id.to_vec() };
            self.lines.contains_key(&id)
        }
    }

    fn release(&mut self, id: &LineId) -> Option<Chunk> {
        let line = self.lines.remove(id)?;
        let mut data = Vec::new();
        let mut entries = Vec::new();
        line.write(&self.key, &mut data);
        push_entry(&mut entries, line.time, 0, data.len());
        Some(Chunk {
            tag: id.tag.clone(),
            entries: Arc::new(Entries { data: Bytes::from(data), entries }),
            shared: SharedFields::default(),
            input: line.input,
            rewrites: line.rewrites,
            arrived: line.arrived,
            storage: line.storage,
            permit: line.settle(),
        })
    }
}

impl Line {
    fn append(mut self, part: &Part<'_>, permit: Permit, now: Instant) -> Self {
        self.text.extend_from_slice(part.text);
        self.permit.absorb(permit);
        self.touched = now;
        self
    }

    fn deadline(&self) -> Instant {
        self.touched.checked_add(self.wait).unwrap_or(self.touched)
    }

    fn write(&self, key: &[u8], data: &mut Vec<u8>) {
        let mut writer = Writer::new(data);
        writer.map_header(self.fields_count.saturating_add(1));
        writer.raw(&self.fields);
        writer.str(key);
        writer.str(&self.text);
    }

    /// All parts but one were merged: one record goes on.
    fn settle(self) -> Permit {
        let mut permit = self.permit;
        let merged = permit.receipt.records().saturating_sub(1);
        permit.receipt.merged(merged);
        permit
    }
}

impl<'a> Part<'a> {
    fn read(record: &'a [u8], key: &[u8]) -> Option<Self> {
        let is_true = |value: &[u8]| match Reader::new(value).token() {
            Ok(Token::Bool(value)) => value,
            Ok(Token::Str(text)) => text.eq_ignore_ascii_case(b"true"),
            Ok(_) | Err(_) => false,
        };
        is_true(map::get(record, MARK)?).then_some(())?;
        Some(Self {
            partial_id: map::text(map::get(record, b"partial_id")?)?,
            is_last: map::get(record, b"partial_last").is_some_and(is_true),
            text: map::text(map::get(record, key)?)?,
        })
    }
}

/// The offsets fit: a chunk's data comes from frames far below 4 GiB, and a line is bounded.
fn push_entry(entries: &mut Vec<Entry>, time: EventTime, start: usize, end: usize) {
    if let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(end)) {
        entries.push(Entry { time, start, end });
    }
}

#[cfg(test)]
mod tests;
