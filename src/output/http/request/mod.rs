//! Step 6, output: records → requests. Pure.
//!
//! Headers come in the order in which Fluent Bit sends them. The same records give the same request.
//! Must not know where it goes.

use std::sync::Arc;

use aws_smithy_types::base64;
use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderName, HeaderValue,
    USER_AGENT,
};

use super::compress::Codec;
use super::config::{Config, Format, OfRecord, host_header};
use crate::chunk::Chunk;
use crate::output::format::gelf::GelfFormat;
use crate::output::format::json::JsonFormat;
use crate::output::format::msgpack;
use crate::record::chunk::Entries;
use crate::record::map;
use crate::record::msgpack::{Reader, Token};
use crate::record::tag::Tag;

use super::config::header::{HEADERS_MAX, is_framing};

/// Who we say we are: what servers that look at it know from Fluent Bit.
const AGENT: HeaderValue = HeaderValue::from_static("Fluent-Bit");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// A request without its first line, which is the same for all.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its headers, but for those that follow from the body's length.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// What a parcel becomes.
#[derive(Clone, Debug)]
pub enum Requests {
    /// One request of all its records.
    One {
        /// The request; `None` where no record can be in one.
        request: Option<Request>,
        /// Records that are not in it, because the format does not take them.
        left_out: u64,
    },
    /// One of each record, made when its turn comes.
    OfRecords {
        /// The tag of all.
        tag: Tag,
        /// The records.
        entries: Vec<Arc<Entries>>,
    },
}

/// Makes requests.
#[derive(Clone, Debug)]
pub struct Composer {
    encoder: Encoder,
    compress: Option<Codec>,
    of_record: Option<OfRecord>,
    allows_duplicates: bool,
    host: HeaderValue,
    header_tag: Option<HeaderName>,
    /// Behind those of format and tag.
    last: Vec<(HeaderName, HeaderValue)>,
}

#[derive(Clone, Debug)]
enum Encoder {
    Json(JsonFormat),
    Msgpack,
    Gelf(GelfFormat),
}

impl Encoder {
    const fn content_type(&self) -> HeaderValue {
        use crate::output::format::json::Layout;
        HeaderValue::from_static(match self {
            Self::Json(JsonFormat { layout: Layout::Lines, .. }) => "application/x-ndjson",
            Self::Json(_) | Self::Gelf(_) => "application/json",
            Self::Msgpack => "application/msgpack",
        })
    }
}

impl Composer {
    /// Makes requests as the options say. `escape_unicode` is the service's option.
    #[must_use]
    pub fn new(config: &Config, escape_unicode: bool) -> Self {
        let encoder = match config.format.clone() {
            Format::Json { layout, date } => {
                Encoder::Json(JsonFormat { layout, date, escape_unicode })
            }
            Format::Msgpack => Encoder::Msgpack,
            Format::Gelf(format) => Encoder::Gelf(format),
        };
        let host = host_header(&config.host, config.port, config.tls.is_some());
        Self {
            encoder,
            compress: config.compress,
            of_record: config.of_record.clone(),
            allows_duplicates: config.allows_duplicates,
            host: value(host.as_bytes()),
            header_tag: config.header_tag.as_deref().and_then(name),
            last: last(config),
        }
    }

    /// The requests of these records.
    #[must_use]
    pub fn compose(&self, tag: &Tag, chunks: &[Chunk]) -> Requests {
        if self.of_record.is_some() {
            let entries = chunks.iter().map(Chunk::entries_with_shared).collect();
            return Requests::OfRecords { tag: tag.clone(), entries };
        }
        let (mut body, mut left_out) = (Vec::new(), 0);
        match &self.encoder {
            Encoder::Json(format) => format.write(chunks, &mut body),
            Encoder::Msgpack => msgpack::write(chunks, &mut body),
            Encoder::Gelf(format) => left_out = format.write(chunks, &mut body),
        }
        let kind = vec![(CONTENT_TYPE, self.encoder.content_type())];
        let request = (!body.is_empty()).then(|| self.request(tag, kind, body));
        Requests::One { request, left_out }
    }

    /// The request of one record; `None`: it has none.
    #[must_use]
    pub fn compose_of(&self, tag: &Tag, record: &[u8]) -> Option<Request> {
        let OfRecord { body, headers } = self.of_record.as_ref()?;
        let (Token::Str(body) | Token::Bin(body)) = Reader::new(body.get(record)?).token().ok()?
        else {
            return None;
        };
        let pairs = map::pairs(headers.get(record)?).ok()?.take(HEADERS_MAX);
        let headers = pairs.filter_map(|pair| {
            let text = std::str::from_utf8(pair.key_text()?).ok()?;
            let (name, text) = (name(text)?, map::text(pair.value)?);
            (!text.is_empty() && !is_framing(name.as_str())).then(|| (name, value(text)))
        });
        Some(self.request(tag, headers.collect(), body.to_vec()))
    }

    fn request(
        &self,
        tag: &Tag,
        first: Vec<(HeaderName, HeaderValue)>,
        mut body: Vec<u8>,
    ) -> Request {
        let mut headers = HeaderMap::with_capacity(8 + self.last.len());
        self.put(&mut headers, HOST, self.host.clone());
        for (name, value) in first {
            self.put(&mut headers, name, value);
        }
        if let Some(name) = &self.header_tag
            && !tag.as_bytes().is_empty()
        {
            self.put(&mut headers, name.clone(), value(tag.as_bytes()));
        }
        if let Some(codec) = self.compress
            && let Ok(compressed) = codec.compress(&body)
        {
            body = compressed;
            let codec = HeaderValue::from_static(codec.as_str());
            self.put(&mut headers, CONTENT_ENCODING, codec);
        }
        for (name, value) in &self.last {
            self.put(&mut headers, name.clone(), value.clone());
        }
        Request { headers, body: Bytes::from(body) }
    }

    fn put(&self, headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
        // Two hosts would be none.
        if self.allows_duplicates && name != HOST {
            headers.append(name, value);
        } else {
            headers.insert(name, value);
        }
    }
}

/// The headers that are the same for all requests and come last.
fn last(config: &Config) -> Vec<(HeaderName, HeaderValue)> {
    let mut last = Vec::new();
    if let Some(login) = &config.login {
        let pair = base64::encode(format!("{}:{}", login.user, login.password));
        let mut login = value(format!("Basic {pair}").as_bytes());
        login.set_sensitive(true);
        last.push((AUTHORIZATION, login));
    }
    last.push((USER_AGENT, AGENT));
    for (own, text) in &config.headers {
        last.extend(name(own).map(|name| (name, value(text.as_bytes()))));
    }
    if config.proxy.is_some() && config.tls.is_none() {
        last.push((PROXY_CONNECTION, HeaderValue::from_static("KeepAlive")));
    }
    let connection = if config.net.keepalive { "keep-alive" } else { "close" };
    last.push((CONNECTION, HeaderValue::from_static(connection)));
    last
}

fn name(text: &str) -> Option<HeaderName> {
    HeaderName::from_bytes(text.as_bytes()).ok()
}

/// The text as a header's value, with `_` for what none may have: a tag comes from others.
fn value(text: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(text).unwrap_or_else(|_| {
        let is_bad = |byte: u8| byte == 0x7f || (byte < 0x20 && byte != b'\t');
        let text: Vec<u8> =
            text.iter().map(|byte| if is_bad(*byte) { b'_' } else { *byte }).collect();
        HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("_"))
    })
}

#[cfg(test)]
mod tests;
