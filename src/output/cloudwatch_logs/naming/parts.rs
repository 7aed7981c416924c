//! Splits a chunk by the targets of its records. A chunk of one target stays whole.
//!
//! Pure. No record is copied: the parts point into the bytes of the chunk. Must not know how a
//! target is chosen.

use std::collections::HashMap;
use std::sync::Arc;

use crate::chunk::Chunk;
use crate::record::chunk::{Entries, Entry};

use super::super::target::Target;

/// A chunk that waits for targets, or the end of one whose other records have theirs.
#[derive(Debug)]
pub struct Unassigned {
    chunk: Chunk,
    /// The first entry that waits. What is owed for the chunk is owed from there on.
    from: usize,
}

/// A chunk with its targets.
#[derive(Debug)]
pub enum Assigned {
    /// All of it goes to one.
    Whole(Arc<Target>, Chunk),
    /// Its records go to several.
    Parts {
        /// For each target its records, in the order in which they came.
        parts: Vec<(Arc<Target>, Chunk)>,
        /// What came behind them and found no room.
        rest: Option<Unassigned>,
    },
}

impl From<Chunk> for Unassigned {
    fn from(chunk: Chunk) -> Self {
        Self { chunk, from: 0 }
    }
}

impl Unassigned {
    /// A chunk of what waits.
    #[must_use]
    pub fn into_chunk(self) -> Chunk {
        let Self { mut chunk, from } = self;
        if from > 0 {
            let waiting = chunk.entries.entries.get(from..).unwrap_or_default().to_vec();
            let data = chunk.entries.data.clone();
            chunk.entries = Arc::new(Entries { data, entries: waiting });
        }
        chunk
    }

    /// Gives each record the target that `target` says, up to the first whose target `has_room`
    /// does not take. That is asked once for each target.
    pub(super) fn assign(
        mut self,
        mut target: impl FnMut(&Chunk, &[u8]) -> Arc<Target>,
        mut has_room: impl FnMut(&Target) -> bool,
    ) -> Assigned {
        let entries = Arc::clone(&self.chunk.entries);
        let waiting = entries.entries.get(self.from..).unwrap_or_default();
        let mut lists = Lists::default();
        let mut taken = 0;
        for (entry, (_, record)) in waiting.iter().zip(entries.iter().skip(self.from)) {
            let before = waiting.get(..taken).unwrap_or_default();
            if !lists.add(target(&self.chunk, record), *entry, before, &mut has_room) {
                break;
            }
            taken += 1;
        }
        let is_all = taken == waiting.len();
        if let Some(only) = lists.only() {
            if is_all && self.from == 0 {
                return Assigned::Whole(only, self.chunk);
            }
            lists.lists.push((only, waiting.get(..taken).unwrap_or_default().to_vec()));
        }
        let mut part =
            |list| self.chunk.split(Entries { data: entries.data.clone(), entries: list });
        let parts = lists.lists.into_iter().map(|(target, list)| (target, part(list))).collect();
        self.from += taken;
        Assigned::Parts { parts, rest: (!is_all).then_some(self) }
    }
}

/// For each target its entries; not before there is a second one.
#[derive(Debug, Default)]
struct Lists {
    first: Option<Arc<Target>>,
    lists: Vec<(Arc<Target>, Vec<Entry>)>,
    /// Where each target is in `lists`.
    places: HashMap<Arc<Target>, usize>,
    /// The place of the last entry's.
    last: usize,
}

impl Lists {
    /// Adds the entry that follows `before`. `false`: there is no room for its target.
    fn add(
        &mut self,
        target: Arc<Target>,
        entry: Entry,
        before: &[Entry],
        mut has_room: impl FnMut(&Target) -> bool,
    ) -> bool {
        match &self.first {
            None => {
                let takes = has_room(&target);
                self.first = takes.then_some(target);
                return takes;
            }
            Some(first) if self.lists.is_empty() => {
                if *first == target {
                    return true;
                }
                if !has_room(&target) {
                    return false;
                }
                self.begin(Arc::clone(first), before.to_vec());
                self.begin(target, vec![entry]);
                return true;
            }
            Some(_) => {}
        }
        let is_last = self.lists.get(self.last).is_some_and(|(last, _)| *last == target);
        if !is_last {
            match self.places.get(&target) {
                Some(place) => self.last = *place,
                None if has_room(&target) => self.begin(target, Vec::new()),
                None => return false,
            }
        }
        if let Some((_, list)) = self.lists.get_mut(self.last) {
            list.push(entry);
        }
        true
    }

    fn begin(&mut self, target: Arc<Target>, list: Vec<Entry>) {
        self.last = self.lists.len();
        self.places.insert(Arc::clone(&target), self.last);
        self.lists.push((target, list));
    }

    /// The only target, if there is just one.
    fn only(&mut self) -> Option<Arc<Target>> {
        if self.lists.is_empty() { self.first.take() } else { None }
    }
}
