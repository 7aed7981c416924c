//! Around the path, multiline: several parsers over one source of lines.
//!
//! The parsers are tried in their order, first the one that took the line before
//! (Fluent Bit's `flb_ml_append_object`, `lru_parser`). A source is whatever must not be mixed: a
//! file, or a container's stdout. Not known here: what is held for a group, and how long.

use std::sync::Arc;

use super::parser::{Before, Join, Parser};
use crate::parser as fields;
use crate::record::map;
use crate::record::msgpack::Writer;
use crate::record::time::EventTime;

/// Most groups of a source that a parser's `key_group` may tell apart. Fluent Bit's
/// `FLB_ML_MAX_GROUPS`; beyond it the oldest one makes room.
pub const GROUPS_MAX: usize = 6;

/// Parsers, in the order they are tried.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    members: Vec<Member>,
}

#[derive(Clone, Debug)]
struct Member {
    parser: Arc<Parser>,
    key_content: Option<Box<[u8]>>,
}

/// A line, as it came.
#[derive(Clone, Copy, Debug)]
pub enum Line<'a> {
    /// The text alone.
    Text(&'a [u8]),
    /// A record, one of whose fields is the line.
    Record {
        /// The record's map.
        record: &'a [u8],
        /// A key that was looked up already.
        key: &'a [u8],
        /// The text that was found there.
        text: Option<&'a [u8]>,
    },
}

/// What a parser of fields made of a line, kept for its memory.
#[derive(Debug, Default)]
pub struct Taken {
    /// The record.
    record: Vec<u8>,
    pairs: Vec<u8>,
    /// The time that the line tells.
    time: Option<EventTime>,
}

/// Where a line belongs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    group: usize,
    parser: usize,
    /// It is the first line of its group; one that was open ends before it.
    pub begins: bool,
    /// It is the last line of its group.
    pub ends: bool,
    /// The record is not the one that came but what a parser of fields made of it.
    is_taken: bool,
}

/// What is known of a source, and what is held for its groups.
#[derive(Debug)]
pub struct Stream<T> {
    /// The parser that took the newest line that any took.
    newest: usize,
    groups: Vec<Group<T>>,
}

/// Lines that one parser takes together.
#[derive(Debug)]
pub struct Group<T> {
    parser: usize,
    /// The text under the parser's `key_group`.
    name: Box<[u8]>,
    /// The rule that the newest line matched. It outlives the group: what goes on behind a line of
    /// another kind, or after a wait, is still joined.
    state: Option<usize>,
    /// The lines that wait for the next one.
    open: Option<T>,
}

impl Chain {
    /// These parsers. `key_content` takes the place of their own.
    #[must_use]
    pub fn new(parsers: Vec<Arc<Parser>>, key_content: Option<&str>) -> Self {
        let member = |parser: Arc<Parser>| {
            let key_content = key_content.or(parser.key_content.as_deref());
            Member { key_content: key_content.map(|key| key.as_bytes().into()), parser }
        };
        Self { members: parsers.into_iter().map(member).collect() }
    }

    /// The key that all lines are looked up under, if it is one for all parsers.
    #[must_use]
    pub fn key_content(&self) -> Option<&[u8]> {
        let (first, rest) = self.members.split_first()?;
        let key = first.key_content.as_deref()?;
        rest.iter().all(|member| member.key_content.as_deref() == Some(key)).then_some(key)
    }

    /// The key of the first parser, if that has one.
    #[must_use]
    pub fn first_key(&self) -> Option<&[u8]> {
        self.members.first()?.key_content.as_deref()
    }

    /// Every key that is looked at.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.members.iter().flat_map(|Member { parser, key_content }| {
            let pattern = parser.key_pattern.as_deref().map(str::as_bytes);
            let group = parser.key_group.as_deref().map(str::as_bytes);
            [key_content.as_deref(), pattern, group].into_iter().flatten()
        })
    }

    /// Finds the parser that takes the line and what the line is to it. `None`: no parser does, and
    /// whatever is open in its stream ends before it. `time` is the line's as far as is known, and
    /// `taken` is for [`Taken::of`].
    pub fn place<T>(
        &self,
        stream: &mut Stream<T>,
        line: &Line<'_>,
        time: EventTime,
        taken: &mut Taken,
    ) -> Option<Place> {
        let newest = stream.newest;
        let others = (0..self.members.len()).filter(|parser| *parser != newest);
        let place = std::iter::once(newest).chain(others).find_map(|parser| {
            self.members.get(parser)?.place(parser, stream, line, time, taken)
        })?;
        stream.newest = place.parser;
        Some(place)
    }

    /// The text of a line that was placed; of its new record, if it has one.
    #[must_use]
    pub fn content<'a>(&self, place: Place, line: &Line<'a>) -> &'a [u8] {
        let member = self.members.get(place.parser);
        member.and_then(|member| line.text(member.key_content.as_deref())).unwrap_or_default()
    }

    /// The key under which the text of such a group goes on.
    #[must_use]
    pub fn key(&self, place: Place) -> Option<&[u8]> {
        self.members.get(place.parser)?.key_content.as_deref()
    }

    /// How the lines of such a group are joined.
    #[must_use]
    pub fn join(&self, place: Place) -> Join {
        self.members.get(place.parser).map_or(Join::Lines, |member| member.parser.kind.join())
    }
}

