//! Step 6, output: the options of `forward`.
//!
//! Reference: Fluent Bit's manual, "Forward" output and "Upstream servers"; `plugins/out_forward`.
//! Not known here: sockets, records, and where the nodes of an upstream file are read from.

mod net;
mod node;

use std::path::PathBuf;

pub use self::net::{Net, OPTIONS as NET_OPTIONS};
pub use self::node::{NODE_OPTIONS, Node};
use crate::option::tables::PORT;
use crate::option::{Fault, Kind, Options, Policy, Remark, Row, Section, Table};
use crate::record::template::TemplateError;
use crate::tls;

/// Most nodes of an upstream file, inclusive.
pub const NODES_MAX: usize = 64;

const TAG: Row = Row::new(
    "tag",
    Kind::Text,
    "Tag to send in place of the records' own, $TAG and fields allowed",
);
const TIME_AS_INTEGER: Row = Row::new(
    "time_as_integer",
    Kind::Bool,
    "Whether to send whole seconds, for Fluentd up to 0.12",
)
.or("false");
const RETAIN_METADATA: Row = Row::new(
    "retain_metadata_in_forward_mode",
    Kind::Bool,
    "Whether entries have a place for metadata, which is empty; off for nodes of upstream unless set",
)
.or("true");
const SEND_OPTIONS: Row =
    Row::new("send_options", Kind::Bool, "Whether to send the number of records with them")
        .or("false");
const REQUIRE_ACK: Row = Row::new(
    "require_ack_response",
    Kind::Bool,
    "Whether records count as delivered only once the peer says so",
)
.or("false");
const COMPRESS: Row =
    Row::new("compress", Kind::Choice(&["text", "gzip"]), "How to pack records").or("text");
const SHARED_KEY: Row =
    Row::new("shared_key", Kind::Secret, "Key that the peer holds too; asks for a handshake");
const EMPTY_SHARED_KEY: Row =
    Row::new("empty_shared_key", Kind::Bool, "Whether to shake hands with an empty key")
        .or("false");
const SELF_HOSTNAME: Row = Row::new(
    "self_hostname",
    Kind::Text,
    "Name to tell in the handshake, which must not be the server's",
)
.or("firelane");
const USERNAME: Row = Row::new("username", Kind::Text, "User to tell in the handshake");
const PASSWORD: Row = Row::new("password", Kind::Secret, "The user's password");

/// Where it connects to. Of a repeated one the last counts.
pub const ADDRESS: Table = &[
    Row::new("host", Kind::Text, "Host to connect to, unless upstream or unix_path is set")
        .or("127.0.0.1"),
    Row::new("port", PORT, "Port to connect to, unless upstream or unix_path is set").or("24224"),
    Row::new("ipv6", Kind::Bool, "Whether to use IPv6").without_effect(),
];

/// Options of its own.
pub const OPTIONS: Table = &[
    Row::new("upstream", Kind::Text, "File that names several nodes to share the records"),
    Row::new("unix_path", Kind::Text, "Unix socket to connect to, unless upstream is set"),
    TAG,
    TIME_AS_INTEGER,
    RETAIN_METADATA,
    SEND_OPTIONS,
    REQUIRE_ACK,
    COMPRESS,
    SHARED_KEY,
    EMPTY_SHARED_KEY,
    SELF_HOSTNAME,
    USERNAME,
    PASSWORD,
    Row::new("add_option", Kind::Text, "Option to send with the records, KEY VALUE").many(),
    Row::new(
        "fluentd_compat",
        Kind::Bool,
        "How to send metrics and traces, of which there are none",
    )
    .or("false")
    .without_effect(),
];

/// A `forward` output.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The nodes that share the records; at least one.
    pub nodes: Vec<Node>,
    /// How connections are kept.
    pub net: Net,
}

/// Where a node is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Address {
    /// At a TCP port.
    Tcp {
        /// Address or host name.
        host: String,
        /// Port.
        port: u16,
    },
    /// At a unix socket.
    Unix(PathBuf),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Why the options cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// A tag that is no template.
    #[error("{0}")]
    Tag(#[from] TemplateError),
    /// Compression of what is not packed.
    #[error("compress gzip and time_as_integer exclude each other")]
    PackedIntegers,
    /// Compression of messages.
    #[error("compress gzip and a tag with fields of the record exclude each other")]
    PackedMessages,
    /// A user without a handshake.
    #[error(
        "username and password need shared_key, or empty_shared_key: users are asked for in its handshake"
    )]
    NoHandshake,
    /// One word.
    #[error("expected a key and a value with a space between them")]
    NoPair,
}

/// What to know about options that can be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Advice {
    /// An address beside a file of nodes.
    #[error("has no effect beside upstream")]
    BesideUpstream,
    /// An address beside a unix socket.
    #[error("has no effect beside unix_path")]
    BesideUnixPath,
}

impl Config {
    /// Reads the options; `None` after a problem was reported. `upstream` gives the `[NODE]` sections
    /// of a file.
    pub fn from_options(
        options: &mut Options,
        upstream: impl FnOnce(&str) -> Result<Vec<Section>, Fault>,
    ) -> Option<Self> {
        let net = Net::from_options(options);
        let nodes = match options.text("upstream") {
            None => vec![alone(options)?],
            Some(path) => {
                overlooked(options, &["host", "port", "unix_path"], Advice::BesideUpstream);
                match upstream(&path) {
                    Ok(sections) => nodes(options, sections),
                    Err(fault) => {
                        options.refuse("upstream", fault);
                        return None;
                    }
                }
            }
        };
        (!options.is_refused()).then_some(Self { nodes, net })
    }
}

/// The one node of an output without an upstream file.
fn alone(options: &mut Options) -> Option<Node> {
    let address = match options.text("unix_path") {
        Some(path) => {
            overlooked(options, &["host", "port", "tls"], Advice::BesideUnixPath);
            Address::Unix(PathBuf::from(path))
        }
        None => Address::Tcp { host: options.text("host")?, port: options.integer("port")? },
    };
    Node::alone(address, options)
}

fn nodes(output: &mut Options, sections: Vec<Section>) -> Vec<Node> {
    if sections.len() > NODES_MAX {
        output.refuse("upstream", Fault::TooMany { what: "nodes", max: NODES_MAX });
        return Vec::new();
    }
    let mut nodes = Vec::new();
    for section in sections {
        let policy = Policy::Service { strict: node::STRICT };
        let shared = &[tls::CLIENT_OPTIONS];
        let mut options = Options::read(section, NODE_OPTIONS, shared, policy);
        nodes.extend(Node::of_upstream(&mut options, output));
        output.append(options.into_report());
    }
    nodes
}

fn overlooked(options: &mut Options, names: &[&str], advice: Advice) {
    for name in names {
        if options.is_set(name) && (*name != "tls" || options.bool("tls")) {
            options.remark(name, Remark::plugin(advice));
        }
    }
}

#[cfg(test)]
mod tests;
