//! The HTTP clients that requests travel by: rustls with aws-lc, or plain TCP for `http` addresses.
//!
//! The usual one is the SDK's, with the proxy of the environment. Not known here: requests, regions,
//! credentials.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_cloudwatchlogs::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{HttpConnectorSettings, SharedHttpConnector};
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};

use super::unverified::Unverified;

/// A connection that was not used for this long is closed. Load balancers close at 60 s and more;
/// being first avoids sending into a connection that the other side is just closing.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(50);
/// Most connections kept for later, by each client; more are used at once if need be.
pub(super) const IDLE_CONNECTIONS_MAX: usize = 64;
/// Most bytes of a file of certificates; all public ones together take a quarter of it.
const CA_BYTES_MAX: u64 = 1_048_576;

/// Why a file of certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// It cannot be read.
    #[error("reading failed")]
    Read(#[from] io::Error),
    /// It is too long to be one.
    #[error("more than {bytes_max} bytes")]
    TooLong {
        /// Bytes that are read at most.
        bytes_max: u64,
    },
    /// It is not PEM.
    #[error("not PEM")]
    Pem(#[from] pem::Error),
    /// A certificate in it is none.
    #[error("certificate {number} cannot be parsed")]
    Certificate {
        /// Its place in the file, from 1.
        number: usize,
        /// The cause.
        source: tokio_rustls::rustls::Error,
    },
    /// There is no certificate in it.
    #[error("no certificate in it, expected -----BEGIN CERTIFICATE-----")]
    Empty,
}

/// A client that trusts the certificates of `ca_file`, or else those of the system.
pub(super) fn verified(ca_file: Option<&Path>) -> Result<Verified, (PathBuf, CaError)> {
    let trust = match ca_file {
        Some(path) => {
            let pem = read_certificates(path).map_err(|error| (path.to_owned(), error))?;
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

/// Reads and checks a file: the SDK does not look at it before the first connection, and panics then.
fn read_certificates(path: &Path) -> Result<Vec<u8>, CaError> {
    let mut pem = Vec::new();
    let read = File::open(path)?.take(CA_BYTES_MAX + 1).read_to_end(&mut pem)?;
    if u64::try_from(read).is_ok_and(|read| read > CA_BYTES_MAX) {
        return Err(CaError::TooLong { bytes_max: CA_BYTES_MAX });
    }
    let mut roots = RootCertStore::empty();
    for (index, certificate) in CertificateDer::pem_slice_iter(&pem).enumerate() {
        let number = index + 1;
        roots.add(certificate?).map_err(|source| CaError::Certificate { number, source })?;
    }
    if roots.is_empty() { Err(CaError::Empty) } else { Ok(pem) }
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn read(content: &[u8]) -> Result<Vec<u8>, CaError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        read_certificates(file.path())
    }

    #[cfg(feature = "local")]
    #[test]
    fn a_file_of_certificates_is_taken() {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let pem = made.cert.pem().repeat(2);
        assert_eq!(read(pem.as_bytes()).unwrap(), pem.as_bytes());
    }

    #[test]
    fn a_file_that_is_none_says_why() {
        let broken = b"-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
        assert!(matches!(read(b""), Err(CaError::Empty)));
        assert!(matches!(read(b"hello"), Err(CaError::Empty)));
        assert!(matches!(read(broken), Err(CaError::Certificate { number: 1, .. })));
        assert!(matches!(read(&broken[..40]), Err(CaError::Pem(_))));
        let (path, error) = verified(Some(Path::new("/nowhere/ca.pem"))).unwrap_err();
        assert!(matches!(error, CaError::Read(_)), "{path:?}");
    }

    #[test]
    fn a_file_without_end_is_not_read_to_its_end() {
        let error = read_certificates(Path::new("/dev/zero")).unwrap_err();
        assert!(matches!(error, CaError::TooLong { bytes_max: 1_048_576 }));
    }
}
