//! Step 1, input: the options of `forward`.
//!
//! Reference: Fluent Bit's manual, "Forward" input. Not known here: sockets.

use std::path::PathBuf;

use crate::handshake::server::{Settings, User};
use crate::input::admission;
use crate::option::tables::PORT;
use crate::option::{Fault, Kind, Options, Remark, Row, Table};

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
        "Key that peers must know, by the secure-forward handshake",
    ),
    Row::new(
        "empty_shared_key",
        Kind::Bool,
        "Whether to shake hands with an empty key, in place of shared_key",
    )
    .or("false"),
    Row::new(
        "security.users",
        Kind::Secret,
        "User and password, with a space between, of whom one must come with the handshake",
    )
    .many(),
    Row::new("self_hostname", Kind::Text, "Name to tell in the handshake; peers' must be others")
        .or("localhost"),
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
    /// What peers have to know.
    pub handshake: Option<Settings>,
    /// How peers are let in.
    pub admission: admission::Config,
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
    /// Users whom nobody would ask.
    #[error("expected shared_key or empty_shared_key as well: without one there is no handshake")]
    NoKey,
    /// A user without a password.
    #[error("expected a user, a space and the password")]
    NoPassword,
    /// A size of nothing.
    #[error("expected a size of at least 1 byte")]
    ZeroBytes,
}

/// What to know about options that can be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Advice {
    /// TLS on a unix socket.
    #[error("has no effect on a unix socket, which stays within this machine")]
    TlsOnUnix,
}

impl Config {
    /// Reads the options; `None` after a problem was reported.
    pub fn from_options(options: &mut Options) -> Option<Self> {
        let listener = match options.text("unix_path") {
            Some(path) => {
                Listener::Unix { path: PathBuf::from(path), mode: options.integer("unix_perm") }
            }
            None => {
                Listener::Tcp { listen: options.text("listen")?, port: options.integer("port")? }
            }
        };
        let admission = match &listener {
            Listener::Tcp { .. } => admission::Config::from_options(options),
            Listener::Unix { .. } => {
                if options.bool("tls") {
                    options.remark("tls", Remark::plugin(Advice::TlsOnUnix));
                }
                admission::Config::in_the_clear(options)
            }
        };
        let frame_bytes_max = size(options, "buffer_max_size");
        let handshake = handshake(options);
        let config = Self {
            listener,
            tag_prefix: options.text("tag_prefix"),
            frame_bytes_max: frame_bytes_max?,
            connections_max: options.integer("connections_max").unwrap_or(CONNECTIONS_MAX),
            handshake,
            admission: admission?,
        };
        (!options.is_refused()).then_some(config)
    }
}

/// What peers have to know, if anything; problems are reported.
fn handshake(options: &mut Options) -> Option<Settings> {
    let mut users = Vec::new();
    for setting in options.all("security.users") {
        match setting.value.split_once(' ') {
            Some((name, password)) => {
                users.push(User { name: name.to_owned(), password: password.to_owned() });
            }
            None => options.refuse("security.users", Fault::invalid(Refusal::NoPassword)),
        }
    }
    let is_empty = options.bool("empty_shared_key");
    let key = if is_empty { Some(String::new()) } else { options.text("shared_key") };
    let Some(shared_key) = key else {
        if options.is_set("security.users") {
            options.refuse("security.users", Fault::invalid(Refusal::NoKey));
        }
        return None;
    };
    let hostname = options.text("self_hostname").unwrap_or_default();
    Some(Settings { shared_key, hostname, users })
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
    use crate::tls::SERVER_OPTIONS;

    fn read(lines: &[(&str, &str)]) -> Result<Config, String> {
        let shared = &[ADDRESS, admission::OPTIONS, SERVER_OPTIONS];
        let mut options = Options::read(section(lines), OPTIONS, shared, Policy::Plugin);
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
            handshake: None,
            admission: read(&[("port", "1")]).unwrap().admission,
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

    fn user(name: &str, password: &str) -> User {
        User { name: name.to_owned(), password: password.to_owned() }
    }

    #[test]
    fn a_key_asks_for_a_handshake_with_those_users_if_there_are_any() {
        let handshake = |lines: &[_]| read(lines).unwrap().handshake;
        let settings = |shared_key: &str, hostname: &str, users: &[User]| {
            let (shared_key, hostname) = (shared_key.to_owned(), hostname.to_owned());
            Some(Settings { shared_key, hostname, users: users.to_vec() })
        };
        assert_eq!(handshake(&[("empty_shared_key", "off"), ("self_hostname", "x")]), None);
        assert_eq!(handshake(&[("shared_key", "k")]), settings("k", "localhost", &[]));
        let users = [
            ("empty_shared_key", "on"),
            ("shared_key", "k"),
            ("self_hostname", "x"),
            ("security.users", "alice wonder land"),
            ("Security.Users", "bob builder"),
        ];
        let expected = [user("alice", "wonder land"), user("bob", "builder")];
        assert_eq!(handshake(&users), settings("", "x", &expected));
    }

    #[test]
    fn users_need_a_key_and_a_password() {
        let no_key =
            "expected shared_key or empty_shared_key as well: without one there is no handshake";
        assert_eq!(read(&[("security.users", "a b")]), Err(no_key.to_owned()));
        let no_password = "expected a user, a space and the password";
        let lines = [("shared_key", "k"), ("security.users", "alice")];
        assert_eq!(read(&lines), Err(no_password.to_owned()));
    }

    #[test]
    fn tls_is_not_spoken_on_a_unix_socket() {
        let lines = [("unix_path", "/run/f.sock"), ("tls", "on"), ("tls.crt_file", "/not/there")];
        let mut options = Options::read(
            section(&lines),
            OPTIONS,
            &[ADDRESS, admission::OPTIONS, SERVER_OPTIONS],
            Policy::Plugin,
        );
        let config = Config::from_options(&mut options).unwrap();
        assert_eq!(config.admission.tls, None);
        let notes = options.into_report().notes;
        assert!(notes.iter().any(|note| note.to_string().contains("on a unix socket")));
    }

    #[test]
    fn a_frame_has_at_least_a_byte() {
        assert_eq!(read(&[("buffer_max_size", "1")]).unwrap().frame_bytes_max, 1);
        assert!(read(&[("buffer_max_size", "0")]).is_err());
    }
}
