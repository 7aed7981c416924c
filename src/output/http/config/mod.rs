//! Step 6, output: the options of `http`.
//!
//! Reference: Fluent Bit's manual, "HTTP"; `plugins/out_http`. Not known here: records, sockets.

mod aws;
pub(super) mod header;
mod rows;
mod target;

use std::fmt;
use std::time::Duration;

pub use self::aws::Aws;
pub use self::rows::{ADDRESS, NET, OPTIONS};
pub use self::target::{Proxy, ProxyError, host_header, request_target};
use crate::option::{Fault, Options, Remark};
use crate::output::format::date::DateFormat;
use crate::output::format::gelf::GelfFormat;
use crate::output::format::json::Layout;
use crate::output::stdout::config::date;
use crate::record::accessor::{Accessor, AccessorError};

use crate::tls::ClientSettings;

use super::compress::Codec;

/// What holds where an option is not set.
#[derive(Clone, Copy, Debug, Default)]
pub struct Defaults<'a> {
    /// Region of the environment.
    pub region: Option<&'a str>,
}

/// An `http` output.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// Host to send to: a name or an address, an IPv6 address without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What is asked for: path and query, as they go over the wire.
    pub target: String,
    /// By which method.
    pub method: Method,
    /// The form of the body.
    pub format: Format,
    /// How it is compressed.
    pub compress: Option<Codec>,
    /// Headers of the user's own, in their order.
    pub headers: Vec<(String, String)>,
    /// Header whose value is the tag.
    pub header_tag: Option<String>,
    /// Whether a header may come twice.
    pub allows_duplicates: bool,
    /// Name and password.
    pub login: Option<Login>,
    /// Signs requests as AWS asks for it.
    pub aws: Option<Aws>,
    /// Where a request is made of each record.
    pub of_record: Option<OfRecord>,
    /// HTTP proxy to go through.
    pub proxy: Option<Proxy>,
    /// How TLS is spoken; `None`: not at all.
    pub tls: Option<ClientSettings>,
    /// Whether log lines show what the server answers.
    pub shows_answers: bool,
    /// How connections are made and kept.
    pub net: Net,
}

/// A method that has a body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    /// `POST`
    Post,
    /// `PUT`
    Put,
}

/// The form of the body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Format {
    /// JSON.
    Json {
        /// How events follow each other.
        layout: Layout,
        /// The key of the time and its form, if it is written.
        date: Option<(String, DateFormat)>,
    },
    /// Events as Fluent Bit holds them: `[[time, {}], record]`, one after the other.
    Msgpack,
    /// A line of GELF each.
    Gelf(GelfFormat),
}

/// Name and password. The password is shown nowhere.
#[derive(Clone, Eq, PartialEq)]
pub struct Login {
    /// `http_user`
    pub user: String,
    /// `http_passwd`
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Where in a record its request is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OfRecord {
    /// The body: a text or bytes.
    pub body: Accessor,
    /// The headers: a map of texts.
    pub headers: Accessor,
}

/// How connections are made and kept. `None`: without end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Net {
    /// Longest wait for a connection.
    pub connect_timeout: Option<Duration>,
    /// Longest time without a byte in either direction while a request is on its way.
    pub idle_timeout: Option<Duration>,
    /// Longest time from the first byte of a request to the end of its answer.
    pub response_timeout: Option<Duration>,
    /// Whether a connection is used again.
    pub keepalive: bool,
    /// How long an unused connection stays open.
    pub keepalive_idle_timeout: Duration,
    /// Most requests over one connection.
    pub keepalive_max_recycle: Option<u32>,
    /// Address to connect from.
    pub source_address: Option<std::net::IpAddr>,
}

/// Why the options cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
enum Refusal {
    #[error("this format is not supported by this version of Firelane")]
    Format,
    #[error("is no HTTP method for records, expected POST or PUT")]
    Method,
    #[error("is no compression, expected gzip, snappy or zstd")]
    Compress,
    #[error("is no path of HTTP, expected one such as /v1/logs?key=value")]
    Target,
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    #[error("body_key and headers_key belong together, one of them is missing")]
    OfRecord,
    #[error("is no path to a field: {0}")]
    Accessor(AccessorError),
    #[error("is no address to connect from, expected one such as 10.0.0.5")]
    SourceAddress,
    #[error("is no name of a header, expected letters, digits and dashes")]
    HeaderName,
    #[error("follows from the request, expected another header's name, such as X-Tag")]
    HeaderTag,
    #[error("more than {max} headers, leave some out")]
    Headers { max: usize },
}

/// What to know about a value for which another one holds.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Advice {
    #[error("is no format, msgpack holds; expected json, json_lines, json_stream, msgpack or gelf")]
    Format,
    #[error("is not sent, because there is no http_user")]
    PasswordAlone,
}

impl Config {
    /// Reads the options; `None` after a problem was reported. An unknown format is told of and
    /// replaced, as in Fluent Bit.
    pub fn from_options(options: &mut Options, defaults: Defaults<'_>) -> Option<Self> {
        let config = Self {
            host: unbracketed(options.text("host")?),
            port: options.integer("port")?,
            target: target(options),
            method: method(options),
            format: format(options),
            compress: compress(options),
            headers: header::headers(options),
            header_tag: header_tag(options),
            allows_duplicates: options.bool("allow_duplicated_headers"),
            login: login(options),
            aws: Aws::from_options(options, defaults),
            of_record: of_record(options),
            proxy: proxy(options),
            tls: ClientSettings::from_options(options)?,
            shows_answers: options.bool("log_response_payload"),
            net: net(options),
        };
        (!options.is_refused()).then_some(config)
    }
}

