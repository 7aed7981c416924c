//! The output of a command → records. Pure: bytes and the present in.
//!
//! As `fgets` cuts it for Fluent Bit, with three differences, all in favour of what was printed: a
//! line with a zero byte is whole, a line that just fits is not followed by an empty record, and a
//! character is not cut in two. Empty lines are records. Must not know where the bytes come from.

use std::sync::Arc;

use bytes::{Buf as _, BytesMut};

use crate::input::item::{CHUNK_ENTRIES_MAX, Progress};
use crate::parser::Parser;
use crate::record::chunk::Entries;
use crate::record::edit::{EntriesWriter, MapWriter};
use crate::record::time::EventTime;

const KEY: &[u8] = b"exec";
/// Bytes of records after which a call ends: what they cost is paid for before the next ones.
const RECORDS_BYTES_MAX: usize = 64 * 1_024;
/// Bytes that the longest character has behind its first one.
const CHARACTER_REST_MAX: usize = 3;

/// A walk over the lines of one run.
#[derive(Debug)]
pub struct Lines {
    line_bytes_max: usize,
    parser: Option<Arc<Parser>>,
    /// The fields of the last line, here until its time is known. Kept for its memory.
    pairs: Vec<u8>,
    /// Bytes at the start of the buffer in which no line ends.
    searched: usize,
    unparsed: u64,
}

/// Whether more of the output may come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum More {
    /// It may.
    MayCome,
    /// This is its end: what is left is a line.
    Never,
}

impl Lines {
    /// Lines of at most so many bytes, at least one.
    #[must_use]
    pub fn new(line_bytes_max: usize, parser: Option<Arc<Parser>>) -> Self {
        let line_bytes_max = line_bytes_max.max(1);
        Self { line_bytes_max, parser, pairs: Vec::new(), searched: 0, unparsed: 0 }
    }

    /// Takes the lines that are whole out of the buffer, at most a chunk of them. Between two calls
    /// the buffer may only grow.
    pub fn decode(
        &mut self,
        buffer: &mut BytesMut,
        more: More,
        now: EventTime,
    ) -> (Entries, Progress) {
        let mut entries = EntriesWriter::default();
        while entries.len() < CHUNK_ENTRIES_MAX && entries.data_bytes() < RECORDS_BYTES_MAX {
            let Some((line, taken)) = self.next(buffer, more) else {
                return (entries.finish(), Progress::Drained);
            };
            self.push(buffer.get(..line).unwrap_or_default(), now, &mut entries);
            buffer.advance(taken);
            self.searched = 0;
        }
        (entries.finish(), Progress::More)
    }

    /// Lines since the last call that the parser could not take apart.
    pub fn take_unparsed(&mut self) -> u64 {
        std::mem::take(&mut self.unparsed)
    }

    /// Bytes of the next line, and with its end.
    fn next(&mut self, buffer: &[u8], more: More) -> Option<(usize, usize)> {
        // The end of a line that just fits is the byte behind it.
        let window = buffer.get(..=self.line_bytes_max).unwrap_or(buffer);
        let unsearched = window.get(self.searched..).unwrap_or_default();
        if let Some(newline) = memchr::memchr(b'\n', unsearched) {
            let line = self.searched + newline;
            return Some((line, line + 1));
        }
        if buffer.len() > self.line_bytes_max {
            let cut = cut(window, self.line_bytes_max);
            return Some((cut, cut));
        }
        self.searched = buffer.len();
        let is_last = more == More::Never && !buffer.is_empty();
        is_last.then_some((buffer.len(), buffer.len()))
    }

    fn push(&mut self, line: &[u8], now: EventTime, entries: &mut EntriesWriter) {
        let Some(parser) = &self.parser else {
            return entries.write(now, |out| {
                let mut fields = MapWriter::begin(out);
                fields.text(KEY, line);
                fields.end();
            });
        };
        self.pairs.clear();
        let Some(parsed) = parser.parse(line, now, &mut self.pairs) else {
            self.unparsed += 1;
            return;
        };
        entries.write(parsed.time.unwrap_or(now), |out| {
            let mut fields = MapWriter::begin(out);
            fields.pairs_raw(&self.pairs, parsed.pairs);
            fields.end();
        });
    }
}

