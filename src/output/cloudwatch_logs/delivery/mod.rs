//! Decides what is sent when, and what follows from the answer.
//!
//! Pure: no socket, no task, no clock. The shell in [`super`] pushes chunks, asks for the next
//! batch, and tells what became of it. One batch of a stream is on its way at a time; streams go in
//! parallel. A batch that may be sent again goes back to the front of its stream and is filled
//! anew, so that batches grow while the service throttles.

mod offender;
mod room;
mod settle;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::chunk::Chunk;
use crate::ledger::Reason;
use crate::option::RetryLimit;
use crate::output::incident::Incident;
use crate::output::losses::Losses;
use crate::output::retry::{BACKOFF_STOPPING_MAX, Pace, gives_up, is_exhausted};
use crate::telemetry::OutputCounters;

use super::message::MessageWriter;
use super::piece::{PartToken, Piece};
use super::plan::Messages;
use super::sender::{Class, Put, SendError};
use super::stream::{Batch, Filled, Stream};
use super::target::Target;
pub use room::{Limits, PARTS_MAX, Room, STREAMS_MAX};
use settle::{drop_all, give_up, settle};

/// Most requests of one output on their way at once: each holds a body of a mebibyte or more.
pub const IN_FLIGHT_MAX: usize = 8;
/// How an output delivers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long the oldest entry of a stream waits for more.
    pub flush: Duration,
    /// When a batch may be given up.
    pub retry_limit: RetryLimit,
    /// What messages are made of.
    pub messages: Messages,
    /// How many parts of chunks may wait.
    pub limits: Limits,
    /// Where chance begins: the same seed, the same waits.
    pub seed: u64,
}

/// All streams of one output.
#[derive(Debug)]
pub struct Delivery {
    settings: Settings,
    counters: Arc<OutputCounters>,
    writer: MessageWriter,
    streams: HashMap<Arc<Target>, Stream>,
    /// Streams with something to send, by when that is due. The number keeps equal times apart.
    agenda: BTreeMap<(Instant, u64), Arc<Target>>,
    agenda_number: u64,
    pace: Pace,
    chance: Rng,
    in_flight: usize,
    /// Held by each part.
    parts: PartToken,
    /// Memory is used to more than half: full batches go at once.
    is_crowded: bool,
    is_stopping: bool,
    incident: Incident,
    given_up: Losses,
    /// When something that other outputs hold too was given up for room.
    shared_given_up: Option<Instant>,
}

impl Delivery {
    /// Nothing to deliver yet.
    #[must_use]
    pub fn new(settings: Settings, counters: Arc<OutputCounters>) -> Self {
        Self {
            writer: MessageWriter::new(
                settings.messages.log_key.as_deref(),
                settings.messages.dialect,
            ),
            chance: Rng::with_seed(settings.seed),
            incident: Incident::new(&counters.name),
            given_up: Losses::default(),
            shared_given_up: None,
            settings,
            counters,
            streams: HashMap::new(),
            agenda: BTreeMap::new(),
            agenda_number: 0,
            pace: Pace::default(),
            in_flight: 0,
            parts: PartToken::default(),
            is_crowded: false,
            is_stopping: false,
        }
    }

    /// Takes a chunk for a stream.
    pub fn push(&mut self, target: &Arc<Target>, chunk: Chunk, now: Instant) {
        self.push_piece(target, Piece::whole(chunk), now);
    }

    /// Takes what is left of a chunk after others of its records went elsewhere.
    pub fn push_part(&mut self, target: &Arc<Target>, chunk: Chunk, now: Instant) {
        let was_tight = self.is_tight();
        self.push_piece(target, Piece::part(chunk, Arc::clone(&self.parts)), now);
        if !was_tight && self.is_tight() {
            // What waits for more would keep others from coming.
            self.reschedule(now, |stream| stream.backoff.failures() == 0);
        }
    }

