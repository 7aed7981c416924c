//! A stream whose retries are used up makes room for others when memory is short: of these the one that
//! holds most, and in it what is oldest. A container that floods is why room is needed; the few lines of
//! another beside it would not give any. Pure.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Delivery, Target};
use crate::ledger::{Reason, Shortage};
use crate::output::cloudwatch_logs::limits::BATCH_BYTES_MAX;
use crate::output::cloudwatch_logs::stream::Stream;
use crate::output::retry::is_exhausted;

/// How often what others hold too is given up.
const SHARED_INTERVAL: Duration = Duration::from_secs(1);

impl Delivery {
    /// Whether something waits here that may be given up for room.
    #[must_use]
    pub fn may_give_up(&self) -> bool {
        self.incident.since().is_some() && self.streams.values().any(|stream| self.may_lose(stream))
    }

    /// Room is needed: gives up what a batch holds of the oldest of the stream that holds most of what
    /// is short. `false`: no stream that holds some has used its retries up.
    pub fn make_room(&mut self, shortage: &Shortage, now: Instant) -> bool {
        if shortage.is_none() || self.incident.since().is_none() {
            return false;
        }
        let waiting = self.streams.iter().filter(|(_, stream)| self.may_lose(stream));
        let easing =
            waiting.map(|(target, stream)| (target, stream, stream.easing_bytes(shortage)));
        let most = easing
            .filter(|(.., bytes)| *bytes > 0)
            .max_by_key(|(_, stream, bytes)| (*bytes, Reverse(stream.oldest())));
        let Some((target, ..)) = most else { return false };
        let target = Arc::clone(target);
        // What others hold too makes no room by itself, but outputs that fail must not wait for each
        // other.
        let is_shared =
            self.streams.get(&target).is_some_and(|stream| stream.is_held_elsewhere(shortage));
        if is_shared {
            let last = self.shared_given_up;
            if last.is_some_and(|last| now.saturating_duration_since(last) < SHARED_INTERVAL) {
                return false;
            }
            self.shared_given_up = Some(now);
        }
        let Some(stream) = self.streams.get_mut(&target) else { return false };
        let pieces = stream.take_easing(shortage, BATCH_BYTES_MAX);
        let records: u64 = pieces.iter().map(|piece| piece.permit.receipt.records()).sum();
        self.counters.errors.add(1);
        if let Some(records) = self.given_up.add(records, now) {
            tracing::error!(
                "{}: {records} records given up to make room, the last of {target}; a larger \
                 Mem_Buf_Limit keeps them longer, Retry_Limit no_limits makes the senders wait instead",
                self.counters.name
            );
        }
        self.give_up(&target, pieces, Reason::RetriesExhausted, now);
        if self.streams.get(&target).is_some_and(Stream::is_empty) {
            self.rest_empty(&target, now);
        }
        true
    }

    fn may_lose(&self, stream: &Stream) -> bool {
        let failures = stream.backoff.failures();
        failures > 0 && !stream.is_empty() && is_exhausted(self.settings.retry_limit, failures)
    }

    /// Takes a stream of which nothing waits out of the agenda, and forgets it if nothing of it is
    /// on its way.
    fn rest_empty(&mut self, target: &Arc<Target>, now: Instant) {
        let Some(stream) = self.streams.get_mut(target) else { return };
        if let Some(place) = stream.agenda.take() {
            self.agenda.remove(&place);
        }
        if !stream.is_in_flight {
            self.markers.left_alone(target, stream.backoff, now);
            self.streams.remove(target);
        }
    }
}
