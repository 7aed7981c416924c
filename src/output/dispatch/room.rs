//! What a peer does not take makes room for other outputs when memory is short.

use std::time::{Duration, Instant};

use super::{Dispatch, Key, drop_all};
use crate::chunk::Chunk;
use crate::ledger::{Reason, Shortage};
use crate::option::RetryLimit;
use crate::output::retry::is_exhausted;

/// After so long without a delivery an output may have to make room for others, even if its retries
/// are not used up: a peer that never answers uses them up too slowly.
pub(super) const STALLED: Duration = Duration::from_secs(10);

/// How often what others hold too is given up: that alone makes no room, but two outputs that both
/// fail must not wait for each other.
const SHARED_INTERVAL: Duration = Duration::from_secs(1);

impl Dispatch {
    /// Memory is short: gives up the oldest parcel that waits and holds some of it, if this output is
    /// why. `false`: it is not, nothing such waits, or others hold it too and the last such one went just
    /// now.
    pub fn make_room(&mut self, shortage: &Shortage, now: Instant) -> bool {
        let Some(key) = self.offender(shortage, now) else { return false };
        let Some(lane) = self.lanes.get_mut(&key) else { return false };
        if lane.first().is_some_and(|chunk| chunk.permit.is_held_elsewhere()) {
            let last = self.shared_given_up;
            if last.is_some_and(|last| now.saturating_duration_since(last) < SHARED_INTERVAL) {
                return false;
            }
            self.shared_given_up = Some(now);
        }
        let Some(parcel) = lane.take_waiting(self.settings.parcel_bytes_max) else { return false };
        self.give_up(parcel.chunks, "the peer takes nothing", now);
        self.settle(&key);
        true
    }

    /// Whether what waits here may go to make room for others: the peer takes nothing, or not what
    /// is in one of the lanes.
    #[must_use]
    pub fn may_give_up(&self, now: Instant) -> bool {
        self.offender(&Shortage::Whole, now).is_some()
    }

    /// The lane that is to make room: one that fails by itself, or if the peer takes nothing any.
    fn offender(&self, shortage: &Shortage, now: Instant) -> Option<Key> {
        let limit = self.settings.retry_limit;
        if limit == RetryLimit::Unlimited || shortage.is_none() {
            return None;
        }
        let eases = |(input, _): &Key| shortage.is_eased_by(*input);
        let failing = self.failing.iter().filter(|key| eases(key));
        let failing = failing.filter_map(|key| Some((key, self.lanes.get(key)?)));
        let exhausted = failing.filter(|(_, lane)| is_exhausted(limit, lane.backoff.failures()));
        let exhausted = exhausted.filter_map(|(key, lane)| Some((lane.oldest()?, key)));
        if let Some((_, key)) = exhausted.min_by_key(|(oldest, _)| *oldest) {
            return Some(key.clone());
        }
        let is_stalled =
            self.stalled_since.is_some_and(|since| now.saturating_duration_since(since) >= STALLED);
        let failures = self.backoff.failures();
        if !(is_stalled || (failures > 0 && is_exhausted(limit, failures))) {
            return None;
        }
        // By age, or nearly: a lane that rests comes later. What waits behind a parcel that is on its
        // way is not in there; these lanes are few.
        let due = self.agenda.values().find(|key| eases(key)).cloned();
        let mut lanes = self.lanes.iter().filter(|(key, _)| eases(key));
        let behind = || lanes.find(|(_, lane)| lane.oldest().is_some()).map(|(key, _)| key.clone());
        due.or_else(behind)
    }

    /// When [`Self::make_room`] may begin to have something to give up: nobody says when memory gets
    /// short, so it has to be looked at.
    #[must_use]
    pub fn stalls_at(&self) -> Option<Instant> {
        self.stalled_since?.checked_add(STALLED)
    }

    pub(super) fn give_up(&mut self, chunks: Vec<Chunk>, why: &str, now: Instant) {
        let records: u64 = chunks.iter().map(Chunk::records).sum();
        self.counters.errors.add(1);
        if let Some(records) = self.given_up.add(records, now) {
            tracing::error!(
                "{}: {records} records given up to make room: {why}; a larger Mem_Buf_Limit keeps \
                 them longer, Retry_Limit no_limits makes the senders wait instead",
                self.counters.name
            );
        }
        drop_all(chunks, Reason::RetriesExhausted);
    }
}
