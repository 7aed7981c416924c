//! What is sent in one go.

use std::time::Instant;

use crate::chunk::Chunk;
use crate::output::group::GROUP_BYTES_MAX;
use crate::record::tag::Tag;

/// Most bytes of a parcel of more than one chunk. A single chunk may have more.
pub const PARCEL_BYTES_MAX: usize = GROUP_BYTES_MAX;

/// Chunks of one input and one tag, in the order they came. One that is sent again is the same.
#[derive(Debug)]
#[must_use = "every record needs an outcome"]
pub struct Parcel {
    /// The tag of all records.
    pub tag: Tag,
    /// The chunks; never empty.
    pub chunks: Vec<Chunk>,
    pub(super) input: u16,
    pub(super) sent_at: Option<Instant>,
}

impl Parcel {
    /// How many records it has.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.chunks.iter().map(Chunk::records).sum()
    }

    /// The lane it is of.
    pub(super) fn key(&self) -> (u16, Tag) {
        (self.input, self.tag.clone())
    }
}
