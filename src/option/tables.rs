//! Around the path, option: options that several plugins share.
//!
//! Reference: Fluent Bit's manual, "Configuration file" and "Networking" and "Transport Security".

use super::{Kind, Row, Table};

/// A TCP port; 0 lets the system choose.
pub const PORT: Kind = Kind::Integer { min: 0, max: 65_535 };
/// A number of things.
pub const COUNT: Kind = Kind::Integer { min: 0, max: i64::MAX };

/// Every table of this file.
pub const ALL: &[Table] = &[SECTION, INPUT, FILTER, CONDITION, OUTPUT, NET, NET_OUTPUT, TLS, HOST];

/// Options of every section.
pub const SECTION: Table = &[
    Row::new("name", Kind::Text, "Which plugin it is"),
    Row::new("alias", Kind::Text, "Name of the section in metrics and log lines"),
    Row::new("log_level", Kind::Text, "Log level of this plugin alone").without_effect(),
    Row::new("log_suppress_interval", Kind::Text, "Time in which a log line is not repeated")
        .without_effect(),
];

/// Options of every input.
pub const INPUT: Table = &[
    Row::new("tag", Kind::Text, "Tag of the records"),
    Row::new(
        "mem_buf_limit",
        Kind::Bytes,
        "Most bytes of this input in memory, 0 for no limit of its own",
    )
    .or("0"),
    Row::new(
        "storage.type",
        Kind::Choice(&["memory", "filesystem", "memrb"]),
        "Where records wait: filesystem is acknowledged once it is on disk; memrb counts as memory, \
         readers wait and nothing is dropped",
    )
    .or("memory"),
    Row::new(
        "storage.pause_on_chunks_overlimit",
        Kind::Bool,
        "Wait where too many chunks are in memory",
    )
    .without_effect(),
    Row::new("routable", Kind::Bool, "Whether records of this input reach outputs")
        .without_effect(),
    Row::new("threaded", Kind::Bool, "Whether the input has a thread of its own").without_effect(),
    Row::new("thread.ring_buffer.capacity", COUNT, "Slots of the thread's ring").without_effect(),
    Row::new("thread.ring_buffer.window", COUNT, "Share of the ring that wakes the reader")
        .without_effect(),
];

/// Options of every filter.
pub const FILTER: Table = &[
    Row::new("match", Kind::Text, "Tags of the records it works on, * for any run of characters"),
    Row::new("match_regex", Kind::Text, "Tags of the records it works on, a regular expression"),
    Row::new("active", Kind::Bool, "Whether the filter works").or("true"),
];

/// The condition of every filter that has none of its own.
pub const CONDITION: Table =
    &[Row::new("condition", Kind::Text, "Records it works on").unsupported()];

/// Options of every output.
pub const OUTPUT: Table = &[
    Row::new("match", Kind::Text, "Tags of the records it gets, * for any run of characters"),
    Row::new("match_regex", Kind::Text, "Tags of the records it gets, a regular expression"),
    Row::new("retry_limit", Kind::RetryLimit, "Retries before a batch may be dropped to make room")
        .or("1"),
    Row::new("workers", Kind::Text, "Threads of the output").without_effect(),
    Row::new(
        "storage.total_limit_size",
        Kind::Bytes,
        "Most bytes on disk for this output, off for no limit, else a part of the free space",
    ),
];

/// Options of outputs that connect to a host.
pub const HOST: Table = &[
    Row::new("host", Kind::Text, "Host to connect to").without_effect(),
    Row::new("ipv6", Kind::Bool, "Whether to use IPv6").without_effect(),
];

