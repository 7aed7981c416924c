//! Around the way, tls: how an output speaks TLS with those it connects to.
//!
//! Not known here: sockets, and the host to connect to.

use std::sync::Arc;

use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::client::{WebPkiServerVerifier, verify_server_name};
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::options::{Authorities, Identity};
use super::version::Versions;
use super::{TlsError, files, provider};
use crate::option::{Fault, Options};

/// What the options of an output say about TLS.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientSettings {
    check: Check,
    identity: Option<Identity>,
    vhost: Option<String>,
    versions: Versions,
}

/// What the server must prove.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Check {
    /// Nothing.
    Nothing,
    /// That an authority knows it.
    Chain(Authorities),
    /// That an authority knows it by the name it was asked for.
    Name(Authorities),
}

impl ClientSettings {
    /// Reads the options. `Some(None)`: TLS is off. `None`: a problem was reported.
    pub fn from_options(options: &mut Options) -> Option<Option<Self>> {
        if !options.bool("tls") {
            return Some(None);
        }
        let settings = Self {
            check: Check::from_options(options),
            identity: Identity::from_options(options),
            vhost: options.text("tls.vhost"),
            versions: Versions::from_options(options),
        };
        (!options.is_refused()).then_some(Some(settings))
    }

    /// Reads the files, so that what is wrong with them is a problem of the options.
    pub fn verify(&self, options: &mut Options) {
        if let Err(error) = self.config() {
            options.refuse(error.option(), Fault::invalid(error));
        }
    }

    /// The name to ask a server for, and to check it by: `tls.vhost`, else `host`.
    ///
    /// # Errors
    ///
    /// [`TlsError::Name`], if that is no name.
    pub fn server_name(&self, host: &str) -> Result<ServerName<'static>, TlsError> {
        let name = self.vhost.as_deref().unwrap_or(host).to_owned();
        ServerName::try_from(name.clone()).map_err(|_| TlsError::Name { name })
    }

    /// Reads the files and makes what connections share. Where no authorities are named those of
    /// the system are read, which takes a while.
    ///
    /// # Errors
    ///
    /// [`TlsError`] names the file, and what to do.
    pub fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let provider = provider();
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(self.versions.supported())?;
        let verifier: Arc<dyn ServerCertVerifier> = match &self.check {
            Check::Nothing => Arc::new(AnyCertificate::new(provider)),
            Check::Chain(authorities) => Arc::new(Verifier::new(authorities, false, provider)?),
            Check::Name(authorities) => Arc::new(Verifier::new(authorities, true, provider)?),
        };
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        Ok(Arc::new(match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let (chain, key) = files::identity(identity)?;
                builder.with_client_auth_cert(chain, key)?
            }
        }))
    }
}

impl Check {
    fn from_options(options: &Options) -> Self {
        let authorities = Authorities::from_options(options);
        // Fluent Bit checks no name unless told to. Whoever names authorities may count on that;
        // those of the system vouch for everybody, of whom the name has to tell one.
        let is_named = match options.is_set("tls.verify_hostname") {
            true => options.bool("tls.verify_hostname"),
            false => authorities.is_none(),
        };
        match (options.bool("tls.verify"), is_named) {
            (false, _) => Self::Nothing,
            (true, false) => Self::Chain(authorities),
            (true, true) => Self::Name(authorities),
        }
    }
}

/// What the TLS library says of a certificate that may sign others, where a server shows it as its
/// own. Of all there is to check only the time comes before that.
const SHOWN_AUTHORITY: &str = "CaUsedAsEndEntity";

/// Takes certificates of the authorities, and those of the authorities that options name: who has
/// the key of one of these could give itself any other. `openssl req -x509` makes such a certificate,
/// and OpenSSL takes it.
#[derive(Debug)]
struct Verifier {
    chain: Arc<WebPkiServerVerifier>,
    named: RootCertStore,
    checks_name: bool,
}

impl Verifier {
    fn new(
        authorities: &Authorities,
        checks_name: bool,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        let roots = Arc::new(roots(authorities)?);
        let named = if authorities.is_none() { RootCertStore::empty() } else { (*roots).clone() };
        let chain = WebPkiServerVerifier::builder_with_provider(roots, provider).build()?;
        Ok(Self { chain, named, checks_name })
    }

    /// Whether it is one of the authorities that options name, by its name and key.
    fn is_named(&self, certificate: &CertificateDer<'_>) -> bool {
        let mut shown = RootCertStore::empty();
        shown.add(certificate.clone().into_owned()).is_ok()
            && shown.roots.iter().all(|shown| self.named.roots.contains(shown))
    }
}

fn roots(authorities: &Authorities) -> Result<RootCertStore, TlsError> {
    let roots = if authorities.is_none() {
        let mut roots = RootCertStore::empty();
        // What of the system cannot be read does not keep the rest from being trusted.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots
    } else {
        files::authorities(authorities)?
    };
    if roots.is_empty() {
        return Err(TlsError::NoAuthorities);
    }
    Ok(roots)
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let (chain, name) = (&self.chain, server_name);
        let found = chain.verify_server_cert(end_entity, intermediates, name, ocsp_response, now);
        match found {
            // The name is looked at last: whoever fails there has passed all else.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.checks_name => Ok(ServerCertVerified::assertion()),
            Err(Error::InvalidCertificate(CertificateError::Other(error)))
                if error.to_string() == SHOWN_AUTHORITY && self.is_named(end_entity) =>
            {
                if self.checks_name {
                    verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
                }
                Ok(ServerCertVerified::assertion())
            }
            found => found,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// Takes every certificate and every signature made with it, for `tls.verify off`.
#[derive(Debug)]
pub struct AnyCertificate(Arc<CryptoProvider>);

impl AnyCertificate {
    /// Offers the signatures that the provider knows.
    #[must_use]
    pub const fn new(provider: Arc<CryptoProvider>) -> Self {
        Self(provider)
    }
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
