//! Steps 3 to 5 in one place, in order: parts joined, filters applied, routed, buffered.
//!
//! One owner of every filter and of the router: no locks, and the same input gives the same
//! result. [`Ingest::process`] and [`Ingest::tick`] are plain functions with `now` as an argument;
//! only [`run`] waits.

mod stage;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::buffer::Buffer;
use crate::chunk::{Chunk, METRICS, REWRITES_MAX};
use crate::clock;
use crate::console::Console;
use crate::filter::Pass;
use crate::filter::partial_message::{PartialMessage, TEXT_KEY};
use crate::ledger::{Account, Reason};
use crate::lifecycle::Alarm;
use crate::record::tag_pattern::TagMatch;
use crate::ring::Ring;
use crate::router::Router;
use tokio::sync::Notify;

pub use stage::Stage;

/// Rounds in which what filters hold is let go at the end: what one lets go may come to another
/// under a new tag. As many as a chunk may be given new tags, and one.
const LAST_ROUNDS_MAX: u8 = REWRITES_MAX + 1;

/// A way out of the ingest: an output's buffer and its account.
#[derive(Debug)]
pub struct Outlet {
    /// Filters of this output alone.
    pub processors: Vec<Stage>,
    /// Where chunks for the output wait.
    pub buffer: Arc<Buffer>,
    /// The output's account in the ledger.
    pub account: Arc<Account>,
}

/// The owner of filters and router.
#[derive(Debug)]
pub struct Ingest {
    /// Joins the parts of lines that Docker cut, before any filter sees them.
    partial: PartialMessage,
    /// Filters of one input alone, by its place.
    processors: Vec<Vec<Stage>>,
    stages: Vec<Stage>,
    router: Router,
    outlets: Vec<Outlet>,
    /// What is to be passed on before the next chunk, the next one last. Empty between calls.
    work: Vec<(Chunk, Place)>,
    /// What filters have printed since it was asked for.
    printed: Vec<u8>,
    /// Whether it was said that some of that was left out.
    is_print_lost: bool,
    /// Whether a filter wants the process to end.
    must_end: bool,
}

/// Where what filters ask for besides their records goes.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Standard output, if there is a filter that prints.
    pub console: Option<Console>,
    /// Ends the process.
    pub alarm: Alarm,
    /// Tells, if there is one, that something came for which filters hold chunks.
    pub news: Option<Arc<Notify>>,
}

/// Where in the ingest a chunk goes on.
#[derive(Clone, Copy, Debug)]
struct Place {
    chain: Chain,
    /// The first filter that it has yet to meet.
    stage: usize,
}

/// A list of filters.
#[derive(Clone, Copy, Debug)]
enum Chain {
    /// Those of the input.
    Input(u16),
    /// Those whose `Match` fits.
    Filters,
    /// Those of the output.
    Output(usize),
}

impl Ingest {
    /// An ingest over these filters and outputs; the router's places are places in both lists.
    #[must_use]
    pub fn new(
        processors: Vec<Vec<Stage>>,
        stages: Vec<Stage>,
        router: Router,
        outlets: Vec<Outlet>,
    ) -> Self {
        let partial = PartialMessage::default();
        Self {
            partial,
            processors,
            stages,
            router,
            outlets,
            work: Vec::new(),
            printed: Vec::new(),
            is_print_lost: false,
            must_end: false,
        }
    }

    /// Lets the parts of lines of these tags wait so long for the next one.
    #[must_use]
    pub fn with_waits_for_parts(self, waits: Vec<(TagMatch, Duration)>) -> Self {
        Self { partial: PartialMessage::new(TEXT_KEY, waits), ..self }
    }

    /// Takes a chunk from the ring to the buffers.
    pub fn process(&mut self, chunk: Chunk, now: Instant) {
        if let Some(chunk) = self.partial.join(chunk, now) {
            self.enter(chunk, now);
        }
    }

