//! Around the way, handshake: who may send forward frames, by a key that both ends know.
//!
//! The server says HELO with a nonce, the client proves in PING that it has the key (and, where
//! users are named, the password of one), the server proves it in PONG; then frames follow. Neither
//! secret is ever on the wire. Pure: nonces are given, bytes go in and out. Not known here: sockets.
//!
//! Reference: Fluentd's "Forward Protocol Specification v1", "Handshake".

pub mod client;
pub mod digest;
pub mod server;
#[cfg(test)]
mod tests;

/// Bytes of a nonce, and of the salt of passwords.
pub const NONCE_BYTES: usize = 16;
