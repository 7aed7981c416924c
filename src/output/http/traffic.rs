//! Step 6, output: a stream that counts what goes through it, so that others see whether anything
//! does. Must not know what goes through.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::sleep;

use crate::telemetry::counters::Counter;

/// How often in its time a silence is looked for: it is found at most a part of the time late.
const LOOKS: u32 = 8;

/// Bytes that went through a stream.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    read: Counter,
    written: Counter,
}

impl Traffic {
    /// Bytes that came.
    pub(super) fn read(&self) -> u64 {
        self.read.get()
    }

    /// Returns when not a byte went either way for so long; `None`: never.
    pub(super) async fn silence(&self, longest: Option<Duration>) {
        let Some(longest) = longest else { return std::future::pending().await };
        let (mut seen, mut silent_looks) = (0, 0);
        while silent_looks < LOOKS {
            sleep(longest / LOOKS).await;
            let now = self.read.get().wrapping_add(self.written.get());
            silent_looks = if now == seen { silent_looks + 1 } else { 0 };
            seen = now;
        }
    }
}

/// A stream whose bytes are counted.
#[derive(Debug)]
pub(super) struct Counted<S> {
    stream: S,
    traffic: Arc<Traffic>,
}

impl<S> Counted<S> {
    pub(super) const fn new(stream: S, traffic: Arc<Traffic>) -> Self {
        Self { stream, traffic }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let came = buffer.filled().len().saturating_sub(before);
        self.traffic.read.add(came as u64);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(written)) = &polled {
            self.traffic.written.add(*written as u64);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
