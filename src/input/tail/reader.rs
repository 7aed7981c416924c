//! Step 1, input: the thread that reads the files of one input.
//!
//! Looks at the files several times a second, takes memory, has one piece of one file read, and
//! hands on what came out; then the next. While there is no memory nothing is read, and nothing is
//! passed over. Must not know how files are followed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::followed::Batch;
use super::lines::Now;
use super::offsets::Ended;
use super::set::Set;
use super::waker::Waker;
use crate::chunk::Chunk;
use crate::clock;
use crate::input::{Intake, ReadingEnd};
use crate::ledger::Share;
use crate::lifecycle::{Alarm, Ending, StopReceiver};
use crate::telemetry::InputCounters;

/// How often files are looked at, whatever tells of new lines.
const LOOK: Duration = Duration::from_millis(250);
/// Least time between two looks.
const LOOK_PAUSE: Duration = Duration::from_millis(5);
/// Looks take one part of so many of the time, so that a thousand files cost little: where nobody
/// tells of new lines, and where somebody does.
const LOOK_PARTS: u32 = 500;
const WOKEN_PARTS: u32 = 20;
/// Most time between two looks, whatever they take.
const LOOK_MAX: Duration = Duration::from_secs(2);

/// A `tail` input that is ready to read.
#[derive(Debug)]
pub struct Tail {
    set: Set,
    counters: Arc<InputCounters>,
    inotify: bool,
    /// Raised when all is read, where the process is to end then.
    alarm: Option<Alarm>,
}

/// The process is past its time to read.
#[derive(Debug)]
struct Stopped;

struct Reader {
    set: Set,
    counters: Arc<InputCounters>,
    alarm: Option<Alarm>,
    intake: Intake,
    ending: ReadingEnd,
    stop: StopReceiver,
    is_stopping: bool,
    /// Told once all that was there at the stop is read.
    read_all: Option<oneshot::Sender<()>>,
    waker: Waker,
    /// Which files are watched: counts up with each that comes or goes.
    watched: u64,
    /// When files are looked at. `None`: never again, the last look is done.
    next_look: Option<Instant>,
    /// A look before this would take too much of the time.
    rests_until: Instant,
    /// Something was written since the last look: more of it tells nothing new.
    is_woken: bool,
    /// Memory for the next turn.
    room: Share,
    /// Memory of lines that wait for the next one.
    waiting: Share,
}

impl Tail {
    /// Nothing is read yet. `alarm` is raised when all files are read to their ends.
    #[must_use]
    pub fn new(
        set: Set,
        counters: Arc<InputCounters>,
        inotify: bool,
        alarm: Option<Alarm>,
    ) -> Self {
        Self { set, counters, inotify, alarm }
    }

    /// Tells when all offsets are stored, once reading and outputs are done.
    #[must_use]
    pub fn stored(&self) -> Ended {
        self.set.stored()
    }

    /// Reads until reading ends. All that is in the files when the process is stopped is read
    /// before that.
    pub async fn run(self, intake: Intake, mut stop: StopReceiver) {
        let (read_all, all_read) = oneshot::channel();
        let (ended, mut end) = oneshot::channel::<()>();
        let activity = Arc::clone(&intake.activity);
        let input = self.counters.name.clone();
        let thread_stop = stop.clone();
        let read = move || {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async move {
                Reader::new(self, intake, thread_stop, read_all).run().await;
            });
            drop(ended);
            Ok::<(), std::io::Error>(())
        };
        let name = "firelane-tail".to_owned();
        if let Err(error) = std::thread::Builder::new().name(name).spawn(read) {
            tracing::error!("{input}: cannot start the thread that reads files: {error}");
            return;
        }
        tokio::select! {
            _ = stop.stopping() => {
                let _waits = activity.waits();
                let _ = all_read.await;
            }
            _ = &mut end => {
                tracing::error!("{input}: the thread that reads files has ended before the process");
                return;
            }
        }
        let _ = end.await;
    }
}