/// Where to cut a line of more than `most` bytes: there, or before the character that is there.
fn cut(line: &[u8], most: usize) -> usize {
    let is_rest = |at: usize| line.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let lowest = most.saturating_sub(CHARACTER_REST_MAX).max(1);
    // Bytes that are no text are cut anywhere.
    (lowest..=most).rev().find(|at| !is_rest(*at)).unwrap_or(most)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::parser::fixture;
    use crate::record::msgpack::Reader;

    const NOW: EventTime = EventTime::from_parts(7, 0);

    /// The lines of an output that comes in these parts.
    fn lines(parts: &[&[u8]], most: usize) -> Vec<Vec<u8>> {
        let mut lines = Lines::new(most, None);
        let (mut buffer, mut found) = (BytesMut::new(), Vec::new());
        for at in 0..=parts.len() {
            buffer.extend_from_slice(parts.get(at).copied().unwrap_or_default());
            let more = if at < parts.len() { More::MayCome } else { More::Never };
            loop {
                let (entries, progress) = lines.decode(&mut buffer, more, NOW);
                assert!(entries.len() <= CHUNK_ENTRIES_MAX);
                for (time, record) in entries.iter() {
                    let mut record = Reader::new(record);
                    assert_eq!((time, record.map_header(), record.text()), (NOW, Ok(1), Ok(KEY)));
                    found.push(record.text().expect("a text").to_vec());
                }
                if progress == Progress::Drained {
                    break;
                }
            }
        }
        assert!(buffer.is_empty());
        found
    }

    #[test]
    fn every_line_is_a_record_also_an_empty_one_and_one_without_an_end() {
        assert_eq!(lines(&[b"a\n\nb\r\nc"], 9), [&b"a"[..], b"", b"b\r", b"c"]);
        assert!(lines(&[b""], 9).is_empty());
    }

    #[test]
    fn a_zero_byte_is_a_byte_of_its_line() {
        assert_eq!(lines(&[b"\0a\0b\nc"], 9), [&b"\0a\0b"[..], b"c"]);
    }

    #[test]
    fn a_line_that_just_fits_is_one_record_and_one_byte_more_makes_another() {
        assert_eq!(lines(&[b"abcd\ne\n"], 4), [&b"abcd"[..], b"e"]);
        assert_eq!(lines(&[b"abcde\nf\n"], 4), [&b"abcd"[..], b"e", b"f"]);
    }

    #[test]
    fn a_character_is_not_cut_in_two_where_there_is_room_for_it() {
        assert_eq!(lines(&["abc€d".as_bytes()], 4), ["abc".as_bytes(), "€d".as_bytes()]);
        assert_eq!(lines(&[b"\x80\x80\x80\x80\x80"], 4), [&b"\x80\x80\x80\x80"[..], b"\x80"]);
    }

    #[test]
    fn a_parser_gives_fields_and_time_and_drops_what_it_cannot_take_apart() {
        let timed = [("format", "json"), ("time_key", "t"), ("time_format", "%s")];
        let mut lines = Lines::new(99, Some(Arc::new(fixture::parser("p", &timed))));
        let mut buffer = BytesMut::from(&b"{\"a\":1,\"t\":\"5\"}\nno json\n{\"b\":2}"[..]);
        let (entries, progress) = lines.decode(&mut buffer, More::Never, NOW);
        assert_eq!((progress, lines.take_unparsed()), (Progress::Drained, 1));
        let found: Vec<_> = entries.iter().collect();
        let expected: [(EventTime, &[u8]); 2] =
            [(EventTime::from_parts(5, 0), b"\x81\xa1a\x01"), (NOW, b"\x81\xa1b\x02")];
        assert_eq!(found, expected);
    }

    proptest! {
        #[test]
        fn nothing_of_an_output_is_lost_however_it_comes(
            output in prop::collection::vec(prop_oneof![Just(b'\n'), Just(0xa9), any::<u8>()], 0..300),
            cuts in prop::collection::vec(0_usize..300, 0..5),
            most in 1_usize..40,
        ) {
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(output.len())).collect();
            cuts.extend([0, output.len()]);
            cuts.sort_unstable();
            let parts: Vec<_> = cuts.windows(2).map(|two| &output[two[0]..two[1]]).collect();
            let found = lines(&parts, most);
            prop_assert_eq!(&found, &lines(&[&output], most), "cuts do not matter");
            let joined: Vec<u8> = found.concat();
            let expected: Vec<u8> = output.iter().copied().filter(|byte| *byte != b'\n').collect();
            prop_assert_eq!(joined, expected);
            prop_assert!(found.iter().all(|line| line.len() <= most));
            let ends = output.split(|byte| *byte == b'\n').filter(|line| line.len() <= most);
            prop_assert!(found.len() + 1 >= ends.count());
        }

        #[test]
        fn many_lines_come_in_chunks(lines in 4_090_usize..8_300) {
            let output = b"\n".repeat(lines);
            prop_assert_eq!(self::lines(&[&output], 9).len(), lines);
        }
    }
}
