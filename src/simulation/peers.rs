//! Peers that send: each writes frames into a connection of its own, as its plan says.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::books::{Books, Kind, Shared};
use super::check::check;
use super::frames::{Line, Mode, Time, ack, frame, request};
use super::requests;
use super::scenario::{AtStop, End, PeerPlan, Times, ms};
use crate::input::memory_socket::{Channel, MemorySocket, PeerSocket, pair};
use crate::lifecycle::StopReceiver;

/// Bytes of text that every line has at least.
pub(super) const TEXT_BYTES_MIN: usize = 35;
/// How long a peer that writes in pieces waits between two of them.
const SLICE_PAUSE_MS_MAX: u64 = 60;
/// How long a peer stays within a frame before it breaks off.
const BREAK_MS_MAX: u64 = 3_000;
/// How long a peer waits for its acks before it closes, and how often it looks.
const ACK_WAIT: Duration = Duration::from_secs(20);
const ACK_LOOK_MS: u64 = 250;
/// A peer that was silent for less is not silent: reading ends after a second of it.
const SILENCE_MIN: Duration = Duration::from_millis(980);
/// How far from the true time wild times are: more than 14 days ago, or more than 2 hours ahead.
const WILD_MS: [i64; 4] = [-20 * 86_400_000, -14 * 86_400_000 + 3_600_000, 10_000_000, 3_600_000];

/// A peer at work.
struct Peer {
    number: usize,
    plan: PeerPlan,
    books: Shared,
    chance: Rng,
    socket: PeerSocket,
    is_http: bool,
    /// When it wrote last.
    wrote: Instant,
}

/// Connects, sends all that is planned, and ends as planned.
pub(super) async fn run(
    number: usize,
    plan: PeerPlan,
    books: Shared,
    arriving: mpsc::Sender<MemorySocket>,
    mut stop: StopReceiver,
) {
    let start = books.lock().trace.start() + plan.start;
    sleep_until(start).await;
    let (theirs, socket) = pair(plan.capacity);
    let is_http = {
        let mut books = books.lock();
        books.peers[number].to_reader = Some(Arc::clone(&socket.to_reader));
        books.peers[number].is_http
    };
    if arriving.send(theirs).await.is_err() {
        return;
    }
    if !is_http {
        tokio::spawn(read_acks(number, books.clone(), Arc::clone(&socket.from_reader)));
    }
    let at_stop = plan.at_stop;
    let chance = Rng::with_seed(plan.seed);
    let mut peer = Peer { number, plan, books, chance, socket, is_http, wrote: Instant::now() };
    let sending = async {
        let is_sent = peer.send_all().await;
        if is_sent {
            peer.end().await;
        }
        peer
    };
    tokio::pin!(sending);
    let peer = match at_stop {
        AtStop::GoesOn => sending.await,
        AtStop::Closes | AtStop::FallsSilent => tokio::select! {
            biased;
            peer = &mut sending => peer,
            _ = stop.stopping() => {
                if at_stop == AtStop::FallsSilent {
                    std::future::pending::<()>().await;
                }
                return;
            }
        },
    };
    let mut books = peer.books.lock();
    books.trace.say(format_args!("peer {number} closes"));
    drop(books);
}

impl Peer {
    /// Sends all frames; `false`: the connection has ended.
    async fn send_all(&mut self) -> bool {
        for sent in 0..self.plan.frames {
            if sent > 0 && sent.is_multiple_of(self.plan.burst) {
                sleep(ms(self.chance.u64(..=self.plan.pause_ms_max))).await;
            }
            let bytes = self.next_frame();
            if !self.write(&bytes).await {
                return false;
            }
            check(&mut self.books.lock());
            let hearing = requests::hear(self.number, &self.books, &self.socket.from_reader);
            if self.is_http && !hearing.await {
                return false;
            }
        }
        true
    }

    async fn write(&mut self, bytes: &[u8]) -> bool {
        let slice = self.plan.slice_bytes.unwrap_or(usize::MAX).min(bytes.len().max(1));
        for (at, piece) in bytes.chunks(slice).enumerate() {
            if at > 0 {
                sleep(ms(self.chance.u64(..SLICE_PAUSE_MS_MAX))).await;
            }
            let begun = Instant::now();
            if self.socket.to_reader.write_all(piece).await.is_err() {
                self.cut_off(begun);
                return false;
            }
            self.wrote = Instant::now();
        }
        true
    }

    /// The router has closed the connection, which it may do when it stops: not before its time to
    /// read is up, unless the peer was silent.
    fn cut_off(&self, begun: Instant) {
        let mut books = self.books.lock();
        books.trace.say(format_args!("peer {} is cut off", self.number));
        let (now, grace) = (books.now(), books.scenario.stop.grace);
        let was_silent = begun.saturating_duration_since(self.wrote) >= SILENCE_MIN;
        let may_be_cut = match books.stopped_at {
            _ if books.is_down || books.before.is_some() => true,
            Some(since) => was_silent || now >= since + (grace - grace / 3),
            None => books.peers[self.number].may_be_given_up,
        };
        if !may_be_cut {
            books.wrong(format!("peer {} was cut off while it sent", self.number));
        }
    }

