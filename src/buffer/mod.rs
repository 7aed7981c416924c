//! Step 5, buffer: the store between the one ingest and one output. First in, first out.
//!
//! What is inside is bounded by the memory budget: every chunk holds its share of it, and each
//! costs at least [`crate::chunk::CHUNK_OVERHEAD_BYTES`]. A store on disk would stand behind
//! [`Buffer::push`] and [`Buffer::pop`], which is all that either side knows.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use atomic_waker::AtomicWaker;
use crossbeam_queue::SegQueue;

use crate::chunk::Chunk;

/// Chunks on their way to one output.
#[derive(Default)]
pub struct Buffer {
    queue: SegQueue<Chunk>,
    /// The output, while it waits.
    output: AtomicWaker,
    closed: AtomicBool,
}

impl Buffer {
    /// Puts a chunk at the end. Never waits: the budget made the reader wait before.
    pub fn push(&self, chunk: Chunk) {
        self.queue.push(chunk);
        self.output.wake();
    }

    /// Takes the oldest chunk if there is one.
    #[must_use]
    pub fn try_pop(&self) -> Option<Chunk> {
        self.queue.pop()
    }

    /// Takes the oldest chunk; waits for one while the buffer is open. `None`: closed and empty.
    ///
    /// Only one task may pop.
    pub async fn pop(&self) -> Option<Chunk> {
        poll_fn(|context| self.poll_pop(context)).await
    }

    /// Says that nothing will be pushed any more.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.output.wake();
    }

    fn poll_pop(&self, context: &Context<'_>) -> Poll<Option<Chunk>> {
        if let Some(chunk) = self.queue.pop() {
            return Poll::Ready(Some(chunk));
        }
        self.output.register(context.waker());
        // Read before the queue: what was pushed before the close is then seen.
        let closed = self.closed.load(Ordering::SeqCst);
        match self.queue.pop() {
            Some(chunk) => Poll::Ready(Some(chunk)),
            None if closed => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buffer").field("chunks", &self.queue.len()).finish_non_exhaustive()
    }
}