/// Options of connections, for inputs and outputs.
pub const NET: Table = &[
    Row::new("net.accept_timeout", Kind::Text, "Time for a new connection to be set up")
        .without_effect(),
    Row::new("net.accept_timeout_log_error", Kind::Text, "Whether to log that it was not")
        .without_effect(),
    Row::new("net.backlog", Kind::Text, "Connections that wait to be accepted").without_effect(),
    Row::new("net.connect_timeout", Kind::Text, "Time to connect").without_effect(),
    Row::new("net.connect_timeout_log_error", Kind::Text, "Whether to log that it passed")
        .without_effect(),
    Row::new("net.dns.mode", Kind::Text, "UDP or TCP for name look-ups").without_effect(),
    Row::new("net.dns.prefer_ipv4", Kind::Text, "Whether IPv4 addresses come first")
        .without_effect(),
    Row::new("net.dns.prefer_ipv6", Kind::Text, "Whether IPv6 addresses come first")
        .without_effect(),
    Row::new("net.dns.resolver", Kind::Text, "How names are looked up").without_effect(),
    Row::new("net.io_timeout", Kind::Text, "Time a connection may be idle").without_effect(),
    Row::new("net.keepalive", Kind::Text, "Whether connections are used again").without_effect(),
    Row::new("net.keepalive_idle_timeout", Kind::Text, "Time an unused connection stays open")
        .without_effect(),
    Row::new("net.keepalive_max_recycle", Kind::Text, "Uses of one connection").without_effect(),
    Row::new("net.max_worker_connections", Kind::Text, "Connections of one thread")
        .without_effect(),
    Row::new("net.proxy_env_ignore", Kind::Text, "Whether to leave HTTP_PROXY out")
        .without_effect(),
    Row::new("net.share_port", Kind::Text, "Whether others may listen on the port too")
        .without_effect(),
    Row::new("net.source_address", Kind::Text, "Address to connect from").without_effect(),
    Row::new("net.tcp_keepalive", Kind::Text, "Whether the kernel probes connections")
        .without_effect(),
    Row::new("net.tcp_keepalive_interval", Kind::Text, "Seconds between two probes")
        .without_effect(),
    Row::new("net.tcp_keepalive_probes", Kind::Text, "Probes before a connection is given up")
        .without_effect(),
    Row::new("net.tcp_keepalive_time", Kind::Text, "Seconds until the first probe")
        .without_effect(),
];

/// Options of connections that have no effect on outputs which connect to hosts of any kind.
pub const NET_OUTPUT: Table = &[
    Row::new("net.accept_timeout", Kind::Text, "Time for a new connection to be set up")
        .without_effect(),
    Row::new("net.accept_timeout_log_error", Kind::Text, "Whether to log that it was not")
        .without_effect(),
    Row::new("net.backlog", Kind::Text, "Connections that wait to be accepted").without_effect(),
    Row::new("net.connect_timeout_log_error", Kind::Text, "Whether to log that it passed")
        .without_effect(),
    Row::new("net.dns.mode", Kind::Text, "UDP or TCP for name look-ups").without_effect(),
    Row::new("net.dns.prefer_ipv4", Kind::Text, "Whether IPv4 addresses come first")
        .without_effect(),
    Row::new("net.dns.prefer_ipv6", Kind::Text, "Whether IPv6 addresses come first")
        .without_effect(),
    Row::new("net.dns.resolver", Kind::Text, "How names are looked up").without_effect(),
    Row::new("net.max_worker_connections", Kind::Text, "Connections of one thread")
        .without_effect(),
    Row::new("net.proxy_env_ignore", Kind::Text, "Whether to leave HTTP_PROXY out")
        .without_effect(),
    Row::new("net.share_port", Kind::Text, "Whether others may listen on the port too")
        .without_effect(),
    Row::new("net.tcp_keepalive", Kind::Text, "Whether the kernel probes connections")
        .without_effect(),
    Row::new("net.tcp_keepalive_interval", Kind::Text, "Seconds between two probes")
        .without_effect(),
    Row::new("net.tcp_keepalive_probes", Kind::Text, "Probes before a connection is given up")
        .without_effect(),
    Row::new("net.tcp_keepalive_time", Kind::Text, "Seconds until the first probe")
        .without_effect(),
];

/// TLS of outputs whose connections are always encrypted.
pub const TLS: Table = &[
    Row::new("tls", Kind::Bool, "Whether to encrypt, which is always done").without_effect(),
    Row::new("tls.verify", Kind::Bool, "Whether the server must prove who it is").or("on"),
    Row::new("tls.ca_file", Kind::Text, "PEM file of the authorities to trust"),
    Row::new("tls.ca_path", Kind::Text, "Folder of the authorities to trust").without_effect(),
    Row::new("tls.crt_file", Kind::Text, "Certificate of the client").without_effect(),
    Row::new("tls.key_file", Kind::Text, "Key of the client").without_effect(),
    Row::new("tls.key_passwd", Kind::Secret, "Password of the client's key").without_effect(),
    Row::new("tls.vhost", Kind::Text, "Name to ask the server for").without_effect(),
    Row::new("tls.verify_hostname", Kind::Bool, "Whether the name must fit").without_effect(),
    Row::new("tls.debug", Kind::Text, "How much of TLS to log").without_effect(),
    Row::new("tls.min_version", Kind::Text, "Oldest version of TLS").without_effect(),
    Row::new("tls.max_version", Kind::Text, "Newest version of TLS").without_effect(),
    Row::new("tls.ciphers", Kind::Text, "Ciphers to offer").without_effect(),
];
