//! The books of somebody outside: who sent what, what the service took, what it answered.
//!
//! Written by peers and service, never by the code that is tested.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::again::Before;
use super::scenario::Scenario;
use super::trace::Trace;
use crate::input::memory_socket::Channel;
use crate::ledger::Reason;
use crate::local::cloudwatch_logs::in_process::InProcess;
use crate::option::RetryLimit;
use crate::output::cloudwatch_logs::delivery::IN_FLIGHT_MAX;
use crate::telemetry::Telemetry;

/// The wall clock when a run begins, for those who know the true time.
pub(super) const UNIX_START: Duration = Duration::from_secs(1_750_000_000);

/// A line that was sent, by its number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) peer: usize,
    pub(super) kind: Kind,
}

/// What a line is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Plain,
    /// It has no text: no event is made of it.
    Empty,
    /// The service refuses every batch with it.
    Refused,
}

/// A connection, as its peer knows it.
#[derive(Debug, Default)]
pub(super) struct Peer {
    pub(super) to_reader: Option<Arc<Channel>>,
    /// Of each frame: where it ends in what was sent, and its lines.
    pub(super) frames: Vec<(u64, std::ops::Range<usize>)>,
    /// Frames that were read to their end.
    pub(super) whole: usize,
    /// Lines in them.
    pub(super) received: u64,
    /// Frames that want an ack, in their order, and how many have theirs.
    pub(super) ack_frames: Vec<usize>,
    pub(super) acked: usize,
    /// Lines in these.
    pub(super) acked_lines: u64,
    /// Whether it was left within a frame, so that the reader may give it up.
    pub(super) may_be_given_up: bool,
}

/// What the service knows of a line of one output.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Taken {
    pub(super) times: u32,
    pub(super) end: Option<(Ending, Duration)>,
}

/// What an answer said of a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    Delivered,
    Dropped(Reason),
}

/// One output, as the service knows it.
#[derive(Debug, Default)]
pub(super) struct OutputBook {
    pub(super) taken: Vec<Taken>,
    pub(super) doubles: u64,
    /// Lines that were delivered, as their answers say.
    pub(super) delivered: u64,
    /// The last line of each stream and peer.
    pub(super) last: BTreeMap<(String, usize), usize>,
    /// Requests that are waited for, by stream.
    pub(super) in_flight: Vec<(String, Weak<()>)>,
}

/// All books, and what they are held against.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) scenario: Arc<Scenario>,
    pub(super) trace: Trace,
    pub(super) service: InProcess,
    pub(super) lines: Vec<Sent>,
    /// Lines without a text.
    pub(super) empty: u64,
    pub(super) peers: Vec<Peer>,
    pub(super) outputs: Vec<OutputBook>,
    pub(super) telemetry: Arc<Telemetry>,
    /// Of the life before this one.
    pub(super) before: Option<Before>,
    /// Whether no router is there: it crashed.
    pub(super) is_down: bool,
    /// When the stop was asked for.
    pub(super) stopped_at: Option<Duration>,
    /// Whether no peer was there then.
    pub(super) all_closed_at_stop: bool,
    /// What was found wrong first.
    pub(super) violation: Option<String>,
    /// How often the books were looked at.
    pub(super) checks: u64,
}

/// Books that several write into.
#[derive(Clone, Debug)]
pub(super) struct Shared(Arc<Mutex<Books>>);

