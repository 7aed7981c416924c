//! What waits in a stream: some entries of a chunk, and the permit for just these.
//!
//! Pure. A piece is cut where a batch ends, so that each half has its own outcome.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::chunk::Chunk;
use crate::ledger::Permit;
use crate::record::chunk::{Entries, Entry};
use crate::record::fields::SharedFields;
use crate::record::time::EventTime;

use super::limits::EVENT_OVERHEAD_BYTES;

/// What the bytes of an entry are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// A record, of which a message is made.
    Record,
    /// The message itself: a part of one that was too long, or one of several of a record.
    Text,
}

/// Entries that go to one stream, in order.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) entries: Arc<Entries>,
    pub(super) range: Range<usize>,
    pub(super) shared: SharedFields,
    pub(super) arrived: Instant,
    pub(super) form: Form,
    /// There where the entries are some of a chunk's: others lie between them.
    part: Option<PartToken>,
    /// Owed for the records of `range`: as many as entries, but in texts of one record, of which
    /// only the last owes anything.
    pub(super) permit: Permit,
}

/// Held by every piece of a chunk that was split by target: how many there are is how often it is
/// held.
pub(super) type PartToken = Arc<()>;

impl Piece {
    /// All of a chunk.
    pub(super) fn whole(chunk: Chunk) -> Self {
        Self {
            part: None,
            range: 0..chunk.entries.len(),
            entries: chunk.entries,
            shared: chunk.shared,
            arrived: chunk.arrived,
            form: Form::Record,
            permit: chunk.permit,
        }
    }

    /// Some entries of a chunk, as a chunk.
    pub(super) fn part(chunk: Chunk, token: PartToken) -> Self {
        Self { part: Some(token), ..Self::whole(chunk) }
    }

    /// Roughly what the piece adds to a batch: enough to know that one is worth sending.
    pub(super) fn estimate_bytes(&self) -> usize {
        let entries = self.entries.entries.get(self.range.clone()).unwrap_or_default();
        let ends = entries.first().zip(entries.last());
        let span = match self.part {
            None => ends.map_or(0, |(first, last)| last.end.saturating_sub(first.start)),
            Some(_) => entries.iter().map(|entry| entry.end.saturating_sub(entry.start)).sum(),
        };
        let fields = self.shared.as_slice().iter();
        let shared: usize = fields.map(|field| field.key.len() + field.value.len() + 6).sum();
        let span = usize::try_from(span).unwrap_or(usize::MAX);
        span.saturating_add(entries.len() * (shared + EVENT_OVERHEAD_BYTES))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// The first entry, its bytes, and the records that are owed for it.
    pub(super) fn first(&self) -> Option<(Entry, &[u8], u32)> {
        let entry = self.entries.entries.get(self.range.start)?;
        let (start, end) = (usize::try_from(entry.start).ok()?, usize::try_from(entry.end).ok()?);
        let owed = u32::from(self.permit.receipt.records() > 0);
        Some((*entry, self.entries.data.get(start..end)?, owed))
    }

    /// Cuts the first `entries` off into a piece of their own.
    pub(super) fn split(&mut self, entries: usize) -> Self {
        let at = self.range.start.saturating_add(entries).min(self.range.end);
        let owed = match self.form {
            Form::Record => (at - self.range.start) as u64,
            Form::Text if entries > 0 => self.permit.receipt.records(),
            Form::Text => 0,
        };
        let first = self.range.start..at;
        self.range.start = at;
        Self {
            entries: Arc::clone(&self.entries),
            range: first,
            shared: self.shared.clone(),
            arrived: self.arrived,
            form: self.form,
            part: self.part.clone(),
            permit: self.permit.split(owed),
        }
    }

    /// Puts another record in the place of the piece's one.
    pub(super) fn with_record(mut self, time: EventTime, record: &[u8]) -> Self {
        (self.entries, self.range) = one_entry(time, record);
        self
    }

    /// Puts messages in the place of the piece's one record. The last of them owes it: the record
    /// is delivered when all of them are.
    pub(super) fn into_texts(mut self, time: EventTime, texts: &[impl AsRef<[u8]>]) -> Vec<Self> {
        let mut pieces = Vec::with_capacity(texts.len());
        for (at, text) in texts.iter().enumerate() {
            let owed = if at + 1 == texts.len() { self.permit.receipt.records() } else { 0 };
            let (entries, range) = one_entry(time, text.as_ref());
            pieces.push(Self {
                entries,
                range,
                shared: self.shared.clone(),
                arrived: self.arrived,
                form: Form::Text,
                part: self.part.clone(),
                permit: self.permit.split(owed),
            });
        }
        pieces
    }
}

fn one_entry(time: EventTime, bytes: &[u8]) -> (Arc<Entries>, Range<usize>) {
    let end = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let entries = vec![Entry { time, start: 0, end }];
    (Arc::new(Entries { data: Bytes::copy_from_slice(bytes), entries }), 0..1)
}
