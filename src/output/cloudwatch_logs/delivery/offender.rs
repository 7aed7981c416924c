//! A stream whose retries are used up makes room for others when memory is short.
//!
//! A failed batch is given up when it fails and room is needed; here, what waits for its next attempt
//! while other outputs need the room. Pure.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Delivery, Target, give_up, is_exhausted};
use crate::ledger::Reason;
use crate::output::cloudwatch_logs::limits::BATCH_BYTES_MAX;
use crate::output::cloudwatch_logs::stream::Stream;

/// How often what others hold too is given up.
const SHARED_INTERVAL: Duration = Duration::from_secs(1);

impl Delivery {
    /// Whether something waits here that may be given up for room.
    #[must_use]
    pub fn may_give_up(&self) -> bool {
        self.incident.since().is_some() && self.streams.values().any(|stream| self.may_lose(stream))
    }

    /// Memory is short: gives up what a batch of the stream holds that has waited longest. `false`:
    /// no stream has used its retries up.
    pub fn make_room(&mut self, now: Instant) -> bool {
        if self.incident.since().is_none() {
            return false;
        }
        let waiting = self.streams.iter().filter(|(_, stream)| self.may_lose(stream));
        let waiting = waiting.filter_map(|(target, stream)| Some((stream.oldest()?, target)));
        let Some(target) = waiting.min_by_key(|(oldest, _)| *oldest).map(|(_, target)| target)
        else {
            return false;
        };
        let target = Arc::clone(target);
        // What others hold too makes no room by itself, but outputs that fail must not wait for each
        // other.
        let is_shared = self.streams.get(&target).is_some_and(Stream::is_held_elsewhere);
        if is_shared {
            let last = self.shared_given_up;
            if last.is_some_and(|last| now.saturating_duration_since(last) < SHARED_INTERVAL) {
                return false;
            }
            self.shared_given_up = Some(now);
        }
        let Some(stream) = self.streams.get_mut(&target) else { return false };
        let pieces = stream.take_front(BATCH_BYTES_MAX);
        let records: u64 = pieces.iter().map(|piece| piece.permit.receipt.records()).sum();
        self.counters.errors.add(1);
        if let Some(records) = self.given_up.add(records, now) {
            tracing::error!(
                "{}: {records} records given up to make room, the last of {target}; a larger \
                 Mem_Buf_Limit keeps them longer, Retry_Limit no_limits makes the senders wait instead",
                self.counters.name
            );
        }
        give_up(pieces, Reason::RetriesExhausted);
        if self.streams.get(&target).is_some_and(Stream::is_empty) {
            self.rest_empty(&target);
        }
        true
    }

    fn may_lose(&self, stream: &Stream) -> bool {
        let failures = stream.backoff.failures();
        failures > 0 && !stream.is_empty() && is_exhausted(self.settings.retry_limit, failures)
    }

    /// Takes a stream of which nothing waits out of the agenda, and forgets it if nothing of it is
    /// on its way.
    fn rest_empty(&mut self, target: &Arc<Target>) {
        let Some(stream) = self.streams.get_mut(target) else { return };
        if let Some(place) = stream.agenda.take() {
            self.agenda.remove(&place);
        }
        if !stream.is_in_flight {
            self.streams.remove(target);
        }
    }
}
