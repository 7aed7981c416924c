//! The HTTP clients that requests travel by: rustls with aws-lc, or plain TCP for `http` addresses.
//!
//! The usual one is the SDK's, with the proxy of the environment. Not known here: requests, regions,
//! credentials.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_cloudwatchlogs::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{HttpConnectorSettings, SharedHttpConnector};

use super::unverified::Unverified;
use crate::tls::files::{FileError, read_authorities};

/// A connection that was not used for this long is closed. Load balancers close at 60 s and more;
/// being first avoids sending into a connection that the other side is just closing.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(50);
/// Most connections kept for later, by each client; more are used at once if need be.
pub(super) const IDLE_CONNECTIONS_MAX: usize = 64;

/// A client that trusts the certificates of `ca_file`, or else those of the system.
pub(super) fn verified(ca_file: Option<&Path>) -> Result<Verified, (PathBuf, FileError)> {
    let trust = match ca_file {
        Some(path) => {
            // The SDK does not look at it before the first connection, and panics then.
            let pem = read_authorities(path).map_err(|error| (path.to_owned(), error))?;
            TrustStore::empty().with_pem_certificate(pem)
        }
        None => TrustStore::default(),
    };
    Ok(Verified { trust: Arc::new(trust), connectors: Arc::default() })
}

/// A client that takes any certificate.
pub(super) fn unverified(connect_timeout: Duration) -> SharedHttpClient {
    SharedHttpClient::new(Unverified::new(connect_timeout))
}

/// The SDK's client, with a trust store of its own. Clones share their connections.
#[derive(Clone, Debug)]
pub(super) struct Verified {
    trust: Arc<TrustStore>,
    /// One for each combination of time-outs; the SDK uses three or four.
    connectors: Arc<Mutex<Vec<(Timeouts, SharedHttpConnector)>>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Timeouts {
    connect: Option<Duration>,
    read: Option<Duration>,
}

impl Verified {
    /// Starts to load the certificates where it holds nobody up: reading and parsing those of the
    /// system takes longer than starting up may.
    pub(super) fn preload(&self, connect_timeout: Duration) {
        let client = self.clone();
        let settings = HttpConnectorSettings::builder().connect_timeout(connect_timeout).build();
        // Nobody waits for the end: the first call does, if it comes earlier.
        drop(tokio::task::spawn_blocking(move || client.connector(&settings)));
    }

    /// One that is already made for these time-outs, or a new one.
    pub(super) fn connector(&self, settings: &HttpConnectorSettings) -> SharedHttpConnector {
        let wanted =
            Timeouts { connect: settings.connect_timeout(), read: settings.read_timeout() };
        let mut connectors = self.connectors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, connector)) = connectors.iter().find(|(made, _)| *made == wanted) {
            return connector.clone();
        }
        let connector = SharedHttpConnector::new(self.build(settings));
        connectors.push((wanted, connector.clone()));
        connector
    }

    #[expect(clippy::expect_used, reason = "a context of nothing but a trust store always builds")]
    fn build(&self, settings: &HttpConnectorSettings) -> Connector {
        let trust = TrustStore::clone(&self.trust);
        let context = TlsContext::builder().with_trust_store(trust).build();
        Connector::builder()
            .connector_settings(settings.clone())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .proxy_config(ProxyConfig::from_env())
            .tls_provider(Provider::rustls(CryptoMode::AwsLc))
            .tls_context(context.expect("a trust store is a valid context"))
            .build()
    }
}

impl HttpClient for Verified {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.connector(settings)
    }
}
