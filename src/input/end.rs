//! Why a connection ended, and who is told.

use std::io;
use std::time::Duration;

use super::socket::Peer;
use super::{forward, tcp};
use crate::handshake::server::Refusal;
use crate::telemetry::InputCounters;

/// How long a peer may be silent within a frame while others wait for the memory it takes. Those
/// who wait for a peer that has died do not wait for ever; a peer that lives writes frames as a
/// whole, and what AWS Fargate's log shim cannot write within 5 s it sends again anyway.
pub(super) const FRAME_SILENCE: Duration = Duration::from_secs(5);
/// How long an ack may wait for its peer to read those before it.
pub(super) const ACK_WAIT: Duration = Duration::from_secs(30);

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    /// The peer closed it.
    #[error("closed by the peer")]
    Closed,
    /// Reading or writing failed.
    #[error("connection failed")]
    Failed(#[from] io::Error),
    /// Its bytes cannot be followed.
    #[error(transparent)]
    Forward(#[from] forward::error::ConnectionError),
    /// Its bytes cannot be followed.
    #[error(transparent)]
    Tcp(#[from] tcp::decode::ConnectionError),
    /// It died within a frame, it seems, and others need the memory.
    #[error(
        "silent for {FRAME_SILENCE:?} within a frame, of which {bytes} bytes came, while memory is short"
    )]
    Silent {
        /// What came of the frame.
        bytes: usize,
    },
    /// It has not shown that it may send.
    #[error("handshake refused: {0}")]
    Handshake(#[from] Refusal),
    /// It has not shown it in time.
    #[error(
        "the secure-forward handshake was not done within net.accept_timeout; does the sender have a shared_key?"
    )]
    Late {
        /// Whether an operator wants to know.
        is_warning: bool,
    },
    /// It does not read what it asked for.
    #[error("an ack could not be written for {ACK_WAIT:?}: the peer does not read its acks")]
    Deaf,
    /// It said nothing for too long.
    #[error("silent for longer than net.io_timeout")]
    Idle,
    /// The process is past its time to read.
    #[error("closed for the end of the process")]
    Stopped,
}

impl End {
    /// Counts and logs it, where somebody wants to know.
    pub(super) fn tell(self, peer: &Peer, counters: &InputCounters) {
        let input = &counters.name;
        match self {
            Self::Closed | Self::Stopped | Self::Idle | Self::Late { is_warning: false } => {
                tracing::debug!("{input}: {peer}: {self}")
            }
            Self::Failed(source) if source.kind() != io::ErrorKind::InvalidData => {
                tracing::debug!("{input}: {peer}: connection failed: {source}");
            }
            Self::Failed(source) => {
                counters.connection_errors.add(1);
                tracing::warn!("{input}: connection of {peer} closed: TLS failed: {source}");
            }
            Self::Forward(_)
            | Self::Tcp(_)
            | Self::Silent { .. }
            | Self::Deaf
            | Self::Handshake(_)
            | Self::Late { is_warning: true } => {
                counters.connection_errors.add(1);
                tracing::warn!("{input}: connection of {peer} closed: {self}");
            }
        }
    }
}
