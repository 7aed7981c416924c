//! Step 6, output: new connections, straight or through a proxy, in the clear or over TLS.
//!
//! A proxy forwards what is in the clear, and for TLS is asked for a tunnel (`CONNECT`). Must not know
//! what is sent.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::config::{Config, Net, Proxy, host_header};
use super::connection::Connection;
use crate::output::connect::first;
use crate::tls::TlsError;

/// Most bytes of what a proxy says before the tunnel is open.
const TUNNEL_HEAD_BYTES_MAX: usize = 8_192;

/// Makes connections to one place.
#[derive(Debug)]
pub(super) struct Dial {
    host: String,
    port: u16,
    proxy: Option<Proxy>,
    tls: Option<Tls>,
    net: Net,
}

/// How TLS is spoken.
struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error("cannot connect to {place}: {source}")]
    Connect { place: String, source: io::Error },
    #[error("no connection to {place} within {} s", .longest.as_secs_f32())]
    Timeout { place: String, longest: Duration },
    #[error("no TLS with {place}: {source}")]
    Tls { place: String, source: io::Error },
    #[error("the proxy opens no tunnel to {place}: {answer}")]
    Tunnel { place: String, answer: String },
    #[error("no HTTP with {place}: {source}")]
    Http { place: String, source: hyper::Error },
}

impl Dial {
    /// Reads the files of TLS, once.
    pub(super) fn new(config: &Config) -> Result<Self, TlsError> {
        let tls = match &config.tls {
            None => None,
            Some(tls) => Some(Tls { config: tls.config()?, name: tls.server_name(&config.host)? }),
        };
        Ok(Self {
            host: config.host.clone(),
            port: config.port,
            proxy: config.proxy.clone(),
            tls,
            net: config.net.clone(),
        })
    }

    /// Connects, within the time that the options give.
    pub(super) async fn connect(&self) -> Result<Connection, DialError> {
        let Some(longest) = self.net.connect_timeout else { return self.open().await };
        let opened = timeout(longest, self.open()).await;
        opened.unwrap_or_else(|_| Err(DialError::Timeout { place: self.place(), longest }))
    }

    async fn open(&self) -> Result<Connection, DialError> {
        let (host, port) = match &self.proxy {
            Some(proxy) => (proxy.host.as_str(), proxy.port),
            None => (self.host.as_str(), self.port),
        };
        let stream = self.tcp(host, port).await.map_err(|source| DialError::Connect {
            place: host_header(host, port, false),
            source,
        })?;
        let made = match &self.tls {
            None => Connection::over(stream).await,
            Some(tls) => {
                let stream = match &self.proxy {
                    Some(_) => self.tunnel(stream).await?,
                    None => stream,
                };
                let connector = TlsConnector::from(Arc::clone(&tls.config));
                let stream = connector.connect(tls.name.clone(), stream).await;
                let place = self.place();
                Connection::over(stream.map_err(|source| DialError::Tls { place, source })?).await
            }
        };
        made.map_err(|source| DialError::Http { place: self.place(), source })
    }

    async fn tcp(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let addresses = lookup_host((host, port)).await?.collect();
        first(addresses, self.net.connect_timeout, |address| self.tcp_to(address)).await
    }

    async fn tcp_to(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        if let Some(source) = self.net.source_address {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        let stream = socket.connect(address).await?;
        // A request is written whole: nothing comes that would be worth waiting for.
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Asks the proxy for a tunnel to the host.
    async fn tunnel(&self, mut stream: TcpStream) -> Result<TcpStream, DialError> {
        let place = host_header(&self.host, self.port, false);
        let failed = |answer: String| DialError::Tunnel { place: place.clone(), answer };
        let request = format!(
            "CONNECT {place} HTTP/1.1\r\nHost: {place}\r\nProxy-Connection: KeepAlive\r\n\r\n"
        );
        let asked = stream.write_all(request.as_bytes()).await;
        asked.map_err(|error| failed(error.to_string()))?;
        let mut head = Vec::new();
        // Byte by byte: what follows the head belongs to TLS. It is some hundred, once a connection.
        while !head.ends_with(b"\r\n\r\n") {
            let byte = stream.read_u8().await.map_err(|error| failed(error.to_string()))?;
            head.push(byte);
            if head.len() > TUNNEL_HEAD_BYTES_MAX {
                return Err(failed(format!("more than {TUNNEL_HEAD_BYTES_MAX} bytes")));
            }
        }
        let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line).into_owned();
        let status = line.split(' ').nth(1).unwrap_or_default();
        let is_open = line.starts_with("HTTP/1.") && status.len() == 3 && status.starts_with('2');
        if is_open { Ok(stream) } else { Err(failed(line)) }
    }

    fn place(&self) -> String {
        host_header(&self.host, self.port, false)
    }
}
