//! Step 6, output: other routers and Fluentd, over the Forward protocol.
//!
//! The way of a parcel here: [`balance`] picks a node, [`frame`] writes the records as that node
//! wants them, its connection sends them, and the node's ack, if it is asked for one, or the write
//! settles what is owed for them. A parcel that a node does not take is offered to the others at
//! once, from the first record on that was not acknowledged; only what none of them takes is a
//! failure of the output, and [`progress`] knows where it goes on. Must not know what a peer does with records.

pub mod ack;
pub mod balance;
pub mod config;
mod connection;
pub mod frame;
pub mod load;
mod peer;
mod progress;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use tokio::time::sleep;

use super::connect::{ConnectError, Connector};
use super::courier::{self, Around, Courier, Failure, Sent};
use super::dispatch::{FailureKind, Parcel, Settings};
use crate::buffer::Buffer;
use crate::clock;
use crate::lifecycle::StopReceiver;
use balance::{Balance, Change, Tried};
use config::{Address, Config};
use connection::PeerError;
use load::Load;
use peer::Peer;
use progress::Progress;

/// Least time between two looks at connections that nobody uses.
const SWEEP_MIN: Duration = Duration::from_secs(1);
/// Most nodes whose failures a log line tells of.
const TOLD_MAX: usize = 3;

/// The output, ready to run.
#[derive(Debug)]
pub struct Forward {
    shared: Arc<Shared>,
    settings: Settings,
    around: Around,
}

/// Takes parcels to nodes.
#[derive(Clone, Debug)]
struct Nodes(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    name: String,
    peers: Vec<Peer>,
    turns: Mutex<Turns>,
    progress: Mutex<Progress>,
}

#[derive(Debug)]
struct Turns {
    balance: Balance,
    chance: Rng,
}

impl Forward {
    /// Makes the output. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// What in the configuration can never work, such as a CA file that cannot be read.
    pub fn new(config: Config, settings: Settings, around: Around) -> Result<Self, ConnectError> {
        let Config { nodes, net } = config;
        let mut peers = Vec::with_capacity(nodes.len());
        for node in nodes {
            let connector = match &node.address {
                Address::Unix(_) => None,
                Address::Tcp { host, port } => {
                    Some(Connector::new(host, *port, node.tls.as_ref(), net.source)?)
                }
            };
            peers.push(Peer::new(node, net.clone(), connector));
        }
        let chance = Rng::with_seed(settings.seed);
        let turns = Mutex::new(Turns { balance: Balance::new(peers.len()), chance });
        let name = around.counters.name.clone();
        let shared = Shared { name, peers, turns, progress: Mutex::default() };
        Ok(Self { shared: Arc::new(shared), settings, around })
    }

    /// Delivers until the buffer is closed and everything has its outcome, or until shortly before
    /// the deadline of a stop.
    pub async fn run(self, buffer: Arc<Buffer>, stop: StopReceiver) {
        let Self { shared, settings, around } = self;
        let nodes = Nodes(Arc::clone(&shared));
        tokio::select! {
            () = courier::run(nodes, settings, around, buffer, stop) => {}
            () = shared.sweep() => {}
        }
        for peer in &shared.peers {
            peer.close().await;
        }
    }
}

impl Courier for Nodes {
    type Request = Load;

    fn prepare(&mut self, parcel: &Parcel) -> Load {
        Load::new(&parcel.tag, &parcel.chunks)
    }

    async fn send(self, load: Load) -> Result<Sent, Failure> {
        let (mut tried, mut at) = (Tried::default(), self.0.progress().take(&load));
        let (mut is_ambiguous, mut why) = (false, Vec::new());
        let mut bytes = 0;
        while let Some((node, peer)) = self.0.pick(&mut tried) {
            match peer.deliver(&load, &mut at, &mut bytes).await {
                Ok(()) => {
                    self.0.succeeded(node, peer);
                    return Ok(Sent { bytes, refused: 0 });
                }
                Err(error) => {
                    self.0.failed(node, peer, &error);
                    is_ambiguous |= error.is_ambiguous();
                    why.push(format!("{}: {error}", peer.title()));
                }
            }
        }
        self.0.progress().keep(&load, at);
        let more = why.len().saturating_sub(TOLD_MAX);
        why.truncate(TOLD_MAX);
        let mut why = why.join("; ");
        if more > 0 {
            why.push_str(&format!("; and {more} more nodes"));
        }
        Err(Failure { kind: FailureKind::Again { after: None, is_ambiguous }, why })
    }
}

impl Shared {
    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pick(&self, tried: &mut Tried) -> Option<(usize, &Peer)> {
        let node = self.turns().balance.pick(tried, clock::now())?;
        Some((node, self.peers.get(node)?))
    }

    fn succeeded(&self, node: usize, peer: &Peer) {
        if self.turns().balance.succeeded(node) == Some(Change::Back) && self.peers.len() > 1 {
            tracing::info!("{}: node {} takes records again", self.name, peer.title());
        }
    }

    /// Of a single node the output tells itself.
    fn failed(&self, node: usize, peer: &Peer, error: &PeerError) {
        let (change, well) = {
            let Turns { balance, chance } = &mut *self.turns();
            (balance.failed(node, clock::now(), chance), balance.well())
        };
        if change == Some(Change::Left) && self.peers.len() > 1 {
            tracing::warn!(
                "{}: node {} is left out and tried again later: {error}; {well} of {} nodes are left, \
                 look at that node's log and at what lies between",
                self.name,
                peer.title(),
                self.peers.len()
            );
        }
    }

    /// Closes connections that nobody uses, for ever.
    async fn sweep(&self) {
        loop {
            let mut next = Duration::MAX;
            for peer in &self.peers {
                next = next.min(peer.sweep(clock::now()).await);
            }
            sleep(next.max(SWEEP_MIN)).await;
        }
    }
}

#[cfg(test)]
mod tests;
