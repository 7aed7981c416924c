//! Marks of blocks on a disk that does not survive: they speak when their records have their outcome,
//! not when these are written.
//!
//! The memory of such a block is free and that of its marks is not, so there is a bound on them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::ledger::Marks;

/// Most marks of blocks on disk, inclusive: some 5 MB. Beyond it the disk counts as full until some of
/// what is there was read back. Who makes marks can wait: a file that is read, a sender of `forward` that
/// waits for its acks.
pub(super) const MARKS_MAX: usize = 16_384;

/// The marks, by the number of their block.
#[derive(Debug)]
pub(super) struct KeptMarks {
    blocks: HashMap<u64, Vec<Arc<Marks>>>,
    count: usize,
    count_max: usize,
}

/// What there is room for.
#[derive(Debug)]
pub(super) struct MarksRoom {
    count: usize,
    count_max: usize,
}

impl KeptMarks {
    pub(super) fn new(count_max: usize) -> Self {
        Self { blocks: HashMap::new(), count: 0, count_max }
    }

    pub(super) fn insert(&mut self, number: u64, marks: Vec<Arc<Marks>>) {
        if !marks.is_empty() {
            self.count = self.count.saturating_add(count(&marks));
            self.blocks.insert(number, marks);
        }
    }

    pub(super) fn take(&mut self, number: u64) -> Vec<Arc<Marks>> {
        let marks = self.blocks.remove(&number).unwrap_or_default();
        self.count = self.count.saturating_sub(count(&marks));
        marks
    }

    pub(super) fn room(&self) -> MarksRoom {
        MarksRoom { count: self.count, count_max: self.count_max }
    }
}

impl MarksRoom {
    /// Whether a block with so many marks may be written behind those before. A single one may have more
    /// than there may be.
    pub(super) fn takes(&mut self, marks: usize) -> bool {
        let after = self.count.saturating_add(marks);
        let takes = marks == 0 || self.count == 0 || after <= self.count_max;
        self.count = after;
        takes
    }
}

fn count(marks: &[Arc<Marks>]) -> usize {
    marks.iter().map(|marks| marks.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Mark;

    #[test]
    fn there_is_room_up_to_the_bound_and_again_for_what_was_taken() {
        let mut kept = KeptMarks::new(4);
        assert!(kept.room().takes(5), "a single one may have more");
        let marks = |count| vec![Arc::new((0..count).map(|_| Mark::none()).collect::<Marks>())];
        kept.insert(1, marks(2));
        kept.insert(2, marks(1));
        let mut room = kept.room();
        assert!(room.takes(0) && room.takes(1) && !room.takes(1));
        assert!(room.takes(0), "a block without marks needs none");
        assert_eq!(kept.take(1).len(), 1);
        assert!(kept.take(1).is_empty());
        assert!(kept.room().takes(3) && !kept.room().takes(4));
    }
}
