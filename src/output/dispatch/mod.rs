//! Step 6, output: decides which chunks are sent when, and what follows from the answer.
//!
//! For outputs that send what they get tag by tag. Pure: no socket, no task, no clock; the shell is
//! [`super::courier`]. Chunks of one input and one tag are a lane. What of a lane is due becomes a
//! [`Parcel`]; one of a lane is on its way at a time, and one that failed goes first again, as it was,
//! so that nothing is overtaken and a peer can tell that it saw it before. Must not know what a
//! parcel becomes.

mod lane;
mod parcel;
mod room;
mod settings;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::incident::Incident;
use super::losses::Losses;
use super::retry::{BACKOFF_STOPPING_MAX, Backoff, gives_up, is_exhausted};
use crate::chunk::Chunk;
use crate::ledger::Reason;
use crate::record::tag::Tag;
use crate::telemetry::OutputCounters;

use lane::Lane;
pub use parcel::{PARCEL_BYTES_MAX, Parcel};
pub use settings::{FailureKind, IN_FLIGHT_MAX, Settings, parcel_bytes_max};

/// Longest wait that a peer can ask for.
const ASKED_WAIT_MAX: Duration = Duration::from_secs(300);

/// Chunks of one input and one tag.
type Key = (u16, Tag);

/// All lanes of one output.
#[derive(Debug)]
pub struct Dispatch {
    settings: Settings,
    counters: Arc<OutputCounters>,
    lanes: HashMap<Key, Lane>,
    /// Lanes that wait to be sent, by when they are due. The number keeps equal times apart.
    agenda: BTreeMap<(Instant, u64), Key>,
    agenda_number: u64,
    /// Lanes whose last attempt failed.
    failing: HashSet<Key>,
    /// When something that others hold too was given up for room.
    shared_given_up: Option<Instant>,
    /// Of the output as a whole: a peer that fails is tried with one parcel at a time.
    backoff: Backoff,
    rests_until: Option<Instant>,
    /// When the last failure was told: those that were sent before are the same one.
    failed: Option<Instant>,
    /// Since when something is waited for without success.
    stalled_since: Option<Instant>,
    in_flight: usize,
    chance: Rng,
    is_crowded: bool,
    is_stopping: bool,
    incident: Incident,
    given_up: Losses,
    refused: Losses,
}

impl Dispatch {
    /// Nothing to send yet.
    #[must_use]
    pub fn new(settings: Settings, counters: Arc<OutputCounters>) -> Self {
        Self {
            chance: Rng::with_seed(settings.seed),
            incident: Incident::new(&counters.name),
            settings,
            counters,
            lanes: HashMap::new(),
            agenda: BTreeMap::new(),
            agenda_number: 0,
            failing: HashSet::new(),
            shared_given_up: None,
            backoff: Backoff::default(),
            rests_until: None,
            failed: None,
            stalled_since: None,
            in_flight: 0,
            is_crowded: false,
            is_stopping: false,
            given_up: Losses::default(),
            refused: Losses::default(),
        }
    }

    /// Takes a chunk in.
    pub fn push(&mut self, chunk: Chunk) {
        let key = (chunk.input, chunk.tag.clone());
        let is_full = {
            let lane = self.lanes.entry(key.clone()).or_default();
            lane.push(chunk);
            lane.is_full(self.settings.parcel_bytes_max)
        };
        // Others of a lane wait for their turn as long as one is on its way or waits to go again.
        self.schedule(&key, is_full);
    }

    /// Memory is used to more than half, or no longer: then nothing waits for more.
    pub fn crowded(&mut self, is_crowded: bool) {
        if is_crowded && !self.is_crowded {
            self.hurry();
        }
        self.is_crowded = is_crowded;
    }

    /// The process is stopping: everything is due, and waits are short.
    pub fn stop(&mut self, now: Instant) {
        self.is_stopping = true;
        let latest = now.checked_add(BACKOFF_STOPPING_MAX);
        self.rests_until = self.rests_until.min(latest);
        for lane in self.lanes.values_mut() {
            lane.rests_until = lane.rests_until.min(latest);
        }
        self.hurry();
    }

