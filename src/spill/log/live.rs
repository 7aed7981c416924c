//! Blocks that somebody has in hand: read or kept, and not ended with all their entries.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use crate::spill::ranges::Ranges;

/// Most notes of entries of one block, inclusive, which are 24 KB. Whose records end in more pieces
/// than that, such as every second one, is noted when all of it has: what has ended meanwhile is
/// delivered again after a crash.
pub(super) const BLOCK_NOTES_MAX: usize = 1_024;

/// A block in somebody's hands.
#[derive(Debug)]
pub(super) struct LiveBlock {
    /// The segment that it lies in.
    pub(super) segment: u64,
    records: u32,
    /// Records that have not ended.
    pub(super) left: u64,
    ended: Ranges<u32>,
    /// Those of the ended that no note says yet and one may.
    unnoted: Ranges<u32>,
    /// How many notes there may still be.
    notes_left: usize,
}

/// All of them, by number. Whoever has them bounds how many there are.
#[derive(Debug, Default)]
pub(super) struct Live {
    blocks: HashMap<u64, LiveBlock>,
    /// Those of which entries have ended that no note says yet.
    unnoted: BTreeSet<u64>,
}

impl Live {
    /// Puts a block into somebody's hands.
    pub(super) fn begin(&mut self, number: u64, segment: u64, records: u32, ended: Ranges<u32>) {
        let left = u64::from(records).saturating_sub(ended.count());
        let (unnoted, notes_left) = (Ranges::default(), BLOCK_NOTES_MAX);
        let block = LiveBlock { segment, records, left, ended, unnoted, notes_left };
        self.blocks.insert(number, block);
    }

    /// Whether there is this one.
    pub(super) fn holds(&self, number: u64) -> bool {
        self.blocks.contains_key(&number)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Which entries of a block have ended.
    pub(super) fn ended_of(&self, number: u64) -> Vec<Range<u32>> {
        self.blocks.get(&number).map(|block| block.ended.as_slice().to_vec()).unwrap_or_default()
    }

    /// Entries of a block have ended. Gives the segment of the block, and how many are left.
    pub(super) fn ended(&mut self, number: u64, entries: Range<u32>) -> Option<(u64, u64)> {
        let block = self.blocks.get_mut(&number)?;
        let entries = entries.start..entries.end.min(block.records);
        block.left = block.left.saturating_sub(block.ended.insert(entries.clone()));
        let after = (block.segment, block.left);
        if block.left == 0 {
            self.end(number);
        } else if block.notes_left > 0 {
            block.unnoted.insert(entries);
            self.unnoted.insert(number);
        }
        Some(after)
    }

    /// Nobody has the block in hand any more.
    pub(super) fn end(&mut self, number: u64) -> Option<LiveBlock> {
        self.unnoted.remove(&number);
        self.blocks.remove(&number)
    }

    /// Entries that have ended without a note, for blocks of these numbers.
    pub(super) fn unnoted(&self, numbers: Range<u64>) -> impl Iterator<Item = (u64, &Range<u32>)> {
        self.unnoted.range(numbers).flat_map(|number| {
            let block = self.blocks.get(number);
            let ranges = block.map(|block| block.unnoted.as_slice().iter().take(block.notes_left));
            ranges.into_iter().flatten().map(|range| (*number, range))
        })
    }

    /// The notes of blocks of these numbers were written, or never will be.
    pub(super) fn noted(&mut self, numbers: Range<u64>) {
        let noted: Vec<u64> = self.unnoted.range(numbers).copied().collect();
        for number in noted {
            self.unnoted.remove(&number);
            if let Some(block) = self.blocks.get_mut(&number) {
                let notes = block.unnoted.as_slice().len();
                block.notes_left = block.notes_left.saturating_sub(notes);
                block.unnoted.clear();
            }
        }
    }
}