    /// Writes a frame into the books, so that it is known before it is sent.
    fn next_frame(&mut self) -> Vec<u8> {
        let mode = self.chance.choice(&self.plan.modes).copied().expect("a mode");
        let tag = self.chance.choice(&self.plan.tags).cloned().expect("a tag");
        let count =
            if mode == Mode::Message { 1 } else { self.chance.usize(1..=self.plan.lines_max) };
        let shared = self.books.clone();
        let mut books = shared.lock();
        let first = books.lines.len();
        let lines: Vec<_> = (0..count).map(|_| self.line(&mut books)).collect();
        let peer = &mut books.peers[self.number];
        let wants_ack = self.plan.acks || self.is_http;
        let chunk = wants_ack.then(|| chunk_id(peer.frames.len()));
        let bytes = match self.is_http {
            true => request(&tag, &lines),
            false => frame(mode, &tag, &lines, chunk.as_deref()),
        };
        if chunk.is_some() {
            peer.ack_frames.push(peer.frames.len());
        }
        let end = self.socket.to_reader.put() + bytes.len() as u64;
        peer.frames.push((end, first..first + count));
        books.trace.say(format_args!(
            "peer {}: {mode:?} {tag} lines {first}..{} {} bytes",
            self.number,
            first + count,
            bytes.len()
        ));
        bytes
    }

    fn line(&mut self, books: &mut Books) -> Line {
        let chance = &mut self.chance;
        let kind = match self.plan.has_odd_lines.then(|| chance.u8(..12)) {
            Some(0) => Kind::Empty,
            Some(1) => Kind::Refused,
            _ => Kind::Plain,
        };
        let number = books.new_line(self.number, kind);
        let now = i64::try_from(books.unix_now().as_millis()).expect("this century");
        let time = match self.plan.times {
            Times::True => Time::At(now),
            Times::OfReceipt => Time::None,
            Times::Wild if chance.u8(..4) == 0 => {
                Time::At(now + chance.choice(WILD_MS).expect("some"))
            }
            Times::Wild => Time::At(now),
        };
        let field = format!("f{}", chance.usize(..self.plan.fields));
        let text = match kind {
            Kind::Empty => String::new(),
            Kind::Plain | Kind::Refused => {
                let bytes = chance.usize(TEXT_BYTES_MIN..=self.plan.text_bytes_max);
                let filler = bytes.saturating_sub(20);
                format!("id={number:07};\"\\\u{e9}\n{}", "x".repeat(filler))
            }
        };
        Line { time, text, field }
    }

    /// Ends as planned.
    async fn end(&mut self) {
        match self.plan.end {
            End::Closes => {
                let until = Instant::now() + ACK_WAIT;
                while self.waits_for_acks() && Instant::now() < until {
                    sleep(ms(ACK_LOOK_MS)).await;
                }
            }
            End::StaysOpen => std::future::pending().await,
            End::BreaksOff | End::FallsSilent => {
                self.books.lock().peers[self.number].may_be_given_up = true;
                let whole = match self.is_http {
                    true => request("half", &[]),
                    false => frame(Mode::Packed, "half", &[], None),
                };
                self.write(&whole[..whole.len() - 1]).await;
                if self.plan.end == End::FallsSilent {
                    std::future::pending::<()>().await;
                }
                sleep(ms(self.chance.u64(..BREAK_MS_MAX))).await;
            }
        }
    }
}

impl Peer {
    fn waits_for_acks(&self) -> bool {
        let books = self.books.lock();
        let peer = &books.peers[self.number];
        peer.acked < peer.ack_frames.len() && !self.socket.from_reader.is_closed()
    }
}

fn chunk_id(frame: usize) -> String {
    format!("c{frame:07}")
}

/// Reads the acks of a connection: each must be the next one, of a frame that was taken in.
async fn read_acks(number: usize, books: Shared, from_reader: Arc<Channel>) {
    let mut bytes = Vec::new();
    loop {
        from_reader.readable().await;
        match from_reader.take(usize::MAX) {
            Some(read) if read.is_empty() => return,
            Some(read) => bytes.extend(read),
            None => continue,
        }
        let mut books = books.lock();
        if books.is_down {
            // What a process says while the simulation takes it apart, one that crashes does not.
            return;
        }
        loop {
            let peer = &books.peers[number];
            let next = peer.ack_frames.get(peer.acked).copied();
            let expected = next.map(|frame| ack(&chunk_id(frame))).unwrap_or_default();
            if expected.is_empty() || bytes.len() < expected.len() {
                break;
            }
            let found: Vec<_> = bytes.drain(..expected.len()).collect();
            if found != expected {
                books.wrong(format!("peer {number}: the ack {found:?} is not that of {next:?}"));
            }
            let peer = &mut books.peers[number];
            peer.acked += 1;
            peer.acked_lines += next.map_or(0, |frame| peer.frames[frame].1.len() as u64);
            books.trace.say(format_args!("peer {number}: ack of {next:?}"));
            books.acked();
        }
        check(&mut books);
    }
}
