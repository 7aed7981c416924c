//! Around the path: monitoring over HTTP, for health checks and dashboards made for Fluent Bit.
//!
//! It has a thread and a runtime of its own, so that a stuck data path can still be asked what is
//! wrong, and it only reads: [`routes`] turns counters into bodies (pure), [`health`] decides what is
//! healthy (pure), [`server`] owns the socket. Not known here: how anything is counted.

use std::sync::Arc;
use std::time::Instant;

use crate::telemetry::Telemetry;

pub mod health;
pub mod routes;
pub mod server;
mod storage;

pub use health::HealthLimits;
pub use server::{Admin, BindError, Bound, SpawnError};

/// `inputs`, `filters` and `outputs`, each with the names of the plugins that there are.
pub type Plugins = [(&'static str, Vec<&'static str>); 3];

/// What the server shows.
#[derive(Clone, Debug)]
pub struct View {
    /// The counters.
    pub telemetry: Arc<Telemetry>,
    /// The clock.
    pub now: fn() -> Instant,
    /// When `/api/v1/health` says "error"; `None` where the health check is not configured, and
    /// then there is no such path.
    pub health: Option<HealthLimits>,
    /// Names of all plugins, by what they are.
    pub plugins: Plugins,
    /// Whether `/api/v1/storage` is answered.
    pub shows_storage: bool,
}
