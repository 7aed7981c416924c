//! Step 1, input: the options of `http`.
//!
//! Reference: Fluent Bit's manual, "HTTP" input; `in_http/http.c`,
//! `flb_http_server_config_map.c`. Not known here: sockets.

use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};

use crate::input::admission;
use crate::option::tables::{COUNT, PORT};
use crate::option::{Fault, Kind, Options, Remark, Row, Table};
use crate::record::accessor::{Accessor, AccessorError};

/// Where it listens. Of a repeated one the last counts.
pub const ADDRESS: Table = &[
    Row::new("listen", Kind::Text, "Address to listen on").or("0.0.0.0"),
    Row::new("port", PORT, "TCP port to listen on").or("9880"),
    Row::new("host", Kind::Text, "Host of the input").without_effect(),
];

/// Options of its own.
pub const OPTIONS: Table = &[
    Row::new("tag_key", Kind::Text, "Field of a record that is its tag, if it is text"),
    Row::new("successful_response_code", COUNT, "Status of requests that are taken in").or("201"),
    Row::new("success_header", Kind::Text, "Name and value of a header of their answer").many(),
    Row::new("add_remote_addr", Kind::Bool, "Whether to add the address in X-Forwarded-For")
        .or("false"),
    Row::new("remote_addr_key", Kind::Text, "Key under which to add it").or("REMOTE_ADDR"),
    Row::new("enable_health_endpoint", Kind::Bool, "Whether GET /health is answered").or("false"),
    Row::new("http2", Kind::Bool, "Whether HTTP/2 is spoken too")
        .or("true")
        .also(&["http_server.http2"]),
    Row::new("buffer_max_size", Kind::Bytes, "Most bytes of a request's body, 0 for 10 MB")
        .or("4M")
        .also(&["http_server.buffer_max_size"]),
    Row::new("buffer_chunk_size", Kind::Bytes, "Bytes to read at once")
        .also(&["http_server.buffer_chunk_size"])
        .without_effect(),
    Row::new("max_connections", COUNT, "Most connections at once, 0 for 10,000")
        .or("0")
        .also(&["http_server.max_connections"]),
    Row::new(
        "http_server.idle_timeout",
        Kind::Seconds,
        "How long a connection may be silent, 0 for ever",
    )
    .or("10s"),
    Row::new("workers", Kind::Text, "Threads of the input")
        .also(&["http_server.workers"])
        .without_effect(),
    Row::new("http_server.ingress_queue_event_limit", Kind::Text, "Chunks between two threads")
        .without_effect(),
    Row::new("http_server.ingress_queue_byte_limit", Kind::Text, "Bytes between two threads")
        .without_effect(),
    Row::new("oauth2.validate", Kind::Bool, "Whether requests need a token").unsupported(),
    Row::new("oauth2.issuer", Kind::Text, "Who issues the tokens").unsupported(),
    Row::new("oauth2.jwks_url", Kind::Text, "Where the keys of the issuer are").unsupported(),
    Row::new("oauth2.allowed_audience", Kind::Text, "Whom tokens must be for").unsupported(),
    Row::new("oauth2.allowed_clients", Kind::Text, "Who may have a token").many().unsupported(),
    Row::new("oauth2.jwks_refresh_interval", Kind::Text, "How often to ask for the keys")
        .unsupported(),
];

/// Connections where `max_connections` sets no limit: as many as a `forward` input has.
pub const CONNECTIONS_MAX: usize = 10_000;
/// The largest body where `buffer_max_size` is 0 (`HTTP_SERVER_MAXIMUM_BUFFER_SIZE`).
const BODY_BYTES_MAX: usize = 10_000_000;
/// Offsets in chunks have 32 bits, and what a body becomes may be larger than it.
const BODY_BYTES_CEILING: usize = 1 << 28;
/// The status of success where none or a wrong one is set.
const CREATED: u16 = 201;

