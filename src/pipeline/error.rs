//! Why a pipeline cannot be built.

use super::FilterError;
use crate::input::listener::BindError;
use crate::input::tail::offsets;
use crate::output::cloudwatch_logs::sender::ConnectError;
use crate::output::connect::ConnectError as TlsError;
use crate::output::http;
use crate::spill::{FileError, OpenError, PlaceError};

/// Why a pipeline cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An input cannot listen.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// An output's settings can never work.
    #[error("{output}: {source}")]
    Output {
        /// The instance.
        output: String,
        /// What is wrong.
        source: ConnectError,
    },
    /// An output to a web server can never work.
    #[error("{output}: {source}")]
    Http {
        /// The instance.
        output: String,
        /// What is wrong.
        source: Box<http::BuildError>,
    },
    /// The files of an output's TLS cannot be used.
    #[error("{output}: {source}")]
    Tls {
        /// The instance.
        output: String,
        /// What is wrong.
        source: Box<TlsError>,
    },
    /// The database of an input's offsets cannot be used.
    #[error("{input}: {source}")]
    Offsets {
        /// The instance.
        input: String,
        /// What is wrong.
        source: Box<offsets::OpenError>,
    },
    /// A filter's files cannot be read.
    #[error("{filter}: {source}")]
    Filter {
        /// The instance.
        filter: String,
        /// What is wrong.
        source: FilterError,
    },
    /// There is no place to keep records on disk.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// What an output has on disk cannot be used.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// What a process without `storage.path` left cannot be deleted.
    #[error(transparent)]
    Old(#[from] FileError),
    /// A thread cannot be started.
    #[error("cannot start the threads that read and deliver")]
    Runtime(#[from] std::io::Error),
}
