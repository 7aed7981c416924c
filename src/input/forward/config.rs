//! Step 1, input: the options of `forward`.
//!
//! Reference: Fluent Bit's manual, "Forward" input. Not known here: sockets.

use std::path::PathBuf;

use crate::option::tables::PORT;
use crate::option::{Fault, Kind, Options, Row, Table};

/// Connections that one listener keeps open at once, unless told otherwise.
pub const CONNECTIONS_MAX: usize = 10_000;

/// Where it listens. Of a repeated one the last counts.
pub const ADDRESS: Table = &[
    Row::new("listen", Kind::Text, "Address to listen on, unless unix_path is set").or("0.0.0.0"),
    Row::new("port", PORT, "TCP port to listen on, unless unix_path is set").or("24224"),
    Row::new("host", Kind::Text, "Host of the input").without_effect(),
];

/// Options of its own.
pub const OPTIONS: Table = &[
    Row::new("unix_path", Kind::Text, "Path of the unix socket to listen on, in place of TCP"),
    Row::new("unix_perm", Kind::Octal, "File mode of the unix socket"),
    Row::new("tag_prefix", Kind::Text, "Text to put before each tag"),
    Row::new("buffer_max_size", Kind::Bytes, "Largest frame, also after decompression")
        .or("6144000"),
    Row::new("buffer_chunk_size", Kind::Bytes, "Most bytes to read at once")
        .or("1024000")
        .without_effect(),
    Row::new(
        "connections_max",
        Kind::Integer { min: 1, max: 1_000_000 },
        "Most connections at once",
    )
    .or("10000"),
    Row::new(
        "shared_key",
        Kind::Secret,
        "Key of the secure-forward handshake, which is not supported",
    ),
    Row::new("empty_shared_key", Kind::Bool, "Whether to shake hands with an empty key")
        .or("false"),
    Row::new("security.users", Kind::Secret, "Users of the secure-forward handshake").many(),
    Row::new("self_hostname", Kind::Text, "Name to tell in the secure-forward handshake")
        .without_effect(),
    Row::new("workers", Kind::Text, "Threads of the input").without_effect(),
];

/// A `forward` input.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// Where peers connect.
    pub listener: Listener,
    /// Text to put before each tag that a peer sends.
    pub tag_prefix: Option<String>,
    /// Largest frame, inclusive, also after decompression.
    pub frame_bytes_max: usize,
    /// Most connections at once.
    pub connections_max: usize,
}

/// Where a `forward` input listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Listener {
    /// On a TCP port.
    Tcp {
        /// Address or host name.
        listen: String,
        /// Port; 0 lets the system choose.
        port: u16,
    },
    /// On a unix socket.
    Unix {
        /// Path of the socket.
        path: PathBuf,
        /// File mode of the socket; `None` leaves it to the umask.
        mode: Option<u32>,
    },
}

/// Why the options cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// A shared key, or users.
    #[error("the secure-forward handshake is not supported by this version of Firelane")]
    Handshake,
    /// A size of nothing.
    #[error("expected a size of at least 1 byte")]
    ZeroBytes,
}

impl Config {
    /// Reads the options; `None` after a problem was reported.
    pub fn from_options(options: &mut Options) -> Option<Self> {
        for name in ["shared_key", "security.users", "empty_shared_key"] {
            if options.is_set(name) && (name != "empty_shared_key" || options.bool(name)) {
                options.refuse(name, Fault::invalid(Refusal::Handshake));
            }
        }
        let listener = match options.text("unix_path") {
            Some(path) => {
                Listener::Unix { path: PathBuf::from(path), mode: options.integer("unix_perm") }
            }
            None => {
                Listener::Tcp { listen: options.text("listen")?, port: options.integer("port")? }
            }
        };
        let frame_bytes_max = size(options, "buffer_max_size");
        let config = Self {
            listener,
            tag_prefix: options.text("tag_prefix"),
            frame_bytes_max: frame_bytes_max?,
            connections_max: options.integer("connections_max").unwrap_or(CONNECTIONS_MAX),
        };
        (!options.is_refused()).then_some(config)
    }
}

fn size(options: &mut Options, name: &str) -> Option<usize> {
    let bytes = options.bytes(name).and_then(|bytes| usize::try_from(bytes).ok());
    if bytes == Some(0) {
        options.refuse(name, Fault::invalid(Refusal::ZeroBytes));
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::{Policy, first_bad_row, section};

    fn read(lines: &[(&str, &str)]) -> Result<Config, String> {
        let mut options = Options::read(section(lines), OPTIONS, &[ADDRESS], Policy::Plugin);
        let config = Config::from_options(&mut options);
        let problems = options.into_report().problems;
        config.ok_or_else(|| problems.iter().map(|problem| problem.fault.to_string()).collect())
    }

    #[test]
    fn every_row_has_a_sentence_and_a_default_that_parses() {
        assert_eq!(first_bad_row(&[OPTIONS, ADDRESS]), None);
    }

    #[test]
    fn without_options_it_listens_on_24224() {
        let listener = Listener::Tcp { listen: "0.0.0.0".to_owned(), port: 24_224 };
        let expected = Config {
            listener,
            tag_prefix: None,
            frame_bytes_max: 6_144_000,
            connections_max: 10_000,
        };
        assert_eq!(read(&[]), Ok(expected));
    }

    #[test]
    fn a_unix_path_takes_the_place_of_tcp() {
        let config =
            read(&[("unix_path", "/run/f.sock"), ("Unix_Perm", "0660"), ("Port", "1")]).unwrap();
        let expected = Listener::Unix { path: PathBuf::from("/run/f.sock"), mode: Some(0o660) };
        assert_eq!(config.listener, expected);
    }

    #[test]
    fn the_handshake_is_refused_and_its_absence_is_not() {
        let refusal = "the secure-forward handshake is not supported by this version of Firelane";
        for (key, value) in
            [("shared_key", "x"), ("security.users", "a b"), ("empty_shared_key", "on")]
        {
            assert_eq!(read(&[(key, value)]), Err(refusal.to_owned()), "{key}");
        }
        assert!(read(&[("empty_shared_key", "off"), ("self_hostname", "x")]).is_ok());
    }

    #[test]
    fn a_frame_has_at_least_a_byte() {
        assert_eq!(read(&[("buffer_max_size", "1")]).unwrap().frame_bytes_max, 1);
        assert!(read(&[("buffer_max_size", "0")]).is_err());
    }
}
