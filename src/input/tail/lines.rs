//! Step 1, input: the bytes of one file become records. Pure: no file, no clock.
//!
//! Must not know how far the file was read, nor what becomes of the records.

use std::sync::Arc;
use std::time::Instant;

use super::joined::{Joined, Joining, Writing};
use crate::input::item::{CHUNK_ENTRIES_MAX, OddReason};
use crate::parser::Parser;
use crate::record::edit::{EntriesWriter, MapWriter};
use crate::record::time::EventTime;

/// What becomes of lines.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The key of a line's text.
    pub key: Vec<u8>,
    /// The key under which the path of the file is added.
    pub path_key: Option<Vec<u8>>,
    /// The key under which the place of the line in the file is added.
    pub offset_key: Option<Vec<u8>>,
    /// What takes each line apart; one that it cannot take apart goes on as a text.
    pub parser: Option<Arc<Parser>>,
    /// How lines are put together.
    pub joining: Option<Arc<Joining>>,
    /// Empty lines are no records.
    pub skip_empty: bool,
    /// Most bytes of a line without its end, inclusive.
    pub line_bytes_max: u64,
    /// What becomes of a longer one.
    pub long: Long,
}

/// What becomes of a line that is too long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Long {
    /// It is left out.
    Skip,
    /// It is left out, and said so: Fluent Bit would read nothing more of the file.
    SkipLoudly,
    /// Its first bytes go on.
    Truncate,
}

/// Both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// What waits are measured by.
    pub at: Instant,
    /// What records are dated by.
    pub time: EventTime,
}

/// Fields that each record of a file gets.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    path: Option<(&'a [u8], &'a [u8])>,
    offset_key: Option<&'a [u8]>,
}

impl Fields<'_> {
    /// Writes them for a record that begins at `start` of the file.
    pub fn write(&self, start: u64, map: &mut MapWriter<'_>) {
        if let Some((key, path)) = self.path {
            map.text(key, path);
        }
        if let Some(key) = self.offset_key {
            map.key(key).uint(start);
        }
    }
}

/// What came out of a read.
#[derive(Debug, Default)]
pub struct Out {
    /// The records.
    pub records: EntriesWriter,
    /// Lines that were not taken whole, and why.
    pub odd: Vec<OddReason>,
    /// Where the first line began that was left out loudly, and its bytes.
    pub long: Option<(u64, u64)>,
}

/// The lines of one file.
#[derive(Debug)]
pub struct Lines {
    rules: Arc<Rules>,
    /// The path as the records name it.
    path: Box<[u8]>,
    joined: Option<Joined>,
    /// The fields of the last line, here until its time is known. Kept for its memory.
    pairs: Vec<u8>,
}

/// Whole lines at the start of a block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Whole {
    /// Their bytes.
    pub bytes: usize,
    /// More may follow in the block: these are enough for one chunk.
    pub has_more: bool,
}

impl Lines {
    /// The lines of a file of this name.
    #[must_use]
    pub fn new(rules: Arc<Rules>, path: &[u8]) -> Self {
        let joined = rules.joining.clone().map(Joined::new);
        Self { rules, path: path.into(), joined, pairs: Vec::new() }
    }

    /// Takes the whole lines of a block that stands at `position` of the file.
    pub fn take(&mut self, block: &[u8], position: u64, now: Now, out: &mut Out) -> Whole {
        let mut taken = 0;
        for newline in memchr::memchr_iter(b'\n', block) {
            if out.records.len() >= CHUNK_ENTRIES_MAX {
                return Whole { bytes: taken, has_more: true };
            }
            let line = block.get(taken..newline).unwrap_or_default();
            let start = position + taken as u64;
            self.line(line, line.len() as u64, start, now, out);
            taken = newline + 1;
        }
        if taken == 0 {
            // What stands where a file was cut while its writer kept its place in it.
            taken = block.iter().take_while(|byte| **byte == 0).count();
        }
        Whole { bytes: taken, has_more: false }
    }

