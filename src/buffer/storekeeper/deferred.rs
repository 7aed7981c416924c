//! Blocks that were passed over because their lane has too much already: where they lie.
//!
//! Pure. A lane comes back in its order; lanes take turns.

use std::collections::{HashMap, VecDeque};

use crate::spill::Header;

use super::logs::Place;

/// Most blocks that are passed over, inclusive: some 6 MB in memory. Beyond it what comes behind them
/// waits, too.
const BLOCKS_MAX: usize = 65_536;

/// The blocks, by lane.
#[derive(Debug, Default)]
pub(super) struct Deferred {
    lanes: HashMap<u64, VecDeque<(Header, Place)>>,
    /// Whose turn it is.
    turns: VecDeque<u64>,
    blocks: usize,
}

impl Deferred {
    pub(super) fn is_empty(&self) -> bool {
        self.blocks == 0
    }

    /// Whether one more may be passed over.
    pub(super) fn has_room(&self) -> bool {
        self.blocks < BLOCKS_MAX
    }

    /// Whether a block of the lane was passed over: then those behind it have to be, too.
    pub(super) fn holds(&self, lane: u64) -> bool {
        self.lanes.contains_key(&lane)
    }

    pub(super) fn push(&mut self, header: Header, place: Place) {
        let lane = self.lanes.entry(header.lane).or_default();
        if lane.is_empty() {
            self.turns.push_back(header.lane);
        }
        lane.push_back((header, place));
        self.blocks += 1;
    }

    /// The first block, of the first lane whose turn it is, that `take` has room for.
    pub(super) fn next<R>(
        &mut self,
        mut take: impl FnMut(&Header) -> Option<R>,
    ) -> Option<(u64, Place, R)> {
        for _ in 0..self.turns.len() {
            let lane = self.turns.pop_front()?;
            let Some(blocks) = self.lanes.get_mut(&lane) else { continue };
            let room = blocks.front().and_then(|(header, _)| take(header));
            let Some(room) = room else {
                self.turns.push_back(lane);
                continue;
            };
            let first = blocks.pop_front();
            if blocks.is_empty() {
                self.lanes.remove(&lane);
            } else {
                self.turns.push_back(lane);
            }
            self.blocks -= 1;
            return first.map(|(_, place)| (lane, place, room));
        }
        None
    }
}
