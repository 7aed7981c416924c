//! Counts numbered messages: those that contain ` id=<word>` and, after it, `seq=<digits>`. A few
//! integers and a bitmap an id, so that a load of any length can be checked for loss, duplicates
//! and order without keeping it. Must not know events, groups or streams.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

/// Most ids that are counted; messages of further ones are only counted as untracked.
const IDS_MAX: usize = 10_000;
/// Longest id, in bytes.
const ID_BYTES_MAX: usize = 128;
/// Numbers of one page of the bitmap, which takes 4 KiB.
const PAGE_NUMBERS: u64 = 32_768;
const PAGE_WORDS: usize = 512;
/// Most pages over all ids: 128 MiB, a thousand million numbers without gaps.
const PAGES_MAX: usize = 32_768;

const _: () = assert!(PAGE_WORDS * 64 == 32_768 && PAGE_NUMBERS == 32_768);

/// What was counted for one id.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct SequenceCount {
    /// Messages, duplicates among them.
    pub received: u64,
    /// Messages whose number had been received before.
    pub duplicates: u64,
    /// Messages, not duplicates, whose number is lower than one received before.
    pub inversions: u64,
    /// Lowest number.
    pub min: u64,
    /// Highest number.
    pub max: u64,
    /// Messages whose number no longer found room in the bitmap: they may be duplicates.
    pub untracked: u64,
}

/// Everything that was counted.
#[derive(Debug, Default)]
pub(super) struct Sequences {
    ids: HashMap<String, Sequence>,
    pages: usize,
    /// Messages without id and number, or with an id beyond the limit.
    pub(super) unnumbered: u64,
}

#[derive(Debug)]
struct Sequence {
    count: SequenceCount,
    pages: BTreeMap<u64, Box<[u64; PAGE_WORDS]>>,
}

impl Sequences {
    /// Counts one message.
    pub(super) fn take(&mut self, message: &str) {
        let Some((id, number)) = numbered(message) else {
            self.unnumbered += 1;
            return;
        };
        if let Some(sequence) = self.ids.get_mut(id) {
            sequence.take(number, &mut self.pages);
        } else if self.ids.len() < IDS_MAX {
            let mut sequence = Sequence::starting(number);
            sequence.take(number, &mut self.pages);
            self.ids.insert(id.to_owned(), sequence);
        } else {
            self.unnumbered += 1;
        }
    }

    /// The counts by id.
    pub(super) fn counts(&self) -> BTreeMap<String, SequenceCount> {
        self.ids.iter().map(|(id, sequence)| (id.clone(), sequence.count)).collect()
    }
}

impl Sequence {
    fn starting(number: u64) -> Self {
        let count = SequenceCount {
            received: 0,
            duplicates: 0,
            inversions: 0,
            min: number,
            max: number,
            untracked: 0,
        };
        Self { count, pages: BTreeMap::new() }
    }

    fn take(&mut self, number: u64, pages: &mut usize) {
        self.count.received += 1;
        match self.mark(number, pages) {
            Some(false) => self.count.duplicates += 1,
            Some(true) => self.count.inversions += u64::from(number < self.count.max),
            None => {
                self.count.untracked += 1;
                self.count.inversions += u64::from(number < self.count.max);
            }
        }
        self.count.min = self.count.min.min(number);
        self.count.max = self.count.max.max(number);
    }

    /// Whether `number` is new; `None` if there is no room to tell.
    fn mark(&mut self, number: u64, pages: &mut usize) -> Option<bool> {
        let (page, within) = (number / PAGE_NUMBERS, number % PAGE_NUMBERS);
        let page = match self.pages.entry(page) {
            Entry::Occupied(page) => page.into_mut(),
            Entry::Vacant(_) if *pages == PAGES_MAX => return None,
            Entry::Vacant(vacant) => {
                *pages += 1;
                vacant.insert(Box::new([0; PAGE_WORDS]))
            }
        };
        let word = page.get_mut(usize::try_from(within / 64).ok()?)?;
        let bit = 1 << (within % 64);
        let new = *word & bit == 0;
        *word |= bit;
        Some(new)
    }
}

