//! Around the way, tls: how an input speaks TLS with those who connect.
//!
//! Not known here: sockets.

use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::server::WebPkiClientVerifier;

use super::options::{Authorities, Identity};
use super::version::Versions;
use super::{TlsError, files, provider};
use crate::option::{Fault, Options, Remark};

/// What the options of an input say about TLS.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerSettings {
    identity: Identity,
    clients: Clients,
    versions: Versions,
}

/// What is asked of peers.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Clients {
    /// Nothing.
    Anybody,
    /// A certificate of these, if they show one.
    MayShow(Authorities),
    /// A certificate of these.
    MustShow(Authorities),
}

impl ServerSettings {
    /// Reads the options. `Some(None)`: TLS is off. `None`: a problem was reported.
    pub fn from_options(options: &mut Options) -> Option<Option<Self>> {
        if !options.bool("tls") {
            return Some(None);
        }
        let identity = Identity::from_options(options);
        if identity.is_none() && !options.is_set("tls.crt_file") && !options.is_set("tls.key_file")
        {
            options.refuse("tls", Fault::Missing("tls.crt_file and tls.key_file"));
        }
        let (clients, versions) = (Clients::from_options(options), Versions::from_options(options));
        if options.is_refused() {
            return None;
        }
        Some(Some(Self { identity: identity?, clients, versions }))
    }

    /// Reads the files, so that what is wrong with them is a problem of the options.
    pub fn verify(&self, options: &mut Options) {
        if let Err(error) = self.config() {
            options.refuse(error.option(), Fault::invalid(error));
        }
    }

    /// Reads the files and makes what connections share.
    ///
    /// # Errors
    ///
    /// [`TlsError`] names the file, and what to do.
    pub fn config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let (chain, key) = files::identity(&self.identity)?;
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(self.versions.supported())?;
        let verifier = |authorities: &Authorities| {
            let roots = Arc::new(files::authorities(authorities)?);
            Ok::<_, TlsError>(WebPkiClientVerifier::builder_with_provider(roots, provider()))
        };
        let builder = match &self.clients {
            Clients::Anybody => builder.with_no_client_auth(),
            Clients::MayShow(authorities) => {
                let verifier = verifier(authorities)?.allow_unauthenticated().build()?;
                builder.with_client_cert_verifier(verifier)
            }
            Clients::MustShow(authorities) => {
                builder.with_client_cert_verifier(verifier(authorities)?.build()?)
            }
        };
        Ok(Arc::new(builder.with_single_cert(chain, key)?))
    }
}

impl Clients {
    fn from_options(options: &mut Options) -> Self {
        let authorities = Authorities::from_options(options);
        let is_asked = options.bool("tls.verify_client_cert");
        if options.bool("tls.verify_hostname") {
            if is_asked {
                options.refuse("tls.verify_hostname", Fault::UnsupportedOption);
            } else {
                options.remark("tls.verify_hostname", Remark::NoEffect);
            }
        }
        match (is_asked, authorities.is_none()) {
            (true, true) => {
                let missing = Fault::Missing("tls.ca_file or tls.ca_path");
                options.refuse("tls.verify_client_cert", missing);
                Self::Anybody
            }
            (true, false) => Self::MustShow(authorities),
            (false, false) if options.bool("tls.verify") => Self::MayShow(authorities),
            (false, _) => Self::Anybody,
        }
    }
}
