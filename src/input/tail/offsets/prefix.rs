//! How far one file has its outcome: the longest prefix all of whose marks have ended.
//!
//! Pure. A mark stands for the bytes up to its end and, once those before have ended, for what
//! became no record right behind it.

use std::collections::VecDeque;

/// The committed prefix of one file and the marks beyond it.
#[derive(Debug, Default)]
pub(super) struct Prefix {
    committed: u64,
    /// The number of the next mark; never given twice.
    next: u64,
    /// Marks that have not ended, ascending: number, and the end of what is settled with it. There
    /// are never more of them than chunks alive, which the memory budget bounds.
    pending: VecDeque<(u64, u64)>,
}

impl Prefix {
    /// All before `offset` has its outcome.
    pub(super) fn at(offset: u64) -> Self {
        Self { committed: offset, ..Self::default() }
    }

    /// Bytes from the start of which every record has its outcome.
    pub(super) fn committed(&self) -> u64 {
        self.committed
    }

    /// Bytes from the start that were read.
    pub(super) fn read(&self) -> u64 {
        self.pending.back().map_or(self.committed, |(_, end)| *end)
    }

    /// Bytes up to `end` became a chunk: gives the number of its mark.
    pub(super) fn mark(&mut self, end: u64) -> u64 {
        let number = self.next;
        self.next += 1;
        self.pending.push_back((number, end.max(self.read())));
        number
    }

    /// Bytes up to `end` became no record. Says whether more is committed now.
    pub(super) fn passed(&mut self, end: u64) -> bool {
        match self.pending.back_mut() {
            Some((_, settled)) => {
                *settled = end.max(*settled);
                false
            }
            None => self.commit(end),
        }
    }

    /// A mark has ended. Says whether more is committed now. One of before a restart is not known.
    pub(super) fn ended(&mut self, number: u64) -> bool {
        let Ok(at) = self.pending.binary_search_by_key(&number, |(number, _)| *number) else {
            return false;
        };
        let Some((_, end)) = self.pending.remove(at) else { return false };
        match at.checked_sub(1).and_then(|before| self.pending.get_mut(before)) {
            // It is settled as soon as the one before is: that one stands for both.
            Some((_, settled)) => {
                *settled = end;
                false
            }
            None => self.commit(end),
        }
    }

    /// Starts anew at `offset`; marks made before do not count.
    pub(super) fn restart(&mut self, offset: u64) {
        self.pending.clear();
        self.committed = offset;
    }

    fn commit(&mut self, end: u64) -> bool {
        let is_more = end > self.committed;
        self.committed = end.max(self.committed);
        is_more
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition: ranges in the order of the file, each with whether it is settled.
    #[derive(Default)]
    struct Naive {
        start: u64,
        ranges: Vec<(Option<u64>, u64, bool)>,
    }

    impl Naive {
        fn committed(&self) -> u64 {
            let settled = self.ranges.iter().take_while(|(_, _, is_settled)| *is_settled);
            settled.last().map_or(self.start, |(_, end, _)| *end)
        }
    }

    #[test]
    fn a_mark_in_front_holds_those_behind_it_back() {
        let mut prefix = Prefix::at(10);
        let (first, second) = (prefix.mark(20), prefix.mark(30));
        assert!(!prefix.passed(35));
        assert!(!prefix.ended(second));
        assert_eq!((prefix.committed(), prefix.read()), (10, 35));
        assert!(prefix.ended(first));
        assert_eq!((prefix.committed(), prefix.read()), (35, 35));
        assert!(!prefix.ended(first), "a mark ends once");
    }

    proptest! {
        #[test]
        fn what_is_committed_is_the_longest_prefix_whose_marks_have_ended(
            steps in proptest::collection::vec((0..20_u8, 0..12_usize, 1..9_u64), 0..80),
        ) {
            let (mut prefix, mut naive, mut end) = (Prefix::default(), Naive::default(), 0);
            let mut old = Vec::new();
            for (action, which, bytes) in steps {
                match action {
                    0..8 => {
                        end += bytes;
                        let number = prefix.mark(end);
                        naive.ranges.push((Some(number), end, false));
                    }
                    8..11 => {
                        end += bytes;
                        prefix.passed(end);
                        naive.ranges.push((None, end, true));
                    }
                    11 => {
                        old.extend(naive.ranges.iter().filter_map(|(number, _, _)| *number));
                        naive = Naive::default();
                        end = 0;
                        prefix.restart(0);
                    }
                    12 => {
                        if let Some(number) = old.get(which) {
                            prop_assert!(!prefix.ended(*number), "a mark of before the restart");
                        }
                    }
                    _ => {
                        let open = naive.ranges.iter_mut().filter(|(_, _, settled)| !settled);
                        if let Some((Some(number), _, settled)) = open.into_iter().nth(which) {
                            *settled = true;
                            let (number, before) = (*number, prefix.committed());
                            let is_more = prefix.ended(number);
                            prop_assert_eq!(is_more, prefix.committed() > before);
                        }
                    }
                }
                prop_assert_eq!(prefix.committed(), naive.committed());
                prop_assert_eq!(prefix.read(), end);
                let open = naive.ranges.iter().filter(|(_, _, settled)| !settled).count();
                prop_assert_eq!(prefix.pending.len(), open, "only open marks cost memory");
            }
        }
    }
}