    /// The next parcel that is to be sent now.
    pub fn next_parcel(&mut self, now: Instant) -> Option<Parcel> {
        let is_failing = self.backoff.failures() > 0;
        let in_flight_max = if is_failing { 1 } else { self.settings.in_flight_max.max(1) };
        if self.in_flight >= in_flight_max || self.rests_until.is_some_and(|until| until > now) {
            return None;
        }
        let key = self.agenda.remove(&self.next_due(is_failing, now)?)?;
        let lane = self.lanes.get_mut(&key)?;
        lane.agenda = None;
        let mut parcel = lane.take(self.settings.parcel_bytes_max)?;
        parcel.sent_at = Some(now);
        self.in_flight += 1;
        self.counters.requests.add(1);
        self.stalled_since.get_or_insert(now);
        Some(parcel)
    }

    /// The lane whose turn it is. While attempts fail those that did not go first: what one lane
    /// cannot get through must not keep the others from being tried.
    fn next_due(&self, is_failing: bool, now: Instant) -> Option<(Instant, u64)> {
        let mut due = self.agenda.iter().take_while(|((due, _), _)| *due <= now);
        let first = *due.clone().next()?.0;
        let good = due.find(|(_, key)| !self.failing.contains(key)).filter(|_| is_failing);
        Some(good.map_or(first, |(place, _)| *place))
    }

    /// It arrived; so many bytes of it were sent.
    pub fn delivered(&mut self, parcel: Parcel, bytes: u64, now: Instant) {
        self.in_flight -= 1;
        self.counters.bytes.add(bytes);
        self.backoff.succeed();
        self.rests_until = None;
        self.stalled_since = (self.in_flight > 0).then_some(now);
        if let Some(line) = self.incident.over(now) {
            tracing::info!("{line}");
        }
        let key = parcel.key();
        parcel.chunks.into_iter().for_each(Chunk::delivered);
        self.passed(&key);
        self.goes_on(&key);
    }

