//! Step 3, filter: joins lines by multiline parsers, for each source of lines alone.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::going::Going;
use super::held::{Held, NewLine};
use bytes::Bytes;

use crate::chunk::Chunk;
use crate::multiline::{Chain, Line, Place, Stream, Taken};
use crate::record::map;
use crate::record::time::EventTime;

/// Most sources of lines of which something is known or held. Beyond it those are forgotten of
/// which nothing is held, and then the one goes on that has waited longest. Far more than a task
/// has containers, each with two streams.
pub const STREAMS_MAX: usize = 1_024;
/// How long lines are held in all while further ones keep coming: a source whose every line goes on
/// with the one before is still delivered. Fluent Bit lets everything go each `flush_ms`, in the
/// middle of a trace too.
pub const HOLD_MAX: Duration = Duration::from_secs(10);

/// How long and how much may be held.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// `buffer`: lines may wait for those of a later chunk.
    pub across_chunks: bool,
    /// `flush_ms`: how long lines wait for the next one.
    pub wait: Duration,
    /// `multiline_buffer_limit`: most bytes of a record's text. What is beyond goes on in further
    /// records.
    pub bytes_max: usize,
}

/// The filter in mode `parser`.
#[derive(Debug)]
pub struct Lines {
    chain: Chain,
    limits: Limits,
    /// The key that lines are under, as far as it is one for all parsers.
    key: Arc<[u8]>,
    streams: HashMap<Box<[u8]>, Stream<Held>>,
    /// The name of the record's source: kept for its memory.
    name: Vec<u8>,
    taken: Taken,
    /// No group is to go on before.
    wakes_at: Option<Instant>,
    /// What had to make room, and since when.
    ousted: VecDeque<(Chunk, Instant)>,
    /// Groups so far.
    groups: u64,
}

/// One group among all.
struct First {
    /// The name of its source.
    name: Box<[u8]>,
    number: u64,
    at: Instant,
}

/// What of a record says where it comes from and what its line is.
struct Fields<'a> {
    container: &'a [u8],
    is_stderr: Option<bool>,
    text: Option<&'a [u8]>,
}

impl Lines {
    /// A filter over these parsers.
    #[must_use]
    pub fn new(chain: Chain, limits: Limits) -> Self {
        let key = chain.key_content().unwrap_or_default().into();
        Self {
            chain,
            limits,
            key,
            streams: HashMap::new(),
            name: Vec::new(),
            taken: Taken::default(),
            wakes_at: None,
            ousted: VecDeque::new(),
            groups: 0,
        }
    }

    /// Joins lines and holds back those whose next one may be still to come.
    #[must_use]
    pub fn apply(&mut self, mut chunk: Chunk, now: Instant) -> Option<Chunk> {
        if self.chain.keys().any(|key| chunk.shared.get(key).is_some()) {
            chunk = chunk.with_own_fields();
        }
        let records = chunk.entries.clone();
        let mut going = Going::new(&records);
        let key = Arc::clone(&self.key);
        for (time, record) in records.iter() {
            let fields = Fields::of(record, &key);
            fields.name(&chunk, &mut self.name);
            let line = Line::Record { record, key: &key, text: fields.text };
            let Some(place) = self.place(&line, time, &mut chunk, &mut going, now) else {
                going.keep(time, record);
                continue;
            };
            if let Some((taken, told)) = self.taken.of(place) {
                let (time, record) = (told.unwrap_or(time), Bytes::copy_from_slice(taken));
                let content = record.slice_ref(self.chain.content(place, &Line::record(&record)));
                let line = NewLine { time, record, place };
                self.hold(line, &content, &mut chunk, &mut going, now);
                continue;
            }
            let content = self.chain.content(place, &line);
            let line = NewLine { time, record: records.data.slice_ref(record), place };
            self.hold(line, content, &mut chunk, &mut going, now);
        }
        if !self.limits.across_chunks {
            self.end_all(&mut chunk, &mut going);
        }
        going.finish(chunk)
    }

