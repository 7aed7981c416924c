//! Builds the body of one `PutLogEvents` request, event by event, within the limits of the service.
//!
//! An event that does not fit leaves the body as it was. Events leave oldest first, as the service
//! demands, and by arrival within a millisecond. Pure. Must not know records, chunks or requests.

use std::io::Write as _;

use bytes::Bytes;

use super::escape::{Depth, escape};
use super::limits::{
    BATCH_BYTES_MAX, BATCH_EVENTS_MAX, BATCH_SPAN_MS_MAX, EVENT_OVERHEAD_BYTES, MESSAGE_BYTES_MAX,
};
use super::target::Target;

/// The end of an event: of its message and of its object.
const EVENT_END: &[u8] = b"\"}";
/// The end of the list of events and of the request.
const BODY_END: &[u8] = b"]}";
/// What comes behind the message of the last event.
const BODY_END_BYTES: usize = EVENT_END.len() + BODY_END.len();

/// Most bytes of a body: what a full batch has where every other byte is escaped. What has more is cut
/// before; only an event alone may have up to six times its bytes, if all are control characters.
pub const BODY_BYTES_MAX: usize = 2 * BATCH_BYTES_MAX;

/// An event's place in a body.
#[derive(Clone, Copy, Debug)]
struct Event {
    timestamp_ms: i64,
    /// First byte of its object in the body.
    start: usize,
    /// One past its last byte.
    end: usize,
    /// Records that have their outcome with this event: 1, or 0 for all parts of a record but one.
    records: u32,
}

/// A body being filled.
#[derive(Debug)]
pub struct BatchBuilder {
    body: Vec<u8>,
    /// Bytes of the body before the first event.
    head: usize,
    events: Vec<Event>,
    /// Sum over the events of message bytes and [`EVENT_OVERHEAD_BYTES`].
    bytes: usize,
    /// Oldest and newest timestamp; `None` while there is no event.
    span: Option<(i64, i64)>,
    is_sorted: bool,
    events_max: usize,
}

/// Why an event was not added.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotAdded<E> {
    /// It would cross this limit of the batch: it fits an empty one.
    Full(Limit),
    /// Its message is longer than any batch takes.
    TooLong {
        /// Bytes of the message.
        bytes: usize,
    },
    /// It could not be written.
    Unwritten(E),
}

/// The limit of a batch that an event would have crossed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Limit {
    /// [`BATCH_BYTES_MAX`]
    Bytes,
    /// [`BODY_BYTES_MAX`]
    Body,
    /// [`BATCH_EVENTS_MAX`], or fewer where the builder was made for fewer.
    Events,
    /// [`BATCH_SPAN_MS_MAX`]
    Span,
}

/// A body that is ready to be sent, and what is known of its events.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// The whole request.
    pub body: Bytes,
    /// For each event, in the order of the request: the records that end with it.
    pub records: Vec<u32>,
}

impl BatchBuilder {
    /// An empty batch for a target, of at most `events_max` events and never more than the service
    /// takes.
    #[must_use]
    pub fn new(target: &Target, events_max: usize, capacity: usize) -> Self {
        let mut body = Vec::with_capacity(capacity);
        body.extend_from_slice(b"{\"logGroupName\":\"");
        escape(target.group.as_bytes(), Depth::Once, &mut body);
        body.extend_from_slice(b"\",\"logStreamName\":\"");
        escape(target.stream.as_bytes(), Depth::Once, &mut body);
        body.extend_from_slice(b"\",\"logEvents\":[");
        Self {
            head: body.len(),
            body,
            events: Vec::new(),
            bytes: 0,
            span: None,
            is_sorted: true,
            events_max: events_max.clamp(1, BATCH_EVENTS_MAX),
        }
    }

