//! Filter `rewrite_tag`: gives records that match a rule another tag.
//!
//! Meaning as in Fluent Bit (`plugins/filter_rewrite_tag`, `plugins/in_emitter`): of a record the
//! first rule counts whose pattern is found; the record begins at the first filter again under its
//! new tag, and with `KEEP true` also goes on under the old one. What a filter emitted it does not
//! look at again. No record is copied: its bytes are shared.

pub mod config;

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::chunk::{Chunk, REWRITES_MAX};
use crate::filter::Pass;
use crate::record::chunk::{Entries, Entry};
use crate::record::fields::SharedFields;
use crate::record::pattern::{Captures, Outcome};
use crate::record::tag::Tag;
use crate::record::template::Scene;

use config::{Config, Rule};

/// Most new tags that a record may have got to be copied under one more, inclusive: filters that
/// keep what they copy, and match what the others copied, multiply it with each round.
const COPY_REWRITES_MAX: u8 = 4;
/// Most new tags for the records of one chunk: each is a chunk of its own. The records of further
/// tags go on under their old one, as those do that Fluent Bit's emitter has no room for.
pub const NEW_TAGS_MAX: usize = 4_096;
/// Longest new tag, inclusive: it may come from a record, and is paid for by no chunk. What is
/// longer is cut. Fluent Bit takes 65,535 bytes; a log stream's name has 512.
pub const NEW_TAG_BYTES_MAX: usize = 4_096;
/// Groups of a pattern that a tag can name: `$0` to `$9`.
const GROUPS: usize = 10;

/// The filter, ready to run.
#[derive(Debug)]
pub struct RewriteTag {
    rules: Vec<Rule>,
    /// Who it is, in [`Chunk::input`] of what it emits.
    emitter: u16,
    /// What was said once.
    told: Told,
}

#[derive(Debug, Default)]
struct Told {
    too_often: bool,
    too_many: bool,
}

/// The records that get one new tag.
#[derive(Debug)]
struct Group {
    tag: Tag,
    entries: Vec<Entry>,
}

/// What comes of the records of a chunk.
#[derive(Debug, Default)]
struct Sorted {
    /// In the order in which the tags first occur.
    groups: Vec<Group>,
    places: HashMap<Bytes, usize>,
    /// Records that go on under the old tag.
    kept: Vec<Entry>,
    /// How many of these have got a new tag as well.
    copies: u64,
    /// Records that go on under the old tag because there are too many new ones.
    refused: u64,
    /// Records that got no copy because they have got too many new tags.
    uncopied: u64,
}

impl RewriteTag {
    /// A filter with these rules; `emitter` is from [`crate::chunk::EMITTERS`] on, and no other's.
    #[must_use]
    pub fn new(config: Config, emitter: u16) -> Self {
        Self { rules: config.rules, emitter, told: Told::default() }
    }

    /// Emits the records that match a rule.
    #[must_use]
    pub fn apply(&mut self, chunk: Chunk, pass: &mut Pass) -> Option<Chunk> {
        if chunk.input == self.emitter || self.rules.is_empty() {
            return Some(chunk);
        }
        let chunk = if self.looks_at(&chunk.shared) { chunk.with_own_fields() } else { chunk };
        let sorted = self.sort(&chunk);
        if sorted.uncopied > 0 {
            self.say_too_often(&chunk.tag);
        }
        if sorted.groups.is_empty() {
            return Some(chunk);
        }
        if chunk.rewrites >= REWRITES_MAX {
            self.say_too_often(&chunk.tag);
            return Some(chunk);
        }
        self.emit(chunk, sorted, pass)
    }

    /// Whether a new tag is made of a shared field: templates see a record's own fields only.
    fn looks_at(&self, shared: &SharedFields) -> bool {
        let mut keys = self.rules.iter().flat_map(|rule| rule.new_tag.keys());
        !shared.is_empty() && keys.any(|key| shared.get(key.as_bytes()).is_some())
    }

