//! Around the way, tls: the options of connections that may be encrypted.
//!
//! Reference: Fluent Bit's manual, "Transport Security". Not known here: what is in the files.

use std::fmt;
use std::path::PathBuf;

use super::version::VERSION;
use crate::option::{Fault, Kind, Options, Row, Table};

/// TLS of outputs that connect in the clear unless told otherwise.
pub const CLIENT_OPTIONS: Table = &[
    Row::new("tls", Kind::Bool, "Whether to encrypt").or("off"),
    Row::new("tls.verify", Kind::Bool, "Whether the server must prove who it is").or("on"),
    Row::new(
        "tls.verify_hostname",
        Kind::Bool,
        "Whether the server's certificate must be for the name asked for; if not set: where the system's authorities are trusted, and not where tls.ca_file or tls.ca_path names some",
    ),
    Row::new("tls.ca_file", Kind::Text, "PEM file of the authorities to trust"),
    Row::new("tls.ca_path", Kind::Text, "Folder of PEM files of the authorities to trust"),
    Row::new("tls.crt_file", Kind::Text, "PEM file of the certificate to show to servers"),
    Row::new("tls.key_file", Kind::Text, "PEM file of that certificate's key"),
    Row::new("tls.key_passwd", Kind::Secret, "Password of the key"),
    Row::new("tls.vhost", Kind::Text, "Name to ask the server for, in place of the host"),
    Row::new("tls.min_version", VERSION, "Oldest version of TLS, at least TLSv1.2"),
    Row::new("tls.max_version", VERSION, "Newest version of TLS, at least TLSv1.2"),
    Row::new("tls.ciphers", Kind::Text, "Ciphers to offer; only safe ones are").without_effect(),
    Row::new("tls.debug", Kind::Text, "How much of TLS to log").without_effect(),
];

/// TLS of inputs that listen.
pub const SERVER_OPTIONS: Table = &[
    Row::new("tls", Kind::Bool, "Whether peers must use TLS").or("off"),
    Row::new("tls.crt_file", Kind::Text, "PEM file of the certificate, and those that lead to it"),
    Row::new("tls.key_file", Kind::Text, "PEM file of the certificate's key"),
    Row::new("tls.key_passwd", Kind::Secret, "Password of the key"),
    Row::new("tls.verify_client_cert", Kind::Bool, "Whether peers must show a trusted certificate")
        .or("off"),
    Row::new("tls.ca_file", Kind::Text, "PEM file of the authorities whose peers are trusted"),
    Row::new("tls.ca_path", Kind::Text, "Folder of PEM files of such authorities"),
    Row::new(
        "tls.verify",
        Kind::Bool,
        "Whether a certificate that a peer shows must be of tls.ca_file or tls.ca_path",
    )
    .or("on"),
    Row::new(
        "tls.verify_hostname",
        Kind::Bool,
        "Whether to check a peer's name, which is not done",
    )
    .or("off"),
    Row::new("tls.vhost", Kind::Text, "Name to check a peer by").without_effect(),
    Row::new("tls.min_version", VERSION, "Oldest version of TLS, at least TLSv1.2"),
    Row::new("tls.max_version", VERSION, "Newest version of TLS, at least TLSv1.2"),
    Row::new("tls.ciphers", Kind::Text, "Ciphers to take; only safe ones are").without_effect(),
    Row::new("tls.debug", Kind::Text, "How much of TLS to log").without_effect(),
];

/// Who we are: a certificate and its key.
#[derive(Clone, Eq, PartialEq)]
pub struct Identity {
    /// PEM file of the certificate and those that lead to it, the own one first.
    pub crt_file: PathBuf,
    /// PEM file of its key.
    pub key_file: PathBuf,
    /// What the key is encrypted with.
    pub key_passwd: Option<String>,
}

impl Identity {
    /// The identity, if one is named; one half of it is a problem.
    pub(super) fn from_options(options: &mut Options) -> Option<Self> {
        let (crt_file, key_file) = (options.text("tls.crt_file"), options.text("tls.key_file"));
        match (crt_file, key_file) {
            (Some(crt_file), Some(key_file)) => Some(Self {
                crt_file: PathBuf::from(crt_file),
                key_file: PathBuf::from(key_file),
                key_passwd: options.text("tls.key_passwd"),
            }),
            (Some(_), None) => {
                options.refuse("tls.crt_file", Fault::Missing("tls.key_file"));
                None
            }
            (None, Some(_)) => {
                options.refuse("tls.key_file", Fault::Missing("tls.crt_file"));
                None
            }
            (None, None) => None,
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = (&self.crt_file, &self.key_file);
        f.debug_tuple("Identity").field(&files).finish_non_exhaustive()
    }
}

/// Where the authorities to trust are.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Authorities {
    pub(super) file: Option<PathBuf>,
    pub(super) folder: Option<PathBuf>,
}

impl Authorities {
    pub(super) fn from_options(options: &Options) -> Self {
        let path = |name| options.text(name).map(PathBuf::from);
        Self { file: path("tls.ca_file"), folder: path("tls.ca_path") }
    }

    pub(super) fn is_none(&self) -> bool {
        self.file.is_none() && self.folder.is_none()
    }
}
