//! The chunks of one input and one tag that wait, in order.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Parcel;
use crate::chunk::Chunk;
use crate::output::retry::Backoff;

/// A lane. It exists as long as something of it is held.
#[derive(Debug, Default)]
pub(super) struct Lane {
    waiting: VecDeque<Chunk>,
    bytes: usize,
    /// A parcel that is to be sent again, before all that wait.
    failed: Option<Parcel>,
    /// Whether a parcel is on its way.
    pub(super) is_away: bool,
    pub(super) backoff: Backoff,
    pub(super) rests_until: Option<Instant>,
    /// Where it stands in the agenda.
    pub(super) agenda: Option<(Instant, u64)>,
}

impl Lane {
    pub(super) fn push(&mut self, chunk: Chunk) {
        self.bytes += chunk.whole_bytes();
        self.waiting.push_back(chunk);
    }

    /// Puts a parcel back that failed.
    pub(super) fn put_back(&mut self, parcel: Parcel) {
        self.failed = Some(parcel);
    }

    /// Whether there is enough for a whole parcel.
    pub(super) fn is_full(&self, bytes_max: usize) -> bool {
        self.bytes >= bytes_max
    }

    /// The oldest chunk of those that are here.
    pub(super) fn first(&self) -> Option<&Chunk> {
        let failed = self.failed.as_ref().and_then(|parcel| parcel.chunks.first());
        failed.or(self.waiting.front())
    }

    /// When the oldest chunk of those that are here was read.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.first().map(|chunk| chunk.arrived)
    }

    /// When there is something to send; hurried: as soon as a rest allows.
    pub(super) fn due_at(&self, flush: Duration, is_hurried: bool) -> Option<Instant> {
        let oldest = self.oldest()?;
        let due =
            if is_hurried || self.failed.is_some() { oldest } else { oldest.checked_add(flush)? };
        Some(self.rests_until.map_or(due, |until| until.max(due)))
    }

    /// The parcel to be sent next, which is on its way then.
    pub(super) fn take(&mut self, bytes_max: usize) -> Option<Parcel> {
        let parcel = self.take_waiting(bytes_max)?;
        self.is_away = true;
        Some(parcel)
    }

    /// The oldest parcel of those that are here.
    pub(super) fn take_waiting(&mut self, bytes_max: usize) -> Option<Parcel> {
        if let Some(parcel) = self.failed.take() {
            return Some(parcel);
        }
        let first = self.waiting.pop_front()?;
        let (tag, input) = (first.tag.clone(), first.input);
        let mut bytes = first.whole_bytes();
        let mut chunks = vec![first];
        while let Some(next) = self.waiting.front()
            && bytes.saturating_add(next.whole_bytes()) <= bytes_max
            && let Some(next) = self.waiting.pop_front()
        {
            bytes += next.whole_bytes();
            chunks.push(next);
        }
        self.bytes = self.bytes.saturating_sub(bytes);
        Some(Parcel { tag, chunks, input, sent_at: None })
    }

    /// Everything that is here.
    pub(super) fn into_chunks(self) -> Vec<Chunk> {
        let failed = self.failed.into_iter().flat_map(|parcel| parcel.chunks);
        failed.chain(self.waiting).collect()
    }
}