    /// Adds an event whose message `write` appends to the body, returning the message's bytes.
    ///
    /// # Errors
    ///
    /// [`NotAdded`]; the batch is as it was. An empty batch is never full.
    pub fn push<E>(
        &mut self,
        timestamp_ms: i64,
        records: u32,
        write: impl FnOnce(&mut Vec<u8>) -> Result<usize, E>,
    ) -> Result<(), NotAdded<E>> {
        // The service takes no time before 1970.
        let timestamp_ms = timestamp_ms.max(0);
        let (oldest, newest) = self.span_with(timestamp_ms);
        if self.events.len() == self.events_max {
            return Err(NotAdded::Full(Limit::Events));
        }
        if newest - oldest > BATCH_SPAN_MS_MAX {
            return Err(NotAdded::Full(Limit::Span));
        }
        let start = self.body.len();
        self.begin(timestamp_ms);
        let bytes = match write(&mut self.body) {
            Ok(bytes) if bytes > MESSAGE_BYTES_MAX => Err(NotAdded::TooLong { bytes }),
            Ok(bytes) if self.bytes + bytes + EVENT_OVERHEAD_BYTES > BATCH_BYTES_MAX => {
                Err(NotAdded::Full(Limit::Bytes))
            }
            Ok(_)
                if !self.events.is_empty() && self.body.len() > BODY_BYTES_MAX - BODY_END_BYTES =>
            {
                Err(NotAdded::Full(Limit::Body))
            }
            Ok(bytes) => Ok(bytes),
            Err(error) => Err(NotAdded::Unwritten(error)),
        };
        let bytes = bytes.inspect_err(|_| self.take_back(start))?;
        self.body.extend_from_slice(EVENT_END);
        self.is_sorted &= self.span.is_none_or(|(_, before)| timestamp_ms >= before);
        let end = self.body.len();
        self.events.push(Event { timestamp_ms, start, end, records });
        self.bytes += bytes + EVENT_OVERHEAD_BYTES;
        self.span = Some((oldest, newest));
        Ok(())
    }

    /// How many events it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Ends the body. `None`: there is no event in it.
    #[must_use]
    pub fn seal(mut self) -> Option<Sealed> {
        if self.events.is_empty() {
            return None;
        }
        if !self.is_sorted {
            self.sort();
        }
        self.body.extend_from_slice(BODY_END);
        let records = self.events.iter().map(|event| event.records).collect();
        Some(Sealed { body: Bytes::from(self.body), records })
    }

    /// Removes what was written of an event, and gives back the room that a huge one took.
    fn take_back(&mut self, start: usize) {
        self.body.truncate(start);
        if self.body.capacity() > BODY_BYTES_MAX {
            self.body.shrink_to(BODY_BYTES_MAX);
        }
    }

    fn span_with(&self, timestamp_ms: i64) -> (i64, i64) {
        self.span.map_or((timestamp_ms, timestamp_ms), |(oldest, newest)| {
            (oldest.min(timestamp_ms), newest.max(timestamp_ms))
        })
    }

    fn begin(&mut self, timestamp_ms: i64) {
        if !self.events.is_empty() {
            self.body.push(b',');
        }
        self.body.extend_from_slice(b"{\"timestamp\":");
        self.body.extend_from_slice(itoa::Buffer::new().format(timestamp_ms).as_bytes());
        self.body.extend_from_slice(b",\"message\":\"");
    }

    /// Writes the body anew in the order of time: rare, since most senders send in order.
    fn sort(&mut self) {
        self.events.sort_by_key(|event| event.timestamp_ms);
        let mut sorted = Vec::with_capacity(self.body.len() + BODY_END.len());
        sorted.extend_from_slice(self.body.get(..self.head).unwrap_or_default());
        for (at, event) in self.events.iter().enumerate() {
            if at > 0 {
                sorted.push(b',');
            }
            let object = self.body.get(event.start..event.end).unwrap_or_default();
            // All objects but the first to arrive begin with the comma before them.
            let object = object.strip_prefix(b",").unwrap_or(object);
            // Writing to a `Vec` cannot fail.
            let _ = sorted.write_all(object);
        }
        self.body = sorted;
    }
}

#[cfg(test)]
mod tests;
