//! Step 1, input: the lines of one file that `multiline.parser` puts together.
//!
//! As Fluent Bit joins the lines of its `tail` (`flb_ml_append_text`): a newline stands behind each
//! line unless the parser says which key holds the text. What waits is text only; the bytes of it
//! are paid for by whoever reads. Not known here: which file, and how far it was read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lines::{Fields, Now};
use crate::multiline::{Chain, Join, Line, Place, Stream, Taken};
use crate::record::edit::{EntriesWriter, MapWriter};
use crate::record::map;
use crate::record::time::EventTime;

/// Longest time that a group waits for its end while lines go on coming, if the wait for one line
/// is not longer: a file may repeat a line for ever that never ends a group.
const HOLD_MAX: Duration = Duration::from_secs(60);

/// How lines are put together.
#[derive(Clone, Debug)]
pub struct Joining {
    /// The parsers.
    pub chain: Chain,
    /// How long lines wait for the next one.
    pub wait: Duration,
    /// Most bytes of a record's text; what comes behind is another record.
    pub bytes_max: usize,
}

/// The lines of a file that wait for the next one.
#[derive(Debug)]
pub struct Joined {
    joining: Arc<Joining>,
    stream: Stream<Held>,
    taken: Taken,
}

/// The lines of one group.
#[derive(Debug)]
struct Held {
    place: Place,
    /// The record that a parser made of the first line.
    record: Option<Vec<u8>>,
    text: Vec<u8>,
    time: EventTime,
    /// Where the first line begins in the file.
    start: u64,
    /// When the first line was read, and when the newest was.
    since: Instant,
    newest: Instant,
}

impl Joined {
    /// Nothing waits.
    #[must_use]
    pub fn new(joining: Arc<Joining>) -> Self {
        Self { joining, stream: Stream::default(), taken: Taken::default() }
    }

    /// Takes the next line, which begins at `start` of the file.
    pub fn push(&mut self, line: &[u8], start: u64, now: Now, out: &mut Writing<'_>) {
        let Joining { chain, bytes_max, .. } = &*self.joining;
        let text = Line::Text(line);
        let Some(place) = chain.place(&mut self.stream, &text, now.time, &mut self.taken) else {
            for held in self.stream.end_all() {
                out.held(held, chain);
            }
            return out.alone(line, now.time, start, chain);
        };
        let (content, record, time) = match self.taken.of(place) {
            Some((record, time)) => {
                let content = chain.content(place, &Line::record(record));
                (content, Some(record), time.unwrap_or(now.time))
            }
            None => (line, None, now.time),
        };
        for held in self.stream.end_before(place) {
            out.held(held, chain);
        }
        // It was placed, so there is a group.
        let Some(open) = self.stream.held(place) else { return };
        let is_full = |held: &mut Held| held.text.len() + content.len() >= *bytes_max;
        if let Some(full) = open.take_if(is_full) {
            out.held(full, chain);
        }
        match open {
            Some(held) => held.append(content, now.at, chain),
            None => {
                let (record, text) = (record.map(<[u8]>::to_vec), content.to_vec());
                let (since, newest) = (now.at, now.at);
                *open = Some(Held { place, record, text, time, start, since, newest });
            }
        }
        if let Some(whole) = open.take_if(|_| place.ends) {
            out.held(whole, chain);
        }
    }

    /// Gives out what has waited long enough.
    pub fn expired(&mut self, now: Instant, out: &mut Writing<'_>) {
        let Joining { chain, wait, .. } = &*self.joining;
        for held in self.stream.end_if(|held| held.deadline(*wait) <= now) {
            out.held(held, chain);
        }
    }

    /// Gives out all that waits.
    pub fn end(&mut self, out: &mut Writing<'_>) {
        for held in self.stream.end_all() {
            out.held(held, &self.joining.chain);
        }
    }

    /// When [`Self::expired`] is to be called.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Instant> {
        self.stream.open().map(|held| held.deadline(self.joining.wait)).min()
    }

    /// Where the first line begins that waits.
    #[must_use]
    pub fn start(&self) -> Option<u64> {
        self.stream.open().map(|held| held.start).min()
    }

    /// Bytes that wait.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let record = |held: &Held| held.record.as_ref().map_or(0, Vec::len);
        self.stream.open().map(|held| held.text.capacity() + record(held)).sum()
    }
}

impl Held {
    fn append(&mut self, line: &[u8], now: Instant, chain: &Chain) {
        let join = chain.join(self.place);
        if join == Join::Parts && chain.key(self.place).is_none() {
            end_line(&mut self.text);
        }
        join.append(&mut self.text, line);
        self.newest = now;
    }

    fn deadline(&self, wait: Duration) -> Instant {
        let after = |since: Instant, wait| since.checked_add(wait).unwrap_or(since);
        after(self.newest, wait).min(after(self.since, wait.max(HOLD_MAX)))
    }
}

/// Where records are written, and the fields that each gets.
#[derive(Debug)]
pub struct Writing<'a> {
    /// The records.
    pub records: &'a mut EntriesWriter,
    /// The key of a text that no parser has a key for.
    pub key: &'a [u8],
    /// Fields of every record.
    pub fields: Fields<'a>,
}

impl Writing<'_> {
    fn held(&mut self, mut held: Held, chain: &Chain) {
        let key = chain.key(held.place);
        if key.is_none() {
            end_line(&mut held.text);
        }
        let key = key.unwrap_or(self.key);
        if held.record.is_none() && held.text.is_empty() {
            return;
        }
        let fields = self.fields;
        self.records.write(held.time, |out| {
            let mut map = MapWriter::begin(out);
            match &held.record {
                Some(record) => write_joined(record, key, &held.text, &mut map),
                None => map.text(key, &held.text),
            }
            fields.write(held.start, &mut map);
            map.end();
        });
    }

    /// A line that no parser takes. As in Fluent Bit it has the key of the first one, and an empty
    /// one is no record.
    fn alone(&mut self, line: &[u8], time: EventTime, start: u64, chain: &Chain) {
        if line.is_empty() {
            return;
        }
        let (key, fields) = (self.key, self.fields);
        self.records.write(time, |out| {
            let mut map = MapWriter::begin(out);
            match chain.first_key() {
                Some(key) => map.text(key, line),
                None => {
                    let newline: &[u8] = if line.ends_with(b"\n") { b"" } else { b"\n" };
                    map.text(key, &[line, newline].concat());
                }
            }
            fields.write(start, &mut map);
            map.end();
        });
    }
}

fn end_line(text: &mut Vec<u8>) {
    if text.last().is_some_and(|last| *last != b'\n') {
        text.push(b'\n');
    }
}

/// The pairs of the record, with `text` under its last `key`, which is the one that counts.
fn write_joined(record: &[u8], key: &[u8], text: &[u8], map: &mut MapWriter<'_>) {
    let pairs = || map::pairs(record).into_iter().flatten().enumerate();
    let is_key = |pair: &map::Pair<'_>| pair.key_text() == Some(key);
    let last = pairs().filter(|(_, pair)| is_key(pair)).map(|(at, _)| at).last();
    for (at, pair) in pairs() {
        if last == Some(at) {
            map.text(key, text);
        } else {
            map.pair_raw(pair.key, pair.value);
        }
    }
}
