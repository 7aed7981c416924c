//! Listens where an input is configured to, and accepts within its limit of connections.
//!
//! Bound before anything is served, so that a port in use is an error at the start. Must not know
//! what is spoken on a connection.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, UdpSocket, UnixListener, UnixSocket, lookup_host};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::admission::{self, Admission};
#[cfg(test)]
use super::memory_socket::MemorySocket;
use super::protocol::Protocol;
use super::socket::{Peer, Socket};
use super::{Intake, heartbeat};
use crate::record::tag::Tag;
use crate::telemetry::InputCounters;
use crate::tls::TlsError;

/// How long accepting rests after the system refused it, as it does when it is out of descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// An input whose socket is bound.
#[derive(Debug)]
pub struct Listener {
    bound: Bound,
    /// Where those ask who want to know whether it lives.
    heartbeat: Option<UdpSocket>,
    admission: Admission,
    protocol: Protocol,
    connections_max: usize,
    counters: Arc<InputCounters>,
}

#[derive(Debug)]
enum Bound {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
    /// Connections that a test makes.
    #[cfg(test)]
    Memory(tokio::sync::Mutex<tokio::sync::mpsc::Receiver<MemorySocket>>),
}

/// The file of a unix socket, removed when the listener goes, if it is still the same.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    /// Device and number of the file on it.
    identity: Option<(u64, u64)>,
}

/// Where an input is to listen.
#[derive(Clone, Debug)]
pub enum Address {
    /// Host and port.
    Tcp(String, u16),
    /// A path, and the permissions of the socket there; `None`: what the umask leaves.
    Unix(PathBuf, Option<u32>),
}

/// Why an input cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address cannot be bound.
    #[error("{input}: cannot listen on {host}:{port}: {source}")]
    Tcp {
        /// The instance.
        input: String,
        /// Its `Listen`.
        host: String,
        /// Its `Port`.
        port: u16,
        /// The operating system's error.
        source: io::Error,
    },
    /// The path cannot be bound.
    #[error("{input}: cannot listen on {}: {source}; its directory must exist and be writable", path.display())]
    Unix {
        /// The instance.
        input: String,
        /// Its `Unix_Path`.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// Another process answers there.
    #[error("{input}: another process listens on {}; stop it or choose another Unix_Path", path.display())]
    InUse {
        /// The instance.
        input: String,
        /// Its `Unix_Path`.
        path: PathBuf,
    },
    /// TLS cannot be spoken.
    #[error("{input}: {source}")]
    Tls {
        /// The instance.
        input: String,
        /// Why.
        source: Box<TlsError>,
    },
    /// Something that is no socket is there.
    #[error("{input}: {} exists and is no socket; remove it or choose another Unix_Path", path.display())]
    NotASocket {
        /// The instance.
        input: String,
        /// Its `Unix_Path`.
        path: PathBuf,
    },
}

impl Listener {
    /// Binds the input's address.
    ///
    /// # Errors
    ///
    /// [`BindError`] names the input, the address and what to do.
    pub async fn bind(
        address: Address,
        admission: &admission::Config,
        protocol: Protocol,
        connections_max: usize,
        counters: Arc<InputCounters>,
    ) -> Result<Self, BindError> {
        let input = counters.name.clone();
        let backlog = admission.backlog;
        let bound = match address {
            Address::Tcp(host, port) => match bind_tcp(&host, port, admission).await {
                Ok(listener) => Bound::Tcp(listener),
                Err(source) => return Err(BindError::Tcp { input, host, port, source }),
            },
            Address::Unix(path, mode) => bind_unix(input, path, mode, backlog)?,
        };
        let heartbeat = match (&bound, &protocol) {
            (Bound::Tcp(listener), Protocol::Forward(..)) => beside(listener, &counters).await,
            _ => None,
        };
        let admission = Admission::new(admission, protocol.alpn())
            .map_err(Box::new)
            .map_err(|source| BindError::Tls { input: counters.name.clone(), source })?;
        Ok(Self { bound, heartbeat, admission, protocol, connections_max, counters })
    }

    /// An input whose peers are a test's.
    #[cfg(test)]
    pub(crate) fn of_memory(
        arriving: tokio::sync::mpsc::Receiver<MemorySocket>,
        admission: &admission::Config,
        protocol: Protocol,
        connections_max: usize,
        counters: Arc<InputCounters>,
    ) -> Result<Self, TlsError> {
        let admission = Admission::new(admission, protocol.alpn())?;
        let bound = Bound::Memory(tokio::sync::Mutex::new(arriving));
        Ok(Self { bound, heartbeat: None, admission, protocol, connections_max, counters })
    }

