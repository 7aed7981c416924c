//! The end: everything has its outcome, or is on disk.

use tokio::sync::oneshot;

use super::Storekeeper;
use super::write::written;
use crate::ledger::Reason;

impl Storekeeper {
    /// Writes what it can and says what became of the rest.
    pub(super) fn close(mut self, closed: oneshot::Sender<()>) {
        self.rests_until = None;
        self.note_ended();
        self.write_pending();
        let mut left = std::mem::take(&mut self.left);
        left.sort_by_key(|stored| stored.block.number);
        let appended = self.logs.append_left(left.iter().map(|stored| &stored.block));
        let mut left = left.into_iter();
        for stored in left.by_ref().take(appended.written) {
            // Its marks speak now: it survives.
            drop(written(stored, &mut self.owed));
        }
        if let Some(error) = appended.end {
            tracing::error!("{}: {error}; the rest is left", self.name);
        }
        for mut chunk in std::mem::take(&mut self.left_kept) {
            let is_written = chunk.permit.number_on_disk().is_some_and(|one| self.logs.holds(one));
            let records = chunk.records();
            match is_written {
                true => chunk.permit.left(),
                false => chunk.permit.receipt.dropped(records, Reason::Stopped),
            }
        }
        let chunks = left
            .chain(std::mem::take(&mut self.pending).into_values())
            .filter_map(|stored| stored.chunk);
        chunks.for_each(|chunk| chunk.dropped(Reason::Stopped));
        // What came back while the output ended.
        while let Some(chunk) = self.line.try_pop() {
            chunk.dropped(Reason::Stopped);
        }
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
}