    /// When [`Self::tick`] is to be called.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Instant> {
        let parts = self.partial.wakes_at();
        let filters = self.chains().flatten().filter_map(|stage| stage.filter.wakes_at());
        filters.chain(parts).min()
    }

    /// Lets go what has waited too long for its rest.
    pub fn tick(&mut self, now: Instant) {
        while let Some(chunk) = self.partial.expired(now) {
            self.enter(chunk, now);
        }
        self.release(now, |stage| stage.filter.expired(now));
    }

    /// Lets everything go that waits for anything, and says so to the outputs.
    pub fn finish(&mut self, now: Instant) {
        while let Some(chunk) = self.partial.pending() {
            self.enter(chunk, now);
        }
        for _ in 0..LAST_ROUNDS_MAX {
            if self.release(now, |stage| stage.filter.pending()) == 0 {
                break;
            }
        }
        self.outlets.iter().for_each(|outlet| outlet.buffer.close());
    }

    /// Passes on what filters let go, each from behind its filter. Returns how many chunks.
    fn release(
        &mut self,
        now: Instant,
        mut next: impl FnMut(&mut Stage) -> Option<Chunk>,
    ) -> usize {
        let mut released = 0;
        let inputs = (0..).zip(&self.processors).map(|(at, list)| (Chain::Input(at), list.len()));
        let outputs = self.outlets.iter().enumerate();
        let outputs = outputs.map(|(at, outlet)| (Chain::Output(at), outlet.processors.len()));
        let chains: Vec<_> =
            inputs.chain([(Chain::Filters, self.stages.len())]).chain(outputs).collect();
        for (chain, stages) in chains {
            for stage in 0..stages {
                while let Some(chunk) = self.stage(chain, stage).and_then(&mut next) {
                    released += 1;
                    self.work.push((chunk, Place { chain, stage: stage + 1 }));
                    self.work(now);
                }
            }
        }
        released
    }

    fn chains(&self) -> impl Iterator<Item = &Vec<Stage>> {
        let outputs = self.outlets.iter().map(|outlet| &outlet.processors);
        self.processors.iter().chain([&self.stages]).chain(outputs)
    }

    fn stage(&mut self, chain: Chain, stage: usize) -> Option<&mut Stage> {
        match chain {
            Chain::Input(input) => self.processors.get_mut(usize::from(input))?.get_mut(stage),
            Chain::Filters => self.stages.get_mut(stage),
            Chain::Output(output) => self.outlets.get_mut(output)?.processors.get_mut(stage),
        }
    }

    /// Hands on what filters ask for besides their records.
    fn report(&mut self, surroundings: &Surroundings) {
        if self.must_end {
            surroundings.alarm.raise();
        }
        if let Some(console) = surroundings.console.as_ref().filter(|_| !self.printed.is_empty()) {
            let is_taken = console.offer(std::mem::take(&mut self.printed));
            if !is_taken && !std::mem::replace(&mut self.is_print_lost, true) {
                tracing::warn!("standard output is too slow: lines of filters are left out");
            }
        }
    }

    fn enter(&mut self, chunk: Chunk, now: Instant) {
        // Metrics go by all filters, as if they had met them.
        let place = match chunk.input {
            METRICS => Place { chain: Chain::Filters, stage: self.stages.len() },
            input => Place { chain: Chain::Input(input), stage: 0 },
        };
        self.work.push((chunk, place));
        self.work(now);
    }

    /// Passes on all there is to pass on, and what comes of it.
    fn work(&mut self, now: Instant) {
        let mut pass = Pass { printed: std::mem::take(&mut self.printed), ..Pass::new(now) };
        while let Some((chunk, place)) = self.work.pop() {
            match place.chain {
                Chain::Input(_) | Chain::Output(_) => self.process_all(chunk, place, &mut pass),
                Chain::Filters => self.filter(chunk, place.stage, &mut pass),
            }
        }
        self.printed = pass.printed;
        self.must_end |= pass.must_end;
    }

    /// The filters of an input or an output: each of them, one after the other.
    fn process_all(&mut self, mut chunk: Chunk, place: Place, pass: &mut Pass) {
        let Place { chain, mut stage } = place;
        while let Some(next) = self.stage(chain, stage) {
            let after = next.apply(chunk, pass);
            stage += 1;
            let Some(kept) = self.after(after, Place { chain, stage }, pass) else { return };
            chunk = kept;
        }
        match chain {
            Chain::Input(_) | Chain::Filters => self.filter(chunk, 0, pass),
            Chain::Output(output) => {
                if let Some(outlet) = self.outlets.get(output) {
                    outlet.buffer.push(chunk);
                }
            }
        }
    }

    /// The filters whose `Match` fits, from one on; then the outputs.
    fn filter(&mut self, mut chunk: Chunk, from: usize, pass: &mut Pass) {
        let plan = self.router.plan(&chunk.tag);
        for &stage in plan.filters.iter().filter(|stage| **stage >= from) {
            let Some(next) = self.stages.get_mut(stage) else { continue };
            let after = next.apply(chunk, pass);
            let place = Place { chain: Chain::Filters, stage: stage + 1 };
            let Some(kept) = self.after(after, place, pass) else { return };
            chunk = kept;
        }
        let mut copies = 0;
        for &output in &plan.outputs {
            let Some(outlet) = self.outlets.get(output) else { continue };
            copies += 1;
            let copy = chunk.receive_at(&outlet.account);
            if outlet.processors.is_empty() || copy.input == METRICS {
                outlet.buffer.push(copy);
            } else {
                self.work.push((copy, Place { chain: Chain::Output(output), stage: 0 }));
            }
        }
        match copies {
            0 => chunk.dropped(Reason::Unmatched),
            _ => chunk.delivered(),
        }
    }

    /// What goes on at once; the rest is put down to be done next, in its order.
    fn after(&mut self, after: Option<Chunk>, place: Place, pass: &mut Pass) -> Option<Chunk> {
        // Under its new tag a chunk begins at the first filter again; those of one input or output
        // have no tags, so there it goes on behind the filter.
        let next = match place.chain {
            Chain::Filters => Place { chain: Chain::Filters, stage: 0 },
            Chain::Input(_) | Chain::Output(_) => place,
        };
        self.work.extend(pass.emitted.drain(..).rev().map(|chunk| (chunk, next)));
        after
    }
}

