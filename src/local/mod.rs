//! The local endpoints of `firelane demo`, docker-compose and the tests: a strict CloudWatch Logs
//! and an ECS task metadata endpoint.
//!
//! `cloudwatch_logs` and `task_metadata` are the two endpoints, `command` the body of
//! `firelane local`; `listen` and `tls` carry both. Nothing in here may use the rest of the product,
//! besides `clock`: an endpoint that shares code with the sender would not notice its mistakes.

mod answer;
pub mod cloudwatch_logs;
pub mod command;
mod date;
mod listen;
pub mod task_metadata;
pub mod tls;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use listen::{Listening, listen};

/// What to start.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The CloudWatch Logs endpoint.
    pub cloudwatch_logs: Option<cloudwatch_logs::Options>,
    /// TLS for the CloudWatch Logs endpoint.
    pub tls: Option<TlsOptions>,
    /// The task metadata endpoint; always without TLS, as on ECS.
    pub task_metadata: Option<task_metadata::Options>,
}

/// How the certificate is made.
#[derive(Clone, Debug, Default)]
pub struct TlsOptions {
    /// DNS names and IP addresses besides [`tls::NAMES`].
    pub names: Vec<String>,
    /// Where to write the certificate of the authority, PEM.
    pub ca_file: Option<PathBuf>,
}

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be bound.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// No certificate could be made.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    /// The certificate of the authority cannot be written.
    #[error("cannot write the certificate of the authority to {path}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The fault plan has a number out of its range.
    #[error(transparent)]
    Faults(#[from] cloudwatch_logs::FaultPlanError),
}

/// Endpoints at work. Dropping it stops them.
#[derive(Debug)]
pub struct Running {
    cloudwatch_logs: Option<(Listening, cloudwatch_logs::Handle)>,
    task_metadata: Option<(Listening, task_metadata::Handle)>,
    ca_pem: Option<String>,
    ca_file: Option<PathBuf>,
}

/// Starts what `options` asks for. Must be called within a tokio runtime with time and I/O.
///
/// # Errors
///
/// When an address cannot be bound, or the certificate cannot be made or written. Nothing is left
/// running then.
pub async fn start(options: Options) -> Result<Running, StartError> {
    let identity = match &options.tls {
        Some(tls) => Some(tls::identity(&tls.names)?),
        None => None,
    };
    let ca_file = options.tls.and_then(|tls| tls.ca_file);
    if let (Some(identity), Some(path)) = (&identity, &ca_file) {
        std::fs::write(path, &identity.ca_pem)
            .map_err(|source| StartError::CaFile { path: path.clone(), source })?;
    }
    let (server, ca_pem) = identity.map(|identity| (identity.server, identity.ca_pem)).unzip();
    let failed = |address| move |source| StartError::Listen { address, source };
    let cloudwatch_logs = match options.cloudwatch_logs {
        Some(options) => {
            let address = options.address;
            let (responder, handle) = cloudwatch_logs::build(options)?;
            let listening = listen(address, server, responder).await.map_err(failed(address))?;
            Some((listening, handle))
        }
        None => None,
    };
    let task_metadata = match options.task_metadata {
        Some(options) => {
            let address = options.address;
            let (responder, handle) = task_metadata::build(options);
            let listening = listen(address, None, responder).await.map_err(failed(address))?;
            Some((listening, handle))
        }
        None => None,
    };
    Ok(Running { cloudwatch_logs, task_metadata, ca_pem, ca_file })
}

impl Running {
    /// Where the CloudWatch Logs endpoint listens, with the real port.
    #[must_use]
    pub fn cloudwatch_logs_address(&self) -> Option<SocketAddr> {
        self.cloudwatch_logs.as_ref().map(|(listening, _)| listening.address())
    }

    /// Where the task metadata endpoint listens, with the real port.
    #[must_use]
    pub fn task_metadata_address(&self) -> Option<SocketAddr> {
        self.task_metadata.as_ref().map(|(listening, _)| listening.address())
    }

    /// The endpoint's URL, as an option `endpoint` takes it.
    #[must_use]
    pub fn cloudwatch_logs_url(&self) -> Option<String> {
        let scheme = if self.ca_pem.is_some() { "https" } else { "http" };
        self.cloudwatch_logs_address().map(|address| format!("{scheme}://{address}"))
    }

    /// Account and faults of the CloudWatch Logs endpoint.
    #[must_use]
    pub fn cloudwatch_logs(&self) -> Option<&cloudwatch_logs::Handle> {
        self.cloudwatch_logs.as_ref().map(|(_, handle)| handle)
    }

    /// Containers and faults of the task metadata endpoint.
    #[must_use]
    pub fn task_metadata(&self) -> Option<&task_metadata::Handle> {
        self.task_metadata.as_ref().map(|(_, handle)| handle)
    }

    /// The certificate of the authority, PEM; `None` without TLS.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Where the certificate of the authority was written.
    #[must_use]
    pub fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }

    /// Stops listening and ends all connections.
    pub async fn shutdown(self) {
        if let Some((listening, _)) = self.cloudwatch_logs {
            listening.shutdown().await;
        }
        if let Some((listening, _)) = self.task_metadata {
            listening.shutdown().await;
        }
    }
}

#[cfg(test)]
mod tests;