/// An `http` input.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// Address or host name to listen on.
    pub listen: String,
    /// Port; 0 lets the system choose.
    pub port: u16,
    /// Where a record holds a tag of its own.
    pub tag_key: Option<Accessor>,
    /// Status of a request that was taken in: 200, 201 or 204.
    pub success: u16,
    /// Headers of its answer.
    pub success_headers: Vec<(HeaderName, HeaderValue)>,
    /// Key under which the address in `X-Forwarded-For` is added; `None`: it is not.
    pub remote_addr_key: Option<String>,
    /// Whether `GET /health` is answered.
    pub has_health: bool,
    /// Whether HTTP/2 is spoken.
    pub has_http2: bool,
    /// Most bytes of a body as it is sent, inclusive.
    pub body_bytes_max: usize,
    /// Most connections at once.
    pub connections_max: usize,
    /// How long a connection may be silent; `None`: for ever.
    pub idle: Option<Duration>,
    /// How peers are let in.
    pub admission: admission::Config,
}

/// Why the options cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// No path to a field.
    #[error(transparent)]
    TagKey(#[from] AccessorError),
    /// A header that cannot be sent.
    #[error("expected the name of a header, a blank and its value")]
    Header,
}

/// What to know about options that can be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Advice {
    /// Another status than those of success.
    #[error("expected 200, 201 or 204, so 201 is sent")]
    Status,
}

impl Config {
    /// Reads the options; `None` after a problem was reported.
    pub fn from_options(options: &mut Options) -> Option<Self> {
        let tag_key = options.text("tag_key").and_then(|text| match Accessor::parse(&text) {
            Ok(accessor) => Some(accessor),
            Err(error) => {
                options.refuse("tag_key", Fault::invalid(Refusal::TagKey(error)));
                None
            }
        });
        let has_remote_addr = options.bool("add_remote_addr");
        let idle = options.seconds("http_server.idle_timeout")?;
        let body_bytes_max = options.bytes("buffer_max_size").map(usize::try_from)?;
        let admission = admission::Config::from_options(options);
        let config = Self {
            admission: admission?,
            listen: options.text("listen")?,
            port: options.integer("port")?,
            tag_key,
            success: status(options),
            success_headers: headers(options),
            remote_addr_key: options.text("remote_addr_key").filter(|_| has_remote_addr),
            has_health: options.bool("enable_health_endpoint"),
            has_http2: options.bool("http2"),
            body_bytes_max: match body_bytes_max {
                Ok(0) => BODY_BYTES_MAX,
                Ok(bytes) => bytes.min(BODY_BYTES_CEILING),
                Err(_) => BODY_BYTES_CEILING,
            },
            connections_max: match options.integer("max_connections") {
                None | Some(0) => CONNECTIONS_MAX,
                Some(connections) => connections,
            },
            idle: (!idle.is_zero()).then_some(idle),
        };
        (!options.is_refused()).then_some(config)
    }
}

fn status(options: &mut Options) -> u16 {
    match options.integer("successful_response_code") {
        Some(status @ (200 | 201 | 204)) => status,
        _ => {
            options.remark("successful_response_code", Remark::plugin(Advice::Status));
            CREATED
        }
    }
}

