//! Listens where an input is configured to, and accepts within its limit of connections.
//!
//! Bound before anything is served, so that a port in use is an error at the start. Must not know
//! what is spoken on a connection.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Intake;
use super::protocol::Protocol;
use super::socket::{Peer, Socket};
use crate::record::tag::Tag;
use crate::telemetry::InputCounters;

/// How long accepting rests after the system refused it, as it does when it is out of descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// An input whose socket is bound.
#[derive(Debug)]
pub struct Listener {
    bound: Bound,
    protocol: Protocol,
    connections_max: usize,
    counters: Arc<InputCounters>,
}

#[derive(Debug)]
enum Bound {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// The file of a unix socket, removed when the listener goes.
#[derive(Debug)]
struct SocketFile(PathBuf);

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
        protocol: Protocol,
        connections_max: usize,
        counters: Arc<InputCounters>,
    ) -> Result<Self, BindError> {
        let input = counters.name.clone();
        let bound = match address {
            Address::Tcp(host, port) => match TcpListener::bind((host.as_str(), port)).await {
                Ok(listener) => Bound::Tcp(listener),
                Err(source) => return Err(BindError::Tcp { input, host, port, source }),
            },
            Address::Unix(path, mode) => bind_unix(input, path, mode)?,
        };
        Ok(Self { bound, protocol, connections_max, counters })
    }

    /// The address it listens on, as a person would write it.
    #[must_use]
    pub fn address(&self) -> String {
        match &self.bound {
            Bound::Tcp(listener) => {
                listener.local_addr().map_or_else(|error| error.to_string(), |at| at.to_string())
            }
            Bound::Unix(_, SocketFile(path)) => path.display().to_string(),
        }
    }

    /// Accepts and serves until it is dropped.
    pub async fn accept(self, intake: Intake) {
        let places = Arc::new(Semaphore::new(self.connections_max));
        let mut connections = JoinSet::new();
        loop {
            // A peer beyond the limit waits in the system's queue; nobody is turned away.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = self.bound.accept() => accepted,
                Some(_) = connections.join_next() => continue,
            };
            match accepted {
                Ok(peer) => {
                    let (protocol, counters) = (self.protocol.clone(), Arc::clone(&self.counters));
                    let served = protocol.serve(peer, intake.clone(), counters);
                    connections.spawn(async move {
                        served.await;
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
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Nothing depends on it: the next start replaces a stale file.
        let _ = fs::remove_file(&self.0);
    }
}

/// Binds beside the path and moves the socket there: its permissions are right from the first
/// moment, and a stale file is replaced in one step.
fn bind_unix(input: String, path: PathBuf, mode: Option<u32>) -> Result<Bound, BindError> {
    match fs::symlink_metadata(&path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(BindError::NotASocket { input, path });
        }
        Ok(_) if std::os::unix::net::UnixStream::connect(&path).is_ok() => {
            return Err(BindError::InUse { input, path });
        }
        Ok(_) | Err(_) => {}
    }
    match bind_beside(&path, mode) {
        Ok(listener) => Ok(Bound::Unix(listener, SocketFile(path))),
        Err(source) => Err(BindError::Unix { input, path, source }),
    }
}

fn bind_beside(path: &Path, mode: Option<u32>) -> io::Result<UnixListener> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let _ = fs::remove_file(&beside);
    let listener = UnixListener::bind(&beside)?;
    let placed = mode
        .map_or(Ok(()), |mode| fs::set_permissions(&beside, fs::Permissions::from_mode(mode)))
        .and_then(|()| fs::rename(&beside, path));
    if placed.is_err() {
        let _ = fs::remove_file(&beside);
    }
    placed.map(|()| listener)
}

/// The tag of records that carry none of their own.
#[must_use]
pub fn default_tag(configured: Option<&str>, instance: &str) -> Tag {
    Tag::from(configured.unwrap_or(instance))
}