impl Member {
    fn place<T>(
        &self,
        at: usize,
        stream: &mut Stream<T>,
        line: &Line<'_>,
        time: EventTime,
        taken: &mut Taken,
    ) -> Option<Place> {
        let Parser { kind, fields, key_pattern, key_group, .. } = &*self.parser;
        let mut content = line.text(self.key_content.as_deref())?;
        let mut line = *line;
        if let Some(fields) = fields {
            line = taken.take(fields, content, time)?;
            content = line.text(self.key_content.as_deref())?;
        }
        let field = |key: &Option<String>| line.field(key.as_ref()?.as_bytes());
        let name = field(key_group).unwrap_or_default();
        let found = stream.find(at, name);
        let group = found.and_then(|found| stream.groups.get(found));
        let before = group.map_or_else(Before::default, Group::before);
        let step = kind.step(before, content, field(key_pattern))?;
        let group = found.unwrap_or_else(|| stream.add(at, name));
        stream.groups.get_mut(group)?.state = Some(step.rule);
        let (begins, ends, is_taken) = (step.begins, step.ends, fields.is_some());
        Some(Place { group, parser: at, begins, ends, is_taken })
    }
}

impl Taken {
    /// The record and the time that take the place of those of a line that was placed just now, if
    /// a parser of fields made them.
    #[must_use]
    pub fn of(&self, place: Place) -> Option<(&[u8], Option<EventTime>)> {
        place.is_taken.then_some((&self.record, self.time))
    }

    fn take(&mut self, fields: &fields::Parser, text: &[u8], time: EventTime) -> Option<Line<'_>> {
        self.record.clear();
        self.pairs.clear();
        let parsed = fields.parse(text, time, &mut self.pairs)?;
        self.time = parsed.time;
        let mut writer = Writer::new(&mut self.record);
        writer.map_header(parsed.pairs);
        writer.raw(&self.pairs);
        Some(Line::record(&self.record))
    }
}

impl<'a> Line<'a> {
    /// A record of which nothing was looked up.
    #[must_use]
    pub fn record(record: &'a [u8]) -> Self {
        Self::Record { record, key: b"", text: None }
    }

    /// The line itself. A record without the key, or with no text there, is no line.
    fn text(&self, key: Option<&[u8]>) -> Option<&'a [u8]> {
        match self {
            Self::Text(text) => Some(text),
            Self::Record { record, key: known, text } => {
                let key = key?;
                if !known.is_empty() && key == *known {
                    *text
                } else {
                    map::get(record, key).and_then(map::text)
                }
            }
        }
    }

    fn field(&self, key: &[u8]) -> Option<&'a [u8]> {
        match self {
            Self::Text(_) => None,
            Self::Record { record, .. } => map::get(record, key).and_then(map::text),
        }
    }
}

impl<T> Default for Stream<T> {
    fn default() -> Self {
        Self { newest: 0, groups: Vec::new() }
    }
}

impl<T> Stream<T> {
    /// Whether any line waits.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open().next().is_some()
    }

    /// What is held for groups that are open, in the order the groups were met.
    pub fn open(&self) -> impl Iterator<Item = &T> {
        self.groups.iter().filter_map(|group| group.open.as_ref())
    }

    /// Ends all groups, in the order they were met.
    pub fn end_all(&mut self) -> impl Iterator<Item = T> {
        self.groups.iter_mut().filter_map(|group| group.open.take())
    }

    /// What was held for groups that were open.
    pub fn into_open(self) -> impl Iterator<Item = T> {
        self.groups.into_iter().filter_map(|group| group.open)
    }

    /// Ends the groups that pass the test.
    pub fn end_if(&mut self, mut test: impl FnMut(&T) -> bool) -> impl Iterator<Item = T> {
        self.groups.iter_mut().filter_map(move |group| group.open.take_if(|held| test(held)))
    }

    /// Ends what a line at this place ends: the groups of other parsers, so that a source keeps
    /// its order, and, if it begins one, the group of its own kind that was open.
    pub fn end_before(&mut self, place: Place) -> impl Iterator<Item = T> {
        let ends = move |at: usize, group: &Group<T>| {
            group.parser != place.parser || (place.begins && at == place.group)
        };
        let groups = self.groups.iter_mut().enumerate();
        groups
            .filter(move |(at, group)| ends(*at, group))
            .filter_map(|(_, group)| group.open.take())
    }

    /// What is held for the group of a line at this place.
    pub fn held(&mut self, place: Place) -> Option<&mut Option<T>> {
        self.groups.get_mut(place.group).map(|group| &mut group.open)
    }

    fn find(&self, parser: usize, name: &[u8]) -> Option<usize> {
        self.groups.iter().position(|group| group.parser == parser && *group.name == *name)
    }

    /// Beyond [`GROUPS_MAX`] the oldest group becomes this one. What it holds stays open until the
    /// line, which begins one, ends it.
    fn add(&mut self, parser: usize, name: &[u8]) -> usize {
        let of_parser = || self.groups.iter().enumerate().filter(|(_, one)| one.parser == parser);
        let is_full = of_parser().count() >= GROUPS_MAX;
        let oldest = of_parser().map(|(at, _)| at).next().filter(|_| is_full);
        let open = oldest.and_then(|oldest| self.groups.remove(oldest).open);
        self.groups.push(Group { parser, name: name.into(), state: None, open });
        self.groups.len().saturating_sub(1)
    }
}

impl<T> Group<T> {
    fn before(&self) -> Before {
        Before { state: self.state, is_open: self.open.is_some() }
    }
}
