//! One integration test binary: it links once.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod aggregator;
mod cases;
mod check;
mod command_line;
mod destinations;
mod embedded;
mod exec;
mod faults;
mod files;
mod filters;
mod fleet;
#[path = "../../benches/fleet/simulation.rs"]
mod fleet_simulation;
mod forward_decode;
mod handshake_vectors;
mod http;
mod http_vectors;
mod metadata;
mod monitoring;
mod msgpack;
mod options;
mod own_metrics;
mod pressure;
mod printing;
mod process;
mod rig;
mod shipped;
mod sockets;
mod tail;
mod targets;
mod tcp_decode;
mod tidy;
mod tls;
mod vectors;
