//! `Format none`: text up to a separator. Must not know what the text says.

use std::convert::Infallible;

use bytes::Bytes;

use super::decode::{ConnectionError, Progress, Records};
use crate::record::{json_in::Pair, msgpack::Writer};

const LOG_KEY: &[u8] = b"log";

/// A walk over texts.
#[derive(Debug)]
pub(super) struct TextLines {
    separator: Bytes,
    /// Bytes at the start of the buffer in which no separator begins.
    searched: usize,
}

impl TextLines {
    pub(super) const fn new(separator: Bytes) -> Self {
        Self { separator, searched: 0 }
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
            push(rest.get(..end).unwrap_or_default(), records);
            taken += end + self.separator.len();
            self.searched = 0;
            if records.has_enough() {
                return (taken, Ok(Progress::More));
            }
        }
    }

    /// What is left is a text, too.
    pub(super) fn end(&mut self, buffer: &[u8], records: &mut Records<'_>) {
        push(buffer, records);
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
}

/// Blank lines are no records: there is nothing to lose.
fn push(text: &[u8], records: &mut Records<'_>) {
    if matches!(text, [] | b"\r") {
        return;
    }
    let written = records.push(|data, source| {
        let mut writer = Writer::new(data);
        writer.map_header(if source.is_some() { 2 } else { 1 });
        writer.str(LOG_KEY);
        writer.str(text);
        if let Some(Pair { key, text }) = source {
            writer.str(key);
            writer.str(text);
        }
        Ok::<(), Infallible>(())
    });
    match written {
        Ok(()) => {}
        Err(never) => match never {},
    }
}
