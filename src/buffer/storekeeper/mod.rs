//! Keeps the store of one output: writes what it is given, reads back what there is room for.
//!
//! The only one who knows both the ledger and the log. Files may be slow, so this is run on a thread of
//! its own, where it may block. What is read back takes memory of a window of the output's own and not
//! of the common budget: readers who wait for that could keep it from ever coming back.

mod close;
mod deferred;
mod logs;
mod marks;
mod read_back;
mod window;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use crate::chunk::Chunk;
use crate::clock;
use crate::ledger::{Account, Budget, Keeper, Receipt};
use crate::spill::{Log, Ranges};
use crate::telemetry::counters::StorageCounters;

use super::line::Line;
use super::order::{Order, Orders, Stored};
use super::{HELD_UP_MAX, LaneRule};
use deferred::Deferred;
use logs::Logs;
use marks::{KeptMarks, MARKS_MAX};
use window::Window;
use write::FAILED_WAIT;

/// Most orders between two looks at what can be read back.
const ORDERS_MAX: usize = 4_096;

/// What a storekeeper needs.
#[derive(Debug)]
pub struct Surroundings {
    /// The blocks on disk.
    pub log: Log,
    /// What is left at the end, which is older than much of the other; `None`: what is on disk is not
    /// there at the next start.
    pub left: Option<Log>,
    /// The output's account.
    pub account: Arc<Account>,
    /// The instance, for log lines.
    pub name: String,
    /// Bytes of what was read back and has no outcome yet.
    pub window_bytes: u64,
    /// What there is to see of it.
    pub counters: Arc<StorageCounters>,
}

/// The keeper of one store.
#[derive(Debug)]
pub struct Storekeeper {
    orders: mpsc::UnboundedReceiver<Order>,
    /// The way to itself.
    own: Orders,
    keeper: Arc<dyn Keeper>,
    line: Arc<Line>,
    /// The common budget, to see who is held up.
    budget: Budget,
    /// What the output has beyond its part.
    over: Budget,
    /// Whether chunks wait in memory, or have.
    watches: bool,
    logs: Logs,
    account: Arc<Account>,
    name: String,
    counters: Arc<StorageCounters>,
    /// Blocks from here on are of this process.
    first_own: u64,
    /// What waits to be written, by number.
    pending: BTreeMap<u64, Stored>,
    /// What has ended of blocks that still wait to be written.
    early: BTreeMap<u64, Ranges<u32>>,
    /// The number of the newest block on disk.
    newest_written: u64,
    /// What is left at the end.
    left: Vec<Stored>,
    left_kept: Vec<Chunk>,
    /// Owed for what is on disk and nowhere else.
    owed: Option<Receipt>,
    /// Marks of blocks on disk, where that does not survive: the source has to be able to say it again.
    marks: KeptMarks,
    window: Window,
    deferred: Deferred,
    /// Until when the disk is left alone.
    rests_until: Option<Instant>,
    told: Option<Instant>,
    /// Behind `orders`: nobody can give one any more when it says so.
    _gone: Gone,
}

/// Says that nobody keeps the store any more, however that came: nothing comes back from there.
#[derive(Debug)]
struct Gone {
    line: Arc<Line>,
    counters: Arc<StorageCounters>,
}

impl Drop for Gone {
    fn drop(&mut self) {
        self.counters.is_full.set(1);
        self.line.lock().nothing_comes_back();
        self.line.wake();
    }
}

/// What others see of a storekeeper.
#[derive(Debug)]
pub(super) struct Shown {
    counters: Arc<StorageCounters>,
    /// What the output has beyond its part, as the disk did not take it.
    over: Budget,
}

impl Shown {
    /// Whether the disk takes nothing more, or the output still has what it did not take: that cannot go
    /// there any more.
    pub(super) fn is_full(&self) -> bool {
        self.counters.is_full.get() > 0 || self.over.used_bytes() > 0
    }
}

