//! One integration test binary: it links once.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod cases;
mod forward_decode;
mod msgpack;
mod tcp_decode;
mod vectors;
