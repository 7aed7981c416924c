//! The records of one request, gathered by tag: a chunk for each tag, in order within it.
//!
//! Must not know what the records were written in.

use std::collections::HashMap;
use std::convert::Infallible;

use super::tag;
use crate::chunk::CHUNK_OVERHEAD_BYTES;
use crate::input::item::CHUNK_ENTRIES_MAX;
use crate::record::accessor::Accessor;
use crate::record::chunk::{Entries, Entry, TaggedEntries};
use crate::record::edit::{EntriesWriter, MapWriter};
use crate::record::json_in::Pair;
use crate::record::map;
use crate::record::tag::Tag;
use crate::record::time::EventTime;

/// Bytes of records after which a chunk is closed and another begun: what is let go by the outputs
/// is let go by the chunk.
const CHUNK_BYTES_MAX: usize = 1 << 20;

/// What all records of a request have alike.
#[derive(Clone, Debug)]
pub(super) struct Stamp<'a> {
    /// When the request came, or what it says.
    pub(super) time: EventTime,
    /// The tag of records that have none of their own.
    pub(super) tag: Tag,
    /// Where they may have one.
    pub(super) tag_key: Option<&'a Accessor>,
    /// The address it came from, and its key. A record that has the key keeps its own.
    pub(super) remote_addr: Option<Pair<'a>>,
}

/// Records by tag.
#[derive(Debug)]
pub(super) struct Tagged<'a> {
    stamp: Stamp<'a>,
    groups: Vec<Group>,
    /// Where in `groups` a tag is.
    places: HashMap<Tag, usize>,
    done: Vec<TaggedEntries>,
    /// A record whose tag is in it is written here first. Kept for its memory.
    record: Vec<u8>,
    bytes: usize,
    records: u64,
    skipped: u64,
}

#[derive(Debug)]
struct Group {
    tag: Tag,
    records: EntriesWriter,
}

impl<'a> Tagged<'a> {
    pub(super) fn new(stamp: Stamp<'a>) -> Self {
        Self {
            stamp,
            groups: Vec::new(),
            places: HashMap::new(),
            done: Vec::new(),
            record: Vec::new(),
            bytes: 0,
            records: 0,
            skipped: 0,
        }
    }

    /// Bytes that the records cost up to now, about.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many records there are.
    pub(super) const fn records(&self) -> u64 {
        self.records
    }

    /// How many values were no records.
    pub(super) const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// A value that is no record.
    pub(super) fn skip(&mut self) {
        self.skipped += 1;
    }

    /// Has a record written, with the pair as its last: a second time without it, where the record
    /// has its key already.
    pub(super) fn push<E>(
        &mut self,
        mut write: impl FnMut(&mut Vec<u8>, Option<Pair<'_>>) -> Result<(), E>,
    ) -> Result<(), E> {
        let pair = self.stamp.remote_addr;
        let mut write = |out: &mut Vec<u8>| -> Result<(), E> {
            let start = out.len();
            write(out, pair)?;
            let written = out.get(start..).unwrap_or_default();
            if pair.is_some_and(|pair| has_twice(written, pair.key)) {
                out.truncate(start);
                write(out, None)?;
            }
            Ok(())
        };
        let Some(tag_key) = self.stamp.tag_key else {
            return self.push_to(None, write);
        };
        let mut record = std::mem::take(&mut self.record);
        record.clear();
        write(&mut record)?;
        let tag = tag_key.get(&record).and_then(map::text).and_then(tag::sanitised);
        let pushed = self.push_to(tag, |out| {
            out.extend_from_slice(&record);
            Ok::<(), Infallible>(())
        });
        self.record = record;
        match pushed {
            Ok(()) => Ok(()),
            Err(never) => match never {},
        }
    }

    /// Has a copy of a map written as a record.
    pub(super) fn push_map(&mut self, record: &[u8]) {
        let pushed = self.push(|out, pair| {
            match pair {
                None => out.extend_from_slice(record),
                Some(Pair { key, text }) => {
                    let mut fields = MapWriter::begin(out);
                    let own = map::pairs(record).into_iter().flatten();
                    own.for_each(|pair| fields.pair_raw(pair.key, pair.value));
                    fields.text(key, text);
                    fields.end();
                }
            }
            Ok::<(), Infallible>(())
        });
        match pushed {
            Ok(()) => {}
            Err(never) => match never {},
        }
    }

    fn push_to<E>(
        &mut self,
        tag: Option<Tag>,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let at = self.place(tag);
        // There is one at every place that was given out.
        let Some(Group { tag, records }) = self.groups.get_mut(at) else { return Ok(()) };
        let (before, mut failed) = (records.data_bytes(), None);
        records.try_write(self.stamp.time, |out| {
            write(out).map_err(|error| failed = Some(error)).ok()
        });
        if let Some(error) = failed {
            return Err(error);
        }
        self.records += 1;
        self.bytes += records.data_bytes() - before + size_of::<Entry>();
        if records.len() >= CHUNK_ENTRIES_MAX || records.data_bytes() >= CHUNK_BYTES_MAX {
            self.bytes += tag.as_bytes().len() + CHUNK_OVERHEAD_BYTES;
            let entries = fitted(std::mem::take(records));
            self.done.push(TaggedEntries { tag: tag.clone(), entries });
        }
        Ok(())
    }

    /// Where the records of this tag are gathered.
    fn place(&mut self, tag: Option<Tag>) -> usize {
        if self.groups.is_empty() {
            let group = Group { tag: self.stamp.tag.clone(), records: EntriesWriter::default() };
            self.bytes += group.cost_bytes();
            self.groups.push(group);
        }
        let Some(tag) = tag.filter(|tag| *tag != self.stamp.tag) else { return 0 };
        if let Some(place) = self.places.get(&tag) {
            return *place;
        }
        let place = self.groups.len();
        let group = Group { tag: tag.clone(), records: EntriesWriter::default() };
        self.bytes += group.cost_bytes();
        self.groups.push(group);
        self.places.insert(tag, place);
        place
    }

    /// The records, at least one in each of them.
    pub(super) fn finish(mut self) -> Vec<TaggedEntries> {
        for Group { tag, records } in self.groups {
            if !records.is_empty() {
                self.done.push(TaggedEntries { tag, entries: fitted(records) });
            }
        }
        self.done
    }
}

impl Group {
    /// What it costs before there is a record in it: its chunk, and its place.
    fn cost_bytes(&self) -> usize {
        size_of::<Self>() + 2 * self.tag.as_bytes().len() + CHUNK_OVERHEAD_BYTES
    }
}

/// Without room for more: what is kept is what is counted.
fn fitted(mut records: EntriesWriter) -> Entries {
    records.shrink_to_fit();
    records.finish()
}

/// Whether a record has a key more than once.
fn has_twice(record: &[u8], key: &[u8]) -> bool {
    let pairs = map::pairs(record).into_iter().flatten();
    pairs.filter(|pair| pair.key_text() == Some(key)).nth(1).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Chunk;

    fn stamp() -> Stamp<'static> {
        let time = EventTime::from_nanos(7);
        Stamp { time, tag: "path".into(), tag_key: None, remote_addr: None }
    }

