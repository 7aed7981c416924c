//! Step 3, filter: a chunk in, the chunk kept, changed, or dropped with a reason out.
//!
//! Pure: no socket, no task, no clock. Where a filter touches no record, no record is copied.

pub mod aws;
pub mod checklist;
pub mod condition;
pub mod content_modifier;
pub mod ecs;
pub mod expect;
pub mod grep;
pub mod lua;
pub mod modify;
pub mod multiline;
pub mod nest;
pub mod parser;
pub mod partial_message;
pub mod record_modifier;
mod rewrite;
pub mod rewrite_tag;
pub mod stdout;
pub mod stream_task;
pub mod throttle;
pub mod type_converter;

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
    /// Marks records whose value is on a list.
    Checklist(checklist::Checklist),
    /// Does one thing to one field.
    ContentModifier(content_modifier::ContentModifier),
    /// Says where records are not as expected.
    Expect(expect::Expect),
    /// Keeps or drops records by their fields.
    Grep(grep::Grep),
    /// Does what a script says.
    Lua(lua::Lua),
    /// Puts, takes away, renames, copies and moves fields.
    Modify(modify::Modify),
    /// Moves fields into a map, or out of one.
    Nest(nest::Nest),
    /// Takes the text of a field apart.
    Parser(parser::ParserFilter),
    /// Joins lines that belong together.
    Multiline(multiline::Multiline),
    /// Adds and removes fields.
    RecordModifier(record_modifier::RecordModifier),
    /// Gives records another tag.
    RewriteTag(rewrite_tag::RewriteTag),
    /// Prints records.
    Stdout,
    /// Copies records to another tag.
    StreamTask(stream_task::StreamTask),
    /// Drops what is more than an average allows.
    Throttle(throttle::Throttle),
    /// Adds values as other types.
    TypeConverter(type_converter::TypeConverter),
}

/// What a filter is given besides the chunk, and where it puts what it makes.
#[derive(Debug)]
pub struct Pass {
    /// The time.
    pub now: Instant,
    /// Chunks with a new tag, in order: they begin at the first filter again.
    pub emitted: Vec<Chunk>,
    /// Text for standard output, of whole lines.
    pub printed: Vec<u8>,
    /// Whether a record was met at which the process is to end.
    pub must_end: bool,
}

impl Pass {
    /// Nothing made yet.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self { now, emitted: Vec::new(), printed: Vec::new(), must_end: false }
    }
}

impl Filter {
    /// Applies the filter. `None`: no record is left to go on; each has its outcome, or is held,
    /// or is among those that were emitted.
    #[must_use]
    pub fn apply(&mut self, chunk: Chunk, pass: &mut Pass) -> Option<Chunk> {
        match self {
            Self::Aws(filter) => filter.apply(chunk, pass.now),
            Self::Ecs(filter) => filter.apply(chunk, pass.now),
            Self::Checklist(filter) => Some(filter.apply(chunk)),
            Self::ContentModifier(filter) => Some(filter.apply(chunk)),
            Self::Expect(filter) => Some(filter.apply(chunk, pass)),
            Self::Grep(filter) => filter.apply(chunk),
            Self::Lua(filter) => filter.apply(chunk, pass),
            Self::Modify(filter) => Some(filter.apply(chunk)),
            Self::Nest(filter) => Some(filter.apply(chunk)),
            Self::Parser(filter) => Some(filter.apply(chunk)),
            Self::Multiline(filter) => filter.apply(chunk, pass.now),
            Self::RecordModifier(filter) => filter.apply(chunk),
            Self::RewriteTag(filter) => filter.apply(chunk, pass),
            Self::Stdout => {
                stdout::print(&chunk, pass);
                Some(chunk)
            }
            Self::StreamTask(task) => Some(task.apply(chunk, pass)),
            Self::Throttle(filter) => filter.apply(chunk, pass.now),
            Self::TypeConverter(filter) => Some(filter.apply(chunk)),
        }
    }

    /// How many records went on as they were because the filter failed, since this was last asked.
    #[must_use]
    pub fn take_failures(&mut self) -> u64 {
        if let Self::Lua(filter) = self { filter.take_failures() } else { 0 }
    }

    /// Whether it may hold records back and let them go on later: what the three methods below
    /// are about.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        match self {
            Self::Aws(_) | Self::Ecs(_) | Self::Multiline(_) => true,
            Self::Checklist(_)
            | Self::ContentModifier(_)
            | Self::Expect(_)
            | Self::Grep(_)
            | Self::Lua(_)
            | Self::Modify(_)
            | Self::Nest(_)
            | Self::Parser(_)
            | Self::RecordModifier(_)
            | Self::RewriteTag(_)
            | Self::Stdout
            | Self::StreamTask(_)
            | Self::Throttle(_)
            | Self::TypeConverter(_) => false,
        }
    }

    /// When something that it holds is to go on, whatever comes.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Instant> {
        if let Self::Aws(filter) = self {
            filter.wakes_at()
        } else if let Self::Ecs(filter) = self {
            filter.wakes_at()
        } else if let Self::Multiline(filter) = self {
            filter.wakes_at()
        } else if let Self::Throttle(filter) = self {
            filter.wakes_at()
        } else {
            None
        }
    }

    /// What it has held long enough. It goes on after the filter; to be called until `None`.
    #[must_use]
    pub fn expired(&mut self, now: Instant) -> Option<Chunk> {
        if let Self::Aws(filter) = self {
            filter.expired(now)
        } else if let Self::Ecs(filter) = self {
            filter.expired(now)
        } else if let Self::Multiline(filter) = self {
            filter.expired(now)
        } else {
            if let Self::Throttle(filter) = self {
                filter.tell(now);
            }
            None
        }
    }

    /// What it still holds at the end. It goes on after the filter; to be called until `None`.
    #[must_use]
    pub fn pending(&mut self) -> Option<Chunk> {
        if let Self::Aws(filter) = self {
            filter.pending()
        } else if let Self::Ecs(filter) = self {
            filter.pending()
        } else if let Self::Multiline(filter) = self {
            filter.pending()
        } else {
            None
        }
    }
}
