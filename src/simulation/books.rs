//! The books of somebody outside: who sent what, what the service took, what it answered.
//!
//! Written by peers and service, never by the code that is tested.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::again::Before;
use super::scenario::Scenario;
use super::store_plan::CrashTime;
use super::trace::Trace;
use crate::input::memory_socket::Channel;
use crate::ledger::{Budget, Reason};
use crate::local::cloudwatch_logs::in_process::InProcess;
use crate::option::RetryLimit;
use crate::output::cloudwatch_logs::delivery::IN_FLIGHT_MAX;
use crate::telemetry::Telemetry;

/// The wall clock when a run begins, for those who know the true time.
pub(super) const UNIX_START: Duration = Duration::from_secs(1_750_000_000);

/// How long after an answer the disk has noted it, if it takes notes.
const NOTE_TIME: Duration = Duration::from_millis(1);

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
    /// Whether it speaks HTTP: each frame is a request, and its answer the ack.
    pub(super) is_http: bool,
    /// Requests of which nothing was kept, as their answers say.
    pub(super) refused: BTreeSet<usize>,
    /// Requests of which something may have been kept.
    pub(super) unknown: BTreeSet<usize>,
}

impl Peer {
    /// A request has its answer: nothing of it was kept.
    pub(super) fn refuse(&mut self, frame: usize) {
        if self.refused.insert(frame) && frame < self.whole {
            self.received -= self.frames[frame].1.len() as u64;
        }
    }

    /// Lines that the router must have counted as received.
    pub(super) fn received_min(&self) -> u64 {
        if self.is_http { self.acked_lines } else { self.received }
    }

    /// Frames that were read and may have been kept; `is_certain`: that must have been.
    pub(super) fn kept(
        &self,
        is_certain: bool,
    ) -> impl Iterator<Item = &(u64, std::ops::Range<usize>)> {
        let answered = if self.is_http && is_certain { self.acked } else { self.whole };
        let frames = self.frames.iter().enumerate().take(self.whole.min(answered));
        frames.filter_map(move |(at, frame)| {
            let is_gone = self.refused.contains(&at) || (is_certain && self.unknown.contains(&at));
            (!is_gone).then_some(frame)
        })
    }
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
    /// Requests that are waited for: their streams and lines.
    pub(super) in_flight: Vec<(String, Vec<usize>, Weak<()>)>,
    /// Records that were told of in accepted markers of which the router knows, by reason.
    pub(super) told: BTreeMap<&'static str, u64>,
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
    /// The memory of each input.
    pub(super) memories: Vec<Budget>,
    /// Acks that peers have.
    pub(super) acks: usize,
    /// Told when there are as many as the crash waits for.
    pub(super) crashes: Arc<Notify>,
    /// Of the life before this one.
    pub(super) before: Option<Before>,
    /// Whether no router is there: it crashed.
    pub(super) is_down: bool,
    /// When the stop was asked for.
    pub(super) stopped_at: Option<Duration>,
    /// Whether no peer was there then.
    pub(super) all_closed_at_stop: bool,
    /// Whether requests were on their way then.
    pub(super) was_asking_at_stop: bool,
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
        book.in_flight.retain(|(_, _, waits)| waits.strong_count() > 0);
        let is_second = book.in_flight.iter().any(|(other, ..)| other == stream);
        book.in_flight.push((stream.to_owned(), lines.to_vec(), waits));
        let count = book.in_flight.len();
        let ended =
            lines.iter().filter_map(|line| Some((*line, self.outputs[output].taken[*line].end?)));
        let again = ended.clone().find(|(_, (_, at))| !self.may_repeat(*at));
        let again = again.map(|(line, (end, _))| (line, end));
        if is_second {
            self.wrong(format!("{stream}: a second request while one is on its way"));
        }
        if count > IN_FLIGHT_MAX {
            self.wrong(format!("{count} requests of output {output} are on their way"));
        }
        if let Some((line, end)) = again {
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
        let now = self.now();
        let earlier = self.outputs[output].taken[line].end.filter(|(_, at)| !self.may_repeat(*at));
        if let Some((before, _)) = earlier {
            self.wrong(format!("line {line} has two answers: {before:?} and {end:?}"));
        }
        let book = &mut self.outputs[output];
        book.delivered += u64::from(end == Ending::Delivered);
        book.taken[line].end = Some((end, now));
    }

    /// A peer has an ack.
    pub(super) fn acked(&mut self) {
        self.acks += 1;
        let crash = self.scenario.store.as_ref().and_then(|store| store.crash);
        if crash.is_some_and(|(time, _)| time == CrashTime::AfterAcks(self.acks)) {
            self.crashes.notify_one();
        }
    }

    /// Bytes that were read of a connection.
    pub(super) fn taken_of(&self, peer: usize) -> u64 {
        self.peers[peer].to_reader.as_ref().map_or(0, |channel| channel.taken())
    }

    /// Whether a line that had its answer then may be sent again: it had it in the life before this,
    /// and the disk may not have noted it.
    fn may_repeat(&self, answered: Duration) -> bool {
        self.before.as_ref().is_some_and(|before| {
            let is_noted = before.keeps_notes && answered + NOTE_TIME <= before.ended;
            answered <= before.ended && !is_noted
        })
    }

    /// Lines of an output that come again after a crash at this moment, however good the disk is: they
    /// are on their way, or were just answered.
    pub(super) fn unsure(&self, output: usize) -> u64 {
        let (now, book) = (self.now(), &self.outputs[output]);
        let in_flight = book.in_flight.iter().filter(|(_, _, waits)| waits.strong_count() > 0);
        let in_flight: BTreeSet<usize> =
            in_flight.flat_map(|(_, lines, _)| lines.clone()).collect();
        let is_unsure = |taken: &Taken| match taken.end {
            Some((_, at)) => at + NOTE_TIME > now,
            None => taken.times > 0,
        };
        let lines = book.taken.iter().enumerate();
        lines.filter(|(at, taken)| is_unsure(taken) || in_flight.contains(at)).count() as u64
    }

    /// Whether some of what is delivered may not be noted on disk: it was in flight when the process
    /// crashed, or the disk took no notes.
    pub(super) fn may_come_again(&self) -> bool {
        self.before.as_ref().is_some_and(|before| before.crash.is_some() || !before.keeps_notes)
    }

    /// Reads on in what was read of each connection.
    pub(super) fn follow_readers(&mut self) {
        for peer in &mut self.peers {
            let Some(channel) = &peer.to_reader else { continue };
            let taken = channel.taken();
            while let Some((_, lines)) =
                peer.frames.get(peer.whole).filter(|(end, _)| *end <= taken)
            {
                if !peer.refused.contains(&peer.whole) {
                    peer.received += lines.len() as u64;
                }
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
