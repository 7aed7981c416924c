//! Step 6, output: the rows of `http`, as Fluent Bit's `config_map` has them. Not known here: what
//! is made of them.

use crate::option::tables::PORT;
use crate::option::{Kind, Row, Table};

/// Where to connect to. Of a repeated one the last counts.
pub const ADDRESS: Table = &[
    Row::new("host", Kind::Text, "Host to send to").or("127.0.0.1"),
    Row::new("port", PORT, "Port to send to").or("80"),
    Row::new("ipv6", Kind::Bool, "Whether to use IPv6; all addresses of the host are tried")
        .without_effect(),
];

/// Connections of its own.
pub const NET: Table = &[
    Row::new("net.connect_timeout", Kind::Seconds, "Longest wait for a connection, 0 for no end")
        .or("10s"),
    Row::new(
        "net.io_timeout",
        Kind::Seconds,
        "Longest time without a byte in either direction within a request, 0 for no end",
    )
    .or("0s"),
    Row::new("net.keepalive", Kind::Bool, "Whether connections are used again").or("true"),
    Row::new(
        "net.keepalive_idle_timeout",
        Kind::Seconds,
        "Time an unused connection stays open, 0 to use none again",
    )
    .or("30s"),
    Row::new(
        "net.keepalive_max_recycle",
        Kind::Integer { min: 0, max: 1_000_000_000 },
        "Most requests over one connection, 0 for no limit",
    )
    .or("2000"),
    Row::new("net.source_address", Kind::Text, "Address to connect from"),
];

/// Options of its own.
pub const OPTIONS: Table = &[
    Row::new("uri", Kind::Text, "Path and query to send to").or("/"),
    Row::new("http_method", Kind::Text, "POST or PUT").or("POST"),
    Row::new(
        "format",
        Kind::Text,
        "Form of the body: json, json_lines, json_stream, msgpack or gelf",
    )
    .or("json"),
    Row::new("json_date_key", Kind::Text, "Key of the time in JSON, false for no time").or("date"),
    Row::new("json_date_format", Kind::Text, "Form of the time in JSON").or("double"),
    Row::new("gelf_timestamp_key", Kind::Text, "Key of GELF's timestamp; timestamp if not set"),
    Row::new("gelf_host_key", Kind::Text, "Key of GELF's host; host if not set"),
    Row::new(
        "gelf_short_message_key",
        Kind::Text,
        "Key of GELF's short_message; short_message if not set",
    ),
    Row::new(
        "gelf_full_message_key",
        Kind::Text,
        "Key of GELF's full_message; full_message if not set",
    ),
    Row::new("gelf_level_key", Kind::Text, "Key of GELF's level; level if not set"),
    Row::new("compress", Kind::Text, "Compression of the body: gzip, snappy or zstd"),
    Row::new("header", Kind::Secret, "Header to send, its name and its value").many(),
    Row::new("header_tag", Kind::Text, "Header whose value is the tag"),
    Row::new("allow_duplicated_headers", Kind::Bool, "Whether a header may be sent twice")
        .or("true"),
    Row::new("http_user", Kind::Text, "Name to log in with"),
    Row::new("http_passwd", Kind::Secret, "Password to log in with"),
    Row::new("proxy", Kind::Text, "HTTP proxy to go through, http://host:port"),
    Row::new("body_key", Kind::Text, "Field of a record that is the body of a request of its own"),
    Row::new("headers_key", Kind::Text, "Field of a record that has the headers of that request"),
    Row::new("log_response_payload", Kind::Bool, "Whether log lines show what the server answers")
        .or("true"),
    Row::new(
        "http.response_timeout",
        Kind::Seconds,
        "Longest time for a request and its answer, 0 for no end",
    )
    .or("60s"),
    Row::new(
        "http.read_idle_timeout",
        Kind::Seconds,
        "Longest time without a byte in either direction; 0 for that of net.io_timeout",
    )
    .or("0s"),
    Row::new("aws_auth", Kind::Bool, "Whether requests are signed for AWS (SigV4)").or("false"),
    Row::new("aws_service", Kind::Text, "Name of the AWS service, which is signed"),
    Row::new("aws_region", Kind::Text, "AWS region; from the environment if not set"),
    Row::new("aws_role_arn", Kind::Text, "Role to assume"),
    Row::new("aws_external_id", Kind::Text, "External ID for the role"),
    Row::new("aws_sts_endpoint", Kind::Text, "Endpoint that gives the role's credentials"),
    Row::new("aws_profile", Kind::Text, "Profile of the credentials file"),
    oauth2("oauth2.enable"),
    oauth2("oauth2.token_url"),
    oauth2("oauth2.client_id"),
    oauth2("oauth2.client_secret"),
    oauth2("oauth2.user_agent"),
    oauth2("oauth2.scope"),
    oauth2("oauth2.audience"),
    oauth2("oauth2.resource"),
    oauth2("oauth2.auth_method"),
    oauth2("oauth2.jwt_key_file"),
    oauth2("oauth2.jwt_cert_file"),
    oauth2("oauth2.jwt_aud"),
    oauth2("oauth2.jwt_header"),
    oauth2("oauth2.jwt_ttl_seconds"),
    oauth2("oauth2.refresh_skew_seconds"),
    oauth2("oauth2.timeout"),
    oauth2("oauth2.connect_timeout"),
];

const fn oauth2(name: &'static str) -> Row {
    Row::new(name, Kind::Secret, "Part of OAuth 2, which is not spoken").unsupported()
}
