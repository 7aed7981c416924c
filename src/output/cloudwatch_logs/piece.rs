//! What waits in a stream: some entries of a chunk, and the permit for just these.
//!
//! Pure. A piece is cut where a batch ends, so that each half has its own outcome.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::chunk::{Chunk, Storage};
use crate::ledger::{Permit, Reason, Shortage};
use crate::record::chunk::{Entries, Entry};
use crate::record::fields::SharedFields;
use crate::record::tag::Tag;
use crate::record::time::EventTime;

use super::limits::EVENT_OVERHEAD_BYTES;
use super::mishap::{Extent, Mishap};

/// What the bytes of an entry are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// A record, of which a message is made.
    Record,
    /// The message itself: a part of one that was too long, or one of several of a record.
    Text,
}

/// Entries that go to one stream, in order.
#[derive(Debug)]
pub(super) struct Piece {
    tag: Tag,
    input: u16,
    rewrites: u8,
    storage: Storage,
    pub(super) entries: Arc<Entries>,
    pub(super) range: Range<usize>,
    pub(super) shared: SharedFields,
    pub(super) arrived: Instant,
    pub(super) form: Form,
    /// Its one entry as it was in the chunk, once something else took the entry's place.
    origin: Option<Origin>,
    /// What was done to its record so that it fits; to be told once the record has arrived.
    pub(super) mishap: Option<Mishap>,
    /// There where the entries are some of a chunk's: others lie between them.
    part: Option<PartToken>,
    /// Owed for the records of `range`: as many as entries, but in texts of one record, of which
    /// only the last owes anything.
    pub(super) permit: Permit,
}

/// An entry of a chunk. Its memory is paid for as long as the piece's permit is there.
#[derive(Clone, Debug)]
struct Origin {
    entries: Arc<Entries>,
    entry: Entry,
}

/// Held by every piece of a chunk that was split by target: how many there are is how often it is
/// held.
pub(super) type PartToken = Arc<()>;

impl Piece {
    /// All of a chunk.
    pub(super) fn whole(chunk: Chunk) -> Self {
        Self {
            tag: chunk.tag,
            input: chunk.input,
            rewrites: chunk.rewrites,
            storage: chunk.storage,
            origin: None,
            mishap: None,
            part: None,
            range: 0..chunk.entries.len(),
            entries: chunk.entries,
            shared: chunk.shared,
            arrived: chunk.arrived,
            form: Form::Record,
            permit: chunk.permit,
        }
    }

    /// Some entries of a chunk, as a chunk.
    pub(super) fn part(chunk: Chunk, token: PartToken) -> Self {
        Self { part: Some(token), ..Self::whole(chunk) }
    }

    /// Roughly what the piece adds to a batch: enough to know that one is worth sending.
    pub(super) fn estimate_bytes(&self) -> usize {
        let entries = self.entries.entries.get(self.range.clone()).unwrap_or_default();
        let ends = entries.first().zip(entries.last());
        let span = match self.part {
            None => ends.map_or(0, |(first, last)| last.end.saturating_sub(first.start)),
            Some(_) => entries.iter().map(|entry| entry.end.saturating_sub(entry.start)).sum(),
        };
        let fields = self.shared.as_slice().iter();
        let shared: usize = fields.map(|field| field.key.len() + field.value.len() + 6).sum();
        let span = usize::try_from(span).unwrap_or(usize::MAX);
        span.saturating_add(entries.len() * (shared + EVENT_OVERHEAD_BYTES))
    }