    /// How many parts may come, and of which streams. While there is no room, chunks that may have
    /// to be split wait before they are.
    #[must_use]
    pub fn room(&self) -> Room<'_> {
        Room::beside(self.parts(), &self.streams, self.settings.limits)
    }

    /// Parts that have no outcome yet.
    fn parts(&self) -> usize {
        // One is ours.
        Arc::strong_count(&self.parts) - 1
    }

    /// Whether parts keep others from coming.
    fn is_tight(&self) -> bool {
        self.parts() > 0 && self.room().is_tight()
    }

    fn push_piece(&mut self, target: &Arc<Target>, piece: Piece, now: Instant) {
        let stream = match self.streams.get_mut(target) {
            Some(stream) => stream,
            None => {
                let stream = Stream::new(Arc::clone(target));
                self.streams.entry(Arc::clone(target)).or_insert(stream)
            }
        };
        stream.push(piece);
        let is_waiting = stream.backoff.failures() > 0;
        match stream.agenda {
            // A failed stream waits out its time, however much comes meanwhile.
            Some(_) if is_waiting || !(self.is_crowded && stream.is_full()) => {}
            Some(_) => self.schedule(target, now),
            None => {
                let due = self.due(target, now);
                self.schedule(target, due);
            }
        }
    }

    /// Says whether memory is used to more than half.
    ///
    /// While it is not, even a full batch waits for its flush interval: a container that writes its
    /// last lines needs the processor for having them read, and these are lost if they are not.
    pub fn crowded(&mut self, is_crowded: bool, now: Instant) {
        let was_crowded = std::mem::replace(&mut self.is_crowded, is_crowded);
        if is_crowded && !was_crowded {
            self.reschedule(now, |stream| stream.is_full() && stream.backoff.failures() == 0);
        }
    }

    /// The next batch to send now; `None`: nothing is due, or enough is on its way.
    pub fn next_batch(&mut self, now: Instant) -> Option<Batch> {
        loop {
            if self.in_flight >= IN_FLIGHT_MAX || self.pace.next().is_some_and(|next| next > now) {
                return None;
            }
            let entry = self.agenda.first_entry().filter(|entry| entry.key().0 <= now)?;
            let target = entry.remove();
            let stream = self.streams.get_mut(&target)?;
            stream.agenda = None;
            let mut filled = Filled::default();
            let batch = stream.fill(&mut self.writer, &mut filled, now);
            self.counters.oversized_records.add(filled.oversized);
            match batch {
                Some(batch) => {
                    stream.is_in_flight = true;
                    self.in_flight += 1;
                    self.pace.sent(now);
                    self.counters.requests.add(1);
                    return Some(batch);
                }
                None => self.rest(&target, now),
            }
        }
    }

    /// When [`Delivery::next_batch`] is worth asking again; `None`: after the next push or answer.
    #[must_use]
    pub fn wake_at(&self) -> Option<Instant> {
        if self.in_flight >= IN_FLIGHT_MAX {
            return None;
        }
        let ((due, _), _) = self.agenda.first_key_value()?;
        Some(self.pace.next().map_or(*due, |next| next.max(*due)))
    }

    /// The service took the batch, but for what it says it rejected.
    pub fn accepted(&mut self, batch: Batch, put: &Put, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.pace.passed();
        self.counters.bytes.add(batch.sealed.body.len() as u64);
        if let Some(line) = self.incident.over(now) {
            tracing::info!("{line}");
        }
        settle(&batch.target, &batch.sealed.records, batch.pieces, put);
        if let Some(stream) = self.streams.get_mut(&batch.target) {
            stream.is_in_flight = false;
            stream.accepted();
        }
        self.rest(&batch.target, now);
    }

    /// The batch was not taken. `needs_room`: readers wait for memory.
    pub fn failed(&mut self, batch: Batch, error: &SendError, needs_room: bool, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.incident.begin(now);
        self.count_failure(&batch, error);
        let Batch { target, sealed, pieces, sent } = batch;
        let Some(stream) = self.streams.get_mut(&target) else { return drop_all(pieces) };
        stream.is_in_flight = false;
        let wait = match error.class {
            Class::Throttled => {
                self.pace.throttled(sent, now, error.retry_after, &mut self.chance);
                if self.is_stopping {
                    self.pace.limit(now, BACKOFF_STOPPING_MAX);
                }
                Duration::ZERO
            }
            Class::Invalid | Class::TooLarge => {
                if !stream.halve(sealed.records.len()) {
                    self.counters.errors.add(1);
                    tracing::error!("{}: one event refused for good: {error}", self.counters.name);
                    give_up(pieces, Reason::Refused);
                    return self.rest(&target, now);
                }
                Duration::ZERO
            }
            Class::Transient
            | Class::NotFound
            | Class::Credentials
            | Class::AccessDenied
            | Class::Clock
            | Class::AlreadyExists => stream.backoff.fail(&mut self.chance),
        };
        let (limit, failures) = (self.settings.retry_limit, stream.backoff.failures());
        if is_exhausted(limit, failures) {
            // Also where the batch is kept: a health check must tell of a service that stays away.
            self.counters.retries_failed.add(1);
        }
        if gives_up(limit, failures, needs_room) {
            give_up(pieces, Reason::RetriesExhausted);
            return self.rest(&target, now);
        }
        let kept: u64 = pieces.iter().map(|piece| piece.permit.receipt.records()).sum();
        self.counters.retries.add(1);
        self.counters.retried_records.add(kept);
        stream.put_back(pieces);
        if let Some(line) = self.incident.goes_on(&target, error, kept, now) {
            tracing::warn!("{line}");
        }
        let most = if self.is_stopping { BACKOFF_STOPPING_MAX } else { Duration::MAX };
        let due = now.checked_add(wait.min(most)).unwrap_or(now);
        self.schedule(&target, due);
    }

    /// From now on nothing waits for more to come.
    pub fn stop(&mut self, now: Instant) {
        self.is_stopping = true;
        self.pace.limit(now, BACKOFF_STOPPING_MAX);
        self.reschedule(now, |_| true);
    }

    /// Since when every request failed; `None`: the last one did not, or there was none.
    #[must_use]
    pub fn fails_since(&self) -> Option<Instant> {
        self.incident.since()
    }

    /// Whether nothing waits and nothing is on its way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.in_flight == 0 && self.agenda.is_empty()
    }

    /// Ends with what is left: the time to stop is up.
    pub fn abandon(&mut self) {
        for stream in self.streams.values_mut() {
            give_up(stream.drain(), Reason::Stopped);
        }
        self.agenda.clear();
    }

    /// A batch that was on its way when the time was up: its fate is unknown.
    pub fn abandon_batch(&mut self, batch: Batch) {
        self.in_flight = self.in_flight.saturating_sub(1);
        give_up(batch.pieces, Reason::Stopped);
    }

    /// Looks anew when those streams are due that the test picks.
    fn reschedule(&mut self, now: Instant, picks: impl Fn(&Stream) -> bool) {
        let targets: Vec<_> = self.agenda.values().cloned().collect();
        for target in targets {
            if self.streams.get(&target).is_some_and(&picks) {
                let due = self.due(&target, now);
                self.schedule(&target, due);
            }
        }
    }

    fn count_failure(&self, batch: &Batch, error: &SendError) {
        if error.class == Class::Throttled {
            self.counters.throttled.add(1);
        }
        if error.is_ambiguous {
            self.counters.ambiguous_records.add(batch.records());
        }
    }

    /// When a stream's next batch is due.
    fn due(&self, target: &Arc<Target>, now: Instant) -> Instant {
        let Some(stream) = self.streams.get(target) else { return now };
        if self.is_stopping || self.is_tight() || (self.is_crowded && stream.is_full()) {
            return now;
        }
        let oldest = stream.oldest().unwrap_or(now);
        oldest.checked_add(self.settings.flush).unwrap_or(now).max(now)
    }

    /// Puts the stream in its place in the agenda; not while a batch of it is on its way.
    fn schedule(&mut self, target: &Arc<Target>, due: Instant) {
        let Some(stream) = self.streams.get_mut(target) else { return };
        if let Some(place) = stream.agenda.take() {
            self.agenda.remove(&place);
        }
        if stream.is_in_flight || stream.is_empty() {
            return;
        }
        self.agenda_number += 1;
        let place = (due, self.agenda_number);
        stream.agenda = Some(place);
        self.agenda.insert(place, Arc::clone(target));
    }

    /// After an answer: what waited behind the batch is due, or the stream is forgotten.
    fn rest(&mut self, target: &Arc<Target>, now: Instant) {
        match self.streams.get(target) {
            Some(stream) if stream.is_empty() && !stream.is_in_flight => {
                self.streams.remove(target);
            }
            Some(_) => {
                let due = self.due(target, now);
                self.schedule(target, due);
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests;
