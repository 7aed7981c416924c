//! Step 5, buffer: the store between the one ingest and one output. First in, first out.
//!
//! In memory as long as the output keeps up; what is more goes to disk ([`crate::spill`]) and comes
//! back as room comes. Order holds for a lane: see [`LaneRule`]. Nothing here waits, but for
//! [`Buffer::pop`]: files are the business of the [`storekeeper`], on a thread of its own.
//!
//! A chunk goes straight to its output while
//! - the output has memory left of its part of the budget, and the lane of its part of that, and
//! - nothing that came before it in its lane is still to be read from disk.
//!
//! Otherwise it waits in memory until the output has room, but only as long as that holds nobody up: once a
//! reader has waited [`HELD_UP_MAX`] for memory, all that waits is written, and so is what comes behind it
//! until all was read back. So a disk costs nothing where the output is only a little slower than
//! the senders. The memory of what is written is given back. An input with `storage.type
//! filesystem` has all its chunks written, those that go straight to the output too; these carry a
//! [`Ticket`], so that the disk forgets them when they are delivered, and hold their memory until they
//! are written or need not be: a disk that is slow makes senders wait.

mod lanes;
mod line;
mod order;
pub mod storekeeper;
mod waiting;

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::chunk::{Chunk, Storage};
use crate::clock;
use crate::ledger::{Budget, Keeper, Reason, Share, Shortage, Ticket};
use crate::record::chunk::{Entries, Entry};
use crate::spill::Block;

use line::{Line, State};
use order::{Order, Orders, Stored};
use storekeeper::Shown;
pub use storekeeper::{Storekeeper, Surroundings};
use waiting::Fit;

/// The part of its memory that one lane of an output may take: then a flood goes to disk, and the
/// others do not.
const LANE_SHARE: u64 = 2;
/// How long a reader may wait for memory before what waits there is written. Half of what a sender may be
/// held up while the disk has room, 50 ms: the write takes its time, too.
const HELD_UP_MAX: Duration = Duration::from_millis(25);
/// Most bytes of records in a block, unless a single one has more: what is read back at once.
const BLOCK_BYTES: usize = 1024 * 1024;
/// Chunks on their way to one output.
#[derive(Debug, Default)]
pub struct Buffer {
    line: Arc<Line>,
    store: Option<Store>,
    /// The common budget, to know when room is needed.
    budget: Option<Budget>,
}

/// What of an output's records has to keep its order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LaneRule {
    /// Records of one input and one tag: what they are sent to is theirs alone.
    OfTag,
    /// All of them.
    One,
}

/// The store on disk, as the buffer sees it.
#[derive(Debug)]
struct Store {
    orders: Orders,
    keeper: Arc<dyn Keeper>,
    shown: Arc<Shown>,
    rule: LaneRule,
    /// The common budget.
    budget: Budget,
    /// What may go straight to the output.
    memory: Budget,
    survives: bool,
}

impl Buffer {
    /// A buffer in memory alone, beside others in the budget.
    #[must_use]
    pub fn in_memory(budget: Budget) -> Self {
        Self { budget: Some(budget), ..Self::default() }
    }

    /// A buffer with a store behind it, and whoever keeps that: to be run beside it. `memory_bytes`
    /// of the budget may go straight to the output.
    #[must_use]
    pub fn with_store(
        budget: Budget,
        memory_bytes: u64,
        rule: LaneRule,
        around: Surroundings,
    ) -> (Self, Storekeeper) {
        let line = Arc::new(Line::default());
        let survives = around.left.is_some();
        let (keeper, orders, shown) =
            Storekeeper::new(around, rule, Arc::clone(&line), budget.clone());
        let store = Store {
            keeper: Arc::new(orders.clone()),
            orders,
            shown,
            rule,
            budget: budget.clone(),
            memory: Budget::new(memory_bytes),
            survives,
        };
        (Self { line, store: Some(store), budget: Some(budget) }, keeper)
    }

    /// Puts a chunk at the end of its lane. Never waits: the budget made the reader wait before.
    pub fn push(&self, chunk: Chunk) {
        let Some(store) = &self.store else { return self.line.push(chunk) };
        let lane = store.rule.lane(&chunk);
        let mut state = self.line.lock();
        for part in parts(chunk) {
            store.push(part, lane, &mut state);
        }
        store.promote(&mut state);
        drop(state);
        self.line.wake();
    }

    /// Takes the oldest chunk if there is one.
    #[must_use]
    pub fn try_pop(&self) -> Option<Chunk> {
        self.promote();
        self.line.try_pop()
    }

