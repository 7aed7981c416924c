//! `Format none`: text up to a separator. Must not know what the text says.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;

use super::decode::{ConnectionError, Progress, Records};
use crate::parser::{Parsed, Parser};
use crate::record::{edit::MapWriter, json_in::Pair};

const LOG_KEY: &[u8] = b"log";

/// A walk over texts.
#[derive(Debug)]
pub(super) struct TextLines {
    separator: Bytes,
    /// Bytes at the start of the buffer in which no separator begins.
    searched: usize,
    parser: Option<Arc<Parser>>,
    /// The fields of the last text, here until its time is known. Kept for its memory.
    pairs: Vec<u8>,
}

impl TextLines {
    pub(super) const fn new(separator: Bytes, parser: Option<Arc<Parser>>) -> Self {
        Self { separator, searched: 0, parser, pairs: Vec::new() }
    }

    /// Returns how many bytes are done with.
    pub(super) fn decode(
        &mut self,
        buffer: &[u8],
        bytes_max: usize,
        records: &mut Records<'_>,
    ) -> (usize, Result<Progress, ConnectionError>) {
        let mut taken = 0;
        loop {
            let rest = buffer.get(taken..).unwrap_or_default();
            let end = self.find(rest);
            let bytes = end.unwrap_or(rest.len());
            if bytes > bytes_max {
                return (taken, Err(ConnectionError::ObjectTooLarge { bytes, bytes_max }));
            }
            let Some(end) = end else { return (taken, Ok(Progress::Drained)) };
            self.push(rest.get(..end).unwrap_or_default(), records);
            taken += end + self.separator.len();
            self.searched = 0;
            if records.has_enough() {
                return (taken, Ok(Progress::More));
            }
        }
    }

    /// What is left is a text, too.
    pub(super) fn end(&mut self, buffer: &[u8], records: &mut Records<'_>) {
        self.push(buffer, records);
        self.searched = 0;
    }

    fn find(&mut self, rest: &[u8]) -> Option<usize> {
        if self.separator.is_empty() {
            return None;
        }
        let unsearched = rest.get(self.searched..).unwrap_or_default();
        let found = match self.separator.as_ref() {
            [byte] => memchr::memchr(*byte, unsearched),
            separator => memchr::memmem::find(unsearched, separator),
        };
        if found.is_none() {
            // The start of a separator may be the end of what is there.
            self.searched = (rest.len() + 1).saturating_sub(self.separator.len());
        }
        found.map(|at| self.searched + at)
    }

    /// Blank lines are no records: there is nothing to lose.
    fn push(&mut self, text: &[u8], records: &mut Records<'_>) {
        if matches!(text, [] | b"\r") {
            return;
        }
        let parsed = self.parse(text, records);
        let time = parsed.and_then(|parsed| parsed.time).unwrap_or(records.now);
        let written = records.push_at(time, |data, source| {
            let mut fields = MapWriter::begin(data);
            match parsed {
                Some(parsed) => fields.pairs_raw(&self.pairs, parsed.pairs),
                None => fields.text(LOG_KEY, text),
            }
            if let Some(Pair { key, text }) = source {
                fields.text(key, text);
            }
            fields.end();
            Ok::<(), Infallible>(())
        });
        match written {
            Ok(()) => {}
            Err(never) => match never {},
        }
    }

    /// Leaves the fields of the text in `pairs`.
    fn parse(&mut self, text: &[u8], records: &Records<'_>) -> Option<Parsed> {
        let parser = self.parser.as_ref()?;
        self.pairs.clear();
        parser.parse(text, records.now, &mut self.pairs)
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::super::decode::{DecodeOptions, Decoder, Format, Item, SourceAddress};
    use super::*;
    use crate::parser::fixture::parser;
    use crate::record::time::EventTime;

    #[test]
    fn a_parser_takes_apart_the_lines_that_it_can() {
        let timed = [("format", "logfmt"), ("time_key", "t"), ("time_format", "%s")];
        let parser = parser("p", &[&timed[..], &[("logfmt_no_bare_keys", "on")]].concat());
        let options = DecodeOptions {
            parser: Some(Arc::new(parser)),
            source_address: Some(SourceAddress {
                key: Bytes::from_static(b"peer"),
                address: Bytes::from_static(b"x"),
            }),
            ..DecodeOptions::new(Format::None { separator: Bytes::from_static(b"\n") }, "t".into())
        };
        let (mut decoder, mut items) = (Decoder::new(options), Vec::new());
        let mut buffer = BytesMut::from("a=1 t=5\nother\na=2".as_bytes());
        let now = EventTime::from_parts(7, 0);
        assert_eq!(decoder.decode(&mut buffer, now, &mut items), Ok(Progress::Drained));
        decoder.end(&mut buffer, now, &mut items);
        let entries = items.iter().filter_map(|item| match item {
            Item::Entries(tagged) => Some(&tagged.entries),
            Item::Ack(_) | Item::Odd(..) => None,
        });
        let records = entries.flat_map(|entries| entries.iter());
        let records = records.map(|(time, record)| (time.as_nanos() / 1_000_000_000, record));
        let expected: [(i64, &[u8]); 3] = [
            (5, b"\x82\xa1a\xa11\xa4peer\xa1x"),
            (7, b"\x82\xa3log\xa5other\xa4peer\xa1x"),
            (7, b"\x82\xa1a\xa12\xa4peer\xa1x"),
        ];
        assert_eq!(records.collect::<Vec<_>>(), expected);
    }
}
