//! A chunk as it lies on disk: what is written of it and what comes back.
//!
//! Must not know the bytes it becomes, nor what is owed for it.

use std::mem::size_of;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::record::chunk::{Entries, Entry};
use crate::record::fields::SharedFields;
use crate::record::tag::Tag;

/// A chunk on disk, or on its way there.
#[derive(Clone, Debug)]
pub struct Block {
    /// Its place among all blocks of a log: they ascend as they are appended.
    pub number: u64,
    /// Blocks of one lane are kept in order; see the module's page.
    pub lane: u64,
    /// `Chunk::input`: the place of its input in the configuration.
    pub input: u16,
    /// `Chunk::rewrites`: how often a filter gave it another tag.
    pub rewrites: u8,
    /// When it was read, since 1970.
    pub arrived_unix: Duration,
    /// The tag of its records.
    pub tag: Tag,
    /// The fields that follow each record's own.
    pub shared: SharedFields,
    /// The records. Read back, nothing lies between them.
    pub entries: Arc<Entries>,
}

/// What is known of a block before it is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    /// [`Block::number`].
    pub number: u64,
    /// [`Block::lane`].
    pub lane: u64,
    /// How many records it has, those that have ended among them.
    pub records: u32,
    /// The memory that it takes once it is read: tag, records and where each lies.
    pub bytes: u64,
}

/// A block that was read, and which of its entries have ended already, in ascending order.
#[derive(Clone, Debug)]
pub struct ReadBlock {
    /// The block, with all entries.
    pub block: Block,
    /// Places of entries that have ended: these must not be delivered again.
    pub ended: Vec<Range<u32>>,
}

/// Where a block lies that was passed over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Position {
    pub(super) segment: u64,
    pub(super) offset: u64,
    /// Length of the whole block.
    pub(super) bytes: u64,
    pub(super) number: u64,
}

impl Header {
    /// The memory that a block of these sizes takes.
    pub(super) fn memory_bytes(tag_bytes: u32, data_bytes: u32, records: u32) -> u64 {
        let places = u64::from(records).saturating_mul(size_of::<Entry>() as u64);
        u64::from(tag_bytes).saturating_add(u64::from(data_bytes)).saturating_add(places)
    }
}
