//! Step 6, output `forward`: the records of one tag that are to be sent, and how far that got.
//!
//! They share the memory of the chunks they came in. Not known here: how they are written.

use std::sync::{Arc, Weak};

use crate::chunk::{Chunk, write_with};
use crate::record::chunk::Entries;
use crate::record::fields::SharedFields;
use crate::record::tag::Tag;
use crate::record::time::EventTime;

/// Records of one tag, in order.
#[derive(Clone, Debug)]
pub struct Load {
    /// The tag of them all.
    pub tag: Tag,
    parts: Vec<Part>,
}

/// The records of one chunk.
#[derive(Clone, Debug)]
struct Part {
    entries: Arc<Entries>,
    shared: SharedFields,
}

/// A place between two records.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Position {
    part: usize,
    entry: usize,
}

/// The chunks of a load up to a place, known by their memory. Keeps none of their records.
#[derive(Clone, Debug)]
pub(super) struct Prefix {
    tag: Tag,
    parts: Vec<Weak<Entries>>,
}

/// A record of a load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) time: EventTime,
    own: &'a [u8],
    shared: &'a SharedFields,
}

impl Load {
    /// The records of these chunks.
    #[must_use]
    pub fn new(tag: &Tag, chunks: &[Chunk]) -> Self {
        let part = |chunk: &Chunk| Part {
            entries: Arc::clone(&chunk.entries),
            shared: chunk.shared.clone(),
        };
        Self { tag: tag.clone(), parts: chunks.iter().map(part).collect() }
    }

    /// The chunks up to `at`.
    pub(super) fn prefix(&self, at: Position) -> Prefix {
        let parts = self.parts.iter().take(at.part.saturating_add(1));
        Prefix {
            tag: self.tag.clone(),
            parts: parts.map(|part| Arc::downgrade(&part.entries)).collect(),
        }
    }

    /// The record behind `at`, and the place behind it.
    pub(super) fn next(&self, at: Position) -> Option<(Record<'_>, Position)> {
        let Position { mut part, mut entry } = at;
        loop {
            let here = self.parts.get(part)?;
            if let Some((time, own)) = here.entries.get(entry) {
                let record = Record { time, own, shared: &here.shared };
                return Some((record, Position { part, entry: entry + 1 }));
            }
            (part, entry) = (part + 1, 0);
        }
    }
}

impl Prefix {
    /// Whether the load begins with these very chunks.
    pub(super) fn begins(&self, load: &Load) -> bool {
        let is_same = |(own, part): (&Weak<_>, &Part)| own.as_ptr() == Arc::as_ptr(&part.entries);
        self.tag == load.tag
            && self.parts.len() <= load.parts.len()
            && self.parts.iter().zip(&load.parts).all(is_same)
    }

    /// Whether somebody still has its chunks.
    pub(super) fn is_held(&self) -> bool {
        self.parts.iter().all(|part| part.strong_count() > 0)
    }
}

impl Record<'_> {
    /// Appends the record with all its fields, as a msgpack map.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        if self.shared.is_empty() {
            out.extend_from_slice(self.own);
        } else {
            write_with(self.own, self.shared, out);
        }
    }
}
