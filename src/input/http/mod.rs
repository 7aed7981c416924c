//! The `http` input: requests whose bodies are records, as Fluent Bit's `in_http` takes them, and
//! fluentd's `in_http` where the two agree.
//!
//! A request is taken in as a whole or not at all: its answer is sent when all its records are in
//! the ledger, and where there is no room for all of them in time, none is kept. So whoever sends
//! it again makes no double. Served by hyper; what decides is pure.

mod answer;
mod body;
pub mod config;
pub mod connection;
mod content;
mod paid;
mod params;
mod pulse;
mod request;
mod stream;
mod tag;
mod tagged;
mod warnings;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{HeaderName, HeaderValue};

pub use warnings::Warnings;

use crate::record::accessor::Accessor;
use crate::record::tag::Tag;

/// How long a request waits for memory, in all: far below the minute after which load balancers
/// give up, so that it is us who answer.
pub const PRESSURE_WAIT: Duration = Duration::from_secs(5);

/// How long a request waits for its records to be on disk, where they are to be: below the minute
/// after which load balancers give up.
pub const STORED_WAIT: Duration = Duration::from_secs(30);

/// What a connection needs to know of its input.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The tag of requests to the path `/`.
    pub tag: Tag,
    /// Where a record holds a tag of its own.
    pub tag_key: Option<Accessor>,
    /// The key under which the address in `X-Forwarded-For` is added.
    pub remote_addr_key: Option<Bytes>,
    /// The status of a request that was taken in.
    pub success: u16,
    /// Headers of its answer.
    pub success_headers: Vec<(HeaderName, HeaderValue)>,
    /// Whether `GET /health` is answered.
    pub has_health: bool,
    /// Whether HTTP/2 is spoken.
    pub has_http2: bool,
    /// Most bytes of a body as it is sent, inclusive.
    pub body_bytes_max: usize,
    /// How long a connection, or a body on its way, may be silent; `None`: for ever.
    pub idle: Option<Duration>,
    /// How long a request waits for memory.
    pub pressure_wait: Duration,
    /// How long it waits for its records to be stored.
    pub stored_wait: Duration,
    /// When a refusal was written to the log.
    pub warnings: Arc<Warnings>,
}

impl Settings {
    /// What the options say, for records with this tag unless they say another.
    #[must_use]
    pub fn new(config: config::Config, tag: Tag) -> Self {
        Self {
            tag,
            tag_key: config.tag_key,
            remote_addr_key: config.remote_addr_key.map(Bytes::from),
            success: config.success,
            success_headers: config.success_headers,
            has_health: config.has_health,
            has_http2: config.has_http2,
            body_bytes_max: config.body_bytes_max,
            idle: [config.idle, config.admission.io_timeout].into_iter().flatten().min(),
            pressure_wait: PRESSURE_WAIT,
            stored_wait: STORED_WAIT,
            warnings: Arc::default(),
        }
    }

    /// The versions that are spoken, as TLS names them (RFC 7301, RFC 9113 section 3.1).
    #[must_use]
    pub fn alpn(&self) -> Vec<Vec<u8>> {
        let http2 = self.has_http2.then(|| b"h2".to_vec());
        http2.into_iter().chain([b"http/1.1".to_vec()]).collect()
    }
}

#[cfg(test)]
mod tests;
