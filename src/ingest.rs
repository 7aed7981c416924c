//! Steps 3 to 5 in one place, in order: parts joined, filters applied, routed, buffered.
//!
//! One owner of every filter and of the router: no locks, and the same input gives the same
//! result. [`Ingest::process`] and [`Ingest::tick`] are plain functions with `now` as an argument;
//! only [`run`] waits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::buffer::Buffer;
use crate::chunk::Chunk;
use crate::clock;
use crate::filter::Filter;
use crate::filter::partial_message::PartialMessage;
use crate::ledger::{Account, Reason};
use crate::ring::Ring;
use crate::router::Router;
use crate::telemetry::FilterCounters;

/// How often parts of lines whose rest does not come are looked for.
const TICK_INTERVAL: Duration = Duration::from_millis(500);

/// A way out of the ingest: an output's buffer and its account.
#[derive(Debug)]
pub struct Outlet {
    /// Where chunks for the output wait.
    pub buffer: Arc<Buffer>,
    /// The output's account in the ledger.
    pub account: Arc<Account>,
}

/// A filter and what it counts.
#[derive(Debug)]
pub struct Stage {
    /// The filter.
    pub filter: Filter,
    /// Its counters.
    pub counters: Arc<FilterCounters>,
}

/// The owner of filters and router.
#[derive(Debug)]
pub struct Ingest {
    /// Joins the parts of lines that Docker cut, before any filter sees them.
    partial: PartialMessage,
    stages: Vec<Stage>,
    router: Router,
    outlets: Vec<Outlet>,
}

impl Ingest {
    /// An ingest over these filters and outputs; the router's places are places in both lists.
    #[must_use]
    pub fn new(stages: Vec<Stage>, router: Router, outlets: Vec<Outlet>) -> Self {
        Self { partial: PartialMessage::default(), stages, router, outlets }
    }

    /// Takes a chunk from the ring to the buffers.
    pub fn process(&mut self, chunk: Chunk, now: Instant) {
        if let Some(chunk) = self.partial.join(chunk, now) {
            self.pass(chunk);
        }
    }

    /// Lets go what has waited too long for its rest.
    pub fn tick(&mut self, now: Instant) {
        while let Some(chunk) = self.partial.expired(now) {
            self.pass(chunk);
        }
    }

    /// Lets everything go that waits for anything, and says so to the outputs.
    pub fn finish(&mut self) {
        while let Some(chunk) = self.partial.pending() {
            self.pass(chunk);
        }
        self.outlets.iter().for_each(|outlet| outlet.buffer.close());
    }

    fn pass(&mut self, mut chunk: Chunk) {
        let plan = self.router.plan(&chunk.tag);
        for place in &plan.filters {
            let Some(stage) = self.stages.get_mut(*place) else { continue };
            let before = chunk.records();
            let Some(kept) = stage.filter.apply(chunk) else {
                return stage.counters.dropped(before);
            };
            stage.counters.dropped(before.saturating_sub(kept.records()));
            chunk = kept;
        }
        let outlets = plan.outputs.iter().filter_map(|place| self.outlets.get(*place));
        let copies =
            outlets.map(|outlet| outlet.buffer.push(chunk.receive_at(&outlet.account))).count();
        match copies {
            0 => chunk.dropped(Reason::Unmatched),
            _ => chunk.delivered(),
        }
    }
}

/// Drives the ingest from the ring until the ring is closed and empty.
pub async fn run(mut ingest: Ingest, ring: Arc<Ring<Chunk>>) {
    let mut ticks = tokio::time::interval(TICK_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let waiting = ingest.partial.is_waiting();
        tokio::select! {
            chunk = ring.pop() => match chunk {
                Some(chunk) => ingest.process(chunk, clock::now()),
                None => break,
            },
            // No wake-ups while there is nothing to look for.
            _ = ticks.tick(), if waiting => ingest.tick(clock::now()),
        }
    }
    ingest.finish();
}
