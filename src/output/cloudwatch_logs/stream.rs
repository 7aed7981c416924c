//! One log stream's queue: what waits, in order, and how its next batch is filled.
//!
//! Pure. At most one batch of a stream is on its way; the rest waits behind it, so that lines are
//! accepted in the order in which they came. Must not know other streams, requests or time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::ledger::{Reason, Shortage};
use crate::output::retry::Backoff;
use crate::record::time::EventTime;

use super::batch::{BatchBuilder, NotAdded, Sealed};
use super::escape::{Depth, escape};
use super::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use super::message::{MessageWriter, NoMessage};
use super::mishap::{Mishap, Mishaps, marker};
use super::oversize::{self, Fitted};
use super::piece::{Form, Piece};
use super::target::Target;

/// Bytes a body has at first for each byte that is expected in it: quotes get backslashes.
const BODY_CAPACITY_MAX: usize = BATCH_BYTES_MAX + BATCH_BYTES_MAX / 4;

/// A stream's queue.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) target: Arc<Target>,
    queue: VecDeque<Piece>,
    /// Sum of the pieces' estimates.
    queued_bytes: usize,
    pub(super) backoff: Backoff,
    /// Fewer than the service takes after it refused a batch: to find the event it refuses.
    events_max: usize,
    pub(super) is_in_flight: bool,
    /// Its place in the agenda of all streams, while it has one.
    pub(super) agenda: Option<(Instant, u64)>,
}

/// A batch on its way: its body, and what becomes of its records.
#[derive(Debug)]
pub struct Batch {
    /// Where it goes.
    pub target: Arc<Target>,
    /// The request.
    pub sealed: Sealed,
    /// Bytes of its body as it was made.
    pub(super) body_bytes: usize,
    /// Bytes of its body as it was sent.
    pub(super) sent_bytes: usize,
    pub(super) pieces: Vec<Piece>,
    /// When it was filled, to be sent at once.
    pub(super) sent: Instant,
    /// What its markers tell.
    pub(super) told: Mishaps,
    /// The time of its markers.
    pub(super) told_at: EventTime,
}

/// What happened while a batch was filled.
#[derive(Debug, Default)]
pub(super) struct Filled {
    /// Records too large for one event.
    pub(super) oversized: u64,
    /// What became of records.
    pub(super) mishaps: Mishaps,
    /// What there was no room to tell.
    pub(super) untold: Mishaps,
}

/// What is to be told in front of a batch.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) mishaps: Mishaps,
    /// The time of day.
    pub(super) time: EventTime,
}

/// A marker stands where the records were that it tells of, if that is not longer ago: a log group
/// keeps events for at least a day.
const MARKER_AGE_MAX_HOURS: i64 = 23;
const NANOS_PER_HOUR: i64 = 3_600_000_000_000;

impl Told {
    /// The time of the markers.
    fn at(&self) -> EventTime {
        let now = self.time.as_nanos();
        let least = now.saturating_sub(MARKER_AGE_MAX_HOURS * NANOS_PER_HOUR);
        let newest = self.mishaps.newest().map(EventTime::as_nanos);
        EventTime::from_nanos(newest.filter(|at| (least..now).contains(at)).unwrap_or(now))
    }
}

impl Batch {
    /// Takes the body out. A batch that has to be sent again is filled anew, so nobody needs it twice.
    #[must_use]
    pub(super) fn take_body(&mut self) -> Bytes {
        std::mem::take(&mut self.sealed.body)
    }

    /// Records that the batch answers for.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.permit.receipt.records()).sum()
    }
}

impl Stream {
    pub(super) fn new(target: Arc<Target>) -> Self {
        Self {
            target,
            // Most streams hold one piece at a time: room for four would be most of their memory.
            queue: VecDeque::with_capacity(1),
            queued_bytes: 0,
            backoff: Backoff::default(),
            events_max: BATCH_EVENTS_MAX,
            is_in_flight: false,
            agenda: None,
        }
    }

    pub(super) fn push(&mut self, piece: Piece) {
        self.queued_bytes = self.queued_bytes.saturating_add(piece.estimate_bytes());
        self.queue.push_back(piece);
    }

