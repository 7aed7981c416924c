//! A record's pairs on the way to another record: what editing a map comes down to.
//!
//! Holds views only, of the record and of what is put into it; nothing is copied before
//! [`PairList::write`]. Must not know who edits, or why.

use super::map::{self, Pair};
use super::msgpack::Writer;

/// The pairs of one map, in order.
#[derive(Clone, Debug, Default)]
pub struct PairList<'a> {
    pairs: Vec<Pair<'a>>,
}

impl<'a> PairList<'a> {
    /// Takes the pairs of a map in place of what it held; of what is no map it takes none. The
    /// memory of the list is used again.
    pub fn read(&mut self, map: &'a [u8]) {
        self.pairs.clear();
        self.pairs.extend(map::pairs(map).into_iter().flatten());
    }

    /// How many pairs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The pairs.
    pub fn iter(&self) -> impl Iterator<Item = &Pair<'a>> {
        self.pairs.iter()
    }

    /// How many pairs have this key.
    #[must_use]
    pub fn count(&self, key: &[u8]) -> usize {
        self.pairs.iter().filter(|pair| pair.key_text() == Some(key)).count()
    }

    /// Whether there is a pair with this key.
    #[must_use]
    pub fn has(&self, key: &[u8]) -> bool {
        self.pairs.iter().any(|pair| pair.key_text() == Some(key))
    }

    /// The value under this key: the last of equal ones.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&'a [u8]> {
        let pair = self.pairs.iter().rev().find(|pair| pair.key_text() == Some(key));
        pair.map(|pair| pair.value)
    }

    /// Takes out the pairs that pass the test. Says whether there was one.
    pub fn remove(&mut self, is_meant: impl Fn(&Pair<'a>) -> bool) -> bool {
        let before = self.pairs.len();
        self.pairs.retain(|pair| !is_meant(pair));
        self.pairs.len() < before
    }

    /// Takes out the pairs with this key. Says whether there was one.
    pub fn remove_key(&mut self, key: &[u8]) -> bool {
        self.remove(|pair| pair.key_text() == Some(key))
    }

    /// Puts a pair at the end; both are msgpack.
    pub fn push(&mut self, key: &'a [u8], value: &'a [u8]) {
        self.pairs.push(Pair { key, value });
    }

    /// Gives the pairs with the key `from` the key `to`, which is msgpack, where they stand.
    pub fn rename(&mut self, from: &[u8], to: &'a [u8]) {
        let pairs = self.pairs.iter_mut().filter(|pair| pair.key_text() == Some(from));
        pairs.for_each(|pair| pair.key = to);
    }

    /// Puts a value, which is msgpack, in the place of every one under this key.
    pub fn replace(&mut self, key: &[u8], value: &'a [u8]) {
        let pairs = self.pairs.iter_mut().filter(|pair| pair.key_text() == Some(key));
        pairs.for_each(|pair| pair.value = value);
    }

    /// Puts a pair of the key `to`, which is msgpack, right behind the last pair with the key
    /// `from`, with the same value.
    pub fn copy(&mut self, from: &[u8], to: &'a [u8]) {
        let place = self.pairs.iter().rposition(|pair| pair.key_text() == Some(from));
        let value = place.and_then(|place| self.pairs.get(place)).map(|pair| pair.value);
        if let (Some(place), Some(value)) = (place, value) {
            self.pairs.insert(place + 1, Pair { key: to, value });
        }
    }

    /// Moves the pairs that pass the test to the start, in their order. Says whether there was one.
    pub fn move_to_start(&mut self, is_meant: impl Fn(&Pair<'a>) -> bool) -> bool {
        // Stable, so that neither part changes its order.
        self.pairs.sort_by_key(|pair| !is_meant(pair));
        self.pairs.first().is_some_and(is_meant)
    }

    /// Moves the pairs that pass the test to the end, in their order. Says whether there was one.
    pub fn move_to_end(&mut self, is_meant: impl Fn(&Pair<'a>) -> bool) -> bool {
        self.pairs.sort_by_key(|pair| is_meant(pair));
        self.pairs.last().is_some_and(is_meant)
    }

    /// Appends the map of these pairs to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.map_header(u32::try_from(self.pairs.len()).unwrap_or(u32::MAX));
        for pair in &self.pairs {
            writer.raw(pair.key);
            writer.raw(pair.value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"a": "x", "b": "y", "a": "z"}`
    const RECORD: &[u8] = b"\x83\xa1a\xa1x\xa1b\xa1y\xa1a\xa1z";

    fn edited(edit: impl FnOnce(&mut PairList<'static>)) -> Vec<u8> {
        let mut pairs = PairList::default();
        pairs.read(RECORD);
        edit(&mut pairs);
        let mut out = Vec::new();
        pairs.write(&mut out);
        out
    }

    #[test]
    fn a_list_that_is_not_edited_is_the_same_map() {
        assert_eq!(edited(|_| ()), RECORD);
    }

    #[test]
    fn every_pair_of_a_key_is_removed_renamed_or_replaced() {
        assert_eq!(edited(|pairs| assert!(pairs.remove_key(b"a"))), b"\x81\xa1b\xa1y");
        assert_eq!(edited(|pairs| assert!(!pairs.remove_key(b"c"))), RECORD);
        let renamed = edited(|pairs| pairs.rename(b"a", b"\xa1c"));
        assert_eq!(renamed, b"\x83\xa1c\xa1x\xa1b\xa1y\xa1c\xa1z");
        let replaced = edited(|pairs| pairs.replace(b"a", b"\x05"));
        assert_eq!(replaced, b"\x83\xa1a\x05\xa1b\xa1y\xa1a\x05");
    }

    #[test]
    fn a_copy_stands_right_behind_the_last_pair_of_its_key() {
        assert_eq!(edited(|pairs| pairs.copy(b"b", b"\xa1c")), {
            b"\x84\xa1a\xa1x\xa1b\xa1y\xa1c\xa1y\xa1a\xa1z"
        });
        assert_eq!(edited(|pairs| pairs.copy(b"a", b"\xa1c")), {
            b"\x84\xa1a\xa1x\xa1b\xa1y\xa1a\xa1z\xa1c\xa1z"
        });
        assert_eq!(edited(|pairs| pairs.copy(b"absent", b"\xa1c")), RECORD);
    }

    #[test]
    fn pairs_that_are_moved_keep_their_order_and_so_do_the_others() {
        let is_a = |pair: &Pair<'_>| pair.key_text() == Some(b"a");
        let start = edited(|pairs| assert!(pairs.move_to_start(is_a)));
        assert_eq!(start, b"\x83\xa1a\xa1x\xa1a\xa1z\xa1b\xa1y");
        let end = edited(|pairs| assert!(pairs.move_to_end(is_a)));
        assert_eq!(end, b"\x83\xa1b\xa1y\xa1a\xa1x\xa1a\xa1z");
        assert_eq!(edited(|pairs| assert!(!pairs.move_to_end(|_| false))), RECORD);
    }

    #[test]
    fn the_last_of_equal_keys_is_the_one_that_is_found() {
        let mut pairs = PairList::default();
        pairs.read(RECORD);
        assert_eq!(pairs.get(b"a"), Some(b"\xa1z".as_slice()));
        assert_eq!((pairs.count(b"a"), pairs.has(b"c"), pairs.get(b"c")), (2, false, None));
        pairs.read(b"\xa1x");
        assert!(pairs.is_empty(), "what is no map has no pairs");
    }
}
