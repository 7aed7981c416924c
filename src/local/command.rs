//! The body of `firelane local`: starts the endpoints, waits, and writes the account at the end.
//! Must not know how flags are read.

use std::io;
use std::path::PathBuf;

use crate::cli::LocalOptions;

use super::cloudwatch_logs::Keep;
use super::{Options, StartError, TlsOptions, cloudwatch_logs, start, task_metadata};

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Nothing was started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The account cannot be written.
    #[error("cannot write the account to {path}")]
    AccountFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Runs until `shutdown` is ready.
///
/// # Errors
///
/// When the endpoints cannot be started or the account cannot be written.
pub async fn run(
    options: LocalOptions,
    shutdown: impl Future<Output = ()>,
) -> Result<(), CommandError> {
    let account_file = options.account_file.clone();
    let running = start(endpoints(options)).await?;
    if let Some(url) = running.cloudwatch_logs_url() {
        tracing::info!(%url, "CloudWatch Logs endpoint listens");
    }
    if let Some(address) = running.task_metadata_address() {
        tracing::info!(url = %format_args!("http://{address}"), "task metadata endpoint listens");
    }
    shutdown.await;
    let handle = running.cloudwatch_logs().cloned();
    running.shutdown().await;
    let (Some(path), Some(handle)) = (account_file, handle) else { return Ok(()) };
    serde_json::to_vec_pretty(&handle.account())
        .map_err(io::Error::from)
        .and_then(|account| std::fs::write(&path, account))
        .map_err(|source| CommandError::AccountFile { path, source })
}

fn endpoints(options: LocalOptions) -> Options {
    let keep = Keep {
        events: options.keep_bytes_max > 0,
        bytes_max: usize::try_from(options.keep_bytes_max).unwrap_or(usize::MAX),
        sequence: options.sequence,
    };
    let cloudwatch_logs = cloudwatch_logs::Options {
        any_age: options.any_age,
        keep,
        ..cloudwatch_logs::Options::new(options.cloudwatch_logs)
    };
    let tls = TlsOptions { names: options.tls_names, ca_file: options.ca_file };
    Options {
        cloudwatch_logs: Some(cloudwatch_logs),
        tls: options.tls.then_some(tls),
        task_metadata: options.task_metadata.map(task_metadata::Options::new),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[tokio::test]
    async fn the_account_is_written_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let account_file = folder.path().join("account.json");
        let ca_file = folder.path().join("ca.pem");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let options = LocalOptions {
            cloudwatch_logs: any,
            tls: true,
            tls_names: vec!["logs.test".to_owned()],
            ca_file: Some(ca_file.clone()),
            task_metadata: Some(any),
            any_age: false,
            keep_bytes_max: 0,
            sequence: false,
            account_file: Some(account_file.clone()),
        };
        run(options, async {}).await.unwrap();
        let account: serde_json::Value =
            serde_json::from_slice(&std::fs::read(account_file).unwrap()).unwrap();
        assert_eq!(account["events"], 0);
        assert!(std::fs::read_to_string(ca_file).unwrap().contains("BEGIN CERTIFICATE"));
    }
}
