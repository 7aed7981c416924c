//! From memory to disk: what is to be stored, and what is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Storekeeper;
use crate::buffer::order::Stored;
use crate::chunk::Chunk;
use crate::clock;
use crate::ledger::{Budget, Marks, Receipt, Share};
use crate::spill::{AppendError, Ranges};

/// How long to wait before something is tried again that the disk refused.
pub(super) const FAILED_WAIT: Duration = Duration::from_secs(1);
/// How often a disk that goes on to refuse is told of.
const REMIND_INTERVAL: Duration = Duration::from_secs(30);

impl Storekeeper {
    /// The memory of a block is free. If all of it has its outcome it need not be written any more.
    pub(super) fn freed(&mut self, number: u64) {
        let Some(stored) = self.pending.get(&number) else {
            // Kept where the disk does not survive: they speak now.
            drop(self.marks.take(number));
            return;
        };
        let ended = self.early.get(&number).map_or(0, Ranges::count);
        if stored.chunk.is_none() && ended >= stored.block.entries.len() as u64 {
            // Its marks speak now.
            self.pending.remove(&number);
            self.early.remove(&number);
        }
    }

    pub(super) fn note_ended(&mut self) {
        if let Err(error) = self.logs.write_ended() {
            self.refused(&error);
        }
    }

    pub(super) fn write_pending(&mut self) {
        let is_full = !self.append_pending();
        self.full(is_full);
    }

    /// `false`: something waits that cannot be written yet.
    pub(super) fn append_pending(&mut self) -> bool {
        while !self.pending.is_empty() {
            let survives = self.logs.survives();
            let mut room = self.marks.room();
            let blocks = self.pending.values();
            let blocks = blocks.take_while(|stored| survives || room.takes(stored.marks()));
            let blocks = blocks.map(|stored| (&stored.block, stored.chunk.is_none()));
            let appended = self.logs.append(blocks);
            self.are_written(appended.written);
            match appended.end {
                None if appended.written == 0 => return false,
                None => {}
                Some(AppendError::TooLong { bytes, bytes_max })
                    if self.hand_over(bytes, bytes_max) => {}
                Some(AppendError::Full { .. } | AppendError::TooLong { .. }) => return false,
                Some(error @ AppendError::Failed { .. }) => {
                    self.refused(&error);
                    return false;
                }
            }
        }
        true
    }

    /// The first blocks of those that wait are on disk.
    fn are_written(&mut self, count: usize) {
        for _ in 0..count {
            let Some((number, stored)) = self.pending.pop_first() else { return };
            self.newest_written = number;
            let marks = written(stored, &mut self.owed);
            // Where the disk survives they speak now; otherwise when its records have their outcome.
            if !self.logs.survives() {
                self.marks.insert(number, marks);
            }
            self.apply_early(number);
        }
    }

    /// A block is on disk of which some may have ended before.
    pub(super) fn apply_early(&mut self, number: u64) {
        let early = self.early.remove(&number).unwrap_or_default();
        early.as_slice().iter().for_each(|one| self.logs.ended(number, one.clone()));
    }

    /// A block that the log can never take goes to the output, once all before it are there.
    fn hand_over(&mut self, bytes: u64, bytes_max: u64) -> bool {
        let is_first = !self.logs.has_unread() && self.deferred.is_empty();
        if !is_first && self.pending.values().next().is_some_and(|stored| stored.chunk.is_some()) {
            return false;
        }
        let Some((number, stored)) = self.pending.pop_first() else { return false };
        self.early.remove(&number);
        let name = &self.name;
        tracing::warn!(
            "{name}: a chunk of {bytes} bytes stays in memory, the store takes at most {bytes_max}; \
             raise storage.total_limit_size"
        );
        let Stored { chunk, marks, .. } = stored;
        if let Some(mut chunk) = chunk {
            chunk.permit.hold([beyond(&self.over, &chunk), Share::empty()], number);
            let mut state = self.line.lock();
            state.read_up_to(number);
            state.push(chunk);
            drop(state);
            self.line.wake();
        } else {
            // The output has it: they speak when it has its outcome.
            self.marks.insert(number, marks);
        }
        true
    }

    pub(super) fn full(&mut self, is_full: bool) {
        self.counters.is_full.set(u64::from(is_full));
        if is_full && !self.logs.has_unread() && self.deferred.is_empty() {
            self.hand_out();
        }
    }

    /// The disk takes nothing, and nothing is to be read from it: what waits to be written goes to the
    /// output, which may well be able to deliver it. It holds its share of the budget as it is.
    fn hand_out(&mut self) {
        let mut state = self.line.lock();
        self.pending.retain(|number, stored| {
            let Some(mut chunk) = stored.chunk.take() else { return true };
            chunk.permit.hold([beyond(&self.over, &chunk), Share::empty()], *number);
            state.read_up_to(*number);
            state.push(chunk);
            false
        });
        drop(state);
        self.line.wake();
    }

    /// The disk refused something; it is asked again later.
    pub(super) fn refused(&mut self, error: &dyn std::error::Error) {
        let now = clock::now();
        self.rests_until = now.checked_add(FAILED_WAIT);
        let is_told = |told: Instant| now.saturating_duration_since(told) < REMIND_INTERVAL;
        if !self.told.is_some_and(is_told) {
            self.told = Some(now);
            let name = &self.name;
            tracing::error!(
                "{name}: {error}; records wait in memory, and senders when that is full"
            );
        }
    }
}

/// Counts a chunk that the output gets beyond its part.
fn beyond(over: &Budget, chunk: &Chunk) -> Share {
    let bytes = Chunk::cost_bytes(&chunk.tag, &chunk.entries);
    over.try_take(bytes).unwrap_or_else(Share::empty)
}

/// A block is on disk: what is owed for it, if nobody else has it, and its memory. Gives its marks.
#[must_use = "marks speak when they are dropped"]
pub(super) fn written(stored: Stored, owed: &mut Option<Receipt>) -> Vec<Arc<Marks>> {
    let Stored { chunk, mut marks, memory, .. } = stored;
    drop(memory);
    if let Some(chunk) = chunk {
        let (receipt, memory, of_chunk) = chunk.permit.store();
        match owed {
            Some(owed) => owed.join(receipt),
            None => *owed = Some(receipt),
        }
        marks.extend(of_chunk);
        drop(memory);
    }
    marks
}
