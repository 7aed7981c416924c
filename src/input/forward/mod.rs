//! The `forward` input: Fluent Forward protocol over TCP and unix sockets.
//!
//! Source: Fluent Forward protocol v1 and v1.5,
//! <https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1.5>. A handshake with a
//! shared key would stand before the first frame, in a file of its own.

mod collect;
pub mod config;
pub mod decode;
mod entries;
pub mod error;
mod frame;
mod frame_option;
mod inflate;
mod scan;
mod time;

pub(super) use frame_option::CHUNK_ID_BYTES_MAX;