fn unbracketed(host: String) -> String {
    let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    inside.map_or_else(|| host.clone(), str::to_owned)
}

fn target(options: &mut Options) -> String {
    let uri = options.text("uri").unwrap_or_default();
    request_target(&uri).unwrap_or_else(|| {
        options.refuse("uri", Fault::invalid(Refusal::Target));
        String::new()
    })
}

fn method(options: &mut Options) -> Method {
    let text = options.text("http_method").unwrap_or_default();
    match text.to_ascii_uppercase().as_str() {
        "PUT" => return Method::Put,
        "POST" => {}
        _ => options.refuse("http_method", Fault::invalid(Refusal::Method)),
    }
    Method::Post
}

fn format(options: &mut Options) -> Format {
    let date = date(options);
    let layout = match options.text("format").unwrap_or_default().to_ascii_lowercase().as_str() {
        "json" => Layout::Array,
        "json_lines" => Layout::Lines,
        "json_stream" => Layout::Stream,
        "gelf" => return Format::Gelf(gelf(options)),
        "msgpack" => return Format::Msgpack,
        "otlp_json" | "otlp_json_pretty" => {
            options.refuse("format", Fault::invalid(Refusal::Format));
            return Format::Msgpack;
        }
        _ => {
            options.remark("format", Remark::plugin(Advice::Format));
            return Format::Msgpack;
        }
    };
    Format::Json { layout, date }
}

fn gelf(options: &Options) -> GelfFormat {
    let GelfFormat { timestamp_key, host_key, short_message_key, full_message_key, level_key } =
        GelfFormat::default();
    let key = |name: &str, default| options.text(name).unwrap_or(default);
    GelfFormat {
        timestamp_key: key("gelf_timestamp_key", timestamp_key),
        host_key: key("gelf_host_key", host_key),
        short_message_key: key("gelf_short_message_key", short_message_key),
        full_message_key: key("gelf_full_message_key", full_message_key),
        level_key: key("gelf_level_key", level_key),
    }
}

fn compress(options: &mut Options) -> Option<Codec> {
    let text = options.text("compress")?;
    let codec = Codec::parse(&text);
    if codec.is_none() {
        options.refuse("compress", Fault::invalid(Refusal::Compress));
    }
    codec
}

fn header_tag(options: &mut Options) -> Option<String> {
    let name = options.text("header_tag")?;
    if !header::is_name(&name) {
        options.refuse("header_tag", Fault::invalid(Refusal::HeaderName));
    } else if header::is_framing(&name) || name.eq_ignore_ascii_case("host") {
        options.refuse("header_tag", Fault::invalid(Refusal::HeaderTag));
    }
    Some(name)
}

fn login(options: &mut Options) -> Option<Login> {
    let user = options.text("http_user");
    if user.is_none() && options.is_set("http_passwd") {
        options.remark("http_passwd", Remark::plugin(Advice::PasswordAlone));
    }
    let password = options.text("http_passwd").unwrap_or_default();
    user.map(|user| Login { user, password })
}

fn of_record(options: &mut Options) -> Option<OfRecord> {
    match (options.text("body_key"), options.text("headers_key")) {
        (None, None) => None,
        (Some(body), Some(headers)) => {
            let body = accessor(options, "body_key", &body);
            let headers = accessor(options, "headers_key", &headers);
            body.zip(headers).map(|(body, headers)| OfRecord { body, headers })
        }
        (body, _) => {
            let name = if body.is_some() { "body_key" } else { "headers_key" };
            options.refuse(name, Fault::invalid(Refusal::OfRecord));
            None
        }
    }
}

fn accessor(options: &mut Options, name: &str, text: &str) -> Option<Accessor> {
    match Accessor::parse(text) {
        Ok(accessor) => Some(accessor),
        Err(error) => {
            options.refuse(name, Fault::invalid(Refusal::Accessor(error)));
            None
        }
    }
}

fn proxy(options: &mut Options) -> Option<Proxy> {
    let text = options.text("proxy")?;
    match Proxy::parse(&text) {
        Ok(proxy) => Some(proxy),
        Err(error) => {
            options.refuse("proxy", Fault::invalid(Refusal::Proxy(error)));
            None
        }
    }
}

fn net(options: &mut Options) -> Net {
    let source_address = options.text("net.source_address").and_then(|text| {
        let address = text.parse().ok();
        if address.is_none() {
            options.refuse("net.source_address", Fault::invalid(Refusal::SourceAddress));
        }
        address
    });
    let limit = |name| options.seconds(name).filter(|time| !time.is_zero());
    Net {
        connect_timeout: limit("net.connect_timeout"),
        idle_timeout: limit("http.read_idle_timeout").or(limit("net.io_timeout")),
        response_timeout: limit("http.response_timeout"),
        keepalive: options.bool("net.keepalive"),
        keepalive_idle_timeout: options.seconds("net.keepalive_idle_timeout").unwrap_or_default(),
        keepalive_max_recycle: options
            .integer("net.keepalive_max_recycle")
            .filter(|uses| *uses > 0),
        source_address,
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = match &self.format {
            Format::Json { layout: Layout::Array, .. } => "arrays of JSON",
            Format::Json { layout: Layout::Lines, .. } => "lines of JSON",
            Format::Json { layout: Layout::Stream, .. } => "JSON",
            Format::Msgpack => "msgpack",
            Format::Gelf(_) => "lines of GELF",
        };
        write!(f, "sent as {form} to {}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests;
