//! One connection: takes memory, reads, decodes, hands on, acknowledges. In that order.
//!
//! Reading stops while there is no memory to be had, and goes on when there is: a connection is
//! never closed for pressure. Must not know what the bytes mean; that is the decoder's.

mod room;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until, timeout};

use super::admission::Admitted;
use super::end::{End, FRAME_SILENCE};
use super::item::{Item, Progress};
use super::owed::Owed;
use super::socket::{Peer, Socket};
use super::{Intake, forward, rest, tcp};
use crate::clock;
use crate::handshake::server::Settings;
use crate::ledger::{Mark, Share};
use crate::record::chunk::TaggedEntries;
use crate::record::time::EventTime;
use crate::telemetry::InputCounters;

/// Most bytes of one read.
const READ_BYTES: usize = 64 * 1_024;
/// A chunk shares the memory it was read into if it fills this part of it; a smaller one is copied
/// out, so that one short line does not keep a whole read buffer.
const SHARED_FRACTION: usize = 2;

/// The protocol a connection speaks.
#[derive(Debug)]
pub enum Decoder {
    /// Fluent Forward.
    Forward(Box<forward::decode::Decoder>),
    /// JSON objects or lines.
    Tcp(Box<tcp::decode::Decoder>),
}

/// What a connection waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wake {
    /// There is something to read, or the peer has closed.
    Readable,
    /// An ack is due.
    Due,
}

/// A connection being read.
#[derive(Debug)]
pub struct Connection {
    pub(super) socket: Socket,
    peer: Peer,
    decoder: Decoder,
    pub(super) intake: Intake,
    counters: Arc<InputCounters>,
    /// What was read and is not decoded: an incomplete frame.
    pub(super) buffer: BytesMut,
    /// The memory of `buffer`.
    pub(super) share: Share,
    /// The right to read over the budget until the frame is whole; its records keep it then, until
    /// their memory is free again.
    turn: Option<OwnedSemaphorePermit>,
    /// The right to have a large frame beside the budget; its records keep it likewise.
    large: Option<Arc<OwnedSemaphorePermit>>,
    items: Vec<Item>,
    /// Acks that are not written yet: no more than frames are in one read beyond their limit.
    pub(super) owed: Owed<Bytes>,
    /// Until when a handshake has to be done.
    pub(super) greeted_by: Option<Instant>,
    /// Whether it is a warning that it is not.
    pub(super) warns_of_timeout: bool,
    /// How long the peer may say nothing.
    pub(super) io_timeout: Option<Duration>,
    /// When it said something last.
    pub(super) heard: Instant,
}

impl Connection {
    /// A connection that speaks what the decoder understands.
    #[must_use]
    pub fn new(
        admitted: Admitted,
        decoder: Decoder,
        intake: Intake,
        counters: Arc<InputCounters>,
    ) -> Self {
        let (buffer, share) = (BytesMut::new(), Share::empty());
        let Admitted { socket, peer, greeted_by, warns_of_timeout, io_timeout } = admitted;
        let owed = Owed::new(intake.storage);
        Self {
            socket,
            peer,
            decoder,
            intake,
            counters,
            buffer,
            share,
            turn: None,
            large: None,
            items: Vec::new(),
            owed,
            greeted_by,
            warns_of_timeout,
            io_timeout,
            heard: Instant::now(),
        }
    }

    /// Serves the peer, after a handshake if there is one, until it has closed or cannot be
    /// followed, and says why once.
    pub async fn serve(mut self, handshake: Option<Arc<Settings>>) {
        self.counters.connections.add(1);
        self.intake.activity.opened();
        let end = match self.begin(handshake).await {
            Ok(()) => self.read_all().await,
            Err(end) => end,
        };
        self.settle(&end).await;
        self.socket.close();
        self.intake.activity.closed();
        self.counters.connections.sub(1);
        end.tell(&self.peer, &self.counters);
    }

    /// Comes to the first frame. What came of it already is decoded.
    async fn begin(&mut self, handshake: Option<Arc<Settings>>) -> Result<(), End> {
        let Some(settings) = handshake else { return Ok(()) };
        self.greet(settings).await?;
        self.serve_frames().await
    }

    async fn read_all(&mut self) -> End {
        loop {
            match self.read_once().await {
                Ok(()) => {}
                Err(end) => return end,
            }
        }
    }

