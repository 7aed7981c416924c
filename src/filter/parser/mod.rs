//! Filter `parser`: takes the text of a field apart.
//!
//! Meaning as in Fluent Bit (`plugins/filter_parser`): the fields that are found come first, then,
//! with `Reserve_Data`, the record's others; so of two equal keys the record's own counts. A record
//! whose text no parser can read stays as it is.

pub mod config;

use std::sync::Arc;

use crate::chunk::Chunk;
use crate::parser::Parsed;
use crate::record::edit::{EntriesWriter, MapWriter};
use crate::record::fields::SharedFields;
use crate::record::map;
use crate::record::msgpack::Reader;
use crate::record::time::EventTime;

use config::{Config, Key};

/// The filter, ready to run.
#[derive(Debug)]
pub struct ParserFilter {
    config: Config,
    /// The pairs of the last record, here until its time is known. Kept for its memory.
    pairs: Vec<u8>,
    /// A time that does not fit was told of.
    has_told_of_time: bool,
}

impl ParserFilter {
    /// A filter that does what the configuration says.
    #[must_use]
    pub const fn new(config: Config) -> Self {
        Self { config, pairs: Vec::new(), has_told_of_time: false }
    }

    /// Takes apart what can be. A chunk without such a record keeps its memory.
    #[must_use]
    pub fn apply(&mut self, mut chunk: Chunk) -> Chunk {
        let Some(first) = self.first(&chunk) else { return chunk };
        if !self.leaves_shared(&chunk.shared) {
            chunk = chunk.with_own_fields();
        }
        let mut records = EntriesWriter::like(&chunk.entries);
        for (place, (time, record)) in chunk.entries.iter().enumerate() {
            let parsed = if place < first { None } else { self.parse(record, &chunk.shared, time) };
            match parsed {
                Some(parsed) => records
                    .write(parsed.time.unwrap_or(time), |out| self.write(parsed, record, out)),
                None => records.copy(time, record),
            }
        }
        chunk.entries = Arc::new(records.finish());
        chunk
    }

    /// The place of the first record that a parser can read.
    fn first(&mut self, chunk: &Chunk) -> Option<usize> {
        let mut records = chunk.entries.iter();
        records.position(|(time, record)| self.parse(record, &chunk.shared, time).is_some())
    }

    /// Whether fields behind the records may stay there: they come last anyway, unless they are
    /// to go, or one of them is to be taken apart.
    fn leaves_shared(&self, shared: &SharedFields) -> bool {
        let root = match &self.config.key {
            Key::Field(key) => key,
            Key::Path(path) => path.key().as_bytes(),
        };
        shared.is_empty() || (self.config.reserve_data && shared.get(root).is_none())
    }

    /// Leaves the fields that are found in `pairs`. The record's own time says which year it is.
    fn parse(&mut self, record: &[u8], shared: &SharedFields, time: EventTime) -> Option<Parsed> {
        let text = match &self.config.key {
            Key::Field(key) => match shared.get(key) {
                Some(field) if !field.yields => Some(&*field.value),
                _ => text_of(record, key),
            },
            Key::Path(path) => path.get(record).and_then(text),
        }?;
        self.pairs.clear();
        let mut parsers = self.config.parsers.iter();
        let (parser, parsed) = parsers
            .find_map(|parser| Some((parser, parser.parse(text, time, &mut self.pairs)?)))?;
        if parsed.is_time_odd && !self.has_told_of_time {
            self.has_told_of_time = true;
            tracing::warn!(
                "parser '{}': a time does not fit Time_Format; such records keep the time they \
                 came with, which is said once",
                parser.name()
            );
        }
        Some(parsed)
    }

    /// Writes what was found, and of the record what stays.
    fn write(&self, parsed: Parsed, record: &[u8], out: &mut Vec<u8>) {
        let Config { key, reserve_data, preserve_key, .. } = &self.config;
        let mut map = MapWriter::begin(out);
        map.pairs_raw(&self.pairs, parsed.pairs);
        if *reserve_data || *preserve_key {
            for pair in map::pairs(record).into_iter().flatten() {
                let is_source = match key {
                    Key::Field(key) => pair.key_text() == Some(key),
                    Key::Path(path) => pair.key_text() == Some(path.key().as_bytes()),
                };
                let stays = match (is_source, key) {
                    (false, _) => *reserve_data,
                    (true, Key::Field(_)) => *preserve_key,
                    // The path leads to a part of it only.
                    (true, Key::Path(_)) => true,
                };
                if stays {
                    map.pair_raw(pair.key, pair.value);
                }
            }
        }
        map.end();
    }
}

/// The text of the last field of that name.
fn text_of<'a>(record: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    map::get(record, key).and_then(text)
}

/// Text, or bytes, which some clients send for it.
fn text(value: &[u8]) -> Option<&[u8]> {
    Reader::new(value).text().ok()
}

#[cfg(test)]
mod tests;
