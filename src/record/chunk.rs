//! What a decoder hands on: the entries of one tag, as offsets into the bytes that were read.
//!
//! Must not know how the bytes arrived or what becomes of them.

use bytes::Bytes;

use super::{tag::Tag, time::EventTime};

/// Most containers in each other that a record may have, its own map among them. Fluent Bit takes
/// 64, with the frame around the record among them.
pub const RECORD_DEPTH_MAX: usize = 128;

/// One record of an [`Entries`]: its time, and where its map lies in `data`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Entry {
    /// When the record was made, or received where the peer gave no usable time.
    pub time: EventTime,
    /// First byte of the record's msgpack map in [`Entries::data`].
    pub start: u32,
    /// One past its last byte.
    pub end: u32,
}

/// Records in the order they arrived. What lies between them in `data` is no record.
#[derive(Clone, Debug, Default)]
pub struct Entries {
    /// The bytes the offsets point into: a slice of what was read, shared and not copied.
    pub data: Bytes,
    /// The records, in ascending and disjoint places of `data`.
    pub entries: Vec<Entry>,
}

impl Entries {
    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The record in that place, with its time.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<(EventTime, &[u8])> {
        self.entries.get(place).map(|entry| (entry.time, record(&self.data, entry)))
    }

    /// The records in order, each with its time.
    pub fn iter(&self) -> impl Iterator<Item = (EventTime, &[u8])> {
        self.entries.iter().map(|entry| (entry.time, record(&self.data, entry)))
    }
}

/// An offset beyond `data` would be a decoder's defect; it reads as an empty slice, not a panic.
fn record<'a>(data: &'a [u8], entry: &Entry) -> &'a [u8] {
    let range = usize::try_from(entry.start).ok().zip(usize::try_from(entry.end).ok());
    range.and_then(|(start, end)| data.get(start..end)).unwrap_or_default()
}

/// Entries that share a tag: the unit an input hands on.
#[derive(Clone, Debug)]
pub struct TaggedEntries {
    /// The tag of them all.
    pub tag: Tag,
    /// The records.
    pub entries: Entries,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iterating_gives_the_slices_in_order_with_their_times() {
        let at = |nanos, start, end| Entry { time: EventTime::from_nanos(nanos), start, end };
        let data = Bytes::from_static(b"..\x80..\x81\xa1k\x01");
        let entries = Entries { data, entries: vec![at(7, 2, 3), at(8, 5, 9)] };
        let seen: Vec<_> = entries.iter().collect();
        assert_eq!(
            seen,
            [
                (EventTime::from_nanos(7), b"\x80".as_slice()),
                (EventTime::from_nanos(8), b"\x81\xa1k\x01".as_slice()),
            ]
        );
        assert_eq!((entries.len(), entries.is_empty()), (2, false));
        assert_eq!((entries.get(1), entries.get(2)), (seen.last().copied(), None));
    }
}