impl Reader {
    fn new(tail: Tail, intake: Intake, stop: StopReceiver, read_all: oneshot::Sender<()>) -> Self {
        let Tail { set, counters, inotify, alarm } = tail;
        let waker = if inotify { Waker::new() } else { Ok(Waker::none()) };
        let waker = waker.unwrap_or_else(|error| {
            tracing::info!("{}: files are looked at every {LOOK:?}: {error}", counters.name);
            Waker::none()
        });
        let now = clock::now();
        Self {
            set,
            counters,
            alarm,
            ending: intake.ending(),
            intake,
            stop,
            is_stopping: false,
            read_all: Some(read_all),
            waker,
            watched: 0,
            next_look: Some(now),
            rests_until: now,
            is_woken: false,
            room: Share::empty(),
            waiting: Share::empty(),
        }
    }

    async fn run(mut self) {
        while self.step().await.is_ok() {}
        self.room = Share::empty();
        // Where the time was up: these have their place in the ledger, too.
        while let Some(batch) = self.set.end() {
            let _ = self.hand_on(batch).await;
        }
    }

    async fn step(&mut self) -> Result<(), Stopped> {
        if self.ending.has_ended() {
            return Err(Stopped);
        }
        self.see_stop().await;
        self.tend().await?;
        if let Some(bytes) = self.set.needs() {
            return self.turn(bytes).await;
        }
        self.room = Share::empty();
        self.all_read().await?;
        self.rest().await;
        Ok(())
    }

    /// Notes a stop that was asked for: then files are looked at once more, at once. What is in them
    /// at that look is read, and nothing that comes later, so that the end comes while they are written.
    async fn see_stop(&mut self) {
        if self.is_stopping {
            return;
        }
        tokio::select! {
            biased;
            _ = self.stop.stopping() => {
                self.is_stopping = true;
                self.next_look = None;
                self.set.last_look(now());
            }
            () = std::future::ready(()) => {}
        }
    }

    /// Looks at the files when that is due, and lets go on what has waited long enough.
    async fn tend(&mut self) -> Result<(), Stopped> {
        let now = now();
        if self.next_look.is_some_and(|next| now.at >= next) {
            self.set.look(now);
            self.is_woken = false;
            let took = clock::now().saturating_duration_since(now.at);
            self.next_look = Some(later(now.at, pause(took, LOOK_PARTS, LOOK)));
            self.rests_until = later(now.at, pause(took, WOKEN_PARTS, LOOK_PAUSE));
            if self.watched != self.set.changes() {
                self.watched = self.set.changes();
                self.waker.watch(self.set.files().iter().map(super::followed::Followed::path));
            }
        }
        while let Some(batch) = self.set.expired(now.at) {
            self.hand_on(batch).await?;
        }
        // Lines may have gone without a record.
        self.waiting.shrink_to(self.set.waiting_bytes());
        Ok(())
    }

    /// Reads one piece, with memory for it.
    async fn turn(&mut self, bytes: usize) -> Result<(), Stopped> {
        let intake = self.intake.clone();
        let _reads = intake.activity.waits();
        let most = usize::try_from(intake.budget.bytes_max()).unwrap_or(usize::MAX);
        // What waits is paid before more is read.
        let owed = self.set.waiting_bytes().saturating_sub(self.waiting.bytes());
        let bytes = bytes.saturating_add(owed);
        if self.room.bytes() < bytes.min(most) {
            self.room = Share::empty();
            match intake.try_take(bytes) {
                Some(room) => self.room = room,
                None => self.wait_for(&intake, bytes).await?,
            }
            // Files may have been looked at meanwhile.
            return Ok(());
        }
        self.waiting.join(self.room.split(owed));
        match self.set.turn(now()) {
            Some(batch) => self.hand_on(batch).await,
            None => {
                let owed = self.set.waiting_bytes().saturating_sub(self.waiting.bytes());
                self.waiting.join(self.room.split(owed));
                Ok(())
            }
        }
    }

    async fn wait_for(&mut self, intake: &Intake, bytes: usize) -> Result<(), Stopped> {
        self.counters.waits.add(1);
        let take = intake.take(bytes);
        tokio::pin!(take);
        loop {
            let until = self.wakes_at();
            let mut ending = self.ending.clone();
            tokio::select! {
                biased;
                room = &mut take => {
                    self.room = room;
                    return Ok(());
                }
                () = ending.ended() => return Err(Stopped),
                () = sleep_until(until) => self.tend().await?,
            }
        }
    }

