//! Step 1, input: a source of bytes becomes chunks in the ring.
//!
//! One thread of its own reads everything, so that nothing an output does can keep a peer waiting:
//! Docker's driver throws its queue away when its container exits, so reading comes first.
//! [`Intake`] is the door that all connections share; [`listener`] accepts, [`connection`] reads,
//! each protocol's `decode` is pure. Must not know of filters and outputs.

mod acknowledge;
mod activity;
pub mod admission;
pub mod connection;
pub mod dummy;
mod end;
pub mod exec;
pub mod fluentbit_metrics;
pub mod forward;
mod greeting;
mod heartbeat;
pub mod http;
pub mod inflate;
pub mod item;
pub mod listener;
#[cfg(test)]
pub(crate) mod memory_socket;
mod owed;
mod phase;
pub mod protocol;
pub mod rest;
mod room;
pub mod socket;
pub mod source;
pub mod tail;
pub mod tcp;
pub mod ticks;
pub mod tls_socket;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::chunk::{Chunk, Storage};
use crate::clock;
use crate::ledger::{Account, Budget, Permit, Reason, Share};
use crate::lifecycle::{Stop, StopReceiver};
use crate::record::chunk::TaggedEntries;
use crate::record::fields::SharedFields;
use crate::ring::{Closed, Ring};

pub use activity::{Activity, Waiting};
pub use owed::OWED_BYTES_MAX;
use phase::Phase;
pub use phase::ReadingEnd;
use source::Source;

/// Bytes of each input's reserve: two reads.
pub const RESERVE_BYTES: u64 = 128 * 1_024;
/// What one connection may read or unpack beyond the budget while the others of its input go on. More is a
/// large frame, of which there is one at a time: containers' lines come in far smaller ones.
pub const LARGE_BYTES: usize = 128 * 1_024;
/// How often the silence is looked at while the process stops.
const SILENCE_LOOK: Duration = Duration::from_millis(20);
/// Turns of the other tasks before each look.
const TURNS: usize = 3;
/// How long what was read may wait for room after reading has ended.
const LAST_TAKE: Duration = Duration::from_millis(500);
/// How long acks that are due may take after everything has its outcome.
const LAST_ACKS: Duration = Duration::from_millis(500);
/// The share of the time to stop that is kept for delivery: reading ends before it.
const DELIVERY_SHARE: u32 = 3;

/// What every connection needs to hand its records on. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Intake {
    /// The place of the input in the configuration.
    pub input: u16,
    /// Where its records wait.
    pub storage: Storage,
    /// The way to the ingest.
    pub ring: Arc<Ring<Chunk>>,
    /// The memory budget, or the input's part of it: taken before bytes are read.
    pub budget: Budget,
    /// Memory of this input alone, for when the budget is used up: a health check is answered
    /// whatever the other inputs wait for.
    pub reserve: Budget,
    /// The account of all records that are read.
    pub account: Arc<Account>,
    /// Whoever holds this may read over the budget to finish its frame: without it, frames of
    /// which none is whole could use the budget up and wait for each other for ever. Another for each
    /// input: what one holds it for may be delivered late, and its own memory is no reason for the others
    /// to wait.
    pub turn: Arc<Semaphore>,
    /// Whoever holds this has a large frame in memory that the budget does not pay for, packed or
    /// unpacked: one of all inputs, as it may be megabytes. It waits for nothing else.
    large: Arc<Semaphore>,
    /// Held while a read is decoded and handed on: what comes out of one read may be much more than
    /// what was paid for it, and is in memory while it waits for its share. Another for each input.
    pub decoding: Arc<Semaphore>,
    /// When a byte was read last, and how many peers are there.
    pub activity: Arc<Activity>,
    /// How far reading has come; what was read is still taken in.
    phase: Arc<watch::Sender<Phase>>,
}

/// What the configuration gives an input, whatever it reads.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Where its records wait.
    pub storage: Storage,
    /// Its part of the budget; `None`: all.
    pub budget: Option<Budget>,
}

impl Intake {
    /// A door to this ring.
    #[must_use]
    pub fn new(ring: Arc<Ring<Chunk>>, budget: Budget, account: Arc<Account>) -> Self {
        let turn = Arc::new(Semaphore::new(1));
        let reserve = Budget::reserve(RESERVE_BYTES);
        let (decoding, activity) = (Arc::new(Semaphore::new(1)), Arc::default());
        let large = Arc::new(Semaphore::new(1));
        let phase = Arc::new(watch::Sender::new(Phase::Reading));
        let storage = Storage::Memory;
        Self {
            input: 0,
            storage,
            ring,
            budget,
            reserve,
            account,
            turn,
            large,
            decoding,
            activity,
            phase,
        }
    }

