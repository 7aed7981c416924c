//! Around the way, tls: the `tls.*` options of a section → the configurations that connections use.
//!
//! [`ServerSettings`] is for inputs that listen, [`ClientSettings`] for outputs that connect. Both
//! are read from options without a look at any file; `config` reads the files, once, and checks all
//! of it, so that a wrong certificate is an error at the start and not at the first peer. Not known
//! here: sockets, and what is sent over them.

mod client;
pub mod files;
mod options;
mod server;
#[cfg(feature = "local")]
#[cfg(test)]
mod tests;
mod version;

use std::error::Error as _;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::rustls;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};

pub use client::{AnyCertificate, ClientSettings};
pub use files::FileError;
pub use options::{CLIENT_OPTIONS, Identity, SERVER_OPTIONS};
pub use server::ServerSettings;
pub use version::Versions;

/// Why TLS cannot be spoken as the options say.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that an option names cannot be used.
    #[error("cannot use {}: {}", path.display(), Causes(why))]
    File {
        /// The option.
        option: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why; part of the text, because options' problems show one text.
        why: FileError,
    },
    /// Certificate and key cannot be used together.
    #[error(
        "the key in {} is not that of the certificate in {} ({source}); name the two that were made together",
        key.display(), certificate.display()
    )]
    Pair {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What the library says.
        source: rustls::Error,
    },
    /// Nothing to trust.
    #[error("no certificate authorities on this system; name a file of them with tls.ca_file")]
    NoAuthorities,
    /// A name that no server can have.
    #[error("{name:?} is neither a host name nor an address; name the server with tls.vhost")]
    Name {
        /// The name.
        name: String,
    },
    /// What the TLS library refuses.
    #[error("the TLS library refuses this configuration: {0}")]
    Library(#[from] rustls::Error),
    /// What the TLS library refuses about how peers are checked.
    #[error("the TLS library cannot check certificates by these authorities: {0}")]
    Verifier(#[from] rustls::client::VerifierBuilderError),
}

impl TlsError {
    /// The option to look at first.
    #[must_use]
    pub fn option(&self) -> &'static str {
        match self {
            Self::File { option, .. } => option,
            Self::Pair { .. } => "tls.key_file",
            Self::NoAuthorities | Self::Verifier(_) => "tls.ca_file",
            Self::Name { .. } => "tls.vhost",
            Self::Library(_) => "tls",
        }
    }
}

/// Bytes that nobody can guess.
///
/// # Errors
///
/// The system has none.
pub fn random<const BYTES: usize>() -> Result<[u8; BYTES], TlsError> {
    let mut bytes = [0; BYTES];
    let filled = provider().secure_random.fill(&mut bytes);
    filled.map_err(|_| rustls::Error::FailedToGetRandomBytes)?;
    Ok(bytes)
}

/// An error with all that led to it.
struct Causes<'a>(&'a FileError);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// The one implementation of the algorithms.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