    fn sort(&self, chunk: &Chunk) -> Sorted {
        let mut sorted = Sorted::default();
        let mut name = Vec::new();
        let records = chunk.entries.entries.iter().zip(chunk.entries.iter());
        for (entry, (_, record)) in records {
            let fits = |rule: &&Rule| rule.fits(record, &chunk.shared);
            let Some(rule) = self.rules.iter().find(fits) else {
                sorted.kept.push(*entry);
                continue;
            };
            if rule.keeps && chunk.rewrites > COPY_REWRITES_MAX {
                sorted.kept.push(*entry);
                sorted.uncopied += 1;
                continue;
            }
            name.clear();
            rule.name(record, &chunk.shared, &chunk.tag, &mut name);
            sorted.put(*entry, &name, rule.keeps);
        }
        sorted
    }

    fn emit(&mut self, mut chunk: Chunk, sorted: Sorted, pass: &mut Pass) -> Option<Chunk> {
        if sorted.refused > 0 {
            self.say_too_many(&chunk.tag, sorted.refused);
        }
        chunk.permit.receipt.made(sorted.copies);
        let data = chunk.entries.data.clone();
        for Group { tag, entries } in sorted.groups {
            let entries = Entries { data: data.clone(), entries };
            pass.emitted.push(chunk.split_to(tag, self.emitter, entries));
        }
        chunk.entries = Arc::new(Entries { data, entries: sorted.kept });
        (!chunk.entries.is_empty()).then_some(chunk)
    }

    fn say_too_often(&mut self, tag: &Tag) {
        if !std::mem::replace(&mut self.told.too_often, true) {
            tracing::warn!(
                "rewrite_tag: records of tag {tag} have got too many new tags and keep this one; rules \
                 lead to one another in a circle (said once)"
            );
        }
    }

    fn say_too_many(&mut self, tag: &Tag, records: u64) {
        if !std::mem::replace(&mut self.told.too_many, true) {
            tracing::warn!(
                "rewrite_tag: more than {NEW_TAGS_MAX} new tags at once, {records} records keep the \
                 tag {tag} (said once)"
            );
        }
    }
}

impl Rule {
    fn fits(&self, record: &[u8], shared: &SharedFields) -> bool {
        let text = self.key.text(record, shared);
        text.is_some_and(|text| self.pattern.is_match(text) == Outcome::Match)
    }

    /// The tag for a record that the rule fits.
    fn name(&self, record: &[u8], shared: &SharedFields, tag: &Tag, name: &mut Vec<u8>) {
        let text = self.key.text(record, shared).unwrap_or_default();
        let captures = self.pattern.captures(text).ok().flatten();
        let captures = captures.as_ref().map(groups).unwrap_or_default();
        let scene = Scene { tag: tag.as_bytes(), record, captures: &captures };
        self.new_tag.render_or_empty(&scene, name);
        name.truncate(NEW_TAG_BYTES_MAX);
    }
}

fn groups<'t>(captures: &Captures<'t>) -> [Option<&'t [u8]>; GROUPS] {
    std::array::from_fn(|group| captures.get(group))
}

impl Sorted {
    /// A record that gets the tag `name`; none if that is empty.
    fn put(&mut self, entry: Entry, name: &[u8], keeps: bool) {
        let known = self.places.get(name).copied();
        let Some(place) = known.or_else(|| self.open(name)) else {
            return self.kept.push(entry);
        };
        if let Some(group) = self.groups.get_mut(place) {
            group.entries.push(entry);
        }
        if keeps {
            self.kept.push(entry);
            self.copies += 1;
        }
    }

    fn open(&mut self, name: &[u8]) -> Option<usize> {
        if name.is_empty() {
            return None;
        }
        let place = self.groups.len();
        if place == NEW_TAGS_MAX {
            self.refused += 1;
            return None;
        }
        let name = Bytes::copy_from_slice(name);
        self.groups.push(Group { tag: Tag::new(name.clone()), entries: Vec::new() });
        self.places.insert(name, place);
        Some(place)
    }
}

#[cfg(test)]
mod tests;
