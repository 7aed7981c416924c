//! The kinds of stream socket, looked at as one. Must not know a protocol.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use bytes::{BufMut, BytesMut};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixStream};

#[cfg(test)]
use super::memory_socket::MemorySocket;
pub use super::tls_socket::TlsSocket;

/// A connected peer.
#[derive(Debug)]
pub enum Socket {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a unix socket.
    Unix(UnixStream),
    /// Over TLS and TCP.
    Tls(Box<TlsSocket>),
    /// Within a test.
    #[cfg(test)]
    Memory(MemorySocket),
}

/// Who a peer is, for log lines and `source_address_key`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Peer {
    /// Its address.
    Tcp(SocketAddr),
    /// A process on this machine.
    Unix,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Unix => f.write_str("unix"),
        }
    }
}

impl Socket {
    /// Waits until there is something to read, or the peer has closed.
    ///
    /// # Errors
    ///
    /// The operating system's error.
    pub async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.readable().await,
            Self::Unix(stream) => stream.readable().await,
            Self::Tls(socket) => socket.readable().await,
            #[cfg(test)]
            Self::Memory(socket) => socket.readable().await,
        }
    }

    /// Reads what is there, at most `bytes_max`, to the end of the buffer. `0`: the peer has
    /// closed.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] where nothing is there, else the operating system's error.
    pub fn try_read(&mut self, buffer: &mut BytesMut, bytes_max: usize) -> io::Result<usize> {
        let mut limited = buffer.limit(bytes_max);
        match self {
            Self::Tcp(stream) => stream.try_read_buf(&mut limited),
            Self::Unix(stream) => stream.try_read_buf(&mut limited),
            Self::Tls(socket) => socket.try_read(limited.get_mut(), bytes_max),
            #[cfg(test)]
            Self::Memory(socket) => socket.try_read(limited.get_mut(), bytes_max),
        }
    }

    /// Writes all of it.
    ///
    /// # Errors
    ///
    /// The operating system's error.
    pub async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes).await,
            Self::Unix(stream) => stream.write_all(bytes).await,
            Self::Tls(socket) => socket.write_all(bytes).await,
            #[cfg(test)]
            Self::Memory(socket) => socket.write_all(bytes).await,
        }
    }

    /// Says goodbye where a peer expects it, if that can be said at once.
    pub fn close(&mut self) {
        match self {
            Self::Tcp(_) | Self::Unix(_) => {}
            Self::Tls(socket) => socket.close(),
            #[cfg(test)]
            Self::Memory(_) => {}
        }
    }
}