    /// Puts the pieces of a batch that was not accepted back where they were.
    pub(super) fn put_back(&mut self, pieces: Vec<Piece>) {
        for piece in pieces.into_iter().rev() {
            self.put_first(piece);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether a batch would be full.
    pub(super) fn is_full(&self) -> bool {
        self.queued_bytes >= BATCH_BYTES_MAX
    }

    /// Whether the last attempt failed.
    pub(super) fn is_failing(&self) -> bool {
        self.backoff.failures() > 0
    }

    /// Bytes that wait and hold memory that is short, as estimated.
    pub(super) fn easing_bytes(&self, shortage: &Shortage) -> usize {
        match shortage {
            Shortage::Whole => self.queued_bytes,
            Shortage::None | Shortage::Of(_) => {
                let easing = self.queue.iter().filter(|piece| piece.eases(shortage));
                easing.map(Piece::estimate_bytes).sum()
            }
        }
    }

    /// When the oldest entry was read.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.queue.front().map(|piece| piece.arrived)
    }

    /// The service refused a batch of so many events: the next one has half of them. `false`: it
    /// was one event, and that is the one that is refused.
    pub(super) fn halve(&mut self, events: usize) -> bool {
        self.events_max = (events / 2).max(1);
        events > 1
    }

    /// A batch was accepted.
    pub(super) fn accepted(&mut self) {
        self.backoff.succeed();
        self.events_max = self.events_max.saturating_mul(2).min(BATCH_EVENTS_MAX);
    }

    /// Whether the memory of the oldest entries that hold some of what is short stays taken when they
    /// go.
    pub(super) fn is_held_elsewhere(&self, shortage: &Shortage) -> bool {
        let oldest = self.queue.iter().find(|piece| piece.eases(shortage));
        oldest.is_some_and(|piece| piece.permit.is_held_elsewhere())
    }

    /// Takes the oldest entries out that hold some of what is short, of at least so many bytes if there
    /// are.
    pub(super) fn take_easing(&mut self, shortage: &Shortage, bytes: usize) -> Vec<Piece> {
        let (mut pieces, mut kept, mut taken) = (Vec::new(), Vec::new(), 0_usize);
        while taken < bytes
            && let Some(piece) = self.take_first()
        {
            if piece.eases(shortage) {
                taken = taken.saturating_add(piece.estimate_bytes());
                pieces.push(piece);
            } else {
                kept.push(piece);
            }
        }
        self.put_back(kept);
        pieces
    }

    /// Takes everything out.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Piece> {
        self.queued_bytes = 0;
        self.queue.drain(..)
    }

    /// Fills a batch: first what is to be told, then from the front of the queue. `None`: no entry
    /// there had a message.
    pub(super) fn fill(
        &mut self,
        writer: &mut MessageWriter,
        told: Told,
        filled: &mut Filled,
        now: Instant,
    ) -> Option<Batch> {
        let capacity = self.queued_bytes.saturating_mul(2).min(BODY_CAPACITY_MAX);
        let mut builder = BatchBuilder::new(&self.target, self.events_max, capacity);
        let (told, told_at) = tell(told, &mut builder, &mut filled.untold);
        let mut pieces = Vec::new();
        while let Some(mut piece) = self.take_first() {
            let (added, stop) = add(&mut piece, &mut builder, writer);
            if added > 0 {
                pieces.push(piece.split(added));
            }
            match stop {
                None => {}
                Some(Stop::Full) => {
                    self.put_first(piece);
                    break;
                }
                Some(Stop::Unsent(reason)) => {
                    let unsent = piece.split(1);
                    filled.mishaps.add(Mishap::Dropped(reason), unsent.extent());
                    unsent.dropped(reason);
                    self.put_first(piece);
                }
                Some(Stop::Several) => {
                    let several = piece.split(1);
                    self.put_first(piece);
                    self.put_back(each_message(several, writer));
                }
                Some(Stop::TooLong) => {
                    filled.oversized += 1;
                    let long = piece.split(1);
                    self.put_first(piece);
                    let (mishap, mut pieces) = match oversize::fit(long, writer) {
                        Fitted::Parts(pieces) => (Mishap::Split, pieces),
                        Fitted::Shortened(pieces) => (Mishap::Shortened, pieces),
                    };
                    if let Some(last) = pieces.last_mut() {
                        last.mishap = Some(mishap);
                    }
                    self.put_back(pieces);
                }
            }
        }
        let sealed = builder.seal()?;
        let (target, bytes) = (Arc::clone(&self.target), sealed.body.len());
        Some(Batch {
            target,
            sealed,
            body_bytes: bytes,
            sent_bytes: bytes,
            pieces,
            sent: now,
            told,
            told_at,
        })
    }