    /// All files are read to their ends.
    async fn all_read(&mut self) -> Result<(), Stopped> {
        if let Some(alarm) = &self.alarm
            && !self.set.files().is_empty()
        {
            alarm.end(Ending::Done(0));
        }
        if self.is_stopping {
            // No lines that belong to these are to come any more.
            while let Some(batch) = self.set.end() {
                self.hand_on(batch).await?;
            }
            if let Some(read_all) = self.read_all.take() {
                let _ = read_all.send(());
            }
        }
        Ok(())
    }

    /// Waits until there is something to do.
    async fn rest(&mut self) {
        let until = self.wakes_at();
        let (mut ending, is_stopping) = (self.ending.clone(), self.is_stopping);
        tokio::select! {
            () = ending.ended() => {}
            _ = self.stop.stopping(), if !is_stopping => {}
            () = sleep_until(until) => {}
            () = self.waker.woken(), if !self.is_woken && !is_stopping => {
                self.is_woken = true;
                self.next_look = self.next_look.map(|next| next.min(self.rests_until));
            }
        }
    }

    fn wakes_at(&self) -> Option<Instant> {
        self.set.wakes_at().into_iter().chain(self.next_look).min()
    }

    /// Hands records on with the memory that was taken for reading them.
    async fn hand_on(&mut self, batch: Batch) -> Result<(), Stopped> {
        let activity = Arc::clone(&self.intake.activity);
        let _waits = activity.waits();
        let Batch { tagged, mark } = batch;
        let cost = Chunk::cost_bytes(&tagged.tag, &tagged.entries);
        let mut all = std::mem::replace(&mut self.room, Share::empty());
        all.join(std::mem::replace(&mut self.waiting, Share::empty()));
        let mut share = all.split(cost);
        let missing = cost.saturating_sub(share.bytes());
        if missing > 0 {
            match self.intake.try_take(missing) {
                Some(more) => share.join(more),
                None => {
                    let (more, turn) = self.more(missing).await;
                    share.join(more);
                    share.keep_turn(turn);
                }
            }
        }
        self.waiting = all.split(self.set.waiting_bytes());
        drop(all);
        share.follow(mark);
        self.intake.take_in(tagged, share).await.map_err(|_| Stopped)
    }

    /// Waits for memory, or for the right to do without: records may be larger than what was read.
    async fn more(&self, bytes: usize) -> (Share, Option<OwnedSemaphorePermit>) {
        tokio::select! {
            biased;
            share = self.intake.take(bytes) => (share, None),
            turn = Arc::clone(&self.intake.turn).acquire_owned() => (Share::empty(), turn.ok()),
        }
    }
}

fn now() -> Now {
    Now { at: clock::now(), time: clock::event_now() }
}

/// The time from one look to the next, if one takes so long and looks are to take one part of so
/// many of the time.
fn pause(took: Duration, parts: u32, least: Duration) -> Duration {
    took.saturating_mul(parts).clamp(least, LOOK_MAX)
}

async fn sleep_until(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until.into()).await,
        None => std::future::pending().await,
    }
}

fn later(at: Instant, wait: Duration) -> Instant {
    at.checked_add(wait).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_take_a_small_part_of_the_time_and_are_never_more_than_two_seconds_apart() {
        let micros = Duration::from_micros;
        assert_eq!(pause(micros(10), LOOK_PARTS, LOOK), LOOK);
        assert_eq!(pause(micros(3_000), LOOK_PARTS, LOOK), micros(1_500_000));
        assert_eq!(pause(micros(4_001), LOOK_PARTS, LOOK), LOOK_MAX);
        assert_eq!(pause(micros(10), WOKEN_PARTS, LOOK_PAUSE), LOOK_PAUSE);
        assert_eq!(pause(micros(3_000), WOKEN_PARTS, LOOK_PAUSE), micros(60_000));
        assert_eq!(pause(Duration::MAX, WOKEN_PARTS, LOOK_PAUSE), LOOK_MAX);
    }
}
