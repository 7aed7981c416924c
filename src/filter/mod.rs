//! Step 3, filter: a chunk in, the chunk kept, changed, or dropped with a reason out.
//!
//! Pure: no socket, no task, no clock. Where a filter touches no record, no record is copied.

pub mod aws;
pub mod condition;
pub mod ecs;
pub mod grep;
pub mod multiline;
pub mod parser;
pub mod partial_message;
pub mod record_modifier;

use std::time::Instant;

pub use crate::record::pattern;

use crate::chunk::Chunk;

/// A configured filter.
#[derive(Debug)]
pub enum Filter {
    /// Appends what EC2 knows of the instance.
    Aws(aws::Aws),
    /// Appends what the ECS agent knows of the container.
    Ecs(Box<ecs::Ecs>),
    /// Keeps or drops records by their fields.
    Grep(grep::Grep),
    /// Takes the text of a field apart.
    Parser(parser::ParserFilter),
    /// Joins lines that belong together.
    Multiline(multiline::Multiline),
    /// Adds and removes fields.
    RecordModifier(record_modifier::RecordModifier),
}

/// What a filter is given besides the chunk, and where it puts what it makes.
#[derive(Debug)]
pub struct Pass {
    /// The time.
    pub now: Instant,
    /// Chunks with a new tag, in order: they begin at the first filter again.
    pub emitted: Vec<Chunk>,
}

impl Filter {
    /// Applies the filter. `None`: no record is left to go on; each has its outcome, or is held,
    /// or is among those that were emitted.
    #[must_use]
    pub fn apply(&mut self, chunk: Chunk, pass: &mut Pass) -> Option<Chunk> {
        match self {
            Self::Aws(filter) => filter.apply(chunk, pass.now),
            Self::Ecs(filter) => filter.apply(chunk, pass.now),
            Self::Grep(filter) => filter.apply(chunk),
            Self::Parser(filter) => Some(filter.apply(chunk)),
            Self::Multiline(filter) => filter.apply(chunk, pass.now),
            Self::RecordModifier(filter) => filter.apply(chunk),
        }
    }

    /// Whether it may hold records back and let them go on later.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        match self {
            Self::Aws(_) | Self::Ecs(_) | Self::Multiline(_) => true,
            Self::Grep(_) | Self::Parser(_) | Self::RecordModifier(_) => false,
        }
    }

    /// When something that it holds is to go on, whatever comes.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Instant> {
        match self {
            Self::Aws(filter) => filter.wakes_at(),
            Self::Ecs(filter) => filter.wakes_at(),
            Self::Multiline(filter) => filter.wakes_at(),
            Self::Grep(_) | Self::Parser(_) | Self::RecordModifier(_) => None,
        }
    }

    /// What it has held long enough. It goes on after the filter; to be called until `None`.
    #[must_use]
    pub fn expired(&mut self, now: Instant) -> Option<Chunk> {
        match self {
            Self::Aws(filter) => filter.expired(now),
            Self::Ecs(filter) => filter.expired(now),
            Self::Multiline(filter) => filter.expired(now),
            Self::Grep(_) | Self::Parser(_) | Self::RecordModifier(_) => None,
        }
    }

    /// What it still holds at the end. It goes on after the filter; to be called until `None`.
    #[must_use]
    pub fn pending(&mut self) -> Option<Chunk> {
        match self {
            Self::Aws(filter) => filter.pending(),
            Self::Ecs(filter) => filter.pending(),
            Self::Multiline(filter) => filter.pending(),
            Self::Grep(_) | Self::Parser(_) | Self::RecordModifier(_) => None,
        }
    }
}
