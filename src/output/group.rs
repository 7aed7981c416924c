//! Step 6, output: chunks of one input and one tag gathered until they are due, as Fluent Bit flushes
//! them.
//!
//! For outputs to which it matters what is written in one go: an array of JSON, the numbers of lines.
//! Pure: `now` is an argument. The memory of what is gathered is part of the one budget; an output
//! asks for all of it when that is short. Must not know what becomes of a group.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::chunk::Chunk;
use crate::record::tag::Tag;

/// Bytes of records from which on a group takes no more: the size at which Fluent Bit closes a chunk
/// (`FLB_INPUT_CHUNK_FS_MAX_SIZE`). A single chunk may have more.
pub const GROUP_BYTES_MAX: usize = 2_048_000;

/// Chunks of one input and one tag, in the order they came.
#[derive(Debug)]
pub struct Group {
    /// The tag of all records.
    pub tag: Tag,
    /// The chunks; never empty.
    pub chunks: Vec<Chunk>,
    bytes: usize,
}

/// The groups of one output.
#[derive(Debug)]
pub struct Groups {
    flush: Duration,
    groups: Vec<Group>,
    /// The group of an input and a tag that may take more, by its place.
    open: HashMap<(u16, Tag), usize>,
    /// When the oldest chunk was read.
    oldest: Option<Instant>,
}

impl Groups {
    /// Gathers for at most `flush` from the moment at which a chunk was read.
    #[must_use]
    pub fn new(flush: Duration) -> Self {
        Self { flush, groups: Vec::new(), open: HashMap::new(), oldest: None }
    }

    /// Takes a chunk in.
    pub fn push(&mut self, chunk: Chunk) {
        let arrived = chunk.arrived;
        self.oldest = Some(self.oldest.map_or(arrived, |oldest| oldest.min(arrived)));
        let key = (chunk.input, chunk.tag.clone());
        let bytes = chunk.entries.data.len();
        let place = self.open.get(&key).copied();
        if let Some(group) = place.and_then(|place| self.groups.get_mut(place))
            && group.bytes.saturating_add(bytes) <= GROUP_BYTES_MAX
        {
            group.bytes += bytes;
            group.chunks.push(chunk);
            return;
        }
        self.open.insert(key, self.groups.len());
        self.groups.push(Group { tag: chunk.tag.clone(), chunks: vec![chunk], bytes });
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// When all of it is due.
    #[must_use]
    pub fn due_at(&self) -> Option<Instant> {
        self.oldest.and_then(|oldest| oldest.checked_add(self.flush))
    }

    /// All groups, in the order of their first chunks.
    #[must_use]
    pub fn take(&mut self) -> Vec<Group> {
        self.open.clear();
        self.oldest = None;
        std::mem::take(&mut self.groups)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::chunk::fixture::chunk;
    use crate::ledger::Account;
    use crate::record::chunk::Entries;

    const FLUSH: Duration = Duration::from_secs(1);

    fn of(tag: &str, input: u16) -> Chunk {
        let account = Arc::new(Account::default());
        Chunk { input, ..chunk(&account, tag, &[&[("a", "1")]]) }
    }

    /// How many chunks each group has, with its tag.
    fn taken(groups: &mut Groups) -> Vec<(String, usize)> {
        let groups = groups.take().into_iter().map(|group| {
            let found = (group.tag.to_string(), group.chunks.len());
            group.chunks.into_iter().for_each(Chunk::delivered);
            found
        });
        groups.collect()
    }

    fn pair(tag: &str, chunks: usize) -> (String, usize) {
        (tag.to_owned(), chunks)
    }

    #[test]
    fn chunks_of_one_input_and_one_tag_are_one_group() {
        let mut groups = Groups::new(FLUSH);
        for (tag, input) in [("a", 0), ("b", 0), ("a", 0), ("a", 1)] {
            groups.push(of(tag, input));
        }
        assert_eq!(taken(&mut groups), [pair("a", 2), pair("b", 1), pair("a", 1)]);
        assert!(groups.is_empty() && groups.due_at().is_none());
        groups.push(of("a", 0));
        assert_eq!(taken(&mut groups), [pair("a", 1)]);
    }

    #[test]
    fn everything_is_due_a_flush_after_the_oldest_chunk_was_read() {
        let mut groups = Groups::new(FLUSH);
        let now = crate::clock::now();
        for arrived in [now + FLUSH, now, now + 2 * FLUSH] {
            groups.push(Chunk { arrived, ..of("a", 0) });
        }
        assert_eq!(groups.due_at(), Some(now + FLUSH));
        assert_eq!(taken(&mut groups), [pair("a", 3)]);
    }

    #[test]
    fn a_group_that_is_full_takes_no_more() {
        let sized = |bytes: usize| {
            let mut chunk = of("a", 0);
            let entries = chunk.entries.entries.clone();
            chunk.entries = Arc::new(Entries { data: Bytes::from(vec![0x80; bytes]), entries });
            chunk
        };
        let mut groups = Groups::new(FLUSH);
        for bytes in [GROUP_BYTES_MAX - 10, 10, 1, GROUP_BYTES_MAX + 1] {
            groups.push(sized(bytes));
        }
        assert_eq!(taken(&mut groups), [pair("a", 2), pair("a", 1), pair("a", 1)]);
    }
}