/// Drives the ingest from the ring until the ring is closed and empty.
pub async fn run(mut ingest: Ingest, ring: Arc<Ring<Chunk>>, surroundings: Surroundings) {
    let mut wakes_at = None;
    loop {
        // No wake-ups while there is nothing to look for.
        let wake = async {
            match wakes_at {
                Some(at) => tokio::time::sleep_until(tokio::time::Instant::from_std(at)).await,
                None => std::future::pending().await,
            }
        };
        let told = async {
            match &surroundings.news {
                Some(news) => news.notified().await,
                None => std::future::pending().await,
            }
        };
        let now = tokio::select! {
            biased;
            () = wake => {
                let now = clock::now();
                ingest.tick(now);
                wakes_at = None;
                now
            }
            () = told => {
                let now = clock::now();
                ingest.tick(now);
                now
            }
            chunk = ring.pop() => {
                let now = clock::now();
                match chunk {
                    Some(chunk) => ingest.process(chunk, now),
                    None => break,
                }
                now
            }
        };
        // What is due goes on before the next chunk: a timer would fire up to a millisecond later.
        if ingest.wakes_at().is_some_and(|at| at <= now) {
            ingest.tick(now);
        }
        ingest.report(&surroundings);
        // A deadline that is set stays: chunks that keep coming do not put it off.
        wakes_at = wakes_at.into_iter().chain(ingest.wakes_at()).min();
    }
    ingest.finish(clock::now());
    ingest.report(&surroundings);
}

#[cfg(test)]
mod tests;
