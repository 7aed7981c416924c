//! Decides what is sent when, and what follows from the answer.
//!
//! Pure: no socket, no task, no clock. The shell in [`super`] pushes chunks, asks for the next
//! batch, and tells what became of it. One batch of a stream is on its way at a time; streams go in
//! parallel. A batch that may be sent again goes back to the front of its stream and is filled
//! anew, so that batches grow while the service throttles.

mod answer;
mod markers;
mod offender;
mod room;
mod settle;
mod slots;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::chunk::Chunk;
use crate::hash::HashMap;
use crate::option::RetryLimit;
use crate::output::incident::Incident;
use crate::output::losses::Losses;
use crate::output::retry::{BACKOFF_STOPPING_MAX, Pace};
use crate::record::time::EventTime;
use crate::telemetry::OutputCounters;

use super::message::MessageWriter;
use super::piece::{PartToken, Piece};
use super::plan::Messages;
use super::stream::{Batch, Filled, Stream, Told};
use super::target::Target;
use markers::{Markers, Way};
pub use room::{Limits, PARTS_MAX, Room, STREAMS_MAX};
use slots::Slots;
pub use slots::{BODIES_BYTES_MAX, IN_FLIGHT_MAX};

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
    /// Whether a stream is told what became of its records.
    pub loss_markers: bool,
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
    slots: Slots,
    /// Held by each part.
    parts: PartToken,
    /// Streams or parts keep others from coming: everything goes at once.
    is_tight: bool,
    /// Memory is used to more than half: full batches go at once.
    is_crowded: bool,
    is_stopping: bool,
    incident: Incident,
    given_up: Losses,
    /// When something that other outputs hold too was given up for room.
    shared_given_up: Option<Instant>,
    markers: Markers,
    /// The time of day, for what is made here.
    time: EventTime,
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
            markers: Markers::new(settings.loss_markers, settings.limits.marked_streams()),
            time: EventTime::default(),
            settings,
            counters,
            streams: HashMap::default(),
            agenda: BTreeMap::new(),
            agenda_number: 0,
            pace: Pace::default(),
            slots: Slots::default(),
            parts: PartToken::default(),
            is_tight: false,
            is_crowded: false,
            is_stopping: false,
        }
    }

    /// Says what time of day it is: markers bear it.
    pub fn time_is(&mut self, time: EventTime) {
        self.time = time;
    }

    /// Takes a chunk for a stream.
    pub fn push(&mut self, target: &Arc<Target>, chunk: Chunk, now: Instant) {
        self.push_piece(target, Piece::whole(chunk), now);
    }

    /// Takes what is left of a chunk after others of its records went elsewhere.
    pub fn push_part(&mut self, target: &Arc<Target>, chunk: Chunk, now: Instant) {
        self.push_piece(target, Piece::part(chunk, Arc::clone(&self.parts)), now);
    }

    /// How many streams and parts may come. While there is no room, chunks wait outside: those that
    /// may have to be split before they are.
    #[must_use]
    pub fn room(&self) -> Room<'_> {
        Room::beside(self.parts(), &self.streams, self.settings.limits)
    }

    /// Parts that have no outcome yet.
    fn parts(&self) -> usize {
        // One is ours.
        Arc::strong_count(&self.parts) - 1
    }

    fn push_piece(&mut self, target: &Arc<Target>, piece: Piece, now: Instant) {
        self.queue(target, piece, now);
        let was_tight = self.is_tight;
        self.look_at_room();
        if self.is_tight && !was_tight {
            // What waits for more would keep others from coming.
            self.reschedule(now, |stream| stream.backoff.failures() == 0);
        }
    }

    /// Notes whether what is here keeps others from coming; not any more once a quarter is free, so
    /// that nobody looks through all streams for each that comes.
    fn look_at_room(&mut self) {
        let room = self.room();
        let (is_tight, is_wide) = (room.is_tight(), room.is_wide(self.settings.limits));
        self.is_tight = is_tight || (self.is_tight && !is_wide);
    }

    fn queue(&mut self, target: &Arc<Target>, piece: Piece, now: Instant) {
        let stream = match self.streams.get_mut(target) {
            Some(stream) => stream,
            None => {
                self.slots.see(target);
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
            if self.slots.is_full() || self.pace.next().is_some_and(|next| next > now) {
                return None;
            }
            let Some(place) = self.next_place().filter(|(due, _)| *due <= now) else {
                return self.next_marker(now);
            };
            let target = self.agenda.remove(&place)?;
            if let Some(batch) = self.fill(&target, now) {
                return Some(batch);
            }
            self.rest(&target, now);
        }
    }

    /// The first in the agenda that there is a place for. There are at most as many as there may be
    /// streams.
    fn next_place(&self) -> Option<(Instant, u64)> {
        let mut agenda = self.agenda.iter();
        if !self.slots.is_choosy() {
            return agenda.next().map(|(place, _)| *place);
        }
        let is_failing = |target| self.streams.get(target).is_some_and(Stream::is_failing);
        let free = agenda.find(|(_, target)| self.slots.is_free_for(target, is_failing(*target)));
        free.map(|(place, _)| *place)
    }

    /// A batch of nothing but markers, of a stream that has no other.
    fn next_marker(&mut self, now: Instant) -> Option<Batch> {
        let (streams, slots) = (&self.streams, &self.slots);
        let way = |target: &Arc<Target>, is_failing| way(streams, slots, target, is_failing);
        let (target, backoff) = self.markers.next_alone(now, way)?;
        let mut stream = Stream::new(Arc::clone(&target));
        stream.backoff = backoff;
        self.streams.insert(Arc::clone(&target), stream);
        let batch = self.fill(&target, now);
        if batch.is_none() {
            self.rest(&target, now);
        }
        batch
    }

    /// Fills a batch of the stream, which is on its way then.
    fn fill(&mut self, target: &Arc<Target>, now: Instant) -> Option<Batch> {
        let stream = self.streams.get_mut(target)?;
        stream.agenda = None;
        let told = Told { mishaps: self.markers.take(target, now), time: self.time };
        let mut filled = Filled::default();
        let batch = stream.fill(&mut self.writer, told, &mut filled, now);
        self.counters.oversized_records.add(filled.oversized);
        filled.mishaps.join(filled.untold);
        stream.is_in_flight = batch.is_some();
        let is_failing = stream.is_failing();
        self.markers.note(target, filled.mishaps, now);
        if let Some(batch) = &batch {
            self.slots.take(Arc::clone(target), is_failing, batch.sealed.body.len());
            self.pace.sent(now);
            self.counters.requests.add(1);
        }
        batch
    }

    /// When [`Delivery::next_batch`] is worth asking again; `None`: after the next push or answer.
    #[must_use]
    pub fn wake_at(&self) -> Option<Instant> {
        if self.slots.is_full() {
            return None;
        }
        let due = self.next_place().map(|(due, _)| due);
        let way = |target: &_, is_failing| way(&self.streams, &self.slots, target, is_failing);
        let due = [due, self.markers.wake_at(way)].into_iter().flatten().min()?;
        Some(self.pace.next().map_or(due, |next| next.max(due)))
    }

    /// From now on nothing waits for more to come.
    pub fn stop(&mut self, now: Instant) {
        self.is_stopping = true;
        self.pace.limit(now, BACKOFF_STOPPING_MAX);
        self.markers.stop(now);
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
        self.slots.is_empty() && self.agenda.is_empty() && self.markers.is_empty()
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

    /// When a stream's next batch is due.
    fn due(&self, target: &Arc<Target>, now: Instant) -> Instant {
        let Some(stream) = self.streams.get(target) else { return now };
        if self.is_stopping || self.is_tight || (self.is_crowded && stream.is_full()) {
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
        self.look_at_room();
        match self.streams.get(target) {
            Some(stream) if stream.is_empty() && !stream.is_in_flight => {
                self.markers.left_alone(target, stream.backoff, now);
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

/// How a stream can be told of its records.
fn way(
    streams: &HashMap<Arc<Target>, Stream>,
    slots: &Slots,
    target: &Arc<Target>,
    is_failing: bool,
) -> Way {
    match streams.contains_key(target) {
        true => Way::WithBatch,
        false if slots.is_free_for(target, is_failing) => Way::Alone,
        false => Way::NoPlace,
    }
}

#[cfg(test)]
mod fairness_tests;
#[cfg(test)]
mod marker_tests;
#[cfg(test)]
mod tests;
