//! Firelane, a log router for Amazon ECS: the sidecar that takes the place of the FireLens image.

pub mod chunk;
pub mod clock;
pub mod ledger;
pub mod record;
pub mod ring;
mod sync;
