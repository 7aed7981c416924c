//! Step 6, output: connections to a host, encrypted or not.
//!
//! Names are looked up for each connection: whoever moves is found again. Must not know what is said
//! on a connection.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::tls::{ClientSettings, TlsError};

/// Least time for an address while there are others: less than that, and one far away is never reached.
const SHARE_MIN: Duration = Duration::from_secs(1);

/// Connects to one host and port.
#[derive(Clone, Debug)]
pub struct Connector {
    host: String,
    port: u16,
    source: Option<IpAddr>,
    tls: Option<(ServerName<'static>, Arc<tokio_rustls::rustls::ClientConfig>)>,
}

/// A connection.
#[derive(Debug)]
pub enum Stream {
    /// In the clear.
    Plain(TcpStream),
    /// Encrypted.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Why nothing can ever be connected.
pub type ConnectError = TlsError;

impl Connector {
    /// Will connect to the host, from the address if there is one.
    ///
    /// # Errors
    ///
    /// What of TLS can never work.
    pub fn new(
        host: &str,
        port: u16,
        tls: Option<&ClientSettings>,
        source: Option<IpAddr>,
    ) -> Result<Self, ConnectError> {
        let tls = match tls {
            Some(tls) => Some((tls.server_name(host)?, tls.config()?)),
            None => None,
        };
        Ok(Self { host: host.to_owned(), port, source, tls })
    }

    /// A new connection. `limit` is shared out among the addresses of the host, so that one that is
    /// silent does not hide the next; the last one may take as long as it takes.
    ///
    /// # Errors
    ///
    /// Whatever the system, or TLS, says; of several addresses what the last one did.
    pub async fn connect(&self, limit: Duration) -> io::Result<Stream> {
        let addresses = lookup_host((self.host.as_str(), self.port)).await?.collect();
        first(addresses, Some(limit), |address| self.connect_to(address)).await
    }

    async fn connect_to(&self, address: SocketAddr) -> io::Result<Stream> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        if let Some(source) = self.source {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Stream::Plain(stream)),
            Some((name, config)) => {
                let connector = TlsConnector::from(Arc::clone(config));
                Ok(Stream::Tls(Box::new(connector.connect(name.clone(), stream).await?)))
            }
        }
    }
}

/// What the first address gives that gives something. The time is shared out among them, so that one
/// that is silent does not hide the next; the last one may take as long as it takes.
pub(super) async fn first<T, F: Future<Output = io::Result<T>>>(
    addresses: Vec<SocketAddr>,
    limit: Option<Duration>,
    connect: impl Fn(SocketAddr) -> F,
) -> io::Result<T> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let count = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    let share = limit.map(|limit| limit.checked_div(count).unwrap_or(limit).max(SHARE_MIN));
    let mut addresses = addresses.into_iter().peekable();
    while let Some(address) = addresses.next() {
        let connecting = connect(address);
        let found = match addresses.peek().and(share) {
            Some(share) => {
                timeout(share, connecting).await.unwrap_or_else(|error| Err(error.into()))
            }
            None => connecting.await,
        };
        match found {
            Ok(found) => return Ok(found),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_that_is_silent_or_refuses_does_not_hide_the_next() {
        let limit = SHARE_MIN * 3;
        let answer = |address: SocketAddr| async move {
            match address.port() {
                1 => std::future::pending().await,
                2 => Err(io::ErrorKind::ConnectionRefused.into()),
                port => Ok(port),
            }
        };
        let found = |ports: &[u16]| {
            let addresses = ports.iter().map(|port| SocketAddr::from(([127, 0, 0, 1], *port)));
            timeout(limit, first(addresses.collect(), Some(limit), answer))
        };
        assert_eq!(found(&[1, 2, 3]).await.expect("in time").ok(), Some(3));
        let refused = found(&[1, 2]).await.expect("in time").map_err(|error| error.kind());
        assert_eq!(refused, Err(io::ErrorKind::ConnectionRefused));
        let nothing = found(&[]).await.expect("in time").map_err(|error| error.kind());
        assert_eq!(nothing, Err(io::ErrorKind::NotFound));
    }
}
