//! In how many streams chunks may wait, and how many parts of those that were split by target.
//!
//! Chunks are paid for by the memory budget, what is made of them here is not: so it is bounded. While
//! there is no room everything that waits is due, and what came first goes first: the streams that
//! were used least lately make room. Pure. Must not know how chunks are split.

use std::sync::Arc;
use std::time::Instant;

use crate::hash::HashMap;

use super::super::limits::NAME_CHARS_MAX;
use super::super::piece::Piece;
use super::super::stream::Stream;
use super::super::target::Target;
use super::markers::{MARKED_STREAMS_MAX, NOTED_BYTES_MAX};

/// Most parts of chunks that were split by target. Each costs some 400 bytes that no budget counts,
/// so that all of them take less than 7 MB.
pub const PARTS_MAX: usize = 16_384;
/// Most streams at once, however many tags or names there are. Each costs up to `STREAM_BYTES_MAX`
/// and its names, nearly always less than 1 KB together, so that all of them take some 2 MB, and with
/// the longest names that the service takes 7 MB.
pub const STREAMS_MAX: usize = 2_048;
/// Most bytes of a stream with one piece, without its names: its places in the table and in the agenda,
/// each twice for what they have free, the piece, and the target.
const STREAM_BYTES_MAX: usize = 1_024;

const _: () = assert!(
    2 * size_of::<(Arc<Target>, Stream)>()
        + 2 * size_of::<((Instant, u64), Arc<Target>)>()
        + size_of::<Piece>()
        + size_of::<Target>()
        + 2 * size_of::<usize>()
        <= STREAM_BYTES_MAX
);

/// How many there may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Parts of chunks.
    pub parts: usize,
    /// Streams in which they and whole chunks wait.
    pub streams: usize,
}

/// The budget for each stream: what a stream costs itself is a small part of it, even with the longest
/// names.
const BUDGET_BYTES_A_STREAM: u64 = 128 * 1_024;
/// Streams that there may be however small the budget is.
const STREAMS_MIN: u64 = 64;
/// Most bytes of the two names of a stream: 512 characters each (`NAME_CHARS_MAX`), and those of a group
/// are ASCII.
const NAMES_BYTES_MAX: usize = 5 * NAME_CHARS_MAX;

impl Limits {
    /// Those of an output beside a budget of so many bytes.
    #[must_use]
    pub fn beside_budget(bytes_max: u64) -> Self {
        let streams = (bytes_max / BUDGET_BYTES_A_STREAM).clamp(STREAMS_MIN, STREAMS_MAX as u64);
        Self { streams: usize::try_from(streams).unwrap_or(STREAMS_MAX), parts: PARTS_MAX }
    }

    /// Most bytes of all streams with one piece each, and of what is noted of half as many.
    #[must_use]
    pub fn streams_bytes_max(&self) -> usize {
        self.streams * (STREAM_BYTES_MAX + NAMES_BYTES_MAX)
            + self.marked_streams() * (NOTED_BYTES_MAX + NAMES_BYTES_MAX)
    }

    /// How many streams something may be noted of.
    pub(super) fn marked_streams(&self) -> usize {
        (self.streams / 2).clamp(1, MARKED_STREAMS_MAX)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { parts: PARTS_MAX, streams: STREAMS_MAX }
    }
}

/// Room for chunks and their parts.
#[derive(Clone, Copy, Debug)]
pub struct Room<'a> {
    parts: usize,
    streams: usize,
    known: &'a HashMap<Arc<Target>, Stream>,
}

impl<'a> Room<'a> {
    /// What is left beside so many parts and these streams.
    pub(super) fn beside(
        parts: usize,
        streams: &'a HashMap<Arc<Target>, Stream>,
        limits: Limits,
    ) -> Self {
        Self {
            parts: limits.parts.saturating_sub(parts),
            streams: limits.streams.saturating_sub(streams.len()),
            known: streams,
        }
    }

    /// Whether a chunk may come that goes to one stream, whichever that is.
    #[must_use]
    pub fn has_stream(&self) -> bool {
        self.streams > 0
    }

    /// Whether nothing new can come: no part, or no stream.
    pub(super) fn is_tight(&self) -> bool {
        self.parts == 0 || self.streams == 0
    }

    /// Whether a quarter of both is free.
    pub(super) fn is_wide(&self, limits: Limits) -> bool {
        self.parts >= limits.parts / 4 && self.streams >= limits.streams / 4
    }

    /// Whether there is any.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.parts > 0
    }

    /// Takes the room of one part for this target; `false`: there is none.
    pub fn takes(&mut self, target: &Target) -> bool {
        let is_known = self.known.contains_key(target);
        let (Some(parts), Some(streams)) =
            (self.parts.checked_sub(1), self.streams.checked_sub(usize::from(!is_known)))
        else {
            return false;
        };
        (self.parts, self.streams) = (parts, streams);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_streams_as_the_budget_allows() {
        let streams = |bytes| Limits::beside_budget(bytes).streams;
        assert_eq!([0, 8_388_608, 8_519_680].map(streams), [64, 64, 65]);
        assert_eq!([25_000_000, 268_435_456, u64::MAX].map(streams), [190, 2_048, 2_048]);
        let least = Limits::beside_budget(0);
        assert!(least.streams_bytes_max() < 370_000, "{}", least.streams_bytes_max());
    }
}
