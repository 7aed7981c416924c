//! What follows from the answer to a batch.
//!
//! Pure. Must not know how batches are filled or when they are due.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::mishap::{Mishap, Mishaps};
use super::super::piece::Piece;
use super::super::sender::{Class, Put, SendError};
use super::settle::{drop_all, settle};
use super::{Batch, Delivery, Stream, Target};
use crate::chunk::Chunk;
use crate::ledger::{Reason, Shortage};
use crate::output::retry::{BACKOFF_STOPPING_MAX, gives_up, is_exhausted};

impl Delivery {
    /// The service took the batch, but for what it says it rejected.
    pub fn accepted(&mut self, batch: Batch, put: &Put, now: Instant) {
        self.slots.give_back(&batch.target);
        self.pace.passed(now);
        self.counters.bytes.add(batch.sent_bytes as u64);
        let saved = batch.body_bytes.saturating_sub(batch.sent_bytes);
        self.counters.saved_bytes.add(saved as u64);
        if let Some(line) = self.incident.over(now) {
            tracing::info!("{line}");
        }
        let target = Arc::clone(&batch.target);
        if !batch.told.is_empty() {
            self.markers.told(&target, now);
        }
        self.markers.note(&target, settle(batch, put), now);
        if let Some(stream) = self.streams.get_mut(&target) {
            stream.is_in_flight = false;
            stream.accepted();
        }
        self.rest(&target, now);
    }

    /// The batch was not taken. `shortage`: where readers wait for memory.
    pub fn failed(&mut self, batch: Batch, error: &SendError, shortage: &Shortage, now: Instant) {
        self.slots.give_back(&batch.target);
        self.incident.begin(now);
        self.count_failure(&batch, error);
        let Batch { target, sealed, pieces, sent, told, .. } = batch;
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
                // Markers alone are forgotten together: their stream, and what it knows of halves, is too.
                let are_alone = pieces.is_empty() && stream.is_empty();
                if are_alone || !stream.halve(sealed.records.len()) {
                    self.counters.errors.add(1);
                    tracing::error!("{}: one event refused for good: {error}", self.counters.name);
                    self.give_up(&target, pieces, Reason::Refused, now);
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
        let most = if self.is_stopping { BACKOFF_STOPPING_MAX } else { Duration::MAX };
        let due = now.checked_add(wait.min(most)).unwrap_or(now);
        if pieces.is_empty() {
            // They are tried again later; while the process stops, nobody waits for it.
            self.markers.not_told(&target, told, wait, now);
            self.rest(&target, now);
            // Records of another day cannot go with them: these are due no sooner than after any failure.
            if self.streams.contains_key(&target) {
                self.schedule(&target, due);
            }
            return;
        }
        let failures = stream.backoff.failures();
        self.markers.note(&target, told, now);
        let limit = self.settings.retry_limit;
        if is_exhausted(limit, failures) {
            // Also where the batch is kept: a health check must tell of a service that stays away.
            self.counters.retries_failed.add(1);
        }
        if gives_up(limit, failures, false) {
            self.give_up(&target, pieces, Reason::RetriesExhausted, now);
            return self.rest(&target, now);
        }
        let kept: u64 = pieces.iter().map(|piece| piece.permit.receipt.records()).sum();
        self.counters.retries.add(1);
        self.counters.retried_records.add(kept);
        if let Some(stream) = self.streams.get_mut(&target) {
            stream.put_back(pieces);
        }
        if let Some(line) = self.incident.goes_on(&target, error, kept, now) {
            tracing::warn!("{line}");
        }
        self.schedule(&target, due);
        if gives_up(limit, failures, !shortage.is_none()) {
            // Not this one in any case: who holds most of the room may be another.
            self.make_room(shortage, now);
        }
    }

    /// The time to stop is up: all that is left, in the order of each stream. What lies on disk stays
    /// there.
    pub fn abandon(&mut self) -> Vec<Chunk> {
        self.agenda.clear();
        self.markers.clear();
        let waiting = self.streams.values_mut().flat_map(Stream::drain);
        waiting.filter_map(Piece::left).collect()
    }

    /// A batch that had no answer when the time was up: it goes back. `is_ambiguous`: the service may
    /// have taken it.
    pub fn abandon_batch(&mut self, batch: Batch, is_ambiguous: bool) {
        self.slots.give_back(&batch.target);
        if is_ambiguous {
            self.counters.ambiguous_records.add(batch.records());
        }
        let Some(stream) = self.streams.get_mut(&batch.target) else {
            return drop_all(batch.pieces);
        };
        stream.is_in_flight = false;
        stream.put_back(batch.pieces);
    }

    /// Gives records of a stream up, and notes it.
    pub(super) fn give_up(
        &mut self,
        target: &Arc<Target>,
        pieces: Vec<Piece>,
        reason: Reason,
        now: Instant,
    ) {
        let mut mishaps = Mishaps::default();
        for piece in &pieces {
            mishaps.add(Mishap::Dropped(reason), piece.extent());
        }
        self.markers.note(target, mishaps, now);
        pieces.into_iter().for_each(|piece| piece.dropped(reason));
    }

    fn count_failure(&self, batch: &Batch, error: &SendError) {
        if error.class == Class::Throttled {
            self.counters.throttled.add(1);
        }
        if error.is_ambiguous {
            self.counters.ambiguous_records.add(batch.records());
        }
    }
}