fn headers(options: &mut Options) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    for setting in options.all("success_header") {
        let split = setting.value.trim().split_once([' ', '\t']);
        let header = split.and_then(|(name, value)| {
            Some((name.parse::<HeaderName>().ok()?, value.trim().parse::<HeaderValue>().ok()?))
        });
        match header {
            Some(header) => headers.push(header),
            None => options.refuse_setting(&setting, Fault::invalid(Refusal::Header)),
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::{Policy, first_bad_row, section};
    use crate::tls::SERVER_OPTIONS;

    const SHARED: &[Table] = &[ADDRESS, admission::OPTIONS, SERVER_OPTIONS];

    fn read(lines: &[(&str, &str)]) -> Result<Config, String> {
        let mut options = Options::read(section(lines), OPTIONS, SHARED, Policy::Plugin);
        let config = Config::from_options(&mut options);
        let problems = options.into_report().problems;
        config.ok_or_else(|| problems.iter().map(|problem| problem.fault.to_string()).collect())
    }

    fn remarks(lines: &[(&str, &str)]) -> usize {
        let mut options = Options::read(section(lines), OPTIONS, SHARED, Policy::Plugin);
        assert!(Config::from_options(&mut options).is_some());
        options.into_report().notes.len()
    }

    #[test]
    fn every_row_has_a_sentence_and_a_default_that_parses() {
        assert_eq!(first_bad_row(&[OPTIONS, ADDRESS]), None);
    }

    #[test]
    fn without_options_it_takes_bodies_of_4_mb_on_9880() {
        let expected = Config {
            listen: "0.0.0.0".to_owned(),
            port: 9_880,
            tag_key: None,
            success: 201,
            success_headers: Vec::new(),
            remote_addr_key: None,
            has_health: false,
            has_http2: true,
            body_bytes_max: 4_000_000,
            connections_max: 10_000,
            idle: Some(Duration::from_secs(10)),
            admission: read(&[]).unwrap().admission,
        };
        assert_eq!(read(&[]), Ok(expected));
    }

    #[test]
    fn every_option_of_the_server_has_two_names() {
        for prefix in ["", "http_server."] {
            let name = |name: &str| format!("{prefix}{name}");
            let lines = [
                (name("http2"), "off"),
                (name("buffer_max_size"), "32k"),
                (name("max_connections"), "7"),
            ];
            let lines: Vec<_> = lines.iter().map(|(key, value)| (key.as_str(), *value)).collect();
            let config = read(&lines).unwrap();
            let found = (config.has_http2, config.body_bytes_max, config.connections_max);
            assert_eq!(found, (false, 32_000, 7));
        }
    }

    #[test]
    fn zero_is_no_limit_of_ones_own() {
        let zero =
            [("buffer_max_size", "0"), ("max_connections", "0"), ("http_server.idle_timeout", "0")];
        let config = read(&zero).unwrap();
        let found = (config.body_bytes_max, config.connections_max, config.idle);
        assert_eq!(found, (10_000_000, 10_000, None));
    }

    #[test]
    fn another_status_than_those_of_success_is_201_with_a_remark() {
        for status in ["200", "201", "204"] {
            let lines = [("successful_response_code", status)];
            let found = read(&lines).unwrap().success.to_string();
            assert_eq!((found.as_str(), remarks(&lines)), (status, 0));
        }
        for status in ["202", "0", "99999"] {
            let lines = [("successful_response_code", status)];
            assert_eq!((read(&lines).unwrap().success, remarks(&lines)), (201, 1), "{status}");
        }
    }

    #[test]
    fn headers_of_success_are_many_and_must_be_headers() {
        let config = read(&[("success_header", "X-Ok yes"), ("Success_Header", "x-a  b c ")]);
        let headers = config.unwrap().success_headers;
        let shown: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(shown, [("x-ok", b"yes".as_slice()), ("x-a", b"b c")]);
        for bad in ["alone", "a:b c", "a b\u{1}"] {
            assert!(read(&[("success_header", bad)]).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_tag_key_is_a_path_to_a_field() {
        let config = read(&[("tag_key", "$a['b']")]).unwrap();
        assert!(config.tag_key.is_some_and(|key| key.is_nested()));
        assert!(read(&[("tag_key", "$")]).is_err());
    }

    #[test]
    fn an_address_is_added_only_where_that_is_asked_for() {
        assert_eq!(read(&[("remote_addr_key", "ip")]).unwrap().remote_addr_key, None);
        let config = read(&[("add_remote_addr", "on")]).unwrap();
        assert_eq!(config.remote_addr_key.as_deref(), Some("REMOTE_ADDR"));
        let config = read(&[("add_remote_addr", "on"), ("remote_addr_key", "ip")]).unwrap();
        assert_eq!(config.remote_addr_key.as_deref(), Some("ip"));
    }

    #[test]
    fn tokens_cannot_be_checked_so_asking_for_them_is_refused() {
        for row in OPTIONS.iter().filter(|row| row.name.starts_with("oauth2.")) {
            assert!(read(&[(row.name, "on")]).is_err(), "{}", row.name);
        }
    }
}
