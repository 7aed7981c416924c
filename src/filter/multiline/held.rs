//! Step 3, filter: lines that wait for the next one, and the record that becomes of them.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::chunk::{Chunk, Storage};
use crate::ledger::Permit;
use crate::multiline::{Chain, Line, Place};
use crate::record::edit::{EntriesWriter, MapWriter};
use crate::record::fields::SharedFields;
use crate::record::map;
use crate::record::tag::Tag;
use crate::record::time::EventTime;

/// The lines of one group.
#[derive(Debug)]
pub(super) struct Held {
    tag: Tag,
    input: u16,
    rewrites: u8,
    arrived: Instant,
    storage: Storage,
    /// The fields that followed the first record's own.
    pub(super) shared: SharedFields,
    /// The first line's time.
    pub(super) time: EventTime,
    /// The first record as it came, in the memory that it was read into: a record of one line,
    /// which with some parsers is every record, is neither copied nor changed.
    record: Bytes,
    /// Where the first line belongs.
    place: Place,
    /// The lines joined, if there are several.
    text: Option<Vec<u8>>,
    /// Bytes of the text.
    bytes: usize,
    /// The permits of all the lines.
    permit: Permit,
    /// When the first line came, and when the newest did.
    pub(super) since: Instant,
    pub(super) newest: Instant,
    /// Counts up with each group: which of two was there first.
    pub(super) number: u64,
}

/// A line that is to be held: its record, and what it is to its group.
#[derive(Debug)]
pub(super) struct NewLine {
    pub(super) time: EventTime,
    pub(super) record: Bytes,
    pub(super) place: Place,
}

impl Held {
    /// Holds the first line of a group, which came with `chunk`.
    pub(super) fn begin(
        line: NewLine,
        bytes: usize,
        chunk: &mut Chunk,
        now: Instant,
        number: u64,
    ) -> Self {
        let NewLine { time, record, place } = line;
        Self {
            tag: chunk.tag.clone(),
            input: chunk.input,
            rewrites: chunk.rewrites,
            arrived: chunk.arrived,
            storage: chunk.storage,
            shared: chunk.shared.clone(),
            time,
            record,
            place,
            text: None,
            bytes,
            permit: chunk.permit.split_own(),
            since: now,
            newest: now,
            number,
        }
    }

    /// Whether another line of so many bytes, and a newline, fit into `bytes_max`.
    pub(super) fn has_room(&self, line_bytes: usize, bytes_max: usize) -> bool {
        self.bytes.saturating_add(line_bytes) < bytes_max
    }

    /// Puts a line behind the others.
    pub(super) fn append(&mut self, line: &[u8], permit: Permit, now: Instant, chain: &Chain) {
        let text = self
            .text
            .get_or_insert_with(|| chain.content(self.place, &Line::record(&self.record)).to_vec());
        chain.join(self.place).append(text, line);
        self.bytes = text.len();
        self.permit.absorb(permit);
        self.newest = now;
    }

    /// Writes the record. With several lines it is the first one's, with their text in the place of
    /// its own.
    pub(super) fn write(&self, chain: &Chain, records: &mut EntriesWriter) {
        let key = chain.key(self.place).unwrap_or_default();
        match &self.text {
            None => records.copy(self.time, &self.record),
            Some(text) => {
                records.write(self.time, |out| write_joined(&self.record, key, text, out))
            }
        }
    }

    /// Hands over what is owed: all lines but one were merged, one record goes on.
    pub(super) fn settle(self) -> Permit {
        let mut permit = self.permit;
        let merged = permit.receipt.records().saturating_sub(1);
        permit.receipt.merged(merged);
        permit
    }

    /// A chunk of this record alone.
    pub(super) fn into_chunk(self, chain: &Chain) -> Chunk {
        let mut records = EntriesWriter::default();
        self.write(chain, &mut records);
        Chunk {
            tag: self.tag.clone(),
            entries: Arc::new(records.finish()),
            shared: self.shared.clone(),
            input: self.input,
            rewrites: self.rewrites,
            arrived: self.arrived,
            storage: self.storage,
            permit: self.settle(),
        }
    }

    /// How often its tag was rewritten.
    pub(super) fn rewrites(&self) -> u8 {
        self.rewrites
    }
}

/// The record with `text` under its last `key`, which is the one that counts.
fn write_joined(record: &[u8], key: &[u8], text: &[u8], out: &mut Vec<u8>) {
    let pairs = || map::pairs(record).into_iter().flatten().enumerate();
    let is_key = |pair: &map::Pair<'_>| pair.key_text() == Some(key);
    let last = pairs().filter(|(_, pair)| is_key(pair)).map(|(at, _)| at).last();
    let mut fields = MapWriter::begin(out);
    for (at, pair) in pairs() {
        if last == Some(at) {
            fields.text(key, text);
        } else {
            fields.pair_raw(pair.key, pair.value);
        }
    }
    fields.end();
}