    /// The same door for the input at a place, which has a reserve and turns of its own.
    #[must_use]
    pub fn for_input(&self, input: u16, terms: &Terms) -> Self {
        let reserve = Budget::reserve(RESERVE_BYTES);
        let (turn, decoding) = (Arc::new(Semaphore::new(1)), Arc::new(Semaphore::new(1)));
        let budget = terms.budget.clone().unwrap_or_else(|| self.budget.clone());
        Self { input, storage: terms.storage, budget, reserve, turn, decoding, ..self.clone() }
    }

    /// Takes memory if there is some, of the budget or else of the reserve.
    #[must_use]
    pub fn try_take(&self, bytes: usize) -> Option<Share> {
        let reserve = || self.reserve_for(bytes)?.try_take(bytes);
        self.budget.try_take(bytes).or_else(reserve)
    }

    /// Waits for memory, of whichever comes first.
    pub async fn take(&self, bytes: usize) -> Share {
        let Some(reserve) = self.reserve_for(bytes) else { return self.budget.take(bytes).await };
        tokio::select! {
            biased;
            share = self.budget.take(bytes) => share,
            share = reserve.take(bytes) => share,
        }
    }

    /// Waits for the right to a large frame; `None`: nobody needs it any more.
    pub async fn take_large(&self) -> Option<Arc<OwnedSemaphorePermit>> {
        Arc::clone(&self.large).acquire_owned().await.ok().map(Arc::new)
    }

    /// The reserve, if it is large enough.
    fn reserve_for(&self, bytes: usize) -> Option<&Budget> {
        (bytes as u64 <= self.reserve.bytes_max()).then_some(&self.reserve)
    }

    /// Makes every connection end once what it has read is taken in and answered.
    pub fn end_reading(&self) {
        self.enter(Phase::Ending);
    }

    /// Makes those end, too, that still wait to answer: everything has its outcome.
    pub fn end_waiting(&self) {
        self.enter(Phase::Over);
    }

    fn enter(&self, phase: Phase) {
        self.phase.send_modify(|now| *now = phase.max(*now));
    }

    /// Says when nothing more is to be read.
    #[must_use]
    pub fn ending(&self) -> ReadingEnd {
        ReadingEnd::new(self.phase.subscribe())
    }

    /// Lets nothing more in: whoever waits for room goes on at once and finds the ring closed.
    pub fn close(&self) {
        self.ring.close();
        self.budget.close();
        self.large.close();
    }

    /// Hands entries on; waits while the ring is full.
    ///
    /// # Errors
    ///
    /// The ring is closed: the process is past its time to read. The records are counted as left.
    pub async fn take_in(&self, tagged: TaggedEntries, share: Share) -> Result<(), Closed<()>> {
        let records = tagged.entries.len() as u64;
        let chunk = Chunk {
            tag: tagged.tag,
            entries: Arc::new(tagged.entries),
            shared: SharedFields::default(),
            input: self.input,
            rewrites: 0,
            storage: self.storage,
            arrived: clock::now(),
            permit: Permit::new(self.account.receive(records), share),
        };
        let _waits = self.activity.waits();
        self.ring.push(chunk).await.map_err(|Closed(chunk)| {
            chunk.dropped(Reason::Stopped);
            Closed(())
        })
    }
}

/// Reads from all sources until the process stops and the peers are done; then closes the ring.
pub async fn run(sources: Vec<(Source, Terms)>, intake: Intake, mut stop: StopReceiver) {
    let mut reading = JoinSet::new();
    for (input, (source, terms)) in (0..).zip(sources) {
        reading.spawn(source.run(intake.for_input(input, &terms), stop.clone()));
    }
    let stop = stop.stopping().await;
    let last = reading_ends(stop);
    loop {
        // Before the first look too: peers that connected just before the signal are accepted.
        tokio::time::sleep(SILENCE_LOOK).await;
        // On a busy machine the time is up before whoever accepts had a turn: they get one here,
        // and what they accepted another.
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
        if intake.activity.is_silent(stop.since, clock::now()) {
            break;
        }
        if last.is_some_and(|last| clock::now() >= last) {
            tracing::warn!("peers were still sending when the time to read was up");
            break;
        }
    }
    intake.end_reading();
    // Not beyond the deadline, which what was read may find passed anyway.
    let last = clock::now().checked_add(LAST_TAKE);
    let last = last.into_iter().chain(stop.deadline).min();
    // A reader that waits has records in hand: left, they would keep the offsets of their file, and
    // of all that is behind them, from being stored.
    while intake.activity.is_busy() && last.is_some_and(|last| clock::now() < last) {
        tokio::time::sleep(SILENCE_LOOK).await;
    }
    intake.close();
    // Whoever waited for room gives its records their outcome now; then nobody holds any.
    tokio::task::yield_now().await;
    answer(&intake, stop.deadline).await;
    reading.shutdown().await;
}

/// Waits until those have answered who wait for records to be stored, and for whom it is over.
async fn answer(intake: &Intake, deadline: Option<Instant>) {
    let answered = async {
        while intake.activity.is_owing() {
            tokio::time::sleep(SILENCE_LOOK).await;
        }
    };
    let mut ending = intake.ending();
    let over = async {
        ending.over().await;
        let left = deadline.map(|deadline| deadline.saturating_duration_since(clock::now()));
        tokio::time::sleep(left.map_or(LAST_ACKS, |left| left.min(LAST_ACKS))).await;
    };
    tokio::select! {
        () = answered => {}
        () = over => {}
    }
}