    /// Tag and records of each chunk.
    fn shown(tagged: Tagged<'_>) -> Vec<(String, Vec<Vec<u8>>)> {
        let chunks = tagged.finish().into_iter();
        let records = |chunk: &TaggedEntries| {
            chunk.entries.iter().map(|(_, record)| record.to_vec()).collect()
        };
        chunks.map(|chunk| (chunk.tag.to_string(), records(&chunk))).collect()
    }

    #[test]
    fn records_are_gathered_by_their_tag_in_order() {
        let key = Accessor::parse("$t").unwrap();
        let mut tagged = Tagged::new(Stamp { tag_key: Some(&key), ..stamp() });
        let records: [&[u8]; 5] = [
            b"\x82\xa1t\xa1b\xa1n\x01",
            b"\x81\xa1n\x02",
            b"\x82\xa1t\xa1b\xa1n\x03",
            b"\x82\xa1t\x05\xa1n\x04",
            b"\x82\xa1t\xa4path\xa1n\x05",
        ];
        for record in records {
            tagged.push_map(record);
        }
        assert_eq!(tagged.records(), 5);
        let own = |places: &[usize]| places.iter().map(|at| records[*at].to_vec()).collect();
        let expected: Vec<(String, Vec<Vec<u8>>)> =
            vec![("path".to_owned(), own(&[1, 3, 4])), ("b".to_owned(), own(&[0, 2]))];
        assert_eq!(shown(tagged), expected);
    }

    #[test]
    fn an_address_is_added_unless_the_record_has_the_key() {
        let remote_addr = Some(Pair { key: b"ip", text: b"x" });
        let mut tagged = Tagged::new(Stamp { remote_addr, ..stamp() });
        tagged.push_map(b"\x81\xa1a\x01");
        tagged.push_map(b"\x81\xa2ip\xa1y");
        let expected = vec![b"\x82\xa1a\x01\xa2ip\xa1x".to_vec(), b"\x81\xa2ip\xa1y".to_vec()];
        assert_eq!(shown(tagged), [("path".to_owned(), expected)]);
    }

    #[test]
    fn a_record_that_cannot_be_written_leaves_no_trace() {
        let mut tagged = Tagged::new(stamp());
        tagged.push_map(b"\x80");
        let failed = tagged.push(|out, _| {
            out.push(0x81);
            Err("cut")
        });
        assert_eq!((failed, tagged.records()), (Err("cut"), 1));
        assert_eq!(shown(tagged), [("path".to_owned(), vec![b"\x80".to_vec()])]);
    }

    #[test]
    fn a_chunk_holds_a_bounded_number_of_records() {
        for (records, chunks) in [(4_096, vec![4_096]), (4_097, vec![4_096, 1])] {
            let mut tagged = Tagged::new(stamp());
            (0..records).for_each(|_| tagged.push_map(b"\x80"));
            let found: Vec<_> = tagged.finish().iter().map(|one| one.entries.len()).collect();
            assert_eq!(found, chunks);
        }
    }

    #[test]
    fn no_more_is_handed_on_than_was_counted() {
        let key = Accessor::parse("$t").unwrap();
        for (tags, records) in [(1, 10_000), (500, 1), (20, 300)] {
            let mut tagged = Tagged::new(Stamp { tag_key: Some(&key), ..stamp() });
            for number in 0..tags * records {
                let tag = format!("{:03}", number % tags);
                tagged.push_map(&[b"\x81\xa1t\xa3", tag.as_bytes()].concat());
            }
            let counted = tagged.bytes();
            let chunks = tagged.finish();
            let cost = |chunk: &TaggedEntries| Chunk::cost_bytes(&chunk.tag, &chunk.entries);
            let cost: usize = chunks.iter().map(cost).sum();
            assert!((cost..2 * cost).contains(&counted), "{counted} for {cost}");
            let entries = chunks.iter().map(|chunk| &chunk.entries.entries);
            assert!(entries.into_iter().all(|entries| entries.capacity() == entries.len()));
        }
    }
}