impl Shared {
    pub(super) fn new(books: Books) -> Self {
        Self(Arc::new(Mutex::new(books)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    /// Time since the start.
    pub(super) fn now(&self) -> Duration {
        Instant::now().saturating_duration_since(self.trace.start())
    }

    /// The true wall clock, whatever the router's says.
    pub(super) fn unix_now(&self) -> Duration {
        UNIX_START + self.now()
    }

    /// A line is about to be sent; its number.
    pub(super) fn new_line(&mut self, peer: usize, kind: Kind) -> usize {
        self.lines.push(Sent { peer, kind });
        self.empty += u64::from(kind == Kind::Empty);
        self.outputs.iter_mut().for_each(|output| output.taken.push(Taken::default()));
        self.lines.len() - 1
    }

    /// A request with these lines of a stream is on its way.
    pub(super) fn ask(&mut self, output: usize, stream: &str, lines: &[usize], waits: Weak<()>) {
        let book = &mut self.outputs[output];
        book.in_flight.retain(|(_, waits)| waits.strong_count() > 0);
        let is_second = book.in_flight.iter().any(|(other, _)| other == stream);
        book.in_flight.push((stream.to_owned(), waits));
        let count = book.in_flight.len();
        let again = lines.iter().find_map(|line| Some((line, book.taken[*line].end?.0)));
        if is_second {
            self.wrong(format!("{stream}: a second request while one is on its way"));
        }
        if count > IN_FLIGHT_MAX {
            self.wrong(format!("{count} requests of output {output} are on their way"));
        }
        if let Some((line, end)) = again.filter(|_| !self.may_come_again()) {
            self.wrong(format!("line {line} was sent again after its answer: {end:?}"));
        }
    }

    /// The service takes events of a stream, oldest first: their times and lines.
    pub(super) fn take(&mut self, output: usize, stream: &str, events: &[(i64, usize)]) {
        // What was given up and comes back, as the disk could not note it, comes late.
        let may_be_late =
            self.may_come_again() && self.scenario.retry_limit != RetryLimit::Unlimited;
        let Self { outputs, lines, violation, .. } = self;
        let book = &mut outputs[output];
        let mut wrong = None;
        let mut firsts: BTreeMap<usize, Vec<(i64, usize)>> = BTreeMap::new();
        for &(time, line) in events {
            let taken = &mut book.taken[line];
            if taken.times == 0 {
                firsts.entry(lines[line].peer).or_default().push((time, line));
            } else {
                book.doubles += 1;
            }
            taken.times += 1;
        }
        for (peer, events) in firsts {
            let last = book.last.get(&(stream.to_owned(), peer)).copied();
            // Within a request the order is that of time, and of arrival within a millisecond.
            let is_sorted = events.windows(2).all(|pair| pair[0] < pair[1]);
            let lowest = events.iter().map(|(_, line)| *line).min();
            let is_behind = last.is_none() || lowest > last;
            if !(may_be_late || is_sorted && is_behind) {
                wrong = Some(format!(
                    "{stream}: lines of peer {peer} out of order: {events:?} after {last:?}"
                ));
            }
            if let Some(highest) = events.iter().map(|(_, line)| *line).max() {
                book.last.insert((stream.to_owned(), peer), highest);
            }
        }
        if let Some(wrong) = wrong {
            violation.get_or_insert(wrong);
        }
    }

    /// An answer that says what became of a line has been given.
    pub(super) fn end(&mut self, output: usize, line: usize, end: Ending) {
        let (now, may_come_again) = (self.now(), self.may_come_again());
        let book = &mut self.outputs[output];
        book.delivered += u64::from(end == Ending::Delivered);
        let taken = &mut book.taken[line];
        if let Some((before, _)) = taken.end.filter(|_| !may_come_again) {
            let wrong = format!("line {line} has two answers: {before:?} and {end:?}");
            self.violation.get_or_insert(wrong);
        }
        taken.end = Some((end, now));
    }

    /// Whether what is delivered may not be noted on disk: it was in flight when the process crashed,
    /// or the disk took no notes.
    pub(super) fn may_come_again(&self) -> bool {
        let is_faulty = self.scenario.store.as_ref().is_some_and(|one| !one.faults.is_empty());
        self.before.as_ref().is_some_and(|before| before.crash.is_some() || is_faulty)
    }

    /// Reads on in what was read of each connection.
    pub(super) fn follow_readers(&mut self) {
        for peer in &mut self.peers {
            let Some(channel) = &peer.to_reader else { continue };
            let taken = channel.taken();
            while let Some((_, lines)) =
                peer.frames.get(peer.whole).filter(|(end, _)| *end <= taken)
            {
                peer.received += lines.len() as u64;
                peer.whole += 1;
            }
        }
    }

    /// Something is wrong.
    pub(super) fn wrong(&mut self, what: String) {
        if self.violation.is_none() {
            self.trace.say(format_args!("wrong: {what}"));
            self.violation = Some(what);
        }
    }
}
