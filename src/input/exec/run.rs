//! One run of a command: its output is read to its end, as fast as there is memory for it.
//!
//! At the stop the command is asked to end, and what it has printed is still read. One that does not
//! end is killed after [`KILL_AFTER`]. Must not know when the next run is due.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::lines::{Lines, More};
use super::process::Process;
use crate::clock;
use crate::input::item::{OddReason, Progress};
use crate::input::{Intake, ReadingEnd, Waiting, room};
use crate::ledger::Share;
use crate::lifecycle::StopReceiver;
use crate::record::chunk::TaggedEntries;
use crate::record::tag::Tag;
use crate::ring::Closed;
use crate::telemetry::InputCounters;

/// Most bytes of one read: what a pipe holds.
const READ_BYTES: usize = 64 * 1_024;
/// How long a command may take to end itself once it is asked to. Shorter than the time to read of
/// the shortest usual `Grace`, 5 s.
pub const KILL_AFTER: Duration = Duration::from_secs(2);

/// Where the lines of a run go.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) tag: Tag,
    pub(super) intake: Intake,
    pub(super) counters: Arc<InputCounters>,
}

/// A run that is being read.
pub(super) struct Run<'a> {
    way: &'a Way,
    process: Process,
    lines: Lines,
    /// What was read and is no line yet.
    buffer: BytesMut,
    /// The memory of `buffer`.
    share: Share,
    output: Output,
    /// When it is killed, once it was asked to end.
    kill_at: Option<Instant>,
    /// Keeps the reading from ending while there is output to be read.
    waits: Option<Waiting<'a>>,
}

/// What is known of the output.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Output {
    /// There may be some, some time.
    Awaited,
    /// There is some, for which there has to be memory first.
    There,
    /// Only what is in the pipe: those who wrote are killed. Somebody who has left the group may
    /// hold the pipe open for ever.
    Rest,
    /// There is none any more.
    Ended,
}

/// What to do next.
enum Step {
    /// Memory came for a read.
    Read(Share),
    Found(Output),
    Terminate(Instant),
    Kill,
    Done(u8),
}

impl<'a> Run<'a> {
    pub(super) fn new(way: &'a Way, process: Process, lines: Lines) -> Self {
        Self {
            way,
            process,
            lines,
            buffer: BytesMut::new(),
            share: Share::empty(),
            output: Output::Awaited,
            kill_at: None,
            waits: None,
        }
    }

    /// Reads all of it; the exit status of the shell.
    ///
    /// # Errors
    ///
    /// The process is past its time to read.
    pub(super) async fn follow(mut self, stop: &mut StopReceiver) -> Result<u8, Closed<()>> {
        let mut ending = self.way.intake.ending();
        loop {
            match self.next(stop, &mut ending).await {
                Step::Read(share) => self.read(share).await?,
                Step::Found(output) => self.output = output,
                Step::Terminate(now) => {
                    self.process.terminate();
                    self.kill_at = now.checked_add(KILL_AFTER);
                    self.waits = Some(self.way.intake.activity.waits());
                }
                Step::Kill => {
                    self.process.kill();
                    self.kill_at = None;
                    if self.output != Output::Ended {
                        self.output = Output::Rest;
                    }
                }
                Step::Done(status) => return Ok(status),
            }
        }
    }

    async fn next(&mut self, stop: &mut StopReceiver, ending: &mut ReadingEnd) -> Step {
        let is_asked = self.waits.is_some();
        let is_killed = is_asked && self.kill_at.is_none();
        let kill_at = self.kill_at;
        let output = self.output;
        let is_within_line = !self.buffer.is_empty();
        let kill = async {
            match kill_at {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let way = self.way;
        let process = &mut self.process;
        let further = async {
            match output {
                Output::Awaited => match process.readable().await {
                    Ok(()) => Step::Found(Output::There),
                    Err(_) => Step::Found(Output::Ended),
                },
                Output::There | Output::Rest => Step::Read(if is_within_line {
                    room::take_more(&way.intake, READ_BYTES, &way.counters).await
                } else {
                    room::take(&way.intake, READ_BYTES, &way.counters).await
                }),
                // A shell that cannot be waited for has no status.
                Output::Ended => Step::Done(process.wait().await.unwrap_or(128)),
            }
        };
        tokio::select! {
            biased;
            () = ending.ended(), if !(is_asked && is_killed) => {
                // Whoever is killed has been asked.
                self.waits = Some(way.intake.activity.waits());
                Step::Kill
            }
            stopped = stop.stopping(), if !is_asked => Step::Terminate(stopped.since.max(clock::now())),
            () = kill => Step::Kill,
            step = further => step,
        }
    }

    async fn read(&mut self, mut room: Share) -> Result<(), Closed<()>> {
        self.buffer.reserve(READ_BYTES);
        let is_rest = self.output == Output::Rest;
        let more = match self.process.try_read(&mut self.buffer, READ_BYTES) {
            Ok(0) => More::Never,
            Ok(read) => {
                room.shrink_to(read);
                self.share.join(room);
                More::MayCome
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && is_rest => More::Never,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => More::MayCome,
            Err(_) => More::Never,
        };
        self.way.intake.activity.read(clock::now());
        self.decode(more).await?;
        self.output = match more {
            More::Never => Output::Ended,
            More::MayCome if is_rest => Output::Rest,
            More::MayCome => Output::Awaited,
        };
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
        let missing = self.buffer.len().saturating_sub(self.share.bytes());
        if missing > 0
            && let Some(more) = self.way.intake.try_take(missing)
        {
            self.share.join(more);
        }
        if self.share.bytes() >= self.buffer.len() {
            // Paid for: this also gives back the right to go over the budget.
            self.share = self.share.split(self.buffer.len());
        }
        Ok(())
    }

    async fn decode(&mut self, more: More) -> Result<(), Closed<()>> {
        let Way { tag, intake, counters } = self.way;
        loop {
            let now = clock::event_now();
            let (entries, progress) = self.lines.decode(&mut self.buffer, more, now);
            counters.odd(OddReason::LineNotParsed, self.lines.take_unparsed());
            if !entries.is_empty() {
                let tagged = TaggedEntries { tag: tag.clone(), entries };
                room::hand_on(intake, tagged, &mut self.share, counters).await?;
            }
            if progress == Progress::Drained {
                return Ok(());
            }
        }
    }
}
