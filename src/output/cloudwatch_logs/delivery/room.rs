//! How many parts of chunks that were split by target may wait, and in how many streams.
//!
//! Chunks are paid for by the memory budget, what is made of them here is not: so it is bounded.
//! Pure. Must not know how chunks are split.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::stream::Stream;
use super::super::target::Target;

/// Most parts of chunks that were split by target. Each costs some 400 bytes that no budget counts,
/// so that all of them take less than 7 MB.
pub const PARTS_MAX: usize = 16_384;
/// Most streams that such parts may wait in. Each costs up to 2 KB with its names, so that all of
/// them take at most 4 MB.
pub const STREAMS_MAX: usize = 2_048;

/// How many there may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Parts of chunks.
    pub parts: usize,
    /// Streams in which they wait.
    pub streams: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { parts: PARTS_MAX, streams: STREAMS_MAX }
    }
}

/// Room for parts of chunks.
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

    /// Whether nothing new can come: no part, or no stream.
    pub(super) fn is_tight(&self) -> bool {
        self.parts == 0 || self.streams == 0
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
