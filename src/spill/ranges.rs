//! Which of a row of numbers are in a set, as ranges that neither touch nor overlap.

use std::ops::Range;

/// Ranges in ascending order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ranges<T>(Vec<Range<T>>);

impl<T: Copy + Ord + Into<u64>> Ranges<T> {
    /// Adds all of a range; gives how many of it are new.
    pub fn insert(&mut self, range: Range<T>) -> u64 {
        if range.is_empty() {
            return 0;
        }
        // Nearly all come in order: then only the last one is looked at.
        let from = match self.0.last() {
            Some(last) if last.end >= range.start => {
                self.0.partition_point(|known| known.end < range.start)
            }
            Some(_) | None => self.0.len(),
        };
        let touched = self.0.get(from..).unwrap_or_default();
        let touched = touched.iter().take_while(|known| known.start <= range.end);
        let (mut sum, mut known_before, mut count) = (range.clone(), 0, 0_usize);
        for known in touched {
            let common = known.start.max(range.start)..known.end.min(range.end);
            known_before += length(&common);
            sum = sum.start.min(known.start)..sum.end.max(known.end);
            count += 1;
        }
        match self.0.get_mut(from) {
            Some(place) if count > 0 => {
                *place = sum;
                self.0.drain(from.saturating_add(1)..from.saturating_add(count));
            }
            Some(_) | None => self.0.insert(from.min(self.0.len()), sum),
        }
        length(&range).saturating_sub(known_before)
    }

    /// Whether one number is in.
    pub(super) fn contains(&self, number: T) -> bool {
        let at = self.0.partition_point(|known| known.end <= number);
        self.0.get(at).is_some_and(|known| known.start <= number)
    }

    /// How many numbers are in.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().map(length).sum()
    }

    /// The ranges themselves.
    #[must_use]
    pub fn as_slice(&self) -> &[Range<T>] {
        &self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

fn length<T: Copy + Ord + Into<u64>>(range: &Range<T>) -> u64 {
    range.end.into().saturating_sub(range.start.into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_hold_what_a_set_of_numbers_holds(
            added in prop::collection::vec((0_u32..40, 0_u32..8), 0..30),
        ) {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for (start, count) in added {
                let new = (start..start + count).filter(|number| set.insert(*number)).count();
                prop_assert_eq!(ranges.insert(start..start + count), new as u64);
            }
            prop_assert_eq!(ranges.count(), set.len() as u64);
            for number in 0..50 {
                prop_assert_eq!(ranges.contains(number), set.contains(&number));
            }
            let apart = |two: &[Range<u32>]| two[0].end < two[1].start;
            prop_assert!(ranges.as_slice().windows(2).all(apart));
        }
    }
}
