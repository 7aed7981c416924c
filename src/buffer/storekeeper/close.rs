//! The end: everything has its outcome, or is on disk.

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use super::Storekeeper;
use super::write::written;
use crate::buffer::order::Stored;
use crate::chunk::Chunk;
use crate::ledger::Reason;
use crate::spill::AppendError;

impl Storekeeper {
    /// Writes what it can and says what became of the rest.
    pub(super) fn close(mut self, closed: oneshot::Sender<()>) {
        self.rests_until = None;
        self.note_ended();
        let unwritten = self.append_last();
        self.note_ended();
        // What came back while the output ended is in the line.
        let line = std::iter::from_fn(|| self.line.try_pop());
        let kept: Vec<Chunk> =
            std::mem::take(&mut self.left_kept).into_iter().chain(line).collect();
        kept.into_iter().for_each(|chunk| self.leave(chunk));
        let chunks = unwritten.into_values().filter_map(|stored| stored.chunk);
        chunks.for_each(|chunk| chunk.dropped(Reason::Stopped));
        if let Some(mut owed) = self.owed.take() {
            let records = owed.records();
            match self.logs.survives() {
                true => owed.stored(records),
                false => owed.dropped(records, Reason::Stopped),
            }
        }
        let name = self.name;
        let bytes = self.logs.bytes();
        if !self.logs.survives() {
            if let Err(error) = self.logs.remove_all() {
                tracing::warn!("{name}: {error}; it may be deleted");
            }
        } else if self.logs.has_unread() || self.logs.live() > 0 {
            tracing::info!("{name}: {bytes} bytes stay on disk for the next start");
        }
        // Nobody waits any more: then nobody is to be told.
        let _ = closed.send(());
    }

    /// A chunk of the output's: it is stored if its block is on disk, and not if that was to come.
    fn leave(&self, mut chunk: Chunk) {
        match chunk.permit.number_on_disk().is_some_and(|number| self.logs.holds(number)) {
            true => chunk.permit.left(),
            false => {
                let records = chunk.records();
                chunk.permit.receipt.dropped(records, Reason::Stopped);
            }
        }
    }

    /// Writes what waits, and what is left; of the first also what its log does not take: the other has
    /// room of its own. Gives what is not written.
    fn append_last(&mut self) -> BTreeMap<u64, Stored> {
        let left = std::mem::take(&mut self.left).into_iter();
        let mut left: BTreeMap<u64, Stored> =
            left.map(|stored| (stored.block.number, stored)).collect();
        if !self.logs.survives() {
            left.append(&mut self.pending);
            return left;
        }
        self.append_pending();
        left.append(&mut self.pending);
        let mut unwritten = BTreeMap::new();
        while !left.is_empty() {
            let blocks = left.values().map(|stored| (&stored.block, stored.chunk.is_none()));
            let appended = self.logs.append_left(blocks);
            for _ in 0..appended.written {
                let Some((number, stored)) = left.pop_first() else { break };
                // Its marks speak now: it survives.
                drop(written(stored, &mut self.owed));
                self.apply_early(number);
            }
            let Some(error) = appended.end else { break };
            tracing::error!("{}: {error}; it is left", self.name);
            match error {
                // What comes behind it may be shorter.
                AppendError::TooLong { .. } => unwritten.extend(left.pop_first()),
                AppendError::Full { .. } | AppendError::Failed { .. } => break,
            }
        }
        unwritten.append(&mut left);
        unwritten
    }
}