    /// Takes the oldest chunk; waits for one while the buffer is open, or while there is something
    /// on disk. `None`: nothing more comes.
    ///
    /// Only one task may pop.
    pub async fn pop(&self) -> Option<Chunk> {
        poll_fn(|context| {
            // The output has got rid of something, maybe.
            self.promote();
            self.line.poll_pop(context)
        })
        .await
    }

    /// Lets the output have what waits and finds room now.
    fn promote(&self) {
        if let Some(store) = &self.store {
            store.promote(&mut self.line.lock());
        }
    }

    /// Says that nothing will be pushed any more.
    pub fn close(&self) {
        self.line.close();
    }

    /// Returns once nothing will be pushed any more; there may still be something to take.
    pub async fn closed(&self) {
        self.line.closed().await;
    }

    /// Where room is needed: what has to go, or readers wait. Memory is short there, and the disk takes
    /// nothing more.
    #[must_use]
    pub fn needs_room(&self) -> Shortage {
        let is_full = self.store.as_ref().is_none_or(|store| store.shown.is_full());
        let budget = self.budget.as_ref().filter(|_| is_full);
        budget.map(Budget::shortage).unwrap_or_default()
    }

    /// Whether there is more to deliver than is good to hold back: nothing is to wait for more.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        let of_store = |store: &Store| {
            let state = self.line.lock();
            store.memory.is_crowded() || state.is_behind() || !state.waiting.is_empty()
        };
        self.budget.as_ref().is_some_and(Budget::is_crowded)
            || self.store.as_ref().is_some_and(of_store)
    }

    /// Whether what is left at the end is there at the next start.
    #[must_use]
    pub fn survives(&self) -> bool {
        self.store.as_ref().is_some_and(|store| store.survives)
    }

    /// The time to stop is up: what the output still held, in its order, and then what waits here
    /// goes to disk if that survives; the rest is left. Returns once nothing more is pushed: the
    /// ingest may still hand on what was read last.
    pub async fn leave(&self, held: impl IntoIterator<Item = Chunk>) {
        self.line.lock().is_abandoned = true;
        held.into_iter().for_each(|chunk| self.leave_one(chunk));
        while let Some(chunk) = self.pop().await {
            self.leave_one(chunk);
        }
    }

    fn leave_one(&self, chunk: Chunk) {
        let Some(store) = self.store.as_ref().filter(|store| store.survives) else {
            return chunk.dropped(Reason::Stopped);
        };
        if chunk.permit.is_on_disk() {
            return leave(store.orders.give(Order::LeaveKept(chunk)));
        }
        let lane = store.rule.lane(&chunk);
        parts(chunk).for_each(|part| store.leave(part, lane));
    }

    /// Returns once everything that was left is on disk, or known not to be. To be called last.
    pub async fn end(&self) {
        let Some(store) = &self.store else { return };
        let (sender, closed) = oneshot::channel();
        if store.orders.give(Order::Close(sender)).is_ok() {
            // The storekeeper is gone: then there is nothing to wait for.
            let _ = closed.await;
        }
    }
}

impl Store {
    fn push(&self, chunk: Chunk, lane: u64, state: &mut State) {
        let is_next = !state.would_overtake(lane) && !state.waiting.holds(lane);
        // What others have used up is left to readers.
        if is_next
            && !self.budget.is_crowded()
            && let Fit::Room(held) = self.fit(&chunk, lane, state)
        {
            return self.pass(chunk, lane, held, state);
        }
        let may_wait = chunk.storage == Storage::Memory && !state.is_behind();
        if may_wait && (state.is_watched || self.orders.give(Order::Watch).is_ok()) {
            state.is_watched = true;
            state.waiting.push(lane, chunk);
        } else {
            // Nothing is written before what came before it.
            state.press(&self.orders);
            state.give_away(chunk, lane, &self.orders);
        }
    }

    /// What waits and finds room goes to the output; all of it when the time to stop is up.
    fn promote(&self, state: &mut State) {
        let mut waiting = std::mem::take(&mut state.waiting);
        let fit = |lane, chunk: &Chunk, state: &mut State| match state.is_abandoned {
            true => Fit::Room([Share::empty(), Share::empty()]),
            false => self.fit(chunk, lane, state),
        };
        while let Some((lane, chunk, held)) = waiting.take(|lane, chunk| fit(lane, chunk, state)) {
            self.pass(chunk, lane, held, state);
        }
        state.waiting = waiting;
    }

