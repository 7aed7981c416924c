//! Around the path: what Amazon ECS knows about the task this process runs in.
//!
//! [`snapshot`] is the typed, immutable answer of the task metadata endpoint (pure), [`client`] asks
//! for it in the background. Nothing waits for it: until the first answer there is no snapshot, and
//! records go on without. [`introspection`] asks the agent of a container instance about any
//! container on it. Not known here: what filters and outputs do with it.

pub mod client;
pub mod enrich;
pub mod introspection;
mod pace;
pub mod snapshot;

pub use client::{Endpoint, EndpointError, FetchError, fetch, watch};
pub use snapshot::{Container, Snapshot};
