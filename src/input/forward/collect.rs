//! Gathers the entries of one call into as few chunks as may be: consecutive frames of one tag
//! share one. Must not know how a frame is read.

use std::{mem, ops::Range};

use bytes::Bytes;

use crate::{
    input::item::{CHUNK_ENTRIES_MAX, Item, OddReason, Tally},
    record::{
        chunk::{Entries, Entry, TaggedEntries},
        tag::Tag,
        time::EventTime,
    },
};

/// Drafts that a collector keeps room for while its connection is idle.
const DRAFTS_KEPT: usize = 16;

/// Room for a tag that a connection keeps; a longer one's goes with the next tag.
const TAG_ROOM_BYTES_MAX: usize = 512;

/// What becomes of the tag that a peer sends (options `Tag` and `Tag_Prefix`).
#[derive(Debug)]
pub(super) enum TagRule {
    Keep,
    Replace,
    Prefix(Tag),
}

/// Entries whose bytes are not frozen yet, between finished items.
#[derive(Debug)]
pub(super) struct Collector {
    rule: TagRule,
    /// The tag of the frame before, as the peer sent it, and what the rule made of it.
    wire_tag: Vec<u8>,
    tag: Tag,
    /// The entries of the open run; offsets count from `start`.
    entries: Vec<Entry>,
    start: usize,
    end: usize,
    odd: Tally,
    drafts: Vec<Draft>,
    /// Entries of the run before: a guess for the next.
    entries_before: usize,
}

#[derive(Debug)]
enum Draft {
    Entries { tag: Tag, entries: Vec<Entry>, range: Range<usize> },
    Item(Item),
}

impl Collector {
    /// A prefix wins over a fixed tag, as in Fluent Bit.
    pub(super) fn new(tag: Option<Tag>, prefix: Option<Tag>) -> Self {
        let (rule, tag) = match (prefix, tag) {
            (Some(prefix), _) => (TagRule::Prefix(prefix.clone()), prefix),
            (None, Some(tag)) => (TagRule::Replace, tag),
            (None, None) => (TagRule::Keep, Tag::default()),
        };
        Self {
            rule,
            wire_tag: Vec::new(),
            tag,
            entries: Vec::new(),
            start: 0,
            end: 0,
            odd: Tally::default(),
            drafts: Vec::new(),
            entries_before: 0,
        }
    }

    /// The entries that follow have this tag. Allocates only if it is another than before.
    #[inline]
    pub(super) fn set_tag(&mut self, wire_tag: &[u8]) {
        if wire_tag != self.wire_tag && !matches!(self.rule, TagRule::Replace) {
            self.change_tag(wire_tag);
        }
    }

    #[cold]
    fn change_tag(&mut self, wire_tag: &[u8]) {
        self.close_run();
        self.wire_tag.clear();
        self.wire_tag.shrink_to(TAG_ROOM_BYTES_MAX);
        self.wire_tag.extend_from_slice(wire_tag);
        self.tag = match &self.rule {
            TagRule::Keep | TagRule::Replace => Tag::from(wire_tag),
            TagRule::Prefix(prefix) => Tag::new([prefix.as_bytes(), wire_tag].concat().into()),
        };
    }

    /// Takes the record that lies there in the region being decoded.
    #[inline]
    pub(super) fn push(&mut self, time: EventTime, record: Range<usize>) {
        let span = record.end.saturating_sub(self.start);
        let is_full = self.entries.len() >= CHUNK_ENTRIES_MAX || u32::try_from(span).is_err();
        if self.entries.is_empty() || is_full {
            self.begin_run(record.start);
        }
        let offset = |at: usize| u32::try_from(at - self.start).unwrap_or(u32::MAX);
        let entry = Entry { time, start: offset(record.start), end: offset(record.end) };
        self.end = record.end;
        self.entries.push(entry);
    }

    #[cold]
    fn begin_run(&mut self, start: usize) {
        self.close_run();
        self.start = start;
        self.entries = Vec::with_capacity(self.entries_before);
    }

    /// Counts what was dropped; the count follows the entries it stood among.
    pub(super) fn drop_one(&mut self, reason: OddReason) {
        self.odd.add(reason);
    }

    /// Puts an ack behind everything before it.
    pub(super) fn ack(&mut self, bytes: Bytes) {
        self.close_run();
        self.drafts.push(Draft::Item(Item::Ack(bytes)));
    }

    /// How many drafts there are.
    pub(super) const fn len(&self) -> usize {
        self.drafts.len()
    }

    /// Ends the run: what follows lies in another region, or must come behind it.
    pub(super) fn close_run(&mut self) {
        if !self.entries.is_empty() {
            self.entries_before = self.entries.len();
            let mut entries = mem::take(&mut self.entries);
            // The guess may have been far too high; what is kept is what is counted.
            if entries.capacity() / 2 > entries.len() {
                entries.shrink_to_fit();
            }
            self.drafts.push(Draft::Entries {
                tag: self.tag.clone(),
                entries,
                range: self.start..self.end,
            });
        }
        self.drafts.extend(self.odd.drain().map(Draft::Item));
    }

    /// The drafts from that one on, and the open run, lie in this region and not in the buffer.
    pub(super) fn bind(&mut self, first: usize, region: &Bytes) {
        self.close_run();
        for draft in self.drafts.iter_mut().skip(first) {
            if let Draft::Entries { tag, entries, range } = draft {
                let (tag, entries) = (mem::take(tag), mem::take(entries));
                *draft = Draft::Item(item(tag, entries, region.slice(range.clone())));
            }
        }
    }

    /// Turns all drafts into items; those still unbound lie in this region.
    pub(super) fn finish(&mut self, region: &Bytes, out: &mut Vec<Item>) {
        self.close_run();
        out.extend(self.drafts.drain(..).map(|draft| match draft {
            Draft::Entries { tag, entries, range } => item(tag, entries, region.slice(range)),
            Draft::Item(item) => item,
        }));
        self.drafts.shrink_to(DRAFTS_KEPT);
    }
}

fn item(tag: Tag, entries: Vec<Entry>, data: Bytes) -> Item {
    Item::Entries(TaggedEntries { tag, entries: Entries { data, entries } })
}