    /// Lets the output have a chunk.
    fn pass(&self, mut chunk: Chunk, lane: u64, held: [Share; 2], state: &mut State) {
        let number = state.number(&chunk);
        chunk.permit.hold(held, number);
        if chunk.storage == Storage::Filesystem {
            self.keep(&mut chunk, lane, number);
        }
        state.push(chunk);
    }

    /// Has a chunk written that goes straight to the output.
    fn keep(&self, chunk: &mut Chunk, lane: u64, number: u64) {
        let block = block(chunk, lane, number);
        let starts = chunk.entries.entries.iter().map(|entry| entry.start).collect();
        let ticket = Ticket::new(Arc::clone(&self.keeper), number, starts, self.survives);
        let (memory, marks) = chunk.permit.keep(ticket);
        let given = self.orders.give(Order::Store(Stored { block, chunk: None, memory, marks }));
        if let Err(Order::Store(refused)) = given.map_err(|order| *order) {
            // Without a storekeeper it is as without a disk.
            chunk.permit.not_kept(refused.marks);
        }
    }

    fn leave(&self, chunk: Chunk, lane: u64) {
        let start = chunk.entries.entries.first().map_or(0, |entry| u64::from(entry.start));
        let number = chunk.permit.number().unwrap_or_default().saturating_add(start);
        let block = block(&chunk, lane, number);
        leave(self.orders.give(Order::Leave(Stored::alone(block, chunk))));
    }

    /// Takes memory of the output and of the lane.
    fn fit(&self, chunk: &Chunk, lane: u64, state: &mut State) -> Fit<[Share; 2]> {
        let bytes = Chunk::cost_bytes(&chunk.tag, &chunk.entries);
        let Some(of_output) = self.memory.try_take(bytes) else { return Fit::Full };
        let bytes_max = match self.rule {
            LaneRule::OfTag => self.memory.bytes_max() / LANE_SHARE,
            LaneRule::One => return Fit::Room([of_output, Share::empty()]),
        };
        match state.lanes.take(lane, bytes, bytes_max) {
            Some(of_lane) => Fit::Room([of_output, of_lane]),
            None => Fit::LaneFull,
        }
    }
}

impl LaneRule {
    fn lane(self, chunk: &Chunk) -> u64 {
        match self {
            Self::One => 0,
            Self::OfTag => {
                // Two tags of one checksum share a lane, which keeps their order.
                let tag = crc32fast::hash(chunk.tag.as_bytes());
                u64::from(chunk.input) << 32 | u64::from(tag)
            }
        }
    }
}

/// Where nobody is there to write it, it is left.
fn leave(given: Result<(), Box<Order>>) {
    let refused = given.err().and_then(|order| order.into_chunk());
    refused.into_iter().for_each(|chunk| chunk.dropped(Reason::Stopped));
}

fn block(chunk: &Chunk, lane: u64, number: u64) -> Block {
    let age = clock::now().saturating_duration_since(chunk.arrived);
    Block {
        number,
        lane,
        input: chunk.input,
        rewrites: chunk.rewrites,
        arrived_unix: clock::unix_now().saturating_sub(age),
        tag: chunk.tag.clone(),
        shared: chunk.shared.clone(),
        entries: Arc::clone(&chunk.entries),
    }
}

/// The chunk, in parts of at most [`BLOCK_BYTES`] of records each.
fn parts(chunk: Chunk) -> impl Iterator<Item = Chunk> {
    let mut rest = Some(chunk);
    std::iter::from_fn(move || {
        let mut chunk = rest.take()?;
        if chunk.entries.data.len() <= BLOCK_BYTES {
            return Some(chunk);
        }
        let entries = Arc::clone(&chunk.entries);
        let mut bytes = 0;
        let fits = |entry: &&Entry| {
            bytes += entry.end.saturating_sub(entry.start) as usize;
            bytes <= BLOCK_BYTES
        };
        let count = entries.entries.iter().take_while(fits).count().max(1);
        let (first, others) = entries.entries.split_at_checked(count).unwrap_or_default();
        if others.is_empty() {
            return Some(chunk);
        }
        let part = |list: &[Entry]| Entries { data: entries.data.clone(), entries: list.to_vec() };
        let first = chunk.split(part(first));
        chunk.entries = Arc::new(part(others));
        rest = Some(chunk);
        Some(first)
    })
}

impl Order {
    fn into_chunk(self) -> Option<Chunk> {
        match self {
            Self::Store(stored) | Self::Leave(stored) => stored.chunk,
            Self::LeaveKept(chunk) => Some(chunk),
            Self::Watch | Self::Ended(..) | Self::Freed(_) | Self::Close(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
