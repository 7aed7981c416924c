//! A connection within a test: two queues of bytes, with the readiness of a socket.
//!
//! The other end, of the peer, also tells how far was read: what a reader has taken it answers for.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::Instant;

/// The reader's end.
#[derive(Debug)]
pub struct MemorySocket {
    from_peer: Arc<Channel>,
    to_peer: Arc<Channel>,
}

/// The peer's end.
#[derive(Debug)]
pub(crate) struct PeerSocket {
    pub(crate) to_reader: Arc<Channel>,
    pub(crate) from_reader: Arc<Channel>,
}

/// One direction.
#[derive(Debug)]
pub(crate) struct Channel {
    state: Mutex<State>,
    capacity: usize,
    filled: Notify,
    emptied: Notify,
}

#[derive(Debug, Default)]
struct State {
    bytes: VecDeque<u8>,
    /// All that were ever taken out.
    taken: u64,
    /// All that were ever put in.
    put: u64,
    /// When something was put in last.
    put_at: Option<Instant>,
    /// When it was closed.
    closed_at: Option<Instant>,
    is_closed: bool,
    /// Who polls for bytes, and for room.
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// A connection whose queues hold so many bytes.
pub(crate) fn pair(capacity: usize) -> (MemorySocket, PeerSocket) {
    let channel = || {
        let (state, filled, emptied) = (Mutex::default(), Notify::new(), Notify::new());
        Arc::new(Channel { state, capacity, filled, emptied })
    };
    let (one, other) = (channel(), channel());
    let reader = MemorySocket { from_peer: Arc::clone(&one), to_peer: Arc::clone(&other) };
    (reader, PeerSocket { to_reader: one, from_reader: other })
}

impl Channel {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that were ever taken out.
    pub(crate) fn taken(&self) -> u64 {
        self.lock().taken
    }

    /// Bytes that were ever put in.
    pub(crate) fn put(&self) -> u64 {
        self.lock().put
    }

    /// How long after the last byte it was closed.
    pub(crate) fn closed_after_put(&self) -> Option<Duration> {
        let state = self.lock();
        Some(state.closed_at?.saturating_duration_since(state.put_at?))
    }

    /// Whether one of the two ends has gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Nothing more comes.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state.closed_at.get_or_insert_with(Instant::now);
        let wakers = [state.reader.take(), state.writer.take()];
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
        self.filled.notify_one();
        self.emptied.notify_one();
    }

    /// Waits until there is something, or the end.
    pub(crate) async fn readable(&self) {
        loop {
            {
                let state = self.lock();
                if state.is_closed || !state.bytes.is_empty() {
                    return;
                }
            }
            self.filled.notified().await;
        }
    }

    /// What is there; `None`: nothing yet. Empty: nothing will ever be.
    pub(crate) fn take(&self, bytes_max: usize) -> Option<Vec<u8>> {
        let mut state = self.lock();
        if state.bytes.is_empty() && !state.is_closed {
            return None;
        }
        let count = state.bytes.len().min(bytes_max);
        state.taken += count as u64;
        let bytes = state.bytes.drain(..count).collect();
        let writer = state.writer.take();
        drop(state);
        writer.into_iter().for_each(Waker::wake);
        self.emptied.notify_one();
        Some(bytes)
    }

    /// Puts all of it in, as room comes.
    pub(crate) async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = self.put_some(bytes, None)?;
            if count == 0 {
                self.emptied.notified().await;
            } else {
                bytes = &bytes[count..];
            }
        }
        Ok(())
    }

    /// Puts in what there is room for; where there is none, who asks is woken when there is.
    fn put_some(&self, bytes: &[u8], asks: Option<&Context<'_>>) -> io::Result<usize> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let count = bytes.len().min(self.capacity - state.bytes.len());
        if count == 0 {
            state.writer = asks.map(|context| context.waker().clone());
            return Ok(0);
        }
        state.bytes.extend(&bytes[..count]);
        state.put += count as u64;
        state.put_at = Some(Instant::now());
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
        self.filled.notify_one();
        Ok(count)
    }
}

impl AsyncRead for MemorySocket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(bytes) = self.from_peer.take(buffer.remaining()) else {
            self.from_peer.lock().reader = Some(context.waker().clone());
            return Poll::Pending;
        };
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for MemorySocket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.to_peer.put_some(bytes, Some(context)) {
            Ok(0) if !bytes.is_empty() => Poll::Pending,
            written => Poll::Ready(written),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.to_peer.close();
        Poll::Ready(Ok(()))
    }
}

impl MemorySocket {
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.from_peer.readable().await;
        Ok(())
    }

    pub(super) fn try_read(&self, buffer: &mut BytesMut, bytes_max: usize) -> io::Result<usize> {
        let bytes = self.from_peer.take(bytes_max).ok_or(io::ErrorKind::WouldBlock)?;
        buffer.extend_from_slice(&bytes);
        Ok(bytes.len())
    }
}

impl Drop for MemorySocket {
    fn drop(&mut self) {
        self.from_peer.close();
        self.to_peer.close();
    }
}

impl Drop for PeerSocket {
    fn drop(&mut self) {
        self.to_reader.close();
        self.from_reader.close();
    }
}
