//! Step 6, output `forward`: one connection to a node, on which one frame at a time is answered.
//!
//! Not known here: which node it is, and what becomes of records that did not arrive.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::timeout;

use super::ack::{self, ACK_BYTES_MAX, AckError};
use super::frame::Frame;
use crate::handshake::client::{Client, HandshakeError, MESSAGE_BYTES_MAX, Step};

/// Longest time to say goodbye to a node.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(100);

/// Bytes to and from a node, whatever carries them.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection to a node.
pub(super) struct Connection {
    wire: Box<dyn Duplex>,
    /// What the node sent and nobody looked at yet.
    inbox: BytesMut,
    /// How often it was used.
    pub(super) uses: u64,
    /// When it was used last.
    pub(super) used: Instant,
    /// Whether the node takes more than one frame on it.
    pub(super) keepalive: bool,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("uses", &self.uses).finish_non_exhaustive()
    }
}

/// Why a node did not take what it was sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum PeerError {
    /// There is no connection.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// It takes too long to connect.
    #[error("not connected within {} s", .0.as_secs_f64())]
    ConnectTimeout(Duration),
    /// Who they are to each other is not clear.
    #[error("{0}")]
    Handshake(#[from] HandshakeError),
    /// The connection broke.
    #[error("connection failed: {0}")]
    Broken(#[from] io::Error),
    /// The node has closed it.
    #[error("closed by the peer{}", if *.0 { " before it acknowledged" } else { "" })]
    Closed(bool),
    /// Writing takes too long.
    #[error("could not be written within {} s: the peer reads nothing", .0.as_secs_f64())]
    WriteTimeout(Duration),
    /// The ack takes too long.
    #[error("no ack within {} s (net.io_timeout)", .0.as_secs_f64())]
    AckTimeout(Duration),
    /// The ack is none.
    #[error("{0}")]
    Ack(#[from] AckError),
    /// There is no connection in place of one that was kept and ended when it was written to.
    #[error("{0}, after a kept connection ended while records were sent on it")]
    NotReplaced(Box<Self>),
}

impl PeerError {
    /// Whether the node may have taken the records all the same.
    pub(super) const fn is_ambiguous(&self) -> bool {
        !matches!(self, Self::Connect(_) | Self::ConnectTimeout(_) | Self::Handshake(_))
    }

    /// Whether a connection that was kept may have ended while nobody used it.
    pub(super) const fn is_end(&self) -> bool {
        matches!(self, Self::Broken(_) | Self::Closed(_))
    }
}

impl Connection {
    pub(super) fn new(wire: Box<dyn Duplex>, now: Instant) -> Self {
        Self { wire, inbox: BytesMut::new(), uses: 0, used: now, keepalive: true }
    }

    /// Shakes hands as a client.
    pub(super) async fn shake_hands(&mut self, mut client: Client) -> Result<(), PeerError> {
        loop {
            match client.advance(&mut self.inbox)? {
                Step::Read => self.read(MESSAGE_BYTES_MAX).await?,
                Step::Send(message) => {
                    self.wire.write_all(&message).await?;
                    self.wire.flush().await?;
                }
                Step::Done { keepalive } => {
                    self.keepalive = keepalive;
                    return Ok(());
                }
            }
        }
    }

    /// Sends a frame and waits for all that answers it, both within one limit.
    pub(super) async fn exchange(
        &mut self,
        frame: &Frame,
        limit: Duration,
    ) -> Result<(), PeerError> {
        self.uses = self.uses.saturating_add(1);
        let mut is_written = false;
        let answered = timeout(limit, async {
            self.write(&frame.bytes).await?;
            is_written = true;
            for id in &frame.acks {
                self.acknowledged(id).await?;
            }
            Ok::<_, PeerError>(())
        });
        match answered.await {
            Ok(answered) => answered?,
            Err(_) if is_written => return Err(PeerError::AckTimeout(limit)),
            Err(_) => return Err(PeerError::WriteTimeout(limit)),
        }
        // Nobody says that it arrived, but the node may have said already that nothing does.
        if frame.acks.is_empty() && !self.is_open().await {
            return Err(PeerError::Closed(false));
        }
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), PeerError> {
        self.wire.write_all(bytes).await?;
        Ok(self.wire.flush().await?)
    }

    async fn acknowledged(&mut self, id: &str) -> Result<(), PeerError> {
        while !ack::take(&mut self.inbox, id)? {
            let read = self.read(ACK_BYTES_MAX).await;
            let is_closed = matches!(read, Err(PeerError::Closed(_)));
            read.map_err(|error| if is_closed { PeerError::Closed(true) } else { error })?;
        }
        Ok(())
    }

    async fn read(&mut self, bytes: usize) -> Result<(), PeerError> {
        self.inbox.reserve(bytes);
        match self.wire.read_buf(&mut self.inbox).await? {
            0 => Err(PeerError::Closed(false)),
            _ => Ok(()),
        }
    }

    /// Whether the node has neither closed it nor sent what nobody asked for. Returns at once.
    pub(super) async fn is_open(&mut self) -> bool {
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        let wire = Pin::new(&mut *self.wire);
        let mut wire = Some(wire);
        let is_silent = poll_fn(|context| {
            let read = wire.take().map(|wire| wire.poll_read(context, &mut buffer));
            Poll::Ready(!matches!(read, Some(Poll::Ready(_))))
        });
        self.inbox.is_empty() && is_silent.await
    }

    /// Says that nothing more comes, so that what was sent is not lost with the connection.
    pub(super) async fn close(mut self) {
        // The node may be gone already.
        let _ = timeout(CLOSE_TIMEOUT, self.wire.shutdown()).await;
    }
}

/// A connection within the time that there is for it.
pub(super) async fn within(
    limit: Duration,
    open: impl Future<Output = Result<Connection, PeerError>>,
) -> Result<Connection, PeerError> {
    timeout(limit, open).await.unwrap_or(Err(PeerError::ConnectTimeout(limit)))
}
