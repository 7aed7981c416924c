//! The unit that flows from an input to an output.
//!
//! Knows what a chunk costs in memory and how it is handed to several outputs; must not know what
//! filters or outputs do with it.

use std::sync::Arc;
use std::time::Instant;

use crate::ledger::{Account, Permit, Reason};
use crate::record::chunk::{Entries, Entry};
use crate::record::edit::{EntriesWriter, MapWriter};
use crate::record::fields::SharedFields;
use crate::record::map;
use crate::record::tag::Tag;

/// Bytes that a chunk costs of the memory budget besides its data: the structures around it. It
/// also bounds how many chunks a budget can hold.
pub const CHUNK_OVERHEAD_BYTES: usize = 512;
/// [`Chunk::input`] of metrics, which filters do not see. No configuration has that many inputs.
pub const METRICS: u16 = EMITTERS - 1;
/// From here on [`Chunk::input`] is no place of an input but says which filter gave the chunk its
/// tag. Fluent Bit makes a hidden input for each such filter.
pub const EMITTERS: u16 = 0x8000;
/// From here on it was a stream task.
pub const STREAMS: u16 = 0xc000;
/// Most times that records may get another tag, inclusive: filters whose tags lead to one another
/// would go round for ever. Fluent Bit does, unless a filter meets what it emitted itself.
pub const REWRITES_MAX: u8 = 16;

/// Where the records of an input wait until they are delivered. Option `storage.type`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Storage {
    /// In memory; on disk only where memory is short.
    #[default]
    Memory,
    /// On disk before they are acknowledged.
    Filesystem,
}

/// Records of one tag that arrived together, and the [`Permit`] that follows them.
#[derive(Debug)]
pub struct Chunk {
    /// The tag of them all.
    pub tag: Tag,
    /// The records as they came; shared by all outputs that hold the chunk.
    pub entries: Arc<Entries>,
    /// The fields that follow each record's own.
    pub shared: SharedFields,
    /// The place of its input in the configuration; from [`EMITTERS`] on the filter that emitted it.
    pub input: u16,
    /// How often a filter gave it another tag.
    pub rewrites: u8,
    /// When it was read: flushing counts from here.
    pub arrived: Instant,
    /// Where it waits.
    pub storage: Storage,
    /// What is owed for it. Its receipt counts the entries.
    pub permit: Permit,
}

impl Chunk {
    /// The bytes of the memory budget that `entries` of a tag cost.
    #[must_use]
    pub fn cost_bytes(tag: &Tag, entries: &Entries) -> usize {
        tag.as_bytes().len()
            + entries.data.len()
            + entries.entries.len() * size_of::<Entry>()
            + CHUNK_OVERHEAD_BYTES
    }

    /// The bytes of its records with the shared fields written into each.
    #[must_use]
    pub fn whole_bytes(&self) -> usize {
        let shared = self.shared.as_slice().iter();
        let shared: usize = shared.map(|field| field.key.len() + field.value.len()).sum();
        self.entries.data.len().saturating_add(shared.saturating_mul(self.entries.len()))
    }

    /// How many records it holds.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.permit.receipt.records()
    }

    /// A copy for another account, over the same memory.
    #[must_use]
    pub fn receive_at(&self, account: &Arc<Account>) -> Self {
        Self {
            tag: self.tag.clone(),
            entries: Arc::clone(&self.entries),
            shared: self.shared.clone(),
            input: self.input,
            rewrites: self.rewrites,
            arrived: self.arrived,
            storage: self.storage,
            permit: self.permit.receive_at(account),
        }
    }

    /// A chunk of the same origin for `entries`, which takes over the obligation for as many of
    /// the records.
    #[must_use]
    pub fn split(&mut self, entries: Entries) -> Self {
        let records = entries.len() as u64;
        Self {
            tag: self.tag.clone(),
            entries: Arc::new(entries),
            shared: self.shared.clone(),
            input: self.input,
            rewrites: self.rewrites,
            arrived: self.arrived,
            storage: self.storage,
            permit: self.permit.split(records),
        }
    }

    /// A chunk under another tag for `entries`, which takes over the obligation for as many of the
    /// records.
    #[must_use]
    pub fn split_to(&mut self, tag: Tag, emitter: u16, entries: Entries) -> Self {
        let rewrites = self.rewrites.saturating_add(1);
        Self { tag, input: emitter, rewrites, ..self.split(entries) }
    }

    /// Writes the shared fields into every record, for filters that look at all fields.
    #[must_use]
    pub fn with_own_fields(mut self) -> Self {
        self.entries = self.entries_with_shared();
        self.shared = SharedFields::default();
        self
    }

    /// The records, with the shared fields written into each; no copy where there are none.
    #[must_use]
    pub fn entries_with_shared(&self) -> Arc<Entries> {
        if self.shared.is_empty() {
            return Arc::clone(&self.entries);
        }
        let mut records = EntriesWriter::like(&self.entries);
        for (time, record) in self.entries.iter() {
            records.write(time, |out| write_with(record, &self.shared, out));
        }
        Arc::new(records.finish())
    }

    /// Appends one of its records as it is with the shared fields.
    pub fn write_whole(&self, record: &[u8], out: &mut Vec<u8>) {
        write_with(record, &self.shared, out);
    }

    /// Keeps the entries that pass the test and drops the others as filtered. `None`: none is left.
    #[must_use]
    pub fn retain(mut self, keep: impl FnMut(&[u8]) -> bool) -> Option<Self> {
        let before = self.entries.len();
        let kept: Vec<Entry> = {
            let keeps = self.entries.iter().map(|(_, record)| record).map(keep);
            let places = self.entries.entries.iter().zip(keeps);
            places.filter_map(|(entry, keeps)| keeps.then_some(*entry)).collect()
        };
        let gone = before.saturating_sub(kept.len());
        if gone > 0 {
            self.permit.receipt.dropped(gone as u64, Reason::Filtered);
            Arc::make_mut(&mut self.entries).entries = kept;
        }
        (!self.entries.is_empty()).then_some(self)
    }

    /// The whole chunk reached what its account leads to.
    pub fn delivered(mut self) {
        self.ended();
        let records = self.records();
        self.permit.receipt.delivered(records);
    }

    /// Gives the whole chunk up. One that lies on disk stays there if the process only stops.
    pub fn dropped(mut self, reason: Reason) {
        let records = self.records();
        match reason {
            Reason::Stopped => self.permit.left(),
            // A defect of ours: perhaps the next start delivers it.
            Reason::Lost => self.permit.receipt.dropped(records, reason),
            Reason::Filtered
            | Reason::Unmatched
            | Reason::Empty
            | Reason::LogKeyMissing
            | Reason::TooOld
            | Reason::TooNew
            | Reason::Expired
            | Reason::Refused
            | Reason::Closed
            | Reason::RetriesExhausted
            | Reason::Damaged => {
                self.ended();
                self.permit.receipt.dropped(records, reason);
            }
        }
    }

    /// Its records have their outcome, also for the store on disk.
    fn ended(&self) {
        self.permit.ended(self.entries.entries.iter().map(|entry| entry.start));
    }
}

