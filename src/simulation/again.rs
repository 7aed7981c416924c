//! The next start: after an end that left something on disk, or after a crash.
//!
//! What was left is delivered then, in its order, and nothing is missing that an ack has promised.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep_until;

use super::books::{Books, Kind, OutputBook, Shared};
use super::check::check;
use super::parts::{Disks, Parts};
use super::run::{finish, run_to_its_end, turns};
use super::scenario::STORE_AMPLE_BYTES;
use super::store_plan::CrashTime;
use super::{panics, service};
use crate::clock;
use crate::ledger::Reason;
use crate::lifecycle::stop_channel;
use crate::option::RetryLimit;
use crate::spill::Crash;

/// The time that a second start has for what is on disk: no fault is left then, but a long run through
/// a small window takes a request for every few lines.
const GRACE: Duration = Duration::from_secs(5_000);

/// What is known of the life of a router before this one.
#[derive(Clone, Debug)]
pub(super) struct Before {
    /// How it crashed, if it did.
    pub(super) crash: Option<Crash>,
    /// When it was over.
    pub(super) ended: Duration,
    /// Whether the disk has noted all that had its outcome before that.
    pub(super) keeps_notes: bool,
    /// Of each output.
    pub(super) outputs: Vec<Left>,
    /// Records that were left before they came to an output.
    stopped: u64,
}

/// What an output's account said at the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    pub(super) in_doubt: u64,
    /// Lines that come again though nothing is wrong with the disk.
    pub(super) unsure: u64,
    stored: u64,
    stopped: u64,
    given_up: u64,
}

impl Before {
    fn of(books: &Books, crash: Option<Crash>) -> Self {
        let keeps_notes = books.scenario.store.as_ref().is_some_and(|store| {
            let (is_well, is_ample) =
                (store.faults.is_empty(), store.bytes_max == STORE_AMPLE_BYTES);
            is_well
                && match crash {
                    None => true,
                    Some(Crash::Within(_)) => is_ample,
                    Some(Crash::Unsynced) => is_ample && store.syncs,
                }
        });
        let outputs = books.telemetry.outputs.iter().enumerate().map(|(at, output)| {
            let balance = output.account.balance();
            Left {
                in_doubt: output.ambiguous_records.get(),
                unsure: crash.map_or(0, |_| books.unsure(at)),
                stored: balance.stored,
                stopped: balance.dropped_for(Reason::Stopped),
                given_up: balance.dropped_for(Reason::RetriesExhausted),
            }
        });
        let stopped = books.telemetry.intake.balance().dropped_for(Reason::Stopped);
        let outputs = outputs.collect();
        Self { crash, ended: books.now(), keeps_notes, outputs, stopped }
    }
}

/// Lets a router live to its end or its crash, and where its disk survives once more.
pub(super) async fn live(
    books: &Shared,
    disks: &[Disks],
    mut running: JoinHandle<bool>,
    keepers: Vec<JoinHandle<()>>,
) {
    let (start, store) = {
        let books = books.lock();
        (books.trace.start(), books.scenario.store.clone())
    };
    let crash = store.as_ref().and_then(|store| store.crash);
    let crashes = Arc::clone(&books.lock().crashes);
    let crashing = async {
        let Some((time, crash)) = crash else { return std::future::pending().await };
        match time {
            CrashTime::At(at) => sleep_until(start + at).await,
            CrashTime::AfterAcks(_) => crashes.notified().await,
        }
        crash
    };
    let crashed = tokio::select! {
        biased;
        ended = &mut running => {
            finish(ended.unwrap_or(false), books).await;
            None
        }
        crash = crashing => Some(crash),
    };
    let found: Vec<_> = match crashed {
        None => disks.iter().map(Disks::healed).collect(),
        Some(crash) => disks.iter().map(|disks| disks.crashed(crash)).collect(),
    };
    let before = Before::of(&books.lock(), crashed);
    if crashed.is_some() {
        end_at_once(books, running, keepers).await;
    }
    if store.is_some_and(|store| store.survives) && books.lock().violation.is_none() {
        again(books, before, &found).await;
    }
}