    /// When [`Self::expired`] is to be called.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Instant> {
        self.ousted.front().map(|(_, since)| *since).or(self.wakes_at)
    }

    /// Lines that have waited long enough.
    #[must_use]
    pub fn expired(&mut self, now: Instant) -> Option<Chunk> {
        if let Some((chunk, _)) = self.ousted.pop_front() {
            return Some(chunk);
        }
        self.wakes_at.filter(|at| *at <= now)?;
        let limits = self.limits;
        match self.first(|held| limits.deadline(held)) {
            Some(first) if first.at <= now => self.end(&first),
            first => {
                self.wakes_at = first.map(|first| first.at);
                None
            }
        }
    }

    /// Any lines that wait: for the end, when nothing more can come.
    #[must_use]
    pub fn pending(&mut self) -> Option<Chunk> {
        if let Some((chunk, _)) = self.ousted.pop_front() {
            return Some(chunk);
        }
        let first = self.first(|held| held.since)?;
        self.end(&first)
    }

    /// Where the line belongs in the source of that name, which is known from then on. `None`: it
    /// stands alone, behind all that was held of its source.
    fn place(
        &mut self,
        line: &Line<'_>,
        time: EventTime,
        chunk: &mut Chunk,
        going: &mut Going<'_>,
        now: Instant,
    ) -> Option<Place> {
        if let Some(stream) = self.streams.get_mut(self.name.as_slice()) {
            let place = self.chain.place(stream, line, time, &mut self.taken);
            if place.is_none() {
                stream.end_all().for_each(|held| going.release(held, &self.chain, chunk));
            }
            return place;
        }
        let mut stream = Stream::default();
        let place = self.chain.place(&mut stream, line, time, &mut self.taken)?;
        self.make_room(now);
        self.streams.insert(self.name.as_slice().into(), stream);
        Some(place)
    }

    /// Puts the line to its group.
    fn hold(
        &mut self,
        line: NewLine,
        content: &[u8],
        chunk: &mut Chunk,
        going: &mut Going<'_>,
        now: Instant,
    ) {
        let place = line.place;
        let stream = self.streams.get_mut(self.name.as_slice());
        let open = stream.and_then(|stream| {
            stream.end_before(place).for_each(|held| going.release(held, &self.chain, chunk));
            stream.held(place)
        });
        // It was placed, so there is a group.
        let Some(open) = open else { return going.keep(line.time, &line.record) };
        going.hold();
        let is_full = |held: &mut Held| !held.has_room(content.len(), self.limits.bytes_max);
        if let Some(full) = open.take_if(is_full) {
            going.release(full, &self.chain, chunk);
        }
        if let Some(held) = open {
            held.append(content, chunk.permit.split_own(), now, &self.chain);
        } else {
            self.groups += 1;
            *open = Some(Held::begin(line, content.len(), chunk, now, self.groups));
        }
        if let Some(whole) = open.take_if(|_| place.ends) {
            going.release(whole, &self.chain, chunk);
        } else if let Some(held) = open {
            let deadline = self.limits.deadline(held);
            self.wakes_at = Some(self.wakes_at.map_or(deadline, |at| at.min(deadline)));
        }
    }

    /// Sees to it that one more source can be known.
    fn make_room(&mut self, now: Instant) {
        if self.streams.len() < STREAMS_MAX {
            return;
        }
        self.streams.retain(|_, stream| stream.is_open());
        while self.streams.len() >= STREAMS_MAX {
            let longest = self.first(|held| held.newest);
            let stream = longest.and_then(|first| self.streams.remove(&first.name));
            let held = stream.into_iter().flat_map(Stream::into_open);
            self.ousted.extend(held.map(|held| (held.into_chunk(&self.chain), now)));
        }
    }

    /// Lets everything go on, in the order in which it began.
    fn end_all(&mut self, chunk: &mut Chunk, going: &mut Going<'_>) {
        let mut open: Vec<Held> = self.streams.values_mut().flat_map(Stream::end_all).collect();
        open.sort_unstable_by_key(|held| held.number);
        open.into_iter().for_each(|held| going.release(held, &self.chain, chunk));
    }

    /// The group whose time is the first; of several the one that began first.
    fn first(&self, time: impl Fn(&Held) -> Instant) -> Option<First> {
        let named = |(name, stream)| Stream::open(stream).map(move |held| (name, held));
        let open = self.streams.iter().flat_map(named);
        let (name, held) = open.min_by_key(|(_, held)| (time(held), held.number))?;
        Some(First { name: Clone::clone(name), number: held.number, at: time(held) })
    }

    /// Lets one group go on.
    fn end(&mut self, group: &First) -> Option<Chunk> {
        let stream = self.streams.get_mut(&group.name)?;
        let held = stream.end_if(|held| held.number == group.number).next()?;
        Some(held.into_chunk(&self.chain))
    }
}

impl Limits {
    /// When lines that are held go on, whatever comes.
    fn deadline(&self, held: &Held) -> Instant {
        let after = |since: Instant, wait| since.checked_add(wait).unwrap_or(since);
        after(held.newest, self.wait).min(after(held.since, self.wait.max(HOLD_MAX)))
    }
}

impl<'a> Fields<'a> {
    fn of(record: &'a [u8], key: &[u8]) -> Self {
        let mut fields = Self { container: &[], is_stderr: None, text: None };
        for pair in map::pairs(record).into_iter().flatten() {
            let Some(name) = pair.key_text() else { continue };
            if name == key {
                fields.text = map::text(pair.value);
            }
            match name {
                b"container_id" => fields.container = map::text(pair.value).unwrap_or_default(),
                // The key of Docker's driver, and that of its files and of CRI's.
                b"source" | b"stream" => {
                    fields.is_stderr = match map::text(pair.value) {
                        Some(b"stdout") => Some(false),
                        Some(b"stderr") => Some(true),
                        Some(_) | None => fields.is_stderr,
                    };
                }
                _ => {}
            }
        }
        fields
    }

    /// Writes the name of the source: input, tag, container and stream, none of which is mixed with
    /// another.
    fn name(&self, chunk: &Chunk, name: &mut Vec<u8>) {
        let stream = match self.is_stderr {
            None => 0,
            Some(false) => 1,
            Some(true) => 2,
        };
        let tag = chunk.tag.as_bytes();
        name.clear();
        name.push(stream);
        name.extend_from_slice(&chunk.input.to_be_bytes());
        name.extend_from_slice(&tag.len().to_be_bytes());
        name.extend_from_slice(tag);
        name.extend_from_slice(self.container);
    }
}