    async fn read_once(&mut self) -> Result<(), End> {
        match self.readable().await {
            Ok(Wake::Readable) => {}
            Ok(Wake::Due) => return self.acknowledge().await,
            Err(end) => {
                if matches!(end, End::Idle) {
                    self.finish().await?;
                }
                return Err(end);
            }
        }
        let (mut ending, due) = (self.intake.ending(), self.owed.due());
        let room = tokio::select! {
            biased;
            room = self.room() => Some(room),
            () = ending.ended() => return Err(End::Stopped),
            () = due => None,
        };
        // Who waits for room still answers.
        let Some(mut room) = room else { return self.acknowledge().await };
        self.buffer.reserve(READ_BYTES);
        let read = match self.socket.try_read(&mut self.buffer, READ_BYTES) {
            Ok(0) => {
                self.finish().await?;
                return Err(End::Closed);
            }
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.release_idle();
                room::compact(&mut self.buffer);
                return Ok(());
            }
            Err(error) => return Err(End::Failed(error)),
        };
        rest::read(read);
        room.shrink_to(read);
        self.share.join(room);
        self.intake.activity.read(clock::now());
        self.serve_frames().await
    }

    /// Decodes what was read, hands it on and acknowledges it.
    async fn serve_frames(&mut self) -> Result<(), End> {
        let decoded = self.decode().await;
        self.release_idle();
        // What was taken in is acknowledged also where an error follows.
        let acknowledged = self.acknowledge().await;
        decoded.and(acknowledged)
    }

    /// Waits for the peer; within a frame not for ever, if others wait for its memory.
    async fn readable(&mut self) -> Result<Wake, End> {
        while !self.buffer.is_empty() {
            if let Ok(ready) = timeout(FRAME_SILENCE, self.ready()).await {
                return ready;
            }
            if self.owed.is_full() {
                // It is not read at the moment: the silence is ours.
                continue;
            }
            if self.intake.try_take(READ_BYTES).is_none() {
                let bytes = self.buffer.len();
                self.finish().await?;
                return Err(End::Silent { bytes });
            }
            (self.turn, self.large) = (None, None);
        }
        self.ready().await
    }

    pub(super) async fn ready(&self) -> Result<Wake, End> {
        let mut ending = self.intake.ending();
        let idle = async {
            let limit = self.io_timeout.filter(|_| self.owed.is_empty());
            match limit.and_then(|limit| self.heard.checked_add(limit)) {
                Some(end) => sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = ending.ended() => Err(End::Stopped),
            () = self.owed.due() => Ok(Wake::Due),
            readable = self.socket.readable(), if !self.owed.is_full() => {
                readable?;
                Ok(Wake::Readable)
            }
            () = idle => Err(End::Idle),
        }
    }

    async fn decode(&mut self) -> Result<(), End> {
        // Reading does not end before what was read is handed on.
        let activity = Arc::clone(&self.intake.activity);
        let _waits = activity.waits();
        // Whoever reads over the budget is alone in that already, and others may wait for it.
        let mut alone = match self.turn {
            Some(_) => None,
            None => self.alone().await,
        };
        let allocated = self.buffer.capacity();
        let mut may_be_large = self.large.is_some();
        loop {
            let now = clock::event_now();
            let progress = self.decode_once(now, may_be_large);
            // What was whole before an error is handed on before the connection ends.
            self.hand_on(allocated).await?;
            match progress? {
                Progress::Drained => break,
                Progress::More => {}
                Progress::Large => {
                    // The others of this input go on meanwhile.
                    alone = None;
                    self.take_large().await;
                    may_be_large = true;
                }
            }
        }
        drop(alone);
        if self.turn.is_none() {
            self.large = None;
        }
        Ok(())
    }

    fn decode_once(&mut self, now: EventTime, may_be_large: bool) -> Result<Progress, End> {
        let items = &mut self.items;
        Ok(match &mut self.decoder {
            Decoder::Forward(decoder) => {
                decoder.allow_large(may_be_large);
                decoder.decode(&mut self.buffer, now, items)?
            }
            Decoder::Tcp(decoder) => decoder.decode(&mut self.buffer, now, items)?,
        })
    }

    /// Hands the items on. Acks are due once what they confirm is taken in, which is the order of the
    /// items; they are written later, when nobody waits for this connection to be done with decoding.
    async fn hand_on(&mut self, allocated: usize) -> Result<(), End> {
        // An end comes after the last item: all that was read gets its place in the ledger.
        let mut handed_on = Ok(());
        let last_ack = self.items.iter().rposition(|item| matches!(item, Item::Ack(_)));
        for (at, item) in std::mem::take(&mut self.items).into_iter().enumerate() {
            match item {
                Item::Entries(tagged) => {
                    // Nobody waits to hear of what no ack follows.
                    let is_marked = last_ack.is_some_and(|last| at < last);
                    let mark = if is_marked { self.owed.mark() } else { Mark::none() };
                    handed_on = handed_on.and(self.take_in(tagged, mark, allocated).await);
                }
                Item::Ack(bytes) if handed_on.is_ok() => self.owed.push(bytes),
                Item::Ack(_) => {}
                Item::Odd(reason, amount) => self.counters.odd(reason, amount),
            }
        }
        handed_on
    }

    async fn take_in(
        &mut self,
        mut tagged: TaggedEntries,
        mark: Mark,
        allocated: usize,
    ) -> Result<(), End> {
        let bytes = tagged.entries.data.len();
        if bytes * SHARED_FRACTION < allocated {
            tagged.entries.data = Bytes::copy_from_slice(&tagged.entries.data);
        }
        self.counters.records.add(tagged.entries.len() as u64);
        self.counters.bytes.add(bytes as u64);
        let mut share = self.share_of(&tagged).await;
        share.follow(mark);
        self.intake.take_in(tagged, share).await.map_err(|_| End::Stopped)
    }

    /// Nothing more comes: what is whole without a separator is kept, the rest of a frame is not;
    /// its sender will send it again.
    async fn finish(&mut self) -> Result<(), End> {
        let now = clock::event_now();
        let truncated = match &mut self.decoder {
            Decoder::Forward(decoder) => {
                decoder.end(&mut self.buffer).map_or(0, |truncated| truncated.bytes)
            }
            Decoder::Tcp(decoder) => {
                decoder.end(&mut self.buffer, now, &mut self.items);
                0
            }
        };
        if truncated > 0 {
            let (input, peer) = (&self.counters.name, &self.peer);
            tracing::debug!("{input}: {peer}: closed within a frame, {truncated} bytes of it came");
        }
        let handed_on = self.hand_on(self.buffer.capacity()).await;
        let acknowledged = self.acknowledge().await;
        handed_on.and(acknowledged)
    }
}

#[cfg(test)]
mod tests;
