//! Firelane, a log router for Amazon ECS: the sidecar that takes the place of the FireLens image.

pub mod chunk;
pub mod clock;
pub mod ecs;
pub mod healthcheck;
pub mod http_get;
pub mod ledger;
#[cfg(feature = "local")]
pub mod local;
pub mod record;
pub mod ring;
mod sync;
