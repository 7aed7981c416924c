//! Around the way, tls: how an output speaks TLS with those it connects to.
//!
//! Not known here: sockets, and the host to connect to.

use std::sync::Arc;

use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
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
            Check::Chain(authorities) => Arc::new(AnyName(verifier(authorities, provider)?)),
            Check::Name(authorities) => verifier(authorities, provider)?,
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

fn verifier(
    authorities: &Authorities,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
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
    Ok(WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?)
}

/// Takes certificates of the authorities for any name.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let found =
            self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        // The name is looked at last: whoever fails there has passed all else.
        match found {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            found => found,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
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
