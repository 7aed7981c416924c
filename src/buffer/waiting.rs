//! Chunks that the output has no room for yet, and that the disk need not take yet.
//!
//! They hold their share of the budget. Lanes are served in the order in which their first chunks
//! came. Pure.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::chunk::Chunk;

/// What waits in memory.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// By lane, each chunk with its number here.
    lanes: HashMap<u64, VecDeque<(u64, Chunk)>>,
    /// The first of each lane.
    heads: BTreeMap<u64, u64>,
    next: u64,
}

/// Whether there is room for a chunk.
#[derive(Debug)]
pub(super) enum Fit<T> {
    /// Here it is.
    Room(T),
    /// Its lane has too much.
    LaneFull,
    /// There is none for anybody.
    Full,
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// Whether chunks of the lane wait.
    pub(super) fn holds(&self, lane: u64) -> bool {
        self.lanes.contains_key(&lane)
    }

    pub(super) fn push(&mut self, lane: u64, chunk: Chunk) {
        let number = self.next;
        self.next = number.wrapping_add(1);
        let chunks = self.lanes.entry(lane).or_default();
        if chunks.is_empty() {
            self.heads.insert(number, lane);
        }
        chunks.push_back((number, chunk));
    }

    /// Takes the first chunk that there is room for. A lane that has too much is passed over; as each
    /// may have a good part of all, few are.
    pub(super) fn take<T>(
        &mut self,
        mut fit: impl FnMut(u64, &Chunk) -> Fit<T>,
    ) -> Option<(u64, Chunk, T)> {
        let mut found = None;
        for (number, lane) in &self.heads {
            let Some((_, chunk)) = self.lanes.get(lane).and_then(VecDeque::front) else { continue };
            match fit(*lane, chunk) {
                Fit::Room(room) => {
                    found = Some((*number, *lane, room));
                    break;
                }
                Fit::LaneFull => {}
                Fit::Full => break,
            }
        }
        let (number, lane, room) = found?;
        Some((lane, self.remove(number, lane)?, room))
    }

    /// Takes the oldest chunk of all, with its lane.
    pub(super) fn take_oldest(&mut self) -> Option<(u64, Chunk)> {
        let (number, lane) = self.heads.first_key_value().map(|(number, lane)| (*number, *lane))?;
        Some((lane, self.remove(number, lane)?))
    }

    /// Removes the first chunk of a lane.
    fn remove(&mut self, number: u64, lane: u64) -> Option<Chunk> {
        self.heads.remove(&number);
        let chunks = self.lanes.get_mut(&lane)?;
        let (_, chunk) = chunks.pop_front()?;
        match chunks.front() {
            Some((next, _)) => drop(self.heads.insert(*next, lane)),
            None => drop(self.lanes.remove(&lane)),
        }
        Some(chunk)
    }
}
