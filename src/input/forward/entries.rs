//! Walks a list of entries: the array of Forward mode, or the packed bytes of the packed modes.
//!
//! An odd entry costs only itself. Must not know where the list came from.

use std::ops::Range;

use super::{collect::Collector, time};
use crate::{
    input::item::OddReason,
    record::{
        msgpack::{SkipError, Skipper, exceeds_depth},
        time::EventTime,
    },
};

/// How far a walk goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Count {
    /// So many entries.
    Exactly(u32),
    /// As many as there are bytes for.
    ToTheEnd,
}

/// What every record of a connection is held to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// The time of a record that has no usable one.
    pub(super) now: EventTime,
    /// Most containers in each other, the record's own map among them.
    pub(super) depth_max: usize,
}

impl Rules {
    /// Whether the bytes are a record; at most `containers` of them are nested.
    #[inline]
    pub(super) fn check(&self, record: &[u8], containers: u32) -> Result<(), OddReason> {
        if !matches!(record.first(), Some(0x80..=0x8f | 0xde | 0xdf)) {
            return Err(OddReason::RecordNotMap);
        }
        let may_exceed = usize::try_from(containers).unwrap_or(usize::MAX) > self.depth_max;
        if may_exceed && exceeds_depth(record, self.depth_max) {
            return Err(OddReason::RecordTooDeep);
        }
        Ok(())
    }
}

/// Hands the entries that begin at `at` to the collector, which knows `bytes` from offset `base`.
pub(super) fn walk(
    rules: &Rules,
    bytes: &[u8],
    at: usize,
    count: Count,
    base: usize,
    collector: &mut Collector,
) {
    let mut walk = Walk { rules, bytes, at };
    let mut done = 0;
    while match count {
        Count::Exactly(entries) => done < entries,
        Count::ToTheEnd => walk.at < bytes.len(),
    } {
        match walk.entry() {
            Ok(Ok((time, record))) => {
                collector.push(time, base + record.start..base + record.end);
            }
            Ok(Err(reason)) => collector.drop_one(reason),
            Err(_) => {
                collector.drop_one(OddReason::FrameTailUnreadable);
                return;
            }
        }
        done += 1;
    }
}

struct Walk<'a> {
    rules: &'a Rules,
    bytes: &'a [u8],
    at: usize,
}

/// Within [`SkipError`], which ends the walk: what one entry came to.
type Outcome = Result<(EventTime, Range<usize>), OddReason>;

impl Walk<'_> {
    fn entry(&mut self) -> Result<Outcome, SkipError> {
        let Some((values @ 2.., header_len)) = self.array_header() else {
            self.skip(1)?;
            return Ok(Err(OddReason::EntryNotPair));
        };
        self.at += header_len;
        let (time, is_marker) = self.time()?;
        let (record, containers) = self.skip(1)?;
        if values > 2 {
            self.skip(u64::from(values) - 2)?;
        }
        if is_marker {
            return Ok(Err(OddReason::GroupMarker));
        }
        let map = self.bytes.get(record.clone()).unwrap_or_default();
        Ok(self.rules.check(map, containers).map(|()| (time.unwrap_or(self.rules.now), record)))
    }

    /// Reads `time` or `[time, metadata]`; whether it is the mark of a group.
    fn time(&mut self) -> Result<(Option<EventTime>, bool), SkipError> {
        let header = self.array_header();
        let (range, _) = self.skip(1)?;
        let value = self.bytes.get(range).unwrap_or_default();
        Ok(match header {
            None => (time::wire_time(value), false),
            // An empty array has no time; what is read then is no time either.
            Some((_, header_len)) => {
                let value = value.get(header_len..).unwrap_or_default();
                (time::wire_time(value), time::is_group_marker(value))
            }
        })
    }

    /// The values of the array that begins here and the length of its header, if it is one.
    fn array_header(&self) -> Option<(u32, usize)> {
        match self.bytes.get(self.at..)? {
            [first @ 0x90..=0x9f, ..] => Some((u32::from(first & 0x0f), 1)),
            [0xdc, a, b, ..] => Some((u16::from_be_bytes([*a, *b]).into(), 3)),
            [0xdd, a, b, c, d, ..] => Some((u32::from_be_bytes([*a, *b, *c, *d]), 5)),
            _ => None,
        }
    }

    #[inline]
    fn skip(&mut self, values: u64) -> Result<(Range<usize>, u32), SkipError> {
        let mut skipper = Skipper::new(self.at, values);
        let range = self.at..skipper.advance(self.bytes)?;
        self.at = range.end;
        Ok((range, skipper.containers()))
    }
}
