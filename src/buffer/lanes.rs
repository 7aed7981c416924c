//! What each lane holds of some memory: one alone may take a part of it.
//!
//! Pure.

use std::collections::HashMap;

use crate::ledger::{Budget, Share};

/// As many lanes may be remembered that hold nothing.
const LANES_MAX: usize = 1_024;

/// The lanes that hold something, and some that do not.
#[derive(Debug)]
pub(super) struct Lanes {
    lanes: HashMap<u64, Budget>,
    /// From so many on those that hold nothing are forgotten. Twice what was left the last time, so that
    /// it costs little for each lane, however many hold something.
    forgets_at: usize,
}

impl Default for Lanes {
    fn default() -> Self {
        Self { lanes: HashMap::new(), forgets_at: LANES_MAX }
    }
}

impl Lanes {
    /// Takes memory of a lane, of at most `bytes_max`. `None`: it has too much.
    pub(super) fn take(&mut self, lane: u64, bytes: usize, bytes_max: u64) -> Option<Share> {
        if self.lanes.len() >= self.forgets_at && !self.lanes.contains_key(&lane) {
            self.lanes.retain(|_, budget| budget.used_bytes() > 0);
            self.forgets_at = self.lanes.len().saturating_mul(2).max(LANES_MAX);
        }
        self.lanes.entry(lane).or_insert_with(|| Budget::new(bytes_max)).try_take(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_takes_no_more_than_its_part_and_gets_it_back() {
        let mut lanes = Lanes::default();
        let share = lanes.take(1, 8, 10).expect("free");
        assert!(lanes.take(1, 3, 10).is_none());
        assert!(lanes.take(2, 3, 10).is_some());
        drop(share);
        assert!(lanes.take(1, 3, 10).is_some());
    }

    #[test]
    fn lanes_that_hold_nothing_are_forgotten_and_others_looked_through_ever_more_seldom() {
        let mut lanes = Lanes::default();
        let held: Vec<_> = (0..100_000).map(|lane| lanes.take(lane, 1, 1).expect("free")).collect();
        assert_eq!(lanes.lanes.len(), held.len());
        assert_eq!(lanes.forgets_at, LANES_MAX << 7, "looked through seven times");
        assert!(lanes.take(99_999, 1, 1).is_none(), "none that holds something was forgotten");
        drop(held);
        (0..100_000).for_each(|lane| drop(lanes.take(1_000_000 + lane, 1, 1)));
        assert!(lanes.lanes.len() <= LANES_MAX, "{}", lanes.lanes.len());
    }
}