impl Storekeeper {
    pub(super) fn new(
        around: Surroundings,
        rule: LaneRule,
        line: Arc<Line>,
        budget: Budget,
    ) -> (Self, Orders, Arc<Shown>) {
        #[expect(clippy::disallowed_methods, reason = "what is in there is bounded: see `Orders`")]
        let (sender, orders) = mpsc::unbounded_channel();
        let sender = Orders(sender);
        let over = Budget::new(u64::from(u32::MAX));
        let shown = Arc::new(Shown { counters: Arc::clone(&around.counters), over });
        let Surroundings { log, left, account, name, window_bytes, counters } = around;
        let logs = Logs::new(log, left);
        let first_own = logs.next_number();
        {
            let mut state = line.lock();
            state.has_backlog = logs.has_unread();
            state.next_number = first_own;
        }
        let gone = Gone { line: Arc::clone(&line), counters: Arc::clone(&counters) };
        let keeper = Self {
            orders,
            own: sender.clone(),
            keeper: Arc::new(sender.clone()),
            line,
            over: shown.over.clone(),
            budget,
            watches: false,
            first_own,
            window: Window::new(window_bytes, rule),
            logs,
            account,
            name,
            counters,
            pending: BTreeMap::new(),
            early: BTreeMap::new(),
            newest_written: 0,
            left: Vec::new(),
            left_kept: Vec::new(),
            owed: None,
            marks: KeptMarks::new(MARKS_MAX),
            deferred: Deferred::default(),
            rests_until: None,
            told: None,
            _gone: gone,
        };
        (keeper, sender, shown)
    }

    /// Does what it is asked to until it is told to close.
    pub async fn run(mut self) {
        let mut batch = Vec::new();
        self.turn();
        loop {
            let wait = self.wake_in();
            tokio::select! {
                received = self.orders.recv_many(&mut batch, ORDERS_MAX) => {
                    if received == 0 {
                        return;
                    }
                }
                () = sleep(wait.unwrap_or_default()), if wait.is_some() => {}
                () = self.budget.is_waited_for(HELD_UP_MAX), if self.watches => self.press(),
            }
            for order in batch.drain(..) {
                if let Some(closed) = self.receive(order) {
                    self.close(closed);
                    return;
                }
            }
            self.turn();
        }
    }

    /// Does all that it was asked to so far.
    #[cfg(test)]
    pub(super) fn work(&mut self) {
        self.press();
        while let Ok(order) = self.orders.try_recv() {
            assert!(self.receive(order).is_none(), "nobody closes it");
        }
        self.rests_until = None;
        self.turn();
    }

    /// Lets it keep no more marks than that.
    #[cfg(test)]
    pub(super) fn keep_marks(&mut self, count_max: usize) {
        self.marks = KeptMarks::new(count_max);
    }

    /// Takes an order. Returns whom to tell when everything is closed.
    fn receive(&mut self, order: Order) -> Option<oneshot::Sender<()>> {
        match order {
            Order::Watch => self.watches = true,
            Order::Store(stored) => drop(self.pending.insert(stored.block.number, stored)),
            Order::Leave(stored) => self.left.push(stored),
            Order::LeaveKept(chunk) => self.left_kept.push(chunk),
            Order::Ended(number, entries) => {
                if self.pending.contains_key(&number) {
                    self.early.entry(number).or_default().insert(entries);
                } else {
                    self.logs.ended(number, entries);
                }
            }
            Order::Freed(number) => {
                self.logs.freed(number);
                self.freed(number);
            }
            Order::Close(closed) => return Some(closed),
        }
        None
    }

    /// Does what is to be done: writes, notes what has ended, reads back.
    fn turn(&mut self) {
        // A disk that refuses to be written to may well be read.
        if self.rests_until.is_none_or(|until| until <= clock::now()) {
            self.rests_until = None;
            self.note_ended();
            self.write_pending();
        }
        self.read_back();
        self.watch();
        self.show();
    }

    /// Lets the output look again at what waits in memory, if there is any.
    fn watch(&mut self) {
        if !self.watches {
            return;
        }
        let mut state = self.line.lock();
        self.watches = !state.waiting.is_empty();
        state.is_watched = self.watches;
        drop(state);
        self.line.wake();
    }

    /// Somebody is held up: what waits in memory is written.
    fn press(&mut self) {
        self.watches = false;
        let mut state = self.line.lock();
        state.is_watched = false;
        state.press(&self.own);
    }

    /// What waits to be written is looked at again: others may have made room on the disk. So is what
    /// waits in memory: the output may have made room elsewhere than where it takes from us.
    fn wake_in(&self) -> Option<Duration> {
        let rest = self.rests_until.map(|until| until.saturating_duration_since(clock::now()));
        rest.or_else(|| (self.watches || !self.pending.is_empty()).then_some(FAILED_WAIT))
    }

    fn show(&self) {
        let counters = &self.counters;
        counters.bytes.set(self.logs.bytes());
        counters.segments.set(self.logs.segments() as u64);
    }
}
