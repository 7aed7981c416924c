//! Steps 1 and 3, parser: the fields found in a text, written as they are found.
//!
//! Not known here: how a text is taken apart.

use super::Parsed;
use super::time::TimeRule;
use super::types::Type;
use crate::record::msgpack::Writer;
use crate::record::time::EventTime;

/// Pairs of a map under construction, without its header.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    pub(super) out: &'a mut Vec<u8>,
    pub(super) pairs: u32,
    time: Option<EventTime>,
    is_time_odd: bool,
}

impl<'a> Fields<'a> {
    pub(super) const fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, pairs: 0, time: None, is_time_odd: false }
    }

    /// Appends a field, as text unless it has a type.
    pub(super) fn typed(&mut self, key: &[u8], text: &[u8], kind: Option<Type>) {
        kind.unwrap_or(Type::Text).write(text, self.key(key));
    }

    /// Appends a key. Exactly one value has to be written next.
    pub(super) fn key(&mut self, key: &[u8]) -> Writer<'_> {
        self.pairs = self.pairs.saturating_add(1);
        let mut writer = Writer::new(self.out);
        writer.str(key);
        writer
    }

    /// Reads the record's time. Whether it fits the format.
    pub(super) fn take_time(&mut self, rule: &TimeRule, text: &[u8], now: EventTime) -> bool {
        let time = rule.read(text, now);
        self.is_time_odd |= time.is_none();
        self.time = time.or(self.time);
        time.is_some()
    }

    pub(super) fn finish(self) -> Parsed {
        let Self { pairs, time, is_time_odd, .. } = self;
        let time = time.filter(|time| time.as_nanos() != 0);
        Parsed { time, pairs, is_time_odd }
    }
}