/// The id and the number of a message. Of a JSON object the text under `"log"` is looked at.
///
/// Looks from one `=` to the next, which is several times faster than a search for each key.
fn numbered(message: &str) -> Option<(&str, u64)> {
    let text = if message.starts_with('{') { log_of(message) } else { message };
    let mut id = None;
    for (at, _) in text.match_indices('=') {
        let (key, value) = text.split_at_checked(at)?;
        let value = value.strip_prefix('=')?;
        match id {
            None if key.ends_with(" id") => id = Some(word(value)?),
            Some(id) if key.ends_with("seq") => return Some((id, digits(value)?)),
            _ => {}
        }
    }
    None
}

/// What follows `"log":` in a JSON object; all of it if it has no such member.
fn log_of(message: &str) -> &str {
    message
        .match_indices(':')
        .find_map(|(at, _)| {
            let (key, value) = message.split_at_checked(at)?;
            key.ends_with("\"log\"").then_some(value)
        })
        .unwrap_or(message)
}

fn word(text: &str) -> Option<&str> {
    let end = text.find([' ', '"', '\\', ',', '\t', '\n']).unwrap_or(text.len());
    let (word, _) = text.split_at_checked(end)?;
    (1..=ID_BYTES_MAX).contains(&word.len()).then_some(word)
}

fn digits(text: &str) -> Option<u64> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, _) = text.split_at_checked(end)?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn count(numbers: &[u64]) -> SequenceCount {
        let mut sequences = Sequences::default();
        for number in numbers {
            sequences.take(&format!("x id=a seq={number} y"));
        }
        *sequences.counts().get("a").expect("numbers of a")
    }

    #[test]
    fn id_and_number_are_found_in_text_and_under_log() {
        assert_eq!(numbered("2023 id=c1 x seq=7"), Some(("c1", 7)));
        assert_eq!(numbered(r#"{"a":" id=no seq=1","log":"t id=c1 seq=07 z"}"#), Some(("c1", 7)));
        assert_eq!(numbered(r#"{"log":"t id=c1 seq=9"}"#), Some(("c1", 9)));
        for text in ["", "id=a seq=1", " id=a", "seq=1 id=a", " id=a seq=", " id= seq=1", "x"] {
            assert_eq!(numbered(text), None, "{text}");
        }
        assert_eq!(numbered(" id=a seq=18446744073709551616"), None);
    }

    #[test]
    fn a_run_in_order_has_no_duplicates_and_no_inversions() {
        let count = count(&[1, 2, 3, 40_000, 40_001]);
        assert_eq!((count.received, count.duplicates, count.inversions), (5, 0, 0));
        assert_eq!((count.min, count.max, count.untracked), (1, 40_001, 0));
    }

    #[test]
    fn a_number_seen_before_is_a_duplicate_and_not_an_inversion() {
        let count = count(&[0, 1, 2, 1, 2, 3]);
        assert_eq!((count.received, count.duplicates, count.inversions), (6, 2, 0));
    }

    #[test]
    fn a_number_below_the_highest_is_an_inversion() {
        let count = count(&[5, 3, 4, 6]);
        assert_eq!((count.duplicates, count.inversions, count.min, count.max), (0, 2, 3, 6));
    }

    #[test]
    fn ids_are_counted_apart_and_what_has_none_is_unnumbered() {
        let mut sequences = Sequences::default();
        for text in [" id=a seq=1", " id=b seq=1", "none"] {
            sequences.take(text);
        }
        assert_eq!(sequences.counts().len(), 2);
        assert_eq!(sequences.unnumbered, 1);
    }

    #[test]
    fn the_bitmap_stops_growing_at_its_limit() {
        let mut sequence = Sequence::starting(0);
        let mut pages = PAGES_MAX - 1;
        sequence.take(0, &mut pages);
        sequence.take(PAGE_NUMBERS, &mut pages);
        assert_eq!((pages, sequence.count.untracked, sequence.count.received), (PAGES_MAX, 1, 2));
    }

    proptest! {
        #[test]
        fn distinct_numbers_are_those_of_a_set(numbers in prop::collection::vec(0_u64..200, 1..300)) {
            let count = count(&numbers);
            let distinct = numbers.iter().collect::<std::collections::BTreeSet<_>>().len();
            prop_assert_eq!(count.received - count.duplicates, distinct as u64);
        }

        #[test]
        fn no_text_makes_counting_panic(text: String) {
            Sequences::default().take(&text);
        }
    }
}
