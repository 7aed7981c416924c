//! Step 3, filter: a chunk in, the chunk kept, changed, or dropped with a reason out.
//!
//! Pure: no socket, no task, no clock. Where a filter touches no record, no record is copied.

pub mod grep;
pub mod partial_message;
pub mod record_modifier;

pub use crate::record::pattern;

use crate::chunk::Chunk;

/// A configured filter.
#[derive(Debug)]
pub enum Filter {
    /// Keeps or drops records by their fields.
    Grep(grep::Grep),
    /// Adds and removes fields.
    RecordModifier(record_modifier::RecordModifier),
}

impl Filter {
    /// Applies the filter. `None`: no record is left, and each has its outcome.
    #[must_use]
    pub fn apply(&mut self, chunk: Chunk) -> Option<Chunk> {
        match self {
            Self::Grep(filter) => filter.apply(chunk),
            Self::RecordModifier(filter) => filter.apply(chunk),
        }
    }
}
