//! The process: pipeline, monitoring and the task's metadata, from their start to the account.
//!
//! What `main` and the demo have in common. Must not know the command line.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::net::lookup_host;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{Notify, watch};

use crate::admin::{self, Admin, HealthLimits, View};
use crate::clock;
use crate::config::{Config, Environment, HttpServer, plugin_names};
use crate::ec2;
use crate::ecs;
use crate::lifecycle::{Alarm, StopReceiver};
use crate::memory::{WorstCase, cgroup};
use crate::output::cloudwatch_logs::sender::Keys;
use crate::pipeline::{Account, Around, BuildError, Enrichment, Pipeline, delivery_runtime};
use crate::telemetry::Telemetry;

/// A process whose sockets are bound.
#[derive(Debug)]
pub struct Sidecar {
    pipeline: Pipeline,
    delivery: Delivery,
    /// Ends with the process.
    admin: Option<Admin>,
}

/// The threads that deliver. They end in the background wherever this is dropped: waiting for them
/// would be a panic within a runtime, and a start that fails has to say why instead.
#[derive(Debug)]
struct Delivery {
    handle: Handle,
    /// There until it is dropped.
    runtime: Option<Runtime>,
}

/// Why a process cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The pipeline cannot be built.
    #[error(transparent)]
    Pipeline(#[from] BuildError),
    /// The threads behind the inputs cannot be started.
    #[error("cannot start the threads that deliver: {0}")]
    Runtime(io::Error),
    /// `HTTP_Listen` is no address.
    #[error("http_listen {listen:?}: {source}")]
    Listen {
        /// Its value.
        listen: String,
        /// The resolver's error.
        source: io::Error,
    },
    /// The monitoring server cannot listen.
    #[error("http_server: {0}")]
    Admin(#[from] admin::BindError),
    /// The monitoring server has no thread.
    #[error("http_server: {0}")]
    AdminThread(#[from] admin::SpawnError),
}

impl Sidecar {
    /// Builds everything and binds the sockets, the inputs' first.
    ///
    /// # Errors
    ///
    /// [`StartError`], which names what is at fault.
    pub async fn start(
        config: Config,
        enrichment: Enrichment,
        environment: &Environment,
        started: Instant,
    ) -> Result<Self, StartError> {
        let (snapshot_sender, snapshot) = watch::channel(None);
        let http_server = config.service.http_server.clone();
        let shows_storage = config.service.storage.metrics;
        let started_unix = clock::unix_now();
        let refetch = Arc::new(Notify::new());
        let around = Around {
            snapshot,
            refetch: Arc::clone(&refetch),
            keys: keys(environment),
            imds: imds(environment),
            memory_limit_bytes: cgroup::limit(),
            started,
            started_unix,
        };
        let pipeline = Pipeline::bind(config, enrichment, around).await?;
        let admin = match http_server {
            Some(server) => Some(monitor(server, &pipeline, shows_storage).await?),
            None => None,
        };
        let delivery = Delivery::start().map_err(StartError::Runtime)?;
        match ecs::Endpoint::from_environment(|name| environment.get(name).map(str::to_owned)) {
            Ok(Some(endpoint)) => {
                // It runs as long as anybody listens; nothing waits for it.
                drop(delivery.handle.spawn(ecs::watch(endpoint, refetch, snapshot_sender)));
            }
            Ok(None) => {}
            Err(error) => tracing::warn!("{error}; going on without the task's metadata"),
        }
        Ok(Self { pipeline, delivery, admin })
    }

    /// The addresses that are listened on, each with its input's name.
    #[must_use]
    pub fn addresses(&self) -> Vec<(String, String)> {
        self.pipeline.addresses()
    }

    /// The address of the monitoring server.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(Admin::local_addr)
    }

    /// How much memory it may hold, and what for.
    #[must_use]
    pub fn memory(&self) -> &WorstCase {
        self.pipeline.memory()
    }

    /// What is counted.
    #[must_use]
    pub fn telemetry(&self) -> Arc<Telemetry> {
        self.pipeline.telemetry()
    }

    /// Says when a filter wants the process to end.
    #[must_use]
    pub fn alarm(&self) -> Alarm {
        self.pipeline.alarm()
    }

    /// Runs until it is stopped and everything has its outcome.
    pub async fn run(self, stop: StopReceiver) -> Account {
        self.pipeline.run(&self.delivery.handle, stop).await
    }
}

impl Delivery {
    fn start() -> io::Result<Self> {
        let runtime = delivery_runtime()?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn monitor(
    server: HttpServer,
    pipeline: &Pipeline,
    shows_storage: bool,
) -> Result<Admin, StartError> {
    let HttpServer { listen, port, health_check } = server;
    let found = lookup_host((listen.as_str(), port)).await.map(|mut found| found.next());
    let address = match found {
        Ok(Some(address)) => address,
        Ok(None) => {
            return Err(StartError::Listen { listen, source: io::ErrorKind::NotFound.into() });
        }
        Err(source) => return Err(StartError::Listen { listen, source }),
    };
    let health = health_check.map(|check| HealthLimits {
        errors_max: check.errors_max,
        retries_failed_max: check.retry_failures_max,
        period_samples: usize::try_from(check.period.as_secs()).unwrap_or(usize::MAX).max(1),
    });
    let plugins = plugin_names();
    let telemetry = pipeline.telemetry();
    let view = View { telemetry, now: clock::now, health, plugins, shows_storage };
    Ok(Admin::bind(address)?.spawn(view)?)
}

fn imds(environment: &Environment) -> Option<ec2::Endpoint> {
    let endpoint = ec2::Endpoint::from_environment(|name| environment.get(name).map(str::to_owned));
    endpoint.unwrap_or_else(|error| {
        tracing::warn!("{error}; going on without the instance's metadata");
        None
    })
}

fn keys(environment: &Environment) -> Option<Keys> {
    // Fluent Bit and the SDK take an empty one for none.
    let get = |name| environment.get(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let (id, secret) = get("AWS_ACCESS_KEY_ID").zip(get("AWS_SECRET_ACCESS_KEY"))?;
    Some(Keys { id, secret, token: get("AWS_SESSION_TOKEN") })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::config;

    #[tokio::test]
    async fn a_taken_monitoring_port_is_an_error() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let text = format!(
            "[SERVICE]\n    HTTP_Server On\n    HTTP_Listen 127.0.0.1\n    HTTP_Port {port}\n"
        );
        let files =
            std::collections::BTreeMap::from([(PathBuf::from("a.conf"), text.into_bytes())]);
        let environment = Environment::default();
        let config = config::load(Path::new("a.conf"), &files, &environment).unwrap();
        let started = Sidecar::start(config, Enrichment::Off, &environment, clock::now()).await;
        assert!(matches!(started, Err(StartError::Admin(_))), "{started:?}");
    }
}
