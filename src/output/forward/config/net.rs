//! Step 6, output `forward`: how long connections live, and how long their peers may take.

use std::net::{AddrParseError, IpAddr};
use std::time::Duration;

use crate::option::{Fault, Kind, Options, Row, Table};

/// Longest wait for an answer where `net.io_timeout` is 0. Fluent Bit waits for ever then, and a peer
/// that hangs would stop all it was sent to; fluentd waits for 190 s. A Firelane that is short of
/// memory acknowledges late, and whoever does not wait long enough sends it everything twice.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest time to connect where `net.connect_timeout` is 0.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Options of connections, beside those of [`NET_OUTPUT`](crate::option::tables::NET_OUTPUT). Of a
/// repeated one the last counts.
pub const OPTIONS: Table = &[
    Row::new("net.connect_timeout", Kind::Seconds, "Longest time to connect, TLS included")
        .or("10"),
    Row::new(
        "net.io_timeout",
        Kind::Seconds,
        "Longest time to write and wait for the answer, 0 for 60 s",
    )
    .or("0"),
    Row::new("net.keepalive", Kind::Bool, "Whether connections are used again").or("true"),
    Row::new(
        "net.keepalive_idle_timeout",
        Kind::Seconds,
        "Time an unused connection stays open, 0 to use none again",
    )
    .or("30"),
    Row::new(
        "net.keepalive_max_recycle",
        Kind::Integer { min: 0, max: 1_000_000_000 },
        "How often a connection is used again, 0 for no limit",
    )
    .or("2000"),
    Row::new("net.source_address", Kind::Text, "Address to connect from"),
];

/// How connections are kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Net {
    /// Whether a connection is used again.
    pub keepalive: bool,
    /// How long one may be unused; where that is no time, none is used again. Fluent Bit drops it
    /// at its next look then (`flb_upstream_conn_timeouts`).
    pub idle: Duration,
    /// How often one is used, at least once.
    pub uses_max: u64,
    /// Longest time to write a frame and wait for all that answers it.
    pub answer_timeout: Duration,
    /// Longest time to connect, with TLS and the handshake.
    pub connect_timeout: Duration,
    /// Address to connect from.
    pub source: Option<IpAddr>,
}

/// Not an address.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected an IP address: {0}")]
pub(super) struct NoAddress(#[from] AddrParseError);

impl Net {
    pub(super) fn from_options(options: &mut Options) -> Self {
        let source = source(options);
        let nonzero = |name: &str| options.seconds(name).filter(|time| !time.is_zero());
        let again: u64 = options.integer("net.keepalive_max_recycle").unwrap_or_default();
        Self {
            keepalive: options.bool("net.keepalive"),
            idle: options.seconds("net.keepalive_idle_timeout").unwrap_or_default(),
            uses_max: if again == 0 { u64::MAX } else { again.saturating_add(1) },
            answer_timeout: nonzero("net.io_timeout").unwrap_or(ANSWER_TIMEOUT),
            connect_timeout: nonzero("net.connect_timeout").unwrap_or(CONNECT_TIMEOUT),
            source,
        }
    }
}

fn source(options: &mut Options) -> Option<IpAddr> {
    match options.text("net.source_address")?.parse() {
        Ok(address) => Some(address),
        Err(error) => {
            options.refuse("net.source_address", Fault::invalid(NoAddress(error)));
            None
        }
    }
}