    /// Whether it holds memory that is short.
    pub(super) fn eases(&self, shortage: &Shortage) -> bool {
        shortage.is_eased_by(self.input)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// The times of its entries, in order.
    pub(super) fn times(&self) -> impl Iterator<Item = EventTime> {
        let entries = self.entries.entries.get(self.range.clone()).unwrap_or_default();
        entries.iter().map(|entry| entry.time)
    }

    /// The records that are owed for it, and their times.
    pub(super) fn extent(&self) -> Extent {
        let from = self.times().min().unwrap_or_default();
        let to = self.times().max().unwrap_or_default();
        Extent { records: self.permit.receipt.records(), from, to }
    }

    /// The first entry, its bytes, and the records that are owed for it.
    pub(super) fn first(&self) -> Option<(Entry, &[u8], u32)> {
        let entry = self.entries.entries.get(self.range.start)?;
        let (start, end) = (usize::try_from(entry.start).ok()?, usize::try_from(entry.end).ok()?);
        let owed = u32::from(self.permit.receipt.records() > 0);
        Some((*entry, self.entries.data.get(start..end)?, owed))
    }

    /// Cuts the first `entries` off into a piece of their own.
    pub(super) fn split(&mut self, entries: usize) -> Self {
        let at = self.range.start.saturating_add(entries).min(self.range.end);
        let owed = match self.form {
            Form::Record => (at - self.range.start) as u64,
            Form::Text if entries > 0 => self.permit.receipt.records(),
            Form::Text => 0,
        };
        let first = self.range.start..at;
        self.range.start = at;
        let permit = self.permit.split(owed);
        self.beside(Arc::clone(&self.entries), first, permit)
    }

    /// Other entries of the same origin.
    fn beside(&self, entries: Arc<Entries>, range: Range<usize>, permit: Permit) -> Self {
        Self {
            tag: self.tag.clone(),
            input: self.input,
            rewrites: self.rewrites,
            storage: self.storage,
            entries,
            range,
            shared: self.shared.clone(),
            arrived: self.arrived,
            form: self.form,
            origin: self.origin.clone(),
            mishap: self.mishap,
            part: self.part.clone(),
            permit,
        }
    }

    /// Its records are given up.
    pub(super) fn dropped(mut self, reason: Reason) {
        self.ended();
        let records = self.permit.receipt.records();
        self.permit.receipt.dropped(records, reason);
    }

    /// Its records have their outcome, also for the store on disk. Of several texts of one record the
    /// last one speaks for it.
    pub(super) fn ended(&self) {
        if !self.permit.is_on_disk() || self.permit.receipt.records() == 0 {
            return;
        }
        match &self.origin {
            Some(origin) => self.permit.ended(std::iter::once(origin.entry.start)),
            None => {
                let entries = self.entries.entries.get(self.range.clone()).unwrap_or_default();
                self.permit.ended(entries.iter().map(|entry| entry.start));
            }
        }
    }

    /// The time to stop is up: a chunk of what waits, for the store, as it came: with the record where
    /// texts or a shorter one took its place. `None`: another text of the record speaks for it.
    pub(super) fn left(self) -> Option<Chunk> {
        if self.permit.receipt.records() == 0 {
            return None;
        }
        let (data, entries) = match self.origin {
            Some(Origin { entries, entry }) => (entries.data.clone(), vec![entry]),
            None => {
                let places = self.entries.entries.get(self.range).unwrap_or_default();
                (self.entries.data.clone(), places.to_vec())
            }
        };
        Some(Chunk {
            tag: self.tag,
            entries: Arc::new(Entries { data, entries }),
            shared: self.shared,
            input: self.input,
            rewrites: self.rewrites,
            arrived: self.arrived,
            storage: self.storage,
            permit: self.permit,
        })
    }

    /// Its one entry as it was in the chunk.
    fn origin(&self) -> Option<Origin> {
        let entry = || self.entries.entries.get(self.range.start).copied();
        let entries = || Arc::clone(&self.entries);
        self.origin.clone().or_else(|| Some(Origin { entry: entry()?, entries: entries() }))
    }

    /// Puts another record in the place of the piece's one.
    pub(super) fn with_record(mut self, time: EventTime, record: &[u8]) -> Self {
        self.origin = self.origin();
        (self.entries, self.range) = one_entry(time, record);
        self
    }

    /// Puts messages in the place of the piece's one record. The last of them owes it: the record
    /// is delivered when all of them are.
    pub(super) fn into_texts(mut self, time: EventTime, texts: &[impl AsRef<[u8]>]) -> Vec<Self> {
        self.origin = self.origin();
        self.form = Form::Text;
        let mishap = self.mishap.take();
        let mut pieces = Vec::with_capacity(texts.len());
        for (at, text) in texts.iter().enumerate() {
            let owed = if at + 1 == texts.len() { self.permit.receipt.records() } else { 0 };
            let (entries, range) = one_entry(time, text.as_ref());
            let permit = self.permit.split(owed);
            pieces.push(self.beside(entries, range, permit));
        }
        if let Some(last) = pieces.last_mut() {
            last.mishap = mishap;
        }
        pieces
    }
}

fn one_entry(time: EventTime, bytes: &[u8]) -> (Arc<Entries>, Range<usize>) {
    let end = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let entries = vec![Entry { time, start: 0, end }];
    (Arc::new(Entries { data: Bytes::copy_from_slice(bytes), entries }), 0..1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::fixture::{chunk, lines};
    use crate::ledger::Account;

    /// The second record of three.
    fn second(account: &Arc<Account>) -> (Piece, u32) {
        let chunk = chunk(account, "t", &[&[("n", "1")], &[("n", "2")], &[("n", "3")]]);
        let start = chunk.entries.entries[1].start;
        let mut piece = Piece::whole(chunk);
        piece.split(1).dropped(Reason::Refused);
        let second = piece.split(1);
        piece.dropped(Reason::Refused);
        (second, start)
    }

    #[test]
    fn a_shortened_record_is_left_as_it_came_and_where_it_was() {
        let account = Arc::new(Account::default());
        let (piece, start) = second(&account);
        let shorter = piece.with_record(EventTime::default(), b"\x80");
        assert_eq!(shorter.first().map(|(_, bytes, _)| bytes), Some(&b"\x80"[..]));
        let left = shorter.left().expect("it is owed");
        assert_eq!(left.entries.entries[0].start, start);
        assert_eq!(lines(left), ["n=2"]);
    }

    #[test]
    fn of_texts_that_are_left_the_last_gives_the_record() {
        let account = Arc::new(Account::default());
        let (piece, start) = second(&account);
        let texts = piece.into_texts(EventTime::default(), &["a", "b", "c"]);
        // One that is too long is cut once more.
        let texts =
            texts.into_iter().flat_map(|text| text.into_texts(EventTime::default(), &["x", "y"]));
        let left: Vec<Chunk> = texts.filter_map(Piece::left).collect();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].entries.entries[0].start, start);
        assert_eq!(left.into_iter().flat_map(lines).collect::<Vec<_>>(), ["n=2"]);
        assert_eq!(account.balance().held, 0);
    }
}