/// Ends a router in the middle of whatever it does.
async fn end_at_once(books: &Shared, running: JoinHandle<bool>, keepers: Vec<JoinHandle<()>>) {
    {
        let mut books = books.lock();
        books.trace.say(format_args!("crash"));
        let now = books.now();
        books.stopped_at.get_or_insert(now);
        books.is_down = true;
    }
    // Records that are let go are not a defect here.
    panics::ignore();
    running.abort();
    keepers.iter().for_each(JoinHandle::abort);
    turns().await;
    panics::watch_again();
}

/// Starts a router with what is on disk, which it delivers.
async fn again(books: &Shared, before: Before, disks: &[Disks]) {
    let (scenario, well_at) = {
        let books = books.lock();
        (Arc::clone(&books.scenario), books.trace.start() + books.scenario.service.until)
    };
    sleep_until(well_at).await;
    let Parts { pipeline, telemetry, memories, calls, .. } = Parts::new(&scenario, disks);
    let (stop, stopping) = stop_channel();
    {
        let mut books = books.lock();
        books.trace.say(format_args!("again"));
        books.before = Some(before);
        (books.telemetry, books.memories) = (telemetry, memories);
        books.outputs.iter_mut().for_each(|output| output.told.clear());
        books.is_down = false;
    }
    for (at, called) in calls.into_iter().enumerate() {
        tokio::spawn(service::serve(books.clone(), at, called));
    }
    stop.stop(clock::now(), GRACE);
    let has_ended = run_to_its_end(pipeline, stopping).await.unwrap_or(false);
    turns().await;
    let mut books = books.lock();
    books.trace.say(format_args!("ended again: {has_ended}"));
    check(&mut books);
    if let Some(wrong) = broken(&books) {
        books.wrong(format!("after the next start: {wrong}"));
    }
}

fn broken(books: &Books) -> Option<String> {
    let before = books.before.as_ref()?;
    let used = books.telemetry.budget.used_bytes();
    if used > 0 {
        return Some(format!("{used} bytes are used"));
    }
    let outputs = books.telemetry.outputs.iter().zip(&books.outputs).zip(&before.outputs);
    for ((output, book), left) in outputs {
        let balance = output.account.balance();
        if balance.held > 0 {
            return Some(format!("{}: {} are held", output.name, balance.held));
        }
        // Nothing fails any more, but for lines that are refused with their neighbours.
        let given_up = balance.dropped_for(Reason::RetriesExhausted);
        let may_give_up = books.scenario.retry_limit == RetryLimit::NoRetries;
        let lost = balance.stored + balance.left() + balance.dropped_for(Reason::Expired);
        if lost > 0 || (given_up > 0 && !may_give_up) {
            return Some(format!("{}: {balance}", output.name));
        }
        let missing = missing(books, book, before);
        let allowed = match before.crash {
            // What was given up or left before has no answer.
            None => left.stopped + left.given_up + given_up + before.stopped,
            Some(_) => left.given_up + given_up,
        };
        if missing > allowed {
            return Some(format!("{}: {missing} lines are missing, {allowed} may be", output.name));
        }
        let (stored, replayed) = (left.stored, balance.replayed);
        if !books.may_come_again() && stored != replayed {
            return Some(format!("{}: {stored} were stored, {replayed} replayed", output.name));
        }
    }
    None
}

/// Lines without an answer that must have one: all that were received, or after a crash those whose
/// acks said that they were on disk.
fn missing(books: &Books, book: &OutputBook, before: &Before) -> u64 {
    let syncs = books.scenario.store.as_ref().is_some_and(|store| store.syncs);
    let frames = books.peers.iter().zip(&books.scenario.peers).flat_map(|(peer, plan)| {
        let is_durable = books.scenario.inputs[plan.input].is_durable;
        let is_kept =
            |frame: &&usize| !peer.refused.contains(frame) && !peer.unknown.contains(frame);
        let acked = peer.ack_frames.iter().take(peer.acked).filter(is_kept);
        let frames: Vec<_> = match before.crash {
            None => peer.kept(true).collect(),
            Some(Crash::Unsynced) if !syncs => Vec::new(),
            Some(_) if !is_durable => Vec::new(),
            Some(_) => acked.filter_map(|frame| peer.frames.get(*frame)).collect(),
        };
        frames
    });
    let lines = frames.flat_map(|(_, lines)| lines.clone());
    let lines = lines.filter(|line| books.lines[*line].kind != Kind::Empty);
    lines.filter(|line| book.taken[*line].end.is_none()).count() as u64
}
