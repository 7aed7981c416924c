//! Step 6, output `forward`: a node and the connections that are kept to it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::UnixStream;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;

use super::config::{Address, Net, Node};
use super::connection::{Connection, PeerError, within};
use super::load::{Load, Position};
use crate::clock;
use crate::handshake::client::{Client, SALT_BYTES};
use crate::output::connect::Connector;

/// Most connections to one node that are kept while nobody uses them: as many as parcels are on
/// their way at once.
const IDLE_MAX: usize = crate::output::dispatch::IN_FLIGHT_MAX;

/// A node of the output.
#[derive(Debug)]
pub(super) struct Peer {
    node: Node,
    net: Net,
    /// `None`: its address is a unix socket.
    connector: Option<Connector>,
    idle: Mutex<Vec<Connection>>,
}

impl Peer {
    pub(super) fn new(node: Node, net: Net, connector: Option<Connector>) -> Self {
        Self { node, net, connector, idle: Mutex::default() }
    }

    /// How log lines call it.
    pub(super) fn title(&self) -> String {
        let Node { name, address, .. } = &self.node;
        let address = address.to_string();
        if *name == address { address } else { format!("{name} ({address})") }
    }

    /// Sends the records from `at` on, moves `at` behind what the node has taken, and counts its bytes.
    pub(super) async fn deliver(
        &self,
        load: &Load,
        at: &mut Position,
        bytes: &mut u64,
    ) -> Result<(), PeerError> {
        let mut kept = self.take(clock::now()).await;
        let was_kept = kept.is_some();
        let (mut is_first, mut was_sent) = (true, false);
        while let Some(frame) = self.node.format.frame(load, *at) {
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => self.open().await.map_err(|error| match was_sent {
                    true => PeerError::NotReplaced(Box::new(error)),
                    false => error,
                })?,
            };
            match connection.exchange(&frame, self.net.answer_timeout).await {
                Ok(()) => {
                    *bytes += frame.bytes.len() as u64;
                    *at = frame.next;
                    was_sent = false;
                    kept = self.used(connection).await;
                }
                // The node may have closed it just now; another may work.
                Err(error) if was_kept && is_first && error.is_end() => {
                    tracing::debug!("{}: a connection that was kept: {error}", self.title());
                    was_sent = true;
                }
                Err(error) => return Err(error),
            }
            is_first = false;
        }
        self.keep(kept).await;
        Ok(())
    }

    /// A connection that was used, if it may be used again.
    async fn used(&self, connection: Connection) -> Option<Connection> {
        let again =
            self.net.keepalive && connection.keepalive && connection.uses < self.net.uses_max;
        if again {
            return Some(connection);
        }
        connection.close().await;
        None
    }

    async fn open(&self) -> Result<Connection, PeerError> {
        within(self.net.connect_timeout, async {
            let mut connection = self.connect().await?;
            if let Some(identity) = &self.node.identity {
                let mut salt = [0; SALT_BYTES];
                let filled = default_provider().secure_random.fill(&mut salt);
                filled.map_err(|_| PeerError::Connect("no chance for a salt".to_owned()))?;
                connection.shake_hands(Client::new(identity.clone(), salt)).await?;
            }
            Ok(connection)
        })
        .await
    }

    async fn connect(&self) -> Result<Connection, PeerError> {
        let failed = |error: &dyn std::fmt::Display| PeerError::Connect(error.to_string());
        let wire: Box<dyn super::connection::Duplex> = match (&self.node.address, &self.connector) {
            (Address::Unix(path), _) => {
                Box::new(UnixStream::connect(path).await.map_err(|error| failed(&error))?)
            }
            (Address::Tcp { .. }, Some(connector)) => Box::new(
                connector
                    .connect(self.net.connect_timeout)
                    .await
                    .map_err(|error| failed(&error))?,
            ),
            (Address::Tcp { .. }, None) => return Err(failed(&"no connector")),
        };
        Ok(Connection::new(wire, clock::now()))
    }

    /// A connection that was kept and is still open.
    async fn take(&self, now: Instant) -> Option<Connection> {
        loop {
            let mut connection = self.pop()?;
            if !self.is_old(&connection, now) && connection.is_open().await {
                return Some(connection);
            }
            connection.close().await;
        }
    }

    fn pop(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    async fn keep(&self, connection: Option<Connection>) {
        let Some(mut connection) = connection else { return };
        connection.used = clock::now();
        let surplus = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.push(connection);
            if idle.len() > IDLE_MAX { Some(idle.swap_remove(0)) } else { None }
        };
        if let Some(surplus) = surplus {
            surplus.close().await;
        }
    }

    fn is_old(&self, connection: &Connection, now: Instant) -> bool {
        now.saturating_duration_since(connection.used) >= self.net.idle
    }

    /// Closes connections that nobody has used for too long; when the next one will be so.
    pub(super) async fn sweep(&self, now: Instant) -> Duration {
        let old: Vec<Connection> = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.extract_if(.., |connection| self.is_old(connection, now)).collect()
        };
        for connection in old {
            connection.close().await;
        }
        self.net.idle
    }

    /// Closes all connections.
    pub(super) async fn close(&self) {
        while let Some(connection) = self.pop() {
            connection.close().await;
        }
    }
}