    /// It did not; `needs_room` says whether memory is short that it holds.
    pub fn failed(
        &mut self,
        parcel: Parcel,
        (kind, why): (FailureKind, &str),
        needs_room: bool,
        now: Instant,
    ) {
        self.in_flight -= 1;
        let (key, records) = (parcel.key(), parcel.records());
        match kind {
            FailureKind::Again { after, is_ambiguous } => {
                let failures = self.wait(&parcel, after, now);
                self.incident.begin(now);
                if is_ambiguous {
                    self.counters.ambiguous_records.add(records);
                }
                if is_exhausted(self.settings.retry_limit, failures) {
                    self.counters.retries_failed.add(1);
                }
                if gives_up(self.settings.retry_limit, failures, needs_room) {
                    self.give_up(parcel.chunks, why, now);
                } else {
                    self.counters.retries.add(1);
                    self.counters.retried_records.add(records);
                    if let Some(line) = self.incident.goes_on(&parcel.tag, &why, records, now) {
                        tracing::warn!("{line}");
                    }
                    if let Some(lane) = self.lanes.get_mut(&key) {
                        lane.put_back(parcel);
                    } else {
                        drop_all(parcel.chunks, Reason::Lost);
                    }
                }
            }
            FailureKind::Refused | FailureKind::Closed => {
                // Somebody is there and answers.
                self.stalled_since = (self.in_flight > 0).then_some(now);
                self.backoff.succeed();
                self.rests_until = None;
                self.passed(&key);
                self.counters.errors.add(1);
                if let Some(records) = self.refused.add(records, now) {
                    let name = &self.counters.name;
                    tracing::error!(
                        "{name}: {records} records dropped, the last of {}: {why}",
                        parcel.tag
                    );
                }
                let is_closed = kind == FailureKind::Closed;
                drop_all(parcel.chunks, if is_closed { Reason::Closed } else { Reason::Refused });
            }
        }
        self.goes_on(&key);
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// When there may be something to send.
    #[must_use]
    pub fn wake_at(&self) -> Option<Instant> {
        let is_failing = self.backoff.failures() > 0;
        let in_flight_max = if is_failing { 1 } else { self.settings.in_flight_max.max(1) };
        if self.in_flight >= in_flight_max {
            return None;
        }
        let (due, _) = *self.agenda.first_key_value()?.0;
        Some(self.rests_until.map_or(due, |until| until.max(due)))
    }

    /// What became of a parcel is not known: the time to stop was up. It goes back.
    pub fn abandon_parcel(&mut self, parcel: Parcel) {
        self.in_flight -= 1;
        self.counters.ambiguous_records.add(parcel.records());
        match self.lanes.get_mut(&parcel.key()) {
            Some(lane) => lane.put_back(parcel),
            None => drop_all(parcel.chunks, Reason::Lost),
        }
    }

    /// The time to stop is up: all that is left, in the order of each lane. What lies on disk stays
    /// there.
    pub fn abandon(&mut self) -> Vec<Chunk> {
        self.agenda.clear();
        self.failing.clear();
        self.lanes.drain().flat_map(|(_, lane)| lane.into_chunks()).collect()
    }

    /// Counts a failure of lane and output, and says how many the lane has.
    fn wait(&mut self, parcel: &Parcel, after: Option<Duration>, now: Instant) -> u32 {
        let after = after.map_or(Duration::ZERO, |after| after.min(ASKED_WAIT_MAX));
        let longest = if self.is_stopping { BACKOFF_STOPPING_MAX } else { Duration::MAX };
        let is_new = self.failed.is_none_or(|failed| parcel.sent_at > Some(failed));
        if is_new {
            let wait = self.backoff.fail(&mut self.chance).max(after).min(longest);
            self.rests_until = now.checked_add(wait);
            self.failed = Some(now);
        }
        let key = parcel.key();
        let Some(lane) = self.lanes.get_mut(&key) else { return 0 };
        self.failing.insert(key);
        let wait = lane.backoff.fail(&mut self.chance).max(after).min(longest);
        lane.rests_until = now.checked_add(wait);
        lane.backoff.failures()
    }

    /// A parcel of the lane was answered for good.
    fn passed(&mut self, key: &Key) {
        self.failing.remove(key);
        let Some(lane) = self.lanes.get_mut(key) else { return };
        lane.backoff.succeed();
        lane.rests_until = None;
    }

    /// A parcel that was on its way has its outcome, or goes first again.
    fn goes_on(&mut self, key: &Key) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        lane.is_away = false;
        self.settle(key);
    }

    /// Forgets a lane of which nothing is held, and notes when any other is due.
    fn settle(&mut self, key: &Key) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        if lane.oldest().is_some() {
            let is_full = lane.is_full(self.settings.parcel_bytes_max);
            return self.schedule(key, is_full);
        }
        if let Some(place) = lane.agenda.take() {
            self.agenda.remove(&place);
        }
        if !lane.is_away {
            self.lanes.remove(key);
            self.failing.remove(key);
        }
        if self.lanes.is_empty() {
            self.stalled_since = None;
        }
    }

    /// Notes when a lane is due, or that it is due earlier.
    fn schedule(&mut self, key: &Key, is_full: bool) {
        let is_hurried = self.is_crowded || self.is_stopping || is_full;
        let Some(lane) = self.lanes.get_mut(key) else { return };
        if lane.is_away {
            return;
        }
        let Some(due) = lane.due_at(self.settings.flush, is_hurried) else { return };
        match lane.agenda {
            Some((known, _)) if known <= due => return,
            Some(place) => drop(self.agenda.remove(&place)),
            None => {}
        }
        self.agenda_number += 1;
        let place = (due, self.agenda_number);
        lane.agenda = Some(place);
        self.agenda.insert(place, key.clone());
    }

    /// Makes every lane due that does not rest after a failure.
    fn hurry(&mut self) {
        let was = std::mem::replace(&mut self.is_crowded, true);
        let keys: Vec<Key> = self.lanes.keys().cloned().collect();
        keys.iter().for_each(|key| self.schedule(key, true));
        self.is_crowded = was;
    }
}

fn drop_all(chunks: Vec<Chunk>, reason: Reason) {
    chunks.into_iter().for_each(|chunk| chunk.dropped(reason));
}

#[cfg(test)]
mod tests;
