//! From memory to disk: what is to be stored, and what is over.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Storekeeper;
use crate::buffer::order::Stored;
use crate::clock;
use crate::ledger::{Marks, Receipt, Share};
use crate::spill::AppendError;

/// How long to wait before something is tried again that the disk refused.
pub(super) const FAILED_WAIT: Duration = Duration::from_secs(1);
/// How often a disk that goes on to refuse is told of.
const REMIND_INTERVAL: Duration = Duration::from_secs(30);

impl Storekeeper {
    /// The memory of a block is free. If all of it has its outcome it need not be written any more.
    pub(super) fn freed(&mut self, number: u64) {
        let place = self.pending.binary_search_by_key(&number, |stored| stored.block.number);
        let Some(stored) = place.ok().and_then(|place| self.pending.get(place)) else {
            // Kept where the disk does not survive: they speak now.
            self.marks.remove(&number);
            return;
        };
        let of_block = self.early.iter().filter(|(early, _)| *early == number);
        let ended =
            of_block.map(|(_, entries)| u64::from(entries.end.saturating_sub(entries.start)));
        if stored.chunk.is_none() && ended.sum::<u64>() >= stored.block.entries.len() as u64 {
            // Its marks speak now.
            self.pending.retain(|stored| stored.block.number != number);
            self.early.retain(|(early, _)| *early != number);
        }
    }

    pub(super) fn note_ended(&mut self) {
        if let Err(error) = self.logs.write_ended() {
            self.refused(&error);
        }
    }

    pub(super) fn write_pending(&mut self) {
        while !self.pending.is_empty() {
            let blocks = self.pending.iter().map(|stored| (&stored.block, stored.chunk.is_none()));
            let appended = self.logs.append(blocks);
            for stored in self.pending.drain(..appended.written.min(self.pending.len())) {
                self.newest_written = stored.block.number;
                written(stored, &mut self.owed, (!self.logs.survives()).then_some(&mut self.marks));
            }
            self.apply_early();
            match appended.end {
                None => {}
                Some(AppendError::Full { .. }) => return self.full(true),
                Some(AppendError::TooLong { bytes, bytes_max })
                    if self.hand_over(bytes, bytes_max) => {}
                Some(AppendError::TooLong { .. }) => return self.full(true),
                Some(AppendError::Failed { .. }) => {
                    if let Some(error) = appended.end {
                        self.refused(&error);
                    }
                    return self.full(true);
                }
            }
        }
        self.full(false);
    }

    /// A block that the log can never take goes to the output, once all before it are there.
    fn hand_over(&mut self, bytes: u64, bytes_max: u64) -> bool {
        let is_first = !self.logs.has_unread() && self.deferred.is_empty();
        if !is_first && self.pending.front().is_some_and(|stored| stored.chunk.is_some()) {
            return false;
        }
        let Some(stored) = self.pending.pop_front() else { return false };
        let name = &self.name;
        tracing::warn!(
            "{name}: a chunk of {bytes} bytes stays in memory, the store takes at most {bytes_max}; \
             raise storage.total_limit_size"
        );
        let Stored { block, chunk, marks, .. } = stored;
        if let Some(mut chunk) = chunk {
            chunk.permit.hold([Share::empty(), Share::empty()], block.number);
            let mut state = self.line.lock();
            state.read_up_to(block.number);
            state.push(chunk);
            drop(state);
            self.line.wake();
        } else if !marks.is_empty() {
            // The output has it: they speak when it has its outcome.
            self.marks.insert(block.number, marks);
        }
        true
    }

    fn apply_early(&mut self) {
        let first = self.pending.front().map_or(u64::MAX, |stored| stored.block.number);
        let log = &mut self.logs;
        self.early.retain(|(number, entries)| {
            let is_written = *number < first;
            if is_written {
                log.ended(*number, entries.clone());
            }
            !is_written
        });
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
        self.pending.retain_mut(|stored| {
            let Some(mut chunk) = stored.chunk.take() else { return true };
            chunk.permit.hold([Share::empty(), Share::empty()], stored.block.number);
            state.read_up_to(stored.block.number);
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

/// A block is on disk.
pub(super) fn written(
    stored: Stored,
    owed: &mut Option<Receipt>,
    kept: Option<&mut HashMap<u64, Vec<Arc<Marks>>>>,
) {
    let Stored { block, chunk, mut marks, memory } = stored;
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
    // Where the disk survives the marks speak now; otherwise when its records have their outcome.
    if let Some(kept) = kept.filter(|_| !marks.is_empty()) {
        kept.insert(block.number, marks);
    }
}