fn reading_ends(stop: Stop) -> Option<Instant> {
    let grace = stop.deadline?.saturating_duration_since(stop.since);
    stop.since.checked_add(grace - grace / DELIVERY_SHARE)
}

#[cfg(test)]
mod tests {
    use super::activity::SILENCE;
    use super::*;
    use crate::lifecycle::stop_channel;
    use crate::record::edit::{EntriesWriter, MapWriter};
    use crate::record::time::EventTime;

    fn one_record() -> TaggedEntries {
        let mut records = EntriesWriter::default();
        records.write(EventTime::from_nanos(0), |out| MapWriter::begin(out).end());
        TaggedEntries { tag: "t".into(), entries: records.finish() }
    }

    fn intake() -> Intake {
        Intake::new(Arc::new(Ring::new(4)), Budget::new(1_000_000), Arc::default())
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_in_hand_is_taken_in_after_the_time_to_read_was_up() {
        let intake = intake();
        let (stop, stopped) = stop_channel();
        let reader = tokio::spawn({
            let intake = intake.clone();
            async move {
                let _waits = intake.activity.waits();
                intake.ending().ended().await;
                intake.take_in(one_record(), Share::empty()).await
            }
        });
        stop.stop(clock::now(), Duration::from_secs(1));
        run(Vec::new(), intake.clone(), stopped).await;
        assert_eq!(reader.await.unwrap(), Ok(()));
        intake.ring.pop().await.unwrap().dropped(Reason::Stopped);
    }

    /// Runs until the end of a stop, of which somebody owes acks that are never due.
    async fn stopping_took(over_after: Duration) -> Duration {
        let intake = intake();
        let (stop, stopped) = stop_channel();
        let since = clock::now();
        stop.stop(since, Duration::from_secs(1));
        let owing = intake.clone();
        tokio::spawn(async move {
            let _owes = owing.activity.owes();
            tokio::time::sleep(over_after).await;
            owing.end_waiting();
            std::future::pending::<()>().await;
        });
        tokio::task::yield_now().await;
        run(Vec::new(), intake, stopped).await;
        clock::now().saturating_duration_since(since)
    }

    #[tokio::test(start_paused = true)]
    async fn last_acks_are_waited_for_but_not_beyond_the_deadline() {
        let (early, late) = (Duration::from_millis(200), Duration::from_millis(800));
        let least = early + LAST_ACKS;
        assert!((least..least + SILENCE_LOOK).contains(&stopping_took(early).await));
        let most = Duration::from_secs(1) + SILENCE_LOOK;
        assert!((late..most).contains(&stopping_took(late).await));
    }

    #[tokio::test]
    async fn an_input_reads_over_the_budget_while_another_holds_its_turn() {
        let door = intake();
        let [one, other] = [0, 1].map(|input| door.for_input(input, &Terms::default()));
        let all = door.budget.try_take(1_000_000);
        let reserve = usize::try_from(RESERVE_BYTES).unwrap();
        let reserves = [&one, &other].map(|intake| intake.reserve.try_take(reserve));
        let counters = crate::telemetry::InputCounters::new("exec.0");
        let held = room::take_more(&one, 1_000, &counters).await;
        let mut of_other = Share::empty();
        let handing = room::hand_on(&other, one_record(), &mut of_other, &counters);
        tokio::pin!(handing);
        assert!(at_once(&mut handing).is_some_and(|handed| handed.is_ok()));
        drop((all, reserves, held));
        door.ring.pop().await.unwrap().dropped(Reason::Stopped);
    }

    #[tokio::test]
    async fn reading_does_not_end_while_records_wait_for_memory() {
        let intake = intake();
        let counters = crate::telemetry::InputCounters::new("exec.0");
        let all = intake.budget.try_take(1_000_000);
        let reserve = intake.reserve.try_take(usize::try_from(RESERVE_BYTES).unwrap());
        let turn = Arc::clone(&intake.turn).acquire_owned().await.unwrap();
        let mut share = Share::empty();
        let handing = room::hand_on(&intake, one_record(), &mut share, &counters);
        tokio::pin!(handing);
        assert!(at_once(&mut handing).is_none());
        let later = clock::now() + SILENCE * 2;
        assert!(!intake.activity.is_silent(clock::now(), later));
        drop((all, reserve, turn));
        handing.await.unwrap();
        assert!(intake.activity.is_silent(clock::now(), later));
        intake.ring.pop().await.unwrap().dropped(Reason::Stopped);
    }

    /// What is ready at once.
    fn at_once<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::Pin::new(future).poll(&mut context) {
            std::task::Poll::Ready(ready) => Some(ready),
            std::task::Poll::Pending => None,
        }
    }
}