    /// The address it listens on, as a person would write it.
    #[must_use]
    pub fn address(&self) -> String {
        match &self.bound {
            Bound::Tcp(listener) => {
                listener.local_addr().map_or_else(|error| error.to_string(), |at| at.to_string())
            }
            Bound::Unix(_, file) => file.path.display().to_string(),
            #[cfg(test)]
            Bound::Memory(_) => "memory".to_owned(),
        }
    }

    /// Accepts until reading ends, and serves until the last peer has gone or it is dropped.
    pub async fn accept(mut self, intake: Intake) {
        let (mut connections, mut beside) = (JoinSet::new(), JoinSet::new());
        if let Some(socket) = self.heartbeat.take() {
            beside.spawn(heartbeat::answer(socket));
        }
        let mut ending = intake.ending();
        tokio::select! {
            biased;
            () = ending.ended() => {}
            () = self.accept_all(&intake, &mut connections) => {}
        }
        // Whoever comes now is refused by the system, and goes elsewhere at once.
        drop((self, beside));
        while connections.join_next().await.is_some() {}
    }

    async fn accept_all(&self, intake: &Intake, connections: &mut JoinSet<()>) {
        let places = Arc::new(Semaphore::new(self.connections_max.min(Semaphore::MAX_PERMITS)));
        loop {
            // A peer beyond the limit waits in the system's queue; nobody is turned away.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let accepted = tokio::select! {
                biased;
                Some(_) = connections.join_next() => continue,
                accepted = self.bound.accept() => accepted,
            };
            match accepted {
                Ok(peer) => {
                    let (protocol, counters) = (self.protocol.clone(), Arc::clone(&self.counters));
                    let admitted = self.admission.clone().admit(peer, Arc::clone(&counters));
                    let intake = intake.clone();
                    connections.spawn(async move {
                        if let Some(peer) = admitted.await {
                            protocol.serve(peer, intake, counters).await;
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!("{}: cannot accept: {error}", self.counters.name);
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            }
        }
    }
}

impl Bound {
    async fn accept(&self) -> io::Result<(Socket, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                Ok((Socket::Tcp(stream), Peer::Tcp(address)))
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok((Socket::Unix(stream), Peer::Unix))
            }
            #[cfg(test)]
            Self::Memory(arriving) => match arriving.lock().await.recv().await {
                Some(socket) => Ok((Socket::Memory(socket), Peer::Unix)),
                None => std::future::pending().await,
            },
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Whoever has put another file there listens on that.
        if identity(&self.path).is_some_and(|found| self.identity == Some(found)) {
            // Nothing depends on it: the next start replaces a stale file.
            let _ = fs::remove_file(&self.path);
        }
    }
}

async fn bind_tcp(host: &str, port: u16, admission: &admission::Config) -> io::Result<TcpListener> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host((host, port)).await? {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        if admission.shares_port {
            socket.set_reuseport(true)?;
        }
        match socket.bind(address).and_then(|()| socket.listen(admission.backlog)) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Frames can be read without it, so it is no error if there is none.
async fn beside(listener: &TcpListener, counters: &InputCounters) -> Option<UdpSocket> {
    let bound = match listener.local_addr() {
        Ok(address) => heartbeat::bind(address).await,
        Err(error) => Err(error),
    };
    bound.map_err(|error| tracing::debug!("{}: no UDP heartbeat: {error}", counters.name)).ok()
}

/// What tells a file from another of the same name.
fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// Binds beside the path and moves the socket there: its permissions are right from the first
/// moment, and a stale file is replaced in one step.
fn bind_unix(
    input: String,
    path: PathBuf,
    mode: Option<u32>,
    backlog: u32,
) -> Result<Bound, BindError> {
    match fs::symlink_metadata(&path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(BindError::NotASocket { input, path });
        }
        Ok(_) if std::os::unix::net::UnixStream::connect(&path).is_ok() => {
            return Err(BindError::InUse { input, path });
        }
        Ok(_) | Err(_) => {}
    }
    match bind_beside(&path, mode, backlog) {
        Ok(listener) => {
            let identity = identity(&path);
            Ok(Bound::Unix(listener, SocketFile { path, identity }))
        }
        Err(source) => Err(BindError::Unix { input, path, source }),
    }
}

fn bind_beside(path: &Path, mode: Option<u32>, backlog: u32) -> io::Result<UnixListener> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let _ = fs::remove_file(&beside);
    let socket = UnixSocket::new_stream()?;
    socket.bind(&beside)?;
    let listener = socket.listen(backlog);
    let placed = mode
        .map_or(Ok(()), |mode| fs::set_permissions(&beside, fs::Permissions::from_mode(mode)))
        .and_then(|()| fs::rename(&beside, path))
        .and(listener);
    if placed.is_err() {
        let _ = fs::remove_file(&beside);
    }
    placed
}

/// The tag of records that carry none of their own.
#[must_use]
pub fn default_tag(configured: Option<&str>, instance: &str) -> Tag {
    Tag::from(configured.unwrap_or(instance))
}
