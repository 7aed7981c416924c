//! The chunks that an output takes next, in their order, and what is known of those on disk.
//!
//! Ingest and storekeeper put in at the end, the output takes from the front. Locked once a chunk.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use atomic_waker::AtomicWaker;
use tokio::sync::watch;

use super::block;
use super::lanes::Lanes;
use super::order::{Order, Orders, Stored};
use super::waiting::Waiting;
use crate::chunk::Chunk;

/// Chunks in memory, before those on disk.
#[derive(Debug, Default)]
pub(super) struct Line {
    state: Mutex<State>,
    /// The output, while it waits.
    output: AtomicWaker,
    /// `true` once nothing more comes from the ingest.
    closed: watch::Sender<bool>,
}

/// What both sides know.
#[derive(Debug, Default)]
pub(super) struct State {
    chunks: VecDeque<Chunk>,
    /// What the output has no room for, while the disk need not take it: only if nothing there is to be
    /// read back.
    pub(super) waiting: Waiting,
    /// Whether the storekeeper knows of it.
    pub(super) is_watched: bool,
    /// Nothing more comes from the ingest.
    is_closed: bool,
    /// The time to stop is up: nothing more is read back.
    pub(super) is_abandoned: bool,
    /// An earlier process left something that is not read yet.
    pub(super) has_backlog: bool,
    /// The number of the newest block that was given to the storekeeper and is to come back, and the
    /// one up to which all came back or were deferred.
    pub(super) newest_away: u64,
    pub(super) read_up_to: u64,
    /// Deferred blocks, by lane.
    pub(super) deferred: HashMap<u64, u64>,
    /// What lanes hold in memory of what went straight to the output.
    pub(super) lanes: Lanes,
    /// The number of the next chunk: also of one that goes straight to the output, so that what is
    /// left of it at the end has its place among those on disk.
    pub(super) next_number: u64,
}

impl State {
    /// Whether a chunk of the lane would overtake one on disk.
    pub(super) fn would_overtake(&self, lane: u64) -> bool {
        self.is_unread() || self.deferred.contains_key(&lane)
    }

    /// Whether anything on disk is to be read back.
    pub(super) fn is_behind(&self) -> bool {
        self.is_unread() || !self.deferred.is_empty()
    }

    /// Whether nothing more comes, from nowhere.
    fn is_at_its_end(&self) -> bool {
        let is_over = self.is_closed && self.waiting.is_empty();
        is_over && (self.is_abandoned || !self.is_behind())
    }

    /// What waits in memory is to be written, in its order.
    pub(super) fn press(&mut self, orders: &Orders) {
        while let Some((lane, chunk)) = self.waiting.take_oldest() {
            self.give_away(chunk, lane, orders);
        }
    }

    /// A chunk is to be written and comes back.
    pub(super) fn give_away(&mut self, chunk: Chunk, lane: u64, orders: &Orders) {
        let number = self.number(&chunk);
        let block = block(&chunk, lane, number);
        match orders.give(Order::Store(Stored::alone(block, chunk))) {
            Ok(()) => self.newest_away = number,
            // Without a storekeeper it is as without a disk.
            Err(order) => order.into_chunk().into_iter().for_each(|chunk| self.push(chunk)),
        }
    }

    /// The chunk's place among all. Parts of it are told apart by where they begin in its bytes.
    pub(super) fn number(&mut self, chunk: &Chunk) -> u64 {
        let number = self.next_number;
        self.next_number = number.saturating_add(chunk.entries.data.len() as u64 + 1);
        number
    }

    fn is_unread(&self) -> bool {
        self.has_backlog || self.newest_away > self.read_up_to
    }

    /// All blocks up to this one came back or were deferred.
    pub(super) fn read_up_to(&mut self, number: u64) {
        self.read_up_to = self.read_up_to.max(number);
    }

    /// Nobody reads what is on disk any more: nothing is to wait for it.
    pub(super) fn nothing_comes_back(&mut self) {
        self.has_backlog = false;
        self.read_up_to(self.newest_away);
        self.deferred.clear();
    }

    pub(super) fn push(&mut self, chunk: Chunk) {
        self.chunks.push_back(chunk);
    }

    /// A block of the lane was deferred.
    pub(super) fn defer(&mut self, lane: u64) {
        *self.deferred.entry(lane).or_default() += 1;
    }

    /// A deferred block of the lane was read.
    pub(super) fn undefer(&mut self, lane: u64) {
        if let Some(blocks) = self.deferred.get_mut(&lane) {
            *blocks = blocks.saturating_sub(1);
            if *blocks == 0 {
                self.deferred.remove(&lane);
            }
        }
    }
}

impl Line {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in there is left half done by a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the output: something was pushed, or nothing more will be.
    pub(super) fn wake(&self) {
        self.output.wake();
    }

    pub(super) fn push(&self, chunk: Chunk) {
        self.lock().push(chunk);
        self.wake();
    }

    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.closed.send_replace(true);
        self.wake();
    }

    pub(super) async fn closed(&self) {
        // The sender is ours: it cannot be gone.
        let _ = self.closed.subscribe().wait_for(|is_closed| *is_closed).await;
    }

    pub(super) fn try_pop(&self) -> Option<Chunk> {
        self.lock().chunks.pop_front()
    }

    /// Only one task may pop.
    pub(super) fn poll_pop(&self, context: &Context<'_>) -> Poll<Option<Chunk>> {
        // Before the look: what comes after it wakes.
        self.output.register(context.waker());
        let mut state = self.lock();
        match state.chunks.pop_front() {
            Some(chunk) => Poll::Ready(Some(chunk)),
            None if state.is_at_its_end() => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}
