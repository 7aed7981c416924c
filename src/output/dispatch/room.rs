//! What a peer does not take makes room for other outputs when memory is short.

use std::time::{Duration, Instant};

use super::{Dispatch, drop_all};
use crate::chunk::Chunk;
use crate::ledger::Reason;
use crate::option::RetryLimit;
use crate::output::retry::is_exhausted;

/// After so long without a delivery an output may have to make room for others, even if its retries
/// are not used up: a peer that never answers uses them up too slowly.
pub(super) const STALLED: Duration = Duration::from_secs(10);

impl Dispatch {
    /// Memory is short: gives up the oldest parcel that waits, if this output is why. `false`: it is
    /// not, or nothing waits.
    pub fn make_room(&mut self, now: Instant) -> bool {
        if !self.may_give_up(now) {
            return false;
        }
        // By age, or nearly: a lane that rests comes later. What waits behind a parcel that is on its
        // way is not in there; these lanes are few.
        let due = self.agenda.values().next().cloned();
        let mut lanes = self.lanes.iter();
        let behind = || lanes.find(|(_, lane)| lane.oldest().is_some()).map(|(key, _)| key.clone());
        let Some(key) = due.or_else(behind) else { return false };
        let Some(lane) = self.lanes.get_mut(&key) else { return false };
        let Some(parcel) = lane.take_waiting(self.settings.parcel_bytes_max) else { return false };
        self.give_up(parcel.chunks, "the peer takes nothing", now);
        self.settle(&key);
        true
    }

    /// Whether what waits here may go to make room for others: the peer takes nothing.
    #[must_use]
    pub fn may_give_up(&self, now: Instant) -> bool {
        let limit = self.settings.retry_limit;
        let is_stalled =
            self.stalled_since.is_some_and(|since| now.saturating_duration_since(since) >= STALLED);
        let is_failing = self.backoff.failures() > 0;
        limit != RetryLimit::Unlimited
            && ((is_failing && is_exhausted(limit, self.backoff.failures())) || is_stalled)
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
