//! The memory of a connection: taken before a read, for what came out of it, and given back.
//!
//! Where none is left, one connection of an input may go on without, so that what others have of their
//! frames does not use all of it up for ever. It has up to [`LARGE_BYTES`] beyond the budget. More of a
//! frame, and more that one unpacks to, has one connection of all inputs at a time: whoever has that
//! right waits for nothing else, so nobody waits for it in vain.

use std::sync::Arc;

use bytes::BytesMut;

use super::{Connection, READ_BYTES};
use crate::chunk::Chunk;
use crate::input::LARGE_BYTES;
use crate::ledger::Share;
use crate::record::chunk::TaggedEntries;

/// A buffer of more, half of it empty, is given back while its peer is waited for.
const COMPACT_BYTES_MIN: usize = 4 * 1_024;

impl Connection {
    /// Takes memory for one read; waits until there is some.
    pub(super) async fn room(&mut self) -> Share {
        if self.turn.is_some() {
            return self.room_beyond().await;
        }
        if let Some(share) = self.intake.try_take(READ_BYTES) {
            return share;
        }
        self.counters.waits.add(1);
        let activity = Arc::clone(&self.intake.activity);
        let _waits = activity.waits();
        if self.buffer.is_empty() {
            return self.intake.take(READ_BYTES).await;
        }
        self.wait_for(READ_BYTES).await
    }

    /// Waits for memory, or for the right to do without.
    async fn wait_for(&mut self, bytes: usize) -> Share {
        tokio::select! {
            biased;
            share = self.intake.take(bytes) => share,
            turn = Arc::clone(&self.intake.turn).acquire_owned() => {
                self.turn = turn.ok();
                Share::empty()
            }
        }
    }

    /// Memory for one more read over the budget: a little of it needs none.
    async fn room_beyond(&mut self) -> Share {
        let over = self.buffer.len().saturating_sub(self.share.bytes());
        if self.large.is_some() || over + READ_BYTES <= LARGE_BYTES {
            return Share::empty();
        }
        self.counters.waits.add(1);
        let activity = Arc::clone(&self.intake.activity);
        let _waits = activity.waits();
        tokio::select! {
            biased;
            share = self.intake.take(READ_BYTES) => share,
            large = self.intake.take_large() => {
                self.large = large;
                Share::empty()
            }
        }
    }

    /// Waits for the right to a large frame.
    pub(super) async fn take_large(&mut self) {
        self.large = self.intake.take_large().await;
    }

    /// Waits until nobody else of the input decodes. The buffer keeps what was read and no more
    /// meanwhile: many may wait, and only what was read is paid for.
    pub(super) async fn alone(&mut self) -> Option<tokio::sync::OwnedSemaphorePermit> {
        let decoding = Arc::clone(&self.intake.decoding);
        if let Ok(alone) = Arc::clone(&decoding).try_acquire_owned() {
            return Some(alone);
        }
        trim(&mut self.buffer);
        decoding.acquire_owned().await.ok()
    }

    /// The chunk's part of the memory that was taken for reading; what it costs beyond that, for
    /// the structures around it or because it was compressed, is taken now. Where there is none,
    /// one chunk at a time may go over the budget.
    pub(super) async fn share_of(&mut self, tagged: &TaggedEntries) -> Share {
        let cost = Chunk::cost_bytes(&tagged.tag, &tagged.entries);
        let mut share = self.share.split(cost);
        let missing = cost.saturating_sub(share.bytes());
        if missing == 0 {
            return share;
        }
        if self.turn.is_none() {
            match self.intake.try_take(missing) {
                Some(more) => {
                    share.join(more);
                    return share;
                }
                // A large frame waits for nobody: others may wait for its right.
                None if self.large.is_some() => {}
                None => share.join(self.wait_for(missing).await),
            }
        }
        share.keep_turn(self.turn.take());
        share.keep_large(self.large.clone());
        share
    }

    /// Keeps only what an incomplete frame needs: idle connections cost next to nothing.
    pub(super) fn release_idle(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
            (self.turn, self.large) = (None, None);
        }
        self.share.shrink_to(self.buffer.len());
    }
}

/// Gives back what a part of a frame does not need while the rest is waited for: peers that send
/// half a frame and fall silent would keep a read buffer each, of which only the part is paid for.
pub(super) fn compact(buffer: &mut BytesMut) {
    if buffer.capacity() > COMPACT_BYTES_MIN.max(2 * buffer.len()) {
        *buffer = BytesMut::from(buffer.as_ref());
    }
}

/// Gives back what a read did not fill; not of a frame so large that a copy of it costs more.
fn trim(buffer: &mut BytesMut) {
    let free = buffer.capacity() - buffer.len();
    if free > COMPACT_BYTES_MIN && buffer.len() <= READ_BYTES {
        *buffer = BytesMut::from(buffer.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_waits_for_its_turn_to_be_decoded_has_no_room_that_nobody_pays_for() {
        for (bytes, capacity_max) in [(1, COMPACT_BYTES_MIN), (40_000, 40_000 + COMPACT_BYTES_MIN)]
        {
            let mut buffer = BytesMut::with_capacity(READ_BYTES);
            buffer.extend_from_slice(&vec![7; bytes]);
            trim(&mut buffer);
            assert!(buffer.capacity() <= capacity_max, "{bytes}: {}", buffer.capacity());
            assert_eq!(buffer, vec![7; bytes]);
        }
    }
}
