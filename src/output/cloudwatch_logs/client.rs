//! The way to the service, which may have to wait for its region.
//!
//! Must not know what is sent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::ecs::snapshot::Snapshot;

use super::config::Connection;
use super::sender::{ConnectError, Keys, Sender, Settings};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an attempt may take from its first byte to the whole answer; beyond it, it is given up
/// and made again. A full batch at 100 kB/s takes this long.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
/// How often a client without a region looks whether the task's metadata names one.
const REGION_WAIT: Duration = Duration::from_secs(1);

/// The way to the service.
#[derive(Debug)]
pub(super) struct Client {
    state: State,
    snapshot: watch::Receiver<Option<Arc<Snapshot>>>,
    /// Whether it was said that there is no region.
    is_region_told: bool,
}

#[derive(Debug)]
enum State {
    Ready(Sender),
    /// The region is not known yet: the task's metadata will name it.
    WithoutRegion(Box<Settings>),
}

impl Client {
    pub(super) async fn new(
        connection: Connection,
        keys: Option<Keys>,
        snapshot: watch::Receiver<Option<Arc<Snapshot>>>,
    ) -> Result<Self, ConnectError> {
        let state = State::new(settings(connection, keys)).await?;
        Ok(Self { state, snapshot, is_region_told: false })
    }

    /// A way to whoever plays the service.
    #[cfg(test)]
    pub(super) fn simulated(
        calls: tokio::sync::mpsc::Sender<super::sender::simulated::Asked>,
        snapshot: watch::Receiver<Option<Arc<Snapshot>>>,
    ) -> Self {
        let line = super::sender::simulated::Line::new(calls, ATTEMPT_TIMEOUT);
        Self { state: State::Ready(Sender::simulated(line)), snapshot, is_region_told: false }
    }

    /// What sends; `None`: there is no region yet.
    pub(super) fn sender(&self) -> Option<&Sender> {
        match &self.state {
            State::Ready(sender) => Some(sender),
            State::WithoutRegion(_) => None,
        }
    }

    /// When it is worth looking for a region again; `None`: there is one.
    pub(super) fn looks_again_at(&self, now: Instant) -> Option<Instant> {
        match self.state {
            State::Ready(_) => None,
            State::WithoutRegion(_) => now.checked_add(REGION_WAIT),
        }
    }

    /// Makes what sends once a region is known.
    pub(super) async fn connect(&mut self) {
        let State::WithoutRegion(settings) = &self.state else { return };
        let region = self.snapshot.borrow().as_ref().and_then(|snapshot| snapshot.region.clone());
        if region.is_none() {
            let may_come = self.snapshot.has_changed().is_ok() && self.snapshot.borrow().is_none();
            if !may_come && !std::mem::replace(&mut self.is_region_told, true) {
                tracing::error!(
                    "no region: nothing can be delivered; set the option region or AWS_REGION"
                );
            }
            return;
        }
        let settings = Settings { region, ..Settings::clone(settings) };
        match State::new(settings).await {
            Ok(state) => self.state = state,
            Err(error) => tracing::error!("cannot make a client: {error}"),
        }
    }
}

impl State {
    async fn new(settings: Settings) -> Result<Self, ConnectError> {
        match Sender::connect(settings.clone()).await {
            Ok(sender) => Ok(Self::Ready(sender)),
            Err(ConnectError::NoRegion) => Ok(Self::WithoutRegion(Box::new(settings))),
            Err(error) => Err(error),
        }
    }
}

fn settings(connection: Connection, keys: Option<Keys>) -> Settings {
    Settings {
        region: connection.region,
        endpoint_url: connection.endpoint.map(|endpoint| endpoint.to_string()),
        tls_verify: connection.tls_verify,
        tls_ca_file: connection.tls_ca_file,
        role_arn: connection.role_arn,
        external_id: connection.external_id,
        sts_endpoint: connection.sts_endpoint,
        profile: connection.profile,
        credentials_endpoint: connection.credentials_endpoint,
        extra_user_agent: connection.extra_user_agent,
        log_format: connection.log_format,
        keys,
        connect_timeout: CONNECT_TIMEOUT,
        attempt_timeout: ATTEMPT_TIMEOUT,
    }
}
