//! Records written anew: what a filter makes of the records of a chunk.
//!
//! Must not know which filter, or why.

use bytes::Bytes;

use super::chunk::{Entries, Entry};
use super::msgpack::Writer;
use super::time::EventTime;

/// Records of one chunk under construction.
#[derive(Debug, Default)]
pub struct EntriesWriter {
    data: Vec<u8>,
    entries: Vec<Entry>,
}

impl EntriesWriter {
    /// Room for records like these.
    #[must_use]
    pub fn like(entries: &Entries) -> Self {
        Self {
            data: Vec::with_capacity(entries.data.len()),
            entries: Vec::with_capacity(entries.len()),
        }
    }

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

    /// Bytes of the records so far.
    #[must_use]
    pub fn data_bytes(&self) -> usize {
        self.data.len()
    }

    /// Appends a record as it is.
    pub fn copy(&mut self, time: EventTime, record: &[u8]) {
        self.write(time, |out| out.extend_from_slice(record));
    }

    /// Appends the record that `write` appends to the buffer; it must be one whole map.
    pub fn write<R>(&mut self, time: EventTime, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        let start = self.data.len();
        let result = write(&mut self.data);
        // The offsets fit: frames are far below 4 GiB, and what filters make of them is bounded.
        if let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(self.data.len())) {
            self.entries.push(Entry { time, start, end });
        }
        result
    }

    /// Appends what `write` appends, or nothing at all if it says `None`.
    pub fn try_write<R>(
        &mut self,
        time: EventTime,
        write: impl FnOnce(&mut Vec<u8>) -> Option<R>,
    ) -> Option<R> {
        let start = self.data.len();
        let result = self.write(time, write);
        if result.is_none() {
            self.data.truncate(start);
            self.entries.pop();
        }
        result
    }

    /// Gives back what there is room for beyond the records.
    pub fn shrink_to_fit(&mut self) {
        self.data.shrink_to_fit();
        self.entries.shrink_to_fit();
    }

    /// The records.
    #[must_use]
    pub fn finish(self) -> Entries {
        Entries { data: Bytes::from(self.data), entries: self.entries }
    }
}

/// A map under construction: the number of its pairs is written when it is known.
#[derive(Debug)]
pub struct MapWriter<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    pairs: u32,
}

impl<'a> MapWriter<'a> {
    /// Begins a map at the end of `out`.
    pub fn begin(out: &'a mut Vec<u8>) -> Self {
        let start = out.len();
        // Room for the header of a small map, which nearly all are.
        out.push(0x80);
        Self { out, start, pairs: 0 }
    }

    /// How many pairs there are.
    #[must_use]
    pub const fn pairs(&self) -> u32 {
        self.pairs
    }

    /// Appends a key and its value, both msgpack.
    pub fn pair_raw(&mut self, key: &[u8], value: &[u8]) {
        self.out.extend_from_slice(key);
        self.out.extend_from_slice(value);
        self.pairs = self.pairs.saturating_add(1);
    }

    /// Appends pairs that stand one after the other in `msgpack`.
    pub fn pairs_raw(&mut self, msgpack: &[u8], pairs: u32) {
        self.out.extend_from_slice(msgpack);
        self.pairs = self.pairs.saturating_add(pairs);
    }

    /// Appends a key of text. Exactly one value has to be written next.
    pub fn key(&mut self, key: &[u8]) -> Writer<'_> {
        self.pairs = self.pairs.saturating_add(1);
        let mut writer = Writer::new(self.out);
        writer.str(key);
        writer
    }

    /// Appends a field of text.
    pub fn text(&mut self, key: &[u8], value: &[u8]) {
        self.key(key).str(value);
    }

    /// Writes the number of pairs, in its shortest form.
    pub fn end(self) {
        let [a, b, c, d] = self.pairs.to_be_bytes();
        let header: &[u8] = match self.pairs {
            0..=15 => &[0x80 | d],
            16..=0xffff => &[0xde, c, d],
            _ => &[0xdf, a, b, c, d],
        };
        self.out.splice(self.start..=self.start, header.iter().copied());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::map;

    fn map_of(pairs: u32) -> Vec<u8> {
        let mut out = b"before".to_vec();
        let mut map = MapWriter::begin(&mut out);
        (0..pairs).for_each(|pair| map.key(b"k").uint(pair.into()));
        map.end();
        out.split_off(6)
    }

    #[test]
    fn a_header_is_as_short_as_its_pairs_allow() {
        for (pairs, header) in
            [(0, &b"\x80"[..]), (15, b"\x8f"), (16, b"\xde\0\x10"), (65_536, b"\xdf\0\x01\0\0")]
        {
            let map = map_of(pairs);
            assert!(map.starts_with(header), "{pairs}");
            assert_eq!(map::pairs(&map).expect("a map").count(), pairs as usize);
        }
    }

    #[test]
    fn a_record_that_is_taken_back_leaves_no_bytes() {
        let mut writer = EntriesWriter::default();
        let at = EventTime::from_nanos(1);
        writer.copy(at, b"\x80");
        let gone = writer.try_write(at, |out| {
            out.push(0x81);
            None::<()>
        });
        writer.copy(at, b"\x80");
        let entries = writer.finish();
        assert_eq!((gone, entries.len(), &*entries.data), (None, 2, &b"\x80\x80"[..]));
    }
}