    fn take_first(&mut self) -> Option<Piece> {
        let piece = self.queue.pop_front()?;
        self.queued_bytes = self.queued_bytes.saturating_sub(piece.estimate_bytes());
        Some(piece)
    }

    fn put_first(&mut self, piece: Piece) {
        if !piece.is_empty() {
            self.queued_bytes = self.queued_bytes.saturating_add(piece.estimate_bytes());
            self.queue.push_front(piece);
        }
    }
}

/// Puts markers in a batch; gives what they tell, and their time.
fn tell(told: Told, builder: &mut BatchBuilder, untold: &mut Mishaps) -> (Mishaps, EventTime) {
    let (at, mut mishaps) = (told.at(), told.mishaps);
    let is_added = |builder: &mut BatchBuilder, text: &[u8]| {
        let push = |body: &mut Vec<u8>| Ok::<_, NoMessage>(escape(text, Depth::Once, body));
        builder.push(at.as_millis(), 0, push).is_ok()
    };
    let markers = mishaps.iter().map(|(mishap, extent)| marker(*mishap, extent));
    let added = markers.take_while(|text| is_added(builder, text)).count();
    untold.join(mishaps.split_off(added));
    (mishaps, at)
}

/// Why filling stopped at an entry.
enum Stop {
    /// It waits for the next batch.
    Full,
    /// It has no message.
    Unsent(Reason),
    /// It has to be made to fit first.
    TooLong,
    /// It has several messages, each an event.
    Several,
}

/// A piece for each message of a piece of one entry.
fn each_message(piece: Piece, writer: &MessageWriter) -> Vec<Piece> {
    let Some((entry, record, _)) = piece.first() else { return vec![piece] };
    let texts = writer.texts(record, &piece.shared);
    if texts.is_empty() {
        piece.dropped(Reason::Empty);
        return Vec::new();
    }
    piece.into_texts(entry.time, &texts)
}

/// Adds entries of the piece until one is not added; returns how many were.
fn add(
    piece: &mut Piece,
    builder: &mut BatchBuilder,
    writer: &mut MessageWriter,
) -> (usize, Option<Stop>) {
    let Piece { entries, range, shared, form, permit, .. } = piece;
    let owed = u32::from(permit.receipt.records() > 0);
    let places = entries.entries.get(range.clone()).unwrap_or_default();
    for (added, entry) in places.iter().enumerate() {
        let bytes = usize::try_from(entry.start).ok().zip(usize::try_from(entry.end).ok());
        let bytes = bytes.and_then(|(start, end)| entries.data.get(start..end)).unwrap_or_default();
        let pushed = builder.push(entry.time.as_millis(), owed, |body| match form {
            Form::Record => writer.write(bytes, shared, body),
            Form::Text => Ok(escape(bytes, Depth::Once, body)),
        });
        let stop = match pushed {
            Ok(()) => continue,
            Err(NotAdded::Full(_)) => Stop::Full,
            Err(NotAdded::TooLong { .. } | NotAdded::Unwritten(NoMessage::TooLong)) => {
                Stop::TooLong
            }
            Err(NotAdded::Unwritten(NoMessage::None(reason))) => Stop::Unsent(reason),
            Err(NotAdded::Unwritten(NoMessage::Several)) => Stop::Several,
        };
        return (added, Some(stop));
    }
    (places.len(), None)
}
