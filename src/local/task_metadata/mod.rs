//! The ECS task metadata endpoint, versions 4 and 3, and the credentials endpoint beside it, for a
//! made-up task. Goes wrong on demand.
//!
//! Source: "Amazon ECS task metadata endpoint version 4", Amazon ECS Developer Guide. `server` reads
//! requests and hands them to `routes`, which answers without a socket or a clock; `task` makes the
//! task, `stats` the numbers. Must not know the CloudWatch Logs endpoint.

mod routes;
mod server;
mod stats;
mod task;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use routes::{Fault, MetadataFault};
pub use task::{Container, Shape, Task};

use routes::Metadata;
use server::Server;

use crate::clock;

/// The id of the access key that the credentials endpoint hands out.
pub const ACCESS_KEY_ID: &str = "ASIATEST";
/// The session token that goes with it.
pub const SESSION_TOKEN: &str = "testtoken";
/// The path of the credentials, for `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`.
pub const CREDENTIALS_PATH: &str = "/v2/credentials/test";

/// How long credentials last unless said otherwise: 6 hours, as on ECS.
const CREDENTIALS_LIFETIME: Duration = Duration::from_secs(6 * 60 * 60);

/// How the endpoint is to behave.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// The task that is made up.
    pub task: Task,
    /// How long credentials last from when they are asked for.
    pub credentials_lifetime: Duration,
}

impl Options {
    /// Listens on `address` with a task on Fargate that has two containers.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        let credentials_lifetime = CREDENTIALS_LIFETIME;
        Self { address, task: Task::new(Shape::Fargate), credentials_lifetime }
    }
}

/// Containers and faults of an endpoint at work.
#[derive(Clone, Debug)]
pub struct Handle {
    metadata: Arc<Mutex<Metadata>>,
}

impl Handle {
    /// Puts other containers in place of the present ones.
    pub fn set_containers(&self, containers: Vec<Container>) {
        lock(&self.metadata).set_containers(containers);
    }

    /// Has the next requests go wrong; `None` ends that.
    pub fn set_fault(&self, fault: Option<MetadataFault>) {
        lock(&self.metadata).set_fault(fault);
    }

    /// Requests so far, without those under `/_local/`.
    #[must_use]
    pub fn requests(&self) -> u64 {
        lock(&self.metadata).requests()
    }

    /// The value for `ECS_CONTAINER_METADATA_URI_V4` of a container, without scheme and address;
    /// `None` if there is no container of that name.
    #[must_use]
    pub fn path(&self, container: &str) -> Option<String> {
        lock(&self.metadata).path(container)
    }
}

/// Makes the endpoint, without a listener yet.
pub(super) fn build(options: Options) -> (Arc<Server>, Handle) {
    let Options { task, credentials_lifetime, .. } = options;
    let metadata = Metadata::new(task, credentials_lifetime, clock::unix_now());
    let metadata = Arc::new(Mutex::new(metadata));
    let handle = Handle { metadata: Arc::clone(&metadata) };
    (Arc::new(Server::new(metadata)), handle)
}

/// Every change is complete in itself, so a panic elsewhere does not spoil it.
fn lock(metadata: &Mutex<Metadata>) -> MutexGuard<'_, Metadata> {
    metadata.lock().unwrap_or_else(PoisonError::into_inner)
}
