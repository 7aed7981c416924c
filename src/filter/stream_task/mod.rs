//! Stream task: copies records to a tag of their own, all of them or those a query selects.
//!
//! Meaning as in Fluent Bit (`src/stream_processor`): tasks come after the filters; the copies begin
//! at the first filter again, and the records themselves go on as they are. What a task emitted it
//! does not look at again.

mod condition;
pub mod config;
pub mod query;

use std::sync::Arc;

use crate::chunk::Chunk;
use crate::filter::Pass;
use crate::record::chunk::{Entries, Entry};
use crate::record::edit::{EntriesWriter, MapWriter};
use crate::record::fields::SharedFields;
use crate::record::map;
use crate::record::tag::Tag;
use crate::record::time::EventTime;

use condition::{Asked, seconds};
use config::{Config, Origin};
use query::{Condition, Selected};

/// Most times that what is copied may have got a new tag before. Tasks that copy each other's
/// copies would double them each time; in Fluent Bit they do so for ever.
pub const REWRITES_BEFORE_MAX: u8 = 4;

/// The task, ready to run.
#[derive(Debug)]
pub struct StreamTask {
    emitter: u16,
    /// Its records come from this input or stream only.
    input: Option<u16>,
    condition: Option<Condition>,
    /// `None`: all of a record.
    fields: Option<Vec<Selected>>,
    tag: Tag,
    /// Whether was said that copies of copies come to an end.
    is_told: bool,
}

impl StreamTask {
    /// A task; that its chunks have a tag it wants is seen to by the router.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let Config { emitter, origin, query } = config;
        let input = match origin {
            Origin::Tag(_) => None,
            Origin::Input(input) => Some(input),
            // No chunk comes from a task before it exists.
            Origin::Nothing => Some(emitter),
        };
        let tag = Tag::from(query.new_tag());
        let fields = (query.fields != [Selected::All]).then_some(query.fields);
        Self { emitter, input, condition: query.condition, fields, tag, is_told: false }
    }

    /// Emits copies of the records that are wanted. All go on.
    #[must_use]
    pub fn apply(&mut self, mut chunk: Chunk, pass: &mut Pass) -> Chunk {
        if chunk.input == self.emitter || self.input.is_some_and(|input| input != chunk.input) {
            return chunk;
        }
        let copies = match &self.fields {
            None => self.copies(&chunk),
            Some(fields) => self.selections(&chunk, fields),
        };
        if copies.is_empty() {
            return chunk;
        }
        if chunk.rewrites > REWRITES_BEFORE_MAX {
            self.say_end(&chunk.tag);
            return chunk;
        }
        chunk.permit.receipt.made(copies.len() as u64);
        let mut copy = chunk.split_to(self.tag.clone(), self.emitter, copies);
        if self.fields.is_some() {
            copy.shared = SharedFields::default();
        }
        pass.emitted.push(copy);
        chunk
    }

    fn wants(&self, time: EventTime, record: &[u8], shared: &SharedFields) -> bool {
        let asked = Asked { time, record, shared };
        self.condition.as_ref().is_none_or(|condition| condition.holds(&asked))
    }

    /// The records that are wanted, in the same memory.
    fn copies(&self, chunk: &Chunk) -> Entries {
        let places = chunk.entries.entries.iter().zip(chunk.entries.iter());
        let wanted = places.filter(|(_, (time, record))| self.wants(*time, record, &chunk.shared));
        let entries: Vec<Entry> = wanted.map(|(entry, _)| *entry).collect();
        Entries { data: chunk.entries.data.clone(), entries }
    }

    /// What is selected of the records that are wanted. A record of which nothing is selected is
    /// none, as in Fluent Bit.
    fn selections(&self, chunk: &Chunk, fields: &[Selected]) -> Entries {
        let source: Arc<Entries> = chunk.entries_with_shared();
        let mut writer = EntriesWriter::like(&source);
        for (time, record) in source.iter() {
            if self.wants(time, record, &SharedFields::default()) {
                writer.try_write(time, |out| {
                    let mut map = MapWriter::begin(out);
                    fields.iter().for_each(|field| field.write(time, record, &chunk.tag, &mut map));
                    let pairs = map.pairs();
                    map.end();
                    (pairs > 0).then_some(())
                });
            }
        }
        writer.finish()
    }

    fn say_end(&mut self, tag: &Tag) {
        if !std::mem::replace(&mut self.is_told, true) {
            tracing::warn!(
                "stream task of tag {}: records of tag {tag} have got a new tag more than \
                 {REWRITES_BEFORE_MAX} times and are not copied; tasks copy each other's copies (said once)",
                self.tag
            );
        }
    }
}

impl Selected {
    fn write(&self, time: EventTime, record: &[u8], tag: &Tag, map: &mut MapWriter<'_>) {
        match self {
            Self::All => {
                let pairs = map::pairs(record).into_iter().flatten();
                pairs.for_each(|pair| map.pair_raw(pair.key, pair.value));
            }
            Self::Field(field, name) => {
                if let Some(value) = field.get(record) {
                    map.key(name.as_bytes()).raw(value);
                }
            }
            Self::Tag(name) => map.text(name.as_bytes(), tag.as_bytes()),
            Self::Time(name) => map.key(name.as_bytes()).f64(seconds(time)),
        }
    }
}

#[cfg(test)]
mod tests;