    /// Takes a line of `bytes` bytes that begins at `start` of the file. Of a long one the text may
    /// be cut.
    pub fn line(&mut self, text: &[u8], bytes: u64, start: u64, now: Now, out: &mut Out) {
        let rules = Arc::clone(&self.rules);
        if bytes > rules.line_bytes_max {
            let text = truncated(text, rules.line_bytes_max);
            match rules.long {
                Long::Truncate => {
                    out.odd.push(OddReason::LineCut);
                    self.end(out);
                    self.write_text(text, start, now.time, out);
                }
                Long::Skip => out.odd.push(OddReason::LineTooLong),
                Long::SkipLoudly => {
                    out.odd.push(OddReason::LineTooLong);
                    out.long.get_or_insert((start, bytes));
                }
            }
            return;
        }
        let nuls = text.iter().take_while(|byte| **byte == 0).count();
        let text = text.get(nuls..).unwrap_or_default();
        if rules.skip_empty && matches!(text, [] | b"\r") {
            return;
        }
        // As in Fluent Bit a line that is nothing but a carriage return keeps it.
        let line = match text.strip_suffix(b"\r") {
            Some(line) if !line.is_empty() => line,
            Some(_) | None => text,
        };
        let (records, joined) = (&mut out.records, &mut self.joined);
        if let Some(joined) = joined {
            let fields = fields(&rules, &self.path);
            joined.push(line, start, now, &mut Writing { records, key: &rules.key, fields });
        } else {
            self.write(line, start, now, out);
        }
    }

    /// Gives out lines that have waited long enough for the next one.
    pub fn expired(&mut self, now: Instant, out: &mut Out) {
        let (records, rules) = (&mut out.records, &self.rules);
        if let Some(joined) = &mut self.joined {
            let fields = fields(rules, &self.path);
            joined.expired(now, &mut Writing { records, key: &rules.key, fields });
        }
    }

    /// Gives out all lines that wait for the next one.
    pub fn end(&mut self, out: &mut Out) {
        let (records, rules) = (&mut out.records, &self.rules);
        if let Some(joined) = &mut self.joined {
            let fields = fields(rules, &self.path);
            joined.end(&mut Writing { records, key: &rules.key, fields });
        }
    }

    /// What waits for its next line.
    #[must_use]
    pub const fn waiting(&self) -> Option<&Joined> {
        self.joined.as_ref()
    }

    /// Writes a line that is a record of its own.
    fn write(&mut self, line: &[u8], start: u64, now: Now, out: &mut Out) {
        self.pairs.clear();
        let parser = self.rules.parser.as_ref();
        let parsed = parser.and_then(|parser| parser.parse(line, now.time, &mut self.pairs));
        let Some(parsed) = parsed else { return self.write_text(line, start, now.time, out) };
        let fields = fields(&self.rules, &self.path);
        out.records.write(parsed.time.unwrap_or(now.time), |out| {
            let mut map = MapWriter::begin(out);
            map.pairs_raw(&self.pairs, parsed.pairs);
            fields.write(start, &mut map);
            map.end();
        });
    }

    /// Writes a line as it is. The order of the fields is Fluent Bit's.
    fn write_text(&self, line: &[u8], start: u64, time: EventTime, out: &mut Out) {
        let fields = fields(&self.rules, &self.path);
        out.records.write(time, |out| {
            let mut map = MapWriter::begin(out);
            fields.write(start, &mut map);
            map.text(&self.rules.key, line);
            map.end();
        });
    }
}

fn fields<'a>(rules: &'a Rules, path: &'a [u8]) -> Fields<'a> {
    let path = rules.path_key.as_deref().map(|key| (key, path));
    Fields { path, offset_key: rules.offset_key.as_deref() }
}

/// As much as Fluent Bit keeps of a line that is longer than its buffer: one byte less than that
/// holds, without the first bytes of a letter that does not fit.
fn truncated(text: &[u8], bytes_max: u64) -> &[u8] {
    let most = usize::try_from(bytes_max.saturating_sub(1)).unwrap_or(usize::MAX);
    let is_inner = |at: usize| text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let mut end = most.min(text.len());
    while end > 0 && is_inner(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