/// The record's own fields, then the shared ones. A shared field that yields is left out where the
/// record has one of its name.
pub(crate) fn write_with(record: &[u8], shared: &SharedFields, out: &mut Vec<u8>) {
    let own = || map::pairs(record).into_iter().flatten();
    let mut fields = MapWriter::begin(out);
    own().for_each(|pair| fields.pair_raw(pair.key, pair.value));
    for field in shared.as_slice() {
        if !(field.yields && own().any(|pair| pair.key_text() == Some(&field.key))) {
            fields.text(&field.key, &field.value);
        }
    }
    fields.end();
}

/// Chunks for tests, and what is in them.
#[cfg(test)]
pub(crate) mod fixture {
    use bytes::Bytes;

    use super::*;
    use crate::ledger::Share;
    use crate::record::msgpack::{Reader, Writer};
    use crate::record::time::EventTime;

    /// A record of text fields.
    pub(crate) type Fields<'a> = &'a [(&'a str, &'a str)];

    /// A chunk of these records, one a second from 1,700,000,000 on.
    pub(crate) fn chunk(account: &Arc<Account>, tag: &str, records: &[Fields<'_>]) -> Chunk {
        let (mut data, mut entries) = (Vec::new(), Vec::new());
        for (at, fields) in records.iter().enumerate() {
            let start = u32::try_from(data.len()).expect("small");
            let mut writer = Writer::new(&mut data);
            writer.map_header(u32::try_from(fields.len()).expect("small"));
            for (key, value) in *fields {
                writer.str(key.as_bytes());
                writer.str(value.as_bytes());
            }
            let end = u32::try_from(data.len()).expect("small");
            let second = i64::try_from(at).expect("small");
            entries.push(Entry {
                time: EventTime::from_parts(1_700_000_000 + second, 0),
                start,
                end,
            });
        }
        let receipt = account.receive(records.len() as u64);
        Chunk {
            tag: tag.into(),
            entries: Arc::new(Entries { data: Bytes::from(data), entries }),
            shared: SharedFields::default(),
            input: 0,
            rewrites: 0,
            arrived: crate::clock::now(),
            storage: Storage::default(),
            permit: Permit::new(receipt, Share::empty()),
        }
    }

    /// The records' own fields as `key=value`, then the shared ones; settles the chunk.
    pub(crate) fn lines(chunk: Chunk) -> Vec<String> {
        let text = |msgpack: &[u8]| {
            String::from_utf8_lossy(Reader::new(msgpack).text().expect("text")).into_owned()
        };
        let shared = chunk.shared.as_slice().iter().map(|field| {
            let [key, value] = [&field.key, &field.value].map(|one| String::from_utf8_lossy(one));
            format!("{key}={value}")
        });
        let shared: Vec<_> = shared.collect();
        let line = |record| {
            let own = map::pairs(record).expect("a map");
            let own = own.map(|pair| format!("{}={}", text(pair.key), text(pair.value)));
            own.chain(shared.iter().cloned()).collect::<Vec<_>>().join(" ")
        };
        let lines = chunk.entries.iter().map(|(_, record)| line(record)).collect();
        chunk.delivered();
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::{chunk, lines};
    use super::*;
    use crate::record::fields::SharedField;

    #[test]
    fn shared_fields_become_a_records_own_unless_they_yield_to_it() {
        let account = Arc::new(Account::default());
        let field = |key: &str, yields| SharedField {
            key: key.as_bytes().into(),
            value: (*b"shared").into(),
            yields,
        };
        let mut chunk = chunk(&account, "t", &[&[("a", "1"), ("b", "2")], &[]]);
        chunk.shared = SharedFields::new(vec![field("a", false), field("b", true)]);
        let chunk = chunk.with_own_fields();
        assert!(chunk.shared.is_empty());
        assert_eq!(lines(chunk), ["a=1 b=2 a=shared", "a=shared b=shared"]);
    }

    #[test]
    fn a_chunk_without_shared_fields_keeps_its_memory() {
        let account = Arc::new(Account::default());
        let chunk = chunk(&account, "t", &[&[("a", "1")]]);
        let before = Arc::clone(&chunk.entries);
        let after = chunk.with_own_fields();
        assert!(Arc::ptr_eq(&before, &after.entries));
        after.delivered();
    }
}
