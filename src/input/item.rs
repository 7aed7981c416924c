//! What the decoders of the stream inputs hand on: entries, acks, and what had to be dropped.
//!
//! Must not know a protocol, nor what becomes of an item.

use bytes::Bytes;

use crate::record::chunk::TaggedEntries;
pub use crate::telemetry::odd::OddReason;

/// Most entries of one [`Item::Entries`], so that chunks stay bounded in a burst.
pub const CHUNK_ENTRIES_MAX: usize = 4_096;

/// What came out of the bytes of a connection, in the order of the wire.
#[derive(Clone, Debug)]
pub enum Item {
    /// Records, at least one.
    Entries(TaggedEntries),
    /// The exact bytes of one ack, to be written in one piece once all items before it are taken
    /// in: peers read an ack with a single read.
    Ack(Bytes),
    /// So many records or frames were dropped, and why. Comes after the entries they stood among.
    Odd(OddReason, u64),
}

/// Whether a decoder took everything out of its buffer that is whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "whole frames may be left in the buffer: hand the items on and decode again"]
pub enum Progress {
    /// All that is left needs more bytes.
    Drained,
    /// Enough for one call, so that little input cannot become a lot of memory at once. Hand the
    /// items on, then decode again before reading more.
    More,
    /// What comes next unpacks to more than [`LARGE_BYTES`](super::LARGE_BYTES), which was not allowed:
    /// allow it and decode again.
    Large,
}

/// Counts what is dropped until it becomes items.
#[derive(Debug, Default)]
pub(crate) struct Tally(Vec<(OddReason, u64)>);

impl Tally {
    /// Counts one more. There are as many counters as reasons met, so a search costs little.
    pub(crate) fn add(&mut self, reason: OddReason) {
        match self.0.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => self.0.push((reason, 1)),
        }
    }

    /// The counts as items, in the order in which their reasons were met first.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Item> {
        self.0.drain(..).map(|(reason, count)| Item::Odd(reason, count))
    }
}
